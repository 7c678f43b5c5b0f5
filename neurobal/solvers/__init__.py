"""Methods for the balancing problem: one contract, one file a family.

A solver is a small frozen object with a ``name``, its options as fields, and ``solve(problem, tol, max_iter, monitor)``
which returns a `Solution`. To add one: write its file, and name it in ``METHODS``.
"""

from __future__ import annotations

from typing import Any

from neurobal.errors import InvalidInputError, did_you_mean
from neurobal.solvers.contract import Monitor, Solution, Solver
from neurobal.solvers.coordinate import Osborne, Stochastic
from neurobal.solvers.flow import Flow
from neurobal.solvers.newton import Newton

__all__ = ["METHODS", "Flow", "Monitor", "Newton", "Osborne", "Solution", "Solver", "Stochastic", "choose"]

METHODS: dict[str, type] = {
    "auto": Newton,
    "newton": Newton,
    "osborne": Osborne,
    "stochastic": Stochastic,
    "flow": Flow,
}


def choose(method: Any) -> Solver:
    """The solver that a name stands for; a solver object is taken as it is."""
    if isinstance(method, str):
        if method not in METHODS:
            raise InvalidInputError(f"method: there is no method {method!r}.{did_you_mean(method, METHODS)}")
        return METHODS[method]()
    if isinstance(method, Solver) and not isinstance(method, type):
        return method
    raise InvalidInputError(
        f"method: expected one of {', '.join(map(repr, METHODS))} or a solver object such as solvers.Newton(), "
        f"got {method!r}."
    )
