"""Rounding scales to powers of two, so that multiplying by every power of λ that is used changes no mantissa."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError
from neurobal.potential import shift, total_at
from neurobal.problem import Problem

Array: TypeAlias = np.ndarray

LARGEST_DENOMINATOR = 24  # exponents are told from irrational numbers by fractions up to this denominator
SWEEPS = 200  # over all nodes, in which rounded log-scales are moved by single steps
HOLDS = 1e-12  # of a limit: it is exceeded by rounding errors only
ROUNDINGS = 16  # common shifts of h that are tried before it is rounded


def common_step(powers: Iterable[float]) -> int:
    """The smallest q for which λ = 2**q makes ``λ**power`` a power of two, for each of these powers.

    1 for whole powers, 2 where there is a square root. An irrational power has none: InvalidInputError.
    """
    step = 1
    for power in set(powers):
        fraction = Fraction(float(power)).limit_denominator(LARGEST_DENOMINATOR)
        if abs(float(fraction) - power) > 1e-12 * max(1.0, abs(power)):
            raise InvalidInputError(
                f"dyadic: exponent {power!r} is not a simple fraction, so no λ but 1 makes λ**{power:g} a power of "
                "two. Use dyadic=False."
            )
        step = math.lcm(step, fraction.denominator)
    return step


def quantum(circuit: Circuit) -> float:
    """The step of h = log λ with which every power of λ that the circuit uses moves by whole powers of two."""
    powers = [np.ravel(e) for p in circuit for e in (p.post_exponent, p.pre_exponent)]
    powers += [np.ravel(p.power) for population in circuit.populations.values() for p in population.parameters.values()]
    if circuit.binding is not None:
        powers += [np.ravel(exponents) for exponents in circuit.binding.exponents().values()]
    return common_step(np.unique(np.concatenate(powers)).tolist()) * math.log(2)


def rounded(h: Array, step: float, shiftable: Array, cost: Callable[[Array], float]) -> Array:
    """``h`` rounded to multiples of ``step``, in the cheapest of several ways; 0 where all cost more than that.

    A common shift of the nodes in mask ``shiftable`` costs nothing before rounding, but decides which of them are
    rounded up and which down.
    """
    shifts = np.arange(ROUNDINGS) / ROUNDINGS * step if shiftable.any() else [0.0]
    candidates = [np.rint((h - np.where(shiftable, shift, 0.0)) / step) * step for shift in shifts]
    return min([*candidates, np.zeros_like(h)], key=cost)


class LimitedRounding:
    """Rounded log-scales within limits of the totals of some problems, that of the first being as small as possible."""

    def __init__(self, problems: Sequence[Problem], limits: Array, step: float) -> None:
        self._problems, self._limits, self._step = problems, limits, step
        self.evaluations = 0

    def totals(self, h: Array) -> Array:
        """The total of each problem, in units of its limit (the first: as it is)."""
        self.evaluations += 1
        values = [total_at(problem, h) for problem in self._problems]
        return np.array(values) / np.append(1.0, self._limits)

    def excess(self, totals: Array) -> float:
        """By how much limits are exceeded, all together."""
        return float(np.maximum(totals[1:] - 1, 0.0).sum())

    def polished(self, h: Array) -> Array:
        """``h`` after single steps of nodes, which first make limits hold, at the least cost, and then lower the cost.

        Many nodes step at a time, as far as the sum of what each step does by itself is within the limits; half of
        them where that proves to be wrong.
        """
        totals = self.totals(h)
        banned = np.zeros((2, h.size), dtype=bool)
        for _ in range(SWEEPS):
            changes = self._changes(h)
            order = self._order(changes, totals, banned)
            while order.size:
                moved = h.copy()
                moved[order % h.size] += np.where(order < h.size, self._step, -self._step)
                there = self.totals(moved)
                if self._better(there, totals):
                    break
                if order.size == 1:
                    banned.reshape(-1)[order] = True
                order = order[: order.size // 2]
            if order.size:
                h, totals = moved, there
                banned[:] = False
            elif not self._order(changes, totals, banned).size:
                break
        return h

    def _better(self, there: Array, here: Array) -> bool:
        if self.excess(here) > HOLDS:
            return self.excess(there) < self.excess(here) * (1 - 1e-9)
        return bool(self.excess(there) <= HOLDS and there[0] < here[0] * (1 - HOLDS))

    def _order(self, changes: Array, totals: Array, banned: Array) -> Array:
        """Steps (node, or size + node: downwards) to be made at once, the best first; one a node."""
        size = banned.shape[1]
        costs, rises = changes[0].reshape(-1), changes[1:].reshape(len(totals) - 1, -1)
        over = totals[1:, None] - 1
        gains = (np.maximum(over, 0.0) - np.maximum(over + rises, 0.0)).sum(axis=0)
        violated = self.excess(totals) > HOLDS
        if violated:
            useful = (gains > 1e-9 * self.excess(totals)) & ~banned.reshape(-1)
            worth = np.where(costs > 0, gains / np.maximum(costs, 1e-300), np.inf)
        else:
            useful = (costs < -1e-9 * totals[0] / size) & np.all(over + rises <= HOLDS, axis=0) & ~banned.reshape(-1)
            worth = -costs / np.maximum(np.maximum(rises, 0.0).sum(axis=0), 1e-12)
        steps = np.flatnonzero(useful)
        steps = steps[np.argsort(-worth[steps], kind="stable")]
        steps = steps[np.sort(np.unique(steps % size, return_index=True)[1])]
        after = over + np.cumsum(rises[:, steps], axis=1)
        good = np.all(after <= HOLDS, axis=0)
        if violated:
            first = np.flatnonzero(good)
            return steps[: first[0] + 1] if first.size else steps
        bad = np.flatnonzero(~good)
        return steps[: max(bad[0], 1)] if bad.size else steps

    def _changes(self, h: Array) -> Array:
        """By how much each total changes where one node alone steps up, or down: (problems, 2, nodes)."""
        self.evaluations += 1
        units = np.append(1.0, self._limits)
        changes = np.zeros((len(self._problems), 2, h.size))
        for change, problem, unit in zip(changes, self._problems, units, strict=True):
            for block in problem.blocks:
                sums = block.store.costs(shift(block, h), 0.0).sums(np.ones(h.size), np.ones(h.size))
                for total, exponent in zip(sums, (block.power * block.a, -block.power * block.b), strict=True):
                    for way, step in enumerate((self._step, -self._step)):
                        change[way] += total * np.expm1(exponent * step) / unit
            for ground in problem.grounds:
                alpha = ground.power * ground.a
                now = np.exp(ground.log_cost + alpha * h[ground.node]) / unit
                for way, step in enumerate((self._step, -self._step)):
                    change[way][ground.node] += now * np.expm1(alpha * step)
        return changes
