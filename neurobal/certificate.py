"""The proof that a network computes the same: nothing but a rescaling of its neurons happened.

The function is preserved if both networks have the same model (equations, pathways, methods, time steps, delays,
connections, inputs, constants), if no weight changed its sign or vanished, if ``log|w'_e / w_e| = a_e h_i - b_e h_j``
for one h with h = 0 on pinned neurons, if every other covariant value moved by its power of λ = e^h, and nothing else
moved. That is linear algebra on the graph of synapses: h is fitted along a spanning forest, polished by least squares,
and what remains is the residual.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal import notebook_html
from neurobal.changes import STATES, Name, changes, equations, first_difference, named_equations, not_compared
from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError
from neurobal.exactness import doubts_of_exactness
from neurobal.fitting import fit

Array: TypeAlias = np.ndarray

TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """Whether a rescaling explains all that changed.

    Attributes
    ----------
    preserved : bool or None
        True: all that was compared agrees, so that the two networks compute the same from states that moved along,
        unless something in ``not_compared`` tells them apart. False: something does not agree. None: the weights fit a
        rescaling, but nothing says that the model is symmetric under it (``basis`` is "assumed"); or something else
        changes all weights, too, so that these cannot be compared.
    basis : str
        Where the symmetry comes from: "equations" (derived from the model), "declared" (said by the user, and not
        contradicted by the equations) or "assumed" (not confirmed by them).
    residual : float
        max_e |log|w'_e/w_e| - (a_e h_i - b_e h_j)|, all other stored values included.
    scale : array, or dict by population
        λ = e^h of the fit.
    signs_preserved : bool
        No weight or parameter changed its sign, vanished or appeared.
    exact : bool
        Stored numbers changed by powers of two only, and so does everything that is computed from them, without another
        rounding: simulations are bitwise identical, as long as no number overflows or gets as small as 1e-308.
    message : str
        The verdict in words; it names a culprit where one can be told.
    not_compared : tuple of str
        What could still tell the two networks apart: states, unless asked for, code that cannot be read, values that
        are not known yet, weights that another rule changes, too.
    """

    preserved: bool | None
    basis: str
    residual: float
    scale: Any
    signs_preserved: bool
    exact: bool
    message: str
    not_compared: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"certificate: {self.message}"

    def _repr_html_(self) -> str:
        verdict = {True: "function preserved", False: "function NOT preserved", None: "not proven"}[self.preserved]
        rows = [
            ("basis", self.basis),
            ("residual", f"{self.residual:.1e}"),
            ("bit-exact", "yes" if self.exact else "no"),
            ("not compared", "; ".join(self.not_compared) or "nothing"),
        ]
        listing = notebook_html.table(("", ""), rows)
        return notebook_html.heading(verdict) + listing + notebook_html.notes([self.message])


def certificate_of(before: Circuit, after: Circuit, *, states: bool = False) -> Certificate:
    """The certificate of two circuits: see `verify`."""
    _same_shape(before, after)
    found = first_difference(before, after, states=states)
    if found is not None:
        return refusal(before, found)
    if is_blind(before) and before.emitted is not None:
        unmoved = {name: np.zeros(p.size) for name, p in before.populations.items()}
        return certify(before, after, {**unmoved, **before.emitted()}, states=states)
    linear = equations(before, after, states=states)
    h, suspects = fit(linear, tolerance_of(before, after))
    return certify(before, after, linear.by_population(h), suspects, states=states)


def certify(
    before: Circuit,
    after: Circuit,
    log_scale: Mapping[str, Array],
    suspects: list[int] | None = None,
    *,
    states: bool = False,
) -> Certificate:
    """The certificate for known log-scales; ``suspects`` are synapses (counted through all projections) to name."""
    changed = changes(before, after, log_scale, states=states)
    tolerance = tolerance_of(before, after)
    blind = is_blind(before)
    missing = not_compared(before, after, states=states)
    fits = changed.signs and changed.residual <= tolerance
    preserved = (None if blind or before.basis == "assumed" else True) if fits else False
    exact = changed.exact and fits and not blind
    doubts = doubts_of_exactness(before, log_scale, after) if exact else []
    exact = exact and not doubts and not any(c.description.unknown() for c in (before, after) if c.description)
    if fits:
        message = f"{_verdict(before, blind)} (basis: {before.basis}; residual {changed.residual:.1e} <= "
        message += f"{tolerance:.0e}{', bit-exact' if exact else ''}){_reservations(doubts, missing)}"
    elif not changed.signs:
        message = f"function NOT preserved: signs or zeros changed ({first_difference(before, after, states=states)})"
    else:
        message = f"function NOT preserved: residual {changed.residual:.1e} > {tolerance:.0e}. "
        message += _accusation(named_equations(before, after, states=states), suspects, changed.worst)
    scale = _unwrapped(before, {name: np.exp(h) for name, h in log_scale.items()})
    return Certificate(preserved, before.basis, changed.residual, scale, changed.signs, exact, message, missing)


def is_blind(before: Circuit) -> bool:
    """Whether no weight can be compared, because something else changes them all; parameters alone fit almost any λ."""
    return bool(before.projections) and before.uncertified.issuperset(before.projections)


def _verdict(before: Circuit, blind: bool) -> str:
    """What it means that a rescaling explains all that was compared."""
    if blind and before.emitted is not None and before.basis == "equations":
        count = sum(len(population.parameters) for population in before.populations.values())
        return (
            "weights cannot be compared; proven is the rest: by the equations all that moves, the other rule's steps "
            f"included, moves along with the scales, and all constants ({count} of them covariant) moved by those that "
            "were emitted"
        )
    if blind:
        verdict = "no weight could be compared: nothing is proven"
    elif before.basis == "assumed":
        verdict = "weights are a rescaling, but its symmetry is assumed, not proven"
    else:
        verdict = "function preserved"
    if before.basis == "assumed":
        verdict += "".join(f"; {assumption}" for assumption in before.assumptions)
    return verdict


def _reservations(doubts: list[str], missing: tuple[str, ...]) -> str:
    """Why a rescaling is not bit-exact though it moves by powers of two, and what was not compared but for states."""
    left_out = [what for what in missing if not what.startswith(STATES)]
    text = f", up to rounding: {doubts[0]}" if doubts else ""
    text += f" and {len(doubts) - 1} more" if doubts[1:] else ""
    return text + (f"; not compared: {'; '.join(left_out)}" if left_out else "")


def tolerance_of(before: Circuit, after: Circuit) -> float:
    """The residual that rounding explains, by the precision that the weights are stored in."""
    one_rescaling = max((TOLERANCE[p.weight.dtype] for p in after), default=TOLERANCE[np.dtype(np.float64)])
    return before.roundings * one_rescaling


def _same_shape(before: Circuit, after: Circuit) -> None:
    for kind, shapes_before, shapes_after in (
        ("populations", {n: p.size for n, p in before.populations.items()},
                        {n: p.size for n, p in after.populations.items()}),
        ("parameters", {n: set(p.parameters) for n, p in before.populations.items()},
                       {n: set(p.parameters) for n, p in after.populations.items()}),
        ("projections", {n: p.shape for n, p in before.projections.items()},
                        {n: p.shape for n, p in after.projections.items()}),
    ):  # fmt: skip
        if shapes_before != shapes_after:
            raise InvalidInputError(
                f"verify: the two networks have different {kind}: {shapes_before} and {shapes_after}."
            )


def refusal(before: Circuit, reason: str) -> Certificate:
    """The certificate of what no log-scales need to be fitted for."""
    scale = {name: np.ones(p.size) for name, p in before.populations.items()}
    message = f"function NOT preserved: {reason}"
    return Certificate(False, before.basis, np.inf, _unwrapped(before, scale), False, False, message)


def _accusation(names: Iterable[tuple[int, Name]], suspects: list[int] | None, worst: str) -> str:
    """Who is to blame for a residual: one of the ``suspects``, numbers of equations, if there are any."""
    if not suspects:
        return f"The largest deviation is at {worst}."
    found, start = [], 0
    for size, name in names:
        found += [name(number - start) for number in suspects if start <= number < start + size]
        start += size
    if len(found) == 1:
        return f"All but one value fit a rescaling: the culprit is {found[0]}."
    return (
        "All but one value fit a rescaling; it is one of these, which lie on one cycle and cannot be told apart: "
        f"{'; '.join(found[:6])}{'; ...' if len(found) > 6 else ''}."
    )


def _unwrapped(circuit: Circuit, values: dict[str, Array]) -> Any:
    return next(iter(values.values())) if circuit.is_matrix else values
