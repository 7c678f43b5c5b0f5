"""Newton's method with preconditioned conjugate gradients: what ``auto`` uses.

Far from balance, Newton's steps are poor and damped parallel Osborne steps are good: ``h_i += log(out_i/in_i) / 2(α
+ β)``, half of each node's own balancing step (the whole step oscillates on bipartite graphs). A few of them come
first. Each Newton system is solved by conjugate gradients only as exactly as the step deserves. On graphs with slow
modes (rings, weakly linked modules) a coarse correction joins the preconditioner as soon as the iterations show that
it will pay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.potential import Imbalance, LogPoint, Point, Potential, log_balance
from neurobal.problem import WIDE, Problem
from neurobal.solvers.aggregation import CoarseCorrection, aggregates
from neurobal.solvers.conjugate_gradients import TINY, ConjugateGradients, Linear, dot
from neurobal.solvers.contract import Monitor, Solution, capped_exp
from neurobal.stores import TooLarge

Array: TypeAlias = np.ndarray

DEFAULT_STEPS = 100
WARM_STEPS = 8
NEAR = 0.1  # imbalance below which a start that was given needs no such steps
LARGEST_STEP = 8.0  # of one Newton step, in units of the largest exponent
COARSE_PAYS = 60  # a coarse correction is worth while where more iterations than that are left to go
MAX_LAYERS = 40  # of weak nodes, each far below the last; where they run away there is no end to them
FAINT = 1e-7  # share of a component's cost below which a node is balanced by itself, at the end
WEAKLY_HELD = 0.1  # share of a component's curvature below which its common shift is a slow mode
ROUNDING = 1e-12  # share of a component's curvature that rounding hides
STALE = 1.0  # logarithmic change of costs after which a coarse correction is formed anew
ARMIJO = 1e-4  # share of the fall that the slope promises which a step has to bring
BLUR = 1e-13  # of the costs' mass: smaller differences of a cost are rounding
MAX_HALVINGS = 40  # of a step, until no further descent is possible
FORCING = 0.3  # a Newton system is solved to this share of the imbalance at most
MAX_APPROACH = 300  # Osborne steps in logarithms
WATCH = 10  # conjugate-gradient iterations after which one asks, again and again, whether a coarse correction pays


@dataclass(frozen=True)
class Newton:
    """Newton with conjugate gradients, after a warm start by damped parallel Osborne steps.

    Every iteration lowers the cost of every connected component (Armijo's rule, component by component).
    """

    name: str = "newton"

    def solve(self, problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
        """See `Solver.solve`. ``max_iter`` counts Newton steps (default 100)."""
        budget = DEFAULT_STEPS if max_iter is None else max_iter
        h = np.zeros(problem.size) if monitor.start is None else monitor.start
        wide = problem.log_range() > WIDE
        if wide:
            logs = log_balance(problem, h)
            monitor.record(capped_exp(logs.log_cost), logs.imbalance, h)
            h = _approach(problem, h)
        h, iterations, evaluations, imbalance = _descend(problem, h, tol, budget, monitor)
        if wide or (imbalance.total <= tol and not imbalance.within(tol) and iterations < budget):
            h, imbalance, extra = _settle_weak_nodes(problem, h, tol, budget, monitor)
            evaluations += extra
        balanced = imbalance.within(tol)
        status = "balanced" if balanced else (
            f"The maximum of {budget} Newton steps was reached. Try increasing max_iter."
            if iterations >= budget else
            "No further descent is possible in floating point. Try a larger tol."
        )  # fmt: skip
        return Solution(h, balanced, status, iterations, evaluations, imbalance)


def _descend(
    problem: Problem, h: Array, tol: float, budget: int, monitor: Monitor | None
) -> tuple[Array, int, int, Imbalance]:
    """Warm start and Newton steps from ``h``."""

    def record() -> None:
        if monitor is not None:
            monitor.record(potential.total_cost(point), imbalance, point.h)

    potential = Potential(problem, h)
    point = potential.at(h)
    imbalance = potential.imbalance(point)
    record()
    near = monitor is not None and monitor.start is not None and imbalance.total < NEAR
    for _ in range(WARM_STEPS if budget and not near else 0):
        if imbalance.within(tol):
            break
        trial = potential.at(point.h + _osborne_step(point))
        if not trial.cost.sum() < point.cost.sum():
            break
        point, imbalance = trial, potential.imbalance(trial)
        record()

    inner = _InnerSolver(problem, potential, tol)
    iterations = 0
    while not imbalance.within(tol) and iterations < budget and not _only_weak_nodes_left(potential, point, tol):
        if np.abs(point.h - potential.base).max(initial=0.0) * problem.slopes()[1] > WIDE:
            potential.rebase(point.h)
            point = potential.at(point.h)
        direction = inner.direction(point, imbalance)
        step = _line_search(potential, point, direction, problem.slopes()[1])
        if step is None:
            break
        point = step
        imbalance = potential.imbalance(point)
        iterations += 1
        record()
    return point.h, iterations, potential.evaluations, imbalance


def _only_weak_nodes_left(potential: Potential, point: Point, tol: float) -> bool:
    """Whether what is not balanced yet are nodes whose costs are close to nothing beside their component's."""
    gap, both = np.abs(point.gradient), point.incoming + point.outgoing
    open_nodes = gap > tol**0.5 * both
    weak = both < FAINT * point.mass[potential.problem.labels]
    return potential.imbalance(point).total <= tol and bool(weak[open_nodes].all())


def _osborne_step(point: Point) -> Array:
    """Half of the step that would balance each node on its own."""
    both = (point.incoming > 0) & (point.outgoing > 0)
    # Only the sum of both halves' curvatures is known; in + out times its mean exponent is close enough for damping.
    slope = np.divide(2 * point.curvature, point.incoming + point.outgoing, out=np.ones_like(point.h), where=both)
    ratio = np.divide(point.outgoing, point.incoming, out=np.ones_like(point.h), where=both)
    return np.log(ratio) / (2 * slope)


def _line_search(potential: Potential, point: Point, direction: Array, largest_slope: float) -> Point | None:
    """The first point along ``direction`` that lowers the cost of every component, each with its own step length."""
    labels = potential.problem.labels
    longest = np.zeros(potential.problem.n_components)
    np.maximum.at(longest, labels, np.abs(direction))
    length = np.minimum(1.0, LARGEST_STEP / largest_slope / np.maximum(longest, TINY))
    slope = potential.by_component(direction * point.gradient)
    # Near the minimum the fall of the cost drowns in rounding; there the gradient decides.
    blur = BLUR * point.mass
    size = potential.by_component(np.abs(point.gradient))
    for _ in range(MAX_HALVINGS):
        trial = potential.at(point.h + length[labels] * direction)
        fall = trial.cost - point.cost
        lower = fall <= ARMIJO * length * slope
        unchanged = (np.abs(fall) <= blur) & (potential.by_component(np.abs(trial.gradient)) <= size)
        good = lower | unchanged | (longest == 0)
        if good.all():
            return trial
        length = np.where(good, length, 0.5 * length)
    return None


class _InnerSolver:
    """Newton directions by conjugate gradients, in the variables in which the Hessian has a unit diagonal.

    A product with the Hessian is one pass over the costs. If the iterations turn out to be slow, a coarse correction
    is added; later systems start with what earlier ones needed.
    """

    def __init__(self, problem: Problem, potential: Potential, tol: float) -> None:
        self._problem, self._potential, self._tol = problem, potential, tol
        self._coarse: CoarseCorrection | None = None
        self._coarse_at = np.zeros(0)
        # Piecewise constant corrections need constants to be slow modes: a = b.
        self._may_coarsen = problem.symmetric and problem.size >= 1000

    def direction(self, point: Point, imbalance: Imbalance) -> Array:
        """An inexact solution of ``H d = -∂C/∂h``."""
        root = point.root
        total = self._potential.by_component(point.curvature)
        # sqrt(Σ curvature · rᵀ D⁻¹ r) bounds Σ|r|: the imbalance that a residual r would leave, by Cauchy-Schwarz.
        bound = float(np.max(np.divide(total, point.mass**2, out=np.zeros_like(total), where=point.mass > 0)) ** 0.5)
        residual = -point.gradient / root
        goal = max(
            min(FORCING, imbalance.total) * bound * dot(residual, residual) ** 0.5,
            FORCING * min(self._tol, imbalance.total),
        ) / bound  # fmt: skip
        product = self._potential.unit_hessian(point)
        search = ConjugateGradients(residual)
        shifts = _added(self._common_shifts(point))
        if self._coarse is not None and np.abs(point.h - self._coarse_at).max() * self._problem.slopes()[1] > STALE:
            self._update(self._coarse, point)
        limit = 10 * WATCH + 2 * self._problem.size
        while self._may_coarsen and self._coarse is None:
            rate = search.run(product, goal, WATCH, shifts)
            if search.size <= goal or search.steps < WATCH or limit <= 0:
                return search.solution / root
            limit -= WATCH
            if self._coarse_pays(rate, bound * search.size):
                self._update(CoarseCorrection(self._potential, aggregates(self._potential, point)), point)
                search = ConjugateGradients(search.residual, search.solution)
        search.run(product, goal, limit, _added(self._coarse) or shifts)
        return search.solution / root

    def _common_shifts(self, point: Point) -> Linear | None:
        """A correction by common shifts of whole components, where only weak costs towards the ground hold these."""
        potential = self._potential
        if not (self._problem.symmetric and self._problem.grounds):
            return None
        # With a = b a common shift changes these costs only.
        held, total = (potential.by_component(x) for x in (potential.ground_curvature(point), point.curvature))
        weak = (held > ROUNDING * total) & (held < WEAKLY_HELD * total)
        if not weak.any():
            return None
        inverse = np.divide(1.0, held, out=np.zeros_like(held), where=weak)
        labels, root = self._problem.labels, point.root
        return lambda v: root * (inverse * potential.by_component(root * v))[labels]

    def _update(self, coarse: CoarseCorrection, point: Point) -> None:
        """Use a coarse correction, as it is at ``point``; do without from now on, if its matrix does not fit."""
        try:
            coarse.update(point)
        except TooLarge:
            self._coarse, self._may_coarsen = None, False
        else:
            self._coarse, self._coarse_at = coarse, point.h

    def _coarse_pays(self, rate: float, now: float) -> bool:
        """Whether the way to the tolerance, at the present rate, is longer than a coarse correction."""
        return rate * COARSE_PAYS < np.log(max(now / self._tol, 1.0))


def _added(correction: Linear | None) -> Linear | None:
    """The preconditioner that adds a correction to the residual."""
    return None if correction is None else lambda residual: residual + correction(residual)


def _approach(problem: Problem, h: Array) -> Array:
    """Damped parallel Osborne steps in logarithms, until costs are within reach of ordinary numbers."""
    for _ in range(MAX_APPROACH):
        logs = log_balance(problem, h)
        step = _log_osborne_step(logs)
        if np.abs(step).max(initial=0.0) * problem.slopes()[1] < 1.0:
            break
        h = h + step
    return h


def _log_osborne_step(logs: LogPoint) -> Array:
    both = np.isfinite(logs.incoming) & np.isfinite(logs.outgoing)
    step = np.zeros(both.size)
    slope = logs.slopes[0] + logs.slopes[1]
    step[both] = (logs.outgoing[both] - logs.incoming[both]) / (2 * slope[both])
    return step


def _settle_weak_nodes(
    problem: Problem, h: Array, tol: float, budget: int, monitor: Monitor
) -> tuple[Array, Imbalance, int]:
    """Balance the nodes whose costs vanish beside those of their component, strongest first, while the others stay.

    In one linear system they drown in the rounding errors of the strong ones, which in turn do not feel them.
    """
    evaluations, reached = 0, np.inf
    logs = log_balance(problem, h)
    for _ in range(MAX_LAYERS):
        if logs.imbalance.within(tol):
            break
        both = np.logaddexp(logs.incoming, logs.outgoing)
        with np.errstate(invalid="ignore"):
            gap = np.abs(np.tanh(0.5 * (logs.incoming - logs.outgoing)))
        strongest = both[problem.connected & (gap > 0.1 * tol**0.5)].max(initial=-np.inf)
        if not -np.inf < strongest < reached - 1e-6:
            break
        reached = strongest
        part, nodes = problem.restricted(problem.connected & (both <= strongest + 1.0), h)
        start = _approach(part, np.zeros(part.size)) if part.log_range() > WIDE else np.zeros(part.size)
        moved, _, used, _ = _descend(part, start, tol, budget, None)
        evaluations += used
        h = h.copy()
        h[nodes] += moved
        logs = log_balance(problem, h)
        monitor.record(capped_exp(logs.log_cost), logs.imbalance, h)
    return h, logs.imbalance, evaluations
