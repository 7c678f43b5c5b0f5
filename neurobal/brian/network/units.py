"""Quantities and dimensions as numbers and exponents of base units, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import Quantity
from brian2.units.fundamentalunits import Dimension, get_or_create_dimension

from neurobal.errors import InvalidFileError

BASE_UNITS = ("m", "kg", "s", "A", "K", "mol", "cd")  # in the order of Brian2
LARGEST = 1000  # exponent of a unit


def parts(value: Any) -> list[Any] | None:
    """``[number or array in base units, exponents]`` of a quantity, ``[None, exponents]`` of a dimension."""
    if isinstance(value, Quantity):
        plain = np.array(value, dtype=float)
        return [plain if plain.ndim else float(plain), _exponents(value.dim)]
    return [None, _exponents(value)] if isinstance(value, Dimension) else None


def built(number: Any, exponents: list[float]) -> Any:
    """The quantity, or (number None) the dimension."""
    if len(exponents) != len(BASE_UNITS) or not all(abs(e) < LARGEST for e in exponents):
        raise InvalidFileError(f"a dimension has exponents {exponents!r:.60}")
    dimension = get_or_create_dimension(tuple(exponents))
    return dimension if number is None else Quantity(number, dim=dimension)


def _exponents(dimension: Dimension) -> list[float]:
    exponents = [dimension.get_dimension(unit) for unit in BASE_UNITS]
    return [int(exponent) if exponent == int(exponent) else float(exponent) for exponent in exponents]
