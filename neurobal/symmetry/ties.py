"""One symmetry out of many: tie a population's independent symmetries into the one that balancing uses.

A neuron's potentials may be scaled (and with them what comes in), and the amplitude of its spikes (and with it what
goes out). Each alone is a symmetry, and so is every combination. Balancing needs one in which incoming weights move by
λ, and among those the one with homogeneity 1: outgoing weights move by 1/λ, if that exists. Once the weights' powers
are settled, what remains free among other variables is of no consequence, and as few of them as possible are moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from .constraints import Constraint, Exponent, Promotion, System
from .model import Kind
from .nullspace import ONE, Echelon, Form, Unknown

Powers = dict[Exponent, Fraction]


@dataclass(frozen=True)
class Tie:
    """The powers chosen for one population; ``choices`` is not empty if others move the weights differently."""

    powers: Powers
    choices: tuple[Powers, ...] = ()


def echelon(constraints: Iterable[Constraint], given: Mapping[Exponent, Fraction] | None = None) -> Echelon:
    """Constraints, solved such that weights stay free longest: everything else is expressed in them.

    What is given comes first; a constraint that contradicts it is left out.
    """
    system = Echelon(rank=_rank)
    for unknown, value in (given or {}).items():
        system.add(Form({unknown: 1, ONE: -value}))
    for constraint in constraints:
        system.add(constraint.form)
    return system


def _rank(unknown: object) -> int:
    return 1 if isinstance(unknown, Exponent) and unknown.side else 0


def is_free(system: Echelon, unknown: Exponent | Promotion) -> bool:
    """Can this exponent be anything but 0?"""
    return bool(system.reduce(Form({unknown: 1})))


def tie(
    system: System,
    incoming: Sequence[Exponent],
    outgoing: Sequence[Exponent],
    given: Mapping[Exponent, Fraction] | None = None,
) -> Tie | None:
    """The symmetry in which incoming weights move by λ and outgoing ones by 1/λ, as far as the constraints allow.

    Parameters
    ----------
    incoming, outgoing
        Exponents of the weights on the population's post- and presynaptic side. Those that cannot move are ignored.
    given
        Exponents that are declared: they hold even against the constraints.

    Returns
    -------
    None if no weight can move, on neither side.
    """
    given = given or {}
    solved = echelon(system.constraints, given)
    unknowns = list(dict.fromkeys([*given, *(u for u in system.unknowns() if isinstance(u, Exponent))]))
    moving_in = [u for u in incoming if is_free(solved, u)]
    moving_out = [u for u in outgoing if is_free(solved, u)]
    if not moving_in and not moving_out:
        return None
    generators = tuple(
        generator for generator in independent(system) if any(generator.get(u) for u in (*moving_in, *moving_out))
    )
    ambiguous = False
    free_in = [u for u in moving_in if solved.value(u) is None]
    if free_in and not solved.add_all(_equals(u, 1) for u in free_in):
        # Weights that come in can only move by different powers: the first one sets the measure.
        solved.add(_equals(free_in[0], 1))
        ambiguous = any(solved.value(u) is None for u in moving_in)
    free_out = [u for u in moving_out if solved.value(u) is None]
    if free_out and not solved.add_all(_equals(u, -1) for u in free_out):
        ambiguous = True
    for unknown in sorted(unknowns, key=lambda u: _economy(system, u)):
        solved.add(Form({unknown: 1}))
    powers = {u: value for u in unknowns if (value := solved.value(u))}
    return Tie(powers, generators if ambiguous else ())


def independent(system: System) -> list[Powers]:
    """A basis of all symmetries, weights first: each vector moves as few of them as possible."""
    solved = echelon(system.constraints)
    unknowns = [u for u in system.unknowns() if isinstance(u, Exponent)]
    return [_tidy(vector) for vector in solved.null_space(unknowns)]


def _tidy(vector: dict[Unknown, Fraction]) -> Powers:
    """The same symmetry with whole powers, positive where the neuron's own quantities are concerned."""
    powers = {u: p for u, p in vector.items() if isinstance(u, Exponent)}
    first = min(powers, key=lambda u: (u.side == "pre", bool(u.side)))
    factor = Fraction(lcm(*(p.denominator for p in powers.values())), gcd(*(p.numerator for p in powers.values())))
    return {u: p * (factor if powers[first] > 0 else -factor) for u, p in powers.items()}


def _equals(unknown: Exponent, value: int) -> Form:
    return Form({unknown: 1, ONE: -value})


def _economy(system: System, unknown: Exponent) -> tuple[bool, bool]:
    """Leave synapses alone first, then parameters; states follow."""
    return (not unknown.side, system.kinds.get(unknown) is not Kind.PARAMETER)
