"""What potentiating one synapse does to all the others: a sheet of neurons that keeps its synaptic costs balanced.

Rate neurons on a torus, each connected both ways with its four neighbours, all synapses of the same strength: what
enters a neuron costs as much as what leaves it. Then one synapse, and no other, is potentiated, as by a pairing
protocol at this synapse. Synaptic balancing (`nb.Plasticity` with the first paper's rule) answers in the running
simulation: at the postsynaptic neuron all other inputs are depressed and all outputs potentiated, at the presynaptic
neuron the other way round, and what is left of the imbalance spreads over the sheet like heat. To first order the
imbalance g (in - out) obeys ``dg/dt = -rate p L g``, L the Laplacian of the symmetrised costs, and the simulation is
compared with that for every neuron, synapse and moment (Stock, Harvey, Ocko & Ganguli 2022, "Synaptic balancing",
PLoS Comput Biol 18:e1010418).

    python models/neural_sheet.py
    python models/neural_sheet.py --factor 4      # far from linear
    python models/neural_sheet.py --wind 4        # eastward synapses four times as strong as westward ones
    python models/neural_sheet.py --gradient 1    # weights from e^-1 to e^1 across the sheet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, ms, prefs, second
from figures import ACCENT, AFTER, BEFORE, percent, print_table, save, use_style
from linear_response import LinearResponse
from matplotlib.colors import SymLogNorm
from numpy.typing import NDArray

import neurobal as nb

Array = NDArray[np.float64]

SIDE = 15
STRENGTH = 0.2  # four inputs of 0.2 keep the sheet stable whatever their signs
STEP = 1 * ms  # of the simulation, and between two updates of the rule
RATE = 1 / second  # of a rule that sees costs in units of the mean cost of a synapse
POWER = 2.0
DURATION = 8.0  # s after the potentiation
REST = 0.2  # s before it
SAMPLE = 10 * ms

RATE_NEURON = """
dx/dt = (drive + recurrent - x)/(20*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
recurrent : 1
"""


@dataclass(frozen=True)
class Sheet:
    """A network whose neurons ``cells`` lie row by row on a square torus."""

    network: Network
    side: int

    @property
    def pre(self) -> NDArray[np.intp]:
        """Presynaptic neuron of every synapse."""
        return np.asarray(self.network["synapses"].i)

    @property
    def post(self) -> NDArray[np.intp]:
        return np.asarray(self.network["synapses"].j)

    @property
    def weights(self) -> Array:
        return np.array(self.network["synapses"].w)

    @property
    def step(self) -> Any:
        """Time between two steps of the simulation, and between two updates of the rule."""
        return self.network["cells"].clock.dt

    def neuron(self, east: int, north: int) -> int:
        """The neuron so many places to the east and north of the middle one."""
        middle = self.side // 2
        return (middle + north) % self.side * self.side + (middle + east) % self.side

    def offset(self, origin: int) -> tuple[Array, Array]:
        """How far east and north of ``origin`` each neuron lies, the shorter way round."""
        half = self.side // 2
        north, east = np.divmod(np.arange(self.side**2), self.side)
        y, x = divmod(origin, self.side)
        return (east - x + half) % self.side - half, (north - y + half) % self.side - half

    def steps(self, *origins: int) -> Array:
        """The number of synapses from the nearest of ``origins`` to each neuron."""
        return np.min([np.abs(self.offset(o)).sum(axis=0) for o in origins], axis=0)


def build(
    side: int = SIDE,
    *,
    wind: float = 1.0,
    gradient: float = 0.0,
    inhibitory: float = 0.2,
    seed: int = 1,
    step: Any = STEP,
) -> Sheet:
    """A balanced sheet of ``side * side`` neurons, every synapse of strength 0.2.

    ``wind`` is the ratio of eastward to westward weights, ``gradient`` the amplitude of log-weights that wax and wane
    from west to east; both leave the sheet balanced, and the strongest synapse at 0.2. A fraction ``inhibitory`` of
    the neurons has negative outgoing weights. A longer ``step`` is faster; what theory and simulation differ by after
    a small potentiation is proportional to it.
    """
    rng = np.random.default_rng(seed)
    cells = NeuronGroup(side**2, RATE_NEURON, method="euler", dt=step, name="cells")
    cells.drive = rng.uniform(0.5, 1.5, side**2)
    synapses = Synapses(cells, cells, "w : 1\nrecurrent_post = w*r_pre : 1 (summed)", dt=step, name="synapses")
    north, east = np.divmod(np.arange(side**2), side)
    sign = np.where(rng.random(side**2) < inhibitory, -1.0, 1.0)
    strength = []
    for to_east, to_north in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        synapses.connect(i=np.arange(side**2), j=(north + to_north) % side * side + (east + to_east) % side)
        # The same for both directions of a pair of neurons, taken half-way between them.
        wave = np.sin(2 * np.pi * (east + to_east / 2) / side)
        strength.append(STRENGTH * wind ** (to_east / 2) * np.exp(gradient * wave))
    strength = np.concatenate(strength)
    synapses.w = sign[synapses.i[:]] * strength * (STRENGTH / strength.max())
    return Sheet(Network(cells, synapses), side)


# ------------------------------------------------------------------------------------------------- experiment


@dataclass(frozen=True)
class Response:
    """What a sheet did after the potentiation. One row a neuron or synapse, one column a sample."""

    sheet: Sheet
    pre: int
    post: int
    factor: float
    rate: float  # Hz
    rest: float  # the largest |log λ| at the end of the rest before the potentiation
    before: nb.Circuit  # the potentiation
    learned: nb.Circuit  # just after it
    times: Array  # s since then
    log_scale: Array  # of neurons, log λ
    gradient: Array  # in - out of neurons, in units of the mean cost of a synapse before: the neural gradient g
    log_weight: Array  # of synapses, log |w / w just after the potentiation|

    def synapses(self) -> dict[str, NDArray[np.intp]]:
        """Synapses at the two neurons by what they are to the potentiated one, j → i."""
        pre, post, i, j = self.sheet.pre, self.sheet.post, self.post, self.pre
        masks = {
            "potentiated j → i": (pre == j) & (post == i),
            "reciprocal i → j": (pre == i) & (post == j),
            "other inputs of i": (pre != j) & (post == i),
            "other outputs of i": (pre == i) & (post != j),
            "other inputs of j": (pre != i) & (post == j),
            "other outputs of j": (pre == j) & (post != i),
        }
        return {name: np.flatnonzero(mask) for name, mask in masks.items()}


def potentiate(sheet: Sheet, pre: int, post: int, factor: float) -> None:
    """Multiply the weight of one synapse: what happens locally, at this synapse alone."""
    chosen = np.flatnonzero((sheet.pre == pre) & (sheet.post == post))
    if chosen.size != 1:
        raise ValueError(f"there are {chosen.size} synapses from cells[{pre}] to cells[{post}], expected one")
    sheet.network["synapses"].w[chosen] *= factor


def respond(
    sheet: Sheet,
    factor: float,
    duration: float = DURATION,
    *,
    synapse: tuple[int, int] | None = None,
    rate: Any = RATE,
    report: str | None = None,
) -> Response:
    """Let balancing run at rest, potentiate one synapse, run on for ``duration`` seconds.

    The synapse (pre, post) is the one from the west into the middle neuron if not given.
    """
    network = sheet.network
    pre, post = (sheet.neuron(-1, 0), sheet.neuron(0, 0)) if synapse is None else synapse
    plasticity = nb.Plasticity(network, nb.GradientFlow(rate=rate), dt=sheet.step, cost=nb.Power(POWER))
    # An update sums up costs as they were at its start and then moves scales: read at its end, and at its start.
    sums = StateMonitor(plasticity["cells"], ["cost_in", "cost_out"], record=True, dt=SAMPLE, when="end", order=10)
    scales = StateMonitor(plasticity["cells"], "log_scale", record=True, dt=SAMPLE, when="start")
    weights = StateMonitor(network["synapses"], "w", record=True, dt=SAMPLE, when="start")
    network.add(plasticity, sums, scales, weights)
    network.run(REST * second)
    start, rest = len(scales.t), float(np.abs(plasticity["cells"].log_scale).max())
    potentiate(sheet, pre, post, factor)
    learned, now = nb.as_circuit([network["cells"], network["synapses"]]), network.t
    network.run(duration * second, report=report)
    w = np.asarray(weights.w)
    return Response(
        sheet, pre, post, factor, float(rate), rest, plasticity.before, learned,
        np.asarray((scales.t[start:] - now) / second),
        np.asarray(scales.log_scale)[:, start:],
        (np.asarray(sums.cost_in) - np.asarray(sums.cost_out))[:, start:] / POWER,  # of p c
        np.log(np.abs(w[:, start:] / learned.projections["synapses"].weight[:, None])),
    )  # fmt: skip


def distances(response: Response) -> Array:
    """How far the middle of each synapse lies from that of the potentiated one, in steps of the lattice."""
    sheet = response.sheet
    chosen = response.synapses()["potentiated j → i"]

    def wrapped(length: Array) -> Array:
        return (length + sheet.side / 2) % sheet.side - sheet.side / 2

    ends = []
    for place in sheet.offset(response.post):
        middle = place[sheet.pre] + wrapped(place[sheet.post] - place[sheet.pre]) / 2
        ends.append(wrapped(middle - middle[chosen]))
    return np.hypot(*ends)


# ----------------------------------------------------------------------------------------------------- theory


@dataclass(frozen=True)
class Prediction:
    """Linear response to the potentiation of a `Response`, sampled like it."""

    log_scale: Array
    gradient: Array
    log_weight: Array


def theory(response: Response, *, potentiated: bool = False) -> LinearResponse:
    """Linear response of the sheet as it was before the potentiation, or of the potentiated one."""
    circuit = response.learned if potentiated else response.before
    unit = float(np.mean(np.abs(response.before.projections["synapses"].weight) ** POWER))
    return LinearResponse(circuit.projections["synapses"], unit, response.rate, POWER)


def predict(response: Response, *, potentiated: bool = False) -> Prediction:
    """What `theory` says about the imbalance that the potentiation made."""
    linear, start = theory(response, potentiated=potentiated), theory(response, potentiated=True).initial()
    h = linear.log_scale(start, response.times)
    sheet = response.sheet
    return Prediction(h, linear.gradient(start, response.times), h[sheet.post] - h[sheet.pre])


def error(measured: Array, expected: Array) -> float:
    """Root mean square difference over that of what is expected."""
    return float(np.linalg.norm(measured - expected) / np.linalg.norm(expected))


def balanced_log_scale(response: Response) -> Array:
    """Where it ends: h of the balanced sheet, without simulation and without linearisation."""
    return np.asarray(nb.balance(response.learned, cost=nb.Power(POWER), tol=1e-12).log_scale["cells"])


def scan(factors: Sequence[float], duration: float = 2.0, **sheet: Any) -> list[Response]:
    """The same experiment with other potentiations (and, below 1, depressions)."""
    return [respond(build(**sheet), factor, duration) for factor in factors]


# ---------------------------------------------------------------------------------------------------- figures


def signed(limit: float, linear: float) -> SymLogNorm:
    """Colours for values of both signs over several decades."""
    return SymLogNorm(linthresh=linear, vmin=-limit, vmax=limit)


def draw_map(ax: Any, response: Response, values: Array, norm: SymLogNorm, title: str = "") -> Any:
    """One square a neuron, the potentiated synapse as an arrow."""
    sheet = response.sheet
    east, north = sheet.offset(response.post)
    half = sheet.side // 2
    image = np.zeros((sheet.side, sheet.side))
    image[north + half, east + half] = values
    extent = (-half - 0.5, half + 0.5) * 2
    drawn = ax.imshow(image, origin="lower", extent=extent, norm=norm, cmap="RdBu_r", interpolation="nearest")
    start = (east[response.pre], north[response.pre])
    ax.annotate("", (0.35, 0), start, arrowprops={"arrowstyle": "-|>", "color": "k", "lw": 1.0, "shrinkA": 0})
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set(visible=True, color=BEFORE)
    return drawn


def draw_synapses(ax: Any, response: Response, values: Array, norm: SymLogNorm, reach: int = 3) -> Any:
    """Every synapse near the potentiated one as an arrow from its presynaptic to its postsynaptic neuron."""
    sheet = response.sheet
    east, north = (np.asarray(x, dtype=float) for x in sheet.offset(response.post))
    inside = (np.abs(east + 0.5) <= reach + 0.5) & (np.abs(north) <= reach)
    shown = np.flatnonzero(inside[sheet.pre] & inside[sheet.post])
    x, y = east[sheet.pre[shown]], north[sheet.pre[shown]]
    dx, dy = east[sheet.post[shown]] - x, north[sheet.post[shown]] - y
    # Two ways between two neurons: each keeps to its right.
    arrows = ax.quiver(
        x + 0.18 * dx + 0.11 * dy, y + 0.18 * dy - 0.11 * dx, 0.64 * dx, 0.64 * dy, values[shown], norm=norm,
        cmap="RdBu_r", angles="xy", units="xy", scale_units="xy", scale=1, width=0.085, headwidth=2.5, headlength=2.8,
        headaxislength=2.6, edgecolor="#606060", linewidth=0.4,
    )  # fmt: skip
    ax.scatter(east[inside], north[inside], s=130, facecolor="white", edgecolor="#808080", lw=0.8, zorder=3)
    for neuron, name in ((response.pre, "j"), (response.post, "i")):
        ax.annotate(name, (east[neuron], north[neuron]), ha="center", va="center", zorder=4, fontweight="bold")
    ax.set_aspect("equal")
    ax.set(xticks=[], yticks=[], xlim=(-reach - 1.3, reach + 0.3), ylim=(-reach - 0.3, reach + 0.3))
    ax.spines[:].set_visible(False)
    return arrows


def plain(*axes: Any) -> None:
    """Numbers on a logarithmic axis as numbers."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda *_: "")


def draw_course(ax: Any, response: Response, prediction: Prediction) -> None:
    """How synapses of the two neurons change in time, in per cent of the potentiation; theory: white dashes."""
    share = 100 / np.log(response.factor)
    kinds = response.synapses()
    for name, color in (
        ("reciprocal i → j", "#cc79a7"),
        ("other outputs of i", ACCENT),
        ("other inputs of i", AFTER),
        ("potentiated j → i", "k"),
    ):
        lines = ax.plot(response.times, response.log_weight[kinds[name]].T * share, color=color, lw=2.4)
        lines[0].set_label(name)
        ax.plot(response.times, prediction.log_weight[kinds[name]].T * share, color="w", lw=0.9, ls=(0, (2, 3)))
    ax.axhline(0, color=BEFORE, lw=0.8, zorder=0)
    ax.set(xscale="log", xlim=(response.times[1], response.times[-1]), xlabel="time after the potentiation (s)")
    low, high = ax.get_ylim()
    ax.set(ylabel="Δ log w (% of the potentiation)", ylim=(low, high + 0.45 * (high - low)))
    plain(ax.xaxis)
    ax.legend(loc="upper left", handlelength=1.2)


def draw_modes(ax: Any, response: Response, count: int = 5) -> None:
    """Some eigenmodes of the imbalance: each fades at a pace of its own, rate · p · eigenvalue of L."""
    linear = theory(response, potentiated=True)
    measured = linear.modes.T @ response.gradient
    speed = linear.speed * linear.values
    edges = np.geomspace(speed[speed > 0].min() * 0.999, speed.max() * 1.001, count + 1)
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))
    times = np.geomspace(response.times[1], response.times[-1], 200)
    for low, high, color in zip(edges[:-1], edges[1:], colors, strict=True):
        inside = np.flatnonzero((speed >= low) & (speed < high))
        mode = inside[np.abs(measured[inside, 0]).argmax()]
        ax.plot(times, np.exp(-speed[mode] * times), color=color, lw=1.2, label=f"{speed[mode]:.1f} / s")
        marks = np.unique(np.searchsorted(response.times, np.geomspace(0.01, 5 / speed[mode], 12)))
        marks = marks[marks < response.times.size]
        ax.plot(response.times[marks], measured[mode, marks] / measured[mode, 0], "o", color=color, ms=4)
    ax.set(xscale="log", yscale="log", xlim=(times[0], times[-1]), ylim=(5e-3, 1.3))
    ax.set(xlabel="time after the potentiation (s)", ylabel="amplitude of a mode of g (start: 1)")
    plain(ax.xaxis, ax.yaxis)
    ax.legend(loc="lower left", title="rate · p · eigenvalue", handlelength=1.2)


