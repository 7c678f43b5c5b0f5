"""Costs on neurons of Brian2 networks: units, powers from the equations, and no plasticity yet."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, mV, second

import neurobal as nb


@pytest.fixture
def rates() -> Network:
    cells = NeuronGroup(4, "dv/dt = -v/(10*ms) + drive/(10*ms) : volt\nr = clip(v, 0*mV, inf*volt)**2/mV**2 : 1\n"
                        "drive : volt", name="cells")  # fmt: skip
    synapses = Synapses(cells, cells, "w : volt\ndrive_post = w*r_pre : volt (summed)", name="synapses")
    synapses.connect(condition="i != j")
    synapses.w = np.linspace(0.1, 1, len(synapses)) * mV
    return Network(cells, synapses)


def test_a_brian2_network(rates: Network) -> None:
    """Squared potentials are sent: states move as λ, what is sent as λ²; numbers carry units."""
    s, gains = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])
    cost = nb.Activity({"cells": s * mV}) * (1 / mV**2) + nb.OutputNoise({"cells": gains}, of="sent")
    result = nb.balance(rates, cost=cost, tol=1e-12)
    np.testing.assert_allclose(result.scale["cells"] ** 6, 4 * gains / (2 * s**2), rtol=1e-8)
    assert result.certificate.preserved and result.certificate.basis == "equations"
    mixed = nb.balance(rates, cost=nb.Power(2) + nb.Activity({"cells": s * mV}))  # b = 2: activity is held
    w, scale = mixed.weights["synapses"], mixed.scale["cells"]
    assert mixed.success and mixed.cost == pytest.approx((w**2).sum() + (1e-6 * s**2 * scale**2).sum())
    mixed.apply()
    assert nb.verify(mixed.before, rates).preserved
    mixed.revert()


def test_a_plasticity_does_not_know_them_yet(rates: Network) -> None:
    for cost in (nb.Power(2) + nb.Activity(1 * mV), {"synapses": nb.Power(2), "cells": nb.Activity(1 * mV)}):
        with pytest.raises(nb.InvalidInputError, match=r"not yet possible in a Plasticity"):
            nb.Plasticity(rates, nb.NormalizedFlow(rate=1 / second), dt=1 * second, cost=cost)
