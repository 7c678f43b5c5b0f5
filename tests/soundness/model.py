"""A random model as plain data, and the script that it stands for: what is run is what is printed.

All fields hold Python source or lines of Brian2 code, so that changing, dropping and printing a part is one operation
on text. Values and constants are expressions such as ``[0.5, 1.25]*mV``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

#: Names that every script defines beside its groups. Code blocks of random models have local names that collide.
SCRIPT: Mapping[str, str] = {
    "tau": "10*ms",
    "taus": "5*ms",
    "z": "0",
    "zmV": "0*mV",
    "big": "float('inf')",
    "n": "2",
    "tmp": "3",
    "half": "0.5",
}

#: The time step of Brian2's default clock.
DT = "0.1*ms"


@dataclass
class Neurons:
    """A NeuronGroup, or, with a ``source``, an input. ``regularly`` holds blocks of code and their intervals."""

    name: str
    size: int
    equations: list[str] = field(default_factory=list)
    threshold: str = ""
    reset: list[str] = field(default_factory=list)
    refractory: str = ""
    method: str = "euler"
    events: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    regularly: list[tuple[list[str], str]] = field(default_factory=list)
    links: dict[str, tuple[str, str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    source: str = ""


@dataclass
class Synapses:
    """Synapses between two groups, or parts of them (texts such as ``[1:3]``)."""

    name: str
    source: str
    target: str
    equations: list[str] = field(default_factory=list)
    on_pre: dict[str, list[str]] = field(default_factory=dict)
    on_post: list[str] = field(default_factory=list)
    on_event: str = ""
    method: str = "euler"
    pairs: tuple[list[int], list[int]] = ([], [])
    source_part: str = ""
    target_part: str = ""
    regularly: list[tuple[list[str], str]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)


@dataclass
class Input:
    """A PoissonInput."""

    target: str
    variable: str
    weight: str
    rate: str = "400*Hz"
    number: int = 10


@dataclass
class Model:
    """A network: what it consists of, and the features of the grammar that it shows."""

    neurons: list[Neurons] = field(default_factory=list)
    synapses: list[Synapses] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)  # functions and tables
    dt: str = DT
    features: set[str] = field(default_factory=set)

    def owners(self) -> Iterator[Neurons | Synapses]:
        yield from self.neurons
        yield from self.synapses


def harmless(equation: str) -> str:
    """The same equation with nothing but a decay, or 0, on its right-hand side; parameters stay as they are."""
    left, assign, rest = equation.partition(" = ")
    if not assign:
        return equation
    _, _, declared = rest.rpartition(" : ")
    decays = left.startswith("d") and left.endswith("/dt")
    right = f"-{left[1:-3]}/tau" if decays else f"0*{declared.partition(' (')[0]}"
    return f"{left} = {right} : {declared}"


def script(model: Model, suffix: str = "") -> str:
    """The script that builds a model; ``suffix`` makes the names of its objects differ from those of others."""
    lines = list(model.definitions)
    clock = "" if model.dt == DT else f", dt={model.dt}"
    for group in model.neurons:
        lines += _neurons(group, suffix, clock)
    for group in model.neurons:  # a group may be linked to a later one
        lines += [f"{group.name}.{mine} = linked_var({other}, {its!r})" for mine, (other, its) in group.links.items()]
    for synapses in model.synapses:
        lines += _synapses(synapses, suffix, clock)
    for k, drive in enumerate(model.inputs):
        lines.append(
            f"drive{k} = PoissonInput({drive.target}, {drive.variable!r}, {drive.number}, {drive.rate}, "
            f"weight={drive.weight})"
        )
    return "\n".join(lines)


def objects_of(model: Model) -> list[str]:
    """The names that the script gives to the objects of the network."""
    return [*(owner.name for owner in model.owners()), *(f"drive{k}" for k in range(len(model.inputs)))]


def whole_script(model: Model) -> str:
    """A script that stands alone, with those names of the script that the model mentions."""
    body = script(model)
    names = [f"{name} = {value}" for name, value in SCRIPT.items() if name in body]
    return "\n".join(["import numpy as np", "from brian2 import *", *names, body])


def _text(lines: list[str]) -> str:
    return repr(lines[0] if len(lines) == 1 else "\n".join(lines))


def _call(function: str, arguments: list[str], keywords: Mapping[str, str], more: str) -> str:
    return f"{function}({', '.join([*arguments, *(f'{key}={value}' for key, value in keywords.items())])}{more})"


def _namespace(constants: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name!r}: {value}" for name, value in constants.items()) + "}"


def _neurons(group: Neurons, suffix: str, clock: str) -> list[str]:
    name = group.name
    if group.source:
        return [f"{name} = {group.source[:-1]}, name={name + suffix!r}{clock})"]
    keywords = {"name": repr(name + suffix), "method": repr(group.method), "namespace": _namespace(group.constants)}
    if group.threshold:
        keywords |= {"threshold": repr(group.threshold), "reset": _text(group.reset or [""])}
    if group.refractory:
        keywords["refractory"] = group.refractory
    if group.events:
        keywords["events"] = repr({event: condition for event, (condition, _) in group.events.items()})
    lines = [f"{name} = " + _call("NeuronGroup", [str(group.size), _text(group.equations)], keywords, clock)]
    lines += [f"{name}.run_on_event({event!r}, {_text(code)})" for event, (_, code) in group.events.items()]
    lines += [f"{name}.run_regularly({_text(code)}, dt={every})" for code, every in group.regularly]
    return lines + [f"{name}.{variable} = {value}" for variable, value in group.values.items()]


def _synapses(synapses: Synapses, suffix: str, clock: str) -> list[str]:
    name = synapses.name
    keywords = {"name": repr(name + suffix), "method": repr(synapses.method)}
    keywords["namespace"] = _namespace(synapses.constants)
    if synapses.on_pre:
        codes = {path: "\n".join(code) for path, code in synapses.on_pre.items()}
        keywords["on_pre"] = repr(codes["pre"] if list(codes) == ["pre"] else codes)
    if synapses.on_event:
        keywords["on_event"] = repr(synapses.on_event)
    if synapses.on_post:
        keywords["on_post"] = _text(synapses.on_post)
    ends = [synapses.source + synapses.source_part, synapses.target + synapses.target_part]
    lines = [f"{name} = " + _call("Synapses", [*ends, _text(synapses.equations)], keywords, clock)]
    lines.append(f"{name}.connect(i={synapses.pairs[0]}, j={synapses.pairs[1]})")
    lines += [f"{name}.run_regularly({_text(code)}, dt={every})" for code, every in synapses.regularly]
    return lines + [f"{name}.{variable} = {value}" for variable, value in synapses.values.items()]
