"""A recurrent spiking network with graded spikes: every synapse rescaled, every spike at the same moment.

Integrate-and-fire neurons, 80 % excitatory, in the irregular regime of van Vreeswijk & Sompolinsky (1996),
"Chaos in neuronal networks with balanced excitatory and inhibitory activity", Science 274:1724-1726, with
log-normal synaptic strengths, random delays and refractory periods, Poisson input and a linear readout.

A spike of fixed size has no scale that a synapse could take over. Here each neuron's spikes have an amplitude
`a` (think of the calcium influx or the release probability shared by all terminals of an axon), and synapses
transmit w * a. Multiply v, threshold, reset, input current and a of neuron i by lambda_i, and the weight from
j to i by lambda_i / lambda_j: every neuron crosses its threshold at the same time as before. The Poisson
input and the readout are pinned.

    python models/spiking_ei.py
    python models/spiking_ei.py --dyadic    # scales rounded to powers of two: bitwise the same
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    ms,
    mV,
    prefs,
    second,
    volt,
)
from brian2 import (
    seed as set_seed,
)
from figures import ACCENT, AFTER, BEFORE, incoming_outgoing, percent, print_table, save, use_style
from numpy.typing import NDArray

import neurobal as nb
from neurobal.plot import balance_scatter, cost_limits

DT = 0.1 * ms
DURATION = 1.5  # s
TAU_M, TAU_S, TAU_R = 20 * ms, 5 * ms, 50 * ms

NEURON = """
dv/dt = (drive + g - v)/tau_m : volt (unless refractory)
dg/dt = -g/tau_s : volt
drive : volt
theta : volt
v_reset : volt
a : 1
rest_period : second
"""
READOUT = "dr/dt = -r/tau_r : volt"

# Only recurrent synapses cost something here. Those of the input and of the readout are rescaled along, for
# free: they would otherwise tie the voltages of all cells to the arbitrary units of the readout.
COSTED = ("excitation", "inhibition")
PINNED = {"readout": np.array([True, True])}  # Brian2's PoissonGroup is pinned by nature


@dataclass(frozen=True)
class Model:
    """The network and the objects that a script or a test may want to look at."""

    network: Network
    cells: NeuronGroup
    excitatory: int  # cells[:excitatory] are excitatory
    synapses: dict[str, Synapses]  # input_synapses, excitation, inhibition, output_synapses
    spikes: SpikeMonitor
    input_spikes: SpikeMonitor
    voltage: StateMonitor
    readout: StateMonitor
    seed: int

    def run(self, duration: float = DURATION, report: str | None = "text") -> None:
        """Brian2 draws the Poisson spikes while it runs: seeding here makes every run see the same input."""
        set_seed(self.seed)
        self.network.run(duration * second, report=report)


def lognormal(rng: np.random.Generator, mean: float, sigma: float, size: int) -> NDArray[np.float64]:
    return rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, size)


def random_synapses(
    rng: np.random.Generator,
    name: str,
    source: Any,
    target: Any,
    on_pre: str,
    probability: float,
    strengths: tuple[float, float],
    spike_size: NDArray[np.float64] | None = None,
) -> Synapses:
    """Random pairs with log-normal ``strengths`` (mean in mV, s.d. of the logarithm) and random delays.

    A neuron with large spikes has weak synapses: what its neighbours feel is the product.
    """
    chosen = rng.random((len(source), len(target))) < probability
    if target.name == "cells" and source.name != "poisson":  # no synapse from a neuron onto itself
        chosen[np.arange(len(source)), source.start + np.arange(len(source))] = False
    i, j = np.nonzero(chosen)
    group = Synapses(source, target, "w : volt", on_pre=on_pre, dt=DT, name=name)
    group.connect(i=i, j=j)
    size = 1.0 if spike_size is None else spike_size[i]
    group.w = lognormal(rng, *strengths, len(i)) / size * mV
    group.delay = rng.uniform(0.5, 3.0, len(i)) * ms
    return group


def build(
    seed: int = 1,
    size: int = 400,
    probability: float = 0.1,
    spread: float = 1.0,
    amplitude_spread: float = 0.8,
) -> Model:
    """A network with everything drawn from ``seed``; two builds with one seed are identical.

    ``spread``, ``amplitude_spread``: the s.d. of the logarithm of synaptic strengths and of spike sizes.
    """
    rng = np.random.default_rng(seed)
    excitatory = round(0.8 * size)
    constants = {"tau_m": TAU_M, "tau_s": TAU_S, "tau_r": TAU_R}
    cells = NeuronGroup(
        size,
        NEURON,
        threshold="v > theta",
        reset="v = v_reset",
        refractory="rest_period",
        method="euler",
        dt=DT,
        namespace=constants,
        name="cells",
    )
    cells.theta = rng.normal(15, 1.5, size) * mV
    cells.v_reset = rng.normal(3, 1, size) * mV
    cells.drive = rng.normal(3, 1.5, size) * mV
    cells.rest_period = rng.uniform(1, 4, size) * ms
    cells.a = lognormal(rng, 1.0, amplitude_spread, size)
    cells.v = rng.uniform(0, 1, size) * np.asarray(cells.theta) * volt
    poisson = PoissonGroup(200, rates=10 * Hz, dt=DT, name="poisson")
    readout = NeuronGroup(2, READOUT, method="euler", dt=DT, namespace=constants, name="readout")

    fluctuation = np.sqrt(400 * 0.1 / (size * probability))  # as strong at any size
    exc, inh = cells[:excitatory], cells[excitatory:]
    sizes = np.asarray(cells.a)[:excitatory], np.asarray(cells.a)[excitatory:]
    parts = [
        random_synapses(rng, "input_synapses", poisson, cells, "g_post += w", 0.2, (5.5, spread)),
        random_synapses(
            rng,
            "excitation",
            exc,
            cells,
            "g_post += w*a_pre",
            probability,
            (2.5 * fluctuation, spread),
            sizes[0],
        ),
        random_synapses(
            rng,
            "inhibition",
            inh,
            cells,
            "g_post -= w*a_pre",
            probability,
            (20 * fluctuation, spread),
            sizes[1],
        ),
        random_synapses(rng, "output_synapses", exc, readout, "r_post += w*a_pre", 0.5, (0.1, spread), sizes[0]),
    ]
    synapses = {group.name: group for group in parts}
    spikes, input_spikes = SpikeMonitor(cells, name="spikes"), SpikeMonitor(poisson, name="input_spikes")
    voltage = StateMonitor(cells, "v", record=True, dt=DT * 5, name="voltage")
    trace = StateMonitor(readout, "r", record=True, dt=DT * 5, name="trace")
    network = Network(cells, poisson, readout, *synapses.values(), spikes, input_spikes, voltage, trace)
    return Model(network, cells, excitatory, synapses, spikes, input_spikes, voltage, trace, seed)


# ---------------------------------------------------------------------------------------------------- numbers


def identical_spikes(first: SpikeMonitor, second_: SpikeMonitor) -> bool:
    """The same neurons at the same time steps, in the same order."""
    return bool(np.array_equal(first.i, second_.i) and np.array_equal(first.t / DT, second_.t / DT))


def rates_and_cv(model: Model, duration: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rate of each neuron in Hz; coefficient of variation of the intervals where there are five spikes."""
    trains = model.spikes.spike_trains().values()
    rates = np.array([len(train) / duration for train in trains])
    intervals = [np.diff(np.asarray(train)) for train in trains if len(train) >= 5]
    return rates, np.array([x.std() / x.mean() for x in intervals])


