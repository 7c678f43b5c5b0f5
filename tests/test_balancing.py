"""`balance` on networks by property: constraints hold, the dense oracle agrees, what must not change does not."""

from __future__ import annotations

import itertools

import graphs
import numpy as np
import pytest
from checks import assert_balanced, assert_rescaled, kept
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.linalg import matrix_power

import neurobal as nb
from neurobal.solvers import Flow, Stochastic

COSTS = {
    "p = 0.5": (nb.Power(0.5), 0.5, 1.0),
    "p = 1": (nb.Power(1), 1.0, 1.0),
    "p = 2": (nb.Power(2), 2.0, 1.0),
    "p = 3": (nb.Power(3), 3.0, 1.0),
    "sum": (nb.Power(2) + 0.1 * nb.Power(1), [2.0, 1.0], [1.0, 0.1]),
}
costs = st.sampled_from(list(COSTS.values()))


def weights(result: nb.Balance) -> np.ndarray:
    return result.weights["synapses"]


def something_to_do(case: graphs.Case) -> bool:
    return bool(case.oracle().changeable.any())


# ------------------------------------------------------------------------------------------------------- balance


@settings(max_examples=60)
@given(graphs.constrained(), costs)
def test_every_free_unit_is_balanced(case: graphs.Case, cost: tuple) -> None:
    assume(something_to_do(case))
    result = nb.balance(case.circuit(), cost=cost[0])
    assert not result.excluded
    assert_balanced(result, case.oracle(*cost[1:]))


@given(graphs.power_law(), costs)
def test_every_power_law_unit_is_balanced(case: graphs.Case, cost: tuple) -> None:
    result = nb.balance(case.circuit(), cost=cost[0])
    assert not result.excluded
    assert_balanced(result, case.oracle(*cost[1:]))


@settings(max_examples=60)
@given(graphs.anything(), costs)
def test_whatever_has_a_balance_is_balanced(case: graphs.Case, cost: tuple) -> None:
    try:
        result = nb.balance(case.circuit(), cost=cost[0])
    except nb.NeurobalError:
        assume(False)
    assert_balanced(result, case.oracle(*cost[1:]))


@given(graphs.constrained(), costs)
def test_the_cost_reached_is_the_least_one(case: graphs.Case, cost: tuple) -> None:
    assume(something_to_do(case))
    oracle = case.oracle(*cost[1:])
    result = nb.balance(case.circuit(), cost=cost[0], tol=1e-12)
    assert result.cost == pytest.approx(oracle.cost(oracle.minimum()), rel=1e-9)


@given(graphs.plain(("random", "dense", "components")))
def test_scales_are_those_of_brute_force(case: graphs.Case) -> None:
    oracle = case.oracle()
    result = nb.balance(case.circuit(), tol=1e-12)
    assert np.allclose(result.log_scale["cells"], oracle.spread(oracle.minimum()), atol=1e-7)


@given(graphs.power_law())
def test_power_law_scales_are_those_of_brute_force(case: graphs.Case) -> None:
    oracle = case.oracle()
    result = nb.balance(case.circuit(), tol=1e-12)
    assert np.allclose(result.log_scale["cells"], oracle.spread(oracle.minimum()), atol=1e-5)


@given(graphs.generators(), costs)
def test_counts_of_synapses_are_balanced(rng: np.random.Generator, cost: tuple) -> None:
    counts = rng.poisson(1.0, (9, 9)) + np.roll(np.eye(9, dtype=int), 1, axis=0)
    result = nb.balance(counts, cost=cost[0])
    case = graphs.from_matrix("counts", counts)
    oracle = case.oracle(*cost[1:])
    assert result.success and result.weights.dtype == np.float64
    assert oracle.imbalance(np.log(result.scale)) <= 1e-9


def test_weights_of_size_one_are_balanced_at_once() -> None:
    result = nb.balance(np.ones((5, 5)))
    assert result.success and result.iterations == 0
    assert np.array_equal(result.weights, np.ones((5, 5)))


