"""Freed memory of a worker, which it needs again for the next block."""

from __future__ import annotations

import ctypes
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in glibc
KEPT = 2**28  # bytes, at most
LARGEST = 2**25  # bytes of what is taken from them; the most that glibc allows


@cache
def keep_freed_memory() -> None:
    """Let this process keep some freed memory, as processes do unless told otherwise.

    Dask starts workers with ``MALLOC_TRIM_THRESHOLD_``, so that all of it goes back to the system at once. Then every
    array of a pass costs a page fault for each of its pages, which takes longer than the arithmetic.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    mallopt(TRIM_THRESHOLD, KEPT)
    mallopt(MMAP_THRESHOLD, LARGEST)
