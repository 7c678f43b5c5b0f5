"""The file as numpy's npz: a zip of uncompressed .npy arrays and of one text. Read without trust.

Nothing that a file says about sizes is believed before it has been compared with the file's own size, so that reading
never takes more memory than the file has bytes, times a small constant.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.lib import format as npy

from neurobal.errors import InvalidFileError

Array: TypeAlias = np.ndarray

TEXT = "neurobal.json"
SUFFIX = ".npy"
LONGEST_TEXT = 2**26  # bytes; arrays are not in it
LARGE = 2**30  # bytes from which on a member needs the wide fields of a zip
STORED_KINDS = "biuf"  # of dtypes: flags, integers, floats
MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>\|b1|\|[iu]1|[<>](?:[iu][248]|f[248]))', 'fortran_order': False, "
    rb"'shape': \((?P<shape>|\d{1,18},|\d{1,18}(?:, \d{1,18}){1,31})\), \} *\n"
)


def write(stream: BinaryIO, tree: Any, arrays: Mapping[str, Array]) -> None:
    """Write a tree of plain values and the arrays that it names."""
    text = json.dumps(tree, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > LONGEST_TEXT:
        raise InvalidFileError(f"All but its arrays takes {len(text):,} bytes; a file holds {LONGEST_TEXT:,}.")
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(TEXT), text)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + SUFFIX), "w", force_zip64=array.nbytes > LARGE) as member:
                npy.write_array(member, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)


def read(stream: BinaryIO) -> tuple[Any, dict[str, Array]]:
    """The tree and the arrays of a file; InvalidFileError if it is not one that `write` made."""
    try:
        with zipfile.ZipFile(_Bounded(stream)) as archive:
            members = archive.infolist()
            _check(members, stream.seek(0, io.SEEK_END))
            contents = {member.filename: archive.read(member) for member in members}
    except InvalidFileError:
        raise
    except Exception as error:  # a damaged zip leads to many kinds of errors, of struct, of zlib, ...
        raise InvalidFileError(f"the file is damaged, or no file of neurobal ({error})") from error
    if TEXT not in contents:
        raise InvalidFileError(f"this is no file of neurobal: it has no member {TEXT!r}")
    tree = _tree(contents.pop(TEXT))
    return tree, {name.removesuffix(SUFFIX): _array(name, contents.pop(name)) for name in list(contents)}


class _Bounded(io.RawIOBase):
    """A stream of which nobody can ask for more bytes than it has: buffers are made before they are filled."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._length = stream, stream.seek(0, io.SEEK_END)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._length - self._stream.tell(), 0)
        return self._stream.read(left if size is None or size < 0 else min(size, left))

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _check(members: list[zipfile.ZipInfo], length: int) -> None:
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise InvalidFileError("the file is damaged: two of its members have the same name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise InvalidFileError(f"the member {member.filename!r} is compressed; save() writes it as it is")
        if member.filename != TEXT and not member.filename.endswith(SUFFIX):
            raise InvalidFileError(f"the file has a member {member.filename!r} that save() does not write")
    total = sum(member.file_size for member in members)  # members may not share bytes
    if total > length:
        raise InvalidFileError(f"its members claim {total:,} bytes, and the file has {length:,}")
    if any(member.filename == TEXT and member.file_size > LONGEST_TEXT for member in members):
        raise InvalidFileError(f"its text has more than {LONGEST_TEXT:,} bytes")


def _tree(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode(), object_pairs_hook=_without_repetition, parse_constant=_no_number, parse_float=_number
        )
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(f"its text is no JSON: {error}") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _number(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _no_number(text)


def _array(name: str, content: bytes) -> Array:
    """An array from its .npy text; the shape and type that it claims must explain its size."""
    length = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 2], "little")
    start = len(MAGIC) + 2 + length
    header = HEADER.fullmatch(content[len(MAGIC) + 2 : start])
    if not content.startswith(MAGIC) or header is None:
        raise InvalidFileError(f"the array {name!r} is damaged, or of a kind that save() does not write")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(number) for number in re.findall(rb"\d+", header["shape"]))
    size = math.prod(shape)
    if size * dtype.itemsize != len(content) - start:
        raise InvalidFileError(f"the array {name!r} claims shape {shape} of {dtype} in {len(content) - start:,} bytes")
    values = np.frombuffer(content, dtype, size, start)
    if dtype.kind == "b" and values.view(np.uint8).max(initial=0) > 1:
        raise InvalidFileError(f"the array {name!r} holds flags that are neither true nor false")
    try:
        return values.reshape(shape).astype(dtype.newbyteorder("="))
    except (ValueError, OverflowError) as error:  # no values, in one of several dimensions that are out of range
        raise InvalidFileError(f"the array {name!r} claims shape {shape}") from error
