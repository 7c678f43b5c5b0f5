"""The one way into the problem: a circuit under a cost, what of it has a balance, and the flat problem it makes.

`balance`, the analyses, a plasticity's measuring and the benchmarks all begin with `formulate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.cost import (
    Cost,
    Term,
    check_dimensions,
    formula,
    terms_by_population,
    terms_by_projection,
)
from neurobal.errors import UnbalanceableError
from neurobal.existence import Runaway, balanced_heights, find_runaway, without
from neurobal.logarithms import pieces
from neurobal.neuron_costs import ExcludedNeurons, NeuronCosts
from neurobal.nodes import Nodes
from neurobal.problem import Problem, build
from neurobal.unbalanceable import check_free_neurons, neuron_costs_not_held, no_balance, nothing_moves

Array: TypeAlias = np.ndarray

NO_WAY_BACK = "no way back"
FALLS_FOR_EVER = "nothing holds their cost: it can fall for ever"


@dataclass(frozen=True, eq=False)
class Excluded:
    """The ``synapses`` (numbers) of one projection that have no balance, ``of`` how many, and the ``reason``."""

    projection: str
    synapses: Array
    of: int
    reason: str

    def __str__(self) -> str:
        name = "synapses" if self.projection == "synapses" else f"synapses {self.projection}"
        return f"{self.synapses.size:,} of {self.of:,} {name}: {self.reason}"

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Formulation:
    """A circuit under a cost. Make one with `formulate`; it is never changed, its methods return others.

    Attributes
    ----------
    circuit, cost
        The network, and the cost that was asked for.
    terms
        The terms of the cost, by the name of each costed projection.
    counted
        Which synapses take part in the balance: a mask for each projection of which some are left out.
    neurons
        What neurons cost by themselves, and which of them are left out.
    reason
        Why they are left out.
    """

    circuit: Circuit
    cost: Cost | Mapping[str, Cost]
    terms: Mapping[str, list[Term]]
    neurons: NeuronCosts
    counted: Mapping[str, Array] = field(default_factory=dict)
    reason: str = NO_WAY_BACK

    @cached_property
    def nodes(self) -> Nodes:
        """Which neurons share a log-scale."""
        return Nodes(self.circuit)

    @cached_property
    def problem(self) -> Problem:
        """The flat problem of all that takes part, at the circuit's weights; made when first asked for."""
        return build(self.circuit, self.nodes, self.terms, self.counted, self.neurons.at_ground(self.nodes))

    @property
    def synapses(self) -> int:
        """The number of costed synapses."""
        return sum(self.circuit.projections[name].weight.size for name, terms in self.terms.items() if terms)

    @property
    def excluded(self) -> tuple[Excluded | ExcludedNeurons, ...]:
        """The synapses that are left out, by projection, and the neurons whose own costs are, by population."""
        synapses = (
            Excluded(name, np.flatnonzero(~mask), mask.size, self.reason) for name, mask in self.counted.items()
        )
        return (*self.neurons.excluded(self.nodes), *synapses)

    @property
    def largest_power(self) -> float:
        """The largest power in what synapses of free neurons cost, or exponent in what these cost by themselves."""
        moving = [name for name, projection in self.circuit.projections.items() if not self._all_pinned(projection)]
        powers = [term.power for name in moving for term in self.terms.get(name, ())]
        return max([*powers, self.neurons.largest_exponent(self.nodes)]) or 1.0

    @property
    def formula(self) -> str:
        """What the cost sums up, and its physical unit, if it has one: "Σ w² [m^4 kg^2 s^-6 A^-2]"."""
        dimensions = [term.dimension for terms in self.terms.values() for term in terms]
        dimensions += [term.dimension for terms in self.neurons.terms.values() for term in terms]
        unit = next((str(dimension) for dimension in dimensions if dimension is not None), "")
        return formula(self.cost) + (f" [{unit}]" if unit not in ("", "1") else "")

    def total(self) -> float:
        """``Σ α_e |w_e|^p + Σ g_i λ_i^q`` over all that is not left out, from the weights themselves."""
        return self.neurons.total() + sum(
            term.total(self.circuit.projections[name].weight, self.counted.get(name))
            for name, terms in self.terms.items()
            for term in terms
        )

    def sums(self, name: str, log_scale: Mapping[str, Array]) -> tuple[Array, Array]:
        """Incoming cost per postsynaptic and outgoing cost per presynaptic neuron of one projection.

        These are the two halves of ∂C/∂h at ``log_scale`` (by population, from the circuit's weights on), without
        the self-connections that no rescaling changes and what is left out.
        """
        projection = self.circuit.projections[name]
        log_factor = projection.log_factors(*self.circuit.log_scales_at(projection, log_scale))
        a, b = projection.exponents
        changes = ~_unchanging(projection)
        if name in self.counted:
            changes &= self.counted[name]
        weighted = np.zeros(projection.weight.size)
        for term in self.terms[name]:
            weighted += term.power * term.of(projection.weight) * np.exp(term.power * log_factor) * changes
        return (
            np.bincount(projection.post_index, a * weighted, projection.shape[0]),
            np.bincount(projection.pre_index, b * weighted, projection.shape[1]),
        )

    def neuron_sums(self) -> dict[str, tuple[Array, Array]]:
        """Incoming and outgoing cost of each neuron at the circuit's weights, by population: see `sums`.

        What a neuron costs by itself is incoming where it grows with h, outgoing where it falls.
        """
        unmoved = {name: np.zeros(p.size) for name, p in self.circuit.populations.items()}
        totals = {name: (np.zeros(p.size), np.zeros(p.size)) for name, p in self.circuit.populations.items()}
        for name in self.terms:
            projection = self.circuit.projections[name]
            received, sent = self.sums(name, unmoved)
            totals[projection.post][0][:] += received
            if projection.pre is not None:
                totals[projection.pre][1][:] += sent
        for name in self.neurons.terms:
            for side, own in zip(totals[name], self.neurons.sums(name), strict=True):
                side[:] += own
        return totals

    def heights(self) -> dict[str, Array]:
        """One height a neuron, by population: synapses whose height falls from pre to post have no balance."""
        heights = balanced_heights(self.problem)
        return self.nodes.spread(np.zeros(self.nodes.size) if heights is None else heights[:-1])

    def at(self, circuit: Circuit, moved: Mapping[str, Array] | None = None) -> Formulation:
        """The same cost of the same synapses and neurons, for a circuit that differs in its weights only.

        ``moved`` are the log-scales, by population, by which it has been rescaled since the numbers of its cost on
        neurons ({}: not at all; None: by those of this formulation's circuit).
        """
        return replace(self, circuit=circuit, neurons=self.neurons if moved is None else self.neurons.at(moved))

    def rescaled(self, log_scale: Mapping[str, Array], *, dyadic: bool) -> Formulation:
        """The same after every neuron has moved by its log-scale."""
        moved = {name: h + self.neurons.moved.get(name, 0.0) for name, h in log_scale.items()}
        return self.at(self.circuit.rescaled(log_scale, dyadic=dyadic), moved)

    def without(self, runaway: Runaway, *, strict: bool = False) -> Formulation:
        """The formulation without all whose cost falls for ever along ``runaway``.

        UnbalanceableError if nothing remains, if nothing remains of a cost on neurons, or if ``strict``.
        """
        neurons = self.neurons.without(runaway, self.nodes)
        if not_held := neurons.lost_wholly(self.nodes):
            raise self._error(neuron_costs_not_held(not_held))
        remaining = without(self.problem, runaway)
        if strict or not remaining.connected.any():
            raise self._error(no_balance(self.problem, remaining, runaway, self.nodes))
        counted = dict(self.counted)
        for name in filter(self.terms.get, self.terms):
            lost = self._lost(name, runaway)
            if lost.any():
                counted[name] = counted.get(name, True) & ~lost
        reason = self.reason if runaway.strong is not None else FALLS_FOR_EVER
        smaller = replace(self, counted=counted, neurons=neurons, reason=reason)
        vars(smaller).update(nodes=self.nodes, problem=remaining)  # known already: not to be made again
        return smaller

    def balanceable(self, *, strict: bool = False) -> Formulation:
        """The formulation without all that has no balance, as far as that can be decided without solving.

        UnbalanceableError if nothing remains, or, if ``strict``, if anything has no balance.
        """
        check_free_neurons(self.circuit, self.nodes, bool(self.neurons.terms))
        if not self.problem.connected.any():
            raise self._error(nothing_moves(self.circuit, self.nodes, self.terms, self.neurons.terms))
        formulation = self
        while (runaway := find_runaway(formulation.problem)) is not None:
            formulation = formulation.without(runaway, strict=strict)
        return formulation

    def _lost(self, name: str, runaway: Runaway) -> Array:
        projection = self.circuit.projections[name]
        exponents, ends = projection.exponents, self.nodes.ends(projection)
        lost = projection.weight != 0
        for piece in pieces(lost.size):
            a, b = (x if isinstance(x, float) else x[piece] for x in exponents)
            lost[piece] &= runaway.lowers(a, b, *(end[piece] for end in ends))
        return lost

    def _all_pinned(self, projection: Projection) -> bool:
        ends = (name for name in (projection.post, projection.pre) if name is not None)
        return all(self.circuit.populations[name].pinned.all() for name in ends)

    def _error(self, text: str) -> UnbalanceableError:
        return UnbalanceableError("\n".join(filter(None, [text, self.circuit.advice])))


def formulate(
    circuit: Circuit, cost: Cost | Mapping[str, Cost], moved: Mapping[str, Array] | None = None
) -> Formulation:
    """The problem of a circuit under a cost; nothing is left out yet (see `Formulation.balanceable`).

    ``moved``: the log-scales by which the circuit has been rescaled since the numbers of its cost on neurons.
    """
    terms, own = terms_by_projection(cost, circuit), terms_by_population(cost, circuit)
    check_dimensions(terms, own)
    return Formulation(circuit, cost, terms, NeuronCosts(own, moved or {}))


def _unchanging(projection: Projection) -> Array:
    """Self-connections whose two ends move alike."""
    a, b = projection.exponents
    if projection.pre != projection.post:
        return np.zeros(projection.weight.size, dtype=bool)
    return (projection.pre_index == projection.post_index) & (np.asarray(a) == b)
