"""Writing a rescaled network to a new folder: band by band, and a network only when all is there."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurobal.disk import SynapsesOnDisk, on_disk
from neurobal.disk.header import HEADER, WEIGHTS, Header, write_header
from neurobal.disk.layout import opened
from neurobal.disk.work import FULL, to_the_disk
from neurobal.errors import InvalidInputError, NeurobalError
from neurobal.large.checks import ends, out_of_range, rescaled_weights
from neurobal.large.files import OnFiles
from neurobal.large.passes import RowBand
from neurobal.progress import Progress, Report

Array: TypeAlias = np.ndarray

MARK = "unfinished.json"  # in a folder that is being written
BLOCK = 2**24  # bytes that are copied at a time


def write(network: SynapsesOnDisk, log_scale: Array, folder: str | os.PathLike[str], report: Report) -> SynapsesOnDisk:
    """Write ``w_ij λ_i / λ_j`` to a new folder, in the precision of the weights.

    What was stopped leaves a folder that is no network: it is written anew when asked for again.

    Raises
    ------
    InvalidInputError
        The folder is not new; a weight leaves the range of its precision.
    NeurobalError
        The disk is full; nothing is left behind.
    """
    target = Path(folder)
    _begin(network, target)
    progress = Progress(report, f"writing {target.name}")
    with _cleaned(network, target):
        header = _files(network, log_scale, target, progress)
        write_header(target, header)
    (target / MARK).unlink()
    progress.done(f"{network.nnz:,} synapses")
    return opened(target, header, network.stored_ids)


def _begin(network: SynapsesOnDisk, target: Path) -> None:
    """Check the folder and the room on its disk, and mark it as unfinished."""
    if target.exists() and not target.is_dir():
        raise InvalidInputError(f"write: {str(target)!r} is a file: give a folder, new or empty.")
    if target.exists() and target.resolve() == network.folder.resolve():
        raise InvalidInputError(f"write: {str(target)!r} is the network itself, which is never changed. Give another.")
    found = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if found and MARK not in found:
        what = "is a network already" if HEADER in found else f"is not empty: it has {found[0]!r}"
        raise InvalidInputError(f"write: {str(target)!r} {what}. It is left as it is: give a folder, new or empty.")
    for name in _names(network.header):
        (target / name).unlink(missing_ok=True)  # of a call that was stopped
    near = next(path for path in (target, *target.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(near).free, _size(network)
    if free < needed:
        raise NeurobalError(
            f"write: the disk of {str(target)!r} has {free / 1e9:,.3f} GB free, and the network takes "
            f"{needed / 1e9:,.3f} GB. Nothing was written. Make room, or give a folder on another disk."
        )
    target.mkdir(parents=True, exist_ok=True)
    (target / MARK).write_text(json.dumps({"rescaling of": str(network.folder)}), encoding="utf-8")


def _names(header: Header) -> list[str]:
    """All files of a network, the one that makes it one first."""
    return [HEADER, *header.files()]


def _size(network: SynapsesOnDisk) -> int:
    return sum((network.folder / name).stat().st_size for name in _names(network.header))


@contextmanager
def _cleaned(network: SynapsesOnDisk, target: Path) -> Iterator[None]:
    """Leave nothing behind if anything fails."""
    try:
        yield
    except BaseException as error:
        for name in (*_names(network.header), MARK):
            (target / name).unlink(missing_ok=True)
        if not any(target.iterdir()):
            target.rmdir()
        if isinstance(error, OSError) and error.errno in FULL:
            raise NeurobalError(
                f"write: the disk of {str(target)!r} is full; the network takes {_size(network) / 1e9:,.3f} GB. What "
                "was written of it is deleted again. Make room, or give a folder on another disk."
            ) from error
        raise


def _files(network: SynapsesOnDisk, log_scale: Array, target: Path, progress: Progress) -> Header:
    name = WEIGHTS[network.header.weight]
    passes = OnFiles(network, threads=1)
    passes.tell = lambda count, done: progress.update(0.7 * done)
    checksum = 0
    with open(target / name, "wb") as stream:
        for band in passes.bands():
            weights = rescaled_weights(band.weight, band.post, band.pre, log_scale)
            _check_range(band, weights, network)
            stream.write(weights.data)
            checksum = zlib.crc32(weights.data, checksum)
    to_the_disk(target / name)
    sums = {name: checksum}
    others = [other for other in network.header.files() if other != name]
    for k, other in enumerate(others):
        sums[other] = _copied(network.folder / other, target / other)
        progress.update(0.7 + 0.3 * (k + 1) / len(others))
    return replace(network.header, source=f"{network.header.source}, rescaled".lstrip(", "), crc32=sums)


def _check_range(band: RowBand, weights: Array, network: SynapsesOnDisk) -> None:
    lost = out_of_range(band.weight, weights)
    if lost.any():
        place = int(np.argmax(lost))
        row = int(np.searchsorted(band.indptr, place, side="right")) - 1
        synapse = band.first + row, int(band.pre[place]), place - int(band.indptr[row])
        double = "" if weights.dtype == np.float64 else " Convert the network with weights in double precision."
        raise InvalidInputError(
            f"write: {ends(synapse, network.stored_ids)} has weight {band.weight[place]:g} and would get one that "
            f"{weights.dtype} cannot hold (it becomes {weights[place]:g}). Nothing was written.{double} Pin neurons "
            "with extreme scales."
        )


def _copied(source: Path, target: Path) -> int:
    """Copy a file; its check sum."""
    checksum = 0
    with open(source, "rb") as old, open(target, "wb") as new:
        while block := old.read(BLOCK):
            new.write(block)
            checksum = zlib.crc32(block, checksum)
    to_the_disk(target)
    return checksum


def network_of(network: Any) -> SynapsesOnDisk:
    """An opened network, or that in a folder."""
    return network if isinstance(network, SynapsesOnDisk) else on_disk(network)
