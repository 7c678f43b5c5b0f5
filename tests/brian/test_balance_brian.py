"""Balanced Brian2 networks compute the same: rates, spikes, units, delays; runtime and standalone."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    device,
    ms,
    mV,
    nS,
    pA,
    pF,
    prefs,
    seed,
    siemens,
)
from networks import (
    RATE_SCALING,
    Spiking,
    connected,
    rate_network,
    spiking_arguments,
)

import neurobal as nb


@pytest.fixture
def matrix(rng: np.random.Generator) -> np.ndarray:
    h = rng.normal(0, 2, 12)
    return 0.2 * rng.normal(size=(12, 12)) * np.exp(h[:, None] - h)


def run_rates(objects: list) -> np.ndarray:
    """Traces of all units."""
    monitor = StateMonitor(objects[0], "x", record=True)
    Network(*objects, monitor).run(20 * ms)
    return np.array(monitor.x)


# ----------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("pinned", [[], [0, 11]])
def test_a_rate_network_computes_the_same(matrix: np.ndarray, pinned: list[int]) -> None:
    plain, twin = rate_network(matrix, 6), rate_network(matrix, 6)
    reference = run_rates(plain)
    result = nb.balance(twin, scaling=RATE_SCALING, pinned={"cells": pinned})
    result.apply()
    traces = run_rates(twin)
    assert result.success and result.cost < 0.9 * result.cost_before
    λ = result.scale["cells"]
    assert np.allclose(traces / λ[:, None], reference, rtol=1e-11, atol=1e-12 * np.abs(reference).max())
    assert np.ptp(λ) > 0.5 and np.ptp(reference) > 0.1


def test_a_rate_network_computes_the_same_to_the_last_bit(matrix: np.ndarray) -> None:
    plain, twin = rate_network(matrix, 6), rate_network(matrix, 6)
    result = nb.balance(twin, scaling=RATE_SCALING, pinned={"cells": [0, 11]}, dyadic=True)
    result.apply()
    λ = result.scale["cells"]
    reference, traces = run_rates(plain), run_rates(twin)
    assert np.array_equal(traces, reference * λ[:, None]) and np.any(λ != 1)
    assert np.array_equal(traces[[0, 11]], reference[[0, 11]])


def test_a_network_in_the_middle_of_its_run(matrix: np.ndarray) -> None:
    """States move along, so that what comes after is what would have come."""
    objects = rate_network(matrix, 6)
    trace = StateMonitor(objects[0], "x", record=True)
    network = Network(*objects, trace)
    network.run(10 * ms)
    network.store()
    network.run(10 * ms)
    reference = np.array(trace.x)
    network.restore()
    result = nb.balance(network, scaling=RATE_SCALING, dyadic=True)
    result.apply()
    network.run(10 * ms)
    assert np.array_equal(np.array(trace.x)[:, 100:], reference[:, 100:] * result.scale["cells"][:, None])
    assert np.array_equal(np.array(trace.x)[:, :100], reference[:, :100])


def test_power_law_units_compute_the_same(rng: np.random.Generator) -> None:
    """r = [x]_+^2: what they send grows with λ²."""

    def build() -> tuple[list, StateMonitor]:
        draw = np.random.default_rng(3)
        model = "dx/dt = (-x + drive + rec)/(10*ms) : 1\nr = clip(x, 0, inf)**2 : 1\ndrive : 1\nrec : 1"
        E = NeuronGroup(6, model, method="euler", name="E")
        given = NeuronGroup(2, "u : 1", name="I")
        given.u, E.x = [1, 2], draw.uniform(0, 1, 6)
        rec = connected(E, E, 0.02 * draw.normal(size=(6, 6)), "w : 1\nrec_post = w*r_pre : 1 (summed)", "rec_synapses")
        drive = connected(given, E, draw.lognormal(0, 1, (6, 2)), "w : 1\ndrive_post = w*u_pre : 1 (summed)", "given")
        monitor = StateMonitor(E, "x", record=True)
        return [E, given, rec, drive, monitor], monitor

    (plain, reference), (twin, trace) = build(), build()
    scaling = {"E": {"x": 1, "drive": 1, "rec": 1}, "rec_synapses": ("w", 1, 2), "given": ("w", 1, 1)}
    result = nb.balance(twin, scaling=scaling, pinned=["I"])
    assert result.success and not result.excluded
    result.apply()
    for objects in (plain, twin):
        Network(*objects).run(20 * ms)
    scaled = np.array(trace.x) / result.scale["E"][:, None]
    assert np.allclose(scaled, reference.x, rtol=1e-10, atol=1e-12)
    squares = [np.asarray(s.w) ** 2 for s in twin[2:4]]
    incoming = np.bincount(twin[2].j, squares[0], 6) + np.bincount(twin[3].j, squares[1], 6)
    own = np.where(np.asarray(twin[2].i) == np.asarray(twin[2].j), squares[0], 0)
    outgoing = 2 * np.bincount(twin[2].i, squares[0], 6)
    assert np.allclose(incoming, outgoing, rtol=1e-4) and own.sum() > 0


# ---------------------------------------------------------------------------------------------------------- spikes


def test_spikes_stay_where_they_are() -> None:
    plain, twin = Spiking(), Spiking()
    result = nb.balance(twin.network, **spiking_arguments())
    assert result.success and result.cost < 0.9 * result.cost_before and np.ptp(result.scale["cells"]) > 0.5
    result.apply()
    (i, t, y), (i2, t2, y2) = plain.run(), twin.run()
    assert i.size > 50
    assert np.array_equal(i, i2) and np.array_equal(t, t2)
    assert np.abs(y).max() > 0 and np.abs(y2 - y).max() <= 1e-12 * np.abs(y).max()


@pytest.mark.parametrize("target", ["numpy", pytest.param("cython", marks=pytest.mark.slow)])
def test_dyadic_scales_change_no_bit(target: str) -> None:
    prefs.codegen.target = target
    plain, twin = Spiking(), Spiking()
    result = nb.balance(twin.network, **spiking_arguments(dyadic=True))
    assert result.certificate.exact and np.any(result.scale["cells"] != 1)
    result.apply()
    assert nb.verify(result.before, twin.network).exact
    for one, other in zip(plain.run(), twin.run(), strict=True):
        assert one.tobytes() == other.tobytes() and one.size
    v, v2 = np.array(plain["cells"].v), np.array(twin["cells"].v)
    assert np.array_equal(v * result.scale["cells"], v2)


def test_spikes_in_flight_arrive_as_they_would_have() -> None:
    """Brian2 multiplies by w and a_pre on arrival; the delays are up to 3 ms."""
    plain, twin = Spiking(), Spiking()
    plain.run(30 * ms), twin.run(30 * ms)
    nb.balance(twin.network, **spiking_arguments(dyadic=True)).apply()
    for one, other in zip(plain.run(30 * ms), twin.run(30 * ms), strict=True):
        assert one.tobytes() == other.tobytes()


def test_random_input_is_the_same_input() -> None:
    def build() -> tuple[Network, NeuronGroup, StateMonitor]:
        seed(5)
        draw = np.random.default_rng(0)
        P = PoissonGroup(10, 100 * Hz, name="P")
        E = NeuronGroup(4, "dx/dt = (-x + rec)/(10*ms) : 1\nrec : 1\nr = clip(x, 0, inf) : 1", method="euler", name="E")
        given = connected(P, E, draw.lognormal(0, 1, (4, 10)), "w : 1", "given", on_pre="x_post += w")
        matrix = 0.1 * graphs_hidden(draw)
        rec = connected(E, E, matrix, "w : 1\nrec_post = w*r_pre : 1 (summed)", "rec_synapses")
        monitor = StateMonitor(E, "x", record=[0])
        return Network(P, E, given, rec, monitor), E, monitor

    def graphs_hidden(draw: np.random.Generator) -> np.ndarray:
        h = draw.normal(0, 1.5, 4)
        return draw.normal(size=(4, 4)) * np.exp(h[:, None] - h)

    (plain, _, reference), (twin, _, trace) = build(), build()
    scaling = {"E": {"x": 1, "rec": 1}, "given": ("w", 1, 0), "rec_synapses": ("w", 1, 1)}
    nb.balance(twin, scaling=scaling, pinned={"E": [0]}, dyadic=True).apply()
    for network in (plain, twin):
        seed(5)
        network.run(50 * ms)
    assert np.array_equal(reference.x, trace.x) and np.ptp(reference.x) > 0


def test_conductances_in_siemens() -> None:
    """Voltages stay; conductances, currents and the membrane's size scale, and with them the amplitude of spikes."""
    model = """
    dv/dt = (gl*(-60*mV - v) - ge*v + I)/C : volt
    dge/dt = -ge/(5*ms) : siemens
    gl : siemens
    C : farad
    I : amp
    a : 1
    """

    def build() -> tuple[Network, StateMonitor, SpikeMonitor]:
        draw = np.random.default_rng(2)
        E = NeuronGroup(8, model, threshold="v > -50*mV", reset="v = -60*mV", method="euler", name="E")
        E.gl, E.C, E.v, E.a = 10 * nS, 200 * pF, -60 * mV, 1
        E.I = draw.uniform(90, 200, 8) * pA
        S = connected(E, E, draw.lognormal(0, 1, (8, 8)), "w : siemens", "S", nS, on_pre="ge_post += w*a_pre")
        monitor, spikes = StateMonitor(E, "v", record=True), SpikeMonitor(E)
        return Network(E, S, monitor, spikes), monitor, spikes

    (plain, reference, spikes), (twin, trace, _) = build(), build()
    scaling = {"E": {"ge": 1, "gl": 1, "C": 1, "I": 1, "a": 1}, "S": ("w", 1, 1)}
    result = nb.balance(twin, scaling=scaling, dyadic=True)
    assert result.before.projections["S"].dimension == siemens.dim and np.any(result.scale["E"] != 1)
    result.apply()
    plain.run(100 * ms)
    twin.run(100 * ms)
    assert np.array_equal(reference.v, trace.v) and spikes.num_spikes > 10