def draw_agreement(ax: Any, response: Response, prediction: Prediction) -> None:
    """The imbalance of every neuron at every sample, measured against predicted."""
    largest = np.abs(response.gradient).max()
    x, y = prediction.gradient[:, ::10].ravel() / largest, response.gradient[:, ::10].ravel() / largest
    for sign, color, name in ((1, ACCENT, "more in than out"), (-1, AFTER, "more out than in")):
        kept = sign * x > 1e-6
        ax.scatter(sign * x[kept], sign * y[kept], s=4, color=color, lw=0, alpha=0.5, label=name, rasterized=True)
    ax.plot([1e-6, 1], [1e-6, 1], color="k", lw=0.8)
    ax.set(xscale="log", yscale="log", xlim=(1e-6, 2), ylim=(1e-6, 2))
    ax.set(xlabel="|g| in linear theory (of the largest)", ylabel="|g| in the simulation")
    ax.legend(loc="upper left", handletextpad=0.1, markerscale=2)


def draw_distance(ax: Any, response: Response, prediction: Prediction) -> None:
    """|Δ log w| at the end, synapse by synapse, against the distance from the potentiated one."""
    far, share = distances(response), 100 / abs(np.log(response.factor))
    measured, expected = (share * np.abs(one.log_weight[:, -1]) for one in (response, prediction))
    ax.scatter(far, measured, s=12, color=AFTER, lw=0, label="simulation")
    ax.scatter(far, expected, s=34, facecolors="none", edgecolors=ACCENT, lw=0.6, label="linear theory")
    if np.ptp(np.abs(response.before.projections["synapses"].weight)) < 1e-9:
        r = np.array([1.0, response.sheet.side / 2])
        ax.plot(r, 100 / (4 * np.pi * r**2), color="k", lw=1, ls="--", label="dipole in the plane, 1/(4πr²)")
    ax.set(xscale="log", yscale="log", xlabel="distance from the potentiated synapse (neurons)")
    ax.set(
        ylabel="|Δ log w| in the end (% of the potentiation)",
        ylim=(0.02, 60),
        xlim=(0.4, 13),
        xticks=[0.5, 1, 2, 5, 10],
    )
    plain(ax.xaxis, ax.yaxis)
    ax.legend(loc="lower left", handletextpad=0.3)


