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
from neurobal.cost import Cost, Term, terms_by_projection
from neurobal.errors import InvalidInputError, UnbalanceableError
from neurobal.existence import Runaway, balanced_heights, find_runaway, without
from neurobal.nodes import GROUND, Nodes
from neurobal.problem import Problem, build

Array: TypeAlias = np.ndarray

NO_WAY_BACK = "no way back"
FALLS_FOR_EVER = "nothing holds their cost: it can fall for ever"
NAMED = 5  # nodes without a balance that a message names


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
    reason
        Why they are left out.
    """

    circuit: Circuit
    cost: Cost | Mapping[str, Cost]
    terms: Mapping[str, list[Term]]
    counted: Mapping[str, Array] = field(default_factory=dict)
    reason: str = NO_WAY_BACK

    @cached_property
    def nodes(self) -> Nodes:
        """Which neurons share a log-scale."""
        return Nodes(self.circuit)

    @cached_property
    def problem(self) -> Problem:
        """The flat problem of the synapses that take part, at the circuit's weights; made when first asked for."""
        return build(self.circuit, self.nodes, self.terms, self.counted)

    @property
    def synapses(self) -> int:
        """The number of costed synapses."""
        return sum(self.circuit.projections[name].weight.size for name in self.terms)

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """The synapses that are left out, by projection."""
        return tuple(
            Excluded(name, np.flatnonzero(~mask), mask.size, self.reason) for name, mask in self.counted.items()
        )

    @property
    def largest_power(self) -> float:
        """The largest power in what synapses of free neurons cost."""
        moving = [name for name, projection in self.circuit.projections.items() if not self._all_pinned(projection)]
        return max((term.power for name in moving for term in self.terms.get(name, ())), default=1.0)

    def total(self) -> float:
        """``Σ α_e |w_e|^p`` over all costed synapses that are not left out, from the weights themselves."""
        total = 0.0
        for name, terms in self.terms.items():
            for term in terms:
                costs, mask = term.of(self.circuit.projections[name].weight), self.counted.get(name)
                total += float(costs.sum() if mask is None else costs[mask].sum())
        return total

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

    def heights(self) -> dict[str, Array]:
        """One height a neuron, by population: synapses whose height falls from pre to post have no balance."""
        heights = balanced_heights(self.problem)
        return self.nodes.spread(np.zeros(self.nodes.size) if heights is None else heights[:-1])

    def at(self, circuit: Circuit) -> Formulation:
        """The same cost of the same synapses, for a circuit with other weights, pins or ties."""
        return replace(self, circuit=circuit)

    def without(self, runaway: Runaway, *, strict: bool = False) -> Formulation:
        """The formulation without the synapses whose cost falls for ever along ``runaway``.

        UnbalanceableError if nothing remains, or if ``strict``.
        """
        remaining = without(self.problem, runaway)
        if strict or not remaining.connected.any():
            raise self._error(_complaint(self.problem, remaining, runaway, self.nodes))
        counted = dict(self.counted)
        for name in self.terms:
            lost = self._lost(name, runaway)
            if lost.any():
                counted[name] = counted.get(name, True) & ~lost
        reason = self.reason if runaway.strong is not None else FALLS_FOR_EVER
        smaller = replace(self, counted=counted, reason=reason)
        vars(smaller).update(nodes=self.nodes, problem=remaining)  # known already: not to be made again
        return smaller

    def balanceable(self, *, strict: bool = False) -> Formulation:
        """The formulation without all that has no balance, as far as that can be decided without solving.

        UnbalanceableError if nothing remains, or, if ``strict``, if anything has no balance.
        """
        self._check_free_neurons()
        if not self.problem.connected.any():
            raise self._error(self._why_nothing_moves())
        formulation = self
        while (runaway := find_runaway(formulation.problem)) is not None:
            formulation = formulation.without(runaway, strict=strict)
        return formulation

    def _lost(self, name: str, runaway: Runaway) -> Array:
        projection = self.circuit.projections[name]
        return runaway.lowers(*projection.exponents, *self._ends(projection)) & (projection.weight != 0)

    def _ends(self, projection: Projection) -> tuple[Array, Array]:
        """Post- and presynaptic node of each synapse."""
        nodes = self.nodes
        return nodes.of(projection.post, projection.post_index), nodes.of(projection.pre, projection.pre_index)

    def _all_pinned(self, projection: Projection) -> bool:
        ends = (name for name in (projection.post, projection.pre) if name is not None)
        return all(self.circuit.populations[name].pinned.all() for name in ends)

    def _error(self, text: str) -> UnbalanceableError:
        return UnbalanceableError("\n".join(filter(None, [text, self.circuit.advice])))

    def _check_free_neurons(self) -> None:
        neurons = sum(population.size for population in self.circuit.populations.values())
        if neurons and self.nodes.size == 0:
            raise InvalidInputError(
                f"No neuron is free: all {neurons} are pinned (or tied to a pinned one), so nothing can be rescaled. "
                "Pin less."
            )
        if neurons == 0 or not self.circuit.projections:
            lack = "no neurons" if neurons == 0 else "no synapses that a rescaling could change"
            raise InvalidInputError(f"The network is empty: it has {lack}, so there is nothing to balance.")

    def _why_nothing_moves(self) -> str:
        pinned = any(population.pinned.any() for population in self.circuit.populations.values())
        or_less = ", or pin less" if pinned else ""
        if any(self._within_nodes(name) for name in self.terms):
            return (
                "Nothing can be balanced: all costed synapses of free neurons are self-connections (or join neurons "
                "that are tied), which never change under a rescaling. Give synapses between neurons whose scales are "
                f"their own{or_less}."
            )
        return (
            "Nothing can be balanced: no costed synapse with a non-zero weight touches a free neuron. Give such "
            f"synapses a cost{or_less}."
        )

    def _within_nodes(self, name: str) -> bool:
        """Whether a costed projection has synapses whose two ends are one free node."""
        projection = self.circuit.projections[name]
        post, pre = self._ends(projection)
        return bool(np.any((post == pre) & (post != GROUND) & (projection.weight != 0)))


