"""Costs on neurons by population, in dicts, with units, and of one's own; what is wrong with them is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from brian2 import mV

import neurobal as nb


class Mine(nb.Cost):
    """A cost of a user's own, on neurons: at module level, so that it can be pickled."""

    def neuron_terms(self, circuit: nb.Circuit, populations: Any) -> dict[str, list[nb.NeuronTerm]]:
        return {name: [nb.NeuronTerm(q, 2.0) for q in (3.0, -1.0)] for name in populations}


# --------------------------------------------------------------------------------------- populations, dicts, units


@pytest.fixture
def two(rng: np.random.Generator) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("E", 4)
    circuit.add("I", 3, homogeneity=2)
    for pre, post in ("EE", "EI", "IE", "II"):
        circuit.connect(pre, post, rng.normal(size=(3 if post == "I" else 4, 3 if pre == "I" else 4)), name=pre + post)
    return circuit


def test_values_by_population(two: nb.Circuit, rng: np.random.Generator) -> None:
    s, gains = {"E": rng.lognormal(size=4), "I": rng.lognormal(size=3)}, {"E": 2.0, "I": 3.0}
    result = nb.balance(two, cost=nb.Activity(s, of="sent") + nb.OutputNoise(gains), tol=1e-12)
    np.testing.assert_allclose(result.scale["E"] ** 4, 2 / s["E"] ** 2, rtol=1e-8)
    np.testing.assert_allclose(result.scale["I"] ** 6, 3 / (2 * s["I"] ** 2), rtol=1e-8)


def test_a_dict_of_costs_may_name_populations(two: nb.Circuit, rng: np.random.Generator) -> None:
    s, gains = rng.lognormal(size=4), rng.lognormal(size=4)
    parts = {
        "EE": nb.Power(2),
        "E": nb.Activity(s) + nb.OutputNoise(gains),
        "I": 0.5 * nb.Activity(1.0) + nb.OutputNoise(1.0),
    }
    result = nb.balance(two, cost=parts)
    alike = nb.Activity({"E": s, "I": np.full(3, 0.5**0.5)}) + nb.OutputNoise({"E": gains, "I": 1.0})
    named = {"EE": nb.Power(2), "E": alike, "I": alike}
    for name, scale in nb.balance(two, cost=named).scale.items():
        np.testing.assert_allclose(result.scale[name], scale, rtol=1e-12)
    assert "Σ w² (EE), Σ s² + Σ G/λ² (E), 0.5 Σ s² + Σ G/λ² (I)" in repr(result)
    both = {name: result.scale[name] for name in "EI"}
    own = (s**2 * both["E"] ** 2 + gains / both["E"] ** 2).sum() + (0.5 * both["I"] ** 2 + 1 / both["I"] ** 2).sum()
    assert result.cost == pytest.approx((result.weights["EE"] ** 2).sum() + own)


def test_one_key_that_nothing_holds_is_an_error(two: nb.Circuit) -> None:
    cost = {"E": nb.Activity(1.0) + nb.OutputNoise(1.0), "I": nb.OutputNoise(1.0)}
    with pytest.raises(nb.UnbalanceableError, match=r"^Nothing holds the cost OutputNoise of I \(on neurons: 3 of I\)"):
        nb.balance(two, cost=cost)


def test_a_key_may_name_both(rng: np.random.Generator) -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3)
    circuit.connect("E", "E", rng.normal(size=(3, 3)), name="E")
    of_neurons = nb.Activity(1.0) + nb.OutputNoise(1.0)
    assert nb.balance(circuit, cost={"E": nb.Power(2)}).formulation.synapses == 9
    assert nb.balance(circuit, cost={"E": of_neurons}).cost_before == 6


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (nb.Activity([1.0, 2, 3, 4]), r"^Activity\.values: this network has 2 populations; give a dict.*'E': \.\.\."),
        (nb.Activity({"e": 1.0}), r"^Activity\.values: there is no population 'e'\. Known names: 'E', 'I'"),
        (nb.Activity({"E": [1.0, 2]}), r"^Activity\.values, population 'E': expected a number or an array"),
        (nb.Activity({"E": [1.0, 2, -3, 4]}), r"^Activity\.values, population 'E': expected numbers >= 0, got -3 for"),
        (nb.OutputNoise({"E": np.nan}), r"^OutputNoise\.noise_gains, population 'E': it is nan, not a finite number"),
        (nb.NeuronCost({"E": 1.0}, {"I": 2}), r"^NeuronCost\.exponent: expected a number for population 'E', got none"),
        (nb.NeuronCost({"E": 1.0}, 2 * mV), r"^NeuronCost\.exponent: .*one with units"),
        ({"EE": nb.Activity(1.0)}, r"^cost: that of projection 'EE', Activity\(values\), costs neurons.*'E', 'I'"),
        ({"E": nb.Power(2)}, r"^cost: there is no projection 'E'|is a cost of synapses\. Give it under"),
        ({"E": nb.Activity(1.0) + nb.Power(2)}, r"^cost: Power\(2\), given for population 'E', is a cost of synapses"),
        ({"EX": nb.Activity(1.0)}, r"^cost: there is no population or projection 'EX'\. Did you mean"),
        ({"E": nb.Activity({"I": 1.0})}, r"^cost: Activity\(values\) says nothing of population 'E'"),
        ({"E": 3.0}, r"^cost: expected a cost on neurons such as Activity\(values\) for population 'E', got float"),
    ],
)  # fmt: skip
def test_errors_name_the_culprit(two: nb.Circuit, cost: Any, message: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=message):
        nb.balance(two, cost=cost)


