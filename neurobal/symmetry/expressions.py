"""Homogeneity of an expression: by which power does its value grow when its variables grow?

If every variable x moves as x → λ^p_x x, the expression moves by a power of λ under linear conditions on the unknown
p_x only: terms of a sum, the two sides of a comparison and the arguments of ``clip`` need equal powers; products add
powers, ``x**n`` multiplies them by n; ``exp`` needs an argument that does not move. The walker reads Python's syntax
tree of the expression as it was written: a rewritten one (``x - x + 1`` → ``1``) is not what the machine computes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import isfinite

from .nullspace import Form

INVARIANT = Form()


class Free(Enum):
    """Values that scaling cannot change, whatever the power: 0 and ±∞."""

    ZERO = "0"
    INFINITE = "inf"


Value = Form | Free
"""How an expression moves: by the power λ^form, or not at all although it fits any power (0, ±inf)."""


@dataclass(frozen=True)
class Function:
    """A function f(λx, λy, ...) = λ^homogeneity f(x, y, ...); ``None``: its arguments must not move.

    ``exact``: a power of two, as λ^homogeneity, changes no digit of its values.
    """

    name: str
    homogeneity: Fraction | None = None
    exact: bool = True


STANDARD_FUNCTIONS: Mapping[str, Fraction] = {
    "abs": Fraction(1),
    "clip": Fraction(1),
    "minimum": Fraction(1),
    "maximum": Fraction(1),
    "sqrt": Fraction(1, 2),
    "sign": Fraction(0),
}
"""Homogeneous functions that every modelling language has; all others (exp, tanh, floor, int ...) need invariance."""

# What numpy and compilers make of pow() with these exponents, if they are written as numbers: 1, x, x*x, 1/x, sqrt(x).
# With all others, and where the exponent is a name, it is a function of the C library, which may round differently.
# (A square root needs -ffast-math, which Brian2 sets for gcc and clang.)
ROOT = Fraction(1, 2)
EXACT_POWERS = {Fraction(0), Fraction(1), Fraction(2), Fraction(-1), ROOT}
EXACT_NAMED_POWERS = {Fraction(0), Fraction(1)}


def parse(expression: str) -> ast.expr:
    """The syntax tree of an expression, which may run over several lines."""
    return ast.parse(" ".join(expression.split()), mode="eval").body


def source(node: ast.AST) -> str:
    """The text of a part of an expression, for messages."""
    return ast.unparse(node)


def names_in(expression: str) -> list[str]:
    """The names that an expression mentions, in order; functions are not among them."""
    try:
        nodes = list(ast.walk(parse(expression)))
    except (SyntaxError, ValueError):
        return []
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = [node for node in nodes if isinstance(node, ast.Name) and id(node) not in called]
    return list(dict.fromkeys(node.id for node in sorted(names, key=lambda node: node.col_offset)))


def number_of(node: ast.expr, constant: Callable[[str], Fraction | None] = lambda name: None) -> Fraction | None:
    """The value of a part that is a plain number, such as ``2``, ``-1/3`` or a constant whose value is known."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as literal) if isfinite(literal):
            return Fraction(repr(literal))
        case ast.Name():
            return constant(node.id)
        case ast.UnaryOp(op=ast.USub()):
            value = number_of(node.operand, constant)
            return None if value is None else -value
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            left, right = number_of(node.left, constant), number_of(node.right, constant)
            if left is None or right is None:
                return None
            match node.op:
                case ast.Add():
                    return left + right
                case ast.Sub():
                    return left - right
                case ast.Mult():
                    return left * right
            return left / right if right else None
    return None


