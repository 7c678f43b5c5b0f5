"""Weight matrices in their containers: from a dense or sparse (post, pre) matrix to a list of synapses and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidInputError
from neurobal.inputs import real, unboxed

Array: TypeAlias = np.ndarray


class Container(Protocol):
    """The kind of array that weights came in; it can be pickled and stored."""

    def filled(self, weight: Array, post_index: Array, pre_index: Array) -> Any:
        """These weights of synapses between these neurons, in such an array."""


@dataclass(frozen=True, eq=False)
class ListOfSynapses:
    """The container of synapses that were given as a list: the list itself.

    ``mask`` marks the absent synapses of a masked list (None: there were none).
    """

    mask: Array | None = None

    def filled(self, weight: Array, post_index: Array, pre_index: Array) -> Any:
        return weight.copy() if self.mask is None else _masked(weight, ~self.mask, self.mask)


@dataclass(frozen=True, eq=False)
class DenseMatrix:
    """A (post, pre) array of this shape; ``mask`` is that of a masked array (None: it was none)."""

    shape: tuple[int, int]
    mask: Array | None = None

    def filled(self, weight: Array, post_index: Array, pre_index: Array) -> Any:
        if self.mask is not None:
            return _masked(weight, (post_index, pre_index), self.mask)
        out = np.zeros(self.shape, dtype=weight.dtype)
        out[post_index, pre_index] = weight
        return out


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A (post, pre) scipy sparse matrix of this shape, its synapses in the order of its rows.

    ``format`` is as scipy calls it ("csr", "coo", ...); ``is_array`` tells ``csr_array`` from ``csr_matrix``.
    """

    shape: tuple[int, int]
    format: str
    is_array: bool

    def filled(self, weight: Array, post_index: Array, pre_index: Array) -> Any:
        ends = np.zeros(self.shape[0] + 1, dtype=np.int64)
        np.cumsum(np.bincount(post_index, minlength=self.shape[0]), out=ends[1:])
        kind = sparse.csr_array if self.is_array else sparse.csr_matrix
        rows = kind((weight.copy(), pre_index.copy(), ends), shape=self.shape)
        return rows if self.format == "csr" else rows.asformat(self.format)


def read_matrix(matrix: Any, where: str, shape: tuple[int, int] | None = None) -> tuple[Array, Array, Array, Container]:
    """``(post_index, pre_index, weight, container)`` of a (post, pre) matrix, as independent arrays.

    Zeros of a dense matrix and masked entries of a masked array are absent synapses. The container has a
    floating dtype: integers become float64.
    """
    if isinstance(matrix, (list, tuple)):
        matrix = np.asarray(matrix)
    if isinstance(matrix, np.ndarray) and matrix.dtype == object:
        matrix = _unboxed(matrix)
    if getattr(matrix, "ndim", None) != 2:
        raise InvalidInputError(f"The weights of {where} must be a (post, pre) matrix, got {_kind(matrix)}.")
    if shape is not None and matrix.shape != shape:
        raise InvalidInputError(f"The weights of {where} must have shape (post, pre) = {shape}, got {matrix.shape}.")
    if matrix.dtype.kind not in "fiub":
        raise InvalidInputError(f"The weights of {where} must be real numbers, got {matrix.dtype}.")
    dtype = matrix.dtype if matrix.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    if sparse.issparse(matrix):
        return _read_sparse(matrix, dtype)
    mask = np.ma.getmaskarray(matrix) if isinstance(matrix, np.ma.MaskedArray) else None
    return _read_dense(np.asarray(matrix), dtype, mask)


def read_list(weight: Any, where: str) -> tuple[Array, Array | None, Container]:
    """``(weight, present, container)`` of weights that are listed synapse by synapse.

    Masked entries are absent synapses: ``present`` marks the others (None: all). The container is a list of the
    original length, masked where it was.
    """
    if not isinstance(weight, np.ma.MaskedArray):
        return real(weight, where), None, ListOfSynapses()
    mask = np.ma.getmaskarray(weight)
    return real(weight.compressed(), where), ~mask, ListOfSynapses(mask.copy())


def _read_sparse(matrix: Any, dtype: np.dtype) -> tuple[Array, Array, Array, Container]:
    rows = matrix.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()  # so that equal matrices list their synapses in one order
    post = np.repeat(np.arange(rows.shape[0], dtype=np.int32), np.diff(rows.indptr))
    container = SparseMatrix(_shape(rows), matrix.format, isinstance(matrix, sparse.sparray))
    return post, rows.indices.astype(np.int32), rows.data.astype(dtype), container


def _read_dense(matrix: Array, dtype: np.dtype, mask: Array | None) -> tuple[Array, Array, Array, Container]:
    present = matrix != 0 if mask is None else (matrix != 0) & ~mask
    post, pre = np.nonzero(present)
    container = DenseMatrix(_shape(matrix), None if mask is None else mask.copy())
    return post.astype(np.int32), pre.astype(np.int32), matrix[post, pre].astype(dtype), container


def _shape(matrix: Any) -> tuple[int, int]:
    post, pre = matrix.shape
    return int(post), int(pre)


def _masked(weight: Array, where: Any, mask: Array) -> np.ma.MaskedArray:
    """A masked array with these weights at ``where``, and zeros elsewhere."""
    out = np.zeros(mask.shape, dtype=weight.dtype)
    out[where] = weight
    return np.ma.MaskedArray(out, mask=mask)


def _unboxed(matrix: Array) -> Array:
    """A matrix of Python numbers as one of floats; what a mask hides need not be a number."""
    if not isinstance(matrix, np.ma.MaskedArray):
        return unboxed(matrix)
    mask = np.ma.getmaskarray(matrix)
    return np.ma.MaskedArray(unboxed(np.where(mask, 0.0, matrix.data)), mask=mask)


def _kind(matrix: Any) -> str:
    dimensions = getattr(matrix, "ndim", None)
    return f"{type(matrix).__name__}" + ("" if dimensions is None else f" with {dimensions} dimension(s)")
