"""A table of synapses as a network: its neurons, and how it is partitioned by postsynaptic neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.cluster.installed import needed
from neurobal.cluster.living import Living
from neurobal.cluster.tables import (
    COLUMNS,
    Census,
    Numbering,
    Scales,
    assembled,
    census,
    numbering,
    rescaled_partition,
    shared_out,
    together,
)
from neurobal.disk.ids import numbers_of
from neurobal.errors import InvalidInputError
from neurobal.stores import bands

Array: TypeAlias = np.ndarray

FEWEST = 1_000_000  # synapses of a block, unless workers would get too few of them
PER_WORKER = 4  # blocks, at least: what a worker leaves behind is shared among the others
MOST = 2**15  # blocks


@dataclass(frozen=True, eq=False)
class SynapsesOnCluster:
    """A Dask dataframe with the columns ``pre``, ``post`` and ``weight``, one row a synapse.

    Attributes
    ----------
    table : dask.dataframe.DataFrame
    names : Numbering
        What its neurons are called.
    start : array (n + 1,) of int64
        Of which synapse on each neuron receives, if they are sorted by postsynaptic neuron.
    numbered : Future
        ``names`` on the cluster.
    """

    table: Any
    names: Numbering
    start: Array
    numbered: Any

    @property
    def size(self) -> int:
        return self.names.size

    @property
    def nnz(self) -> int:
        return int(self.start[-1])

    @property
    def stored_ids(self) -> Array | None:
        """Ids; None if they are 0 ... size - 1."""
        return self.names.ids

    @property
    def ids(self) -> Array:
        """What the neurons are called, in order."""
        return np.arange(self.size) if self.names.ids is None else self.names.ids

    def numbers(self, ids: Any) -> Array:
        """The numbers of the neurons with these ids. InvalidInputError if there is none with one of them."""
        return numbers_of(ids, self.names.ids, None, self.size, "The dataframe")

    def detached(self) -> SynapsesOnCluster:
        """The same without what lies on the cluster."""
        return replace(self, numbered=None)

    def cuts(self, workers: int) -> list[tuple[int, int]]:
        """First and last (exclusive) rows of the blocks."""
        entries = min(max(FEWEST, self.size), -(-self.nnz // (PER_WORKER * workers)))
        return bands.cuts(self.start, max(entries, -(-self.nnz // MOST), 1))

    def blocks(self, bounds: list[tuple[int, int]], homes: dict[int, str]) -> list[Any]:
        """Recipes of the blocks with the numbers in ``homes``, each to be made on its worker, from all partitions.

        ``bounds`` are the rows of all blocks.
        """
        dask = needed("dask")
        edges = np.array([*(first for first, _ in bounds), bounds[-1][1]])
        share, get, make = (dask.delayed(f, pure=False) for f in (shared_out, _piece, assembled))
        shares = [share(partition, self.numbered, edges) for partition in self.table.to_delayed()]
        blocks = []
        for number, home in homes.items():
            with dask.annotate(workers=[home], allow_other_workers=False):
                blocks.append(make([get(part, number) for part in shares], *bounds[number], self.size))
        return blocks

    def rescaled(self, log_scale: Array) -> Any:
        """The same dataframe with new weights, lazily: the same columns, partitions and order."""
        scales = needed("dask").delayed(Scales(self.names, log_scale))
        meta = self.table._meta
        meta = meta.assign(weight=meta["weight"].astype(_weight_type(meta)))
        return self.table.map_partitions(rescaled_partition, scales, meta=meta)


def _piece(pieces: list[Any], number: int) -> Any:
    return pieces[number]


def _weight_type(meta: Any) -> Any:
    name = str(meta["weight"].dtype).lower()
    return np.float32 if name.startswith("float") and "32" in name else np.float64


def opened(table: Any, living: Living) -> SynapsesOnCluster:
    """Read a dataframe once, on workers: who its neurons are, and how many synapses each receives.

    Raises
    ------
    InvalidInputError
        A column is missing; ids or weights are none: the message names the edge.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        others = ", ".join(map(repr, table.columns))
        raise InvalidInputError(
            f"The dataframe has no column {missing[0]!r}, only {others}. It needs pre, post and weight: "
            f"dataframe.rename(columns={{'...': {missing[0]!r}}})."
        )
    if table.dtypes["weight"].kind not in "iuf":
        raise InvalidInputError(f"The column 'weight' must have real numbers, and has {table.dtypes['weight']}.")
    dask = needed("dask")
    count, merge = dask.delayed(census, pure=False), dask.delayed(together, pure=False)
    layer = [count(partition[[*COLUMNS]], k) for k, partition in enumerate(table.to_delayed())]
    while len(layer) > 1:
        layer = [merge(*layer[k : k + 2]) if k + 1 < len(layer) else layer[k] for k in range(0, len(layer), 2)]
    counted = living.client.compute(layer[0])
    numbered = living.client.submit(numbering, counted, pure=False)
    found: Census = living.answers([counted])[0]
    if found.wrong:
        raise InvalidInputError(found.wrong)
    if not found.ids.size:
        raise InvalidInputError("The dataframe is empty: it has no synapses, so there is nothing to balance.")
    start = np.concatenate([[0], np.cumsum(found.received)])
    return SynapsesOnCluster(table, numbering(found), start, numbered)
