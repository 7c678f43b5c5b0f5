"""Costs of synapses in memory, as a sparse matrix."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.logarithms import log_sums
from neurobal.stores.protocol import Choice, Shift

Array: TypeAlias = np.ndarray


class InMemory:
    """A `SynapseStore` in CSR form, (post, pre)."""

    def __init__(self, log_cost: sparse.csr_array) -> None:
        self._matrix = log_cost

    @classmethod
    def of_synapses(cls, post: Array, pre: Array, log_cost: Array, size: int) -> InMemory:
        """From lists of synapses; several between the same two nodes become one, log(Σ exp)."""
        return cls(_by_rows(post, pre, log_cost, size))

    @property
    def size(self) -> int:
        return int(self._matrix.shape[0])

    @property
    def nnz(self) -> int:
        return int(self._matrix.nnz)

    def log_range(self) -> tuple[float, float]:
        return float(self._matrix.data.min()), float(self._matrix.data.max())

    def ends(self) -> tuple[Array, Array]:
        sending = np.zeros(self.size, dtype=bool)
        sending[self._matrix.indices] = True
        return self._counts() > 0, sending

    def largest(self, shift: Shift) -> Array:
        largest = np.full(self.size, -np.inf)
        filled = np.flatnonzero(self._counts())
        largest[filled] = np.maximum.reduceat(self._shifted(shift), self._matrix.indptr[filled])
        return largest

    def log_sums(self, shift: Shift) -> tuple[Array, Array]:
        logs = self._shifted(shift)
        return log_sums(self._post(), logs, self.size), log_sums(self._matrix.indices, logs, self.size)

    def costs(self, shift: Shift, log_unit: Array | float) -> InMemoryCosts:
        if np.ndim(log_unit) == 0:
            numbers = self._shifted(shift) - log_unit
        else:
            numbers = np.repeat(-np.asarray(log_unit), self._counts())
            numbers += self._shifted(shift)
        return InMemoryCosts(self._like(np.exp(numbers, out=numbers)))

    def extremes(self, left: Array, right: Array) -> tuple[float, float]:
        sums = np.repeat(left, self._counts())
        sums += right[self._matrix.indices]
        return float(sums.min()), float(sums.max())

    def any(self, choice: Choice) -> bool:
        return bool(np.any(choice(self._post(), self._matrix.indices)))

    def filtered(self, choice: Choice) -> InMemory:
        post, pre, log_cost = self.entries()
        keep = choice(post, pre)
        return InMemory.of_synapses(post[keep], pre[keep], log_cost[keep], self.size)

    def structure(self) -> sparse.csr_array:
        return self._matrix

    def entries(self) -> tuple[Array, Array, Array]:
        return self._post(), self._matrix.indices, self._matrix.data

    def _counts(self) -> Array:
        return np.diff(self._matrix.indptr)

    def _post(self) -> Array:
        return np.repeat(np.arange(self.size, dtype=np.int32), self._counts())

    def _shifted(self, shift: Shift) -> Array:
        if shift is None:
            return self._matrix.data
        logs = np.repeat(shift[0], self._counts())
        logs += shift[1][self._matrix.indices]
        logs += self._matrix.data
        return logs

    def _like(self, values: Array) -> sparse.csr_array:
        return sparse.csr_array((values, self._matrix.indices, self._matrix.indptr), shape=self._matrix.shape)


class InMemoryCosts:
    """`ShiftedCosts` in CSR form."""

    def __init__(self, costs: sparse.csr_array) -> None:
        self._matrix = costs
        self._transposed = costs.T  # SciPy makes a new object at each `.T`: keep it

    def sums(self, t: Array, s: Array) -> tuple[Array, Array]:
        return self._matrix @ t, self._transposed @ s

    def couplings(self, left: Array, right: Array) -> sparse.csr_array:
        matrix = self._matrix
        values = np.repeat(left, np.diff(matrix.indptr))
        values *= matrix.data
        values *= right[matrix.indices]
        return sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def _by_rows(post: Array, pre: Array, log_cost: Array, size: int) -> sparse.csr_array:
    if post.size and np.any(post[1:] < post[:-1]):
        order = np.argsort(post, kind="stable")
        post, pre, log_cost = post[order], pre[order], log_cost[order]
    indptr = np.zeros(size + 1, dtype=np.int32 if post.size < 2**31 else np.int64)
    np.cumsum(np.bincount(post, minlength=size), out=indptr[1:])
    # SciPy sorts in place, and these arrays may belong to the circuit.
    matrix = sparse.csr_array((log_cost, pre, indptr), shape=(size, size))
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if matrix.has_canonical_format:
        return matrix
    first = np.ones(post.size, dtype=bool)
    first[1:] = (post[1:] != post[:-1]) | (matrix.indices[1:] != matrix.indices[:-1])
    starts = np.flatnonzero(first)
    np.cumsum(np.bincount(post[starts], minlength=size), out=indptr[1:])
    merged = np.logaddexp.reduceat(matrix.data, starts)
    return sparse.csr_array((merged, matrix.indices[starts], indptr), shape=(size, size))
