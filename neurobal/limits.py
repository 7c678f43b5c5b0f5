"""Budgets: costs that may not exceed a multiple of what they are now, and the multipliers that join them to a cost.

The least A(h) with ``B_k(h) <= β_k B_k(0)`` is also the least of ``A + Σ μ_k B_k``, for the right μ_k >= 0: what a
budget's multiplier is says how much of A one unit of B_k is worth. So it carries the units of A / B_k.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from neurobal.circuit import Circuit
from neurobal.cost import Cost, CostSum, NeuronTerm, Term, costs_neurons, formula
from neurobal.errors import InvalidInputError

CostLike: TypeAlias = "Cost | dict[str, Cost]"


@dataclass(frozen=True, eq=False)
class Budget:
    """What became of one budget.

    Attributes
    ----------
    cost : Cost or dict of costs
        What is limited.
    limit : float
        The multiple of its total before that it may have.
    before, after : float
        Its totals, with all that is left out of the balance.
    multiplier : float
        μ: how much of the cost that is minimised one unit of this one is worth; in base units.
    dimension
        The physical dimension of the multiplier; None for a number.
    active : bool
        Whether the budget is used up, so that it holds the cost back.
    """

    cost: Cost | dict[str, Cost]
    limit: float
    before: float
    after: float
    multiplier: float
    dimension: Any
    active: bool

    @property
    def ratio(self) -> float:
        """``after / before``."""
        return self.after / self.before

    @property
    def excess(self) -> float:
        """By which share the limit is exceeded; not more than 0 if it holds."""
        return self.after / (self.limit * self.before) - 1

    @property
    def name(self) -> str:
        """What it sums up, for printouts."""
        return formula(self.cost)

    def __repr__(self) -> str:
        state = "active" if self.active else "not active"
        return f"Budget({self.name}: {self.ratio:.4g} of {self.limit:g} times before, {state})"


class Multiplier(float):
    """A number with a physical dimension, as costs ask for it."""

    dim: Any

    def __new__(cls, value: float, dim: Any = None) -> Multiplier:
        self = super().__new__(cls, value)
        self.dim = dim
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Multiplier, (float(self), self.dim)

    def __repr__(self) -> str:
        return f"{float(self):.6g}"

    __str__ = __repr__


def limits_of(budget: Any) -> list[tuple[CostLike, float]]:
    """The budgets that a user gave: pairs of a cost and the multiple that it may have; one pair may stand alone."""
    if isinstance(budget, tuple) and len(budget) == 2 and isinstance(budget[0], (Cost, Mapping)):
        budget = [budget]
    expected = "budget: expected a list of pairs of a cost and a multiple of it, as [(Power(2), 1.2)]"
    if not isinstance(budget, Sequence) or isinstance(budget, str):
        raise InvalidInputError(f"{expected}, got {type(budget).__name__} {budget!r:.60}.")
    if not budget:
        raise InvalidInputError(f"{expected}, got an empty one. Leave it out to have none.")
    found: list[tuple[CostLike, float]] = []
    for k, pair in enumerate(budget):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], (Cost, Mapping)):
            raise InvalidInputError(f"{expected}; number {k} is {pair!r:.60}.")
        cost, limit = pair
        if isinstance(limit, bool) or not isinstance(limit, Real) or not 0 < float(limit) < math.inf:
            raise InvalidInputError(
                f"budget: that of {formula(cost)} is to be at most {limit!r:.40} times what it is; expected a number "
                "> 0, such as 1.0 (not more than now)."
            )
        found.append((cost if isinstance(cost, Cost) else dict(cost), float(limit)))
    return found


def joined_cost(cost: Any, budgets: Sequence[Budget], circuit: Circuit) -> CostLike:
    """``A + Σ μ_k B_k`` as a cost: what is balanced where budgets limit A."""
    used = [(1.0, cost)] + [
        (Multiplier(b.multiplier, b.dimension) if b.dimension is not None else b.multiplier, b.cost)
        for b in budgets
        if b.multiplier > 0
    ]
    if len(used) == 1:
        return cost if isinstance(cost, Cost) else dict(cost)
    if all(isinstance(one, Cost) for _, one in used):
        return CostSum(tuple(used))
    parts: dict[str, list[tuple[Any, Cost]]] = {}
    for factor, one in used:
        for key, part in (one if isinstance(one, Mapping) else _by_name(one, circuit)).items():
            parts.setdefault(key, []).append((factor, part))
    return {key: CostSum(tuple(those)) for key, those in parts.items()}


def _by_name(cost: Cost, circuit: Circuit) -> dict[str, Cost]:
    """One cost for everything as a dict: of projections and, where it has terms on neurons, of populations."""
    found: dict[str, Cost] = {}
    costed = [name for name, projection in circuit.projections.items() if projection.costed]
    parts = cost.parts if isinstance(cost, CostSum) else ((1.0, cost),)
    for factor, part in parts:
        if isinstance(part, CostSum):
            inner = _by_name(part, circuit)
        elif costs_neurons(part):
            inner = dict.fromkeys(part.neuron_terms(circuit, list(circuit.populations)), part)
        else:
            inner = dict.fromkeys(costed, part)
        for name, one in inner.items():
            scaled = one if isinstance(cost, Cost) and not isinstance(cost, CostSum) else CostSum(((factor, one),))
            found[name] = found[name] + scaled if name in found else scaled
    return found


def dimension_of_terms(terms: Mapping[str, list[Term]], neurons: Mapping[str, list[NeuronTerm]]) -> Any:
    """The dimension that all terms of a cost share; None for a number."""
    lists: list[Sequence[Term | NeuronTerm]] = [*terms.values(), *neurons.values()]
    return next((term.dimension for those in lists for term in those), None)
