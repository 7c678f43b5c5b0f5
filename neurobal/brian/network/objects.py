"""Which Brian2 objects make up a network: one answer for everybody who asks."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from brian2 import Network, NeuronGroup, Subgroup, Synapses, collect
from brian2.core.base import BrianObject
from brian2.core.network import _get_all_objects
from brian2.core.spikesource import SpikeSource

from neurobal.errors import InvalidInputError


def brian_objects(network: Network | Iterable[BrianObject] | None, level: int = 0) -> list[BrianObject]:
    """What a network consists of: all objects that it computes with, sorted by name.

    ``network`` is a Network, a list of objects, or None: what ``run()`` would run ``level`` calls further up. Objects
    that others contain belong to it, and the groups that Synapses connect, listed or not. Plasticities and what
    belongs to them are no part of what they act on (unless Synapses read it), and a subgroup is a view on its group.
    """
    if network is None:
        top: Iterable[BrianObject] = collect(level=level + 1)
    elif isinstance(network, Network):
        top = network.objects
    else:
        top = [network] if isinstance(network, BrianObject) else list(network)
        for obj in top:
            if not isinstance(obj, BrianObject):
                raise InvalidInputError(
                    "network: expected a Network or a list of Brian2 objects; the list holds a "
                    f"{type(obj).__name__}, {obj!r}."
                )
    everything = _get_all_objects(set(top))
    everything -= _get_all_objects({obj for obj in everything if acts_on_networks(obj)})
    listed = {obj.name for obj in everything}
    synapses = [obj for obj in everything if isinstance(obj, Synapses)]
    viewed = {parent(obj) for obj in everything if isinstance(obj, Subgroup)}
    shown = {group for group in viewed if not acts_on_networks(group)}
    shown |= {parent(end) for connection in synapses for end in (connection.source, connection.target)}
    everything |= _get_all_objects({group for group in shown if group.name not in listed})
    return sorted((obj for obj in everything if not isinstance(obj, Subgroup)), key=lambda obj: obj.name)


def acts_on_networks(obj: BrianObject) -> bool:
    """Whether an object is a plasticity, a normalization, or one of their helper groups."""
    return bool(getattr(obj, "acts_on_networks", False))


def parent(group: Any) -> Any:
    """The group itself, or the one that a subgroup is part of; the object, not one of Brian2's weak proxies for it."""
    whole = group.source if isinstance(group, Subgroup) else group
    return whole.__repr__.__self__ if isinstance(whole, weakref.ProxyTypes) else whole


def neuron_groups(objects: Iterable[BrianObject]) -> dict[str, Any]:
    """Everything that has neurons, by name: NeuronGroups and sources of spikes."""
    return {obj.name: obj for obj in objects if isinstance(obj, SpikeSource) and not isinstance(obj, Synapses)}


def synapses_objects(objects: Iterable[BrianObject]) -> dict[str, Synapses]:
    """All Synapses, by name."""
    return {obj.name: obj for obj in objects if isinstance(obj, Synapses)}


def is_input(group: Any) -> bool:
    """Whether a group is pinned by its nature: PoissonGroup, SpikeGeneratorGroup and the like have nothing to scale."""
    return not isinstance(group, NeuronGroup)
