"""While a network is balanced its function stays: the same spikes and traces as without plasticity, to the last bit."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from brian2 import (
    StateMonitor,
    ms,
    second,
)
from plastic_rate import attached, rate_network
from plastic_spiking import (
    COST,
    DURATION,
    PINNED,
    STEP,
    Recording,
    check_bitwise,
    plastic,
    spiking_network,
    total_cost,
)

import neurobal as nb

Array: TypeAlias = np.ndarray


class Wandering(nb.Rule):
    """Never settles."""

    step = "size*(uniform - 0.5)"
    parameters = {"size": 0.2}  # noqa: RUF012


_REFERENCE: dict[Any, Recording] = {}


def reference(dtype: Any = np.float64) -> Recording:
    """The network without plasticity, on the numpy target."""
    if dtype not in _REFERENCE:
        network = spiking_network()
        network.run(DURATION)
        _REFERENCE[dtype] = Recording.of(network)
        assert _REFERENCE[dtype].trace.dtype == dtype
    return _REFERENCE[dtype]


@pytest.mark.parametrize(
    "rule",
    [
        nb.NormalizedFlow(rate=60 / second),
        nb.GradientFlow(rate=1 / second),
        nb.StochasticBalancing(rate=60 / second),
        nb.AntiBalancing(rate=10 / second),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_spikes_are_the_same_with_every_rule(rule: nb.Rule) -> None:
    """Those of a seeded PoissonGroup too: rules draw their own random numbers."""
    expected, network = reference(), spiking_network()
    plasticity = plastic(network, rule)
    cost = total_cost(network)
    network.run(DURATION)
    found = Recording.of(network)
    assert found.count > 200
    assert len(expected.spikes["poisson"][0]) > 100
    assert found.same_spikes(expected)
    np.testing.assert_allclose(found.trace, expected.trace, rtol=1e-9, atol=1e-18)
    for name in "EI":
        assert np.abs(plasticity[name].log_scale[:]).max() > 0.3
    assert (total_cost(network) > cost) == isinstance(rule, nb.AntiBalancing)
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved
    assert certificate.basis == "equations"
    np.testing.assert_allclose(certificate.scale["E"], plasticity["E"].scale[:], rtol=1e-9)
    theta = plasticity.before.populations["E"].parameters["theta"].values
    np.testing.assert_allclose(network["E"].theta_[:], theta * plasticity["E"].scale[:], rtol=1e-9)


def test_at_every_moment() -> None:
    """Changed weights alone, with states that stay behind, would show in the readout at once; this does not."""
    expected, network = reference(), spiking_network()
    plastic(network, nb.StochasticBalancing(rate=500 / second), dt=STEP)
    network.run(DURATION)
    assert Recording.of(network).same_spikes(expected)
    np.testing.assert_allclose(Recording.of(network).trace, expected.trace, rtol=1e-9, atol=1e-18)


def test_dyadic_double_precision() -> None:
    network = spiking_network()
    optimum = nb.balance(network, cost=COST, pinned=PINNED).cost
    start = total_cost(network)
    plasticity = plastic(network, dyadic=True)
    network.run(DURATION)
    check_bitwise(network, plasticity, reference())
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved
    assert certificate.exact
    assert start > 2 * optimum
    assert total_cost(network) <= 1.2 * optimum


def test_dyadic_single_precision(single_precision: None) -> None:
    network = spiking_network()
    optimum = nb.balance(network, cost=COST, pinned=PINNED, tol=1e-6).cost
    plasticity = plastic(network, dyadic=True)
    network.run(DURATION)
    check_bitwise(network, plasticity, reference(np.float32))
    assert nb.verify(plasticity.before, network).exact
    assert total_cost(network) <= 1.2 * optimum


@pytest.mark.parametrize("rule", [nb.NormalizedFlow(rate=60 / second), nb.StochasticBalancing(rate=60 / second)],
                         ids=lambda rule: type(rule).__name__)  # fmt: skip
def test_dyadic_follows_the_same_path_and_does_not_flip(rule: nb.Rule) -> None:
    """The rule sees un-rounded costs; what is emitted stays within 0.55 of its log2, and settles."""
    paths, emitted = [], []
    for dyadic in (False, True):
        network = spiking_network()
        network.remove(network["trace"], network["voltage"])
        plasticity = plastic(network, rule, dyadic=dyadic)
        monitor = StateMonitor(plasticity["E"], ["log_scale", "scale"], record=True)
        network.add(monitor)
        network.run(DURATION)
        paths.append(np.array(monitor.log_scale))
        emitted.append(np.array(monitor.scale))
    np.testing.assert_allclose(paths[1], paths[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(emitted[0], np.exp(paths[0]), rtol=1e-9)
    gap = np.log2(emitted[1]) - paths[1] / np.log(2)
    assert np.abs(gap).max() <= 0.55 + 1e-9
    assert np.all(emitted[1][:, -1] == emitted[1][:, -10])


@pytest.mark.parametrize(("function", "b"), [("clip(x, 0, inf)**2", 2), ("sqrt(abs(x))", 0.5), ("x**3", 3)])
def test_dyadic_with_other_homogeneities(function: str, b: float) -> None:
    """Every power of λ that moves anything is a whole power of two. Without a pin b != 1 has no balance."""
    traces = []
    for active in (True, False):
        objects = rate_network(equations=f"dx/dt = (-x + drive + I)/(10*ms) : 1\nr = {function} : 1\ndrive : 1\nI : 1")
        objects[1].w = objects[1].w[:] / 10
        objects[0].drive = np.linspace(0.1, 0.2, 8)
        monitor = StateMonitor(objects[0], "x", record=True)
        network, plasticity = attached([*objects, monitor], Wandering(size=1.5), dyadic=True, pinned={"E": [0]})
        plasticity.active = active
        network.run(100 * ms)
        if active:
            scale = plasticity["E"].scale[:]
            assert len(np.unique(scale)) > 2, scale
            certificate = nb.verify(plasticity.before, network)
            assert certificate.preserved and certificate.exact == (b != 3)
            assert np.all(np.frexp(scale**b)[0] == 0.5)
        traces.append(np.frexp(np.array(monitor.x))[0])
    if b != 3:  # pow() is exact for squares and square roots
        assert np.array_equal(*traces)


def test_ten_thousand_updates() -> None:
    network, plasticity = attached(rate_network(), Wandering(), dt=0.1 * ms)
    monitor = StateMonitor(plasticity["E"], "log_scale", record=True, dt=10 * ms)
    network.add(monitor)
    network.run(1 * second)
    assert np.abs(np.array(monitor.log_scale)).max() > 3
    certificate = nb.verify(plasticity.before, network)
    assert certificate.residual <= 1e-11
    assert certificate.preserved
    np.testing.assert_allclose(plasticity["E"].scale[:], np.exp(plasticity["E"].log_scale[:]), rtol=1e-10)


def test_rounding_of_many_small_updates_does_not_add_up() -> None:
    """Errors of rounding stay below what the scales have moved by 1/√ε, because steps wait until they are above √ε.

    A move computes ``exp(step)`` (at most 4 ε wrong on every processor that numpy knows) and multiplies with it (ε/2):
    after m moves ``scale`` is at most 4.5 m ε off. Each move is longer than √ε, so m √ε is at most the length of the
    way of ``log_scale``, and the error at most 4.5 √ε times that. Most neurons of this ring move by less than 1e-6: if
    their steps did not wait, thousands of roundings, many of them in the same direction, would break the bound.
    A weight takes part in the moves of both its neurons, with one more product each. The residual is that of a fit by
    least squares: no larger than the norm of all errors.
    """
    count = 60
    weights = np.zeros((count, count))
    for step in (1, -1):
        weights[(np.arange(count) + step) % count, np.arange(count)] = 0.2
    weights[1, 0] *= 1.001
    objects = rate_network(weights)
    objects[0].drive = 1
    network, plasticity = attached(objects, nb.GradientFlow(rate=1 / second), dt=1 * ms)
    monitor = StateMonitor(plasticity["E"], "log_scale", record=True, dt=1 * ms)
    network.add(monitor)
    network.run(3 * second)
    log_scale, scale = (
        np.array(plasticity["E"].get_states([name], units=False)[name]) for name in ("log_scale", "scale")
    )
    steps = np.abs(np.diff(np.column_stack([np.array(monitor.log_scale), log_scale]), axis=1))
    moves, way, epsilon = np.count_nonzero(steps, axis=1), steps.sum(axis=1), np.finfo(float).eps
    assert 1e-4 < way.max() < 1e-3
    assert moves.max() > 2000 and np.median(moves) < 300  # near the disturbance and far from it
    assert np.all(np.abs(np.log(scale) - log_scale) <= 4.5 * np.sqrt(epsilon) * way)
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved
    bounds = 4.5 * epsilon * (moves[np.array(objects[1].i)] + moves[np.array(objects[1].j)])
    assert certificate.residual <= np.linalg.norm(bounds)


def test_random_numbers_of_rules() -> None:
    """Uniform, independent between neurons and updates, by seed."""
    paths = {}
    for seed in (0, 0, 1):
        network, plasticity = attached(rate_network(), Wandering(seed=seed), dt=0.1 * ms)
        monitor = StateMonitor(plasticity["E"], "uniform", record=True)
        network.add(monitor)
        network.run(200 * ms)
        drawn = np.array(monitor.uniform)[:, 1:]
        assert np.array_equal(paths.setdefault(seed, drawn), drawn)
    assert not np.array_equal(paths[0], paths[1])
    for drawn in paths.values():
        assert drawn.min() >= 0
        assert drawn.max() < 1
        assert abs(drawn.mean() - 0.5) < 5 / np.sqrt(12 * drawn.size)
        assert abs(drawn.var() - 1 / 12) < 0.005
        neighbours = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
        assert np.abs(neighbours).max() < 5 / np.sqrt(drawn.shape[1])
        assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < 5 / np.sqrt(drawn.size)


@pytest.mark.parametrize("dyadic", [False, True])
def test_together_with_spike_timing_dependent_plasticity(dyadic: bool) -> None:
    """Two rules write the same weights; STDP that multiplies commutes with a rescaling."""
    recordings, weights = [], []
    for active in (True, False):
        network = spiking_network(stdp=True)
        start = np.array(network["EE"].w)
        plasticity = plastic(network, dyadic=dyadic)
        plasticity.active = active
        network.run(DURATION)
        recordings.append(Recording.of(network))
        weights.append(np.array(network["EE"].w))
        if active:
            scale = {name: np.array(plasticity[name].scale) for name in "EI"}
            certificate = nb.verify(plasticity.before, network)
            ends = np.array(network["EE"].i), np.array(network["EE"].j)
    assert not np.allclose(weights[1], start, rtol=0.01)  # STDP does something
    assert recordings[0].count > 200
    assert recordings[0].same_spikes(recordings[1])
    if dyadic:
        assert np.array_equal(recordings[0].trace, recordings[1].trace)
    assert np.abs(np.log(scale["E"])).max() > 0.3
    emitted = scale["E"][ends[1]] / scale["E"][ends[0]]
    np.testing.assert_allclose(weights[0], weights[1] * emitted, rtol=0 if dyadic else 1e-10)
    assert certificate.preserved
    assert "EE" in certificate.message  # and it says which synapses were not compared
    np.testing.assert_allclose(certificate.scale["E"], scale["E"], rtol=1e-9)


def test_costs_with_another_rule_on_the_same_weights_are_live() -> None:
    network = spiking_network(stdp=True)
    plasticity = plastic(network, nb.NormalizedFlow(rate=200 / second))
    network.run(DURATION)
    incoming = sum(
        np.bincount(np.array(network[name].j), np.array(network[name].w) ** 2, minlength=12) for name in ("EE", "IE")
    )
    outgoing = sum(
        np.bincount(np.array(network[name].i), np.array(network[name].w) ** 2, minlength=12) for name in ("EE", "EI")
    )
    np.testing.assert_allclose(incoming, outgoing, rtol=0.1)
    assert np.abs(plasticity["E"].imbalance[:]).max() < 0.05
