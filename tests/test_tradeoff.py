"""Trade-off curves: every point is optimal, no point has more of both costs than another, and all are cheap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurobal as nb


def circuit(size: int, seed: int) -> tuple[nb.Circuit, nb.OutputNoise, nb.Activity]:
    rng = np.random.default_rng(seed)
    net = nb.Circuit()
    net.add("in", 2, pinned=True)
    net.add("E", size)
    net.add("out", 2, pinned=True)
    recurrent = rng.normal(size=(size, size))
    np.fill_diagonal(recurrent, 0)
    net.connect("in", "E", rng.normal(size=(size, 2)))
    net.connect("E", "E", recurrent)
    net.connect("E", "out", rng.normal(size=(2, size)))
    gains, activity = np.exp(rng.normal(0, 1.5, size)), np.exp(rng.normal(0, 0.7, size))
    return net, nb.OutputNoise({"E": gains}), nb.Activity({"E": activity})


def test_noise_against_activity_is_a_hyperbola() -> None:
    """Their product is (Σ√G s)² at every point: both ends are open."""
    net, noise, activity = circuit(15, 0)
    curve = nb.tradeoff(net, noise, activity, points=7)
    gains, s = noise.noise_gains["E"], activity.values["E"]
    least = np.sqrt(gains * s**2).sum() ** 2 / (gains.sum() * (s**2).sum())
    table = curve.table()
    assert table["cost"] * table["other"] == pytest.approx(np.full(7, least), rel=1e-8)
    assert len(curve) == 7 and table["success"].all()


@pytest.mark.parametrize("seed", range(3))
def test_points_are_optimal_and_ordered(seed: int) -> None:
    net, noise, _ = circuit(20, seed)
    curve = nb.tradeoff(net, noise, nb.Power(2), points=9)
    table = curve.table()
    assert np.all(np.diff(table["cost"]) < 0) and np.all(np.diff(table["other"]) > 0)
    assert np.all(np.diff(table["multiplier"]) < 0)
    assert table["other"][0] == pytest.approx(nb.balance(net).cost / nb.balance(net).cost_before, rel=1e-9)
    for k in (1, 4, -1):
        point = curve[k]
        assert point.success and point.certificate.preserved
        assert point.cost / point.cost_before == pytest.approx(table["cost"][k], rel=1e-9)
        assert point.budgets[0].ratio == pytest.approx(table["other"][k], rel=1e-9)
        again = nb.balance(net, cost=noise, budget=[(nb.Power(2), float(table["other"][k]))])
        assert np.abs(again.log_scale["E"] - point.log_scale["E"]).max() < 1e-5
        effective = nb.balance(net, cost=point.effective_cost)
        assert np.abs(effective.log_scale["E"] - point.log_scale["E"]).max() < 1e-6


def test_ends_are_those_of_each_cost_alone() -> None:
    net, _, _ = circuit(20, 4)
    curve = nb.tradeoff(net, nb.Power(2), nb.Power(1), points=5)
    for point, cost in ((curve[0], nb.Power(1)), (curve[-1], nb.Power(2))):
        alone = nb.balance(net, cost=cost)
        assert np.abs(alone.log_scale["E"] - point.log_scale["E"]).max() < 1e-6
    assert curve.table()["multiplier"][-1] == 0 and not curve[-1].budgets[0].active


def test_twenty_points_cost_no_more_than_eighteen_solves() -> None:
    for seed in range(3):
        net, noise, activity = circuit(40, seed)
        pairs: list[tuple[Any, Any]] = [(noise, nb.Power(2)), (nb.Power(2), noise), (nb.Power(2), nb.Power(1))]
        for cost, other in pairs:
            one = nb.balance(net, cost=nb.Power(2) + 0.1 * noise + 0.1 * activity).evaluations
            assert nb.tradeoff(net, cost, other, points=20).evaluations <= 18 * one


def test_it_shows_itself_and_can_be_looked_through() -> None:
    net, noise, activity = circuit(8, 5)
    fractions: list[float] = []
    curve = nb.tradeoff(net, noise, activity, points=4, report=lambda *now: fractions.append(now[1]))
    assert "Trade-off: Σ G/λ² against Σ s²" in repr(curve) and "<table>" in curve._repr_html_()
    assert len(list(curve)) == len(curve[1:]) + 1 == 4
    assert curve.plot().get_axes()
    assert fractions[-1] == 1
    with pytest.raises(IndexError, match="no point 4"):
        curve[4]
    copy = nb.balance(net, cost=curve[-2].effective_cost)
    assert copy.cost == pytest.approx(curve[2].cost + curve[2].budgets[0].multiplier * curve[2].budgets[0].after)


def test_refusals() -> None:
    net, noise, activity = circuit(5, 6)
    with pytest.raises(nb.InvalidInputError, match="points: expected an integer >= 3, got 2"):
        nb.tradeoff(net, noise, activity, points=2)
    with pytest.raises(nb.InvalidInputError, match="tol: expected"):
        nb.tradeoff(net, noise, activity, tol=0)
    with pytest.raises(nb.UnbalanceableError, match="Nothing holds the cost OutputNoise"):
        nb.tradeoff(np.ones((3, 3)), nb.OutputNoise(np.ones(3)), nb.Power(2))