def test_nothing_goes_through_a_dense_matrix(rng: np.random.Generator) -> None:
    """10,000 neurons: a dense matrix would take 800 MB."""
    E = NeuronGroup(10_000, "x : 1\ny : 1", name="E")
    S = Synapses(E, E, "w : 1\ny_post = w*x_pre : 1 (summed)", name="S")
    S.connect(i=np.append(np.arange(10_000), rng.integers(0, 10_000, 20_000)), j=rng.permutation(30_000) % 10_000)
    S.w = rng.lognormal(0, 1, 30_000)
    tracemalloc.start()
    try:
        result = nb.balance([E, S], scaling={"E": {"x": 1, "y": 1}, "S": ("w", 1, 1)}, tol=1e-3)
        result.apply()
        assert nb.verify(result.before, [E, S]).preserved
        assert tracemalloc.get_traced_memory()[1] < 80e6
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------------------------ standalone


def standalone_weights(objects: list) -> dict[str, np.ndarray]:
    return {one.name: one.weight for one in nb.as_circuit(objects, scaling=RATE_SCALING)}


def test_standalone_values_from_arrays_are_balanced_before_the_build(standalone: Path, matrix: np.ndarray) -> None:
    objects = rate_network(matrix, 6)
    result = nb.balance(objects, scaling=RATE_SCALING)
    assert np.allclose(result.scale["cells"], nb.balance(matrix).scale, rtol=1e-9)
    before = standalone_weights(objects)
    assert np.array_equal(before["one"], matrix[:, :6].ravel())
    result.apply()
    assert np.array_equal(standalone_weights(objects)["one"], result.weights["one"])
    result.revert()
    assert np.array_equal(standalone_weights(objects)["one"], before["one"])


