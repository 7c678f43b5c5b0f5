"""`to_disk`: a network on disk, of edges in any order and of any number."""

from __future__ import annotations

import operator
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.disk import checking, sources, stages
from neurobal.disk.header import HEADER, MOST_NEURONS, write_header
from neurobal.disk.layout import SynapsesOnDisk, on_disk, opened
from neurobal.disk.numbering import Fixed, Growing, listed
from neurobal.disk.sources import OTHER, Chunks, Matrix, Source
from neurobal.disk.tables import Table, is_table
from neurobal.disk.work import STATE, State, Work, room_on_disk
from neurobal.errors import InvalidFileError, InvalidInputError
from neurobal.progress import Progress, Report

Array: TypeAlias = np.ndarray

# How far the work has come when each stage begins.
BEGINS = {"collect": 0.0, "distribute": 0.4, "sort": 0.6, "check": 0.9, "end": 1.0}


def to_disk(
    edges: Any,
    folder: str | os.PathLike[str],
    *,
    pre: str = "pre",
    post: str = "post",
    weight: str = "weight",
    neurons: Any = None,
    add_up: bool = False,
    report: Report = None,
) -> SynapsesOnDisk:
    """Write a network to a folder, from which `on_disk` opens it without reading it into memory.

    Memory holds the ids of the neurons and some ten million edges at a time, however many there are. The work can be
    stopped at any moment: call it again with the same arguments, and it goes on where it was. The folder is a network
    only when all is done, and a network is never overwritten. Weights keep single precision; what single precision
    cannot hold becomes double. Edges of weight zero stay, as synapses that are absent.

    Parameters
    ----------
    edges
        One of

        - a sparse (post, pre) matrix of scipy, whose repeated entries are several synapses, or an array (n, n);
        - an iterable of chunks, of any length: (post, pre, weight), three arrays (edges,), or sparse matrices of
          consecutive rows of one (post, pre) matrix. It is read once. To go on, an iterable of the same chunks is
          given again;
        - the path of a table (.parquet, .feather, .arrow, .csv, .tsv, also .csv.gz), of a folder of such, or a list of
          paths, with one row an edge. Needs pyarrow: ``pip install "neurobal[table]"``.

        Edges come in any order. Ids of neurons are whole numbers or strings; in a text they are whole numbers if all of
        them are written as such.
    folder
        The folder, new or empty.
    pre, post, weight
        Names of a table's columns.
    neurons
        None: the neurons are those whose ids occur, in the order of ids. A number n: ids are 0 to n - 1. An array
        (n,): all ids, in this order, also of neurons without synapses; of a matrix, what its rows are called.
    add_up
        Whether several edges from one neuron to another become one, of the sum of their weights. They stay several by
        default: their costs do not add up like their weights.
    report
        None, ``'text'``, ``'stderr'``, ``'bar'`` or a function: how to tell the progress.

    Returns
    -------
    The network that was written, as `on_disk` opens it.

    Raises
    ------
    InvalidInputError
        A weight that is no finite number, an id that is none of ``neurons``, a table that cannot be read: the message
        names the edge. Or the folder is not empty, or a conversion of something else was begun in it.
    NeurobalError
        The disk is full. Nothing is lost.

    Examples
    --------
    >>> net = nb.to_disk([(["b", "c", "b"], ["a", "b", "a"], [0.5, -1.0, 2.0])], "chain")
    >>> net
    SynapsesOnDisk('chain': 3 neurons, 3 synapses, float64, ids utf8)
    >>> net.ids.tolist(), net.start.tolist(), net.pre.tolist(), net.weight.tolist()
    (['a', 'b', 'c'], [0, 0, 2, 3], [0, 0, 1], [0.5, 2.0, -1.0])
    """
    target = Path(folder)
    work = Work(target)
    if (target / HEADER).exists() and not (work.folder / STATE).exists():
        raise InvalidInputError(
            f"{str(target)!r} is a network already: nb.on_disk opens it. To write another one, give another folder."
        )
    source = _source(edges, (post, pre, weight))
    given = _given(neurons, source)
    progress = Progress(report, f"writing {target.name}")
    arguments = {
        "edges": source.fingerprint(),
        "neurons": _fingerprint(given),
        "add_up": bool(add_up),
        "block": sources.BLOCK,
    }
    with room_on_disk(target, State(arguments)), work.alone():
        state = work.begin(arguments)
        with room_on_disk(target, state):
            network = _converted(work, state, source, given, bool(add_up), progress)
    progress.done(f"{network.nnz:,} synapses")
    return network


