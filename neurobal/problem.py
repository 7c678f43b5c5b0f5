"""The flat convex problem: minimise ``C(h) = Σ_e c_e exp(α_e h_i - β_e h_j)`` over one log-scale h per unit.

A *unit* is what has one h of its own: a free neuron, or a group of tied ones. All pinned neurons form one node, the
ground, where h = 0. Synapses with the same exponents form one sparse matrix, so that all incoming and outgoing sums
cost one pair of matrix-vector products and no exponential per synapse:

    incoming = α s ∘ (A t),  outgoing = β t ∘ (Aᵀ s),   s = exp(α h),  t = exp(-β h).

Costs are kept as logarithms: in bad input they span hundreds of decades. `Potential` holds them as numbers again,
around a reference point and relative to the largest one in each connected component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from neurobal.circuit import Circuit
from neurobal.cost import Term
from neurobal.nodes import Nodes

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Block:
    """Costs between free units with exponents ``power * (a, b)``; ``log_cost`` is (post, pre), in CSR form."""

    power: float
    a: float
    b: float
    log_cost: sparse.csr_array

    def entries(self) -> tuple[Array, Array, Array]:
        """Postsynaptic units, presynaptic units and log-costs, one entry a synapse."""
        rows = np.repeat(np.arange(self.log_cost.shape[0], dtype=np.int32), np.diff(self.log_cost.indptr))
        return rows, self.log_cost.indices, self.log_cost.data


@dataclass(frozen=True, eq=False)
class Ground:
    """Costs ``exp(log_cost + power * a * h)`` between one unit and the ground; ``a < 0`` where the unit sends."""

    power: float
    a: float
    unit: Array
    log_cost: Array


class Problem:
    """All costs that some h can change, and the components they fall into.

    Attributes
    ----------
    size : number of units
    blocks, grounds : the costs
    labels : component of each unit; units are connected by costs, not through the ground, where nothing moves
    symmetric : every synapse has a = b, so that a common shift of a component without ground changes nothing
    strongly_connected : every unit reaches every other one, without the ground
    """

    def __init__(self, size: int, blocks: Iterable[Block], grounds: Iterable[Ground]) -> None:
        self.size = size
        self.blocks = [block for block in blocks if block.log_cost.nnz]
        self.grounds = [ground for ground in grounds if ground.unit.size]
        self.symmetric = all(block.a == block.b for block in self.blocks)
        self.strongly_connected = False
        self.n_components, self.labels = self._components()
        self.grounded = np.zeros(self.n_components, dtype=bool)
        for ground in self.grounds:
            self.grounded[self.labels[ground.unit]] = True
        self.connected = np.zeros(size, dtype=bool)  # units that have a cost at all
        for block in self.blocks:
            self.connected |= np.diff(block.log_cost.indptr) > 0
            self.connected[block.log_cost.indices] = True
        for ground in self.grounds:
            self.connected[ground.unit] = True

    def structure(self, *, with_ground: bool = False) -> sparse.csr_array:
        """Who sends to whom at a cost, as a (post, pre) matrix; the ground is its last row and column if asked for.

        A negative exponent acts as the opposite direction.
        """
        if len(self.blocks) == 1 and not with_ground:
            return self.blocks[0].log_cost
        size = self.size + with_ground
        rows, columns = [], []
        for block in self.blocks:
            post, pre, _ = block.entries()
            rows.append(post if block.a > 0 else pre)
            columns.append(pre if block.a > 0 else post)
        for ground in self.grounds if with_ground else ():
            here, there = ground.unit, np.full(ground.unit.shape, self.size, dtype=np.int32)
            rows.append(here if ground.a > 0 else there)
            columns.append(there if ground.a > 0 else here)
        post, pre = _joined(rows), _joined(columns)
        return sparse.csr_array((np.ones(post.size), (post, pre)), shape=(size, size))

    def _components(self) -> tuple[int, Array]:
        if not self.blocks:
            return self.size, np.arange(self.size, dtype=np.int32)
        # Strong components are cheaper, and where there is only one of them it is the weak one too.
        structure = self.structure()
        count, labels = csgraph.connected_components(structure, connection="strong")
        self.strongly_connected = count == 1
        return (count, labels) if count == 1 else csgraph.connected_components(structure, connection="weak")

    def log_range(self) -> float:
        """Largest minus smallest log-cost."""
        low = min((x.min() for x in self._log_costs()), default=0.0)
        high = max((x.max() for x in self._log_costs()), default=0.0)
        return float(high - low)

    def _log_costs(self) -> Iterable[Array]:
        yield from (block.log_cost.data for block in self.blocks)
        yield from (ground.log_cost for ground in self.grounds)

    def slopes(self) -> tuple[float, float]:
        """Smallest and largest exponent of any unit in any cost."""
        exponents = [abs(block.power * x) for block in self.blocks for x in (block.a, block.b)]
        exponents += [abs(ground.power * ground.a) for ground in self.grounds]
        return min(exponents, default=1.0), max(exponents, default=1.0)

    def shiftable(self) -> Array:
        """The nodes of components whose costs a common shift of h does not change: no ground, a = b throughout."""
        fixed = self.grounded.copy()
        for block in self.blocks:
            if block.a != block.b:
                fixed[self.labels[block.log_cost.indices]] = True
        return self.connected & ~fixed[self.labels]

    def filtered(self, keep_block: list[Array], keep_ground: list[Array]) -> Problem:
        """The problem with some costs only: a mask per block and per ground."""
        blocks = []
        for block, keep in zip(self.blocks, keep_block, strict=True):
            post, pre, log_cost = block.entries()
            blocks.append(Block(block.power, block.a, block.b,
                                _by_rows(post[keep], pre[keep], log_cost[keep], self.size)))  # fmt: skip
        grounds = [
            Ground(g.power, g.a, g.unit[keep], g.log_cost[keep])
            for g, keep in zip(self.grounds, keep_ground, strict=True)
        ]
        return Problem(self.size, blocks, grounds)

    def restricted(self, free: Array, h: Array) -> tuple[Problem, Array]:
        """The problem of the units in mask ``free``, as steps from ``h``, all others held; and their numbers."""
        units = np.flatnonzero(free)
        number = np.full(self.size, -1, dtype=np.int32)
        number[units] = np.arange(units.size)
        builder = _Builder(units.size)
        for block in self.blocks:
            post, pre, log_cost = block.entries()
            touched = free[post] | free[pre]
            post, pre, log_cost = post[touched], pre[touched], log_cost[touched]
            here = log_cost + block.power * (block.a * h[post] - block.b * h[pre])
            builder.add(block.power, block.a, block.b, number[post], number[pre], here)
        for ground in self.grounds:
            unit, log_cost = ground.unit[free[ground.unit]], ground.log_cost[free[ground.unit]]
            builder.add_ground(ground.power, ground.a, number[unit], log_cost + ground.power * ground.a * h[unit])
        return builder.problem(), units


class _Builder:
    """Sorts synapses into blocks and grounds."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._blocks: dict[tuple[float, float, float], list[tuple[Array, Array, Array]]] = {}
        self._grounds: dict[tuple[float, float], list[tuple[Array, Array]]] = {}

    def add(self, power: float, a: float, b: float, post: Array, pre: Array, log_cost: Array) -> None:
        """Add costs with exponents power * (a, b) between units (-1: the ground)."""
        itself = post == pre
        free_post, free_pre = a != 0 and post >= 0, b != 0 and pre >= 0
        between = ~itself & free_post & free_pre
        if between.all():
            self._blocks.setdefault((power, a, b), []).append((post, pre, log_cost))
            return
        if between.any():
            kept = post[between], pre[between], log_cost[between]
            self._blocks.setdefault((power, a, b), []).append(kept)
        rest = np.flatnonzero(~between)
        post, pre, log_cost = post[rest], pre[rest], log_cost[rest]
        itself = (post == pre) & (post >= 0)
        free_post, free_pre = (post >= 0) & (a != 0), (pre >= 0) & (b != 0)
        # A self-connection moves by λ^(a - b), as one that comes from the ground with that exponent.
        for exponent, mask, unit in (
            (a - b, itself, post),
            (a, free_post & ~free_pre & ~itself, post),
            (-b, free_pre & ~free_post & ~itself, pre),
        ):
            if exponent and mask.any():
                self.add_ground(power, exponent, unit[mask], log_cost[mask])

    def add_ground(self, power: float, a: float, unit: Array, log_cost: Array) -> None:
        self._grounds.setdefault((power, a), []).append((unit, log_cost))

    def problem(self) -> Problem:
        blocks, grounds = [], []
        for (power, a, b), synapses in self._blocks.items():
            post, pre, log_cost = (_joined(parts) for parts in zip(*synapses, strict=True))
            blocks.append(Block(power, a, b, _by_rows(post, pre, log_cost, self.size)))
        for (power, a), lists in self._grounds.items():
            unit, log_cost = (_joined(parts) for parts in zip(*lists, strict=True))
            grounds.append(Ground(power, a, *_merged_by_unit(unit, log_cost, self.size)))
        return Problem(self.size, blocks, grounds)


