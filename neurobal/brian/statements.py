"""Collect a Brian2 network's statements: from objects to lines of text and the meaning of their names.

The result is a `neurobal.symmetry.model.Model`, from which the algebra works. Nothing is run or compiled, and nothing
raises: what cannot be read is noted in ``Model.unread``.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import count
from textwrap import dedent
from typing import Any

import numpy as np
from brian2 import NeuronGroup, PoissonInput, Synapses
from brian2.core.base import BrianObject
from brian2.core.clocks import Clock
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.functions import Function as BrianFunction
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.operations import NetworkOperation
from brian2.core.spikesource import SpikeSource
from brian2.core.variables import ArrayVariable, AuxiliaryVariable, Subexpression
from brian2.core.variables import Constant as BrianConstant
from brian2.core.variables import Variable as BrianVariable
from brian2.equations.equations import BOOLEAN, DIFFERENTIAL_EQUATION, INTEGER, PARAMETER, SUBEXPRESSION
from brian2.groups import neurongroup
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor
from brian2.synapses import synapses as synapses_module
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit
from brian2.utils.stringtools import get_identifiers

from neurobal.symmetry.expressions import STANDARD_FUNCTIONS, Function
from neurobal.symmetry.model import (
    Constant,
    Kind,
    Model,
    Pin,
    Place,
    Population,
    Projection,
    Reference,
    Statement,
    Variable,
)

_TIMEKEEPING = frozenset(
    {"t", "dt", "t_in_timesteps", "i", "j", "N", "N_pre", "N_post", "N_incoming", "N_outgoing"}
    | {"lastspike", "not_refractory", "lastupdate", "delay"}
)
_READERS = (StateMonitor, EventMonitor, PopulationRateMonitor, Subgroup, Clock)
_OWNED = (  # their code is read from the group that owns them
    neurongroup.StateUpdater,
    neurongroup.SubexpressionUpdater,
    neurongroup.Thresholder,
    neurongroup.Resetter,
    synapses_module.StateUpdater,
    synapses_module.SummedVariableUpdater,
    synapses_module.SynapticPathway,
)
_SEEN_FROM = {"_postsynaptic_idx": "post", "_presynaptic_idx": "pre", "_idx": "own", "_sub_idx": "own"}


def collect_statements(objects: Iterable[BrianObject], namespace: Mapping[str, Any]) -> Model:
    """Everything that these objects compute, as statements.

    Parameters
    ----------
    objects
        What the network would run; contained objects are found.
    namespace
        Where names that no group knows are looked up, as in ``Network.run``.
    """
    return _Reader(objects, namespace).read()


class _Reader:
    def __init__(self, objects: Iterable[BrianObject], namespace: Mapping[str, Any]) -> None:
        unique = {obj.name: obj for obj in _with_contained(objects)}
        self.objects = [unique[name] for name in sorted(unique)]
        self.namespace = namespace
        self.model = Model()
        self.block = count()
        self.pinned: set[tuple[str, str]] = set()

    def read(self) -> Model:
        for obj in self.objects:  # first the groups: synapses refer to them
            if isinstance(obj, NeuronGroup) and type(obj) is NeuronGroup:
                self._population(obj)
            elif isinstance(obj, SpikeSource) and not isinstance(obj, Subgroup | Synapses):
                self.model.populations[obj.name] = Population(obj.name, fixed=_fixed_by_nature(obj), spiking=True)
                others = sorted(_linked_to(obj))
                if others:
                    note = f"{obj.name}: not analysed, and linked to variables of {', '.join(others)}"
                    self.model.unread.append(note)
        for obj in self.objects:
            if isinstance(obj, Synapses):
                self._projection(obj)
        for obj in self.objects:
            self._other(obj)
        return self.model

    # Groups

    def _population(self, group: NeuronGroup) -> None:
        population = Population(group.name, spiking="spike" in group.events)
        self.model.populations[group.name] = population
        add = population.statements.append
        for equation in group.user_equations.ordered:
            self._describe(population, equation)
            statement = self._equation(group, equation, "equations")
            if statement is not None:
                add(statement)
        for event, condition in group.events.items():
            part = "threshold" if event == "spike" else f"event {event!r}"
            if isinstance(condition, str):
                add(self._statement(group, part, condition, "condition", condition))
        for event, code in group.event_codes.items():
            part = "reset" if event == "spike" else f"code on event {event!r}"
            population.statements.extend(self._code(group, part, code))
        if isinstance(group._refractory, str):
            add(self._statement(group, "refractory", group._refractory, "invariant", group._refractory))
        self._check_method(group, group.method_choice, group.equations.diff_eq_names)

    def _projection(self, synapses: Synapses) -> None:
        source, target = _parent(synapses.source), _parent(synapses.target)
        projection = Projection(synapses.name, self._neurons(source), self._neurons(target))
        self.model.projections[synapses.name] = projection
        add = projection.statements.append
        equations = [(equation, "model") for equation in synapses.equations.ordered]
        if synapses.event_driven is not None:
            known = set(synapses.equations.names)
            equations += [(e, "model") for e in synapses.event_driven.ordered if e.varname not in known]
        for equation, part in equations:
            self._describe(projection, equation)
            statement = self._equation(synapses, equation, part)
            if statement is not None:
                add(statement)
        if synapses.subexpression_updater is not None:
            projection.statements.extend(self._code(synapses, "model", synapses.subexpression_updater.abstract_code))
        for target_name, updater in synapses.summed_updaters.items():
            expression = " ".join(updater.expression.code.split())
            text = f"{target_name} = {expression} : {_unit(synapses.variables[target_name])} (summed)"
            add(self._statement(synapses, "model", text, "summed", expression, target_name))
        for pathway in synapses._pathways:
            part = f"on_{pathway.prepost}" + ("" if pathway.objname == pathway.prepost else f" {pathway.objname!r}")
            projection.statements.extend(self._code(synapses, part, pathway.code))
        if synapses.state_updater is not None:
            updater = synapses.state_updater
            self._check_method(synapses, updater.method_choice, synapses.equations.diff_eq_names)

    def _other(self, obj: BrianObject) -> None:
        if isinstance(obj, (*_READERS, *_OWNED, Synapses)):
            return
        if isinstance(obj, CodeRunner):
            owner = _parent(obj.group)
            found = self.model.populations.get(owner.name) or self.model.projections.get(owner.name)
            if found is None or (isinstance(found, Population) and found.fixed):
                return
            part = f"{type(obj).__name__} {obj.name!r}"
            if type(obj) is CodeRunner:
                part = "run_regularly code"
            found.statements.extend(self._code(obj.group, part, obj.abstract_code, getattr(obj, "variables", None)))
            if not isinstance(obj, PoissonInput) and type(obj) is not CodeRunner:
                self.model.unread.append(f"{obj.name}: code that {type(obj).__name__} may generate when the run starts")
        elif isinstance(obj, NetworkOperation):
            self.model.unread.append(
                f"{obj.name}: a network operation runs Python code that may read or change anything"
            )
        elif obj.name not in self.model.populations:
            self.model.unread.append(f"{obj.name}: objects of type {type(obj).__name__} are not analysed")

    # Statements

    def _describe(self, part: Population | Projection, equation: Any) -> None:
        part.units[equation.varname] = _unit_text(equation.dim)
        if equation.type == PARAMETER and "shared" not in equation.flags:
            part.parameters.add(equation.varname)

    def _equation(self, owner: Any, equation: Any, part: str) -> Statement | None:
        if equation.type == PARAMETER:
            return None
        name, expression = equation.varname, " ".join(equation.expr.code.split())
        flags = f" ({', '.join(equation.flags)})" if equation.flags else ""
        declared = {BOOLEAN: "boolean", INTEGER: "integer"}.get(equation.var_type, _unit_text(equation.dim))
        left = f"d{name}/dt" if equation.type == DIFFERENTIAL_EQUATION else name
        text = f"{left} = {expression} : {declared}{flags}"
        if equation.type == DIFFERENTIAL_EQUATION:
            return self._statement(owner, part, text, "d/dt", expression, name)
        if equation.type == SUBEXPRESSION:
            # "constant over dt": computed once a step and stored, hence an assignment.
            operation = "=" if "constant over dt" in equation.flags else "define"
            return self._statement(owner, part, text, operation, expression, name)
        return None

    def _code(self, owner: Any, part: str, code: str, extra: Any = None) -> Iterator[Statement]:
        block = next(self.block)
        for text, target, operation, expression in _assignments(code):
            yield self._statement(owner, part, text, operation, expression, target, block, extra)

    def _statement(
        self,
        owner: Any,
        part: str,
        text: str,
        operation: str,
        expression: str,
        target: str | None = None,
        block: int = -1,
        extra: Any = None,
    ) -> Statement:
        names = set(get_identifiers(expression)) | ({target} if target else set())
        scope = {name: self._reference(owner, name, extra or {}) for name in sorted(names)}
        known = {name: reference for name, reference in scope.items() if reference is not None}
        return Statement(Place(_parent(owner).name, part), text, operation, expression, known, target, block)

    # Names

    def _reference(self, owner: Any, name: str, extra: Mapping[str, Any]) -> Reference | None:
        """What a name means in the equations of this owner; None if it means nothing yet."""
        found = extra.get(name)
        if found is None or name in owner.variables:
            found = owner.variables.get(name, found)
        if isinstance(found, BrianFunction):
            return Function(name)
        if found is not None:
            return self._variable(owner, name, found)
        return self._external(owner, name)

    def _variable(self, owner: Any, name: str, variable: BrianVariable) -> Reference:
        if isinstance(variable, BrianConstant):
            return Constant(name, float(variable.value))
        holder = _parent(variable.owner) if variable.owner is not None else None
        if (
            holder is None
            or isinstance(holder, Clock)
            or isinstance(variable, AuxiliaryVariable)
            or variable.name in _TIMEKEEPING
            or not isinstance(variable, ArrayVariable | Subexpression)
        ):
            return Constant(name)
        if isinstance(variable, Subexpression):
            return self._expression(owner, name, variable)
        if variable.scalar:
            own = holder.name == _parent(owner).name
            return Constant(name, unit=_unit(variable), promotable=own, stored=(holder.name, variable.name))
        seen_from = _SEEN_FROM.get(owner.variables.indices[name])
        if seen_from is None or not _is_end(_parent(owner), holder, seen_from):
            return self._linked(owner, name, variable)
        return Variable(holder.name, variable.name, _kind(holder, variable), seen_from)

    def _expression(self, owner: Any, name: str, variable: Subexpression) -> Reference:
        """A named expression. Brian2 makes copies of it, with mangled names, for subgroups, synapses and links."""
        holder, base, seen_from = _parent(owner), name, "own"
        if isinstance(holder, Synapses) and name not in _equations(holder):
            end = holder.source if name.endswith("_pre") else holder.target
            seen_from = "pre" if name.endswith("_pre") else "post"
            base = name.removesuffix("_pre") if seen_from == "pre" else name.removesuffix("_post")
            holder = _parent(end)
        if base in _TIMEKEEPING:
            return Constant(name)
        coupled = isinstance(holder, Synapses) and seen_from != "own"
        equation = _equations(holder).get(base)
        defined = equation is not None and equation.type == SUBEXPRESSION
        if coupled or not defined or not self._same_constants(owner, holder, variable):
            return self._linked(owner, name, variable)
        return Variable(holder.name, base, _kind(holder, holder.variables[base]), seen_from)

    def _same_constants(self, owner: Any, holder: Any, variable: Subexpression) -> bool:
        """Brian2 looks up the constants of an expression where it is used: are they those of its own group?"""
        outside = [n for n in variable.identifiers if n not in variable.owner.variables]
        return all(self._external(owner, n) == self._external(holder, n) for n in outside)

    def _linked(self, owner: Any, name: str, variable: BrianVariable) -> Reference:
        """A quantity of neurons (or synapses) that the owner does not see neuron by neuron: it must not move."""
        if isinstance(variable, Subexpression):
            for part in variable.identifiers:
                found = variable.owner.variables.get(part)
                if isinstance(found, ArrayVariable | Subexpression) and found is not variable:
                    self._linked(owner, name, found)
        elif variable.owner is not None and not variable.scalar:
            reason = f"{_parent(owner).name} reads it as {name!r}, a linked variable"
            self._pin(_parent(variable.owner).name, variable.name, reason)
        return Constant(name)

    def _external(self, owner: Any, name: str) -> Reference | None:
        if name in DEFAULT_CONSTANTS:
            return Constant(name, float(DEFAULT_CONSTANTS[name].value))
        if name in DEFAULT_UNITS:
            unit = DEFAULT_UNITS[name]
            return Constant(name, float(unit), _unit_text(unit.dim))
        if name in DEFAULT_FUNCTIONS:
            return Function(name, STANDARD_FUNCTIONS.get(name))
        for space in (getattr(owner, "namespace", None) or {}, self.namespace):
            if name not in space:
                continue
            found = space[name]
            if isinstance(found, BrianFunction) or (inspect.isfunction(found) and hasattr(found, "_arg_units")):
                return Function(name, _declared_homogeneity(found))
            if isinstance(found, BrianVariable):
                return Constant(name)
            value = np.asarray(found) if isinstance(found, int | float | np.number | np.ndarray) else None
            if value is not None and value.shape == () and value.dtype.kind in "biuf":
                dimensions = getattr(found, "dim", DIMENSIONLESS)
                return Constant(name, float(value), _unit_text(dimensions), promotable=True, external=True)
        return None

    def _pin(self, owner: str, name: str, reason: str) -> None:
        if (owner, name) not in self.pinned:
            self.pinned.add((owner, name))
            self.model.pins.append(Pin(owner, name, reason))

    def _neurons(self, group: Any) -> str | None:
        return group.name if group.name in self.model.populations else None

    def _check_method(self, owner: Any, method: Any, variables: Iterable[str]) -> None:
        if isinstance(method, str) and method.lower().startswith("gsl"):
            for name in variables:
                self._pin(owner.name, name, f"method {method!r} adapts its step to absolute tolerances")
        elif inspect.isfunction(method):
            self.model.unread.append(f"{owner.name}: the integration method is a Python function")


def _with_contained(objects: Iterable[BrianObject]) -> Iterator[BrianObject]:
    for obj in objects:
        if type(obj).__module__.startswith("neurobal"):
            continue  # our own rules change nothing but the scales
        yield obj
        yield from _with_contained(obj.contained_objects)


def _parent(group: Any) -> Any:
    """The group itself, or the one of which it is a part."""
    return group.source if isinstance(group, Subgroup) else group


def _is_end(owner: Any, holder: Any, seen_from: str) -> bool:
    """Are the holder's variables seen neuron by neuron: as one's own, or as those of this end of some synapses?"""
    if seen_from == "own":
        return bool(holder.name == owner.name)
    if isinstance(holder, Synapses):
        return False  # synapses onto synapses
    return bool(holder.name == _parent(owner.source if seen_from == "pre" else owner.target).name)


def _fixed_by_nature(group: Any) -> str:
    match type(group).__name__:
        case "SpatialNeuron":
            return "compartments of one neuron are coupled: they cannot be scaled one by one"
        case "PoissonGroup" | "SpikeGeneratorGroup":
            return "an input: nothing comes into it"
    return f"groups of type {type(group).__name__} are not analysed"


def _linked_to(group: Any) -> set[str]:
    """The other objects whose variables a group reads (or writes) through links."""
    owners = [_parent(v.owner) for v in group.variables.values() if v.owner is not None]
    return {owner.name for owner in owners if owner.name != group.name and not isinstance(owner, Clock)}


def _equations(holder: Any) -> Mapping[str, Any]:
    """The equations of a group or of synapses, by variable."""
    equations = dict(getattr(holder, "equations", None) or {})
    return equations | dict(getattr(holder, "event_driven", None) or {})


def _kind(holder: Any, variable: BrianVariable) -> Kind:
    if np.dtype(variable.dtype).kind != "f":
        return Kind.DISCRETE
    if isinstance(variable, Subexpression):
        return Kind.EXPRESSION
    equation = _equations(holder).get(variable.name)
    return Kind.STATE if equation is not None and equation.type == DIFFERENTIAL_EQUATION else Kind.PARAMETER


def _unit(variable: BrianVariable) -> str:
    return _unit_text(variable.dim)


def _unit_text(dimensions: Any) -> str:
    return "1" if dimensions is DIMENSIONLESS else repr(get_unit(dimensions))


def _declared_homogeneity(function: Any) -> Fraction | None:
    """The attribute ``homogeneity`` of a user's function f(λx, λy) = λ^homogeneity f(x, y)."""
    python = getattr(function, "pyfunc", function)
    if python in (np.minimum, np.maximum, np.fmin, np.fmax):
        return Fraction(1)
    declared = getattr(function, "homogeneity", getattr(python, "homogeneity", None))
    return None if declared is None else Fraction(declared)


def _assignments(code: str) -> Iterator[tuple[str, str | None, str, str]]:
    """The lines of a block of abstract code as (text, target, operation, expression)."""
    code = dedent(code).strip()
    try:
        lines = [(code, node) for node in ast.parse(code).body]
    except SyntaxError:
        lines = []
        for line in map(str.strip, code.splitlines()):
            try:
                lines += [(line, node) for node in ast.parse(line).body]
            except SyntaxError:
                yield line, None, "condition", line  # the algebra takes it as it is: nothing in it may move
    for whole, node in lines:
        text = ast.get_source_segment(whole, node) or ast.unparse(node)
        match node:
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AugAssign(target=ast.Name(id=target)):
                expression = ast.get_source_segment(whole, node.value) or ast.unparse(node.value)
                operation = "=" if isinstance(node, ast.Assign) else text[len(target) :].split("=", 1)[0].strip() + "="
                yield text, target, operation, expression
            case _:
                yield text, None, "condition", text
