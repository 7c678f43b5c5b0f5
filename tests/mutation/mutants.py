"""Mutants of a module: its source with one place changed, by the operators of cosmic-ray and some of our own."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

Position = tuple[int, int]
# `is` for `==` is the same for most of our objects; exceptions and decorators are no logic.
LEFT_OUT = ("Eq_Is", "Is_Eq", "Eq_IsNot", "IsNot_NotEq", "RemoveDecorator", "ExceptionReplacer", "Variable")


@dataclass(frozen=True)
class Mutant:
    """A changed module; ``line`` is where."""

    number: int
    path: str
    line: int
    operator: str
    source: str


def draw(paths: list[Path], number: int, seed: int) -> list[Mutant]:
    """Mutants drawn at random from all places of these files, one replacement for each place and kind of operator."""
    rng = random.Random(seed)
    pool = []
    for path in paths:
        for (kind, position), choices in sorted(_candidates(path.read_text()).items()):
            pool.append((path, position, kind, rng.choice(choices)))
    rng.shuffle(pool)
    drawn: dict[str, Mutant] = {}
    for path, position, kind, make in pool:
        source = make()
        if source not in drawn and _differs(source, path.read_text()):
            drawn[source] = Mutant(len(drawn), str(path), position[0], kind, source)
        if len(drawn) == number:
            break
    return list(drawn.values())


def _differs(source: str, original: str) -> bool:
    try:
        return ast.dump(ast.parse(source)) != ast.dump(ast.parse(original))
    except (SyntaxError, ValueError):
        return False


def _candidates(source: str) -> dict[tuple[str, Position], list[Callable[[], str]]]:
    """For each kind of change and place, what makes the changed source."""
    found: dict[tuple[str, Position], list[Callable[[], str]]] = {}
    tree = ast.parse(source)
    silent = list(_silent(tree))
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        if any(part in name for part in LEFT_OUT):
            continue
        operator = get_operator(name)()
        places = [place for node in nodes for place in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(places):
            if not any(first <= start < last for first, last in silent):
                make = _bound(mutate_code, source, operator, occurrence)
                found.setdefault((name.split("/")[1].split("_")[0], start), []).append(make)
    for kind, node, text in _our_changes(source, tree):
        found.setdefault((kind, (node.lineno, node.col_offset)), []).append(_bound(_replaced, source, node, text))
    return found


def _bound(function: Callable[..., str], *arguments: object) -> Callable[[], str]:
    return lambda: function(*arguments)


def _silent(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """Annotations and docstrings: nothing runs there."""
    for node in ast.walk(tree):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            parts.append(node.body[0])
        for part in parts:
            if isinstance(part, ast.expr | ast.stmt):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def _our_changes(source: str, tree: ast.Module) -> Iterator[tuple[str, ast.expr | ast.stmt | ast.keyword, str]]:
    """(kind, what is replaced, by what)."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr() | ast.AugAssign() | ast.Continue() | ast.Raise():
                yield "delete statement", node, "pass"
            case ast.Return(value=ast.expr() as value):
                yield "return None", value, "None"
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield "condition True", test, "True"
                yield "condition False", test, "False"
            case ast.comprehension(ifs=conditions):
                for condition in conditions:
                    yield "no filter", condition, "True"
            case ast.BoolOp(op=operator, values=values):
                word = " and " if isinstance(operator, ast.And) else " or "
                for dropped in values:
                    kept = [ast.get_source_segment(source, value) or "" for value in values if value is not dropped]
                    yield "drop operand", node, f"({word.join(kept)})"
            case ast.keyword(arg=str()):
                yield "drop keyword", node, "**{}"


def _replaced(source: str, node: ast.expr | ast.stmt | ast.keyword, text: str) -> str:
    lines = source.encode().splitlines(keepends=True)
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    end = (node.end_lineno or node.lineno) - 1
    after = lines[end][node.end_col_offset :] + b"".join(lines[end + 1 :])
    return (before + text.encode() + after).decode()
