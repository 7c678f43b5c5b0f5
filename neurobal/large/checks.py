"""Rescaled weights of a band, and the passes that prove that weights were rescaled and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal.large.passes import Arrays, Combined, Parts, RowBand, Rows, Work, Worst, total
from neurobal.logarithms import rescaled

Array: TypeAlias = np.ndarray

SAMPLE = 1000  # synapses that are looked at first: most scales are no powers of two, and one of them shows it


def rescaled_weights(weight: Array, post: Array, pre: Array, log_scale: Array) -> Array:
    """``w_ij λ_i / λ_j`` in the precision of the weights; 0 or infinite where it cannot hold them."""
    with np.errstate(over="ignore"):
        return rescaled(weight, log_scale, post, log_scale, pre, dyadic=False)


def out_of_range(before: Array, after: Array) -> Array:
    """Which weights their precision could not hold after a rescaling."""
    lost: Array = ~np.isfinite(after) | ((after == 0) & (before != 0))
    return lost


@dataclass(frozen=True, eq=False)
class Check(Work):
    """Whether weights are ``w_ij exp(h_i - h_j)``: those of another network, or (None) those that would be written.

    The answer: the largest deviation of ``log|w'/w|`` (infinite: one is 0 and the other not) and the synapse (post,
    pre, number among those of post) with it; what is wrong in kind: 1, a sign (and the synapse), or 2, who sends (and
    the first neuron to which other synapses come); whether all mantissas are the same.
    """

    h: Array
    after: Arrays | None = None

    def on(self, band: RowBand) -> Parts:
        if self.after is None:
            new = rescaled_weights(band.weight, band.post, band.pre, self.h)
        else:
            other = counterpart(band, self.after)
            if isinstance(other, int):
                return Worst(np.inf, self._synapse(band, other)), Worst(2.0, other + band.first), _same(False)
            new = other
        sign = np.sign(new) != np.sign(band.weight)
        wrong = Worst(1.0, self._synapse(band, int(np.argmax(sign)))) if sign.any() else Worst(0.0)
        return self._deviation(band, new), wrong, _same(same_mantissas(band.weight, new))

    def _deviation(self, band: RowBand, new: Array) -> Worst:
        gap = deviations(band, new, self.h)
        np.abs(gap, out=gap)
        gap[np.isnan(gap)] = np.inf
        if not gap.size:
            return Worst(0.0)
        worst = int(np.argmax(gap))
        return Worst(float(gap[worst]), self._synapse(band, worst))

    @staticmethod
    def _synapse(band: RowBand, place: int) -> tuple[int, int, int] | None:
        if place >= band.pre.size:
            return None
        row = int(np.searchsorted(band.indptr, place, side="right")) - 1
        return band.first + row, int(band.pre[place]), place - int(band.indptr[row])


@dataclass(frozen=True, eq=False)
class Deviating(Work):
    """Synapses whose ``log|w'/w|`` is not ``h_i - h_j``, to a tolerance: how many, and of some in each band: post, pre,
    the number among those of post, and the difference.
    """

    h: Array
    after: Arrays
    tolerance: float
    most: int = 100

    def on(self, band: RowBand) -> Parts:
        new = counterpart(band, self.after)
        gap = np.zeros(0) if isinstance(new, int) else deviations(band, new, self.h)
        places = np.flatnonzero(~(np.abs(gap) <= self.tolerance))
        some = places[: self.most]
        rows = np.searchsorted(band.indptr, some, side="right") - 1
        columns = (band.first + rows, band.pre[some], some - band.indptr[rows], gap[some])
        return total(int(places.size)), *(Rows((column,)) for column in columns)


@dataclass(frozen=True, eq=False)
class Gradient(Work):
    """Sums of the deviations of synapses, by row and by column; infinite ones do not count."""

    h: Array
    after: Arrays

    def on(self, band: RowBand) -> Parts:
        new = counterpart(band, self.after)
        gap = np.zeros(band.pre.size) if isinstance(new, int) else deviations(band, new, self.h)
        gap[~np.isfinite(gap)] = 0.0
        gap[band.silent] = 0.0
        matrix = band.matrix(gap)
        return Rows((matrix.sum(axis=1),)), total(matrix.sum(axis=0))


@dataclass(frozen=True, eq=False)
class Neighbours(Work):
    """Sums of ``v`` over all neurons that a neuron receives from, and over all that it sends to."""

    v: Array

    def on(self, band: RowBand) -> Parts:
        ones = np.ones(band.pre.size)
        ones[band.silent] = 0.0
        matrix = band.matrix(ones)
        return Rows((matrix @ self.v,)), total(matrix.T @ self.v[band.rows])


def deviations(band: RowBand, new: Array, h: Array) -> Array:
    """``log|w'/w| - (h_i - h_j)`` of all synapses; 0 where both weights are 0."""
    gap = log_ratio(band.weight, new)
    gap -= band.by_row(h)
    gap += h[band.pre]
    gap[(band.weight == 0) & (new == 0)] = 0.0
    return gap


def counterpart(band: RowBand, after: Arrays) -> Array | int:
    """The weights of the same synapses in another network; if these are others, the first row that differs, from 0 on.

    Rows before the band must be the same.
    """
    start = np.asarray(after.start[band.first : band.rows.stop + 1])
    begin = int(start[0])
    differ = np.flatnonzero(start - begin != band.indptr)
    rows = int(differ[0]) - 1 if differ.size else band.counts.size
    number = int(band.indptr[rows])
    pre = np.asarray(after.pre[begin : begin + number])
    others = np.flatnonzero(pre != band.pre[:number])
    if others.size:
        return int(np.searchsorted(band.indptr, others[0], side="right")) - 1
    if rows < band.counts.size:
        return rows
    return np.asarray(after.weight[begin : begin + number])


def log_ratio(before: Array, after: Array) -> Array:
    """``log|after / before|``, which may be infinite; NaN where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.abs(after, dtype=np.float64))
        logs -= np.log(np.abs(before, dtype=np.float64))
    return logs


def same_mantissas(before: Array, after: Array) -> bool:
    """Whether numbers differ by powers of two only."""
    return all(
        bool(np.array_equal(np.frexp(before[part])[0], np.frexp(after[part])[0]))
        for part in (slice(0, SAMPLE), slice(SAMPLE, None))
    )


def _same(value: bool) -> Combined:
    return Combined(np.logical_and, value)


def ends(synapse: tuple[int, int, int] | None, ids: Any) -> str:
    """A synapse in a message."""
    if synapse is None:
        return "a synapse"
    post, pre, number = synapse
    return f"the synapse from {_id(ids, pre)} to {_id(ids, post)} (number {number} of those that it receives)"


def _id(ids: Any, neuron: int) -> str:
    return f"neuron {neuron}" if ids is None else f"neuron {ids[neuron].item()!r}"
