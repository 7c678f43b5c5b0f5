"""A trained network of the fly's visual system: balanced, and still seeing the same.

Lappalainen et al. (2024), "Connectome-constrained networks predict neural activity across the fly visual
system", Nature 634:1132-1140, doi:10.1038/s41586-024-07939-3. The connectome fixes who connects to whom, with
how many synapses and which sign; resting potentials, time constants and unitary strengths were trained on
optic flow (flyvis 1.2.0, 50 networks, MIT licence: data/flyvis/LICENSE-flyvis.txt). 65 cell types in every
column of a hexagonal eye:

    tau dV/dt = -V + bias + sum_j w_ij relu(V_j) + light,      w = sign x synapse count x unitary strength

A bright bar crosses the eye in four directions. Photoreceptors R1-R8 (inputs) and the motion detectors T4 and
T5 (readouts) are pinned; every other neuron may be rescaled, because relu(lambda V) = lambda relu(V):
neurobal finds that in the equations. The script balances incoming against outgoing synaptic cost, once neuron
by neuron and once with one scale for each cell type, applies the scales, lets the bar cross the eye again,
and compares the traces of all T4 and T5 cells.

    python models/flyvis.py                 # radius 5: 5,915 neurons, 174,709 groups of synapses
    python models/flyvis.py --dyadic        # scales rounded to powers of two: not one bit of a trace changes
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, TimedArray, ms, prefs, second
from figures import ACCENT, AFTER, BEFORE, DATA, incoming_outgoing, percent, print_table, save, use_style
from numpy.typing import NDArray
from scipy.special import erf

import neurobal as nb
from neurobal.plot import INK, balance_scatter, cost_limits

DT = 5 * ms  # flyvis analyses its networks at 1/200 s; it was trained at 1/50 s
GREY, BRIGHT = 0.5, 1.0
WARM_UP = 1.0  # s of uniform grey, to reach the resting state
SPEED = 19.0  # columns per second, one of flyvis's own (a column sees 5.8 degrees)
WIDTH = 6.0  # columns: wide enough to tell the leading (ON) edge from the trailing (OFF) edge
PAUSE = 0.4  # s of grey between two passages
BLUR = 8.23 / 5.8 / 2.355  # s.d. of an ommatidium's acceptance, in columns (Gonzalez-Bellido et al. 2011)
DIRECTIONS = {"right": 0.0, "up": 90.0, "left": 180.0, "down": 270.0}

INPUTS = tuple(f"R{k}" for k in range(1, 9))
READOUTS = tuple(f"T{k}{subtype}" for k in (4, 5) for subtype in "abcd")
PREFERRED = dict(zip("abcd", ("left", "right", "up", "down"), strict=True))  # Maisak et al. 2013, in flyvis's frame
PATHWAY = ("L1", "L2", "L3", "Mi1", "Mi4", "Mi9", "C3", "Tm1", "Tm2", "Tm3", "Tm4", "Tm9", "CT1(M10)")
PASSING, PREFERRED_PASSING = "#fff3c4", "#ffd966"
HIDDEN = ("Mi1", "Mi4", "Mi9", "Tm1", "Tm9")  # recorded beside the readouts: these voltages do change

NEURON = """
dV/dt = (-V + bias + recurrent + light*luminance(t, column))/tau : 1
recurrent : 1
bias : 1
light : 1
tau : second (constant)
column : integer (constant)
"""
SYNAPSE = """
w : 1
recurrent_post = w*clip(V_pre, 0, inf) : 1 (summed)
"""

# ------------------------------------------------------------------------------------------- data and lattice


@dataclass(frozen=True)
class Ensemble:
    """50 trained networks, by cell type and by pair of types. A *group* is a pair at one columnar offset."""

    types: tuple[str, ...]  # 65 cell types
    pair_source: NDArray[np.int64]  # (604,) presynaptic type
    pair_target: NDArray[np.int64]  # (604,) postsynaptic type
    pair_sign: NDArray[np.float64]  # (604,) +1 or -1
    group_pair: NDArray[np.int64]  # (2355,)
    group_du: NDArray[np.int64]  # (2355,) offset from the presynaptic to the postsynaptic column
    group_dv: NDArray[np.int64]
    group_n_syn: NDArray[np.float64]  # (2355,) mean number of synapses
    bias: NDArray[np.float64]  # (50, 65)
    time_const_s: NDArray[np.float64]  # (50, 65)
    strength: NDArray[np.float64]  # (50, 604) non-negative


def load(directory: Path = DATA / "flyvis") -> Ensemble:
    """Read the ensemble: a manifest and one little-endian binary file for each array."""
    manifest = json.loads((directory / "manifest.json").read_text())
    arrays: dict[str, Any] = {}
    for entry in manifest["arrays"]:
        stored = np.fromfile(directory / entry["file"], dtype=np.dtype(entry["dtype"]).newbyteorder("<"))
        is_float = stored.dtype.kind == "f" or entry["name"] in ("pair_sign", "group_n_syn")
        arrays[entry["name"]] = stored.astype(float if is_float else np.int64).reshape(entry["shape"])
    return Ensemble(types=tuple(manifest["strings"]["type"]), **arrays)


def hexagon(radius: int) -> NDArray[np.int64]:
    """Axial coordinates (u, v) of the 1 + 3 radius (radius + 1) columns of a hexagonal eye."""
    span = range(-radius, radius + 1)
    return np.array([(u, v) for u in span for v in span if abs(u + v) <= radius])


def position(columns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the columns look, x to the right and y up as flyvis draws its eye; unit: column spacing."""
    u, v = columns.T
    return np.sqrt(3) / 2 * v, -(u + v / 2)


