"""Other ways to balance a matrix: what people use today. Each returns λ, which multiplies incoming weights."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from scipy import linalg, optimize, sparse
from scipy.integrate import solve_ivp

Array: TypeAlias = np.ndarray


def matrix_balance(weights: Array) -> Array:
    """LAPACK's balancing: powers of two, stops early."""
    _, (scale, _) = linalg.matrix_balance(weights, permute=False, separate=True)
    return 1.0 / scale


def lbfgs(costs: Any) -> Array:
    """Minimise ``Σ c_ij exp(2 (h_i - h_j))`` with scipy's L-BFGS."""
    transposed = costs.T
    start = float(costs.sum())

    def value_and_gradient(h: Array) -> tuple[float, Array]:
        s = np.exp(2 * h)
        incoming, outgoing = s * (costs @ (1 / s)), (transposed @ s) / s
        return float(incoming.sum()) / start, 2 * (incoming - outgoing) / start

    answer = optimize.minimize(
        value_and_gradient,
        np.zeros(costs.shape[0]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 10_000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-14, "maxcor": 20},
    )
    return np.exp(answer.x)


def weight_flow(weights: Array, duration: float = 300.0) -> Array:
    """The first paper's rule ``dJ/dt = [J, G]`` as its authors integrate it: all N² weights and N scales are states."""
    n = weights.shape[0]
    unit = float(np.median(weights[weights != 0] ** 2)) * n  # what a neuron's costs are like once the outliers are gone

    def velocity(_: float, state: Array) -> Array:
        matrix = state[:-n].reshape(n, n)
        costs = matrix**2
        gap = (costs.sum(axis=1) - costs.sum(axis=0)) / unit
        change = matrix * (gap[None, :] - gap[:, None])
        return np.append(change.ravel(), -gap)

    state = np.append(weights.ravel(), np.zeros(n))
    answer = solve_ivp(velocity, (0.0, duration), state, method="DOP853", t_eval=[duration])
    return np.exp(answer.y[-n:, -1])


def reached(costs: Any, scale: Array) -> tuple[float, float]:
    """Relative imbalance and total cost after a rescaling by λ, without the diagonal, which never changes."""
    s = scale**2
    off = costs - sparse.diags_array(costs.diagonal()) if sparse.issparse(costs) else costs - np.diag(np.diag(costs))
    incoming, outgoing = s * (off @ (1 / s)), (off.T @ s) / s
    return float(np.abs(incoming - outgoing).sum() / incoming.sum()), float(incoming.sum())
