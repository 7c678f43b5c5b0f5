"""Readers of user input: numbers, indices, masks and labels as checked arrays.

An error names the argument, what was expected, and the first wrong entry. Every function takes ``what``, the words by
which errors call the argument.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidInputError, NotFiniteError

Array: TypeAlias = np.ndarray
Shape: TypeAlias = tuple[int | None, ...]  # None: any length


def plain(values: Any, what: str) -> Array:
    """An array-like as an array of numbers, flags or strings: objects that are numbers (fractions, say) converted.

    Sparse matrices become dense. Raises InvalidInputError for entries that a mask hides: nobody knows their values.
    """
    values = values.toarray() if sparse.issparse(values) else values
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        hidden = np.argwhere(np.ma.getmaskarray(values))
        raise InvalidInputError(
            f"{what}: {len(hidden)} of {values.size} entries are masked, the first is entry "
            f"{', '.join(map(str, hidden[0]))}. Give every entry a value (values.filled(...))."
        )
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return np.asarray(None)
    return unboxed(array)


def unboxed(array: Array) -> Array:
    """An array of Python objects as one of flags, integers or double-precision numbers, if all of them are such."""
    if array.dtype == object and array.size:
        for kind, dtype in ((bool | np.bool_, bool), (Integral, np.int64), (Real, np.float64)):
            if all(isinstance(value, kind) for value in array.flat):
                try:
                    return array.astype(dtype)
                except OverflowError:  # integers beyond 64 bits
                    continue
    return array


def real(values: Any, what: str) -> Array:
    """A copy as real numbers, in base units. Single precision stays, all else becomes double."""
    array = plain(values, what)
    if array.dtype.kind not in "fiub":
        raise InvalidInputError(f"{what}: expected real numbers, got {type(values).__name__} {values!r:.60}.")
    return array.astype(array.dtype if array.dtype in (np.float32, np.float64) else np.float64)


def numbers(values: Any, what: str, *shapes: Shape) -> Array:
    """Finite real numbers of one of these shapes, in double precision."""
    return _checked(real(values, what), what, shapes).astype(float, copy=False)


def per_neuron(values: Any, size: int, what: str) -> Array:
    """Finite real numbers, one a neuron (size,), in their own precision; one number stands for all of them."""
    array = _checked(real(values, what), what, ((), (size,)))
    return np.full(size, array) if array.ndim == 0 else array


def exponent(value: Any, size: int, what: str) -> float | Array:
    """A finite number, or one a neuron if they are not all equal."""
    array = numbers(value, what, (), (size,))
    if array.ndim == 0:
        return float(array)
    return float(array[0]) if size and np.all(array == array[0]) else array


def indices(index: Any, size: int, what: str) -> Array:
    """Which of ``size`` neurons, as integers from 0 to size - 1 (int32); negative ones do not count from the end."""
    array = np.atleast_1d(plain(index, what))
    if array.size == 0:
        return np.zeros(0, dtype=np.int32)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InvalidInputError(f"{what}: expected a list of integers, got {array.dtype} of shape {array.shape}.")
    if array.min() < 0 or array.max() >= size:
        wrong = array.min() if array.min() < 0 else array.max()
        hint = (
            f" Negative indices do not count from the end: did you mean {size + wrong}?" if -size <= wrong < 0 else ""
        )
        raise InvalidInputError(f"{what}: index {wrong} is out of range for {size} neurons.{hint}")
    return array.astype(np.int32)


def neuron_mask(neurons: Any, size: int, what: str) -> Array:
    """A choice of neurons (True, False, a mask, indices or a slice) as a boolean array (size,)."""
    mask = np.zeros(size, dtype=bool)
    if isinstance(neurons, (bool, np.bool_)):
        mask[:] = neurons
        return mask
    if isinstance(neurons, slice):
        mask[neurons] = True
        return mask
    array = np.atleast_1d(plain(neurons, what))
    if array.size == 0:
        return mask
    if array.dtype == bool:
        if array.shape != (size,):
            raise InvalidInputError(f"{what}: expected a mask of {size} entries, got shape {array.shape}.")
        return array.copy()
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        raise InvalidInputError(f"{what}: expected a mask, integer indices or a slice, got {neurons!r}.")
    mask[indices(array, size, what)] = True
    return mask


def tie_labels(labels: Any, size: int, what: str) -> Array | None:
    """Ties of neurons (None, True for one common label, or labels) as integers (size,), negative where untied."""
    if labels is None or labels is False:
        return None
    if labels is True:
        return np.zeros(size, dtype=np.int64)
    array = plain(labels, what)
    if array.shape != (size,):
        raise InvalidInputError(f"{what}: expected {size} labels, one a neuron, got shape {array.shape}.")
    if np.issubdtype(array.dtype, np.integer):
        return array.astype(np.int64)
    if array.dtype.kind in "USO":
        return np.unique(array.astype(str), return_inverse=True)[1].astype(np.int64)
    raise InvalidInputError(f"{what}: labels must be integers or strings, got {array.dtype}.")


def _checked(array: Array, what: str, shapes: tuple[Shape, ...]) -> Array:
    if not any(_fits(array.shape, shape) for shape in shapes):
        expected = " or ".join(_described(shape) for shape in shapes)
        raise InvalidInputError(f"{what}: expected {expected}, got {_described(array.shape)}.")
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        first = tuple(int(k) for k in wrong[0])
        where = f"entry {first[0] if len(first) == 1 else first}" if first else "it"
        more = f"; {len(wrong)} of {array.size} are not" if len(wrong) > 1 else ""
        raise NotFiniteError(f"{what}: {where} is {array[first]}, not a finite number{more}.", what)
    return array


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    return len(shape) == len(expected) and all(n is None or n == m for m, n in zip(shape, expected, strict=True))


def _described(shape: Shape) -> str:
    if not shape:
        return "a number"
    lengths = ", ".join("any" if length is None else str(length) for length in shape)
    return f"an array of shape ({lengths}{',' if len(shape) == 1 else ''})"


def tolerance(tol: float) -> float:
    """A tolerance, between 0 and 1."""
    if isinstance(tol, bool) or not isinstance(tol, Real) or not 0 < tol < 1:
        raise InvalidInputError(f"tol: expected a number between 0 and 1, got {tol!r}.")
    return float(tol)
