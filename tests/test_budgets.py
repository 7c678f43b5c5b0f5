"""Budgets: the least cost within limits, against closed forms, an optimiser that shares no code, and optimality."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from scipy import optimize

import neurobal as nb
from neurobal.formulation import formulate

Array: TypeAlias = np.ndarray


def circuit(size: int, seed: int, *, tied: bool = False) -> tuple[nb.Circuit, nb.OutputNoise, nb.Activity]:
    """A recurrent network between pinned inputs and readouts, with gains and activities of its neurons."""
    rng = np.random.default_rng(seed)
    net = nb.Circuit()
    net.add("in", 2, pinned=True)
    net.add("E", size, tied=np.arange(size) // 2 if tied else None)
    net.add("out", 2, pinned=True)
    recurrent = rng.normal(size=(size, size)) * (rng.random((size, size)) < 0.5)
    np.fill_diagonal(recurrent, 0)
    net.connect("in", "E", rng.normal(size=(size, 2)))
    net.connect("E", "E", recurrent)
    net.connect("E", "out", rng.normal(size=(2, size)))
    gains, activity = np.exp(rng.normal(0, 1.5, size)), np.exp(rng.normal(0, 0.7, size))
    return net, nb.OutputNoise({"E": gains}), nb.Activity({"E": activity})


def total(net: nb.Circuit, cost: Any, h: dict[str, Array]) -> float:
    """A cost of a rescaled network, from its weights."""
    return formulate(net, cost).rescaled(h, dyadic=False).total()


def reference(net: nb.Circuit, cost: Any, budget: list[tuple[Any, float]], unit: Array) -> float:
    """The least cost within budgets by SLSQP, over one number a unit (-1: pinned) of population E."""
    exponents = lambda h: {"in": np.zeros(2), "E": np.append(h, 0.0)[unit], "out": np.zeros(2)}  # noqa: E731
    zero = np.zeros(unit.max() + 1)
    start = [total(net, one, exponents(zero)) for one in (cost, *(b for b, _ in budget))]
    answer = optimize.minimize(
        lambda h: np.log(total(net, cost, exponents(h)) / start[0]),
        zero,
        method="SLSQP",
        constraints=[
            {
                "type": "ineq",
                "fun": lambda h, b=b, most=most, s=s: np.log(most) - np.log(total(net, b, exponents(h)) / s),
            }
            for (b, most), s in zip(budget, start[1:], strict=True)
        ],
        options={"maxiter": 500, "ftol": 1e-13},
    )
    assert answer.success or answer.status == 8, answer.message  # 8: no further descent within rounding errors
    return float(np.exp(answer.fun))


def assert_optimal(result: nb.Balance, tol: float = 1e-9) -> None:
    """Limits hold, what has a multiplier is used up, and the effective cost is balanced (Karush, Kuhn and Tucker)."""
    assert result.success, result.message
    assert result.imbalance <= tol
    for budget in result.budgets:
        assert budget.after == pytest.approx(total(result.before, budget.cost, result.log_scale), rel=1e-11)
        assert budget.excess <= 2 * tol
        assert budget.multiplier >= 0 and budget.active == (budget.multiplier > 0)
        assert not budget.active or abs(budget.excess) <= 2 * tol
    again = nb.balance(result.before, cost=result.effective_cost)
    for name, h in result.log_scale.items():
        assert np.abs(h - again.log_scale[name]).max(initial=0.0) < 1e-6


def test_least_noise_at_equal_activity_has_a_closed_form(rng: np.random.Generator) -> None:
    """λ⁴ ∝ G/s², and the ratio that can be attained is (Σ√(G s²))² / (ΣG Σs²)."""
    gains, s = np.exp(rng.normal(0, 2, 40)), np.exp(rng.normal(0, 1, 40))
    weights = rng.normal(size=(40, 40))
    result = nb.balance(weights, cost=nb.OutputNoise(gains), budget=[(nb.Activity(s), 1.0)])
    constant = np.log(result.scale**4 / (gains / s**2))
    assert np.ptp(constant) < 1e-8
    attainable = np.sqrt(gains * s**2).sum() ** 2 / (gains.sum() * (s**2).sum())
    assert result.cost / result.cost_before == pytest.approx(attainable, rel=1e-8)
    assert result.budgets[0].ratio == pytest.approx(1, rel=1e-8)
    assert result.budgets[0].multiplier == pytest.approx(np.exp(-constant.mean()), rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_it_is_the_least_cost_within_the_limits(seed: int, number: int, tied: bool) -> None:
    net, noise, activity = circuit(6, 10 * seed + number, tied=tied)
    budget = [(nb.Power(2), 1.05), (activity, 0.99), (nb.Power(1), 1.1)][:number]
    result = nb.balance(net, cost=noise, budget=budget)
    assert_optimal(result)
    unit = np.arange(6) // 2 if tied else np.arange(6)
    assert result.cost / result.cost_before == pytest.approx(reference(net, noise, budget, unit), rel=1e-6)


@pytest.mark.parametrize("exponent", [1.0, 2.0, 0.5])
def test_other_homogeneities_and_pins_within_a_population(exponent: float) -> None:
    rng = np.random.default_rng(4)
    weights, gains, s = rng.normal(size=(8, 8)), np.exp(rng.normal(size=8)), np.exp(rng.normal(size=8))
    budget = [(nb.Activity(s), 0.9), (nb.Power(2), 1.0)]
    result = nb.balance(weights, homogeneity=exponent, pinned=[0, 3], cost=nb.OutputNoise(gains), budget=budget)
    assert result.success, result.message
    assert result.scale[[0, 3]].tolist() == [1, 1]
    for given in result.budgets:
        assert given.excess <= 2e-9 and given.multiplier * abs(given.excess) <= 1e-8


def test_budgets_that_are_not_used_up_change_nothing() -> None:
    net, noise, activity = circuit(12, 0)
    alone = nb.balance(net)
    result = nb.balance(net, budget=[(activity, 5.0), (noise, 5.0)])
    assert [(budget.active, budget.multiplier) for budget in result.budgets] == [(False, 0.0), (False, 0.0)]
    assert np.abs(result.log_scale["E"] - alone.log_scale["E"]).max() < 1e-8
    assert result.effective_cost.formula == "Σ w²"
    assert "not active" in repr(result)


def test_at_the_minimum_of_a_budget_nothing_moves() -> None:
    """Where it may not exceed its least value, the multiplier would be infinite: it is large instead."""
    net, noise, _ = circuit(12, 1)
    balanced = nb.balance(net, tol=1e-12).circuit
    result = nb.balance(balanced, cost=noise, budget=[(nb.Power(2), 1.0)])
    assert result.success and np.abs(result.log_scale["E"]).max() < 1e-5
    assert result.budgets[0].ratio == pytest.approx(1, abs=1e-9)
    least = nb.balance(net)
    attainable = least.cost / least.cost_before
    result = nb.balance(net, cost=noise, budget=[(nb.Power(2), attainable)])
    assert result.success and np.abs(result.log_scale["E"] - least.log_scale["E"]).max() < 1e-4


def test_near_the_minimum_multipliers_explode_and_the_answer_stays() -> None:
    net, noise, _ = circuit(12, 1)
    balanced = nb.balance(net).circuit
    multipliers = []
    for limit in (1.1, 1.001, 1.00001):
        result = nb.balance(balanced, cost=noise, budget=[(nb.Power(2), limit)])
        assert_optimal(result)
        multipliers.append(result.budgets[0].multiplier)
    assert multipliers[2] > 5 * multipliers[1] > 25 * multipliers[0]


def test_a_limit_that_nothing_meets_is_named_with_the_least_that_can_be_met() -> None:
    net, noise, activity = circuit(10, 2)
    least = nb.balance(net)
    attainable = least.cost / least.cost_before
    with pytest.raises(nb.InvalidInputError, match=r"budget: Σ w² is to be at most 0\.5 times.*less than") as caught:
        nb.balance(net, cost=noise, budget=[(activity, 1.0), (nb.Power(2), 0.5)])
    named = float(str(caught.value).split("less than ")[1].split(" times")[0])
    assert named == pytest.approx(attainable, rel=1e-5) and named >= attainable
    assert nb.balance(net, cost=noise, budget=[(nb.Power(2), named)]).success


def test_limits_that_nothing_meets_together_are_named_with_the_factor_that_would_do() -> None:
    net, noise, activity = circuit(10, 3)
    budget = [(noise, 0.3), (activity, 0.3), (nb.Power(1), 50.0)]
    with pytest.raises(nb.InvalidInputError, match=r"together: Σ G/λ² <= 0\.3 ×, Σ s² <= 0\.3 × what") as caught:
        nb.balance(net, budget=budget)
    factor = float(str(caught.value).split("With all of them ")[1].split(" times")[0])
    assert nb.balance(net, budget=[(cost, limit * factor * 1.0001) for cost, limit in budget]).success
    with pytest.raises(nb.InvalidInputError, match="together"):
        nb.balance(net, budget=[(cost, limit * factor * 0.999) for cost, limit in budget])
    # Σ G e^-2h and Σ s² e^2h: by Cauchy and Schwarz their product is at least (Σ √G s)².
    gains, s = noise.noise_gains["E"], activity.values["E"]
    assert 0.3 * factor == pytest.approx(np.sqrt(gains * s**2).sum() / np.sqrt(gains.sum() * (s**2).sum()), rel=1e-3)


def test_what_is_left_out_counts_in_the_totals() -> None:
    """Neuron 6 sends nothing, so that what it receives has no balance; it is part of what Σ w² may be."""
    rng = np.random.default_rng(5)
    weights = np.zeros((7, 7))
    weights[:6, :6] = rng.normal(size=(6, 6))
    weights[6, :6] = 3 * rng.normal(size=6)
    gains = {"neurons": np.append(np.exp(rng.normal(size=6)), 0.0)}
    s = {"neurons": np.append(np.ones(6), 0.0)}
    budget = [(nb.Power(2), 1.0), (nb.Activity(s), 1.0)]
    result = nb.balance(weights, cost=nb.OutputNoise(gains), budget=budget)
    assert result.success and result.excluded and result.scale[6] == 1
    assert result.budgets[0].before == pytest.approx((weights**2).sum())
    assert result.budgets[0].after == pytest.approx((np.asarray(result.weights) ** 2).sum())
    for given in result.budgets:
        assert given.excess <= 1e-8 and given.multiplier * abs(given.excess) <= 1e-8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_budgets_hold_after_rounding_to_powers_of_two(seed: int) -> None:
    net, noise, activity = circuit(20, seed)
    result = nb.balance(net, cost=noise, budget=[(activity, 1.0), (nb.Power(2), 1.2)], dyadic=True)
    assert result.success, result.message
    assert result.dyadic and result.certificate.exact
    assert all(budget.excess <= 1e-12 for budget in result.budgets)
    assert result.cost < result.cost_before
    assert "rounded to powers of two" in result.message


def test_what_rounding_exceeds_is_said() -> None:
    net, noise, _ = circuit(10, 3)
    least = nb.balance(net)
    limit = least.cost / least.cost_before * 1.0001
    result = nb.balance(net, cost=noise, budget=[(nb.Power(2), limit)], dyadic=True)
    assert not result.success
    assert "exceeded after rounding: Σ w² by" in result.message and "EXCEEDED by" in repr(result)


def test_one_budget_costs_no_more_than_six_solves() -> None:
    for seed in range(6):
        net, noise, activity = circuit(40, seed)
        one = nb.balance(net, cost=noise + nb.Power(2)).evaluations
        for cost, budget in (
            (noise, (nb.Power(2), 1.2)), (noise, (nb.Power(2), 1.0)), (noise, (activity, 1.0)),
            (nb.Power(2), (noise, 0.8)),
        ):  # fmt: skip
            result = nb.balance(net, cost=cost, budget=budget)
            assert result.success and result.evaluations <= 6 * one


def test_dicts_of_costs_join() -> None:
    net, noise, activity = circuit(8, 6)
    cost = {"E": noise}
    result = nb.balance(net, cost=cost, budget=[({"E->E": nb.Power(2)}, 1.0), (activity + nb.Power(2), 1.1)])
    assert isinstance(result.effective_cost, dict)
    assert_optimal(result)


def test_two_budgets_on_one_cost() -> None:
    net, noise, _ = circuit(8, 7)
    both = nb.balance(net, cost=noise, budget=[(nb.Power(2), 1.0), (nb.Power(2), 1.2)])
    one = nb.balance(net, cost=noise, budget=[(nb.Power(2), 1.0)])
    assert_optimal(both)
    assert both.cost == pytest.approx(one.cost, rel=1e-8) and not both.budgets[1].active


def test_a_budget_without_an_optimum_of_its_own() -> None:
    """Less noise than any: λ grows for ever. With activity as the cost every limit can be met."""
    net, noise, activity = circuit(8, 8)
    result = nb.balance(net, cost=activity, budget=[(noise, 0.01)])
    assert_optimal(result)
    assert result.cost > 5 * result.cost_before


def test_results_are_kept(tmp_path: Path) -> None:
    net, noise, activity = circuit(8, 9)
    result = nb.balance(net, cost=noise, budget=[(activity, 1.0), (nb.Power(2), 9.0)])
    nb.save(tmp_path / "balance", result)
    for copy in (nb.load(tmp_path / "balance"), pickle.loads(pickle.dumps(result))):
        assert isinstance(copy, nb.Balance)
        assert repr(copy) == repr(result)
        assert copy.effective_cost.formula == result.effective_cost.formula
        assert [b.multiplier for b in copy.budgets] == [b.multiplier for b in result.budgets]
    assert "Σ s², active, multiplier" in repr(result) and "≤ 9 ×" in result._repr_html_()
    assert result.plot().get_axes() and len(result.table()["incoming"]) == 12


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (1.2, "budget: expected a list of pairs.*got float 1.2"),
        ([], "got an empty one"),
        ([nb.Power(2)], "number 0 is Power"),
        ([(nb.Power(2), 0)], r"that of Σ w² is to be at most 0 times.*number > 0"),
        ([(nb.Power(2), True)], "expected a number > 0"),
        ([(nb.Activity(np.zeros(3)), 1.0)], r"Σ s² is 0 before balancing.*Leave this budget out"),
        ([(nb.Activity(np.ones(4)), 1.0)], r"budget of Σ s²: Activity.values"),
    ],
)
def test_budgets_that_are_none(budget: Any, message: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=message):
        nb.balance(np.ones((3, 3)), budget=budget)


def test_refusals(tmp_path: Path) -> None:
    net, noise, activity = circuit(5, 0)
    with pytest.raises(nb.InvalidInputError, match=r"the method 'osborne' knows no budgets.*effective_cost"):
        nb.balance(net, cost=noise, budget=[(activity, 1.0)], method="osborne")
    with pytest.raises(nb.UnbalanceableError, match="Nothing holds the cost OutputNoise"):
        nb.balance(np.ones((3, 3)), cost=nb.OutputNoise(np.ones(3)), budget=[(nb.Power(2), 1.0)])
    on_disk = nb.to_disk(np.array([[0, 1.0], [1, 0]]), tmp_path / "net")
    with pytest.raises(nb.InvalidInputError, match="budget: possible for networks in memory only"):
        nb.balance(on_disk, budget=[(nb.Power(1), 1.0)])


@pytest.mark.parametrize("seed", range(40))
def test_any_costs_within_any_others(seed: int) -> None:
    """Random networks, pins, ties, homogeneities: an optimum, or an error that says which limits cannot hold."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 14))
    weights = rng.normal(size=(size, size)) * np.exp(rng.normal(0, 1.5, (size, size)))
    weights *= rng.random((size, size)) < rng.uniform(0.3, 1)
    pool = [
        nb.Power(2), nb.Power(1), 3 * nb.Power(0.5), nb.Activity(np.exp(rng.normal(0, 2, size))),
        nb.OutputNoise(np.exp(rng.normal(0, 2, size))), nb.NeuronCost(np.exp(rng.normal(size=size)), 3.0),
    ]  # fmt: skip
    chosen = [pool[k] for k in rng.choice(len(pool), int(rng.integers(2, 5)), replace=False)]
    budget = [(cost, float(rng.choice([1, 1.2, 0.95, 2, 0.5]))) for cost in chosen[1:]]
    given: dict[str, Any] = {"pinned": rng.random(size) < 0.3} if rng.random() < 0.5 else {}
    if rng.random() < 0.3:
        given["tied"] = rng.integers(-1, 3, size)
    given["homogeneity"] = float(rng.choice([0.5, 1, 1, 2]))
    try:
        result = nb.balance(weights, cost=chosen[0], budget=budget, **given)
    except nb.UnbalanceableError as error:
        assert "falls for ever" in str(error) or "Nothing can be balanced" in str(error)
    except nb.InvalidInputError as error:
        text = str(error)
        assert text.startswith(("budget: ", "cost: no scales change", "No neuron is free"))
        assert "together" not in text or any(limit < 1 for _, limit in budget)
    else:
        assert result.success or result.excluded, result.message
        for one in result.budgets if result.success else ():
            assert one.excess <= 1e-8 and (not one.active or abs(one.excess) <= 1e-8)
