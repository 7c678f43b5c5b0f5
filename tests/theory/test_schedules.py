"""Whatever the order in which neurons are balanced, the limit is the same (Baldi et al. 2024, main theorem).

The autoencoder of the paper has layers 784-200-100-50-100-200-784; here it is also scaled down to ten in a hundred.
The schedules are written out in numpy; `balance` says where they must end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray
Layers: TypeAlias = list[Array]
Schedule: TypeAlias = Callable[[np.random.Generator, list[int]], Iterator[tuple[int, Array]]]

FULL = (784, 200, 100, 50, 100, 200, 784)
SMALL = (78, 20, 10, 5, 10, 20, 78)
ROUNDS = {0.5: 180, 1.0: 100, 1.7: 100}  # by θ: over-relaxed steps are faster, as in linear algebra


def autoencoder(sizes: tuple[int, ...], rng: np.random.Generator) -> Layers:
    """Random weights (post, pre), each layer of another size and each unit with a scale of its own."""
    return [
        rng.normal(size=(post, pre)) / np.sqrt(pre) * rng.lognormal(0, 0.5, (post, 1)) * rng.lognormal(0, 1)
        for pre, post in pairwise(sizes)
    ]


def solved(layers: Layers, p: float = 2.0, tol: float = 1e-12) -> nb.Balance:
    circuit = nb.Circuit()
    sizes = [layers[0].shape[1], *(len(layer) for layer in layers)]
    for k, size in enumerate(sizes):
        circuit.add(f"L{k}", size, pinned=k in (0, len(layers)))
    for k, layer in enumerate(layers):
        circuit.connect(f"L{k}", f"L{k + 1}", layer)
    return nb.balance(circuit, cost=nb.Power(p), tol=tol)


def regularizer(layers: Layers, p: float) -> float:
    return float(sum(np.sum(np.abs(layer) ** p) for layer in layers))


def balance_units(layers: Layers, k: int, units: Array, p: float, theta: float) -> None:
    """In place: units of hidden layer k (behind weights k) take the step λ*^θ. They are not connected."""
    into, out = layers[k][units], layers[k + 1][:, units]
    scale = (np.sum(np.abs(out) ** p, axis=0) / np.sum(np.abs(into) ** p, axis=1)) ** (theta / (2 * p))
    layers[k][units] *= scale[:, None]
    layers[k + 1][:, units] /= scale


def forwards(rng: np.random.Generator, hidden: list[int]) -> Iterator[tuple[int, Array]]:
    """Unit after unit, from the first layer to the last."""
    yield from ((k, np.array([i])) for k, size in enumerate(hidden) for i in range(size))


def backwards(rng: np.random.Generator, hidden: list[int]) -> Iterator[tuple[int, Array]]:
    yield from reversed(list(forwards(rng, hidden)))


def by_layer(rng: np.random.Generator, hidden: list[int]) -> Iterator[tuple[int, Array]]:
    """All units of a layer at once, layer after layer."""
    yield from ((k, np.arange(size)) for k, size in enumerate(hidden))


def at_random(rng: np.random.Generator, hidden: list[int]) -> Iterator[tuple[int, Array]]:
    """Any unit at any time, drawn with replacement."""
    visits = list(forwards(rng, hidden))
    yield from (visits[one] for one in rng.integers(0, len(visits), len(visits)))


def some_of_a_layer(rng: np.random.Generator, hidden: list[int]) -> Iterator[tuple[int, Array]]:
    """Random parts of random layers."""
    for k in rng.integers(0, len(hidden), 2 * len(hidden)):
        yield int(k), np.flatnonzero(rng.random(hidden[k]) < 0.5)


SCHEDULES: dict[str, Schedule] = {
    "forwards": forwards,
    "backwards": backwards,
    "by layer": by_layer,
    "at random": at_random,
    "some of a layer": some_of_a_layer,
}


def run(layers: Layers, schedule: Schedule, rounds: int, p: float, theta: float) -> tuple[Layers, Array]:
    """The weights after so many rounds of a schedule, and R after each visit."""
    layers, rng = [layer.copy() for layer in layers], np.random.default_rng(0)
    hidden = [len(layer) for layer in layers[:-1]]
    cost = [regularizer(layers, p)]
    for _ in range(rounds):
        for k, units in schedule(rng, hidden):
            balance_units(layers, k, units, p, theta)
        cost.append(regularizer(layers, p))
    return layers, np.array(cost)


def distance(one: Layers, other: Layers) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("theta", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_and_partial_steps_have_one_limit(name: str, theta: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, main theorem and its remarks on schedules and favorable scalings (checks 32 and 33)."""
    layers = autoencoder(SMALL, rng)
    target = list(solved(layers).weights.values())
    assert distance(layers, target) > 0.1
    end, cost = run(layers, SCHEDULES[name], ROUNDS[theta], 2.0, theta)
    assert distance(end, target) < 1e-6
    assert np.all(np.diff(cost) <= 1e-13 * cost[0]) and cost[-1] < 0.95 * cost[0]


