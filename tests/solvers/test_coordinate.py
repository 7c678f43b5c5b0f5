"""Osborne's iteration and stochastic balancing: what one visit does, and how far steps may go."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from checks import assert_balanced
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import Oracle

import neurobal as nb
from neurobal.formulation import formulate
from neurobal.problem import Problem
from neurobal.solvers import Osborne, Stochastic
from neurobal.solvers.coordinate import _Neighbours

COST = nb.Power(2) + 0.3 * nb.Power(0.5)


def problem_and_oracle(case: graphs.Case, cost: nb.Cost, p: object, alpha: object) -> tuple[Problem, Oracle]:
    return formulate(case.circuit(), cost).problem, case.oracle(p, alpha)


@pytest.mark.parametrize(("cost", "p", "alpha"), [(nb.Power(2), 2.0, 1.0), (COST, [2.0, 0.5], [1.0, 0.3])])
@given(graphs.anything())
def test_one_visit_balances_one_unit(cost: nb.Cost, p: object, alpha: object, case: graphs.Case) -> None:
    assume(not np.any(case.tied >= 0))  # then units are numbered in the same order here and there
    problem, oracle = problem_and_oracle(case, cost, p, alpha)
    neighbours = _Neighbours(problem)
    h = np.random.default_rng(0).normal(size=problem.size + 1)
    h[-1] = 0
    for unit in range(problem.size):
        after = h.copy()
        after[unit] += neighbours.balancing_step(unit, h)
        incoming, outgoing = (half[unit] for half in oracle.log_halves(after[:-1]))
        if np.isfinite(incoming) and np.isfinite(outgoing):
            assert incoming == pytest.approx(outgoing, abs=1e-9)
        else:
            assert after[unit] == h[unit]


def test_one_visit_is_the_papers_formula(dense: np.ndarray) -> None:
    """Baldi et al. 2024: λ* = (Σ_out w² / Σ_in w²)^(1/4)."""
    np.fill_diagonal(dense, 0)
    case = graphs.from_matrix("dense", dense)
    problem, _ = problem_and_oracle(case, nb.Power(2), 2.0, 1.0)
    step = _Neighbours(problem).balancing_step(3, np.zeros(9))
    assert np.exp(step) == pytest.approx((np.sum(dense[:, 3] ** 2) / np.sum(dense[3] ** 2)) ** 0.25)


@settings(max_examples=15)
@given(graphs.constrained(("random", "dense", "layered")), st.sampled_from([0.05, 0.5, 1.0, 1.5, 1.95]))
def test_partial_steps_balance_too(case: graphs.Case, theta: float) -> None:
    assume(case.oracle().changeable.any())
    assert_balanced(nb.balance(case.circuit(), method=Stochastic(theta=theta)), case.oracle())


@pytest.mark.parametrize("cost", [nb.Power(1), nb.Power(3), 5 * nb.Power(2)])
def test_long_steps_are_allowed_for_one_power(dense: np.ndarray, cost: nb.Cost) -> None:
    assert nb.balance(dense, cost=cost, method=Stochastic(theta=1.5)).success


def test_long_steps_are_refused_for_sums_of_powers(dense: np.ndarray) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"theta: 1\.5 .*Use 0 < theta <= 1"):
        nb.balance(dense, cost=COST, method=Stochastic(theta=1.5))


def test_long_steps_are_refused_for_power_law_units(dense: np.ndarray) -> None:
    dense[0] = 0
    with pytest.raises(nb.InvalidInputError, match=r"theta: 1\.5 .*Use 0 < theta <= 1"):
        nb.balance(dense, homogeneity=2, pinned=[0], method=Stochastic(theta=1.5))


@pytest.mark.parametrize("theta", [0.3, 1.0])
def test_short_steps_are_allowed_for_all(dense: np.ndarray, theta: float) -> None:
    dense[0] = 0
    assert nb.balance(dense, homogeneity=2, pinned=[0], cost=COST, method=Stochastic(theta=theta)).success


def test_a_seed_decides(dense: np.ndarray) -> None:
    one, same, other = (nb.balance(dense, method=Stochastic(seed=s), tol=1e-3) for s in (1, 1, 2))
    assert np.array_equal(one.scale, same.scale) and not np.array_equal(one.scale, other.scale)


def test_the_cost_falls_at_every_visit(dense: np.ndarray) -> None:
    """Not only from round to round: for every 0 < θ < 2."""
    case = graphs.from_matrix("dense", dense)
    problem, oracle = problem_and_oracle(case, nb.Power(2), 2.0, 1.0)
    for theta in (0.1, 1.0, 1.99):
        h, neighbours, rng = np.zeros(9), _Neighbours(problem), np.random.default_rng(0)
        for unit in rng.integers(0, 8, 100):
            before = oracle.cost(h[:-1])
            h[unit] += theta * neighbours.balancing_step(int(unit), h)
            # 64 terms, in whatever order they are added, with exponentials that are wrong by up to 4 ε.
            assert oracle.cost(h[:-1]) <= before * (1 + (64 / 2 + 2 * 4) * np.finfo(float).eps)


def test_an_iteration_is_a_round_of_visits(dense: np.ndarray) -> None:
    """One sweep of Osborne's iteration, by hand."""
    case = graphs.from_matrix("dense", dense)
    h, oracle = np.zeros(8), case.oracle()
    for unit in range(8):
        incoming, outgoing = oracle.log_halves(h)
        h[unit] += (outgoing[unit] - incoming[unit]) / 4
    result = nb.balance(dense, method=Osborne(), max_iter=1)
    assert np.allclose(np.log(result.scale), h - h.mean(), atol=1e-12)
    assert len(result.history) == 2
