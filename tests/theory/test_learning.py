"""What gradient descent does to balance, with a regulariser and without (Baldi et al. 2024).

A network with one hidden layer of ReLU and squared error, in plain numpy. The imbalance of a hidden unit is
``D = Σ_in w² - Σ_out w²``, its bias counted as an incoming weight. Under gradient flow on ``E + (wd/2) |W|²`` it obeys
``dD/dt = -2 wd D``, whatever the data.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray
Weights: TypeAlias = tuple[Array, Array]  # (hidden, in + 1) with the bias last, (out, hidden)

HIDDEN = 12


def data(rng: np.random.Generator) -> tuple[Array, Array]:
    """Inputs with a constant 1, and the outputs of a small teacher."""
    x = np.vstack([rng.normal(size=(4, 60)), np.ones(60)])
    return x, rng.normal(size=(2, 3)) @ np.maximum(rng.normal(size=(3, 5)) @ x, 0) / 3


def initial(rng: np.random.Generator) -> Weights:
    return rng.normal(size=(HIDDEN, 5)), 0.3 * rng.normal(size=(2, HIDDEN))


def error(weights: Weights, x: Array, y: Array) -> float:
    return float(np.mean(np.sum((weights[1] @ np.maximum(weights[0] @ x, 0) - y) ** 2, axis=0)) / 2)


def step(weights: Weights, x: Array, y: Array, rate: float, decay: float) -> Weights:
    """One step of gradient descent on E + (decay/2) |W|²."""
    w, v = weights
    hidden = np.maximum(w @ x, 0)
    wrong = (v @ hidden - y) / x.shape[1]
    back = (v.T @ wrong) * (hidden > 0)
    return w - rate * (back @ x.T + decay * w), v - rate * (wrong @ hidden.T + decay * v)


def trained(weights: Weights, x: Array, y: Array, rate: float, time: float, decay: float = 0.0) -> Weights:
    for _ in range(round(time / rate)):
        weights = step(weights, x, y, rate, decay)
    return weights


def imbalance(weights: Weights) -> Array:
    w, v = weights
    return np.sum(w**2, axis=1) - np.sum(v**2, axis=0)


def deficit(weights: Weights) -> float:
    """The paper's balance deficit: Σ (Σ_in w² - Σ_out w²)²."""
    return float(np.sum(imbalance(weights) ** 2))


def balanced(weights: Weights) -> Weights:
    """By `balance`, with costed biases."""
    circuit = nb.Circuit()
    circuit.add("in", 4, pinned=True)
    circuit.add("hidden", HIDDEN, bias=weights[0][:, 4])
    circuit.add("out", 2, pinned=True)
    circuit.connect("in", "hidden", weights[0][:, :4])
    circuit.connect("hidden", "out", weights[1])
    names = ("in->hidden", "hidden.bias", "hidden->out")
    result = nb.balance(circuit, cost=dict.fromkeys(names, nb.Power(2)), tol=1e-14)
    into, bias, out = (result.weights[name] for name in names)
    return np.column_stack([into, bias]), out


def test_the_gradient_is_that_of_the_error(rng: np.random.Generator) -> None:
    (x, y), weights, h = data(rng), initial(rng), 1e-6
    after = step(weights, x, y, 1.0, 0.7)
    for k, (post, pre) in ((0, (3, 4)), (0, (5, 1)), (1, (1, 6))):
        costs = []
        for sign in (1, -1):
            moved = (weights[0].copy(), weights[1].copy())
            moved[k][post, pre] += sign * h
            costs.append(error(moved, x, y) + 0.35 * sum(np.sum(w**2) for w in moved))
        assert (weights[k] - after[k])[post, pre] == pytest.approx((costs[0] - costs[1]) / (2 * h), rel=1e-6)


