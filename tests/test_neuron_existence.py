"""Which costs on neurons have a balance, by an independent linear program; what is said of the others."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from hypothesis import assume, given, settings

import neurobal as nb
from neurobal import existence


def numbers(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.lognormal(0, 1, size), rng.lognormal(0, 1, size)


@pytest.mark.parametrize(
    ("b", "cost", "held"),
    [
        (1, nb.Activity(1.0), False),
        (1, nb.OutputNoise(1.0), False),
        (2, nb.Activity(1.0), True),
        (2, nb.OutputNoise(1.0), False),
        (0.5, nb.Activity(1.0), False),
        (0.5, nb.OutputNoise(1.0), True),
        *((b, nb.Activity(1.0) + nb.OutputNoise(1.0), True) for b in (0.5, 1, 2)),
    ],
)
def test_what_holds_a_cost_on_neurons(rng: np.random.Generator, b: float, cost: nb.Cost, held: bool) -> None:
    """Recurrent synapses and one sign: shifting all h by d changes synapses as exp(2 (1 - b) d)."""
    weights = rng.normal(size=(5, 5))
    if held:
        result = nb.balance(weights, cost=nb.Power(2) + cost, homogeneity=b, on_unbalanceable="raise")
        assert result.success and not result.excluded
        return
    with pytest.raises(
        nb.UnbalanceableError, match=r"^Nothing holds the cost (Activity|OutputNoise): it falls for ever"
    ):
        nb.balance(weights, cost=nb.Power(2) + cost, homogeneity=b)


@pytest.mark.parametrize(
    ("cost", "remedy"),
    [
        (nb.Activity(1.0), "falls for ever as λ shrinks. Add a cost that falls with λ.*OutputNoise.*pinned readouts"),
        (nb.OutputNoise(1.0), "falls for ever as λ grows. Add a cost that grows with λ.*Activity.*pinned inputs"),
    ],
)
def test_the_error_says_what_would_hold_it(cost: nb.Cost, remedy: str) -> None:
    with pytest.raises(nb.UnbalanceableError, match=remedy):
        nb.balance(np.ones((3, 3)), cost=nb.Power(2) + cost)
    with pytest.raises(nb.UnbalanceableError, match=remedy):
        nb.balance(np.ones((3, 3)), cost=cost)


def test_synapses_from_and_to_the_ground_hold_one_sign(rng: np.random.Generator) -> None:
    circuit = nb.Circuit()
    for name in ("in", "E", "out"):
        circuit.add(name, 3, pinned=name != "E")
    circuit.connect("in", "E", rng.normal(size=(3, 3)))
    circuit.connect("E", "E", rng.normal(size=(3, 3)))
    noise, activity = nb.OutputNoise({"E": np.ones(3)}), nb.Activity({"E": np.ones(3)})
    assert not nb.balance(circuit, cost=nb.Power(2) + noise).excluded
    with pytest.raises(nb.UnbalanceableError, match=r"the cost Activity \(on neurons: 3 of E\)"):
        nb.balance(circuit, cost=nb.Power(2) + activity)
    circuit.connect("E", "out", rng.normal(size=(3, 3)))
    assert not nb.balance(circuit, cost=nb.Power(2) + activity).excluded


@settings(max_examples=100)
@given(graphs.anything(), graphs.generators())
def test_the_decision_agrees_with_a_linear_program(case: graphs.Case, rng: np.random.Generator) -> None:
    """Costs on a few neurons only, of either sign."""
    check_existence(case, rng)


@settings(max_examples=30)
@given(graphs.anything(), graphs.generators())
def test_a_solver_that_runs_away_shows_it(case: graphs.Case, rng: np.random.Generator) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(existence, "LARGEST_LINEAR_PROGRAM", -1)
        check_existence(case, rng, exact=False)


def check_existence(case: graphs.Case, rng: np.random.Generator, *, exact: bool = True) -> None:
    s, gains = (x * (rng.random(case.size) < 0.4) for x in numbers(case.size, rng))
    oracle = case.oracle().with_neurons((s**2, 2.0), (gains, -2.0))
    assume(oracle.size > 0)
    cost = nb.Power(2) + nb.Activity(s) + nb.OutputNoise(gains)
    held = oracle.has_balance()
    own = (oracle.synapse < 0) & oracle.changeable
    up = oracle.exponents.max(axis=1, initial=0) > 0
    wholly_lost = any(np.any(own & side) and not np.any(own & side & held) for side in (up, ~up))
    if wholly_lost or not np.any(held & oracle.changeable):
        if exact:
            with pytest.raises(nb.UnbalanceableError):
                nb.balance(case.circuit(), cost=cost)
        return
    result = nb.balance(case.circuit(), cost=cost)
    assert result.success
    lost = np.zeros(case.size, dtype=bool)
    for excluded in result.excluded:
        if isinstance(excluded, nb.ExcludedNeurons):
            lost[excluded.neurons] = True
            assert excluded.of == np.unique(oracle.synapse[own]).size
    expected = np.zeros(case.size, dtype=bool)
    expected[-1 - oracle.synapse[own & ~held]] = True
    assert np.array_equal(lost, expected) if exact else not np.any(lost & ~expected)


def test_dead_neurons_are_left_out_and_named(rng: np.random.Generator) -> None:
    s, gains = numbers(6, rng)
    s[[1, 4]] = 0
    gains[2] = 0
    result = nb.balance(np.ones((6, 6)), cost=nb.Activity(s) + nb.OutputNoise(gains), tol=1e-12)
    alive = [0, 3, 5]
    np.testing.assert_allclose(result.scale[alive], (gains[alive] / s[alive] ** 2) ** 0.25, rtol=1e-8)
    assert result.scale[[1, 2, 4]].tolist() == [1, 1, 1]
    (excluded,) = result.excluded
    assert (excluded.population, excluded.neurons.tolist(), excluded.of) == ("neurons", [1, 2, 4], 6)
    assert result.table()["left_out"].tolist() == [False, True, True, False, True, False]
    assert result.cost_before == pytest.approx(np.sum((s**2 + gains)[alive]))
    text = repr(result)
    assert text.startswith("Balance: balanced WITHOUT the costs on 3 neurons, see below (newton")
    assert "left out: costs on 3 of 6 neurons: Activity + OutputNoise falls for ever, nothing holds it\n" in text
    assert "left out are costs on neurons" in text and "left out are synapses" not in text
    with pytest.raises(nb.UnbalanceableError, match=r"3 of 6 units have no balance\. neurons\[1\], neurons\[2\]"):
        nb.balance(np.ones((6, 6)), cost=nb.Activity(s) + nb.OutputNoise(gains), on_unbalanceable="raise")


def test_the_direction_is_named_where_there_is_one() -> None:
    result = nb.balance(np.ones((2, 2)), cost=nb.Activity([1.0, 0.0]) + nb.OutputNoise([1.0, 1.0]))
    assert str(result.excluded[0]) == "costs on 1 of 2 neurons: OutputNoise falls for ever as λ grows, nothing holds it"


def test_a_cost_without_synapses_needs_none() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 2)
    result = nb.balance(circuit, cost=nb.Activity([1.0, 2.0]) + nb.OutputNoise(16.0), tol=1e-12)
    np.testing.assert_allclose(result.scale["E"], [2, 2**0.5], rtol=1e-9)
    with pytest.raises(nb.InvalidInputError, match="no synapses"):
        nb.balance(circuit)


def test_nothing_but_pinned_neurons_costs_anything() -> None:
    with pytest.raises(nb.UnbalanceableError, match="costs on neurons of 'neurons' are 0, belong to pinned ones"):
        nb.balance(np.ones((2, 2)), cost=nb.Activity([1.0, 0.0]), pinned=[0])
