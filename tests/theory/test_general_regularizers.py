"""Regularisers beyond powers, ``R = Σ g(|w|)``: what the second paper's theorem needs, and where it ends.

With ``s = log|w|`` a rescaling adds ``h_i - h_j`` to s, so that R is convex in h, and its balance unique, where g(e^s)
is convex in s. Sums of powers are. So is log(1 + w²), the softplus of 2s; `balance` reaches it by reweighting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

import neurobal as nb

Array: TypeAlias = np.ndarray


def moved(matrix: Array, h: Array) -> Array:
    return matrix * np.exp(h[:, None] - h)


def brute_force(matrix: Array, g: Callable[[Array], Array], slope: Callable[[Array], Array], start: Array) -> Array:
    """The h (mean 0) that minimises Σ g(|w|); ``slope(w) = w g'(w)``."""

    def value_and_gradient(h: Array) -> tuple[float, Array]:
        now = np.abs(moved(matrix, h))
        steep = slope(now)
        return float(g(now).sum()), steep.sum(axis=1) - steep.sum(axis=0)

    answer = minimize(value_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-11, "maxiter": 5000})
    assert np.abs(answer.jac).max() < 1e-6
    return answer.x - answer.x.mean()


@pytest.fixture
def matrix(rng: np.random.Generator) -> Array:
    """Weights below, around and above 1, without self-connections."""
    weights = rng.normal(size=(7, 7)) * np.exp(rng.normal(0, 1, (7, 1)))
    np.fill_diagonal(weights, 0)
    return weights


def test_mixtures_of_powers_balance_w_times_the_slope(matrix: Array) -> None:
    """Baldi et al. 2024, α L2 + β L1: Σ_in w g'(w) = Σ_out w g'(w), by brute force and by `balance` (check 27)."""
    result = nb.balance(matrix, cost=0.3 * nb.Power(2) + 2 * nb.Power(1), tol=1e-13)
    w = np.abs(result.weights)
    steep = 0.6 * w**2 + 2 * w
    assert np.allclose(steep.sum(axis=1), steep.sum(axis=0), rtol=1e-9)
    assert np.abs(np.log(w.sum(axis=1) / w.sum(axis=0))).max() > 0.01  # neither part alone is balanced
    h = brute_force(matrix, lambda w: 0.3 * w**2 + 2 * w, lambda w: 0.6 * w**2 + 2 * w, np.zeros(7))
    assert np.allclose(np.log(result.scale), h, atol=1e-6)