def test_a_plain_example() -> None:
    """Weights 4 and 1 between two neurons: λ = (2, 1/2)^(1/2) either way makes both 2."""
    result = nb.balance(np.array([[0.0, 4.0], [1.0, 0.0]]))
    assert np.allclose(result.weights, [[0, 2], [2, 0]])
    assert np.allclose(result.scale, [0.5**0.5, 2**0.5])


# ------------------------------------------------------------------------------------------------------- methods


@pytest.mark.parametrize("method", ["osborne", "stochastic", "flow"])
@settings(max_examples=15)
@given(graphs.constrained(("random", "layered", "dense")), costs)
def test_methods_agree(method: str, case: graphs.Case, cost: tuple) -> None:
    assume(something_to_do(case))
    oracle = case.oracle(*cost[1:])
    theirs = nb.balance(case.circuit(), cost=cost[0], method=method)
    assert theirs.method == method
    assert_balanced(theirs, oracle)
    mine = nb.balance(case.circuit(), cost=cost[0])
    assert theirs.cost == pytest.approx(mine.cost, rel=1e-7)
    assert np.allclose(weights(theirs), weights(mine), rtol=1e-3, atol=0)


@pytest.mark.parametrize("method", ["osborne", "stochastic", "flow"])
@settings(max_examples=15)
@given(graphs.power_law())
def test_methods_agree_on_power_law_units(method: str, case: graphs.Case) -> None:
    theirs = nb.balance(case.circuit(), method=method, tol=1e-8)
    assert_balanced(theirs, case.oracle(), 1e-8)
    assert theirs.cost == pytest.approx(nb.balance(case.circuit()).cost, rel=1e-7)


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
@settings(max_examples=10)
@given(graphs.plain(("components",)))
def test_components_of_very_different_weight_are_all_balanced(method: str, case: graphs.Case) -> None:
    assert_balanced(nb.balance(case.circuit(), method=method), case.oracle())


@pytest.mark.parametrize("method", ["auto", "osborne", Stochastic(theta=0.5), Stochastic(theta=1.9), Flow()])
@settings(max_examples=10)
@given(graphs.constrained(graphs.QUICK))
def test_history_never_rises(method: object, case: graphs.Case) -> None:
    assume(something_to_do(case))
    result = nb.balance(case.circuit(), method=method, tol=1e-6, max_iter=300)
    cost = result.history.cost
    assert len(cost) == len(result.history.imbalance) and len(cost) > 0
    # The flow follows its path to a relative accuracy of 1e-6, the others only round.
    assert np.all(np.diff(cost) <= (1e-6 if isinstance(method, Flow) else 1e-12) * cost[:-1])


@settings(max_examples=40)
@given(graphs.anything(), costs)
def test_history_never_rises_with_any_exponents(case: graphs.Case, cost: tuple) -> None:
    try:
        result = nb.balance(case.circuit(), cost=cost[0])
    except nb.NeurobalError:
        assume(False)
    assert np.all(np.diff(result.history.cost) <= 1e-12 * result.history.cost[:-1])


@given(graphs.constrained(graphs.QUICK))
def test_history_begins_and_ends_with_the_result(case: graphs.Case) -> None:
    assume(something_to_do(case))
    result = nb.balance(case.circuit())
    assert result.history.imbalance[0] == pytest.approx(result.imbalance_before)
    assert result.history.imbalance[-1] == pytest.approx(result.imbalance)
    assert result.history.cost[0] == pytest.approx(result.cost_before)
    assert result.history.cost[-1] == pytest.approx(result.cost)


# ------------------------------------------------------------------------------------------------ equivariance


@given(graphs.plain(graphs.QUICK), graphs.generators())
def test_permuting_neurons_permutes_the_answer(case: graphs.Case, rng: np.random.Generator) -> None:
    order = rng.permutation(case.size)
    matrix = case.matrix()
    one, other = nb.balance(matrix, tol=1e-12), nb.balance(matrix[np.ix_(order, order)], tol=1e-12)
    assert np.allclose(other.scale, one.scale[order], rtol=1e-6)
    assert np.allclose(other.weights, one.weights[np.ix_(order, order)], rtol=1e-6)


