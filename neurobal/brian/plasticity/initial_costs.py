"""The costs of a network before a rule acts on it: which synapses have one, which have a balance, what each neuron
receives and sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.cost import Cost, Term, costs_neurons
from neurobal.errors import InvalidInputError, UnbalanceableError, did_you_mean
from neurobal.existence import FALLS
from neurobal.formulation import formulate
from neurobal.motion import SynapticMotion

Array: TypeAlias = np.ndarray


@dataclass(frozen=True)
class Measure:
    """Costs of a network, as the code of an update counts them.

    Parameters
    ----------
    terms
        The cost of each costed projection.
    heights
        The height of each neuron, by population: synapses whose height falls from pre to post have no balance, and are
        not counted.
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
    heights: Mapping[str, Array]
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
    formulation = formulate(circuit, cost)
    terms = formulation.terms
    support = {name: _support(circuit.projections[name], here) for name, here in terms.items()}
    # Heights take longer than all the rest to find.
    heights = last.heights if last is not None and _same(support, last.support) else formulation.heights()
    counted = {name: ~_falls(circuit, name, heights) for name in terms}
    uneven = frozenset(name for name, mask in counted.items() if not mask.all())
    formulation = replace(formulation, counted=counted)
    unrounded = {name: np.zeros(population.size) for name, population in circuit.populations.items()} | dict(remainder)
    incoming, outgoing = {}, {}
    for name in terms:
        projection = circuit.projections[name]
        received, sent = formulation.sums(name, unrounded)
        if projection.post in groups:
            incoming[name] = received
        if projection.pre in groups:
            outgoing[name] = sent
    return Measure(terms, heights, uneven, incoming, outgoing, _mean(circuit, terms), support)


def _falls(circuit: Circuit, name: str, heights: Mapping[str, Array]) -> Array:
    """Which synapses of a projection have no balance: their height falls from pre to post."""
    projection = circuit.projections[name]
    return projection.log_factors(*circuit.log_scales_at(projection, heights)) < -FALLS


def _mean(circuit: Circuit, terms: Mapping[str, list[Term]]) -> float:
    """The mean cost of a synapse that costs anything, with or without a balance."""
    costs = [term.of(circuit.projections[name].weight) for name, here in terms.items() for term in here]
    return sum(float(c.sum()) for c in costs) / max(sum(int((c > 0).sum()) for c in costs), 1)


def _support(projection: Projection, terms: list[Term]) -> tuple[Array, Array, Array]:
    costs = [(projection.weight != 0) & (np.asarray(term.weight) > 0) for term in terms]
    return projection.post_index, projection.pre_index, np.logical_or.reduce(costs)


def _same(now: Mapping[str, tuple[Array, ...]], then: Mapping[str, tuple[Array, ...]]) -> bool:
    return now.keys() == then.keys() and all(
        np.array_equal(x, y) for name in now for x, y in zip(now[name], then[name], strict=True)
    )


def largest_power(cost: Any, moving: Mapping[str, SynapticMotion]) -> float:
    """The largest power of what the moving synapses cost; an error if nothing costs anything."""
    known = [projection for name, moves in moving.items() for projection in moves.projections(name)]
    for one in cost.values() if isinstance(cost, Mapping) else [cost]:
        if costs_neurons(one):
            raise InvalidInputError(
                f"cost: {one!r:.60} costs neurons by themselves, which is not yet possible in a Plasticity. Leave that "
                "part out, or balance the network by nb.balance(network, cost=...), which knows it."
            )
    if isinstance(cost, Mapping):
        for key in cost:
            if key not in known:
                raise InvalidInputError(f"cost: no Synapses {key!r} moves along.{did_you_mean(key, known)}")
    powers: set[float] = set()
    for key in known:
        of_key = cost_of(cost, key)
        if of_key is not None and not isinstance(of_key, Cost):
            raise InvalidInputError(f"cost: expected a cost such as Power(2) for {key!r}, got {of_key!r}.")
        powers |= set() if of_key is None else of_key.powers()
    if not powers:
        raise UnbalanceableError("Nothing can be balanced: no synapse that moves has a cost.")
    return max(powers)


def cost_of(cost: Any, projection: str) -> Any:
    """The cost of one projection, None for a free rider."""
    return cost.get(projection) if isinstance(cost, Mapping) else cost


def terms_unseen(cost: Any, projections: Mapping[str, str]) -> dict[str, list[Term]]:
    """The costs of weights, by projection, whose synapses are not known: all of them have to be alike."""
    stand_in = Circuit()
    stand_in.add("stand-in", 1)
    terms = {}
    for key, weight in projections.items():
        of_key = cost_of(cost, key)
        if of_key is None:
            continue
        stand_in.connect("stand-in", "stand-in", np.ones((1, 1)), name=key)
        terms[weight] = of_key.synaptic_terms(stand_in, [key])[key]
        if any(np.ndim(term.weight) for term in terms[weight]):
            raise InvalidInputError(
                f"cost: that of {key!r} differs from synapse to synapse, but its synapses are not known before the "
                "standalone simulation runs. Connect them from arrays (connect(i=..., j=...))."
            )
    return terms
