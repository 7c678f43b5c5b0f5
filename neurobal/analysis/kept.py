"""The flat problem of what takes part in a balance: a circuit under a cost, without what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from neurobal.circuit import Circuit
from neurobal.cost import Cost, terms_by_projection
from neurobal.problem import Problem, Units, build
from neurobal.result import Excluded


def without_excluded(circuit: Circuit, excluded: Iterable[Excluded]) -> Circuit:
    """A copy of the circuit in which the synapses that have no balance are absent (weight zero)."""
    kept = circuit.copy()
    for one in excluded:
        projection = kept.projections[one.projection]
        weight = projection.weight.copy()
        weight[one.synapses] = 0
        kept.projections[one.projection] = replace(projection, weight=weight)
    return kept


def kept_problem(circuit: Circuit, cost: Cost | Mapping[str, Cost]) -> tuple[Problem, Units, float]:
    """The problem at the circuit's weights, its units, and the largest power of the cost."""
    terms = terms_by_projection(cost, circuit.projections)
    units = Units(circuit)
    power = max((term.power for some in terms.values() for term in some), default=1.0)
    return build(circuit, units, terms), units, power
