"""What the models print and draw in common: costs per neuron, a table, quiet axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

DATA = Path(__file__).parent / "data"
OUTPUT = Path(__file__).parent / "output"

# Two states of one network, told apart also in print and by the colour-blind (Okabe & Ito).
BEFORE, AFTER, ACCENT = "#b0b0b0", "#0072b2", "#d55e00"


def incoming_outgoing(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, labels: ArrayLike, power: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Summed cost |w|^power of what enters and of what leaves each group of neurons.

    ``pre`` and ``post`` (one entry a synapse) index neurons; ``labels`` (one entry a neuron) holds the group
    of each: ``arange(n)`` for single neurons, the cell type for types. Returns two arrays, indexed by label.
    """
    labels = np.asarray(labels)
    size = int(labels.max()) + 1
    cost = np.abs(np.asarray(weight, dtype=float)) ** power
    incoming = np.bincount(labels[np.asarray(post)], weights=cost, minlength=size)
    outgoing = np.bincount(labels[np.asarray(pre)], weights=cost, minlength=size)
    return incoming, outgoing


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, the first to the left, the others to the right."""
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    rule = "  ".join("-" * w for w in widths)
    for row in [header, None, *rows]:
        if row is None:
            print(rule)
            continue
        cells = [c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(cells).rstrip())


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def use_style() -> None:
    """Quiet axes for all figures. The Agg backend: the scripts write files and need no screen."""
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "figure.dpi": 130,
        }
    )


def save(figure: Figure, name: str, directory: Path | None = None) -> Path:
    directory = OUTPUT if directory is None else directory
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    figure.savefig(path, bbox_inches="tight")
    return path
