"""Additive synaptic costs: what a network pays for its synapses, as a sum of powers of their weights.

Both papers minimise a sum of one term per synapse: Stock et al. 2022 ``C = Σ α_e |w_e|^p``, Baldi et al. 2024 the
regulariser ``R(W) = Σ |w|^p``. A cost here is a list of such terms; under a rescaling of the neurons each term grows
by ``λ_post^(p a) / λ_pre^(p b)``, which makes the whole convex in log λ.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from neurobal.circuit import Circuit, Projection
from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.inputs import real
from neurobal.logarithms import pieces, positive_range


@dataclass(frozen=True)
class Term:
    """``weight_e |w_e|^power`` for every synapse e of one projection; ``dimension`` is the physical one of the sum."""

    power: float
    weight: float | np.ndarray
    dimension: Any

    def of(self, weight: np.ndarray, log_unit: float = 0.0) -> np.ndarray:
        """The cost of each synapse in units of ``exp(log_unit)``; infinite where it is out of range."""
        with np.errstate(over="ignore", under="ignore"):
            size = np.abs(weight, dtype=float)
            if log_unit:
                size *= math.exp(-log_unit / self.power)
            if self.power == 2:
                size *= size  # far faster than a general power
            elif self.power != 1:
                size **= self.power
            if np.ndim(self.weight) or self.weight != 1:
                size *= self.weight
        return size

    def total(self, weight: np.ndarray, counted: np.ndarray | None = None) -> float:
        """The sum of `of` over all synapses, or over those in the mask ``counted``."""
        total = 0.0
        for piece in pieces(weight.size):
            costs = replace(self, weight=self.weight[piece] if np.ndim(self.weight) else self.weight).of(weight[piece])  # type: ignore[index]
            total += float((costs if counted is None else costs[counted[piece]]).sum())
        return total

    def log_bounds(self, weight: np.ndarray) -> tuple[float, float] | None:
        """Bounds of the logarithms of all costs that are not 0; None if there are none."""
        ranges = [positive_range(weight), positive_range(np.atleast_1d(self.weight))]
        if ranges[0] is None or ranges[1] is None:
            return None
        return tuple(self.power * math.log(w) + math.log(f) for w, f in zip(*ranges, strict=True))  # type: ignore[return-value]

    def log_of(self, weight: np.ndarray) -> np.ndarray:
        """The logarithm of `of`, -inf where there is no cost; never out of range."""
        with np.errstate(divide="ignore"):
            log_cost = np.abs(weight, dtype=np.float64)
            np.log(log_cost, out=log_cost)
            log_cost *= self.power
            if np.ndim(self.weight) or self.weight != 1:
                log_cost += np.log(self.weight)
        return log_cost


def _nearest(cls: type, method: str) -> int:
    """How far from a class, in the order in which methods are looked up, one is defined (`Cost` itself not counted)."""
    order = [kind for kind in cls.__mro__ if kind is not Cost]
    return next((k for k, kind in enumerate(order) if method in vars(kind)), len(order))


class Cost(ABC):
    """A sum of powers of synaptic weights. Add costs with ``+``, multiply by numbers: ``Power(2) + 0.1*Power(1)``.

    A factor with physical units has to stand behind the cost, ``Power(1)*(1/mV)``: on the left a quantity of Brian2
    would try to multiply the cost itself, and refuse.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if _nearest(cls, "terms") < _nearest(cls, "synaptic_terms"):
            warnings.warn(
                f"{cls.__name__}: Cost.terms(projection) is deprecated, define synaptic_terms(circuit, projections) -> "
                "{name: [Term, ...]}: a cost is asked once, with the whole circuit.",
                DeprecationWarning,
                stacklevel=3,  # past ABCMeta
            )
            cls.synaptic_terms = _terms_of_each  # type: ignore[assignment,method-assign]

    @abstractmethod
    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        """The terms that this cost puts on the synapses of these projections of ``circuit``, by projection.

        It is asked once, and sees all populations and projections; only those that are named are to cost anything.
        """

    def terms(self, projection: Projection) -> list[Term]:
        """Deprecated: the terms on the synapses of one projection. Use `synaptic_terms`."""
        circuit = Circuit()
        circuit.projections[projection.name] = projection
        # The nearest class that is not deprecated itself: one that is may call this as ``super().terms``.
        methods = (vars(kind).get("synaptic_terms", _terms_of_each) for kind in type(self).__mro__)
        method = next(method for method in methods if method is not _terms_of_each)
        return method(self, circuit, [projection.name]).get(projection.name, [])

    def powers(self) -> set[float]:
        """The exponents p of its terms: a `Plasticity` asks for them before there are synapses."""
        raise InvalidInputError(
            f"cost: {type(self).__name__} has no method powers(), which a Plasticity needs: define one that returns "
            "the exponents p of its terms, such as {2.0}."
        )

    @property
    def formula(self) -> str:
        """What it sums up, for printouts: "Σ w²"."""
        return type(self).__name__

    def __add__(self, other: object) -> Cost:
        return CostSum(((1.0, self), (1.0, other))) if isinstance(other, Cost) else NotImplemented

    def __mul__(self, factor: Any) -> Cost:
        return CostSum(((factor, self),)) if np.ndim(factor) == 0 and not isinstance(factor, Cost) else NotImplemented

    __rmul__ = __mul__


