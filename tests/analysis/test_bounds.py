"""Bounds on what balancing saves: never violated, closed forms where there are any, tight where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Case, anything, constrained, from_matrix, power_law
from hypothesis import given, settings
from scipy import sparse

import neurobal as nb
from neurobal.analysis import cost_bounds


def minimum(cost: np.ndarray) -> float:
    """The balanced total of a positive cost matrix, by cyclic Osborne steps: nothing of the package."""
    cost = cost.copy()
    np.fill_diagonal(cost, 0)
    for _ in range(20_000):
        for i in range(len(cost)):
            factor = np.sqrt(cost[:, i].sum() / cost[i].sum())
            cost[i] *= factor
            cost[:, i] /= factor
        if np.abs(cost.sum(axis=0) - cost.sum(axis=1)).sum() <= 1e-12 * cost.sum():
            return float(cost.sum())
    raise AssertionError("not balanced")


def closed_forms(cost: np.ndarray) -> tuple[float, float, float]:
    """½ Σ (√in - √out)², Σ c - Σ √(c_ij c_ji), and the bound in the code of Stock et al. 2022."""
    cost = cost - np.diag(np.diag(cost))
    incoming, outgoing = cost.sum(axis=1), cost.sum(axis=0)
    least = 0.5 * np.sum((np.sqrt(incoming) - np.sqrt(outgoing)) ** 2)
    paper = np.sum((incoming - outgoing) ** 2) / (4 * np.max(incoming + outgoing))
    return least, float(cost.sum() - np.sqrt(cost * cost.T).sum()), paper


def random_costs(rng: np.random.Generator) -> np.ndarray:
    n = rng.integers(2, 7)
    return rng.exponential(size=(n, n)) * np.exp(rng.normal(0, rng.choice([0.1, 1.0, 2.0]), (n, n)))


def test_closed_forms_hold_for_thousands_of_matrices(rng):
    """The paper's lower bound is weaker than ours, which is proven, and so holds, too."""
    for _ in range(3000):
        cost = random_costs(rng)
        least, greatest, paper = closed_forms(cost)
        saved = cost.sum() - np.trace(cost) - minimum(cost)
        blur = 1e-11 * cost.sum()
        assert paper <= least * (1 + 1e-12)
        assert least <= saved + blur and saved <= greatest + blur


@pytest.mark.parametrize("p", [0.5, 1, 2, 3.3])
def test_the_package_computes_the_closed_forms(rng, p):
    for _ in range(50):
        cost = random_costs(rng)
        weights = cost ** (1 / p) * rng.choice([-1, 1], cost.shape)
        bounds = cost_bounds(weights, cost=nb.Power(p))
        least, greatest, _ = closed_forms(cost)
        assert bounds.least_saving == pytest.approx(least, rel=1e-9)
        assert bounds.greatest_saving == pytest.approx(greatest, rel=1e-9)
        assert bounds.cost_before == pytest.approx(cost.sum())
        assert bounds.lower == pytest.approx(cost.sum() - greatest) and bounds.upper == pytest.approx(
            cost.sum() - least
        )


def test_a_search_for_violations_finds_none(rng):
    """Hill-climbing on the ratio of bound and truth: it comes close to 1 and never passes it."""
    highest = []
    for start in range(6):
        logs, best = rng.normal(size=(3, 3)), 0.0
        for _ in range(250):
            trial = logs + 0.4 * rng.normal(size=(3, 3))
            cost = np.exp(trial)
            least, greatest, _ = closed_forms(cost)
            saved = cost.sum() - np.trace(cost) - minimum(cost)
            if saved < 1e-6 * cost.sum():
                continue  # rounding
            ratio = least / saved if start % 2 else saved / greatest
            assert ratio <= 1 + 1e-9
            if ratio > best:
                logs, best = trial, ratio
        highest.append(best)
    assert min(highest) > 0.97


@given(constrained(families=("random", "layered", "dense", "ring", "modular")))
def test_pins_ties_and_multiple_synapses(case: Case):
    check(case, nb.Power(2))


@given(constrained(families=("random", "dense")))
def test_sums_of_powers(case: Case):
    check(case, nb.Power(2) + 0.3 * nb.Power(1) + 0.1 * nb.Power(0.5))


