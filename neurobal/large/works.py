"""The work of the passes that a solver makes: sums, logarithms of sums, and couplings of a coarse correction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.large.costs import PowerCosts
from neurobal.large.passes import (
    AddedMatrix,
    Combined,
    Parts,
    RowBand,
    Rows,
    StackedMatrix,
    Work,
    least,
    most,
    total,
)
from neurobal.logarithms import log_sums
from neurobal.stores import bands

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class Sums(Work):
    """``Σ_pre c t[pre]`` by row and ``Σ_post c s[post]`` by column: `ShiftedCosts.sums`."""

    costs: PowerCosts
    t: Array
    s: Array

    def on(self, band: RowBand) -> Parts:
        matrix = band.matrix(self.costs.of(band))
        return Rows((matrix @ self.t,)), total(bands.transposed(matrix) @ self.s[band.rows])


@dataclass(frozen=True, eq=False)
class LogSums(Work):
    """The logarithms of the sums of costs by row and by column."""

    costs: PowerCosts

    def on(self, band: RowBand) -> Parts:
        logs = self.costs.logs(band)
        there = np.flatnonzero(logs > -np.inf)
        columns = log_sums(band.pre[there], logs[there], band.size)
        rows = log_sums(band.post[there] - band.first, logs[there], band.counts.size)
        return Rows((rows,)), Combined(np.logaddexp, columns)


@dataclass(frozen=True, eq=False)
class Largest(Work):
    """The largest log-cost of each row, -inf where there is none."""

    costs: PowerCosts

    def on(self, band: RowBand) -> Parts:
        return (Rows((band.of_rows(np.maximum, self.costs.logs(band), -np.inf),)),)


@dataclass(frozen=True, eq=False)
class Extremes(Work):
    """The least and the largest ``left[post] + right[pre]`` of synapses that have a cost."""

    costs: PowerCosts
    left: Array
    right: Array

    def on(self, band: RowBand) -> Parts:
        there = np.flatnonzero(self.costs.logs(band) > -np.inf)
        values = self.left[band.post[there]] + self.right[band.pre[there]]
        return least(values.min(initial=np.inf)), most(values.max(initial=-np.inf))


@dataclass(frozen=True, eq=False)
class Strong(Work):
    """`ShiftedCosts.strong`."""

    costs: PowerCosts
    left: Array
    right: Array
    root: Array
    share: float

    def on(self, band: RowBand) -> Parts:
        matrix = band.matrix(self.costs.of(band))
        return (StackedMatrix((bands.strong(matrix, self.left[band.rows], self.right, self.root, self.share),)),)


@dataclass(frozen=True, eq=False)
class Grouped(Work):
    """`ShiftedCosts.grouped`."""

    costs: PowerCosts
    left: Array
    right: Array
    groups: Array
    count: int
    most: int  # entries; more raise `TooLarge`

    @cached_property
    def _to_groups(self) -> sparse.csr_array:
        return bands.members(self.right, self.groups, self.count)

    def on(self, band: RowBand) -> Parts:
        rows = bands.members(self.left[band.rows], self.groups[band.rows], self.count)
        matrix = bands.grouped(band.matrix(self.costs.of(band)), rows, self._to_groups)
        return (AddedMatrix(matrix, self.most),)


@dataclass(frozen=True, eq=False)
class Together(Work):
    """Several works in one pass; their answers one after the other."""

    works: tuple[Work, ...]

    def on(self, band: RowBand) -> Parts:
        return sum((work.on(band) for work in self.works), ())