@dataclass(frozen=True)
class Wiring:
    """The lattice as arrays. Neurons are ordered by type, then by column."""

    types: tuple[str, ...]
    columns: NDArray[np.int64]  # (columns, 2)
    cell_type: NDArray[np.int64]  # (neurons,)
    column: NDArray[np.int64]  # (neurons,)
    bias: NDArray[np.float64]
    tau: NDArray[np.float64]  # seconds
    pre: NDArray[np.int64]  # (synapse groups,)
    post: NDArray[np.int64]
    weight: NDArray[np.float64]

    def neurons(self, *names: str) -> NDArray[np.int64]:
        """Indices of all neurons of the types, in the order given."""
        size = len(self.columns)
        return np.concatenate([self.types.index(name) * size + np.arange(size) for name in names])

    def central(self, name: str) -> int:
        """The neuron of that type in the middle of the eye."""
        return self.types.index(name) * len(self.columns) + len(self.columns) // 2

    @property
    def pinned(self) -> NDArray[np.bool_]:
        """Photoreceptors and motion detectors: what is seen and what is read must keep its units."""
        mask = np.zeros(len(self.cell_type), dtype=bool)
        mask[self.neurons(*INPUTS, *READOUTS)] = True
        return mask


def wire(ensemble: Ensemble, radius: int = 5, model: int = 0) -> Wiring:
    """Repeat the connectome of one column over an eye of that radius; what would leave the eye is cut off."""
    columns = hexagon(radius)
    u, v = columns.T
    lookup = np.full((2 * radius + 1, 2 * radius + 1), -1)
    lookup[u + radius, v + radius] = np.arange(len(columns))
    pre, post, weight = [], [], []
    for pair, du, dv, count in zip(
        ensemble.group_pair, ensemble.group_du, ensemble.group_dv, ensemble.group_n_syn, strict=True
    ):
        w = ensemble.pair_sign[pair] * count * ensemble.strength[model, pair]
        if w == 0:  # training has silenced this pair of types
            continue
        inside = np.maximum(np.maximum(abs(u + du), abs(v + dv)), abs(u + du + v + dv)) <= radius
        target = lookup[(u + du + radius)[inside], (v + dv + radius)[inside]]
        pre.append(ensemble.pair_source[pair] * len(columns) + np.flatnonzero(inside))
        post.append(ensemble.pair_target[pair] * len(columns) + target)
        weight.append(np.full(len(target), w))
    cell_type = np.repeat(np.arange(len(ensemble.types)), len(columns))
    return Wiring(
        types=ensemble.types,
        columns=columns,
        cell_type=cell_type,
        column=np.tile(np.arange(len(columns)), len(ensemble.types)),
        bias=ensemble.bias[model, cell_type],
        # flyvis never integrates faster than its time step.
        tau=np.maximum(ensemble.time_const_s[model, cell_type], float(DT / second)),
        pre=np.concatenate(pre),
        post=np.concatenate(post),
        weight=np.concatenate(weight),
    )


