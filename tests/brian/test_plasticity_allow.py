"""Another rule writes the same weights: its constants that do not scale are an error, unless they are allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, mV, second

import neurobal as nb

CELLS = """
dv/dt = (drive + g - v)/(20*ms) : volt
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
a : 1
"""
STDP = """
w : volt
dApre/dt = -Apre/(20*ms) : volt (event-driven)
dApost/dt = -Apost/(20*ms) : volt (event-driven)
"""
PRE = "g_post += w*a_pre\nApre += dA\nw = clip(w + Apost, 0*volt, wmax)"
POST = "Apost -= dA\nw = clip(w + Apre, 0*volt, wmax)"
DECLARED = {"E": {"v": 1, "g": 1, "theta": 1, "drive": 1, "a": 1}, "S": ("w", 1, 1)}


def plastic_network(on_pre: str = PRE, on_post: str = POST, **constants: Any) -> Network:
    cells = NeuronGroup(20, CELLS, threshold="v > theta", reset="v = 0*mV", method="exact", name="E")
    cells.drive, cells.theta, cells.a = np.linspace(11, 14, 20) * mV, 10 * mV, 1
    namespace = {"dA": 0.01 * mV, "wmax": 1 * mV, **constants}
    synapses = Synapses(cells, cells, STDP, on_pre=on_pre, on_post=on_post, namespace=namespace, name="S")
    rng = np.random.default_rng(0)
    synapses.connect(i=np.repeat(np.arange(20), 6), j=rng.integers(0, 20, 120))
    synapses.w = rng.uniform(0.1, 0.9, 120) * mV
    return Network(cells, synapses)


def plasticity(network: Network, **options: Any) -> Any:
    return nb.Plasticity(network, nb.NormalizedFlow(rate=5 / second), dt=10 * ms, **options)


def test_constants_that_do_not_scale_are_named_with_the_remedy() -> None:
    with pytest.raises(nb.NotHomogeneousError, match=r"(?s)dA is the same.*wmax is the same.*allow=\["):
        plasticity(plastic_network())


@pytest.mark.parametrize("allow", ["wmax", ["dA"]])
def test_all_of_them_have_to_be_allowed(allow: Any) -> None:
    with pytest.raises(nb.NotHomogeneousError):
        plasticity(plastic_network(), allow=allow)


@pytest.mark.parametrize("declared", [None, DECLARED])
def test_allowed_only_the_scale_is_certified_and_not_as_proven(declared: Any) -> None:
    network = plastic_network()
    rule = plasticity(network, allow=["wmax", "dA"], scaling=declared)
    network.add(rule)
    network.run(200 * ms)
    certificate = nb.verify(rule.before, network)
    assert certificate.preserved is None and certificate.basis == "assumed" and certificate.residual < 1e-12
    assert "dA, wmax of S may stay as they are" in certificate.message
    assert "not compared: weights of S, which something else changes too" in certificate.message
    assert np.ptp(np.log(rule["E"].scale[:])) > 0.1 and rule["E"].total_imbalance[:] < 0.5


def test_a_declared_motion_is_at_odds_with_a_bound() -> None:
    with pytest.raises(nb.NotHomogeneousError, match=r"another rule writes the weights of 'S'.*clip\(w"):
        plasticity(plastic_network(), scaling=DECLARED)


@pytest.mark.parametrize(
    ("allow", "reason"),
    [
        ("wMax", "did you mean 'wmax'|Did you mean 'wmax'"),
        (["ms"], "no rule"),
        ([3], "expected names"),
        ("w", "no rule"),
    ],
)
def test_what_cannot_be_allowed(allow: Any, reason: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=reason):
        plasticity(plastic_network(), allow=allow)


def test_what_neurons_receive_must_not_depend_on_it() -> None:
    network = plastic_network(on_pre="g_post += w*a_pre + kick\nw = clip(w, 0*volt, wmax)", on_post="", kick=1 * mV)
    with pytest.raises(nb.InvalidInputError, match=r"'kick' cannot stay as it is: `g_post \+= .*acts on neurons"):
        plasticity(network, allow=["wmax", "kick"])
