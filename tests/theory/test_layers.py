"""Layered networks: costs of layers at balance, one λ a layer, and biases (Baldi et al. 2024)."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray
POWERS = [0.5, 1.0, 2.0, 3.0]


def layered(weights: list[Array], biases: list[Array] | None = None, tied: bool = False) -> nb.Circuit:
    """Layers L0 (pinned), L1, ..., the last one pinned; ``biases`` for all layers but L0."""
    circuit = nb.Circuit()
    circuit.add("L0", weights[0].shape[1], pinned=True)
    for k, layer in enumerate(weights):
        last = k == len(weights) - 1
        bias = None if biases is None else biases[k]
        circuit.add(f"L{k + 1}", len(layer), pinned=last, tied=True if tied and not last else None, bias=bias)
        circuit.connect(f"L{k}", f"L{k + 1}", layer)
    return circuit


def random_layers(sizes: list[int], rng: np.random.Generator) -> list[Array]:
    return [rng.normal(size=(post, pre)) * rng.lognormal(0, 1) for pre, post in pairwise(sizes)]


def costs(result: nb.Balance, p: float) -> Array:
    return np.array([np.sum(np.abs(w) ** p) for name, w in result.weights.items() if "->" in name])


@pytest.mark.parametrize("p", POWERS)
def test_all_layers_cost_the_same_at_balance(p: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024: what comes into a layer goes out of it, so that all |W_k|_p are equal (check 34)."""
    layers = random_layers([6, 9, 5, 8, 4], rng)
    result = nb.balance(layered(layers), cost=nb.Power(p), tol=1e-13)
    before = np.array([np.sum(np.abs(w) ** p) for w in layers])
    assert np.ptp(np.log(before)) > 0.5
    assert np.allclose(costs(result, p), result.cost / 4, rtol=1e-11)


def test_costed_biases_break_the_equality_of_layers(rng: np.random.Generator) -> None:
    """The condition: a bias has no presynaptic layer, so that its cost lifts the layers behind it (check 34)."""
    layers = random_layers([6, 9, 5, 4], rng)
    circuit = layered(layers, [rng.normal(size=len(w)) for w in layers])
    names = [name for name in circuit.projections if name != "L3.bias"]
    result = nb.balance(circuit, cost=dict.fromkeys(names, nb.Power(2)), tol=1e-13)
    layer = costs(result, 2.0)
    bias = np.array([np.sum(result.weights[f"L{k}.bias"] ** 2) for k in (1, 2)])
    assert np.allclose(layer[:-1] + bias, layer[1:], rtol=1e-10) and np.all(bias > 1e-3 * layer[:-1])


@pytest.mark.parametrize("p", POWERS)
def test_one_scale_a_layer_has_a_closed_form(p: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, tied layers: every layer's cost becomes the geometric mean of all (check 34)."""
    layers = random_layers([6, 9, 5, 8, 4], rng)
    before = np.array([np.sum(np.abs(w) ** p) for w in layers])
    mean = np.exp(np.mean(np.log(before)))
    result = nb.balance(layered(layers, tied=True), cost=nb.Power(p), tol=1e-13)
    assert np.allclose(costs(result, p), mean, rtol=1e-12)
    assert result.cost == pytest.approx(4 * mean, rel=1e-12)
    # λ of layer k: the layers up to k have been multiplied by (mean / cost)^(1/p) in turn.
    expected = np.cumsum(np.log(mean / before) / p)[:-1]
    assert np.allclose([np.log(result.scale[f"L{k}"][0]) for k in (1, 2, 3)], expected, atol=1e-11)
    assert result.cost >= nb.balance(layered(layers), cost=nb.Power(p)).cost


# ----------------------------------------------------------------------------------------------------------- biases


def fresh(sizes: list[int], rng: np.random.Generator) -> tuple[list[Array], list[Array]]:
    """Weights and biases as PyTorch starts them: U(±1/√n_pre)."""
    pairs = list(pairwise(sizes))
    weights = [rng.uniform(-1, 1, (post, pre)) / np.sqrt(pre) for pre, post in pairs]
    return weights, [rng.uniform(-1, 1, post) / np.sqrt(pre) for pre, post in pairs]


def output(weights: list[Array], biases: list[Array], x: Array) -> Array:
    for k, (layer, bias) in enumerate(zip(weights, biases, strict=True)):
        x = layer @ x + bias[:, None]
        x = np.maximum(x, 0) if k < len(weights) - 1 else x
    return x


def change(sizes: list[int], p: float, rng: np.random.Generator) -> tuple[float, float]:
    """Relative change of the output when biases are scaled along, and when they are not."""
    weights, biases = fresh(sizes, rng)
    result = nb.balance(layered(weights, biases), cost=nb.Power(p))
    after = [result.weights[f"L{k}->L{k + 1}"] for k in range(len(weights))]
    along = [result.weights[f"L{k + 1}.bias"] for k in range(len(weights))]
    x = rng.normal(size=(sizes[0], 100))
    before = output(weights, biases, x)
    return tuple(float(np.linalg.norm(output(after, b, x) - before) / np.linalg.norm(before)) for b in (along, biases))


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_biases_are_incoming_weights(p: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024: scaled along, the output stays; left as they are (as in the authors' code) it changes, the
    more the deeper the network (check 31)."""
    nets = ([784, 256, 10], [784, 256, 128, 10], [784, 512, 256, 128, 64, 10])
    scaled, skipped = zip(*(change(sizes, p, rng) for sizes in nets), strict=True)
    # Sums of up to 784 terms in whatever order, in five layers: n ε/2 each at worst.
    assert max(scaled) <= 5 * 784 * np.finfo(float).eps / 2
    assert skipped[0] > 0.01 and skipped[0] < skipped[1] < skipped[2]
    assert skipped[2] > (1.0 if p == 1 else 0.3)
