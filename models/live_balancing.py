"""Plasticity that rebalances a spiking network while it runs, and moves no spike.

The recurrent network of ``spiking_ei.py`` twice, with the same Poisson input: once as it is, once with a local
heterosynaptic rule. Every 20 ms a neuron compares the cost of what it receives with the cost of what it sends. If the
incoming synapses cost more, it multiplies them by a factor a little below 1, and its voltages, threshold and reset with
them; its outgoing synapses are divided by the same factor. Both networks fire the same spikes, and one of them gets
cheaper all the time, down to what `nb.balance` finds in one solve.

Homeostatic scaling in real neurons takes hours (Turrigiano 2008, "The self-tuning neuron: synaptic scaling of
excitatory synapses", Cell 135:422-435), here it takes a second.

    python models/live_balancing.py
    python models/live_balancing.py --dyadic                    # scales are powers of two: bitwise the same
    python models/live_balancing.py --rule StochasticBalancing  # or GradientFlow, AntiBalancing, one of your own
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import StateMonitor, ms, prefs, second
from figures import ACCENT, AFTER, BEFORE, percent, print_table, save, use_style
from numpy.typing import NDArray
from spiking_ei import COSTED, PINNED, Model, build, identical_spikes, neuron_costs, relative_change

import neurobal as nb
from neurobal.plot import balance_scatter, cost_limits

DURATION = 2.0  # s
EVERY = 20 * ms
MV2 = 1e6  # costs are read in volt²

# In Hz. The pace of GradientFlow grows with a neuron's costs, which differ a thousandfold: the most expensive neuron
# sets the limit for all. The others see the relative imbalance only.
RATES = {"NormalizedFlow": 4.0, "StochasticBalancing": 10.0, "GradientFlow": 0.004, "AntiBalancing": 0.5}


@dataclass(frozen=True)
class Course:
    """What happened in the network with plasticity."""

    model: Model
    plasticity: nb.Plasticity
    monitor: StateMonitor
    before: tuple[NDArray[np.float64], NDArray[np.float64]]  # incoming and outgoing cost of each cell, mV²

    @property
    def times(self) -> NDArray[np.float64]:
        return np.asarray(self.monitor.t / second)

    def cost_of_rule(self) -> NDArray[np.float64]:
        """Total cost in mV² at every update, from what the neurons themselves sum up."""
        incoming = np.asarray(self.monitor.cost_in).sum(axis=0)  # relative units: see nb.Plasticity
        return incoming / incoming[0] * self.before[0].sum()

    def cost(self) -> NDArray[np.float64]:
        """Total cost in mV² of the weights in the network, after every update. With powers of two the rule carries
        a remainder of its scales: this cost then moves in steps."""
        log_scale = np.log(np.asarray(self.monitor.scale))
        total = np.zeros(log_scale.shape[1])
        for name in COSTED:
            one = self.plasticity.before.projections[name]
            for k, h in enumerate(log_scale.T):
                total[k] += np.sum(one.weight**2 * np.exp(2 * (h[one.post_index] - h[one.pre_index]))) * MV2
        return total


def balance_live(model: Model, rule: Any, duration: float, dyadic: bool = False, report: str | None = "text") -> Course:
    """Run ``model`` with plasticity."""
    plasticity = nb.Plasticity(
        model.network, rule, dt=EVERY, cost={name: nb.Power(2) for name in COSTED}, pinned=PINNED, dyadic=dyadic
    )
    # At the end of a time step, after the update.
    monitor = StateMonitor(plasticity["cells"], ["cost_in", "scale"], record=True, when="end", order=10)
    model.network.add(plasticity, monitor)
    before = neuron_costs(model)
    model.run(duration, report=report)
    return Course(model, plasticity, monitor, before)


def find(name: str, rate: float | None) -> Any:
    """A shipped rule with its rate in Hz, or the name of one that another package has registered."""
    return getattr(nb, name)(rate=(RATES[name] if rate is None else rate) / second) if name in RATES else name


# ----------------------------------------------------------------------------------------------------- figure


def draw(model: Model, course: Course, optimum: float, directory: Path | None = None) -> Path:
    """On one time axis: the spikes of both networks, the neurons' scales, the cost. Beside it: neuron by neuron."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13.5, 9.0))
    grid = figure.add_gridspec(1, 2, width_ratios=[2.1, 1], wspace=0.2)
    left = grid[0].subgridspec(3, 1, height_ratios=[1.6, 1, 1], hspace=0.34)
    raster, scales, cost = (figure.add_subplot(left[k]) for k in range(3))
    draw_raster(raster, model, course.model)
    draw_scales(scales, course)
    draw_cost(cost, course, optimum)
    for ax in (raster, scales, cost):
        ax.set_xlim(0, float(model.network.t / second))
        if ax is not cost:
            ax.tick_params(labelbottom=False)
    right = grid[1].subgridspec(2, 1, hspace=0.34)
    after = neuron_costs(course.model)
    limits = cost_limits(*course.before, *after)
    colors = [AFTER] * model.excitatory + [ACCENT] * (len(model.cells) - model.excitatory)
    for k, (pair, title) in enumerate(((course.before, "neuron by neuron, at the start"), (after, "and at the end"))):
        ax = figure.add_subplot(right[k])
        balance_scatter(ax, *pair, color=colors, limits=limits, size=12, title=title)
        ax.set(xlabel=r"cost of what it receives, $\Sigma w^2$ (mV$^2$)", ylabel=r"cost of what it sends (mV$^2$)")
        if k == 1:
            for color, label in ((AFTER, "excitatory"), (ACCENT, "inhibitory")):
                ax.scatter([], [], s=12, color=color, label=label)
            ax.plot([], [], color="#404040", lw=0.8, label="both cost the same")
            ax.legend(loc="lower right", handletextpad=0.4, handlelength=1.0, frameon=True, edgecolor="none")
    path = save(figure, "live_balancing.png", directory)
    plt.close(figure)
    return path


