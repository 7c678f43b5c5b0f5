"""Random networks by property, as (post, pre) sparse matrices whose hidden scales are spread by h ~ N(0, spread²)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from scipy import sparse

Array: TypeAlias = np.ndarray


def random(n: int, synapses: int, rng: np.random.Generator, spread: float = 2.0) -> sparse.csr_array:
    """Every neuron connected to any other."""
    return _weights(rng.integers(0, n, synapses), rng.integers(0, n, synapses), n, rng, spread)


def sheet(side: int, rng: np.random.Generator, spread: float = 2.0) -> sparse.csr_array:
    """A periodic two-dimensional sheet; each neuron sends to 60 % of its 5 x 5 neighbourhood."""
    x, y = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    post, pre = [], []
    for dx in range(-2, 3):
        for dy in range(-2, 3):
            here = rng.random(x.shape) < 0.6 if (dx, dy) != (1, 0) else np.ones(x.shape, dtype=bool)
            pre.append((x * side + y)[here])
            post.append(((x + dx) % side * side + (y + dy) % side)[here])
    return _weights(np.concatenate(post), np.concatenate(pre), side**2, rng, spread)


def layered_ring(layers: int, width: int, rng: np.random.Generator, spread: float = 2.0) -> sparse.csr_array:
    """Layers that feed the next one, the last one the first; 19 synapses a neuron."""
    n = layers * width
    pre = np.repeat(np.arange(n), 19)
    post = ((pre // width + 1) % layers) * width + rng.integers(0, width, pre.size)
    return _weights(post, pre, n, rng, spread)


def ring(n: int, rng: np.random.Generator, spread: float = 2.0, reach: int = 20) -> sparse.csr_array:
    """A one-dimensional ring; 15 synapses a neuron, to others within reach."""
    pre = np.repeat(np.arange(n), 15)
    offset = rng.integers(1, reach + 1, pre.size) * rng.choice([-1, 1], pre.size)
    offset[::15] = 1
    return _weights((pre + offset) % n, pre, n, rng, spread)


def modules(
    n: int, rng: np.random.Generator, spread: float = 2.0, size: int = 100, weak: float = 1e-2
) -> sparse.csr_array:
    """Random modules, with a ring of weak links in both directions between neighbours; 18 synapses a neuron."""
    pre = np.repeat(np.arange(n), 18)
    post = pre // size * size + rng.integers(0, size, pre.size)
    starts = np.arange(0, n, size)
    links = [(starts + rng.integers(0, size, starts.size), (starts + step * size) % n) for step in (-1, 1)]
    weak_post, weak_pre = (np.concatenate(ends) for ends in zip(*links, strict=True))
    strength = np.concatenate([np.ones(pre.size), np.full(weak_pre.size, weak)])
    return _weights(np.append(post, weak_post), np.append(pre, weak_pre), n, rng, spread, strength)


def scale_free(
    n: int, synapses: int, rng: np.random.Generator, spread: float = 2.0, exponent: float = 2.3
) -> sparse.csr_array:
    """In- and out-degrees with power-law tails, independent of each other; every neuron lies on a cycle through all."""
    ends = []
    for _ in range(2):
        propensity = rng.pareto(exponent - 1, n) + 1
        propensity = np.minimum(propensity, propensity.sum() / 300)  # no hub has more than a 300th of all synapses
        ends.append(_drawn(np.cumsum(propensity), rng.random(synapses)))
    post, pre = ends
    post[:n], pre[:n] = np.roll(np.arange(n), 1), np.arange(n)
    return _weights(post, pre, n, rng, spread)


def connectome(n: int, synapses: int, rng: np.random.Generator, spread: float = 2.0) -> sparse.csr_array:
    """Like the table of a fly's brain: log-normal degrees, 80 % of synapses local, heavy-tailed counts from 5 on."""
    post, pre, count = connectome_edges(n, synapses, rng)
    h = rng.normal(0.0, spread, n)
    weight = count * rng.choice([-1.0, 1.0], count.size) * np.exp(h[post] - h[pre])
    matrix = sparse.coo_array((weight, (post, pre)), shape=(n, n)).tocsr()
    matrix.eliminate_zeros()
    return matrix


def connectome_edges(n: int, synapses: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Postsynaptic and presynaptic neurons and counts of synapses of a `connectome`, without self-connections."""
    sending, receiving = (np.cumsum(rng.lognormal(0.0, 1.0, n)) for _ in range(2))
    pre = _drawn(sending, rng.random(synapses))
    # Local targets are drawn near by in the order of neurons, so that hubs are hubs there, too.
    jump = rng.choice([-1, 1], synapses) * (rng.pareto(1.2, synapses) + 0.02) * 3e-3
    local = rng.random(synapses) < 0.8
    place = receiving[pre] / receiving[-1] + np.where(local, jump, rng.random(synapses))
    post = _drawn(receiving, place % 1.0)
    count = np.floor(5 * (rng.pareto(1.6, synapses) + 1))
    between = post != pre
    return post[between], pre[between], count[between]


def _drawn(cumulated: Array, place: Array) -> Array:
    """The neurons at these places (between 0 and 1) of a cumulated propensity."""
    neurons: Array = np.minimum(np.searchsorted(cumulated / cumulated[-1], place), cumulated.size - 1)
    return neurons


def _weights(
    post: Array, pre: Array, n: int, rng: np.random.Generator, spread: float, strength: float | Array = 1.0
) -> sparse.csr_array:
    """Log-normal weights with random signs on these synapses, seen through random scales of the neurons."""
    h = rng.normal(0.0, spread, n)
    weight = strength * rng.lognormal(0.0, 0.5, post.size) * rng.choice([-1.0, 1.0], post.size)
    weight *= np.exp(h[post] - h[pre])
    matrix = sparse.coo_array((weight, (post, pre)), shape=(n, n)).tocsr()
    matrix.eliminate_zeros()
    return matrix
