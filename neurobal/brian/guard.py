"""A check before every run: the constants that a symmetry rests on still have the values that it was derived with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brian2.core.base import BrianObject

from neurobal.brian.objects import constant_value
from neurobal.errors import NeurobalError


def guard(objects: Mapping[str, BrianObject], assumed: Mapping[tuple[str, str], float]) -> Callable[[], None]:
    """Let these objects check their constants whenever a network that holds them starts to run.

    A constant that was zero fits any scale; one that is no longer zero makes the rescaled model another one. Returns
    the function that takes the checks away again.
    """
    guarded = {owner: objects[owner] for owner, _ in assumed if owner in objects}
    for owner, obj in guarded.items():
        expected = {key: value for key, value in assumed.items() if key[0] == owner}
        obj.before_run = _checked(obj, expected)

    def remove() -> None:
        for obj in guarded.values():
            obj.__dict__.pop("before_run", None)

    return remove


def check_constants(
    objects: Mapping[str, BrianObject], assumed: Mapping[tuple[str, str], float], run_namespace: Any
) -> None:
    """Raise an error if a constant has another value than the one that a symmetry was derived with."""
    for (owner, name), value in assumed.items():
        if owner not in objects:
            continue
        now = constant_value(objects[owner], name, run_namespace)
        if now != value:
            raise NeurobalError(
                f"The constant {name!r} of {owner!r} was {value:g} when the network's symmetry was derived and is "
                f"{now:g} now; the symmetry does not hold any more. Undo the balancing (revert(), or remove the "
                f"plasticity) and balance again, or restore {name}."
            )


def _checked(obj: BrianObject, expected: Mapping[tuple[str, str], float]) -> Callable[[Any], None]:
    original = obj.before_run

    def before_run(run_namespace: Any) -> None:
        check_constants({obj.name: obj}, expected, run_namespace)
        original(run_namespace)

    return before_run
