"""Methods that balance one node at a time: Osborne's cyclic iteration, and the second paper's stochastic balancing.

A node's own balancing step solves ``Σ_in α c e^{αx} = Σ_out β c e^{-βx}`` for x. With one exponent on each side it
is, in Baldi et al.'s terms, ``λ* = (β Σ_out / α Σ_in)^(1/(α+β))``: for a = b = 1 ``(Σ_out |w|^p / Σ_in
|w|^p)^(1/2p)``. All sums are formed in logarithms, so that any range of weights can be balanced. These are the
papers' algorithms, in plain Python and NumPy: use ``newton`` where speed matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np

from neurobal.errors import InvalidInputError
from neurobal.problem import Problem
from neurobal.solvers.contract import Meter, Monitor, Solution

Array: TypeAlias = np.ndarray

DEFAULT_SWEEPS = 2000
MAX_STEPS = 100  # of Newton's method, which needs a few


@dataclass(frozen=True)
class Osborne:
    """Visit all nodes in turn, again and again; each is balanced exactly (Osborne 1960)."""

    name: str = "osborne"

    def solve(self, problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
        """See `Solver.solve`. ``max_iter`` counts sweeps over all nodes (default 2000)."""
        order = np.flatnonzero(problem.connected)
        return _sweep(problem, tol, max_iter, monitor, lambda: order, 1.0)


@dataclass(frozen=True)
class Stochastic:
    """Stochastic balancing: one random node at a time (Baldi et al. 2024, the stochastic balancing theorem).

    Parameters
    ----------
    theta
        Each visit takes the partial step λ*^θ. Every θ in (0, 2) lowers the cost where a = b and there is one power;
        otherwise 0 < θ <= 1 does.
    seed
        Of the random order of visits.
    """

    theta: float = 1.0
    seed: int | None = 0
    name: str = "stochastic"

    def __post_init__(self) -> None:
        if not isinstance(self.theta, Real) or not 0 < self.theta < 2:
            raise InvalidInputError(f"Stochastic.theta: expected a number in (0, 2), got {self.theta!r}.")

    def solve(self, problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
        """See `Solver.solve`. ``max_iter`` counts rounds of N visits (default 2000)."""
        slopes = problem.slopes()
        if self.theta > 1 and slopes[0] != slopes[1]:
            raise InvalidInputError(
                f"Stochastic.theta: {self.theta:g} is allowed only where all exponents are equal (a = b = 1 and one "
                "power); "
                f"here they range from {slopes[0]:g} to {slopes[1]:g}. Use 0 < theta <= 1."
            )
        rng = np.random.default_rng(self.seed)
        nodes = np.flatnonzero(problem.connected)
        return _sweep(problem, tol, max_iter, monitor, lambda: rng.choice(nodes, nodes.size), self.theta)


def _sweep(
    problem: Problem,
    tol: float,
    max_iter: int | None,
    monitor: Monitor,
    next_order: Callable[[], Array],
    theta: float,
) -> Solution:
    """Rounds of visits, in the order that ``next_order`` gives, until balance."""
    budget = DEFAULT_SWEEPS if max_iter is None else max_iter
    meter, neighbours = Meter(problem), _Neighbours(problem)
    h = np.zeros(problem.size + 1)  # the last entry is the ground
    cost, imbalance = meter(h[:-1])
    monitor.record(cost, imbalance)
    iterations = 0
    while not imbalance.within(tol) and iterations < budget:
        for node in next_order().tolist():
            h[node] += theta * neighbours.balancing_step(node, h)
        iterations += 1
        cost, imbalance = meter(h[:-1])
        monitor.record(cost, imbalance)
    balanced = imbalance.within(tol)
    status = "balanced" if balanced else (
        f"The maximum of {budget} sweeps was reached. Try increasing max_iter, or method='newton'."
    )  # fmt: skip
    return Solution(h[:-1], balanced, status, iterations, 2 * iterations + 1, imbalance)


class _Neighbours:
    """All costs of each node, incoming before outgoing, ready to be summed one node at a time."""

    def __init__(self, problem: Problem) -> None:
        # One entry for each end of a synapse: its node, the exponent with which the cost moves with that node's h, the
        # node at the other end, the exponent there, and the log-cost.
        ends: list[tuple[Array, Array, Array, Array, Array]] = []
        for block in problem.blocks:
            post, pre, log_cost = block.store.entries()
            alpha = np.full(post.size, block.power * block.a)
            beta = np.full(post.size, block.power * block.b)
            ends += [(post, alpha, pre, -beta, log_cost), (pre, -beta, post, alpha, log_cost)]
        for ground in problem.grounds:
            alpha = np.full(ground.node.size, ground.power * ground.a)
            far = np.full(ground.node.size, problem.size)
            ends.append((ground.node, alpha, far, np.zeros(ground.node.size), ground.log_cost))
        if not ends:
            ends = [(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))]
        node, exponent, far, far_exponent, logs = (np.concatenate(column) for column in zip(*ends, strict=True))
        order = np.lexsort((exponent < 0, node))
        self._exponent, self._far = exponent[order], far[order]
        self._far_exponent, self._logs = far_exponent[order], logs[order]
        self._start = np.append(0, np.cumsum(np.bincount(node, minlength=problem.size))).tolist()
        incoming = np.bincount(node[exponent > 0], minlength=problem.size)
        self._middle = (np.asarray(self._start[:-1]) + incoming).tolist()
        slopes = problem.slopes()
        self._common_exponent = slopes[0] if slopes[0] == slopes[1] else None

    def balancing_step(self, node: int, h: Array) -> float:
        """The step in h that balances ``node`` while all others stay; 0 where one side has no cost."""
        start, middle, end = self._start[node], self._middle[node], self._start[node + 1]
        if start == middle or middle == end:
            return 0.0
        logs = self._logs[start:end] + self._far_exponent[start:end] * h[self._far[start:end]]
        split = middle - start
        if self._common_exponent is not None:
            ratio = _log_sum(logs[split:]) - _log_sum(logs[:split])
            return 0.5 * ratio / self._common_exponent - h[node]
        exponent = self._exponent[start:end]
        logs += np.log(np.abs(exponent))
        return _crossing(logs[:split], exponent[:split], logs[split:], -exponent[split:], h[node]) - h[node]


def _crossing(incoming: Array, alpha: Array, outgoing: Array, beta: Array, x: float) -> float:
    """The x where ``log Σ exp(incoming + αx) = log Σ exp(outgoing - βx)``: Newton inside a shrinking bracket."""
    low, high = -np.inf, np.inf
    steepest = alpha.max() + beta.max()
    flattest = alpha.min() + beta.min()
    for _ in range(MAX_STEPS):
        rising, falling = incoming + alpha * x, outgoing - beta * x
        up, down = _log_sum(rising), _log_sum(falling)
        gap = up - down
        # The slope of the gap lies between its extreme values, which brackets the root.
        ends = sorted((x - gap / steepest, x - gap / flattest))
        low, high = max(low, ends[0]), min(high, ends[1])
        slope = float(alpha @ np.exp(rising - up) + beta @ np.exp(falling - down))
        step = x - gap / slope
        following = step if low <= step <= high else 0.5 * (low + high)
        if abs(following - x) <= 1e-15 * (1 + abs(x)):
            return following
        x = following
    return x


def _log_sum(logs: Array) -> float:
    top = logs.max()
    return float(top + np.log(np.exp(logs - top).sum()))