class Walker:
    """Computes how expressions move, and tells which linear forms must vanish for that.

    Parameters
    ----------
    lookup
        How the quantity of this name moves, or the `Function` of this name.
    require
        Called with (form, part): the form must vanish because of this part of the expression.
    number
        The value of a named constant in base units, None for anything else: 0 fits any power, exponents must be known.
    assume
        Called with the name of each constant whose value the answer depends on: it may not change afterwards.
    inexact
        Called with (base, part) for what may be rounded differently if the base moves, even by a power of two: pow()
        other than squares, square roots and reciprocals, and functions that are not `exact`.
    root
        Called with (root, part) for each square root: where it moves by a power of two, it is exact.
    constant
        How a part made of literals and units only moves, if that is to be decided by the caller.
    unfold
        Powers (s, g) by which a call f(x) of a function without homogeneity could move if it were g f(x/s).
    """

    def __init__(
        self,
        lookup: Callable[[str], Value | Function],
        require: Callable[[Form, ast.AST], None],
        number: Callable[[str], Fraction | None] = lambda name: None,
        assume: Callable[[str], None] = lambda name: None,
        inexact: Callable[[Form, ast.AST], None] = lambda base, part: None,
        root: Callable[[Form, ast.AST], None] = lambda root, part: None,
        constant: Callable[[ast.expr], Form | None] = lambda part: None,
        unfold: Callable[[ast.Call], tuple[Form, Form] | None] = lambda call: None,
    ) -> None:
        self._lookup = lookup
        self._require = require
        self._number = number
        self._assume = assume
        self._inexact = inexact
        self._root = root
        self._constant = constant
        self._unfold = unfold

    def walk(self, node: ast.expr) -> Value:
        """How this part moves."""
        if self._is_zero(node):
            return Free.ZERO
        promoted = self._constant(node)
        if promoted is not None:
            return promoted
        match node:
            case ast.Constant():
                return INVARIANT
            case ast.Name():
                meaning = self._lookup(node.id)
                return INVARIANT if isinstance(meaning, Function) else meaning
            case ast.UnaryOp(op=ast.Not()):
                self.walk(node.operand)
                return INVARIANT
            case ast.UnaryOp():
                return self.walk(node.operand)
            case ast.BinOp():
                return self._operation(node)
            case ast.BoolOp():
                for operand in node.values:
                    self.walk(operand)
                return INVARIANT
            case ast.Compare():
                self._equal([node.left, *node.comparators], node)
                return INVARIANT
            case ast.Call(func=ast.Name(), keywords=[]):
                return self._call(node)
        # Nothing else is valid model code: whatever it is, nothing that it mentions may depend on the scales.
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                self._invariant(part, node)
        return INVARIANT

    def _is_zero(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant(value=bool()):
                return False
            case ast.Constant():
                return node.value == 0
            case ast.Name() if self._number(node.id) == 0:
                self._assume(node.id)
                return True
        return False

    def _operation(self, node: ast.BinOp) -> Value:
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mod):
            return self._equal([node.left, node.right], node)
        if isinstance(node.op, ast.FloorDiv):
            self._equal([node.left, node.right], node)
            return INVARIANT
        left, right = self.walk(node.left), self.walk(node.right)
        if isinstance(node.op, ast.Mult):
            return product(left, right)
        if isinstance(node.op, ast.Div):
            return product(left, inverse(right))
        for value in (left, right):  # bit operations and the like
            if isinstance(value, Form):
                self._require(value, node)
        return INVARIANT

    def _power(self, node: ast.BinOp) -> Value:
        exponent = number_of(node.right, self._number)
        base = self.walk(node.left)
        for part in ast.walk(node.right):
            if exponent is not None and isinstance(part, ast.Name):
                self._assume(part.id)
        if exponent is None:
            self._invariant(node.right, node)
            if isinstance(base, Form):
                self._require(base, node)
            return INVARIANT
        if isinstance(base, Free):
            if exponent == 0:
                return INVARIANT
            return base if exponent > 0 else inverse(base)
        named = any(isinstance(part, ast.Name) for part in ast.walk(node.right))
        if exponent not in (EXACT_NAMED_POWERS if named else EXACT_POWERS):
            self._inexact(base, node)
        elif exponent == ROOT:
            self._root(base * ROOT, node)
        return base * exponent

    def _call(self, node: ast.Call) -> Value:
        assert isinstance(node.func, ast.Name)
        meaning = self._lookup(node.func.id)
        function = meaning if isinstance(meaning, Function) else Function(node.func.id)
        if function.homogeneity is None:
            return self._call_inhomogeneous(node)
        value = self._equal(node.args, node)
        if isinstance(value, Form):
            if not function.exact:
                self._inexact(value, node)
            elif function.homogeneity == ROOT:
                self._root(value * ROOT, node)
            return value * function.homogeneity
        return value if function.homogeneity > 0 else INVARIANT

    def _call_inhomogeneous(self, node: ast.Call) -> Value:
        values = [self.walk(argument) for argument in node.args]
        moving = [value for value in values if isinstance(value, Form) and value]
        scales = self._unfold(node) if moving and len(values) == 1 else None
        argument, result = scales or (INVARIANT, INVARIANT)
        for value in moving:
            self._require(value - argument, node)
        return result

    def _equal(self, nodes: list[ast.expr], whole: ast.expr) -> Value:
        """All parts move alike; that is how the whole moves, too."""
        values = [self.walk(node) for node in nodes]
        forms = [value for value in values if isinstance(value, Form)]
        if not forms:
            return Free.INFINITE if Free.INFINITE in values else Free.ZERO
        for form in forms[1:]:
            self._require(form - forms[0], whole)
        return forms[0]

    def _invariant(self, node: ast.expr, whole: ast.expr) -> None:
        value = self.walk(node)
        if isinstance(value, Form):
            self._require(value, whole)


def product(left: Value, right: Value) -> Value:
    """How a product moves."""
    if isinstance(left, Form) and isinstance(right, Form):
        return left + right
    return Free.ZERO if Free.ZERO in (left, right) else Free.INFINITE


def inverse(value: Value) -> Value:
    """How 1/value moves."""
    if isinstance(value, Form):
        return value * -1
    return Free.ZERO if value is Free.INFINITE else Free.INFINITE
