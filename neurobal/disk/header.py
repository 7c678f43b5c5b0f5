"""Names and types of the files of a network on disk, and ``network.json``, which says how much of what there is."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.errors import InvalidFileError
from neurobal.version import __version__

Array: TypeAlias = np.ndarray

FORMAT = "neurobal synapses"
VERSION = 1
HEADER = "network.json"
START, PRE = "start.i64", "pre.i32"
WEIGHTS = {"float32": "weight.f32", "float64": "weight.f64"}
INTEGER_IDS = {"int64": "id.i64", "uint64": "id.u64"}
TEXT_IDS, TEXT_STARTS = "id.utf8", "id_start.i64"
DTYPES = {suffix: np.dtype(f"<{suffix[0]}{int(suffix[1:]) // 8}") for suffix in ("i32", "i64", "u64", "f32", "f64")}
MOST_NEURONS = 2**31 - 1
MOST_SYNAPSES = 2**60
LONGEST_HEADER = 2**20  # bytes
LONGEST_ID = 255  # characters
REMEDY = "Delete the folder and make it again (nb.to_disk)"


def dtype_of(name: str) -> np.dtype[Any]:
    """The type of the numbers in a file, which its name ends with."""
    return DTYPES[name.rpartition(".")[2]]


@dataclass(frozen=True)
class Header:
    """What ``network.json`` says.

    ``weight`` is float32 or float64; ``ids`` int64, uint64, utf8, or none (then ids are 0 ... neurons - 1);
    ``added_up`` tells that there is one synapse at most between two neurons; ``source`` is a note for people;
    ``crc32`` are check sums of files by name, as many as the writer liked to give.
    """

    neurons: int
    synapses: int
    weight: str
    ids: str
    added_up: bool = False
    source: str = ""
    crc32: dict[str, int] = field(default_factory=dict)

    def id_files(self) -> list[str]:
        """Names of the files that say what neurons are called."""
        if self.ids == "utf8":
            return [TEXT_STARTS, TEXT_IDS]
        return [INTEGER_IDS[self.ids]] if self.ids in INTEGER_IDS else []

    def files(self) -> list[str]:
        """Names of all files but ``network.json``."""
        return [START, PRE, WEIGHTS[self.weight], *self.id_files()]

    def lengths(self) -> dict[str, int]:
        """How many numbers each file has; of ``id.utf8`` only its other file knows it."""
        lengths = {START: self.neurons + 1, PRE: self.synapses, WEIGHTS[self.weight]: self.synapses}
        for name in self.id_files():
            if name != TEXT_IDS:
                lengths[name] = self.neurons + (name == TEXT_STARTS)
        return lengths


def write_header(folder: Path, header: Header) -> None:
    """Make a folder a network: all or nothing, and only when all other files are on the disk."""
    text = {"format": FORMAT, "version": VERSION, "package": __version__, **asdict(header)}
    write_json(folder / HEADER, text)


def write_json(path: Path, tree: Any) -> None:
    """Replace a file by the text of a tree, all or nothing."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(unfinished, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(tree, allow_nan=False))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_header(folder: Path) -> Header:
    """What ``network.json`` says, each value checked alone.

    Raises
    ------
    InvalidFileError
        There is none, it is damaged, or written by a newer version.
    """
    path = folder / HEADER
    if not folder.is_dir():
        raise InvalidFileError(f"There is no folder {str(folder)!r}. nb.to_disk(edges, folder) makes one.")
    if not path.is_file():
        raise InvalidFileError(
            f"{str(folder)!r} is no network, or not yet: it has no {HEADER}, which nb.to_disk writes last. If that was "
            "stopped, call it again with the same arguments: it goes on where it was."
        )
    if path.stat().st_size > LONGEST_HEADER:
        raise damaged(path, f"it has more than {LONGEST_HEADER:,} bytes")
    try:
        tree = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON ({error})") from error
    if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT:
        raise damaged(path, f"it does not say that it is of the format {FORMAT!r}")
    version = tree.pop("version", None)
    if type(version) is int and version > VERSION:
        raise InvalidFileError(
            f"{str(path)!r} is of version {version} of the format, by neurobal {str(tree.get('package'))[:40]}; this "
            f"one knows version {VERSION}. Update neurobal."
        )
    if type(version) is not int or version != VERSION:
        raise damaged(path, f"its version is {version!r:.40}")
    tree.pop("package", None)
    return _header(path, tree)


def _header(path: Path, tree: dict[str, Any]) -> Header:
    odd = sorted(tree.keys() - {f.name for f in fields(Header)})
    if odd:
        raise damaged(path, f"it has an entry {odd[0]!r:.40} that is not in the format")
    for name, most in (("neurons", MOST_NEURONS), ("synapses", MOST_SYNAPSES)):
        if type(tree.get(name)) is not int or not 0 <= tree[name] <= most:
            raise damaged(path, f"{name!r} is {tree.get(name)!r:.40}, not a number from 0 to {most:,}")
    for name, choices in (("weight", [*WEIGHTS]), ("ids", ["none", *INTEGER_IDS, "utf8"])):
        if tree.get(name) not in choices:
            raise damaged(path, f"{name!r} is {tree.get(name)!r:.40}, not one of {', '.join(choices)}")
    if type(tree.get("added_up", False)) is not bool or type(tree.get("source", "")) is not str:
        raise damaged(path, "'added_up' is no flag, or 'source' no text")
    sums = tree.get("crc32", {})
    if not isinstance(sums, dict) or any(type(value) is not int for value in sums.values()):
        raise damaged(path, "'crc32' is no object of whole numbers")
    header = Header(**tree)
    if odd := sorted(sums.keys() - {*header.files()}):
        raise damaged(path, f"'crc32' names the file {odd[0]!r:.40}, which is none of this network")
    return header


def damaged(path: Path, what: str) -> InvalidFileError:
    """The error about a file that is not as it has to be; ``what`` is wrong with it, as a part of a sentence."""
    return InvalidFileError(f"{str(path)!r} is damaged: {what}. {REMEDY}.")
