"""Networks by property, as hypothesis strategies: hidden scales, pins, ties, exponents and multi-synapses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st
from oracle import Oracle

import neurobal as nb
from benchmarks import graphs as families

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """One population of neurons, its synapses as lists, and its constraints. ``a`` and ``b`` are per neuron."""

    family: str
    size: int
    post: Array
    pre: Array
    weight: Array
    a: Array
    b: Array
    pinned: Array
    tied: Array

    def __repr__(self) -> str:
        marks = [name for name in ("pinned", "tied") if np.any(getattr(self, name) >= (name == "pinned"))]
        marks += [f"{name} != 1" for name in "ab" if np.any(getattr(self, name) != 1)]
        return f"<{self.family}: {self.size} neurons, {self.weight.size} synapses, {', '.join(marks) or 'plain'}>"

    def circuit(self, **options: object) -> nb.Circuit:
        """As a `Circuit` with population "cells" and projection "synapses"."""
        circuit = nb.Circuit()
        circuit.add("cells", self.size, homogeneity=self.b, pinned=self.pinned, tied=self.tied)
        circuit.connect(
            "cells", "cells", post_index=self.post, pre_index=self.pre, weight=self.weight,
            post_exponent=self.a, name="synapses", **options,
        )  # fmt: skip
        return circuit

    def oracle(self, p: float | list[float] = 2.0, alpha: object = 1.0, weight: Array | None = None) -> Oracle:
        """The dense oracle of this network, with other weights if given."""
        return Oracle.of(
            self.size, self.post, self.pre, self.weight if weight is None else weight,
            self.a[self.post], self.b[self.pre], p, alpha, self.pinned, self.tied,
        )  # fmt: skip

    def matrix(self) -> Array:
        """As a dense (post, pre) matrix; synapses between the same two neurons add up."""
        dense = np.zeros((self.size, self.size), dtype=self.weight.dtype)
        np.add.at(dense, (self.post, self.pre), self.weight)
        return dense

    def but(self, **changes: object) -> Case:
        return replace(self, **changes)


def from_matrix(family: str, matrix: Array) -> Case:
    """A case without any constraint."""
    post, pre = np.nonzero(matrix)
    ones, size = np.ones(len(matrix)), len(matrix)
    return Case(family, size, post, pre, matrix[post, pre], ones, ones, np.zeros(size, dtype=bool), np.full(size, -1))


def hidden(matrix: Array, rng: np.random.Generator, spread: float) -> Array:
    """The same network, seen through random scales of its neurons."""
    h = rng.normal(0.0, spread, len(matrix))
    return matrix * np.exp(h[:, None] - h)


def lognormal(shape: tuple[int, ...] | int, rng: np.random.Generator, sigma: float = 0.5) -> Array:
    return rng.lognormal(0.0, sigma, shape) * rng.choice([-1.0, 1.0], shape)


# ------------------------------------------------------------------------------------------------------ families
# Each makes a (post, pre) matrix from a generator; all of them are strongly connected, or fall into such parts.


def _random(rng: np.random.Generator) -> Array:
    n = int(rng.integers(4, 25))
    matrix = lognormal((n, n), rng) * (rng.random((n, n)) < 0.3)
    return hidden(matrix + np.roll(np.eye(n), 1, axis=0), rng, 1.5)


def _layered(rng: np.random.Generator) -> Array:
    layers, width = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    return families.layered_ring(layers, width, rng, spread=1.0).toarray()


def _sheet(rng: np.random.Generator) -> Array:
    return families.sheet(5, rng, spread=1.5).toarray()


def _modular(rng: np.random.Generator) -> Array:
    return families.modules(18, rng, spread=1.0, size=6, weak=0.1).toarray()


def _ring(rng: np.random.Generator) -> Array:
    return families.ring(int(rng.integers(8, 25)), rng, spread=1.0, reach=3).toarray()


def _dense(rng: np.random.Generator) -> Array:
    n = int(rng.integers(2, 13))
    return hidden(lognormal((n, n), rng, 1.0), rng, 2.0)


def _nearly_reducible(rng: np.random.Generator) -> Array:
    """Two dense halves; strong synapses lead from the first to the second, one weak one leads back."""
    half = int(rng.integers(2, 6))
    matrix = lognormal((2 * half, 2 * half), rng)
    matrix[:half, half:] = 0.0
    matrix[0, -1] = 10.0 ** -rng.integers(1, 4)
    return matrix


def _components(rng: np.random.Generator) -> Array:
    """Parts that do not know of each other, with weights of very different size."""
    scales = 10.0 ** rng.integers(-30, 31, 3)
    sizes = rng.integers(2, 6, 3)
    matrix = np.zeros((sizes.sum(), sizes.sum()))
    for scale, size, start in zip(scales, sizes, np.cumsum(sizes) - sizes, strict=True):
        inside = slice(start, start + size)
        matrix[inside, inside] = scale * hidden(lognormal((size, size), rng), rng, 1.0)
    order = rng.permutation(len(matrix))
    return matrix[np.ix_(order, order)]


FAMILIES = {
    "random": _random,
    "layered": _layered,
    "sheet": _sheet,
    "modular": _modular,
    "ring": _ring,
    "dense": _dense,
    "nearly reducible": _nearly_reducible,
    "components": _components,
}
# Where methods that visit one unit at a time, or follow the flow, arrive within a test's patience.
QUICK = ("random", "layered", "dense", "components")


def generators() -> st.SearchStrategy[np.random.Generator]:
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def plain(draw: st.DrawFn, families: tuple[str, ...] = tuple(FAMILIES)) -> Case:
    """A network with a balance for every synapse: a = b = 1, nothing pinned or tied."""
    family = draw(st.sampled_from(families))
    return from_matrix(family, FAMILIES[family](draw(generators())))


@st.composite
def constrained(draw: st.DrawFn, families: tuple[str, ...] = tuple(FAMILIES)) -> Case:
    """A network with pins, ties and multi-synapses, and still a balance for every synapse: a = b = 1."""
    case, rng = draw(plain(families)), draw(generators())
    if draw(st.booleans()):
        case = case.but(pinned=rng.random(case.size) < 0.2)
    if draw(st.booleans()):
        case = case.but(tied=rng.integers(-2, 3, case.size))
    if draw(st.booleans()):
        again = rng.random(case.weight.size) < 0.3
        case = case.but(
            post=np.append(case.post, case.post[again]),
            pre=np.append(case.pre, case.pre[again]),
            weight=np.append(case.weight, lognormal(int(again.sum()), rng) * np.abs(case.weight[again])),
        )
    return case


@st.composite
def anything(draw: st.DrawFn) -> Case:
    """A sparse network with any exponents, pins and ties: some of its synapses may have no balance, or all."""
    rng = draw(generators())
    n = draw(st.integers(2, 12))
    density = draw(st.sampled_from([0.1, 0.25, 0.6]))
    case = from_matrix("anything", hidden(lognormal((n, n), rng) * (rng.random((n, n)) < density), rng, 1.0))
    powers = draw(st.sampled_from([(1.0,), (1.0,), (2.0,), (0.5, 1.0), (0.0, 1.0), (0.5, 1.0, 2.0)]))
    case = case.but(b=rng.choice(powers, n))
    if draw(st.booleans()):
        case = case.but(a=rng.choice([1.0, 2.0], n))
    if draw(st.booleans()):
        case = case.but(pinned=rng.random(n) < 0.25)
    if draw(st.booleans()):
        case = case.but(tied=rng.integers(-3, 2, n))
    return case


@st.composite
def power_law(draw: st.DrawFn) -> Case:
    """Units of homogeneity 2 (or 1/2), recurrent, with pinned inputs (or readouts): every synapse has a balance.

    With b = 2 the inputs must make up for what the units send twice; with b = 1/2 the readouts take what is left over.
    """
    rng = draw(generators())
    n, ends = draw(st.integers(2, 10)), draw(st.integers(1, 3))
    b = draw(st.sampled_from([2.0, 0.5]))
    matrix = np.zeros((n + ends, n + ends))
    matrix[:n, :n] = lognormal((n, n), rng) * (rng.random((n, n)) < 0.4)
    matrix[np.arange(n), np.roll(np.arange(n), 1)] = lognormal(n, rng)
    if b == 2:
        matrix[:n, n:] = lognormal((n, ends), rng)
    else:
        matrix[n:, :n] = lognormal((ends, n), rng)
    case = from_matrix("power law", hidden(matrix, rng, 0.7))
    return case.but(b=np.full(case.size, b), pinned=np.arange(case.size) >= n)
