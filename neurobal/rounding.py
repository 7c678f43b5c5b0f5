"""Rounding scales to powers of two, so that multiplying by every power of λ that is used changes no mantissa."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit
from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray

LARGEST_DENOMINATOR = 24  # exponents are told from irrational numbers by fractions up to this denominator
ROUNDINGS = 16  # common shifts of h that are tried before it is rounded


def common_step(powers: Iterable[float]) -> int:
    """The smallest q for which λ = 2**q makes ``λ**power`` a power of two, for each of these powers.

    1 for whole powers, 2 where there is a square root. An irrational power has none: InvalidInputError.
    """
    step = 1
    for power in set(powers):
        fraction = Fraction(float(power)).limit_denominator(LARGEST_DENOMINATOR)
        if abs(float(fraction) - power) > 1e-12 * max(1.0, abs(power)):
            raise InvalidInputError(
                f"dyadic: exponent {power!r} is not a simple fraction, so no λ but 1 makes λ**{power:g} a power of "
                "two. Use dyadic=False."
            )
        step = math.lcm(step, fraction.denominator)
    return step


def quantum(circuit: Circuit) -> float:
    """The step of h = log λ with which every power of λ that the circuit uses moves by whole powers of two."""
    powers = [np.ravel(e) for p in circuit for e in (p.post_exponent, p.pre_exponent)]
    powers += [np.ravel(p.power) for population in circuit.populations.values() for p in population.parameters.values()]
    if circuit.binding is not None:
        powers += [np.ravel(exponents) for exponents in circuit.binding.exponents().values()]
    return common_step(np.unique(np.concatenate(powers)).tolist()) * math.log(2)


def rounded(h: Array, step: float, shiftable: Array, cost: Callable[[Array], float]) -> Array:
    """``h`` rounded to multiples of ``step``, in the cheapest of several ways; 0 where all cost more than that.

    A common shift of the nodes in mask ``shiftable`` costs nothing before rounding, but decides which of them are
    rounded up and which down.
    """
    shifts = np.arange(ROUNDINGS) / ROUNDINGS * step if shiftable.any() else [0.0]
    candidates = [np.rint((h - np.where(shiftable, shift, 0.0)) / step) * step for shift in shifts]
    return min([*candidates, np.zeros_like(h)], key=cost)
