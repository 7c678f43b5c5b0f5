"""Collect a Brian2 network's statements: from objects to lines of text and the meaning of their names.

The result is a `neurobal.symmetry.model.Model`, from which the algebra works. Nothing is run or compiled, and nothing
raises: what cannot be read is noted in ``Model.unread``.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from types import MappingProxyType
from typing import Any

from brian2 import NeuronGroup, PoissonInput, Synapses
from brian2.core.base import BrianObject
from brian2.core.clocks import Clock
from brian2.core.operations import NetworkOperation
from brian2.core.spikesource import SpikeSource
from brian2.equations.equations import BOOLEAN, DIFFERENTIAL_EQUATION, INTEGER, PARAMETER, SUBEXPRESSION
from brian2.groups import neurongroup
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, StateMonitor
from brian2.synapses import synapses as synapses_module
from brian2.utils.stringtools import get_identifiers

from neurobal.brian.network.names import Names, unit_of, unit_text
from neurobal.brian.network.objects import parent
from neurobal.symmetry.model import GroupModel, Kind, Model, Place, Statement, SynapsesModel, Variable

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


def collect_statements(objects: Iterable[BrianObject], namespace: Mapping[str, Any]) -> Model:
    """Everything that these objects compute, as statements.

    Parameters
    ----------
    objects
        All that the network consists of, see `brian_objects`.
    namespace
        Where names that no group knows are looked up, as in ``Network.run``. What is used of it is in
        ``Model.external``.
    """
    return _Reader(objects, namespace).read()


class _Reader:
    def __init__(self, objects: Iterable[BrianObject], namespace: Mapping[str, Any]) -> None:
        self.objects = list(objects)
        self.names = Names(namespace)
        self.model = Model()
        self.block = count()

    def read(self) -> Model:
        for obj in self.objects:  # first the groups: synapses refer to them
            if isinstance(obj, NeuronGroup) and type(obj) is NeuronGroup:
                self._population(obj)
            elif isinstance(obj, SpikeSource) and not isinstance(obj, Subgroup | Synapses):
                self.model.groups[obj.name] = GroupModel(obj.name, fixed=_fixed_by_nature(obj), spiking=True)
                self.model.groups[obj.name].statements.extend(self._rates(obj))
                others = sorted(_linked_to(obj))
                if others:
                    note = f"{obj.name}: not analysed, and linked to variables of {', '.join(others)}"
                    self.model.unread.append(note)
        for obj in self.objects:
            if isinstance(obj, Synapses):
                self._projection(obj)
        for obj in self.objects:
            self._other(obj)
        self.model.pins.extend(self.names.pins.values())
        self.model.unread.extend(dict.fromkeys(self.names.unread))
        self.model.external.update(self.names.external)
        self.model.borrowed.update(self.names.borrowed)
        return self.model

    # Groups

    def _population(self, group: NeuronGroup) -> None:
        population = GroupModel(group.name, spiking="spike" in group.events)
        self.model.groups[group.name] = population
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
        source, target = parent(synapses.source), parent(synapses.target)
        projection = SynapsesModel(synapses.name, self._neurons(source), self._neurons(target))
        self.model.synapses[synapses.name] = projection
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
            for line in self._code(synapses, "model", synapses.subexpression_updater.abstract_code):
                unit = unit_of(synapses.variables[line.target])
                add(replace(line, text=f"{line.text} : {unit} (constant over dt)"))
        for target_name, updater in synapses.summed_updaters.items():
            expression = " ".join(updater.expression.code.split())
            text = f"{target_name} = {expression} : {unit_of(synapses.variables[target_name])} (summed)"
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
            owner = parent(obj.group)
            owners_model = self.model.groups.get(owner.name) or self.model.synapses.get(owner.name)
            plain = type(obj) is CodeRunner or isinstance(obj, PoissonInput)
            if owners_model is None or (isinstance(owners_model, GroupModel) and owners_model.fixed and not plain):
                return
            part = f"{type(obj).__name__} {obj.name!r}"
            if type(obj) is CodeRunner:
                part = "run_regularly code"
                if isinstance(obj.group, Subgroup):
                    part += f" for neurons {obj.group.start} to {obj.group.stop - 1}"
            owners_model.statements.extend(
                self._code(obj.group, part, obj.abstract_code, getattr(obj, "variables", None))
            )
            if not plain:
                self.model.unread.append(f"{obj.name}: code that {type(obj).__name__} may generate when the run starts")
        elif isinstance(obj, NetworkOperation):
            self.model.unread.append(
                f"{obj.name}: a network operation runs Python code that may read or change anything"
            )
        elif obj.name not in self.model.groups:
            self.model.unread.append(f"{obj.name}: objects of type {type(obj).__name__} are not analysed")

    # Statements

    def _describe(self, part: GroupModel | SynapsesModel, equation: Any) -> None:
        part.units[equation.varname] = unit_text(equation.dim)
        if equation.type == PARAMETER and "shared" not in equation.flags:
            part.parameters.add(equation.varname)

    def _equation(self, owner: Any, equation: Any, part: str) -> Statement | None:
        if equation.type == PARAMETER:
            return None
        name, expression = equation.varname, " ".join(equation.expr.code.split())
        flags = f" ({', '.join(equation.flags)})" if equation.flags else ""
        declared = {BOOLEAN: "boolean", INTEGER: "integer"}.get(equation.var_type, unit_text(equation.dim))
        left = f"d{name}/dt" if equation.type == DIFFERENTIAL_EQUATION else name
        text = f"{left} = {expression} : {declared}{flags}"
        if equation.type == DIFFERENTIAL_EQUATION:
            operation = "d/dt"
        elif equation.type == SUBEXPRESSION:
            # "constant over dt": computed once a step and stored, hence an assignment.
            operation = "=" if "constant over dt" in equation.flags else "define"
        else:
            return None
        return replace(self._statement(owner, part, text, operation, expression, name), flags=tuple(equation.flags))

    def _rates(self, group: Any) -> Iterator[Statement]:
        """The expression by which a group of Poisson neurons computes its rates, if it has one."""
        rates = getattr(group, "_rates", None)
        if isinstance(rates, str):
            yield self._statement(group, "rates", rates, "invariant", rates)

    def _code(self, owner: Any, part: str, code: str, extra: Any = None) -> Iterator[Statement]:
        """The lines of one block. The names that it assigns and that are no variables are local to it."""
        block, lines, extra = next(self.block), list(_assignments(code)), extra or {}
        variables = {**owner.variables, **extra}
        local = {target for _, target, _, _ in lines if target is not None and target not in variables}
        assignments = [
            (name, op, expression) for _, name, op, expression in lines if name is not None and name in local
        ]
        discrete = self.names.discrete_locals(owner, variables, assignments)
        here = {name: Variable(parent(owner).name, name, Kind.DISCRETE) for name in discrete}
        assigned: set[str] = set()  # by earlier lines of the block
        for text, target, operation, expression in lines:
            read = set(get_identifiers(expression)) | ({target} if target and operation != "=" else set())
            for name in sorted((read & local) - assigned):
                place = Place(parent(owner).name, part)
                self.model.unread.append(f"{place}: `{text}` uses {name}, which no line before it assigns")
            assigned |= {target} if target else set()
            yield self._statement(owner, part, text, operation, expression, target, block, extra, local, here)

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
        local: Collection[str] = (),
        discrete: Mapping[str, Variable] = MappingProxyType({}),
    ) -> Statement:
        names = set(get_identifiers(expression)) | ({target} if target else set())
        scope = {n: discrete.get(n) or self.names.meaning(owner, n, extra or {}, local) for n in sorted(names)}
        known = {name: reference for name, reference in scope.items() if reference is not None}
        place = Place(parent(owner).name, part)
        for name in names - known.keys() - {target, *local}:
            if name != "xi" and not name.startswith("xi_"):  # white noise
                self.model.undefined.setdefault(name, str(place))
        return Statement(place, text, operation, expression, known, target, block)

    def _neurons(self, group: Any) -> str | None:
        return group.name if group.name in self.model.groups else None

    def _check_method(self, owner: Any, method: Any, variables: Iterable[str]) -> None:
        if isinstance(method, str) and method.lower().startswith("gsl"):
            for name in variables:
                self.names.pin(owner.name, name, f"method {method!r} adapts its step to absolute tolerances")
        elif inspect.isfunction(method):
            self.model.unread.append(f"{owner.name}: the integration method is a Python function")


def _fixed_by_nature(group: Any) -> str:
    match type(group).__name__:
        case "SpatialNeuron":
            return "compartments of one neuron are coupled: they cannot be scaled one by one"
        case "PoissonGroup" | "SpikeGeneratorGroup":
            return "an input: nothing comes into it"
    return f"groups of type {type(group).__name__} are not analysed"


def _linked_to(group: Any) -> set[str]:
    """The other objects whose variables a group reads (or writes) through links."""
    owners = [parent(v.owner) for v in group.variables.values() if v.owner is not None]
    return {owner.name for owner in owners if owner.name != group.name and not isinstance(owner, Clock)}


def _assignments(code: str) -> Iterator[tuple[str, str | None, str, str]]:
    """The lines of a block of abstract code as (text, target, operation, expression).

    Brian2 ends a line at each semicolon, also within a comment: what follows it is code.
    """
    for line in map(str.strip, re.split(r"[;\n]", code)):
        try:
            nodes = ast.parse(line).body
        except SyntaxError:
            yield line, None, "condition", line  # the algebra takes it as it is: nothing in it may move
            continue
        for node in nodes:
            text = ast.get_source_segment(line, node) or ast.unparse(node)
            match node:
                case ast.Assign(targets=[ast.Name(id=target)]) | ast.AugAssign(target=ast.Name(id=target)):
                    expression = ast.get_source_segment(line, node.value) or ast.unparse(node.value)
                    operation = (
                        "=" if isinstance(node, ast.Assign) else text[len(target) :].split("=", 1)[0].strip() + "="
                    )
                    yield text, target, operation, expression
                case _:
                    yield text, None, "condition", text