@given(graphs.plain(("random", "layered", "sheet", "dense", "nearly reducible")), graphs.generators())
def test_any_start_in_the_orbit_ends_in_the_same_weights(case: graphs.Case, rng: np.random.Generator) -> None:
    matrix = case.matrix()
    one = nb.balance(matrix, tol=1e-12)
    other = nb.balance(graphs.hidden(matrix, rng, 3.0), tol=1e-12)
    assert np.allclose(other.weights, one.weights, rtol=1e-5)


@given(graphs.plain(graphs.QUICK), st.sampled_from([1e-100, 1e-3, 1e100]))
def test_the_unit_of_weights_does_not_matter(case: graphs.Case, unit: float) -> None:
    assume(case.family != "components")
    one, other = nb.balance(case.matrix(), tol=1e-12), nb.balance(unit * case.matrix(), tol=1e-12)
    assert np.allclose(other.scale, one.scale, rtol=1e-6)


@given(graphs.plain(graphs.QUICK))
def test_transposing_inverts_the_scales(case: graphs.Case) -> None:
    """Incoming and outgoing change roles."""
    one, other = nb.balance(case.matrix(), tol=1e-12), nb.balance(case.matrix().T.copy(), tol=1e-12)
    assert np.allclose(one.scale * other.scale, 1.0, rtol=1e-6)


def test_signs_do_not_matter(dense: np.ndarray) -> None:
    assert np.array_equal(nb.balance(dense).scale, nb.balance(np.abs(dense)).scale)


# --------------------------------------------------------------------------------------------------- conventions


@given(graphs.plain())
def test_the_geometric_mean_is_one_in_every_component(case: graphs.Case) -> None:
    result = nb.balance(case.circuit())
    label = case.oracle().components()
    for component in np.unique(label):
        assert np.mean(result.log_scale["cells"][label == component]) == pytest.approx(0.0, abs=1e-12)


def test_the_geometric_mean_is_taken_over_units_not_neurons(dense: np.ndarray) -> None:
    tied = np.array([0, 0, 0, 1, 2, 3, 4, 5])
    log_scale = np.log(nb.balance(dense, tied=tied).scale)
    assert log_scale[2:].sum() == pytest.approx(0.0, abs=1e-12)


def test_the_geometric_mean_is_one_beside_a_component_with_other_exponents(rng: np.random.Generator) -> None:
    circuit = nb.Circuit()
    circuit.add("relu", 4)
    circuit.add("input", 1, pinned=True)
    circuit.add("square", 4, homogeneity=2.0)
    circuit.connect("relu", "relu", graphs.hidden(graphs.lognormal((4, 4), rng), rng, 2.0))
    circuit.connect("input", "square", np.ones((4, 1)))
    circuit.connect("square", "square", graphs.lognormal((4, 4), rng))
    assert nb.balance(circuit).log_scale["relu"].sum() == pytest.approx(0.0, abs=1e-12)


@given(graphs.constrained())
def test_pinned_neurons_stay_and_tied_ones_move_together(case: graphs.Case) -> None:
    assume(something_to_do(case))
    scale = nb.balance(case.circuit()).scale["cells"]
    unit = case.oracle().unit
    assert np.all(scale[case.pinned] == 1)
    for one in np.unique(unit):
        assert np.all(scale[unit == one] == scale[unit == one][0])


def test_what_is_tied_to_a_pinned_neuron_is_pinned(dense: np.ndarray) -> None:
    scale = nb.balance(dense, pinned=[0], tied=[7, 7, -1, -1, -1, -1, -1, -1]).scale
    assert np.all(scale[:2] == 1) and np.all(scale[2:] != 1)


def test_negative_labels_tie_to_nobody(dense: np.ndarray) -> None:
    free, tied = nb.balance(dense), nb.balance(dense, tied=[-1, -2, -1, -1, -3, -1, -1, -1])
    assert np.array_equal(free.scale, tied.scale)


def test_string_labels_tie(dense: np.ndarray) -> None:
    numbers, names = nb.balance(dense, tied=[0, 0, 1, 1, 2, 2, 3, 3]), nb.balance(dense, tied=list("aabbccdd"))
    assert np.array_equal(numbers.scale, names.scale)


