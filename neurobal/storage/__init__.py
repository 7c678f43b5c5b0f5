"""`save` and `load`: results in one file, without code and without pickle. ``docs/file_format.md`` describes it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from neurobal.certificate import Certificate
from neurobal.circuit import Circuit
from neurobal.errors import InvalidFileError, NeurobalError
from neurobal.rescaling import Rescaling
from neurobal.result import Balance
from neurobal.storage import container
from neurobal.storage.records import TABLE
from neurobal.storage.tree import Reader, Writer
from neurobal.symmetry.symmetries import Symmetries
from neurobal.version import __version__

Thing: TypeAlias = Circuit | Rescaling | Balance | Certificate | Symmetries

FORMAT = "neurobal"
VERSION = 1
THINGS: tuple[type, ...] = (Circuit, Rescaling, Balance, Certificate, Symmetries)
NAMES = ", ".join(kind.__name__ for kind in THINGS)


def save(path: str | os.PathLike[str], thing: Thing) -> None:
    """Write a circuit or a result to a file, from which `load` makes it again.

    The file is numpy's npz (uncompressed arrays and one JSON text) under any name. It holds no code and no objects of
    a simulator: of a Brian2 network it keeps what is needed to find and check the same objects in a network that is
    built anew. What is written is read once, to be sure that it can be; only then a file of this name is replaced.

    Parameters
    ----------
    path
        Where to.
    thing
        A `Circuit`, `Rescaling`, `Balance`, `Certificate` or `Symmetries`.

    Raises
    ------
    InvalidInputError
        It is none of these, or holds what no file can: a cost that is a class of your own, say. No file is written.
    OSError
        The file cannot be written.
    """
    tree, arrays = _tree(thing)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with open(unfinished, "xb") as stream:
            container.write(stream, tree, arrays)
        _check_readable(unfinished)
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Thing:
    """What `save` wrote to a file.

    Nothing in a file is run. One that is damaged, or was made to do harm, is an error, and takes no more time and
    memory than its size explains.

    Returns
    -------
    What was saved. ``apply()`` of a result has nothing to write to; its ``apply_to(network)`` rescales a network that
    was built anew, and ``verify(result.before, network)`` compares the two, by the names of their objects.

    Raises
    ------
    InvalidInputError
        The file is damaged, was not written by `save`, or by a newer version of this package.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> J = np.array([[0.0, 8.0], [0.5, 0.0]])
    >>> nb.save("balanced.npz", nb.balance(J))
    >>> result = nb.load("balanced.npz")
    >>> result.scale.round(6).tolist(), result.certificate.preserved
    ([0.5, 2.0], True)
    """
    try:
        with open(path, "rb") as stream:
            return read(stream)
    except NeurobalError as error:
        raise InvalidFileError(f"Cannot load {os.fspath(path)!r}: {_sentence(error)}") from error


def write(stream: BinaryIO, thing: Thing) -> None:
    """`save` to an open file."""
    container.write(stream, *_tree(thing))


def read(stream: BinaryIO) -> Thing:
    """`load` from an open file."""
    tree, arrays = container.read(stream)
    if not isinstance(tree, dict) or tree.get("format") != FORMAT or type(tree.get("version")) is not int:
        raise InvalidFileError("this is no file of neurobal: its text does not say so")
    if tree["version"] > VERSION:
        raise InvalidFileError(
            f"it was written by a newer neurobal, {str(tree.get('package'))[:40]}, in version {tree['version']} of the "
            f"format; this one knows version {VERSION}. Update neurobal"
        )
    if tree["version"] != VERSION or tree.keys() != {"format", "version", "package", "thing"}:
        raise InvalidFileError("its text is damaged")
    reader = Reader(TABLE, arrays)
    try:
        thing = reader.value(tree["thing"])
    except RecursionError as error:
        raise InvalidFileError("its text is nested too deeply") from error
    reader.finish()
    if type(thing) not in THINGS:
        raise InvalidFileError(f"it holds a {type(thing).__name__}, and none of {NAMES}")
    return thing


def _check_readable(path: Path) -> None:
    try:
        with open(path, "rb") as stream:
            read(stream)
    except NeurobalError as error:
        raise InvalidFileError(f"save: what was to be saved could not be loaded: {_sentence(error)}") from error


def _tree(thing: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if type(thing) not in THINGS:
        raise InvalidFileError(f"save: expected one of {NAMES}, got {type(thing).__name__}.")
    writer = Writer(TABLE)
    try:
        tree = writer.tree(thing, type(thing).__name__.lower())
    except InvalidFileError as error:
        hint = " If that is a cost of your own, pickle the result instead." if isinstance(thing, Balance) else ""
        raise InvalidFileError(f"save: {error}; it holds numbers and text, no code.{hint}") from error
    return {"format": FORMAT, "version": VERSION, "package": __version__, "thing": tree}, writer.arrays


def _sentence(error: Exception) -> str:
    return f"{str(error).removesuffix('.')}."
