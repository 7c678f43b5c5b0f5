"""A model's description: all that a network's function depends on, besides the weights and constants that are fitted.

A simulator's adapter fills it, a certificate compares two of them. Lines are in a normal form, in which it makes no
difference whether a number is a constant of the script or a parameter that has this value everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from neurobal.errors import DifferentModelError

Array: TypeAlias = np.ndarray

KIND = "kind of "  # begins the names of facts that say which groups and synapses there are


class Key(NamedTuple):
    """The name of stored values: a variable of a group or of synapses."""

    owner: str
    variable: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.variable}"


class Seen(NamedTuple):
    """Stored values as a line uses them: of its own neuron or synapse, or of the one at the "pre" or "post" side."""

    key: Key
    side: str


@dataclass(frozen=True)
class Line:
    """One statement of a model in normal form.

    ``form`` is its syntax with a gap "?" for each constant and parameter, ``operands`` are what fills the gaps: a
    number (base units), or stored values, and ``written`` how these are called there. ``text`` is what the user wrote.
    """

    text: str
    form: str
    operands: tuple[float | Seen, ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Stored:
    """Values that are stored, and how they move: ``x -> c + (x - c) Π λ_population[index]**power``, c the origin.

    ``powers`` lists (population, index, power), where ``index`` says to which neuron of the population each value
    belongs; None: they are this population's own. ``dynamic``: a simulation changes them by itself.
    """

    values: Array
    powers: tuple[tuple[str, Array | None, float], ...] = ()
    origin: float = 0.0
    dynamic: bool = False

    def log_factor(self, log_scale: Mapping[str, Array]) -> Array:
        """The logarithm of the factor by which each value moves, shape of the values."""
        total = np.zeros(self.values.shape)
        for population, index, power in self.powers:
            h = log_scale[population]
            total += power * (h if index is None else h[index])
        return total


@dataclass(frozen=True)
class NotKept:
    """A fact that files and pickles cannot hold, such as code; ``what`` it was. It is compared with nothing."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, eq=False)
class Description:
    """What a model consists of.

    Attributes
    ----------
    lines
        Statements in the order in which they run, by place ("reset of E").
    facts
        Everything else that has to be equal: methods, time steps, delays, connections. By name ("delay of S, on_pre").
    stored
        Values of all variables, but for those that circuits hold as weights and parameters.
    not_compared
        What may change a simulation and cannot be compared, in words.
    log_scale
        By which log-scales the network has been rescaled since its values were read.
    """

    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[Key, Stored] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()
    log_scale: Mapping[str, Array] = field(default_factory=dict)

    def unknown(self) -> list[str]:
        """What cannot be compared, in words."""
        lost = [f"{name}: {fact} is not kept" for name, fact in self.facts.items() if isinstance(fact, NotKept)]
        return [*self.not_compared, *lost]

    def rescaled(self, log_scale: Mapping[str, Array]) -> Description:
        """The description of the rescaled network: values keep what they were when read, and remember the scales."""
        total = {name: self.log_scale.get(name, 0.0) + h for name, h in log_scale.items()}
        return replace(self, log_scale=total)


def check_same_model(before: Description | None, after: Description | None) -> None:
    """Raise a `DifferentModelError` if two networks compute with different models; none is known of bare circuits."""
    found = None if before is None or after is None else _difference(before, after)
    if found is not None:
        raise DifferentModelError(f"the two networks compute with different models: {found}", found)


def _difference(before: Description, after: Description) -> str | None:
    """The first thing in which two models differ, in words; None if they are the same but for stored values."""
    for name in sorted(before.facts.keys() ^ after.facts.keys()):
        if name.startswith(KIND):
            return (
                f"{name.removeprefix(KIND)} exists in one of the two networks only (of two networks, objects with the "
                "same name are compared: give them one, name='...')"
            )
    for place in dict.fromkeys([*before.lines, *after.lines]):
        found = _line_difference(place, before.lines.get(place, ()), after.lines.get(place, ()))
        if found is not None:
            return found
    for name in dict.fromkeys([*before.facts, *after.facts]):
        if name not in before.facts or name not in after.facts:
            return f"the {name} exists in one of the two networks only"
        if not _same(before.facts[name], after.facts[name]):
            return f"the {name} {_became(before.facts[name], after.facts[name])}"
    for key, _, is_after in exchanged(before, after):
        held = (before if is_after else after).stored.get(key)
        if held is None or held.dynamic or held.powers:
            return f"{key} moves or changes in one of the two networks, and is a constant in the other"
    return None


def rewritten(before: Description, after: Description) -> str | None:
    """The first line that computes the same with constants that are written otherwise; None if there is none.

    A parameter in the place of a constant, or a name in that of a number, may be multiplied in another order.
    """
    for place, lines in before.lines.items():
        for old, new in zip(lines, after.lines[place], strict=True):
            kinds = [[type(operand) for operand in line.operands] for line in (old, new)]
            if old.written != new.written or kinds[0] != kinds[1]:
                return f"`{new.text}` in the {place}"
    return None


def exchanged(before: Description, after: Description) -> list[tuple[Key, float, bool]]:
    """Parameters of one model that are constants of the other: (key, constant, whether ``after`` has the constant)."""
    pairs: dict[tuple[Key, float, bool], None] = {}
    for place, lines in before.lines.items():
        for old, new in zip(lines, after.lines[place], strict=True):
            for a, b in zip(old.operands, new.operands, strict=True):
                if isinstance(a, Seen) and isinstance(b, float):
                    pairs[a.key, b, True] = None
                elif isinstance(a, float) and isinstance(b, Seen):
                    pairs[b.key, a, False] = None
    return list(pairs)


def _line_difference(place: str, before: tuple[Line, ...], after: tuple[Line, ...]) -> str | None:
    for old, new in zip(before, after, strict=False):
        if old.form != new.form:
            return f"`{old.text}` in the {place} became `{new.text}`"
        for a, b in zip(old.operands, new.operands, strict=True):
            if isinstance(a, Seen) == isinstance(b, Seen) and not _same(a, b):
                return f"`{new.text}` in the {place} computes with {_shown(b)}, and did with {_shown(a)}"
    if len(before) != len(after):
        text = (before if len(before) > len(after) else after)[min(len(before), len(after))].text
        return f"`{text}` in the {place} exists in one of the two networks only"
    return None


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, NotKept) or isinstance(after, NotKept):
        return True
    if isinstance(before, np.ndarray) or isinstance(after, np.ndarray):
        a, b = np.asarray(before), np.asarray(after)
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f" == b.dtype.kind))
    return bool(before == after or (before != before and after != after))


def _became(before: Any, after: Any) -> str:
    if not isinstance(before, np.ndarray):
        if _shown(before) == _shown(after):
            return f"{_shown(before)} is another one now, or names objects that have changed"
        return f"was {_shown(before)} and is {_shown(after)}"
    if before.shape != after.shape:
        return f"had {before.size:,} values and has {after.size:,}"
    k = int(np.flatnonzero(before != after)[0])
    return f"differs: value {k} was {before.flat[k]:g} and is {after.flat[k]:g}"


def _shown(value: Any) -> str:
    if isinstance(value, Seen):
        return str(value.key)
    return f"{value:g}" if isinstance(value, float) else str(value)
