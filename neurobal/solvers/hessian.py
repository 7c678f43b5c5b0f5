"""The Hessian as a matrix, scaled to a unit diagonal: for Newton systems that need many products with it.

``D^-½ H D^-½ = 1 - W`` with W symmetric and non-negative for a, b > 0. One product with W costs about half of a pair of
products with the costs and their transpose, and is shared among threads (SciPy's products release the interpreter
lock).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.potential import Point, Potential

Array: TypeAlias = np.ndarray

THREADS = min(4, os.cpu_count() or 1)
WORTH_THREADS = 300_000  # entries below which a thread costs more than it saves


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="neurobal")


class ScaledHessian:
    """``v -> v - W v``; ``couplings`` is W, ``root`` is D^½. A product counts as one of the potential's evaluations."""

    def __init__(self, potential: Potential, point: Point) -> None:
        self._potential = potential
        self.root = np.sqrt(np.where(point.curvature > 0, point.curvature, 1.0))
        self.couplings = _couplings(potential, point, 1.0 / self.root)
        self._parts = _row_parts(self.couplings)

    def __matmul__(self, v: Array) -> Array:
        self._potential.evaluations += 1
        if len(self._parts) == 1:
            product = self._parts[0] @ v
        else:
            product = np.concatenate(list(_pool().map(lambda part: part @ v, self._parts)))
        return np.subtract(v, product, out=product)


def _couplings(potential: Potential, point: Point, scale: Array) -> sparse.csr_array:
    """``-D^-½ (H - D) D^-½``, in CSR form."""
    total: sparse.csr_array | None = None
    for (block, costs), (s, t) in zip(potential.costs, point.factors, strict=True):
        one_way = costs.couplings(s * scale, t * scale * (block.power**2 * block.a * block.b))
        total = one_way if total is None else total + one_way
    if total is None:
        return sparse.csr_array((potential.problem.size, potential.problem.size))
    return total + total.T.tocsr()


def _row_parts(matrix: sparse.csr_array) -> list[sparse.csr_array]:
    """The matrix cut into one band of rows a thread, with equal numbers of entries; the bands share its memory."""
    if matrix.nnz < WORTH_THREADS or THREADS == 1:
        return [matrix]
    cuts = np.searchsorted(matrix.indptr, np.linspace(0, matrix.nnz, THREADS + 1)[1:-1])
    edges = [0, *cuts.tolist(), matrix.shape[0]]
    parts = []
    for first, last in pairwise(edges):
        begin, end = matrix.indptr[first], matrix.indptr[last]
        band = (matrix.data[begin:end], matrix.indices[begin:end], matrix.indptr[first : last + 1] - begin)
        parts.append(sparse.csr_array(band, shape=(last - first, matrix.shape[1])))
    return parts
