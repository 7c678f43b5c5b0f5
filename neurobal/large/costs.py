"""What the synapses of a band cost, under one power of their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.large.passes import RowBand
from neurobal.stores import Shift

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False)
class PowerCosts:
    """Costs ``|w|^power exp(left[post] + right[pre] - log_unit)`` of synapses within one group of neurons.

    Attributes
    ----------
    power, log_unit : float
    labels : array (n,) of int32, or None
        Synapses between neurons with different labels, or with -1, cost nothing; None: all do, as the caller knows
        how to leave them out.
    shift : two arrays (n,), or None
        Left and right.
    """

    power: float
    log_unit: float = 0.0
    labels: Array | None = None
    shift: Shift = None

    def of(self, band: RowBand) -> Array:
        """The cost of each synapse, in double precision."""
        if self.shift is not None:
            logs = self.logs(band)
            return np.exp(logs, out=logs)
        if self.power == 2 and not self.log_unit:
            values: Array = np.multiply(band.weight, band.weight, dtype=np.float64)
        else:
            values = np.abs(band.weight, dtype=np.float64)
            if self.log_unit:
                values *= math.exp(-self.log_unit / self.power)
            if self.power != 1:
                values **= self.power
        self._leave_out(band, values, 0.0)
        return values

    def logs(self, band: RowBand) -> Array:
        """The logarithms of costs, -inf where there is none."""
        logs = np.abs(band.weight, dtype=np.float64)
        with np.errstate(divide="ignore"):
            np.log(logs, out=logs)
        logs *= self.power
        logs -= self.log_unit
        if self.shift is not None:
            left, right = self.shift
            logs += band.by_row(left)
            logs += right[band.pre]
        self._leave_out(band, logs, -np.inf)
        return logs

    def _leave_out(self, band: RowBand, values: Array, nothing: float) -> None:
        values[band.silent] = nothing
        if self.labels is not None:
            values[~within(band, self.labels)] = nothing


def within(band: RowBand, labels: Array) -> Array:
    """Which synapses lie between neurons with the same label, that is not -1."""
    mine = band.by_row(labels)
    same: Array = labels[band.pre] == mine
    same &= mine >= 0
    return same
