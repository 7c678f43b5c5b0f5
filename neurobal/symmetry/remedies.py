"""What would lift an obstacle: the changed lines of the model, ready to paste.

Every constant gets an exponent of its own, as if it were a parameter of each neuron, every line that sends something
an amplitude; then as few of them as possible are kept. What must move then is what must become a parameter.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from .constraints import AMPLITUDE, Exponent, Promotion, System, constrain, sides
from .expressions import parse, source
from .model import Constant, Model, Statement
from .nullspace import ONE, Echelon, Form
from .obstacles import Obstacle
from .ties import echelon
from .weights import constant_weights, transmissions


@dataclass(frozen=True)
class Change:
    """Changes to one object: new lines for its model, lines that replace others, and lines that set values."""

    owner: str
    new_lines: tuple[str, ...]
    replaced: tuple[tuple[str, str, str], ...]  # (place, old line, new line)
    values: tuple[str, ...]


@dataclass(frozen=True)
class Remedy:
    """Changed model lines after which a population can be rescaled, and the lines that made them necessary."""

    changes: tuple[Change, ...]
    reasons: tuple[Obstacle, ...] = ()

    def lines(self) -> list[str]:
        """The text to paste, object by object."""
        text = []
        for change in self.changes:
            if change.new_lines:
                text.append(f"add to the model of {change.owner}:")
                text += [f"    {line}" for line in change.new_lines]
            for place, _old, new in change.replaced:
                text.append(f"{place} of {change.owner} becomes:")
                text.append(f"    {new}")
            if change.values:
                text.append("set before the run:")
                text += [f"    {line}" for line in change.values]
        return text


def find_remedy(
    model: Model, population: str, incoming: Sequence[Exponent], outgoing: Sequence[Exponent]
) -> Remedy | None:
    """The smallest change found that lets incoming weights move by λ and outgoing ones by 1/λ.

    ``incoming`` and ``outgoing`` are the weights that exist. Synapses without any get one from a constant they send.
    """
    system = constrain(model, population, promote=True)
    promotions = [u for u in system.unknowns() if isinstance(u, Promotion)]
    undoing = _undoing(model, [*incoming, *outgoing])
    solutions = []
    for order in (1, -1):
        solved = echelon(system.constraints)
        wishes_in: list[Exponent | Promotion] = [*incoming]
        wishes_in += _constant_weights(model, system, population, "post", incoming)
        wishes_out: list[Exponent | Promotion] = [*outgoing]
        wishes_out += _constant_weights(model, system, population, "pre", outgoing)
        if not _wish(solved, wishes_in, 1) or not wishes_in:
            return None
        _wish(solved, wishes_out, -1)
        for promotion in sorted(promotions[::order], key=lambda p: ((p.owner, p.name) not in undoing, _cost(p))):
            solved.add(Form({promotion: 1}))
        solutions.append([p for p in promotions if solved.value(p) != 0])
    needed = min(solutions, key=len)
    return Remedy(_changes(model, system, needed), _reasons(model, system, needed)) if needed else None


def _wish(solved: Echelon, unknowns: Sequence[Exponent | Promotion], value: int) -> bool:
    """Require this value of all unknowns, or of as many as the constraints allow; False if of none."""
    forms = [Form({u: 1, ONE: -value}) for u in unknowns]
    return solved.add_all(forms) or any([solved.add(form) for form in forms])  # noqa: C419 - all of them, not the first


def _cost(promotion: Promotion) -> int:
    """Rank what is given up first: plain numbers, scales of functions, literals with units, constants."""
    if promotion.role:
        return 1
    if promotion.literal:
        return 2 if promotion.is_quantity else 0
    return 3


def _constant_weights(
    model: Model, system: System, population: str, side: str, weights: Sequence[Exponent]
) -> list[Promotion]:
    """The constants that take the place of weights in synapses that have none."""
    constants: list[Promotion] = []
    weighted = {weight.owner for weight in weights}
    promotions = [u for u in system.unknowns() if isinstance(u, Promotion) and u.side == side]
    for projection in model.synapses.values():
        if side not in sides(projection, population) or projection.name in weighted:
            continue
        own = [p for p in promotions if p.owner == projection.name]
        names = constant_weights(projection)
        named = [p for p in own if p.name in names]
        if named:
            constants += named
            continue
        lines = transmissions(projection)
        for constraint in system.constraints:
            if constraint.statement in lines:
                constants += [u for u in own if u in constraint.form.terms and u not in constants][:1]
    return constants


def _undoing(model: Model, weights: Sequence[Exponent]) -> set[tuple[str, str]]:
    """Constants that multiply weights, as (owner, name): as parameters they could undo what moves the weights."""
    weighted = {weight.owner for weight in weights}
    return {(name, constant) for name in weighted for constant in constant_weights(model.synapses[name])}


def _reasons(model: Model, system: System, needed: Sequence[Promotion]) -> tuple[Obstacle, ...]:
    """The lines in which what must become a parameter stands."""
    promoted_in: dict[tuple[str, str], dict[Promotion, None]] = {}
    for constraint in system.constraints:
        statement = constraint.statement
        here = [promotion for promotion in needed if promotion in constraint.form.terms]
        if here and isinstance(statement, Statement):
            promoted_in.setdefault((statement.text, str(statement.place)), {}).update(dict.fromkeys(here))
    return tuple(Obstacle(line, place, _reason(model, list(here))) for (line, place), here in promoted_in.items())


def _reason(model: Model, promotions: Sequence[Promotion]) -> str:
    calls = list(dict.fromkeys(p.name for p in promotions if p.role))
    names = list(dict.fromkeys(p.name for p in promotions if p.name != AMPLITUDE and not p.role))
    reasons = [f"{call} has a scale of its own" for call in calls]
    if names:
        things = "synapses" if promotions[0].owner in model.synapses else "neurons"
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        reasons.append(f"{listed} {'is' if len(names) == 1 else 'are'} the same for all {things}")
    if any(p.name == AMPLITUDE for p in promotions):
        reasons.append("what a neuron sends has a fixed size")
    return ", ".join(reasons)


def _changes(model: Model, system: System, needed: Sequence[Promotion]) -> tuple[Change, ...]:
    """Write the promotions out as lines, one change for each object."""
    writers: dict[str, _Writer] = {}
    for promotion in needed:
        writer = writers.setdefault(promotion.owner, _Writer(model, promotion.owner))
        if promotion.name == AMPLITUDE:
            amplitude = writer.parameter("a", "1", "1")
            for projection in model.synapses.values():
                if projection.source == promotion.owner:
                    sender = writers.setdefault(projection.name, _Writer(model, projection.name))
                    for statement in transmissions(projection):
                        sender.multiply(statement, f"{amplitude}_pre")
        elif promotion.statement is not None:
            statement = system.statements[promotion.statement]
            if promotion.literal:
                writer.replace(statement, promotion.name)
            else:
                writer.unfold(statement, promotion.name, promotion.role)
        else:
            writer.parameter(promotion.name, promotion.unit, promotion.name, fresh=False)
    return tuple(writer.change() for writer in writers.values())


class _Writer:
    """Collects the changes to one object."""

    def __init__(self, model: Model, owner: str) -> None:
        self.owner = owner
        self.synaptic = owner in model.synapses
        part = model.synapses.get(owner) or model.groups[owner]
        self.taken = set(part.units).union(*({s.target or "", *s.scope} for s in part.statements))
        self.new_lines: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.expressions: dict[int, tuple[Statement, ast.expr]] = {}
        self.literals: dict[tuple[int, str], str] = {}

    def parameter(self, name: str, unit: str, value: str, fresh: bool = True) -> str:
        """Declare a new parameter; its name avoids those in use unless it replaces a constant of this name."""
        if fresh:
            stem, number = name, 2
            while name in self.taken:
                name, number = f"{stem}{number}", number + 1
        self.taken.add(name)
        self.new_lines[name] = f"{name} : {unit} (constant)"
        self.values[name] = f"{self.owner}.{name} = {value}"
        return name

    def replace(self, statement: Statement, literal: str) -> None:
        """Put a new parameter in the place of a literal."""
        key = (id(statement), literal)
        if key in self.literals:
            return  # required by the post- and by the presynaptic side
        part = statement.place.part
        stem = "w" if self.synaptic else {"threshold": "threshold"}.get(part, "c")
        if part == "reset" and statement.target is not None:
            stem = f"{statement.target}_{'reset' if statement.operation == '=' else 'jump'}"
        name = self.literals[key] = self.parameter(stem, _literal_unit(literal, statement), literal)
        node = self._expression(statement)
        replaced = _Substitution(literal, name).visit(node)
        assert isinstance(replaced, ast.expr)
        self.expressions[id(statement)] = (statement, replaced)

    def unfold(self, statement: Statement, call: str, role: str) -> None:
        """Write g*f(x/s) for f(x), with new parameters g or s."""
        key = (id(statement), f"{role} of {call}")
        if key in self.literals:
            return
        tree = parse(call)
        assert isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)
        stem = tree.args[0].id if role == "argument" and isinstance(tree.args[0], ast.Name) else tree.func.id
        name = self.literals[key] = self.parameter(f"{stem}_{'scale' if role == 'argument' else 'gain'}", "1", "1")
        node = _Unfolding(tree.func.id, call, role, name).visit(self._expression(statement))
        assert isinstance(node, ast.expr)
        self.expressions[id(statement)] = (statement, node)

    def multiply(self, statement: Statement, factor: str) -> None:
        """Multiply what a line sends by a factor."""
        node = self._expression(statement)
        product = ast.BinOp(left=node, op=ast.Mult(), right=ast.Name(id=factor))
        self.expressions[id(statement)] = (statement, product)

    def change(self) -> Change:
        replaced = []
        for statement, node in self.expressions.values():
            line = statement.text.replace(statement.expression, source(node))
            replaced.append((statement.place.part, statement.text, line))
        return Change(self.owner, tuple(self.new_lines.values()), tuple(replaced), tuple(self.values.values()))

    def _expression(self, statement: Statement) -> ast.expr:
        rewritten = self.expressions.get(id(statement))
        return rewritten[1] if rewritten else parse(statement.expression)


class _Substitution(ast.NodeTransformer):
    def __init__(self, literal: str, name: str) -> None:
        self.literal, self.name = literal, name

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and source(node) == self.literal:
            return ast.Name(id=self.name)
        return self.generic_visit(node)


class _Unfolding(ast.NodeTransformer):
    """Replaces f(x) by f(x/s) or g*f(x); a call that has its s already is found again by its original text."""

    def __init__(self, function: str, call: str, role: str, name: str) -> None:
        self.function, self.call, self.role, self.name = function, call, role, name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        original = getattr(node, "original", source(node))
        if original != self.call:
            return self.generic_visit(node)
        if self.role == "argument":
            scaled = ast.BinOp(left=node.args[0], op=ast.Div(), right=ast.Name(id=self.name))
            call = ast.Call(func=node.func, args=[scaled], keywords=[])
            call.original = original  # type: ignore[attr-defined]
            return call
        return ast.BinOp(left=ast.Name(id=self.name), op=ast.Mult(), right=node)


def _literal_unit(literal: str, statement: Statement) -> str:
    """The unit in which to declare a parameter that replaces ``-50*mV`` (volt) or ``0.04/ms`` (1/second)."""
    numerator: list[str] = []
    denominator: list[str] = []

    def collect(node: ast.expr, inverted: bool) -> None:
        match node:
            case ast.Name():
                reference = statement.scope[node.id]
                unit = reference.unit if isinstance(reference, Constant) else "1"
                (denominator if inverted else numerator).append(unit)
            case ast.BinOp(op=ast.Pow()):
                for _ in range(int(ast.literal_eval(node.right))):
                    collect(node.left, inverted)
            case ast.BinOp():
                collect(node.left, inverted)
                collect(node.right, inverted != isinstance(node.op, ast.Div))
            case ast.UnaryOp():
                collect(node.operand, inverted)

    collect(parse(literal), False)
    units = [u for u in numerator if u != "1"]
    return "/".join(["*".join(units) or "1", *(u for u in denominator if u != "1")])
