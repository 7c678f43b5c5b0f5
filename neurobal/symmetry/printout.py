"""The printout of a network's symmetries, for a reader who thinks in neurons."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from .obstacles import power_of_scale

if TYPE_CHECKING:
    from .symmetries import GroupSymmetry, Symmetries


MOST_OBSTACLES = 8  # a reader needs the first ones; the others often follow from them


def describe(symmetries: Symmetries) -> str:
    """One paragraph for each group: what moves, what it sends to whom, what stands in the way, what would help."""
    lines = ["What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in."]
    for group in symmetries.groups.values():
        lines += ["", *_group(symmetries, group)]
    if symmetries.assumed and any(group.powers for group in symmetries.groups.values()):
        constants = ", ".join(f"{name} = {value:g} ({owner})" for (owner, name), value in symmetries.assumed.items())
        lines += ["", f"This holds as long as these constants keep their values: {constants}."]
    if symmetries.inexact:
        lines += ["", "Up to rounding only, even for powers of two:"]
        lines += [f"    {expression}" for expression in symmetries.inexact]
    if symmetries.unread:
        lines += ["", "Not analysed, so nothing is proven about it:"]
        lines += [f"    {text}" for text in symmetries.unread]
    return "\n".join(lines)


def _group(symmetries: Symmetries, group: GroupSymmetry) -> list[str]:
    if group.fixed is not None:
        return [f"{group.name}: fixed, {group.fixed}."]
    lines = [f"{group.name}: {_verdict(symmetries, group)}"]
    if group.powers:
        lines.append("    moves along: " + _powers(group.powers))
    for origin in dict.fromkeys(group.origins.values()):
        measured = [name for name, constant in group.origins.items() if constant == origin]
        lines.append(f"    measured from {origin}, which stays (exact up to rounding): {', '.join(measured)}")
        lines.append(f"        {origin} must keep its value; where it changes, make it a parameter of each neuron")
    for projection in symmetries.projections.values():
        if projection.target == group.name:
            origin = projection.source or "outside"
            lines += [_weight("from", origin, projection.name, w.variable, w.a) for w in projection.weights]
        if projection.source == group.name:
            end = projection.target or "outside"
            lines += [_weight("to", end, projection.name, w.variable, -w.b) for w in projection.weights]
    if len(group.independent) > 1 and group.scalable:
        lines.append(f"    tied from {len(group.independent)} independent symmetries:")
        lines += [f"        {_powers(powers)}" for powers in group.independent]
    if group.choices:
        lines.append("    There is more than one way to tie them; say which with `scaling`.")
    obstacles = symmetries.obstacles(group.name)
    if obstacles:
        lines.append("    in the way:")
        lines += [f"        {obstacle}" for obstacle in obstacles[:MOST_OBSTACLES]]
        if len(obstacles) > MOST_OBSTACLES:
            lines.append(f"        ... and {len(obstacles) - MOST_OBSTACLES} more lines")
    remedy = symmetries.remedy(group.name)
    if remedy is not None:
        lines.append("    what would lift it:")
        lines += [f"        {line}" for line in remedy.lines()]
    return lines


def _weight(direction: str, group: str, synapses: str, variable: str, power: Fraction) -> str:
    moves = f"moves by {power_of_scale(power)}" if power else "does not move"
    return f"    {direction} {group} ({synapses}): {variable} {moves}"


def _verdict(symmetries: Symmetries, group: GroupSymmetry) -> str:
    if not symmetries.receives(group.name):
        return "no synapses come into it: nothing to balance."
    if not group.scalable:
        return "no scale per neuron, its incoming weights cannot move."
    if group.homogeneity is None:
        return "every neuron has a scale; what it sends has more than one homogeneity."
    if not symmetries.outgoing(group.name):
        return "every neuron has a scale; it sends nothing."
    if group.homogeneity == 0:
        return "every neuron has a scale, but what it sends does not scale (homogeneity 0)."
    return f"every neuron has a scale; what it sends has homogeneity {group.homogeneity}."


def _powers(powers: object) -> str:
    assert isinstance(powers, dict)
    return ", ".join(f"{name}" if power == 1 else f"{name}^{_short(power)}" for name, power in powers.items())


def _short(power: Fraction) -> str:
    return str(power) if power.denominator == 1 else f"({power})"