@given(power_law())
def test_other_exponents(case: Case):
    check(case, nb.Power(2))


@given(anything())
@settings(max_examples=60)
def test_bounds_are_about_what_has_a_balance(case: Case):
    check(case, nb.Power(1.5))


def check(case: Case, cost: nb.Cost) -> None:
    try:
        result = nb.balance(case.circuit(), cost=cost)
    except nb.NeurobalError as error:  # nothing free, or nothing with a balance
        with pytest.raises(type(error)):
            cost_bounds(case.circuit(), cost=cost)
        return
    bounds = cost_bounds(case.circuit(), cost=cost)
    saved, blur = result.cost_before - result.cost, 1e-9 * result.cost_before
    assert bounds.cost_before == pytest.approx(result.cost_before)
    assert [e.synapses.tolist() for e in bounds.excluded] == [e.synapses.tolist() for e in result.excluded]
    assert -1e-12 <= bounds.least_saving <= saved + blur
    assert saved <= bounds.greatest_saving + blur


def test_an_uneven_mixture_of_exponents_between_one_pair():
    """Exponents (1, 1) and (2, 2) between the same two units: minimised in one variable, against brute force."""
    circuit = nb.Circuit()
    circuit.add("a", 1)
    circuit.add("b", 1)
    for k, (pre, post, w, exponent) in enumerate(
        [("a", "b", 3, 1), ("a", "b", 0.2, 2), ("b", "a", 1, 1), ("b", "a", 5, 2)]
    ):
        circuit.connect(pre, post, [[w]], post_exponent=exponent, pre_exponent=exponent, name=str(k))
    x = np.linspace(-3, 3, 600_001)
    total = 9 * np.exp(2 * x) + 0.04 * np.exp(4 * x) + np.exp(-2 * x) + 25 * np.exp(-4 * x)
    bounds = cost_bounds(circuit)
    assert bounds.lower == pytest.approx(total.min(), rel=1e-9)
    assert nb.balance(circuit).cost == pytest.approx(bounds.lower, rel=1e-9)
    assert bounds.least_saving == pytest.approx(35.04 - total.min(), rel=1e-9)


@pytest.mark.parametrize("order", [("square", "root"), ("root", "square")])
def test_exact_for_a_pair_with_reciprocal_exponents(order):
    """From homogeneity 2 to ½ and back: 9 exp(2x) + exp(-x) in the one variable x = h_root - 2 h_square."""
    circuit = nb.Circuit()
    for name in order:
        circuit.add(name, 1, homogeneity={"square": 2, "root": 0.5}[name])
    circuit.connect("square", "root", [[3.0]])
    circuit.connect("root", "square", [[1.0]])
    x = -np.log(18) / 3
    bounds = cost_bounds(circuit)
    assert bounds.lower == pytest.approx(9 * np.exp(2 * x) + np.exp(-x))
    assert nb.balance(circuit).cost == pytest.approx(bounds.lower)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_tight_for_two_neurons_and_for_rank_one(rng, p):
    cost = nb.Power(p)
    pair = rng.normal(size=(2, 2))
    result, bounds = nb.balance(pair, cost=cost, tol=1e-12), cost_bounds(pair, cost=cost)
    saved = result.cost_before - result.cost
    assert bounds.least_saving == pytest.approx(saved) and bounds.greatest_saving == pytest.approx(saved)
    u, v, a, b = rng.normal(size=(4, 9))
    weight = np.outer(np.abs(a), np.abs(b))
    cost = nb.Power(p, weight=weight)
    bounds, result = cost_bounds(np.outer(u, v), cost=cost), nb.balance(np.outer(u, v), cost=cost, tol=1e-12)
    assert bounds.lower == pytest.approx(result.cost, rel=1e-9)
    assert bounds.lower == pytest.approx(np.sum(np.sqrt(np.abs(a * b * (u * v) ** p))) ** 2, rel=1e-9)