# --------------------------------------------------------------------------------------------------- stimulus


@dataclass(frozen=True)
class Stimulus:
    """Luminance (steps, columns) of a bright bar on grey that crosses the eye in four directions."""

    luminance: NDArray[np.float64]
    onsets: dict[str, int]  # the step at which each passage begins
    steps: int  # the length of one passage

    @property
    def duration(self) -> float:
        return len(self.luminance) * float(DT / second)


def moving_bar(columns: NDArray[np.int64], width: float = WIDTH, speed: float = SPEED) -> Stimulus:
    """Grey, then four passages of the bar; it starts and ends outside the eye."""
    dt = float(DT / second)
    x, y = position(columns)
    reach = np.hypot(x, y).max() + 2
    steps = round(((2 * reach + width) / speed + PAUSE) / dt)
    front = -reach + speed * dt * np.arange(steps)[:, None]
    frames, onsets = [np.full((round(WARM_UP / dt), len(columns)), GREY)], {}
    for name, angle in DIRECTIONS.items():
        onsets[name] = sum(len(block) for block in frames)
        along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
        covered = erf((front - along) / (BLUR * np.sqrt(2))) - erf((front - width - along) / (BLUR * np.sqrt(2)))
        frames.append(GREY + (BRIGHT - GREY) * covered / 2)
    return Stimulus(np.concatenate(frames), onsets, steps)


# ------------------------------------------------------------------------------------------------- simulation


@dataclass(frozen=True)
class Eye:
    """The model in Brian2. ``network`` holds one group of neurons, one Synapses object and a monitor."""

    wiring: Wiring
    stimulus: Stimulus
    network: Network
    fly: NeuronGroup
    connectome: Synapses
    monitor: StateMonitor

    def run(self, report: str | None = "text") -> NDArray[np.float64]:
        """Show the whole stimulus; returns the voltages (cells, steps) of all readouts, then of HIDDEN."""
        self.network.run(self.stimulus.duration * second, report=report)
        return np.array(self.monitor.V)


def build(wiring: Wiring, stimulus: Stimulus | None = None) -> Eye:
    """Everything at its initial value: V = bias. Two builds are identical, so that one can be rescaled."""
    stimulus = moving_bar(wiring.columns) if stimulus is None else stimulus
    luminance = TimedArray(stimulus.luminance, dt=DT, name="luminance")
    fly = NeuronGroup(
        len(wiring.cell_type), NEURON, method="euler", dt=DT, name="fly", namespace={"luminance": luminance}
    )
    fly.bias = wiring.bias
    fly.tau = wiring.tau * second
    fly.column = wiring.column
    fly.light = 0
    fly.light[wiring.neurons(*INPUTS)] = 1
    fly.V = wiring.bias
    connectome = Synapses(fly, fly, SYNAPSE, name="connectome", dt=DT)
    connectome.connect(i=wiring.pre, j=wiring.post)
    connectome.w = wiring.weight
    recorded = np.concatenate([wiring.neurons(*READOUTS), [wiring.central(name) for name in HIDDEN]])
    monitor = StateMonitor(fly, "V", record=recorded, dt=DT, name="monitor")
    return Eye(wiring, stimulus, Network(fly, connectome, monitor), fly, connectome, monitor)


