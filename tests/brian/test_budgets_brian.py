"""Budgets on Brian2 networks: units of costs and budgets may differ, and results are written and kept with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brian2 import NeuronGroup, Synapses, mV, second
from brian2.units.fundamentalunits import have_same_dimensions

import neurobal as nb

UNITS = 8


def network(rng: np.random.Generator) -> tuple[NeuronGroup, Synapses]:
    cells = NeuronGroup(
        UNITS, "dv/dt = (clip(u, 0*volt, inf*volt) - v)/(10*ms) : volt\nu : volt", method="euler", name="cells"
    )
    synapses = Synapses(cells, cells, "w : 1\nu_post = w*v_pre : volt (summed)", name="recurrent")
    post, pre = np.nonzero(~np.eye(UNITS, dtype=bool))
    synapses.connect(i=pre, j=post)
    synapses.w = rng.normal(size=post.size)
    return cells, synapses


def test_costs_and_budgets_of_different_units(rng: np.random.Generator, tmp_path: Path) -> None:
    objects = network(rng)
    noise = nb.OutputNoise({"cells": np.exp(rng.normal(size=UNITS)) / second})
    activity = nb.Activity({"cells": np.exp(rng.normal(size=UNITS)) * mV})
    budget = [(activity, 1.0), (nb.Power(2), 1.1)]
    result = nb.balance(list(objects), cost=noise, budget=budget)
    assert result.success, result.message
    assert all(given.excess <= 1e-8 for given in result.budgets)
    assert have_same_dimensions(1 / second / mV**2, result.budgets[0].dimension)
    again = nb.balance(list(objects), cost=result.effective_cost)
    assert np.abs(again.log_scale["cells"] - result.log_scale["cells"]).max() < 1e-6
    assert "[m^-4 kg^-2 s^5 A^2]" in repr(result)
    nb.save(tmp_path / "result", result)
    loaded = nb.load(tmp_path / "result")
    assert isinstance(loaded, nb.Balance) and repr(loaded).splitlines()[:6] == repr(result).splitlines()[:6]
    curve = nb.tradeoff(list(objects), noise, activity, points=4)
    assert curve.table()["success"].all()
    before = np.array(objects[1].w)
    curve[1].apply()
    assert not np.allclose(before, objects[1].w)
    curve[1].revert()
    dyadic = nb.balance(list(objects), cost=noise, budget=[(activity, 1.0)], dyadic=True)
    assert dyadic.budgets[0].excess <= 1e-12 and dyadic.certificate.preserved


def test_costs_of_different_units_are_not_added(rng: np.random.Generator) -> None:
    with pytest.raises(nb.InvalidInputError, match="cannot be added"):
        nb.balance(
            list(network(rng)),
            cost=nb.Power(2),
            budget=[(nb.Power(2) + nb.Activity({"cells": np.ones(UNITS) * mV}), 1.0)],
        )
