"""The slowest mode of each connected component: the smallest non-zero eigenvalue of the Hessian of the costs.

Where a common shift of a component's log-scales changes no cost, the Hessian is singular along that shift. It is
known exactly from the exponents, and taken out, so that no threshold decides which eigenvalues are zero.
"""

from __future__ import annotations

import warnings
from typing import TypeAlias

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import LinearOperator, lobpcg

from neurobal.errors import NeurobalError
from neurobal.potential import Potential
from neurobal.problem import Problem
from neurobal.solvers.aggregation import CoarseCorrection, aggregates
from neurobal.solvers.hessian import ScaledHessian

Array: TypeAlias = np.ndarray

LARGEST_DENSE = 300  # units
BLOCK = 4  # vectors iterated together
ITERATIONS, ROUNDS = 40, 12
RESIDUAL = 1e-4  # relative; the eigenvalue is better by a power of two
SETTLED = 1e-5  # relative change of the eigenvalue in a round: where rounding is what is left of the residual


def smallest_eigenvalues(problem: Problem) -> tuple[Array, Array]:
    """For each component the smallest non-zero eigenvalue of the Hessian at h = 0; and the vector of the least of them.

    The eigenvalue is infinite where nothing can move: components without costs, or with none but those that a shift
    does not change. The vector is over all units, 0 outside its component.
    """
    potential = Potential(problem)
    point = potential.at(np.zeros(problem.size))
    hessian = ScaledHessian(potential, point)
    shift = invariant_shift(problem)
    order = np.argsort(problem.labels, kind="stable")
    couplings = hessian.couplings[order][:, order]  # components are contiguous now
    edges = np.searchsorted(problem.labels[order], np.arange(problem.n_components + 1))
    values, slowest = np.full(problem.n_components, np.inf), np.zeros(problem.size)
    scale = np.exp(potential.log_scale)
    alone = order[edges[:-1]][np.diff(edges) == 1]  # units that only pinned neurons are connected to, or nobody
    alone = alone[problem.connected[alone]]
    values[problem.labels[alone]] = (hessian.root**2 * scale[problem.labels])[alone]
    if alone.size:
        slowest[alone[np.argmin(values[problem.labels[alone]])]] = 1.0
    for k in np.flatnonzero(np.diff(edges) > 1):
        units = order[edges[k] : edges[k + 1]]
        free = shift[units] if shift[units].any() else None
        if units.size <= LARGEST_DENSE:
            part = couplings[edges[k] : edges[k + 1], edges[k] : edges[k + 1]].toarray()
            value, vector = _dense(part, hessian.root[units], free)
        else:
            value, vector = _sparse(problem.restricted(problem.labels == k, np.zeros(problem.size))[0], free)
        values[k] = value * scale[k]
        if values[k] <= values.min():
            slowest[:] = 0.0
            slowest[units] = vector
    return values, slowest


def invariant_shift(problem: Problem) -> Array:
    """For each component the direction v with ``a v_i = b v_j`` for all its synapses; zeros where there is none."""
    shift = np.where(problem.grounded[problem.labels], 0.0, 1.0)
    if problem.symmetric:
        return shift
    post, pre, ratio = (np.concatenate(parts) for parts in zip(*(
        (post, pre, np.full(post.size, block.b / block.a))
        for block in problem.blocks for post, pre, _ in [block.entries()]
    ), strict=True))  # fmt: skip
    # v_there = ratio v_here, in both directions, along a spanning tree of each component ...
    here, there, ratio = np.append(pre, post), np.append(post, pre), np.append(ratio, 1 / ratio)
    order = np.lexsort((there, here))
    key = here[order].astype(np.int64) * problem.size + there[order]
    graph = sparse.csr_array((np.ones(key.size), (here, there)), shape=(problem.size, problem.size))
    for k in np.flatnonzero(~problem.grounded):
        root = int(np.flatnonzero(problem.labels == k)[0])
        visited, before = csgraph.breadth_first_order(graph, root)
        step = np.searchsorted(key, before[visited[1:]].astype(np.int64) * problem.size + visited[1:])
        for unit, factor in zip(visited[1:], ratio[order][step], strict=True):
            shift[unit] = factor * shift[before[unit]]
    # ... and it has to hold for the synapses that are not on the tree, too.
    wrong = np.abs(shift[there] - ratio * shift[here]) > 1e-9 * np.abs(shift[there])
    broken = np.zeros(problem.n_components, dtype=bool)
    broken[problem.labels[there[wrong]]] = True
    return np.where(broken[problem.labels], 0.0, shift)


def _dense(couplings: Array, root: Array, free: Array | None) -> tuple[float, Array]:
    matrix = np.diag(root**2) - root[:, None] * couplings * root
    if free is not None:  # move the zero out of the way, beyond all others
        unit = free / np.linalg.norm(free)
        matrix += 2 * np.trace(matrix) * np.outer(unit, unit)
    value, vector = linalg.eigh(matrix, subset_by_index=[0, 0])
    return float(value[0]), vector[:, 0]


def _sparse(problem: Problem, free: Array | None) -> tuple[float, Array]:
    """LOBPCG in the variables in which the Hessian has a unit diagonal; with a coarse correction if it is slow."""
    potential = Potential(problem)
    hessian = ScaledHessian(potential, potential.at(np.zeros(problem.size)))
    root, shape = hessian.root, (problem.size, problem.size)

    def operator(product: object) -> LinearOperator:
        return LinearOperator(shape, matvec=product, matmat=product, dtype=float)

    stiffness = operator(lambda v: v - hessian.couplings @ v)
    mass = operator(lambda v: (v.T / root**2).T)
    constraint = None if free is None else (root * free)[:, None]
    vectors = np.random.default_rng(0).normal(size=(problem.size, BLOCK))
    weakest = np.argsort(root)[:BLOCK]
    vectors[weakest, np.arange(BLOCK)] += 10 * np.sqrt(problem.size)  # the slowest mode may be one weak unit
    coarse, last = None, np.inf
    goal = root.min() ** 2
    for _ in range(ROUNDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # not converged yet
            _, vectors = lobpcg(
                stiffness, vectors, B=mass, M=coarse, Y=constraint, largest=False, maxiter=ITERATIONS,
                tol=0.1 * RESIDUAL * goal / np.median(root),
            )  # fmt: skip
        mode = vectors[:, 0] / root
        image = root * (hessian @ (root * mode))
        goal = value = float(mode @ image / (mode @ mode))
        residual = np.linalg.norm(image - value * mode) / (value * np.linalg.norm(mode))
        if residual <= RESIDUAL or (abs(value - last) <= SETTLED * value and residual <= 0.5):
            return value, mode / np.linalg.norm(mode)
        if coarse is None and problem.symmetric:
            correction = CoarseCorrection(problem, aggregates(hessian))
            correction.update(hessian)
            coarse = operator(_columnwise(correction))
        last = value
    raise NeurobalError(
        f"convergence_rate: the slowest mode of a component of {problem.size} units was not found; its eigenvalue is "
        f"below {value:.3g}, relative to the largest cost of the component. Leave out synapses with very small costs."
    )


def _columnwise(correction: CoarseCorrection) -> object:
    def product(v: Array) -> Array:
        return v + (correction(v) if v.ndim == 1 else np.column_stack([correction(column) for column in v.T]))

    return product