def largest_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """The largest change of any trace (cell, step), relative to the largest absolute value of that trace."""
    return float(np.max(np.abs(after - before).max(axis=1) / np.abs(before).max(axis=1)))


def tuning(stimulus: Stimulus, trace: NDArray[np.float64]) -> tuple[dict[str, float], float]:
    """flyvis's measure: peaks of max(V, 0) by direction; the length of their vector sum over their sum."""
    peaks = {
        name: max(float(trace[start : start + stimulus.steps].max()), 0.0) for name, start in stimulus.onsets.items()
    }
    total = sum(peaks.values())
    vector = sum(peaks[name] * np.exp(1j * np.deg2rad(angle)) for name, angle in DIRECTIONS.items())
    return peaks, float(abs(vector) / total) if total > 0 else 0.0


# -------------------------------------------------------------------------------------------------- balancing


@dataclass(frozen=True)
class Balanced:
    """The network after rescaling, beside what it cost to get there."""

    result: Any  # neurobal.Balance
    traces: NDArray[np.float64]
    weight: NDArray[np.float64]
    counted: NDArray[np.bool_]  # the synapses that can be balanced; the others were left out
    scale: NDArray[np.float64]  # one a neuron
    seconds: dict[str, float]


def balance_and_run(eye: Eye, tied: bool = False, dyadic: bool = False) -> Balanced:
    """Balance a freshly built eye, apply the scales to weights, biases and initial voltages, and run it."""

    seconds, start = {}, time.perf_counter()
    result = nb.balance(
        eye.network,
        pinned={"fly": eye.wiring.pinned},
        tied={"fly": eye.wiring.cell_type} if tied else None,
        dyadic=dyadic,
        report="text",
    )
    seconds["balance"], start = time.perf_counter() - start, time.perf_counter()
    print(result)
    result.apply()
    seconds["apply"], start = time.perf_counter() - start, time.perf_counter()
    traces = eye.run()
    seconds["simulate"] = time.perf_counter() - start
    weight = np.array(eye.connectome.w)
    counted = np.ones(len(weight), dtype=bool)
    for excluded in result.excluded:
        counted[excluded.synapses] = False
    return Balanced(result, traces, weight, counted, np.asarray(result.scale["fly"]), seconds)


# ----------------------------------------------------------------------------------------------------- figure