@dataclass(frozen=True, eq=False)
class Power(Cost):
    """``Σ_e weight_e |w_e|^p`` for one ``p > 0``.

    Parameters
    ----------
    p
        Any positive number: 2 is the squared Frobenius norm, 1 the total absolute weight.
    weight
        How much each synapse counts: a number ≥ 0, an array with one entry a synapse, or for a matrix an array
        (dense or sparse) of the matrix's shape (post, pre). It may carry units (``1/nS**2``), so that projections
        with weights of different units can share one cost.
    """

    p: float
    weight: Any = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, Real) or not 0 < self.p < math.inf:
            raise InvalidInputError(f"Power.p: expected a number > 0, got {self.p!r}.")

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        return {name: [self._term(circuit.projections[name])] for name in projections}

    def _term(self, projection: Projection) -> Term:
        dimension = _times(_power(projection.dimension, self.p), _dimension(self.weight))
        return Term(float(self.p), _per_synapse(self.weight, projection), dimension)

    def powers(self) -> set[float]:
        return {float(self.p)}

    @property
    def formula(self) -> str:
        factor = "" if np.isscalar(self.weight) and self.weight == 1 else "α "
        return f"Σ {factor}{_power_of_weight(self.p)}"

    def __repr__(self) -> str:
        weight = "" if np.isscalar(self.weight) and self.weight == 1 else ", weight=..."
        return f"Power({self.p:g}{weight})"


@dataclass(frozen=True, eq=False)
class Robustness(Cost):
    """Sensitivity of the dynamics to noise on the neurons: ``Σ_ij ⟨φ'(x_j)²⟩ J_ij²`` (Stock et al. 2022).

    For ``dx/dt = -x + J φ(x)`` the mean squared velocity change caused by small independent noise on all neurons is
    this sum plus terms that no rescaling changes. The slopes of homogeneous neurons of degree 1 do not change either.

    Parameters
    ----------
    gains
        Mean squared slope ⟨φ'²⟩ of each *presynaptic* neuron over the activity of interest: array (n_pre,), or a dict
        of such arrays by population name. For ReLU it is the fraction of time that the neuron is active.
    """

    gains: Any

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        return {name: [self._term(circuit.projections[name])] for name in projections}

    def _term(self, projection: Projection) -> Term:
        if not (np.all(projection.post_exponent == 1) and np.all(projection.pre_exponent == 1)):
            raise InvalidInputError(
                f"Robustness: projection {projection.name!r} does not have exponents (1, 1). Slopes are invariant "
                "only for units of homogeneity 1; use Power(2, weight=...) with your own weights instead."
            )
        gains = self.gains
        if isinstance(gains, Mapping):
            if projection.pre not in gains:
                raise InvalidInputError(
                    f"Robustness.gains: no gains for population {projection.pre!r}, which sends projection "
                    f"{projection.name!r}.{did_you_mean(str(projection.pre), gains)}"
                )
            gains = gains[projection.pre]
        gains = real(gains, "Robustness.gains").astype(float, copy=False)
        expected = (
            f"Robustness.gains: expected {projection.shape[1]} finite numbers >= 0, one for each presynaptic neuron of "
            f"projection {projection.name!r}, got "
        )
        if gains.shape != (projection.shape[1],):
            raise InvalidInputError(f"{expected}an array of shape {gains.shape}.")
        wrong = np.flatnonzero(~((gains >= 0) & np.isfinite(gains)))
        if wrong.size:
            raise InvalidInputError(f"{expected}{gains[wrong[0]]:g} for neuron {wrong[0]}.")
        return Term(2.0, gains[projection.pre_index], _power(projection.dimension, 2))

    def powers(self) -> set[float]:
        return {2.0}

    @property
    def formula(self) -> str:
        return "Σ ⟨φ'²⟩ w²"

    def __repr__(self) -> str:
        return "Robustness(gains)"


