"""A recurrent spiking network of excitatory and inhibitory cells, its plasticity, and what is compared of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    second,
)
from brian2 import seed as set_seed

import neurobal as nb

Array: TypeAlias = np.ndarray

CELLS = """
dv/dt = (drive + g - v)/(10*ms) : volt (unless refractory)
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
v_reset : volt
a : volt
"""
STDP = """
w : 1
dx_pre_trace/dt = -x_pre_trace/(20*ms) : 1 (event-driven)
dx_post_trace/dt = -x_post_trace/(20*ms) : 1 (event-driven)
"""
STDP_PRE = "g_post += w*a_pre\nx_pre_trace += 0.02\nw *= 1 - x_post_trace"
STDP_POST = "x_post_trace += 0.02\nw *= 1 + x_pre_trace"
RECURRENT = ("EE", "EI", "IE", "II")
COST = {name: nb.Power(2) for name in RECURRENT}
PINNED = ["readout"]
DURATION, STEP = 250 * ms, 0.2 * ms


def spiking_network(size: int = 18, stdp: bool = False, seed: int = 4) -> Network:
    """Excitatory and inhibitory cells with delays, graded spikes, refractoriness and Poisson input, and a readout.

    A healthy network, whose cells have been rescaled by factors of up to about 2^4.
    """
    defaultclock.dt = STEP
    rng = np.random.default_rng(seed)
    set_seed(seed)
    groups, scales = {}, {}
    for name, n in (("E", 2 * size // 3), ("I", size // 3)):
        cells = NeuronGroup(
            n, CELLS, threshold="v > theta", reset="v = v_reset", refractory=2 * ms, method="exact", name=name
        )
        scales[name] = np.exp(rng.normal(0, 1, n))
        for variable, low, high in (
            ("theta", 9, 11),
            ("v_reset", 0, 2),
            ("drive", 9, 15),
            ("v", 0, 9),
            ("a", 0.5, 1.5),
        ):
            setattr(cells, variable, rng.uniform(low, high, n) * scales[name] * mV)
        groups[name] = cells
    groups["poisson"], scales["poisson"] = PoissonGroup(6, 100 * Hz, name="poisson"), np.ones(6)
    groups["readout"], scales["readout"] = (
        NeuronGroup(2, "dy/dt = -y/(50*ms) : volt", name="readout", method="exact"),
        np.ones(2),
    )
    parts = []
    for pre, post, name, sign in (
        ("E", "E", "EE", "+"),
        ("E", "I", "EI", "+"),
        ("I", "E", "IE", "-"),
        ("I", "I", "II", "-"),
        ("poisson", "E", "PE", "+"),
        ("E", "readout", "EO", "+"),
    ):
        graded = "" if pre == "poisson" else "*a_pre"
        target = "y" if post == "readout" else "g"
        plastic = {"model": STDP, "on_pre": STDP_PRE, "on_post": STDP_POST}
        static = {"model": "w : volt" if pre == "poisson" else "w : 1", "on_pre": f"{target}_post {sign}= w{graded}"}
        one = Synapses(groups[pre], groups[post], name=name, **(plastic if stdp and name == "EE" else static))
        chosen = rng.random((len(groups[post]), len(groups[pre]))) < 0.7
        j, i = np.nonzero(chosen & ~np.eye(*chosen.shape, dtype=bool) if pre == post else chosen)
        one.connect(i=i, j=j)
        weights = rng.lognormal(-1, 0.7, len(i)) * scales[post][j] / scales[pre][i]
        one.w = weights * mV if pre == "poisson" else weights
        one.delay = rng.uniform(0, 4, len(i)) * ms
        parts.append(one)
    return Network(
        *groups.values(),
        *parts,
        *(SpikeMonitor(groups[name], name=f"spikes_{name}") for name in ("E", "I", "poisson")),
        StateMonitor(groups["readout"], "y", record=True, name="trace"),
        StateMonitor(groups["E"], "v", record=[0, 5], name="voltage"),
    )


@dataclass
class Recording:
    """What is compared: spikes (neurons and times), the readout, and potentials."""

    spikes: dict[str, tuple[Array, Array]]
    trace: Array
    voltage: Array

    @classmethod
    def of(cls, network: Network) -> Recording:
        spikes = {name: network[f"spikes_{name}"] for name in ("E", "I", "poisson")}
        return cls(
            {name: (np.array(one.i), np.array(one.t)) for name, one in spikes.items()},
            np.array(network["trace"].y),
            np.array(network["voltage"].v),
        )

    def same_spikes(self, other: Recording) -> bool:
        pairs = [(a, b) for name in self.spikes for a, b in zip(self.spikes[name], other.spikes[name], strict=True)]
        return all(np.array_equal(a, b) for a, b in pairs)

    @property
    def count(self) -> int:
        return sum(len(self.spikes[name][0]) for name in "EI")


def total_cost(network: Network, power: float = 2) -> float:
    return float(sum(np.sum(np.abs(np.array(network[name].w, dtype=float)) ** power) for name in RECURRENT))


def plastic(network: Network, rule: Any = None, dt: Any = 5 * ms, **options: Any) -> nb.Plasticity:
    """A plasticity for `spiking_network`, added to it."""
    rule = nb.NormalizedFlow(rate=60 / second) if rule is None else rule
    # With the same name the same code: what was compiled for one network serves the next.
    chosen = {"cost": COST, "pinned": PINNED, "name": "plasticity", **options}
    plasticity = nb.Plasticity(network, rule, dt=dt, **chosen)
    network.add(plasticity)
    return plasticity


def check_bitwise(network: Network, plasticity: nb.Plasticity, expected: Recording) -> None:
    """Spikes and the readout to the last bit, potentials by powers of two."""
    found = Recording.of(network)
    assert found.count > 200
    assert found.same_spikes(expected)
    assert np.array_equal(found.trace, expected.trace)
    assert np.array_equal(np.frexp(found.voltage)[0], np.frexp(expected.voltage)[0])
    for name in "EI":
        scale = np.array(plasticity[name].scale)
        assert np.all(np.frexp(scale)[0] == 0.5)
        assert len(np.unique(scale)) > 2
