"""Which costs have a balanced state: the minimum is attained exactly if every cost can be part of a balanced flow.

The minimum of ``Σ_e c_e exp(α_e h_i - β_e h_j)`` is attained if and only if no direction d lowers a cost while it
raises none: ``α_e d_i - β_e d_j ≤ 0`` for all e, ``< 0`` for some (the alternative, by Gordan's theorem, is a
balanced y > 0). The costs that a direction lowers have no balance: they fall to zero, and nothing holds them. Where
a = b for all synapses that means: a synapse has a balance if and only if it lies on a directed cycle, all pinned
neurons being one node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import optimize, sparse
from scipy.sparse import csgraph

from neurobal.problem import Problem

Array: TypeAlias = np.ndarray

# Above this many merged costs the linear program is left to the solver: it sees in which direction it runs away.
LARGEST_LINEAR_PROGRAM = 30_000
# A direction is scaled so that what it lowers falls by 1; anything clearly between 0 and 1 separates the two.
FALLS = 0.5
# Of several directions, an earlier one outweighs the next by this factor.
OUTWEIGHS = 100.0
# Relative to the fastest node of a solver that runs away: slower than this is standing still.
RISES = 0.02


@dataclass(frozen=True, eq=False)
class Runaway:
    """A direction that lowers some costs for ever: strong components (a = b) or a vector of log-scales, per node.

    The last entry belongs to the ground.
    """

    strong: Array | None
    direction: Array | None

    def lowers(self, a: float | Array, b: float | Array, post: Array, pre: Array) -> Array:
        """Which synapses between these nodes (-1: the ground) have no balance."""
        if self.strong is not None:
            if np.ndim(a) == np.ndim(b) == 0 and a == b != 0:
                return self.strong[post] != self.strong[pre]
            # An end with exponent 0 does not move, as the ground; a self-connection moves by the difference a - b.
            itself = (post == pre) & (post >= 0)
            post, pre = (
                np.where(np.where(itself, a - b > 0, a != 0), post, -1),
                np.where(np.where(itself, a - b < 0, b != 0), pre, -1),
            )
            return self.strong[post] != self.strong[pre]
        assert self.direction is not None
        d = self.direction
        return a * d[post] - b * d[pre] < -FALLS

    def heights(self, problem: Problem) -> Array:
        """A height per node, the ground's last and 0: ``a height_post - b height_pre`` < 0 where cost falls, else 0."""
        if self.direction is not None:
            return self.direction
        assert self.strong is not None
        # SciPy numbers strong components in a topological order of the graph between them, one way or the other.
        heights = (1.0 if self._any_downwards(problem) else -1.0) * self.strong
        return heights - heights[-1]

    def _any_downwards(self, problem: Problem) -> bool:
        """Whether the number of a cost's component is smaller at the end where it comes in."""
        strong = self.strong
        assert strong is not None

        def falls(post: Array, pre: Array) -> Array:
            return strong[post] < strong[pre]

        def rises(post: Array, pre: Array) -> Array:
            return strong[post] > strong[pre]

        # A negative exponent acts as the opposite direction.
        return any(block.store.any(falls if block.a > 0 else rises) for block in problem.blocks) or any(
            bool(np.any(falls(*ground.ends()))) for ground in problem.grounds
        )


def balanced_heights(problem: Problem) -> Array | None:
    """One height per node, the ground's last: costs whose height falls from pre to post have no balance.

    None if all costs have a balance. Of several directions, earlier ones count most.
    """
    total: Array | None = None
    while (runaway := find_runaway(problem)) is not None:
        heights = runaway.heights(problem)
        total = heights if total is None else OUTWEIGHS * total + heights
        problem = without(problem, runaway)
    return total


def find_runaway(problem: Problem) -> Runaway | None:
    """What has no balance, decided without solving. None if everything has one, or if that is too large a question.

    Of large problems with a != b only dead ends are found; call again without them to find what led there.
    """
    if problem.symmetric:
        return _between_strong_components(problem)
    costs = _count(problem)
    runaway = _by_linear_program(problem) if costs <= LARGEST_LINEAR_PROGRAM else _dead_ends(problem)
    # A program solved to a tolerance may find a direction that lowers nothing; who removes that would go on for ever.
    return None if runaway is None or _count(without(problem, runaway)) == costs else runaway


