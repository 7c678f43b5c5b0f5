"""Costs: what terms they put on synapses, how they add up, and which units they demand."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from brian2 import amp, mV, nS, siemens, volt
from checks import assert_balanced
from hypothesis import given
from scipy import sparse

import neurobal as nb
from neurobal.cost import Term, terms_by_projection


def cost_of(matrix: np.ndarray, cost: nb.Cost) -> float:
    return nb.balance(matrix, cost=cost, max_iter=0).cost


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, 2.5])
def test_power(dense: np.ndarray, p: float) -> None:
    assert cost_of(dense, nb.Power(p)) == pytest.approx(np.sum(np.abs(dense) ** p))


def test_the_default_is_the_squared_norm(dense: np.ndarray) -> None:
    assert nb.balance(dense).cost_before == pytest.approx(np.linalg.norm(dense) ** 2)


def test_sums_and_multiples(dense: np.ndarray) -> None:
    cost = nb.Power(2) + 0.1 * nb.Power(1) + nb.Power(3) * 2
    expected = np.sum(dense**2 + 0.1 * np.abs(dense) + 2 * np.abs(dense) ** 3)
    assert cost_of(dense, cost) == pytest.approx(expected)
    assert cost_of(dense, 2 * (0.5 * cost)) == pytest.approx(expected)


def test_a_multiple_of_a_cost_has_the_same_minimum(dense: np.ndarray) -> None:
    assert np.allclose(nb.balance(dense, cost=7 * nb.Power(2)).scale, nb.balance(dense).scale, rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.coo_matrix], ids=["dense", "csr", "coo"])
def test_a_weight_per_synapse_as_a_matrix(dense: np.ndarray, rng: np.random.Generator, container: type) -> None:
    alpha = rng.lognormal(size=dense.shape)
    assert cost_of(dense, nb.Power(2, weight=container(alpha))) == pytest.approx(np.sum(alpha * dense**2))


def test_a_weight_per_synapse_as_a_list(dense: np.ndarray, rng: np.random.Generator) -> None:
    post, pre = np.nonzero(dense)
    alpha = rng.lognormal(size=post.size)
    assert cost_of(dense, nb.Power(1, weight=alpha)) == pytest.approx(np.sum(alpha * np.abs(dense[post, pre])))


@given(graphs.plain(graphs.QUICK), graphs.generators())
def test_weighted_costs_are_balanced(case: graphs.Case, rng: np.random.Generator) -> None:
    alpha = rng.lognormal(size=case.weight.size)
    result = nb.balance(case.circuit(), cost=nb.Power(2, weight=alpha))
    assert_balanced(result, case.oracle(2.0, alpha))


def test_synapses_of_weight_zero_are_free(dense: np.ndarray) -> None:
    """As if the other synapses were the whole network."""
    alpha = np.ones(dense.shape)
    alpha[0, 1:] = alpha[3, 5] = 0
    free, absent = nb.balance(dense, cost=nb.Power(2, weight=alpha)), nb.balance(np.where(alpha > 0, dense, 0))
    assert np.allclose(free.scale, absent.scale, rtol=1e-9)


def test_robustness_weighs_squares_by_presynaptic_gains(dense: np.ndarray, rng: np.random.Generator) -> None:
    gains = rng.uniform(0.1, 1, 8)
    robust, weighted = (
        nb.balance(dense, cost=c) for c in (nb.Robustness(gains), nb.Power(2, weight=np.tile(gains, (8, 1))))
    )
    assert robust.cost_before == pytest.approx(np.sum(gains * dense**2))
    assert np.allclose(robust.scale, weighted.scale, rtol=1e-9)


def test_robustness_takes_gains_by_population(dense: np.ndarray, rng: np.random.Generator) -> None:
    circuit, gains = nb.Circuit(), {name: rng.uniform(0.1, 1, 4) for name in "AB"}
    for name in "AB":
        circuit.add(name, 4)
    circuit.connect("A", "B", dense[4:, :4])
    circuit.connect("B", "A", dense[:4, 4:])
    expected = np.sum(gains["A"] * dense[4:, :4] ** 2) + np.sum(gains["B"] * dense[:4, 4:] ** 2)
    assert nb.balance(circuit, cost=nb.Robustness(gains)).cost_before == pytest.approx(expected)


def test_robustness_is_the_mean_squared_slope(dense: np.ndarray, rng: np.random.Generator) -> None:
    """Stock et al. 2022: the noise gain of dx/dt = -x + J φ(x), averaged over activity."""
    active = rng.random((8, 1000)) < rng.uniform(0.2, 1, (8, 1))
    noise = np.mean([np.sum((dense * slope) ** 2) for slope in active.T.astype(float)])
    assert cost_of(dense, nb.Robustness(active.mean(axis=1))) == pytest.approx(noise)


# -------------------------------------------------------------------------------------------------- dicts of costs


@pytest.fixture
def two(dense: np.ndarray) -> nb.Circuit:
    circuit = nb.Circuit()
    for name in "AB":
        circuit.add(name, 4)
    for k, pre in enumerate("AB"):
        for m, post in enumerate("AB"):
            circuit.connect(pre, post, dense[4 * m : 4 * m + 4, 4 * k : 4 * k + 4])
    return circuit


def test_projections_that_a_dict_does_not_name_are_free_riders(two: nb.Circuit) -> None:
    result = nb.balance(two, cost={"A->A": nb.Power(2)})
    own = result.weights["A->A"]
    assert result.cost == pytest.approx(np.sum(own**2))
    assert np.allclose((own**2).sum(axis=0), (own**2).sum(axis=1), rtol=1e-6)
    assert np.all(result.scale["B"] == 1)
    assert np.allclose(result.weights["A->B"], two.projections["A->B"].container / result.scale["A"])
    assert nb.verify(two, result.circuit).preserved


def test_each_projection_can_have_a_cost_of_its_own(two: nb.Circuit) -> None:
    cost = {"A->A": nb.Power(1), "A->B": nb.Power(2), "B->A": 3 * nb.Power(2), "B->B": nb.Power(2) + nb.Power(1)}
    result = nb.balance(two, cost=cost)
    blocks = {name: np.abs(w) for name, w in result.weights.items()}
    expected = np.sum(blocks["A->A"]) + np.sum(blocks["A->B"] ** 2) + 3 * np.sum(blocks["B->A"] ** 2)
    assert result.cost == pytest.approx(expected + np.sum(blocks["B->B"] ** 2 + blocks["B->B"]))
    incoming = blocks["A->A"].sum(axis=1) + 2 * 3 * (blocks["B->A"] ** 2).sum(axis=1)
    outgoing = blocks["A->A"].sum(axis=0) + 2 * (blocks["A->B"] ** 2).sum(axis=0)
    assert np.allclose(incoming, outgoing, rtol=1e-6)


def test_what_is_not_costed_rides_free(two: nb.Circuit, dense: np.ndarray) -> None:
    two.connect("A", "B", 1e9 * dense[:4, :4], costed=False, name="free")
    result = nb.balance(two)
    reference = nb.balance(dense)
    assert np.allclose(np.concatenate(list(result.scale.values())), reference.scale, rtol=1e-9)
    assert result.cost == pytest.approx(reference.cost)


def test_a_dict_can_cost_what_otherwise_rides_free(two: nb.Circuit) -> None:
    two.add("C", 2, bias=[1.0, 2.0])
    two.connect("A", "C", np.ones((2, 4)))
    two.connect("C", "A", np.ones((4, 2)))
    names = [name for name, projection in two.projections.items() if projection.costed]
    assert "C.bias" not in names
    plain = nb.balance(two, pinned={"A": [0]})
    costed = nb.balance(two, cost=dict.fromkeys([*names, "C.bias"], nb.Power(2)), pinned={"A": [0]})
    assert costed.cost_before == pytest.approx(plain.cost_before + 5)
    assert not np.allclose(plain.scale["C"], costed.scale["C"])


# ----------------------------------------------------------------------------------------------------------- units


@pytest.fixture
def electric(dense: np.ndarray) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("E", 8)
    circuit.connect("E", "E", dense * 1e-9, name="exc", dimension=siemens.dim)
    circuit.connect("E", "E", dense.T * 1e-3, name="inh", dimension=volt.dim)
    return circuit


def test_costs_of_different_units_do_not_add(electric: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"'inh'.*'exc'.*weight with units"):
        nb.balance(electric)


def test_weights_with_units_make_costs_agree(electric: nb.Circuit, dense: np.ndarray) -> None:
    cost = {"exc": nb.Power(2, weight=1 / nS**2), "inh": nb.Power(2, weight=1 / mV**2)}
    assert nb.balance(electric, cost=cost).cost_before == pytest.approx(2 * np.sum(dense**2))


def test_factors_with_units_make_costs_agree(electric: nb.Circuit, dense: np.ndarray) -> None:
    cost = {"exc": nb.Power(1) * (1 / nS), "inh": nb.Power(1) * (1 / mV)}
    assert nb.balance(electric, cost=cost).cost_before == pytest.approx(2 * np.sum(np.abs(dense)))


def test_units_that_cancel_only_in_part_do_not_add(electric: nb.Circuit) -> None:
    cost = {"exc": nb.Power(2, weight=1 / nS**2), "inh": nb.Power(2, weight=1 / amp**2)}
    with pytest.raises(nb.InvalidInputError, match="cannot be added"):
        nb.balance(electric, cost=cost)


def test_powers_of_weights_with_units_do_not_add(electric: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match="cannot be added"):
        nb.balance(electric, cost={"exc": nb.Power(2) + nb.Power(1)})


def test_one_unit_needs_no_weight(electric: nb.Circuit) -> None:
    assert nb.balance(electric, cost={"exc": nb.Power(2)}).success


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("p", [0, -1, np.nan, np.inf, True, "2", None, [2.0]])
def test_a_power_is_a_positive_number(p: object) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"Power\.p"):
        nb.Power(p)


@pytest.mark.parametrize(
    "weight", [-1.0, np.nan, np.inf, np.ones(7), np.ones((8, 7)), -np.ones((8, 8)), sparse.csr_array(np.ones((7, 8)))]
)
def test_weights_of_a_cost_are_finite_and_fit(dense: np.ndarray, weight: object) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"Power\.weight.*'weights'"):
        nb.balance(dense, cost=nb.Power(2, weight=weight))


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf, 1j])
def test_a_factor_is_a_number_that_is_not_negative(factor: complex) -> None:
    with pytest.raises(nb.InvalidInputError, match="number >= 0"):
        factor * nb.Power(2)


@pytest.mark.parametrize("gains", [np.ones(7), -np.ones(8), np.full(8, np.nan), 1.0])
def test_gains_fit_the_presynaptic_neurons(dense: np.ndarray, gains: object) -> None:
    with pytest.raises(nb.InvalidInputError, match="8 finite numbers"):
        nb.balance(dense, cost=nb.Robustness(gains))


def test_robustness_needs_units_of_homogeneity_one(dense: np.ndarray) -> None:
    with pytest.raises(nb.InvalidInputError, match="exponents"):
        nb.balance(dense, cost=nb.Robustness(np.ones(8)), homogeneity=2, pinned=[0])


def test_missing_gains_are_named(two: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match="'B'"):
        nb.balance(two, cost=nb.Robustness({"A": np.ones(4)}))


def test_a_cost_of_an_unknown_projection_is_named(two: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"'A-->B'.*Did you mean.*'A->B'"):
        nb.balance(two, cost={"A-->B": nb.Power(2)})


def test_costs_show_what_they_are() -> None:
    assert repr(nb.Power(2)) == "Power(2)"
    assert repr(nb.Power(2) + 0.1 * nb.Power(1)) == "Power(2) + 0.1*(Power(1))"
    assert repr(nb.Power(1, weight=3.0)) == "Power(1, weight=...)"


def test_a_cost_can_put_no_term_on_a_projection(two: nb.Circuit) -> None:
    class Internal(nb.Cost):
        """Somebody's own cost: only what stays within a population."""

        def synaptic_terms(self, circuit: nb.Circuit, projections: object) -> dict:
            inner = [name for name in projections if circuit.projections[name].pre == circuit.projections[name].post]
            return nb.Power(2).synaptic_terms(circuit, inner)

    assert list(terms_by_projection(Internal(), two)) == ["A->A", "B->B"]
    assert nb.balance(two, cost=Internal()).success
    assert nb.balance(two, cost=Internal() + 0.0 * nb.Power(2)).success
    with pytest.raises(nb.InvalidInputError, match=r"Internal has no method powers\(\)"):
        Internal().powers()


