"""The two networks of a comparison: what is in them, whether they are alike, and how one is run and left as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from brian2 import Network, magic_network
from brian2.core.base import BrianObject
from brian2.core.variables import Variable

from neurobal.brian.comparing.unscaling import Key
from neurobal.brian.network.objects import brian_objects, neuron_groups, synapses_objects
from neurobal.errors import InvalidInputError, did_you_mean

_SNAPSHOT = "neurobal_compare"


@dataclass(frozen=True)
class Side:
    """One of the two networks: what the user gave, its objects, and those that have neurons or synapses by name."""

    network: Network | None
    objects: list[BrianObject]
    groups: dict[str, Any]
    synapses: dict[str, Any]
    role: str

    @classmethod
    def of(cls, given: Any, role: str, level: int) -> Side:
        """From what the user gave; ``role`` is the name of that argument."""
        if given is magic_network:
            given = None  # it holds its objects during a run only
        objects = brian_objects(given, level=level + 1)
        network = given if isinstance(given, Network) else None
        return cls(network, objects, neuron_groups(objects), dict(synapses_objects(objects)), role)

    def owner(self, name: str) -> Any:
        """The group or Synapses of a name."""
        known = {**self.groups, **self.synapses}
        if name not in known:
            raise InvalidInputError(f"record: there is no group {name!r} in `{self.role}`.{did_you_mean(name, known)}")
        return known[name]

    def variable(self, key: Key) -> Variable:
        """The variable of a name."""
        owner = self.owner(key[0])
        if key[1] not in owner.variables:
            known = [name for name in owner.variables if not name.startswith("_")]
            raise InvalidInputError(
                f"record: group {key[0]!r} has no variable {key[1]!r} in `{self.role}`.{did_you_mean(key[1], known)}"
            )
        return owner.variables[key[1]]

    @property
    def time(self) -> float:
        """From where it runs on, in seconds."""
        if self.network is not None:
            return float(self.network.t)
        known = {obj._network for obj in self.objects} - {None}
        if known - {magic_network.id}:
            raise InvalidInputError(
                f"compare: objects in the list `{self.role}` have been run in a Network; give that Network instead."
            )
        return float(magic_network.t) if known else 0.0

    @contextmanager
    def running(self) -> Iterator[Network]:
        """The network to run; a temporary one for a list of objects.

        Brian2 lets an object run in one Network only and remembers which, so the temporary one must be forgotten.
        """
        if self.network is not None:
            yield self.network
            return
        time, ran_in = self.time, {obj: obj._network for obj in self.objects}
        try:
            for obj in self.objects:
                obj._network = None
            network = Network(self.objects)
            network.t_ = time
            yield network
        finally:
            for obj, where in ran_in.items():
                obj._network = where


@contextmanager
def left_as_it_was(network: Network) -> Iterator[None]:
    """Put back objects, variables, time and random numbers of a network."""
    objects = set(network.objects)
    network.store(_SNAPSHOT)
    try:
        yield
    finally:
        network.objects = objects
        network.restore(_SNAPSHOT, restore_random_state=True)
        del network._stored_state[_SNAPSHOT]


def check_alike(first: Side, second: Side, traces: Iterable[Key]) -> None:
    """The two networks have the same groups, and all that is to be recorded."""
    differences = []
    for side, opposite in ((first, second), (second, first)):
        missing = [name for name in side.groups if name not in opposite.groups]
        if missing:
            differences.append(f"{', '.join(map(repr, missing))} only in `{side.role}`")
    for name in first.groups.keys() & second.groups.keys():
        differences += _differences(name, first.groups[name], second.groups[name])
    for owner in dict.fromkeys(key[0] for key in traces):
        if owner in first.synapses and owner in second.synapses:
            differences += _differences(owner, first.synapses[owner], second.synapses[owner])
    if first.time != second.time:
        differences.append(f"the time is {first.time:g} s and {second.time:g} s")
    if differences:
        raise InvalidInputError(
            f"compare: the two networks differ: {'; '.join(differences)}. Give the groups of both the same names "
            "(name='cells'), and build both in the same way."
        )
    for key in traces:
        second.variable(key)


def _differences(name: str, first: Any, second: Any) -> list[str]:
    differences = []
    if len(first) != len(second):
        differences.append(f"{name!r} has size {len(first):,} and {len(second):,}")
    if float(first.clock.dt) != float(second.clock.dt):
        differences.append(f"{name!r} has time steps of {first.clock.dt} and {second.clock.dt}")
    if sends_spikes(first) != sends_spikes(second):
        differences.append(f"{name!r} spikes in one of them only")
    return differences


def sends_spikes(group: Any) -> bool:
    """Whether neurons of a group spike."""
    return "spike" in getattr(group, "events", {})
