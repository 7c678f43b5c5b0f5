"""``python -m benchmarks.live``: what plasticity costs while a network runs, as ratios to the same run without it.

One million synapses, dense (N = 1,000) and sparse (N = 10,000). Each ratio is the median of five pairs of runs in one
process. Beside it what users write today: a clock-driven equation in the synapses with two summed variables, and a
``network_operation`` in NumPy.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    Synapses,
    defaultclock,
    device,
    ms,
    mV,
    network_operation,
    prefs,
    second,
    set_device,
    start_scope,
)

import neurobal as nb

RUNS = 5
STANDALONE = "cpp_standalone"
SYNAPSES = 1_000_000
# The first paper's rate network: what a neuron and a synapse do without plasticity.
RATE = "dx/dt = (-x + drive + source)/(20*ms) : 1\nr = clip(x, 0, inf) : 1\ndrive : 1\nsource : 1"
SUMMED = "w : 1\ndrive_post = w*r_pre : 1 (summed)"
# A user's own gradient flow: every synapse integrates, costs are summed up in every step.
RATE_BY_HAND = RATE + "\ncost_in : 1\ncost_out : 1"
FLOW_BY_HAND = """
dw/dt = rate*w*((cost_out_post - cost_in_post) - (cost_out_pre - cost_in_pre)) : 1 (clock-driven)
drive_post = w*r_pre : 1 (summed)
cost_in_post = w*w : 1 (summed)
cost_out_pre = w*w : 1 (summed)
"""
SPIKING = """
dv/dt = (drive + g - v)/(20*ms) : volt (unless refractory)
dg/dt = -g/(5*ms) : volt
drive : volt
theta : volt
a : 1
"""


def connect(synapses: Synapses, n: int, rng: np.random.Generator) -> int:
    """One million synapses, as arrays: in standalone mode nothing else is known before the run."""
    pre = np.repeat(np.arange(n), SYNAPSES // n)
    post = np.tile(np.arange(n), SYNAPSES // n) if n * n == SYNAPSES else rng.integers(0, n, SYNAPSES)
    synapses.connect(i=pre, j=post)
    return SYNAPSES


def rate_network(n: int, kind: str) -> Network:
    """A rate network; ``kind``: none, plasticity, by hand, operation."""
    rng = np.random.default_rng(0)
    by_hand = kind == "by hand"
    group = NeuronGroup(n, RATE_BY_HAND if by_hand else RATE, method="euler", name="E")
    group.x, group.source = rng.random(n), rng.random(n)
    namespace = {"rate": 1e-9 / second}
    synapses = Synapses(
        group, group, FLOW_BY_HAND if by_hand else SUMMED, method="euler", namespace=namespace, name="S"
    )
    count = connect(synapses, n, rng)
    synapses.w = rng.lognormal(0, 1, count) / count * n * 0.3
    return finished(Network(group, synapses), kind, synapses, 10 * defaultclock.dt)


def spiking_network(n: int, kind: str) -> Network:
    """A spiking network with graded spikes at about 10 Hz."""
    rng = np.random.default_rng(0)
    group = NeuronGroup(
        n, SPIKING, threshold="v > theta", reset="v = 0*mV", refractory=2 * ms, method="exact", name="E"
    )
    group.drive, group.theta, group.a = rng.normal(8.6, 0.6, n) * mV, np.full(n, 10.0) * mV, np.ones(n)
    noise = PoissonGroup(n, 100 * Hz, name="noise")
    source = Synapses(noise, group, "w : volt", on_pre="g_post += w", name="source")
    source.connect(i=np.arange(n), j=np.arange(n))
    source.w = np.full(n, 0.8) * mV
    synapses = Synapses(group, group, "w : volt", on_pre="g_post += w*a_pre", name="S")
    count = connect(synapses, n, rng)
    synapses.w = rng.lognormal(0, 1, count) * rng.choice([1, -1], count) * 0.02 * mV
    return finished(Network(group, noise, source, synapses), kind, synapses, 100 * ms)


def finished(net: Network, kind: str, synapses: Synapses, dt: Any) -> Network:
    """The network with what ``kind`` adds."""
    if kind == "plasticity":
        net.add(nb.Plasticity(net, nb.NormalizedFlow(rate=0.1 / second), dt=dt, cost={"S": nb.Power(2)}))
    if kind == "operation":
        post, pre, n = np.array(synapses.j), np.array(synapses.i), len(synapses.target)

        @network_operation(dt=dt)
        def balance_in_numpy() -> None:
            w = synapses.w_[:]
            incoming, outgoing = np.bincount(post, w * w, n), np.bincount(pre, w * w, n)
            factor = np.exp(-1e-3 * (incoming - outgoing) / (incoming + outgoing))
            synapses.w_[:] = w * factor[post] / factor[pre]

        net.add(balance_in_numpy)
    return net


def compare(build: Callable[[int, str], Network], n: int, kinds: list[str], duration: Any, target: str) -> None:
    """Print the ratios of all kinds to the first one; they take turns."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for kind in kinds:
            start_scope()
            if target == STANDALONE:
                set_device(STANDALONE, build_on_run=False)
                device.reinit()
                device.activate(build_on_run=False)
            net = build(n, kind)
            runs[kind] = (
                standalone(net, duration, Path(folder) / kind) if target == STANDALONE else runtime(net, duration)
            )
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(RUNS):
            for kind, run in runs.items():
                seconds[kind].append(run())
    if target == STANDALONE:
        set_device("runtime")
    first = seconds[kinds[0]]
    for kind in kinds:
        ratio = statistics.median(s / f for s, f in zip(seconds[kind], first, strict=True))
        print(
            f"{build.__name__:17}{target:16}{n:>7,}  {kind:12}{statistics.median(seconds[kind]):>8.3f} s{ratio:>8.2f}",
            flush=True,
        )


