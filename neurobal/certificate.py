"""The proof that a network computes the same: nothing but a rescaling of its neurons happened.

The function is preserved if no weight changed its sign or vanished, if ``log|w'_e / w_e| = a_e h_i - b_e h_j`` for
one h with h = 0 on pinned neurons, and if every covariant parameter moved by its power of λ = e^h. That is linear
algebra on the graph of synapses: h is fitted along a spanning forest, polished by least squares, and what remains is
the residual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from neurobal.adapters import as_circuit
from neurobal.circuit import Circuit, Parameter, Projection
from neurobal.errors import InvalidInputError, NotFiniteError
from neurobal.fitting import Equations, fit
from neurobal.rounding import doubts_of_exactness

Array: TypeAlias = np.ndarray

TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """Whether a rescaling explains all that changed.

    Attributes
    ----------
    preserved : bool or None
        True: the two networks compute the same. False: they do not. None: the weights fit a rescaling, but nothing
        says that the model is symmetric under it (``basis`` is "assumed"); or something else changes all weights, too,
        so that there is nothing to compare.
    basis : str
        Where the symmetry comes from: "equations" (derived from the model), "declared" (said by the user, and not
        contradicted by the equations) or "assumed" (not confirmed by them).
    residual : float
        max_e |log|w'_e/w_e| - (a_e h_i - b_e h_j)|, parameters included.
    scale : array, or dict by population
        λ = e^h of the fit.
    signs_preserved : bool
        No weight or parameter changed its sign, vanished or appeared.
    exact : bool
        Stored numbers changed by powers of two only, and so does everything that is computed from them, without another
        rounding: simulations are bitwise identical, as long as no number overflows or gets as small as 1e-308.
    message : str
        The verdict in words; it names a culprit where one can be told.
    """

    preserved: bool | None
    basis: str
    residual: float
    scale: Any
    signs_preserved: bool
    exact: bool
    message: str

    def __repr__(self) -> str:
        return f"certificate: {self.message}"


def verify(before: Any, after: Any = None, *, pinned: Any = None, homogeneity: Any = None) -> Certificate:
    """Is ``after`` nothing but a rescaled ``before``?

    Parameters
    ----------
    before, after
        Circuits, matrices, or what `as_circuit` takes. If ``before`` was read from Brian2 objects, ``after`` may be
        the network or list of objects to read again with the same declarations, or None: the objects themselves, as
        they are now.
    pinned, homogeneity
        As in `balance`, for matrices: neurons that must not have moved, and how outputs grow with inputs.

    Raises
    ------
    InvalidInputError
        The two have different populations or projections; ``after`` is missing.

    Examples
    --------
    >>> J = np.array([[0.0, 4.0], [1.0, 0.0]])
    >>> nb.verify(J, np.array([[0.0, 2.0], [2.0, 0.0]]))
    certificate: function preserved (basis: declared; residual 0.0e+00 <= 1e-12, bit-exact)
    >>> nb.verify(J, np.array([[0.0, 4.0], [1.5, 0.0]])).preserved
    False
    """
    first = as_circuit(before, pinned=pinned, homogeneity=homogeneity)
    if after is None and first.binding is None:
        raise InvalidInputError("verify: say what to compare with, verify(before, after).")
    try:
        if first.binding is not None and not isinstance(after, Circuit):
            second = first.binding.reread(after)
        else:
            second = as_circuit(after, pinned=pinned, homogeneity=homogeneity)
    except NotFiniteError as error:
        return _refusal(first, f"no longer finite: {error.what}. {error}")
    _same_shape(first, second)
    difference = _first_difference(first, second)
    if difference is not None:
        return _refusal(first, difference)
    equations = _equations(first, second)
    h, suspects = fit(equations, tolerance_of(first, second))
    log_scale = equations.by_population(h)
    return certify(first, second, log_scale, suspects)


def certify(
    before: Circuit, after: Circuit, log_scale: Mapping[str, Array], suspects: list[int] | None = None
) -> Certificate:
    """The certificate for known log-scales; ``suspects`` are synapses (counted through all projections) to name."""
    changes = _changes(before, after, log_scale)
    tolerance = tolerance_of(before, after)
    # What weights do decides; parameters alone fit almost any λ.
    blind = bool(before.projections) and before.uncertified.issuperset(before.projections)
    fits = changes.signs and changes.residual <= tolerance
    preserved = (None if blind or before.basis == "assumed" else True) if fits else False
    exact = changes.exact and changes.signs and not blind
    doubts = doubts_of_exactness(before, log_scale) if exact and fits else []
    exact = exact and not doubts
    if fits:
        message = _proven(before, changes.residual, tolerance, blind=blind, exact=exact, doubts=doubts)
    elif not changes.signs:
        message = f"function NOT preserved: signs or zeros changed ({_first_difference(before, after)})"
    else:
        message = f"function NOT preserved: residual {changes.residual:.1e} > {tolerance:.0e}. "
        message += _accusation(before, suspects, changes.worst)
    scale = {name: np.exp(h) for name, h in log_scale.items()}
    return Certificate(
        preserved, before.basis, changes.residual, _unwrapped(before, scale), changes.signs, exact, message
    )


@dataclass
class _Changes:
    """What changed from one network to the other, beyond a rescaling by known log-scales."""

    residual: float = 0.0
    worst: str = ""  # the value with this residual
    signs: bool = True
    exact: bool = True

    def add(
        self, before: Array, after: Array, log_factor: Array, rounding: Array | float, name: Callable[[int], str]
    ) -> None:
        """Compare values with those before times ``exp(log_factor)``, in units of their ``rounding``."""
        gap = _log_ratio(before, after)
        gap -= log_factor
        np.abs(gap, out=gap)
        gap /= rounding
        if gap.size and gap.max() > self.residual:
            self.residual = float(gap.max())
            self.worst = name(int(gap.argmax()))
        self.signs = self.signs and bool(np.array_equal(np.sign(before), np.sign(after)))
        self.exact = self.exact and _same_mantissas(before, after)


def _changes(before: Circuit, after: Circuit, log_scale: Mapping[str, Array]) -> _Changes:
    """Compare all weights, but for those that something else changes too, and all parameters."""
    changes = _Changes()
    for name, projection in before.projections.items():
        if name in before.uncertified:
            continue
        factors = projection.log_factors(*before.log_scales_at(projection, log_scale))
        factors[projection.weight == 0] = 0.0
        changes.add(projection.weight, after.projections[name].weight, factors, 1.0, partial(_synapse, projection))
    for name, population in before.populations.items():
        for key, parameter in population.parameters.items():
            values = after.populations[name].parameters[key].values
            factors = np.where(parameter.values == 0, 0.0, parameter.power * log_scale[name])
            rounding = _rounding(parameter, values)
            changes.add(parameter.values, values, factors, rounding, partial(_parameter, name, key))
    return changes


def _proven(before: Circuit, residual: float, tolerance: float, *, blind: bool, exact: bool, doubts: list[str]) -> str:
    """What it means that a rescaling explains all that was compared."""
    if blind:
        verdict = "no weight could be compared: nothing is proven"
    elif before.basis == "assumed":
        verdict = "weights are a rescaling, but its symmetry is assumed, not proven"
    else:
        verdict = "function preserved"
    if before.basis == "assumed":
        verdict += "".join(f"; {assumption}" for assumption in before.assumptions)
    message = f"{verdict} (basis: {before.basis}; residual {residual:.1e} <= {tolerance:.0e}"
    message += ", bit-exact)" if exact else ")"
    if doubts:
        message += f", up to rounding: {doubts[0]}" + (f" and {len(doubts) - 1} more" if doubts[1:] else "")
    if before.uncertified:
        message += f"; not compared, because something else changes them too: {', '.join(sorted(before.uncertified))}"
    return message


def tolerance_of(before: Circuit, after: Circuit) -> float:
    """The residual that rounding explains, by the precision that the weights are stored in."""
    one_rescaling = max((TOLERANCE[p.weight.dtype] for p in after), default=TOLERANCE[np.dtype(np.float64)])
    return before.roundings * one_rescaling


def _rounding(parameter: Parameter, after: Array) -> Array:
    """Rounding error of each parameter value, relative to that of a value which is stored as it is.

    Values v that are measured from an origin o are stored as o + v, whose rounding error is that of a number of size
    |o| + |v|: relative to v it is 1 + |o|/|v| times larger. Shape (neurons,).
    """
    if not parameter.origin:
        return np.ones(after.shape)
    least = np.minimum(np.abs(parameter.values), np.abs(after))
    return 1 + np.divide(abs(parameter.origin), least, out=np.zeros(after.shape), where=least > 0)


def _equations(before: Circuit, after: Circuit) -> Equations:
    """``a h_i - b h_j = log|w'/w|`` for all synapses, then ``power h_i = log|v'/v|`` for all parameters."""
    equations = Equations({name: p.size for name, p in before.populations.items()})
    for name, population in before.populations.items():
        equations.pin(name, population.pinned)
    for name, projection in before.projections.items():
        if name in before.uncertified:
            continue
        silent = projection.weight == 0  # stays so whatever its neurons do: says nothing of them
        a, b = (np.where(silent, 0.0, exponent) for exponent in projection.exponents)
        ratio = _log_ratio(projection.weight, after.projections[name].weight)
        equations.add(projection.post, projection.post_index, a, projection.pre, projection.pre_index, b, ratio)
    for name, population in before.populations.items():
        for key, parameter in population.parameters.items():
            values = after.populations[name].parameters[key].values
            rounding, neurons = _rounding(parameter, values), np.arange(population.size)
            power = np.where(parameter.values == 0, 0.0, parameter.power / rounding)
            ratio = _log_ratio(parameter.values, values) / rounding
            equations.add(name, neurons, power, None, neurons, 0.0, ratio)
    return equations


def _log_ratio(before: Array, after: Array) -> Array:
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


def _same_mantissas(before: Array, after: Array) -> bool:
    return bool(np.array_equal(np.frexp(before)[0], np.frexp(after)[0]))


def _same_shape(before: Circuit, after: Circuit) -> None:
    for kind, shapes_before, shapes_after in (
        ("populations", {n: p.size for n, p in before.populations.items()},
                        {n: p.size for n, p in after.populations.items()}),
        ("projections", {n: p.shape for n, p in before.projections.items()},
                        {n: p.shape for n, p in after.projections.items()}),
    ):  # fmt: skip
        if shapes_before != shapes_after:
            raise InvalidInputError(
                f"verify: the two networks have different {kind}: {shapes_before} and {shapes_after}."
            )


def _first_difference(before: Circuit, after: Circuit) -> str | None:
    """The first synapse that only one of two networks has, or the first value whose sign differs."""
    for name, projection in before.projections.items():
        if name in before.uncertified:
            continue
        width = max(projection.shape[1], 1)
        keys = [p.post_index.astype(np.int64) * width + p.pre_index for p in (projection, after.projections[name])]
        if not np.array_equal(*keys):
            unmatched = np.setxor1d(*keys)
            if unmatched.size == 0:
                return f"projection {name!r} lists its synapses in another order or number"
            post, pre = divmod(int(unmatched[0]), width)
            return f"the synapse {_ends(projection, post, pre)} exists in one of the two networks only"
        old, new = projection.weight, after.projections[name].weight
        wrong = np.flatnonzero(np.sign(old) != np.sign(new))
        if wrong.size:
            e = int(wrong[0])
            return f"{_synapse(projection, e)} went from {old[e]:g} to {new[e]:g}"
    for name, population in before.populations.items():
        for key, parameter in population.parameters.items():
            old, new = parameter.values, after.populations[name].parameters[key].values
            wrong = np.flatnonzero(np.sign(old) != np.sign(new))
            if wrong.size:
                k = int(wrong[0])
                return f"{_parameter(name, key, k)} went from {old[k]:g} to {new[k]:g}"
    return None


def _refusal(before: Circuit, reason: str) -> Certificate:
    """The certificate of what no log-scales need to be fitted for."""
    scale = {name: np.ones(p.size) for name, p in before.populations.items()}
    message = f"function NOT preserved: {reason}"
    return Certificate(False, before.basis, np.inf, _unwrapped(before, scale), False, False, message)


def _accusation(circuit: Circuit, suspects: list[int] | None, worst: str) -> str:
    if not suspects:
        return f"The largest deviation is at {worst}."
    names = []
    for number in suspects:
        for projection in (p for p in circuit if p.name not in circuit.uncertified):
            if number < projection.weight.size:
                names.append(_synapse(projection, number))
                break
            number -= projection.weight.size
        else:
            names.append(_numbered_parameter(circuit, number))
    if len(names) == 1:
        return f"All but one value fit a rescaling: the culprit is {names[0]}."
    return (
        "All but one value fit a rescaling; it is one of these, which lie on one cycle and cannot be told apart: "
        f"{'; '.join(names[:6])}{'; ...' if len(names) > 6 else ''}."
    )


def _numbered_parameter(circuit: Circuit, number: int) -> str:
    """The parameter with this number, counted through all populations as the equations are."""
    for name, population in circuit.populations.items():
        for key in population.parameters:
            if number < population.size:
                return _parameter(name, key, number)
            number -= population.size
    return "a parameter"


def _parameter(population: str, key: str, k: int) -> str:
    return f"parameter {key!r} of {population}[{k}]"


def _synapse(projection: Projection, e: int) -> str:
    return f"synapse {e} of {projection.name!r}, {_ends(projection, projection.post_index[e], projection.pre_index[e])}"


def _ends(projection: Projection, post: int, pre: int) -> str:
    source = "constant" if projection.pre is None else f"{projection.pre}[{pre}]"
    return f"from {source} to {projection.post}[{post}]"


def _unwrapped(circuit: Circuit, values: dict[str, Array]) -> Any:
    return next(iter(values.values())) if circuit.is_matrix else values
