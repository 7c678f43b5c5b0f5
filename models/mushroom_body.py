"""The mushroom body of a fly larva: how far is a real connectome from synaptic balance?

Eichler et al. (2017), "The complete connectome of a learning and memory centre in an insect brain", Nature
548:175-182, doi:10.1038/nature23455. Right hemisphere: 213 neurons, 7,536 connections, each the number of
synapses between two neurons, without signs. The table is the copy that ships with graspologic (MIT licence:
data/mushroom_body/LICENSE-graspologic.txt), with one letter a neuron for its class.

The matrix is balanced for the costs sum |w| (p = 1) and sum w^2 (p = 2), next to scipy.linalg.matrix_balance,
which solves the same problem with powers of two and stops early. A threshold-linear rate network with these
weights is simulated before and after: every neuron's rate is multiplied by its scale, and nothing else
happens.

    python models/mushroom_body.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from figures import ACCENT, AFTER, BEFORE, DATA, incoming_outgoing, percent, print_table, save, use_style
from numpy.typing import NDArray
from rate_network import RateNetwork
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

import neurobal as nb
from neurobal.plot import INK, balance_scatter, cost_limits

# The larva's one APL neuron is not marked in the table: it hides in one of these classes.
CLASSES = {
    "K": "Kenyon cells",
    "I": "input neurons (dopamine, octopamine ...)",
    "O": "output neurons",
    "P": "projection neurons",
}
SHORT = {"K": "KC", "I": "MBIN", "O": "MBON", "P": "PN"}
COLORS = {"K": AFTER, "I": "#cc79a7", "O": ACCENT, "P": "#009e73"}


@dataclass(frozen=True)
class Connectome:
    """J[post, pre]: synapses from a neuron (column) to a neuron (row)."""

    J: NDArray[np.float64]  # (213, 213)
    label: NDArray[np.str_]  # (213,) K, I, O or P


def load(directory: Path = DATA / "mushroom_body") -> Connectome:
    """Read the table and turn it to (post, pre).

    In the file rows are presynaptic: the projection neurons have full rows (onto Kenyon cells) and empty
    columns, as they bring the odours in from the antennal lobe, and Kenyon cells have three times more
    synapses in their rows onto output neurons (8,428) than output neurons have onto anybody (867).
    """
    table = np.loadtxt(directory / "right_adjacency.csv", dtype=float)
    label = np.loadtxt(directory / "right_cell_labels.csv", dtype=str)
    assert not table[:, label == "P"].any(), "projection neurons have no input here"
    return Connectome(table.T.copy(), label)


def largest_component(J: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The largest set of neurons which all reach each other."""
    _, component = connected_components(csr_array(J), directed=True, connection="strong")
    mask: NDArray[np.bool_] = component == np.bincount(component).argmax()
    return mask


