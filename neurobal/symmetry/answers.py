"""What may be rescaled, as records: of one weight, of one Synapses object, of one group of neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


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
        What may be rounded differently after a scaling, even by a power of two.
    roots
        Square roots that move, with the powers of λ by which they do: exact where these are powers of two.
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
    roots: tuple[tuple[str, Fraction], ...] = ()
