"""Passes over files: bands of rows of memory-mapped arrays, shared out among threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import reduce
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeAlias

import numpy as np

from neurobal.errors import InvalidFileError
from neurobal.large.passes import Arrays, Parts, RowBand, Work, merged
from neurobal.stores import bands

Array: TypeAlias = np.ndarray
# The number of the pass, and the share of it that is done.
Tell: TypeAlias = Callable[[int, float], Any]

THREADS = min(4, os.cpu_count() or 1)
PERIOD = 0.5  # seconds between two reports
FEWEST = 1_000_000  # synapses of a band
# A band's product with its transpose makes a vector of all neurons: it has so many synapses a neuron that this fades.
PER_NEURON = 1.0
CACHED = 16  # silent synapses are remembered where they are fewer than one in so many


class OnFiles:
    """`Passes` over the arrays of a network; a pass reads each of them once, from the beginning to the end.

    Parameters
    ----------
    network
        Its arrays, as `SynapsesOnDisk` has them.
    entries
        The number of synapses in a band, at least one row; None: what suits the number of neurons.
    threads
        How many bands are worked on at the same time.
    """

    def __init__(self, network: Arrays, entries: int | None = None, threads: int = THREADS) -> None:
        self._network = network
        self.size, self.synapses = int(network.start.size - 1), int(network.pre.size)
        self.count = 0
        self.tell: Tell = lambda count, done: None
        self._cuts = bands.cuts(network.start, entries or max(FEWEST, int(PER_NEURON * self.size)))
        self._threads = max(1, min(threads, len(self._cuts)))
        self._silent: dict[int, Array] = {}
        self._done, self._lock = 0, Lock()

    def run(self, work: Work) -> tuple[Any, ...]:
        """See `Passes.run`. An interrupt ends the pass at the next band."""
        check_sizes(self._network)
        self.count += 1
        self._done = 0
        stop = Event()
        if self._threads == 1:
            parts = work.over(self._bands(range(len(self._cuts)), stop, self.tell))
        else:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="neurobal") as pool:
                futures = [pool.submit(work.over, self._bands(share, stop)) for share in self._shares()]
                try:
                    parts = reduce(merged, self._answers(futures))
                except BaseException:
                    stop.set()
                    raise
        return tuple(part.value for part in parts)

    def _answers(self, futures: list[Future[Parts]]) -> list[Parts]:
        """What the threads answer; meanwhile this one, which may be interrupted, tells how far they are."""
        waiting = True
        while waiting:
            done, left = wait(futures, PERIOD, FIRST_EXCEPTION)
            waiting = bool(left) and not any(future.exception() for future in done)
            self.tell(self.count, self._done / max(self.synapses, 1))
        for future in done:
            future.result()
        return [future.result() for future in futures]

    def bands(self) -> Iterator[RowBand]:
        """All bands in order, one at a time: for whoever has to see them in this order."""
        check_sizes(self._network)
        self.count += 1
        self._done = 0
        return self._bands(range(len(self._cuts)), Event(), self.tell)

    def band(self, number: int) -> RowBand:
        """One of the bands."""
        first, last = self._cuts[number]
        start = self._network.start[first : last + 1]
        begin, end = int(start[0]), int(start[-1])
        pre, weight = (np.asarray(values[begin:end]) for values in (self._network.pre, self._network.weight))
        indptr = (start - begin).astype(np.int32)
        return RowBand(first, self.size, indptr, pre, weight, self._silent.get(number))

    def _bands(self, numbers: range, stop: Event, tell: Tell = lambda count, done: None) -> Iterator[RowBand]:
        for number in numbers:
            if stop.is_set():
                raise InterruptedError("The pass was stopped.")
            band = self.band(number)
            yield band
            if number not in self._silent and band.silent.size * CACHED <= band.pre.size:
                self._silent[number] = band.silent
            with self._lock:
                self._done += band.pre.size
            tell(self.count, self._done / max(self.synapses, 1))

    def _shares(self) -> list[range]:
        """Bands that follow each other, for each thread about as many synapses."""
        ends = np.array([int(self._network.start[last]) for _, last in self._cuts])
        marks = np.linspace(0, self.synapses, self._threads + 1)[1:-1]
        edges = np.unique(np.concatenate([[0], np.searchsorted(ends, marks) + 1, [ends.size]]))
        return [range(a, b) for a, b in pairwise(edges.tolist())]


def check_sizes(network: Arrays) -> None:
    """An error if a mapped file has become shorter: reading what is not there any more ends the process."""
    for values in (network.start, network.pre, network.weight):
        name = getattr(values, "filename", None)
        if name is None:
            continue
        path = Path(name)
        found = path.stat().st_size if path.is_file() else 0
        if found < values.nbytes:
            raise InvalidFileError(
                f"{str(path)!r} has changed since it was opened: it has {found:,} bytes, and had {values.nbytes:,}. "
                "Nothing was written. Open the folder again (nb.on_disk)."
            )
