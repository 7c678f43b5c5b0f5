"""Costs of synapses in memory, as a sparse matrix."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.logarithms import MODERATE, log_sums, positive_range
from neurobal.stores import bands
from neurobal.stores.protocol import Choice, Shift

Array: TypeAlias = np.ndarray

THREADS = min(4, os.cpu_count() or 1)
WORTH_THREADS = 1_000_000  # synapses below which a thread costs more than it saves
FEW_LOST = 0.8  # share of synapses that remain from which on those left out cost less as zeros than a new matrix
DENSE = 0.5  # share of all pairs of nodes that are connected from which on products with a dense array are faster


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="neurobal")


class InMemory:
    """A `SynapseStore` in CSR form, (post, pre).

    The matrix holds costs in units of ``exp(log_unit)``, where 0 stands for no cost (as of self-connections), or, if
    ``log_unit`` is None, the logarithms of costs: slower, and without limits.
    """

    def __init__(self, matrix: sparse.csr_array, log_unit: float | None = None, *, with_absent: bool = False) -> None:
        """``with_absent``: zeros in the matrix stand between nodes that no cost may connect."""
        self._matrix = matrix
        self._log_unit = log_unit
        self._with_absent = with_absent

    @classmethod
    def of_synapses(cls, post: Array, pre: Array, values: Array, size: int, log_unit: float | None = None) -> InMemory:
        """From lists of synapses; several between the same two nodes become one, with the sum of their costs."""
        return cls(_by_rows(post, pre, values, size, logarithms=log_unit is None), log_unit)

    @property
    def size(self) -> int:
        return int(self._matrix.shape[0])

    @property
    def nnz(self) -> int:
        return int(self._matrix.nnz if self._log_unit is None else np.count_nonzero(self._matrix.data))

    def log_range(self) -> tuple[float, float]:
        values = self._matrix.data
        if self._log_unit is None:
            return float(values.min()), float(values.max())
        low, high = positive_range(values) or (1.0, 1.0)
        return math.log(low) + self._log_unit, math.log(high) + self._log_unit

    def ends(self) -> tuple[Array, Array]:
        if self._log_unit is not None:
            received, sent = InMemoryCosts(self._matrix).sums(np.ones(self.size), np.ones(self.size))
            return received > 0, sent > 0
        sending = np.zeros(self.size, dtype=bool)
        sending[self._matrix.indices] = True
        return self._counts() > 0, sending

    def largest(self, shift: Shift) -> Array:
        if shift is None and self._log_unit is not None:
            with np.errstate(divide="ignore"):
                return np.log(bands.row_maxima(self._matrix.indptr, self._matrix.data)) + self._log_unit
        largest = np.full(self.size, -np.inf)
        filled = np.flatnonzero(self._counts())
        largest[filled] = np.maximum.reduceat(self._shifted(shift), self._matrix.indptr[filled])
        return largest

    def log_sums(self, shift: Shift) -> tuple[Array, Array]:
        logs = self._shifted(shift)
        return log_sums(self._post(), logs, self.size), log_sums(self._matrix.indices, logs, self.size)

    def costs(self, shift: Shift, log_unit: Array | float) -> InMemoryCosts:
        if self._log_unit is not None:
            # One factor a node instead of one exponential a synapse, where it is in range.
            left = (0.0 if shift is None else shift[0]) + self._log_unit - np.asarray(log_unit)
            right = 0.0 if shift is None else shift[1]
            if max(np.abs(left).max(), np.abs(right).max()) <= MODERATE:
                return InMemoryCosts(self._matrix, np.exp(left), np.exp(right))
        if np.ndim(log_unit) == 0:
            numbers = self._shifted(shift) - log_unit
        else:
            numbers = np.repeat(-np.asarray(log_unit), self._counts())
            numbers += self._shifted(shift)
        return InMemoryCosts(self._like(np.exp(numbers, out=numbers)))

    def extremes(self, left: Array, right: Array) -> tuple[float, float]:
        low, high = np.inf, -np.inf
        for _, post, pre in self._in_bands():
            sums = left[post] + right[pre]
            low, high = min(low, float(sums.min(initial=np.inf))), max(high, float(sums.max(initial=-np.inf)))
        return low, high

    def any(self, choice: Choice) -> bool:
        return any(bool(np.any(choice(post, pre))) for _, post, pre in self._in_bands())

    def filtered(self, choice: Choice) -> InMemory:
        keep = np.zeros(self._matrix.nnz, dtype=bool)
        for entries, post, pre in self._in_bands():
            keep[entries] = choice(post, pre)
        if self._log_unit is not None and np.count_nonzero(keep) > FEW_LOST * keep.size:
            return InMemory(self._like(self._matrix.data * keep), self._log_unit, with_absent=True)
        kept = np.flatnonzero(keep)
        post, pre, values = self._post()[kept], self._matrix.indices[kept], self._matrix.data[kept]
        return InMemory.of_synapses(post, pre, values, self.size, self._log_unit)

    def structure(self) -> sparse.csr_array:
        if not self._with_absent:
            return self._matrix
        structure = self._matrix.copy()
        structure.eliminate_zeros()
        return structure

    def entries(self) -> tuple[Array, Array, Array]:
        post, pre, logs = self._post(), self._matrix.indices, self._logs()
        if self._log_unit is not None and not self._matrix.data.all():
            there = np.flatnonzero(self._matrix.data)
            return post[there], pre[there], logs[there]
        return post, pre, logs

    def _in_bands(self) -> Iterator[tuple[slice | Array, Array, Array]]:
        """Band by band which entries of the matrix synapses are, their postsynaptic and their presynaptic nodes."""
        indptr, indices = self._matrix.indptr, self._matrix.indices
        for first, last in bands.cuts(indptr):
            post = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(indptr[first : last + 1]))
            entries = slice(int(indptr[first]), int(indptr[last]))
            if self._with_absent:
                there = np.flatnonzero(self._matrix.data[entries])
                yield there + entries.start, post[there], indices[entries][there]
            else:
                yield entries, post, indices[entries]

    def _counts(self) -> Array:
        return np.diff(self._matrix.indptr)

    def _post(self) -> Array:
        return np.repeat(np.arange(self.size, dtype=np.int32), self._counts())

    def _logs(self) -> Array:
        if self._log_unit is None:
            return self._matrix.data
        with np.errstate(divide="ignore"):
            logs = np.log(self._matrix.data)
        logs += self._log_unit
        return logs

    def _shifted(self, shift: Shift) -> Array:
        if shift is None:
            return self._logs()
        logs = np.repeat(shift[0], self._counts())
        logs += shift[1][self._matrix.indices]
        logs += self._logs()
        return logs

    def _like(self, values: Array) -> sparse.csr_array:
        return sparse.csr_array((values, self._matrix.indices, self._matrix.indptr), shape=self._matrix.shape)


class InMemoryCosts:
    """`ShiftedCosts`: ``left[post] matrix right[pre]``, where a factor 1 stands for ones everywhere.

    A pass over many synapses is shared among threads, in bands of rows (SciPy's products release the interpreter lock).
    """

    def __init__(self, matrix: sparse.csr_array, left: Array | float = 1.0, right: Array | float = 1.0) -> None:
        self._matrix = matrix
        self._left, self._right = left, right
        self._plain = bool(np.all(np.asarray(left) == 1) and np.all(np.asarray(right) == 1))
        self._dense = matrix.toarray() if matrix.nnz > DENSE * matrix.shape[0] * matrix.shape[1] else None

    @cached_property
    def _bands(self) -> list[tuple[slice, sparse.csr_array, sparse.csc_array]]:
        """A band of rows for each thread, and its transpose."""
        matrix = self._matrix
        share = matrix.nnz // THREADS + 1 if matrix.nnz >= WORTH_THREADS else matrix.nnz + 1
        return [(rows, band, bands.transposed(band)) for rows, band in bands.bands(matrix, share)]

    def sums(self, t: Array, s: Array) -> tuple[Array, Array]:
        if self._plain:
            return self._products(t, s)
        received, sent = self._products(t * self._right, s * self._left)
        received *= self._left
        sent *= self._right
        return received, sent

    def _products(self, t: Array, s: Array) -> tuple[Array, Array]:
        if self._dense is not None:
            # Without BLAS: its threads wait for each other on a busy machine.
            return np.einsum("ij,j->i", self._dense, t), np.einsum("ij,i->j", self._dense, s)
        if len(self._bands) == 1:
            _, matrix, transposed = self._bands[0]
            return matrix @ t, transposed @ s
        parts = list(_pool().map(lambda part: (part[1] @ t, part[2] @ s[part[0]]), self._bands))
        sent = parts[0][1]
        for _, more in parts[1:]:
            sent += more
        return np.concatenate([part[0] for part in parts]), sent

    def strong(self, left: Array, right: Array, degree: Array, share: float) -> sparse.csr_array:
        left, right, root = left * self._left, right * self._right, np.sqrt(degree)
        return sparse.vstack(
            [bands.strong(band, left[rows], right, root, share) for rows, band in bands.bands(self._matrix)], "csr"
        )

    def grouped(self, left: Array, right: Array, groups: Array, count: int) -> sparse.csr_array:
        left, to_groups = left * self._left, bands.members(right * self._right, groups, count)
        return bands.added(
            (
                bands.grouped(band, bands.members(left[rows], groups[rows], count), to_groups)
                for rows, band in bands.bands(self._matrix)
            ),
            count,
        )


def _by_rows(post: Array, pre: Array, values: Array, size: int, *, logarithms: bool) -> sparse.csr_array:
    if post.size and np.any(post[1:] < post[:-1]):
        order = np.argsort(post, kind="stable")
        post, pre, values = post[order], pre[order], values[order]
    indptr = _starts(post, size)
    # SciPy sorts in place, and these arrays may belong to the circuit.
    matrix = sparse.csr_array((values, pre, indptr), shape=(size, size))
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if matrix.has_canonical_format:
        return matrix
    first = np.ones(post.size, dtype=bool)
    first[1:] = (post[1:] != post[:-1]) | (matrix.indices[1:] != matrix.indices[:-1])
    starts = np.flatnonzero(first)
    merged = (np.logaddexp if logarithms else np.add).reduceat(matrix.data, starts)
    return sparse.csr_array((merged, matrix.indices[starts], _starts(post[starts], size)), shape=(size, size))


def _starts(post: Array, size: int) -> Array:
    """Where each row begins, of synapses in the order of their rows."""
    rows = np.arange(size + 1, dtype=post.dtype)
    return np.searchsorted(post, rows).astype(np.int32 if post.size < 2**31 else np.int64)
