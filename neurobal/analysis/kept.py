"""The flat problem of what takes part in a balance: a circuit under a cost, without what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from neurobal.circuit import Circuit, Projection
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
    """The problem at the circuit's weights, its units, and the largest power of what costs and can be rescaled."""
    terms = terms_by_projection(cost, circuit.projections)
    units = Units(circuit)
    moving = [name for name, one in circuit.projections.items() if not _all_pinned(circuit, one)]
    power = max((term.power for name in moving for term in terms.get(name, ())), default=1.0)
    return build(circuit, units, terms), units, power


def _all_pinned(circuit: Circuit, projection: Projection) -> bool:
    return all(circuit.populations[name].pinned.all() for name in (projection.post, projection.pre) if name is not None)
