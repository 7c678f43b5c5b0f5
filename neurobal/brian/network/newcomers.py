"""Objects that came into a network after its function was looked at: what they do to neurons that were rescaled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from brian2 import Network, Synapses
from brian2.core.base import BrianObject
from brian2.core.network import _get_all_objects
from brian2.core.operations import NetworkOperation
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor
from brian2.utils.logger import get_logger

from neurobal.brian.network.guarded_runs import before_runs
from neurobal.brian.network.objects import acts_on_networks, parent

HARMLESS = (StateMonitor, EventMonitor, PopulationRateMonitor, Subgroup)  # they only read or show
MOST_NEWCOMERS = 5  # that a warning names
logger = get_logger("neurobal.network")


@dataclass(frozen=True, eq=False)
class NewcomersCheck:
    """Warns, once a run, of objects that touch ``moving`` ones and are not among the ``known``.

    Parameters
    ----------
    moving
        The groups and Synapses that were rescaled.
    known
        All objects of which it was proven that they compute the same after it.
    by, undo
        What rescaled them, and how that is undone, in words.
    in_effect
        Whether scales other than 1 are in the network now.
    """

    moving: tuple[BrianObject, ...]
    known: Collection[BrianObject]
    by: str
    undo: str
    in_effect: Callable[[], bool]

    def __call__(self, obj: BrianObject, run_namespace: Any) -> None:
        """Look at what runs with this object, if it is the first of the moving ones that do."""
        running = running_with(obj)
        if obj is not next((one for one in self.moving if one in running), None):
            return
        found = newcomers(running, self.known, self.moving)
        if not found or not self.in_effect():
            return
        described = [f"{one.name} ({type(one).__name__}) {touched}" for one, touched in found[:MOST_NEWCOMERS]]
        if found[MOST_NEWCOMERS:]:
            described.append(f"{len(found) - MOST_NEWCOMERS} more")
        logger.warn(
            f"{self.by} rescaled this network, and of what was added since nothing is proven: "
            f"{'; '.join(described)}. Their weights, inputs and code act on neurons that have other scales now than "
            f"when they were looked at. To have them taken into account, {self.undo} "
            "and balance again with all objects.",
            "newcomers",
        )


def warn_of_newcomers(
    moving: Mapping[str, BrianObject],
    known: Collection[BrianObject],
    by: str,
    undo: str,
    in_effect: Callable[[], bool],
) -> Callable[[], None]:
    """Let runs of what was rescaled warn of newcomers, see `NewcomersCheck`; the result ends that."""
    objects = tuple(moving[name] for name in sorted(moving))
    check = NewcomersCheck(objects, known, by, undo, in_effect)
    return before_runs((obj, check) for obj in objects)


def newcomers(
    running: Collection[BrianObject], known: Collection[BrianObject], moving: Collection[BrianObject]
) -> list[tuple[BrianObject, str]]:
    """What runs and touches one of the ``moving`` objects without being ``known``, with what it does to them."""
    ours = _get_all_objects({obj for obj in running if acts_on_networks(obj)})
    names = {obj.id: obj.name for obj in moving}
    others = sorted(set(running) - ours, key=lambda obj: obj.name)
    touching = [(obj, _touches(obj, names)) for obj in others if obj not in known]
    return [(obj, touched) for obj, touched in touching if touched is not None]


def running_with(member: BrianObject) -> set[BrianObject]:
    """All objects of the network that runs with one of its objects.

    Brian2 notes which network an object runs in when its first run has been prepared; before that, objects of all
    networks that hold the object are returned.
    """
    living = [network for network in (reference() for reference in Network.__instances__()) if network is not None]
    networks = [network for network in living if member in network.objects]
    if member._network is not None:
        networks = [network for network in networks if network.id == member._network]
    return _get_all_objects({obj for network in networks for obj in network.objects})


def _touches(obj: BrianObject, moving: Mapping[int, str]) -> str | None:
    """What an object does to groups and Synapses that move (their names, by id), in words; None if nothing."""
    if type(obj).__module__.startswith("neurobal") or isinstance(obj, HARMLESS):
        return None
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
