"""Code for synapses while their neurons are balanced: follow the scales, and sum up the costs.

A synapse sees its own weight and numbers of its two neurons: ``_nb_factor_post`` and the like are those of their somas.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurobal.brian.network.motion import SynapticMotion
from neurobal.brian.running.runner import Sum


def follow_code(moves: SynapticMotion, mixed_autapses: bool) -> str:
    """Synaptic variables follow the scales of their neurons; ``mixed_autapses`` as for `cost_code`.

    One factor after the other: rounded to a common one first, it would pull in the same direction at every update.
    """
    lines = ""
    for variable, (at_post, at_pre) in moves.powers.items():
        factors = [factor for side, power in (("post", at_post), ("pre", at_pre))
                   for factor in factors_of(f"_nb_factor_{side}", f"_nb_inverse_{side}", power)]  # fmt: skip
        if mixed_autapses and at_post + at_pre == 0:  # λ times 1/λ is not quite 1, and would add up
            lines += f"_nb_factor = {'*'.join(factors)}*int(_nb_to != _nb_from) + int(_nb_to == _nb_from)\n"
            factors = ["_nb_factor"]
        lines += "".join(f"{variable} = {variable}*{factor}\n" for factor in factors)
    return lines


def cost_code(
    moves: SynapticMotion,
    terms: Sequence[tuple[str, float, str]],
    *,
    unrounded: bool,
    mixed_autapses: bool,
    uneven: Sequence[str],
    hold: str,
) -> tuple[str, tuple[Sum, ...]]:
    """The costs of synapses, and to which sums of their neurons they are added.

    ``terms`` are (weight variable, power, code for the price of a synapse of weight 1). ``unrounded``: as the rule has
    the weights in mind. ``mixed_autapses``: there are self-connections of which some weights move and others do not, as
    their two ends move alike; these balance nothing. ``uneven``: some have no balance, which the levels of the neurons
    on these sides tell. The sums of the side ``hold`` are held from synapse to synapse.
    """
    lines = ""
    shares: dict[str, list[str]] = {"post": [], "pre": []}
    for k, (weight, power, price) in enumerate(terms):
        a, b = moves.powers[weight][0], -moves.powers[weight][1]
        seen = [weight]
        if unrounded:  # the rule sees un-rounded weights
            seen += [power_of(f"_nb_lead_{side}", f"_nb_lag_{side}", exponent)
                     for side, exponent in (("post", a), ("pre", -b)) if exponent]  # fmt: skip
        lines += f"_nb_w{k} = {'*'.join(seen)}\n"
        magnitude = (
            f"_nb_w{k}*_nb_w{k}" if power == 2 else f"abs(_nb_w{k})**({power!r})" if power != 1 else f"abs(_nb_w{k})"
        )
        falls = "+".join(f"({exponent!r})*_nb_level_{side}" for side, exponent in (("post", a), ("pre", -b))
                         if side in uneven and exponent)  # fmt: skip
        counts = f"*int({falls} > -0.5)" if falls else ""
        counts += "*int(_nb_to != _nb_from)" if mixed_autapses and a == b else ""
        lines += f"_nb_c{k} = {price}*{magnitude}{counts}\n"
        for side, exponent in (("post", a), ("pre", b)):
            if exponent:
                shares[side].append(f"_nb_c{k}" if exponent == 1 else f"{exponent!r}*_nb_c{k}")
    sums = []
    for side, total in (("post", "_nb_raw_in_post"), ("pre", "_nb_raw_out_pre")):
        if shares[side]:
            lines += f"_nb_{side} = {' + '.join(shares[side])}\n"
            sums.append(Sum(f"_nb_{side}", total, f"_{side}synaptic_idx", held=side == hold))
    return lines, tuple(sums)


def factors_of(name: str, inverse: str, power: float) -> list[str]:
    """Code for the factors of ``name**power``: of whole powers one by one, as exact as they can be."""
    base = name if power > 0 else inverse
    return [base] * int(abs(power)) if abs(power) in (1, 2, 3) else [f"{base}**({abs(power)!r})"] if power else []


def power_of(name: str, inverse: str, power: float) -> str:
    """Code for ``name**power``."""
    return "*".join(factors_of(name, inverse, power)) or "1.0"
