"""Multiply out and collect: ``(x + 1)**2 - 2*x - 1`` is ``x**2``.

An expression may be homogeneous although its parts are not. Where nothing else helps, its polynomial part is expanded
with exact coefficients, everything else (functions, comparisons, divisors that are sums) staying as it is. The machine
computes the original, so that a symmetry found this way holds up to rounding only.
"""

from __future__ import annotations

import ast
from collections import Counter
from fractions import Fraction

from .expressions import number_of, parse, source

Monomial = frozenset[tuple[str, int]]
Polynomial = dict[Monomial, Fraction]
MOST_TERMS = 200  # of a product: models have few, and the time grows with their square
DETERMINISTIC = frozenset(
    {"abs", "sign", "clip", "int", "floor", "ceil", "sqrt", "exp", "expm1", "exprel", "log", "log10", "log1p"}
    | {"sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "timestep"}
)
HIGHEST_POWER = 4  # that is multiplied out


def expand(expression: str) -> str | None:
    """The expanded expression, or None if that is the same, has too many terms, or cannot be read."""
    try:
        tree = parse(expression)
        if _draws_twice(tree):
            return None
        polynomial = _polynomial(tree)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None
    text = " + ".join(_term(monomial, c) for monomial, c in polynomial.items()) or "0"
    return None if len(polynomial) >= _count_terms(tree) else text


def _draws_twice(tree: ast.AST) -> bool:
    """Whether equal calls may have unequal values: ``rand() - rand()`` is not 0. A script's functions may be such."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    drawn = Counter(source(call) for call in calls if source(call.func) not in DETERMINISTIC)
    return any(number > 1 for number in drawn.values())


def _count_terms(node: ast.AST) -> int:
    """Sums in the original: an expansion that cancels nothing has at least as many terms."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _count_terms(node.left) + _count_terms(node.right)
        case ast.BinOp(op=ast.Mult()):
            return _count_terms(node.left) * _count_terms(node.right)
        case ast.BinOp(op=ast.Div()):
            return _count_terms(node.left)
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int() as power)) if 0 < power <= HIGHEST_POWER:
            return _count_terms(node.left) ** power
        case ast.UnaryOp():
            return _count_terms(node.operand)
    return 1


def _polynomial(node: ast.expr) -> Polynomial:
    value = number_of(node)
    if value is not None:
        return {frozenset(): value}
    match node:
        case ast.UnaryOp(op=ast.USub()):
            return _scaled(_polynomial(node.operand), Fraction(-1))
        case ast.BinOp(op=ast.Add()):
            return _sum(_polynomial(node.left), _polynomial(node.right))
        case ast.BinOp(op=ast.Sub()):
            return _sum(_polynomial(node.left), _scaled(_polynomial(node.right), Fraction(-1)))
        case ast.BinOp(op=ast.Mult()):
            return _product(_polynomial(node.left), _polynomial(node.right))
        case ast.BinOp(op=ast.Div()):
            return _product(_polynomial(node.left), _inverse(_polynomial(node.right), node.right))
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int() as power)) if 0 < power <= HIGHEST_POWER:
            result = base = _polynomial(node.left)
            for _ in range(power - 1):
                result = _product(result, base)
            return result
    return {frozenset({(source(node), 1)}): Fraction(1)}


def _sum(left: Polynomial, right: Polynomial) -> Polynomial:
    result = dict(left)
    for monomial, coefficient in right.items():
        result[monomial] = result.get(monomial, Fraction(0)) + coefficient
    return {monomial: c for monomial, c in result.items() if c}


def _scaled(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    return {monomial: c * factor for monomial, c in polynomial.items()}


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > MOST_TERMS:
        raise ValueError("too many terms")
    result: Polynomial = {}
    for a, x in left.items():
        for b, y in right.items():
            powers: Counter[str] = Counter(dict(a))
            powers.update(dict(b))
            result = _sum(result, {frozenset((atom, p) for atom, p in powers.items() if p): x * y})
    return result


def _inverse(polynomial: Polynomial, node: ast.expr) -> Polynomial:
    if len(polynomial) != 1:
        return {frozenset({(source(node), -1)}): Fraction(1)}
    ((monomial, coefficient),) = polynomial.items()
    return {frozenset((atom, -p) for atom, p in monomial): 1 / coefficient}


def _term(monomial: Monomial, coefficient: Fraction) -> str:
    factors = [f"({atom})**({power})" for atom, power in sorted(monomial)]
    return "*".join([f"({coefficient})", *factors])
