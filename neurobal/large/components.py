"""The strong components of a network by passes over it: what lies on a cycle, all pinned neurons being one node.

Neurons that receive or send nothing are trimmed, again and again; from a seed in each part of the rest, marks spread
along and against synapses. Who has both kinds of mark forms the seed's component; the rest falls into parts that no
cycle joins (Fleischer, Hendrickson, Pinar 2000). As soon as what is left fits in memory it is decided there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from neurobal.errors import NeurobalError
from neurobal.large.passes import Passes
from neurobal.large.structure import Degrees, Reach, Structure
from neurobal.large.works import Together

Array: TypeAlias = np.ndarray

MOST_PASSES = 30
SMALL = 8_000_000  # synapses that are loaded without hesitation
BYTES = 24  # a synapse while SciPy looks for components


def strong_components(passes: Passes, pinned: Array, small: int = SMALL, most_passes: int = MOST_PASSES) -> Array:
    """The strong component of each neuron, -1 for those that lie on no cycle; all pinned neurons have the same, >= 0.

    Parameters
    ----------
    pinned : mask (n,)
    small
        The number of synapses below which the rest is decided in memory.
    most_passes
        After which the rest is decided in memory, whatever its size, if it fits.

    Raises
    ------
    NeurobalError
        It does not.
    """
    search = _Search(passes, pinned)
    for number in range(most_passes):
        live = search.step()
        if live <= small:
            break
        if number == most_passes - 1 and live * BYTES > free_memory() // 4:
            raise NeurobalError(
                f"Which synapses lie on a cycle is not decided after {most_passes} passes: there are long chains of "
                f"neurons. {live:,} synapses are left, which would take {live * BYTES / 1e9:.1f} GB of memory, more "
                f"than a quarter of the {free_memory() / 1e9:.1f} GB that are free. Use a machine with more memory, or "
                "pin neurons of the chains (pinned=)."
            )
    if live:
        search.decide_in_memory()
    labels = search.labels
    if pinned.any() and labels[pinned][0] < 0:
        labels[pinned] = labels.max(initial=-1) + 1
    return labels


class _Search:
    def __init__(self, passes: Passes, pinned: Array) -> None:
        n = passes.size
        self._passes, self._pinned = passes, pinned
        self._degree = np.zeros(0)
        self._part = np.zeros(n, dtype=np.int32)
        self._forward, self._backward = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.labels = np.full(n, -1, dtype=np.int32)
        self._count = 0  # of components that are known

    def step(self) -> int:
        """One pass, and what follows from it; returns how many synapses it left open."""
        reach = Reach(self._part, self._forward, self._backward, self._pinned)
        if not self._degree.size:
            self._degree, *answers = self._passes.run(Together((Degrees(), reach)))
        else:
            answers = [*self._passes.run(reach)]
        receives, sends, forward, backward, live = answers
        for mask in (receives, sends, forward, backward):
            if mask[self._pinned].any():
                mask[self._pinned] = True
        grown = bool(np.any(forward > self._forward) or np.any(backward > self._backward))
        seeded = bool(self._forward.any())
        self._forward, self._backward = forward, backward
        self._part[~(receives & sends)] = -1
        if not seeded or not grown:
            if seeded:
                self._settle()
            self._seed()
        return int(live)

    def _settle(self) -> None:
        """Take out the components that marks have found, and split their parts by the marks."""
        alive = np.flatnonzero(self._part >= 0)
        forward, backward = self._forward[alive], self._backward[alive]
        both = forward & backward
        self._take(alive[both], self._part[alive[both]])
        self._part[alive[both]] = -1
        rest = alive[~both]
        codes = 3 * self._part[rest].astype(np.int64) + forward[~both] + 2 * backward[~both]
        self._part[rest] = np.unique(codes, return_inverse=True)[1].ravel()
        self._forward[:] = self._backward[:] = False

    def _take(self, neurons: Array, numbers: Array) -> None:
        """Neurons with the same number are a component, if they are more than one node."""
        numbers = np.unique(numbers, return_inverse=True)[1].ravel()
        nodes = np.bincount(numbers[~self._pinned[neurons]], minlength=numbers.max(initial=-1) + 1)
        ground = numbers[self._pinned[neurons]]
        nodes[ground[:1]] += 1
        new = np.where(nodes > 1, self._count + np.cumsum(nodes > 1) - 1, -1)
        self.labels[neurons] = new[numbers]
        self._count += int(np.count_nonzero(nodes > 1))

    def _seed(self) -> None:
        """Mark the neuron of each part that receives most."""
        alive = np.flatnonzero(self._part >= 0)
        if not alive.size:
            return
        part, degree = self._part[alive], self._degree[alive]
        if part.any():
            order = np.lexsort((-degree, part))
            first = np.flatnonzero(np.diff(part[order], prepend=-1))
            seeds = alive[order[first]]
        else:
            seeds = alive[[int(np.argmax(degree))]]
        for marks in (self._forward, self._backward):
            marks[seeds] = True
            if marks[self._pinned].any():
                marks[self._pinned] = True

    def decide_in_memory(self) -> None:
        """Load what is left, and find its components."""
        post, pre = self._passes.run(Structure(self._part, self._pinned))
        n = self._passes.size
        if self._pinned.any():
            ground = np.int32(np.flatnonzero(self._pinned)[0])
            for ends in (post, pre):
                ends[self._pinned[ends]] = ground
        indptr = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=n))])
        if np.any(post[1:] < post[:-1]):
            pre = pre[np.argsort(post, kind="stable")]
        indptr = indptr.astype(np.int32 if pre.size < 2**31 else np.int64)
        graph = sparse.csr_array((np.ones(pre.size, dtype=np.int8), pre, indptr), shape=(n, n))
        numbers = csgraph.connected_components(graph, connection="strong")[1]
        if self._pinned.any():
            numbers[self._pinned] = numbers[ground]
        alive = np.flatnonzero(self._part >= 0)
        self._take(alive, numbers[alive])


def free_memory() -> int:
    """Bytes of memory that are free, or would be if files were not kept in it."""
    path = Path("/proc/meminfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return 2**32
