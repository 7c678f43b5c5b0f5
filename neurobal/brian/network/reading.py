"""From Brian2 objects to a `Circuit`: groups become populations, Synapses become projections."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from brian2 import Network, Subgroup, Synapses
from brian2.core.base import BrianObject
from brian2.core.namespace import get_local_namespace
from brian2.core.network import _get_all_objects

from neurobal.adapters import read
from neurobal.adapters.detached import Reading
from neurobal.brian.network.binding import BrianBinding
from neurobal.brian.network.description import describe, schedule_of
from neurobal.brian.network.motion import find_motion
from neurobal.brian.network.names import is_usable
from neurobal.brian.network.objects import brian_objects, is_input, neuron_groups, parent, synapses_objects
from neurobal.brian.network.statements import collect_statements
from neurobal.brian.network.values import float_array, values_of
from neurobal.circuit import Circuit
from neurobal.description import Description, check_same_model
from neurobal.errors import InvalidInputError, NeurobalError, did_you_mean
from neurobal.inputs import neuron_mask
from neurobal.motion import Motion
from neurobal.symmetry.model import Model


@dataclass(frozen=True)
class Examined:
    """A network's groups and Synapses by name, its statements, and what moves when neurons that are not pinned do."""

    groups: dict[str, Any]
    synapses: dict[str, Synapses]
    pins: dict[str, np.ndarray]
    motion: Motion
    model: Model
    namespace: Mapping[str, Any] | None  # that was given to look names up in, before those of the script
    schedule: tuple[str, ...]
    network: weakref.ReferenceType[Network] | None  # what was read, if it was a Network
    everything: weakref.WeakSet[BrianObject]  # all that was looked at

    def objects(self) -> list[BrianObject]:
        """All that the network consists of and is still there."""
        return brian_objects({*self.groups.values(), *self.synapses.values(), *self.everything})

    def moving(self) -> list[BrianObject]:
        """The groups and Synapses that move."""
        motion = self.motion
        return [*(self.groups[name] for name in motion.groups), *(self.synapses[name] for name in motion.synapses)]


def examine(
    network: Any,
    pinned: Any,
    homogeneity: Any,
    scaling: Mapping[str, Any] | None,
    namespace: Any,
    level: int,
    allow: Iterable[str] = (),
) -> Examined:
    """Find all objects of a network and how they move. Connections and values are not looked at."""
    if homogeneity is not None and not isinstance(homogeneity, Mapping):
        raise InvalidInputError("homogeneity: for a Brian2 network give a dict from a group's name to a number.")
    objects = brian_objects(network, level=level + 1)
    synapses = synapses_objects(objects)
    groups = neuron_groups(objects)
    pins = _pins(pinned, groups)
    names = get_local_namespace(level + 1) if namespace is None else namespace
    model = collect_statements(objects, names)
    motion = find_motion(model, groups, synapses, pins, scaling or {}, homogeneity or {}, names, allow)
    everything = weakref.WeakSet(_get_all_objects(objects))
    reference = weakref.ref(network) if isinstance(network, Network) else None
    return Examined(groups, synapses, pins, motion, model, namespace, schedule_of(network), reference, everything)


@read.register(Network)
@read.register(BrianObject)
@read.register(list)
@read.register(tuple)
@read.register(set)
@read.register(type(None))
def read_network(
    network: Any,
    *,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Mapping[str, Any] | None = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
    allow: Iterable[str] = (),
) -> Circuit:
    """A snapshot of a Brian2 network. Nothing in it is changed; its `binding` writes scales back."""
    examined = examine(network, pinned, homogeneity, scaling, namespace, level + 1, allow)
    return snapshot(examined).with_constraints(tied=tied)


def snapshot(examined: Examined) -> Circuit:
    """The present values of an examined network as a `Circuit`."""
    return _snapshot(examined, describe(examined.objects(), examined.model, examined.motion, examined.schedule))


def _snapshot(examined: Examined, description: Description) -> Circuit:
    groups, synapses, motion = examined.groups, examined.synapses, examined.motion
    circuit = Circuit()
    circuit.basis = motion.basis
    circuit.description = description
    circuit.notes = [f"held at λ = 1: {name}, {reason}" for name, reason in motion.immovable.items()]
    circuit.assumptions = [
        f"{', '.join(constants)} of {name} may stay as they are" for name, constants in motion.allowed.items()
    ]
    circuit.advice = motion.advice
    circuit.inexact = {name: moves.inexact for name, moves in motion.groups.items() if moves.inexact}
    for name, group in groups.items():
        circuit.add(
            name,
            len(group),
            pinned=examined.pins[name] | (name in motion.immovable),
            parameters=_parameters(group, motion),
        )
    for connection in synapses.values():
        _add_projections(circuit, connection, motion)
    undefined = frozenset(examined.model.undefined)
    reading = Reading(motion, examined.pins, undefined, examined.namespace, examined.schedule, description)
    circuit.binding = BrianBinding(
        groups, synapses, reading, examined.everything, partial(_read_this_again, examined, reading)
    )
    return circuit


def _read_this_again(examined: Examined, reading: Reading, network: Any) -> Circuit:
    """Another network, or (None) the same one, as it was read: what moved there moves here."""
    if network is None and examined.network is not None:
        network = examined.network()
    return (
        _read_objects(reading, examined.objects(), reading.schedule)
        if network is None
        else read_again(reading, network)
    )


