"""How far a conversion has come, in files: what is needed to go on after it was stopped at any moment."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk.header import START, WEIGHTS, dtype_of, write_json
from neurobal.errors import InvalidFileError, InvalidInputError, NeurobalError

Array: TypeAlias = np.ndarray

WORK, STATE, LOCK = "work", "state.json", "lock"
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass
class State:
    """What is done: written after each step; what is in files beyond it was not finished, and is done again."""

    arguments: dict[str, Any]
    stage: str = "collect"  # then "distribute", "sort" and "check"
    # Collecting: edges with provisional numbers, in segments.
    blocks: int = 0
    checksum: int = 0
    first_checksum: int = 0  # of the first block
    segments: list[int] = field(default_factory=list)  # edges of each
    weight: str = "float32"
    # Distributing: edges with final numbers, in buckets of neurons that follow each other.
    neurons: int = 0
    ids: str = "none"
    bounds: list[int] = field(default_factory=list)  # the first neuron of each bucket, and the number of neurons
    distributed: int = 0  # segments
    buckets: list[int] = field(default_factory=list)  # edges of each
    # Sorting.
    sorted: int = 0  # buckets
    synapses: int = 0
    crc32: dict[str, int] = field(default_factory=dict)

    @property
    def edges(self) -> int:
        return sum(self.segments)

    def space(self) -> int:
        """Bytes that the files take, at most, of the edges that are known so far."""
        size = dtype_of(WEIGHTS[self.weight]).itemsize
        largest = max([*self.segments, *self.buckets], default=0)
        return (8 + size) * (self.edges + largest) + dtype_of(START).itemsize * (self.neurons + 1)


class Work:
    """The folder of a conversion that has not ended; within the folder that the network will be in."""

    def __init__(self, target: Path) -> None:
        self.target, self.folder = target, target / WORK

    def begin(self, arguments: dict[str, Any]) -> State:
        """The state of a conversion with these arguments that was stopped, or of one that begins."""
        if not (self.folder / STATE).is_file():
            state = State(arguments)
            self.keep(state)
            return state
        state = self._read()
        if state.arguments != arguments:
            odd = sorted({k for k in state.arguments.keys() | arguments if state.arguments.get(k) != arguments.get(k)})
            raise InvalidInputError(
                f"In {str(self.target)!r} a conversion was begun with other arguments: {', '.join(odd)} differ. Call "
                "it with the same ones to go on, or delete the folder to begin anew."
            )
        return state

    def _make(self) -> None:
        """Make the folder; one that has files which are not ours is an error."""
        if self.target.exists() and not self.target.is_dir():
            raise InvalidInputError(f"{str(self.target)!r} is a file: give a folder, new or empty.")
        others = self._others() if self.target.exists() and not (self.folder / STATE).exists() else []
        if others:
            raise InvalidInputError(
                f"The folder {str(self.target)!r} is not empty: it has {min(others)!r}. Give a new or empty one."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def _others(self) -> list[str]:
        paths = [*self.target.iterdir(), *(self.folder.iterdir() if self.folder.is_dir() else ())]
        return [path.name for path in paths if path != self.folder and not path.name.startswith((LOCK, f".{STATE}."))]

    def _read(self) -> State:
        try:
            tree = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            known = {f.name for f in fields(State)}
            if not isinstance(tree, dict) or tree.keys() != known or not isinstance(tree["arguments"], dict):
                raise ValueError("its entries are not those that are expected")
            return State(**tree)
        except ValueError as error:
            raise self.damaged(STATE, str(error)) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and be the only process that works in it, as far as the system has locks."""
        self._make()
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        with open(self.folder / LOCK, "wb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InvalidInputError(
                    f"Another process is writing a network to {str(self.target)!r}. Wait, or take another folder."
                ) from None
            except OSError:  # a disk without locks
                pass
            yield

    def keep(self, state: State) -> None:
        """Write the state down; until then all that was done since the last time counts as not done."""
        write_json(self.folder / STATE, asdict(state))

    def end(self) -> None:
        """Delete all files of the work, those that say what they are last."""
        for path in self.folder.iterdir():
            if path.name != STATE:
                path.unlink()
        (self.folder / STATE).unlink(missing_ok=True)
        self.folder.rmdir()

    def forget(self) -> None:
        """Delete what no later call could go on with."""
        shutil.rmtree(self.folder)
        if not any(self.target.iterdir()):
            self.target.rmdir()

    def save(self, name: str, array: Array) -> None:
        """Write an array to a file of its own, from its beginning."""
        with open(self.folder / name, "wb") as stream:
            np.save(stream, array, allow_pickle=False)

    def load(self, name: str) -> Array:
        try:
            with open(self.folder / name, "rb") as stream:
                return np.load(stream, allow_pickle=False)
        except (ValueError, EOFError, FileNotFoundError) as error:
            raise self.damaged(name, str(error)) from error

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def damaged(self, name: str, what: str) -> InvalidFileError:
        return InvalidFileError(
            f"{str(self.folder / name)!r}, of a conversion that was stopped, is damaged: {what}. Delete the folder "
            f"{str(self.target)!r} and begin anew."
        )


def append(path: Path, kept: int, array: Array) -> None:
    """Put an array into a file behind its first ``kept`` bytes: what was there further on was not finished."""
    with open(path, "r+b" if path.exists() else "w+b") as stream:
        found = stream.seek(0, os.SEEK_END)
        if found < kept:
            raise InvalidFileError(
                f"{str(path)!r} has {found:,} bytes, and had {kept:,} when the conversion was stopped. Delete the "
                "folder and begin anew."
            )
        stream.truncate(kept)
        stream.seek(kept)
        stream.write(np.ascontiguousarray(array).data)


def to_the_disk(path: Path) -> None:
    """Wait until a file is on the disk, whatever happens to the machine."""
    with open(path, "r+b") as stream:
        os.fsync(stream.fileno())


@contextmanager
def room_on_disk(target: Path, state: State) -> Iterator[None]:
    """Say it in words when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        at = target if target.exists() else target.parent
        raise NeurobalError(
            f"The disk of {str(target)!r} is full ({shutil.disk_usage(at).free / 1e9:,.3f} GB free). The "
            f"{state.edges:,} edges{' so far' if state.stage == 'collect' else ''} take up to "
            f"{state.space() / 1e9:,.3f} GB in this folder while they are converted. Nothing is lost: make room and "
            "call nb.to_disk again with the same arguments; it goes on where it was."
        ) from error
