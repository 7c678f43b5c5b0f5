"""Nodes: what has a log-scale h of its own, a free neuron or a group of tied ones."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from neurobal.circuit import Circuit, Projection

Array: TypeAlias = np.ndarray

GROUND = -1  # the number of the node that all pinned neurons form, where h = 0


class Nodes:
    """The node of every neuron: ``table[population]`` holds node numbers, `GROUND` where the neuron is pinned."""

    def __init__(self, circuit: Circuit) -> None:
        self.table: dict[str, Array] = {}
        self.size = 0
        for name, population in circuit.populations.items():
            if population.tied is None:
                groups = np.arange(population.size)
            else:
                # Every untied neuron (negative label) gets a label of its own behind the last one in use.
                labels = population.tied.copy()
                alone = labels < 0
                labels[alone] = labels.max(initial=-1) + 1 + np.arange(alone.sum())
                groups = np.unique(labels, return_inverse=True)[1]
            grounded = np.zeros(groups.max(initial=-1) + 1, dtype=bool)
            grounded[groups[population.pinned]] = True  # a pinned neuron pins all that it is tied to
            numbers = np.where(grounded, GROUND, self.size + np.cumsum(~grounded) - 1)
            self.table[name] = numbers[groups].astype(np.int32)
            self.size += int((~grounded).sum())
        # With one population of free, untied neurons, neurons and nodes have the same numbers: nothing to look up.
        self._same = len(self.table) == 1 and all(np.array_equal(t, np.arange(t.size)) for t in self.table.values())

    def of(self, population: str | None, index: Array) -> Array:
        """Node numbers of neurons, by population (None: the constant unit behind biases) and index."""
        if population is None:
            return np.full(index.shape, GROUND, dtype=np.int32)
        return index if self._same else self.table[population][index]

    def ends(self, projection: Projection) -> tuple[Array, Array]:
        """Post- and presynaptic node of each synapse of a projection."""
        return self.of(projection.post, projection.post_index), self.of(projection.pre, projection.pre_index)

    def spread(self, values: Array) -> dict[str, Array]:
        """One value a node as one value a neuron, by population; 0 for pinned neurons."""
        with_ground = np.append(values, 0.0)
        return {name: with_ground[numbers] for name, numbers in self.table.items()}

    def name(self, node: int) -> str:
        """The name of a node in messages: that of its first neuron."""
        for population, numbers in self.table.items():
            members = np.flatnonzero(numbers == node)
            if members.size:
                more = f" (tied to {members.size - 1} more)" if members.size > 1 else ""
                return f"{population}[{members[0]}]{more}"
        return f"node {node}"
