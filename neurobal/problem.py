"""The flat convex problem: minimise ``C(h) = Σ_e c_e exp(α_e h_i - β_e h_j)`` over one log-scale h per node.

A *node* is what has one h of its own: a free neuron, or a group of tied ones. All pinned neurons form one more, the
ground, where h = 0. Synapses with the same exponents form one sparse matrix, so that all incoming and outgoing sums
cost one pair of matrix-vector products and no exponential per synapse:

    incoming = α s ∘ (A t),  outgoing = β t ∘ (Aᵀ s),   s = exp(α h),  t = exp(-β h).

Costs are kept as numbers in one common unit, or, where they span hundreds of decades, as bad input does, as logarithms.
`Potential` takes them relative to the largest one in each connected component, around a reference point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from neurobal.circuit import Circuit
from neurobal.cost import Term
from neurobal.logarithms import log_sums
from neurobal.nodes import GROUND, Nodes
from neurobal.stores import InMemory, SynapseStore

Array: TypeAlias = np.ndarray

# Beyond this range of log-costs (130 decades) costs are kept, and sums are formed, in logarithms.
WIDE = 300.0


@dataclass(frozen=True, eq=False)
class Block:
    """Costs between free nodes with exponents ``power * (a, b)``."""

    power: float
    a: float
    b: float
    store: SynapseStore


@dataclass(frozen=True, eq=False)
class Ground:
    """Costs ``exp(log_cost + power * a * h)`` between one node and the ground; ``a < 0`` where the node sends."""

    power: float
    a: float
    node: Array
    log_cost: Array

    def ends(self) -> tuple[Array, Array]:
        """Post- and presynaptic nodes, as if it were synapses with a positive exponent."""
        there = np.full(self.node.shape, GROUND, dtype=np.int32)
        return (self.node, there) if self.a > 0 else (there, self.node)


class Problem:
    """All costs that some h can change, and the components they fall into.

    Attributes
    ----------
    size : number of nodes
    blocks, grounds : the costs
    symmetric : every synapse has a = b, so that a common shift of a component without ground changes nothing
    labels : component of each node; nodes are connected by costs, not through the ground, where nothing moves
    strong : every component is strongly connected, without the ground
    """

    def __init__(
        self, size: int, blocks: Iterable[Block], grounds: Iterable[Ground], strong_labels: Array | None = None
    ) -> None:
        """``strong_labels``: the components, if they are known to be strongly connected."""
        self.size = size
        self.blocks = [block for block in blocks if block.store.nnz]
        self.grounds = [ground for ground in grounds if ground.node.size]
        self.symmetric = all(block.a == block.b for block in self.blocks)
        self._known = strong_labels

    @cached_property
    def strong_components(self) -> Array:
        """The strongly connected component of each node, without the ground."""
        if self._known is not None:
            return self._known
        labels: Array = csgraph.connected_components(self.structure(), connection="strong")[1]
        return labels

    @cached_property
    def labels(self) -> Array:
        if not self.blocks:
            return np.arange(self.size, dtype=np.int32)
        # Strong components are cheaper, and where there is only one of them it is the weak one too.
        if self._known is not None or not self.strong_components.any():
            return self.strong_components
        labels: Array = csgraph.connected_components(self.structure(), connection="weak")[1]
        return labels

    @cached_property
    def n_components(self) -> int:
        """The number of connected components."""
        return int(self.labels.max(initial=-1)) + 1

    @cached_property
    def strong(self) -> bool:
        return self._known is not None or not self.strong_components.any()

    @cached_property
    def grounded(self) -> Array:
        """Which components have costs between a node and the ground."""
        grounded = np.zeros(self.n_components, dtype=bool)
        for ground in self.grounds:
            grounded[self.labels[ground.node]] = True
        return grounded

    @cached_property
    def connected(self) -> Array:
        """Which nodes have a cost at all."""
        if self.size > 1 and self.strong and self.n_components == 1:
            return np.ones(self.size, dtype=bool)
        connected = np.zeros(self.size, dtype=bool)
        for block in self.blocks:
            connected |= np.logical_or(*block.store.ends())
        for ground in self.grounds:
            connected[ground.node] = True
        return connected

    def structure(self, *, with_ground: bool = False) -> sparse.csr_array:
        """Who sends to whom at a cost, as a (post, pre) matrix; the ground is its last row and column if asked for.

        A negative exponent acts as the opposite direction.
        """
        if len(self.blocks) == 1 and not with_ground:
            return self.blocks[0].store.structure()
        size = self.size + with_ground
        rows, columns = [], []
        for block in self.blocks:
            post, pre, _ = block.store.entries()
            rows.append(post if block.a > 0 else pre)
            columns.append(pre if block.a > 0 else post)
        for ground in self.grounds if with_ground else ():
            post, pre = (np.where(end == GROUND, self.size, end) for end in ground.ends())
            rows.append(post)
            columns.append(pre)
        post, pre = _joined(rows), _joined(columns)
        return sparse.csr_array((np.ones(post.size), (post, pre)), shape=(size, size))

    def log_range(self) -> float:
        """Largest minus smallest log-cost."""
        ranges = [block.store.log_range() for block in self.blocks]
        ranges += [(float(ground.log_cost.min()), float(ground.log_cost.max())) for ground in self.grounds]
        return max((high for _, high in ranges), default=0.0) - min((low for low, _ in ranges), default=0.0)

    def slopes(self) -> tuple[float, float]:
        """Smallest and largest exponent of any node in any cost."""
        exponents = [abs(block.power * x) for block in self.blocks for x in (block.a, block.b)]
        exponents += [abs(ground.power * ground.a) for ground in self.grounds]
        return min(exponents, default=1.0), max(exponents, default=1.0)

    def shiftable(self) -> Array:
        """The nodes of components whose costs a common shift of h does not change: no ground, a = b throughout."""
        fixed = self.grounded.copy()
        for block in self.blocks:
            if block.a != block.b:
                fixed[self.labels[block.store.ends()[1]]] = True
        return self.connected & ~fixed[self.labels]

    def centred(self, h: Array) -> Array:
        """Log-scales with geometric mean 1 of λ over each component that a common shift does not change."""
        members = self.shiftable()
        count = np.bincount(self.labels[members], minlength=self.n_components)
        total = np.bincount(self.labels[members], h[members], minlength=self.n_components)
        return h - np.where(members, (total / np.maximum(count, 1))[self.labels], 0.0)

    def without(
        self, lost: Callable[[float, float, Array, Array], Array], strong_labels: Array | None = None
    ) -> Problem:
        """The problem without the costs that are ``lost``, a function of a, b, post- and presynaptic nodes.

        ``strong_labels``: the components of what remains, if they are known to be strongly connected.
        """
        blocks = []
        for block in self.blocks:
            a, b = block.a, block.b
            remaining = block.store.filtered(lambda post, pre, a=a, b=b: ~lost(a, b, post, pre))  # type: ignore[misc]
            blocks.append(Block(block.power, a, b, remaining))
        grounds = []
        for ground in self.grounds:
            keep = ~lost(abs(ground.a), abs(ground.a), *ground.ends())
            grounds.append(Ground(ground.power, ground.a, ground.node[keep], ground.log_cost[keep]))
        return Problem(self.size, blocks, grounds, strong_labels)

    def restricted(self, free: Array, h: Array) -> tuple[Problem, Array]:
        """The problem of the nodes in mask ``free`` as steps from ``h``, where all others stay; and their numbers."""
        nodes = np.flatnonzero(free)
        number = np.full(self.size, -1, dtype=np.int32)
        number[nodes] = np.arange(nodes.size)
        builder = _Builder(nodes.size, None)
        for block in self.blocks:
            post, pre, log_cost = block.store.entries()
            touched = free[post] | free[pre]
            post, pre, log_cost = post[touched], pre[touched], log_cost[touched]
            here = log_cost + block.power * (block.a * h[post] - block.b * h[pre])
            builder.add(block.power, block.a, block.b, number[post], number[pre], here)
        for ground in self.grounds:
            node, log_cost = ground.node[free[ground.node]], ground.log_cost[free[ground.node]]
            builder.add_ground(ground.power, ground.a, number[node], log_cost + ground.power * ground.a * h[node])
        return builder.problem(), nodes


class _Builder:
    """Sorts synapses into blocks and grounds.

    Values are costs in units of ``exp(log_unit)``, 0 where there is none, or logarithms of costs if that is None.
    """

    def __init__(self, size: int, log_unit: float | None) -> None:
        self.size, self.log_unit = size, log_unit
        self._blocks: dict[tuple[float, float, float], list[tuple[Array, Array, Array]]] = {}
        self._grounds: dict[tuple[float, float], list[tuple[Array, Array]]] = {}

    def add(self, power: float, a: float, b: float, post: Array, pre: Array, values: Array) -> None:
        """Add costs with exponents power * (a, b) between nodes (-1: the ground). ``values`` may be overwritten."""
        itself = np.flatnonzero(post == pre)
        free = a != 0 and b != 0 and post.min(initial=0) >= 0 and pre.min(initial=0) >= 0
        if free and (itself.size == 0 or (a == b and self.log_unit is not None)):
            values[itself] = 0.0  # self-connections that no rescaling changes
            self._blocks.setdefault((power, a, b), []).append((post, pre, values))
            return
        free_post, free_pre = (post >= 0) & (a != 0), (pre >= 0) & (b != 0)
        between = free_post & free_pre
        between[itself] = False
        if (kept := np.flatnonzero(between)).size:
            self._blocks.setdefault((power, a, b), []).append((post[kept], pre[kept], values[kept]))
        rest = np.flatnonzero(~between)
        post, pre, values, free_post, free_pre = (x[rest] for x in (post, pre, values, free_post, free_pre))
        alone = (post == pre) & (post >= 0)
        # A self-connection moves by λ^(a - b), as one that comes from the ground with that exponent.
        for exponent, mask, node in (
            (a - b, alone, post),
            (a, free_post & ~free_pre & ~alone, post),
            (-b, free_pre & ~free_post & ~alone, pre),
        ):
            if exponent and mask.any():
                logs = values[mask]
                if self.log_unit is not None:
                    logs = np.log(logs) + self.log_unit
                self.add_ground(power, exponent, node[mask], logs)

    def add_ground(self, power: float, a: float, node: Array, log_cost: Array) -> None:
        self._grounds.setdefault((power, a), []).append((node, log_cost))

    def problem(self) -> Problem:
        blocks, grounds = [], []
        for (power, a, b), synapses in self._blocks.items():
            post, pre, values = (_joined(parts) for parts in zip(*synapses, strict=True))
            store = InMemory.of_synapses(post, pre, values, self.size, self.log_unit)
            blocks.append(Block(power, a, b, store))
        for (power, a), lists in self._grounds.items():
            node, log_cost = (_joined(parts) for parts in zip(*lists, strict=True))
            grounds.append(Ground(power, a, *_merged_by_node(node, log_cost, self.size)))
        return Problem(self.size, blocks, grounds)


def build(
    circuit: Circuit,
    nodes: Nodes,
    terms: Mapping[str, list[Term]],
    counted: Mapping[str, Array],
    at_ground: Iterable[tuple[float, Array, Array]] = (),
) -> Problem:
    """The flat problem of a circuit under cost terms (by projection name). Zero weights are absent synapses.

    ``counted`` holds a mask for projections of which some synapses are left out. ``at_ground`` are costs of nodes by
    themselves: an exponent, and nodes with their log-costs.
    """
    log_unit = _common_unit(circuit, terms)
    builder = _Builder(nodes.size, log_unit)
    for name, terms_here in terms.items():
        projection = circuit.projections[name]
        post, pre = nodes.ends(projection)
        a, b = projection.exponents
        for term in terms_here:
            if log_unit is None:
                values, absent = term.log_of(projection.weight), -np.inf
            else:
                values, absent = term.of(projection.weight, log_unit), 0.0
            if name in counted:
                values[~counted[name]] = absent
            present = values > absent
            for exponents, mask in _exponent_groups(a, b, present):
                if mask is None:
                    builder.add(term.power, *exponents, post, pre, values)
                else:
                    here = np.flatnonzero(mask)
                    builder.add(term.power, *exponents, post[here], pre[here], values[here])
    for exponent, node, log_cost in at_ground:
        builder.add_ground(abs(exponent), np.sign(exponent), node, log_cost)
    return builder.problem()


def _common_unit(circuit: Circuit, terms: Mapping[str, list[Term]]) -> float | None:
    """A unit in which all costs are ordinary numbers, at most 1 (its logarithm); None if they span too many decades."""
    bounds, smallest_power = [], np.inf
    for name, terms_here in terms.items():
        for term in terms_here:
            bound = term.log_bounds(circuit.projections[name].weight)
            if bound is not None:
                bounds.append(bound)
                smallest_power = min(smallest_power, term.power)
    low, high = min((low for low, _ in bounds), default=0.0), max((high for _, high in bounds), default=0.0)
    return high if high - low <= WIDE and abs(high) / min(smallest_power, 1.0) <= WIDE else None


def _exponent_groups(
    a: float | Array, b: float | Array, present: Array
) -> list[tuple[tuple[float, float], Array | None]]:
    """Each pair of exponents that occurs, with the mask of its synapses (None: all)."""
    if isinstance(a, float) and isinstance(b, float):
        return [((a, b), None if present.all() else present)]
    pairs = np.stack(np.broadcast_arrays(a, b, np.zeros(present.size))[:2])
    values, which = np.unique(pairs[:, present], axis=1, return_inverse=True)
    numbers = np.full(present.size, -1)
    numbers[present] = which.ravel()
    return [((float(va), float(vb)), numbers == k) for k, (va, vb) in enumerate(values.T)]


def _joined(parts: Iterable[Array]) -> Array:
    arrays = list(parts)
    if not arrays:
        return np.zeros(0, dtype=np.int32)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _merged_by_node(node: Array, log_cost: Array, size: int) -> tuple[Array, Array]:
    total = log_sums(node, log_cost, size)
    nodes = np.flatnonzero(total > -np.inf)
    return nodes, total[nodes]
