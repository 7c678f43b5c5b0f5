"""Networks as arrays by row, as files have them, and the same ones in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

import neurobal as nb
from benchmarks import graphs
from neurobal.large.balancing import Solved, Watch, solve
from neurobal.large.files import OnFiles
from neurobal.progress import Progress

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Arrays:
    start: Array
    pre: Array
    weight: Array

    @property
    def size(self) -> int:
        return self.start.size - 1

    @property
    def post(self) -> Array:
        return np.repeat(np.arange(self.size), np.diff(self.start))

    def circuit(self, pinned: Array | None = None) -> nb.Circuit:
        """As a `Circuit`, in which several synapses between two neurons are several."""
        circuit = nb.Circuit()
        circuit.add("cells", self.size, pinned=False if pinned is None else pinned)
        circuit.connect("cells", "cells", weight=self.weight, post_index=self.post, pre_index=self.pre, name="synapses")
        return circuit

    def but(self, weight: Array) -> Arrays:
        return Arrays(self.start, self.pre, weight)


def listed(post: Array, pre: Array, weight: Array, size: int) -> Arrays:
    """A network of lists of synapses, in any order."""
    order = np.lexsort((pre, post))
    start = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=size))])
    return Arrays(start, pre[order].astype(np.int32), weight[order])


def of_matrix(matrix: Any, dtype: Any = np.float64) -> Arrays:
    rows = sparse.csr_array(matrix)
    return listed(
        np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices, rows.data.astype(dtype), rows.shape[0]
    )


def odd(rng: np.random.Generator, size: int = 120, synapses: int = 900, dtype: Any = np.float64) -> Arrays:
    """A network with parallel synapses, self-connections, zero weights, dead ends, and neurons without any."""
    post, pre = rng.integers(0, size - 20, synapses), rng.integers(10, size - 10, synapses)
    weight = rng.lognormal(0.0, 1.0, synapses) * rng.choice([-1.0, 1.0], synapses)
    h = rng.normal(0.0, 1.0, size)
    weight *= np.exp(h[post] - h[pre])
    weight[rng.integers(0, synapses, 40)] = 0.0
    post[:30], pre[:30] = post[30:60], pre[30:60]
    pre[60:80] = post[60:80]
    return listed(post, pre, weight.astype(dtype), size)


def islands(rng: np.random.Generator, count: int = 6, size: int = 20) -> Arrays:
    """Strong components with one-way synapses between them."""
    n = count * size
    post, pre = rng.integers(0, size, n * 5), rng.integers(0, size, n * 5)
    home = rng.integers(0, count, n * 5) * size
    post, pre = post + home, pre + home
    lower = rng.integers(0, n, 60)
    upper = rng.integers(0, n, 60)
    forward = lower // size < upper // size
    post, pre = np.concatenate([post, upper[forward]]), np.concatenate([pre, lower[forward]])
    names = rng.permutation(n)
    return listed(names[post], names[pre], rng.lognormal(0.0, 1.0, post.size), n)


def families(rng: np.random.Generator) -> dict[str, Arrays]:
    return {
        "random": of_matrix(graphs.random(400, 6000, rng)),
        "sheet": of_matrix(graphs.sheet(34, rng)),
        "ring": of_matrix(graphs.ring(1200, rng)),
        "layered ring": of_matrix(graphs.layered_ring(40, 30, rng)),
        "modules": of_matrix(graphs.modules(1200, rng)),
        "single precision": of_matrix(graphs.random(400, 6000, rng), np.float32),
        "odd": odd(rng),
        "odd, single precision": odd(rng, dtype=np.float32),
        "islands": islands(rng),
    }


FAMILIES = [*families(np.random.default_rng(0))]


def some_pinned(size: int, rng: np.random.Generator) -> Array:
    mask = np.zeros(size, dtype=bool)
    mask[rng.integers(0, size, max(size // 15, 2))] = True
    return mask


def solved(
    network: Arrays,
    cost: nb.Cost | None = None,
    pinned: Array | None = None,
    *,
    tol: float = 1e-12,
    entries: int | None = None,
    threads: int = 2,
    **options: Any,
) -> Solved:
    """Balanced by passes, in small bands."""
    passes = OnFiles(network, entries or network.pre.size // 9 + 1, threads)
    mask = np.zeros(network.size, dtype=bool) if pinned is None else pinned
    watch = Watch(Progress(None, ""), tol)
    return solve(passes, cost or nb.Power(2), mask, tol=tol, monitor=watch, **options)
