"""``finite_or(x, other)`` for the code of simulations: replaces infinities and NaN."""

from __future__ import annotations

import numpy as np
from brian2 import Function

CPP = """
double finite_or(double x, double other)
{
    return std::isfinite(x) ? x : other;
}
"""
CYTHON = """
from libc.math cimport isfinite
cdef double finite_or(double x, double other):
    return x if isfinite(x) else other
"""


def _finite_or(x: np.ndarray, other: float) -> np.ndarray:
    return np.where(np.isfinite(x), x, other)


#: ``finite_or(x, other)``: x if it is a finite number, else ``other``. No arithmetic can do that: nan times 0 is nan.
FINITE_OR = Function(_finite_or, arg_units=[1, 1], return_unit=1)
FINITE_OR.implementations.add_numpy_implementation(_finite_or, discard_units=True)  # checking takes longer than all
FINITE_OR.implementations.add_implementation("cpp", CPP, name="finite_or")
FINITE_OR.implementations.add_implementation("cython", CYTHON, name="finite_or")
