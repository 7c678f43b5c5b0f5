"""Checks before every run: the model is still the one whose symmetry was derived, in its constants and its objects."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from brian2 import Network, Synapses
from brian2.core.base import BrianObject
from brian2.core.network import _get_all_objects
from brian2.core.operations import NetworkOperation
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from neurobal.brian.objects import constant_value, parent
from neurobal.errors import NeurobalError, UnknownValuesError

if TYPE_CHECKING:
    from neurobal.brian.reading import Examined

Constants = Mapping[tuple[str, str], float]
HARMLESS = (StateMonitor, EventMonitor, PopulationRateMonitor, Subgroup)  # they only read or show

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


def check_same_model(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if what runs with a plasticity touches what it moves, and was not there when it was made."""
    running = _running_with(plasticity)
    ours = _get_all_objects({obj for obj in running if getattr(obj, "acts_on_networks", False)})
    for obj in sorted(running - ours, key=lambda obj: obj.name):
        touched = None if obj in examined.objects else _touches(obj, examined)
        if touched is not None:
            raise NeurobalError(
                f"{obj.name} ({type(obj).__name__}) {touched}, and was not part of the network when {plasticity.name} "
                f"was made: {plasticity.name} would not take it into account. Create the plasticity last, and from "
                "all objects that run."
            )


def check_not_normalized(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if a normalization runs that holds the weights which a plasticity moves."""
    moving = {examined.synapses[name].id: name for name in examined.motion.synapses}
    for obj in sorted(_running_with(plasticity), key=lambda obj: obj.name):
        undone = [moving[one.id] for one in getattr(obj, "normalizes", ()) if one.id in moving]
        if undone and obj.active and plasticity.active:
            raise NeurobalError(
                f"{obj.name} ({type(obj).__name__}) keeps the incoming weights of {' and '.join(undone)} at sums that "
                f"do not scale, and {plasticity.name} rescales these weights: they would undo each other's work, and "
                "the function would not be preserved. Use one of them, or pin the neurons at both ends."
            )


def _running_with(plasticity: BrianObject) -> set[BrianObject]:
    """All objects of the networks that hold a plasticity: of the one that runs, if that is known."""
    living = [network for network in (reference() for reference in Network.__instances__()) if network is not None]
    networks = [network for network in living if plasticity in network.objects]
    if plasticity._network is not None:
        networks = [network for network in networks if network.id == plasticity._network]
    return _get_all_objects({obj for network in networks for obj in network.objects})


def _touches(obj: BrianObject, examined: Examined) -> str | None:
    """What an object does to groups and Synapses that move, or to anything; None if nothing."""
    if type(obj).__module__.startswith("neurobal") or isinstance(obj, HARMLESS):
        return None
    moving = {examined.groups[name].id: name for name in examined.motion.groups}
    moving |= {examined.synapses[name].id: name for name in examined.motion.synapses}
    if isinstance(obj, NetworkOperation):
        return "runs Python code that may change anything"
    if isinstance(obj, Synapses):
        ends = [moving[end.id] for end in (parent(obj.source), parent(obj.target)) if end.id in moving]
        if ends:
            return f"connects {' and '.join(dict.fromkeys(ends))}"
    if isinstance(obj, CodeRunner) and parent(obj.group).id in moving:
        return f"runs code on {moving[parent(obj.group).id]}"
    owners = [getattr(variable, "owner", None) for variable in getattr(obj, "variables", {}).values()]
    linked = [parent(owner).name for owner in owners if owner is not None and parent(owner).id in moving]
    return f"is linked to variables of {linked[0]}" if linked else None


def _changed(obj: BrianObject, name: str, before: float, now: float, run_namespace: Any) -> str:
    dimensions = obj._resolve(name, run_namespace=run_namespace, user_identifier=False).dim
    message = (
        f"The constant {name!r} of {obj.name!r} was {before:g} when the network's symmetry was derived and is {now:g} "
        f"now; the symmetry does not hold any more. Restore {name}; or undo the balancing (revert(), or remove the "
        f"plasticity) and balance again, or make a new Plasticity, after the change."
    )
    if before != 0 and dimensions is DIMENSIONLESS:
        return message  # an exponent, say, which could not move
    unit = "1" if dimensions is DIMENSIONLESS else repr(get_unit(dimensions))
    return (
        f"{message} If {name} has to change from run to run, give each neuron its own ({name} : {unit} in the model)."
    )


def _checked(obj: BrianObject) -> Callable[[Any], None]:
    original = obj.before_run

    def before_run(run_namespace: Any) -> None:
        for constants in _guarded.get(obj, ()):
            check_constants({obj.name: obj}, constants, run_namespace)
        original(run_namespace)

    return before_run