def formulate(circuit: Circuit, cost: Cost | Mapping[str, Cost]) -> Formulation:
    """The problem of a circuit under a cost; nothing is left out yet (see `Formulation.balanceable`)."""
    return Formulation(circuit, cost, terms_by_projection(cost, circuit))


def _unchanging(projection: Projection) -> Array:
    """Self-connections whose two ends move alike."""
    a, b = projection.exponents
    if projection.pre != projection.post:
        return np.zeros(projection.weight.size, dtype=bool)
    return (projection.pre_index == projection.post_index) & (np.asarray(a) == b)


def _complaint(problem: Problem, remaining: Problem, runaway: Runaway, nodes: Nodes) -> str:
    """Which neurons have no balance, and why: those that keep no cost when what has none is left out."""
    culprits = np.flatnonzero(problem.connected & ~remaining.connected)
    names = ", ".join(nodes.name(int(node)) for node in culprits[:NAMED]) + (", ..." if culprits.size > NAMED else "")
    if runaway.strong is not None:
        why = (
            "they lie on no directed cycle of costed synapses (all pinned neurons count as one), so that nothing holds "
            "their cost: it falls for ever"
        )
        remedy = "Pin inputs and readouts, leave these synapses out of the cost"
    else:
        why = "scaling them one way lowers their cost for ever (their output does not grow as their input does)"
        remedy = "Pin some of them, check homogeneity and exponents"
    if not remaining.connected.any():
        return f"Nothing can be balanced. {names}: {why}. {remedy}."
    if culprits.size:
        count = f"{culprits.size} of {problem.size} units have no balance"
    else:
        count = "Some synapses have no balance"
        names, why = _bridge(problem, runaway, nodes), "no path leads back, so that nothing holds their cost"
    return f"{count}. {names}: {why}. {remedy}, or use on_unbalanceable='exclude'."


def _bridge(problem: Problem, runaway: Runaway, nodes: Nodes) -> str:
    """One synapse without a balance, for a message."""
    for block in problem.blocks:
        post, pre, _ = block.store.entries()
        lost = np.flatnonzero(runaway.lowers(block.a, block.b, post, pre))
        if lost.size:
            more = f" and {lost.size - 1} more" if lost.size > 1 else ""
            return f"the synapse from {nodes.name(int(pre[lost[0]]))} to {nodes.name(int(post[lost[0]]))}{more}"
    return "synapses from or to pinned neurons"
