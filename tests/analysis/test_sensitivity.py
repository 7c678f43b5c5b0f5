"""Sensitivity to noise: Jacobians of simulated ReLU networks against the formula, before and after balancing."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network
from scipy import sparse

import neurobal as nb
from neurobal.analysis import sensitivity


def simulate(weights: np.ndarray, inputs: np.ndarray, start: np.ndarray, leak: float = 0.0) -> np.ndarray:
    """States of dx/dt = -x + J φ(x) + u at every Euler step, φ the (leaky) rectified-linear function."""
    x, states = start.copy(), []
    for u in inputs:
        x = x + 0.05 * (-x + weights @ np.where(x > 0, x, leak * x) + u)
        states.append(x)
    return np.array(states)


def network(rng: np.random.Generator, n: int = 14) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recurrent weights with connections of units to themselves, slow input, and a start."""
    h = rng.normal(0, 0.7, n)
    weights = rng.normal(0, 0.7 / np.sqrt(n), (n, n)) * np.exp(h[:, None] - h)
    time = 0.05 * np.arange(1500)[:, None]
    inputs = np.sin(time * rng.uniform(0.1, 0.5, n) + rng.uniform(0, 6, n)) * np.exp(h)
    return weights, inputs, rng.normal(size=n) * np.exp(h)


def mean_squared_jacobian(weights: np.ndarray, states: np.ndarray, leak: float = 0.0, step: float = 1e-7) -> float:
    """⟨‖dF/dx‖²⟩ over states, column by column, by finite differences of the velocity."""

    def velocity(x: np.ndarray) -> np.ndarray:
        return -x + np.where(x > 0, x, leak * x) @ weights.T

    total = 0.0
    for j in range(len(weights)):
        moved = states.copy()
        moved[:, j] += step
        total += np.mean(np.sum(((velocity(moved) - velocity(states)) / step) ** 2, axis=1))
    return total


@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_jacobians_of_a_simulation_before_and_after(rng, leak):
    weights, inputs, start = network(rng)
    before = simulate(weights, inputs, start, leak)
    slope = np.where(before > 0, 1.0, leak)
    gains, slopes = (slope**2).mean(axis=0), slope.mean(axis=0)
    result = nb.balance(weights, cost=nb.Robustness(gains), tol=1e-12)
    after = simulate(result.weights, inputs * result.scale, start * result.scale, leak)
    assert np.allclose(after, before * result.scale, rtol=1e-9, atol=1e-9)  # the same function

    formula = [sensitivity(w, gains, slopes=slopes) for w in (weights, result.weights)]
    measured = [mean_squared_jacobian(w, x, leak) for w, x in ((weights, before), (result.weights, after))]
    assert measured == pytest.approx(formula, rel=1e-4)  # states at a kink within the step
    saved = result.cost_before - result.cost
    assert saved > 0.2 * result.cost_before
    assert formula[0] - formula[1] == pytest.approx(saved, rel=1e-10)
    assert measured[0] - measured[1] == pytest.approx(saved, rel=1e-3)


def test_small_noise_moves_the_velocity_by_that_much(rng):
    """Monte Carlo: random displacements of all units at once, in the mean square."""
    weights, inputs, start = network(rng)
    states = simulate(weights, inputs, start)[rng.integers(200, 1500, 40_000)]
    active = (states > 0).mean(axis=0)
    size = 1e-6
    moved = states + size * rng.normal(size=states.shape)
    change = -(moved - states) + (np.maximum(moved, 0) - np.maximum(states, 0)) @ weights.T
    measured = np.mean(np.sum(change**2, axis=1)) / size**2
    assert measured == pytest.approx(sensitivity(weights, active, slopes=active), rel=0.03)


def test_no_rescaling_is_less_sensitive(rng):
    weights, gains = rng.normal(size=(6, 6)), rng.uniform(0.1, 1, 6)
    least = sensitivity(nb.balance(weights, cost=nb.Robustness(gains)).weights, gains, slopes=gains)
    for _ in range(300):
        h = rng.normal(0, rng.choice([0.1, 1.0]), 6)
        assert sensitivity(weights * np.exp(h[:, None] - h), gains, slopes=gains) >= least


def test_containers(rng):
    weights = rng.normal(size=(6, 6)) * (rng.random((6, 6)) < 0.5)
    np.fill_diagonal(weights, 0)
    gains = rng.random(6)
    by_hand = 6 + np.sum(weights**2 * gains)
    assert sensitivity(weights, gains) == pytest.approx(by_hand)
    assert sensitivity(sparse.csc_array(weights), gains) == pytest.approx(by_hand)
    assert sensitivity(weights.astype(np.float32), gains) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gains": np.ones(4)}, "4 units have connections to themselves; give slopes"),
        ({"gains": 0.5}, r"gains: expected an array of shape \(4,\), got a number"),
        ({"gains": [1, 1, np.nan, 1]}, "gains: entry 2 is nan"),
        ({"gains": {"neurons": 1}}, "gains: expected real numbers, got dict"),
        ({"gains": np.ones(4), "slopes": [1, 1, 1, np.nan]}, "slopes: entry 3 is nan"),
        ({"gains": np.ones(4), "slopes": np.ones(3)}, r"slopes: expected an array of shape \(4,\), got .* \(3,\)"),
        ({"gains": -np.ones(4)}, "numbers >= 0"),
        ({"gains": np.full(4, 0.5), "slopes": np.full(4, 0.9)}, "unit 0 has mean slope 0.9"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(nb.InvalidInputError, match=message):
        sensitivity(np.ones((4, 4)), **arguments)


@pytest.mark.parametrize("weights", [nb.Circuit(), Network(), None], ids=["circuit", "network", "nothing"])
def test_only_matrices(weights):
    with pytest.raises(nb.InvalidInputError, match=r"sensitivity: expected a \(post, pre\) matrix .* got "):
        sensitivity(weights, np.ones(2))


def test_stored_zeros_are_no_connections():
    """A sparse matrix may store zeros on its diagonal: no slopes are needed for them."""
    weights = sparse.csr_array(([0.0, 2.0, 3.0], ([0, 0, 1], [0, 1, 0])), shape=(2, 2))
    assert sensitivity(weights, [0.5, 0.25]) == pytest.approx(2 + 0.25 * 4 + 0.5 * 9)
