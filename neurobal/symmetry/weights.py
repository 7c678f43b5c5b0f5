"""Which synaptic variable is the weight?

What a synapse sends is written to a postsynaptic variable. Its strength is the nearest parameter upstream: in
``g_post += w`` itself, or behind synaptic states (``I_post = s`` with ``on_pre='s += w'``).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .expressions import names_in, parse
from .model import Constant, Kind, Statement, SynapsesModel, Variable

DEFINED = (Kind.EXPRESSION, Kind.COMPUTED)


@dataclass(frozen=True)
class Weight:
    """The variable that carries the strength of what one line sends, and those that could as well."""

    variable: str
    rivals: tuple[str, ...] = ()


def transmissions(projection: SynapsesModel) -> list[Statement]:
    """The lines by which these synapses write to their postsynaptic neurons."""
    return [s for s in projection.statements if isinstance(s.target, str) and _is_post(s)]


def find_weights(
    projection: SynapsesModel, moves: Callable[[str], bool], could_move: Callable[[str], bool]
) -> list[Weight]:
    """The weights of these synapses, one for each line that sends something; empty if only constants are sent.

    ``moves`` tells which variables can be rescaled at all: a factor that cannot is no weight if another one can. Where
    none can, ``could_move`` tells which could if the constants of the model were parameters: in ``g_post += w_e*u*x``,
    with a constant w_e and resources u and x between 0 and 1, no variable is the weight.
    """
    weights: dict[str, Weight] = {}
    for statement in transmissions(projection):
        sent = _sent(projection, statement)
        candidates = [name for name in sent.variables if moves(name)]
        if not candidates and len(sent.variables) + len(sent.constants) > 1:
            candidates = [name for name in sent.variables if could_move(name)][:1]
        if not candidates and not sent.constants:
            candidates = sent.variables[:1]
        candidates.sort(key=_resemblance)
        if candidates and candidates[0] not in weights:
            rivals = [name for name in candidates[1:] if _resemblance(name) == _resemblance(candidates[0])]
            weights[candidates[0]] = Weight(candidates[0], tuple(rivals))
    return list(weights.values())


def constant_weights(projection: SynapsesModel) -> list[str]:
    """The constants that multiply what these synapses send, one for each line that has any."""
    factors = [_sent(projection, statement).constants for statement in transmissions(projection)]
    return list(dict.fromkeys(min(constants, key=_resemblance) for constants in factors if constants))


def _is_post(statement: Statement) -> bool:
    target = statement.scope.get(statement.target or "")
    return isinstance(target, Variable) and target.seen_from == "post" and target.owner != statement.place.owner


def _resemblance(name: str) -> int:
    """Rank by how modellers call their weights."""
    lower = name.lower()
    tests = (lower in ("w", "weight"), lower.startswith("w"), lower in ("j", "g", "k"), True)
    return tests.index(True)


@dataclass
class _Sent:
    """What one line sends: the variables that may be its weight, and constants that are factors of it."""

    variables: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)


def _sent(projection: SynapsesModel, start: Statement) -> _Sent:
    """Breadth first against the direction of computation, until a layer mentions stored parameters."""
    layer: Sequence[Statement] = [start]
    seen = {id(start)}
    sent = _Sent()
    states: list[str] = []
    while layer:
        parameters: list[str] = []
        names: list[str] = []
        constants: list[str] = []
        queue = list(layer)
        while queue:
            statement = queue.pop(0)
            constants += _constant_factors(statement)
            for name in names_in(statement.expression):
                reference = statement.scope.get(name)
                if isinstance(reference, Variable) and reference.owner != projection.name:
                    continue
                if isinstance(reference, Variable) and reference.kind is Kind.PARAMETER:
                    parameters.append(name)
                elif reference is None or (isinstance(reference, Variable) and reference.kind in DEFINED):
                    # A definition, or a name of this block only, stands for what it is computed from: same layer.
                    queue += _new(projection, [name], seen, statement.block)
                elif isinstance(reference, Variable) and reference.kind is Kind.STATE:
                    names.append(name)
        sent.constants = sent.constants or constants
        if parameters:
            sent.variables = list(dict.fromkeys(parameters))
            return sent
        states = states or names
        layer = _new(projection, names, seen)
    sent.variables = list(dict.fromkeys(states))
    return sent


def _constant_factors(statement: Statement) -> list[str]:
    """The constants of the script, or shared ones, by which a line multiplies all that it computes."""
    try:
        powers = _factors(parse(statement.expression))
    except (SyntaxError, ValueError):
        return []
    references = {name: statement.scope.get(name) for name, power in powers.items() if power > 0}
    return [name for name, constant in references.items() if isinstance(constant, Constant) and constant.promotable]


def _new(projection: SynapsesModel, names: Sequence[str], seen: set[int], block: int | None = None) -> list[Statement]:
    """The lines not seen yet that compute these names."""
    lines = [
        s
        for s in projection.statements
        if s.target in names and id(s) not in seen and (s.target in s.scope or s.block == block)
    ]
    seen.update(map(id, lines))
    return lines


def _factors(node: ast.AST) -> Counter[str]:
    """How often each name is a factor of this product; negative for divisors."""
    powers: Counter[str] = Counter()
    match node:
        case ast.BinOp(op=ast.Mult()):
            powers.update(_factors(node.left))
            powers.update(_factors(node.right))
        case ast.BinOp(op=ast.Div()):
            powers.update(_factors(node.left))
            powers.subtract(_factors(node.right))
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int() as power)):
            powers.update({name: count * power for name, count in _factors(node.left).items()})
        case ast.Name():
            powers[node.id] = 1
    return powers
