"""What a solver that runs away shows: costs without a balance, where that is too large a question to be decided."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from neurobal.existence import Runaway, runaway_along
from neurobal.problem import Problem
from neurobal.progress import Progress
from neurobal.solvers.contract import Monitor
from neurobal.solvers.newton import Newton

Array: TypeAlias = np.ndarray

NEWTON_STEPS = 10


def seen_from(problem: Problem, h: Array, tol: float) -> Runaway | None:
    """The direction in which a solver that has come to ``h`` runs away, if it does.

    Where a = b for all synapses, everything has been decided before solving.
    """
    if problem.symmetric:
        return None
    return runaway_along(problem, _next_step(problem, h, tol)) or runaway_along(problem, h)


def _next_step(problem: Problem, h: Array, tol: float) -> Array:
    """Where Newton goes from ``h``: along the way of a solver that runs away, without the transients behind it."""
    onwards, nodes = problem.restricted(problem.connected, h)
    step = np.zeros(problem.size)
    step[nodes] = Newton().solve(onwards, tol, NEWTON_STEPS, Monitor(Progress(None, ""), tol)).h
    return step