@dataclass(frozen=True, eq=False)
class CostSum(Cost):
    """A weighted sum of costs, as made by ``+`` and ``*``."""

    parts: tuple[tuple[Any, Cost], ...]

    def __post_init__(self) -> None:
        for factor, _ in self.parts:
            if not (np.isreal(factor) and 0 <= float(np.asarray(factor)) < math.inf):
                raise InvalidInputError(f"A cost can be multiplied by a number >= 0 only, not by {factor!r}.")

    def synaptic_terms(self, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
        total: dict[str, list[Term]] = {name: [] for name in projections}
        for factor, cost in self.parts:
            for name, terms in asked(cost, circuit, projections).items():
                total[name] += [
                    Term(t.power, float(np.asarray(factor)) * t.weight, _times(t.dimension, _dimension(factor)))
                    for t in terms
                ]
        return total

    def powers(self) -> set[float]:
        return set().union(*(cost.powers() for _, cost in self.parts))

    @property
    def formula(self) -> str:
        return " + ".join(c.formula if np.asarray(f) == 1 else f"{f} {c.formula}" for f, c in self.parts)

    def __repr__(self) -> str:
        return " + ".join(f"{c!r}" if np.asarray(f) == 1 else f"{f!r}*({c!r})" for f, c in self.parts)


def formula(cost: Cost | Mapping[str, Cost]) -> str:
    """What a cost sums up; of a dict of costs, for which projections: "Σ w² (EE, EI), Σ |w| (IE)"."""
    if isinstance(cost, Cost):
        return cost.formula
    projections: dict[str, list[str]] = {}
    for name, one in cost.items():
        projections.setdefault(one.formula, []).append(name)
    return ", ".join(f"{text} ({', '.join(names)})" for text, names in projections.items())


def _power_of_weight(p: float) -> str:
    if p == 1:
        return "|w|"
    if p not in range(2, 10):
        return f"|w|^{p:g}"
    return f"{'w' if p % 2 == 0 else '|w|'}{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(p)]}"


def asked(cost: Cost, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
    """The answer of `Cost.synaptic_terms`, checked: lists of terms for these projections, and for no others."""
    answer = cost.synaptic_terms(circuit, projections)
    owner = f"{type(cost).__name__}.synaptic_terms"
    if not isinstance(answer, Mapping):
        raise InvalidInputError(f"{owner}: expected a dict from projection to a list of Term, got {answer!r:.60}.")
    for name, terms in answer.items():
        if name not in projections:
            raise InvalidInputError(
                f"{owner}: answered for projection {name!r}, which is not to cost anything; it was asked for "
                f"{', '.join(map(repr, projections))}."
            )
        if not isinstance(terms, (list, tuple)) or not all(isinstance(term, Term) for term in terms):
            raise InvalidInputError(f"{owner}: expected a list of Term for projection {name!r}, got {terms!r:.60}.")
        for term in terms:
            if not (term.power > 0 and np.all(np.isfinite(term.weight)) and np.all(np.asarray(term.weight) >= 0)):
                raise InvalidInputError(
                    f"{owner}: a term of projection {name!r} has power {term.power!r} and weights {term.weight!r:.40}; "
                    "the power must be > 0, weights finite and >= 0."
                )
    return dict(answer)


def same_terms(left: Mapping[str, list[Term]], right: Mapping[str, list[Term]]) -> bool:
    """Whether two costs put the same terms on the same synapses."""

    def by_power(costs: Mapping[str, list[Term]]) -> dict[str, list[Term]]:
        return {name: sorted(terms, key=lambda term: term.power) for name, terms in costs.items() if terms}

    def same(first: Term, second: Term) -> bool:
        weights = np.all(np.asarray(first.weight) == np.asarray(second.weight))
        return bool(first.power == second.power and weights and _same(first.dimension, second.dimension))

    left, right = by_power(left), by_power(right)
    return left.keys() == right.keys() and all(
        len(left[name]) == len(right[name]) and all(map(same, left[name], right[name])) for name in left
    )


def _terms_of_each(cost: Cost, circuit: Circuit, projections: Collection[str]) -> dict[str, list[Term]]:
    """`Cost.synaptic_terms` of a cost that only has the deprecated ``terms``."""
    return {name: cost.terms(circuit.projections[name]) for name in projections}


def terms_by_projection(cost: Any, circuit: Circuit) -> dict[str, list[Term]]:
    """The cost terms of every costed projection; all of them must have the same physical dimension.

    ``cost`` is one `Cost` for all projections with ``costed=True``, or a dict by projection name, in which absent
    projections are free riders: they are rescaled, but cost nothing.
    """
    if isinstance(cost, Mapping):
        for name in cost:
            if name not in circuit.projections:
                known = circuit.projections
                raise InvalidInputError(f"cost: there is no projection {name!r}.{did_you_mean(name, known)}")
        chosen = dict(cost)
    else:
        chosen = {name: cost for name, projection in circuit.projections.items() if projection.costed}
    names: dict[int, list[str]] = {}  # of the projections with the same cost
    for name, cost_of_name in chosen.items():
        if not isinstance(cost_of_name, Cost):
            raise InvalidInputError(
                f"cost: expected a cost such as Power(2) for projection {name!r}, got {type(cost_of_name).__name__} "
                f"{cost_of_name!r}."
            )
        names.setdefault(id(cost_of_name), []).append(name)
    answers = [asked(chosen[group[0]], circuit, group) for group in names.values()]
    terms = {name: answer[name] for name in chosen for answer in answers if name in answer}
    _check_dimensions(terms)
    return terms


def _check_dimensions(terms: dict[str, list[Term]]) -> None:
    first: tuple[str, Any] | None = None
    for name, terms_here in terms.items():
        for term in terms_here:
            if first is None:
                first = (name, term.dimension)
            elif not _same(first[1], term.dimension):
                raise InvalidInputError(
                    f"cost: the cost of projection {name!r} has dimension {_name(term.dimension)}, that of "
                    f"{first[0]!r} has {_name(first[1])}; they cannot be added. Give each a weight with units "
                    "that makes them agree, as in cost={'exc': Power(2, weight=1/nS**2), ...}."
                )


def _per_synapse(weight: Any, projection: Projection) -> float | np.ndarray:
    """``Power.weight`` as one number, or one number a synapse."""
    if sparse.issparse(weight):
        weight = weight.tocsr()
        if weight.shape != projection.shape:
            raise InvalidInputError(
                f"Power.weight: expected shape {projection.shape} for {projection.name!r}, got {weight.shape}."
            )
        values = np.asarray(weight[projection.post_index, projection.pre_index]).ravel()
    else:
        values = real(weight, "Power.weight").astype(float, copy=False)  # in base units, as Brian2 stores weights
        if values.ndim == 2 and values.shape == projection.shape:
            values = values[projection.post_index, projection.pre_index]
        elif values.ndim != 0 and values.shape != projection.weight.shape:
            raise InvalidInputError(
                f"Power.weight: expected a number, {projection.weight.size} numbers (one a synapse) or an array of "
                f"shape {projection.shape} for projection {projection.name!r}, got shape {values.shape}."
            )
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise InvalidInputError(f"Power.weight: weights must be finite and >= 0 (projection {projection.name!r}).")
    return float(values) if values.ndim == 0 else values


# Physical dimensions are opaque here: Brian2's Dimension objects, which know * and **, or None for a plain number.


def _dimension(value: Any) -> Any:
    dimension = getattr(value, "dim", None)
    return None if dimension is None or getattr(dimension, "is_dimensionless", False) else dimension


def _power(dimension: Any, p: float) -> Any:
    return None if dimension is None else dimension**p


def _times(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    product = left * right
    return None if getattr(product, "is_dimensionless", False) else product


def _same(left: Any, right: Any) -> bool:
    return left is right or (left is not None and right is not None and bool(left == right))


def _name(dimension: Any) -> str:
    return "1" if dimension is None else str(dimension)
