"""The work of the passes that ask who is connected with whom, and what of that counts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neurobal.large.costs import PowerCosts, within
from neurobal.large.passes import Combined, Parts, RowBand, Rows, Work, least, most, total, union
from neurobal.logarithms import log_sums, positive_range

Array: TypeAlias = np.ndarray

ROUNDS = 6  # in which marks spread within a band, before the next one is read


@dataclass(frozen=True, eq=False)
class Degrees(Work):
    """How many synapses between different neurons, that are not 0, each neuron receives."""

    def on(self, band: RowBand) -> Parts:
        degrees = band.counts.astype(np.int32)
        silent = np.searchsorted(band.indptr, band.silent, side="right") - 1
        degrees -= np.bincount(silent, minlength=degrees.size).astype(np.int32)
        return (Rows((degrees,)),)


@dataclass(frozen=True, eq=False)
class Reach(Work):
    """One pass of the search for strong components, within each part of the neurons by itself.

    The answer: who receives, who sends (to others in the same part), who is reached now, from whom one comes to those
    that are marked now, and the number of synapses within parts.

    Attributes
    ----------
    part : array (n,) of int32
        Parts of the neurons; -1: settled already.
    forward, backward : masks (n,)
        Who is reached from a seed of the part, and from whom one comes to it, so far as is known.
    pinned : mask (n,)
        Neurons that are one node; there are no synapses between them.
    """

    part: Array
    forward: Array
    backward: Array
    pinned: Array

    def on(self, band: RowBand) -> Parts:
        return self.over([band])

    def over(self, bands: Iterable[RowBand]) -> Parts:
        """Marks that were made in one band are used in the next ones."""
        forward, backward = self.forward.copy(), self.backward.copy()
        sends = np.zeros_like(forward)
        receives, count = [], 0
        for band in bands:
            live = self._live(band)
            senders = band.pre[live]
            count += int(senders.size)
            sends[senders] = True
            receives.append(band.of_rows(np.logical_or, live, False))
            if self.forward.any():
                _spread(band, live, senders, forward, backward)
        return Rows(tuple(receives)), union(sends), union(forward), union(backward), total(count)

    def _live(self, band: RowBand) -> Array:
        return between(band, self.part, self.pinned)


def between(band: RowBand, labels: Array, pinned: Array) -> Array:
    """Which synapses connect different nodes with the same label, that is not -1, and are not 0."""
    live = within(band, labels)
    live[band.silent] = False
    if pinned.any():
        live &= ~(pinned[band.pre] & band.by_row(pinned))
    return live


def _spread(band: RowBand, live: Array, senders: Array, forward: Array, backward: Array) -> None:
    """Marks spread along and against the synapses of a band, in place."""
    rows = band.rows
    for _ in range(ROUNDS):
        reached = band.of_rows(np.logical_or, live & forward[band.pre], False)
        if not np.any(reached & ~forward[rows]):
            break
        forward[rows] |= reached
    for _ in range(ROUNDS):
        before = backward[rows].copy()
        backward[senders[band.by_row(backward)[live]]] = True
        if np.array_equal(before, backward[rows]):
            break


@dataclass(frozen=True, eq=False)
class Structure(Work):
    """Post- and presynaptic neurons of all synapses within parts: to be held in memory, where they are few enough."""

    part: Array
    pinned: Array

    def on(self, band: RowBand) -> Parts:
        live = np.flatnonzero(between(band, self.part, self.pinned))
        return Rows((band.post[live],)), Rows((band.pre[live],))


@dataclass(frozen=True, eq=False)
class Overview(Work):
    """What counts: the synapses within strong components.

    The answer: how many synapses are left out, and how many are not 0; of the synapses between free
    neurons that count their number, the least and the largest log|w|, who receives, who sends; for each of ``powers``
    the sum of |w|^p over what no rescaling changes.

    Attributes
    ----------
    labels : array (n,) of int32
        The strong component of each neuron, all pinned ones being one node; -1: it is alone.
    pinned : mask (n,)
    powers : tuple of float
    """

    labels: Array
    pinned: Array
    powers: tuple[float, ...]

    def on(self, band: RowBand) -> Parts:
        there = band.weight != 0
        held = band.pre == band.post
        if self.pinned.any():
            held |= self.pinned[band.pre] & band.by_row(self.pinned)
        inside = within(band, self.labels)
        inside &= there & ~held
        left_out = int(np.count_nonzero(there & ~held)) - int(np.count_nonzero(inside))
        if self.pinned.any():
            inside &= ~(self.pinned[band.pre] | band.by_row(self.pinned))
        places = np.flatnonzero(inside)
        sends = np.zeros(band.size, dtype=bool)
        sends[band.pre[places]] = True
        low, high = positive_range(band.weight[places]) or (math.inf, 0.0)
        sizes = np.abs(band.weight[held], dtype=np.float64)
        with np.errstate(over="ignore"):
            fixed = np.array([np.sum(sizes**power) for power in self.powers])
        return (
            total(left_out),
            total(int(np.count_nonzero(there))),
            total(int(places.size)),
            least(low),
            most(high),
            Rows((band.of_rows(np.logical_or, inside, False),)),
            union(sends),
            total(fixed),
        )


@dataclass(frozen=True, eq=False)
class FromGround(Work):
    """``log Σ |w|^power`` of the synapses of each free neuron with pinned ones: what it receives, and what it sends."""

    labels: Array
    pinned: Array
    power: float

    def on(self, band: RowBand) -> Parts:
        one = np.flatnonzero(within(band, self.labels) & (band.by_row(self.pinned) != self.pinned[band.pre]))
        logs = PowerCosts(self.power).logs(band)[one]
        receiving = self.pinned[band.pre[one]]
        there = logs > -np.inf
        local = band.post[one] - band.first
        receives, sends = receiving & there, ~receiving & there
        return (
            Rows((log_sums(local[receives], logs[receives], band.counts.size),)),
            Combined(np.logaddexp, log_sums(band.pre[one][sends], logs[sends], band.size)),
        )


@dataclass(frozen=True, eq=False)
class Touching(Work):
    """Post- and presynaptic neurons and log-costs of the synapses that touch one of the neurons in ``mask``.

    Also how many there are; beyond ``most`` in a band none of its synapses is given.
    """

    costs: PowerCosts
    mask: Array
    most: int

    def on(self, band: RowBand) -> Parts:
        touching = self.mask[band.pre] | band.by_row(self.mask)
        places = np.flatnonzero(touching)
        logs = self.costs.logs(band)[places]
        places, logs = places[logs > -np.inf], logs[logs > -np.inf]
        count = places.size
        if count > self.most:
            places, logs = places[:0], logs[:0]
        return total(count), Rows((band.post[places],)), Rows((band.pre[places],)), Rows((logs,))
