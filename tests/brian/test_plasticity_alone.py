"""Only what takes part in the network that runs matters to a plasticity, and it keeps nothing of the user's script."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from brian2 import Network, StateMonitor, device, ms, run, second
from plastic_rate import QUICK, attached, rate_network, refusal

import neurobal as nb
from neurobal.brian.network.guarded_constants import guard
from neurobal.brian.network.guarded_runs import GuardedRun

pytestmark = pytest.mark.usefixtures("coarse")
RULE = nb.NormalizedFlow(rate=QUICK)


class Big(np.ndarray):
    """An array that can be referred to weakly."""


def fused(plasticity: nb.Plasticity) -> bool:
    """Whether costs are summed up in the pass that rescales."""
    return all(synapses.count.abstract_code == "" for synapses in plasticity._passes.values())


def test_made_twice_in_one_scope_it_keeps_nothing_of_it() -> None:
    """As when a notebook's cell is run again."""

    def cell(network: Network) -> tuple[nb.Plasticity, list[weakref.ref[Any]]]:
        big = np.zeros(10).view(Big)
        plasticity = nb.Plasticity(network, RULE, dt=10 * ms)
        gone = [weakref.ref(big), weakref.ref(plasticity)]
        plasticity = nb.Plasticity(network, RULE, dt=10 * ms)
        assert plasticity.before is not None
        return plasticity, gone

    objects = rate_network()
    second_one, gone = cell(Network(*objects))
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    network = Network(*objects, second_one)
    network.run(20 * ms)
    assert fused(second_one)


def test_one_that_does_not_run_does_not_switch_the_fused_pass_off() -> None:
    network, plasticity = attached(rate_network())
    other = nb.Plasticity(network, RULE, dt=10 * ms)
    network.run(20 * ms)
    assert fused(plasticity)
    network.add(other)
    assert "both move neurons of group 'E'" in failure(network)


def test_one_that_runs_along_does() -> None:
    """Two plasticities that move the two ends of the same synapses."""
    objects = rate_network()
    network = Network(*objects)
    halves = [nb.Plasticity(network, RULE, dt=10 * ms, pinned={"E": part}) for part in (slice(0, 4), slice(4, 8))]
    network.add(*halves)
    before = nb.as_circuit(network)
    network.run(50 * ms)
    assert not any(fused(half) for half in halves)
    assert nb.verify(before, network).preserved
    halves[0].active = False
    network.run(20 * ms)
    assert fused(halves[1])


def test_in_a_magic_network_too() -> None:
    cells, synapses = rate_network()
    first = nb.Plasticity([cells, synapses], RULE, dt=10 * ms, pinned={"E": slice(0, 4)})
    other = nb.Plasticity([cells, synapses], RULE, dt=10 * ms, pinned={"E": slice(4, 8)})
    run(20 * ms)
    assert not fused(first)
    assert not fused(other)


def test_a_standalone_simulation_does_not_let_others_in_later(standalone: Any) -> None:
    """Its first run's code counts the costs in the fused pass, alone."""
    objects = rate_network()
    network = Network(*objects)
    first, late = (nb.Plasticity(network, RULE, dt=10 * ms, pinned={"E": part}) for part in (slice(0, 4), slice(4, 8)))
    network.add(first)
    network.run(20 * ms)
    network.add(late)
    assert "Add and activate all plasticities before the first run" in failure(network)
    device.reinit()


def test_guards_come_and_go_in_any_order() -> None:
    cells, synapses = rate_network(
        equations="""
dx/dt = (-x + drive + I)/tau : 1
r = clip(x, 0, inf) : 1
drive : 1
I : 1
tau : second (shared)
"""
    )
    cells.tau = 10 * ms
    own = cells.before_run
    removals = [guard({"E": cells}, {("E", "tau"): value}) for value in (0.01, 0.02, 0.01)]
    assert isinstance(cells.before_run, GuardedRun)
    network = Network(cells, synapses)
    assert "was 0.02 when" in refusal(network)
    removals[1]()
    network.run(1 * ms)
    removals[0]()
    cells.tau = 0.03 * second
    assert "was 0.01 when" in failure(network)
    removals[2]()
    assert cells.before_run == own
    network.run(1 * ms)


def failure(network: Network) -> str:
    """What is said when a later run does not start."""
    with pytest.raises(Exception) as error:
        network.run(1 * ms)
    return str(error.value.__cause__ or error.value)


def test_a_guard_goes_with_its_plasticity() -> None:
    objects = rate_network(
        equations="""
dx/dt = (-x + drive + I - zero)/(10*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
I : 1
zero : 1 (shared, constant)
"""
    )

    def made_run_and_removed() -> None:
        network, plasticity = attached(objects)
        network.run(50 * ms)
        assert isinstance(objects[0].before_run, GuardedRun)
        network.remove(plasticity)

    made_run_and_removed()
    gc.collect()
    assert not isinstance(objects[0].before_run, GuardedRun)


def test_a_view_of_a_helper_group_does_not_put_it_into_the_network() -> None:
    objects = rate_network()
    plasticity = attached(objects)[1]
    group = next(iter(nb.symmetries(Network(*objects)).groups))
    view = plasticity[group][:2]
    monitor = StateMonitor(view, "scale", record=True)
    for parts in ([*objects, view], Network(*objects, plasticity, view, monitor), [*objects, plasticity, monitor]):
        assert list(nb.symmetries(parts).groups) == [group]
        assert list(nb.balance(parts).scale) == [group]