@pytest.mark.parametrize("p", [0, -1, np.nan, np.inf, True, "2"])
def test_powers_are_positive(p: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"^Activity\.p: expected a number > 0"):
        nb.Activity(1.0, p=p)


@pytest.mark.parametrize("kind", [nb.Activity, nb.OutputNoise])
def test_of_what(kind: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"\.of: expected 'state' or 'sent', got 'rate'"):
        kind(1.0, of="rate")


def test_units_have_to_agree(two: nb.Circuit) -> None:
    activity, noise = nb.Activity({"E": 1 * mV}), nb.OutputNoise({"E": 1.0})
    with pytest.raises(
        nb.InvalidInputError, match=r"the cost of population 'E' \(OutputNoise\) has dimension 1.*'E' \(Act"
    ):
        nb.balance(two, cost=activity + noise)
    with pytest.raises(nb.InvalidInputError, match=r"cannot be added.*Activity\(values\)\*\(1/mV\*\*2\)"):
        nb.balance(two, cost=nb.Power(2) + activity + noise)
    result = nb.balance(two, cost=activity * (1 / mV**2) + noise, tol=1e-12)
    np.testing.assert_allclose(result.scale["E"], 1.0)
    with_units = nb.balance(two, cost=activity + noise * (1 * mV**2), tol=1e-12)
    np.testing.assert_allclose(with_units.scale["E"], 1.0)
    assert "Σ G/λ² [m^4 kg^2 s^-6 A^-2]" in repr(with_units)


# -------------------------------------------------------------------------------------------------- costs of others


def test_a_cost_of_ones_own_is_one_class(rng: np.random.Generator) -> None:
    result = nb.balance(rng.normal(size=(4, 4)), cost=Mine(), tol=1e-12)
    np.testing.assert_allclose(result.scale**4, 1 / 3, rtol=1e-9)
    assert nb.balance(rng.normal(size=(4, 4)), cost=0.5 * Mine() + nb.Power(2) + nb.Activity(0.0)).success


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected a dict from population to a list of NeuronTerm, got None"),
        ({"neurons": nb.NeuronTerm(1.0, 1.0)}, "expected a list of NeuronTerm for population 'neurons'"),
        ({"neurons": [nb.NeuronTerm(1.0, -1.0)]}, "weights >= 0"),
        ({"neurons": [nb.NeuronTerm(np.inf, 1.0)]}, "expected finite numbers"),
        ({"neurons": [nb.NeuronTerm(1.0, np.ones(3))]}, "one or 2 of them"),
        ({"others": []}, "answered for population 'others'"),
    ],
)
def test_wrong_answers_are_named(answer: Any, message: str) -> None:
    class Wrong(nb.Cost):
        def neuron_terms(self, circuit: Any, populations: Any) -> Any:
            return answer

    with pytest.raises(nb.InvalidInputError, match=rf"^Wrong\.neuron_terms: .*{message}"):
        nb.balance(np.ones((2, 2)), cost=Wrong())


def test_costs_show_what_they_are() -> None:
    cost = (
        nb.Activity(1.0, p=3, of="sent")
        + nb.OutputNoise(1.0, of="sent")
        + nb.NeuronCost(1.0, 1.5)
        + nb.NeuronCost(1.0, [1])
    )
    assert cost.formula == "Σ r³ + Σ G/λ²ᵇ + Σ g λ^1.5 + Σ g λ^q"
    shown = "Activity(values, p=3, of='sent') + OutputNoise(noise_gains, of='sent') + NeuronCost(weight, 1.5)"
    assert repr(cost).startswith(shown)
