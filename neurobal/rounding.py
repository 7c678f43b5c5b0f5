"""Scales that are powers of two: the step of log λ with which every power of λ that is used changes no mantissa."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from neurobal.errors import InvalidInputError

LARGEST_DENOMINATOR = 24


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
