"""The normal form of a statement, in which two models are compared: what is computed, not how it was typed.

Comments, spaces and parentheses do not count; a number, a constant of the script and a parameter that has this value
everywhere are the same. The order of operations counts: another order rounds differently.
"""

from __future__ import annotations

import ast

from neurobal.description import Key, Line, Seen

from .constraints import is_literal
from .expressions import parse, source
from .model import Constant, Kind, Statement, Variable


def normal_form(statement: Statement) -> Line:
    """A statement as a `Line`. What cannot be parsed is compared as text."""
    gaps = _Gaps(statement)
    try:
        form = source(gaps.visit(parse(statement.expression)))
    except (SyntaxError, ValueError, ArithmeticError, TypeError):
        return Line(statement.text, " ".join(statement.text.split()))
    target = "" if statement.target is None else _target(statement)
    flags = " ".join(sorted(statement.flags))
    return Line(
        statement.text,
        f"{target} {statement.operation} {form} {flags}".strip(),
        tuple(gaps.operands),
        tuple(gaps.written),
    )


def _target(statement: Statement) -> str:
    reference = statement.scope.get(statement.target or "")
    if isinstance(reference, Variable):
        return _name(reference)
    if isinstance(reference, Constant) and reference.stored is not None:
        return str(Key(*reference.stored))
    return str(statement.target)


def _name(variable: Variable) -> str:
    return f"{variable.owner}.{variable.name}[{variable.seen_from}]"


class _Gaps(ast.NodeTransformer):
    """Replaces what stays constant by gaps, and other names by what they mean."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.operands: list[float | Seen] = []
        self.written: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.BinOp | ast.UnaryOp) and is_literal(node, self.statement):
            return self._gap(self._evaluated(node), node)
        visited: ast.AST = super().visit(node)
        return visited

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return self._gap(float(node.value), node) if is_number else node  # type: ignore[arg-type]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        match self.statement.scope.get(node.id):
            case Variable(kind=Kind.PARAMETER) as parameter:
                return self._gap(Seen(Key(parameter.owner, parameter.name), parameter.seen_from), node)
            case Variable() as variable:
                return ast.Name(_name(variable))
            case Constant(stored=(owner, name)):
                return self._gap(Seen(Key(owner, name), "shared"), node)
            case Constant(value=float() as value):
                return self._gap(value, node)
        return node  # a function, a name of this block only, the time, an index

    def _gap(self, operand: float | Seen, node: ast.AST) -> ast.AST:
        self.operands.append(operand)
        self.written.append(source(node))
        return ast.Name("?")

    def _evaluated(self, node: ast.expr) -> float:
        """The number that literals and units stand for, computed in the order in which they are written."""
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name():
                unit = self.statement.scope[node.id]
                assert isinstance(unit, Constant) and unit.value is not None
                return unit.value
            case ast.UnaryOp():
                return -self._evaluated(node.operand)
            case ast.BinOp():
                left, right = self._evaluated(node.left), self._evaluated(node.right)
                match node.op:
                    case ast.Mult():
                        return left * right
                    case ast.Div():
                        return left / right
                return float(left**right)
        raise ValueError(f"no literal: {source(node)}")
