"""The gradient flow of the first paper: it follows its own path, and ends in balance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurobal as nb
from neurobal.solvers import Flow


def authors_course(matrix: np.ndarray, times: np.ndarray, speed: np.ndarray | float = 1.0) -> np.ndarray:
    """Stock et al. 2022 on all N² weights: dJ_ij/dt = J_ij (g_j - g_i), g the incoming minus the outgoing cost.

    The weights at all ``times``. ``speed`` is what no flow of theirs has: a pace of each unit's own.
    """

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        weights = flat.reshape(matrix.shape)
        cost = weights**2
        g = 2 * speed * (cost.sum(axis=1) - cost.sum(axis=0))
        return (weights * (g - g[:, None])).ravel()

    solution = solve_ivp(velocity, (0, times[-1]), matrix.ravel(), t_eval=times, rtol=1e-10, atol=1e-12)
    return solution.y.T.reshape(-1, *matrix.shape)


def cost_and_imbalance(course: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost and Σ |in - out| / Σ c of matrices without self-connections."""
    costs = course**2
    total = costs.sum(axis=(1, 2))
    return total, np.abs(costs.sum(axis=2) - costs.sum(axis=1)).sum(axis=1) / total


def off_course(history: np.recarray, course: np.ndarray) -> float:
    """The largest difference in imbalance at equal cost, of the imbalance, while it falls to a hundredth."""
    cost, imbalance = cost_and_imbalance(course)
    shown = history[history.imbalance > 0.01 * history.imbalance[0]]
    expected = np.interp(shown.cost, cost[::-1], imbalance[::-1])  # cost falls in time
    return float(np.abs(shown.imbalance / expected - 1).max())


def test_the_flow_ends_where_that_of_the_weights_ends(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(5, 5))
    end = authors_course(matrix, np.array([20.0]))[-1]
    assert np.allclose(nb.balance(matrix, method="flow").weights, end, rtol=1e-6)


def test_the_flow_takes_the_path_of_that_of_the_weights(rng: np.random.Generator) -> None:
    """At equal cost the imbalance is equal. Where units had paces of their own, the end would be the same, the path
    another one: the test could fail."""
    matrix = rng.normal(size=(6, 6))
    np.fill_diagonal(matrix, 0)
    result = nb.balance(matrix, method=Flow(rtol=1e-9, atol=1e-12))
    times = np.append(0, np.geomspace(1e-6, 20, 20_000))
    assert np.count_nonzero(result.history.imbalance > 0.01 * result.history.imbalance[0]) > 20
    assert off_course(result.history, authors_course(matrix, times)) < 1e-5
    uneven = authors_course(matrix, times, speed=np.linspace(0.5, 1.5, 6))
    assert np.allclose(uneven[-1], result.weights, rtol=1e-6)
    assert off_course(result.history, uneven) > 0.02


def test_looser_steps_end_in_the_same_balance(dense: np.ndarray) -> None:
    loose, tight = nb.balance(dense, method=Flow(rtol=1e-3, atol=1e-6)), nb.balance(dense, method=Flow(rtol=1e-9))
    assert loose.success and tight.success and loose.iterations < tight.iterations
    assert np.allclose(loose.weights, tight.weights, rtol=1e-6)


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-12])
def test_the_flow_stops_where_it_is_balanced(dense: np.ndarray, tol: float) -> None:
    result = nb.balance(dense, method="flow", tol=tol)
    assert result.success and result.imbalance <= tol


def test_what_is_too_wide_for_the_flow_is_a_result() -> None:
    matrix = np.array([[0, 1e150, 0], [0, 0, 1e-150], [1.0, 0, 0]])
    result = nb.balance(matrix, method="flow", max_iter=50)
    assert result.success or "newton" in result.message
    assert np.all(np.isfinite(result.weights))