def test_a_cost_is_asked_once_with_the_whole_circuit(two: nb.Circuit) -> None:
    asked = []

    class Spy(nb.Cost):
        def synaptic_terms(self, circuit: nb.Circuit, projections: object) -> dict:
            asked.append((list(circuit.populations), list(projections)))
            return nb.Power(2).synaptic_terms(circuit, projections)

    nb.balance(two, cost=Spy())
    nb.balance(two, cost={**dict.fromkeys(["A->A", "B->B"], Spy()), "A->B": nb.Power(2)})
    assert asked == [(["A", "B"], list(two.projections)), (["A", "B"], ["A->A", "B->B"])]


def test_a_cost_without_terms_cannot_be_made() -> None:
    class Nothing(nb.Cost):
        pass

    with pytest.raises(TypeError, match="synaptic_terms"):
        Nothing()


def test_a_cost_of_the_last_release_can_build_on_another(two: nb.Circuit) -> None:
    with pytest.warns(DeprecationWarning):

        class Twice(nb.Power):
            def terms(self, projection: nb.Projection) -> list:
                return 2 * super().terms(projection)

    assert nb.balance(two, cost=Twice(2)).cost == pytest.approx(2 * nb.balance(two, cost=nb.Power(2)).cost)


def test_a_cost_of_the_last_release_still_works(two: nb.Circuit) -> None:
    """One that is asked projection by projection, and asks others so."""
    with pytest.warns(DeprecationWarning, match=r"^Internal: Cost\.terms.*synaptic_terms") as warned:

        class Internal(nb.Cost):
            def terms(self, projection: nb.Projection) -> list:
                return nb.Power(2).terms(projection) if projection.pre == projection.post else []

    assert [warning.filename for warning in warned] == [__file__]
    assert [len(t) for t in terms_by_projection(Internal(), two).values()] == [1, 0, 0, 1]
    inner = dict.fromkeys(("A->A", "B->B"), nb.Power(2))
    assert nb.balance(two, cost=Internal()).cost == nb.balance(two, cost=inner).cost
    assert nb.balance(two, cost=2 * Internal()).cost == pytest.approx(2 * nb.balance(two, cost=inner).cost)


