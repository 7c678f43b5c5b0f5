"""Objects that are added to a network after it was rescaled: no proof speaks of them, and the run says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    linked_var,
    ms,
    run,
)
from plastic_rate import attached, matrix, rate_network

import neurobal as nb

pytestmark = pytest.mark.usefixtures("coarse")


def newcomer_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.message for record in caplog.records if "nothing is proven" in record.message]
    caplog.clear()
    return said


def balanced() -> tuple[Network, nb.Balance, list[Any]]:
    objects = rate_network()
    network = Network(*objects)
    return network, nb.balance(network, pinned={"E": [0]}), objects


def late_input(cells: NeuronGroup) -> Any:
    return PoissonInput(cells, "x", 10, 50 * Hz, weight=0.1)


def late_group(cells: NeuronGroup) -> Any:
    source = PoissonGroup(3, 50 * Hz, name="P")
    late = Synapses(source, cells, "u : 1", on_pre="x_post += u", name="late")
    late.connect()
    return [source, late]


def late_operation(cells: NeuronGroup) -> Any:
    return NetworkOperation(lambda: None, name="late")


def late_code(cells: NeuronGroup) -> Any:
    cells.run_regularly("x += 0.1", dt=5 * ms)
    return []


def late_reader(cells: NeuronGroup) -> Any:
    late = NeuronGroup(8, "there : 1 (linked)\ny = there : 1", name="late")
    late.there = linked_var(cells, "x")
    return late


LATE = [
    (late_input, "(PoissonInput) runs code on E"),
    (late_group, "late (Synapses) connects E"),
    (late_operation, "late (NetworkOperation) runs Python code"),
    (late_code, "(CodeRunner) runs code on E"),
    (late_reader, "late (NeuronGroup) is linked to variables of E"),
]


@pytest.mark.parametrize(("late", "reason"), LATE)
def test_what_comes_after_apply(late: Callable[[NeuronGroup], Any], reason: str, caplog: Any) -> None:
    network, result, (cells, _) = balanced()
    network.run(1 * ms)
    result.apply()
    network.run(1 * ms)
    assert not newcomer_warnings(caplog)
    made = late(cells)
    network.add(made)
    for _ in range(2):  # once in every run
        network.run(1 * ms)
        (said,) = newcomer_warnings(caplog)
        assert reason in said and "apply() rescaled" in said and "revert() it" in said
    result.revert()
    network.run(1 * ms)
    assert not newcomer_warnings(caplog)


@pytest.mark.parametrize(("late", "reason"), LATE)
def test_what_comes_after_a_plasticity(late: Callable[[NeuronGroup], Any], reason: str, caplog: Any) -> None:
    objects = rate_network()
    network, plasticity = attached(objects, nb.NormalizedFlow(rate=100 / (1000 * ms)))
    network.run(50 * ms)
    network.remove(plasticity)
    network.run(1 * ms)
    assert not newcomer_warnings(caplog)
    made = late(objects[0])
    network.add(made)
    network.run(1 * ms)
    (said,) = newcomer_warnings(caplog)
    assert reason in said and f"{plasticity.name} rescaled" in said


def test_what_comes_while_a_plasticity_is_inactive(caplog: Any) -> None:
    network, plasticity = attached(rate_network(), nb.NormalizedFlow(rate=100 / (1000 * ms)))
    network.run(50 * ms)
    plasticity.active = False
    network.add(late_input(network["E"]))
    network.run(1 * ms)
    assert len(newcomer_warnings(caplog)) == 1
    plasticity.active = True
    with pytest.raises(Exception) as error:
        network.run(1 * ms)
    assert "Create the plasticity last" in str(error.value.__cause__)
    assert not newcomer_warnings(caplog)


def test_several_newcomers_are_named_in_one_warning(caplog: Any) -> None:
    objects = rate_network()
    others = NeuronGroup(3, "dy/dt = (J - y)/(10*ms) : 1\nJ : 1", method="euler", name="F")
    between = Synapses(objects[0], others, "w : 1\nJ_post = w*r_pre : 1 (summed)", name="EF")
    between.connect()
    between.w = 0.1
    network = Network(*objects, others, between)
    result = nb.balance(network, pinned={"E": [0]})
    result.apply()
    network.add([PoissonInput(cells, name, 10, 50 * Hz, weight=0.1) for cells, name in ((objects[0], "x"),) * 7])
    network.run(1 * ms)
    (said,) = newcomer_warnings(caplog)
    assert said.count("PoissonInput") == 5 and "2 more" in said


def test_no_word_of_what_only_reads_or_touches_nothing_that_moved(caplog: Any) -> None:
    network, result, (cells, synapses) = balanced()
    result.apply()
    far = NeuronGroup(2, "dy/dt = -y/(10*ms) : 1", threshold="y > 1", method="exact", name="F")
    far.run_regularly("y += 0.1", dt=1 * ms)
    network.add(far, SpikeMonitor(far), StateMonitor(cells, "x", record=True), StateMonitor(synapses, "w", record=True))
    network.run(1 * ms)
    assert not newcomer_warnings(caplog)


def test_a_plasticity_is_no_newcomer(caplog: Any) -> None:
    network, result, _ = balanced()
    result.apply()
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=100 / (1000 * ms)), dt=10 * ms, pinned={"E": [0]})
    network.add(plasticity)
    network.run(20 * ms)
    assert not newcomer_warnings(caplog)


def test_scales_of_one_cannot_do_harm(caplog: Any) -> None:
    weights = nb.balance(matrix(), tol=1e-14).weights
    network, plasticity = attached(rate_network(weights), nb.NormalizedFlow(rate=1e-9 / (1000 * ms)))
    network.run(10 * ms)
    assert not np.any(plasticity["E"].log_scale[:])
    network.remove(plasticity)
    network.add(late_input(network["E"]))
    network.run(1 * ms)
    assert not newcomer_warnings(caplog)


def test_in_another_network_and_after_the_balance_is_gone(caplog: Any) -> None:
    network, result, objects = balanced()
    result.apply()
    del result, network
    late = late_input(objects[0])
    another = Network(*objects, late)
    another.run(1 * ms)
    assert len(newcomer_warnings(caplog)) == 1


def test_in_a_magic_network(caplog: Any) -> None:
    cells, synapses = rate_network()
    result = nb.balance([cells, synapses], pinned={"E": [0]})
    result.apply()
    late = late_input(cells)
    run(1 * ms)
    (said,) = newcomer_warnings(caplog)
    assert late.name in said
