"""What `Plasticity` refuses, and what it warns of, before a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from brian2 import (
    BrianLogger,
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    Quantity,
    Synapses,
    defaultclock,
    ms,
    mV,
)
from brian2.core.base import BrianObjectException
from plastic_rate import (
    FAST,
    QUICK,
    RATE,
    SUMMED,
    Still,
    attached,
    costs_of,
    rate_network,
    refusal,
)

import neurobal as nb

pytestmark = pytest.mark.usefixtures("coarse")


def test_an_update_takes_at_least_a_time_step() -> None:
    network, _ = attached(rate_network(), dt=0.05 * ms)
    assert "smaller than the time step" in refusal(network)
    defaultclock.dt = 0.05 * ms
    network.run(1 * ms)


@pytest.mark.parametrize("dt", [None, 10, 10 * mV, 0 * ms, -1 * ms, [1, 2] * ms, np.nan * ms])
def test_dt_is_a_time(dt: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"Plasticity\.dt: expected the time between two updates"):
        nb.Plasticity(Network(rate_network()), Still(), dt=dt)


@pytest.mark.parametrize("options", [{}, {"rule": "Stil"}, {"rule": 3}])
def test_a_rule_is_needed(options: dict[str, Any]) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"^rule: "):
        nb.Plasticity(Network(rate_network()), dt=10 * ms, **options)


def test_no_symmetry_shows_the_way_out() -> None:
    objects = rate_network(equations=RATE.replace("clip(x, 0, inf)", "tanh(x)"))
    with pytest.raises(nb.NotHomogeneousError) as error:
        nb.Plasticity(Network(*objects), Still(), dt=10 * ms)
    assert str(nb.symmetries(Network(*objects))) in str(error.value)
    assert "tanh" in str(error.value)


def test_nothing_balanceable() -> None:
    """A chain: no neuron has both kinds of cost, once its ends are gone."""
    weights = np.zeros((8, 8))
    weights[1, 0] = 1.0
    network, _ = attached(rate_network(weights))
    assert "nothing can be balanced" in refusal(network, nb.UnbalanceableError)


def test_nothing_costed() -> None:
    with pytest.raises(nb.UnbalanceableError, match="no synapse that moves has a cost"):
        nb.Plasticity(Network(rate_network()), Still(), dt=10 * ms, cost={})


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        ({"T": nb.Power(2)}, "no Synapses 'T'"),
        ({"S": 2}, "expected a cost such as Power"),
        (2, "expected a cost such as Power"),
    ],
)
def test_costs_that_make_no_sense(cost: Any, reason: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=reason):
        nb.Plasticity(Network(rate_network()), Still(), dt=10 * ms, cost=cost)


@pytest.mark.parametrize("cost", [nb.Power(2, weight=np.ones(57)), nb.Robustness(np.ones(3))])
def test_costs_of_the_wrong_size(cost: Any) -> None:
    network, _ = attached(rate_network(), cost=cost)
    assert "expected" in refusal(network, nb.InvalidInputError)


def test_costs_of_different_units_do_not_add_up() -> None:
    equations = RATE + "J : volt\n"
    cells = NeuronGroup(4, equations.replace("+ I)", "+ I + J/(1*mV))"), method="euler", name="E")
    parts = [
        Synapses(cells, cells, f"w : {unit}\n{variable}_post = w*r_pre : {unit} (summed)", name=name)
        for unit, variable, name in (("1", "I", "A"), ("volt", "J", "B"))
    ]
    for one, unit in zip(parts, (1, mV), strict=True):
        one.connect(condition="i != j")
        one.w = 0.01 * np.arange(1, 13) * unit
    assert "they cannot be added" in refusal(attached([cells, *parts], Still())[0])
    costs = {"A": nb.Power(2), "B": nb.Power(2, weight=1 / mV**2)}
    network, plasticity = attached([cells, *parts], FAST, dt=1 * ms, cost=costs)
    network.run(200 * ms)
    assert np.abs(plasticity["E"].imbalance[:]).max() < 1e-6


SPIKING = """
dv/dt = -v/(10*ms) : 1
theta : 1
a : 1
"""


@pytest.mark.parametrize(
    ("model", "on_pre", "reason"),
    [
        ("dw/dt = -w/second : 1 (event-driven)", "v_post += w*a_pre", "event-driven"),
        ("w : 1 (shared)", "v_post += w*a_pre", "shared|same for all synapses"),
        ("u : 1\nw = 2*u + 1 : 1", "v_post += w*a_pre", "subexpression|w = 2*u + 1"),
        ("k : 1", "v_post += strength*a_pre", "strength"),
    ],
)
@pytest.mark.parametrize("declared", [False, True])
def test_weights_that_cannot_move(model: str, on_pre: str, reason: str, declared: bool) -> None:
    cells = NeuronGroup(3, SPIKING, threshold="v > theta", reset="v = 0", method="exact", name="E")
    synapses = Synapses(cells, cells, model, on_pre=on_pre, name="S", namespace={"strength": 0.1})
    synapses.connect(condition="i != j")
    weight = "strength" if "strength" in on_pre else "w"
    scaling = {"E": {"v": 1, "theta": 1, "a": 1}, "S": (weight, 1, 1)} if declared else None
    with pytest.raises(nb.NeurobalError) as error:
        nb.Plasticity(Network(cells, synapses), Still(), dt=10 * ms, scaling=scaling)
    assert any(word in str(error.value) for word in reason.split("|"))


def test_constant_weights_do_move() -> None:
    """The flag only says that equations leave a variable alone."""
    network, plasticity = attached(rate_network(model=SUMMED.replace("w : 1", "w : 1 (constant)")))
    network.run(50 * ms)
    assert nb.verify(plasticity.before, network).preserved


def test_constants_that_the_symmetry_rests_on_are_checked_at_the_run() -> None:
    objects = rate_network(equations=RATE.replace("-x", "level - x"))
    names = {"level": 0.0}
    network = Network(*objects)
    network.add(nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms, namespace=names))
    network.run(10 * ms, namespace=names)
    with pytest.raises((nb.NeurobalError, BrianObjectException)) as error:
        network.run(10 * ms, namespace={"level": 0.5})
    assert "'level'" in str(error.value.__cause__ or error.value)


def test_what_cannot_be_read_is_not_certified() -> None:
    """A NetworkOperation may do anything: the certificate says that the symmetry is assumed."""
    network, plasticity = attached([*rate_network(), NetworkOperation(lambda: None)])
    network.run(50 * ms)
    assert plasticity.before.basis == "assumed"
    assert nb.verify(plasticity.before, network).preserved is None


def test_fixed_input_is_seen() -> None:
    """All objects of the network count, not only groups and Synapses."""
    source = PoissonGroup(4, 100 * Hz, name="source")
    cells, synapses = rate_network()
    feed = Synapses(source, cells, on_pre="x_post += 0.1", name="feed")
    feed.connect()
    with pytest.raises(nb.NotHomogeneousError, match=r"0\.1"):
        nb.Plasticity(Network(source, cells, synapses, feed), Still(), dt=10 * ms)


def test_gradient_flow_warns_when_it_is_too_fast(caplog: pytest.LogCaptureFixture) -> None:
    def stiffness_warnings(rate: Quantity) -> list[str]:
        BrianLogger._log_messages.clear()
        caplog.clear()
        attached(rate_network(), nb.GradientFlow(rate=rate))[0].run(0 * ms)
        return [record.getMessage() for record in caplog.records if record.name.startswith("neurobal")]

    objects = rate_network()
    largest = sum(costs_of([objects[1]], 8)).max()  # p times the costs of a neuron
    limit = 1 / (largest * 10 * ms)
    assert stiffness_warnings(0.99 * limit) == []
    (warning,) = stiffness_warnings(1.01 * limit)
    assert "rate*dt*p*max(in + out) < 1" in warning
    assert "1.01" in warning
    assert "NormalizedFlow" in warning
    (warning,) = stiffness_warnings(10 * limit)
    assert "Divide rate or dt by 20" in warning
