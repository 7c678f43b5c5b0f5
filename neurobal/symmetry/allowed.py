"""Constants of a plasticity rule that may stay as they are although the weights that it writes are rescaled.

A rule such as ``w = clip(w + Apre, 0, wmax)`` has a scale of its own. With wmax the same for all synapses the network
is no longer invariant: after rescaling, the rule moves weights by other steps, between other bounds. What neurons do
with the weights they have is not concerned. Who allows that names the constants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from neurobal.errors import InvalidInputError, did_you_mean

from .model import Constant, Kind, Model, Statement, SynapsesModel, Variable


def with_allowed(model: Model, allow: Iterable[str]) -> tuple[Model, dict[str, list[str]]]:
    """The model with these constants as if each synapse had its own, and which of them stand in which projection."""
    names = list(dict.fromkeys(allow))
    constants_of: dict[str, list[str]] = {}
    projections = {}
    for key, projection in model.synapses.items():
        statements = []
        for statement in projection.statements:
            here = [name for name in names if _promotable(statement.scope.get(name))]
            if here:
                _check(statement, here[0], projection)
                constants_of.setdefault(key, []).extend(here)
                own = {name: Variable(key, name, Kind.PARAMETER) for name in here}
                statement = replace(statement, scope={**statement.scope, **own})
            statements.append(statement)
        projections[key] = replace(projection, statements=statements)
    used = {name for constants in constants_of.values() for name in constants}
    for name in names:
        if name not in used:
            known = {
                key
                for projection in model.synapses.values()
                for statement in projection.statements
                for key, reference in statement.scope.items()
                if _promotable(reference)
            }
            raise InvalidInputError(
                f"allow: no rule that writes synaptic variables uses a constant {name!r}.{did_you_mean(name, known)}"
            )
    return replace(model, synapses=projections), {
        key: list(dict.fromkeys(constants)) for key, constants in constants_of.items()
    }


def allowable(model: Model) -> list[str]:
    """All constants that may be allowed: those of rules that write synaptic variables, and of nothing else."""
    constants: dict[str, None] = {}
    acting: set[str] = set()
    for projection in model.synapses.values():
        for statement in projection.statements:
            here = [name for name, reference in statement.scope.items() if _promotable(reference)]
            if _acts_on_neurons(statement, projection):
                acting.update(here)
            else:
                constants.update(dict.fromkeys(here))
    return [name for name in constants if name not in acting]


def _promotable(reference: object) -> bool:
    """Whether a name stands for a constant that could be one of each synapse: no unit, not the time."""
    return isinstance(reference, Constant) and reference.promotable


def _acts_on_neurons(statement: Statement, projection: SynapsesModel) -> bool:
    target = statement.scope.get(statement.target) if statement.target else None
    return isinstance(target, Variable) and target.owner != projection.name


def _check(statement: Statement, name: str, projection: SynapsesModel) -> None:
    """What neurons receive must not depend on it."""
    if _acts_on_neurons(statement, projection):
        raise InvalidInputError(
            f"allow: {name!r} cannot stay as it is: `{statement.text}` ({statement.place}) acts on neurons, and would "
            "do something else than before. Make it a parameter of the synapses."
        )
