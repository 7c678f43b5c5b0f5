"""The terms of a cost on neurons, for one circuit: where it stands, what counts of them, and their sums.

Terms are ``g_i exp(q_i h_i)``: in the flat problem, costs between a node and the ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from neurobal.cost import NeuronTerm
from neurobal.existence import Runaway
from neurobal.nodes import GROUND, Nodes

Array: TypeAlias = np.ndarray
LogCosts: TypeAlias = tuple[NeuronTerm, Array, Array]  # and the exponent and the log-cost of each neuron


@dataclass(frozen=True, eq=False)
class ExcludedNeurons:
    """The ``neurons`` (numbers) of one population whose own costs have no balance, of how many, and the reason."""

    population: str
    neurons: Array
    of: int
    reason: str

    def __str__(self) -> str:
        name = "neurons" if self.population == "neurons" else f"neurons {self.population}"
        return f"costs on {self.neurons.size:,} of {self.of:,} {name}: {self.reason}"

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class NeuronCosts:
    """What neurons cost by themselves.

    Attributes
    ----------
    terms
        By population, at the network as it was when the cost was asked.
    moved
        By population, the log-scales by which the network has been rescaled since; absent: not at all.
    counted
        A mask for each population of which some neurons are left out.
    """

    terms: Mapping[str, list[NeuronTerm]]
    moved: Mapping[str, Array] = field(default_factory=dict)
    counted: Mapping[str, Array] = field(default_factory=dict)

    def at(self, moved: Mapping[str, Array]) -> NeuronCosts:
        """The same of a network that has been rescaled by these log-scales."""
        return replace(self, moved=dict(moved))

    def logs(self, name: str, *, all_neurons: bool = False) -> Iterator[LogCosts]:
        """Each term of a population with its exponents and log-costs, -inf where there is none, or none counts."""
        for term in self.terms[name]:
            exponent, log_cost = np.broadcast_arrays(term.exponent, term.log_costs())
            if name in self.moved:
                exponent = np.broadcast_to(term.exponent, self.moved[name].shape)
                log_cost = log_cost + exponent * self.moved[name]
            if name in self.counted and not all_neurons:
                log_cost = np.where(self.counted[name], log_cost, -np.inf)
            yield term, exponent, log_cost

    def total(self) -> float:
        """The sum of all terms that count, those of pinned neurons included."""
        with np.errstate(over="ignore"):
            return sum(float(np.exp(logs).sum()) for name in self.terms for _, _, logs in self.logs(name))

    def sums(self, name: str) -> tuple[Array, Array]:
        """What grows with h and what falls, of each neuron of a population, each times its |exponent|."""
        incoming = outgoing = np.zeros(1)
        for _, exponent, logs in self.logs(name):
            with np.errstate(over="ignore"):
                slopes = exponent * np.exp(logs)
            incoming, outgoing = incoming + np.maximum(slopes, 0.0), outgoing + np.maximum(-slopes, 0.0)
        return incoming, outgoing

    def largest_exponent(self, nodes: Nodes) -> float:
        """The largest |q| of a term of a free neuron; 0 if there is none."""
        found = [
            np.abs(exponent[(logs > -np.inf) & (nodes.table[name] != GROUND)]).max(initial=0.0)
            for name in self.terms
            for _, exponent, logs in self.logs(name)
        ]
        return float(max(found, default=0.0))

    def at_ground(self, nodes: Nodes) -> Iterator[tuple[float, Array, Array]]:
        """Costs towards the ground: an exponent, and nodes with their log-costs."""
        for name in self.terms:
            for _, exponent, logs in self.logs(name):
                there = (nodes.table[name] != GROUND) & (logs > -np.inf) & (exponent != 0)
                for q in np.unique(exponent[there]):
                    here = np.flatnonzero(there & (exponent == q))
                    yield float(q), nodes.table[name][here], logs[here]

    def without(self, runaway: Runaway, nodes: Nodes) -> NeuronCosts:
        """The same without the terms that fall for ever along ``runaway``: a neuron loses all or none."""
        counted = dict(self.counted)
        for name in self.terms:
            node = nodes.table[name]
            ground = np.full(node.shape, GROUND)
            lost = np.zeros(node.shape, dtype=bool)
            for _, exponent, logs in self.logs(name):
                grows, falls = runaway.lowers(1.0, 1.0, node, ground), runaway.lowers(1.0, 1.0, ground, node)
                there = (logs > -np.inf) & (node != GROUND)
                lost |= there & np.where(exponent > 0, grows, (exponent < 0) & falls)
            if lost.any():
                counted[name] = counted.get(name, True) & ~lost
        return replace(self, counted=counted)

    def lost_wholly(self, nodes: Nodes) -> dict[str, tuple[bool, dict[str, int]]]:
        """By owner, the costs of which nothing that could move counts: whether they grow with λ, and whose they are.

        The latter as numbers of neurons by population.
        """
        lost: dict[str, tuple[bool, dict[str, int]]] = {}
        kept = set()
        for name in self.terms:
            counted = self.counted.get(name, np.ones(1, dtype=bool))
            for term, exponent, logs in self.logs(name, all_neurons=True):
                there = (logs > -np.inf) & (nodes.table[name] != GROUND) & (exponent != 0)
                if np.any(there & counted):
                    kept.add(term.owner)
                elif there.any():
                    lost.setdefault(term.owner, (bool(exponent[there][0] > 0), {}))[1][name] = int(there.sum())
        return {owner: found for owner, found in lost.items() if owner not in kept}

    def excluded(self, nodes: Nodes) -> tuple[ExcludedNeurons, ...]:
        """The neurons whose costs are left out, by population."""
        return tuple(self._excluded(name, mask, nodes) for name, mask in self.counted.items())

    def _excluded(self, name: str, mask: Array, nodes: Nodes) -> ExcludedNeurons:
        costed, signs, owners = np.zeros(mask.shape, dtype=bool), set(), []
        for term, exponent, logs in self.logs(name, all_neurons=True):
            there = (logs > -np.inf) & (nodes.table[name] != GROUND) & (exponent != 0)
            costed |= there
            if np.any(there & ~mask):
                signs.update(np.sign(exponent[there & ~mask]))
                owners.append(term.owner.removesuffix(f" of {name}"))
        way = {(1.0,): " as λ shrinks", (-1.0,): " as λ grows"}.get(tuple(signs), "")
        reason = f"{' + '.join(dict.fromkeys(owners))} falls for ever{way}, nothing holds it"
        return ExcludedNeurons(name, np.flatnonzero(~mask), int(costed.sum()), reason)
