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

from neurobal.potential import Point, Potential
from neurobal.stores import bands

Array: TypeAlias = np.ndarray

NODES_PER_GROUP = 18
FEWEST_GROUPS = 100
COUPLINGS_PER_GROUP = 14  # above which a factorisation fills up; then larger groups are made, up to 4 times as large
STALLED = 0.9  # a round that leaves more of the groups than this is the last one
STRONG = 0.5  # relative to the strongest coupling in a node's row
FOLLOWERS = 6  # that may join a pair in one round


def aggregates(potential: Potential, point: Point) -> Array:
    """A group number for each node, by rounds in which mutual favourites pair up and others join a pair.

    Strength is ``k_ij / √(d_i d_j)``, k the couplings in both directions and d the Hessian's diagonal, summed over
    groups. Only couplings that are strong for their row are looked at.
    """
    degree = point.root**2
    size = degree.size
    graph = _strong_couplings(potential, point, degree)
    groups = np.arange(size)
    # Equal strengths would leave chains of nodes without a mutual favourite; a little noise decides.
    noise = np.random.default_rng(0)
    goal = max(size // NODES_PER_GROUP, FEWEST_GROUPS)
    count = size
    while count > goal or (graph.nnz > COUPLINGS_PER_GROUP * count and count > max(goal // 4, FEWEST_GROUPS)):
        favourite = _favourites(graph, noise.uniform(0.97, 1.0, count) / np.sqrt(degree))
        numbers = _joined(favourite)
        fewer = int(numbers.max()) + 1
        if fewer > STALLED * count:
            break
        count = fewer
        groups = numbers[groups]
        degree = np.bincount(numbers, degree)
        graph = _merged(graph, numbers, count)
    return groups


def _strong_couplings(potential: Potential, point: Point, degree: Array) -> sparse.csr_array:
    """The strong couplings of all blocks, added up in both directions."""
    one_way = potential.couplings(potential.coupling_factors(point), degree, STRONG).astype(np.float32)
    return (one_way + one_way.T.tocsr()).tocsr()


def _favourites(graph: sparse.csr_array, weight: Array) -> Array:
    """The neighbour of each node to which it is coupled most strongly, itself if it has none."""
    strength = graph.data * weight[graph.indices]
    favourite = np.arange(graph.shape[0])
    best = bands.row_maxima(graph.indptr, strength)
    winners = np.flatnonzero(strength == np.repeat(best, np.diff(graph.indptr)))
    favourite[np.searchsorted(graph.indptr, winners, side="right") - 1] = graph.indices[winners]
    return favourite


def _joined(favourite: Array) -> Array:
    """Numbers of the groups that a round makes: mutual favourites, and those whose favourite is one of such a pair."""
    me = np.arange(favourite.size)
    mutual = favourite[favourite] == me
    leader = np.where(mutual, np.minimum(favourite, me), me)
    follows = ~mutual & mutual[favourite]
    follows &= (np.bincount(favourite[follows], minlength=me.size) <= FOLLOWERS)[favourite]
    leader[follows] = leader[favourite[follows]]
    numbers: Array = (np.cumsum(leader == me) - 1)[leader]
    return numbers


def _merged(graph: sparse.csr_array, numbers: Array, count: int) -> sparse.csr_array:
    """The graph between groups, without what lies within one."""
    to_groups = bands.members(np.ones(numbers.size, dtype=graph.dtype), numbers, count)
    merged = bands.grouped(graph, to_groups, to_groups)
    between = np.repeat(np.arange(count), np.diff(merged.indptr)) != merged.indices
    indptr = np.append(0, np.cumsum(between))[merged.indptr]
    return sparse.csr_array((merged.data[between], merged.indices[between], indptr), shape=merged.shape)


class CoarseCorrection:
    """``r -> Q (Qᵀ H Q)⁻¹ Qᵀ r`` with Q = D^½ P and H the scaled Hessian, refreshed on the way."""

    def __init__(self, potential: Potential, groups: Array) -> None:
        problem = potential.problem
        self._potential, self._groups = potential, groups
        self._count = int(groups.max()) + 1
        # In a component without ground a common shift changes nothing: one of its groups stays where it is.
        labels = np.zeros(self._count, dtype=np.int64)
        labels[groups] = problem.labels
        used = np.zeros(self._count, dtype=bool)
        used[groups[problem.connected]] = True
        first = np.unique(labels, return_index=True)[1]
        used[first[~problem.grounded[labels[first]]]] = False
        self._kept = np.flatnonzero(used)

    def update(self, point: Point) -> None:
        """Form and factorise the coarse matrix at ``point``; raise `TooLarge` if it does not fit."""
        potential = self._potential
        self._members = bands.members(point.root, self._groups, self._count)
        self._sums = self._members.T
        one_way = potential.couplings_between(potential.coupling_factors(point), self._groups, self._count)
        one_way.setdiag(0.0)
        couplings = one_way + one_way.T.tocsr()
        # Where a = b, row sums are the Hessian's diagonal between groups; the ground adds to it.
        diagonal = couplings.sum(axis=1)
        diagonal += np.bincount(self._groups, potential.ground_curvature(point), minlength=self._count)
        matrix = (sparse.diags_array(diagonal) - couplings).tocsr()[self._kept][:, self._kept].tocsc()
        self._factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def __call__(self, residual: Array) -> Array:
        coarse = np.zeros(self._count)
        coarse[self._kept] = self._factors.solve((self._sums @ residual)[self._kept])
        correction: Array = self._members @ coarse
        return correction
