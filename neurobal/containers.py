"""Weight matrices in their containers: from a dense or sparse (post, pre) matrix to a list of synapses and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidInputError
from neurobal.inputs import real, unboxed

Array: TypeAlias = np.ndarray
Restore: TypeAlias = Callable[[Array], Any]


def flat_weights(weight: Array) -> Array:
    """The container of synapses that were given as a list: the list itself."""
    return weight.copy()


def read_matrix(matrix: Any, where: str, shape: tuple[int, int] | None = None) -> tuple[Array, Array, Array, Restore]:
    """``(post_index, pre_index, weight, restore)`` of a (post, pre) matrix, as independent arrays.

    Zeros of a dense matrix and masked entries of a masked array are absent synapses. ``restore(weight)`` puts weights
    back into the kind of container they came in, with a floating dtype. Integers become float64.
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


def read_list(weight: Any, where: str) -> tuple[Array, Array | None, Restore]:
    """``(weight, present, restore)`` of weights that are listed synapse by synapse.

    Masked entries are absent synapses: ``present`` marks the others (None: all). ``restore`` gives back a list of the
    original length, masked where it was.
    """
    if not isinstance(weight, np.ma.MaskedArray):
        return real(weight, where), None, flat_weights
    mask = np.ma.getmaskarray(weight)

    def restore(weight: Array) -> Array:
        return _with_mask(weight, ~mask, mask)

    return real(weight.compressed(), where), ~mask, restore


def _read_sparse(matrix: Any, dtype: np.dtype) -> tuple[Array, Array, Array, Restore]:
    rows = matrix.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()  # so that equal matrices list their synapses in one order
    indices, indptr = rows.indices.copy(), rows.indptr.copy()
    post = np.repeat(np.arange(rows.shape[0], dtype=np.int32), np.diff(indptr))

    def restore(weight: Array) -> Any:
        container = type(rows)((weight.copy(), indices.copy(), indptr.copy()), shape=rows_shape)
        return container if kind == "csr" else container.asformat(kind)

    rows_shape, kind = rows.shape, matrix.format
    return post, indices.astype(np.int32, copy=False), rows.data.astype(dtype), restore


def _read_dense(matrix: Array, dtype: np.dtype, mask: Array | None) -> tuple[Array, Array, Array, Restore]:
    present = matrix != 0 if mask is None else (matrix != 0) & ~mask
    post, pre = np.nonzero(present)
    shape = matrix.shape

    def restore(weight: Array) -> Array:
        if mask is not None:
            return _with_mask(weight, (post, pre), mask)
        out = np.zeros(shape, dtype=weight.dtype)
        out[post, pre] = weight
        return out

    return post.astype(np.int32), pre.astype(np.int32), matrix[post, pre].astype(dtype), restore


def _with_mask(weight: Array, where: Any, mask: Array) -> np.ma.MaskedArray:
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