def draw(eye: Eye, before: NDArray[np.float64], runs: dict[str, Balanced], directory: Path | None = None) -> Path:
    """Costs by cell type before and after; the traces on top of each other, and their difference below."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13.5, 12.5))
    grid = figure.add_gridspec(2, 1, height_ratios=[1, 1.55], hspace=0.27)
    draw_costs(figure, grid[0].subgridspec(1, 3, wspace=0.28), eye, runs)
    draw_traces(
        figure,
        grid[1].subgridspec(5, 3, width_ratios=[1, 1, 0.85], wspace=0.28, hspace=0.32),
        eye,
        before,
        runs,
    )
    path = save(figure, "flyvis.png", directory)
    plt.close(figure)
    return path


def draw_costs(figure: Any, grid: Any, eye: Eye, runs: dict[str, Balanced]) -> None:
    """Three panels: before, and after each of the two ways of balancing. What was left out is not counted."""
    wiring = eye.wiring
    first = next(iter(runs.values()))
    panels = {"before": (wiring.weight, first.counted)}
    for name, run in runs.items():
        saved = 1 - run.result.cost / run.result.cost_before
        kind = "powers of 2" if run.result.dyadic else "balanced"
        panels[f"{kind}, {name}: {saved:.0%} less cost"] = run.weight, run.counted
    costs = {
        title: incoming_outgoing(wiring.pre[kept], wiring.post[kept], weight[kept], wiring.cell_type)
        for title, (weight, kept) in panels.items()
    }
    limits = cost_limits(*[c for pair in costs.values() for c in pair], decades=6.3)
    free = np.ones(len(wiring.types), dtype=bool)
    free[[wiring.types.index(name) for name in (*INPUTS, *READOUTS)]] = False
    names = {wiring.types.index(name): name for name in PATHWAY}
    colors = [ACCENT if t in names else AFTER if ok else INK for t, ok in enumerate(free)]
    for k, (title, (incoming, outgoing)) in enumerate(costs.items()):
        ax = figure.add_subplot(grid[k])
        balance_scatter(ax, incoming, outgoing, color=colors, free=free, names=names, limits=limits, title=title)
        ax.set_xlabel(r"incoming cost $\Sigma w^2$ of a cell type")
        ax.set_ylabel(r"outgoing cost $\Sigma w^2$")
        if k == 0:
            for face, edge, label in ((ACCENT, ACCENT, "motion pathway"), (AFTER, AFTER, "other cell types"),
                                      ("none", INK, "R1-R8, T4, T5: pinned")):  # fmt: skip
                ax.scatter([], [], s=28, facecolors=face, edgecolors=edge, label=label)
            ax.legend(loc="lower left", handletextpad=0.1, borderpad=0.1, bbox_to_anchor=(0.02, 0.02))


def draw_traces(figure: Any, grid: Any, eye: Eye, before: NDArray[np.float64], runs: dict[str, Balanced]) -> None:
    """T4 and T5 of the central column, the change of all of them in the last row; cells in between beside."""
    wiring, stimulus = eye.wiring, eye.stimulus
    seconds = np.arange(before.shape[1]) * float(DT / second)
    shown = slice(round((WARM_UP - 0.2) / float(DT / second)), None)
    rows = {name: k * len(wiring.columns) + len(wiring.columns) // 2 for k, name in enumerate(READOUTS)}
    styles = dict(zip(runs, ((AFTER, "--"), (ACCENT, ":")), strict=False))
    headers = {"T4": "readout T4: the bar's leading (ON) edge", "T5": "readout T5: its trailing (OFF) edge"}
    for column, kind in enumerate(("T4", "T5")):
        for row, subtype in enumerate("abcd"):
            ax = figure.add_subplot(grid[row, column])
            name = kind + subtype
            shade_passages(ax, stimulus, label=row == 0, preferred=PREFERRED[subtype])
            ax.plot(seconds[shown], before[rows[name], shown], color=BEFORE, lw=4, label="before")
            for run_name, (color, line) in styles.items():
                trace = runs[run_name].traces[rows[name], shown]
                ax.plot(seconds[shown], trace, line, color=color, lw=1.4, label=f"balanced {run_name}")
            ax.set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold")
            ax.set(xlim=(seconds[shown][0], seconds[-1]), xticklabels=[])
            ax.tick_params(labelsize=7)
            if row == 0:
                ax.set_title(headers[kind], y=1.2)
            if row == 0 and column == 0:
                ax.fill_between([], [], color=PASSING, label="bar over the cell")
                ax.fill_between([], [], color=PREFERRED_PASSING, label="in the direction a real cell prefers")
                ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.4), ncols=5)
        draw_difference(figure.add_subplot(grid[4, column]), seconds, shown, kind, before, runs, styles)
    draw_hidden(figure, grid, eye, seconds, shown, before, runs, styles)


def shade_passages(ax: Any, stimulus: Stimulus, label: bool, preferred: str | None = None) -> None:
    """A band while the bar is over the central column, darker if it moves in the preferred direction."""
    dt, middle = float(DT / second), stimulus.luminance.shape[1] // 2
    arrows = {"right": "→", "up": "↑", "left": "←", "down": "↓"}
    for name, start in stimulus.onsets.items():
        lit = np.flatnonzero(stimulus.luminance[start : start + stimulus.steps, middle] > (GREY + BRIGHT) / 2)
        span = (start + lit[0]) * dt, (start + lit[-1]) * dt
        ax.axvspan(*span, color=PREFERRED_PASSING if name == preferred else PASSING, lw=0, zorder=0)
        if label:
            ax.text(np.mean(span), 1.02, f"bar {arrows[name]}", transform=ax.get_xaxis_transform(), ha="center")


def draw_difference(
    ax: Any,
    seconds: NDArray[np.float64],
    shown: slice,
    kind: str,
    before: NDArray[np.float64],
    runs: dict[str, Balanced],
    styles: dict[str, tuple[str, str]],
) -> None:
    """The largest change at each moment of all T4 (or T5) of the eye, relative to each trace's maximum."""
    size = before[: -len(HIDDEN)].shape[0] // 2
    rows = slice(0, size) if kind == "T4" else slice(size, 2 * size)
    largest = np.abs(before[rows]).max(axis=1, keepdims=True)
    for name, (color, _) in styles.items():
        change = (np.abs(runs[name].traces[rows] - before[rows]) / largest).max(axis=0)
        ax.plot(seconds[shown], change[shown] * 1e15, color=color, lw=0.9)
    ax.set(xlim=(seconds[shown][0], seconds[-1]), xlabel="time (s)")
    ax.set_ylabel("change\n" + r"$\times 10^{-15}$", rotation=0, ha="right", va="center")
    ax.set_title(f"largest change of {size:,} {kind} cells, relative to each maximum", fontsize=7.5)
    ax.tick_params(labelsize=7)
    if all(np.array_equal(run.traces[rows], before[rows]) for run in runs.values()):
        ax.text(0.5, 0.6, "none: identical to the last bit", transform=ax.transAxes, ha="center")


