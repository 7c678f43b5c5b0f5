"""Checks of what runs beside a plasticity: it must know all that touches its neurons, and nothing may undo its work."""

from __future__ import annotations

from brian2 import Network, Synapses
from brian2.core.base import BrianObject
from brian2.core.network import _get_all_objects
from brian2.core.operations import NetworkOperation
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor

from neurobal.brian.network.objects import parent
from neurobal.brian.network.reading import Examined
from neurobal.errors import NeurobalError

HARMLESS = (StateMonitor, EventMonitor, PopulationRateMonitor, Subgroup)  # they only read or show


def check_same_model(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if what runs with a plasticity touches what it moves, and was not there when it was made."""
    running = running_with(plasticity)
    ours = _get_all_objects({obj for obj in running if getattr(obj, "acts_on_networks", False)})
    for obj in sorted(running - ours, key=lambda obj: obj.name):
        touched = None if obj in examined.everything else _touches(obj, examined)
        if touched is not None:
            raise NeurobalError(
                f"{obj.name} ({type(obj).__name__}) {touched}, and was not part of the network when {plasticity.name} "
                f"was made: {plasticity.name} would not take it into account. Create the plasticity last, and from "
                "all objects that run."
            )


def check_not_normalized(plasticity: BrianObject, examined: Examined) -> None:
    """Raise an error if a normalization runs that fixes sums of weights which a plasticity moves."""
    moving = {examined.synapses[name].id: name for name in examined.motion.synapses}
    for obj in sorted(running_with(plasticity), key=lambda obj: obj.name):
        undone = [moving[synapses.id] for synapses in getattr(obj, "normalizes", ()) if synapses.id in moving]
        if undone and obj.active and plasticity.active:
            raise NeurobalError(
                f"{obj.name} ({type(obj).__name__}) keeps the incoming weights of {' and '.join(undone)} at sums that "
                f"do not scale, and {plasticity.name} rescales these weights: they would undo each other's work, and "
                "the function would not be preserved. Use one of them, or pin the neurons at both ends."
            )


def running_with(plasticity: BrianObject) -> set[BrianObject]:
    """All objects of the network that runs with a plasticity.

    Brian2 notes which network an object runs in when its first run has been prepared; before that, objects of all
    networks that hold the plasticity are returned.
    """
    living = [network for network in (reference() for reference in Network.__instances__()) if network is not None]
    networks = [network for network in living if plasticity in network.objects]
    if plasticity._network is not None:
        networks = [network for network in networks if network.id == plasticity._network]
    return _get_all_objects({obj for network in networks for obj in network.objects})


def _touches(obj: BrianObject, examined: Examined) -> str | None:
    """What an object does to the groups and Synapses that move, in words; None if nothing."""
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
