"""What was read from a Brian2 network, pickled: the objects stay behind, and others are found by their names."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeGeneratorGroup, Synapses, defaultclock, ms, network_operation, second

import neurobal as nb


def build(w: float = 0.5, drive: float = 1.0) -> Network:
    units = NeuronGroup(
        3, "dx/dt = (I - x)/tau : 1\nI : 1\nr = clip(x, 0, inf) : 1", method="euler", dt=1 * ms, name="cells",
        namespace={"tau": 10 * ms},
    )  # fmt: skip
    units.x = drive
    synapses = Synapses(units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", dt=1 * ms, name="synapses")
    synapses.connect(i=[0, 1, 2, 2], j=[1, 2, 0, 1])
    synapses.w = [w, 2, 3, 4]
    return Network(units, synapses)


def again(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def test_a_balance_is_applied_to_a_network_built_anew() -> None:
    network = build()
    result = nb.balance(network)
    loaded = again(result)
    assert repr(loaded) == repr(result)
    for act, said in ((loaded.apply, "apply_to"), (lambda: nb.verify(loaded.before), "Say which network")):
        with pytest.raises(nb.NeurobalError, match=said):
            act()
    fresh = build()
    assert nb.verify(loaded.before, fresh).exact
    applied = loaded.apply_to(fresh)
    np.testing.assert_array_equal(fresh["synapses"].w, next(iter(result.circuit)).weight)
    assert nb.verify(loaded.before, fresh, states=True).preserved
    applied.revert()
    np.testing.assert_array_equal(fresh["synapses"].w, network["synapses"].w)
    fresh["cells"].namespace["tau"] = 11 * ms
    assert nb.verify(loaded.before, fresh).preserved is False


def test_copies_share_the_network() -> None:
    network = build()
    result = nb.balance(network)
    copied, deep = copy.copy(result), copy.deepcopy(result)
    deep.apply()
    assert result.is_applied() and copied.is_applied() and not again(result).is_applied()
    with pytest.raises(nb.NeurobalError, match="already applied"):
        result.apply()
    copied.revert()
    np.testing.assert_array_equal(network["synapses"].w, build()["synapses"].w)


def test_symmetries() -> None:
    answer = nb.symmetries(build())
    assert repr(again(answer)) == repr(copy.deepcopy(answer)) == repr(answer)


def test_code_is_not_kept_and_that_is_said() -> None:
    def network(noise: Any) -> Network:
        built = build()
        built.add(network_operation(dt=10 * ms, name="op")(noise))
        return built

    first = network(lambda: None)
    circuit = nb.as_circuit(first)
    loaded = again(circuit)
    certificate = nb.verify(loaded, network(lambda: 1))
    assert any("network operation op" in line and "not kept" in line for line in certificate.not_compared)
    assert nb.verify(circuit, network(lambda: 1)).preserved is False
    assert nb.verify(loaded, build()).preserved is False  # that there is one is known


def test_what_a_plasticity_remembers() -> None:
    defaultclock.dt = 1 * ms
    network = build()
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=1 / second), dt=5 * ms)
    network.add(plasticity)
    network.run(20 * ms)
    assert again(plasticity.before).emitted is None
    assert copy.deepcopy(plasticity.before).emitted is plasticity.before.emitted
    assert nb.verify(again(plasticity.before), network).preserved


def test_inputs_are_kept() -> None:
    def network(times: Any) -> Network:
        built = build()
        source = SpikeGeneratorGroup(2, [0, 1], times, name="source")
        feed = Synapses(source, built["cells"], "w : 1", on_pre="x_post += w", name="feed")
        feed.connect()
        feed.w = 1
        built.add(source, feed)
        return built

    loaded = again(nb.as_circuit(network([1, 2] * ms)))
    assert nb.verify(loaded, network([1, 2] * ms)).preserved
    assert nb.verify(loaded, network([1, 3] * ms)).preserved is False
