"""The value, gradient and curvature of ``C(h)``, in numbers that neither overflow nor lose a weak component.

Around a base point h0, costs are exponentiated once, relative to the largest cost of each connected component; after
that every evaluation is one pass over the synapses. Components do not interact, so that scale is free to choose.
`log_balance` gives the same sums in logarithms: slower, but without limits, for problems of any range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.logarithms import log_sums
from neurobal.problem import Block, Ground, Problem
from neurobal.stores import Shift, bands

Array: TypeAlias = np.ndarray
Factors: TypeAlias = list[tuple[Array, Array]]

CAP = 700.0  # of a logarithm, so that its exponential is a float, and sums of many are


@dataclass(frozen=True)
class Imbalance:
    """How far from balance: the largest relative imbalance of a component, and of a single node."""

    total: float
    worst_unit: float

    def within(self, tol: float) -> bool:
        """Whether every component is balanced to ``tol``, and every node to √tol."""
        return self.total <= tol and self.worst_unit <= tol**0.5


@dataclass(frozen=True, eq=False)
class Point:
    """The potential at one h: ``incoming`` and ``outgoing`` cost per node (the two halves of ∂C/∂h), ``curvature`` (the
    Hessian's diagonal), and per component the ``cost`` Σ c and the ``mass`` Σ p c, relative to the component's scale.
    """

    h: Array
    incoming: Array
    outgoing: Array
    curvature: Array
    cost: Array
    mass: Array
    factors: Factors

    @property
    def gradient(self) -> Array:
        """∂C/∂h."""
        return self.incoming - self.outgoing

    @cached_property
    def root(self) -> Array:
        """D^½, D being the Hessian's diagonal; 1 for nodes without costs."""
        return np.sqrt(np.where(self.curvature > 0, self.curvature, 1.0))


class Potential:
    """``C(h)`` around ``base``. ``evaluations`` counts passes over all costs."""

    def __init__(self, problem: Problem, base: Array | None = None) -> None:
        self.problem = problem
        self.evaluations = 0
        self.rebase(np.zeros(problem.size) if base is None else base)

    def rebase(self, base: Array) -> None:
        """Exponentiate the costs anew, around another base point."""
        problem, self.base = self.problem, base
        self.log_scale = self._component_scales()
        with np.errstate(over="ignore"):
            self._unit = np.exp(self.log_scale)
        unit = float(self.log_scale[0]) if problem.n_components == 1 else self.log_scale[problem.labels]
        self.costs = [(block, block.store.costs(self._shift(block), unit)) for block in problem.blocks]
        self.grounds = [
            (g, np.exp(self._log_ground(g) - self.log_scale[problem.labels[g.node]])) for g in problem.grounds
        ]

    def _shift(self, block: Block) -> Shift:
        return shift(block, self.base) if self.base.any() else None

    def _log_ground(self, ground: Ground) -> Array:
        return ground.log_cost + ground.power * ground.a * self.base[ground.node]

    def _component_scales(self) -> Array:
        """The largest log-cost of each component at the base point."""
        problem = self.problem
        scale = np.full(problem.n_components, -np.inf)
        for block in problem.blocks:
            np.maximum.at(scale, problem.labels, block.store.largest(self._shift(block)))
        for ground in problem.grounds:
            np.maximum.at(scale, problem.labels[ground.node], self._log_ground(ground))
        return np.where(scale == -np.inf, 0.0, scale)

    def by_component(self, values: Array) -> Array:
        """Sums over the nodes of each component."""
        if self.problem.n_components == 1:
            return np.array([values.sum()])
        return np.bincount(self.problem.labels, values, minlength=self.problem.n_components)

    def at(self, h: Array) -> Point:
        """Evaluate the potential: one pass over the synapses."""
        n = self.problem.size
        incoming, outgoing, curvature = np.zeros(n), np.zeros(n), np.zeros(n)
        cost, mass = np.zeros(self.problem.n_components), np.zeros(self.problem.n_components)
        factors = []
        x = h - self.base
        with np.errstate(over="ignore", invalid="ignore"):
            for block, costs in self.costs:
                alpha, beta = block.power * block.a, block.power * block.b
                s = np.exp(alpha * x)
                t = 1.0 / s if alpha == beta else np.exp(-beta * x)
                received, sent = costs.sums(t, s)
                received *= s
                sent *= t
                here = self.by_component(received)
                cost += here
                mass += block.power * here
                for exponent, sums in ((alpha, received), (-beta, sent)):
                    sums *= abs(exponent)
                    half = incoming if exponent > 0 else outgoing
                    half += sums
                    sums *= abs(exponent)
                    curvature += sums
                factors.append((s, t))
            self.evaluations += bool(self.costs or self.grounds)
            for ground, values in self.grounds:
                alpha, node = ground.power * ground.a, ground.node
                sums = values * np.exp(alpha * x[node])
                half = incoming if alpha > 0 else outgoing
                half[node] += abs(alpha) * sums
                curvature[node] += alpha**2 * sums
                labels = self.problem.labels[node]
                cost += np.bincount(labels, sums, minlength=cost.size)
                mass += np.bincount(labels, ground.power * sums, minlength=cost.size)
        return Point(h, incoming, outgoing, curvature, cost, mass, factors)

    def coupling_factors(self, point: Point) -> Factors:
        """``(s, t)`` of each block: the Hessian is ``D - K - Kᵀ`` with couplings ``K = Σ s[post] c t[pre]``."""
        return [
            (block.power**2 * block.a * block.b * s, t)
            for (block, _), (s, t) in zip(self.costs, point.factors, strict=True)
        ]

    def coupled(self, factors: Factors, v: Array) -> Array:
        """``(K + Kᵀ) v``: one pass over the synapses."""
        total: Array | None = None
        for (_, costs), (s, t) in zip(self.costs, factors, strict=True):
            received, sent = costs.sums(t * v, s * v)
            received *= s
            sent *= t
            received += sent
            total = received if total is None else np.add(total, received, out=total)
        self.evaluations += bool(self.costs)
        return np.zeros_like(v) if total is None else total

    def hessian_product(self, point: Point, v: Array) -> Array:
        """The Hessian at ``point`` times ``v``: ``Aᵀ diag(c) A v`` with A the matrix of exponents."""
        return point.curvature * v - self.coupled(self.coupling_factors(point), v)

    def unit_hessian(self, point: Point) -> Callable[[Array], Array]:
        """``v -> D^-½ H D^-½ v``: the Hessian at ``point`` in variables in which its diagonal is 1.

        Nodes without costs have a 1 there, too; nothing that is of use to them has a component along them.
        """
        root = point.root
        factors = [(s / root, t / root) for s, t in self.coupling_factors(point)]

        def product(v: Array) -> Array:
            image = self.coupled(factors, v)
            return np.subtract(v, image, out=image)

        return product

    def couplings(self, factors: Factors, degree: Array, share: float) -> sparse.csr_array:
        """K as a (post, pre) matrix: the couplings that are strong for their row.

        These have ``k / √degree[pre]`` of at least ``share`` of the largest in the row; with a share of 0, all of them.
        """
        self.evaluations += bool(self.costs)
        return bands.added(
            (costs.strong(s, t, degree, share) for (_, costs), (s, t) in zip(self.costs, factors, strict=True)),
            self.problem.size,
        )

    def couplings_between(self, factors: Factors, groups: Array, count: int) -> sparse.csr_array:
        """K added up between groups of nodes."""
        self.evaluations += bool(self.costs)
        return bands.added(
            (costs.grouped(s, t, groups, count) for (_, costs), (s, t) in zip(self.costs, factors, strict=True)), count
        )

    def ground_curvature(self, point: Point) -> Array:
        """What costs between a node and the ground add to the Hessian's diagonal."""
        curvature = np.zeros(self.problem.size)
        for ground, values in self.grounds:
            alpha = ground.power * ground.a
            curvature[ground.node] += alpha**2 * values * np.exp(alpha * (point.h - self.base)[ground.node])
        return curvature

    def total_cost(self, point: Point) -> float:
        """Σ c over everything that h can change, in the units of the cost."""
        return float(np.dot(self._unit, point.cost))

    def imbalance(self, point: Point) -> Imbalance:
        """Imbalance at ``point``: per component Σ|in - out| / Σ p c; per node |in - out| / (in + out)."""
        gap = np.abs(point.gradient)
        total = self.by_component(gap)
        both = point.incoming + point.outgoing
        if both.all() and point.mass.all():
            return Imbalance(float((total / point.mass).max(initial=0.0)), float((gap / both).max(initial=0.0)))
        return Imbalance(
            float(np.max(np.divide(total, point.mass, out=np.zeros(total.shape), where=point.mass > 0), initial=0.0)),
            float(np.max(np.divide(gap, both, out=np.zeros_like(gap), where=both > 0), initial=0.0)),
        )


def total_at(problem: Problem, h: Array) -> float:
    """Σ c over everything that h can change, in the units of the cost."""
    potential = Potential(problem, h)
    return potential.total_cost(potential.at(h))


def shift(block: Block, h: Array) -> tuple[Array, Array]:
    """What the log-costs of a block change by at ``h``: its post- and its presynaptic part."""
    return block.power * block.a * h, -(block.power * block.b * h)


@dataclass(frozen=True, eq=False)
class LogPoint:
    """`Point` in logarithms: ``incoming``, ``outgoing`` and their ``slopes`` (mean exponents)."""

    incoming: Array
    outgoing: Array
    slopes: tuple[Array, Array]
    log_cost: float
    imbalance: Imbalance


def log_balance(problem: Problem, h: Array) -> LogPoint:
    """All sums at ``h`` in logarithms, for problems whose costs leave the range of floats. Several times slower."""
    n = problem.size
    # Rows of the table: Σ γ c for exponents γ > 0 and γ < 0, then Σ γ² c for both; mass is Σ p c per component.
    sums = np.full((4, n), -np.inf)
    mass = np.full(problem.n_components, -np.inf)
    log_cost = -np.inf

    def collect(exponent: float, power: float, plain: Array, counts: bool) -> None:
        nonlocal mass, log_cost
        row = 0 if exponent > 0 else 1
        sums[row] = np.logaddexp(sums[row], plain + np.log(abs(exponent)))
        sums[row + 2] = np.logaddexp(sums[row + 2], plain + 2 * np.log(abs(exponent)))
        if counts:
            filled = plain > -np.inf
            log_cost = float(np.logaddexp(log_cost, np.logaddexp.reduce(plain)))
            mass = np.logaddexp(
                mass, log_sums(problem.labels[filled], plain[filled] + np.log(power), problem.n_components)
            )

    for block in problem.blocks:
        received, sent = block.store.log_sums(shift(block, h))
        collect(block.power * block.a, block.power, received, True)
        collect(-block.power * block.b, block.power, sent, False)
    for ground in problem.grounds:
        alpha = ground.power * ground.a
        logs = ground.log_cost + alpha * h[ground.node]
        collect(alpha, ground.power, log_sums(ground.node, logs, n), True)

    incoming, outgoing = sums[0], sums[1]
    with np.errstate(invalid="ignore"):
        slopes = tuple(np.where(sums[k] > -np.inf, np.exp(sums[k + 2] - sums[k]), 1.0) for k in (0, 1))
        gap = np.abs(np.tanh(0.5 * (incoming - outgoing)))  # |in - out| / (in + out)
    gap[~problem.connected] = 0.0
    scale = mass[problem.labels]
    both = np.exp(np.minimum(np.logaddexp(incoming, outgoing) - np.where(np.isfinite(scale), scale, 0.0), CAP))
    total = np.bincount(problem.labels, gap * np.where(problem.connected, both, 0.0), minlength=1)
    imbalance = Imbalance(float(total.max(initial=0.0)), float(gap.max(initial=0.0)))
    return LogPoint(incoming, outgoing, (slopes[0], slopes[1]), log_cost, imbalance)
