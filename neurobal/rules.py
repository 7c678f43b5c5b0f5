"""Plasticity rules as data: how far one neuron moves its log-scale in one update, in one line of Brian2 code.

Whatever a rule says, the network's function is preserved: synapses and states follow the neuron's scale by
construction. A rule only decides where the scales go. A third-party package adds rules under the entry-point group
``neurobal.rules``; their names are then accepted wherever a rule is.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from keyword import iskeyword
from typing import Any, ClassVar

from neurobal.errors import InvalidInputError, did_you_mean

ENTRY_POINTS = "neurobal.rules"

# What the code of a rule may use beside its own parameters and Brian2's functions.
VOCABULARY = {
    "cost_in": "incoming half of ∂C/∂h: p a times the incoming costs, in units of the mean cost of a synapse at the "
    "start",
    "cost_out": "outgoing half of ∂C/∂h",
    "homogeneity": "b: the power with which the neuron's output grows with its input",
    "p": "the power of the cost (the largest one of a sum)",
    "dt": "time between two updates",
    "uniform": "a random number strictly between 0 and 1, new for each neuron and update, that does not touch the "
    "network's random numbers",
}


class Rule:
    """Base class of rules. Subclass it with one line of code and its parameters:

    >>> from brian2 import second
    >>> from neurobal.rules import Rule
    >>> class Saturating(Rule):
    ...     step = "-rate*dt*tanh((cost_in - cost_out)/(cost_in + cost_out))"
    ...     parameters = {"rate": 1/second}
    >>> Saturating(rate=2/second)
    Saturating(rate=2. * hertz)

    Attributes
    ----------
    step
        A dimensionless Brian2 expression, on one line or several, the change of the neuron's log-scale h = log λ in one
        update. It may use ``cost_in``, ``cost_out``, ``homogeneity``, ``p``, ``dt``, ``uniform`` and the parameters. λ
        multiplies what comes in: a negative step makes incoming synapses weaker and outgoing ones stronger. It is used
        only for neurons that have both incoming and outgoing cost.
    parameters
        Default values, with units; None where one must be given. Give others by name: ``Saturating(rate=2/second)``.
    seed
        Starts the streams of random numbers that ``uniform`` reads.
    """

    step: str = ""
    parameters: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, seed: int = 0, **values: Any) -> None:
        kind = type(self).__name__
        if not isinstance(self.step, str) or not self.step.strip():
            raise InvalidInputError(f"{kind}.step: expected one line of code for the step of a neuron's log-scale.")
        # One line for Brian2, where every line is a statement.
        lines = (line.partition("#")[0].strip() for line in self.step.splitlines())
        self.step = " ".join(line for line in lines if line)
        for name in values:
            if name not in self.parameters:
                raise InvalidInputError(f"{kind}: there is no parameter {name!r}.{did_you_mean(name, self.parameters)}")
        for name in self.parameters:
            if name in VOCABULARY:
                raise InvalidInputError(f"{kind}.parameters: {name!r} already means something: {VOCABULARY[name]}.")
            if not name.isidentifier() or iskeyword(name) or name == "step":
                raise InvalidInputError(f"{kind}.parameters: {name!r} cannot be used as a name.")
            if name.startswith("_"):
                raise InvalidInputError(f"{kind}.parameters: {name!r}: names that begin with _ are those of Brian2.")
        if not hasattr(seed, "__index__") or seed < 0:
            raise InvalidInputError(f"{kind}: seed must be an integer >= 0, got {seed!r}.")
        self.values = {**self.parameters, **values}
        for name, value in self.values.items():
            if value is None:
                raise InvalidInputError(f"{kind}: parameter {name!r} must be given, with its unit: {kind}({name}=...).")
        self.seed = int(seed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"


class GradientFlow(Rule):
    """The first paper's rule: ``dh/dt = -rate (in - out)``, in and out without the factor p (Stock et al. 2022).

    Near balance the imbalance decays at rate · p · λ_min, λ_min the smallest non-zero eigenvalue of the Laplacian of
    the symmetrised costs (each divided by the mean cost at the start). Explicit steps are stable for rate · dt · p ·
    max(in + out) < 1 only.
    """

    step = "-rate*dt*(cost_in - cost_out)/p"
    parameters: ClassVar[Mapping[str, Any]] = {"rate": None}

    def stiffness(self, p: float, largest: float, dt: float) -> float:
        """``rate * dt * largest``, which must stay below 1 for stability; ``largest`` is a neuron's largest cost_in +
        cost_out, ``dt`` in seconds."""
        return float(self.values["rate"]) * dt * largest


class NormalizedFlow(Rule):
    """Relax the relative imbalance: ``Δh = -(1 - exp(-rate dt)) (in - out)/(in + out) / p``. Stable for any cost and
    dt.

    (in - out)/(in + out) = tanh(½ log(in/out)) is at most half of the logarithmic imbalance, so that even neighbours
    that move together do not overshoot.
    """

    step = "-(1 - exp(-rate*dt))*(cost_in - cost_out)/(cost_in + cost_out)/p"
    parameters: ClassVar[Mapping[str, Any]] = {"rate": None}


class StochasticBalancing(Rule):
    """The second paper's rule (Baldi et al. 2024): at Poisson times a neuron makes the balancing step λ*^theta.

    ``λ* = (out/in)^(1/(p(1 + b)))`` balances the neuron if no other moves. With theta = 1/2 the cost falls for any
    set of neurons that happen to move in the same update; with theta = 1 neighbours that do can undo each other.
    """

    step = "int(uniform < 1 - exp(-rate*dt))*theta*log(cost_out/cost_in)/(p*(1 + homogeneity))"
    parameters: ClassVar[Mapping[str, Any]] = {"rate": None, "theta": 0.5}


class AntiBalancing(Rule):
    """A control: away from balance, at a bounded pace. Costs grow, and the function is preserved all the same."""

    step = "rate*dt*(cost_in - cost_out)/(cost_in + cost_out)/p"
    parameters: ClassVar[Mapping[str, Any]] = {"rate": None}


def find_rule(rule: Any) -> Rule:
    """A rule object, from itself, its class, or its name (shipped, or registered by an installed package)."""
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, type) and issubclass(rule, Rule):
        return rule()
    if not isinstance(rule, str):
        usage = "Plasticity(network, rule, dt=...), or Plasticity(rule=..., dt=...) for all objects that would run here"
        raise InvalidInputError(
            f"rule: expected a Rule, or the name of one, got {rule!r}.{f' Write {usage}.' if rule is None else ''}"
        )
    shipped = {kind.__name__: kind for kind in (GradientFlow, NormalizedFlow, StochasticBalancing, AntiBalancing)}
    if rule in shipped:
        return shipped[rule]()
    registered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if rule not in registered:
        raise InvalidInputError(f"rule: there is no rule {rule!r}.{did_you_mean(rule, [*shipped, *registered])}")
    try:
        loaded = registered[rule].load()
    except Exception as error:
        raise InvalidInputError(
            f"rule {rule!r}: {registered[rule].value} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if isinstance(loaded, Rule) or (isinstance(loaded, type) and issubclass(loaded, Rule)):
        return find_rule(loaded)
    raise InvalidInputError(f"rule {rule!r}: {registered[rule].value} is no Rule but {loaded!r}.")
