"""Checks before every run: constants still have the values with which a symmetry was derived."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from brian2.core.base import BrianObject
from brian2.units.fundamentalunits import DIMENSIONLESS

from neurobal.brian.network.names import unit_text
from neurobal.brian.network.values import constant_value
from neurobal.errors import NeurobalError, UnknownValuesError

Constants = Mapping[tuple[str, str], float]

# What each object checks before it runs; one object may take part in several balancings.
_guarded: weakref.WeakKeyDictionary[BrianObject, list[Constants]] = weakref.WeakKeyDictionary()


def guard(objects: Mapping[str, BrianObject], assumed: Constants) -> Callable[[], None]:
    """Let these objects check their constants whenever a network that holds them starts to run.

    A constant that was zero fits any scale, and potentials can be measured from one that stays; with another value the
    rescaled model is another one. Returns the function that takes the checks away again.
    """
    expected = {
        owner: {key: value for key, value in assumed.items() if key[0] == owner}
        for owner in dict.fromkeys(owner for owner, _ in assumed)
        if owner in objects
    }
    for owner, constants in expected.items():
        obj = objects[owner]
        if not _guarded.get(obj):
            obj.before_run = _checked(obj)
        _guarded.setdefault(obj, []).append(constants)

    def remove() -> None:
        for owner, constants in expected.items():
            obj = objects[owner]
            _guarded[obj] = [others for others in _guarded[obj] if others is not constants]
            if not _guarded[obj]:
                obj.__dict__.pop("before_run", None)

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
        f"now; the symmetry does not hold any more. Restore {name}; or undo the balancing (revert(), or remove the "
        f"plasticity) and balance again, or make a new Plasticity, after the change."
    )
    if before != 0 and dimensions is DIMENSIONLESS:
        return message  # an exponent, say, which could not move
    return (
        f"{message} If {name} has to change from run to run, give each neuron its own "
        f"({name} : {unit_text(dimensions)} in the model)."
    )


def _checked(obj: BrianObject) -> Callable[[Any], None]:
    original = obj.before_run

    def before_run(run_namespace: Any) -> None:
        for constants in _guarded.get(obj, ()):
            check_constants({obj.name: obj}, constants, run_namespace)
        original(run_namespace)

    return before_run
