"""Models of the algebra written as lines, without a simulator.

A group is written as ``group("E", "dx/dt = (I - x)/tau", "r := clip(x, 0, inf)", variables="I")``: a state has a line
d/dt, a named expression one with ``:=``, and the other variables are parameters. Lines that start with "if" are
conditions, with "fixed" numbers that may not move; all others assign, one after another in one block (a reset, or what
a spike does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from neurobal.symmetry.expressions import STANDARD_FUNCTIONS, Function
from neurobal.symmetry.model import (
    Constant,
    GroupModel,
    Kind,
    Model,
    Place,
    Reference,
    Statement,
    SynapsesModel,
    Variable,
)

FUNCTIONS: dict[str, Reference] = {
    **{name: Function(name, homogeneity) for name, homogeneity in STANDARD_FUNCTIONS.items()},
    **{name: Function(name) for name in ("exp", "tanh", "int", "arctan2")},
}
FIXED: dict[str, Reference] = {
    "inf": Constant("inf", float("inf")),
    "mV": Constant("mV", 0.001, "volt"),
    "ms": Constant("ms", 0.001, "second"),
    "nS": Constant("nS", 1e-9, "siemens"),
}
LINE = re.compile(r"(?P<target>\w+)( \((?P<summed>summed)\))? (?P<operation>:=|=|\S{1,2}=) (?P<expression>.*)")


def group(name: str, *lines: str, variables: str = "", discrete: str = "", fixed: str | None = None) -> GroupModel:
    """A group of neurons, its statements without a scope as yet."""
    return GroupModel(
        name, [_statement(name, line, "reset") for line in lines], _units(lines, variables, discrete), fixed=fixed
    )


def synapses(name: str, source: str | None, target: str | None, *lines: str, variables: str = "") -> SynapsesModel:
    """Synapses between two groups, their statements without a scope as yet."""
    statements = [_statement(name, line, "on_pre") for line in lines]
    return SynapsesModel(name, source, target, statements, _units(lines, variables, ""))


def model(*parts: GroupModel | SynapsesModel, constants: Mapping[str, float | None] | None = None) -> Model:
    """A network of these parts. ``constants`` are those of the script with their values; None: not known."""
    script: dict[str, Reference] = {
        name: Constant(name, value, promotable=True, external=True) for name, value in (constants or {}).items()
    }
    network = Model()
    for part in parts:
        if isinstance(part, GroupModel):
            network.groups[part.name] = part
        else:
            network.synapses[part.name] = part
    own = {part.name: _variables(part, "own") for part in parts}
    for part in parts:
        scope = {**FUNCTIONS, **FIXED, **script, **own[part.name]}
        if isinstance(part, SynapsesModel):
            for end, side in ((part.source, "pre"), (part.target, "post")):
                if end in network.groups:
                    scope |= {f"{n}_{side}": v for n, v in _variables(network.groups[end], side).items()}
        part.parameters = {v.name for v in own[part.name].values() if v.kind is Kind.PARAMETER}
        part.statements = [replace(s, scope=_used(scope, s)) for s in part.statements]
    return network


def _used(scope: Mapping[str, Reference], statement: Statement) -> dict[str, Reference]:
    """What the names of one statement stand for."""
    names = re.findall(r"[A-Za-z_]\w*", f"{statement.target} {statement.expression}")
    return {name: scope[name] for name in names if name in scope}


def _statement(owner: str, line: str, code: str) -> Statement:
    first, _, rest = line.partition(" ")
    if first in ("if", "fixed"):
        part, operation = ("threshold", "condition") if first == "if" else ("equations", "invariant")
        return Statement(Place(owner, part), line, operation, rest, {})
    derivative = re.fullmatch(r"d(\w+)/dt = (.*)", line)
    if derivative:
        return Statement(Place(owner, "equations"), line, "d/dt", derivative[2], {}, derivative[1])
    parts = LINE.fullmatch(line)
    assert parts, line
    if parts["operation"] == ":=" or parts["summed"]:
        operation = parts["summed"] or "define"
        return Statement(Place(owner, "equations"), line, operation, parts["expression"], {}, parts["target"])
    return Statement(Place(owner, code), line, parts["operation"], parts["expression"], {}, parts["target"], block=0)


def _units(lines: tuple[str, ...], variables: str, discrete: str) -> dict[str, str]:
    states = [match[1] for line in lines if (match := re.match(r"d(\w+)/dt =", line))]
    defined = [line.split()[0] for line in lines if " := " in line]
    units = dict.fromkeys((*states, *defined, *variables.split()), "1")
    return units | dict.fromkeys(discrete.split(), "integer")


def _variables(part: GroupModel | SynapsesModel, seen_from: str) -> dict[str, Reference]:
    kinds = {name: Kind.DISCRETE if unit == "integer" else Kind.PARAMETER for name, unit in part.units.items()}
    kinds |= {s.target: Kind.STATE for s in part.statements if s.operation == "d/dt" and s.target}
    kinds |= {s.target: Kind.EXPRESSION for s in part.statements if s.operation == "define" and s.target}
    return {name: Variable(part.name, name, kind, seen_from) for name, kind in kinds.items()}
