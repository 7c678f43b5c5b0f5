"""What workers do with a partition of a table of synapses: count, number, and share out its rows; rescale weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.ids import where
from neurobal.disk.numbering import as_integers, coded, is_counting
from neurobal.errors import InvalidInputError
from neurobal.large.checks import out_of_range, rescaled_weights
from neurobal.large.passes import RowBand

Array: TypeAlias = np.ndarray

COLUMNS = ("pre", "post", "weight")
Piece: TypeAlias = tuple[Array, Array, Array]  # post, pre, weight


@dataclass(frozen=True, eq=False)
class Census:
    """The neurons of some partitions.

    Attributes
    ----------
    ids : array (n,), in order
    received : array (n,) of int64
        How many synapses each neuron receives.
    wrong : str
        What is wrong with the first edge that is wrong; empty if nothing is.
    """

    ids: Array
    received: Array
    wrong: str = ""


@dataclass(frozen=True, eq=False)
class Numbering:
    """What neurons are called: ``ids`` in order, or None for 0 ... size - 1."""

    size: int
    ids: Array | None

    def numbers(self, partition: Any, column: str) -> Array:
        values, codes = distinct(partition, column)
        return where(values, self.ids, None, self.size)[codes]


def distinct(partition: Any, column: str) -> tuple[Array, Array]:
    """The ids in a column, each once and in order, and for each row its place among them.

    Raises InvalidInputError for missing ids, and those that are neither whole numbers nor strings.
    """
    import pandas

    codes, values = pandas.factorize(partition[column])
    if np.any(codes < 0):
        raise InvalidInputError(f"The column {column!r} has a missing id, in row {int(np.argmax(codes < 0))}.")
    ids = coded(np.asarray(values), column)
    assert ids.values is not None
    return ids.values, ids.codes[codes]


def census(partition: Any, number: int) -> Census:
    """The neurons of partition ``number``."""
    none = np.empty(0, np.int64)
    try:
        (pres, _), (posts, codes) = (distinct(partition, column) for column in ("pre", "post"))
    except InvalidInputError as error:
        return Census(none, none, f"partition {number}: {error}")
    weight = weights_of(partition)
    wrong = np.flatnonzero(~np.isfinite(weight))
    if wrong.size:
        row = int(wrong[0])
        pre, post = (partition[column].iloc[row] for column in ("pre", "post"))
        text = f"The edge from {_plain(pre)!r} to {_plain(post)!r} (row {row} of partition {number})"
        return Census(none, none, f"{text} has weight {weight[row]}: weights must be finite numbers.")
    received = np.bincount(codes, minlength=posts.size)
    return together(Census(posts, received), Census(pres, np.zeros(pres.size, np.int64)))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def weights_of(partition: Any) -> Array:
    """The weights of a partition, as float32 if they are that, else in double precision; missing ones are NaN."""
    column = partition["weight"]
    single = str(column.dtype).lower().startswith("float") and "32" in str(column.dtype)
    weight: Array = column.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan)
    return weight


def together(one: Census, other: Census) -> Census:
    """The neurons of two groups of partitions."""
    if one.wrong or other.wrong:
        return one if one.wrong else other
    if not one.ids.size or not other.ids.size:
        return one if one.ids.size else other
    first, second = one.ids, other.ids
    kinds = {first.dtype.kind, second.dtype.kind}
    if "U" in kinds and len(kinds) > 1:
        both = f"{first[0].item()!r} and {second[0].item()!r}"
        return Census(first[:0], one.received[:0], f"Ids must be all whole numbers or all strings, got {both}.")
    if kinds == {"i", "u"}:
        least = min(int(first[0]), int(second[0]))
        if least < 0:
            text = f"Ids go from {least} to beyond 2**63: no integer type has both."
            return Census(first[:0], one.received[:0], text)
        first, second = first.astype(np.uint64), second.astype(np.uint64)
    ids, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    received = np.zeros(ids.size, np.int64)
    received[places[: first.size]] = one.received
    received[places[first.size :]] += other.received
    return Census(as_integers(ids) if ids.dtype.kind in "iu" else ids, received)


def numbering(found: Census) -> Numbering:
    return Numbering(found.ids.size, None if is_counting(found.ids) else found.ids)


def shared_out(partition: Any, names: Numbering, edges: Array) -> list[Piece]:
    """The synapses of a partition by blocks: those of the rows ``edges[k]`` ... ``edges[k + 1] - 1`` in block k."""
    post, pre = names.numbers(partition, "post"), names.numbers(partition, "pre")
    weight = weights_of(partition)
    block = (np.searchsorted(edges, post, side="right") - 1).astype(np.uint16)
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block, minlength=edges.size - 1))[:-1]
    return [*zip(*(np.split(column[order], ends) for column in (post, pre, weight)), strict=True)]


class Block(RowBand):
    """A band of rows that lies on a worker."""

    def __sizeof__(self) -> int:
        """Bytes, by which Dask knows how full a worker is."""
        return object.__sizeof__(self) + int(self.indptr.nbytes + self.pre.nbytes + self.weight.nbytes)


def assembled(pieces: list[Piece], first: int, last: int, size: int) -> Block:
    """The block of the rows ``first`` ... ``last - 1``, of ``size`` neurons, of its pieces by partition."""
    post, pre, weight = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort((post - first) * np.int64(size) + pre, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(post - first, minlength=last - first))]).astype(np.int32)
    return Block(first, size, indptr, pre[order], weight[order])


@dataclass(frozen=True, eq=False)
class Scales:
    """Neurons with log λ of each (n,)."""

    names: Numbering
    log_scale: Array


def rescaled_partition(partition: Any, scales: Scales) -> Any:
    """A partition with new weights, ``w_ij λ_i / λ_j``, in their precision, and with all else as it was.

    InvalidInputError if that cannot hold one of them.
    """
    post, pre = scales.names.numbers(partition, "post"), scales.names.numbers(partition, "pre")
    old = weights_of(partition)
    new = rescaled_weights(old, post, pre, scales.log_scale)
    lost = out_of_range(old, new)
    if lost.any():
        row = int(np.argmax(lost))
        ends = [_plain(partition[column].iloc[row]) for column in ("pre", "post")]
        raise InvalidInputError(
            f"The edge from {ends[0]!r} to {ends[1]!r} has weight {old[row]:g} and would get one that {new.dtype} "
            f"cannot hold (it becomes {new[row]:g}). Pin neurons with extreme scales, or give weights of type float64."
        )
    return partition.assign(weight=new)


def band_of(partition: Any, names: Numbering) -> RowBand:
    """A partition by itself, as a band of all rows."""
    post, pre = names.numbers(partition, "post"), names.numbers(partition, "pre")
    return assembled([(post, pre, weights_of(partition))], 0, names.size, names.size)
