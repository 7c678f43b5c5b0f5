"""Where a network stands before a rule acts on it: which synapses have a balance, and all costs, neuron by neuron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.cost import Cost, Term, terms_by_projection
from neurobal.existence import FALLS, balanced_levels
from neurobal.problem import Units, build

Array: TypeAlias = np.ndarray


@dataclass(frozen=True)
class Measure:
    """Costs of a network, as the code of an update counts them.

    Parameters
    ----------
    terms
        The cost of each costed projection.
    levels
        By population: synapses whose level falls from pre to post have no balance, and are not counted.
    uneven
        Projections with synapses that have no balance.
    incoming, outgoing
        By projection: the two halves of ∂C/∂h of its post- and of its presynaptic neurons.
    mean
        Mean cost of a synapse.
    support
        By projection: which synapses cost anything (post index, pre index, mask). It decides what has a balance.
    """

    terms: Mapping[str, list[Term]]
    levels: Mapping[str, Array]
    uneven: frozenset[str]
    incoming: Mapping[str, Array]
    outgoing: Mapping[str, Array]
    mean: float
    support: Mapping[str, tuple[Array, Array, Array]]

    def by_neuron(
        self, circuit: Circuit, groups: Mapping[str, Sized], counted: Callable[[str], bool] = lambda name: True
    ) -> dict[str, Array]:
        """Incoming and outgoing costs of each neuron, arrays (2, N), summed over the projections that are counted."""
        sums = {name: np.zeros((2, len(group))) for name, group in groups.items()}
        for name in filter(counted, self.terms):
            projection = circuit.projections[name]
            for side, population, costs in ((0, projection.post, self.incoming), (1, projection.pre, self.outgoing)):
                if population is not None and name in costs:
                    sums[population][side] += costs[name]
        return sums


def measure(
    circuit: Circuit,
    cost: Cost | Mapping[str, Cost],
    remainder: Mapping[str, Array],
    groups: Mapping[str, object],
    last: Measure | None = None,
) -> Measure:
    """Sum up the costs of a circuit; only neurons of ``groups`` have sums.

    ``remainder`` is, by population, the part of the log-scales that has not been emitted yet: the rule sees weights as
    if it had been. ``last`` is what was measured before a former run of the same network.
    """
    terms = terms_by_projection(cost, circuit.projections)
    support = {name: _support(circuit.projections[name], some) for name, some in terms.items()}
    if last is not None and _same(support, last.support):
        spread = last.levels  # the question takes longer than all the rest
    else:
        units = Units(circuit)
        levels = balanced_levels(build(circuit, units, terms))
        spread = units.spread(np.zeros(units.size) if levels is None else levels[:-1])
    unrounded = {name: np.zeros(population.size) for name, population in circuit.populations.items()} | dict(remainder)
    incoming, outgoing, uneven = {}, {}, set()
    total, count = 0.0, 0
    for name, some in terms.items():
        projection = circuit.projections[name]
        lost = projection.log_factors(*circuit.log_scales_at(projection, spread)) < -FALLS
        if lost.any():
            uneven.add(name)
        ahead = projection.log_factors(*circuit.log_scales_at(projection, unrounded))
        a, b = projection.exponents
        costs_in, costs_out = np.zeros(projection.weight.size), np.zeros(projection.weight.size)
        for term in some:
            costs = term.of(projection.weight)
            total, count = total + float(costs.sum()), count + int((costs > 0).sum())
            costs = term.power * costs * np.exp(term.power * ahead) * ~(lost | _unchanging(projection))
            costs_in += a * costs
            costs_out += b * costs
        post, pre = projection.post, projection.pre
        if post is not None and post in groups:
            incoming[name] = np.bincount(projection.post_index, costs_in, circuit.populations[post].size)
        if pre is not None and pre in groups:
            outgoing[name] = np.bincount(projection.pre_index, costs_out, circuit.populations[pre].size)
    return Measure(terms, spread, frozenset(uneven), incoming, outgoing, total / max(count, 1), support)


def _support(projection: Projection, terms: list[Term]) -> tuple[Array, Array, Array]:
    costs = [(projection.weight != 0) & (np.asarray(term.weight) > 0) for term in terms]
    return projection.post_index, projection.pre_index, np.logical_or.reduce(costs)


def _same(one: Mapping[str, tuple[Array, ...]], other: Mapping[str, tuple[Array, ...]]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(x, y) for name in one for x, y in zip(one[name], other[name], strict=True)
    )


def _unchanging(projection: Projection) -> Array:
    """Self-connections whose two ends move alike."""
    a, b = projection.exponents
    if projection.pre != projection.post:
        return np.zeros(projection.weight.size, dtype=bool)
    return (projection.pre_index == projection.post_index) & (np.asarray(a) == b)
