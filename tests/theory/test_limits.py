"""Where theory ends: powers from 1 to infinity, steps that are too long, and the flow run backwards."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from scipy.optimize import linprog

import neurobal as nb

Array: TypeAlias = np.ndarray


def moved(matrix: Array, h: Array) -> Array:
    return matrix * np.exp(h[:, None] - h)


def gradient(cost: Array) -> Array:
    """Incoming minus outgoing cost of each neuron."""
    return cost.sum(axis=1) - cost.sum(axis=0)


@pytest.fixture
def matrix(dense: Array) -> Array:
    np.fill_diagonal(dense, 0)
    return dense


# ----------------------------------------------------------------------------------------------------------- powers


def test_each_power_has_a_balance_of_its_own(matrix: Array) -> None:
    """Stock et al. 2022, Baldi et al. 2024: p = 1, 2, 3 (check 21); see rank one for the exception."""
    one, two, three = (nb.balance(matrix, cost=nb.Power(p)).scale for p in (1, 2, 3))
    assert np.abs(np.log(one / two)).max() > 0.1 and np.abs(np.log(two / three)).max() > 0.02


def largest_geometric_mean(matrix: Array) -> float:
    """The largest geometric mean of |weights| around a directed cycle: the least t with log|J_ij| + h_i - h_j <= t."""
    post, pre = np.nonzero(matrix)
    n, m = len(matrix), post.size
    rows = np.zeros((m, n + 1))
    rows[np.arange(m), post] = 1
    rows[np.arange(m), pre] -= 1
    rows[:, n] = -1
    answer = linprog(
        np.eye(n + 1)[n], A_ub=rows, b_ub=-np.log(np.abs(matrix[post, pre])), bounds=(None, None), method="highs"
    )
    assert answer.status == 0
    return float(np.exp(answer.fun))


def test_large_powers_balance_the_largest_weights(matrix: Array) -> None:
    """p -> ∞ (check 21): the largest incoming equals the largest outgoing weight of every neuron, as cross-layer
    equalisation of quantised networks asks, and the largest weight of all is the least that is possible."""
    gap, above = [], []
    for p in (2, 8, 32, 128, 512):
        weights = np.abs(nb.balance(matrix, cost=nb.Power(p), tol=1e-10).weights)
        gap.append(np.abs(np.log(weights.max(axis=1) / weights.max(axis=0))).max())
        above.append(np.log(weights.max() / largest_geometric_mean(matrix)))
        assert gap[-1] <= np.log(7) / p * (1 + 1e-6)  # a sum of 7 costs is at most 7 times the largest one
        assert -1e-9 <= above[-1] <= np.log(56) / p
    assert gap[0] > 0.05 and gap[-1] < 5e-3
    assert above[0] > 0.1 and above[-1] < 1e-2


def test_two_layers_are_equalised_as_quantisation_does(rng: np.random.Generator) -> None:
    """Cross-layer equalisation scales channel i by s = (r_out/r_in)^½, r the largest |weight|: p = ∞ (check 21)."""
    first, second = rng.normal(size=(6, 4)), 5 * rng.normal(size=(3, 6))
    circuit = nb.Circuit()
    for name, size, pinned in (("in", 4, True), ("hidden", 6, False), ("out", 3, True)):
        circuit.add(name, size, pinned=pinned)
    circuit.connect("in", "hidden", first)
    circuit.connect("hidden", "out", second)
    scale = nb.balance(circuit, cost=nb.Power(400)).scale["hidden"]
    equalised = np.sqrt(np.abs(second).max(axis=0) / np.abs(first).max(axis=1))
    assert np.abs(np.log(scale / equalised)).max() <= np.log(4) / 800 + 1e-9


# ---------------------------------------------------------------------------------------------------- Euler's limit


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_euler_steps_are_stable_below_two_over_p_times_the_stiffest_rate(matrix: Array, p: float) -> None:
    """Stock et al. 2022's flow in explicit steps: dt < 2/(p λ_max), λ_max of the Laplacian at balance (check 25)."""
    balanced = nb.balance(matrix, cost=nb.Power(p), tol=1e-14).weights
    symmetric = np.abs(balanced) ** p + np.abs(balanced.T) ** p
    values, modes = np.linalg.eigh(np.diag(symmetric.sum(axis=0)) - symmetric)
    limit = 2 / (p * values[-1])

    def growth(dt: float) -> float:
        """How much a small disturbance in the stiffest direction grows over 100 steps."""
        h = 1e-6 * modes[:, -1]
        for _ in range(100):
            h = h - dt * gradient(np.abs(moved(balanced, h)) ** p)
        return float(abs(modes[:, -1] @ h) / 1e-6)

    assert growth(0.99 * limit) == pytest.approx(0.98**100, rel=0.02)
    assert growth(1.01 * limit) == pytest.approx(1.02**100, rel=0.02)


def test_the_authors_default_step_is_too_long_for_large_costs(matrix: Array) -> None:
    """dt = 0.05 (rnnops) settles at a total cost of 30 and diverges at 100; in between it is the limit (check 25)."""

    def settled(total: float) -> tuple[float, float]:
        """The cost after 1000 steps from near balance, and the balanced one."""
        weights = nb.balance(matrix).weights * np.exp(np.linspace(0, 0.2, 8))
        weights *= np.sqrt(total / np.sum(weights**2))
        h = np.zeros(8)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(1000):
                h = h - 0.05 * gradient(moved(weights, h) ** 2)
            return float(np.sum(moved(weights, h) ** 2)), nb.balance(weights).cost

    cost, least = settled(30.0)
    assert cost == pytest.approx(least, rel=1e-9)
    assert not np.isfinite(settled(100.0)[0])


# ---------------------------------------------------------------------------------------------------- anti-balancing


def test_the_flow_backwards_costs_more_is_more_sensitive_and_computes_the_same(rng: np.random.Generator) -> None:
    """Stock et al. 2022, control with τ = -1 until the robustness cost doubles (check 23)."""
    n = 30
    matrix, drive = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(200, 2))
    into, bias, out = rng.normal(size=(n, 2)), 0.3 * rng.normal(size=n), rng.normal(size=(3, n))

    def run(h: Array) -> tuple[Array, Array, float]:
        """Outputs, activity, and the mean of |dF/dx|² for F = -x + J [x]_+ + ... along the run."""
        weights, x, outputs, active = moved(matrix, h), np.zeros(n), [], []
        for u in drive:
            x = x + 0.1 * (-x + weights @ np.maximum(x, 0) + np.exp(h) * (into @ u + bias))
            outputs.append((out / np.exp(h)) @ x)
            active.append(x > 0)
        sensitivity = np.mean([np.sum((weights * on - np.eye(n)) ** 2) for on in active])
        return np.array(outputs), np.mean(active, axis=0), float(sensitivity)

    before, gains, sensitivity = run(np.zeros(n))
    cost = np.sum(gains * matrix**2)
    h, now = np.zeros(n), cost
    while now < 2 * cost:
        h = h + 1e-3 * gradient(gains * moved(matrix, h) ** 2)
        after = np.sum(gains * moved(matrix, h) ** 2)
        assert after > now
        now = after
    anti, gains_after, sensitivity_after = run(h)
    assert np.abs(anti - before).max() <= 1e-12 * np.abs(before).max()
    assert np.array_equal(gains, gains_after)
    assert sensitivity_after - sensitivity == pytest.approx(now - cost, rel=1e-9)
    assert nb.verify(matrix, moved(matrix, h)).preserved
    assert nb.balance(moved(matrix, h), cost=nb.Robustness(gains)).cost < cost
