"""One convex problem stands behind both papers: convex in log-scales, with one minimum, which alone is balanced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from oracle import Oracle, derivative
from scipy.optimize import minimize

import neurobal as nb

Array: TypeAlias = np.ndarray
POWERS = [0.5, 1.0, 2.0, 3.0]


def laplacian(cost: Array) -> Array:
    symmetric = cost + cost.T
    np.fill_diagonal(symmetric, 0)
    return np.diag(symmetric.sum(axis=0)) - symmetric


@pytest.mark.parametrize("p", POWERS)
def test_the_hessian_is_a_graph_laplacian(dense: Array, p: float, rng: np.random.Generator) -> None:
    """Stock et al. 2022: ∂²C/∂h² = p² L, L the Laplacian of the symmetrised costs; flat along h + const only."""
    oracle = Oracle.of_matrix(dense, p=p)
    for h in rng.normal(0, 1, (5, 8)):
        cost = np.abs(dense * np.exp(h[:, None] - h)) ** p
        hessian = p**2 * laplacian(cost)
        assert np.allclose(oracle.hessian(h), hessian, rtol=1e-9, atol=1e-9 * hessian.max())
        values = np.linalg.eigvalsh(hessian)
        assert abs(values[0]) <= 1e-12 * values[-1] and values[1] > 0


@pytest.mark.parametrize("p", POWERS)
def test_with_visible_units_held_it_is_strictly_convex(dense: Array, p: float, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, strictly convex for every p > 0: the grounded Laplacian is positive definite (check 36)."""
    visible = np.arange(8) < 2
    oracle = Oracle.of_matrix(dense, p=p, pinned=visible)
    for h in rng.normal(0, 1, (5, 6)):
        full = np.concatenate([np.zeros(2), h])
        grounded = p**2 * laplacian(np.abs(dense * np.exp(full[:, None] - full)) ** p)[2:, 2:]
        assert np.allclose(oracle.hessian(h), grounded, rtol=1e-9, atol=1e-9 * grounded.max())
        assert np.linalg.eigvalsh(grounded)[0] > 0


@pytest.mark.parametrize("p", POWERS)
def test_it_is_convex_in_log_scales_and_not_in_scales(p: float) -> None:
    """Baldi et al. 2024: one term (Λ_i/Λ_j)^p is not convex in Λ; in the ratio M = Λ_i/Λ_j for p >= 1 only; in
    L = log M for every p."""

    def hessian(function: Callable[[Array], float], x: Array) -> Array:
        return np.array([derivative(lambda y, k=k: derivative(function, y, 1e-3)[k], x, 1e-3) for k in range(x.size)])

    for ratio in (0.5, 1.0, 2.0):
        scales = np.linalg.eigvalsh(hessian(lambda x: (x[0] / x[1]) ** p, np.array([ratio, 1.0])))
        assert scales[0] < -1e-3
        in_m, in_l = hessian(lambda x: x[0] ** p, np.array([ratio])), hessian(lambda x: np.exp(p * x[0]), np.zeros(1))
        assert (in_m[0, 0] > -1e-6) == (p >= 1)
        assert in_l[0, 0] > 0.2


@settings(max_examples=20)
@given(graphs.plain(graphs.QUICK), graphs.generators())
def test_only_the_balanced_state_is_the_optimum(case: graphs.Case, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, main theorem: R(W) >= R(W*), with equality for balanced W only (check 36)."""
    oracle = case.oracle()
    best = oracle.minimum()
    least = oracle.cost(best)
    for size in (1e-2, 0.3, 3.0):
        h = best + rng.normal(0, size, oracle.size)
        if oracle.imbalance(h) > 1e-6:
            assert oracle.cost(h) > least
    assert oracle.imbalance(best) <= 1e-12
    assert nb.balance(case.circuit()).cost == pytest.approx(least, rel=1e-9)


def test_seven_methods_find_one_minimum(dense: Array) -> None:
    """Stock et al. 2022, uniqueness (check 6): the package's four, and here a greedy Osborne iteration, a trust-region
    method and L-BFGS."""
    target = nb.balance(dense, tol=1e-13).weights
    for method in ("osborne", "stochastic", "flow"):
        weights = nb.balance(dense, method=method, tol=1e-13).weights
        assert np.allclose(weights, target, rtol=1e-8, atol=0)

    oracle, h = Oracle.of_matrix(dense), np.zeros(8)
    for _ in range(2000):
        incoming, outgoing = oracle.halves(h)
        worst = np.argmax((np.sqrt(incoming) - np.sqrt(outgoing)) ** 2)  # the unit whose balancing saves most
        h[worst] += np.log(outgoing[worst] / incoming[worst]) / 4
    assert np.allclose(dense * np.exp(h[:, None] - h), target, rtol=1e-8, atol=0)

    one = replace(oracle, log_cost=oracle.log_cost - np.log(oracle.cost(h)))  # its least cost is 1
    for method, hessian in (("trust-exact", one.hessian), ("L-BFGS-B", None)):
        answer = minimize(one.cost, np.zeros(8), method=method, jac=one.gradient, hess=hessian, tol=1e-12)
        assert np.allclose(dense * np.exp(answer.x[:, None] - answer.x), target, rtol=1e-4, atol=0)


def test_balanced_matrices_are_the_closest_to_normal_of_their_orbit(dense: Array, rng: np.random.Generator) -> None:
    """Stock et al. 2022, p = 2: eigenvalues stay, so the least norm has the least departure from normality."""

    def departure(matrix: Array) -> float:
        return float(np.linalg.norm(matrix) ** 2 - np.sum(np.abs(np.linalg.eigvals(matrix)) ** 2))

    balanced = nb.balance(dense, tol=1e-12).weights
    least = departure(balanced)
    assert least < 0.1 * departure(dense)
    for size in (0.01, 0.1, 1.0):
        assert departure(graphs.hidden(balanced, rng, size)) > least


def test_what_joins_two_strong_components_one_way_decays(rng: np.random.Generator) -> None:
    """Stock et al. 2022: without strong connectivity the infimum is the sum over strong components, and not attained
    (check 8)."""
    matrix = rng.normal(size=(6, 6))
    matrix[:3, 3:] = 0  # the second half never reaches the first
    parts = [nb.balance(matrix[np.ix_(part, part)]) for part in (range(3), range(3, 6))]
    result = nb.balance(matrix)
    infimum = sum(part.cost for part in parts)
    assert result.cost == pytest.approx(infimum)
    assert result.excluded[0].synapses.size == 9
    oracle = Oracle.of_matrix(matrix)
    best = np.concatenate([np.log(part.scale) for part in parts])
    costs = [oracle.cost(best + np.repeat([shift, 0.0], 3)) for shift in (0.0, 2.0, 4.0, 8.0)]
    excess = np.array(costs) - infimum
    assert np.all(excess > 0) and np.allclose(excess[1:], excess[0] * np.exp([-4, -8, -16]), rtol=1e-4)
    assert oracle.cost(oracle.minimum()) == pytest.approx(infimum, rel=1e-6)
