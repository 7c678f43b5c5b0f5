"""An independent, dense and slow answer to every question that neurobal answers: the oracle of the tests.

It shares no code with the package. Synapses are lists (post, pre, weight, a, b, alpha); every cost term is one row of a
dense matrix of exponents, ``C(h) = Σ_t exp(log_cost_t + (A h)_t)``, and everything else follows from that line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import optimize

Array: TypeAlias = np.ndarray


def units(size: int, pinned: Array | None = None, tied: Array | None = None) -> Array:
    """The unit of each neuron, -1 for the pinned and for all that are tied to a pinned one. Plain loops on purpose."""
    pinned = np.zeros(size, dtype=bool) if pinned is None else np.asarray(pinned)
    labels = [("alone", i) if tied is None or tied[i] < 0 else ("tied", tied[i]) for i in range(size)]
    grounded = {labels[i] for i in range(size) if pinned[i]}
    number: dict[object, int] = {}
    for label in labels:
        if label not in grounded:
            number.setdefault(label, len(number))
    return np.array([number.get(label, -1) for label in labels], dtype=int)


@dataclass(frozen=True, eq=False)
class Oracle:
    """Costs ``exp(log_cost + A h)``, one row each; ``power`` is the p of each row, ``synapse`` where it came from."""

    exponents: Array  # A: (rows, units)
    log_cost: Array
    power: Array
    synapse: Array
    unit: Array  # of each neuron

    @classmethod
    def of(
        cls,
        size: int,
        post: Array,
        pre: Array,
        weight: Array,
        a: float | Array = 1.0,
        b: float | Array = 1.0,
        p: float | Sequence[float] = 2.0,
        alpha: float | Array | Sequence[float | Array] = 1.0,
        pinned: Array | None = None,
        tied: Array | None = None,
    ) -> Oracle:
        """From lists of synapses; several powers make a sum of costs, each with its own ``alpha``."""
        unit = units(size, pinned, tied)
        post, pre = np.asarray(post, dtype=int), np.asarray(pre, dtype=int)
        weight = np.asarray(weight, dtype=float)
        a, b = (np.broadcast_to(np.asarray(x, dtype=float), weight.shape) for x in (a, b))
        powers, alphas = ([p], [alpha]) if np.isscalar(p) else (list(p), list(alpha))
        rows, logs, power, synapse = [], [], [], []
        for one_p, one_alpha in zip(powers, alphas, strict=True):
            factor = np.broadcast_to(np.asarray(one_alpha, dtype=float), weight.shape)
            for e in range(weight.size):
                if weight[e] == 0 or factor[e] == 0:
                    continue
                row = np.zeros(unit.max(initial=-1) + 2)  # the last column is the ground
                row[unit[post[e]]] += one_p * a[e]
                row[unit[pre[e]]] -= one_p * b[e]
                rows.append(row[:-1])
                logs.append(np.log(factor[e]) + one_p * np.log(abs(weight[e])))
                power.append(one_p)
                synapse.append(e)
        shape = (len(rows), unit.max(initial=-1) + 1)
        return cls(np.reshape(rows, shape), np.array(logs), np.array(power), np.array(synapse, dtype=int), unit)

    @classmethod
    def of_matrix(cls, matrix: Array, **arguments: object) -> Oracle:
        """From a dense (post, pre) matrix."""
        post, pre = np.nonzero(matrix)
        return cls.of(len(matrix), post, pre, matrix[post, pre], **arguments)

    def with_neurons(self, *terms: tuple[Array, float | Array]) -> Oracle:
        """The same with costs ``g exp(q h)`` on neurons, pairs (g, q); the rows of neuron i are marked by -1 - i."""
        rows, logs, power, synapse = [], [], [], []
        for weight, exponent in terms:
            for i, (g, q) in enumerate(zip(weight, np.broadcast_to(exponent, weight.shape), strict=True)):
                row = np.zeros(self.size + 1)  # the last column is the ground
                row[self.unit[i]] = q
                if g > 0:
                    rows.append(row[:-1])
                    logs.append(np.log(g))
                    power.append(abs(q))
                    synapse.append(-1 - i)
        return Oracle(
            np.vstack([self.exponents, np.reshape(rows, (len(rows), self.size))]),
            np.append(self.log_cost, logs),
            np.append(self.power, power),
            np.append(self.synapse, synapse).astype(int),
            self.unit,
        )

    @property
    def size(self) -> int:
        return self.exponents.shape[1]

    @cached_property
    def changeable(self) -> Array:
        """Rows that some h can change."""
        return np.any(self.exponents != 0, axis=1)

    def only(self, rows: Array) -> Oracle:
        """The oracle of some costs only."""
        return Oracle(self.exponents[rows], self.log_cost[rows], self.power[rows], self.synapse[rows], self.unit)

    def only_synapses(self, kept: Array) -> Oracle:
        """The oracle of some synapses only (a mask over all synapses)."""
        return self.only(kept[self.synapse])

    # Sums

    def log_costs(self, h: Array) -> Array:
        return self.log_cost + self.exponents @ h

    def cost(self, h: Array) -> float:
        """All costs, those included that nothing changes."""
        return float(np.exp(self.log_costs(h)).sum())

    def halves(self, h: Array) -> tuple[Array, Array]:
        """Incoming and outgoing cost of every unit: the positive and the negative half of ∂C/∂h."""
        costs = np.exp(self.log_costs(h))
        return np.maximum(self.exponents, 0).T @ costs, np.maximum(-self.exponents, 0).T @ costs

    def log_halves(self, h: Array) -> tuple[Array, Array]:
        """`halves` in logarithms, for costs that no float can hold."""
        logs = self.log_costs(h)
        with np.errstate(divide="ignore"):
            return tuple(
                np.logaddexp.reduce(logs[:, None] + np.log(np.maximum(sign * self.exponents, 0)), axis=0)
                for sign in (1, -1)
            )

    def gradient(self, h: Array) -> Array:
        return self.exponents.T @ np.exp(self.log_costs(h))

    def hessian(self, h: Array) -> Array:
        return self.exponents.T @ (np.exp(self.log_costs(h))[:, None] * self.exponents)

    def components(self) -> Array:
        """The component of each unit: units that share a cost are connected; the ground connects nobody."""
        label = np.arange(self.size)
        for row in self.exponents:
            members = np.flatnonzero(row)
            if members.size:
                label[np.isin(label, label[members])] = label[members].min()
        return label

    def imbalance(self, h: Array) -> float:
        """max over components of Σ_units |in - out| / Σ p c, over the costs that some h can change."""
        logs = self.log_costs(h)
        label = self.components()
        worst = 0.0
        for component in np.unique(label):
            inside = np.flatnonzero(label == component)
            rows = self.changeable & np.any(self.exponents[:, inside] != 0, axis=1)
            if rows.any():
                costs = np.exp(logs[rows] - logs[rows].max())  # components have scales of their own
                gap = np.abs(self.exponents[rows][:, inside].T @ costs).sum()
                worst = max(worst, float(gap / (self.power[rows] @ costs)))
        return worst

    def worst_unit(self, h: Array) -> float:
        """max |in - out| / (in + out), in logarithms."""
        incoming, outgoing = self.log_halves(h)
        some = np.isfinite(incoming) | np.isfinite(outgoing)
        return float(np.abs(np.tanh(0.5 * (incoming[some] - outgoing[some]))).max(initial=0.0))

    # Answers

    def has_balance(self) -> Array:
        """Which rows can be part of a balanced flow: the support of all y >= 0 with Aᵀy = 0, by a linear program.

        Maximise Σ z with 0 <= z <= 1, z <= y: balanced flows form a cone, so that every row that can be positive
        reaches z = 1. (The package asks the opposite question: which direction of h lowers costs for ever.)
        """
        m = self.log_cost.size
        if m == 0 or self.size == 0:
            return np.ones(m, dtype=bool)
        answer = optimize.linprog(
            np.concatenate([np.zeros(m), -np.ones(m)]),
            A_ub=np.hstack([-np.eye(m), np.eye(m)]),
            b_ub=np.zeros(m),
            A_eq=np.hstack([self.exponents.T, np.zeros((self.size, m))]),
            b_eq=np.zeros(self.size),
            bounds=[(0, None)] * m + [(0, 1)] * m,
            method="highs",
        )
        assert answer.status == 0, answer.message
        return answer.x[m:] > 0.5

    def minimum(self) -> Array:
        """The minimiser h of each component by damped Newton steps with a dense pseudo-inverse.

        Along directions that change nothing h does not move, so that Σh = 0 in components where a = b without ground.
        """
        h, label = np.zeros(self.size), self.components()
        for component in np.unique(label):
            inside = np.flatnonzero(label == component)
            rows = np.any(self.exponents[:, inside] != 0, axis=1)
            if rows.any():
                h[inside] = _minimum(self.exponents[np.ix_(rows, inside)], self.log_cost[rows])
        return h

    def spread(self, h: Array) -> Array:
        """h per neuron."""
        return np.append(h, 0.0)[self.unit]

    def gathered(self, log_scale: Array) -> Array:
        """h per unit from log-scales per neuron; tied neurons must share theirs, pinned ones must have 0."""
        h = np.zeros(self.size)
        for unit in range(-1, self.size):
            members = log_scale[self.unit == unit]
            assert np.ptp(members) <= 1e-12 if members.size else True, "tied neurons differ"
            if unit >= 0:
                h[unit] = members[0]
            else:
                assert np.all(members == 0), "pinned neurons moved"
        return h


def _minimum(exponents: Array, log_cost: Array) -> Array:
    h = np.zeros(exponents.shape[1])
    log_cost = log_cost - log_cost.max()

    def costs(h: Array) -> Array:
        return np.exp(log_cost + exponents @ h)

    for _ in range(500):
        now = costs(h)
        gradient = exponents.T @ now
        if np.abs(gradient).sum() <= 1e-15 * now.sum():
            break
        step = -np.linalg.pinv(exponents.T @ (now[:, None] * exponents), rcond=1e-14, hermitian=True) @ gradient
        step *= min(1.0, 2.0 / max(np.abs(exponents @ step).max(), 1e-300))
        for _ in range(40):
            if costs(h + step).sum() <= now.sum() * (1 + 1e-15):
                break
            step *= 0.5
        h = h + step
    return h


def reaches(post: Array, pre: Array, size: int) -> Array:
    """Whether there is a path from j to i, as a (i, j) matrix (every node reaches itself): Warshall's algorithm."""
    path = np.eye(size, dtype=bool)
    path[post, pre] = True
    for k in range(size):
        path |= np.outer(path[:, k], path[k])
    return path


def derivative(function: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
    """Central differences."""
    return np.array([(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(x.size)])
