"""The printout of a network's symmetries, for a reader who thinks in neurons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from neurobal import notebook_html

from .answers import GroupSymmetry, ProjectionSymmetry
from .obstacles import Obstacle, power_of_scale
from .remedies import Remedy

MOST_OBSTACLES = 8  # a reader needs the first ones; the others often follow from them


@dataclass(frozen=True)
class GroupFacts:
    """What is printed of one group of neurons.

    ``receives`` and ``sends``: whether synapses come into it, and whether weights go out of it.
    """

    symmetry: GroupSymmetry
    receives: bool
    sends: bool
    obstacles: Sequence[Obstacle]
    remedy: Remedy | None


def describe(
    groups: Collection[GroupFacts],
    projections: Collection[ProjectionSymmetry],
    assumed: Mapping[tuple[str, str], float],
    inexact: Iterable[str],
    roots: Iterable[str],
    unread: Iterable[str],
) -> str:
    """One paragraph for each group: what moves, what it sends to whom, what stands in the way, what would help.

    What the whole answer rests on follows: ``assumed`` values of constants, what is ``inexact`` even for powers of two
    or has ``roots``, and what was left ``unread``.
    """
    lines = ["What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in."]
    for group in groups:
        lines += ["", *_group(group, projections)]
    if assumed and any(group.symmetry.powers for group in groups):
        constants = ", ".join(f"{name} = {value:g} ({owner})" for (owner, name), value in assumed.items())
        lines += ["", f"This holds as long as these constants keep their values: {constants}."]
    for title, texts in (
        ("Up to rounding only, even for powers of two:", list(inexact)),
        ("Bit-exact only where the root moves by a power of two, too (dyadic=True sees to it):", list(roots)),
        ("Not analysed, so nothing is proven about it:", list(unread)),
    ):
        if texts:
            lines += ["", title, *(f"    {text}" for text in texts)]
    return "\n".join(lines)


def describe_html(groups: Iterable[GroupFacts], text: str) -> str:
    """A table of groups, and the whole ``text`` below it, folded."""
    rows = [
        (
            group.symmetry.name,
            f"fixed, {group.symmetry.fixed}" if group.symmetry.fixed is not None else _verdict(group),
            _powers(group.symmetry.powers),
            str(group.obstacles[0]) if group.obstacles else "",
        )
        for group in groups
    ]
    listing = notebook_html.table(("group", "what may be rescaled", "moves along", "in the way"), rows)
    return listing + notebook_html.folded("everything, with the lines to change", text)


def _group(group: GroupFacts, projections: Iterable[ProjectionSymmetry]) -> list[str]:
    symmetry = group.symmetry
    if symmetry.fixed is not None:
        return [f"{symmetry.name}: fixed, {symmetry.fixed}."]
    lines = [f"{symmetry.name}: {_verdict(group)}"]
    if symmetry.powers:
        lines.append("    moves along: " + _powers(symmetry.powers))
    lines += _measured(symmetry)
    for projection in projections:
        if projection.target == symmetry.name:
            source = projection.source or "outside"
            lines += [_weight("from", source, projection.name, w.variable, w.a) for w in projection.weights]
        if projection.source == symmetry.name:
            target = projection.target or "outside"
            lines += [_weight("to", target, projection.name, w.variable, -w.b) for w in projection.weights]
    if len(symmetry.independent) > 1 and symmetry.scalable:
        lines.append(f"    tied from {len(symmetry.independent)} independent symmetries:")
        lines += [f"        {_powers(powers)}" for powers in symmetry.independent]
    if symmetry.choices:
        lines.append("    There is more than one way to tie them; say which with `scaling`.")
    if group.obstacles:
        lines.append("    in the way:")
        lines += [f"        {obstacle}" for obstacle in group.obstacles[:MOST_OBSTACLES]]
        if len(group.obstacles) > MOST_OBSTACLES:
            lines.append(f"        ... and {len(group.obstacles) - MOST_OBSTACLES} more lines")
    if group.remedy is not None:
        lines.append("    what would lift it:")
        lines += [f"        {line}" for line in group.remedy.lines()]
    return lines


def _measured(symmetry: GroupSymmetry) -> list[str]:
    """What is measured from which constant."""
    lines = []
    for origin in dict.fromkeys(symmetry.origins.values()):
        variables = [name for name, constant in symmetry.origins.items() if constant == origin]
        lines.append(f"    measured from {origin}, which stays (exact up to rounding): {', '.join(variables)}")
        lines.append(f"        {origin} must keep its value; where it changes, make it a parameter of each neuron")
    return lines


def _weight(direction: str, group: str, synapses: str, variable: str, power: Fraction) -> str:
    moves = f"moves by {power_of_scale(power)}" if power else "does not move"
    return f"    {direction} {group} ({synapses}): {variable} {moves}"


def _verdict(group: GroupFacts) -> str:
    homogeneity = group.symmetry.homogeneity
    if not group.receives:
        return "no synapses come into it: nothing to balance."
    if not group.symmetry.scalable:
        return "no scale per neuron, its incoming weights cannot move."
    if homogeneity is None:
        return "every neuron has a scale; what it sends has more than one homogeneity."
    if not group.sends:
        return "every neuron has a scale; it sends nothing."
    if homogeneity == 0:
        return "every neuron has a scale, but what it sends does not scale (homogeneity 0)."
    return f"every neuron has a scale; what it sends has homogeneity {homogeneity}."


def _powers(powers: Mapping[str, Fraction]) -> str:
    return ", ".join(f"{name}" if power == 1 else f"{name}^{_short(power)}" for name, power in powers.items())


def _short(power: Fraction) -> str:
    return str(power) if power.denominator == 1 else f"({power})"
