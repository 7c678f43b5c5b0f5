"""Potentials measured from a constant: it must stay, from the first look at a network on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import (
    BrianObject,
    Network,
    NeuronGroup,
    SpikeMonitor,
    Synapses,
    linked_var,
    ms,
    mV,
    network_operation,
    second,
    us,
)

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries

CELLS = """
dv/dt = (stim + drive + g - v)/(10*ms) : volt
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
v_reset : volt
a : 1
"""
SHARED = CELLS + "stim : volt (shared)\n"
RULE = nb.NormalizedFlow(rate=60 / second)


def spiking(model: str, stim: float = 0.0, **namespace: Any) -> list[BrianObject]:
    """Twelve neurons whose potentials are measured from ``stim`` (in mV)."""
    rng = np.random.default_rng(0)
    cells = NeuronGroup(
        12, model, threshold="v > theta", reset="v = v_reset", method="exact", name="E", namespace=namespace
    )
    if "stim" in cells.variables:
        cells.stim = stim * mV
    for name, low, high in (("theta", 9, 11), ("v_reset", 0.5, 2), ("v", 0.5, 9)):
        setattr(cells, name, (rng.uniform(low, high, 12) + stim) * mV)
    cells.drive, cells.a = rng.uniform(9, 15, 12) * mV, rng.uniform(0.5, 1.5, 12)
    synapses = Synapses(cells, cells, "w : volt", on_pre="g_post += w*a_pre", name="S")
    synapses.connect(i=np.repeat(np.arange(12), 6), j=rng.integers(0, 12, 72))
    synapses.w = rng.lognormal(0, 0.7, 72) * mV
    return [cells, synapses]


def plastic(objects: list[BrianObject], **options: Any) -> tuple[Network, Any]:
    network = Network(objects)
    plasticity = nb.Plasticity(network, RULE, dt=2 * ms, **options)
    network.add(plasticity)
    return network, plasticity


def refused(network: Network, **options: Any) -> str:
    """Why a network does not run any more."""
    with pytest.raises(Exception, match="preparing") as caught:
        network.run(10 * ms, **options)
    assert isinstance(caught.value.__cause__, nb.NeurobalError)
    return str(caught.value.__cause__)


def test_one_that_stays_serves_as_well_as_before() -> None:
    spikes = []
    for active in (True, False):
        objects = spiking(SHARED, stim=-70)
        network, plasticity = plastic(objects)
        monitor = SpikeMonitor(objects[0])
        network.add(monitor)
        plasticity.active = active
        network.run(50 * ms)
        network.run(20 * ms)
        if active:
            assert np.ptp(plasticity["E"].scale[:]) > 0.1 and nb.verify(plasticity.before, network).preserved
        spikes.append((np.array(monitor.i), np.array(monitor.t)))
    assert spikes[0][0].size > 20
    assert np.array_equal(spikes[0], spikes[1])


def test_a_shared_parameter_that_changes_between_runs() -> None:
    objects = spiking(SHARED)
    network, plasticity = plastic(objects)
    network.run(20 * ms)
    objects[0].stim = 4 * mV
    why = refused(network)
    assert "'stim' of 'E' was 0 when" in why and "is 0.004 now" in why and "stim : volt in the model" in why
    assert nb.verify(plasticity.before, network).preserved is False
    objects[0].stim = 0 * mV
    network.run(10 * ms)
    assert nb.verify(plasticity.before, network).preserved


def test_a_shared_parameter_that_is_set_after_the_plasticity_was_made() -> None:
    objects = spiking(SHARED)
    network, _ = plastic(objects)
    objects[0].stim = -70 * mV
    assert "make a new Plasticity, after the change" in refused(network)


def test_a_constant_of_the_script_that_changes_between_runs() -> None:
    network, _ = plastic(spiking(CELLS), namespace={"stim": 1 * mV})
    network.run(20 * ms, namespace={"stim": 1 * mV})
    assert "'stim' of 'E' was 0.001" in refused(network, namespace={"stim": 4 * mV})


def test_a_constant_that_is_equal_to_the_origin_has_to_stay_equal() -> None:
    """With v_rest = El for all, v_rest is 0 in the potentials measured from El."""
    model = CELLS.replace("v_reset : volt\n", "")
    rest = {"stim": -70 * mV, "v_reset": -70 * mV}

    def build() -> list[BrianObject]:
        cells = NeuronGroup(4, model, threshold="v > theta", reset="v = v_reset", method="exact", name="E")
        synapses = Synapses(cells, cells, "w : volt", on_pre="g_post += w*a_pre", name="S")
        synapses.connect(condition="i != j")
        synapses.w, cells.theta, cells.v, cells.drive, cells.a = 1 * mV, -60 * mV, -65 * mV, 12 * mV, 1
        return [cells, synapses]

    assert set(symmetries(build(), namespace=rest).assumed) == {("E", "stim"), ("E", "v_reset")}
    network, _ = plastic(build(), namespace=rest)
    network.run(10 * ms, namespace=rest)
    assert "'v_reset' of 'E' was -0.07" in refused(network, namespace=rest | {"v_reset": -65 * mV})


def test_an_origin_of_neurons_that_are_pinned_may_change() -> None:
    other = NeuronGroup(
        3, CELLS.replace("g -", "g + u -") + "u : volt", threshold="v > theta", method="exact", name="F"
    )
    cells, recurrent = spiking(CELLS.replace("stim", "0*mV"))
    synapses = Synapses(cells, other, "w : volt", on_pre="g_post += w*a_pre", name="out")
    synapses.connect()
    network, _ = plastic([cells, recurrent, other, synapses], pinned=["F"], namespace={"stim": 1 * mV})
    for level in (1, 4):
        network.run(10 * ms, namespace={"stim": level * mV})


@pytest.mark.parametrize("code", ["stim += 0.5*mV", "stim = stim + 1*mV", "stim = 4*mV", "stim *= 2"])
def test_what_the_model_writes_is_no_origin(code: str) -> None:
    objects = spiking(SHARED)
    objects[0].run_regularly(code, dt=10 * ms)
    assert not symmetries(objects, namespace={}).groups["E"].scalable
    with pytest.raises(nb.NotHomogeneousError, match=r"stim is the same for all neurons|does not follow"):
        nb.balance(objects)


def test_what_another_group_writes_is_no_origin() -> None:
    objects = spiking(SHARED)
    other = NeuronGroup(1, "there : volt (linked)", name="F")
    other.there = linked_var(objects[0], "stim")
    assert symmetries([*objects, other], namespace={}).groups["E"].scalable
    other.run_regularly("there += 1*mV", dt=10 * ms)
    assert not symmetries([*objects, other], namespace={}).groups["E"].scalable


def test_what_python_code_could_write_is_not_proven() -> None:
    objects = spiking(SHARED)

    @network_operation(dt=10 * ms)
    def protocol() -> None:
        objects[0].stim = 4 * mV

    network, plasticity = plastic([*objects, protocol])
    assert plasticity.before.basis == "assumed"
    network.run(30 * ms)
    assert nb.verify(plasticity.before, network).preserved is False


def test_after_balancing_it_has_to_stay_until_the_balancing_is_undone() -> None:
    objects = spiking(SHARED)
    network = Network(objects)
    result = nb.balance(network)
    result.apply()
    assert nb.verify(result.before, network).preserved
    objects[0].stim = 4 * mV
    certificate = nb.verify(result.before, network)
    assert certificate.preserved is False and "stim" in certificate.message
    assert "'stim' of 'E' was 0" in refused(network)
    result.revert()
    network.run(1 * ms)


def test_one_balancing_undone_leaves_the_check_of_the_other(caplog: pytest.LogCaptureFixture) -> None:
    objects = spiking(SHARED)
    network = Network(objects)
    first, second_one = nb.balance(network), nb.balance(network, cost=nb.Power(1))
    first.apply()
    second_one.apply()
    first.revert()  # the other one's scales are in all values: nothing is as it was left
    assert "taken as still applied" in caplog.text
    objects[0].stim = 4 * mV
    refused(network)
    second_one.revert()
    network.run(1 * ms)


def test_constants_are_checked_while_scales_are_in_effect() -> None:
    """Where the network stands is compared: a restore() puts scales in, or takes them out."""
    objects = spiking(SHARED)
    network, value = Network(objects), objects[0].stim
    network.store("before")
    result = nb.balance(network)
    result.apply()
    network.store("applied")
    network.restore("before")
    objects[0].stim = 4 * mV
    network.run(1 * ms)
    objects[0].stim = value
    network.restore("before")
    result.apply()
    result.revert()
    network.restore("applied")
    objects[0].stim = 4 * mV
    assert "'stim' of 'E' was" in refused(network)


def test_an_interrupted_plasticity_has_its_constants_checked() -> None:
    objects = spiking(SHARED)
    network, plasticity = plastic(objects)
    network.store()

    def interrupt(elapsed: Any, completed: float, start: Any, duration: Any) -> None:
        if completed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.run(100 * ms, report=interrupt, report_period=1 * us)
    assert np.any(plasticity["E"].log_scale != 0)
    plasticity.active = False
    objects[0].stim = 4 * mV
    assert "'stim' of 'E' was" in refused(network)
    network.restore()
    objects[0].stim = 4 * mV
    network.run(1 * ms)


def test_the_printout_says_so() -> None:
    text = repr(symmetries(spiking(SHARED), namespace={}))
    assert "measured from stim, which stays" in text and "stim must keep its value" in text


def test_in_standalone_mode_what_was_assigned_last_counts(standalone: Path) -> None:
    objects = spiking(SHARED)
    network, _ = plastic(objects)
    network.run(10 * ms)
    objects[0].stim = 4 * mV
    assert "'stim' of 'E' was 0" in refused(network)


@pytest.mark.parametrize("assigned", [True, False])
def test_between_standalone_runs_it_is_known_as_well(standalone: Path, assigned: bool) -> None:
    """Brian2 itself forgets it with the first run, also where it is zero because nobody assigned it."""
    objects = spiking(SHARED if assigned else SHARED.replace("stim", "rest"))
    name = "stim" if assigned else "rest"
    network = Network(objects)
    network.run(10 * ms)
    plasticity = nb.Plasticity(network, RULE, dt=2 * ms)
    network.add(plasticity)
    assert plasticity._motion.groups["E"].origin_values == {name: 0.0}
    setattr(objects[0], name, 4 * mV)
    assert f"'{name}' of 'E' was 0" in refused(network)


def summed(lateral: str, sent: str, scaled: bool) -> tuple[np.ndarray, bool]:
    """Potentials after a run in which each neuron has a sum vs over two or three lateral synapses."""
    namespace = {"El": -70 * mV}
    model = f"dv/dt = (El - v + g)/(10*ms) : volt\nvs : volt\ng : volt\nr = clip({sent}, 0*mV, inf*mV) : volt"
    cells = NeuronGroup(6, model, name="E", namespace=namespace, method="euler")
    network = Network(cells)
    weights = Synapses(cells, cells, "w : 1\ng_post = w*r_pre : volt (summed)", name="S", namespace=namespace)
    weights.connect()
    weights.w = np.linspace(0.02, 0.2, 36)
    others = Synapses(cells, cells, f"vs_post = {lateral} : volt (summed)", name="L", namespace=namespace)
    others.connect(condition="abs(i - j) <= 1")
    cells.v = np.linspace(-69, -60, 6) * mV
    network.add(weights, others)
    scalable = symmetries(network, namespace={}).groups["E"].scalable
    scale = np.full(6, 1.0)
    if scaled and scalable:
        result = nb.balance(network)
        scale = result.scale["E"]
        result.apply()
        assert np.ptp(scale) > 0.01
    network.run(20 * ms)
    return -70 + (cells.v / mV + 70) / scale, scalable


@pytest.mark.parametrize(
    ("lateral", "sent", "scalable"),
    [
        ("v_post", "v - vs", False),
        ("v_post - El", "v - 0.1*vs - El", True),
        ("v_post - v_post", "v - vs - El", True),
    ],
)
def test_what_is_summed_over_synapses_is_measured_from_nothing(lateral: str, sent: str, scalable: bool) -> None:
    """A sum over synapses of what is measured from an origin has their number of origins in it."""
    after, found = summed(lateral, sent, scaled=True)
    assert found is scalable
    assert np.allclose(after, summed(lateral, sent, scaled=False)[0], rtol=1e-12)
