"""What all solvers share: how they are called, what they return, and how they record their way."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from neurobal.potential import Imbalance, Potential, log_balance
from neurobal.problem import WIDE, Problem
from neurobal.progress import Progress

Array: TypeAlias = np.ndarray

LARGEST_LOG = math.floor(math.log(sys.float_info.max))  # 709


def capped_exp(log_value: float) -> float:
    """``exp(log_value)``, at most e^709: a float."""
    return math.exp(min(log_value, LARGEST_LOG))


@dataclass(frozen=True, eq=False)
class Solution:
    """The best log-scales ``h`` of the nodes that were reached; ``balanced`` if they meet the tolerance.

    ``status`` says in words whether they do. ``evaluations`` counts passes over all synapses.
    """

    h: Array
    balanced: bool
    status: str
    iterations: int
    evaluations: int
    imbalance: Imbalance

    def message(self, tol: float, what: str = "cost") -> str:
        """A sentence: whether incoming and outgoing cost (or ``what``) are balanced to ``tol``, or why not."""
        if self.balanced:
            return f"Incoming and outgoing {what} are balanced to {tol:g}."
        return f"Not balanced to {tol:g}: imbalance {self.imbalance.total:.2e}. {self.status}"


@runtime_checkable
class Solver(Protocol):
    """A method for the balancing problem."""

    name: str

    def solve(self, problem: Problem, tol: float, max_iter: int | None, monitor: Monitor) -> Solution:
        """Minimise ``problem`` to ``tol``; without success the best point that was reached is returned."""


class Monitor:
    """Keeps the history of a solve (cost and imbalance per iteration) and shows its progress.

    ``start``: the log-scales at which `Newton` begins; None: zeros.
    """

    def __init__(self, progress: Progress, tol: float, start: Array | None = None) -> None:
        self.start = start
        self.cost: list[float] = []
        self.imbalance: list[float] = []
        self._progress, self._tol = progress, tol

    def record(self, cost: float, imbalance: Imbalance, h: Array | None = None) -> None:
        """One more iteration, which has come to ``h``."""
        self.cost.append(cost)
        self.imbalance.append(imbalance.total)
        start, now = self.imbalance[0], max(imbalance.total, self._tol)
        if start > self._tol:
            fraction = math.log(start / now) / math.log(start / self._tol)
            self._progress.update(0.99 * max(fraction, 0.0), f"imbalance {imbalance.total:.1e}")

    def history(self, constant: float) -> np.recarray:
        """``history.cost`` and ``history.imbalance``, one row an iteration, the start first."""
        rows = np.recarray(len(self.cost), dtype=[("cost", float), ("imbalance", float)])
        rows.cost, rows.imbalance = np.asarray(self.cost) + constant, self.imbalance
        return rows


class Meter:
    """Measures cost and imbalance at any h, in logarithms where the range of the costs demands it."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.potential = None if problem.log_range() > WIDE else Potential(problem)

    def __call__(self, h: Array) -> tuple[float, Imbalance]:
        if self.potential is not None:
            point = self.potential.at(h)
            return self.potential.total_cost(point), self.potential.imbalance(point)
        logs = log_balance(self._problem, h)
        return capped_exp(logs.log_cost), logs.imbalance
