"""A store of costs whose synapses are read anew at every pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse

from neurobal.errors import NeurobalError
from neurobal.large.costs import PowerCosts
from neurobal.large.passes import Passes
from neurobal.large.works import Extremes, Grouped, Largest, LogSums, Strong, Sums
from neurobal.logarithms import MODERATE
from neurobal.problem import WIDE
from neurobal.stores.protocol import Choice, Shift

Array: TypeAlias = np.ndarray

MOST_COUPLINGS = 50_000_000  # between groups of neurons: 600 MB
NEAR = 30.0  # of a log-cost: 13 decades from 1
HIGHEST = 600.0  # of log|w|, beyond which a unit of weights is no ordinary number


@dataclass(frozen=True, eq=False)
class Counted:
    """Which synapses count, as `Overview` found it.

    Attributes
    ----------
    labels : array (n,) of int32
        Synapses between neurons with the same label count; -1: none does. Pinned neurons have -1.
    number : int
        How many synapses count.
    low, high : float
        The least and the largest log|w| of them.
    receives, sends : masks (n,)
    """

    labels: Array
    number: int
    low: float
    high: float
    receives: Array
    sends: Array


class StreamedStore:
    """A `SynapseStore` of the costs ``factor |w|^power``.

    Where only one component counts, the other neurons get zeros in sums, and no labels are compared.
    """

    def __init__(self, passes: Passes, counted: Counted, power: float, factor: float = 1.0) -> None:
        self._passes, self._counted = passes, counted
        self._power, self._log_factor = power, math.log(factor)
        labels = counted.labels
        self._inside = labels >= 0
        self._single = not np.any(labels > 0)

    @property
    def size(self) -> int:
        return self._passes.size

    @property
    def nnz(self) -> int:
        return self._counted.number

    def log_range(self) -> tuple[float, float]:
        low, high = (self._power * bound + self._log_factor for bound in (self._counted.low, self._counted.high))
        return low, high

    def ends(self) -> tuple[Array, Array]:
        return self._counted.receives.copy(), self._counted.sends.copy()

    def largest(self, shift: Shift) -> Array:
        if shift is None and self._single:
            # A bound of all rows does as well as the rows: it is the largest of the component that is asked for.
            return np.where(self._counted.receives, self.log_range()[1], -np.inf)
        (largest,) = self._passes.run(Largest(self._all(shift)))
        return largest + self._log_factor

    def log_sums(self, shift: Shift) -> tuple[Array, Array]:
        received, sent = self._passes.run(LogSums(self._all(shift)))
        return received + self._log_factor, sent + self._log_factor

    def costs(self, shift: Shift, log_unit: Array | float) -> StreamedCosts:
        low, high = self._counted.low, self._counted.high
        # Costs are formed in this unit, in which the largest is 1, unless they are ordinary numbers as they are.
        unit = self._power * high if self._power * max(abs(low), abs(high)) > NEAR else 0.0
        left = (0.0 if shift is None else shift[0]) + self._log_factor + unit - np.asarray(log_unit)
        right = 0.0 if shift is None else shift[1]
        everybody = bool(self._inside.all())
        if not everybody:
            left, right = (np.where(self._inside, logs, 0.0) for logs in (left, right))
        moderate = max(np.abs(left).max(), np.abs(right).max()) <= MODERATE
        if self._power * (high - low) <= WIDE and abs(high) <= HIGHEST and moderate:
            inside = 1.0 if everybody else self._inside
            labels = None if self._single else self._counted.labels
            costs = PowerCosts(self._power, unit, labels)
            return StreamedCosts(self._passes, costs, np.exp(left) * inside, np.exp(right) * inside)
        # One exponential a synapse: slower, and without limits.
        left = np.broadcast_to(left, self._inside.shape)
        costs = PowerCosts(self._power, unit, self._counted.labels, (left, np.broadcast_to(right, left.shape)))
        return StreamedCosts(self._passes, costs, 1.0, 1.0)

    def extremes(self, left: Array, right: Array) -> tuple[float, float]:
        low, high = self._passes.run(Extremes(self._all(None), left, right))
        return float(low), float(high)

    def any(self, choice: Choice) -> bool:
        raise _in_memory_only("asking about single synapses")

    def filtered(self, choice: Choice) -> StreamedStore:
        raise _in_memory_only("choosing single synapses")

    def structure(self) -> sparse.csr_array:
        raise _in_memory_only("the matrix of all synapses")

    def entries(self) -> tuple[Array, Array, Array]:
        raise _in_memory_only("a list of all synapses")

    def logarithms(self) -> tuple[PowerCosts, float]:
        """How to get log-costs of a band, and what is to be added to them."""
        return self._all(None), self._log_factor

    def _all(self, shift: Shift) -> PowerCosts:
        return PowerCosts(self._power, 0.0, self._counted.labels, shift)


class StreamedCosts:
    """`ShiftedCosts`: ``left[post] c right[pre]``; every question is a pass. Factors 1.0 stand for ones everywhere."""

    def __init__(self, passes: Passes, costs: PowerCosts, left: Array | float, right: Array | float) -> None:
        self._passes, self._costs = passes, costs
        self._left, self._right = left, right
        self._plain = bool(np.all(np.asarray(left) == 1) and np.all(np.asarray(right) == 1))

    def sums(self, t: Array, s: Array) -> tuple[Array, Array]:
        if self._plain:
            received, sent = self._passes.run(Sums(self._costs, t, s))
            return received, sent
        received, sent = self._passes.run(Sums(self._costs, t * self._right, s * self._left))
        received *= self._left
        sent *= self._right
        return received, sent

    def strong(self, left: Array, right: Array, degree: Array, share: float) -> sparse.csr_array:
        work = Strong(self._costs, left * self._left, right * self._right, np.sqrt(degree), share)
        (couplings,) = self._passes.run(work)
        return couplings

    def grouped(self, left: Array, right: Array, groups: Array, count: int) -> sparse.csr_array:
        work = Grouped(self._costs, left * self._left, right * self._right, groups, count, MOST_COUPLINGS)
        (couplings,) = self._passes.run(work)
        return couplings


def _in_memory_only(what: str) -> NeurobalError:
    return NeurobalError(
        f"This needs {what}, which is possible for networks in memory only. Load it, if it fits: "
        "nb.on_disk(folder).matrix()."
    )