def draw_raster(ax: Any, model: Model, twin: Model, shown: int = 32) -> None:
    """Every spike twice: a thick grey tick without plasticity, a thin coloured one with it."""
    excitatory = round(0.8 * shown)
    chosen = np.concatenate([np.arange(excitatory), model.excitatory + np.arange(shown - excitatory)])
    row = np.full(len(model.cells), -1)
    row[chosen] = np.arange(chosen.size)
    for monitor, width, colors in ((model.spikes, 3.6, (BEFORE, BEFORE)), (twin.spikes, 1.0, (AFTER, ACCENT))):
        index, times = np.asarray(monitor.i), np.asarray(monitor.t / second)
        for kind, color in enumerate(colors):
            mask = (row[index] >= 0) & ((index >= model.excitatory) == bool(kind))
            ax.vlines(times[mask], row[index[mask]] - 0.42, row[index[mask]] + 0.42, color=color, lw=width)
    same = "identical" if identical_spikes(model.spikes, twin.spikes) else "DIFFERENT"
    ax.set(ylim=(-1, shown), yticks=[])
    ax.set_ylabel(f"{shown} of {len(model.cells)} neurons\n(blue: excitatory)")
    ax.set_title(f"spikes without plasticity (grey) and with it (colour): all {model.spikes.num_spikes:,} are {same}")


def draw_scales(ax: Any, course: Course, shown: int = 40) -> None:
    excitatory = round(0.8 * shown)
    scale = np.asarray(course.monitor.scale)
    first = course.model.excitatory
    for rows, color in ((scale[:excitatory], AFTER), (scale[first : first + shown - excitatory], ACCENT)):
        ax.plot(course.times, rows.T, color=color, lw=0.8, alpha=0.7, drawstyle="steps-post")
    ax.set(yscale="log", ylabel=r"scale $\lambda$ of a neuron")
    ticks = (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100) if scale.max() > 4 * scale.min() else (0.5, 0.7, 1, 1.5, 2)
    ax.set_yticks([value for value in ticks if scale.min() < value < scale.max()])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda *_: "")
    ax.set_title(
        r"what the rule does: incoming synapses and voltages $\times\,\lambda$, outgoing synapses $/\,\lambda$"
    )