def test_exact_for_one_hidden_layer_and_for_trees(rng):
    circuit = nb.Circuit()
    circuit.add("in", 5, pinned=True)
    circuit.add("hidden", 20)
    circuit.add("out", 3, pinned=True)
    circuit.connect("in", "hidden", rng.normal(size=(20, 5)))
    circuit.connect("hidden", "out", 3 * rng.normal(size=(3, 20)))
    cost = nb.Power(2) + 0.2 * nb.Power(1)
    result, bounds = nb.balance(circuit, cost=cost, tol=1e-12), cost_bounds(circuit, cost=cost)
    assert bounds.lower == pytest.approx(result.cost) and bounds.upper == pytest.approx(result.cost)
    tree = np.zeros((12, 12))
    for child in range(1, 12):
        parent = rng.integers(child)
        tree[child, parent], tree[parent, child] = rng.lognormal(0, 1, 2)
    assert cost_bounds(tree).lower == pytest.approx(nb.balance(tree, tol=1e-12).cost, rel=1e-9)


def test_near_balance_the_lower_bound_keeps_its_digits():
    """(√(1+ε) - √(1-ε))² ≈ ε² for ε = 1e-8: all sixteen digits are lost if it is a difference of costs."""
    pair = np.array([[0, np.sqrt(1 + 1e-8)], [np.sqrt(1 - 1e-8), 0]])
    assert cost_bounds(pair).least_saving == pytest.approx(1e-16, rel=1e-3)


def test_a_ring_in_one_direction_says_nothing_above(rng):
    ring = np.roll(np.diag(rng.lognormal(0, 1, 6)), 1, axis=0)
    bounds = cost_bounds(ring)
    assert bounds.lower == pytest.approx(0, abs=1e-12)
    assert nb.balance(ring).cost == pytest.approx(6 * np.prod(ring[ring > 0] ** 2) ** (1 / 6))


def test_containers_and_wide_ranges(rng):
    matrix = from_matrix("dense", rng.normal(size=(7, 7))).matrix()
    dense, csr = cost_bounds(matrix), cost_bounds(sparse.csr_array(matrix))
    assert dense.lower == pytest.approx(csr.lower) and dense.upper == pytest.approx(csr.upper)
    h = rng.normal(0, 60, 7)
    wide = cost_bounds(matrix * np.exp(h[:, None] - h))
    assert wide.lower <= nb.balance(matrix).cost * (1 + 1e-9) or wide.cost_before > 1e12 * dense.cost_before
    assert np.isfinite([wide.lower, wide.upper]).all()
    wider = cost_bounds(matrix * np.exp(3 * (h[:, None] - h)))
    assert 0 <= wider.lower <= wider.upper <= wider.cost_before < np.inf


def test_the_printout():
    text = repr(cost_bounds(np.array([[0, 4.0], [1, 0]])))
    assert text == "CostBounds: cost 17; balanced it is between 8 and 8 (-52.9% and -52.9%)"
    assert "left out: 1 of 3 synapses" in repr(cost_bounds(np.array([[0, 4.0, 1], [1, 0, 0], [0, 0, 0]])))


def test_what_balance_refuses_is_refused():
    with pytest.raises(nb.UnbalanceableError, match="no directed cycle"):
        cost_bounds(np.triu(np.ones((3, 3)), 1))
    with pytest.raises(nb.InvalidInputError, match="square"):
        cost_bounds(np.ones((2, 3)))


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_costs_beyond_the_range_of_numbers(scale):
    with pytest.raises(nb.InvalidInputError, match="beyond the range"):
        cost_bounds(np.array([[0, scale], [scale, 0]]))


def test_bounds_of_a_balance_are_those_of_the_network_before(rng):
    weights = np.array([[0, 4.0, 1], [1, 0, 0], [0, 0, 0]])
    cost = nb.Power(3)
    mine, theirs = cost_bounds(nb.balance(weights, cost=cost)), cost_bounds(weights, cost=cost)
    assert (mine.cost_before, mine.lower, mine.upper) == (theirs.cost_before, theirs.lower, theirs.upper)
    assert repr(mine.excluded) == repr(theirs.excluded) != "()"
    with pytest.raises(nb.InvalidInputError, match=r"^cost_bounds: .*Give the cost that the Balance was made with"):
        cost_bounds(nb.balance(weights, cost=cost), cost=nb.Power(2))
