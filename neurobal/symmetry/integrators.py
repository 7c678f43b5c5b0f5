"""Powers that an integration method makes of products.

Simulators rewrite the right-hand sides of differential equations by computer algebra before they integrate them: named
expressions are put in, products are multiplied out and collected. ``x*x*x`` becomes ``x**3``, ``1/x/x`` becomes
``x**-2``; pow() may round such powers differently after a scaling, even by a power of two.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from .expressions import EXACT_POWERS, number_of, parse

Range = tuple[Fraction, Fraction]
"""The least and the highest power of a factor in the terms of a sum of products."""

ONCE = (Fraction(1), Fraction(1))
NEVER = (Fraction(0), Fraction(0))


def with_definitions(node: ast.expr, definition: Callable[[str], str | None]) -> ast.expr:
    """The expression with named expressions put in for their names."""

    class Substitution(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            text = definition(name.id)
            return name if text is None else with_definitions(parse(text), definition)

    result = Substitution().visit(ast.parse(ast.unparse(node), mode="eval").body)
    assert isinstance(result, ast.expr)
    return result


def factors_with_powers(node: ast.expr) -> Iterator[ast.expr]:
    """The factors whose powers, once products are multiplied out and collected, pow() may have to compute."""
    opaque: dict[str, ast.expr] = {}
    for key, powers in _ranges(node, opaque).items():
        if not EXACT_POWERS.issuperset(powers):
            yield opaque.get(key, ast.Name(key, ast.Load()))
    for part in opaque.values():
        for child in ast.iter_child_nodes(part) if not _is_sum(part) else [part]:
            if isinstance(child, ast.expr):
                yield from factors_with_powers(child)


def _ranges(node: ast.expr, opaque: dict[str, ast.expr]) -> dict[str, Range]:
    """The powers of each factor: of names, and of ``opaque`` parts, that are not multiplied out with the others."""
    match node:
        case ast.Constant():
            return {}
        case ast.Name():
            return {node.id: ONCE}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return _ranges(node.operand, opaque)
        case ast.Call(func=ast.Name(id="abs"), args=[argument]):  # its square is that of the argument
            return _ranges(argument, opaque)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _combined(_ranges(node.left, opaque), _ranges(node.right, opaque), _either)
        case ast.BinOp(op=ast.Mult()):
            return _combined(_ranges(node.left, opaque), _ranges(node.right, opaque), _both)
        case ast.BinOp(op=ast.Div()):
            return _combined(_ranges(node.left, opaque), _raised(node.right, Fraction(-1), opaque), _both)
        case ast.BinOp(op=ast.Pow()):
            power = number_of(node.right)
            if power is not None:
                return _raised(node.left, power, opaque)
    return _opaque(node, Fraction(1), opaque)


def _raised(base: ast.expr, power: Fraction, opaque: dict[str, ast.expr]) -> dict[str, Range]:
    if _is_sum(base) and (power < 0 or power.denominator > 1):
        return _opaque(base, power, opaque)
    raised = {key: (low * power, high * power) for key, (low, high) in _ranges(base, opaque).items()}
    return {key: (min(ends), max(ends)) for key, ends in raised.items()}


def _opaque(node: ast.expr, power: Fraction, opaque: dict[str, ast.expr]) -> dict[str, Range]:
    """A part as one factor. Parts of the same names may be equal, however they are written."""
    names = sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)})
    kind = f"{node.func.id}()" if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else "sum"
    key = f"{kind} of {', '.join(names)}"
    opaque.setdefault(key, node)
    return {key: (power, power)}


def _is_sum(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return _is_sum(node.operand)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return True
    return False


def _combined(
    left: Mapping[str, Range], right: Mapping[str, Range], combine: Callable[[Range, Range], Range]
) -> dict[str, Range]:
    return {key: combine(left.get(key, NEVER), right.get(key, NEVER)) for key in dict.fromkeys((*left, *right))}


def _either(left: Range, right: Range) -> Range:
    return min(left[0], right[0]), max(left[1], right[1])


def _both(left: Range, right: Range) -> Range:
    return left[0] + right[0], left[1] + right[1]
