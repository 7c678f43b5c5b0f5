"""The value, gradient and curvature of C(h) agree with a dense oracle, as numbers and as logarithms."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import Oracle, derivative

import neurobal as nb
from neurobal.formulation import formulate
from neurobal.nodes import Nodes
from neurobal.potential import Potential, log_balance
from neurobal.problem import Problem

POWERS = [2.0, 0.5]
COST = nb.Power(2) + 0.3 * nb.Power(0.5)


def problem_and_oracle(case: graphs.Case) -> tuple[Problem, Oracle]:
    assume(case.oracle().size > 0)
    circuit = case.circuit()
    problem = formulate(circuit, COST).problem
    oracle = case.oracle(POWERS, [1.0, 0.3])
    return problem, oracle.only(oracle.changeable)


def some_point(problem: Problem) -> np.ndarray:
    return np.random.default_rng(problem.size).normal(0, 0.5, problem.size)


@given(graphs.anything())
def test_units_are_numbered_as_the_oracle_says(case: graphs.Case) -> None:
    circuit = case.circuit()
    units = Nodes(circuit)
    mine, theirs = units.table["cells"], case.oracle().unit
    assert units.size == theirs.max() + 1
    assert np.array_equal(mine[:, None] == mine, theirs[:, None] == theirs)
    assert np.array_equal(mine == -1, theirs == -1)


@given(graphs.anything(), st.booleans())
def test_sums_are_those_of_the_dense_oracle(case: graphs.Case, rebased: bool) -> None:
    problem, oracle = problem_and_oracle(case)
    h = some_point(problem)
    potential = Potential(problem, 0.7 * h if rebased else None)
    point = potential.at(h)
    # Sums are relative to the scale of each component.
    unit_scale = np.exp(potential.log_scale)[problem.labels]
    incoming, outgoing = oracle.halves(_renumbered(case, h))
    order = _units_by_oracle(case)
    assert np.allclose((unit_scale * point.incoming)[order], incoming, rtol=1e-12)
    assert np.allclose((unit_scale * point.outgoing)[order], outgoing, rtol=1e-12)
    assert potential.total_cost(point) == pytest.approx(oracle.cost(_renumbered(case, h)), rel=1e-12)
    assert potential.imbalance(point).total == pytest.approx(
        oracle.imbalance(_renumbered(case, h)), rel=1e-9, abs=1e-12
    )
    assert potential.imbalance(point).worst_unit == pytest.approx(oracle.worst_unit(_renumbered(case, h)), rel=1e-9)


@given(graphs.anything())
def test_logarithmic_sums_are_those_of_the_dense_oracle(case: graphs.Case) -> None:
    problem, oracle = problem_and_oracle(case)
    h = some_point(problem)
    logs = log_balance(problem, h)
    incoming, outgoing = oracle.log_halves(_renumbered(case, h))
    order = _units_by_oracle(case)
    assert np.allclose(logs.incoming[order], incoming, rtol=1e-12, atol=1e-12)
    assert np.allclose(logs.outgoing[order], outgoing, rtol=1e-12, atol=1e-12)
    assert logs.imbalance.total == pytest.approx(oracle.imbalance(_renumbered(case, h)), rel=1e-9, abs=1e-12)
    assert logs.imbalance.worst_unit == pytest.approx(oracle.worst_unit(_renumbered(case, h)), rel=1e-9)


@given(graphs.anything())
def test_hessian_products_are_those_of_the_dense_oracle(case: graphs.Case) -> None:
    problem, oracle = problem_and_oracle(case)
    h = some_point(problem)
    v = np.random.default_rng(0).normal(size=problem.size)
    potential = Potential(problem)
    unit_scale = np.exp(potential.log_scale)[problem.labels]
    product = unit_scale * potential.hessian_product(potential.at(h), v)
    expected = oracle.hessian(_renumbered(case, h)) @ _renumbered(case, v)
    assert np.allclose(
        product[_units_by_oracle(case)], expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max(initial=0)
    )


def test_the_oracle_itself_agrees_with_finite_differences(rng: np.random.Generator) -> None:
    oracle = Oracle.of_matrix(rng.normal(size=(4, 4)), b=2.0, p=[1.0, 3.0], alpha=[1.0, 0.2])
    h = rng.normal(0, 0.3, oracle.size)
    assert np.allclose(oracle.gradient(h), derivative(oracle.cost, h), rtol=1e-7)
    assert np.allclose(oracle.hessian(h)[0], derivative(lambda x: oracle.gradient(x)[0], h), rtol=1e-7)
    incoming, outgoing = oracle.halves(h)
    assert np.allclose(incoming - outgoing, oracle.gradient(h))


def _units_by_oracle(case: graphs.Case) -> np.ndarray:
    """The package's number of each of the oracle's units."""
    theirs, mine = case.oracle().unit, Nodes(case.circuit()).table["cells"]
    return mine[[np.flatnonzero(theirs == unit)[0] for unit in range(theirs.max() + 1)]]


def _renumbered(case: graphs.Case, h: np.ndarray) -> np.ndarray:
    return h[_units_by_oracle(case)]
