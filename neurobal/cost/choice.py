"""Which cost acts where: one cost for everything, or a dict of costs by projection and population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neurobal.circuit import Circuit
from neurobal.cost.base import Cost, asked, asked_neurons, costs_neurons, parts_of
from neurobal.cost.dimensions import named, same
from neurobal.cost.terms import NeuronTerm, Term
from neurobal.errors import InvalidInputError, did_you_mean


def formula(cost: Cost | Mapping[str, Cost]) -> str:
    """What a cost sums up; of a dict of costs, of what: "Σ w² (EE, EI), Σ s² (E)"."""
    if isinstance(cost, Cost):
        return cost.formula
    names: dict[str, list[str]] = {}
    for name, one in cost.items():
        names.setdefault(one.formula, []).append(name)
    return ", ".join(f"{text} ({', '.join(those)})" for text, those in names.items())


def terms_by_projection(cost: Any, circuit: Circuit) -> dict[str, list[Term]]:
    """The cost terms of every costed projection.

    ``cost`` is one `Cost` for all projections with ``costed=True``, or a dict by the names of projections (and of
    populations: see `terms_by_population`), in which absent projections are free riders: they are rescaled, but cost
    nothing. All terms must have the same physical dimension: see `check_dimensions`.
    """
    if isinstance(cost, Mapping):
        chosen = {name: one for name, one in cost.items() if not _is_of_population(name, one, circuit)}
    else:
        chosen = {name: cost for name, projection in circuit.projections.items() if projection.costed}
    for name, one in chosen.items():
        if name not in circuit.projections:
            known = [*circuit.projections, *circuit.populations] if costs_neurons(one) else circuit.projections
            what = "population or projection" if costs_neurons(one) else "projection"
            raise InvalidInputError(f"cost: there is no {what} {name!r}.{did_you_mean(name, known)}")
        if not isinstance(one, Cost):
            raise InvalidInputError(
                f"cost: expected a cost such as Power(2) for projection {name!r}, got {type(one).__name__} {one!r}."
            )
        if isinstance(cost, Mapping) and costs_neurons(one):
            raise InvalidInputError(
                f"cost: that of projection {name!r}, {one!r:.60}, costs neurons, too. In a dict of costs give that "
                f"part under the name of its population: {', '.join(map(repr, circuit.populations))}."
            )
    groups: dict[int, list[str]] = {}  # of the projections with the same cost
    for name, one in chosen.items():
        groups.setdefault(id(one), []).append(name)
    answers = [asked(chosen[group[0]], circuit, group) for group in groups.values()]
    return {name: answer[name] for name in chosen for answer in answers if name in answer}


def terms_by_population(cost: Any, circuit: Circuit) -> dict[str, list[NeuronTerm]]:
    """The cost terms of every population whose neurons cost something by themselves.

    ``cost`` is one `Cost` for all populations, or a dict, in which keys that name a population give the cost of its
    neurons. Terms of different keys have different owners.
    """
    if not isinstance(cost, Mapping):
        return asked_neurons(cost, circuit, list(circuit.populations)) if isinstance(cost, Cost) else {}
    chosen = {name: one for name, one in cost.items() if _is_of_population(name, one, circuit)}
    for name, one in chosen.items():
        if not isinstance(one, Cost):
            raise InvalidInputError(
                f"cost: expected a cost on neurons such as Activity(values) for population {name!r}, got "
                f"{type(one).__name__} {one!r:.60}."
            )
        for part in parts_of(one):
            if not costs_neurons(part):
                raise InvalidInputError(
                    f"cost: {part!r:.60}, given for population {name!r}, is a cost of synapses. Give it under the name "
                    f"of a projection: {', '.join(map(repr, circuit.projections))}."
                )
    terms = {}
    for name, one in chosen.items():
        answer = asked_neurons(one, circuit, [name])
        if name not in answer:
            raise InvalidInputError(f"cost: {one!r:.60} says nothing of population {name!r}. Leave that key out.")
        terms[name] = [replace(term, owner=f"{term.owner} of {name}") for term in answer[name]]
    return terms


def check_dimensions(synapses: Mapping[str, list[Term]], neurons: Mapping[str, list[NeuronTerm]]) -> None:
    """Raise an error if terms have different physical dimensions."""
    first: tuple[str, Any] | None = None
    all_terms = [(f"projection {name!r}", term.dimension) for name, terms in synapses.items() for term in terms]
    all_terms += [
        (f"population {name!r} ({term.owner})", term.dimension) for name, terms in neurons.items() for term in terms
    ]
    for name, dimension in all_terms:
        if first is None:
            first = (name, dimension)
        elif not same(first[1], dimension):
            on_neurons = ", or a factor, as in Activity(values)*(1/mV**2)" if neurons else ""
            raise InvalidInputError(
                f"cost: the cost of {name} has dimension {named(dimension)}, that of {first[0]} has {named(first[1])}; "
                "they cannot be added. Give each a weight with units that makes them agree, as in cost={'exc': "
                f"Power(2, weight=1/nS**2), ...}}{on_neurons}."
            )


def _is_of_population(name: str, cost: Any, circuit: Circuit) -> bool:
    """Whether a key of a dict of costs names a population; where it names a projection, too, its cost decides."""
    if name not in circuit.populations:
        return False
    return name not in circuit.projections or costs_neurons(cost)
