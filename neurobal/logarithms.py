"""Factors and sums of numbers that only their logarithms can hold."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray


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
