"""A network's statements, as text and names: all that the algebra needs to know of a simulator.

Whoever reads a simulator's objects fills these classes; a `Statement` carries the text of one line and a scope that
says what each of its names stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .expressions import Function


class Kind(Enum):
    """What a named quantity is, as far as scaling is concerned."""

    STATE = "state"  # integrated
    PARAMETER = "parameter"
    EXPRESSION = "expression"  # not stored: stands for its definition
    COMPUTED = "computed"  # a named expression that is stored once a time step
    DISCRETE = "discrete"  # boolean and integer: cannot be scaled


@dataclass(frozen=True)
class Variable:
    """One value for each neuron, or for each synapse.

    ``seen_from`` is "own" in the equations of its owner; in those of Synapses, a neuron's variable belongs to the
    "post" or to the "pre" side.
    """

    owner: str
    name: str
    kind: Kind
    seen_from: str = "own"


@dataclass(frozen=True)
class Constant:
    """One value for all: a constant in the script, a shared parameter, a unit, the time.

    ``promotable``: the user could write it as a parameter of each neuron. ``value`` is None where it is not known or
    may change during a run. ``stored``: the shared variable, as (owner, name), that holds it and that code can write.
    """

    name: str
    value: float | None = None
    unit: str = "1"
    promotable: bool = False
    external: bool = False  # taken from the script's names: may be another value in the next run
    stored: tuple[str, str] | None = None


Reference = Variable | Constant | Function


class Place(NamedTuple):
    """Where a statement stands: the object and the part of it, as the user calls them."""

    owner: str
    part: str  # "equations", "threshold", "reset", "on_pre", "refractory", ...

    def __str__(self) -> str:
        return f"{self.part} of {self.owner}"


@dataclass(frozen=True)
class Statement:
    """One line of a model.

    ``operation``: "d/dt" (target' = expression), "define" (target stands for the expression), "=" and the other
    assignments, "summed", "condition" (a truth value), or "invariant" (a number that may not move). Statements of one
    ``block`` run one after another and share the names that they introduce. ``flags``: "unless refractory" and such.
    """

    place: Place
    text: str
    operation: str
    expression: str
    scope: Mapping[str, Reference]
    target: str | None = None
    block: int = -1
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pin:
    """A variable that must not move for a reason that no expression shows."""

    owner: str
    name: str
    reason: str


@dataclass
class GroupModel:
    """A group of neurons with equal equations. ``fixed``: why none of its neurons can have a scale."""

    name: str
    statements: list[Statement] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    fixed: str | None = None
    spiking: bool = False


@dataclass
class SynapsesModel:
    """Synapses from one group to another; source and target are None where they are no group of neurons."""

    name: str
    source: str | None
    target: str | None
    statements: list[Statement] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)


@dataclass
class Model:
    """A network: groups of neurons, Synapses, pins, and notes on what could not be read.

    ``external`` are the names of the user's script that statements use, with what they stand for; ``undefined`` those
    that stand for nothing yet, with the first place that uses them. ``borrowed`` are, by owner and name, what the names
    in expressions of other groups stand for where the owner's statements use these expressions.
    """

    groups: dict[str, GroupModel] = field(default_factory=dict)
    synapses: dict[str, SynapsesModel] = field(default_factory=dict)
    pins: list[Pin] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    external: dict[str, object] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    borrowed: dict[tuple[str, str], object] = field(default_factory=dict)
