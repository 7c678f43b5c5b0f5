"""Code for synapses while their neurons are balanced: follow the scales, and sum up the costs.

A synapse sees its own weight and numbers of its two neurons: ``nb_factor_post`` and the like are those of their somas.
"""

from __future__ import annotations

import numpy as np

from neurobal.brian.motion import SynapticMotion
from neurobal.cost import Term


def follow_code(moves: SynapticMotion) -> str:
    """Synaptic variables follow the scales of their neurons."""
    lines = ""
    for variable, (at_post, at_pre) in moves.powers.items():
        factors = [power_of(f"nb_factor_{side}", f"nb_inverse_{side}", power)
                   for side, power in (("post", at_post), ("pre", at_pre)) if power]  # fmt: skip
        lines += f"{variable} = {'*'.join([variable, *factors])}\n"
    return lines


def count_code(
    moves: SynapticMotion, terms: list[tuple[str, Term]], *, unrounded: bool, autapses: bool, levels: str
) -> str:
    """Add the costs of synapses to the sums of their neurons; ``unrounded``: as the rule has the weights in mind.

    A self-connection whose two ends move alike stays as it is, and balances nothing. ``levels`` is code that tells
    costs that have a balance from those that have none, by the levels of their ends; empty where all have one.
    """
    lines = ""
    for k, (weight, term) in enumerate(terms):
        a, b = moves.powers[weight][0], -moves.powers[weight][1]
        seen = [weight]
        if unrounded:  # the rule sees un-rounded weights
            seen += [power_of(f"nb_lead_{side}", f"nb_lag_{side}", power)
                     for side, power in (("post", a), ("pre", -b)) if power]  # fmt: skip
        lines += f"nb_w{k} = {'*'.join(seen)}\n"
        magnitude = f"nb_w{k}*nb_w{k}" if term.power == 2 else power_of(f"abs(nb_w{k})", "", term.power)
        counts = "*int(nb_post != nb_pre)" if autapses and a == b else ""
        counts += f"*int({levels} > -0.5)" if levels else ""
        lines += f"nb_c{k} = {float(np.asarray(term.weight)) * term.power!r}*{magnitude}{counts}\n"
        if a:
            lines += f"nb_raw_in_post += {_times(a)}nb_c{k}\n"
        if b:
            lines += f"nb_raw_out_pre += {_times(b)}nb_c{k}\n"
    return lines


def power_of(name: str, inverse: str, power: float) -> str:
    """Code for ``name**power``, exact where it can be."""
    if power == 1:
        return name
    if power == -1 and inverse:
        return inverse
    return f"{name}**({power!r})"


def _times(number: float) -> str:
    return "" if number == 1 else f"{number!r}*"
