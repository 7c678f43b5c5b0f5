"""Costs in bands of rows: what a pass over synapses does with one band at a time.

A band is a CSR matrix, some postsynaptic nodes by all presynaptic ones. Its synapses are few enough that temporary
arrays over them stay in the processor's cache, and bands are what threads, files and workers share out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import sparse

Array: TypeAlias = np.ndarray

SYNAPSES = 300_000  # in a band


def cuts(indptr: Array, entries: int = SYNAPSES) -> list[tuple[int, int]]:
    """First and last (exclusive) rows of bands with about ``entries`` synapses each, at least one row."""
    rows = indptr.size - 1
    marks = np.searchsorted(indptr, np.arange(entries, int(indptr[-1]) - entries // 2, entries), side="left")
    edges = np.unique(np.concatenate([[0], marks, [rows]])).tolist()
    return list(pairwise(edges))


def csr(values: Array, columns: Array, indptr: Array, width: int) -> sparse.csr_array:
    """A CSR matrix of these very arrays: SciPy's constructor copies parts of larger arrays."""
    matrix = sparse.csr_array((indptr.size - 1, width), dtype=values.dtype)
    matrix.data, matrix.indices, matrix.indptr = values, columns, indptr
    return matrix


def transposed(matrix: sparse.csr_array) -> sparse.csc_array:
    """The transposed matrix, of the same arrays."""
    other = sparse.csc_array(matrix.shape[::-1], dtype=matrix.dtype)
    other.data, other.indices, other.indptr = matrix.data, matrix.indices, matrix.indptr
    return other


def band(matrix: sparse.csr_array, first: int, last: int) -> sparse.csr_array:
    """Rows ``first`` to ``last`` (exclusive) of a matrix, whose memory they share."""
    begin, end = matrix.indptr[first], matrix.indptr[last]
    indptr = matrix.indptr[first : last + 1] - begin
    return csr(matrix.data[begin:end], matrix.indices[begin:end], indptr, matrix.shape[1])


def bands(matrix: sparse.csr_array, entries: int = SYNAPSES) -> Iterator[tuple[slice, sparse.csr_array]]:
    """All bands of a matrix in order, with the rows that they are."""
    for first, last in cuts(matrix.indptr, entries):
        yield slice(first, last), band(matrix, first, last)


def row_maxima(indptr: Array, values: Array) -> Array:
    """The largest value in each row; 0 where it is empty."""
    largest = np.zeros(indptr.size - 1)
    filled = np.flatnonzero(np.diff(indptr))
    if filled.size:
        largest[filled] = np.maximum.reduceat(values, indptr[filled])
    return largest


def strong(costs: sparse.csr_array, left: Array, right: Array, root: Array, share: float) -> sparse.csr_array:
    """`ShiftedCosts.strong` of a band; ``left`` belongs to its rows, ``root`` is √degree of all nodes."""
    lengths = np.diff(costs.indptr)
    strength = costs.data * (right / root)[costs.indices]
    bar = np.repeat(share * row_maxima(costs.indptr, strength), lengths)
    keep = np.flatnonzero((strength >= bar) & (strength > 0))
    rows = np.searchsorted(costs.indptr, keep, side="right") - 1
    indices = costs.indices[keep]
    values = strength[keep] * root[indices] * left[rows]
    indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=lengths.size)))
    return sparse.csr_array((values, indices, indptr), shape=costs.shape)


def members(values: Array, groups: Array, count: int) -> sparse.csr_array:
    """The matrix that spreads values over groups: ``values[k]`` in row k and column ``groups[k]``."""
    ends = np.arange(groups.size + 1, dtype=np.int32)
    return sparse.csr_array((values, groups.astype(np.int32, copy=False), ends), shape=(groups.size, count))


def grouped(costs: sparse.csr_array, left: sparse.csr_array, right: sparse.csr_array) -> sparse.csr_array:
    """`ShiftedCosts.grouped` of a band, from the `members` of its rows and of all nodes."""
    return (left.T.tocsr() @ (costs @ right)).tocsr()


def added(parts: Iterable[sparse.csr_array], size: int) -> sparse.csr_array:
    """The sum of (size, size) matrices, of which only the sum and one more are kept in memory."""
    return sum(parts, start=sparse.csr_array((size, size)))
