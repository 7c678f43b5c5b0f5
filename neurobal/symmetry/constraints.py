"""The constraints on one population's exponents: what must hold so that its neurons may be rescaled one by one.

Every neuron i of the population gets its own scale λ_i; all others stand still. A neuron's variable moves by
λ_i^p, a synaptic one by λ_post^x λ_pre^y. λ_post and λ_pre are independent even within one population, so the synapses'
statements are walked once for each side, and each population has a small linear system of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite
from typing import NamedTuple

from .expansion import expand
from .expressions import INVARIANT, Free, Function, Value, Walker, inverse, parse, product, source
from .integrators import factors_with_powers, with_definitions
from .model import Constant, GroupModel, Kind, Model, Pin, Statement, SynapsesModel, Variable
from .nullspace import Form


class Exponent(NamedTuple):
    """The unknown power by which a quantity moves; ``side`` is "post" or "pre" for what belongs to synapses."""

    owner: str
    name: str
    side: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" + (f"[{self.side}]" if self.side else "")


class Promotion(NamedTuple):
    """The unknown power of a constant, if it were a parameter of each neuron (or synapse) instead.

    A literal has no name of its own: its text in the statement of that number. `AMPLITUDE` names a factor of everything
    that the population sends, which does not exist yet. With a ``role``, the name is a function call f(x), and the
    promotion a new parameter of g f(x/s): "argument" is s, "result" is g.
    """

    owner: str
    name: str
    side: str = ""
    statement: int | None = None
    unit: str = "1"
    literal: bool = False
    role: str = ""

    @property
    def is_quantity(self) -> bool:
        """Whether this is a constant with a name or a unit: no plain number, and no scale of a function."""
        letters = re.search(r"[A-Za-z_]", re.sub(r"\d[eE][+-]?\d", "", self.name))
        return not self.role and (not self.literal or bool(letters))


@dataclass(frozen=True)
class Constraint:
    """A linear form that must vanish, and the part of the model that requires it."""

    form: Form
    part: str
    statement: Statement | Pin


@dataclass
class System:
    """All constraints on the exponents of one population, and what they were derived from."""

    population: str
    constraints: list[Constraint] = field(default_factory=list)
    assumed: dict[tuple[str, str], float] = field(default_factory=dict)
    inexact: list[tuple[Form, str]] = field(default_factory=list)  # rounded differently if this moves
    roots: list[tuple[Form, str]] = field(default_factory=list)  # how square roots move
    statements: list[Statement] = field(default_factory=list)
    kinds: dict[Exponent, Kind] = field(default_factory=dict)

    def unknowns(self) -> list[Exponent | Promotion]:
        """All unknown exponents, in the order in which the model mentions them."""
        return list(dict.fromkeys(u for c in self.constraints for u in c.form.terms))  # type: ignore[misc]


@dataclass(frozen=True)
class Origin:
    """Constants, as (owner, name), from which potentials are measured: 0 in those coordinates.

    ``potentials`` are all constants that are potentials, whatever their values: none but the origin is 0 any more.
    """

    zero: frozenset[tuple[str, str]] = frozenset()
    potentials: frozenset[tuple[str, str]] = frozenset()


def constrain(
    model: Model, population: str, promote: bool = False, origin: Origin | None = None, expanded: bool = False
) -> System:
    """The constraints on one population's exponents.

    Parameters
    ----------
    promote
        Give every constant an exponent, too: what would be possible if it were a parameter of each neuron?
    origin
        Measure potentials from this constant.
    expanded
        Read expressions after multiplying them out, where that lets terms cancel. Holds up to rounding only.
    """
    return Builder(model, population, promote, origin, expanded).build()


class Builder:
    """Walks every statement that the population takes part in."""

    def __init__(
        self,
        model: Model,
        population: str,
        promote: bool = False,
        origin: Origin | None = None,
        expanded: bool = False,
    ) -> None:
        self.model = model
        self.expanded = expanded
        self.population = population
        self.promote = promote
        self.origin = origin or Origin()
        self.system = System(population)
        parts: list[GroupModel | SynapsesModel] = [*model.groups.values(), *model.synapses.values()]
        self.definitions = {(p.name, s.target): s for p in parts for s in p.statements if s.operation == "define"}
        self.pending: list[tuple[Statement, str]] = []
        self.defined: set[tuple[str, str, str]] = set()
        self.temporaries: dict[tuple[int, str, str], Value] = {}

    def build(self) -> System:
        for statement, side in self._statements():
            if statement.operation != "define":  # a definition matters where something uses it
                self._constrain(statement, side)
            while self.pending:
                self._constrain(*self.pending.pop())
        for pin in self.model.pins:
            for side in self._sides(pin.owner):
                exponent = Exponent(pin.owner, pin.name, side)
                self.system.constraints.append(Constraint(Form({exponent: 1}), pin.name, pin))
        return self.system

    def _sides(self, owner: str) -> list[str]:
        projection = self.model.synapses.get(owner)
        if projection is not None:
            return sides(projection, self.population)
        return [""] if owner == self.population else []

    def _statements(self) -> Iterator[tuple[Statement, str]]:
        for statement in self.model.groups[self.population].statements:
            yield statement, ""
        for projection in self.model.synapses.values():
            for side in sides(projection, self.population):
                for statement in projection.statements:
                    yield statement, side

    def _constrain(self, statement: Statement, side: str) -> None:
        index = len(self.system.statements)
        self.system.statements.append(statement)

        def require(form: Form, part: ast.AST) -> None:
            self._require(form, part, statement)

        def constant(part: ast.expr) -> Form | None:
            if not (self.promote and is_literal(part, statement)):
                return None
            return Form({Promotion(statement.place.owner, source(part), side, index, literal=True): 1})

        def unfold(call: ast.Call) -> tuple[Form, Form] | None:
            if not self.promote:
                return None
            promotion = Promotion(statement.place.owner, source(call), side, index)
            return Form({promotion._replace(role="argument"): 1}), Form({promotion._replace(role="result"): 1})

        walker = Walker(
            lookup=lambda name: self._lookup(name, statement, side),
            require=require,
            number=lambda name: self._number(name, statement),
            assume=lambda name: self._assume(name, statement),
            inexact=lambda base, part: self.system.inexact.append((base, f"`{source(part)}` in {statement.text}")),
            root=lambda root, part: self.system.roots.append((root, f"`{source(part)}` in {statement.text}")),
            constant=constant,
            unfold=unfold,
        )
        try:
            node = parse(self._expanded(statement, side))
        except (SyntaxError, ValueError):
            self._opaque(statement, side)
            return
        value = walker.walk(node)
        if statement.operation == "d/dt":
            self._watch_powers(node, statement, side)
        if statement.target is None:
            if statement.operation == "invariant" and isinstance(value, Form):
                require(value, node)
            return
        if side == "pre":
            value = self._amplitude(value, statement)
        if statement.target in statement.scope:
            self._assign(self._lookup(statement.target, statement, side), value, statement, require, node)
        else:
            self._introduce(value, statement, side, require, node)

    def _expanded(self, statement: Statement, side: str) -> str:
        """The expression to read; where the machine computes another one, everything in it may be rounded."""
        expanded = expand(statement.expression) if self.expanded else None
        if expanded is None:
            return statement.expression
        for reference in statement.scope.values():
            form = self._variable(reference, side) if isinstance(reference, Variable) else INVARIANT
            if isinstance(form, Form):
                self.system.inexact.append((form, f"`{statement.expression}` in {statement.text}"))
        return expanded

    def _require(self, form: Form, part: ast.AST, statement: Statement) -> None:
        if form:
            self.system.constraints.append(Constraint(form, source(part), statement))

    def _assign(
        self, target: Value | Function, value: Value, statement: Statement, require: Require, node: ast.expr
    ) -> None:
        """The constraint of writing a value into a stored quantity."""
        if not isinstance(value, Form) or not isinstance(target, Form):
            return
        if statement.operation in ("d/dt", "define", "summed", "=", "+=", "-="):
            require(value - target, node)
            return
        require(value, node)  # x *= 2: the factor may not move
        if statement.operation not in ("*=", "/="):
            require(target, node)

    def _introduce(self, value: Value, statement: Statement, side: str, require: Require, node: ast.expr) -> None:
        """A name that exists within one block of code only, and may change its meaning from line to line."""
        assert statement.target is not None
        key = (statement.block, side, statement.target)
        before = self.temporaries.get(key, INVARIANT)
        match statement.operation:
            case "*=":
                value = product(before, value)
            case "/=":
                value = product(before, inverse(value))
            case "+=" | "-=":
                if isinstance(before, Form) and isinstance(value, Form):
                    require(value - before, node)
                value = before if isinstance(before, Form) else value
            case "=" | "define":
                pass
            case _:
                for part in (before, value):
                    if isinstance(part, Form):
                        require(part, node)
                value = INVARIANT
        self.temporaries[key] = value

    def _lookup(self, name: str, statement: Statement, side: str) -> Value | Function:
        reference = statement.scope.get(name)
        if reference is None:
            return self.temporaries.get((statement.block, side, name), INVARIANT)
        if isinstance(reference, Function):
            return reference
        if isinstance(reference, Constant):
            if (statement.place.owner, name) in self.origin.zero:
                self._assume(name, statement)
                return Free.ZERO
            if reference.value is not None and abs(reference.value) == float("inf"):
                self._assume(name, statement)
                return Free.INFINITE
            if self.promote and reference.promotable:
                return Form({Promotion(statement.place.owner, name, side, unit=reference.unit): 1})
            return INVARIANT
        return self._variable(reference, side)

    def _variable(self, variable: Variable, side: str) -> Value:
        if variable.owner in self.model.synapses:
            if side not in self._sides(variable.owner):
                return INVARIANT
        elif variable.owner == self.population and variable.seen_from in ("own", side):
            side = ""
        else:
            return INVARIANT  # another neuron: it does not move
        key = (variable.owner, variable.name, side)
        if key not in self.defined:
            self.defined.add(key)
            definition = self.definitions.get((variable.owner, variable.name))
            if definition is not None:
                self.pending.append((definition, side))
        if variable.kind is Kind.DISCRETE:
            return INVARIANT
        exponent = Exponent(*key)
        self.system.kinds[exponent] = variable.kind
        return Form({exponent: 1})

    def _number(self, name: str, statement: Statement) -> Fraction | None:
        reference = statement.scope.get(name)
        if not isinstance(reference, Constant) or reference.value is None:
            return None
        if (statement.place.owner, name) in self.origin.potentials or not isfinite(reference.value):
            return None
        return Fraction(repr(reference.value))

    def _assume(self, name: str, statement: Statement) -> None:
        reference = statement.scope[name]
        if isinstance(reference, Constant) and reference.external and reference.value is not None:
            self.system.assumed[statement.place.owner, name] = reference.value

    def _amplitude(self, value: Value, statement: Statement) -> Value:
        """What a spike sends, if it could be multiplied by an amplitude of the neuron that sends it."""
        target = statement.scope.get(statement.target or "")
        if not (self.promote and isinstance(value, Form) and isinstance(target, Variable)):
            return value
        if target.seen_from != "post" or statement.operation not in ("=", "+=", "-=", "summed"):
            return value
        return value + Form({Promotion(self.population, AMPLITUDE): 1})

    def _watch_powers(self, node: ast.expr, statement: Statement, side: str) -> None:
        """Integrators write ``v*v*v`` as ``v**3`` and ``1/v**2`` as ``v**-2``: pow() may round these differently."""
        scope = dict(statement.scope)

        def definition(name: str) -> str | None:
            reference = scope.get(name)
            if not isinstance(reference, Variable) or reference.owner != statement.place.owner:
                return None
            defining = self.definitions.get((reference.owner, reference.name))
            if defining is None:
                return None
            scope.update(defining.scope)
            return defining.expression

        whole = with_definitions(node, definition)
        substituted = replace(statement, scope=scope)
        silent = Walker(
            lambda name: self._lookup(name, substituted, side),
            lambda form, part: None,
            lambda name: self._number(name, substituted),
        )
        for factor in factors_with_powers(whole):
            value = silent.walk(factor)
            if isinstance(value, Form):
                self.system.inexact.append((value, f"powers of `{source(factor)}` in {statement.text}"))

    def _opaque(self, statement: Statement, side: str) -> None:
        """A line that cannot be read: nothing that it mentions may move."""
        for name in re.findall(r"[A-Za-z_]\w*", f"{statement.target or ''} {statement.expression}"):
            value = self._lookup(name, statement, side)
            if isinstance(value, Form) and value:
                self.system.constraints.append(Constraint(value, statement.expression, statement))


Require = Callable[[Form, ast.AST], None]
AMPLITUDE = "amplitude"


def sides(projection: SynapsesModel, population: str) -> list[str]:
    """On which sides of these synapses the population stands."""
    ends = {"post": projection.target, "pre": projection.source}
    return [side for side, end in ends.items() if end == population]


def is_literal(node: ast.expr, statement: Statement) -> bool:
    """Is this part made of numbers and units only, such as ``-50*mV`` or ``0.04/ms``?"""
    has_number = False
    for part in ast.walk(node):
        match part:
            case ast.Constant(value=bool()):
                return False
            case ast.Constant():
                if part.value == 0:
                    return False
                has_number = True
            case ast.Name():
                reference = statement.scope.get(part.id)
                if not isinstance(reference, Constant) or reference.promotable or reference.value is None:
                    return False
            case ast.BinOp(op=ast.Mult() | ast.Div() | ast.Pow()) | ast.UnaryOp(op=ast.USub()):
                pass
            case ast.expr():
                return False
    return has_number