def _source(edges: Any, columns: tuple[str, str, str]) -> Source:
    if sparse.issparse(edges) or isinstance(edges, np.ndarray):
        return Matrix(edges)
    if is_table(edges):
        return Table(edges, columns)
    if isinstance(edges, tuple) and len(edges) == 3 and all(isinstance(part, np.ndarray) for part in edges):
        return Chunks([edges])
    if isinstance(edges, Iterable) and not isinstance(edges, (bytes, dict)):
        return Chunks(edges)
    raise InvalidInputError(
        "edges: expected a (post, pre) matrix, an iterable of chunks (post, pre, weight), or the path of a table, got "
        f"{type(edges).__name__}."
    )


def _given(neurons: Any, source: Source) -> int | Array | None:
    """The number of neurons, or their ids, or None if the ids that occur are all."""
    if neurons is None:
        return source.size
    given: int | Array
    if np.ndim(neurons) == 0 and not isinstance(neurons, (str, bytes, bool, np.bool_)):
        try:
            given = operator.index(neurons)
        except TypeError:
            raise InvalidInputError(f"neurons: expected a number or all ids, got {neurons!r:.60}.") from None
        if not 0 <= given <= MOST_NEURONS:
            raise InvalidInputError(f"neurons: expected a number from 0 to {MOST_NEURONS:,}, got {given:,}.")
    else:
        given = listed(neurons)
    size = given if isinstance(given, int) else len(given)
    if source.size is not None and source.size != size:
        raise InvalidInputError(f"neurons: the matrix has {source.size:,} rows, and there are {size:,} neurons.")
    return given


def _fingerprint(given: int | Array | None) -> Any:
    if isinstance(given, np.ndarray):
        return ["ids", len(given), zlib.crc32(np.ascontiguousarray(given).view(np.uint8).data)]
    return given


def _converted(
    work: Work, state: State, source: Source, given: int | Array | None, add_up: bool, progress: Progress
) -> SynapsesOnDisk:
    if (work.target / HEADER).exists():  # it was stopped at the very end
        network = on_disk(work.target)
        work.end()
        return network

    def tell(fraction: float, detail: str = "") -> None:
        begin, end = _span(state.stage)
        progress.update(begin + (end - begin) * fraction, detail)

    if state.stage == "collect":
        _collect(work, state, source, given, tell)
    elif state.first_checksum:
        next(source.blocks(0, 0), None)
        if source.checksum != state.first_checksum:
            raise InvalidInputError(f"edges: the first chunk has other edges than before. {OTHER}")
    if state.stage == "distribute":
        stages.distribute(work, state, tell)
    if state.stage == "sort":
        stages.sort(work, state, add_up, tell)
    header = stages.header(work, state, add_up, source.note)
    ids = checking.check(work.target, header, tell)
    write_header(work.target, header)
    work.end()
    return opened(work.target, header, ids)


def _collect(work: Work, state: State, source: Source, given: int | Array | None, tell: stages.Tell) -> None:
    if given is None:
        numbering: stages.Numbering = Growing()
    else:
        numbering = Fixed(given, None) if isinstance(given, int) else Fixed(len(given), given)
    try:
        stages.collect(work, state, source, numbering, tell)
    except InvalidFileError:  # of work files
        raise
    except InvalidInputError:
        # Edges that are wrong will be others when they are right: what was collected is of use only if these are
        # chunks, of which the first ones may be the same.
        if source.again or not state.segments:
            work.forget()
        raise


def _span(stage: str) -> tuple[float, float]:
    names = [*BEGINS]
    return BEGINS[stage], BEGINS[names[names.index(stage) + 1]]
