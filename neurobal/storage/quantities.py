"""Values with physical units, which only a simulator's package knows: found by name, imported when they occur."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from neurobal.errors import InvalidFileError

# By the package that a value's type comes from: the module that takes it apart and makes it again.
UNITS = {"brian2": "neurobal.brian.network.units"}


def knows(value: Any) -> bool:
    """Whether a value has units, or is one's dimension."""
    return _package(value) in UNITS


def parts(value: Any) -> list[Any]:
    """``[package, number or array (None: a dimension alone), exponents of the base units]``."""
    package = _package(value)
    found = import_module(UNITS[package]).parts(value)
    if found is None:
        raise InvalidFileError(f"a {type(value).__name__} of {package} is no quantity: a file cannot hold it")
    return [package, *found]


def is_dimension(value: Any) -> bool:
    """Whether a value is the dimension of some unit, without a number."""
    return knows(value) and not isinstance(value, np.ndarray)


def built(package: str, number: float | np.ndarray | None, exponents: list[float]) -> Any:
    """The value of these parts."""
    if package not in UNITS:
        raise InvalidFileError(f"it holds a quantity of {package!r}, which this version does not know")
    try:
        module = import_module(UNITS[package])
    except ImportError as error:
        raise InvalidFileError(f"it holds quantities of {package}, which is not installed here ({error})") from error
    return module.built(number, exponents)


def _package(value: Any) -> str:
    return type(value).__module__.partition(".")[0]
