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
from neurobal.potential import Point, Potential
from neurobal.problem import Problem
from neurobal.solvers.aggregation import CoarseCorrection, aggregates

Array: TypeAlias = np.ndarray

LARGEST_DENSE = 1000  # nodes
DIGITS = 1e4  # a stiffness has to be so many times the rounding error of 1
OFF_BALANCE = 1e-3  # relative change of an eigenvalue on the way that is left to balance
BLOCK = 4  # vectors iterated together
ITERATIONS, ROUNDS = 40, 12
RESIDUAL = 1e-4  # relative; the eigenvalue is better by a power of two
SETTLED = 1e-5  # relative change of the eigenvalue in a round: where rounding is what is left of the residual


def slowest_modes(problem: Problem) -> tuple[Array, Array]:
    """For each component the logarithm of the smallest non-zero eigenvalue of the Hessian at h = 0, and its vector.

    It is infinite where nothing can move: components without costs, or with none but those that a shift does not
    change. The vectors stand in one array over all nodes.
    """
    potential = Potential(problem)
    point = potential.at(np.zeros(problem.size))
    root, scaled = point.root, _unit_couplings(potential, point)
    shift = invariant_shift(problem)
    order = np.argsort(problem.labels, kind="stable")
    couplings = scaled[order][:, order]  # components are contiguous now
    edges = np.searchsorted(problem.labels[order], np.arange(problem.n_components + 1))
    values, modes = np.full(problem.n_components, np.inf), np.zeros(problem.size)
    alone = order[edges[:-1]][np.diff(edges) == 1]  # nodes that only pinned neurons are connected to, or nobody
    alone = alone[problem.connected[alone]]
    values[problem.labels[alone]] = root[alone] ** 2
    modes[alone] = 1.0
    for k in np.flatnonzero(np.diff(edges) > 1):
        nodes = order[edges[k] : edges[k + 1]]
        free = shift[nodes] if shift[nodes].any() else None
        if nodes.size <= LARGEST_DENSE:
            part = couplings[edges[k] : edges[k + 1], edges[k] : edges[k + 1]].toarray()
            values[k], modes[nodes] = _dense(part, root[nodes], free)
        else:
            values[k], modes[nodes] = _sparse(problem.restricted(problem.labels == k, np.zeros(problem.size))[0], free)
    stiffest = np.lexsort((root, problem.labels))[edges[1:] - 1]  # of each component
    _check_balanced(potential, point, values, _relative_to(stiffest, modes, shift, problem.labels))
    return np.log(values) + potential.log_scale, modes


def _relative_to(nodes: Array, modes: Array, shift: Array, labels: Array) -> Array:
    """The modes but for a shift, so that one node of each component stays: small differences are not rounded then."""
    amount = np.divide(modes[nodes], shift[nodes], out=np.zeros(nodes.size), where=shift[nodes] != 0)
    return modes - amount[labels] * shift


def _check_balanced(potential: Potential, point: Point, values: Array, modes: Array) -> None:
    """Weakly coupled parts can be far from the balance between them though little imbalance is left in all."""
    labels = potential.problem.labels
    ahead = -potential.by_component(modes * point.gradient) / values  # along the mode, by Newton's method
    there = potential.at(ahead[labels] * modes)
    curvature = potential.by_component(modes * potential.hessian_product(there, modes))
    moving = np.isfinite(values)
    off = np.abs(curvature[moving] / values[moving] - 1)
    if np.any(~(off <= OFF_BALANCE)):
        raise NeurobalError(
            f"convergence_rate: not balanced well enough: on the way that is left to balance the rate of the slowest "
            f"mode changes by {np.nanmax(off):.2g} of itself. Parts of the network are weakly coupled. Give a smaller "
            "tol, or leave out the synapses between them."
        )


