"""Edges from tables in files, Parquet, Feather (Arrow) and CSV, and to Parquet, in blocks. Only here is pyarrow."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.numbering import Coded, as_integers, as_strings
from neurobal.disk.sources import Edges, weights
from neurobal.errors import InvalidInputError, did_you_mean

Array: TypeAlias = np.ndarray
Batches: TypeAlias = Iterator[tuple[Any, float]]  # record batches of pyarrow, and the fraction of the file

PARQUET, ARROW, TEXT = (".parquet", ".pq"), (".feather", ".arrow"), (".csv", ".tsv", ".csv.gz", ".tsv.gz")
BLOCK = 2**20  # rows that are looked at together
BUFFER = 2**22  # bytes of a compressed column that are read together
TEXT_BLOCK = 2**24  # bytes of a text that are parsed together
LONGEST_LINE = 2**20  # bytes of the names of columns
SUFFIXES = (*PARQUET, *ARROW, *TEXT)


class Table:
    """A table in one or more files: one row an edge; ``columns`` are the names of post, pre and weight."""

    checksum, again = 0, True
    size: int | None = None

    def __init__(self, paths: Any, columns: tuple[str, str, str]) -> None:
        _pyarrow()
        self.files, self.columns = _files(paths), columns
        kinds = {kind for path in self.files for kind in (PARQUET, ARROW, TEXT) if _suffix(path) in kind}
        if len(kinds) > 1:
            names = ", ".join(sorted({_suffix(path) for path in self.files}))
            raise InvalidInputError(f"edges: files of one table must be of one kind, got {names}.")
        self.text = kinds == {TEXT}
        self.note = f"{', '.join(path.name for path in self.files[:3])}{', ...' if len(self.files) > 3 else ''}"

    def fingerprint(self) -> dict[str, Any]:
        """Files by name, size and time of their last change."""
        stats = [(path.name, path.stat()) for path in self.files]
        files = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
        return {"kind": "table", "files": files, "columns": list(self.columns)}

    def blocks(self, skip: int, checksum: int) -> Iterator[tuple[Edges, float]]:
        number = 0
        for k, path in enumerate(self.files):
            row = 0
            for rows, fraction in _gathered(_batches(path, self.columns)):
                number += 1
                if number > skip:
                    yield self._edges(rows, path, row), (k + fraction) / len(self.files)
                row += rows.num_rows

    def _edges(self, rows: Any, path: Path, first: int) -> Edges:
        def name(edge: int) -> str:
            return f"Row {first + edge:,} of {path.name}"

        for column in self.columns:
            if rows[column].null_count:
                row = int(np.argmax(rows[column].is_null().to_numpy()))
                raise InvalidInputError(f"{name(row)} has no {column!r} (rows are counted from 0).")
        post, pre = (self._coded(rows[column], f"{path.name}, column {column!r}") for column in self.columns[:2])
        column = self.columns[2]
        values = rows[column].cast("float64") if str(rows[column].type).startswith("decimal") else rows[column]
        return Edges(post, pre, weights(values.to_numpy(), f"{path.name}, column {column!r}"), name)

    def _coded(self, column: Any, what: str) -> Coded:
        """pyarrow finds distinct ids, by hashing."""
        pa = _pyarrow()
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        kind = column.type
        integer = pa.types.is_integer(kind)
        if not integer and kind not in (pa.string(), pa.large_string(), pa.string_view()):
            raise InvalidInputError(f"{what}: ids must be whole numbers or strings, got {kind}.")
        column = column.cast(pa.large_string()) if not integer else column
        found = pa.concat_arrays(column.dictionary_encode().unify_dictionaries().chunks)
        codes, values = found.indices.to_numpy(), found.dictionary
        if integer:
            return Coded(as_integers(values.to_numpy()), codes)
        numbers = _whole_numbers(values) if self.text else None
        return Coded(as_strings(values.to_pylist(), what) if numbers is None else numbers, codes, self.text)


def is_table(edges: Any) -> bool:
    """Whether edges are given by a path, or by a list of paths."""
    if isinstance(edges, (str, os.PathLike)):
        return True
    return isinstance(edges, (list, tuple)) and bool(edges) and all(isinstance(e, (str, os.PathLike)) for e in edges)


def write_parquet(path: Path, blocks: Iterable[tuple[Array, Array, Array]], columns: tuple[str, str, str]) -> None:
    """Write edges, in blocks of ids of post, ids of pre and weights, as a table that is there only when all is written.

    Parameters
    ----------
    path
        The file, which must not exist.
    blocks
        At least one, which may be empty.
    columns
        Names of the columns for post, pre and weight.

    Raises
    ------
    InvalidInputError
        There is such a file already.
    """
    pa = _pyarrow()
    from pyarrow import parquet

    if path.exists():
        raise InvalidInputError(f"{str(path)!r} exists already. Give another name, or delete it.")
    unfinished = path.with_name(path.name + ".unfinished")
    writer = None
    try:
        for block in blocks:
            table = pa.table(dict(zip(columns, block, strict=True)))
            writer = writer or parquet.ParquetWriter(unfinished, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        os.replace(unfinished, path)
    finally:
        if writer is not None:
            writer.close()
        unfinished.unlink(missing_ok=True)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise InvalidInputError('Tables are read and written by pyarrow: pip install "neurobal[table]".') from None
    return pyarrow


def _suffix(path: Path) -> str:
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(s)), "")


def _files(paths: Any) -> list[Path]:
    """The files of one table: those of a folder in the order of their names, those of a list in its order."""
    if not isinstance(paths, (str, os.PathLike)):
        return [file for path in paths for file in _files(path)]
    path = Path(paths)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _suffix(file) and not file.name.startswith((".", "_")))
    elif path.is_file():
        files = [path] if _suffix(path) else []
    else:
        raise InvalidInputError(f"edges: there is no file or folder {str(path)!r}.")
    if not files:
        raise InvalidInputError(
            f"edges: expected a table ({', '.join(SUFFIXES)}), or a folder of such, got {str(path)!r}."
        )
    return files


def _gathered(batches: Batches) -> Iterator[tuple[Any, float]]:
    """Small batches together, large ones cut: blocks of about as many rows."""
    pa = _pyarrow()
    waiting: list[Any] = []
    fraction = 0.0
    for batch, fraction in batches:
        for first in range(0, batch.num_rows, BLOCK):
            waiting.append(batch.slice(first, BLOCK))
            if sum(part.num_rows for part in waiting) >= BLOCK:
                yield pa.Table.from_batches(waiting), fraction
                waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting), fraction


def _batches(path: Path, columns: tuple[str, str, str]) -> Batches:
    pa = _pyarrow()
    read = _parquet if _suffix(path) in PARQUET else _arrow if _suffix(path) in ARROW else _text
    try:
        yield from read(path, columns)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{str(path)!r} is damaged, or no such table: {error}") from error


def _parquet(path: Path, columns: tuple[str, str, str]) -> Batches:
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        _check_columns(path, file.schema_arrow.names, columns)
        done = 0
        for group in range(file.num_row_groups):  # read together, all that were read would stay in memory
            for batch in file.iter_batches(BLOCK, row_groups=[group], columns=list(columns)):
                done += batch.num_rows
                yield batch, done / max(file.metadata.num_rows, 1)


def _arrow(path: Path, columns: tuple[str, str, str]) -> Batches:
    pa = _pyarrow()
    with pa.memory_map(str(path)) as stream:
        try:
            file = pa.ipc.open_file(stream)
        except pa.ArrowInvalid:  # the other layout of Arrow, without a list of what there is
            stream.seek(0)
            for batch in pa.ipc.open_stream(stream):
                _check_columns(path, batch.schema.names, columns)
                yield batch.select(list(columns)), 0.0
            return
        _check_columns(path, file.schema.names, columns)
        options = pa.ipc.IpcReadOptions(included_fields=[file.schema.names.index(name) for name in columns])
        file = pa.ipc.open_file(stream, options=options)
        for k in range(file.num_record_batches):
            yield file.get_batch(k), (k + 1) / file.num_record_batches


def _text(path: Path, columns: tuple[str, str, str]) -> Batches:
    pa = _pyarrow()
    from pyarrow import csv

    name = path.name.lower()
    compressed = name.endswith(".gz")
    parse = csv.ParseOptions(delimiter="\t" if ".tsv" in name else ",")
    with gzip.open(path, "rb") if compressed else open(path, "rb") as stream:
        first_line = stream.readline(LONGEST_LINE)
    names = csv.read_csv(pa.BufferReader(first_line), parse_options=parse).schema.names
    _check_columns(path, names, columns)
    post, pre, weight = columns
    convert = csv.ConvertOptions(
        include_columns=[*columns],
        column_types={post: pa.string(), pre: pa.string(), weight: pa.float64()},
        null_values=[""],  # "NA" may be what a neuron is called
        strings_can_be_null=True,
    )
    # Threads of pyarrow read ahead: the file is theirs, and is not closed under them.
    raw, size = pa.OSFile(str(path)), max(path.stat().st_size, 1)
    stream = pa.CompressedInputStream(raw, "gzip") if compressed else raw
    with csv.open_csv(stream, csv.ReadOptions(block_size=TEXT_BLOCK), parse, convert) as file:
        for batch in file:
            yield batch, raw.tell() / size


def _check_columns(path: Path, names: Iterable[str], columns: tuple[str, str, str]) -> None:
    for what, column in zip(("post", "pre", "weight"), columns, strict=True):
        if column not in names:
            raise InvalidInputError(
                f"{path.name} has no column {column!r}; {what}= names it.{did_you_mean(column, names)}"
            )


def _whole_numbers(values: Any) -> Array | None:
    """The ids of a text as whole numbers, if they are all written as such: without leading zeros, say."""
    pa = _pyarrow()
    for kind in (pa.int64(), pa.uint64()):
        try:
            numbers = values.cast(kind)
        except pa.ArrowInvalid:
            continue
        if numbers.cast(values.type).equals(values):
            return as_integers(numbers.to_numpy())
    return None
