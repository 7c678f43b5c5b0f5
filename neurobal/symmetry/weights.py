"""Which synaptic variable is the weight?

What a synapse sends is written to a postsynaptic variable. Its strength is the nearest parameter upstream: in
``g_post += w`` itself, or behind synaptic states (``I_post = s`` with ``on_pre='s += w'``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .expressions import names_in
from .model import Kind, Statement, SynapsesModel, Variable

DEFINED = (Kind.EXPRESSION, Kind.COMPUTED)


@dataclass(frozen=True)
class Weight:
    """The variable that carries the strength of what one line sends, and those that could as well."""

    variable: str
    rivals: tuple[str, ...] = ()


def transmissions(projection: SynapsesModel) -> list[Statement]:
    """The lines by which these synapses write to their postsynaptic neurons."""
    return [s for s in projection.statements if isinstance(s.target, str) and _is_post(s)]


def find_weights(projection: SynapsesModel, moves: Callable[[str], bool]) -> list[Weight]:
    """The weights of these synapses, one for each line that sends something; empty if only constants are sent.

    ``moves`` tells which variables can be rescaled at all: a factor that cannot is no weight if another one can.
    """
    weights: dict[str, Weight] = {}
    for statement in transmissions(projection):
        candidates = _nearest_parameters(projection, statement)
        candidates = [name for name in candidates if moves(name)] or candidates[:1]
        candidates.sort(key=_resemblance)
        if candidates and candidates[0] not in weights:
            rivals = [name for name in candidates[1:] if _resemblance(name) == _resemblance(candidates[0])]
            weights[candidates[0]] = Weight(candidates[0], tuple(rivals))
    return list(weights.values())


def _is_post(statement: Statement) -> bool:
    target = statement.scope.get(statement.target or "")
    return isinstance(target, Variable) and target.seen_from == "post" and target.owner != statement.place.owner


def _resemblance(name: str) -> int:
    """Rank by how modellers call their weights."""
    lower = name.lower()
    tests = (lower in ("w", "weight"), lower.startswith("w"), lower in ("j", "g", "k"), True)
    return tests.index(True)


def _nearest_parameters(projection: SynapsesModel, start: Statement) -> list[str]:
    """Breadth first against the direction of computation, until a layer mentions stored parameters."""
    layer: Sequence[Statement] = [start]
    seen = {id(start)}
    states: list[str] = []
    while layer:
        parameters: list[str] = []
        names: list[str] = []
        queue = list(layer)
        while queue:
            statement = queue.pop(0)
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
        if parameters:
            return list(dict.fromkeys(parameters))
        states = states or names
        layer = _new(projection, names, seen)
    return list(dict.fromkeys(states))


def _new(projection: SynapsesModel, names: Sequence[str], seen: set[int], block: int | None = None) -> list[Statement]:
    """The lines not seen yet that compute these names."""
    lines = [
        s
        for s in projection.statements
        if s.target in names and id(s) not in seen and (s.target in s.scope or s.block == block)
    ]
    seen.update(map(id, lines))
    return lines