def draw_limits(ax: Any, responses: Sequence[Response]) -> None:
    """Where linear response ends: the error of all Δ log w at all times, for small and large potentiations."""
    change = np.array([abs(np.log(one.factor)) for one in responses])
    up = np.array([one.factor > 1 for one in responses])
    for potentiated, color in ((False, ACCENT), (True, AFTER)):
        errors = [error(one.log_weight, predict(one, potentiated=potentiated).log_weight) for one in responses]
        for mask, style, name in ((up, "o-", "potentiation"), (~up, "v--", "depression")):
            if mask.any():
                label = f"{name}, L {'after' if potentiated else 'before'} it"
                ax.plot(change[mask], 100 * np.array(errors)[mask], style, color=color, ms=4, lw=1.2, label=label)
    ax.axhline(10, color=BEFORE, lw=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="size of the change, |log factor|", ylim=(0.04, 2000))
    ax.set(ylabel="error of all Δ log w (%)", yticks=[0.1, 1, 10, 100])
    plain(ax.xaxis, ax.yaxis)
    ax.legend(loc="upper left", ncols=2, columnspacing=1.0, handlelength=1.6, fontsize=8)


def draw_kept(ax: Any, responses: Sequence[Response]) -> None:
    """The share of its own change that a synapse gives back, against the factor of the change."""
    given = [-100 * one.log_weight[one.synapses()["potentiated j → i"], -1] / np.log(one.factor) for one in responses]
    factors = [one.factor for one in responses]
    order = np.argsort(factors)
    ends = []
    for one in responses:
        h = balanced_log_scale(one)
        ends.append(100 * (h[one.pre] - h[one.post]) / np.log(one.factor))
    share = theory(responses[0]).given_back(responses[0].post, responses[0].pre)
    ax.plot(np.take(factors, order), np.take(ends, order), color="k", lw=1, label="nb.balance")
    ax.plot(factors, np.ravel(given), "o", color=AFTER, ms=4, label="simulation")
    ax.axhline(100 * share, color=ACCENT, lw=1.2, label="linear theory", zorder=0)
    ax.set(xscale="log", xlabel="factor of the change", ylabel="given back (% of the change)", ylim=(0, 55))
    ax.set_xticks([0.25, 0.5, 1, 2, 4, 8])
    plain(ax.xaxis)
    ax.legend(loc="upper left")