def draw_hidden(
    figure: Any,
    grid: Any,
    eye: Eye,
    seconds: NDArray[np.float64],
    shown: slice,
    before: NDArray[np.float64],
    runs: dict[str, Balanced],
    styles: dict[str, tuple[str, str]],
) -> None:
    """Cells between input and readout: the same shape on another scale."""
    first = len(before) - len(HIDDEN)
    for row, name in enumerate(HIDDEN):
        ax = figure.add_subplot(grid[row, 2])
        shade_passages(ax, eye.stimulus, label=False)
        ax.plot(seconds[shown], before[first + row, shown], color=BEFORE, lw=4)
        factors = []
        for run_name, (color, line) in styles.items():
            ax.plot(seconds[shown], runs[run_name].traces[first + row, shown], line, color=color, lw=1.4)
            factors.append(f"{runs[run_name].scale[eye.wiring.central(name)]:.2f}")
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold")
        ax.text(1.0, 1.0, "× " + ", × ".join(factors), transform=ax.transAxes, ha="right", va="bottom", fontsize=8)
        ax.set_xlim(seconds[shown][0], seconds[-1])
        ax.tick_params(labelsize=7)
        if row == 0:
            ax.set_title("cells in between: same shape, new scale", y=1.2)
        if row < len(HIDDEN) - 1:
            ax.set_xticklabels([])
        else:
            ax.set_xlabel("time (s)")


# ----------------------------------------------------------------------------------------------------- script


