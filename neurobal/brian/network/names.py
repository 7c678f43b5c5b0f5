"""What names mean in the equations of a Brian2 group or Synapses: variables of neurons, constants, functions."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from brian2 import Synapses
from brian2.core.clocks import Clock
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.functions import Function as BrianFunction
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import ArrayVariable, AuxiliaryVariable, Subexpression
from brian2.core.variables import Constant as BrianConstant
from brian2.core.variables import Variable as BrianVariable
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.parsing.bast import brian_ast
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit
from brian2.utils.stringtools import get_identifiers

from neurobal.brian.network.objects import parent
from neurobal.brian.network.values import is_brians_own, stored_expressions
from neurobal.symmetry.expressions import STANDARD_FUNCTIONS, Function
from neurobal.symmetry.model import Constant, Kind, Pin, Reference, Variable

_SELECTING: Mapping[Any, str] = {np.minimum: "minimum", np.maximum: "maximum", np.fmin: "minimum", np.fmax: "maximum"}
_SEEN_FROM = {"_postsynaptic_idx": "post", "_presynaptic_idx": "pre", "_idx": "own", "_sub_idx": "own"}


class Names:
    """Looks up names as Brian2 does: in the group, then in its namespace, then in that of the run.

    What is read in a way that a rescaling cannot follow is pinned: ``pins`` by owner and name. ``external`` are the
    names that had to be looked up in the namespace of the run, with what they stand for. ``borrowed`` are, by owner and
    name, what names in expressions of other groups stand for in the code of the owner. ``unread`` says
    in words what cannot be followed.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.pins: dict[tuple[str, str], Pin] = {}
        self.external: dict[str, Any] = {}
        self.borrowed: dict[tuple[str, str], Any] = {}
        self.unread: list[str] = []

    def pin(self, owner: str, name: str, reason: str) -> None:
        """A variable that must not move; the first reason counts."""
        self.pins.setdefault((owner, name), Pin(owner, name, reason))

    def meaning(self, owner: Any, name: str, extra: Mapping[str, Any], local: Collection[str] = ()) -> Reference | None:
        """What a name means in code of this owner, which may bring ``extra`` variables; None if nothing yet.

        The ``local`` names of a block of code belong to the block: they are looked up nowhere.
        """
        variable = extra.get(name)
        if variable is None or name in owner.variables:
            variable = owner.variables.get(name, variable)
        if isinstance(variable, BrianFunction):
            return Function(name)
        if variable is not None:
            return self._variable(owner, name, variable, local)
        return None if name in local else self._external(owner, name)

    def _variable(self, owner: Any, name: str, variable: BrianVariable, local: Collection[str]) -> Reference:
        if isinstance(variable, BrianConstant):
            return Constant(name, float(variable.value))
        holder = parent(variable.owner) if variable.owner is not None else None
        if (
            holder is None
            or isinstance(holder, Clock)
            or isinstance(variable, AuxiliaryVariable)
            or is_brians_own(holder, variable.name)
            or not isinstance(variable, ArrayVariable | Subexpression)
        ):
            return Constant(name)
        if isinstance(variable, Subexpression):
            return self._expression(owner, name, variable, local)
        if variable.scalar:
            own = holder.name == parent(owner).name
            return Constant(name, unit=unit_of(variable), promotable=own, stored=(holder.name, variable.name))
        seen_from = _SEEN_FROM.get(owner.variables.indices[name])
        if seen_from is None or not _is_end(parent(owner), holder, seen_from):
            return self._linked(owner, name, variable)
        return Variable(holder.name, variable.name, _kind(holder, variable), seen_from)

    def _expression(self, owner: Any, name: str, variable: Subexpression, local: Collection[str]) -> Reference:
        """A named expression. Brian2 makes copies of it, with mangled names, for subgroups, synapses and links."""
        if name not in _equations(parent(owner)):
            self._borrow(owner, variable)
        holder, base, seen_from = parent(owner), name, "own"
        if isinstance(holder, Synapses) and name not in _equations(holder):
            end = holder.source if name.endswith("_pre") else holder.target
            seen_from = "pre" if name.endswith("_pre") else "post"
            base = name.removesuffix("_pre") if seen_from == "pre" else name.removesuffix("_post")
            holder = parent(end)
        if is_brians_own(holder, base):
            return Constant(name)
        coupled = isinstance(holder, Synapses) and seen_from != "own"
        equation = _equations(holder).get(base)
        if coupled or equation is None or equation.type != SUBEXPRESSION:
            return self._linked(owner, name, variable)
        changed = sorted(self._changed_meanings(owner, holder, holder.variables[base], local))
        for other in changed:
            reason = f"{parent(owner).name} reads it through {name!r}, in which {other!r} means something else there"
            self._linked(owner, name, variable, reason)
            if other in local:
                self.unread.append(f"{parent(owner).name}: code that assigns {other!r}, and reads it through {name!r}")
            elif other in owner.variables:
                self._linked(owner, other, owner.variables[other], reason)
        if changed:
            return Constant(name)
        return Variable(holder.name, base, _kind(holder, holder.variables[base]), seen_from)

    def _borrow(self, owner: Any, expression: Subexpression) -> None:
        """Note what the names in another group's expression that are no variables stand for in the owner's code."""
        for name in sorted(expression.identifiers):
            part = owner.variables.get(name)
            if isinstance(part, Subexpression) and part is not expression:
                self._borrow(owner, part)
            elif part is None and not _is_default(name) and name not in expression.owner.variables:
                self.borrowed[parent(owner).name, name] = self._in_namespace(owner, name)

    def _changed_meanings(
        self, owner: Any, holder: Any, expression: Subexpression, local: Collection[str]
    ) -> Iterator[str]:
        """The names in an expression of ``holder`` that mean something else in the owner's code.

        Brian2 puts the text of an expression where it is used. The names in it that are no variables of its own group
        are looked up there: among the names that this code assigns, the owner's variables, and the owner's constants.
        """
        own = parent(owner) is holder
        for name in expression.identifiers:
            part = holder.variables.get(name)
            if isinstance(part, Subexpression):
                yield from self._changed_meanings(owner, holder, part, local)
            elif part is None and (
                name in local
                or name in owner.variables
                or (not own and self._external(owner, name) != self._external(holder, name))
            ):
                yield name

    def _linked(self, owner: Any, name: str, variable: BrianVariable, reason: str | None = None) -> Reference:
        """A quantity of neurons (or synapses) that the owner does not see neuron by neuron: it must not move."""
        reason = reason or f"{parent(owner).name} reads it as {name!r}, a linked variable"
        if isinstance(variable, Subexpression):
            for part in variable.identifiers:
                source = variable.owner.variables.get(part)
                if isinstance(source, ArrayVariable | Subexpression) and source is not variable:
                    self._linked(owner, name, source, reason)
        elif variable.owner is not None and not variable.scalar:
            self.pin(parent(variable.owner).name, variable.name, reason)
        return Constant(name)

    def discrete_locals(
        self, owner: Any, variables: Mapping[str, Any], assignments: Iterable[tuple[str, str, str]]
    ) -> set[str]:
        """The local names of a block that hold integers or truth values, whatever is assigned to them later.

        Brian2 gives a name the type of the first value that it gets, and compiled code converts the others to it.
        ``assignments`` are those of local names, as (name, operation, expression).
        """
        known = {**DEFAULT_FUNCTIONS, **variables}
        first: dict[str, bool] = {}
        again = set()
        for target, operation, expression in assignments:
            if target in first or operation != "=":
                again.add(target)
                continue
            for name in get_identifiers(expression) - known.keys():
                value = self._in_namespace(owner, name)
                known[name] = value if isinstance(value, BrianFunction) else AuxiliaryVariable(name, dtype=int)
            try:
                first[target] = brian_ast(expression, known).dtype != "float"
            except Exception:  # no valid code: Brian2 will say so when a run starts
                first[target] = True
            known[target] = AuxiliaryVariable(target, dtype=int if first[target] else float)
        return {name for name in again if first.get(name)}

    def _in_namespace(self, owner: Any, name: str) -> Any:
        """What the namespaces of the owner and of the run hold under this name, None if nothing."""
        namespace = getattr(owner, "namespace", None) or {}
        return namespace.get(name, self.namespace.get(name))

    def _external(self, owner: Any, name: str) -> Reference | None:
        if name in DEFAULT_CONSTANTS:
            return Constant(name, float(DEFAULT_CONSTANTS[name].value))
        if name in DEFAULT_UNITS:
            unit = DEFAULT_UNITS[name]
            return Constant(name, float(unit), unit_text(unit.dim))
        if name in DEFAULT_FUNCTIONS:
            return Function(name, STANDARD_FUNCTIONS.get(name))
        for namespace in (getattr(owner, "namespace", None) or {}, self.namespace):
            value = namespace.get(name)
            if isinstance(value, ArrayVariable | Subexpression):
                if namespace is self.namespace:
                    self.external[name] = value
                return self._linked(owner, name, value)
            reference = _reference(name, value)
            if reference is not None:
                if namespace is self.namespace:
                    self.external[name] = namespace[name]
                return reference
        return None


