"""A plasticity knows what was there when it was made; groups that cannot be analysed are held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from brian2 import (
    BrianObject,
    Cylinder,
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    PopulationRateMonitor,
    SpatialNeuron,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    linked_var,
    ms,
    mV,
    pA,
    run,
    second,
    um,
)

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries
from neurobal.brian.plasticity.companions import check_same_model

CELLS = """
dv/dt = (drive + g - v)/(10*ms) : volt
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
a : 1
"""


def spiking() -> tuple[NeuronGroup, Synapses]:
    rng = np.random.default_rng(0)
    cells = NeuronGroup(8, CELLS, threshold="v > theta", reset="v = 0*mV", method="exact", name="E")
    cells.theta, cells.a = 10 * mV, 1
    cells.drive = rng.uniform(9, 15, 8) * mV
    synapses = Synapses(cells, cells, "w : volt", on_pre="g_post += w*a_pre", name="S")
    synapses.connect(condition="i != j")
    synapses.w = rng.lognormal(0, 0.7, 56) * mV
    return cells, synapses


def plasticity(network: Any, **options: Any) -> Any:
    return nb.Plasticity(network, nb.NormalizedFlow(rate=60 / second), dt=2 * ms, level=1, **options)


# Objects that come later

Late = Callable[[NeuronGroup, Synapses], BrianObject | None]


def late_run_regularly(cells: NeuronGroup, synapses: Synapses) -> None:
    cells.run_regularly("v += 2*mV", dt=5 * ms)


def late_rule(cells: NeuronGroup, synapses: Synapses) -> None:
    synapses.run_regularly("w = clip(w, 0*mV, 1*mV)", dt=5 * ms)


def late_synapses(cells: NeuronGroup, synapses: Synapses) -> BrianObject:
    return Synapses(cells, cells[:4], "w : volt", on_pre="g_post += w*a_pre", name="late")


def late_poisson_input(cells: NeuronGroup, synapses: Synapses) -> BrianObject:
    return PoissonInput(cells, "g", 10, 50 * Hz, weight=2 * mV)


def late_network_operation(cells: NeuronGroup, synapses: Synapses) -> BrianObject:
    return NetworkOperation(lambda: None, name="late")


def late_linked_group(cells: NeuronGroup, synapses: Synapses) -> BrianObject:
    reader = NeuronGroup(8, "there : volt (linked)\nu = there : volt", name="late")
    reader.there = linked_var(cells, "v")
    return reader


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (late_run_regularly, r"E_run_regularly \(CodeRunner\) runs code on E"),
        (late_rule, r"S_run_regularly \(CodeRunner\) runs code on S"),
        (late_synapses, r"late \(Synapses\) connects E"),
        (late_poisson_input, r"\(PoissonInput\) runs code on E"),
        (late_network_operation, r"late \(NetworkOperation\) runs Python code"),
        (late_linked_group, r"late \(NeuronGroup\) is linked to variables of E"),
    ],
)
def test_what_was_created_after_the_plasticity(late: Late, reason: str) -> None:
    objects = spiking()
    network = Network(objects)
    rule = plasticity(network)
    network.add(rule)
    check_same_model(rule, rule._examined)
    made = late(*objects)
    if made is not None:
        network.add(made)
    with pytest.raises(nb.NeurobalError, match=f"{reason}.*Create the plasticity last"):
        check_same_model(rule, rule._examined)


def test_what_it_was_not_given() -> None:
    cells, synapses = spiking()
    source = PoissonGroup(5, 50 * Hz, name="P")
    given = Synapses(source, cells, "w : volt", on_pre="g_post += w", name="PE")
    rule = plasticity([cells, synapses])
    network = Network(cells, synapses, source, given, rule)
    assert len(network.objects) == 5
    with pytest.raises(nb.NeurobalError, match=r"PE \(Synapses\) connects E, and was not part of the network"):
        check_same_model(rule, rule._examined)


def test_what_only_looks_or_has_nothing_to_do_with_it_may_come_later() -> None:
    cells, synapses = spiking()
    network = Network(cells, synapses)
    rule = plasticity(network, pinned={"E": slice(4)})
    another = plasticity(network, pinned={"E": slice(4, 8)})
    part = cells[2:]
    far = NeuronGroup(2, "dx/dt = -x/(10*ms) : 1", threshold="x > 1", method="exact", name="F")
    far.run_regularly("x += 0.1", dt=1 * ms)
    own = Synapses(far, far, "w : 1", on_pre="x_post += w", name="FF")
    own.connect()
    monitors = [
        SpikeMonitor(cells),
        SpikeMonitor(part),
        StateMonitor(cells, "v", record=True),
        StateMonitor(synapses, "w", record=True),
        StateMonitor(rule["E"], "scale", record=True),
        PopulationRateMonitor(part),
    ]
    normalization = nb.IncomingNormalization(own, dt=2 * ms)
    network.add(rule, another, part, far, own, normalization, *monitors)
    network.run(5 * ms)
    check_same_model(rule, rule._examined)
    check_same_model(another, another._examined)


def test_magic_networks_hold_their_objects_while_they_run() -> None:
    cells, synapses = spiking()
    rule = plasticity(None)
    assert rule["E"] is not None and synapses.name == "S"
    late = Synapses(cells, cells, "w : volt", on_pre="g_post += w*a_pre", name="late")
    late.connect(i=0, j=1)
    found = []

    class Watch(BrianObject):
        add_to_magic_network = True
        acts_on_networks = True

        def before_run(self, run_namespace: Any) -> None:
            with pytest.raises(nb.NeurobalError, match="late"):
                check_same_model(rule, rule._examined)
            found.append(True)

    watch = Watch(name="watch", when="start")
    try:
        run(1 * ms)
    except Exception as error:  # the plasticity may check by itself
        assert isinstance(error.__cause__, nb.NeurobalError)
    assert found and watch is not None


# Groups that are not analysed


def compartments() -> SpatialNeuron:
    return SpatialNeuron(
        morphology=Cylinder(diameter=1 * um, length=100 * um, n=5),
        model="Im = 1*siemens/cm**2*(-v) + I/area : amp/meter**2\ndI/dt = -I/(5*ms) : amp",
        name="N",
        method="exponential_euler",
    )


class Special(NeuronGroup):
    """Somebody's own kind of group."""


