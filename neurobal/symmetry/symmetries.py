"""The answer: what may be rescaled in a network and leaves its function alone, what stands in the way, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from .answers import GroupSymmetry, ProjectionSymmetry, WeightSymmetry
from .constraints import Exponent
from .declaration import Declaration, check_variables, read_declaration
from .model import Model
from .nullspace import Form
from .obstacles import Obstacle, find_obstacles
from .printout import GroupFacts, describe, describe_html
from .remedies import Remedy, find_remedy
from .solution import ModelSolution, given_exponents, solve_model
from .ties import Powers, independent
from .weights import transmissions


class Symmetries:
    """What may be rescaled in a network without changing what it computes.

    Attributes
    ----------
    model, declaration
        The statements of the network, and what was declared.
    groups, projections
        The answer for each group of neurons and for each Synapses object, by name.
    assumed
        Constants (object, name) and the values that the answer depends on: zeros, which fit any power, exponents, and
        what potentials are measured from.
    contradicted
        Expressions that contradict what was declared, see `declare`.
    inexact
        What may be rounded differently after a scaling, even by a power of two.
    roots
        Square roots that move, by powers of their neurons' λ: exact where these are powers of two.
    unread
        What may change a simulation and could not be analysed; empty for a proof.
    """

    def __init__(self, model: Model, declaration: Declaration | None = None) -> None:
        self.declaration: Declaration = dict(declaration or {})
        declared = read_declaration(self.declaration, model.groups, model.synapses)
        check_variables(declared, model)
        solution = solve_model(model, declared)
        systems = {name: solved.system for name, solved in solution.groups.items()}
        contradicting = [
            obstacle
            for name, system in systems.items()
            if (given := given_exponents(model, declared, systems, name))
            for obstacle in find_obstacles(system, given.items())
        ]
        self.model, self._solution = model, solution
        self.groups: dict[str, GroupSymmetry] = {name: _group(solution, name) for name in model.groups}
        self.projections: dict[str, ProjectionSymmetry] = {name: _projection(solution, name) for name in model.synapses}
        self.assumed: dict[tuple[str, str], float] = self.assumptions(systems)
        self.inexact: tuple[str, ...] = tuple(dict.fromkeys(t for g in self.groups.values() for t in g.inexact))
        self.roots: tuple[str, ...] = tuple(dict.fromkeys(text for g in self.groups.values() for text, _ in g.roots))
        self.unread: tuple[str, ...] = tuple(model.unread)
        self.contradicting: tuple[Obstacle, ...] = tuple(contradicting)
        self.contradicted: tuple[str, ...] = tuple(map(str, contradicting))

    def declare(self, declaration: Declaration) -> Symmetries:
        """The same network with some of the answer given: what is declared holds, the rest follows as far as it can.

        Parameters
        ----------
        declaration
            ``{"group": {variable: power}}``: these variables of the group move, and no others;
            ``{"synapses": (weight, a, b)}``: the weight moves as λ_post^a λ_pre^-b, and no other variable of them.

        Returns
        -------
        ``contradicted`` lists the expressions that do not agree; if it is empty the equations confirm the declaration.
        """
        return Symmetries(self.model, declaration)

    def contradictions(self, declaration: Declaration) -> list[str]:
        """The expressions that contradict a declaration; empty if the equations confirm it."""
        return list(self.declare(declaration).contradicted)

    def incoming(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that come into this group."""
        return self._solution.incoming(group)

    def outgoing(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that go out of this group."""
        return self._solution.outgoing(group)

    def assumptions(self, groups: Iterable[str]) -> dict[tuple[str, str], float]:
        """The constants, with their values, that the symmetries of these groups depend on."""
        systems = [self._solution.groups[name].system for name in groups if name in self._solution.groups]
        return {key: value for system in systems for key, value in system.assumed.items()}

    def obstacles(self, group: str) -> list[Obstacle]:
        """The expressions that do not let this group's incoming weights move by λ, or its outgoing ones by 1/λ."""
        answer = self.groups[group]
        if answer.fixed is not None:
            return []
        remedy = self.remedy(group)
        if remedy is not None:
            return list(remedy.reasons)
        wishes = []
        if not answer.scalable:
            wishes = [(u, 1) for u in self.incoming(group) or self._receivers(group)]
        elif answer.homogeneity == 0:
            wishes = [(u, -1) for u in self.outgoing(group)]
        return find_obstacles(self._solution.groups[group].system, wishes) if wishes else []

    def remedy(self, group: str) -> Remedy | None:
        """The changed model lines after which this group can be rescaled; None if nothing is needed or known."""
        answer = self.groups[group]
        done = not self.receives(group) or (answer.scalable and (answer.homogeneity != 0 or not self._sends(group)))
        if answer.fixed is not None or done:
            return None
        return find_remedy(self.model, group, self.incoming(group), self.outgoing(group))

    def _receivers(self, group: str) -> list[Exponent]:
        """Where synapses that only send constants write to."""
        lines = [s for p in self.model.synapses.values() if p.target == group for s in transmissions(p)]
        return list(dict.fromkeys(Exponent(group, s.scope[s.target].name) for s in lines if s.target))

    def receives(self, group: str) -> bool:
        """Does any synapse come into this group?"""
        return any(projection.target == group for projection in self.model.synapses.values())

    def _sends(self, group: str) -> bool:
        return any(projection.source == group for projection in self.model.synapses.values())

    def _facts(self) -> list[GroupFacts]:
        return [
            GroupFacts(group, self.receives(name), bool(self.outgoing(name)), self.obstacles(name), self.remedy(name))
            for name, group in self.groups.items()
        ]

    def __repr__(self) -> str:
        return describe(self._facts(), self.projections.values(), self.assumed, self.inexact, self.roots, self.unread)

    def _repr_html_(self) -> str:
        return describe_html(self._facts(), repr(self))


def _group(solution: ModelSolution, name: str) -> GroupSymmetry:
    """The answer for one group."""
    fixed = solution.model.groups[name].fixed
    if fixed is not None:
        return GroupSymmetry(name, fixed=fixed)
    solved = solution.groups[name]
    basis = tuple(filter(None, (_named(solution, powers) for powers in independent(solved.system))))
    if solved.tie is None:
        return GroupSymmetry(name, independent=basis)
    moving = solved.tie.powers
    powers = {u.name: power for u, power in moving.items() if u.owner == name and solution.is_stored(u)}
    potentials = solved.potentials
    outgoing = {-moving.get(u, Fraction(0)) for u in solution.outgoing(name)} or {Fraction(0)}
    return GroupSymmetry(
        name,
        powers=powers,
        origins={v: potentials.constant for v in potentials.variables if v in powers} if potentials else {},
        scalable=solved.moves(solution.incoming(name)),
        homogeneity=outgoing.pop() if len(outgoing) == 1 else None,
        independent=basis,
        choices=tuple(_named(solution, choice) for choice in solved.tie.choices),
        inexact=tuple(dict.fromkeys(text for base, text in solved.system.inexact if _power(base, moving))),
        roots=tuple(
            dict.fromkeys((text, power) for root, text in solved.system.roots if (power := _power(root, moving)))
        ),
    )


def _named(solution: ModelSolution, powers: Powers) -> dict[str, Fraction]:
    """Powers of stored variables by name: "v" for a neuron's, "S.w[post]" for one of synapses S."""
    stored = {u: power for u, power in powers.items() if solution.is_stored(u)}
    return {f"{u.owner}.{u.name}[{u.side}]" if u.side else u.name: power for u, power in stored.items()}


def _projection(solution: ModelSolution, name: str) -> ProjectionSymmetry:
    """The answer for one Synapses object."""
    synapses = solution.model.synapses[name]
    powers: dict[str, list[Fraction]] = {}
    for index, (side, end) in enumerate((("post", synapses.target), ("pre", synapses.source))):
        solved = solution.groups.get(end) if end is not None else None
        for unknown, power in (solved.tie.powers if solved and solved.tie else {}).items():
            if unknown.owner == name and unknown.side == side and solution.is_stored(unknown):
                powers.setdefault(unknown.name, [Fraction(0), Fraction(0)])[index] = power
    moving = {variable: (post, pre) for variable, (post, pre) in powers.items()}
    weights = []
    for weight in solution.weights[name]:
        post, pre = moving.get(weight.variable, (Fraction(0), Fraction(0)))
        weights.append(WeightSymmetry(weight.variable, post, -pre, weight.rivals))
    return ProjectionSymmetry(name, synapses.source, synapses.target, tuple(weights), moving)


def _power(form: Form, powers: Powers) -> Fraction:
    """The power by which a quantity of this form moves under this symmetry."""
    return sum((c * powers[u] for u, c in form.terms.items() if isinstance(u, Exponent) and u in powers), Fraction(0))
