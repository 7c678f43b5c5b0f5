"""Costs on neurons: closed forms, and an independent minimiser; what is reported of them."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from hypothesis import assume, given, settings
from oracle import derivative
from scipy import optimize

import neurobal as nb
from neurobal.formulation import formulate

METHODS = ["newton", "osborne", "stochastic", "flow"]


def numbers(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.lognormal(0, 1, size), rng.lognormal(0, 1, size)


# ------------------------------------------------------------------------------------------------- the closed form


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, 16])
@pytest.mark.parametrize("method", METHODS)
def test_two_terms_alone_have_a_closed_form(rng: np.random.Generator, p: float, method: str) -> None:
    """Least Σ G λ⁻² + Σ sᵖ λᵖ: λ^(2 + p) = 2 G / (p sᵖ)."""
    s, gains = numbers(20, rng)
    result = nb.balance(rng.normal(size=(20, 20)), cost=nb.Activity(s, p=p) + nb.OutputNoise(gains), method=method,
                        tol=1e-12)  # fmt: skip
    assert result.success and not result.excluded
    np.testing.assert_allclose(result.scale ** (2 + p), 2 * gains / (p * s**p), rtol=1e-8)


@pytest.mark.parametrize(("of_activity", "of_noise"), [("state", "sent"), ("sent", "state"), ("sent", "sent")])
@pytest.mark.parametrize("b", [0.5, 1, 2, 3])
def test_what_is_sent_moves_with_the_homogeneity(
    rng: np.random.Generator, of_activity: str, of_noise: str, b: float
) -> None:
    s, gains = numbers(6, rng)
    cost = nb.Activity(s, of=of_activity) + nb.OutputNoise(gains, of=of_noise)
    q = 2 * (b if of_activity == "sent" else 1)
    k = 2 * (b if of_noise == "sent" else 1)
    result = nb.balance(np.ones((6, 6)), cost=cost, homogeneity=b, tol=1e-13)
    np.testing.assert_allclose(result.scale ** (q + k), k * gains / (q * s**2), rtol=1e-8)


def test_homogeneities_may_differ_from_neuron_to_neuron(rng: np.random.Generator) -> None:
    s, gains = numbers(4, rng)
    b = np.array([0.5, 1.0, 2.0, 3.0])
    result = nb.balance(
        np.ones((4, 4)), cost=nb.Activity(s, of="sent") + nb.OutputNoise(gains), homogeneity=b, tol=1e-13
    )
    np.testing.assert_allclose(result.scale ** (2 * b + 2), 2 * gains / (2 * b * s**2), rtol=1e-8)


def test_the_power_of_what_is_sent_may_be_known_to_projections_only() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 1)
    circuit.add("out", 1, pinned=True)
    circuit.connect("E", "out", [[1.0]], pre_exponent=2)
    cost = nb.Activity({"E": [1.0]}, of="sent") + nb.NeuronCost({"E": 1.0}, -2)
    assert nb.balance(circuit, cost=cost, tol=1e-12).scale["E"][0] == pytest.approx(2 ** (-1 / 6))  # 4 λ⁴ = 2 λ⁻²
    circuit.connect("E", "out", [[1.0]], name="of the state", pre_exponent=1)
    with pytest.raises(
        nb.InvalidInputError, match=r"^Activity: what population 'E' sends moves by more.*\(2, 1\).*Neuron"
    ):
        nb.balance(circuit, cost=cost)
    circuit = circuit.with_constraints(homogeneity={"E": 2})  # declared
    assert nb.balance(circuit, cost=cost, tol=1e-12).scale["E"][0] == pytest.approx(2 ** (-1 / 6))


def test_a_range_far_beyond_floats(rng: np.random.Generator) -> None:
    """s^128 and its share in the balance, though no float can hold it."""
    s, gains = np.array([1e-5, 1.0, 1e4]), np.ones(3)
    result = nb.balance(np.ones((3, 3)), cost=nb.Activity(s, p=128) + nb.OutputNoise(gains))
    assert result.success
    np.testing.assert_allclose(130 * np.log(result.scale), np.log(2 / 128) - 128 * np.log(s), rtol=1e-9)


def test_terms_that_dwarf_each_other(rng: np.random.Generator) -> None:
    """Synapses that are nothing beside the neurons' own costs do not move them."""
    s, gains = numbers(5, rng)
    cost = nb.Power(2) + 1e200 * (nb.Activity(s) + nb.OutputNoise(gains))
    result = nb.balance(rng.normal(size=(5, 5)), cost=cost)
    np.testing.assert_allclose(result.scale**4, gains / s**2, rtol=1e-6)


