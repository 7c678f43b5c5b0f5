"""Where edges come from, in memory: a matrix, or chunks of a list. (Tables are in ``tables.py``.)"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from neurobal.disk.numbering import Coded, coded
from neurobal.errors import InvalidInputError
from neurobal.inputs import plain

Array: TypeAlias = np.ndarray

BLOCK = 2**21  # edges that are looked at together
OTHER = "To convert other edges than those that were begun, delete the folder, or take another one."


@dataclass(frozen=True)
class Edges:
    """Some edges: ids of both ends, weights, and how errors call the k-th of them."""

    post: Coded
    pre: Coded
    weight: Array  # float32 or float64
    name: Callable[[int], str]


class Source(Protocol):
    """A list of edges that can be read from its beginning, in blocks that are the same each time."""

    note: str  # what the source is, for people
    text: bool  # whether ids are read from a text, where nobody says if they are numbers or strings
    size: int | None  # of a matrix: ids are its rows; None: ids are what edges say
    checksum: int  # of the blocks that were read so far, if nothing else tells one source from another; or 0
    again: bool  # whether the source itself is there again in a later call

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from another one."""

    def blocks(self, skip: int, checksum: int) -> Iterator[tuple[Edges, float]]:
        """The edges from block ``skip`` on, each block with the fraction of all edges that came so far (0: unknown).

        ``checksum`` is what the check sum was after the blocks that are skipped.
        """


class Matrix:
    """A (post, pre) matrix: scipy's, whose stored zeros and repeated entries are edges, or an array without zeros."""

    checksum, again, text = 0, True, False

    def __init__(self, matrix: Any) -> None:
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise InvalidInputError(f"edges: expected a square (post, pre) matrix, got shape {matrix.shape}.")
        if sparse.issparse(matrix) and matrix.format not in ("csr", "csc", "coo"):
            matrix = matrix.tocoo()
        if not sparse.issparse(matrix):
            matrix = matrix.filled(0) if isinstance(matrix, np.ma.MaskedArray) else np.asarray(matrix)
        self.matrix = matrix
        self.size: int | None = int(matrix.shape[0])
        self.note = f"{_described(matrix)}"

    def fingerprint(self) -> dict[str, Any]:
        if sparse.issparse(self.matrix):
            parts, kind = _arrays(self.matrix), self.matrix.format
        else:
            parts, kind = (self.matrix,), "dense"
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(_bytes(part), checksum)
        return {"kind": f"{kind} matrix", "shape": list(self.matrix.shape), "checksum": checksum}

    def blocks(self, skip: int, checksum: int) -> Iterator[tuple[Edges, float]]:
        def name(edge: int) -> str:
            return "The matrix"

        count = max(self.matrix.nnz if sparse.issparse(self.matrix) else self.matrix.size, 1)
        for done, post, pre, weight in _entries(self.matrix, skip):
            yield Edges(Coded(None, post), Coded(None, pre), weights(weight, "edges"), name), done / count


