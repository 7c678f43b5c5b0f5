"""What differs between two runs: spike trains, rates, traces. Arrays in, a `Comparison` out."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, sqrt
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Spikes: TypeAlias = tuple[Array, Array]
Row: TypeAlias = tuple[str, ...]

#: A trace differs where the change exceeds this fraction of its largest magnitude; below it lies rounding.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Where two runs first differ: the time in seconds, and the index of the neuron (or synapse)."""

    time: float
    neuron: int

    def __str__(self) -> str:
        return f"{1e3 * self.time:.6g} ms, {self.neuron}"


@dataclass(frozen=True, eq=False)
class SpikeComparison:
    """The spike trains of one group in two runs.

    Attributes
    ----------
    before, after : array of int, shape (neurons,)
        Number of spikes of each neuron.
    duration : float
        Of each run, in seconds.
    first_difference : Difference or None
        The first spike that only one of the runs has. None if all spikes are at the same time steps.
    distances : array, shape (neurons,)
        Van Rossum's distance of each neuron's two spike trains, see `van_rossum`.
    """

    before: Array
    after: Array
    duration: float
    first_difference: Difference | None
    distances: Array

    @property
    def identical(self) -> bool:
        """Whether the same neurons spike at the same time steps."""
        return self.first_difference is None

    @property
    def rates(self) -> tuple[float, float]:
        """Mean rate of a neuron before and after, in Hz."""
        per_neuron = self.duration * max(self.before.size, 1)
        return float(self.before.sum() / per_neuron), float(self.after.sum() / per_neuron)

    @property
    def largest_rate_change(self) -> float:
        """Of a single neuron, after - before, in Hz; the one that is largest in magnitude."""
        change = self.after - self.before
        return float(change[np.argmax(np.abs(change))] / self.duration) if change.size else 0.0

    @property
    def distance(self) -> float:
        """sqrt(Σ_n D_n²): each neuron is a dimension of its own (Houghton & Sen 2008, Neural Computation 20:1495)."""
        return float(np.sqrt(np.sum(self.distances**2)))

    @property
    def relative_distance(self) -> float:
        """distance² / ((spikes before + spikes after) / 2): 0 for identical trains, 1 is expected of unrelated ones.

        The expectation holds for independent Poisson trains of equal rates at any τ, because coincidences within a
        train and between trains are then equally frequent. Above 1 where rates or their rhythms differ.
        """
        spikes = int(self.before.sum() + self.after.sum())
        return self.distance**2 / (spikes / 2) if spikes else 0.0


