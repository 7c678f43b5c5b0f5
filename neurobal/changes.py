"""What changed between two networks with the same model: values, compared with what a rescaling makes of them.

Weights and covariant constants of neurons tell the log-scales, as linear equations; once these are known, all values
must have moved by them: the others by their powers, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.description import Description, Key, Stored, exchanged
from neurobal.fitting import Equations

Array: TypeAlias = np.ndarray

Name: TypeAlias = Callable[[int], str]

STATES = "states (states=True compares them)"
ON_THEIR_WAY = "spikes on their way, and the time"


@dataclass
class Changes:
    """What changed from one network to the other, beyond a rescaling by known log-scales.

    ``residual`` is max |log|after/before| - log factor|, in units of each value's rounding, and ``worst`` the value
    with it. ``signs``: nothing changed its sign, vanished or appeared. ``exact``: no mantissa changed.
    """

    residual: float = 0.0
    worst: str = ""
    signs: bool = True
    exact: bool = True

    def add(self, before: Array, after: Array, log_factor: Array, rounding: Array | float, name: Name) -> None:
        """Compare values with those before times ``exp(log_factor)``, in units of their ``rounding``."""
        gap = log_ratio(before, after)
        gap -= log_factor
        np.abs(gap, out=gap)
        gap /= rounding
        gap[_unmoved_limits(before, after)] = 0.0
        gap[np.isnan(gap)] = np.inf
        if gap.size and gap.max() > self.residual:
            self.residual = float(gap.max())
            self.worst = name(int(gap.argmax()))
        self.signs = self.signs and bool(np.array_equal(np.sign(before), np.sign(after), equal_nan=True))
        self.exact = self.exact and _same_mantissas(before, after)


@dataclass(frozen=True)
class _Moved:
    """Values of one kind that move: those ``before`` become ``after`` times ``exp(a h_i - b h_j + shift)``.

    ``post`` and ``pre`` are (population, index of each value's neuron, exponent a or b); pre's population is None where
    there is one end only. ``rounding`` is the error of each value in units of that of a value stored as it is, and
    ``name`` tells one of them.
    """

    before: Array
    after: Array
    post: tuple[str, Array, float | Array]
    pre: tuple[str | None, Array, float | Array]
    shift: Array | float
    rounding: Array | float
    name: Name

    @property
    def silent(self) -> Array:
        """Which values stay what they are whatever their neurons do: zeros, infinities, and what is no number."""
        return (self.before == 0) | _unmoved_limits(self.before, self.after)

    def log_factor(self, log_scale: Mapping[str, Array]) -> Array:
        """The logarithm of the factor by which each value should have moved."""
        (post, i, a), (pre, j, b) = self.post, self.pre
        factor = a * log_scale[post][i] + self.shift
        if pre is not None:
            factor -= b * log_scale[pre][j]
        factor[self.before == 0] = 0.0
        return factor


def _all_moved(before: Circuit, after: Circuit, *, states: bool) -> Iterator[_Moved]:
    """Weights, but for those that something else changes too, covariant parameters, and what else moves."""
    for name, projection in before.projections.items():
        if name not in before.uncertified:
            a, b = projection.exponents
            yield _Moved(
                projection.weight,
                after.projections[name].weight,
                (projection.post, projection.post_index, a),
                (projection.pre, projection.pre_index, b),
                0.0,
                1.0,
                partial(synapse_name, projection),
            )
    for name, population in before.populations.items():
        own = np.arange(population.size)
        for key, parameter in population.parameters.items():
            old, new = parameter.values, after.populations[name].parameters[key].values
            rounding = _rounding(old, new, parameter.origin)
            named = partial(parameter_name, name, key)
            yield _Moved(old, new, (name, own, parameter.power), (None, own, 0.0), 0.0, rounding, named)
    for place, moves, old, new, shift in _moving(before, after, states=states):
        own = np.arange(old.size)
        post, *others = [(name, own if index is None else index, power) for name, index, power in moves.powers]
        pre = (others[0][0], others[0][1], -others[0][2]) if others else (None, own, 0.0)
        rounding, named = _rounding(old, new, moves.origin), partial(_stored_name, place, old, new)
        yield _Moved(old, new, post, pre, shift, rounding, named)


def changes(before: Circuit, after: Circuit, log_scale: Mapping[str, Array], *, states: bool = False) -> Changes:
    """Compare all values that move; ``states``: also those that a simulation changes by itself."""
    found = Changes()
    for values in _all_moved(before, after, states=states):
        found.add(values.before, values.after, values.log_factor(log_scale), values.rounding, values.name)
    return found


def equations(before: Circuit, after: Circuit, *, states: bool = False) -> Equations:
    """``a h_i - b h_j = log|w'/w|`` for all synapses, ``power h_i = log|v'/v|`` for parameters, and what else moves."""
    found = Equations({name: p.size for name, p in before.populations.items()})
    for name, population in before.populations.items():
        found.pin(name, population.pinned)
    for values in _all_moved(before, after, states=states):
        (post, i, a), (pre, j, b) = values.post, values.pre
        weights = np.where(values.silent, 0.0, 1 / values.rounding)  # what is silent says nothing of its neurons
        ratio = np.where(values.silent, 0.0, log_ratio(values.before, values.after) - values.shift)
        found.add(post, i, a * weights, pre, j, b * weights, ratio / values.rounding)
    return found


def named_equations(before: Circuit, after: Circuit, *, states: bool = False) -> Iterator[tuple[int, Name]]:
    """How many of the `equations` belong to the values of one kind, and how these are called; in their order."""
    for values in _all_moved(before, after, states=states):
        yield values.before.size, values.name


def first_difference(before: Circuit, after: Circuit, *, states: bool = False) -> str | None:
    """The first thing that no rescaling explains: a synapse that only one network has, another sign, another size."""
    for name, projection in before.projections.items():
        found = _connections(projection, after.projections[name])
        if found is None and name not in before.uncertified:
            found = _other_sign(projection.weight, after.projections[name].weight, partial(synapse_name, projection))
        if found is not None:
            return found
    for name, population in before.populations.items():
        for key, parameter in population.parameters.items():
            values = after.populations[name].parameters[key].values
            found = _other_sign(parameter.values, values, partial(parameter_name, name, key))
            if found is not None:
                return found
    for place, values, others in _still(before, after, states=states):
        found = _other_kind(place, values, others) or _other_value(place, values, others, values != others)
        if found is not None:
            return found
    for place, _, values, others, _ in _moving(before, after, states=states):
        found = _other_value(place, values, others, np.sign(values) != np.sign(others))
        if found is not None:
            return found
    return None


def not_compared(before: Circuit, after: Circuit, *, states: bool = False) -> tuple[str, ...]:
    """What two networks could still differ in, in words."""
    listed = [f"weights of {name}, which something else changes too" for name in sorted(before.uncertified)]
    models = before.description, after.description
    if None in models:
        return (*listed, "all but weights and parameters") if models != (None, None) else tuple(listed)
    for model in models:
        assert model is not None
        listed += model.unknown()
        dynamic = [] if states else [str(key) for key, stored in model.stored.items() if stored.dynamic]
        listed += [f"{STATES}: {', '.join(dynamic)}"] if dynamic else []
        listed += [ON_THEIR_WAY] if states and model.stored else []
    return tuple(dict.fromkeys(listed))


def _still(before: Circuit, after: Circuit, *, states: bool) -> Iterator[tuple[Key, Array, Array]]:
    """What else is stored, or a constant in one of the two, and may not differ: (key, values before and after)."""
    first, second = before.description, after.description
    if first is None or second is None:
        return
    for key, old, new in _compared(first, second, states=states):
        if not old.powers or _other_kind(key, old.values, new.values):
            yield key, old.values, new.values
    for key, constant, is_after in exchanged(first, second):
        held = _held(before if is_after else after, key)
        if held is not None:
            same = np.full(held.values.shape, constant, held.values.dtype)
            yield (key, held.values, same) if is_after else (key, same, held.values)


def _moving(before: Circuit, after: Circuit, *, states: bool) -> Iterator[tuple[Key, Stored, Array, Array, Array]]:
    """What else is stored and moves: (key, how, values before and after from the origin, log factor between readings).

    The last is by how much the values would differ if both networks were at the same scales: their circuits may have
    been rescaled since the values were read.
    """
    first, second = before.description, after.description
    if first is None or second is None:
        return
    since = {name: np.zeros(p.size) + _scaled_since(before, after, name) for name, p in before.populations.items()}
    for key, old, new in _compared(first, second, states=states):
        if old.powers and not _other_kind(key, old.values, new.values):
            yield key, old, old.values - old.origin, new.values - old.origin, old.log_factor(since)


def _compared(first: Description, second: Description, *, states: bool) -> Iterator[tuple[Key, Stored, Stored]]:
    """Values that both models store; those that a simulation changes by itself only if ``states``."""
    for key, old in first.stored.items():
        new = second.stored.get(key)
        if new is not None and (states or not (old.dynamic or new.dynamic)):
            yield key, old, new


def _scaled_since(before: Circuit, after: Circuit, population: str) -> Array | float:
    """By how much more ``before`` than ``after`` has been rescaled since its values were read, in log λ."""
    first, second = before.description, after.description
    assert first is not None and second is not None
    difference: Array | float = first.log_scale.get(population, 0.0) - second.log_scale.get(population, 0.0)
    return difference


def _held(circuit: Circuit, key: Key) -> Stored | None:
    return None if circuit.description is None else circuit.description.stored.get(key)


def _connections(before: Projection, after: Projection) -> str | None:
    width = max(before.shape[1], 1)
    keys = [p.post_index.astype(np.int64) * width + p.pre_index for p in (before, after)]
    if np.array_equal(*keys):
        return None
    unmatched = np.setxor1d(*keys)
    if unmatched.size == 0:
        return f"projection {before.name!r} lists its synapses in another order or number"
    post, pre = divmod(int(unmatched[0]), width)
    return f"the synapse {_ends(before, post, pre)} exists in one of the two networks only"


def _other_kind(key: Key, before: Array, after: Array) -> str | None:
    if before.shape != after.shape:
        return f"{key} had {before.size:,} values and has {after.size:,}"
    return None if before.dtype == after.dtype else f"{key} was stored as {before.dtype} and is stored as {after.dtype}"


def _other_value(key: Key, before: Array, after: Array, wrong: Array) -> str | None:
    wrong = wrong & ~(_is_nan(before) & _is_nan(after))
    if not wrong.any():
        return None
    k = int(np.flatnonzero(wrong)[0])
    old, new = before.flat[k], after.flat[k]
    digits = "g" if f"{old:g}" != f"{new:g}" else ".17g"
    return f"{key}[{k}] went from {old:{digits}} to {new:{digits}}"


def _other_sign(before: Array, after: Array, name: Callable[[int], str]) -> str | None:
    wrong = np.flatnonzero(np.sign(before) != np.sign(after))
    if not wrong.size:
        return None
    k = int(wrong[0])
    return f"{name(k)} went from {before[k]:g} to {after[k]:g}"


def _rounding(before: Array, after: Array, origin: float) -> Array:
    """Rounding error of each value, relative to that of a value which is stored as it is.

    Values v that are measured from an origin o are stored as o + v, whose rounding error is that of a number of size
    |o| + |v|: relative to v it is 1 + |o|/|v| times larger. Shape of the values.
    """
    if not origin:
        return np.ones(after.shape)
    least = np.minimum(np.abs(before), np.abs(after))
    return 1 + np.divide(abs(origin), least, out=np.zeros(after.shape), where=least > 0)


def log_ratio(before: Array, after: Array) -> Array:
    """``log|after/before|``, 0 where both are zero."""
    zero = (before == 0) & (after == 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        ratio = np.log(np.abs(np.asarray(after, dtype=float) / before))
        # A ratio may leave the range of floats; the difference of the logarithms does not, but is less exact.
        wild = ~np.isfinite(ratio) & ~zero & (before != 0) & (after != 0)
        if wild.any():
            ratio[wild] = np.log(np.abs(after[wild], dtype=float)) - np.log(np.abs(before[wild], dtype=float))
    ratio[zero] = 0.0
    return ratio


def _is_nan(values: Array) -> Array:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)


def _unmoved_limits(before: Array, after: Array) -> Array:
    """Values that no factor moves: infinite, or no numbers, in both."""
    return (np.isinf(before) & (before == after)) | (_is_nan(before) & _is_nan(after))


def _same_mantissas(before: Array, after: Array) -> bool:
    return bool(np.array_equal(np.frexp(before)[0], np.frexp(after)[0], equal_nan=True))


def parameter_name(population: str, key: str, k: int) -> str:
    """A parameter of one neuron, for messages."""
    return f"parameter {key!r} of {population}[{k}]"


def synapse_name(projection: Projection, e: int) -> str:
    """One synapse, for messages."""
    return f"synapse {e} of {projection.name!r}, {_ends(projection, projection.post_index[e], projection.pre_index[e])}"


def _stored_name(key: Key, before: Array, after: Array, k: int) -> str:
    return f"{key}[{k}], which was {before.flat[k]:g} and is {after.flat[k]:g}"


def _ends(projection: Projection, post: int, pre: int) -> str:
    source = "constant" if projection.pre is None else f"{projection.pre}[{pre}]"
    return f"from {source} to {projection.post}[{post}]"
