"""The method of conjugate gradients, in runs that go on where the last one ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Linear: TypeAlias = Callable[[Array], Array]

TINY = 1e-300  # in place of zero, where a number is divided by


class ConjugateGradients:
    """Solve ``A x = b`` for a symmetric positive semidefinite A, from a residual on, in as many runs as one likes.

    Starting anew would forget the slow modes, again and again.

    Attributes
    ----------
    solution, residual : arrays (n,)
    size : float
        |residual|.
    steps : int
        Of the last run; fewer than its limit if it arrived, or if no curvature was left.
    """

    def __init__(self, residual: Array, solution: Array | None = None) -> None:
        self.residual = residual
        self.solution = np.zeros_like(residual) if solution is None else solution
        self.size = dot(residual, residual) ** 0.5
        self.steps = 0
        self._along = np.zeros_like(residual)
        self._previous = np.inf

    def run(self, product: Linear, goal: float, limit: int, precondition: Linear | None = None) -> float:
        """Improve ``solution`` until |residual| <= goal, in at most ``limit`` steps; returns the rate of late."""
        sizes = [self.size]
        self.steps = 0
        for _ in range(limit):
            if self.size <= goal:
                break
            preconditioned = self.residual if precondition is None else precondition(self.residual)
            now = dot(self.residual, preconditioned)
            self._along *= now / self._previous
            self._along += preconditioned
            self._previous = now
            image = product(self._along)
            curvature = dot(self._along, image)
            if curvature <= 0:
                break
            step = now / curvature
            self.solution += step * self._along
            image *= step
            self.residual -= image
            self.size = dot(self.residual, self.residual) ** 0.5
            sizes.append(self.size)
            self.steps += 1
        half = max(len(sizes) // 2, 1)
        return float(np.log(max(sizes[-half], TINY) / max(sizes[-1], TINY)) / half)


def dot(x: Array, y: Array) -> float:
    """The scalar product, without BLAS: its threads wait for each other on a busy machine, and sum in varying order."""
    return float(np.einsum("i,i->", x, y))
