"""Figures for results: incoming against outgoing cost, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurobal.cost import formula

COLOR, INK = "#0072b2", "#404040"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")  # Okabe & Ito


def balance_figure(result: Any) -> Figure:
    """Incoming against outgoing cost of each neuron of a `Balance`, before and after, and the imbalance by iterations.

    One dot a neuron, one color a population; neurons without any cost are not drawn.
    """
    names = list(result.before.populations)
    colors = [PALETTE[k % len(PALETTE)] for k, name in enumerate(names) for _ in range(result.log_scale[name].size)]
    table = result.table()
    sides = [(table[f"incoming{when}"], table[f"outgoing{when}"]) for when in ("_before", "")]
    free = ~(table["pinned"] | table["left_out"])
    limits = cost_limits(*(values for pair in sides for values in pair))
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for ax, (incoming, outgoing), title in zip(axes, sides, ("before", "after"), strict=False):
        balance_scatter(ax, incoming, outgoing, color=colors, free=free, limits=limits, size=16, title=title)
    has_cost = sides[0][0] + sides[0][1] > 0
    drawn = [k for k, name in enumerate(names) if np.any(has_cost & (table["population"] == name))]
    if len(drawn) > 1:
        dots = [axes[0].scatter([], [], color=PALETTE[k % len(PALETTE)], s=16) for k in drawn]
        axes[0].legend(dots, [names[k] for k in drawn], fontsize="small", frameon=False, loc="upper left")
    axes[2].plot(np.arange(len(result.history)), result.history.imbalance, ".-", color=INK)
    axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    way = "one multiplier after another" if result.budgets else result.method
    axes[2].set(yscale="log", xlabel="iteration", ylabel="imbalance", title=f"convergence ({way})")
    figure.supxlabel(f"{'effective ' if result.budgets else ''}cost: {result.formulation.formula}", fontsize="small")
    return figure


def tradeoff_figure(curve: Any) -> Figure:
    """The points of a `Tradeoff`, relative to the network as it is, which is drawn at 1, 1."""
    table = curve.table()
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    ax = figure.subplots()
    ax.plot(table["other"], table["cost"], ".-", color=COLOR)
    ax.plot([1.0], [1.0], "o", color=INK, markerfacecolor="none")
    ax.annotate("before", (1.0, 1.0), xytext=(5, 5), textcoords="offset points", fontsize="small", color=INK)
    ax.set(
        xscale="log", yscale="log", xlabel=f"{formula(curve.other)} / before", ylabel=f"{formula(curve.cost)} / before"
    )
    return figure


def balance_scatter(
    ax: Axes,
    incoming: ArrayLike,
    outgoing: ArrayLike,
    *,
    color: str | Sequence[str] = COLOR,
    free: ArrayLike | None = None,
    names: dict[int, str] | None = None,
    limits: tuple[float, float] | None = None,
    size: float = 28,
    title: str = "",
) -> None:
    """Incoming against outgoing cost, one dot a unit, logarithmic: a balanced unit lies on the diagonal.

    ``free`` marks the units that may be rescaled (filled); the others, pinned or left out, are open. Units
    beyond the limits, such as those without any outgoing cost, are drawn on the edge. ``names`` labels single
    units. Panels that are to be compared need common ``limits`` (see ``cost_limits``).
    """
    x, y = np.array(incoming, dtype=float), np.array(outgoing, dtype=float)
    shown = (x > 0) | (y > 0)
    limits = cost_limits(x, y) if limits is None else limits
    x, y = np.clip(x, *limits), np.clip(y, *limits)
    free = np.ones(len(x), dtype=bool) if free is None else np.asarray(free, dtype=bool)
    colors = np.array([color] * len(x) if isinstance(color, str) else list(color))
    ax.plot(limits, limits, color=INK, lw=0.8, zorder=1)
    held, filled = shown & ~free, shown & free
    kind: dict[str, Any] = {"s": size, "clip_on": False}
    ax.scatter(x[held], y[held], facecolors="none", edgecolors=colors[held], linewidths=0.9, zorder=2, **kind)
    ax.scatter(x[filled], y[filled], color=colors[filled], linewidths=0, alpha=0.8, zorder=3, **kind)
    ax.set(xscale="log", yscale="log", xlim=limits, ylim=limits, title=title)
    ax.set_aspect("equal")
    ax.set(xlabel="incoming cost", ylabel="outgoing cost")
    if names:
        label_dots(ax, np.column_stack([x, y])[shown], {unit: (x[unit], y[unit]) for unit in names}, names)


def label_dots(
    ax: Axes,
    dots: NDArray[np.float64],
    at: dict[int, tuple[float, float]],
    names: dict[int, str],
    size: float = 7.5,
) -> None:
    """Write names beside their dots where they hide neither other names nor other dots."""
    ax.figure.canvas.draw()  # fixes the aspect, so that data coordinates can be turned into points
    points = ax.transData.transform(dots) * 72 / ax.figure.dpi
    boxes: list[tuple[float, float, float, float]] = []
    for unit in sorted(names, key=lambda u: at[u][0]):
        x, y = ax.transData.transform(at[unit]) * 72 / ax.figure.dpi
        wide, high = 0.62 * size * len(names[unit]), 1.05 * size
        best = None
        for reach in (9, 16, 24, 34, 46):
            for angle in np.deg2rad([135, 315, 100, 350, 180, 270, 60, 225, 20, 160, 290]):
                cx, cy = x + reach * np.cos(angle) * 1.3, y + reach * np.sin(angle)
                left = cx - (wide if np.cos(angle) < -0.3 else 0 if np.cos(angle) > 0.3 else wide / 2)
                box = (left, cy - high / 2, left + wide, cy + high / 2)
                clashes = sum(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes)
                inside = (points[:, 0] > box[0] - 3) & (points[:, 0] < box[2] + 3)
                inside &= (points[:, 1] > box[1] - 3) & (points[:, 1] < box[3] + 3)
                penalty = 10 * clashes + inside.sum() + reach / 100
                if best is None or penalty < best[0]:
                    best = penalty, box, reach
        assert best is not None
        _, box, reach = best
        boxes.append(box)
        middle = (box[0] + box[2]) / 2 - x, (box[1] + box[3]) / 2 - y
        ax.annotate(
            names[unit],
            at[unit],
            xytext=middle,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=INK,
            zorder=4,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": INK, "shrinkA": 0, "shrinkB": 2},
        )


def cost_limits(*costs: ArrayLike, decades: float = 6.0) -> tuple[float, float]:
    """Common limits of logarithmic axes for all positive values, down to ``decades`` below the largest."""
    values = np.concatenate([np.ravel(np.asarray(c, dtype=float)) for c in costs])
    values = values[values > 0]
    high = float(values.max() * 3)
    return max(float(values.min() / 3), high * 10**-decades), high
