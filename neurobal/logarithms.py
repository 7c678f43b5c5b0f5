"""Factors and sums of numbers that only their logarithms can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray

MODERATE = 300.0  # a factor e^300 on a node's costs leaves room for as much again
PIECE = 1 << 17  # entries that are worked on at a time, so that temporary arrays stay in the processor's cache


def log_sums(index: Array, log_values: Array, size: int) -> Array:
    """``log Σ exp(log_values)`` of the entries with each index; -inf where there is none."""
    top = np.full(size, -np.inf)
    np.maximum.at(top, index, log_values)
    reference = np.where(top == -np.inf, 0.0, top)
    with np.errstate(divide="ignore"):
        return reference + np.log(np.bincount(index, np.exp(log_values - reference[index]), minlength=size))


def multiplied(values: Array, log_factor: Array | float, *, dyadic: bool) -> Array:
    """``values * exp(log_factor)`` in the dtype of ``values``; exact where ``dyadic`` (factors are powers of two)."""
    if dyadic:
        return np.ldexp(values, np.rint(np.asarray(log_factor) / np.log(2)).astype(np.int32))
    # A factor may leave the range of floats where the product does not, so it is applied in two halves.
    with np.errstate(over="ignore", under="ignore"):
        half = np.multiply(log_factor, 0.5, dtype=float)
        half = np.exp(half, out=half if isinstance(half, np.ndarray) else None)
        product = values * half
        product *= half
        return product.astype(values.dtype, copy=False)


def pieces(size: int) -> Iterator[slice]:
    """Slices of `PIECE` entries that cover an array."""
    return (slice(start, start + PIECE) for start in range(0, size, PIECE))


def positive_range(values: Array) -> tuple[float, float] | None:
    """The smallest and the largest absolute value that is not 0; None if there is none."""
    low, high = math.inf, 0.0
    for piece in pieces(values.size):
        sizes = np.abs(values[piece])
        smallest = sizes.min()
        if smallest == 0:
            smallest = sizes.min(initial=math.inf, where=sizes > 0)
        low, high = min(low, float(smallest)), max(high, float(sizes.max()))
    return (low, high) if high > 0 else None


def rescaled(values: Array, gain: Array, post: Array, loss: Array, pre: Array, *, dyadic: bool) -> Array:
    """``values * exp(gain[post] - loss[pre])`` in the dtype of ``values``; exact where ``dyadic``.

    ``values``, ``post`` and ``pre`` have one entry a synapse, ``gain`` and ``loss`` one a neuron.
    """
    result = np.empty_like(values)
    for piece in pieces(values.size):
        factor = gain[post[piece]]
        factor -= loss[pre[piece]]
        result[piece] = multiplied(values[piece], factor, dyadic=dyadic)
    return result