@pytest.mark.parametrize("gains", [["high", "low"], [[1.0], [2.0, 3.0]], None, {"A": "high", "B": "low"}])
def test_gains_are_numbers(two: nb.Circuit, gains: object) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"^Robustness\.gains: expected real numbers, got"):
        nb.balance(two, cost=nb.Robustness(gains))


def test_weights_of_a_cost_are_numbers(two: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"^Power\.weight: expected real numbers, got str 'high'"):
        nb.balance(two, cost=nb.Power(2, weight="high"))


def test_a_cost_has_terms() -> None:
    with pytest.raises(TypeError, match="abstract"):
        nb.Cost()


def test_a_mixin_with_the_old_interface_still_counts(dense: np.ndarray) -> None:
    class Mixin:
        def terms(self, projection: nb.Projection) -> list[Term]:
            return [Term(2.0, 3.0, None)]

    with pytest.warns(DeprecationWarning, match="synaptic_terms"):
        mixed = type("Mixed", (Mixin, nb.Power), {})(1)
    with pytest.warns(DeprecationWarning, match="synaptic_terms"):
        plain = type("Plain", (Mixin, nb.Cost), {})()
    for cost in (mixed, plain):
        assert nb.balance(dense, cost=cost).cost_before == pytest.approx(3 * nb.balance(dense).cost_before)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected a dict from projection to a list of Term, got None"),
        ({"weights": Term(2.0, 1.0, None)}, "expected a list of Term for projection 'weights'"),
        ({"weights": [Term(2.0, -1.0, None)]}, "weights finite and >= 0"),
        ({"weights": [Term(0.0, 1.0, None)]}, "the power must be > 0"),
        ({"weights": [], "others": [Term(2.0, 1.0, None)]}, "answered for projection 'others', which is not to cost"),
    ],
)
def test_answers_of_foreign_costs_are_checked(dense: np.ndarray, answer: object, message: str) -> None:
    class Foreign(nb.Cost):
        def synaptic_terms(self, circuit: nb.Circuit, projections: object) -> object:
            return answer

    for cost in (Foreign(), Foreign() + nb.Power(1)):
        with pytest.raises(nb.InvalidInputError, match=rf"Foreign\.synaptic_terms: .*{message}"):
            nb.balance(dense, cost=cost)
