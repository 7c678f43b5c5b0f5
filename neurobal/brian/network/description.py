"""A Brian2 network's `Description`: everything that a certificate compares besides weights and covariant constants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    SpikeGeneratorGroup,
    Subgroup,
    Synapses,
    TimedArray,
    prefs,
)
from brian2.core.base import BrianObject
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.functions import Function as BrianFunction
from brian2.core.magic import magic_network
from brian2.core.operations import NetworkOperation
from brian2.core.variables import ArrayVariable, Subexpression
from brian2.groups.group import CodeRunner
from brian2.groups.neurongroup import SubexpressionUpdater

from neurobal.brian.network.names import constant_of
from neurobal.brian.network.objects import neuron_groups, parent, synapses_objects
from neurobal.brian.network.python_code import python_code
from neurobal.brian.network.values import is_brians_own, values_of
from neurobal.description import Description, Key, Line, Stored
from neurobal.errors import UnknownValuesError
from neurobal.motion import Motion
from neurobal.symmetry.model import GroupModel, Model, SynapsesModel, Variable
from neurobal.symmetry.normal_form import normal_form


def describe(
    objects: Iterable[BrianObject],
    model: Model,
    motion: Motion,
    schedule: tuple[str, ...],
) -> Description:
    """Describe a network.

    Parameters
    ----------
    objects
        All that it consists of, see `brian_objects`.
    model
        Their statements.
    motion
        What moves; weights that move and constants of neurons are left to circuits.
    schedule
        The slots of a time step, see `schedule_of`.
    """
    return _Describer(list(objects), model, motion, schedule).describe()


def schedule_of(network: Any) -> tuple[str, ...]:
    """The slots of a time step, in their order; the default ones for a list of objects."""
    if network is None:
        return tuple(magic_network.schedule)
    return tuple(network.schedule if isinstance(network, Network) else prefs.core.network.default_schedule)


class _Describer:
    def __init__(
        self,
        objects: list[BrianObject],
        model: Model,
        motion: Motion,
        schedule: tuple[str, ...],
    ) -> None:
        self.objects, self.model, self.motion = objects, model, motion
        self.facts: dict[str, Any] = {"order of slots": schedule}
        self.stored: dict[Key, Stored] = {}
        self.not_compared = list(model.unread)

    def describe(self) -> Description:
        groups, synapses = neuron_groups(self.objects), synapses_objects(self.objects)
        for group in groups.values():
            self._group(group)
        for connection in synapses.values():
            self._synapses(connection)
        aliases = self._code()
        self._names({**groups, **synapses})
        return Description(self._lines(aliases), self.facts, self.stored, tuple(dict.fromkeys(self.not_compared)))

    # Groups and Synapses

    def _group(self, group: Any) -> None:
        name = group.name
        self.facts[f"kind of {name}"] = type(group).__name__
        self.facts[f"number of neurons of {name}"] = len(group)
        if isinstance(group, NeuronGroup):
            self._integration(group, group.method_choice)
            self.facts[f"refractoriness of {name}"] = _number_or_text(group._refractory)
            self.facts[f"events of {name}"] = tuple(sorted(group.events))
        self._runs(group)
        self._links(group)
        if not _is_known(group):
            self.not_compared.append(f"{name}: equations and values of a {type(group).__name__}")
        moves = self.motion.groups.get(name)
        fitted = self.motion.parameters(name)
        for variable in self._variables(group):
            if variable.name in fitted:
                continue
            power = moves.powers.get(variable.name, 0.0) if moves else 0.0
            origin = moves.origins.get(variable.name, 0.0) if moves else 0.0
            self._store(variable, ((name, None, power),) if power else (), origin)

    def _synapses(self, synapses: Synapses) -> None:
        name = synapses.name
        if not _is_known(synapses):
            self.not_compared.append(f"{name}: what a {type(synapses).__name__} does besides its equations")
        self.facts[f"kind of {name}"] = type(synapses).__name__
        self.facts[f"source of {name}"] = _end(synapses.source)
        self.facts[f"target of {name}"] = _end(synapses.target)
        if synapses.state_updater is not None:
            self._integration(synapses, synapses.state_updater.method_choice)
        for pathway in synapses._pathways:
            place = f"{name}, {pathway.objname!r}"
            self.facts[f"event of {place}"] = (pathway.prepost, pathway.event)
            self._remember(f"delay of {place}", pathway.variables["delay"], as_one=True)
        self._runs(synapses)
        self._links(synapses)
        moves = self.motion.synapses.get(name)
        weights = set(moves.projections(name).values()) if moves else set()
        ends = {key: synapses.variables[key] for key in ("_synaptic_pre", "_synaptic_post")}
        if not weights:
            for key, variable in ends.items():
                self._remember(f"{key.removeprefix('_synaptic_')}synaptic neurons of {name}", variable)
        powers = moves.powers if moves else {}
        index = {key: values_of(variable) for key, variable in ends.items()} if powers.keys() - weights else {}
        for variable in self._variables(synapses):
            if variable.name in weights:
                continue
            post, pre = powers.get(variable.name, (0.0, 0.0))
            at = (
                (parent(synapses.target).name, index.get("_synaptic_post"), post),
                (parent(synapses.source).name, index.get("_synaptic_pre"), pre),
            )
            self._store(variable, tuple(move for move in at if move[2]))

    def _variables(self, owner: Any) -> Iterator[ArrayVariable]:
        """The variables of a group or of synapses that hold values of the model: no indices and no counts."""
        counts = isinstance(owner, NeuronGroup | Synapses)
        for key, variable in sorted(owner.variables.items()):
            is_own = isinstance(variable, ArrayVariable) and variable.owner is not None and variable.name == key
            if not is_own or parent(variable.owner).name != owner.name or key.startswith("_"):
                continue
            if key == "i" or (counts and variable.read_only and variable.constant):
                continue
            yield variable

    def _store(self, variable: ArrayVariable, powers: tuple[Any, ...], origin: float = 0.0) -> None:
        owner = parent(variable.owner)
        key = Key(owner.name, variable.name)
        dynamic = key in self.motion.changed or is_brians_own(owner, variable.name) or not _is_known(owner)
        try:
            values = values_of(variable)
        except UnknownValuesError:
            if not dynamic:  # a state says nothing of the model
                self.not_compared.append(f"{key}: its values are not known before the standalone simulation runs")
            return
        self.stored[key] = Stored(values, powers, origin, dynamic)

    def _remember(self, name: str, variable: ArrayVariable, *, as_one: bool = False) -> None:
        """Note the values of a variable: ``as_one`` if they are all the same, and their number does not count."""
        try:
            values = values_of(variable)
            self.facts[name] = values[:1].copy() if as_one and (values == values[:1]).all() else values
        except UnknownValuesError:
            self.not_compared.append(f"{name}: not known before the standalone simulation runs")

    def _integration(self, owner: Any, method: Any) -> None:
        if isinstance(method, str | tuple | list):
            method = method if isinstance(method, str) else tuple(method)
            self.facts[f"integration method of {owner.name}"] = method
            self.facts[f"options of the integration method of {owner.name}"] = owner.state_updater.method_options or {}

    def _runs(self, owner: BrianObject) -> None:
        """When an object and all that it contains act within a time step."""
        for obj in (owner, *owner.contained_objects):
            if isinstance(obj, CodeRunner) and type(obj) is CodeRunner:
                continue  # run_regularly: known by its owner and number, see `_code`
            if isinstance(obj, Subgroup):
                continue  # does nothing by itself, and Brian2 counts these names
            label = obj.name
            if isinstance(obj, SubexpressionUpdater):  # Brian2 counts these names
                label = f"subexpressions of {owner.name}"
            self._when(label, obj)

    def _when(self, name: str, obj: BrianObject) -> None:
        self.facts[f"time step of {name}"] = float(obj.clock.dt_)
        self.facts[f"slot (when, order, active) of {name}"] = (obj.when, obj.order, obj.active)

    def _links(self, owner: Any) -> None:
        for name in sorted(owner._linked_variables if isinstance(owner, NeuronGroup) else ()):
            variable, index = owner.variables[name], owner.variables.indices[name]
            self.facts[f"link of {owner.name}.{name}"] = (variable.owner.name, variable.name)
            if index in owner.variables and index != "_idx":
                self._remember(f"index of the link {owner.name}.{name}", owner.variables[index])
            if parent(variable.owner) not in self.objects and isinstance(variable, ArrayVariable):
                self._remember(f"values of the link {owner.name}.{name}", variable)

    # Code that runs beside groups, and functions

    def _code(self) -> dict[str, str]:
        """Facts about code that acts on groups; returns names for it that do not depend on Brian2's counters."""
        aliases: dict[str, str] = {}
        numbers: dict[str, int] = {}
        everything = {*self.objects, *(part for obj in self.objects for part in obj.contained_objects)}
        for obj in sorted(everything, key=lambda obj: obj.name):
            if isinstance(obj, NetworkOperation):
                self.facts[f"network operation {obj.name}"] = python_code(obj.function)
            if not isinstance(obj, PoissonInput) and type(obj) is not CodeRunner:
                continue
            kind = "input" if isinstance(obj, PoissonInput) else "regular code"
            stem = f"{kind} of {_end(obj.group)}"
            numbers[stem] = numbers.get(stem, 0) + 1
            alias = f"{stem}, number {numbers[stem]}"
            aliases[repr(obj.name)] = alias
            self._when(alias, obj)
            if isinstance(obj, PoissonInput):
                self.facts[f"size and rate of {alias}"] = (int(obj.N), float(obj.rate))
                for variable in obj.variables.values():
                    if isinstance(variable, BrianFunction):
                        aliases[variable.name] = "binomial"
        return aliases

    def _parts(self) -> list[GroupModel | SynapsesModel]:
        return [*self.model.groups.values(), *self.model.synapses.values()]

    def _lines(self, aliases: Mapping[str, str]) -> dict[str, tuple[Line, ...]]:
        lines: dict[str, list[Line]] = {}
        blocks: dict[str, int] = {}
        for part in self._parts():
            for statement in part.statements:
                place, line = str(statement.place), normal_form(statement)
                form = line.form
                for name in sorted(aliases, key=len, reverse=True):  # the longest first: one may begin with another
                    place, form = place.replace(name, aliases[name]), form.replace(name, aliases[name])
                if blocks.setdefault(place, statement.block) != statement.block:
                    form = f"(another block) {form}"
                blocks[place] = statement.block
                lines.setdefault(place, []).append(replace(line, form=form))
        return {place: tuple(found) for place, found in lines.items()}

    def _names(self, owners: Mapping[str, Any]) -> None:
        """What names stand for that are no variables of the owner and no numbers in its lines."""
        meanings: dict[tuple[str, str], Any] = dict(self.model.borrowed)
        for part in self._parts():
            for statement in part.statements:
                for name, reference in statement.scope.items():
                    if not isinstance(reference, Variable) and name not in owners[part.name].variables:
                        own = getattr(owners[part.name], "namespace", None) or {}
                        meanings[part.name, name] = own.get(name, self.model.external.get(name))
        for (owner, name), value in meanings.items():
            self._meaning(owner, name, value)

    def _meaning(self, owner: str, name: str, value: Any) -> None:
        label = f"{name} in {owner}"
        if isinstance(value, TimedArray):
            self.facts[f"values of {label}"] = np.array(value.values)
            self.facts[f"time step of the values of {label}"] = float(value.dt)
        elif isinstance(value, ArrayVariable | Subexpression):
            self.facts[f"variable {label}"] = (value.owner.name, value.name)
            if isinstance(value, Subexpression):
                self.not_compared.append(f"{label}: what {value.owner.name}.{value.name} is computed from")
            elif parent(value.owner) not in self.objects:
                self._remember(f"values of {label}", value)
        elif isinstance(value, BrianFunction) or callable(value):
            if name not in DEFAULT_FUNCTIONS:
                code = python_code(value)
                self.facts[f"function {label}"] = code
                self.not_compared += [f"function {label}: state of an object of type {kind}" for kind in code.opaque]
        elif (owner, name) in self.model.borrowed:
            number = constant_of(value)
            if number is not None:
                self.facts[f"constant {label}, in expressions of other groups,"] = number


def _is_known(owner: Any) -> bool:
    """Whether all that changes the values of a group or of synapses is among the statements."""
    return type(owner) in (NeuronGroup, Synapses, PoissonGroup, SpikeGeneratorGroup)


def _end(group: Any) -> str:
    """A group, or the part of it that a subgroup shows."""
    return f"{group.source.name}[{group.start}:{group.stop}]" if isinstance(group, Subgroup) else str(group.name)


def _number_or_text(value: Any) -> Any:
    return value if isinstance(value, bool | str) else float(value)
