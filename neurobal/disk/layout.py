"""A network on disk, opened: `SynapsesOnDisk`. ``docs/synapses_on_disk.md`` describes its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.disk import checking
from neurobal.disk.bands import bands
from neurobal.disk.header import PRE, START, WEIGHTS, Header, dtype_of, read_header
from neurobal.disk.ids import numbers_of, sorted_order
from neurobal.disk.tables import write_parquet
from neurobal.progress import Progress, Report

Array: TypeAlias = np.ndarray

ROWS = 2**20  # of a table that are written together


def on_disk(folder: str | os.PathLike[str], *, report: Report = None) -> SynapsesOnDisk:
    """Open a network on disk, which `to_disk` made, or another program in the format that is described in
    ``docs/synapses_on_disk.md``.

    Everything is checked once, in one pass over the files that takes as long as reading them and no memory that grows
    with the number of synapses: sizes, check sums, order and range of synapses, finite weights, distinct ids.

    Parameters
    ----------
    folder
        The folder.
    report
        None, ``'text'``, ``'stderr'``, ``'bar'`` or a function: how to tell the progress.

    Returns
    -------
    The network; its synapses stay on disk.

    Raises
    ------
    InvalidInputError
        There is no network in the folder, or a file of it is damaged: the message names the file and the synapse.
    OSError
        A file cannot be read.

    Examples
    --------
    >>> nb.to_disk(np.array([[0.0, 8.0], [0.5, 0.0]]), "pair")
    SynapsesOnDisk('pair': 2 neurons, 2 synapses, float64)
    >>> net = nb.on_disk("pair")
    >>> net.pre.tolist(), net.weight.tolist()
    ([1, 0], [8.0, 0.5])
    """
    path = Path(folder)
    header = read_header(path)
    progress = Progress(report, f"checking {path.name}")
    network = opened(path, header, checking.check(path, header, progress.update))
    progress.done(f"{header.synapses:,} synapses")
    return network


def opened(folder: Path, header: Header, ids: Array | None) -> SynapsesOnDisk:
    """The network of files that have been checked; ``ids`` are those of its neurons (None: their numbers)."""
    lengths = header.lengths()
    start, pre, weight = (_mapped(folder / name, lengths[name]) for name in (START, PRE, WEIGHTS[header.weight]))
    return SynapsesOnDisk(folder, header, start, pre, weight, ids)


def _mapped(path: Path, length: int) -> Array:
    if not length:
        return np.empty(0, dtype_of(path.name))  # nothing cannot be mapped
    return np.memmap(path, dtype_of(path.name), mode="r", shape=(length,))


@dataclass(frozen=True, eq=False, repr=False)
class SynapsesOnDisk:
    """The synapses between n neurons, in files that are read where they are needed; the answer of `on_disk`.

    Neuron k receives the synapses ``start[k]`` to ``start[k + 1]``, in the order of their presynaptic neurons. Neurons
    are numbers from 0 to n - 1 here; `ids` says what they are called, `numbers` which number has an id.

    Attributes
    ----------
    folder : Path
    header : Header
        What ``network.json`` says.
    start : array (n + 1,) of int64
        Read-only, like all arrays of the files.
    pre : array (synapses,) of int32
        The presynaptic neurons.
    weight : array (synapses,) of float32 or float64
    """

    folder: Path
    header: Header
    start: Array
    pre: Array
    weight: Array
    stored_ids: Array | None

    @property
    def size(self) -> int:
        """The number of neurons."""
        return self.header.neurons

    @property
    def nnz(self) -> int:
        """The number of synapses; those between the same two neurons are counted one by one."""
        return self.header.synapses

    @cached_property
    def ids(self) -> Array:
        """What the neurons are called: integers or strings (n,)."""
        ids = np.arange(self.size) if self.stored_ids is None else self.stored_ids.view()
        ids.flags.writeable = False
        return ids

    def numbers(self, ids: Any) -> Array:
        """The numbers of the neurons with these ids, in the shape of ``ids``.

        Raises
        ------
        InvalidInputError
            There is no neuron with one of these ids.
        """
        return numbers_of(ids, self.stored_ids, self._order, self.size, repr(str(self.folder)))

    def bands(self, entries: int) -> Iterator[tuple[int, int]]:
        """Cut the rows into bands ``first ... last - 1`` of at most ``entries`` synapses, and as many rows, but one row
        at least: a row with more synapses than that is a band of its own.
        """
        return bands(self.start, entries)

    def to_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        pre: str = "pre",
        post: str = "post",
        weight: str = "weight",
        report: Report = None,
    ) -> None:
        """Write all synapses as a Parquet table with one row a synapse, in the order of `start` and `pre`.

        Parameters
        ----------
        path
            The file, which must not exist; it is there only when all is written.
        pre, post, weight
            Names of the columns: ids of the presynaptic and the postsynaptic neuron, and the weight.
        report
            None, ``'text'``, ``'stderr'``, ``'bar'`` or a function: how to tell the progress.

        Raises
        ------
        InvalidInputError
            There is such a file already, or no pyarrow: ``pip install "neurobal[table]"``.
        """
        progress = Progress(report, f"writing {Path(path).name}")

        def blocks() -> Iterator[tuple[Array, Array, Array]]:
            for first, last in self.bands(ROWS) if self.nnz else [(0, 0)]:
                begin, end = self.start[first], self.start[last]
                received = np.repeat(np.arange(first, last), np.diff(self.start[first : last + 1]))
                yield self.ids[received], self.ids[self.pre[begin:end]], self.weight[begin:end]
                progress.update(int(end) / max(self.nnz, 1))

        write_parquet(Path(path), blocks(), (post, pre, weight))
        progress.done(f"{self.nnz:,} synapses")

    def matrix(self) -> sparse.csr_array:
        """The network in memory, as a (post, pre) matrix; what several synapses between two neurons are stays several.

        Takes 8 or 12 bytes a synapse, by the precision of its weights.
        """
        kind = np.int32 if self.nnz < 2**31 else np.int64
        parts = (np.array(self.weight), np.array(self.pre, kind), np.array(self.start, kind))
        return sparse.csr_array(parts, shape=(self.size, self.size))

    @cached_property
    def _order(self) -> Array | None:
        return None if self.stored_ids is None else sorted_order(self.stored_ids)

    def __repr__(self) -> str:
        kind = f", ids {self.header.ids}" if self.header.ids != "none" else ""
        return (
            f"SynapsesOnDisk({str(self.folder)!r}: {self.size:,} neurons, {self.nnz:,} synapses, "
            f"{self.header.weight}{kind})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return on_disk, (self.folder,)  # a pickle is a reference to the folder