@dataclass(frozen=True, eq=False)
class TraceComparison:
    """One recorded variable in two runs.

    Attributes
    ----------
    recorded : int
        Number of neurons (or synapses) recorded.
    rescaled : bool
        Whether the second run's values were divided by their power of λ first.
    unit : str
        Of `largest_change` and `magnitude`; empty for plain numbers.
    largest_change, magnitude : float
        max |after - before|, and max |before|, over all times and neurons. Infinite if only one of the two is finite.
    identical : bool
        Whether all values are equal to the last bit.
    first_difference : Difference or None
        The first change above 1e-9 of `magnitude`.
    """

    recorded: int
    rescaled: bool
    unit: str
    largest_change: float
    magnitude: float
    identical: bool
    first_difference: Difference | None

    @property
    def relative_change(self) -> float:
        """largest_change / magnitude."""
        if self.largest_change == 0:
            return 0.0
        return self.largest_change / self.magnitude if self.magnitude else float("inf")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The answer of `compare`.

    Attributes
    ----------
    duration : float
        Of each run, in seconds.
    tau : float
        Time constant of the spike-train distance, in seconds.
    spikes : dict of SpikeComparison
        By the name of the group; every group that can spike, inputs included.
    traces : dict of TraceComparison
        By "group.variable".
    """

    duration: float
    tau: float
    spikes: Mapping[str, SpikeComparison]
    traces: Mapping[str, TraceComparison]

    @property
    def identical(self) -> bool:
        """Whether every spike is at the same time step and every trace is equal to the last bit.

        Scales that are no powers of two round, so that traces differ by about 1e-15 where nothing has changed; see
        ``relative_change`` of each trace.
        """
        spikes_identical = all(spikes.identical for spikes in self.spikes.values())
        return spikes_identical and all(trace.identical for trace in self.traces.values())

    def __repr__(self) -> str:
        lines = [f"Comparison: {self._verdict()}"]
        for table in self._tables():
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            for row in table:
                cells = [
                    cell.ljust(width) if k in (0, len(row) - 1) else cell.rjust(width)
                    for k, (cell, width) in enumerate(zip(row, widths, strict=True))
                ]
                lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self) -> str:
        parts = [f"<b>Comparison: {html.escape(self._verdict())}</b>"]
        for head, *rows in self._tables():
            parts.append("<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>")
            for name, *cells in rows:
                values = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
                parts.append(f"<tr><th style='text-align:left'>{html.escape(name)}</th>{values}</tr>")
            parts.append("</table>")
        return "".join([*parts, *(f"<div>{html.escape(note)}</div>" for note in self._notes())])

    def _verdict(self) -> str:
        runs = f"two runs of {self.duration:g} s"
        changed = [name for name, spikes in self.spikes.items() if not spikes.identical]
        moved = [name for name, trace in self.traces.items() if trace.first_difference is not None]
        if self.identical:
            return f"{runs} are identical, {'to the last bit' if self.traces else 'spike by spike'}"
        if changed or moved:
            return f"{runs} DIFFER in {', '.join([*changed, *moved])}"
        largest = max(trace.relative_change for trace in self.traces.values())
        spikes = "all spikes are identical, " if self.spikes else ""
        return f"{runs}: {spikes}traces are equal up to rounding ({largest:.1g})"

    def _tables(self) -> list[list[Row]]:
        head: Row
        tables: list[list[Row]] = []
        if self.spikes:
            head = (
                "spikes",
                "neurons",
                "before",
                "after",
                "rate (Hz)",
                "largest change",
                "distance",
                "from (ms, neuron)",
            )
            tables.append([head, *(_spike_row(name, spikes) for name, spikes in self.spikes.items())])
        if self.traces:
            head = ("traces", "recorded", "magnitude", "largest change", "relative", "from (ms, index)")
            tables.append([head, *(_trace_row(name, trace) for name, trace in self.traces.items())])
        return tables

    def _notes(self) -> list[str]:
        notes = []
        if any(not spikes.identical for spikes in self.spikes.values()):
            notes.append(
                f"distance: van Rossum (2001) with τ = {1e3 * self.tau:g} ms; in brackets its square as a part of that "
                "of unrelated trains"
            )
        if self.spikes and not any(spikes.before.any() or spikes.after.any() for spikes in self.spikes.values()):
            notes.append("there was no spike in either run")
        rescaled = [name for name, trace in self.traces.items() if trace.rescaled]
        if rescaled:
            notes.append(f"after the run divided by their scale: {', '.join(rescaled)}")
        return notes


def _spike_row(name: str, spikes: SpikeComparison) -> Row:
    first, last = spikes.rates
    different = f"{spikes.distance:.3g} ({spikes.relative_distance:.1%})"
    return (
        name,
        f"{spikes.before.size:,}",
        f"{spikes.before.sum():,}",
        f"{spikes.after.sum():,}",
        f"{first:.4g} → {last:.4g}",
        "0" if spikes.identical else f"{spikes.largest_rate_change:+.4g} Hz",
        "0" if spikes.identical else different,
        "identical" if spikes.first_difference is None else str(spikes.first_difference),
    )


def _trace_row(name: str, trace: TraceComparison) -> Row:
    first = "rounding" if trace.first_difference is None else str(trace.first_difference)
    return (
        name,
        f"{trace.recorded:,}",
        f"{trace.magnitude:.4g} {trace.unit}".rstrip(),
        f"{trace.largest_change:.2g} {trace.unit}".rstrip(),
        f"{trace.relative_change:.2g}",
        "identical" if trace.identical else first,
    )


def compare_spikes(before: Spikes, after: Spikes, size: int, duration: float, tau: float) -> SpikeComparison:
    """Compare two sets of spike trains of ``size`` neurons, each given as (neuron indices, times in seconds).

    Times count as equal if they are the same number: both runs must have the same time step.
    """
    index, time, sign = _unmatched(before, after)
    first = None
    if index.size:
        k = np.lexsort((index, time))[0]
        first = Difference(float(time[k]), int(index[k]))
    counts = [np.bincount(spikes[0], minlength=size) for spikes in (before, after)]
    return SpikeComparison(counts[0], counts[1], duration, first, _distances(index, time, sign, size, tau))


def van_rossum(before: Spikes, after: Spikes, size: int, tau: float) -> Array:
    """The distance of van Rossum (2001, "A novel spike distance", Neural Computation 13:751-763) for each neuron.

    Each spike starts an exponential, f(t) = Σ_i H(t - t_i) exp(-(t - t_i)/τ), and

        D² = (1/τ) ∫₀^∞ (f(t) - g(t))² dt = ½ Σ_kl x_k x_l exp(-|t_k - t_l|/τ),

    where k and l run over the spikes of both trains, with x = 1 in the first and -1 in the second. One additional spike
    is at D² = ½, one moved by much more than τ at D² = 1. In time order the double sum is a single one,

        D² = ½ Σ_k x_k (x_k + 2 m_k),    m_k = (m_{k-1} + x_{k-1}) exp(-(t_k - t_{k-1})/τ),

    with m the "markage" of Houghton & Kreuz (2012, "On the efficient calculation of van Rossum distances", Network
    23:48-58). Spikes that both trains have cancel beforehand, so identical trains are at exactly 0.

    Parameters
    ----------
    before, after
        (neuron indices, times in seconds), of equal lengths and in any order.
    size
        Number of neurons.
    tau
        In seconds.

    Returns
    -------
    Array of shape (size,): D of each neuron, without a unit.
    """
    return _distances(*_unmatched(before, after), size, tau)


def _unmatched(before: Spikes, after: Spikes) -> tuple[Array, Array, Array]:
    """Spikes that only one run has, by neuron and time: neuron, time, and their number, negative in the second run."""
    index = np.concatenate([before[0], after[0]]).astype(np.int64)
    time = np.concatenate([before[1], after[1]]).astype(float)
    sign = np.repeat([1, -1], [len(before[0]), len(after[0])])
    order = np.lexsort((time, index))
    index, time, sign = index[order], time[order], sign[order]
    if not index.size:
        return index, time, sign
    new = np.r_[True, (np.diff(index) != 0) | (np.diff(time) != 0)]
    sign = np.add.reduceat(sign, np.flatnonzero(new))
    keep = sign != 0
    return index[new][keep], time[new][keep], sign[keep]


def _distances(index: Array, time: Array, sign: Array, size: int, tau: float) -> Array:
    total = [0.0] * size
    memory, last, now = 0.0, -1, 0.0
    for neuron, moment, x in zip(index.tolist(), time.tolist(), sign.tolist(), strict=True):
        memory = memory * exp((now - moment) / tau) if neuron == last else 0.0
        total[neuron] += x * (x + 2 * memory)
        memory += x
        last, now = neuron, moment
    # Rounding may leave a sum of zero a little below it.
    return np.array([sqrt(max(sum_, 0.0) / 2) for sum_ in total])


def compare_traces(
    time: Array, index: Array, before: Array, after: Array, *, unit: str = "", rescaled: bool = False
) -> TraceComparison:
    """Compare values of shape (times, neurons), recorded at ``time`` (seconds) from the neurons ``index``."""
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)  # of any kind: flags, counts
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(invalid="ignore"):
        change = np.where(same, 0.0, np.abs(after - before))
    change[np.isnan(change)] = np.inf
    finite = np.isfinite(before)
    magnitude = float(np.max(np.abs(before), where=finite, initial=0.0))
    different = change > TOLERANCE * magnitude
    first = None
    if different.any():
        row, column = np.unravel_index(np.argmax(different), different.shape)
        first = Difference(float(time[row]), int(index[column]))
    largest = float(change.max(initial=0.0))
    return TraceComparison(before.shape[1], rescaled, unit, largest, magnitude, bool(same.all()), first)
