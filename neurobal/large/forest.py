"""A spanning forest of the synapses of a network, by one pass, and log-scales along it.

In memory are the forest and one number a neuron. Of a band only synapses between trees of the forest so far can join
it, and soon there are few trees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from neurobal.fitting import along_forest, centred, depths
from neurobal.large.checks import counterpart, log_ratio
from neurobal.large.passes import Arrays, Part, Parts, RowBand, Work

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Forest(Part):
    """The ends of synapses that form a forest between ``nodes`` nodes, and ``y`` of each."""

    nodes: int
    post: Array
    pre: Array
    y: Array

    @property
    def value(self) -> tuple[Array, Array, Array]:
        return self.post, self.pre, self.y

    def merged(self, other: Forest) -> Forest:
        parts = zip(self.value, other.value, strict=True)
        post, pre, y = (np.concatenate(pair) for pair in parts)
        keep = spanning(post, pre, self.nodes)
        return Forest(self.nodes, post[keep], pre[keep], y[keep])


def spanning(first: Array, second: Array, nodes: int) -> Array:
    """Which edges between ``nodes`` form a spanning forest, of lists of their ends without loops."""
    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
    _, places = np.unique(low * nodes + high, return_index=True)
    numbers = np.arange(1.0, places.size + 1)  # of the edges, as what they weigh
    graph = sparse.csr_array((numbers, (low[places], high[places])), shape=(nodes, nodes))
    chosen = csgraph.minimum_spanning_tree(graph).data
    return places[np.sort(chosen.astype(np.int64)) - 1]


@dataclass(frozen=True, eq=False)
class Span(Work):
    """A spanning `Forest` of the synapses that are not 0 in two networks, with ``y = log|after / before|``."""

    number: Array  # (n,): the node of each neuron; all pinned ones are the node n
    after: Arrays

    @property
    def nodes(self) -> int:
        return self.number.size + 1

    def on(self, band: RowBand) -> Parts:
        return self.over([band])

    def over(self, bands: Iterable[RowBand]) -> Parts:
        trees, count = np.arange(self.nodes, dtype=np.int32), self.nodes
        found: list[tuple[Array, Array, Array]] = []
        for band in bands:
            joining = self._joining(band, trees) if count > 1 else None
            if joining is None or not joining[0].size:
                continue
            post, pre, y = joining
            keep = spanning(trees[post], trees[pre], self.nodes)
            found.append((post[keep], pre[keep], y[keep]))
            graph = sparse.csr_array(
                (np.ones(keep.size, dtype=np.int8), (trees[post[keep]], trees[pre[keep]])), shape=(count, count)
            )
            count, joined = csgraph.connected_components(graph, directed=False)
            trees = joined[trees]
        if not found:
            none = np.zeros(0, dtype=np.int32)
            return (Forest(self.nodes, none, none, np.zeros(0)),)
        return (Forest(self.nodes, *(np.concatenate(column) for column in zip(*found, strict=True))),)

    def _joining(self, band: RowBand, trees: Array) -> tuple[Array, Array, Array] | None:
        """Synapses between different trees, as nodes, and their y; None if the other network has other synapses."""
        numbers = trees[self.number]
        places = np.flatnonzero(band.by_row(numbers) != numbers[band.pre])
        if not places.size:
            return None
        new = counterpart(band, self.after)
        if isinstance(new, int):
            return None
        y = log_ratio(band.weight[places], new[places])
        there = np.isfinite(y)
        places, y = places[there], y[there]
        return self.number[band.post[places]], self.number[band.pre[places]], y


def scales_along(forest: tuple[Array, Array, Array], number: Array) -> Array:
    """log λ of each neuron such that ``h_post - h_pre = y`` holds along a forest; the node n is the ground, h = 0."""
    post, pre, y = forest
    ones, size = np.ones(y.size), number.size
    h = along_forest(post, pre, ones, ones, y, size)
    return np.append(centred(post, pre, ones, ones, h, size), 0.0)[number]


def shared_edge(forest: tuple[Array, Array, Array], first: Array, second: Array, nodes: int) -> Array | None:
    """One side (a mask of nodes) of an edge of the forest that lies on the way between all these pairs of nodes.

    None if there is no such edge.
    """
    post, pre, _ = forest
    graph = sparse.csr_array((np.ones(post.size, dtype=np.int8), (post, pre)), shape=(nodes, nodes))
    root = int(first[0])
    order, parent = csgraph.breadth_first_order(graph, root, directed=False)
    in_tree = np.zeros(nodes, dtype=bool)
    in_tree[order] = True
    if not (in_tree[first].all() and in_tree[second].all()):
        return None
    depth = depths(parent, root)
    passed = np.zeros(nodes, dtype=np.int32)
    one, other = first.copy(), second.copy()
    while np.any(apart := one != other):
        for here, there in ((one, other), (other, one)):
            climbing = apart & (depth[here] >= depth[there]) & (one != other)
            np.add.at(passed, here[climbing], 1)
            here[climbing] = parent[here[climbing]]
    shared = np.flatnonzero(passed == first.size)
    if not shared.size:
        return None
    child = shared[0]
    rest = ~(((post == child) & (pre == parent[child])) | ((pre == child) & (post == parent[child])))
    graph = sparse.csr_array((np.ones(int(rest.sum()), dtype=np.int8), (post[rest], pre[rest])), shape=(nodes, nodes))
    labels = csgraph.connected_components(graph, directed=False)[1]
    side: Array = labels == labels[child]
    return side