def _count(problem: Problem) -> int:
    return sum(block.store.nnz for block in problem.blocks) + sum(ground.node.size for ground in problem.grounds)


def _between_strong_components(problem: Problem) -> Runaway | None:
    if problem.grounds:
        labels = csgraph.connected_components(problem.structure(with_ground=True), connection="strong")[1]
    elif problem.strong:
        return None
    else:
        labels = np.append(problem.strong_components, -1)
    if not labels[: problem.size + bool(problem.grounds)].any():
        return None
    runaway = Runaway(labels, None)
    lowered = any(
        block.store.any(lambda post, pre, a=block.a, b=block.b: runaway.lowers(a, b, post, pre))  # type: ignore[misc]
        for block in problem.blocks
    ) or any(np.any(labels[ground.node] != labels[-1]) for ground in problem.grounds)
    return runaway if lowered else None


def _dead_ends(problem: Problem) -> Runaway | None:
    """Nodes with costs on one side only: scaling them down (or up) lowers all of them and raises none."""
    grows, falls = np.zeros(problem.size, dtype=bool), np.zeros(problem.size, dtype=bool)
    for block in problem.blocks:
        receiving, sending = block.store.ends()
        (grows if block.a > 0 else falls)[receiving] = True
        (falls if block.b > 0 else grows)[sending] = True
    for ground in problem.grounds:
        (grows if ground.a > 0 else falls)[ground.node] = True
    direction = falls.astype(float) - grows
    # Long enough that each of their costs falls by 1 at least.
    exponents = [abs(x) for block in problem.blocks for x in (block.a, block.b)] + [abs(g.a) for g in problem.grounds]
    return Runaway(None, np.append(direction / min(exponents), 0.0)) if direction.any() else None


def _by_linear_program(problem: Problem) -> Runaway | None:
    """Maximise Σ t over directions d with ``α d_i - β d_j <= -t``, 0 <= t <= 1: t is 1 for all that can fall."""
    rows, columns, values, count = [], [], [], 0
    for block in problem.blocks:
        post, pre, _ = block.store.entries()
        row = count + np.arange(post.size)
        rows += [row, row]
        columns += [post, pre]
        values += [np.full(post.size, block.a), np.full(pre.size, -block.b)]
        count += post.size
    for ground in problem.grounds:
        rows.append(count + np.arange(ground.node.size))
        columns.append(ground.node)
        values.append(np.full(ground.node.size, ground.a))
        count += ground.node.size
    if not count:
        return None
    n = problem.size
    exponents = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, n)
    )
    answer = optimize.linprog(
        np.concatenate([np.zeros(n), -np.ones(count)]),
        A_ub=sparse.hstack([exponents, sparse.eye_array(count)]),
        b_ub=np.zeros(count),
        bounds=[(None, None)] * n + [(0, 1)] * count,
        method="highs",
    )
    if answer.status != 0 or -answer.fun < FALLS:
        return None
    return Runaway(None, np.append(answer.x[:n], 0.0))


def runaway_along(problem: Problem, step: Array) -> Runaway | None:
    """The direction of a solver's steps, if it shows that costs fall for ever: it lowers some, raises none."""
    largest = np.abs(step).max(initial=0.0)
    if not 0 < largest < np.inf:
        return None
    # What moves with the fastest node is running away; differences that stay bounded fade against it.
    direction = np.append(step / largest, 0.0)
    inner = direction[:-1]
    changes = [block.store.extremes(block.a * inner, -block.b * inner) for block in problem.blocks]
    for ground in problem.grounds:
        change = ground.a * direction[ground.node]
        changes.append((float(change.min()), float(change.max())))
    if max(high for _, high in changes) > RISES or min(low for low, _ in changes) > -4 * RISES:
        return None
    return Runaway(None, direction * (FALLS / (2 * RISES)))


def without(problem: Problem, runaway: Runaway) -> Problem:
    """The problem that is left when all costs without a balance are left out."""
    alone = runaway.strong is not None and not problem.grounds
    return problem.without(runaway.lowers, problem.strong_components if alone else None)
