"""Fit one log-scale per neuron to what changed: the linear equations ``a h_i - b h_j = y`` on the graph of synapses."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import lsmr

Array: TypeAlias = np.ndarray

CANDIDATES = 12
MOST_ITERATIONS = 2000  # of least squares: enough for the residual of any graph that is not a very long chain


class Equations:
    """Equations ``a h_i - b h_j = y``, one a synapse; pinned neurons and the constant unit share the last number."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self._offset, total = {}, 0
        for name, size in sizes.items():
            self._offset[name] = total
            total += size
        self._sizes = sizes
        self.size = total
        self._number = np.arange(total)
        self._parts: list[tuple[Array, ...]] = []

    def pin(self, population: str, mask: Array) -> None:
        """These neurons have h = 0."""
        start = self._offset[population]
        self._number[start : start + mask.size][mask] = self.size

    def add(
        self,
        post: str,
        post_index: Array,
        a: float | Array,
        pre: str | None,
        pre_index: Array,
        b: float | Array,
        y: Array,
    ) -> None:
        """Equations between neurons of two populations (``pre`` None: the constant unit)."""
        i = self._number[self._offset[post] + post_index]
        j = np.full(i.shape, self.size) if pre is None else self._number[self._offset[pre] + pre_index]
        self._parts.append((i, j, np.broadcast_to(a, i.shape), np.broadcast_to(b, i.shape), y))

    def table(self) -> tuple[Array, Array, Array, Array, Array]:
        """``i, j, a, b, y`` of all equations. Ends that do not move are the ground; self-connections move by a - b."""
        if not self._parts:
            none = np.zeros(0)
            return none.astype(int), none.astype(int), none, none, none
        i, j, a, b, y = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        itself = (i == j) & (i < self.size)
        a = np.where(itself, a - b, np.where(i < self.size, a, 0.0))
        b = np.where(itself | (j == self.size), 0.0, b)
        return np.where(a != 0, i, self.size), np.where(b != 0, j, self.size), a, b, y

    def by_population(self, h: Array) -> dict[str, Array]:
        """The solution per neuron, by population."""
        spread = np.append(h, 0.0)[self._number]
        return {name: spread[start : start + self._sizes[name]] for name, start in self._offset.items()}


def fit(equations: Equations, tolerance: float) -> tuple[Array, list[int]]:
    """The best h, and the equations that alone can be wrong: without one of them all others hold.

    One wrong equation is found where it lies on several cycles of the graph; where it lies on one, that cycle is
    returned; on a bridge it *is* a rescaling, and nothing is wrong.
    """
    i, j, a, b, y = equations.table()
    n = equations.size
    h = along_forest(i, j, a, b, y, n)
    m = y.size
    rows = np.arange(m)
    matrix = sparse.csr_array(
        (np.concatenate([a, -b]), (np.concatenate([rows, rows]), np.concatenate([i, j]))), shape=(m, n + 1)
    )[:, :n]
    finite = np.isfinite(y)
    y = np.where(finite, y, 0.0)
    h, worst = _polished(matrix, h, y, tolerance)
    if worst <= tolerance or not finite.all():
        return centred(i, j, a, b, h, n), []
    residual = np.abs(y - matrix @ h)
    suspects: list[int] = []
    for e in np.argsort(residual)[::-1][:CANDIDATES]:
        others = rows != e
        alone, rest = _polished(matrix[others], h, y[others], tolerance)
        if rest > max(tolerance, 0.01 * worst) and not suspects:
            break  # without the worst of all hardly anything fits better: more than one value is wrong
        if rest <= tolerance:
            suspects.append(int(e))
            h = alone if len(suspects) == 1 else h
    return centred(i, j, a, b, h, n), suspects


def _polished(matrix: sparse.csr_array, h: Array, y: Array, tolerance: float) -> tuple[Array, float]:
    """Least squares by iterative refinement; returns the best point and its largest deviation."""
    rest = y - matrix @ h
    worst = float(np.abs(rest).max(initial=0.0))
    for _ in range(4):
        if worst <= 0.5 * tolerance:
            break
        trial = h + lsmr(matrix, rest, atol=1e-15, btol=1e-15, conlim=0, maxiter=MOST_ITERATIONS)[0]
        rest_there = y - matrix @ trial
        size = float(np.abs(rest_there).max(initial=0.0))
        better = float(rest_there @ rest_there) < 0.999 * float(rest @ rest)
        if better:
            h, rest, worst = trial, rest_there, size
        else:
            break
    return h, worst


def along_forest(i: Array, j: Array, a: Array, b: Array, y: Array, n: int) -> Array:
    """h along a spanning forest: exact if the equations are consistent, up to rounding."""
    usable = (i != j) & np.isfinite(y)
    graph = sparse.csr_array((np.ones(usable.sum(), dtype=np.int8), (i[usable], j[usable])), shape=(n + 1, n + 1))
    # One tree for all: a neuron of each component that has no ground hangs on the ground by a made-up edge with y = 0.
    _, labels = csgraph.connected_components(graph, directed=False)
    roots = np.unique(labels, return_index=True)[1]
    roots = roots[labels[roots] != labels[n]]
    graph = graph + sparse.csr_array(
        (np.ones(roots.size, dtype=np.int8), (roots, np.full(roots.size, n))), shape=graph.shape
    )
    _, parent = csgraph.breadth_first_order(graph, n, directed=False)
    h = np.zeros(n + 1)
    # Which equation joins each neuron to its parent: any of those between the two.
    equation = np.full(n + 1, -1)
    for child, other in ((i, j), (j, i)):
        joining = np.flatnonzero(usable & (parent[child] == other))
        equation[child[joining]] = joining
    depth = depths(parent, n)
    order = np.argsort(depth, kind="stable")
    cuts = np.searchsorted(depth[order], np.arange(1, depth.max() + 2))
    for first, last in pairwise(cuts):
        nodes = order[first:last]
        nodes = nodes[equation[nodes] >= 0]
        e = equation[nodes]
        as_post = i[e] == nodes
        h[nodes] = np.where(
            as_post,
            (y[e] + b[e] * h[j[e]]) / np.where(a[e] == 0, 1.0, a[e]),
            (a[e] * h[i[e]] - y[e]) / np.where(b[e] == 0, 1.0, b[e]),
        )
    return h[:n]


def depths(parent: Array, root: int) -> Array:
    """Distance of every node from the root of a tree, by doubling."""
    jump = parent.copy()
    jump[jump < 0] = root
    jump[root] = root
    depth = (np.arange(parent.size) != root).astype(np.int64)
    while np.any(jump != root):
        depth += depth[jump]
        jump = jump[jump]
    return depth


def centred(i: Array, j: Array, a: Array, b: Array, h: Array, n: int) -> Array:
    """Geometric mean 1 of λ in each component that a common shift does not change (a = b, no ground)."""
    graph = sparse.csr_array((np.ones(i.size, dtype=np.int8), (i, j)), shape=(n + 1, n + 1))
    count, labels = csgraph.connected_components(graph, directed=False)
    fixed = np.zeros(count, dtype=bool)
    fixed[labels[n]] = True
    fixed[labels[i[a != b]]] = True
    size = np.bincount(labels[:n], minlength=count)
    mean = np.bincount(labels[:n], h, minlength=count) / np.maximum(size, 1)
    return h - np.where(fixed, 0.0, mean)[labels[:n]]
