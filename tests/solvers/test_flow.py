"""The gradient flow of the first paper: it follows its own path, and ends in balance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurobal as nb
from neurobal.solvers import Flow


def authors_flow(matrix: np.ndarray, time: float) -> np.ndarray:
    """Stock et al. 2022 on all N² weights: dJ_ij/dt = J_ij (g_j - g_i), g the incoming minus the outgoing cost."""

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        weights = flat.reshape(matrix.shape)
        cost = weights**2
        g = 2 * (cost.sum(axis=1) - cost.sum(axis=0))
        return (weights * (g - g[:, None])).ravel()

    solution = solve_ivp(velocity, (0, time), matrix.ravel(), rtol=1e-10, atol=1e-12)
    return solution.y[:, -1].reshape(matrix.shape)


def test_the_flow_ends_where_that_of_the_weights_ends(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(5, 5))
    assert np.allclose(nb.balance(matrix, method="flow").weights, authors_flow(matrix, 20.0), rtol=1e-6)


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
