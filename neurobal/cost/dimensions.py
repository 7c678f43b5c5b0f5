"""Physical dimensions, opaque here: Brian2's Dimension objects, which know * and **, or None for a plain number."""

from __future__ import annotations

from typing import Any


def dimension_of(value: Any) -> Any:
    """The dimension of a value with units; None for a number."""
    dimension = getattr(value, "dim", None)
    return None if dimension is None or getattr(dimension, "is_dimensionless", False) else dimension


def raised(dimension: Any, p: float) -> Any:
    """That of a power."""
    return None if dimension is None else dimension**p


def times(left: Any, right: Any) -> Any:
    """That of a product."""
    if left is None or right is None:
        return right if left is None else left
    product = left * right
    return None if getattr(product, "is_dimensionless", False) else product


def same(left: Any, right: Any) -> bool:
    """Whether two dimensions are equal."""
    return left is right or (left is not None and right is not None and bool(left == right))


def named(dimension: Any) -> str:
    """How messages call a dimension."""
    return "1" if dimension is None else str(dimension)