@pytest.mark.parametrize("pinned", [[1, 3], (1, 3), np.array([1, 3]), np.isin(np.arange(8), [1, 3]), slice(1, 4, 2)])
def test_pins_are_a_mask_or_indices(dense: np.ndarray, pinned: object) -> None:
    scale = nb.balance(dense, pinned=pinned).scale
    assert np.array_equal(np.flatnonzero(scale == 1), [1, 3])


def test_homogeneity_of_a_matrix(dense: np.ndarray) -> None:
    """Input 0 drives power-law units: plain incoming cost = 2 × plain outgoing cost."""
    dense[0] = 0
    np.fill_diagonal(dense, 0)
    cost = np.abs(nb.balance(dense, homogeneity=2, pinned=[0], cost=nb.Power(1)).weights)
    assert np.allclose(cost.sum(axis=1)[1:], 2 * cost.sum(axis=0)[1:], rtol=1e-6)


def test_a_self_connection_counts_where_it_moves(dense: np.ndarray) -> None:
    """With a = 1 and b = 2 it falls as λ grows: it counts as outgoing, by the difference."""
    dense[0] = 0
    cost = np.abs(nb.balance(dense, homogeneity=2, pinned=[0], cost=nb.Power(1)).weights)
    own = np.diag(cost)
    assert np.allclose((cost.sum(axis=1) - own)[1:], (2 * (cost.sum(axis=0) - own) + own)[1:], rtol=1e-6)


@given(graphs.anything())
def test_weights_move_by_their_exponents(case: graphs.Case) -> None:
    try:
        result = nb.balance(case.circuit())
    except nb.NeurobalError:
        assume(False)
    assert_rescaled(result.before, result.circuit, result.log_scale)


# ------------------------------------------------------------------------------------------- conserved quantities


@given(graphs.plain(("random", "layered", "dense", "nearly reducible")))
def test_the_diagonal_is_conserved_exactly(case: graphs.Case) -> None:
    matrix = case.matrix()
    assert np.array_equal(np.diag(nb.balance(matrix).weights), np.diag(matrix))


@given(graphs.plain(("random", "layered", "dense", "nearly reducible")))
def test_the_spectrum_is_conserved(case: graphs.Case) -> None:
    """As all traces of powers, each relative to the sum of its terms' absolute values."""
    matrix = case.matrix()
    balanced = nb.balance(matrix).weights
    for k in range(1, 6):
        size = np.trace(matrix_power(np.abs(balanced), k))
        assert np.trace(matrix_power(balanced, k)) == pytest.approx(np.trace(matrix_power(matrix, k)), abs=1e-11 * size)


@given(graphs.plain(("dense",)), graphs.generators())
def test_cycle_products_are_conserved(case: graphs.Case, rng: np.random.Generator) -> None:
    matrix = case.matrix()
    balanced = nb.balance(matrix).weights
    cycle = rng.permutation(case.size)[: rng.integers(1, case.size + 1)]
    ends = np.roll(cycle, -1), cycle
    assert np.prod(balanced[ends]) == pytest.approx(np.prod(matrix[ends]), rel=1e-12)


@given(graphs.plain(("random", "dense", "nearly reducible")))
def test_path_products_between_pinned_ends_are_conserved(case: graphs.Case) -> None:
    """(J^k)_ij sums the products of weights along all paths of k synapses from j to i."""
    assume(case.size > 2)
    matrix, ends = case.matrix(), [0, case.size - 1]
    balanced = nb.balance(matrix, pinned=ends).weights
    for k in range(1, 6):
        one, other = (matrix_power(m, k)[np.ix_(ends, ends)] for m in (matrix, balanced))
        size = matrix_power(np.abs(matrix), k)[np.ix_(ends, ends)]
        assert np.all(np.abs(one - other) <= 1e-11 * size)