@pytest.mark.parametrize("p", [0.5, 1.0, 3.0])
def test_other_powers_have_one_limit_each(p: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, all L_p (checks 32 and 33)."""
    layers = autoencoder(SMALL, rng)
    target = list(solved(layers, p).weights.values())
    for schedule in (forwards, at_random):
        assert distance(run(layers, schedule, 120, p, 1.0)[0], target) < 1e-6 * max(np.abs(w).max() for w in target)


def test_a_thousand_random_schedules_have_one_limit(rng: np.random.Generator) -> None:
    """Baldi et al. 2024, stochastic balancing repeated 1,000 times from the same weights (check 32).

    All runs go on side by side, each with an order of its own, on squared scales.
    """
    sizes, runs = (12, 8, 6, 4, 6, 8, 12), 1000
    layers = autoencoder(sizes, rng)
    starts = np.cumsum([0, *sizes])
    n, hidden = starts[-1], np.arange(sizes[0], starts[-2])
    matrix = np.zeros((n, n))
    for k, layer in enumerate(layers):
        matrix[starts[k + 1] : starts[k + 2], starts[k] : starts[k + 1]] = layer
    squares, transposed = matrix**2, (matrix**2).T.copy()
    s, t = np.ones((runs, n)), np.ones((runs, n))  # e^(2h), e^(-2h)
    everyone, costs = np.arange(runs), []
    for step in range(140 * hidden.size):
        unit = rng.choice(hidden, runs)
        incoming = np.einsum("rj,rj->r", squares[unit], t)
        outgoing = np.einsum("rj,rj->r", transposed[unit], s)
        s[everyone, unit] = np.sqrt(outgoing / incoming)
        t[everyone, unit] = 1 / s[everyone, unit]
        if step % hidden.size == 0:
            costs.append(np.einsum("ri,ri->r", s @ squares, t))
    target = nb.balance(matrix, pinned=np.setdiff1d(np.arange(n), hidden), tol=1e-13)
    ends = matrix * np.sqrt(s[:, :, None] * t[:, None])
    assert np.abs(ends - target.weights).max() < 1e-6
    assert np.all(np.diff(costs, axis=0) <= 1e-13 * costs[0])


@pytest.mark.parametrize(("schedule", "rounds"), [(forwards, 50), (some_of_a_layer, 120)])
def test_the_autoencoder_in_full_size(schedule: Schedule, rounds: int, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, layers 784-200-100-50-100-200-784, random weights (check 32); output unchanged."""
    layers = autoencoder(FULL, rng)
    result = solved(layers)
    end, _ = run(layers, schedule, rounds, 2.0, 1.0)
    assert result.success and distance(end, list(result.weights.values())) < 1e-6
    x = rng.normal(size=(784, 20))
    before, after = x, x
    for k, (one, other) in enumerate(zip(layers, end, strict=True)):
        before, after = one @ before, other @ after
        if k < len(layers) - 1:
            before, after = np.maximum(before, 0), np.maximum(after, 0)
    assert np.abs(after - before).max() <= 1e-11 * np.abs(before).max()
