"""Any scales in Brian2 networks: written, undone, and written to networks that were built anew."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Hz, Network, NeuronGroup, PoissonGroup, Synapses, mV, start_scope

import neurobal as nb


def build(reset: str = "v = 0*mV") -> Network:
    start_scope()
    cells = NeuronGroup(
        4,
        "dv/dt = (drive + g - v)/(10*ms) : volt\ndg/dt = -g/(5*ms) : volt\ndrive : volt\ntheta : volt\na : volt",
        threshold="v > theta", reset=reset, method="exact", name="E",
    )  # fmt: skip
    cells.drive, cells.theta, cells.a = 12 * mV, 10 * mV, 1 * mV
    synapses = Synapses(cells, cells, "w : 1", on_pre="g_post += w*a_pre", name="S")
    synapses.connect(condition="i != j")
    synapses.w = "0.1*(1 + i + 2*j)"
    poisson = PoissonGroup(2, 50 * Hz, name="P")
    feed = Synapses(poisson, cells, "w : volt", on_pre="g_post += w", name="PE")
    feed.connect()
    feed.w = 1 * mV
    return Network(cells, synapses, poisson, feed)


SCALE = np.array([1, 2, 3, 0.5])


def test_it_is_written_and_undone() -> None:
    network = build()
    before, weights = nb.as_circuit(network), np.array(network["S"].w)
    result = nb.rescale(network, {"E": SCALE})
    assert np.array_equal(network["S"].w, weights)
    result.apply()
    i, j = np.array(network["S"].i), np.array(network["S"].j)
    np.testing.assert_allclose(network["S"].w, weights * SCALE[j] / SCALE[i], rtol=1e-14)
    np.testing.assert_allclose(network["E"].theta / mV, 10 * SCALE, rtol=1e-14)
    certificate = nb.verify(before, network, states=True)
    assert certificate.preserved
    np.testing.assert_allclose(certificate.scale["E"], SCALE, rtol=1e-12)
    with pytest.raises(nb.NeurobalError, match=r"Rescaling\.apply: already applied"):
        result.apply()
    result.revert()
    assert np.array_equal(network["S"].w, weights)
    with pytest.raises(nb.NeurobalError, match=r"Rescaling\.revert: nothing has been applied"):
        result.revert()


def test_an_input_cannot_move() -> None:
    with pytest.raises(nb.InvalidInputError, match=r"λ of P\[1\] is 2, and must be 1"):
        nb.rescale(build(), {"P": [1, 2]})


def test_a_group_outside_of_the_symmetry_cannot_move() -> None:
    network = build()
    other = NeuronGroup(2, "dx/dt = (tanh(y) - x)/(10*ms) : 1\ny : 1", method="euler", name="F")
    synapses = Synapses(network["E"], other, "w : 1", on_pre="y_post += w*a_pre/mV", name="EF")
    synapses.connect()
    network.add(other, synapses)
    with pytest.raises(nb.InvalidInputError, match=r"λ of F\[0\] is 2, and must be 1: not homogeneous: .*tanh\(y\)"):
        nb.rescale(network, {"F": 2})


@pytest.mark.parametrize("kind", ["rescale", "balance"])
def test_a_network_built_anew_is_rescaled_by_name(kind: str) -> None:
    network = build()
    result = nb.rescale(network, {"E": SCALE}) if kind == "rescale" else nb.balance(network, cost={"S": nb.Power(2)})
    result.apply()
    balanced = {name: np.array(network[name].w) for name in ("S", "PE")}
    other = build()
    written = result.apply_to(other)
    for name, weights in balanced.items():
        np.testing.assert_array_equal(np.array(other[name].w), weights)
    assert written.is_applied() and nb.verify(result.circuit, other).preserved
    written.revert()
    assert nb.verify(result.before, other).preserved


def test_another_model_is_not_rescaled() -> None:
    result = nb.rescale(build(), {"E": SCALE})
    other = build(reset="v = 1*mV")
    with pytest.raises(nb.NeurobalError, match="different models: `v = 0\\*mV` in the reset of E"):
        result.apply_to(other)
    assert np.array_equal(other["E"].theta / mV, np.full(4, 10.0))