@given(graphs.generators(), st.sampled_from([1.0, 2.0, 0.5]))
def test_a_layered_network_computes_the_same(rng: np.random.Generator, n: float) -> None:
    """y = W3 [W2 [W1 x + b]^n]^n with pinned ends, on any input."""
    circuit = nb.Circuit()
    sizes = {"in": 3, "one": 6, "two": 5, "out": 2}
    for name, size in sizes.items():
        bias = rng.normal(size=size) if name in ("one", "two") else None
        circuit.add(name, size, homogeneity=n if bias is not None else 1.0, pinned=bias is None, bias=bias)
    for pre, post in (("in", "one"), ("one", "two"), ("two", "out")):
        circuit.connect(pre, post, rng.normal(size=(sizes[post], sizes[pre])) * rng.lognormal(0, 2, (sizes[post], 1)))
    result = nb.balance(circuit)
    assert result.success and result.cost < result.cost_before

    def output(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        one = np.maximum(weights["in->one"] @ x + weights["one.bias"][:, None], 0) ** n
        two = np.maximum(weights["one->two"] @ one + weights["two.bias"][:, None], 0) ** n
        return weights["two->out"] @ two

    x = rng.normal(size=(3, 20))
    before = output({p.name: p.container for p in result.before}, x)
    assert np.allclose(output(result.weights, x), before, rtol=1e-12, atol=1e-12 * np.abs(before).max())


def test_a_recurrent_network_computes_the_same(dense: np.ndarray, rng: np.random.Generator) -> None:
    """x(t+1) = [J x(t)]_+ + input to neuron 0, read out at neuron 1."""

    def readout(matrix: np.ndarray) -> np.ndarray:
        x, out = np.zeros(8), []
        for drive in np.random.default_rng(0).normal(size=30):
            x = np.maximum(0.02 * matrix @ x, 0)
            x[0] = abs(drive)
            out.append(x[1])
        return np.array(out)

    after = readout(nb.balance(dense, pinned=[0, 1]).weights)
    assert np.allclose(after, readout(dense), rtol=1e-12)
    assert np.ptp(after) > 0


# --------------------------------------------------------------------------------------------------------- dyadic


@given(graphs.constrained(), costs)
def test_dyadic_scales_are_powers_of_two(case: graphs.Case, cost: tuple) -> None:
    assume(something_to_do(case))
    result = nb.balance(case.circuit(), cost=cost[0], dyadic=True)
    assert np.all(np.frexp(result.scale["cells"])[0] == 0.5)
    assert np.array_equal(np.frexp(weights(result))[0], np.frexp(case.weight)[0])
    assert result.certificate.exact and result.certificate.preserved


@given(graphs.power_law())
def test_dyadic_powers_of_scales_are_powers_of_two(case: graphs.Case) -> None:
    result = nb.balance(case.circuit(), dyadic=True)
    assert np.all(np.frexp(result.scale["cells"] ** case.b)[0] == 0.5)
    assert result.certificate.exact and result.certificate.preserved


@given(graphs.constrained(), costs)
def test_dyadic_numbers_are_those_after_rounding(case: graphs.Case, cost: tuple) -> None:
    assume(something_to_do(case))
    oracle = case.oracle(*cost[1:])
    result = nb.balance(case.circuit(), cost=cost[0], dyadic=True)
    h = oracle.gathered(result.log_scale["cells"])
    assert result.cost == pytest.approx(oracle.cost(h), rel=1e-11)
    assert result.cost <= result.cost_before * (1 + 1e-12)
    assert result.imbalance == pytest.approx(oracle.imbalance(h), rel=1e-9)
    assert result.worst_unit == pytest.approx(oracle.worst_unit(h), rel=1e-9)


@given(graphs.plain(), st.sampled_from([1.0, 2.0, 3.0]))
def test_the_dyadic_price_is_bounded(case: graphs.Case, p: float) -> None:
    """No scale is more than √2 off, so that no cost grows by more than 2^p."""
    exact, dyadic = (nb.balance(case.circuit(), cost=nb.Power(p), dyadic=d) for d in (False, True))
    assert dyadic.cost <= 2**p * exact.cost * (1 + 1e-9)


def test_dyadic_scales_of_single_precision(dense: np.ndarray) -> None:
    result = nb.balance(dense.astype(np.float32), dyadic=True)
    assert result.weights.dtype == np.float32 and result.certificate.exact


def test_an_irrational_exponent_has_no_dyadic_scales(dense: np.ndarray) -> None:
    with pytest.raises(nb.InvalidInputError, match="dyadic=False"):
        nb.balance(dense, homogeneity=np.sqrt(2), pinned=[0], dyadic=True)


# ---------------------------------------------------------------------------------------------------- iterations


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
@pytest.mark.parametrize("max_iter", [0, 1])
def test_too_few_iterations_are_a_result(dense: np.ndarray, method: str, max_iter: int) -> None:
    result = nb.balance(dense, method=method, max_iter=max_iter)
    assert not result.success and result.iterations <= max_iter
    assert "max_iter" in result.status and result.status in result.message
    assert result.imbalance > 1e-9
    assert result.cost <= result.cost_before * (1 + 1e-12)
    assert result.certificate.preserved
    assert "NOT balanced" in repr(result)


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
def test_no_iteration_changes_nothing(dense: np.ndarray, method: str) -> None:
    result = nb.balance(dense, method=method, max_iter=0)
    assert np.array_equal(result.weights, dense) and result.cost == result.cost_before


@pytest.mark.parametrize("method", ["newton", "osborne", "stochastic", "flow"])
def test_what_is_balanced_needs_no_iteration(method: str) -> None:
    result = nb.balance(np.ones((4, 4)), method=method, max_iter=0)
    assert result.success and result.iterations == 0


def test_more_iterations_are_better(dense: np.ndarray) -> None:
    costs = [nb.balance(dense, method="osborne", max_iter=k).cost for k in range(5)]
    assert all(b <= a for a, b in itertools.pairwise(costs)) and costs[4] < costs[0]


def test_the_tolerance_is_met_and_not_wasted(dense: np.ndarray) -> None:
    loose, tight = nb.balance(dense, tol=1e-2, method="osborne"), nb.balance(dense, tol=1e-11, method="osborne")
    assert loose.imbalance <= 1e-2 and tight.imbalance <= 1e-11
    assert loose.iterations < tight.iterations


def test_no_weak_corner_is_forgotten() -> None:
    """Two weak neurons hang on a strong pair; the total imbalance hardly notices them, worst_unit does."""
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 0] = 1e6, 1e6
    matrix[2, 1], matrix[3, 2], matrix[0, 3] = 1e-3, 1e-1, 1e-4
    result = nb.balance(matrix)
    oracle = graphs.from_matrix("corner", matrix).oracle()
    assert oracle.imbalance(np.zeros(4)) < 1e-9 and oracle.worst_unit(np.zeros(4)) > 0.9
    assert result.success and oracle.worst_unit(np.log(result.scale)) <= 1e-9**0.5