def draw_cost(ax: Any, course: Course, optimum: float) -> None:
    start = course.before[0].sum()
    cost = np.concatenate([[start], course.cost()]) / start * 100
    times = np.concatenate([[0.0], course.times])
    ax.axhline(100, color=BEFORE, lw=3.6, label="without plasticity")
    if np.ptp(np.log2(np.asarray(course.monitor.scale)) % 1) == 0:
        ax.plot(course.times, course.cost_of_rule() / start * 100, color=ACCENT, lw=1.0, label="before rounding")
    ax.plot(times, cost, color=AFTER, lw=1.8, drawstyle="steps-post", label="with plasticity")
    best = 100 * optimum / start
    ax.axhline(best, color="k", lw=1, ls="--", label=f"optimum (nb.balance): {best:.1f} %")
    if cost[-1] > 120:
        ax.set_yscale("log")
        ax.set_yticks(
            [value for value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5) if best < value < cost.max()]
        )
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.minorticks_off()
    else:
        ax.set_ylim(0, 108)
    ax.set(xlabel="time (s)", ylabel="% of the start")
    end = f"down to {cost[-1]:.1f} %" if cost[-1] < 100 else f"up to {cost[-1]:,.0f} %"
    ax.set_title(rf"total cost of the recurrent synapses, $\Sigma w^2$: {end}")
    ax.legend(loc="center right", bbox_to_anchor=(1.0, 0.28 if cost[-1] > 120 else 0.55))


# ----------------------------------------------------------------------------------------------------- script


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description="Balance a spiking network while it runs.")
    parser.add_argument("--rule", default="NormalizedFlow", help=f"{', '.join(RATES)}, or one that you have installed")
    parser.add_argument("--rate", type=float, default=None, help="of a shipped rule in Hz")
    parser.add_argument("--dyadic", action="store_true", help="emit scales as powers of two only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=400, help="number of neurons (default 400)")
    parser.add_argument("--duration", type=float, default=DURATION, help="of each simulation in seconds")
    parser.add_argument("--target", choices=["numpy", "cython"], default="numpy", help="how Brian2 runs its code")
    parser.add_argument("--output", type=Path, default=None, help="folder for the figure")
    options = parser.parse_args(argv)
    use_style()
    prefs.codegen.target = options.target

    model, twin = build(options.seed, options.size), build(options.seed, options.size)
    optimum = nb.balance(twin.network, cost={name: nb.Power(2) for name in COSTED}, pinned=PINNED)
    rule = find(options.rule, options.rate)
    clock = time.perf_counter()
    model.run(options.duration)
    seconds = [time.perf_counter() - clock]
    clock = time.perf_counter()
    course = balance_live(twin, rule, options.duration, options.dyadic)
    seconds.append(time.perf_counter() - clock)

    certificate = nb.verify(course.plasticity.before, twin.network)
    same = identical_spikes(model.spikes, twin.spikes)
    change = relative_change(model.readout, twin.readout, "r")
    pairs = [course.before, neuron_costs(twin)]
    costs = [float(incoming.sum()) for incoming, _ in pairs]
    gaps = [float(np.abs(incoming - outgoing).sum() / incoming.sum()) for incoming, outgoing in pairs]
    scale = np.asarray(course.plasticity["cells"].scale)
    synapses = sum(len(group) for group in model.synapses.values())
    print(f"\n{len(model.cells)} neurons, {synapses:,} synapses, {options.duration:g} s, update every {EVERY} "
          f"by {course.plasticity.rule}\n")  # fmt: skip
    print_table(
        ["", "without", "with plasticity"],
        [
            ["cost at the end (mV²)", f"{costs[0]:,.0f}", f"{costs[1]:,.0f}"],
            ["  relative to the optimum", *(percent(cost / optimum.cost / MV2) for cost in costs)],
            ["imbalance at the end", *(f"{gap:.1e}" for gap in gaps)],
            ["spikes", f"{model.spikes.num_spikes:,}", f"{twin.spikes.num_spikes:,}"],
            ["spike trains identical", "", "yes" if same else "NO"],
            ["largest change of the readout", "", f"{change:.1e}"],
            ["scales from ... to", "", f"{scale.min():.3g} ... {scale.max():.3g}"],
            ["time to simulate", *(f"{spent:.1f} s" for spent in seconds)],
        ],
    )
    print(f"\n{certificate}\nfigure: {draw(model, course, optimum.cost * MV2, options.output)}")
    if not same or not certificate.preserved or (options.dyadic and change > 0):
        raise SystemExit("the spike trains or the readout have changed: the network no longer computes the same")
    return {"model": model, "course": course, "optimum": optimum, "certificate": certificate, "change": change}


if __name__ == "__main__":
    main()
