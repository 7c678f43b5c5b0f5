"""Bands of rows: what is looked at together, so that memory does not grow with the number of synapses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray


def bands(start: Array, entries: int) -> Iterator[tuple[int, int]]:
    """Rows ``first ... last - 1`` with at most ``entries`` synapses, and as many rows, but one row at least.

    ``start`` (n + 1,) says where the synapses of each row begin.
    """
    first, size = 0, len(start) - 1
    while first < size:
        furthest = min(first + max(entries, 1), size)
        ends = start[first + 1 : furthest + 1]
        last = first + max(int(np.searchsorted(ends, start[first] + entries, side="right")), 1)
        yield first, last
        first = last
