"""Finds the `Motion` of a Brian2 network: which variables move along with its neurons, by which powers of λ.

Declared by the user, or else derived from the equations; a certificate's basis says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from brian2 import Synapses

from neurobal.brian.network.objects import parent
from neurobal.brian.network.values import constant_value, declared_array, float_array
from neurobal.errors import InvalidInputError, NotHomogeneousError, did_you_mean
from neurobal.motion import GroupMotion, Motion, SynapticMotion
from neurobal.symmetry.allowed import allowable, with_allowed
from neurobal.symmetry.declaration import read_declaration, read_power
from neurobal.symmetry.model import Model, Variable
from neurobal.symmetry.symmetries import Symmetries

Array: TypeAlias = np.ndarray


def find_motion(
    model: Model,
    groups: Mapping[str, Any],
    synapses: Mapping[str, Synapses],
    pins: Mapping[str, Array],
    scaling: Mapping[str, Any],
    homogeneity: Mapping[str, float],
    namespace: Mapping[str, Any],
    allow: Iterable[str] = (),
) -> Motion:
    """What moves by a model's statements, for all groups that are not wholly pinned.

    ``scaling`` declares, ``homogeneity`` overrides b of what a group sends; the rest is derived from the equations,
    in which constants of plasticity rules that ``allow`` names need not scale.
    """
    _check_declaration(groups, synapses, scaling)
    for name, b in homogeneity.items():
        if name not in groups:
            raise InvalidInputError(f"homogeneity: there is no group {name!r}.{did_you_mean(name, groups)}")
        read_power(b, f"homogeneity[{name!r}]")
    model, allowed = with_allowed(model, allow)
    symmetries = Symmetries(model, scaling)
    free = [name for name in groups if not pins[name].all()]
    movable = [n for n in free if n in scaling or n in homogeneity or symmetries.groups[n].scalable]
    immovable = {name: _why_not(symmetries, name) for name in free if name not in movable}
    for name in movable:
        if symmetries.groups[name].choices and name not in scaling:
            raise NotHomogeneousError(_choices(symmetries, name))
    if not movable and free:
        error = NotHomogeneousError(
            f"No neuron can be rescaled without changing what the network computes.\n{symmetries}"
        )
        error.allowable = _allowable(model, free)
        raise error
    moving_groups = {name: _group_motion(symmetries, groups[name], scaling.get(name), namespace) for name in movable}
    moving_synapses = {
        name: _synaptic_motion(symmetries, connection, scaling, homogeneity, movable, allowed.get(name, []))
        for name, connection in synapses.items()
        if not {parent(connection.source).name, parent(connection.target).name}.isdisjoint(movable)
    }
    return Motion(
        moving_groups,
        moving_synapses,
        _changed(model),
        "assumed" if allowed else _basis(symmetries, scaling, homogeneity),
        immovable,
        _assumptions(symmetries, moving_groups),
        _advice(symmetries, movable),
        {name: tuple(constants) for name, constants in allowed.items()},
        {
            name: [str(o) for o in symmetries.contradicting if o.place.endswith(f" of {name}")]
            for name in moving_synapses
        },
        model.external,
    )


def _allowable(model: Model, free: list[str]) -> tuple[str, ...]:
    """Constants of rules that write synaptic variables, if some of these groups could be rescaled but for them."""

    def movable(names: list[str]) -> bool:
        relaxed = Symmetries(with_allowed(model, names)[0])
        return any(relaxed.groups[name].scalable for name in free)

    names = allowable(model)
    if not names or not movable(names):
        return ()
    for name in list(names):  # none that is not needed
        rest = [candidate for candidate in names if candidate != name]
        names = rest if movable(rest) else names
    return tuple(names)


def _basis(symmetries: Symmetries, scaling: Mapping[str, Any], homogeneity: Mapping[str, float]) -> str:
    """Where the symmetries come from: "equations", "declared", or "assumed" if the equations do not confirm them."""
    overridden = any(b != symmetries.groups[name].homogeneity for name, b in homogeneity.items())
    if symmetries.contradicted or overridden or (symmetries.unread and not scaling):
        return "assumed"
    return "declared" if scaling else "equations"


def _group_motion(symmetries: Symmetries, group: Any, declared: Any, namespace: Mapping[str, Any]) -> GroupMotion:
    symmetry = symmetries.groups[group.name]
    roots = tuple(float(power) for _, power in symmetry.roots)
    if declared is not None:
        powers = {key: float(power) for key, power in declared.items() if power}
        return GroupMotion(powers, inexact=symmetry.inexact, roots=roots)
    origin_values = {
        constant: constant_value(group, constant, namespace) for constant in set(symmetry.origins.values())
    }
    origins = {key: origin_values[constant] for key, constant in symmetry.origins.items()}
    powers = {key: float(power) for key, power in symmetry.powers.items() if power}
    measured = tuple(f"what is measured from {constant}" for constant, value in origin_values.items() if value)
    return GroupMotion(powers, origins, origin_values, (*measured, *symmetry.inexact), roots)


def _assumptions(symmetries: Symmetries, moving: Mapping[str, GroupMotion]) -> dict[tuple[str, str], float]:
    """The constants, with their values, that may not change while these groups are rescaled."""
    origins = {(name, key): value for name, moves in moving.items() for key, value in moves.origin_values.items()}
    return symmetries.assumptions(moving) | origins


def _synaptic_motion(
    symmetries: Symmetries,
    synapses: Synapses,
    scaling: Mapping[str, Any],
    homogeneity: Mapping[str, float],
    movable: Iterable[str],
    allowed: Iterable[str],
) -> SynapticMotion:
    """The motion of one Synapses; an end that cannot move does not count, ``allowed`` constants are no variables."""
    source, target = parent(synapses.source).name, parent(synapses.target).name
    if synapses.name in scaling:
        if scaling[synapses.name] is None:
            return SynapticMotion()
        weight, a, b = scaling[synapses.name]
        weights: tuple[str, ...] = (weight,)
        powers = {weight: (float(a), -float(b))}
    else:
        symmetry = symmetries.projections[synapses.name]
        weights = tuple(weight.variable for weight in symmetry.weights)
        powers = {key: (float(post), float(pre)) for key, (post, pre) in symmetry.powers.items() if key not in allowed}
    for weight in weights:
        post, pre = powers.get(weight, (0.0, 0.0))
        if target in homogeneity and post == 0:
            post = 1.0  # who assumes a homogeneity assumes that incoming weights move by λ
        powers[weight] = (post, -float(homogeneity[source])) if source in homogeneity else (post, pre)
    powers = {key: (post * (target in movable), pre * (source in movable)) for key, (post, pre) in powers.items()}
    for weight in weights:
        if any(powers[weight]):
            float_array(synapses, weight, "weight")
    if synapses.name not in scaling and not any(any(pair) for pair in powers.values()):
        for end in (source, target):
            if end in scaling:
                raise NotHomogeneousError(_silent_synapses(synapses, weights, end))
    return SynapticMotion(weights, {key: pair for key, pair in powers.items() if any(pair)})


def _changed(model: Model) -> frozenset[tuple[str, str]]:
    """Variables that some statement of the model writes."""
    changed = set()
    for part in (model.groups, model.synapses):
        for statement in (line for owner in part.values() for line in owner.statements):
            target = statement.scope.get(statement.target) if statement.target else None
            if isinstance(target, Variable):
                changed.add((target.owner, target.name))
    return frozenset(changed)


def _check_declaration(groups: Mapping[str, Any], synapses: Mapping[str, Synapses], scaling: Mapping[str, Any]) -> None:
    """Every declared variable exists, and its values can be multiplied."""
    declared = read_declaration(scaling, groups, synapses)
    for name, variable in declared.powers:
        declared_array(groups[name], variable, "variable")
    for name, weight in declared.variables.items():
        declared_array(synapses[name], weight, "weight")


def _why_not(symmetries: Symmetries, group: str) -> str:
    """One line about a group that cannot be rescaled."""
    fixed = symmetries.groups[group].fixed
    if fixed is not None:
        return fixed
    if not symmetries.receives(group):
        return "nothing comes into it"
    obstacles = symmetries.obstacles(group)
    return f"not homogeneous: {obstacles[0]}" if obstacles else "its incoming weights cannot move"


def _choices(symmetries: Symmetries, group: str) -> str:
    listed = "\n".join(
        f"  ({k}) " + ", ".join(f"{key}: λ^{power}" for key, power in choice.items())
        for k, choice in enumerate(symmetries.groups[group].choices, 1)
    )
    return (
        f"Neurons of group {group!r} can be rescaled in more than one way that leaves the function unchanged, and each "
        f"has another balance:\n{listed}\n"
        f"Say which is meant: scaling={{{group!r}: {{variable: power, ...}}, and for each of its Synapses 'name': "
        "(weight, a, b)}."
    )


def _silent_synapses(synapses: Synapses, weights: tuple[str, ...], group: str) -> str:
    weight = weights[0] if weights else "w"
    return (
        f"scaling declares how group {group!r} moves, but by its equations the weights of its Synapses "
        f"{synapses.name!r} do not move along. Declare them too: {synapses.name!r}: ({weight!r}, 1, 1), with the "
        "powers a of the postsynaptic and b of the presynaptic λ (b = 0 for spikes of a fixed size), or "
        f"{synapses.name!r}: None if nothing of them moves."
    )


def _advice(symmetries: Symmetries, movable: Iterable[str]) -> str:
    """The changed model lines for groups whose output does not move with their input."""
    lines = []
    for name in movable:
        remedy = symmetries.remedy(name)
        if remedy is not None:
            lines += [f"What {name!r} sends does not scale with what it receives. What would lift it:"]
            lines += [f"    {line}" for line in remedy.lines()]
    return "\n".join(lines)