def _is_default(name: str) -> bool:
    return name in DEFAULT_CONSTANTS or name in DEFAULT_UNITS or name in DEFAULT_FUNCTIONS


def is_usable(value: Any) -> bool:
    """Whether equations can name this value of a script."""
    return _reference("", value) is not None


def constant_of(value: Any) -> float | None:
    """The number, in base units, that equations take this value of a namespace for; None if it is none."""
    reference = _reference("", value)
    return reference.value if isinstance(reference, Constant) else None


def _reference(name: str, value: Any) -> Constant | Function | None:
    """What a value in a namespace is to the equations that name it; None for what they cannot use (an array, say)."""
    if isinstance(value, BrianFunction) or (inspect.isfunction(value) and hasattr(value, "_arg_units")):
        python = _python_function(value)
        # What a user's code rounds is not known.
        name = _SELECTING.get(python, f"{name} of the script")
        return Function(name, _declared_homogeneity(value), exact=python in _SELECTING)
    if isinstance(value, BrianVariable):
        return Constant(name)
    number = np.asarray(value) if isinstance(value, int | float | np.number | np.ndarray) else None
    if number is None or number.shape != () or number.dtype.kind not in "biuf":
        return None
    dimensions = getattr(value, "dim", DIMENSIONLESS)
    return Constant(name, float(number), unit_text(dimensions), promotable=True, external=True)


