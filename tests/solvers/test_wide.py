"""Weights of any range: every unit is balanced, judged in logarithms."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle

import neurobal as nb

POWERS = [0.5, 1.0, 2.0, 3.0]


def assert_every_unit_is_balanced(result: nb.Balance, oracle: Oracle, log_scale: np.ndarray) -> None:
    assert result.success, result.message
    h = oracle.gathered(log_scale)
    assert oracle.worst_unit(h) <= 1e-9**0.5 * 1.01
    assert oracle.imbalance(h) <= 1.01e-9


def wide_matrix(rng: np.random.Generator, decades: float) -> np.ndarray:
    """Strongly connected, every weight of a size of its own."""
    n = int(rng.integers(3, 10))
    matrix = 10.0 ** rng.uniform(-decades, decades, (n, n)) * (rng.random((n, n)) < 0.5)
    matrix[np.arange(n), np.arange(n) - 1] = 10.0 ** rng.uniform(-decades, decades, n)
    return matrix * rng.choice([-1, 1], (n, n))


@settings(max_examples=40)
@given(graphs.generators(), st.sampled_from(POWERS), st.sampled_from([5, 15, 40, 80, 150]))
def test_weights_of_every_size_are_balanced(rng: np.random.Generator, p: float, decades: float) -> None:
    matrix = wide_matrix(rng, decades)
    result = nb.balance(matrix, cost=nb.Power(p))
    assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix, p=p), np.log(result.scale))
    assert np.all(np.isfinite(result.weights))
    lost = (result.weights == 0) & (matrix != 0)
    assert result.certificate.preserved or (lost.any() and "to 0" in result.certificate.message)


@pytest.mark.parametrize("p", POWERS)
def test_hidden_scales_of_every_size_are_found(p: float, rng: np.random.Generator) -> None:
    """A well-behaved network seen through λ from 1e-75 to 1e75: weights from 1e-150 to 1e150."""
    plain = graphs.lognormal((10, 10), rng)
    h = rng.uniform(-75, 75, 10) * np.log(10)
    h[:2] = np.log(10) * np.array([-75, 75])
    matrix = plain * np.exp(h[:, None] - h)
    assert np.abs(matrix).max() > 1e149 and np.abs(matrix).min() < 1e-149
    result, reference = nb.balance(matrix, cost=nb.Power(p)), nb.balance(plain, cost=nb.Power(p))
    assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix, p=p), np.log(result.scale))
    assert np.allclose(result.weights, reference.weights, rtol=1e-6)


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic"])
@pytest.mark.parametrize("p", POWERS)
def test_methods_balance_wide_weights(method: str, p: float, rng: np.random.Generator) -> None:
    h = rng.uniform(-75, 75, 6) * np.log(10)
    matrix = graphs.lognormal((6, 6), rng) * np.exp(h[:, None] - h)
    result = nb.balance(matrix, cost=nb.Power(p), method=method)
    assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix, p=p), np.log(result.scale))


@pytest.mark.parametrize("weaker", [1e-4, 1e-8, 1e-10, 1e-12, 1e-15, 1e-20, 1e-40, 1e-64, 1e-100, 1e-140])
def test_a_weak_module_is_not_forgotten(weaker: float) -> None:
    """It hangs on a strong one by two weak synapses, so that the total imbalance does not feel it."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        matrix = np.zeros((8, 8))
        matrix[:4, :4], matrix[4:, 4:] = graphs.lognormal((4, 4), rng, 1.0), weaker * graphs.lognormal((4, 4), rng, 1.0)
        matrix[0, 5] = matrix[6, 1] = weaker
        result = nb.balance(matrix)
        assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix), np.log(result.scale))


def test_a_hierarchy_of_weak_modules_is_balanced(rng: np.random.Generator) -> None:
    """Six modules, each 1e12 weaker than the one before."""
    matrix = np.zeros((18, 18))
    for k in range(6):
        here = slice(3 * k, 3 * k + 3)
        matrix[here, here] = 10.0 ** (-12 * k) * graphs.lognormal((3, 3), rng, 1.0)
        if k:
            matrix[3 * k, 3 * k - 1] = matrix[3 * k - 2, 3 * k + 1] = 10.0 ** (-12 * k)
    result = nb.balance(matrix)
    assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix), np.log(result.scale))


def test_ties_between_modules_of_very_different_weight(rng: np.random.Generator) -> None:
    matrix = np.zeros((9, 9))
    for k in range(3):
        matrix[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = 10.0 ** (-15 * k) * graphs.lognormal((3, 3), rng, 1.0)
    tied = np.array([0, -1, 1, 0, -1, 2, 2, 1, -1])
    result = nb.balance(matrix, tied=tied)
    assert_every_unit_is_balanced(result, Oracle.of_matrix(matrix, tied=tied), np.log(result.scale))


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_power_law_units_with_wide_weights(p: float, rng: np.random.Generator) -> None:
    h = rng.uniform(-20, 20, 5) * np.log(10)
    matrix = graphs.lognormal((6, 6), rng)
    matrix[5] = 0
    h = np.append(h, 0)  # the input
    matrix *= np.exp(h[:, None] - 2 * h)
    result = nb.balance(matrix, homogeneity=2, pinned=[5], cost=nb.Power(p))
    oracle = Oracle.of_matrix(matrix, b=2.0, p=p, pinned=np.arange(6) == 5)
    assert_every_unit_is_balanced(result, oracle, np.log(result.scale))


@pytest.mark.parametrize("exponent", [-300, -150, 150, 300])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_size_of_all_weights_does_not_matter(exponent: int, p: float, rng: np.random.Generator) -> None:
    plain = rng.normal(size=(5, 5))
    one, other = nb.balance(plain, cost=nb.Power(p)), nb.balance(plain * 10.0**exponent, cost=nb.Power(p))
    assert other.success and np.allclose(one.scale, other.scale, rtol=1e-6)
    assert np.isfinite(other.imbalance)


def test_subnormal_weights_are_weights() -> None:
    result = nb.balance(np.array([[0, 1e-310], [4e-310, 0]]))
    assert result.success and np.allclose(result.weights[[0, 1], [1, 0]], 2e-310, rtol=1e-6)


def test_single_precision_of_any_range(rng: np.random.Generator) -> None:
    h = rng.uniform(-15, 15, 6) * np.log(10)
    matrix = (graphs.lognormal((6, 6), rng) * np.exp(h[:, None] - h)).astype(np.float32)
    result = nb.balance(matrix)
    assert result.success and result.weights.dtype == np.float32 and result.certificate.preserved
    assert Oracle.of_matrix(result.weights).worst_unit(np.zeros(6)) < 1e-5


def test_wide_weights_of_dyadic_scales(rng: np.random.Generator) -> None:
    h = rng.uniform(-75, 75, 6) * np.log(10)
    matrix = graphs.lognormal((6, 6), rng) * np.exp(h[:, None] - h)
    result = nb.balance(matrix, dyadic=True)
    assert result.certificate.exact and result.certificate.preserved
    assert np.sum(result.weights**2) <= 4 * np.sum(nb.balance(matrix).weights ** 2)
