"""The answer: what may be rescaled in a network and leaves its function alone, what stands in the way, what helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .constraints import Exponent, constrain, sides
from .declaration import Declaration, read_declaration
from .model import Kind, Model
from .nullspace import Form
from .obstacles import Obstacle, find_obstacles
from .printout import describe
from .remedies import Remedy, find_remedy
from .shifts import Potentials, find_potentials
from .ties import Powers, Tie, echelon, independent, is_free, tie
from .weights import Weight, find_weights, transmissions


@dataclass(frozen=True)
class WeightSymmetry:
    """A weight w of synapses from j to i moves as w → λ_i^a λ_j^-b w.

    ``rivals`` are other factors of what the synapse sends that could move in its place.
    """

    variable: str
    a: Fraction
    b: Fraction
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectionSymmetry:
    """How the variables of some synapses move.

    Attributes
    ----------
    weights
        What carries the synapses' strength; empty if they only send constants.
    powers
        (x, y) for every variable that moves, weights included: it moves as λ_post^x λ_pre^y.
    """

    name: str
    source: str | None
    target: str | None
    weights: tuple[WeightSymmetry, ...] = ()
    powers: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupSymmetry:
    """How one population may be rescaled: variable x → λ^power x, with a λ > 0 of its own for every neuron.

    Attributes
    ----------
    powers
        What moves, by which power, while weights that come in move by λ. Empty if nothing may move.
    scalable
        Can the weights that come in move?
    homogeneity
        b: weights that go out move by λ^-b. 0 if they cannot move (or there are none), None if they differ in b.
    independent
        A basis of all symmetries: powers by the name of the variable ("v"; "S.w[post]" for one of synapses S).
    choices
        Not empty if there is more than one way to tie these that would move the weights differently.
    origins
        Variables that are measured from a constant c of the group, by its name: x → c + λ^power (x − c). Not
        empty only where nothing can be scaled otherwise; exact up to rounding, even for powers of two.
    inexact
        Expressions that pow() may round differently after a scaling, even by a power of two.
    fixed
        Why the population can have no scale by its nature (an input); None otherwise.
    """

    name: str
    powers: Mapping[str, Fraction] = field(default_factory=dict)
    scalable: bool = False
    homogeneity: Fraction | None = Fraction(0)
    independent: tuple[Mapping[str, Fraction], ...] = ()
    choices: tuple[Mapping[str, Fraction], ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    fixed: str | None = None
    inexact: tuple[str, ...] = ()


class Symmetries:
    """What may be rescaled in a network without changing what it computes.

    Attributes
    ----------
    groups, projections
        The answer for each group of neurons and for each Synapses object, by name.
    assumed
        Constants (object, name) and the values that the answer depends on: zeros, which fit any power, exponents, and
        what potentials are measured from.
    contradicted
        Expressions that contradict what was declared, see `declare`.
    inexact
        Expressions that may be rounded differently after a scaling, even by a power of two.
    unread
        What may change a simulation and could not be analysed; empty for a proof.
    """

    def __init__(self, model: Model, declaration: Declaration | None = None) -> None:
        self._model = model
        self._declared = read_declaration(model, declaration or {})
        self._systems = {name: constrain(model, name) for name, p in model.populations.items() if p.fixed is None}
        self._weights = {name: self._find_weights(name) for name in model.projections}
        self._ties: dict[str, Tie | None] = {}
        self._potentials: dict[str, Potentials] = {}
        for name in self._systems:
            given = self._given(name)
            self._ties[name] = tie(self._systems[name], self.incoming(name), self.outgoing(name), given)
            if not given and not self._is_scalable(name):
                self._multiply_out(name)
            if not given and not self._is_scalable(name):
                self._measure_from_a_constant(name)
        self.groups: dict[str, GroupSymmetry] = {name: self._group(name) for name in model.populations}
        self.projections: dict[str, ProjectionSymmetry] = {name: self._projection(name) for name in model.projections}
        self.assumed: dict[tuple[str, str], float] = self.assumptions(self._systems)
        self.inexact: tuple[str, ...] = tuple(dict.fromkeys(t for g in self.groups.values() for t in g.inexact))
        self.unread: tuple[str, ...] = tuple(model.unread)
        found = (obstacle for name in self._systems for obstacle in self._contradictions(name))
        self.contradicting: tuple[Obstacle, ...] = tuple(found)
        self.contradicted: tuple[str, ...] = tuple(str(obstacle) for obstacle in self.contradicting)

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
        return Symmetries(self._model, declaration)

    def contradictions(self, declaration: Declaration) -> list[str]:
        """The expressions that contradict a declaration; empty if the equations confirm it."""
        return list(self.declare(declaration).contradicted)

    def incoming(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that come into this group."""
        return self._ends(group, "post")

    def outgoing(self, group: str) -> list[Exponent]:
        """The unknown powers of the weights that go out of this group."""
        return self._ends(group, "pre")

    def assumptions(self, groups: Iterable[str]) -> dict[tuple[str, str], float]:
        """The constants, with their values, that the symmetries of these groups depend on."""
        systems = [self._systems[name] for name in groups if name in self._systems]
        return {key: value for system in systems for key, value in system.assumed.items()}

    def obstacles(self, group: str) -> list[Obstacle]:
        """The expressions that do not let this group's incoming weights move by λ, or its outgoing ones by 1/λ."""
        found = self.groups[group]
        if found.fixed is not None:
            return []
        remedy = self.remedy(group)
        if remedy is not None:
            return list(remedy.reasons)
        wishes = []
        if not found.scalable:
            wishes = [(u, 1) for u in self.incoming(group) or self._receivers(group)]
        elif found.homogeneity == 0:
            wishes = [(u, -1) for u in self.outgoing(group)]
        return find_obstacles(self._systems[group], wishes) if wishes else []

    def remedy(self, group: str) -> Remedy | None:
        """The changed model lines after which this group can be rescaled; None if nothing is needed or known."""
        found = self.groups[group]
        done = not self.receives(group) or (found.scalable and (found.homogeneity != 0 or not self._sends(group)))
        if found.fixed is not None or done:
            return None
        return find_remedy(self._model, group, self.incoming(group), self.outgoing(group))

    def _given(self, group: str) -> dict[Exponent, Fraction]:
        """The exponents of this population's system that a declaration settles."""
        given = dict(self._declared.weights)
        given |= {Exponent(*key): power for key, power in self._declared.powers.items()}
        for unknown in self._systems[group].unknowns():
            if not isinstance(unknown, Exponent) or not self._is_stored(unknown):
                continue
            if unknown.owner in self._declared.parts:
                given.setdefault(unknown, self._declared.powers.get((unknown.owner, unknown.name), Fraction(0)))
        return {u: p for u, p in given.items() if u.owner == group or u.side in self._sides(u.owner, group)}

    def _contradictions(self, group: str) -> list[Obstacle]:
        given = self._given(group)
        return find_obstacles(self._systems[group], given.items()) if given else []

    def _sides(self, owner: str, group: str) -> list[str]:
        projection = self._model.projections.get(owner)
        return sides(projection, group) if projection is not None else []

    def _is_scalable(self, group: str) -> bool:
        found = self._ties[group]
        return found is not None and any(found.powers.get(u) for u in self.incoming(group))

    def _multiply_out(self, group: str) -> None:
        """Before giving up: do inhomogeneous terms cancel?"""
        system = constrain(self._model, group, expanded=True)
        found = tie(system, self.incoming(group), self.outgoing(group))
        if found is not None and any(found.powers.get(u) for u in self.incoming(group)):
            self._systems[group], self._ties[group] = system, found

    def _measure_from_a_constant(self, group: str) -> None:
        """Where nothing can be scaled as it is, try to scale what differences of potentials there are."""
        linear = self._systems[group], self._ties[group]
        for potentials in find_potentials(self._model, group) if self.incoming(group) else ():
            self._systems[group] = constrain(self._model, group, origin=potentials.origin)
            self._ties[group] = tie(self._systems[group], self.incoming(group), self.outgoing(group))
            if self._is_scalable(group):
                self._potentials[group] = potentials
                return
        self._systems[group], self._ties[group] = linear

    def _receivers(self, group: str) -> list[Exponent]:
        """Where synapses that only send constants write to."""
        lines = [s for p in self._model.projections.values() if p.target == group for s in transmissions(p)]
        return list(dict.fromkeys(Exponent(group, s.scope[s.target].name) for s in lines if s.target))

    def receives(self, group: str) -> bool:
        """Does any synapse come into this group?"""
        return any(projection.target == group for projection in self._model.projections.values())

    def _sends(self, group: str) -> bool:
        return any(projection.source == group for projection in self._model.projections.values())

    def _ends(self, group: str, side: str) -> list[Exponent]:
        return [
            Exponent(name, weight.variable, side)
            for name, projection in self._model.projections.items()
            if side in sides(projection, group)
            for weight in self._weights[name]
        ]

    def _find_weights(self, name: str) -> list[Weight]:
        projection = self._model.projections[name]
        if name in self._declared.variables:
            return [Weight(self._declared.variables[name])]
        solved = {}
        for side, end in (("post", projection.target), ("pre", projection.source)):
            if end in self._systems:
                solved[side] = echelon(self._systems[end].constraints)

        def moves(variable: str) -> bool:
            return any(is_free(system, Exponent(name, variable, side)) for side, system in solved.items())

        return find_weights(projection, moves)

    def _group(self, name: str) -> GroupSymmetry:
        population = self._model.populations[name]
        if population.fixed is not None:
            return GroupSymmetry(name, fixed=population.fixed)
        system = self._systems[name]
        found = self._ties[name]
        basis = tuple(filter(None, (self._named(powers) for powers in independent(system))))
        if found is None:
            return GroupSymmetry(name, independent=basis)
        powers = {u.name: p for u, p in found.powers.items() if u.owner == name and self._is_stored(u)}
        potentials = self._potentials.get(name)
        outgoing = {-found.powers.get(u, Fraction(0)) for u in self.outgoing(name)} or {Fraction(0)}
        return GroupSymmetry(
            name,
            powers=powers,
            origins={v: potentials.constant for v in potentials.variables if v in powers} if potentials else {},
            scalable=self._is_scalable(name),
            homogeneity=outgoing.pop() if len(outgoing) == 1 else None,
            independent=basis,
            choices=tuple(self._named(powers) for powers in found.choices),
            inexact=tuple(dict.fromkeys(text for base, text in system.inexact if _moves(base, found.powers))),
        )

    def _named(self, powers: Powers) -> dict[str, Fraction]:
        stored = {u: power for u, power in powers.items() if self._is_stored(u)}
        return {f"{u.owner}.{u.name}[{u.side}]" if u.side else u.name: power for u, power in stored.items()}

    def _is_stored(self, unknown: Exponent) -> bool:
        return not any(system.kinds.get(unknown) is Kind.EXPRESSION for system in self._systems.values())

    def _projection(self, name: str) -> ProjectionSymmetry:
        projection = self._model.projections[name]
        powers: dict[str, list[Fraction]] = {}
        for index, end in enumerate((projection.target, projection.source)):
            found = self._ties.get(end) if end is not None else None
            side = ("post", "pre")[index]
            for unknown, power in (found.powers if found else {}).items():
                if unknown.owner == name and unknown.side == side and self._is_stored(unknown):
                    powers.setdefault(unknown.name, [Fraction(0), Fraction(0)])[index] = power
        weights = []
        for weight in self._weights[name]:
            post, pre = powers.get(weight.variable, (Fraction(0), Fraction(0)))
            weights.append(WeightSymmetry(weight.variable, post, -pre, weight.others))
        moving = {variable: (post, pre) for variable, (post, pre) in powers.items()}
        return ProjectionSymmetry(name, projection.source, projection.target, tuple(weights), moving)

    def __repr__(self) -> str:
        return describe(self)


def _moves(form: Form, powers: Powers) -> bool:
    """Does a quantity of this form move under this symmetry?"""
    return (
        sum((c * powers[u] for u, c in form.terms.items() if isinstance(u, Exponent) and u in powers), Fraction(0)) != 0
    )
