"""Two Brian2 networks run side by side: what differs is found, and nothing is left behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    get_device,
    magic_network,
    ms,
    mV,
    prefs,
    run,
    second,
    set_device,
)
from brian2 import seed as set_seed
from brian2.core.network import _get_all_objects

import neurobal as nb
from neurobal.brian.comparing.paired_runs import compare
from neurobal.comparison import Difference

DURATION = 80 * ms
SCALING = {
    "cells": {"v": 1, "theta": 1, "drive": 1, "a": 1},
    "inputs": ("w", 1, 0),
    "recurrent": ("w", 1, 1),
    "outputs": ("w", 1, 1),
}
PINNED = ["readout"]


@pytest.fixture(autouse=True)
def numpy_target() -> Iterator[None]:
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    gc.freeze()  # Brian2 collects garbage before every run: keep that short
    yield
    prefs.codegen.target = before


def build(amplitude: str = "*a_pre", size: int = 12, monitors: bool = True) -> Network:
    """Noisy integrate-and-fire cells with delays; spikes are graded by `a`, or of a fixed size with amplitude=""."""
    rng = np.random.default_rng(3)
    cells = NeuronGroup(
        size,
        "dv/dt = (drive - v)/(10*ms) : 1 (unless refractory)\ntheta : 1\ndrive : 1\na : 1",
        threshold="v > theta",
        reset="v = 0",
        refractory=1 * ms,
        method="euler",
        name="cells",
    )
    cells.theta, cells.drive, cells.a = (
        rng.uniform(0.9, 1.1, size),
        rng.uniform(0.8, 1.2, size),
        rng.uniform(1, 2, size),
    )
    readout = NeuronGroup(2, "dr/dt = -r/(20*ms) : 1", method="euler", name="readout")
    poisson = PoissonGroup(5, 300 * Hz, name="poisson")
    synapses = [
        Synapses(poisson, cells, "w : 1", on_pre="v_post += w", name="inputs"),
        Synapses(cells, cells, "w : 1", on_pre=f"v_post += w{amplitude}", delay=1.5 * ms, name="recurrent"),
        Synapses(cells[: size // 2], readout, "w : 1", on_pre=f"r_post += w{amplitude}", name="outputs"),
    ]
    for one in synapses:
        one.connect()
        one.w = rng.uniform(-0.05, 0.1, len(one))
    objects = [cells, readout, poisson, *synapses]
    if monitors:
        objects += [
            SpikeMonitor(cells, name="spikes"),
            StateMonitor(cells[3:], "v", record=[0, 2], dt=0.5 * ms, name="voltage"),
            StateMonitor(readout, "r", record=True, name="output"),
        ]
    return Network(objects)


def balanced(network: Network) -> Any:
    return nb.balance(network, scaling=SCALING, pinned=PINNED, dyadic=True)


def state_of(network: Network) -> dict[str, Any]:
    """All that Brian2 itself would store, spikes under way included, and what it remembers besides."""
    return network._full_state() | {
        "objects": {obj.name for obj in _get_all_objects(network.objects)},
        "networks": {obj.name: obj._network for obj in network.objects},
        "snapshots": set(network._stored_state),
        "random": get_device().get_random_state(),
    }


def assert_same(one: Any, other: Any) -> None:
    assert repr(one) == repr(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, tuple | list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)


def test_twins_are_identical() -> None:
    compared = compare(build(), build(), DURATION, seed=2)
    assert compared.identical
    assert set(compared.spikes) == {"cells", "poisson"}
    assert set(compared.traces) == {"cells.v", "readout.r"}
    assert compared.spikes["cells"].before.sum() > 20
    assert compared.spikes["poisson"].distance == 0
    assert compared.traces["cells.v"].recorded == 2  # as the StateMonitor does
    assert compared.traces["readout.r"].magnitude > 0
    assert "identical, to the last bit" in repr(compared)


def test_the_seed_matters() -> None:
    network = build()
    counts = {k: compare(network, network, DURATION, seed=k).spikes["poisson"].before.tolist() for k in (1, 2)}
    assert counts[1] != counts[2]


def test_spikes_of_a_fixed_size_do_not_survive_a_rescaling() -> None:
    """The first difference, counts and rates against plain runs that know nothing of `compare`."""
    scale = np.exp(np.random.default_rng(0).normal(0, 0.7, 12))

    def rescaled() -> Network:
        network = build(amplitude="")
        recurrent = network["recurrent"]
        recurrent.w = np.asarray(recurrent.w) * scale[np.asarray(recurrent.j)] / scale[np.asarray(recurrent.i)]
        return network

    compared = compare(build(amplitude=""), rescaled(), DURATION, seed=5)
    trains, voltages = [], []
    for network in (build(amplitude=""), rescaled()):
        set_seed(5)
        network.run(DURATION)
        voltages.append(np.array(network["voltage"].v))
        trains.append(set(zip(map(float, network["spikes"].t), map(int, network["spikes"].i), strict=True)))
    expected = Difference(*min(trains[0] ^ trains[1]))
    cells = compared.spikes["cells"]
    assert cells.first_difference == expected
    assert (cells.before.sum(), cells.after.sum()) == (len(trains[0]), len(trains[1]))
    assert cells.rates[0] == pytest.approx(len(trains[0]) / 12 / 0.08)
    assert cells.distance > 0 and not compared.identical
    voltage = compared.traces["cells.v"]
    assert voltage.largest_change == np.abs(voltages[1] - voltages[0]).max()
    assert voltage.magnitude == np.abs(voltages[0]).max()
    assert voltage.first_difference.neuron in (3, 5)  # 0 and 2 of the subgroup cells[3:]
    assert compared.spikes["poisson"].identical  # the input is the same
    assert compared.traces["readout.r"].first_difference.time >= expected.time
    assert "DIFFER in cells, readout.r, cells.v" in repr(compared)


def test_graded_spikes_rescaled_by_hand() -> None:
    """Powers of two: every spike and the readout are the same, and v is another by its scale."""
    scale = 2.0 ** np.random.default_rng(0).integers(-3, 4, 12)
    network, twin = build(), build()
    for name in SCALING["cells"]:
        setattr(twin["cells"], name, np.asarray(getattr(twin["cells"], name)) * scale)
    for name, (pre, post) in {"inputs": (1, scale), "recurrent": (scale, scale), "outputs": (scale, 1)}.items():
        synapses = twin[name]
        i, j = np.asarray(synapses.i), np.asarray(synapses.j)
        factor = np.broadcast_to(post, 12)[j] / np.broadcast_to(pre, 12)[i]
        synapses.w = np.asarray(synapses.w) * factor
    compared = compare(network, twin, DURATION, record={"cells": ["v"], "readout": "r"})
    assert compared.spikes["cells"].identical
    assert compared.spikes["cells"].before.sum() > 20
    assert compared.traces["readout.r"].identical
    assert compared.traces["cells.v"].recorded == 12
    assert not compared.traces["cells.v"].identical


@pytest.mark.parametrize("record", [None, {"cells": ["v", "theta"], "recurrent": "w", "readout": "r"}])
def test_a_balanced_network(record: Any) -> None:
    """Voltages, thresholds and weights are compared after dividing by their powers of λ."""
    network, twin = build(), build()
    result = balanced(twin)
    assert np.ptp(np.log2(result.scale["cells"])) > 0
    direct = compare(twin, result, DURATION, record=record)
    result.apply()
    other_build = compare(network, twin, DURATION, balance=result, record=record)
    for compared in (direct, other_build):
        assert compared.identical
        assert compared.spikes["cells"].before.sum() > 20
        assert compared.traces["cells.v"].rescaled
        assert not compared.traces["readout.r"].rescaled
    assert not compare(network, twin, DURATION, record=record).identical  # v as it is


def test_assumed_homogeneity() -> None:
    """Spikes of a fixed size, balanced all the same: not proven, but the change is measured."""
    network = build(amplitude="")
    result = nb.balance(network, homogeneity={"cells": 1}, pinned=PINNED)
    assert result.certificate.preserved is None
    compared = compare(network, result, DURATION)
    assert compared.spikes["poisson"].identical and not compared.spikes["cells"].identical


def test_potentials_measured_from_rest() -> None:
    """v -> El + λ (v - El): undone as it was done."""
    rng = np.random.default_rng(1)
    model = "dv/dt = (El - v + drive)/(10*ms) : volt\ndrive : volt\ntheta : volt\nv_reset : volt\na : 1"
    cells = NeuronGroup(6, model, threshold="v > theta", reset="v = v_reset", method="euler", name="cells")
    El = -70 * mV
    cells.v, cells.v_reset, cells.a = El, El - rng.uniform(0, 2, 6) * mV, 1
    cells.drive, cells.theta = rng.uniform(9, 14, 6) * mV, El + rng.uniform(9, 11, 6) * mV
    recurrent = Synapses(cells, cells, "w : volt", on_pre="v_post += w*a_pre", name="recurrent")
    recurrent.connect(condition="i != j")
    recurrent.w = rng.exponential(0.5, len(recurrent)) * mV
    network = Network(cells, recurrent)
    compared = compare(network, nb.balance(network), DURATION, record={"cells": ["v", "drive"], "recurrent": "w"})
    assert compared.spikes["cells"].identical and compared.spikes["cells"].before.sum() > 20
    # Some 10 roundings a step, of which the last 100 (a time constant) are remembered: 1000 ε.
    assert all(trace.rescaled and trace.relative_change < 1e-12 for trace in compared.traces.values())
    assert compared.traces["cells.v"].unit == "V"


def test_rates_that_are_subexpressions() -> None:
    """A squared rate moves by λ², the named expression that it is built from by λ; a constant fits any scale."""
    rng = np.random.default_rng(1)
    model = "dx/dt = (inp + I - x)/(10*ms) : 1\nI : 1\ninp : 1\np = clip(x, zero, inf) : 1\nr = k*p**2 : 1\none = 1 : 1"
    rates = NeuronGroup(5, model, method="euler", name="rates")
    rates.inp = rng.uniform(-0.2, 1, 5)
    synapses = Synapses(rates, rates, "w : 1\nI_post = w*r_pre : 1 (summed)", name="recurrent")
    synapses.connect()
    synapses.w = rng.normal(0, 0.3, 25)
    network = Network(rates, synapses)
    constants = {"k": 0.5, "zero": 0}
    result = nb.balance(network, dyadic=True, pinned={"rates": [0]}, namespace=constants)
    assert np.ptp(np.log2(result.scale["rates"])) > 0
    compared = compare(network, result, 30 * ms, record={"rates": ["x", "p", "r", "one"]}, namespace=constants)
    assert compared.identical
    assert [trace.rescaled for trace in compared.traces.values()] == [True, True, True, False]
    assert not any("before_run" in vars(obj) for obj in network.objects)  # what a balance adds is gone


def test_scales_that_are_no_powers_of_two_only_round() -> None:
    network = build()
    result = nb.balance(network, scaling=SCALING, pinned=PINNED)
    compared = compare(network, result, DURATION)
    assert compared.spikes["cells"].identical and not compared.identical
    assert 0 < compared.traces["cells.v"].relative_change < 1e-12  # 1000 ε: see above
    assert "traces are equal up to rounding" in repr(compared)


def test_networks_are_left_as_they_were() -> None:
    """In the middle of a simulation, with spikes under way; what follows is what would have followed."""
    network, untouched = build(), build()
    for one in (network, untouched):
        set_seed(1)
        one.run(20 * ms)
    result = balanced(network)
    before = state_of(network)
    compare(network, result, DURATION, record={"cells": "v"})
    assert_same(state_of(network), before)
    for one in (network, untouched):
        set_seed(2)
        one.run(20 * ms)
    for name, variable in (("spikes", "t"), ("spikes", "i"), ("voltage", "v"), ("output", "r"), ("output", "t")):
        np.testing.assert_array_equal(*(np.asarray(getattr(one[name], variable)) for one in (network, untouched)))
    result.apply()  # still possible


def test_networks_are_left_as_they_were_when_a_run_fails() -> None:
    """In the second run, when the network is balanced."""
    calls: list[float] = []

    def fail(t: Any) -> None:
        calls.append(float(t[:]))
        if len(calls) == 30:
            raise ZeroDivisionError("the thirtieth call")

    network = build()
    network.add(NetworkOperation(fail, dt=5 * ms, name="fail"))
    network.run(5 * ms)
    result, before = balanced(network), state_of(network)
    with pytest.raises(ZeroDivisionError, match="thirtieth"):
        compare(network, result, DURATION)
    assert calls[-1] < calls[16]  # of the second run
    assert_same(state_of(network), before)
    network.run(5 * ms)
    result.apply()


def test_before_the_first_run() -> None:
    """Nothing sticks: the first run of a network is what it would have been."""
    network, untouched = build(), build()
    compare(network, network, DURATION)
    for one in (network, untouched):
        set_seed(2)
        one.run(20 * ms)
    np.testing.assert_array_equal(*(np.asarray(one["spikes"].t) for one in (network, untouched)))
    np.testing.assert_array_equal(*(np.asarray(one["voltage"].v) for one in (network, untouched)))


def test_lists_of_objects() -> None:
    first, last = list(build().objects), list(build().objects)
    assert compare(first, last, DURATION).identical
    assert all(obj._network is None for obj in [*first, *last])
    network = Network(first)
    network.run(1 * ms)
    with pytest.raises(nb.InvalidInputError, match="give that Network instead"):
        compare(first, first, 1 * ms)


def test_magic_networks() -> None:
    tau = 5 * ms  # noqa: F841 (a constant that only this function knows)
    model = "dx/dt = (1.2 - x)/tau*int(t >= 10*ms) : 1"
    group = NeuronGroup(2, model, threshold="x > 1", reset="x = 0", method="euler", name="cells")
    monitor = StateMonitor(group, "x", record=True)
    run(10 * ms)
    time, x = magic_network.t, np.asarray(group.x)
    twin = [group, monitor]
    for after in (None, twin):
        compared = compare(None, after, 20 * ms)
        assert compared.identical
        assert compared.spikes["cells"].before.tolist() == [2, 2]
    run(5 * ms)
    assert magic_network.t == time + 5 * ms
    assert np.asarray(monitor.x).shape == (2, 150)
    np.testing.assert_array_equal(np.asarray(monitor.x)[:, 100], x)


def test_constants_come_from_where_it_is_called() -> None:
    group = NeuronGroup(1, "dx/dt = (2 - x)/tau_x : 1", threshold="x > 1", reset="x = 0", method="euler", name="cells")
    network = Network(group)
    counts = [
        compare(network, network, 50 * ms, namespace={"tau_x": tau}).spikes["cells"].before[0]
        for tau in (5 * ms, 10 * ms)
    ]
    assert counts[0] > counts[1] > 0

    def wrapped() -> Any:
        return compare(network, network, 50 * ms, level=1)

    tau_x = 5 * ms  # noqa: F841
    assert wrapped().spikes["cells"].before[0] == counts[0]


def test_float32(request: pytest.FixtureRequest) -> None:
    prefs.core.default_float_dtype = np.float32
    request.addfinalizer(lambda: setattr(prefs.core, "default_float_dtype", np.float64))
    network = build()
    assert compare(network, balanced(network), DURATION).identical


def test_report() -> None:
    told: list[float] = []
    network = build()
    compare(network, network, 1 * ms, report=lambda elapsed, completed, start, duration: told.append(completed))
    assert told[0] == 0 and told[-1] == 1


def unnamed() -> Network:
    return Network(NeuronGroup(1, "x : 1", threshold="x > 1", name="neurons*"))


def test_errors() -> None:
    network = build()
    rates = Network(NeuronGroup(1, "x : 1", name="rates"))
    result = balanced(network)
    for arguments, options, message in (
        ((network, build(size=14), DURATION), {}, "'cells' has size 12 and 14"),
        ((unnamed(), unnamed(), DURATION), {}, "only in `before`.*only in `after`.*same names"),
        ((network, build(), 3), {}, "duration must be a time"),
        ((network, build(), 0 * second), {}, "duration must be a time"),
        ((network, build(), DURATION), {"tau": 0 * ms}, "tau must be a time"),
        ((network, build(), DURATION), {"record": "v"}, "expected a dict"),
        ((network, build(), DURATION), {"record": {"cell": "v"}}, "Did you mean 'cells'"),
        ((network, build(), DURATION), {"record": {"cells": "u"}}, "no variable 'u' in `before`"),
        ((rates, rates, DURATION), {}, r"nothing to compare.*record=\{'rates'"),
        ((build(), result, DURATION), {}, "not of the network `before`"),
        ((network, result, DURATION), {"balance": result}, "second build"),
        ((network, build(), DURATION), {"balance": nb.balance(np.ones((2, 2)))}, "not of a Brian2 network"),
        ((network, build(), DURATION), {"balance": balanced(build(size=14))}, "'cells' has size 14"),
        ((network, nb.balance(np.ones((2, 2))), DURATION), {}, "not of the network `before`"),
    ):
        with pytest.raises(nb.InvalidInputError, match=f"(?s){message}"):
            compare(*arguments, **options)
    result.apply()
    with pytest.raises(nb.InvalidInputError, match="has been applied"):
        compare(network, result, DURATION)
    result.revert()
    twin = build()
    twin.run(1 * ms)
    with pytest.raises(nb.InvalidInputError, match=r"the time is 0 s and 0\.001 s"):
        compare(network, twin, DURATION)


def test_standalone_is_refused() -> None:
    network = build()
    device = get_device()
    set_device("cpp_standalone", build_on_run=False)
    try:
        with pytest.raises(nb.NeurobalError, match="standalone"):
            compare(network, network, DURATION)
    finally:
        set_device("runtime")
    assert get_device() is device


def test_a_balance_that_was_applied_and_restored_can_be_compared() -> None:
    network = build()
    result = balanced(network)
    network.store()
    result.apply()
    network.restore()
    assert compare(network, result, DURATION).spikes["cells"].identical
    result.apply()
