"""Sums of numbers that only their logarithms can hold."""

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