def invariant_shift(problem: Problem) -> Array:
    """For each component the direction v with ``a v_i = b v_j`` for all its synapses; zeros where there is none."""
    shift = np.where(problem.grounded[problem.labels], 0.0, 1.0)
    if problem.symmetric:
        return shift
    post, pre, ratio = (np.concatenate(parts) for parts in zip(*(
        (post, pre, np.full(post.size, block.b / block.a))
        for block in problem.blocks for post, pre, _ in [block.store.entries()]
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
        for node, factor in zip(visited[1:], ratio[order][step], strict=True):
            shift[node] = factor * shift[before[node]]
    # ... and it has to hold for the synapses that are not on the tree, too.
    wrong = np.abs(shift[there] - ratio * shift[here]) > 1e-9 * np.abs(shift[there])
    broken = np.zeros(problem.n_components, dtype=bool)
    broken[problem.labels[there[wrong]]] = True
    return np.where(broken[problem.labels], 0.0, shift)


def _dense(couplings: Array, root: Array, free: Array | None) -> tuple[float, Array]:
    """From the inverse, in the variables in which the Hessian has a unit diagonal: weak nodes cost no digits there."""
    scaled = np.eye(root.size) - couplings
    if free is not None:  # move the zero out of the way
        still = root * free / np.linalg.norm(root * free)
        scaled += np.outer(still, still)
    least = DIGITS * np.finfo(float).eps
    try:
        inverse = linalg.cho_solve(linalg.cho_factor(scaled), np.eye(root.size))
        resolved = bool(np.linalg.norm(inverse) <= 1 / least)
    except linalg.LinAlgError:
        resolved = False
    if not resolved:
        raise _not_found(root.size, least * root.max() ** 2)
    inverse /= np.outer(root, root)
    if free is not None:
        still = free / np.linalg.norm(free)
        inverse -= np.outer(still, still @ inverse)
        inverse -= np.outer(inverse @ still, still)
    value, vector = linalg.eigh(inverse, subset_by_index=[root.size - 1] * 2)
    return float(1 / value[0]), vector[:, 0]


def _sparse(problem: Problem, free: Array | None) -> tuple[float, Array]:
    """LOBPCG in the variables in which the Hessian has a unit diagonal; with a coarse correction if it is slow."""
    potential = Potential(problem)
    point = potential.at(np.zeros(problem.size))
    root, couplings = point.root, _unit_couplings(potential, point)
    shape = (problem.size, problem.size)

    def operator(product: object) -> LinearOperator:
        return LinearOperator(shape, matvec=product, matmat=product, dtype=float)

    stiffness = operator(lambda v: v - couplings @ v)
    mass = operator(lambda v: (v.T / root**2).T)
    constraint = None if free is None else (root * free)[:, None]
    vectors = np.random.default_rng(0).normal(size=(problem.size, BLOCK))
    weakest = np.argsort(root)[:BLOCK]
    vectors[weakest, np.arange(BLOCK)] += 10 * np.sqrt(problem.size)  # the slowest mode may be one weak node
    coarse, last = None, np.inf
    goal = root.min() ** 2
    for _ in range(ROUNDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged yet, or on the way to an error
            try:
                _, vectors = lobpcg(
                    stiffness, vectors, B=mass, M=coarse, Y=constraint, largest=False, maxiter=ITERATIONS,
                    tol=0.1 * RESIDUAL * goal / np.median(root),
                )  # fmt: skip
            except (ValueError, linalg.LinAlgError):  # the vectors have become the same, up to rounding
                break
        mode = vectors[:, 0] / root
        image = root * (root * mode - couplings @ (root * mode))
        goal = value = float(mode @ image / (mode @ mode))
        residual = np.linalg.norm(image - value * mode) / (value * np.linalg.norm(mode))
        if residual <= RESIDUAL or (abs(value - last) <= SETTLED * value and residual <= 0.5):
            return value, mode / np.linalg.norm(mode)
        if coarse is None and problem.symmetric:
            correction = CoarseCorrection(potential, aggregates(potential, point))
            correction.update(point)
            coarse = operator(_columnwise(correction))
        last = value
    raise _not_found(problem.size, goal)


def _unit_couplings(potential: Potential, point: Point) -> sparse.csr_array:
    """W of the Hessian ``D^½ (1 - W) D^½`` at a point."""
    root = point.root
    one_way = potential.couplings([(s / root, t / root) for s, t in potential.coupling_factors(point)], root, 0.0)
    return one_way + one_way.T.tocsr()


def _not_found(size: int, bound: float) -> NeurobalError:
    return NeurobalError(
        f"convergence_rate: the slowest mode of a component of {size} units was not found; its eigenvalue is below "
        f"{bound:.3g}, relative to the largest cost of the component. Leave out synapses with very small costs."
    )


def _columnwise(correction: CoarseCorrection) -> object:
    def product(v: Array) -> Array:
        return v + (correction(v) if v.ndim == 1 else np.column_stack([correction(column) for column in v.T]))

    return product
