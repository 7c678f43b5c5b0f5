"""Expressions that Brian2 stores before each time step: they move along, and are nobody's weights."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, second

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries

STORED_RATE = "r = clip(x, 0, inf) : 1 (constant over dt)"
STORED_CURRENT = "w : 1\neff = w*r_pre : 1 (constant over dt)\nI_post = eff : 1 (summed)"
STORED_WEIGHT = "w : 1\nc : 1\nw2 = c*w : 1 (constant over dt)\nI_post = w2*r_pre : 1 (summed)"


def rates(output: str = "r = clip(x, 0, inf) : 1", model: str = "w : 1\nI_post = w*r_pre : 1 (summed)") -> Network:
    cells = NeuronGroup(5, f"dx/dt = (I - x)/(10*ms) : 1\nI : 1\n{output}", name="E", method="euler")
    synapses = Synapses(cells, cells, model, name="S")
    synapses.connect()
    cells.x, synapses.w = np.linspace(0.5, 2, 5), np.linspace(0.02, 0.3, 25)
    if "c" in synapses.variables:
        synapses.c = 1
    return Network(cells, synapses)


MODELS = pytest.mark.parametrize(
    ("output", "model"),
    [
        (STORED_RATE, "w : 1\nI_post = w*r_pre : 1 (summed)"),
        ("r = clip(x, 0, inf) : 1", STORED_CURRENT),
        ("r = clip(x, 0, inf) : 1", STORED_WEIGHT),
        (STORED_RATE, STORED_CURRENT),
    ],
)


@MODELS
def test_they_are_no_weights(output: str, model: str) -> None:
    (weight,) = symmetries(rates(output, model), namespace={}).projections["S"].weights
    assert (weight.variable, weight.a, weight.b) == ("w", 1, 1)


@MODELS
def test_balancing_writes_them_along(output: str, model: str) -> None:
    """After a first run they hold values; those from before the next time step are written, too."""
    plain, balanced = rates(output, model), rates(output, model)
    plain.run(5 * ms)
    balanced.run(5 * ms)
    result = nb.balance(balanced, dyadic=True)
    result.apply()
    scale = result.scale["E"]
    assert np.ptp(scale) > 0
    for duration in (0, 5):
        plain.run(duration * ms)
        balanced.run(duration * ms)
        assert np.array_equal(balanced["E"].x, scale * plain["E"].x)
        assert np.array_equal(np.array(balanced["E"].r), scale * np.array(plain["E"].r))
        if "eff" in model:
            assert np.array_equal(np.array(balanced["S"].eff), scale[plain["S"].j] * np.array(plain["S"].eff))
    assert nb.verify(result.before, balanced).preserved
    result.revert()
    assert np.array_equal(balanced["S"].w, plain["S"].w)


@MODELS
def test_plasticity_agrees(output: str, model: str) -> None:
    plain, network = rates(output, model), rates(output, model)
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=200 / second), dt=1 * ms, dyadic=True)
    network.add(plasticity)
    network.run(50 * ms)
    plain.run(50 * ms)
    assert np.ptp(plasticity["E"].scale[:]) > 0
    assert nb.verify(plasticity.before, network).preserved
    assert np.array_equal(network["E"].x, plasticity["E"].scale * plain["E"].x)


@pytest.mark.parametrize("scaling", [{"E": {"r": 1}, "S": ("w", 1, 1)}, {"S": ("eff", 1, 1)}])
def test_what_is_said_of_declarations_is_said_of_them_only(scaling: dict[str, object]) -> None:
    with pytest.raises(nb.NeurobalError, match="is a subexpression; declare the variables"):
        nb.balance(rates(STORED_RATE, STORED_CURRENT), scaling=scaling)
