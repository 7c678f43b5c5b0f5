"""Classical synaptic scaling: sums of incoming weights reach their target, also where connectivity is sparse."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, mV, second, volt

import neurobal as nb


def network() -> tuple[Network, Synapses, Synapses]:
    group = NeuronGroup(4, "v : volt", threshold="False", name="E")
    one = Synapses(group, group, "w : volt", on_pre="v_post += w", name="one")
    one.connect(i=[0, 1, 2], j=[1, 1, 2])  # nothing comes into neurons 0 and 3
    one.w = [1, -3, 2] * mV
    two = Synapses(group, group, "w : volt", on_pre="v_post += w", name="two")
    two.connect(i=[3], j=[2])
    two.w = [2] * mV
    return Network(group, one, two), one, two


def test_sums_reach_the_target_at_once_and_nothing_else_changes() -> None:
    net, one, two = network()
    net.add(nb.IncomingNormalization([one, two], 1 * ms, target=2 * mV))
    net.run(1.1 * ms)
    assert np.allclose(one.w / mV, [0.5, -1.5, 1.0])
    assert np.allclose(two.w / mV, [1.0])


def test_without_a_target_the_sums_are_kept() -> None:
    net, one, two = network()
    net.add(nb.IncomingNormalization([one, two], 1 * ms))
    net.run(0.5 * ms)
    one.w = "w*3"
    net.run(1 * ms)
    assert np.allclose(np.bincount(one.j, np.abs(one.w / mV), 4) + np.bincount(two.j, two.w / mV, 4), [0, 4, 4, 0])


def test_a_rate_relaxes_logarithms_of_sums() -> None:
    net, one, _ = network()
    net.add(nb.IncomingNormalization(one, 1 * ms, target=np.array([1, 8, 1, 1]) * mV, rate=100 / second))
    net.run(5.05 * ms)  # updates at 0, 1, ..., 5 ms
    assert np.log(np.abs(one.w[:2]).sum() / (8 * mV)) == pytest.approx(np.log(0.5) * np.exp(-0.6))


def test_units_and_targets_are_checked() -> None:
    _, one, _ = network()
    with pytest.raises(nb.InvalidInputError, match="same units"):
        nb.IncomingNormalization(one, 1 * ms, target=2)
    other = NeuronGroup(2, "v : volt", threshold="False", name="other")
    away = Synapses(one.source, other, "w : volt", on_pre="v_post += w", name="away")
    with pytest.raises(nb.InvalidInputError, match="one group"):
        nb.IncomingNormalization([one, away], 1 * ms)
    with pytest.raises(nb.InvalidInputError, match="is no variable"):
        nb.IncomingNormalization(one, 1 * ms, weight="ww", target=1 * volt)