def test_standalone_weights_from_one_number_are_known(standalone: Path) -> None:
    objects = rate_network(np.ones((4, 4)), 2)
    objects[2].w = 3
    weights = standalone_weights(objects)
    assert np.array_equal(weights["two"], np.full(8, 3.0)) and np.array_equal(weights["one"], np.ones(8))


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("'w' of 'one'", lambda objects: setattr(objects[1], "w", "rand()")),
        ("'x' of 'cells'", lambda objects: setattr(objects[0], "x", "rand()")),
    ],
    ids=["weights", "states"],
)
def test_standalone_values_from_strings_are_not_known(
    standalone: Path, matrix: np.ndarray, what: str, spoil: object
) -> None:
    objects = rate_network(matrix, 6)
    spoil(objects)
    with pytest.raises(nb.NeurobalError, match="not known before the standalone simulation") as caught:
        nb.balance(objects, scaling=RATE_SCALING).apply()
    assert what in str(caught.value) and "from arrays instead of strings" in str(caught.value)


def test_standalone_connections_from_strings_are_not_known(standalone: Path) -> None:
    E = NeuronGroup(5, "x : 1\ny : 1", name="E")
    S = Synapses(E, E, "w : 1\ny_post = w*x_pre : 1 (summed)", name="S")
    S.connect(p=0.5)
    with pytest.raises(nb.NeurobalError, match="not known before the standalone simulation"):
        nb.balance([E, S], scaling={"E": {"x": 1, "y": 1}, "S": ("w", 1, 1)})


@pytest.mark.slow
def test_standalone_computes_the_same(standalone: Path, matrix: np.ndarray) -> None:
    """Built once, balanced; then run again with the values of the plain network as run arguments."""
    objects = rate_network(matrix, 6)
    cells, one, two = objects
    monitor = StateMonitor(cells, "x", record=True)
    network = Network(*objects, monitor)
    plain = {
        one.w: matrix[:, :6].ravel(), two.w: matrix[:, 6:].ravel(), cells.x: np.linspace(0, 1, 12),
        cells.drive: np.linspace(1, 2, 12),
    }  # fmt: skip
    result = nb.balance(network, scaling=RATE_SCALING, pinned={"cells": [0, 11]}, dyadic=True)
    result.apply()
    network.run(20 * ms)
    device.build(directory=str(standalone), compile=True, run=True, with_output=False)
    traces = np.array(monitor.x)
    with pytest.raises(nb.NeurobalError, match=r"has been built and run.*run_args"):
        nb.balance(network, scaling=RATE_SCALING)
    with pytest.raises(nb.NeurobalError, match="has been built and run"):
        result.revert()
    device.run(with_output=False, run_args=plain)
    reference = np.array(monitor.x)
    assert np.array_equal(traces, reference * result.scale["cells"][:, None]) and np.ptp(reference) > 0.1