def draw_spread(figure: Any, response: Response, moments: Sequence[float] = (0.0, 0.1, 0.5, 2.0)) -> None:
    """Maps of the sheet: imbalance of the neurons (above) and their scales (below) at some times."""
    axes = figure.subplots(2, len(moments))
    for k, moment in enumerate(moments):
        sample = int(np.abs(response.times - moment).argmin())
        g = 100 * response.gradient[:, sample] / np.abs(response.gradient[:, 0]).max()
        h = 100 * response.log_scale[:, sample] / np.log(response.factor)
        title = f"{response.times[sample]:g} s" if sample else "potentiation"
        above = draw_map(axes[0, k], response, g, signed(100, 0.3), title)
        below = draw_map(axes[1, k], response, h, signed(20, 0.3))
    for row, drawn, label, ticks in (
        (0, above, "incoming - outgoing cost\n(% of the first)", (-100, -10, -1, 0, 1, 10, 100)),
        (1, below, "log λ\n(% of the potentiation)", (-10, -1, 0, 1, 10)),
    ):
        bar = figure.colorbar(drawn, ax=axes[row], label=label, ticks=ticks, aspect=14)
        plain(bar.ax.yaxis)


def draw_neighbourhood(figure: Any, response: Response) -> None:
    """The synapses around the potentiated one, at the end."""
    ax = figure.subplots()
    change = 100 * response.log_weight[:, -1] / np.log(response.factor)
    arrows = draw_synapses(ax, response, change, signed(30, 0.3))
    bar = figure.colorbar(
        arrows, ax=ax, label="Δ log w (% of the potentiation)", ticks=(-10, -1, 0, 1, 10), aspect=28, shrink=0.85
    )
    plain(bar.ax.yaxis)


