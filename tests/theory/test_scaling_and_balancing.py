"""The two local operations of the second paper: scaling, and balancing one neuron (Baldi et al. 2024).

``W`` is (post, pre); scaling neuron i by λ multiplies row i and divides column i, balancing scales it by the λ* that
minimises ``R(W) = Σ |w|^p``.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import neurobal as nb

Array: TypeAlias = np.ndarray
POWERS = [0.5, 1.0, 2.0, 3.0]


def scaled(weights: Array, i: int, scale: float) -> Array:
    after = weights.copy()
    after[i] *= scale
    after[:, i] /= scale
    return after


def halves(weights: Array, i: int, p: float) -> tuple[float, float]:
    """Incoming and outgoing cost of neuron i, without its self-connection, which no scaling changes."""
    others = np.arange(len(weights)) != i
    return float(np.sum(np.abs(weights[i, others]) ** p)), float(np.sum(np.abs(weights[others, i]) ** p))


def best_scale(weights: Array, i: int, p: float) -> float:
    """λ* = (Σ_out |w|^p / Σ_in |w|^p)^(1/2p)."""
    incoming, outgoing = halves(weights, i, p)
    return (outgoing / incoming) ** (1 / (2 * p))


def balanced(weights: Array, i: int, p: float, theta: float = 1.0) -> Array:
    return scaled(weights, i, best_scale(weights, i, p) ** theta)


def regularizer(weights: Array, p: float) -> float:
    return float(np.sum(np.abs(weights) ** p))


@pytest.mark.parametrize("p", POWERS)
def test_the_best_scale_is_that_of_brute_force(dense: Array, p: float) -> None:
    """Baldi et al. 2024, balance and regularizer minimisation: λ*, and ΔR = (√in - √out)² (check 26)."""
    for i in range(8):
        brute = minimize_scalar(lambda s, i=i: regularizer(scaled(dense, i, np.exp(s)), p), (-1, 1), tol=1e-14)
        incoming, outgoing = halves(dense, i, p)
        assert np.log(best_scale(dense, i, p)) == pytest.approx(brute.x, abs=1e-6)
        fall = (np.sqrt(incoming) - np.sqrt(outgoing)) ** 2
        assert regularizer(dense, p) - regularizer(balanced(dense, i, p), p) == pytest.approx(fall, rel=1e-9)
        assert regularizer(dense, p) - brute.fun == pytest.approx(fall, rel=1e-9)
        incoming, outgoing = halves(balanced(dense, i, p), i, p)
        assert incoming == pytest.approx(outgoing, rel=1e-12)


@pytest.mark.parametrize("p", POWERS)
def test_a_neuron_alone_is_balanced_by_the_formula(dense: Array, p: float) -> None:
    """`balance` with all other neurons pinned is one balancing operation (check 26)."""
    for i in range(8):
        result = nb.balance(dense, cost=nb.Power(p), pinned=np.arange(8) != i)
        assert result.scale[i] == pytest.approx(best_scale(dense, i, p), rel=1e-9)


def test_a_self_connection_must_stay_out_of_the_sums(dense: Array) -> None:
    """In both sums it leaves the balance equation as it is, and makes λ* wrong: the formula needs this condition."""
    dense[3, 3] = 10 * np.abs(dense).max()
    wrong = (np.sum(dense[:, 3] ** 2) / np.sum(dense[3] ** 2)) ** 0.25
    best = regularizer(balanced(dense, 3, 2.0), 2.0)
    assert regularizer(scaled(dense, 3, wrong), 2.0) > best * (1 + 1e-6)
    assert nb.balance(dense, pinned=np.arange(8) != 3).scale[3] == pytest.approx(best_scale(dense, 3, 2.0), rel=1e-9)


@pytest.mark.parametrize("p", POWERS)
def test_favorable_scalings_lie_between_nothing_and_twice_the_way(dense: Array, p: float) -> None:
    """Baldi et al. 2024, partial balancing: λ*^θ lowers R for 0 < θ < 2 and for no other θ (check 33)."""
    for i in range(8):
        change = {
            theta: regularizer(balanced(dense, i, p, theta), p) / regularizer(dense, p) - 1
            for theta in (-0.1, 0.0, 0.01, 0.5, 1.0, 1.5, 1.99, 2.0, 2.1)
        }
        assert all(value < 0 for theta, value in change.items() if 0 < theta < 2)
        assert change[-0.1] > 0 and change[2.1] > 0
        assert abs(change[0.0]) <= 1e-13 and abs(change[2.0]) <= 1e-13
        assert min(change, key=change.__getitem__) == 1.0


# -------------------------------------------------------------------------------------------------------- commuting


@pytest.fixture
def pair(dense: Array) -> Array:
    """Neurons 0 and 1 are not connected, neurons 0 and 2 are."""
    dense[0, 1] = dense[1, 0] = 0
    return dense


def test_scalings_commute(pair: Array) -> None:
    """Baldi et al. 2024: for any two neurons (check 28)."""
    for j in (1, 2):
        one, other = scaled(scaled(pair, 0, 3.0), j, 0.7), scaled(scaled(pair, j, 0.7), 0, 3.0)
        assert np.allclose(one, other, rtol=1e-15, atol=0)


@pytest.mark.parametrize("p", POWERS)
def test_balancings_of_neurons_that_are_not_connected_commute(pair: Array, p: float) -> None:
    """Baldi et al. 2024 (check 28)."""
    one, other = balanced(balanced(pair, 0, p), 1, p), balanced(balanced(pair, 1, p), 0, p)
    assert np.allclose(one, other, rtol=1e-14, atol=0)


@pytest.mark.parametrize("p", POWERS)
def test_balancings_of_connected_neurons_do_not_commute(pair: Array, p: float) -> None:
    """Baldi et al. 2024 (check 28)."""
    one, other = balanced(balanced(pair, 0, p), 2, p), balanced(balanced(pair, 2, p), 0, p)
    assert np.abs(np.log(one[pair != 0] / other[pair != 0])).max() > 1e-2


def test_balancings_of_connected_neurons_can_commute_by_chance(pair: Array) -> None:
    """ "If and only if" needs generic weights: neurons that are balanced already commute, connected or not."""
    weights = nb.balance(pair, tol=1e-14).weights
    one, other = balanced(balanced(weights, 0, 2.0), 2, 2.0), balanced(balanced(weights, 2, 2.0), 0, 2.0)
    assert weights[0, 2] != 0 and np.allclose(one, other, rtol=1e-12, atol=0)