def special() -> Special:
    return Special(5, "dI/dt = -I/(5*ms) : amp", method="exact", name="N")


@pytest.mark.parametrize(
    ("build", "reason"),
    [(compartments, "compartments of one neuron are coupled"), (special, "groups of type Special are not analysed")],
)
def test_synapses_onto_a_group_that_is_not_analysed(build: Callable[[], Any], reason: str) -> None:
    cells, synapses = spiking()
    target = build()
    out = Synapses(cells, target, "w : amp", on_pre="I_post += w*a_pre", name="EN")
    out.connect(p=1)
    out.w = 1 * pA
    network = Network(cells, synapses, target, out)
    assert f"N: fixed, {reason}" in repr(symmetries(network))
    assert symmetries(network).obstacles("N") == []
    result = nb.balance(network, cost={"S": nb.Power(2)})
    assert result.success and np.all(result.scale["N"] == 1) and np.ptp(result.scale["E"]) > 0.1
    assert f"held at λ = 1: N, {reason}" in repr(result)
    rule = plasticity(network, cost={"S": nb.Power(2)})
    network.add(rule)
    network.run(20 * ms)
    assert nb.verify(rule.before, network).preserved and np.ptp(rule["E"].scale[:]) > 0.01
    with pytest.raises(KeyError, match=reason):
        rule["N"]


def test_a_group_that_is_not_analysed_and_reads_through_links_is_no_proof() -> None:
    cells, synapses = spiking()
    reader = Special(8, "there : volt (linked)\ndx/dt = (there/mV - x)/(10*ms) : 1", method="euler", name="N")
    reader.there = linked_var(cells, "v")
    assert any("linked to variables of E" in note for note in symmetries([cells, synapses, reader]).unread)
    assert nb.balance([cells, synapses, reader]).certificate.preserved is None


# Constants that may be allowed

PLASTIC = "w : volt\ndApre/dt = -Apre/(20*ms) : volt (event-driven)"


@pytest.mark.parametrize(
    ("on_pre", "model", "expected"),
    [
        ("g_post += w*a_pre\nApre += dA\nw = clip(w + Apre, 0*volt, wmax)", CELLS, {"dA", "wmax"}),
        ("g_post += w*a_pre\nw = w*exp(-decay)", CELLS.replace("g -", "tanh(g/mV)*mV -"), set()),
        ("g_post += w*a_pre\nw = clip(w, 0*volt, wmax)", CELLS.replace("g -", "tanh(g/mV)*mV -"), set()),
        ("g_post += clip(w, 0*volt, wmax)*a_pre", CELLS, set()),
        ("g_post += w*a_pre", CELLS.replace("g -", "tanh(g/mV)*mV -"), set()),
    ],
    ids=["a rule", "a rule that scales", "a rule and more", "no rule", "a nonlinearity"],
)
def test_whether_a_rule_is_what_stands_in_the_way(on_pre: str, model: str, expected: set[str]) -> None:
    cells = NeuronGroup(4, model, threshold="v > theta", reset="v = 0*mV", method="euler", name="E")
    namespace = {"dA": 0.1 * mV, "wmax": 1 * mV, "decay": 0.1}
    synapses = Synapses(cells, cells, PLASTIC, on_pre=on_pre, namespace=namespace, name="S")
    synapses.connect(condition="i != j")
    with pytest.raises(nb.NotHomogeneousError) as caught:
        nb.balance([cells, synapses])
    assert set(caught.value.allowable) == expected
