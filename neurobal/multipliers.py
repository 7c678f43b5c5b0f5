"""The least A(h) with ``B_k(h) <= limit_k``, by multipliers: a concave problem in as many numbers as there are budgets.

``D(ν) = min_h A(h) + Σ ν_k (B_k(h) - limit_k)`` is largest where every budget holds and each that holds A back is used
up. ``∂D/∂ν_k = B_k - limit_k``, and ``∂B_j/∂ν_k = -∂B_jᵀ H⁻¹ ∂B_k`` with H the Hessian of the whole, so that few
Newton steps in log ν suffice; costs fall about as powers of multipliers. The same solutions ``H⁻¹ ∂B_k`` say where the
next minimum over h is to be looked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import optimize

from neurobal.existence import Runaway, find_runaway, without
from neurobal.potential import Point, Potential, total_at
from neurobal.problem import Block, Ground, Problem
from neurobal.solvers import Monitor, Newton, Solution
from neurobal.solvers.conjugate_gradients import TINY, ConjugateGradients
from neurobal.solvers.runaways import seen_from
from neurobal.stores import InMemory

Array: TypeAlias = np.ndarray

MOST_POINTS = 100  # multipliers that are tried
FIRST = 1e-3  # tolerance of the first points
LOOSE = 30.0  # a budget's distance from its limit is known to this many times the tolerance of a point
LONGEST = 4.0  # step of a log-multiplier
TANGENT = 1e-3  # share of the residual to which the equations of tangents are solved
RIDGE = 1e-6  # of the largest curvature: along directions that have less, as of two equal budgets, steps are long
ROOM = 0.999  # all limits times this hold somewhere: then there is room
HALVINGS = 12
DEPARTURES = 3  # of a budget that seems not to be used up; from then on its multiplier falls step by step
FAR = 1e-2  # times the tolerance: of one over the multiplier of a budget that leaves the cost no room at all
PARALLEL = 1e-6  # gradients that cancel to this share leave no direction in which all budgets fall


class RunsAway(Exception):
    """A sum of costs turns out to have no balance along ``runaway``."""

    def __init__(self, runaway: Runaway) -> None:
        super().__init__()
        self.runaway = runaway


@dataclass(frozen=True, eq=False)
class Optimum:
    """The least ``A + Σ ν_k B_k``, to ``tol``: at ``h``, with A and all B_k there, in units of what they are at 0."""

    nu: Array
    h: Array
    cost: float
    budgets: Array
    problem: Problem
    solution: Solution
    tol: float

    def dual(self, limits: Array) -> float:
        """D(ν)."""
        return float(self.cost + self.nu @ (self.budgets - limits))


@dataclass(frozen=True, eq=False)
class Common:
    """A ``factor`` by which limits can be multiplied so that they hold, at ``h`` or on the way on from there.

    No factor less than ``bound`` would do, which ``weights`` prove. ``attained``: at ``h`` itself.
    """

    factor: float
    bound: float
    h: Array
    weights: Array
    attained: bool


class Search:
    """Minima of ``A + Σ ν_k B_k``, all in units of what they are at h = 0, from where one says."""

    def __init__(
        self, cost: Problem, budgets: Sequence[Problem], tol: float, max_iter: int | None, monitor: Monitor
    ) -> None:
        self.parts = [cost, *budgets]
        self.tol, self._max_iter, self._monitor = tol, max_iter, monitor
        self.evaluations = self.iterations = 0
        self.unit = np.ones(len(self.parts))
        self.unit = np.array([self._value(k, np.zeros(cost.size)) for k in range(len(self.parts))])
        self._definite: dict[tuple[bool, ...], bool] = {}

    @property
    def size(self) -> int:
        """The number of nodes."""
        return self.parts[0].size

    def problem(self, weights: Array) -> Problem:
        """The sum of all parts, with these weights."""
        logs = [(part, math.log(w / u)) for part, w, u in zip(self.parts, weights, self.unit, strict=True) if w > 0]
        return added(self.size, logs)

    @property
    def never(self) -> Array:
        """Multipliers so large that A counts only where budgets leave it room."""
        return np.full(len(self.parts) - 1, 1 / (FAR * self.tol))

    def at(self, nu: Array, start: Array, tol: float = 0.0, monitor: Monitor | None = None) -> Optimum:
        """The least ``A + Σ ν_k B_k``, to the tolerance of the search or a larger one."""
        tol = max(tol, self.tol)
        problem = self.problem(np.concatenate([[1.0], nu]))
        solution = self._solved(problem, start, tol, monitor or self._monitor)
        values = np.array([self._value(k, solution.h) for k in range(len(self.parts))])
        self.evaluations += 1
        return Optimum(nu, solution.h, float(values[0]), values[1:], problem, solution, tol)

    def _solved(self, problem: Problem, start: Array, tol: float, monitor: Monitor) -> Solution:
        monitor.start = start
        solution = Newton().solve(problem, tol, self._max_iter, monitor)
        self.evaluations += solution.evaluations
        self.iterations += solution.iterations
        if not solution.balanced and (runaway := seen_from(problem, solution.h, tol)) is not None:
            raise RunsAway(runaway)
        return solution

    def _value(self, k: int, h: Array) -> float:
        return total_at(self.parts[k], h) / float(self.unit[k])

    def gradient(self, k: int, h: Array) -> Array:
        """That of part k (0 is A)."""
        potential = Potential(self.parts[k], h)
        unit = np.exp(potential.log_scale - math.log(self.unit[k]))
        self.evaluations += 1
        return np.asarray(potential.at(h).gradient * unit[self.parts[k].labels])

    def tangents(self, optimum: Optimum) -> tuple[Array, Array]:
        """``H⁻¹ ∂B_k`` in rows, and the matrix ``∂B_jᵀ H⁻¹ ∂B_k``."""
        gradients = np.array([self.gradient(k, optimum.h) for k in range(1, len(self.parts))])
        potential = Potential(optimum.problem, optimum.h)
        point = potential.at(optimum.h)
        unit = np.exp(potential.log_scale)[optimum.problem.labels]
        rows = np.array([_solved_system(potential, point, gradient / unit) for gradient in gradients])
        self.evaluations += potential.evaluations
        matrix = gradients @ rows.T
        return rows, 0.5 * (matrix + matrix.T)

    def definite(self, kept: Array) -> bool:
        """Whether A and these budgets hold by themselves all that the whole holds."""
        key = tuple(kept.tolist())
        if key not in self._definite:
            part = self.problem(np.concatenate([[1.0], kept.astype(float)]))
            self._definite[key] = _as_definite(part, self.problem(np.ones(len(self.parts))))
        return self._definite[key]

    def definite_alone(self, k: int) -> bool:
        """Whether part k (0 is A) holds by itself all that the whole holds."""
        weights = np.zeros(len(self.parts))
        weights[k] = 1.0
        return _as_definite(self.problem(weights), self.problem(np.ones(len(self.parts))))

    def least(self, k: int) -> float:
        """The largest lower bound of B_k."""
        weights = np.zeros(len(self.parts) - 1)
        weights[k] = 1.0
        return float(self._least(weights, np.zeros(self.size))[0][k])

    def _least(self, weights: Array, start: Array) -> tuple[Array, Array, bool]:
        """All B_k where their weighted sum is least, and where that is; whether it is attained, or only approached.

        What nothing holds falls to 0, on the way there.
        """
        problem, parts, attained = self.problem(np.append(0.0, weights)), self.parts[1:], True
        while (runaway := find_runaway(problem)) is not None:
            problem, attained = without(problem, runaway), False
            parts = [part.without(runaway.lowers) for part in parts]
        h = start
        if problem.connected.any():
            h = self._solved(problem, start, self.tol, self._monitor).h
        values = [total_at(part, h) / unit for part, unit in zip(parts, self.unit[1:], strict=True)]
        return np.array(values), h, attained

    def least_common(self, limits: Array) -> Common:
        """The least factor by which all limits could be multiplied and hold; any such, if it is clearly less than 1.

        It is ``max_w min_h Σ w_k B_k/limit_k`` over weights ``w >= 0`` whose sum is 1.
        """
        best = Common(math.inf, math.inf, np.zeros(self.size), np.full(limits.size, 1 / limits.size), True)

        def negative(y: Array) -> tuple[float, Array]:
            nonlocal best
            w = np.exp(y - y.max())
            w /= w.sum()
            values, h, attained = self._least(w / limits, best.h)
            ratios = values / limits
            bound = max(float(w @ ratios), TINY)
            if ratios.max() <= best.factor:
                best = Common(float(ratios.max()), bound, h, w, attained)
            if best.factor < ROOM:
                raise StopIteration
            return -math.log(bound), -w * (ratios / bound - 1)

        with suppress(StopIteration):
            optimize.minimize(
                negative,
                np.zeros(limits.size),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-40, 40)] * limits.size,
                options={"maxiter": 60, "ftol": 1e-15, "gtol": 0.1 * self.tol},
            )
        return best

    def leaves_room(self, limits: Array) -> bool:
        """Whether h = 0 meets all limits, and those that it just meets can fall together from there."""
        tight = np.flatnonzero(limits <= 1 + self.tol)
        if np.any(limits < 1 - self.tol):
            return False
        if tight.size == 0:
            return True
        gradients = [self.gradient(int(k) + 1, np.zeros(self.size)) for k in tight]
        sizes = [float(np.linalg.norm(gradient)) for gradient in gradients]
        imbalances = [float(np.abs(gradient).sum()) for gradient in gradients]
        if min(imbalances) <= self.tol:
            return False
        units = np.array([g / size for g, size in zip(gradients, sizes, strict=True)])
        gram = np.vstack([units.T, np.ones(tight.size)])
        weights, _ = optimize.nnls(gram, np.append(np.zeros(self.size), 1.0))
        return bool(np.linalg.norm(weights @ units) > PARALLEL * max(weights.sum(), PARALLEL))

    def tightest(self, weights: Array, start: Array) -> Optimum:
        """Where budgets that leave no room at all are least, with these weights; of several places, where A is."""
        return self.at(weights * self.never, start)

    def meet(self, limits: Array, first: Optimum | None = None) -> Optimum:
        """The least A with ``B_k <= limits``, which leave room; where that fails, the last point that was tried."""
        at = first or self._first(limits)
        departures = np.zeros(limits.size)
        for _ in range(MOST_POINTS):
            excess = np.log(at.budgets / limits)
            near = self._distance(at, limits)
            if not at.solution.balanced or at.nu.max(initial=0.0) > 1 / (FAR * self.tol) ** 2:
                return at
            if near <= max(self.tol, LOOSE * at.tol) or self._met(at.nu, excess):
                if at.tol <= self.tol and self._met(at.nu, excess):
                    return at
                if at.tol > self.tol:
                    at = self.at(at.nu, at.h)
                    continue
            # Newton's steps square the distance: what is solved more exactly than that is solved in vain.
            # What is a small share of the whole is known less well than the whole.
            active = at.nu > 0
            shares = (at.nu * at.budgets)[active] / (at.cost + at.nu @ at.budgets)
            tol = min(FIRST, near**2 / LOOSE) * float(shares.min(initial=1.0))
            rows, matrix = self.tangents(at)
            entering = ~active & (excess > self.tol)
            if entering.any():
                nu = at.nu.copy()
                nu[entering] = ((at.budgets - limits) / np.diag(matrix))[entering]
                at = self.at(nu, at.h - (nu - at.nu) @ rows * min(1.0, _length(nu, rows, at)), tol)
                continue
            step = _box_newton(matrix, at, limits, active)
            leaving = active & (step <= -LONGEST) & (excess < -LOOSE * at.tol) & (departures < DEPARTURES)
            if leaving.any() and self.definite(active & ~leaving):
                departures += leaving
                at = self.at(np.where(leaving, 0.0, at.nu), at.h, tol)
                continue
            at = self._along(at, step, rows, limits, tol)
        return at

    def _first(self, limits: Array) -> Optimum:
        nothing = np.zeros(limits.size)
        if self.definite(nothing > 0):
            return self.at(nothing, np.zeros(self.size), FIRST)
        return self.at(np.ones(limits.size), np.zeros(self.size), FIRST)

    def _met(self, nu: Array, excess: Array) -> bool:
        """Whether budgets hold, and those that are not used up have no multiplier (or none that is felt)."""
        return bool(np.all(excess <= self.tol) and np.all((excess >= -self.tol) | (nu <= FAR * self.tol)))

    def _distance(self, at: Optimum, limits: Array) -> float:
        """How far budgets that are active, or exceeded, are from their limits."""
        excess = np.log(at.budgets / limits)
        felt = at.nu > FAR * self.tol
        return float(np.abs(np.where(felt, excess, np.maximum(excess, 0.0))).max(initial=0.0))

    def _along(self, at: Optimum, step: Array, rows: Array, limits: Array, tol: float) -> Optimum:
        """The first point along a step of log ν that is nearer."""
        before = self._distance(at, limits)
        for _ in range(HALVINGS):
            nu = at.nu * np.exp(step)
            moved = (at.nu * step) @ rows / max(1.0, float(np.abs(step).max()))
            there = self.at(nu, at.h - moved, tol)
            if (
                there.dual(limits) >= at.dual(limits) - 1e-12 - at.tol**2
                or self._distance(there, limits) < 0.9 * before
            ):
                break
            step = 0.5 * step
        return there


def added(size: int, parts: Sequence[tuple[Problem, float]]) -> Problem:
    """The sum of problems on the same nodes, each times the exponential of a number."""
    blocks, grounds = [], []
    for problem, log_factor in parts:
        for block in problem.blocks:
            assert isinstance(block.store, InMemory)
            blocks.append(Block(block.power, block.a, block.b, block.store.scaled(log_factor)))
        grounds += [Ground(g.power, g.a, g.node, g.log_cost + log_factor) for g in problem.grounds]
    return Problem(size, blocks, grounds)


def _as_definite(part: Problem, whole: Problem) -> bool:
    """Whether the minimum of a part is as unique as that of the whole, and attained."""
    if not np.array_equal(part.connected, whole.connected) or find_runaway(part) is not None:
        return False
    free, free_in_whole = part.shiftable(), whole.shiftable()
    if not np.array_equal(free, free_in_whole):
        return False
    return not free.any() or np.unique(part.labels[free]).size == np.unique(whole.labels[free]).size


def _solved_system(potential: Potential, point: Point, right: Array) -> Array:
    """``H⁻¹ right``, roughly."""
    search = ConjugateGradients(np.where(point.curvature > 0, right, 0.0) / point.root)
    search.run(potential.unit_hessian(point), TANGENT * search.size, 2 * right.size + 10)
    return np.asarray(search.solution / point.root)


def _box_newton(matrix: Array, at: Optimum, limits: Array, active: Array) -> Array:
    """The step of log ν that raises D most, by its quadratic model in log ν, no longer than `LONGEST`.

    The slope is ``ν B log(B/limit)`` in place of ``ν (B - limit)``, as B falls as a power of ν rather than linearly.
    """
    step = np.zeros(at.nu.size)
    here = np.flatnonzero(active)
    nu, budgets = at.nu[here], at.budgets[here]
    slope = nu * budgets * np.log(budgets / limits[here])
    model = matrix[np.ix_(here, here)] * np.outer(nu, nu)
    scale = 1 / np.sqrt(np.maximum(np.diag(model), TINY))
    sizes, axes = np.linalg.eigh(model * np.outer(scale, scale))
    sizes = np.sqrt(np.maximum(sizes, RIDGE * sizes.max(initial=RIDGE)))
    answer = optimize.lsq_linear(
        sizes[:, None] * axes.T, axes.T @ (slope * scale) / sizes, (-LONGEST / scale, LONGEST / scale), method="bvls"
    )
    step[here] = answer.x * scale
    step[here[step[here] <= -LONGEST * (1 - 1e-6)]] = -LONGEST
    return step


def _length(nu: Array, rows: Array, at: Optimum) -> float:
    """A share of the way that the tangents predict, so that no log-scale moves by more than 1."""
    return 1.0 / max(float(np.abs((nu - at.nu) @ rows).max()), TINY)