def read_again(reading: Reading, network: Any) -> Circuit:
    """Another network as one was read: what moved there moves here.

    Raises
    ------
    DifferentModelError
        It computes something else.
    NeurobalError
        It uses a name that is defined nowhere.
    """
    reference = weakref.ref(network) if isinstance(network, Network) else None
    return _read_objects(reading, brian_objects(network), schedule_of(network), reference)


def _read_objects(
    reading: Reading,
    objects: list[BrianObject],
    schedule: tuple[str, ...],
    network: weakref.ReferenceType[Network] | None = None,
) -> Circuit:
    names, remembered = _names_now(reading)
    model = collect_statements(objects, names)
    model.unread += [
        f"constant {name}: not defined where the network is read again, taken to be what it was"
        for name in sorted(remembered & model.external.keys())
    ]
    for name in model.undefined.keys() - reading.undefined:
        raise NeurobalError(
            f"The name {name!r} in the {model.undefined[name]} is not defined where the network is read again (in the "
            f"script that calls verify, say). Define it there, or give it to the group: namespace={{{name!r}: ...}}."
        )
    description = describe(objects, model, reading.motion, schedule)
    check_same_model(reading.description, description)
    groups = neuron_groups(objects)
    same = Examined(
        groups,
        synapses_objects(objects),
        _pins(reading.pinned, groups),
        reading.motion,
        model,
        reading.namespace,
        schedule,
        network,
        weakref.WeakSet(_get_all_objects(objects)),
    )
    return _snapshot(same, description)


def _names_now(reading: Reading) -> tuple[dict[str, Any], set[str]]:
    """The names of the script that calls this package, and those that were known before, where it has none of its own.

    The latter are returned by name, too: that they are what they were is not known.
    """
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "neurobal":
        frame = frame.f_back
    script, known = {**frame.f_globals, **frame.f_locals}, reading.motion.external
    names = {**script, **(reading.namespace or {})}
    remembered = {name: value for name, value in known.items() if not is_usable(names.get(name))}
    return {**names, **remembered}, set(remembered)


def _parameters(group: Any, motion: Motion) -> dict[str, tuple[np.ndarray, float, float]]:
    """The moving constants of a group, as they are measured from their origins, and these origins, which stay."""
    if group.name not in motion.groups:
        return {}
    moves = motion.groups[group.name]
    parameters = {key: (np.full(len(group), value), 0.0, 0.0) for key, value in moves.origin_values.items()}
    for key, power in motion.parameters(group.name).items():
        origin = moves.origins.get(key, 0.0)
        parameters[key] = values_of(float_array(group, key, "variable")) - origin, power, origin
    return parameters


def _add_projections(circuit: Circuit, synapses: Synapses, motion: Motion) -> None:
    """One Synapses object as a projection for each weight that moves; those that target synapses are left out."""
    moves = motion.synapses.get(synapses.name)
    if moves is None:
        return
    for name, weight in moves.projections(synapses.name).items():
        _add_projection(circuit, synapses, weight, name, moves.powers[weight])


def _add_projection(circuit: Circuit, synapses: Synapses, weight: str, name: str, powers: tuple[float, float]) -> None:
    variable = float_array(synapses, weight, "weight")
    pre, post = (values_of(synapses.variables[key]) for key in ("_synaptic_pre", "_synaptic_post"))
    if pre.size == 0 and not synapses._connect_called:
        raise InvalidInputError(
            f"Synapses {synapses.name!r} are not connected yet: call {synapses.name}.connect(...) first."
        )
    dimension = None if variable.dim.is_dimensionless else variable.dim
    circuit.connect(
        parent(synapses.source).name,
        parent(synapses.target).name,
        post_index=post,
        pre_index=pre,
        weight=values_of(variable),
        post_exponent=powers[0],
        pre_exponent=-powers[1],
        name=name,
        dimension=dimension,
    )


def _pins(pinned: Any, groups: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Pinned neurons by group, from names, groups, subgroups, or a dict; inputs are pinned by nature."""
    masks = {name: np.full(len(group), is_input(group)) for name, group in groups.items()}
    if pinned is None:
        return masks
    if isinstance(pinned, Mapping):
        chosen = list(pinned.items())
    elif not isinstance(pinned, (str, BrianObject, Iterable)):
        raise InvalidInputError(
            f"pinned: expected groups, their names, or a dict from a group's name to its neurons, got {pinned!r}."
        )
    else:
        listed = [pinned] if isinstance(pinned, (str, BrianObject)) else list(pinned)
        chosen = [(item, True) for item in listed]
    for item, neurons in chosen:
        if isinstance(item, Subgroup):
            name, neurons = item.source.name, _within(item, neurons)
        elif isinstance(item, BrianObject):
            name = item.name
        else:
            name = item
        if name not in masks:
            raise InvalidInputError(f"pinned: there is no group {name!r} in this network.{did_you_mean(name, masks)}")
        masks[name] |= neuron_mask(neurons, masks[name].size, f"pinned, group {name!r}")
    return masks


def _within(subgroup: Subgroup, neurons: Any) -> np.ndarray:
    """What was said of a subgroup's neurons, for those of its group."""
    mask = np.zeros(len(subgroup.source), dtype=bool)
    part = np.arange(subgroup.start, subgroup.stop)
    mask[part[neuron_mask(neurons, part.size, f"pinned, subgroup {subgroup.name!r}")]] = True
    return mask
