"""The closed form for rank-one networks (Stock et al. 2022)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray


@pytest.fixture(params=[1.0, 2.0, 3.0])
def network(request: pytest.FixtureRequest, rng: np.random.Generator) -> dict[str, Array | float]:
    """J = u vᵀ, α = a bᵀ and p."""
    u, v = rng.normal(size=(2, 12)) * rng.lognormal(0, 1, (2, 12))
    a, b = rng.lognormal(0, 1, (2, 12))
    return {"u": u, "v": v, "a": a, "b": b, "p": request.param}


def test_scales_are_those_of_the_closed_form(network: dict) -> None:
    """Stock et al. 2022, rank one (check 11): log λ_i = -(1/2p) log(a_i/b_i) - ½ log|u_i/v_i| + const."""
    u, v, a, b, p = network.values()
    result = nb.balance(np.outer(u, v), cost=nb.Power(p, weight=np.outer(a, b)), tol=1e-13)
    expected = -np.log(a / b) / (2 * p) - np.log(np.abs(u / v)) / 2
    assert np.allclose(np.log(result.scale), expected - expected.mean(), atol=1e-12)


def test_costs_are_symmetric_and_their_sum_is_a_square(network: dict) -> None:
    """Stock et al. 2022, rank one (check 11): C = (Σ (a_i b_i |u_i v_i|^p)^½)² = Σ (c_ij c_ji)^½."""
    u, v, a, b, p = network.values()
    alpha, matrix = np.outer(a, b), np.outer(u, v)
    result = nb.balance(matrix, cost=nb.Power(p, weight=alpha), tol=1e-13)
    cost, cost_before = (alpha * np.abs(m) ** p for m in (result.weights, matrix))
    assert np.allclose(cost, cost.T, rtol=1e-11)
    assert result.cost == pytest.approx(np.sum(np.sqrt(a * b * np.abs(u * v) ** p)) ** 2, rel=1e-13)
    assert result.cost == pytest.approx(np.sum(np.sqrt(cost_before * cost_before.T)), rel=1e-13)
    sizes = (np.outer(a, b).T / alpha) ** (1 / (2 * p)) * np.sqrt(np.outer(np.abs(u * v), np.abs(u * v)))
    assert np.allclose(np.abs(result.weights), sizes, rtol=1e-11)


def test_without_weights_of_costs_every_power_has_the_same_balance(network: dict) -> None:
    """Stock et al. 2022: for α = 1, |J_ij| = |J_ij(0) J_ji(0)|^½ whatever p; signs stay (check 11)."""
    matrix = np.outer(network["u"], network["v"])
    result = nb.balance(matrix, cost=nb.Power(network["p"]), tol=1e-13)
    assert np.allclose(result.weights, np.sign(matrix) * np.sqrt(np.abs(matrix * matrix.T)), rtol=1e-11)
