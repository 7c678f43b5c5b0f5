"""The three stages of a conversion: collect edges and ids, distribute edges to ranges of neurons, sort each range.

Each stage does a step, writes down that it is done (`Work.keep`), and only then deletes what the step was made of: it
may be stopped anywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.bands import bands
from neurobal.disk.header import (
    INTEGER_IDS,
    MOST_SYNAPSES,
    PRE,
    START,
    TEXT_IDS,
    TEXT_STARTS,
    WEIGHTS,
    Header,
    dtype_of,
)
from neurobal.disk.numbering import Coded, Fixed, Growing
from neurobal.disk.sources import Edges, Source
from neurobal.disk.work import State, Work, append, to_the_disk
from neurobal.errors import InvalidInputError

Array: TypeAlias = np.ndarray
Tell: TypeAlias = Callable[[float, str], Any]
Numbering: TypeAlias = Fixed | Growing

SEGMENT = 2**22  # edges that are collected before they are written
BUCKET = 10**7  # edges that are sorted together, if they do not go to one neuron
RANKS = "ranks.npy"


def segment_file(number: int, part: str) -> str:
    return f"segment{number:06d}.{part}.npy"


def bucket_file(number: int) -> str:
    return f"bucket{number:06d}"


def record(weight: str) -> np.dtype[Any]:
    """The type of an edge in a bucket."""
    return np.dtype([("post", "<i4"), ("pre", "<i4"), ("weight", dtype_of(WEIGHTS[weight]))])


# ------------------------------------------------------------------------------------------------------ collecting


def collect(work: Work, state: State, source: Source, numbering: Numbering, tell: Tell) -> None:
    """Give numbers to all ids, and write all edges down in segments, with these numbers."""
    for k in range(len(state.segments)):
        ids = work.load(segment_file(k, "id"))
        if isinstance(numbering, Growing):
            numbering.numbers(Coded(ids, np.arange(len(ids)), source.text))
    known, blocks, taken = numbering.size, state.blocks, []
    for edges, fraction in source.blocks(state.blocks, state.checksum):
        taken.append(_numbered(edges, numbering))
        blocks += 1
        if blocks == 1:
            state.first_checksum = source.checksum
        tell(fraction, f"{state.edges + sum(len(part[2]) for part in taken):,} edges")
        if sum(len(part[2]) for part in taken) >= SEGMENT:
            _write_segment(work, state, taken, numbering.since(known))
            state.blocks, state.checksum = blocks, source.checksum
            work.keep(state)
            known, taken = numbering.size, []
    if taken:
        _write_segment(work, state, taken, numbering.since(known))
        state.blocks, state.checksum = blocks, source.checksum
    _number_all(work, state, numbering)
    state.stage = "distribute"
    work.keep(state)


def _numbered(edges: Edges, numbering: Numbering) -> tuple[Array, Array, Array]:
    ends = []
    for ids, name in ((edges.post, "post"), (edges.pre, "pre")):
        numbers = numbering.numbers(ids)
        if numbers.min(initial=0) < 0:
            edge = int(np.argmax(numbers < 0))
            raise InvalidInputError(
                f"{edges.name(edge)}: the {name} id {ids.id(edge)!r} is none of the {numbering.size:,} neurons. Give "
                "all ids as neurons=, or None to take those that occur."
            )
        ends.append(numbers)
    finite = np.isfinite(edges.weight)
    if not finite.all():
        edge = int(np.argmin(finite))
        raise InvalidInputError(
            f"{edges.name(edge)}: the weight from neuron {edges.pre.id(edge)!r} to neuron {edges.post.id(edge)!r} is "
            f"{edges.weight[edge]}. Weights must be finite numbers; leave out edges that have none."
        )
    return ends[0], ends[1], edges.weight


def _write_segment(work: Work, state: State, taken: list[tuple[Array, Array, Array]], new_ids: Array) -> None:
    number = len(state.segments)
    parts = [np.concatenate(part) for part in zip(*taken, strict=True)]
    for name, part in zip(("post", "pre", "weight", "id"), (*parts, new_ids), strict=True):
        work.save(segment_file(number, name), part)
    state.segments.append(len(parts[2]))
    state.weight = str(np.result_type(parts[2].dtype, state.weight))


def _number_all(work: Work, state: State, numbering: Numbering) -> None:
    """Final numbers of neurons, and the ranges of neurons that go to one bucket."""
    if state.edges > MOST_SYNAPSES:
        raise InvalidInputError(f"{state.edges:,} edges are more than the format holds.")
    state.neurons, ids, ranks = numbering.end()
    state.ids = _write_ids(work, ids)
    counts = np.zeros(state.neurons, dtype=np.int64)
    for k in range(len(state.segments)):
        counts += np.bincount(work.load(segment_file(k, "post")), minlength=state.neurons)
    if ranks is not None:
        work.save(RANKS, ranks)
        counts = counts[np.argsort(ranks)]
    starts = np.concatenate(([0], np.cumsum(counts)))
    state.bounds = [first for first, _ in bands(starts, BUCKET)] + [state.neurons]
    state.buckets = [0] * (len(state.bounds) - 1)


def _write_ids(work: Work, ids: Array | None) -> str:
    if ids is None:
        return "none"
    if ids.dtype.kind in "iu":
        _write(work, f"{INTEGER_IDS[str(ids.dtype)]}", ids)
        return str(ids.dtype)
    texts = [name.encode() for name in ids.tolist()]
    _write(work, TEXT_STARTS, np.cumsum([0, *map(len, texts)]))
    _write(work, TEXT_IDS, np.frombuffer(b"".join(texts), np.uint8))
    return "utf8"


def _write(work: Work, name: str, array: Array) -> None:
    append(work.target / name, 0, array if name == TEXT_IDS else array.astype(dtype_of(name), copy=False))


# ---------------------------------------------------------------------------------------------------- distributing


def distribute(work: Work, state: State, tell: Tell) -> None:
    """Append the edges of each segment to the buckets that their postsynaptic neurons belong to."""
    ranks = work.load(RANKS) if (work.folder / RANKS).exists() else None
    kind = record(state.weight)
    for k in range(state.distributed, len(state.segments)):
        parts = [work.load(segment_file(k, name)) for name in ("post", "pre", "weight")]
        if {len(part) for part in parts} != {state.segments[k]}:
            raise work.damaged(segment_file(k, "post"), f"it does not have {state.segments[k]:,} edges")
        if ranks is not None:
            parts[:2] = ranks[parts[0]], ranks[parts[1]]
        edges = np.empty(state.segments[k], kind)
        edges["post"], edges["pre"], edges["weight"] = parts
        bucket = np.searchsorted(state.bounds, parts[0], side="right") - 1
        if len(state.buckets) < 2**16:
            bucket = bucket.astype(np.uint16)  # which numpy sorts by counting
        edges = edges[np.argsort(bucket, kind="stable")]
        ends = np.cumsum(np.bincount(bucket, minlength=len(state.buckets)))
        for b, (first, last) in enumerate(zip(np.concatenate(([0], ends[:-1])), ends, strict=True)):
            if last > first:
                append(work.folder / bucket_file(b), state.buckets[b] * kind.itemsize, edges[first:last])
                state.buckets[b] += int(last - first)
        state.distributed = k + 1
        work.keep(state)
        _delete_segment(work, k)
        tell(state.distributed / len(state.segments), "")
    for k in range(state.distributed):
        _delete_segment(work, k)  # if it was stopped in between
    _write(work, START, np.zeros(1, np.int64))
    state.stage = "sort"
    work.keep(state)


def _delete_segment(work: Work, number: int) -> None:
    for part in ("post", "pre", "weight", "id"):
        work.delete(segment_file(number, part))


# --------------------------------------------------------------------------------------------------------- sorting


def sort(work: Work, state: State, add_up: bool, tell: Tell) -> None:
    """Sort the edges of each bucket, and append them to the files of the network."""
    weight_file = WEIGHTS[state.weight]
    if not state.crc32:
        state.crc32 = {START: zlib.crc32(bytes(8)), PRE: 0, weight_file: 0}
    for b in range(state.sorted, len(state.buckets)):
        first, last = state.bounds[b : b + 2]
        post, pre, weight = _sorted(_bucket(work, state, b), first, state.neurons)
        if add_up:
            post, pre, weight = _added_up(post, pre, weight)
        ends = state.synapses + np.cumsum(np.bincount(post - first, minlength=last - first))
        parts = ((START, ends, first + 1), (PRE, pre, state.synapses), (weight_file, weight, state.synapses))
        sums = dict(state.crc32)
        for name, numbers, kept in parts:
            numbers = np.ascontiguousarray(numbers, dtype_of(name))
            append(work.target / name, kept * numbers.itemsize, numbers)
            sums[name] = zlib.crc32(numbers.data, sums[name])
        state.sorted, state.synapses, state.crc32 = b + 1, state.synapses + len(pre), sums
        work.keep(state)
        work.delete(bucket_file(b))
        tell(state.sorted / len(state.buckets), "")
    for b in range(state.sorted):
        work.delete(bucket_file(b))
    for name, kept in ((START, state.neurons + 1), (PRE, state.synapses), (weight_file, state.synapses)):
        append(work.target / name, kept * dtype_of(name).itemsize, np.empty(0, dtype_of(name)))
        to_the_disk(work.target / name)
    state.stage = "check"
    work.keep(state)


def _bucket(work: Work, state: State, number: int) -> Array:
    path, kind = work.folder / bucket_file(number), record(state.weight)
    if not state.buckets[number]:
        return np.empty(0, kind)
    if not path.is_file() or path.stat().st_size < state.buckets[number] * kind.itemsize:
        raise work.damaged(path.name, f"it does not have {state.buckets[number]:,} edges")
    edges = np.fromfile(path, kind, state.buckets[number])
    inside = (edges["post"] >= state.bounds[number]) & (edges["post"] < state.bounds[number + 1])
    if not inside.all():
        raise work.damaged(path.name, f"edge {int(np.argmin(inside)):,} belongs to another one")
    return edges


def _sorted(edges: Array, first: int, neurons: int) -> tuple[Array, Array, Array]:
    """Edges in the order of post, then of pre, then as they came."""
    key = (edges["post"].astype(np.int64) - first) * neurons + edges["pre"]
    if np.any(key[1:] < key[:-1]):
        edges = edges[np.argsort(key, kind="stable")]
    return edges["post"].astype(np.int64), edges["pre"], edges["weight"]


def _added_up(post: Array, pre: Array, weight: Array) -> tuple[Array, Array, Array]:
    """One synapse between two neurons, of the sum of their weights, computed in double precision."""
    if not len(post):
        return post, pre, weight
    begins = np.flatnonzero(np.concatenate(([True], (post[1:] != post[:-1]) | (pre[1:] != pre[:-1]))))
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(weight.astype(np.float64), begins).astype(weight.dtype)
    if not np.isfinite(sums).all():
        edge = begins[int(np.argmin(np.isfinite(sums)))]
        raise InvalidInputError(
            f"The weights of the edges from neuron number {pre[edge]} to number {post[edge]} add up to more than "
            f"{weight.dtype} holds. Delete the folder, and do not add them up, or scale all weights down."
        )
    return post[begins], pre[begins], sums


def header(work: Work, state: State, add_up: bool, source: str) -> Header:
    """What ``network.json`` will say."""
    found = Header(state.neurons, state.synapses, state.weight, state.ids, add_up, source, dict(state.crc32))
    for name in found.id_files():
        to_the_disk(work.target / name)
        found.crc32[name] = zlib.crc32((work.target / name).read_bytes())
    return found