def build(circuit: Circuit, nodes: Nodes, terms: Mapping[str, list[Term]], counted: Mapping[str, Array]) -> Problem:
    """The flat problem of a circuit under cost terms (by projection name). Zero weights are absent synapses.

    ``counted`` holds a mask for projections of which some synapses are left out.
    """
    builder = _Builder(nodes.size)
    for name, terms_here in terms.items():
        projection = circuit.projections[name]
        post = nodes.of(projection.post, projection.post_index)
        pre = nodes.of(projection.pre, projection.pre_index)
        a, b = projection.exponents
        for term in terms_here:
            log_cost = log_costs(projection.weight, term)
            if name in counted:
                log_cost[~counted[name]] = -np.inf
            present = log_cost > -np.inf
            for exponents, mask in _exponent_groups(a, b, present):
                if mask is None:
                    builder.add(term.power, *exponents, post, pre, log_cost)
                else:
                    builder.add(term.power, *exponents, post[mask], pre[mask], log_cost[mask])
    return builder.problem()


def log_costs(weight: Array, term: Term) -> Array:
    """The logarithm of `Term.of`, -inf where there is no cost."""
    with np.errstate(divide="ignore"):
        log_cost = np.abs(weight, dtype=np.float64)
        np.log(log_cost, out=log_cost)
        log_cost *= term.power
        if np.ndim(term.weight) or term.weight != 1:
            log_cost += np.log(term.weight)
    return log_cost


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