# -------------------------------------------------------------------------------------------- an independent oracle


@settings(max_examples=25)
@given(graphs.anything(), graphs.generators())
def test_the_minimum_is_that_of_an_independent_minimiser(case: graphs.Case, rng: np.random.Generator) -> None:
    """Any exponents, pins and ties; both signs on every neuron, so that everything is held."""
    s, gains = numbers(case.size, rng)
    cost = nb.Power(2) + nb.Activity(s, p=1.5) + nb.OutputNoise(gains)
    oracle = case.oracle().with_neurons((s**1.5, 1.5), (gains, -2.0))
    assume(oracle.size > 0)
    result = nb.balance(case.circuit(), cost=cost, tol=1e-11)
    assert result.success and not result.excluded
    best = optimize.minimize(
        lambda h: oracle.cost(h), np.zeros(oracle.size), jac=oracle.gradient, hess=oracle.hessian, method="trust-exact",
        options={"gtol": 1e-9},
    )  # fmt: skip
    h = oracle.gathered(result.log_scale["cells"])
    assert result.cost <= best.fun * (1 + 1e-9)
    np.testing.assert_allclose(h, best.x, atol=1e-5)
    assert result.imbalance_before == pytest.approx(oracle.imbalance(np.zeros(oracle.size)), rel=1e-9, abs=1e-12)
    assert result.cost_before == pytest.approx(oracle.cost(np.zeros(oracle.size)), rel=1e-12)
    assert result.cost == pytest.approx(oracle.cost(h), rel=1e-11)


