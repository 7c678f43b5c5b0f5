"""How much balancing can save, before anything is solved.

Both bounds come from minimising over one variable at a time, ``s(c, γ) = Σ c - min_x Σ c exp(γ x)``. For one power and
a = b they are closed forms, with c_ij the cost of the synapse from j to i:

    ½ Σ_i (√in_i - √out_i)²  ≤  C0 - C∞  ≤  Σ_i<j (√c_ij - √c_ji)²
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal.analysis.subject import subject
from neurobal.cost import Cost
from neurobal.errors import InvalidInputError
from neurobal.formulation import Excluded
from neurobal.logarithms import log_sums
from neurobal.neuron_costs import ExcludedNeurons
from neurobal.problem import Problem
from neurobal.solvers.runaways import seen_from

Array: TypeAlias = np.ndarray

NEWTON_STEPS = 100  # one or two are needed where there is one power
HALF = np.log(0.5)
SETTLED = 1e-12  # step of h below which a minimum has been reached
SEEN_TO = 1e-9  # tolerance of the Newton steps that show what runs away


@dataclass(frozen=True, repr=False)
class CostBounds:
    """Bounds on the cost of the balanced network, both guaranteed up to rounding of ``cost_before``.

    Attributes
    ----------
    cost_before : float
        The total cost now, as `Balance.cost_before`: without what has no balance.
    least_saving, greatest_saving : float
        Balancing lowers the cost at least, and at most, by this much.
    excluded : tuple of Excluded and ExcludedNeurons
        Synapses, and costs on neurons, that have no balance. The bounds are about the others.
    """

    cost_before: float
    least_saving: float
    greatest_saving: float
    excluded: tuple[Excluded | ExcludedNeurons, ...] = ()

    @property
    def lower(self) -> float:
        """The balanced network costs at least this."""
        return max(self.cost_before - self.greatest_saving, 0.0)

    @property
    def upper(self) -> float:
        """The balanced network costs at most this."""
        return max(self.cost_before - self.least_saving, self.lower)

    def __repr__(self) -> str:
        def percent(saving: float) -> str:
            return f"{-saving / self.cost_before:+.1%}" if self.cost_before > 0 else "0 %"

        lines = [
            f"CostBounds: cost {self.cost_before:.5g}; balanced it is between {self.lower:.5g} and {self.upper:.5g} "
            f"({percent(self.greatest_saving)} and {percent(self.least_saving)})"
        ]
        return "\n".join([*lines, *(f"left out: {excluded}" for excluded in self.excluded)])


def cost_bounds(
    network: Any = None,
    *,
    cost: Cost | Mapping[str, Cost] | None = None,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> CostBounds:
    """Bounds on how far balancing can lower the cost, without balancing.

    **At most** (Stock et al. 2022, for pairs of neurons): the costs between two neurons are at best at their common
    minimum, whatever the others do. With a = b and one power the product c_ij c_ji does not change, so that by the
    inequality of arithmetic and geometric means ``C∞ >= Σ_ij √(c_ij c_ji)``. All pinned neurons count as one neuron,
    with λ = 1. Equality: two neurons, costs of rank one, trees of reciprocal connections, free neurons that are
    connected to pinned ones only. A synapse without a partner counts as if all of its cost could go: on a graph
    without reciprocal connections this bound says nothing.

    **At least**: by convexity ``exp(a h_i - b h_j) <= ½ exp(2 a h_i) + ½ exp(-2 b h_j)``, so that all neurons may make
    the best of the right-hand side at the same time, each on its own. With a = b and one power this gives
    ``C0 - C∞ >= ½ Σ_i (√in_i - √out_i)²``, half of the sum of what each neuron alone would save by one balancing step
    (Baldi et al. 2024); for two neurons, and where free neurons are connected to pinned ones only, it is exact. It is
    never less than the bound ``|in - out|² / (4 max_i(in_i + out_i))`` that the first paper's code uses, and so proves
    that one, too: ``2 (in + out) >= (√in + √out)²``. It holds for every power p > 0.

    Both hold with pinned and tied neurons, any exponents a and b, sums of powers and costs on neurons. Where
    exponents are such that no two synapses between two neurons pull in exactly opposite directions (homogeneity 2
    on either side) the first bound is weak. The time needed is that of a few sums over all synapses.

    Parameters
    ----------
    network
        What `balance` accepts, or a `Balance`: then the bounds are those of the network as it was before.
    cost
        As in `balance` (None: `Power` (2)). A `Balance` knows its own; another one is an error.

    The other arguments are those of `balance`.

    Returns
    -------
    CostBounds

    Raises
    ------
    UnbalanceableError, NeurobalError
        As `balance`.

    Examples
    --------
    >>> weights = np.array([[0.0, 8.0, 1.0], [0.5, 0.0, 1.0], [2.0, 1.0, 0.0]])
    >>> bounds = nb.analysis.cost_bounds(weights, cost=nb.Power(2))
    >>> bounds.lower <= nb.balance(weights, cost=nb.Power(2)).cost <= bounds.upper < bounds.cost_before
    True
    >>> round(nb.analysis.cost_bounds(weights[:2, :2]).lower, 6)  # exact for two neurons
    8.0
    """
    formulation = subject(
        network, cost, "cost_bounds", before=True, pinned=pinned, tied=tied, homogeneity=homogeneity, scaling=scaling,
        namespace=namespace, level=level + 1,
    ).balanceable()  # fmt: skip
    start = np.zeros(formulation.nodes.size)
    while (runaway := seen_from(formulation.problem, start, SEEN_TO)) is not None:
        formulation = formulation.without(runaway).balanceable()
    total, problem = formulation.total(), formulation.problem
    if not np.finfo(float).tiny <= total < np.inf:
        raise InvalidInputError(
            f"cost_bounds: the total cost, {total:g}, is beyond the range of floating-point numbers. Give "
            "weights in other units, or rescale them first: nb.balance works in logarithms."
        )
    return CostBounds(total, _by_node(problem), _by_pair(problem), formulation.excluded)


def _by_node(problem: Problem) -> float:
    """What all nodes save if each costs ``½ exp(2 a h_i)`` and ``½ exp(-2 b h_j)`` of every synapse."""
    groups, slopes, logs = [], [], []
    for block in problem.blocks:
        post, pre, log_cost = block.store.entries()
        for node, slope in ((post, block.a), (pre, -block.b)):
            groups.append(node)
            slopes.append(np.full(node.size, 2 * block.power * slope))
            logs.append(log_cost + HALF)
    for ground in problem.grounds:  # the other end does not move: nothing to split
        groups.append(ground.node)
        slopes.append(np.full(ground.node.size, ground.power * ground.a))
        logs.append(ground.log_cost)
    return _savings(np.concatenate(groups), np.concatenate(slopes), np.concatenate(logs), problem.size)


def _by_pair(problem: Problem) -> float:
    """What every pair of nodes saves if it were alone.

    Costs between the same nodes whose exponents are multiples of each other depend on one common variable.
    """
    low, high, slopes, ratios, logs = [], [], [], [], []
    for block in problem.blocks:
        post, pre, log_cost = block.store.entries()
        upwards = post > pre
        alpha, beta = block.power * block.a, -block.power * block.b
        low.append(np.minimum(post, pre))
        high.append(np.maximum(post, pre))
        slopes.append(np.where(upwards, beta, alpha))
        ratios.append(np.where(upwards, block.a / -block.b, -block.b / block.a))
        logs.append(log_cost)
    for ground in problem.grounds:
        low.append(ground.node)
        high.append(np.full(ground.node.size, problem.size))
        slopes.append(np.full(ground.node.size, ground.power * ground.a))
        ratios.append(np.zeros(ground.node.size))
        logs.append(ground.log_cost)
    kinds, kind = np.unique(np.concatenate(ratios), return_inverse=True)
    pair = np.concatenate(low).astype(np.int64) * (problem.size + 1) + np.concatenate(high)
    names, group = np.unique(pair * kinds.size + kind, return_inverse=True)
    return _savings(group, np.concatenate(slopes), np.concatenate(logs), names.size)


def _savings(group: Array, slope: Array, log_cost: Array, count: int) -> float:
    """``Σ_groups [Σ c - inf_x Σ c exp(γ x)]``. With slopes γ of one sign the infimum is 0."""
    rising = slope > 0
    up, down = (_Side(group[side], np.abs(slope[side]), log_cost[side], count) for side in (rising, ~rising))
    both = up.present & down.present
    x = np.zeros(count)
    lowest, highest = np.full(count, -np.inf), np.full(count, np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(NEWTON_STEPS):
            (log_up, slope_up), (log_down, slope_down) = up.at(x), down.at(-x)
            # Rises with x, and is a straight line where each side has one slope only.
            gap = np.where(both, log_up - log_down, 0.0)
            lowest, highest = np.where(gap < 0, x, lowest), np.where(gap > 0, x, highest)
            step = np.where(both, x - gap / (slope_up + slope_down), 0.0)
            inside = (step >= lowest) & (step <= highest)
            step = np.where(inside | ~both, step, 0.5 * (lowest + highest))
            moved = np.abs(step - x).max(initial=0.0)
            x = step
            if moved <= SETTLED:
                break
        now, moved_by = np.exp(log_cost), slope * x[group]
        # A difference of costs where they differ much, their relative change where they hardly do.
        change = np.where(np.abs(moved_by) > 1, now - np.exp(log_cost + moved_by), -now * np.expm1(moved_by))
        return float(np.sum(np.where(both[group], change, now)))


class _Side:
    """The costs of all groups that rise with x: ``log Σ γ c exp(γ x)`` and its derivative."""

    def __init__(self, group: Array, slope: Array, log_cost: Array, count: int) -> None:
        self._group, self._slope, self._count = group, slope, count
        self._logs = log_cost + np.log(slope)
        self.present = np.zeros(count, dtype=bool)
        self.present[group] = True
        self._steepness = np.ones(count)
        self._steepness[group] = slope
        self._uneven = bool(np.any(self._steepness[group] != slope))
        self._at_zero = log_sums(group, self._logs, count)

    def at(self, x: Array) -> tuple[Array, Array]:
        if not self._uneven:
            return self._at_zero + self._steepness * x, self._steepness
        logs = self._logs + self._slope * x[self._group]
        total = log_sums(self._group, logs, self._count)
        return total, np.exp(log_sums(self._group, logs + np.log(self._slope), self._count) - total)
