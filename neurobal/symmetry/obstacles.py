"""What stands in the way: the lines of a model that contradict a wish, in the order in which it runs into them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from .constraints import Constraint, Exponent, System
from .model import Pin
from .nullspace import ONE, Echelon, Form, Unknown


@dataclass(frozen=True)
class Obstacle:
    """One line of a model that does not allow what was wished for, and why."""

    line: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"`{self.line}` ({self.place}): {self.why}" if self.line else f"{self.place}: {self.why}"


def find_obstacles(system: System, wishes: Iterable[tuple[Unknown, Fraction | int]]) -> list[Obstacle]:
    """Every constraint that contradicts the wishes (an exponent and its value) and the constraints before it.

    The constraints are followed from the wishes outwards: those with the fewest undecided exponents first. Each line is
    named once.
    """
    solved = Echelon()
    for unknown, value in wishes:
        solved.add(Form({unknown: 1, ONE: -value}))
    obstacles: list[Obstacle] = []
    remaining = list(system.constraints)
    while remaining:
        remaining.sort(key=lambda constraint: _undecided(solved, constraint))
        constraint = remaining.pop(0)
        if not solved.add(constraint.form):
            obstacle = _obstacle(solved, constraint)
            if all((o.line, o.place) != (obstacle.line, obstacle.place) for o in obstacles):
                obstacles.append(obstacle)
    return obstacles


def power_of_scale(power: Fraction) -> str:
    """λ, λ^2, λ^-1/2 ... as text."""
    return "λ" if power == 1 else f"λ^{power}"


def _undecided(solved: Echelon, constraint: Constraint) -> tuple[bool, int]:
    """How many exponents of a constraint are undecided; those of which none is decided come last: they tell nothing."""
    undecided = sum(solved.value(u) is None for u in constraint.form.terms)
    return undecided == len(constraint.form.terms), undecided


def _obstacle(solved: Echelon, constraint: Constraint) -> Obstacle:
    statement = constraint.statement
    if isinstance(statement, Pin):
        return Obstacle("", f"{statement.name} of {statement.owner}", f"cannot move, {statement.reason}")
    moving = {u.name: value for u in constraint.form.terms if isinstance(u, Exponent) and (value := solved.value(u))}
    names = " and ".join(f"{name} by {power_of_scale(power)}" for name, power in moving.items())
    part = "" if _bare(constraint.part) == _bare(statement.expression) else f"in `{constraint.part}` "
    return Obstacle(statement.text, str(statement.place), f"{part}{names} would move, the rest does not follow")


def _bare(text: str) -> str:
    return "".join(text.split())