# ------------------------------------------------------------------------------------------------------ left out


def test_what_is_left_out_keeps_its_scale() -> None:
    """0 <-> 1 is a cycle; 2 only listens and 3 only speaks."""
    matrix = np.array([[0.0, 4, 0, 5], [1, 0, 0, 0], [0, 6, 0, 0], [0, 0, 0, 0]])
    result = nb.balance(matrix)
    assert np.all(result.scale[2:] == 1)
    (excluded,) = result.excluded
    assert (excluded.projection, excluded.of, excluded.reason) == ("weights", 4, "no way back")
    assert result.cost_before == pytest.approx(17) and result.cost == pytest.approx(8)
    assert "left out: 2 of 4 synapses weights: no way back" in repr(result)


def test_what_is_left_out_is_rescaled_along() -> None:
    matrix = np.array([[0.0, 4, 0], [1, 0, 0], [0, 6, 0]])
    result = nb.balance(matrix)
    assert result.weights[2, 1] == pytest.approx(6 / result.scale[1])
    assert nb.verify(matrix, result.weights).preserved


def test_left_out_synapses_are_those_of_the_mask(dense: np.ndarray) -> None:
    dense[:4, 4:] = 0
    result = nb.balance(dense)
    matrix_kept = np.zeros((8, 8), dtype=bool)
    post, pre = np.nonzero(dense)
    matrix_kept[post, pre] = kept(result, "weights", post.size)
    expected = dense != 0
    expected[4:, :4] = False
    assert np.array_equal(matrix_kept, expected)
