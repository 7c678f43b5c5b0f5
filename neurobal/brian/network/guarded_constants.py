"""Checks before every run: constants still have the values with which a symmetry was derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brian2.core.base import BrianObject
from brian2.units.fundamentalunits import DIMENSIONLESS

from neurobal.brian.network.names import unit_text
from neurobal.brian.network.values import constant_value
from neurobal.errors import NeurobalError, UnknownValuesError

Constants = Mapping[tuple[str, str], float]


@dataclass(frozen=True, eq=False)
class Check:
    """Constants of one object that have to keep their values while a balancing is ``in_effect``."""

    constants: Constants
    in_effect: Callable[[], bool]


class GuardedRun:
    """An object's ``before_run`` that first checks the constants of every balancing that the object takes part in."""

    def __init__(self, obj: BrianObject) -> None:
        self.obj, self.original = obj, obj.before_run
        self.checks: list[Check] = []

    def __call__(self, run_namespace: Any) -> None:
        for check in self.checks:
            try:
                check_constants({self.obj.name: self.obj}, check.constants, run_namespace)
            except NeurobalError:
                if check.in_effect():
                    raise
        self.original(run_namespace)

    def drop(self, check: Check) -> None:
        """Check these no more; with the last of them the object has its own ``before_run`` again."""
        self.checks = [other for other in self.checks if other is not check]
        if not self.checks and self.obj.__dict__.get("before_run") is self:
            del self.obj.__dict__["before_run"]


def guard(
    objects: Mapping[str, BrianObject], assumed: Constants, in_effect: Callable[[], bool] = lambda: True
) -> Callable[[], None]:
    """Let these objects check their constants whenever a network that holds them starts to run.

    A constant that was zero fits any scale, and potentials can be measured from one that stays; with another value the
    rescaled model is another one. ``in_effect`` says whether scales are other than 1 then: it must hold no reference to
    what decides about the guard's end. Returns the function that takes the checks away again.
    """
    added: list[tuple[GuardedRun, Check]] = []
    for owner in dict.fromkeys(owner for owner, _ in assumed if owner in objects):
        obj = objects[owner]
        run = obj.__dict__.get("before_run")
        if not isinstance(run, GuardedRun):
            run = obj.before_run = GuardedRun(obj)
        check = Check({key: value for key, value in assumed.items() if key[0] == owner}, in_effect)
        run.checks.append(check)
        added.append((run, check))

    def remove() -> None:
        for run, check in added:
            run.drop(check)

    return remove


def check_constants(objects: Mapping[str, BrianObject], assumed: Constants, run_namespace: Any) -> None:
    """Raise an error if a constant has another value than the one that a symmetry was derived with."""
    for (owner, name), value in assumed.items():
        if owner not in objects:
            continue
        try:
            now = constant_value(objects[owner], name, run_namespace)
        except UnknownValuesError:  # standalone: of what code computes nothing can be said here
            continue
        if now != value:
            raise NeurobalError(_changed(objects[owner], name, value, now, run_namespace))


def _changed(obj: BrianObject, name: str, before: float, now: float, run_namespace: Any) -> str:
    dimensions = obj._resolve(name, run_namespace=run_namespace, user_identifier=False).dim
    message = (
        f"The constant {name!r} of {obj.name!r} was {before:g} when the network's symmetry was derived and is {now:g} "
        f"now; the symmetry does not hold any more. Restore {name}; or put the network back first (revert(), or "
        f"restore() of a state from before the plasticity), and balance again, or make a new Plasticity, after the "
        f"change."
    )
    if before != 0 and dimensions is DIMENSIONLESS:
        return message  # an exponent, say, which could not move
    return (
        f"{message} If {name} has to change from run to run, give each neuron its own "
        f"({name} : {unit_text(dimensions)} in the model)."
    )
