"""Plasticity on the compiled targets: what holds with numpy holds with Cython and in C++ standalone mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import Network, StateMonitor, device, ms, prefs, second, set_device
from plastic_rate import QUICK, attached, matrix, rate_network
from plastic_spiking import (
    COST,
    DURATION,
    PINNED,
    Recording,
    check_bitwise,
    plastic,
    spiking_network,
    total_cost,
)

import neurobal as nb

pytestmark = pytest.mark.slow


@pytest.fixture(params=[np.float64, np.float32], ids=["double", "single"])
def precision(request: pytest.FixtureRequest) -> Any:
    before = prefs.core.default_float_dtype
    prefs.core.default_float_dtype = request.param
    yield request.param
    prefs.core.default_float_dtype = before


def optimal_cost() -> float:
    return float(nb.balance(spiking_network(), cost=COST, pinned=PINNED, tol=1e-6).cost)


def test_cython(precision: Any) -> None:
    prefs.codegen.target = "cython"
    recordings = []
    for active in (False, True):
        network = spiking_network()
        plasticity = plastic(network, dyadic=True)
        plasticity.active = active
        network.run(DURATION)
        recordings.append(Recording.of(network))
    assert recordings[0].trace.dtype == precision
    check_bitwise(network, plasticity, recordings[0])
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved
    assert certificate.exact
    assert total_cost(network) <= 1.2 * optimal_cost()


def test_cython_finds_what_numpy_finds() -> None:
    """Real scales, self-connections, random numbers of rules, another power than 2."""
    found = {}
    for target in ("numpy", "cython"):
        prefs.codegen.target = target
        for rule in (nb.NormalizedFlow(rate=QUICK), nb.StochasticBalancing(rate=QUICK)):
            network, plasticity = attached(rate_network(matrix(autapses=True)), rule, cost=nb.Power(1.5))
            network.run(300 * ms)
            assert nb.verify(plasticity.before, network).preserved
            found[target, type(rule)] = np.array(plasticity["E"].log_scale)
    for kind in (nb.NormalizedFlow, nb.StochasticBalancing):
        assert np.abs(found["numpy", kind]).max() > 0.1
        np.testing.assert_allclose(found["cython", kind], found["numpy", kind], rtol=1e-9, atol=1e-12)


def test_cython_with_spike_timing_dependent_plasticity() -> None:
    prefs.codegen.target = "cython"
    recordings = []
    for active in (False, True):
        network = spiking_network(stdp=True)
        plasticity = plastic(network, dyadic=True)
        plasticity.active = active
        network.run(DURATION)
        recordings.append(Recording.of(network))
    check_bitwise(network, plasticity, recordings[0])


def build(folder: Path) -> None:
    device.build(directory=str(folder), compile=True, run=True, debug=False)


def fresh(folder: Path) -> None:
    """Another standalone simulation in the same process."""
    device.reinit()
    device.activate(build_on_run=False, directory=str(folder))


def test_standalone(standalone: Path, precision: Any) -> None:
    """With values from arrays, everything is known before it is built."""
    recordings = []
    for active in (False, True):
        fresh(standalone / str(active))
        network = spiking_network()
        if active:
            plasticity = plastic(network, dyadic=True)
        network.run(DURATION)
        before = plasticity.before if active else None
        build(standalone / str(active))
        recordings.append(Recording.of(network))
    assert recordings[0].trace.dtype == precision
    check_bitwise(network, plasticity, recordings[0])
    cost = total_cost(network)
    certificate = nb.verify(before, network)
    assert certificate.preserved
    assert certificate.exact
    device.reinit()
    device.activate()
    set_device("runtime")
    assert cost <= 1.2 * optimal_cost()


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Any:
    prefs.devices.cpp_standalone.openmp_threads = request.param
    yield request.param
    prefs.devices.cpp_standalone.openmp_threads = 0


@pytest.mark.parametrize("threads", [0, 2], indirect=True)
def test_standalone_finds_what_numpy_finds(standalone: Path, threads: int) -> None:
    """Also in two runs of one program, with a monitor on what the neurons keep, and with threads: no sum gets lost."""
    found = []
    for mode in ("standalone", "runtime"):
        if mode == "runtime":
            device.reinit()
            device.activate()
            set_device("runtime")
        network, plasticity = attached(rate_network(matrix(autapses=True)), nb.StochasticBalancing(rate=QUICK))
        monitor = StateMonitor(plasticity["E"], ["imbalance", "log_scale"], record=True)
        network.add(monitor)
        network.run(100 * ms)
        network.run(200 * ms)
        if mode == "standalone":
            build(standalone)
        found.append([np.array(plasticity["E"].log_scale), np.array(network["S"].w), np.array(monitor.imbalance),
                      np.array(monitor.log_scale)])  # fmt: skip
    assert np.abs(found[0][0]).max() > 0.1
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_standalone_with_connections_unknown_before_the_run(standalone: Path) -> None:
    """A warning instead of a check; the neurons that have no balance stay by themselves."""
    cells, synapses = rate_network()
    synapses.w = "0.01 + 0.05*rand()"
    network = Network(cells, synapses)
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
    network.add(plasticity)
    network.run(2 * second)
    build(standalone)
    incoming, outgoing = (np.bincount(np.array(ends), np.array(synapses.w) ** 2) for ends in (synapses.j, synapses.i))
    np.testing.assert_allclose(incoming, outgoing, rtol=1e-3)
