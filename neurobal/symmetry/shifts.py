"""Where potentials are measured from: equations that do not change when a constant is added to all potentials.

``dv/dt = (El - v)/tau``, ``v > Vt``, ``v = Vr`` only know differences of potentials. So one constant among them, say a
resting potential El common to all neurons, may serve as origin: v − El, Vt − El and Vr − El can be scaled, El stays.
This module finds such constants. Unknowns are shifts now: x → x + τ s_x leaves every line true.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from .constraints import Builder, Exponent, Origin, Promotion, is_literal
from .expressions import INVARIANT, Function, Value, parse
from .model import Constant, GroupModel, Kind, Model, Statement, SynapsesModel
from .nullspace import Echelon, Form


@dataclass(frozen=True)
class Potentials:
    """Quantities that can be measured from one constant: the neurons' variables, and the origin with its equals."""

    constant: str
    variables: tuple[str, ...]
    origin: Origin


def find_potentials(model: Model, population: str) -> list[Potentials]:
    """Every constant of a population's equations from which its potentials could be measured."""
    builder = _ShiftBuilder(model, population, promote=True)
    system = builder.build()
    solved = Echelon()
    for constraint in system.constraints:
        solved.add(constraint.form)
    written = _written(model)
    constants = {
        (statement.place.owner, name): reference
        for statement in system.statements
        for name, reference in statement.scope.items()
        if isinstance(reference, Constant)
    }
    candidates = []
    for shifts in solved.null_space(system.unknowns()):
        if len(set(shifts.values())) != 1:
            continue  # a quantity such as v - 2*El: no common origin
        constant_potentials = {(u.owner, u.name) for u in shifts if isinstance(u, Promotion) and not u.literal}
        variables = [u for u in shifts if isinstance(u, Exponent)]
        moving = [u.name for u in variables if u.owner == population and system.kinds.get(u) is not Kind.EXPRESSION]
        if len(moving) != sum(system.kinds.get(u) is not Kind.EXPRESSION for u in variables):
            continue  # synaptic variables are measured from it, too
        for owner, name in sorted(constant_potentials, key=lambda key: (not key[1].startswith(("E", "e")), key)):
            if owner != population or constants[owner, name].stored in written:
                continue  # what is measured from it would have to move whenever it does
            value = constants[owner, name].value
            equal = {key for key in constant_potentials if value is not None and constants[key].value == value}
            origin = Origin(frozenset(equal | {(owner, name)}), frozenset(constant_potentials))
            candidates.append(Potentials(name, tuple(moving), origin))
    return candidates


def _written(model: Model) -> set[tuple[str, str]]:
    """The shared variables, as (owner, name), that some statement of the model changes."""
    parts: list[GroupModel | SynapsesModel] = [*model.groups.values(), *model.synapses.values()]
    targets = (s.scope.get(s.target) for part in parts for s in part.statements if s.target is not None)
    return {target.stored for target in targets if isinstance(target, Constant) and target.stored is not None}


class _ShiftBuilder(Builder):
    """Walks the statements for shifts instead of powers."""

    def _constrain(self, statement: Statement, side: str) -> None:
        index = len(self.system.statements)
        self.system.statements.append(statement)

        def require(form: Form, part: ast.AST) -> None:
            self._require(form, part, statement)

        def literal(part: ast.expr) -> Form | None:
            if not is_literal(part, statement):
                return None
            return Form({Promotion(statement.place.owner, ast.unparse(part), side, index, literal=True): 1})

        try:
            node = parse(statement.expression)
        except (SyntaxError, ValueError):
            self._opaque(statement, side)
            return
        walker = _ShiftWalker(lambda name: self._lookup(name, statement, side), require, literal)
        shift = walker.walk(node)
        if statement.target is None:
            require(shift, node)  # a comparison has no shift
            return
        if statement.target not in statement.scope:
            if statement.operation not in ("=", "define"):
                require(shift, node)  # tmp += x: enough that x has no shift
                shift = self._form(self.temporaries.get((statement.block, side, statement.target), INVARIANT))
                if statement.operation not in ("+=", "-="):
                    require(shift, node)
            self.temporaries[statement.block, side, statement.target] = shift
            return
        target = self._form(self._lookup(statement.target, statement, side))
        if statement.operation in ("=", "define"):
            require(shift - target, node)
            return
        require(shift, node)  # what is added, or summed over a number of synapses
        if statement.operation not in ("d/dt", "+=", "-="):
            require(target, node)

    @staticmethod
    def _form(value: Value | Function) -> Form:
        return value if isinstance(value, Form) else INVARIANT


class _ShiftWalker:
    """By how much does an expression shift when its variables do? Only differences and comparisons may see a shift."""

    def __init__(
        self,
        lookup: Callable[[str], Value | Function],
        require: Callable[[Form, ast.AST], None],
        literal: Callable[[ast.expr], Form | None],
    ) -> None:
        self._lookup = lookup
        self._require = require
        self._literal = literal

    def walk(self, node: ast.expr) -> Form:
        match node:
            case ast.UnaryOp(op=ast.USub()) if self._literal(node) is None:
                return self.walk(node.operand) * -1
            case ast.BinOp(op=ast.Add()):
                return self.walk(node.left) + self.walk(node.right)
            case ast.BinOp(op=ast.Sub()):
                return self.walk(node.left) - self.walk(node.right)
        literal = self._literal(node)
        if literal is not None:
            return literal
        match node:
            case ast.Name():
                meaning = self._lookup(node.id)
                return meaning if isinstance(meaning, Form) else INVARIANT
            case ast.Compare():
                return self._alike([node.left, *node.comparators], node) * 0
            case ast.Call(func=ast.Name(id=name)) if self._selects(name):
                return self._alike(node.args, node)
        parts = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        for part in parts:
            if isinstance(part, ast.expr):
                self._require(self.walk(part), node)
        return INVARIANT

    def _selects(self, name: str) -> bool:
        """Whether a function returns one of its arguments; a script may have other functions of these names."""
        function = self._lookup(name)
        return isinstance(function, Function) and function.name in ("clip", "minimum", "maximum")

    def _alike(self, nodes: list[ast.expr], whole: ast.expr) -> Form:
        shifts = [self.walk(node) for node in nodes]
        for shift in shifts[1:]:
            self._require(shift - shifts[0], whole)
        return shifts[0]
