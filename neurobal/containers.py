"""Weight matrices in their containers: from a dense or sparse (post, pre) matrix to a list of synapses and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray
Restore: TypeAlias = Callable[[Array], Any]


def flat_weights(weight: Array) -> Array:
    """The container of synapses that were given as a list: the list itself."""
    return weight.copy()


def read_matrix(matrix: Any, where: str, shape: tuple[int, int] | None = None) -> tuple[Array, Array, Array, Restore]:
    """``(post_index, pre_index, weight, restore)`` of a (post, pre) matrix, as independent arrays.

    Zeros of a dense matrix are absent synapses. ``restore(weight)`` puts weights back into the kind of container they
    came in, with a floating dtype. Integers become float64.
    """
    if isinstance(matrix, (list, tuple)):
        matrix = np.asarray(matrix)
    if getattr(matrix, "ndim", None) != 2:
        raise InvalidInputError(f"The weights of {where} must be a (post, pre) matrix, got {_kind(matrix)}.")
    if shape is not None and matrix.shape != shape:
        raise InvalidInputError(f"The weights of {where} must have shape (post, pre) = {shape}, got {matrix.shape}.")
    if matrix.dtype.kind not in "fiub":
        raise InvalidInputError(f"The weights of {where} must be real numbers, got {matrix.dtype}.")
    dtype = matrix.dtype if matrix.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return _read_sparse(matrix, dtype) if sparse.issparse(matrix) else _read_dense(np.asarray(matrix), dtype)


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


def _read_dense(matrix: Array, dtype: np.dtype) -> tuple[Array, Array, Array, Restore]:
    post, pre = np.nonzero(matrix)
    shape = matrix.shape

    def restore(weight: Array) -> Array:
        out = np.zeros(shape, dtype=weight.dtype)
        out[post, pre] = weight
        return out

    return post.astype(np.int32), pre.astype(np.int32), matrix[post, pre].astype(dtype), restore


def _kind(matrix: Any) -> str:
    dimensions = getattr(matrix, "ndim", None)
    return f"{type(matrix).__name__}" + ("" if dimensions is None else f" with {dimensions} dimension(s)")
