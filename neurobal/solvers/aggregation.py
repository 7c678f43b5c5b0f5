"""Groups of strongly coupled nodes, and the coarse correction that they give to conjugate gradients.

The slow modes of a cost graph (long rings, weakly linked modules) are nearly constant on groups of strongly coupled
nodes. Solving for one number per group removes them: with P the matrix of group membership and H the Hessian, the
preconditioner becomes ``D⁻¹ + P (Pᵀ H P)⁻¹ Pᵀ``, here in the variables ``D^½ h`` in which H has a unit diagonal.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from neurobal.problem import Problem
from neurobal.solvers.hessian import ScaledHessian

Array: TypeAlias = np.ndarray

NODES_PER_GROUP = 12
FEWEST_GROUPS = 100
MAX_ROUNDS = 12
STALLED = 0.95  # a round that leaves more of the groups than this is the last one
STRONG = 0.3  # relative to the strongest coupling of a node


def aggregates(hessian: ScaledHessian) -> Array:
    """A group number for each node, by rounds of pairing nodes that are each other's strongest neighbour.

    Strength is ``c_ij / √(d_i d_j)``, c the symmetrised costs and d the Hessian's diagonal, summed over groups.
    """
    graph = hessian.couplings
    size = graph.shape[0]
    degree = hessian.root**2
    graph = _scaled(_strong(graph), hessian.root)
    groups = np.arange(size)
    # Equal strengths would leave chains of nodes without a mutual favourite; a little noise decides.
    noise = np.random.default_rng(0)
    for _ in range(MAX_ROUNDS):
        count = graph.shape[0]
        if count <= max(size // NODES_PER_GROUP, FEWEST_GROUPS):
            break
        partner = _favourites(_scaled(graph, noise.uniform(0.99, 1.01, count) / np.sqrt(degree)))
        mutual = partner[partner] == np.arange(count)
        leader = np.where(mutual, np.minimum(partner, np.arange(count)), np.arange(count))
        numbers = (np.cumsum(leader == np.arange(count)) - 1)[leader]
        if numbers.max() + 1 > STALLED * count:
            break
        groups = numbers[groups]
        degree = np.bincount(numbers, degree)
        graph = _merged(graph, numbers)
    return groups


def _scaled(graph: sparse.csr_array, factor: Array) -> sparse.csr_array:
    """``diag(factor) graph diag(factor)``."""
    values = np.repeat(factor, np.diff(graph.indptr))
    values *= graph.data
    values *= factor[graph.indices]
    return sparse.csr_array((values, graph.indices, graph.indptr), shape=graph.shape)


def _strong(graph: sparse.csr_array) -> sparse.csr_array:
    """The couplings that are among the strongest of either end: the others never make a pair, but cost time."""
    lengths = np.diff(graph.indptr)
    filled = np.flatnonzero(lengths)
    best = np.zeros(graph.shape[0])
    best[filled] = np.maximum.reduceat(graph.data, graph.indptr[filled])
    bar = np.repeat(best, lengths)
    np.minimum(bar, best[graph.indices], out=bar)
    bar *= STRONG
    strong = graph.data >= bar
    indptr = np.append(0, np.cumsum(strong))[graph.indptr]
    return sparse.csr_array((graph.data[strong], graph.indices[strong], indptr), shape=graph.shape)


def _favourites(strength: sparse.csr_array) -> Array:
    """The strongest neighbour of each node, itself if there is none."""
    count = strength.shape[0]
    lengths = np.diff(strength.indptr)
    filled = np.flatnonzero(lengths)
    favourite = np.arange(count)
    if filled.size:
        best = np.maximum.reduceat(strength.data, strength.indptr[filled])
        winners = np.flatnonzero(strength.data == np.repeat(best, lengths[filled]))
        favourite[np.repeat(np.arange(count), lengths)[winners]] = strength.indices[winners]
    return favourite


def _merged(graph: sparse.csr_array, numbers: Array) -> sparse.csr_array:
    """The graph between groups, without what lies within one."""
    rows = np.repeat(numbers, np.diff(graph.indptr))
    columns = numbers[graph.indices]
    between = rows != columns
    count = int(numbers.max()) + 1
    return sparse.csr_array((graph.data[between], (rows[between], columns[between])), shape=(count, count))


class CoarseCorrection:
    """``r -> Q (Qᵀ H Q)⁻¹ Qᵀ r`` with Q = D^½ P and H the scaled Hessian, refreshed at every Newton step."""

    def __init__(self, problem: Problem, groups: Array) -> None:
        self._groups = groups
        self._count = int(groups.max()) + 1
        # In a component without ground a common shift changes nothing: one of its groups stays where it is.
        labels = np.zeros(self._count, dtype=np.int64)
        labels[groups] = problem.labels
        used = np.zeros(self._count, dtype=bool)
        used[groups[problem.connected]] = True
        first = np.unique(labels, return_index=True)[1]
        used[first[~problem.grounded[labels[first]]]] = False
        self._kept = np.flatnonzero(used)

    def update(self, hessian: ScaledHessian) -> None:
        """Form and factorise the coarse matrix."""
        self._root = hessian.root
        couplings = hessian.couplings
        values = np.repeat(hessian.root, np.diff(couplings.indptr))
        values *= couplings.data
        values *= hessian.root[couplings.indices]
        rows = np.repeat(self._groups, np.diff(couplings.indptr))
        shape = (self._count, self._count)
        coarse = sparse.csr_array((values, (rows, self._groups[couplings.indices])), shape=shape)
        diagonal = np.bincount(self._groups, hessian.root**2, minlength=self._count)
        matrix = (sparse.diags_array(diagonal) - coarse).tocsr()[self._kept][:, self._kept].tocsc()
        self._factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def __call__(self, residual: Array) -> Array:
        coarse = np.zeros(self._count)
        sums = np.bincount(self._groups, self._root * residual, minlength=self._count)
        coarse[self._kept] = self._factors.solve(sums[self._kept])
        return self._root * coarse[self._groups]