def test_without_regulariser_slow_descent_keeps_every_imbalance(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: E alone does not lead to balance (check 40). The change is of first order in the rate."""
    (x, y), weights = data(rng), initial(rng)
    before = imbalance(weights)
    change = [np.abs(imbalance(trained(weights, x, y, rate, 2.0)) - before).max() for rate in (2e-3, 1e-3)]
    assert change[0] / change[1] == pytest.approx(2, rel=0.05)
    assert change[1] < 2e-3 * np.abs(before).max()
    assert error(trained(weights, x, y, 1e-3, 2.0), x, y) < 0.5 * error(weights, x, y)


def test_fast_descent_leaves_balance(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: started from balance, the deficit stays small at a small learning rate, not at a large one
    (check 40)."""
    x, y = data(rng)
    weights = balanced(initial(rng))
    assert deficit(weights) < 1e-20
    slow, fast = (deficit(trained(weights, x, y, rate, 20.0)) for rate in (1e-3, 0.3))
    assert slow < 1e-5 and fast > 1e-3 and fast > 1000 * slow


@pytest.mark.parametrize("decay", [0.1, 1.0])
def test_with_a_regulariser_the_imbalance_decays_exponentially(decay: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024: E + R leads to balance (check 41); each unit by exp(-2 wd t)."""
    (x, y), weights = data(rng), initial(rng)
    before = imbalance(weights)
    after = imbalance(trained(weights, x, y, 5e-4, 1 / decay, decay))
    assert np.allclose(after, np.exp(-2) * before, atol=5e-3 * np.abs(before).max())
    assert np.sum(after**2) / np.sum(before**2) == pytest.approx(np.exp(-4), rel=0.01)


def test_with_a_regulariser_training_ends_in_balance(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: at a minimum of E + R every unit is balanced (check 41)."""
    (x, y), weights = data(rng), initial(rng)
    end = trained(weights, x, y, 0.05, 600.0, 0.03)
    assert deficit(end) < 1e-12 * deficit(weights)
    assert np.linalg.norm(end[0]) > 0.1 and error(end, x, y) < error(weights, x, y)


def test_the_deficit_tells_the_time_not_the_error(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: balance as a measure of learning progress. Under slow descent the deficit is the same clock
    for a task that is learned and for targets of pure noise (checks 40 and 41)."""
    (x, y), weights = data(rng), initial(rng)
    noise = rng.permuted(y, axis=1) * 3
    learned, failed = (trained(weights, x, target, 5e-4, 5.0, 0.1) for target in (y, noise))
    assert deficit(learned) == pytest.approx(deficit(failed), rel=0.02)
    assert deficit(learned) / deficit(weights) == pytest.approx(np.exp(-4 * 0.1 * 5), rel=0.02)
    assert error(failed, x, noise) / error(weights, x, noise) > 5 * error(learned, x, y) / error(weights, x, y)


def balancing_step(weights: Weights, theta: float) -> Weights:
    """Every hidden unit by λ*^θ at once: hidden units of one layer are not connected, so that they do not interfere."""
    w, v = weights
    scale = (np.sum(v**2, axis=0) / np.sum(w**2, axis=1)) ** (theta / 4)
    return w * scale[:, None], v / scale


def course(weights: Weights, x: Array, y: Array, theta: float) -> tuple[Array, float, Weights]:
    """4,000 steps of descent at rate 0.02, each followed by one of balancing: the error after each, by how much of
    itself balancing changed it at most, and the weights at the end."""
    errors, change = [], 0.0
    for _ in range(4000):
        weights = step(weights, x, y, 0.02, 0.0)
        before = error(weights, x, y)
        if theta:
            weights = balancing_step(weights, theta)
        errors.append(error(weights, x, y))
        change = max(change, abs(errors[-1] - before) / before)
    return np.array(errors), change, weights


def test_balancing_while_learning_keeps_the_loss_at_each_step_and_changes_the_course(rng: np.random.Generator) -> None:
    """Stock et al. 2022, learning and balancing in turns (check 22). No balancing step changes the error, and without
    any regulariser training ends in balance. But descent is not invariant to scales: from other weights with the same
    function it takes another way."""
    (x, y), weights = data(rng), initial(rng)
    assert balancing_step(weights, 1.0)[0] == pytest.approx(balanced(weights)[0], rel=1e-9)
    alone, _, unbalanced = course(weights, x, y, 0.0)
    assert deficit(unbalanced) > 100
    for theta in (0.1, 1.0):
        errors, change, end = course(weights, x, y, theta)
        assert change < 1e-13
        assert deficit(end) < 1e-12 * deficit(unbalanced)
        assert errors[50] > 1.2 * alone[50]  # slower at first
        assert errors[-1] < 0.8 * alone[-1]  # and lower in the end, for this network and rate