def _is_end(owner: Any, holder: Any, seen_from: str) -> bool:
    """Are the holder's variables seen neuron by neuron: as one's own, or as those of this end of some synapses?"""
    if seen_from == "own":
        return bool(holder.name == owner.name)
    if isinstance(holder, Synapses):
        return False  # synapses onto synapses
    return bool(holder.name == parent(owner.source if seen_from == "pre" else owner.target).name)


def _equations(holder: Any) -> Mapping[str, Any]:
    """The equations of a group or of synapses, by variable."""
    equations = dict(getattr(holder, "equations", None) or {})
    return equations | dict(getattr(holder, "event_driven", None) or {})


def _kind(holder: Any, variable: BrianVariable) -> Kind:
    if np.dtype(variable.dtype).kind != "f":
        return Kind.DISCRETE
    if isinstance(variable, Subexpression):
        return Kind.EXPRESSION
    if variable.name in stored_expressions(holder):
        return Kind.COMPUTED
    equation = _equations(holder).get(variable.name)
    return Kind.STATE if equation is not None and equation.type == DIFFERENTIAL_EQUATION else Kind.PARAMETER


def unit_of(variable: BrianVariable) -> str:
    """A variable's unit as equations state it."""
    return unit_text(variable.dim)


def unit_text(dimensions: Any) -> str:
    """The base unit of these dimensions as equations state it."""
    return "1" if dimensions is DIMENSIONLESS else repr(get_unit(dimensions))


def _python_function(function: Any) -> Any:
    return getattr(function, "pyfunc", function)


def _declared_homogeneity(function: Any) -> Fraction | None:
    """The attribute ``homogeneity`` of a user's function f(λx, λy) = λ^homogeneity f(x, y)."""
    python = _python_function(function)
    if python in _SELECTING:
        return Fraction(1)
    declared = getattr(function, "homogeneity", getattr(python, "homogeneity", None))
    return None if declared is None else Fraction(declared)