@settings(max_examples=6)
@given(graphs.constrained(("dense", "random")), graphs.generators())
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_agree(method: str, case: graphs.Case, rng: np.random.Generator) -> None:
    """Own costs of the size of a neuron's synapses: far smaller ones hold a common shift of all neurons only weakly."""
    s, gains = (x * np.sum(case.weight**2) / case.size for x in numbers(case.size, rng))
    cost = nb.Power(2) + nb.NeuronCost(s, 3) + nb.OutputNoise(gains)
    oracle = case.oracle().with_neurons((s, 3.0), (gains, -2.0))
    assume(oracle.size > 0)
    result = nb.balance(case.circuit(), cost=cost, method=method)
    assert result.success
    h = oracle.gathered(result.log_scale["cells"])
    assert oracle.imbalance(h) <= 1.01e-9
    np.testing.assert_allclose(h, oracle.minimum(), atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_in_equals_out_with_all_terms(rng: np.random.Generator, method: str) -> None:
    """Recomputed by hand: Σ w² and Σ s² come in, Σ w² and Σ G λ⁻² go out, each with its exponent."""
    weights, b = rng.normal(size=(6, 6)), 2.0
    s, gains = numbers(6, rng)
    result = nb.balance(
        weights, cost=nb.Power(2) + nb.Activity(s, p=3) + nb.OutputNoise(gains, of="sent"), homogeneity=b, method=method
    )
    squares, scale = result.weights**2, result.scale
    alone = ~np.eye(6, dtype=bool)
    incoming = 2 * (squares * alone).sum(1) + 3 * s**3 * scale**3
    outgoing = 2 * b * (squares * alone).sum(0) + 2 * b * gains * scale ** (-2 * b)
    outgoing += (2 * b - 2) * np.diag(squares)  # a self-connection moves as λ^(1 - b)
    np.testing.assert_allclose(incoming, outgoing, rtol=1e-6)
    assert result.cost == pytest.approx(squares.sum() + (s**3 * scale**3).sum() + (gains * scale ** (-2 * b)).sum())
    assert result.cost_before == pytest.approx((weights**2).sum() + (s**3).sum() + gains.sum())
    assert result.history.cost[[0, -1]] == pytest.approx([result.cost_before, result.cost])


def test_the_table_shows_both_halves(rng: np.random.Generator) -> None:
    weights, (s, gains) = rng.normal(size=(5, 5)) * (1 - np.eye(5)), numbers(5, rng)
    result = nb.balance(weights, cost=nb.Power(2) + nb.Activity(s) + nb.OutputNoise(gains), pinned=[4])
    table = result.table()
    np.testing.assert_allclose(table["incoming"][:4], table["outgoing"][:4], rtol=1e-6)
    np.testing.assert_allclose(table["incoming_before"], 2 * (weights**2).sum(1) + 2 * s**2, rtol=1e-12)
    np.testing.assert_allclose(table["outgoing_before"], 2 * (weights**2).sum(0) + 2 * gains, rtol=1e-12)
    np.testing.assert_allclose(
        table["outgoing"], 2 * (result.weights**2).sum(0) + 2 * gains / result.scale**2, rtol=1e-12
    )
    assert not table["left_out"].any()
    result.plot()


def test_sums_are_the_halves_of_the_gradient(rng: np.random.Generator) -> None:
    weights, (s, gains) = rng.normal(size=(4, 4)), numbers(4, rng)
    formulation = formulate(nb.as_circuit(weights), nb.Power(2) + nb.Activity(s) + nb.OutputNoise(gains))
    h = rng.normal(size=4)
    moved = formulation.rescaled({"neurons": h}, dyadic=False)
    incoming, outgoing = moved.neuron_sums()["neurons"]

    def total(x: np.ndarray) -> float:
        return formulation.rescaled({"neurons": x}, dyadic=False).total()

    np.testing.assert_allclose(incoming - outgoing, derivative(total, h), rtol=1e-5, atol=1e-5)
    twice = moved.rescaled({"neurons": -h}, dyadic=False)
    assert twice.total() == pytest.approx(formulation.total(), rel=1e-12)


def test_tied_neurons_add_up_what_they_cost(rng: np.random.Generator) -> None:
    s, gains = numbers(6, rng)
    result = nb.balance(
        np.ones((6, 6)), cost=nb.Activity(s) + nb.OutputNoise(gains), tied=[0, 0, 0, 1, 1, -1], tol=1e-12
    )
    for members in ([0, 1, 2], [3, 4], [5]):
        expected = (gains[members].sum() / (s[members] ** 2).sum()) ** 0.25
        np.testing.assert_allclose(result.scale[members], expected, rtol=1e-8)


def test_pinned_neurons_cost_a_constant(rng: np.random.Generator) -> None:
    s, gains = numbers(6, rng)
    cost = nb.Activity(s) + nb.OutputNoise(gains)
    result = nb.balance(np.ones((6, 6)), cost=cost, pinned=[0, 3], tol=1e-12)
    assert result.scale[[0, 3]].tolist() == [1, 1] and not result.excluded
    np.testing.assert_allclose(result.scale[[1, 2, 4, 5]], (gains / s**2)[[1, 2, 4, 5]] ** 0.25, rtol=1e-8)
    assert result.cost == pytest.approx(np.sum(s**2 * result.scale**2 + gains / result.scale**2))


def test_dyadic_scales_count_after_rounding(rng: np.random.Generator) -> None:
    s, gains = numbers(6, rng)
    result = nb.balance(np.ones((6, 6)), cost=nb.Activity(s) + nb.OutputNoise(gains), dyadic=True)
    assert np.all(np.log2(result.scale) % 1 == 0)
    assert result.cost == pytest.approx(np.sum(s**2 * result.scale**2 + gains / result.scale**2), rel=1e-14)
    np.testing.assert_allclose(result.scale / (gains / s**2) ** 0.25, 1, rtol=0.42)


@pytest.mark.parametrize(("size", "ratio"), [(1.0, 1.1), (1e-3, 1.25), (1e-6, 1.25)])
def test_solves_take_no_more_evaluations_than_without(size: float, ratio: float) -> None:
    """Costs of a neuron by itself, relative to its synapses: weak ones make a common shift a slow mode."""
    with_own = without = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        h = rng.normal(0, 1, 60)
        weights = rng.normal(size=(60, 60)) * (rng.random((60, 60)) < 0.2) * np.exp(h[:, None] - h)
        s, gains = numbers(60, rng)
        plain = nb.balance(weights)
        own = nb.Activity(s) + nb.OutputNoise(gains)
        with_own += nb.balance(weights, cost=nb.Power(2) + size * plain.cost / 60 * own).evaluations
        without += plain.evaluations
    assert with_own <= ratio * without


def test_weak_costs_decide_what_synapses_leave_open(rng: np.random.Generator) -> None:
    """Synapses fix h up to a common shift, and a millionth of their cost the shift: Σ s² λ² = Σ G λ⁻²."""
    weights, (s, gains) = rng.normal(size=(40, 40)), numbers(40, rng)
    plain = nb.balance(weights, tol=1e-12)
    result = nb.balance(weights, cost=nb.Power(2) + 1e-6 * (nb.Activity(s) + nb.OutputNoise(gains)), tol=1e-12)
    shift = (np.sum(gains / plain.scale**2) / np.sum(s**2 * plain.scale**2)) ** 0.25
    np.testing.assert_allclose(result.scale, shift * plain.scale, rtol=1e-5)


def test_passes_over_neurons_alone_are_counted(rng: np.random.Generator) -> None:
    s, gains = numbers(6, rng)
    assert nb.balance(np.ones((6, 6)), cost=nb.Activity(s) + nb.OutputNoise(gains)).evaluations > 3