def costs(J: NDArray[np.float64], p: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Incoming and outgoing cost of each neuron."""
    post, pre = np.nonzero(J)
    return incoming_outgoing(pre, post, J[post, pre], np.arange(len(J)), p)


def imbalance(J: NDArray[np.float64], p: float) -> float:
    """Sum over neurons of |in - out|, relative to the whole cost. No self-connections here."""
    incoming, outgoing = costs(J, p)
    return float(np.abs(incoming - outgoing).sum() / incoming.sum())


def scipy_balance(J: NDArray[np.float64], p: float) -> NDArray[np.float64]:
    """What LAPACK's balancing makes of the same matrix. It balances the 2-norm, so it gets |J|^(p/2)."""
    _, (scale, _) = scipy.linalg.matrix_balance(np.abs(J) ** (p / 2), permute=False, separate=True)
    factor = scale ** (-2 / p)
    balanced: NDArray[np.float64] = J * factor[:, None] / factor[None, :]
    return balanced


# ------------------------------------------------------------------------------------------------- simulation


@dataclass(frozen=True)
class Drive:
    """Everything that enters a rate network besides its weights; all of it scales with the neurons."""

    gain: float  # one factor on all weights, so that recurrent excitation decays
    threshold: NDArray[np.float64]  # (neurons,)
    odour: NDArray[np.float64]  # (odours, neurons)


def make_drive(connectome: Connectome, odours: int = 3, seed: int = 1) -> Drive:
    """An odour excites a third of the projection neurons; few Kenyon cells cross their thresholds."""
    rng = np.random.default_rng(seed)
    projection = connectome.label == "P"
    radius = float(np.abs(np.linalg.eigvals(connectome.J)).max())
    threshold = np.where(connectome.label == "K", rng.uniform(0.2, 0.6, projection.size), 0.05)
    threshold[projection] = 0.0
    active = np.zeros((odours, projection.size), dtype=bool)
    for odour in active:
        odour[rng.choice(np.flatnonzero(projection), projection.sum() // 3, replace=False)] = True
    return Drive(0.6 / radius, threshold, active * rng.uniform(5.0, 15.0, active.shape))


def simulate(
    J: NDArray[np.float64], drive: Drive, scale: NDArray[np.float64], tau: float = 20.0, dt: float = 1.0
) -> NDArray[np.float64]:
    """Rates (steps, neurons) of tau dx/dt = -x + gain J r + scale (odour - threshold), r = relu(x); times in
    ms.

    The odours come one after the other, 150 ms each with 100 ms in between.
    """
    present = np.repeat([1.0, 0.0] * len(drive.odour), [int(150 / dt), int(100 / dt)] * len(drive.odour))
    odours = np.repeat(drive.odour, int(150 / dt) + int(100 / dt), axis=0)
    nothing = np.zeros((0, len(J)))
    network = RateNetwork(drive.gain * J, np.diag(scale), nothing, -scale * drive.threshold, step=dt / tau)
    return network.run((present[:, None] * odours)[:, None]).rates[:, 0]


def largest_change(before: NDArray[np.float64], after: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """Of any neuron's rate once its scale is divided out, relative to that neuron's largest rate."""
    largest = np.maximum(before.max(axis=0), np.finfo(float).tiny)
    return float((np.abs(after / scale - before).max(axis=0) / largest).max())


# ----------------------------------------------------------------------------------------------------- script


@dataclass(frozen=True)
class Balanced:
    p: float
    result: Any  # neurobal.Balance
    weights: NDArray[np.float64]
    scale: NDArray[np.float64]
    change: float  # of the simulated rates, scale divided out


def balance(connectome: Connectome, p: float, drive: Drive, before: NDArray[np.float64]) -> Balanced:
    """Balance the whole matrix; neurons that lie on no loop keep their scale and are named by the result."""

    result = nb.balance(connectome.J, cost=nb.Power(p))
    scale, weights = np.asarray(result.scale), np.asarray(result.weights)
    after = simulate(weights, drive, scale)
    return Balanced(p, result, weights, scale, largest_change(before, after, scale))


def print_comparison(connectome: Connectome, runs: Sequence[Balanced]) -> None:
    """On the strong component, where everything can be balanced: before, scipy, neurobal."""
    core = np.ix_(*2 * [largest_component(connectome.J)])
    rows = []
    for run in runs:
        J = connectome.J[core]
        total = costs(J, run.p)[0].sum()
        for name, matrix in (
            ("as reconstructed", J),
            ("scipy.linalg.matrix_balance", scipy_balance(J, run.p)),
            ("neurobal", run.weights[core]),
        ):
            ratio = costs(matrix, run.p)[0].sum() / total
            rows.append([f"p = {run.p:g}  {name}", f"{imbalance(matrix, run.p):.2g}", f"{ratio:.3f}"])
    size, edges = len(J), np.count_nonzero(J)
    print_table([f"strong component: {size} neurons, {edges:,} connections", "imbalance", "cost"], rows)


def print_classes(connectome: Connectome, runs: Sequence[Balanced]) -> None:
    """Who is scaled up and who down. A neuron that sends more than it receives has to grow."""
    core = largest_component(connectome.J)
    rows = []
    for letter, name in CLASSES.items():
        members = connectome.label == letter
        free = members & core
        row = [f"{SHORT[letter]}: {name}", str(members.sum()), str((members & ~core).sum())]
        for run in runs:
            quartiles = np.percentile(run.scale[free], [25, 50, 75]) if free.any() else None
            row.append("-" if quartiles is None else "{1:.2f} ({0:.2f} - {2:.2f})".format(*quartiles))
        rows.append(row)
    header = ["scale: median (quartiles)", "neurons", "left out", *(f"p = {run.p:g}" for run in runs)]
    print_table(header, rows)


def draw(
    connectome: Connectome,
    runs: Sequence[Balanced],
    drive: Drive,
    directory: Path | None = None,
) -> Path:
    """Costs of the neurons before and after, the scales by class, and one odour response on both scales."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13.5, 8.6), gridspec_kw={"hspace": 0.38, "wspace": 0.3})
    core = largest_component(connectome.J)
    run = runs[-1]
    inner = np.ix_(core, core)
    before, after = costs(connectome.J[inner], run.p), costs(run.weights[inner], run.p)
    by_scipy = costs(scipy_balance(connectome.J[inner], run.p), run.p)
    limits = cost_limits(*before, *after, *by_scipy)
    colors = [COLORS[letter] for letter in connectome.label[core]]
    titles = ("as reconstructed", "scipy.linalg.matrix_balance", "neurobal")
    for ax, pair, title in zip(axes[0], (before, by_scipy, after), titles, strict=True):
        balance_scatter(ax, *pair, color=colors, limits=limits, size=16)
        left = float(np.abs(pair[0] - pair[1]).sum() / pair[0].sum())
        ax.set_title(f"{title}\ncost {pair[0].sum():,.0f}, imbalance {left:.2g}")
        ax.set(xlabel=f"incoming cost of a neuron, $\\Sigma w^{run.p:g}$", ylabel="outgoing cost")
    for letter in np.unique(connectome.label[core]):
        axes[0, 0].scatter([], [], s=16, color=COLORS[letter], label=SHORT[letter])
    axes[0, 0].legend(loc="lower right", handletextpad=0.1)
    draw_scales(axes[1, 0], connectome, run)
    draw_rates(axes[1, 1], axes[1, 2], connectome, run, drive)
    path = save(figure, "mushroom_body.png", directory)
    plt.close(figure)
    return path


def draw_scales(ax: Any, connectome: Connectome, run: Balanced) -> None:
    """Every neuron's scale, by class; open: left out."""
    core = largest_component(connectome.J)
    rng = np.random.default_rng(0)
    for x, letter in enumerate(CLASSES):
        members = connectome.label == letter
        spread = rng.uniform(-0.28, 0.28, members.size)
        for mask, style in ((members & core, {"color": COLORS[letter]}),
                            (members & ~core, {"facecolors": "none", "edgecolors": BEFORE})):  # fmt: skip
            ax.scatter(x + spread[mask], run.scale[mask], s=14, linewidths=0.8, **style)
        if (members & core).any():
            ax.hlines(np.median(run.scale[members & core]), x - 0.36, x + 0.36, color=INK, lw=1.6)
    ax.axhline(1, color=INK, lw=0.6, zorder=0)
    ax.set(
        yscale="log",
        xticks=range(len(CLASSES)),
        xticklabels=SHORT.values(),
        title="who is scaled up, who down",
    )
    ax.set_ylabel("scale of what a neuron receives")
    ax.text(
        0.98,
        0.96,
        "grey: on no loop, left out",
        transform=ax.transAxes,
        ha="right",
        color="#808080",
        fontsize=8,
    )


def draw_rates(ax: Any, ax_change: Any, connectome: Connectome, run: Balanced, drive: Drive) -> None:
    """One neuron of each class that answers to all odours, before and after, with and without its scale."""
    ones = np.ones(len(connectome.J))
    before = simulate(connectome.J, drive, ones)
    after = simulate(run.weights, drive, run.scale)
    core = largest_component(connectome.J)
    steps = np.arange(len(before))
    weakest = before.reshape(len(drive.odour), -1, before.shape[1]).max(axis=1).min(axis=0)
    for letter in "KIO":
        candidates = np.flatnonzero((connectome.label == letter) & core)
        neuron = candidates[np.argmax(weakest[candidates])]
        color = COLORS[letter]
        ax.plot(steps, before[:, neuron], color=color, lw=3.5, alpha=0.35)
        ax.plot(
            steps,
            after[:, neuron],
            "--",
            color=color,
            lw=1.2,
            label=f"{SHORT[letter]} × {run.scale[neuron]:.2f}",
        )
        ax_change.plot(steps, before[:, neuron], color=color, lw=3.5, alpha=0.35)
        ax_change.plot(steps, after[:, neuron] / run.scale[neuron], "--", color=color, lw=1.2)
    ax.plot([], [], color=INK, lw=3.5, alpha=0.35, label="before")
    ax.plot([], [], "--", color=INK, lw=1.2, label="after")
    ax.legend(loc="upper right", fontsize=8, ncols=2)
    ax.set(xlabel="time (ms), three odours", ylabel="rate (arbitrary units)", title="responses before and after")
    ax.set_ylim(0, 1.35 * ax.get_ylim()[1])
    ax_change.set(xlabel="time (ms)", ylabel="rate / scale")
    ax_change.set_title(f"the same, scales divided out\n(largest change of any neuron {run.change:.0e})")


def main(argv: Sequence[str] | None = None) -> list[Balanced]:
    parser = argparse.ArgumentParser(description="Balance the connectome of a larva's mushroom body.")
    parser.add_argument("--output", type=Path, default=None, help="folder for the figure")
    options = parser.parse_args(argv)
    use_style()
    connectome = load()
    drive = make_drive(connectome)
    before = simulate(connectome.J, drive, np.ones(len(connectome.J)))
    active = {SHORT[c]: percent(float((before.max(axis=0) > 0)[connectome.label == c].mean())) for c in CLASSES}
    print(
        "answer to at least one of three odours: " + ", ".join(f"{share} of {name}" for name, share in active.items())
    )

    runs = []
    for p in (1.0, 2.0):
        start = time.perf_counter()
        run = balance(connectome, p, drive, before)
        print(f"\np = {p:g}, balanced and simulated in {time.perf_counter() - start:.2f} s")
        print(run.result)
        print(f"largest change of a rate, scale divided out: {run.change:.1e}")
        runs.append(run)
    print()
    print_comparison(connectome, runs)
    print()
    print_classes(connectome, runs)
    print(f"\nfigure: {draw(connectome, runs, drive, options.output)}")
    return runs


if __name__ == "__main__":
    main()
