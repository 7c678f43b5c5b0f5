"""Numbers that users give, as checked arrays: errors name what they are, and the first wrong entry."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import InvalidInputError, NotFiniteError

Array: TypeAlias = np.ndarray
Shape: TypeAlias = tuple[int | None, ...]  # None: any length


def real(values: Any, what: str) -> Array:
    """A copy as real numbers, in base units. Single precision stays, all else becomes double."""
    values = values.toarray() if sparse.issparse(values) else values
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype == object and all(isinstance(value, Real) for value in array.flat):  # fractions
        array = array.astype(float)
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
    """Which of ``size`` neurons, as integers."""
    array = np.atleast_1d(np.asarray(index))
    if array.size == 0:
        return np.zeros(0, dtype=np.int32)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InvalidInputError(f"{what}: expected a list of integers, got {array.dtype} of shape {array.shape}.")
    if array.min() < 0 or array.max() >= size:
        raise InvalidInputError(
            f"{what}: index {array.min() if array.min() < 0 else array.max()} is out of range for {size} neurons."
        )
    return array.astype(np.int32)


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
