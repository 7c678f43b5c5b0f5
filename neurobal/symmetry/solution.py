"""The algebra of a whole model, solved group by group: constraints, weights, and the symmetry chosen for each group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .constraints import Exponent, Promotion, System, constrain, sides
from .declaration import Declared
from .model import Kind, Model
from .nullspace import Echelon, Form
from .shifts import Potentials, find_potentials
from .ties import Tie, echelon, is_free, tie
from .weights import Weight, find_weights

Weights = Mapping[str, Sequence[Weight]]


@dataclass(frozen=True)
class GroupSolution:
    """The symmetry of one group, and the constraints that it was derived from.

    ``tie`` is None if nothing can move. ``potentials`` say what constant they are measured from, if from one.
    """

    system: System
    tie: Tie | None
    potentials: Potentials | None = None

    def moves(self, incoming: Sequence[Exponent]) -> bool:
        """Whether a weight that comes in moves."""
        return self.tie is not None and any(self.tie.powers.get(unknown) for unknown in incoming)


@dataclass(frozen=True)
class ModelSolution:
    """The weights of all Synapses, and the solutions of all groups that are not fixed by their nature."""

    model: Model
    weights: Weights
    groups: Mapping[str, GroupSolution]

    def incoming(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that come into this group."""
        return ends(self.model, self.weights, group, "post")

    def outgoing(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that go out of this group."""
        return ends(self.model, self.weights, group, "pre")

    def is_stored(self, unknown: Exponent) -> bool:
        """Whether this is the exponent of a variable, and not of a named expression."""
        return is_stored([solution.system for solution in self.groups.values()], unknown)


def solve_model(model: Model, declared: Declared) -> ModelSolution:
    """Choose a symmetry for every group; what is declared holds, the rest follows as far as it can."""
    systems = {name: constrain(model, name) for name, group in model.groups.items() if group.fixed is None}
    weights = {name: _weights(model, name, declared, systems) for name in model.synapses}
    solutions = {
        name: solve_group(
            model,
            system,
            ends(model, weights, name, "post"),
            ends(model, weights, name, "pre"),
            given_exponents(model, declared, systems, name),
        )
        for name, system in systems.items()
    }
    return ModelSolution(model, weights, solutions)


def solve_group(
    model: Model,
    system: System,
    incoming: Sequence[Exponent],
    outgoing: Sequence[Exponent],
    given: Mapping[Exponent, Fraction],
) -> GroupSolution:
    """Choose a symmetry of one group.

    If its incoming weights cannot move and nothing is ``given``, expressions are multiplied out, lest terms cancel; and
    if that does not help, potentials are measured from a constant.
    """
    plain = GroupSolution(system, tie(system, incoming, outgoing, given))
    if given or plain.moves(incoming):
        return plain
    multiplied_out = constrain(model, system.population, expanded=True)
    solution = GroupSolution(multiplied_out, tie(multiplied_out, incoming, outgoing))
    if solution.moves(incoming):
        return solution
    for potentials in find_potentials(model, system.population) if incoming else ():
        shifted = constrain(model, system.population, origin=potentials.origin)
        solution = GroupSolution(shifted, tie(shifted, incoming, outgoing), potentials)
        if solution.moves(incoming):
            return solution
    return plain


def given_exponents(
    model: Model, declared: Declared, systems: Mapping[str, System], group: str
) -> dict[Exponent, Fraction]:
    """The exponents of this group's system that a declaration settles."""
    given = dict(declared.weights)
    given |= {Exponent(*key): power for key, power in declared.powers.items()}
    for unknown in systems[group].unknowns():
        if not isinstance(unknown, Exponent) or not is_stored(systems.values(), unknown):
            continue
        if unknown.owner in declared.parts:
            given.setdefault(unknown, declared.powers.get((unknown.owner, unknown.name), Fraction(0)))
    return {u: power for u, power in given.items() if u.owner == group or u.side in _sides(model, u.owner, group)}


def is_stored(systems: Iterable[System], unknown: Exponent) -> bool:
    """Whether this is the exponent of a variable, and not of a named expression."""
    return not any(system.kinds.get(unknown) is Kind.EXPRESSION for system in systems)


def ends(model: Model, weights: Weights, group: str, side: str) -> list[Exponent]:
    """The unknown powers of the weights that have this group on this side, "post" or "pre"."""
    return [
        Exponent(name, weight.variable, side)
        for name, synapses in model.synapses.items()
        if side in sides(synapses, group)
        for weight in weights[name]
    ]


def _weights(model: Model, name: str, declared: Declared, systems: Mapping[str, System]) -> list[Weight]:
    synapses = model.synapses[name]
    if name in declared.variables:
        return [Weight(declared.variables[name])]
    ends = {side: end for side, end in (("post", synapses.target), ("pre", synapses.source)) if end in systems}
    solved = {side: echelon(systems[end].constraints) for side, end in ends.items() if end is not None}
    promoted: dict[str, Echelon] = {}  # made where it is asked for

    def moves(variable: str) -> bool:
        return any(is_free(system, Exponent(name, variable, side)) for side, system in solved.items())

    def could_move(variable: str) -> bool:
        if not promoted:
            promoted.update({side: _with_own_constants(model, end) for side, end in ends.items() if end is not None})
        return any(is_free(system, Exponent(name, variable, side)) for side, system in promoted.items())

    return find_weights(synapses, moves, could_move)


def _with_own_constants(model: Model, population: str) -> Echelon:
    """The constraints as they would be if constants with a name or a unit were parameters; numbers stay numbers."""
    system = constrain(model, population, promote=True)
    solved = echelon(system.constraints)
    for unknown in system.unknowns():
        if isinstance(unknown, Promotion) and not unknown.is_quantity:
            solved.add(Form({unknown: 1}))
    return solved


def _sides(model: Model, owner: str, group: str) -> list[str]:
    return sides(model.synapses[owner], group) if owner in model.synapses else []