def print_tuning(eye: Eye, traces: NDArray[np.float64]) -> None:
    """Does the network see motion at all? Peak responses of the central column's T4 and T5."""
    rows = []
    for k, name in enumerate(READOUTS):
        trace = traces[k * len(eye.wiring.columns) + len(eye.wiring.columns) // 2]
        peaks, index = tuning(eye.stimulus, trace)
        best = max(peaks, key=peaks.__getitem__) if max(peaks.values()) > 0.02 else "silent"
        rows.append([name, *(f"{p:.2f}" for p in peaks.values()), f"{index:.2f}", best, PREFERRED[name[-1]]])
    print_table(["peak max(V, 0) for a bar moving", *DIRECTIONS, "selectivity", "prefers", "real fly"], rows)


def print_results(readouts: int, before: NDArray[np.float64], runs: dict[str, Balanced]) -> None:
    """The numbers that matter, one column for each way of balancing."""
    columns = list(runs.values())

    def row(label: str, value: Any) -> list[str]:
        return [label, *(value(run) for run in columns)]

    def identical(run: Balanced) -> str:
        return "yes" if np.array_equal(run.traces[:readouts], before[:readouts]) else "no"

    rows = [
        row("cost before", lambda r: f"{r.result.cost_before:,.1f}"),
        row("cost after", lambda r: f"{r.result.cost:,.1f} ({percent(r.result.cost / r.result.cost_before)})"),
        row("imbalance before", lambda r: f"{r.result.imbalance_before:.3f}"),
        row("imbalance after", lambda r: f"{r.result.imbalance:.1e}"),
        row("left out", lambda r: f"{np.count_nonzero(~r.counted):,} of {len(r.counted):,}"),
        row("scales from ... to", lambda r: f"{r.scale.min():.3g} ... {r.scale.max():.3g}"),
        row(
            "largest change of a readout",
            lambda r: f"{largest_change(before[:readouts], r.traces[:readouts]):.1e}",
        ),
        row("readouts identical to the last bit", identical),
        row("certificate", lambda r: "function preserved" if r.result.certificate.preserved else "NOT PROVEN"),
        *(row(f"time to {step}", lambda r, s=step: f"{r.seconds[s]:.2f} s") for step in columns[0].seconds),
    ]
    print_table(["", *runs], rows)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Balance a trained network of the fly's visual system.")
    parser.add_argument("--radius", type=int, default=5, help="of the hexagonal eye, in columns (default 5)")
    parser.add_argument(
        "--model",
        type=int,
        default=0,
        help="which of the 50 trained networks (default 0, the best; the activity of a few, such as 14, runs away)",
    )
    parser.add_argument("--dyadic", action="store_true", help="round the scales to powers of two")
    parser.add_argument("--target", choices=["numpy", "cython"], default="numpy", help="how Brian2 runs its code")
    parser.add_argument("--output", type=Path, default=None, help="folder for the figure")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, Balanced]:
    options = parse(argv)
    use_style()
    prefs.codegen.target = options.target
    clock = time.perf_counter()
    wiring = wire(load(), options.radius, options.model)
    original = build(wiring)
    print(
        f"{len(wiring.cell_type):,} neurons ({wiring.pinned.sum():,} of them pinned), "
        f"{len(wiring.weight):,} groups of synapses; built in {time.perf_counter() - clock:.1f} s"
    )
    clock = time.perf_counter()
    before = original.run()
    print(f"simulated in {time.perf_counter() - clock:.1f} s\n")
    print_tuning(original, before)

    runs = {}
    for name, tied in (("neuron by neuron", False), ("tied by cell type", True)):
        print(f"\nBalancing {name}")
        # A twin built from scratch: rescaling also moves the initial voltages, so both runs start in the same
        # state.
        runs[name] = balance_and_run(build(wiring, original.stimulus), tied=tied, dyadic=options.dyadic)

    readouts = len(wiring.neurons(*READOUTS))
    print()
    print_results(readouts, before, runs)
    path = draw(original, before, runs, options.output)
    print(f"\nfigure: {path}")
    limit = 0.0 if options.dyadic else 1e-12
    if any(largest_change(before[:readouts], run.traces[:readouts]) > limit for run in runs.values()):
        raise SystemExit("the readouts have changed: the network no longer computes the same")
    return runs


if __name__ == "__main__":
    main()
