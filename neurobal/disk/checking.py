"""Everything that has to be true of the files of a network, looked at in one pass, block by block."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.header import (
    HEADER,
    INTEGER_IDS,
    LONGEST_ID,
    PRE,
    START,
    TEXT_IDS,
    TEXT_STARTS,
    WEIGHTS,
    Header,
    damaged,
    dtype_of,
)

Array: TypeAlias = np.ndarray
Tell: TypeAlias = Callable[[float], Any]

BLOCK = 2**21  # numbers that are looked at together


def check(folder: Path, header: Header, tell: Tell = lambda fraction: None) -> Array | None:
    """Check all files of a network; the answer are its ids (None: they are numbers).

    Memory: a few blocks, and the ids. Raises InvalidFileError.
    """
    for name, length in header.lengths().items():
        _check_size(folder / name, length * dtype_of(name).itemsize)
    ids = _ids(folder, header)
    _check_starts(folder / START, header)
    if header.synapses:
        _check_synapses(folder, header, ids, tell)
    return ids


def _check_size(path: Path, expected: int, says: str = HEADER) -> None:
    if not path.is_file():
        raise damaged(path, "there is no such file")
    found = path.stat().st_size
    if found != expected:
        raise damaged(path, f"it has {found:,} bytes, and {says} says {expected:,}")


# ------------------------------------------------------------------------------------------------------------ ids


def _ids(folder: Path, header: Header) -> Array | None:
    if header.ids == "none":
        return None
    if header.ids == "utf8":
        path, ids = folder / TEXT_IDS, _texts(folder, header)
    else:
        path = folder / INTEGER_IDS[header.ids]
        content = path.read_bytes()
        _check_sum(path, header, zlib.crc32(content))
        ids = np.frombuffer(content, dtype_of(path.name))
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if len(same):
        first, second = order[same[0]], order[same[0] + 1]
        raise damaged(path, f"the neurons {first} and {second} have the same id, {ids[first].item()!r}")
    return ids


def _texts(folder: Path, header: Header) -> Array:
    """Strings, one behind the other in one file; the other file says where each begins."""
    path = folder / TEXT_STARTS
    content = path.read_bytes()
    _check_sum(path, header, zlib.crc32(content))
    starts = np.frombuffer(content, dtype_of(path.name))
    if starts[0] != 0 or np.any(starts[1:] <= starts[:-1]):
        raise damaged(path, "it does not begin with 0 and rise from id to id (there are no empty ids)")
    path = folder / TEXT_IDS
    _check_size(path, int(starts[-1]), TEXT_STARTS)
    text = path.read_bytes()
    _check_sum(path, header, zlib.crc32(text))
    longest = int(np.diff(starts).max(initial=0))
    ids = np.empty(header.neurons, dtype=f"U{max(min(longest, LONGEST_ID), 1)}")
    for k in range(header.neurons):
        try:
            ids[k] = name = text[starts[k] : starts[k + 1]].decode()
        except UnicodeDecodeError as error:
            raise damaged(path, f"the id of neuron {k} is no UTF-8 ({error})") from error
        if len(name) > LONGEST_ID or "\0" in name:
            raise damaged(path, f"the id of neuron {k} has more than {LONGEST_ID} characters, or one that is NUL")
    return ids


# ------------------------------------------------------------------------------------------------------- synapses


def _check_starts(path: Path, header: Header) -> None:
    before, first, checksum = 0, 0, 0
    for starts in _blocks(path, header.neurons + 1):
        checksum = zlib.crc32(starts.data, checksum)
        if first == 0 and starts[0] != 0:
            raise damaged(path, f"the synapses of neuron 0 begin at {starts[0]}, not at 0")
        falls = np.flatnonzero(starts < np.concatenate(([before], starts[:-1])))
        if len(falls):
            neuron = first + int(falls[0])
            raise damaged(path, f"the synapses of neuron {neuron} begin before those of neuron {neuron - 1}")
        before, first = int(starts[-1]), first + len(starts)
    if before != header.synapses:
        raise damaged(path, f"it ends with {before:,}, and network.json says that there are {header.synapses:,}")
    _check_sum(path, header, checksum)


def _check_synapses(folder: Path, header: Header, ids: Array | None, tell: Tell) -> None:
    start = np.memmap(folder / START, dtype_of(START), mode="r")
    paths = folder / PRE, folder / WEIGHTS[header.weight]
    checksums = [0, 0]
    last, first = -1, 0  # the presynaptic neuron of the synapse before the block; where the block begins
    blocks = (_blocks(path, header.synapses) for path in paths)
    for pre, weight in zip(*blocks, strict=True):
        checksums = [zlib.crc32(part.data, known) for part, known in zip((pre, weight), checksums, strict=True)]
        outside = (pre < 0) | (pre >= header.neurons)
        if outside.any():
            at = int(np.argmax(outside))
            post = _name(ids, _post(start, first + at))
            raise damaged(
                paths[0],
                f"synapse {first + at:,}, to neuron {post}, comes from neuron {pre[at]}, and there are "
                f"{header.neurons:,} neurons",
            )
        _check_order(paths[0], header, ids, start, pre, last, first)
        finite = np.isfinite(weight)
        if not finite.all():
            at = int(np.argmin(finite))
            ends = f"from neuron {_name(ids, int(pre[at]))} to neuron {_name(ids, _post(start, first + at))}"
            raise damaged(paths[1], f"synapse {first + at:,}, {ends}, has weight {weight[at]}")
        last, first = int(pre[-1]), first + len(pre)
        tell(first / header.synapses)
    for path, checksum in zip(paths, checksums, strict=True):
        _check_sum(path, header, checksum)


def _check_order(
    path: Path, header: Header, ids: Array | None, start: Array, pre: Array, last: int, first: int
) -> None:
    """In a row, presynaptic neurons rise; only where a row begins they may fall."""
    steps = np.diff(pre, prepend=np.int32(last))
    falls = np.flatnonzero(steps <= 0 if header.added_up else steps < 0) + first
    begins = start[np.searchsorted(start, falls)] == falls
    if not begins.all():
        at = int(falls[np.argmin(begins)])
        post, sender = _name(ids, _post(start, at)), _name(ids, int(pre[at - first]))
        rule = "rise in each row" if header.added_up else "never fall in a row"
        place = f"synapse {at:,}, from neuron {sender} to {post} (if it is not {START} that is wrong about rows)"
        raise damaged(path, f"presynaptic neurons {rule}, but not at {place}")


def _post(start: Array, synapse: int) -> int:
    return int(np.searchsorted(start, synapse, side="right")) - 1


def _name(ids: Array | None, neuron: int) -> str:
    return f"{neuron}" if ids is None else f"{neuron} (id {ids[neuron].item()!r})"


def _blocks(path: Path, length: int) -> Iterator[Array]:
    """The numbers of a file, block by block, by reading: a file that shrinks meanwhile is an error, and no crash."""
    dtype = dtype_of(path.name)
    with open(path, "rb", buffering=0) as stream:
        for first in range(0, length, BLOCK):
            numbers = np.fromfile(stream, dtype, min(BLOCK, length - first))
            if len(numbers) < min(BLOCK, length - first):
                raise damaged(path, f"it ended at byte {stream.tell():,} while it was read")
            yield numbers


def _check_sum(path: Path, header: Header, found: int) -> None:
    expected = header.crc32.get(path.name)
    if expected is not None and expected != found:
        raise damaged(path, f"its check sum (CRC-32) is {found:#010x}, and network.json says {expected:#010x}")
