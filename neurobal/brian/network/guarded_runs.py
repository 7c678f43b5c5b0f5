"""Checks that objects make before every run of a network that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from brian2.core.base import BrianObject


class Check(Protocol):
    """What is checked when a run starts; it holds no reference to what decides about the end of the check."""

    def __call__(self, obj: BrianObject, run_namespace: Any) -> None:
        """Raise an error, or warn, if a run of this object is at odds with what was proven of it."""


class GuardedRun:
    """An object's ``before_run`` that first makes the checks of every balancing that the object takes part in."""

    def __init__(self, obj: BrianObject) -> None:
        self.obj, self.original = obj, obj.before_run
        self.checks: list[Check] = []

    def __call__(self, run_namespace: Any) -> None:
        for check in self.checks:
            check(self.obj, run_namespace)
        self.original(run_namespace)

    def drop(self, check: Check) -> None:
        """Make this check no more; with the last one gone the object has its own ``before_run`` again."""
        self.checks = [other for other in self.checks if other is not check]
        if not self.checks and self.obj.__dict__.get("before_run") is self:
            del self.obj.__dict__["before_run"]


def before_runs(checks: Iterable[tuple[BrianObject, Check]]) -> Callable[[], None]:
    """Let objects make checks whenever a network that holds them starts to run; the result takes the checks away."""
    added: list[tuple[GuardedRun, Check]] = []
    for obj, check in checks:
        run = obj.__dict__.get("before_run")
        if not isinstance(run, GuardedRun):
            run = obj.before_run = GuardedRun(obj)
        run.checks.append(check)
        added.append((run, check))

    def remove() -> None:
        for run, check in added:
            run.drop(check)

    return remove