def neuron_costs(model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Incoming and outgoing cost sum w^2 of each cell in mV^2, over the recurrent synapses."""
    pre, post, weight = [], [], []
    for name, first in (
        ("excitation", 0),
        ("inhibition", model.excitatory),
    ):  # Brian2 counts from the subgroup's start
        group = model.synapses[name]
        pre.append(np.asarray(group.i) + first)
        post.append(np.asarray(group.j))
        weight.append(np.asarray(group.w / mV))
    everything = (np.concatenate(part) for part in (pre, post, weight))
    return incoming_outgoing(*everything, np.arange(len(model.cells)))


def relative_change(before: StateMonitor, after: StateMonitor, variable: str) -> float:
    first, last = (np.asarray(getattr(monitor, variable)) for monitor in (before, after))
    return float(np.max(np.abs(last - first).max(axis=1) / np.abs(first).max(axis=1)))


# ----------------------------------------------------------------------------------------------------- figure


def draw(model: Model, twin: Model, scale: NDArray[np.float64], before: Any, directory: Path | None = None) -> Path:
    """Spikes on top of each other, costs (``before``: those at the start), one voltage, and the readout."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13.5, 9.0))
    grid = figure.add_gridspec(2, 6, height_ratios=[1, 1], hspace=0.36, wspace=1.1)
    draw_raster(figure.add_subplot(grid[0, :4]), model, twin)
    draw_voltage(figure.add_subplot(grid[0, 4:]), model, twin, scale)
    after = neuron_costs(twin)
    limits = cost_limits(*before, *after)
    colors = [AFTER] * model.excitatory + [ACCENT] * (len(model.cells) - model.excitatory)
    for column, (pair, title) in enumerate(((before, "before"), (after, "after"))):
        title += f": total cost {pair[0].sum():,.0f} mV²"
        ax = figure.add_subplot(grid[1, 2 * column : 2 * column + 2])
        balance_scatter(ax, *pair, color=colors, limits=limits, size=12, title=title)
        ax.set(xlabel=r"incoming cost of a neuron, $\Sigma w^2$ (mV$^2$)", ylabel=r"outgoing cost (mV$^2$)")
        if column == 0:
            for color, label in ((AFTER, "excitatory"), (ACCENT, "inhibitory")):
                ax.scatter([], [], s=12, color=color, label=label)
            ax.legend(loc="lower right", handletextpad=0.1)
    draw_readout(figure, grid[1, 4:].subgridspec(2, 1, height_ratios=[1.7, 1], hspace=0.15), model, twin)
    path = save(figure, "spiking_ei.png", directory)
    plt.close(figure)
    return path


def draw_raster(ax: Any, model: Model, twin: Model, shown: int = 60, window: float = 0.4) -> None:
    """Every spike twice: a thick grey tick before, a thin coloured one after."""
    end = float(model.network.t / second)
    start = max(0.0, end - window)
    excitatory = round(0.8 * shown)
    chosen = np.concatenate([np.arange(excitatory), model.excitatory + np.arange(shown - excitatory)])
    row = np.full(len(model.cells), -1)
    row[chosen] = np.arange(shown)
    for monitor, width, colors in (
        (model.spikes, 4.0, (BEFORE, BEFORE)),
        (twin.spikes, 1.1, (AFTER, ACCENT)),
    ):
        index, times = np.asarray(monitor.i), np.asarray(monitor.t / second)
        for kind, color in enumerate(colors):
            mask = (times >= start) & (row[index] >= 0) & ((index >= model.excitatory) == bool(kind))
            ax.vlines(times[mask], row[index[mask]] - 0.42, row[index[mask]] + 0.42, color=color, lw=width)
    same = "identical" if identical_spikes(model.spikes, twin.spikes) else "DIFFERENT"
    ax.set(xlim=(start, end), ylim=(-1, shown), xlabel="time (s)", ylabel="neuron (blue: excitatory)")
    ax.set_title(f"spikes before (grey) and after balancing (colour): all {model.spikes.num_spikes:,} are {same}")


def draw_voltage(ax: Any, model: Model, twin: Model, scale: NDArray[np.float64], window: float = 0.3) -> None:
    """One neuron whose scale is about halved. Dashed: its threshold."""
    counts = np.asarray(model.spikes.count)
    typical = np.argsort(np.abs(counts - 1.5 * counts.mean()))[:40]
    neuron = int(typical[np.argmin(np.abs(scale[typical] - 0.5))])
    times = np.asarray(model.voltage.t / second)
    late = times >= times[-1] - window
    for item, color, label in ((model, BEFORE, "before"), (twin, AFTER, f"after: × {scale[neuron]:.2f}")):
        ax.plot(times[late], np.asarray(item.voltage.v[neuron] / mV)[late], color=color, lw=1.3, label=label)
        ax.axhline(float(item.cells.theta[neuron] / mV), color=color, lw=1, ls="--")
    ax.legend(loc="lower right", bbox_to_anchor=(1.03, 0.97), ncols=2, handlelength=1.2, columnspacing=1.0)
    ax.set(xlabel="time (s)", ylabel="voltage (mV); dashed: threshold", xlim=(times[late][0], times[-1]))
    ax.set_title("one neuron")


def draw_readout(figure: Any, grid: Any, model: Model, twin: Model) -> None:
    """Both readout units before and after, and the difference relative to their maximum."""
    times = np.asarray(model.readout.t / second)
    ax, below = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    for k, color in enumerate((AFTER, ACCENT)):
        first, last = np.asarray(model.readout.r[k] / mV), np.asarray(twin.readout.r[k] / mV)
        ax.plot(times, first, color=BEFORE, lw=4)
        ax.plot(times, last, "--", color=color, lw=1.2)
        below.plot(times, (last - first) / np.abs(first).max() * 1e15, color=color, lw=0.7)
    ax.set(title="two readouts, before (grey) and after", ylabel="mV", xticklabels=[], xlim=(0, times[-1]))
    if np.array_equal(model.readout.r, twin.readout.r):
        below.text(0.5, 0.6, "none: identical to the last bit", transform=below.transAxes, ha="center")
    below.set(xlabel="time (s)", ylabel="change\n" + r"$\times 10^{-15}$", xlim=(0, times[-1]))


# ----------------------------------------------------------------------------------------------------- script


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description="Balance a spiking network without moving a spike.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=400, help="number of neurons (default 400)")
    parser.add_argument("--duration", type=float, default=DURATION, help="of each simulation in seconds")
    parser.add_argument("--dyadic", action="store_true", help="round the scales to powers of two")
    parser.add_argument("--target", choices=["numpy", "cython"], default="numpy", help="how Brian2 runs its code")
    parser.add_argument("--output", type=Path, default=None, help="folder for the figure")
    options = parser.parse_args(argv)
    use_style()
    prefs.codegen.target = options.target

    clock = time.perf_counter()
    model, twin = build(options.seed, options.size), build(options.seed, options.size)
    seconds = {"build both": time.perf_counter() - clock}
    before = neuron_costs(model)
    clock = time.perf_counter()
    model.run(options.duration)
    seconds["simulate before"] = time.perf_counter() - clock
    rates, cv = rates_and_cv(model, options.duration)
    print(
        f"{len(model.cells)} neurons, {sum(len(s) for s in model.synapses.values()):,} synapses, "
        f"{model.spikes.num_spikes:,} spikes: {rates[: model.excitatory].mean():.1f} Hz excitatory, "
        f"{rates[model.excitatory :].mean():.1f} Hz inhibitory, interval CV {cv.mean():.2f}\n"
    )

    clock = time.perf_counter()
    result = nb.balance(
        twin.network,
        cost={name: nb.Power(2) for name in COSTED},
        pinned=PINNED,
        dyadic=options.dyadic,
        report="text",
    )
    seconds["balance"] = time.perf_counter() - clock
    print(result)
    clock = time.perf_counter()
    result.apply()
    seconds["apply"] = time.perf_counter() - clock
    clock = time.perf_counter()
    twin.run(options.duration)
    seconds["simulate after"] = time.perf_counter() - clock

    same = identical_spikes(model.spikes, twin.spikes)
    change = relative_change(model.readout, twin.readout, "r")
    scale = np.asarray(result.scale["cells"])
    voltages = np.asarray(twin.voltage.v) / scale[:, None]
    shift = float(np.abs(voltages - np.asarray(model.voltage.v)).max() / np.abs(model.voltage.v / volt).max())
    print()
    print_table(
        ["", "before", "after"],
        [
            ["cost (mV²)", f"{result.cost_before * 1e6:,.0f}", f"{result.cost * 1e6:,.0f}"],
            ["", "", percent(result.cost / result.cost_before)],
            ["imbalance", f"{result.imbalance_before:.3f}", f"{result.imbalance:.1e}"],
            ["spikes", f"{model.spikes.num_spikes:,}", f"{twin.spikes.num_spikes:,}"],
            ["spike trains identical", "", "yes" if same else "NO"],
            [
                "input spikes identical",
                "",
                "yes" if identical_spikes(model.input_spikes, twin.input_spikes) else "NO",
            ],
            ["largest change of the readout", "", f"{change:.1e}"],
            ["largest change of v / scale", "", f"{shift:.1e}"],
            ["scales from ... to", "", f"{scale.min():.3g} ... {scale.max():.3g}"],
            *([f"time to {step}", "", f"{spent:.2f} s"] for step, spent in seconds.items()),
        ],
    )
    print(f"\nfigure: {draw(model, twin, scale, before, options.output)}")
    if not same or change > (0.0 if options.dyadic else 1e-12):
        raise SystemExit("the spike trains or the readout have changed: the network no longer computes the same")
    return {"model": model, "twin": twin, "result": result, "change": change}


if __name__ == "__main__":
    main()