def runtime(net: Network, duration: Any) -> Callable[[], float]:
    """Seconds of a run, once compiled."""
    net.run(10 * defaultclock.dt)

    def run() -> float:
        start = time.perf_counter()
        net.run(duration)
        return time.perf_counter() - start

    return run


def standalone(net: Network, duration: Any, folder: Path) -> Callable[[], float]:
    """Seconds of the simulation proper, as the compiled program measures them."""
    net.run(duration)
    device.build(directory=str(folder), run=False, compile=True)

    def run() -> float:
        subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return float((folder / "results" / "last_run_info.txt").read_text().split()[0])

    return run


class RandomWalk(nb.Rule):
    """Every neuron moves at random for ever: rounding errors add up as fast as they can."""

    step = "0.1*(uniform - 0.5)"
    parameters: ClassVar[dict[str, Any]] = {}


def drift(updates: Sequence[int]) -> None:
    """Print the certificate's residual after so many updates."""
    start_scope()
    rng = np.random.default_rng(0)
    group = NeuronGroup(100, RATE, method="euler", name="E")
    synapses = Synapses(group, group, SUMMED, name="S")
    synapses.connect(i=np.repeat(np.arange(100), 20), j=rng.integers(0, 100, 2000))
    synapses.w = rng.lognormal(0, 1, 2000) / 100
    net = Network(group, synapses)
    plasticity = nb.Plasticity(net, RandomWalk(), dt=defaultclock.dt)
    net.add(plasticity)
    done = 0
    for count in updates:
        net.run((count - done) * defaultclock.dt)
        done = count
        moved = np.abs(plasticity["E"].log_scale[:]).max()
        residual = nb.verify(plasticity.before, net).residual
        print(f"{count:>8,} updates, log-scales up to {moved:5.2f}: residual {residual:.1e}", flush=True)


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--target", choices=["numpy", "cython", STANDALONE], action="append")
    arguments = parser.parse_args(argv)
    print("Residual of the certificate, 100 neurons that move at random in every time step (cython)")
    prefs.codegen.target = "cython"
    drift([1000, 10_000, 100_000])
    print("1e6 synapses; rate: update every 10 steps; spiking at 10 Hz: update every 100 ms; ratio to the run without")
    for target in arguments.target or ["cython", STANDALONE]:
        if target != STANDALONE:
            prefs.codegen.target = target
        others = ["by hand", "operation"] if target == "cython" else []
        for n in (1000, 10_000):
            compare(rate_network, n, ["none", "plasticity", *others], 200 * ms, target)
            compare(spiking_network, n, ["none", "plasticity", *others[1:]], 5 * second, target)


if __name__ == "__main__":
    main()