def _entries(matrix: Any, skip: int) -> Iterator[tuple[int, Array, Array, Array]]:
    """Row, column and value of a matrix's entries, block by block, and how many were looked at."""
    if not sparse.issparse(matrix):
        rows = max(BLOCK // max(matrix.shape[1], 1), 1)
        for first in range(skip * rows, matrix.shape[0], rows):
            band = matrix[first : first + rows]
            post, pre = np.nonzero(band)
            yield (first + len(band)) * matrix.shape[1], post + first, pre, band[post, pre]
        return
    parts = _arrays(matrix)
    for first in range(skip * BLOCK, matrix.nnz, BLOCK):
        last = min(first + BLOCK, matrix.nnz)
        if matrix.format == "coo":
            post, pre = matrix.row[first:last], matrix.col[first:last]
        else:
            begin = int(np.searchsorted(parts[0], first, side="right")) - 1
            end = int(np.searchsorted(parts[0], last, side="left"))
            counts = np.diff(np.clip(parts[0][begin : end + 1], first, last))
            post, pre = np.repeat(np.arange(begin, end), counts), parts[1][first:last]
            if matrix.format == "csc":
                post, pre = pre, post
        yield last, post, pre, matrix.data[first:last]


def _arrays(matrix: Any) -> tuple[Array, ...]:
    parts = (matrix.row, matrix.col) if matrix.format == "coo" else (matrix.indptr, matrix.indices)
    return (*parts, matrix.data)


class Chunks:
    """An iterable of chunks: (post, pre, weight) arrays, or matrices that are bands of rows and follow each other."""

    again, text = False, False
    note = "chunks of edges"

    def __init__(self, chunks: Iterable[Any]) -> None:
        iterator = iter(chunks)
        first = list(itertools.islice(iterator, 1))
        self._chunks = itertools.chain(first, iterator)
        self.size = int(first[0].shape[1]) if first and sparse.issparse(first[0]) else None
        self.checksum = 0

    def fingerprint(self) -> dict[str, Any]:
        return {"kind": "chunks of rows" if self.size is not None else "chunks"}

    def blocks(self, skip: int, checksum: int) -> Iterator[tuple[Edges, float]]:
        number, rows, self.checksum = 0, 0, 0
        for k, chunk in enumerate(self._chunks):
            parts = self._band(chunk, k, rows) if self.size is not None else _triple(chunk, k)
            rows += chunk.shape[0] if self.size is not None else 0
            for first in range(0, len(parts[2]), BLOCK):
                block = [part[first : first + BLOCK] for part in parts]
                for part in block:
                    self.checksum = zlib.crc32(_bytes(part), self.checksum)
                number += 1
                if number == skip and self.checksum != checksum:
                    raise InvalidInputError(f"edges: up to chunk {k}, other edges came than before. {OTHER}")
                if number > skip:
                    yield _edges(block, k, first, self.size is not None), 0.0
        if rows != (self.size or 0):
            raise InvalidInputError(f"edges: bands of rows have {rows:,} rows together, and {self.size:,} columns.")
        if number < skip:
            raise InvalidInputError(f"edges: {number:,} blocks of edges came, and {skip:,} had come before. {OTHER}")

    def _band(self, chunk: Any, k: int, rows: int) -> tuple[Array, Array, Array]:
        if not sparse.issparse(chunk) or chunk.ndim != 2 or chunk.shape[1] != self.size:
            raise InvalidInputError(
                f"edges, chunk {k}: expected a sparse matrix of {self.size:,} columns, got {_described(chunk)}."
            )
        band = chunk.tocoo(copy=False)
        return band.row.astype(np.int64) + rows, band.col, band.data


def _triple(chunk: Any, k: int) -> tuple[Array, Array, Array]:
    what = f"edges, chunk {k}"
    if not isinstance(chunk, (tuple, list)) or len(chunk) != 3:
        raise InvalidInputError(
            f"{what}: expected (post, pre, weight), three arrays of one length, got {_described(chunk)}. A table is "
            "given by its path."
        )
    post, pre, weight = (
        plain(part, f"{what}, {name}") for part, name in zip(chunk, ("post", "pre", "weight"), strict=True)
    )
    if post.ndim != 1 or post.shape != pre.shape or post.shape != weight.shape:
        shapes = f"{post.shape}, {pre.shape} and {weight.shape}"
        raise InvalidInputError(f"{what}: post, pre and weight must have one length, got shapes {shapes}.")
    return post, pre, weight


def _edges(block: list[Array], k: int, first: int, numbered: bool) -> Edges:
    post, pre, weight = block

    def name(edge: int) -> str:
        return f"Chunk {k}, edge {first + edge:,}"

    what = f"edges, chunk {k}"
    if numbered:
        ends = Coded(None, post), Coded(None, pre)
    else:
        ends = coded(post, f"{what}, post"), coded(pre, f"{what}, pre")
    return Edges(*ends, weights(weight, f"{what}, weight"), name)


def weights(values: Array, what: str) -> Array:
    """Weights as float32, if that holds all numbers of their type, or float64."""
    values = plain(values, what)
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"{what}: weights must be real numbers, got {values.dtype}.")
    single = np.result_type(values.dtype, np.float32) == np.float32
    with np.errstate(over="ignore"):  # what becomes infinite is an error, by name
        return values.astype(np.float32 if single else np.float64, copy=False)


def _bytes(array: Array) -> Any:
    """What a check sum is taken of."""
    if array.dtype.kind in "OT":
        return "\0".join(map(str, array)).encode(errors="surrogatepass")
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _described(thing: Any) -> str:
    shape = getattr(thing, "shape", None)
    return type(thing).__name__ if shape is None else f"{type(thing).__name__} of shape {shape}"