def _by_rows(post: Array, pre: Array, log_cost: Array, size: int) -> sparse.csr_array:
    """A CSR matrix of log-costs; several synapses between the same two units become one, log(Σ exp)."""
    if post.size and np.any(post[1:] < post[:-1]):
        order = np.argsort(post, kind="stable")
        post, pre, log_cost = post[order], pre[order], log_cost[order]
    indptr = np.zeros(size + 1, dtype=np.int32 if post.size < 2**31 else np.int64)
    np.cumsum(np.bincount(post, minlength=size), out=indptr[1:])
    # SciPy sorts in place, and these arrays may belong to the circuit.
    matrix = sparse.csr_array((log_cost, pre, indptr), shape=(size, size))
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if matrix.has_canonical_format:
        return matrix
    first = np.ones(post.size, dtype=bool)
    first[1:] = (post[1:] != post[:-1]) | (matrix.indices[1:] != matrix.indices[:-1])
    starts = np.flatnonzero(first)
    np.cumsum(np.bincount(post[starts], minlength=size), out=indptr[1:])
    merged = np.logaddexp.reduceat(matrix.data, starts)
    return sparse.csr_array((merged, matrix.indices[starts], indptr), shape=(size, size))


def _merged_by_unit(unit: Array, log_cost: Array, size: int) -> tuple[Array, Array]:
    total = log_sums(unit, log_cost, size)
    units = np.flatnonzero(total > -np.inf)
    return units, total[units]


def log_sums(index: Array, log_values: Array, size: int) -> Array:
    """``log Σ exp(log_values)`` of the entries with each index; -inf where there is none."""
    top = np.full(size, -np.inf)
    np.maximum.at(top, index, log_values)
    reference = np.where(top == -np.inf, 0.0, top)
    with np.errstate(divide="ignore"):
        return reference + np.log(np.bincount(index, np.exp(log_values - reference[index]), minlength=size))