def test_the_best_scale_of_a_mixture_solves_the_papers_equation(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: λ² Σ_in w g'(λw) = Σ_out w g'(w/λ), one neuron, g = α w² + β|w| (check 27)."""
    into, out, alpha, beta = np.abs(rng.normal(size=4)), 3 * np.abs(rng.normal(size=3)), 0.7, 0.2
    circuit = nb.Circuit()
    for name, size in (("in", 4), ("unit", 1), ("out", 3)):
        circuit.add(name, size, pinned=name != "unit")
    circuit.connect("in", "unit", into[None])
    circuit.connect("unit", "out", out[:, None])
    scale = nb.balance(circuit, cost=alpha * nb.Power(2) + beta * nb.Power(1), tol=1e-14).scale["unit"][0]

    def slope(w: Array) -> Array:
        return 2 * alpha * w + beta

    assert scale**2 * np.sum(into * slope(scale * into)) == pytest.approx(np.sum(out * slope(out / scale)), rel=1e-10)


# ------------------------------------------------------------------------------------------------------- log(1 + w²)


def logarithmic(w: Array) -> Array:
    return np.log1p(w**2)


def logarithmic_slope(w: Array) -> Array:
    return 2 * w**2 / (1 + w**2)


def test_the_logarithm_is_convex_in_log_weights() -> None:
    """log(1 + e^(2s)) has second derivative 4 σ(2s) (1 - σ(2s)) > 0, which vanishes for large weights (check 27)."""
    s = np.linspace(-4, 4, 801)
    step = s[1] - s[0]
    second = np.diff(logarithmic(np.exp(s)), 2) / step**2
    sigma = 1 / (1 + np.exp(-2 * s[1:-1]))
    assert np.all(second > 0) and np.allclose(second, 4 * sigma * (1 - sigma), atol=1e-4)
    assert second[-1] < 2e-3


def test_the_logarithm_has_one_balance(matrix: Array, rng: np.random.Generator) -> None:
    """Any start ends in the same weights, where Σ_in w²/(1+w²) = Σ_out w²/(1+w²): large weights are counted rather
    than measured (check 27)."""
    ends = [brute_force(matrix, logarithmic, logarithmic_slope, rng.normal(0, 2, 7)) for _ in range(8)]
    assert np.ptp(ends, axis=0).max() < 1e-5
    shares = moved(matrix, ends[0]) ** 2
    shares /= 1 + shares
    assert np.allclose(shares.sum(axis=1), shares.sum(axis=0), rtol=1e-6)
    other = brute_force(10 * matrix, logarithmic, logarithmic_slope, np.zeros(7))
    assert np.abs(other - ends[0]).max() > 0.1  # unlike with one power, the unit of weights matters


def test_reweighting_balances_the_logarithm(matrix: Array) -> None:
    """log(1 + w²) is concave in w², so that ``Power(2, weight=1/(1 + w²))`` at the present weights lies above it:
    balancing that again and again lowers R each time, and ends in the one balance (check 27)."""
    weights, costs = matrix, [logarithmic(matrix).sum()]
    for _ in range(60):
        weights = nb.balance(weights, cost=nb.Power(2, weight=1 / (1 + weights**2)), tol=1e-12).weights
        costs.append(logarithmic(weights).sum())
    assert np.all(np.diff(costs) <= 1e-12 * costs[0]) and costs[-1] < 0.95 * costs[0]
    h = brute_force(matrix, logarithmic, logarithmic_slope, np.zeros(7))
    assert np.allclose(weights, moved(matrix, h), rtol=1e-5)
    assert nb.verify(matrix, weights).preserved


# --------------------------------------------------------------------------------------------- where uniqueness ends


def test_a_regularizer_that_is_not_convex_in_log_weights_has_two_balances() -> None:
    """g = (log(1 + w²))^½ is continuous and increases from 0 to infinity, as the theorem asks, but g(e^s) is concave
    for large s: a neuron between two large weights has two best λ, and balance can be a maximum (check 27)."""

    def regularizer(log_scale: float) -> float:
        return float(np.sum(np.sqrt(np.log1p((100 * np.exp([log_scale, -log_scale])) ** 2))))

    low, high = (
        minimize_scalar(regularizer, method="bounded", bounds=bounds, options={"xatol": 1e-10})
        for bounds in ((-8, -1), (1, 8))
    )
    assert low.x == pytest.approx(-high.x, abs=1e-4) and high.x > 3
    assert low.fun == pytest.approx(high.fun, rel=1e-9)
    assert regularizer(0.0) > regularizer(0.3) > high.fun  # λ = 1 satisfies the balance equation all the same
    s = np.linspace(1, 5, 50)
    assert np.all(np.diff(np.sqrt(np.log1p(np.exp(2 * s))), 2) < 0)


def test_then_the_order_of_balancing_decides_where_it_ends() -> None:
    """A chain of three weights and two neurons, each given its best λ in turn (of two equally good ones the nearer),
    with that same g: to and fro end in different balanced weights, while powers end in one (check 27)."""

    def best_step(g: Callable[[Array], Array], into: float, out: float) -> float:
        def cost(x: Array) -> Array:
            return g(np.exp(into + x)) + g(np.exp(out - x))

        grid = np.linspace(-12, 12, 241)
        values = cost(grid)
        dips = np.flatnonzero((values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:])) + 1
        found = [
            minimize_scalar(cost, method="bounded", bounds=grid[[k - 1, k + 1]], options={"xatol": 1e-12}) for k in dips
        ]
        least = min(one.fun for one in found)
        return min((one.x for one in found if one.fun < least + 1e-9), key=abs)

    def ends(g: Callable[[Array], Array], order: tuple[int, int]) -> Array:
        logs = np.array([3.0, 1.0, 2.0])
        for neuron in order * 40:
            step = best_step(g, *logs[[neuron, neuron + 1]])
            logs[[neuron, neuron + 1]] += step, -step
        assert all(abs(best_step(g, *logs[[k, k + 1]])) < 1e-4 for k in (0, 1))
        return logs

    for order in ((0, 1), (1, 0)):
        assert np.allclose(ends(np.square, order), 2.0, atol=1e-6)
    forth, back = (ends(lambda w: np.sqrt(np.log1p(w**2)), order) for order in ((0, 1), (1, 0)))
    assert np.allclose(np.sort(forth), np.sort(back), atol=1e-3) and np.abs(forth - back).max() > 5