def draw_all(response: Response, responses: Sequence[Response], directory: Path | None = None) -> list[Path]:
    """Two figures: the sheet; theory against simulation."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(15.5, 5.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.75, 1])
    draw_spread(left, response)
    draw_neighbourhood(right, response)
    paths = [save(figure, "neural_sheet.png", directory)]
    plt.close(figure)

    figure, axes = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
    prediction = predict(response, potentiated=True)
    draw_course(axes[0, 0], response, prediction)
    draw_modes(axes[0, 1], response)
    draw_agreement(axes[0, 2], response, prediction)
    draw_distance(axes[1, 0], response, prediction)
    draw_limits(axes[1, 1], responses)
    draw_kept(axes[1, 2], responses)
    titles = ("synapses of the two neurons", "mode by mode", "every neuron at every moment",
              "all other synapses, at the end", "where linear response ends",
              "what the synapse gives back")  # fmt: skip
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.set_title(title)
    paths.append(save(figure, "neural_sheet_theory.png", directory))
    plt.close(figure)
    return paths


# ----------------------------------------------------------------------------------------------------- script


def print_predictions(response: Response) -> None:
    """Kind by kind: the first change and the last, in per cent of the potentiation."""
    share = 100 / np.log(response.factor)
    before, after = predict(response), predict(response, potentiated=True)
    rows = []
    for name, chosen in response.synapses().items():
        columns = [response.log_weight[chosen, 1], *(one.log_weight[chosen, -1] for one in (response, after, before))]
        rows.append([name, *(f"{share * values.mean():+.2f} %" for values in columns)])
    start, end = (f"{response.times[k]:g} s" for k in (1, -1))
    print_table(["Δ log w / log factor", f"after {start}", f"after {end}", "theory", "theory, L before"], rows)


def print_errors(response: Response) -> None:
    """The linear theory's error over all neurons or synapses and all times."""
    before, after = predict(response), predict(response, potentiated=True)
    rows = []
    for name in ("gradient", "log_scale", "log_weight"):
        errors = [error(getattr(response, name), getattr(one, name)) for one in (before, after)]
        rows.append([name.replace("_", " "), *(percent(one) for one in errors)])
    print_table(["error of the linear theory", "L before", "L after the potentiation"], rows)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description="Potentiate one synapse of a sheet that keeps its costs balanced.")
    parser.add_argument("--side", type=int, default=SIDE, help="neurons along each side (default 15)")
    parser.add_argument("--factor", type=float, default=1.1, help="of the potentiation (default 1.1)")
    parser.add_argument("--wind", type=float, default=1.0, help="eastward over westward weights")
    parser.add_argument("--gradient", type=float, default=0.0, help="amplitude of log-weights that vary with longitude")
    parser.add_argument("--duration", type=float, default=DURATION, help="after the potentiation in seconds")
    parser.add_argument("--seed", type=int, default=1, help="of drives and of who is inhibitory")
    parser.add_argument("--target", choices=["numpy", "cython"], default="numpy", help="how Brian2 runs its code")
    parser.add_argument("--output", type=Path, default=None, help="folder for the figures")
    options = parser.parse_args(argv)
    use_style()
    prefs.codegen.target = options.target
    kind = {"side": options.side, "wind": options.wind, "gradient": options.gradient, "seed": options.seed}

    sheet = build(**kind)
    response = respond(sheet, options.factor, options.duration, report="text")
    responses = scan([0.25, 0.5, 0.7, 0.9, 0.99, 1.01, 1.1, 1.5, 2.0, 4.0, 8.0], **kind)
    balancing = nb.verify(response.learned, sheet.network)
    learning = nb.verify(response.before, sheet.network)
    signs = np.array_equal(np.sign(sheet.weights), np.sign(response.before.projections["synapses"].weight))
    print(f"\n{sheet.side**2} neurons, {sheet.weights.size} synapses, one of them times {options.factor:g}\n")
    print_predictions(response)
    print()
    print_errors(response)
    print(f"\nat rest before: largest |log λ| {response.rest:.0e}; all signs kept: {'yes' if signs else 'NO'}")
    print(f"since the potentiation: {balancing}\nsince before it: {learning}")
    print("figures:", *draw_all(response, responses, options.output))
    if not balancing.preserved or learning.preserved:
        raise SystemExit("balancing changed what the sheet computes, or potentiation did not")
    return {"sheet": sheet, "response": response, "scan": responses, "balancing": balancing, "learning": learning}


if __name__ == "__main__":
    main()
