"""`Plasticity` attached to all kinds of networks: what moves, what does not, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from brian2 import (
    Network,
    NetworkOperation,
    NeuronGroup,
    StateMonitor,
    Synapses,
    ms,
    run,
    second,
)
from plastic_rate import FAST, QUICK, RATE, SUMMED, Still, absolute, attached, costs_of, matrix, rate_network, refusal

import neurobal as nb

Array: TypeAlias = np.ndarray
pytestmark = pytest.mark.usefixtures("coarse")

# What a group keeps


def test_costs_scales_and_imbalance_can_be_read() -> None:
    network, plasticity = attached(rate_network())
    network.run(100 * ms)
    scale, log_scale = plasticity["E"].scale[:], plasticity["E"].log_scale[:]
    assert np.abs(log_scale).max() > 0.1
    np.testing.assert_allclose(scale, np.exp(log_scale), rtol=1e-12)
    before = plasticity.before.projections["S"]
    np.testing.assert_allclose(
        network["S"].w[:], before.weight * scale[before.post_index] / scale[before.pre_index], rtol=1e-12
    )


@pytest.mark.parametrize("power", [1, 2, 3, 1.5])
def test_costs_are_in_units_of_the_mean_cost_at_the_start(power: float) -> None:
    objects = rate_network(matrix(autapses=True))
    expected = costs_of([objects[1]], 8, power)
    network, plasticity = attached(objects, Still(), cost=nb.Power(power, weight=7.0))
    network.run(30 * ms)
    np.testing.assert_allclose([plasticity["E"].cost_in[:], plasticity["E"].cost_out[:]], expected, rtol=1e-12)
    balance = (expected[0] - expected[1]) / (expected[0] + expected[1])
    np.testing.assert_allclose(plasticity["E"].imbalance[:], balance, rtol=1e-10)
    assert nb.verify(plasticity.before, network).exact


def test_a_sum_of_costs_adds_up() -> None:
    objects = rate_network()
    one, two = (np.array(costs_of([objects[1]], 8, p)) for p in (1, 2))
    w = np.abs(np.array(objects[1].w))
    network, plasticity = attached(objects, Still(), cost=nb.Power(2) + 0.5 * nb.Power(1))
    network.run(20 * ms)
    expected = (0.5 * one * w.mean() + two * (w**2).mean()) / (0.5 * w.mean() + (w**2).mean()) / 2
    got = np.array([plasticity["E"].cost_in[:], plasticity["E"].cost_out[:]])
    np.testing.assert_allclose(got / got.sum(), expected / expected.sum(), rtol=1e-12)


def test_a_state_monitor_records_it() -> None:
    network, plasticity = attached(rate_network())
    monitor = StateMonitor(plasticity["E"], ["cost_in", "cost_out", "imbalance", "scale"], record=True)
    network.add(monitor)
    network.run(500 * ms)
    assert monitor.imbalance.shape == (8, 50)
    worst = np.abs(monitor.imbalance).max(axis=0)
    assert worst[-1] < 0.01 * worst[1]
    np.testing.assert_allclose(
        monitor.imbalance[:, 5], (monitor.cost_in - monitor.cost_out)[:, 5] / (monitor.cost_in + monitor.cost_out)[:, 5]
    )
    assert np.all(monitor.scale[:, 0] == 1)


def test_groups_that_do_not_move_are_not_kept() -> None:
    _, plasticity = attached(rate_network())
    with pytest.raises(KeyError, match=r"no neuron of a group 'e' moves.*'E'"):
        plasticity["e"]


# What stays the same


def test_nothing_is_put_into_the_users_objects() -> None:
    objects = rate_network()
    contained = [list(one.contained_objects) for one in objects]
    variables = [set(one.variables) for one in objects]
    attached(objects)
    assert [list(one.contained_objects) for one in objects] == contained
    assert [set(one.variables) for one in objects] == variables


def test_not_added_it_is_inert() -> None:
    objects = rate_network()
    network, weights = Network(*objects), np.array(objects[1].w)
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
    network.run(100 * ms)
    assert np.array_equal(objects[1].w[:], weights)
    assert np.all(plasticity["E"].scale[:] == 1)


def test_inactive_it_is_inert() -> None:
    network, plasticity = attached(rate_network())
    weights = np.array(network["S"].w)
    plasticity.active = False
    network.run(50 * ms)
    assert np.array_equal(network["S"].w[:], weights)
    plasticity.active = True
    network.run(50 * ms)
    assert not np.allclose(network["S"].w[:], weights)
    assert nb.verify(plasticity.before, network).preserved


def test_one_after_the_other() -> None:
    """An inactive plasticity does not claim its neurons."""
    network, first = attached(rate_network())
    second_one = nb.Plasticity(network, nb.AntiBalancing(rate=QUICK), dt=10 * ms)
    network.add(second_one)
    second_one.active = False
    network.run(50 * ms)
    scale = np.array(first["E"].scale)
    assert np.ptp(scale) > 0.1
    first.active, second_one.active = False, True
    network.run(50 * ms)
    assert np.array_equal(first["E"].scale[:], scale)
    assert np.abs(second_one["E"].log_scale[:]).max() > 0.1


def test_a_magic_network() -> None:
    cells, synapses = rate_network()
    weights = np.array(synapses.w)
    plasticity = nb.Plasticity(rule=nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
    soma = plasticity["E"]
    monitor = StateMonitor(soma, "imbalance", record=True)
    run(500 * ms)
    assert not np.allclose(synapses.w[:], weights)
    assert np.abs(monitor.imbalance[:, -1]).max() < 0.01
    assert nb.verify(plasticity.before, [cells, synapses]).preserved
    assert nb.verify(plasticity.before).preserved
    synapses.w[3] *= 1.01
    assert not nb.verify(plasticity.before).preserved
    run(10 * ms)


def test_the_callers_constants_are_seen() -> None:
    tau = 10 * ms  # noqa: F841
    network, plasticity = attached(rate_network(equations=RATE.replace("(10*ms)", "tau")), level=1)
    network.run(50 * ms)
    assert nb.verify(plasticity.before, network).preserved


@pytest.mark.parametrize("dyadic", [False, True])
def test_several_runs_are_one(dyadic: bool) -> None:
    """Also with another writer of the weights, where costs are counted in a pass of their own."""
    found = []
    for parts in (1, 4):
        for writer in (False, True):
            objects = rate_network()
            if writer:
                objects[1].run_regularly("w = w*1.0", dt=10 * ms)
            network, plasticity = attached(objects, nb.GradientFlow(rate=2 / second), dyadic=dyadic)
            for _ in range(parts):
                network.run(120 * ms / parts)
            found.append(plasticity["E"].log_scale[:])
    assert np.abs(found[0]).max() > 0.1
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dyadic", [False, True])
@pytest.mark.parametrize("at", [0, 50])
def test_store_and_restore(dyadic: bool, at: int) -> None:
    network, plasticity = attached(rate_network(), nb.StochasticBalancing(rate=QUICK), dyadic=dyadic)
    network.run(at * ms)
    network.store()
    found = []
    for _ in range(2):
        network.restore()
        network.run(100 * ms)
        soma = plasticity["E"]
        found.append([np.array(one) for one in (network["S"].w, network["E"].x, soma.log_scale, soma.cost_in)])
    assert np.abs(found[0][2]).max() > 0.1
    for first, other in zip(*found, strict=True):
        assert np.array_equal(first, other)


@pytest.mark.parametrize("at", [0, 50])
def test_restored_from_a_file_into_a_network_that_was_built_anew(tmp_path: Path, at: int) -> None:
    """In another process, say: costs keep the units that they had."""
    found = []
    for restored in (False, True):
        rule = nb.GradientFlow(rate=2 / second)
        network, plasticity = attached(rate_network(), rule, name="rule")
        if restored:
            network.restore(filename=str(tmp_path / "state"))
        else:
            network.run(at * ms)
            network.store(filename=str(tmp_path / "state"))
        network.run(100 * ms)
        soma = plasticity["E"]
        found.append([np.array(one) for one in (network["S"].w, network["E"].x, soma.log_scale, soma.cost_in)])
        assert nb.verify(plasticity.before, network).preserved
        del network, plasticity, soma
    assert np.abs(found[0][2]).max() > 0.1
    for first, other in zip(*found, strict=True):
        assert np.array_equal(first, other)


def test_before_is_where_a_restored_network_starts_again() -> None:
    network, plasticity = attached(rate_network())
    network.store()
    network.run(20 * ms)
    network.restore()
    network["S"].w = "2*w"
    network.run(20 * ms)
    assert nb.verify(plasticity.before, network).preserved
    assert plasticity.before.projections["S"].weight == pytest.approx(2 * matrix()[np.nonzero(matrix())])


# What there is in networks


def test_synapses_of_all_kinds() -> None:
    """Several Synapses on parts of a group, two synapses between the same neurons, self-connections, delays."""
    rng = np.random.default_rng(2)
    equations = RATE + "I2 : 1\nI3 : 1\n"
    cells = NeuronGroup(9, equations.replace("+ I)", "+ I + I2 + I3)"), method="euler", name="E")
    cells.drive = rng.uniform(1, 2, 9)
    parts = []
    for pre, post, variable, name in ((cells[:5], cells[3:], "I", "A"), (cells[5:], cells, "I2", "B"),
                                      (cells[2:], cells[:6], "I3", "C")):  # fmt: skip
        one = Synapses(pre, post, f"w : 1\n{variable}_post = w*r_pre : 1 (summed)", name=name)
        one.connect(n=2 if name == "B" else 1)
        one.w = rng.lognormal(0, 1, len(one)) * rng.choice([-0.02, 0.02], len(one))
        parts.append(one)
    expected = costs_of(parts, 9)
    network, looking = attached([cells, *parts], Still())
    network.run(20 * ms)
    np.testing.assert_allclose([looking["E"].cost_in[:], looking["E"].cost_out[:]], expected, rtol=1e-12)
    looking.active = False
    plasticity = nb.Plasticity(network, FAST, dt=1 * ms)
    network.add(plasticity)
    network.run(200 * ms)
    incoming, outgoing = costs_of(parts, 9)
    np.testing.assert_allclose(incoming, outgoing, rtol=1e-6)
    assert nb.verify(plasticity.before, network).preserved


def test_attached_before_connect() -> None:
    found = []
    for early in (True, False):
        weights = matrix()
        cells = NeuronGroup(8, RATE, method="euler", name="E")
        synapses = Synapses(cells, cells, SUMMED, name="S")
        network = Network(cells, synapses)
        if early:
            plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
        post, pre = np.nonzero(weights)
        synapses.connect(i=pre, j=post)
        synapses.w = weights[post, pre]
        cells.drive = 1
        if not early:
            plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
        network.add(plasticity)
        network.run(200 * ms)
        assert nb.verify(plasticity.before, network).preserved
        found.append(np.array(synapses.w))
    assert np.array_equal(*found)


def test_pinned_neurons_stay() -> None:
    network, plasticity = attached(rate_network(), pinned={"E": [0, 3]})
    network.run(200 * ms)
    scale = plasticity["E"].scale[:]
    assert np.all(scale[[0, 3]] == 1)
    assert np.all(scale[[1, 2, 4, 5, 6, 7]] != 1)


def test_pins_are_groups_or_names() -> None:
    with pytest.raises(nb.InvalidInputError, match=r"pinned: expected groups, their names, or a dict .* got 5"):
        attached(rate_network(), pinned=5)


def test_synapses_to_pinned_groups_move_along_without_cost() -> None:
    traces = []
    for active in (True, False):
        cells, synapses = rate_network()
        readout = NeuronGroup(2, "y : 1", name="R")
        out = Synapses(cells, readout, "w : 1\ny_post = w*r_pre : 1 (summed)", name="out")
        out.connect()
        out.w = np.linspace(1, 2, 16)
        monitor = StateMonitor(readout, "y", record=True)
        cost = {"S": nb.Power(2)}
        network, plasticity = attached([cells, synapses, readout, out, monitor], pinned="R", cost=cost)
        plasticity.active = active
        network.run(200 * ms)
        traces.append(np.array(monitor.y))
        scale = plasticity["E"].scale[:]
        np.testing.assert_allclose(out.w[:], np.linspace(1, 2, 16) / scale[out.i[:]], rtol=1e-12)
        assert active == bool(np.abs(np.log(scale)).max() > 0.1)
    np.testing.assert_allclose(*traces, rtol=1e-12, atol=1e-14)


def test_neurons_without_incoming_or_outgoing_cost_do_not_move() -> None:
    """Whatever the rule says: also one that divides by zero for them."""
    weights = matrix(autapses=True)
    weights[6, :] = 0  # nothing comes into neuron 6
    weights[:7, 7] = 0  # neuron 7 sends to itself only

    class Wild(nb.Rule):
        step = "-1e-3*(1/(cost_in - cost_out) + log(cost_in)/cost_out)"

    class Constant(nb.Rule):
        step = "0.1"

    for rule in (nb.NormalizedFlow(rate=QUICK), nb.StochasticBalancing(rate=QUICK), Wild(), Constant()):
        network, plasticity = attached(rate_network(weights), rule, pinned={"E": [0]}, cost=nb.Power(3, weight=0.3))
        network.run(300 * ms)
        scale = plasticity["E"].scale[:]
        assert np.all(scale[[0, 6, 7]] == 1)
        assert np.all(scale[1:6] != 1)
        assert np.all(np.isfinite(network["S"].w[:]))


def test_costs_of_self_connections_that_another_rule_changes() -> None:
    objects = rate_network(matrix(autapses=True))
    objects[1].run_regularly("w = w*1.02*int(i == j) + w*int(i != j)", dt=10 * ms)
    objects[1].run_regularly("w = w*1.01*int(i != j) + w*int(i == j)", dt=10 * ms)
    start = np.array(objects[1].w)
    network, plasticity = attached(objects, Still())
    network.run(500 * ms)
    incoming, outgoing = costs_of(objects[1:], 8)
    growth = np.mean(np.array(objects[1].w) ** 2) / np.mean(start**2)  # units are those of the start
    np.testing.assert_allclose(plasticity["E"].cost_in[:], incoming * growth, rtol=1e-10)
    np.testing.assert_allclose(plasticity["E"].cost_out[:], outgoing * growth, rtol=1e-10)


def test_costs_that_python_code_changes() -> None:
    """What it writes is not known, so that costs are summed up anew before each update."""
    objects = rate_network()

    def grow() -> None:
        objects[1].w[:] *= 1.1

    start = np.array(objects[1].w)
    network, plasticity = attached([*objects, NetworkOperation(grow, dt=10 * ms)], Still())
    network.run(50 * ms)
    incoming, outgoing = costs_of(objects[1:], 8)
    growth = np.mean(np.array(objects[1].w) ** 2) / np.mean(start**2)
    np.testing.assert_allclose(plasticity["E"].cost_in[:], incoming * growth, rtol=1e-10)
    np.testing.assert_allclose(plasticity["E"].cost_out[:], outgoing * growth, rtol=1e-10)


@pytest.mark.parametrize("order", range(-2, 6))
def test_code_of_the_user_never_sees_half_an_update(order: int) -> None:
    """It reads weights of the synapses and states of the cells, in any order at the end of a time step."""
    found = []
    for moves in (False, True):
        objects = rate_network()
        readout = NeuronGroup(1, "y : 1", name="readout")
        out = Synapses(objects[0], readout, "w : 1", name="out")
        out.connect()
        out.w = 1
        objects[1].run_regularly("x_post += 0.05*w*r_pre", dt=1 * ms, when="end", order=order)
        out.run_regularly("y_post += w*r_pre", dt=1 * ms, when="end", order=order)
        network = Network(*objects, readout, out)
        if moves:
            plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=1 * ms, pinned="readout")
            network.add(plasticity)
        network.run(50 * ms)
        found.append(float(readout.y[0]))
    assert np.ptp(plasticity["E"].log_scale[:]) > 0.5
    assert found[1] == pytest.approx(found[0], rel=1e-12)


@pytest.mark.parametrize("first", [True, False])
def test_normalization_would_undo_it(first: bool) -> None:
    objects = rate_network()
    normalization = nb.IncomingNormalization(objects[1], 10 * ms, name="norm")
    network, _ = attached([*objects, normalization] if first else objects)
    network.add(normalization)
    start = np.array(objects[1].w)
    assert "norm (IncomingNormalization) keeps the incoming weights of S at sums" in refusal(network)
    assert np.array_equal(objects[1].w, start)
    normalization.active = False
    network.run(20 * ms)
    assert not np.array_equal(objects[1].w, start)


def test_normalization_of_what_does_not_move() -> None:
    objects = rate_network()
    elsewhere = NeuronGroup(8, "y : 1", name="elsewhere")
    others = Synapses(elsewhere, elsewhere, "w : 1\ny_post = w*y_pre : 1 (summed)", name="others")
    others.connect(i=[0, 1], j=[1, 0])
    others.w = [1, 3]
    network, plasticity = attached(
        [*objects, elsewhere, others, nb.IncomingNormalization(others, 10 * ms, target=2)], pinned="elsewhere"
    )
    network.run(20 * ms)
    assert np.allclose(others.w, 2)
    assert np.ptp(plasticity["E"].log_scale[:]) > 0.1


def test_two_plasticities_on_different_neurons() -> None:
    objects = rate_network()
    target = nb.balance(Network(*rate_network()))
    network = Network(*objects)
    before = nb.as_circuit(network)
    halves = [
        nb.Plasticity(network, rule, dt=dt, pinned={"E": part})
        for rule, dt, part in (
            (FAST, 1 * ms, slice(0, 4)),
            (nb.StochasticBalancing(rate=QUICK), 2 * ms, slice(4, 8)),
        )
    ]
    network.add(halves)
    network.run(2 * second)  # the random half visits each neuron 20 times a second
    assert nb.verify(before, network).preserved
    np.testing.assert_allclose(objects[1].w[:], target.weights["S"], rtol=1e-5)


def test_two_plasticities_on_different_groups() -> None:
    equations = "dx/dt = (-x + drive + I + I2)/(10*ms) : 1\nr = clip(x, 0, inf) : 1\ndrive : 1\nI : 1\nI2 : 1"
    groups = [NeuronGroup(4, equations, method="euler", name=name) for name in "AB"]
    synapses = []
    rng = np.random.default_rng(0)
    for pre in groups:
        for post in groups:
            variable = "I" if pre.name == "A" else "I2"
            one = Synapses(pre, post, f"w : 1\n{variable}_post = w*r_pre : 1 (summed)", name=pre.name + post.name)
            one.connect()
            one.w = rng.lognormal(0, 1, 16) / 20
            synapses.append(one)
    groups[0].drive = groups[1].drive = 1
    network = Network(*groups, *synapses)
    target = nb.balance(network)
    network.add(*(nb.Plasticity(network, FAST, dt=1 * ms, pinned=name) for name in "AB"))
    network.run(300 * ms)
    for one in synapses:
        np.testing.assert_allclose(one.w[:], target.weights[one.name], rtol=1e-5)


def test_the_same_neurons_cannot_be_moved_by_two() -> None:
    network, _ = attached(rate_network())
    network.add(nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms, pinned={"E": slice(0, 7)}))
    said = refusal(network)
    assert "both move neurons of group 'E'" in said
    another, _ = attached(rate_network())  # a group of the same name elsewhere is free
    another.run(20 * ms)


def test_updates_come_at_their_own_pace() -> None:
    """Also when it is no multiple of the time step."""
    network, plasticity = attached(rate_network(), type("Count", (nb.Rule,), {"step": "0.01"})(), dt=7.3 * ms)
    network.run(73 * ms)
    np.testing.assert_allclose(plasticity["E"].log_scale[:], 0.1)


class RandomWalk(nb.Rule):
    """Neurons move for ever."""

    step = "0.3*(uniform - 0.5)"


@pytest.mark.parametrize("others", ["nobody", "another rule"])
@pytest.mark.parametrize("trace", [False, True])
def test_self_connections_stay_as_they_are_to_the_last_bit(others: str, trace: bool) -> None:
    """λ times 1/λ is not quite 1. With a trace that does move, they are not simply left out of an update."""
    scaling = {"E": {"x": 1, "drive": 1, "I": 1}, "S": ("w", 1, 1)}
    model = SUMMED
    if trace:
        model, scaling = SUMMED + "\ndq/dt = (r_post - q)/(10*ms) : 1 (clock-driven)", None
    objects = rate_network(matrix(autapses=True), model=model)
    if others == "another rule":
        objects[1].run_regularly("w = w*1.0", dt=10 * ms)
    network, plasticity = attached(objects, RandomWalk(), scaling=scaling)
    weights = np.array(network["S"].w_)
    network.run(2 * second)
    post, pre = absolute(network["S"])
    changed = network["S"].w_[:] != weights
    assert not changed[post == pre].any() and changed[post != pre].all()
    assert np.abs(plasticity["E"].log_scale[:]).max() > 1
    size = costs_of([network["S"]], 8)
    network.run(10 * ms)
    np.testing.assert_allclose(plasticity["E"].cost_in[:] / plasticity["E"].cost_out[:], size[0] / size[1], rtol=1e-9)


@pytest.mark.parametrize("others", ["nobody", "another rule"])
@pytest.mark.parametrize("kind", ["prices", "gains", "sum"])
def test_costs_that_differ_from_synapse_to_synapse(kind: str, others: str) -> None:
    """At the fixed point they balance, whether one pass is enough or another rule writes the weights, too."""
    rng = np.random.default_rng(1)
    prices, gains = rng.lognormal(0, 1, 56), rng.uniform(0.2, 1, 8)
    cost = {
        "prices": nb.Power(2, weight=prices),
        "gains": nb.Robustness(gains),
        "sum": nb.Power(2, weight=prices) + 3 * nb.Power(1),
    }[kind]
    objects = rate_network()
    if others == "another rule":
        objects[1].run_regularly("w = w*1.0", dt=10 * ms)
    network, plasticity = attached(objects, cost=cost)
    network.run(1 * second)
    size = np.abs(network["S"].w_[:])
    post, pre = absolute(network["S"])
    price = {"prices": prices * size**2, "gains": gains[pre] * size**2, "sum": prices * size**2 * 2 + 3 * size}[kind]
    np.testing.assert_allclose(np.bincount(post, price), np.bincount(pre, price), rtol=1e-3)
    assert plasticity["E"].total_imbalance[:] < 1e-3
    if others == "nobody":
        assert nb.verify(plasticity.before, network).preserved


def test_totals_are_shared_and_can_be_recorded() -> None:
    network, plasticity = attached(rate_network(), pinned={"E": [0, 3]})
    trace = StateMonitor(plasticity["E"], ["total_in", "total_out", "total_imbalance"], record=0)
    cells = StateMonitor(plasticity["E"], ["cost_in", "cost_out"], record=True)
    network.add(trace, cells)
    network.run(300 * ms)
    total_in, total_out = np.ravel(trace.total_in), np.ravel(trace.total_out)
    np.testing.assert_allclose(total_in, cells.cost_in.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(total_out, cells.cost_out.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(total_in, total_out, rtol=1e-12)  # every synapse has two ends in E
    assert np.all(np.diff(total_in) <= 0) and total_in[-1] < 0.5 * total_in[0]
    free = np.setdiff1d(np.arange(8), [0, 3])
    gap, both = np.abs(cells.cost_in - cells.cost_out)[free], (cells.cost_in + cells.cost_out)[free]
    # A monitor records at the start of a step, between two updates: what the rule saw at the last one.
    np.testing.assert_allclose(np.ravel(trace.total_imbalance), gap.sum(axis=0) / both.sum(axis=0), rtol=1e-12)
