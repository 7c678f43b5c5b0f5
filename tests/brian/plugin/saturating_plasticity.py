"""A plug-in for neurobal as somebody else would write it: rules, registered by the entry points of its package."""

from brian2 import second

import neurobal as nb


class Saturating(nb.Rule):
    """A pace that no imbalance can drive beyond ``rate``."""

    step = "-rate*dt*tanh((cost_in - cost_out)/(cost_in + cost_out))"
    parameters = {"rate": 20 / second}  # noqa: RUF012


gentle = Saturating(rate=1 / second)


class Misspelt(nb.Rule):
    step = "-0.1*(cost_inn - cost_out)"


class WrongUnits(nb.Rule):
    step = "-rate*(cost_in - cost_out)"
    parameters = {"rate": 1 / second}  # noqa: RUF012


nothing = "no rule"
