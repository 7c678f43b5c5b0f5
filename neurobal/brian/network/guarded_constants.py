"""Checks before every run: constants still have the values with which a symmetry was derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brian2.core.base import BrianObject
from brian2.units.fundamentalunits import DIMENSIONLESS

from neurobal.brian.network.guarded_runs import before_runs
from neurobal.brian.network.names import unit_text
from neurobal.brian.network.values import constant_value
from neurobal.errors import NeurobalError, UnknownValuesError

Constants = Mapping[tuple[str, str], float]


@dataclass(frozen=True, eq=False)
class ConstantsCheck:
    """Constants of one object that have to keep their values while a balancing is ``in_effect``."""

    constants: Constants
    in_effect: Callable[[], bool]

    def __call__(self, obj: BrianObject, run_namespace: Any) -> None:
        """Raise an error if one of them has another value."""
        try:
            check_constants({obj.name: obj}, self.constants, run_namespace)
        except NeurobalError:
            if self.in_effect():
                raise


def guard(
    objects: Mapping[str, BrianObject], assumed: Constants, in_effect: Callable[[], bool] = lambda: True
) -> Callable[[], None]:
    """Let these objects check their constants whenever a network that holds them starts to run.

    A constant that was zero fits any scale, and potentials can be measured from one that stays; with another value the
    rescaled model is another one. ``in_effect`` says whether scales are other than 1 then: it must hold no reference to
    what decides about the guard's end. Returns the function that takes the checks away again.
    """
    owners = dict.fromkeys(owner for owner, _ in assumed if owner in objects)
    return before_runs(
        (objects[name], ConstantsCheck({key: value for key, value in assumed.items() if key[0] == name}, in_effect))
        for name in owners
    )


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
