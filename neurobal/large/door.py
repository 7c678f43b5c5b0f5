"""`balance` and `verify` for networks on disk: checks what users give, and what is possible there."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol, TypeAlias

import numpy as np

from neurobal.cost import Cost
from neurobal.disk import SynapsesOnDisk
from neurobal.errors import InvalidInputError, NeurobalError
from neurobal.large.balancing import Solved, Watch, solve
from neurobal.large.checkpoint import Checkpoint
from neurobal.large.files import OnFiles
from neurobal.large.passes import Passes
from neurobal.large.problem import powers_of
from neurobal.large.result import BalanceOnDisk, columns_of
from neurobal.progress import Progress, Report
from neurobal.solvers import Newton, Solver

Array: TypeAlias = np.ndarray

LOAD = "possible for networks in memory only so far: nb.on_disk(folder).matrix() loads it, if it fits"


class Named(Protocol):
    """A network whose neurons have names."""

    @property
    def size(self) -> int: ...
    @property
    def ids(self) -> Array: ...
    def numbers(self, ids: Any) -> Array: ...


class Telling(Passes, Protocol):
    """Passes that tell how far they are: their number, and the share that is done."""

    tell: Callable[[int, float], Any]


def balance_on_disk(
    network: SynapsesOnDisk,
    *,
    cost: Cost | Mapping[str, Cost],
    pinned: Any,
    solver: Solver,
    tol: float,
    max_iter: int | None,
    strict: bool,
    report: Report,
    checkpoint: str | os.PathLike[str] | None,
    others: Mapping[str, Any],
) -> BalanceOnDisk:
    """`neurobal.balance` of a network on disk. ``others``: options that only networks in memory know, if given."""
    check_possible(solver, others, LOAD)
    held = pinned_mask(network, pinned)
    header = asdict(network.header)
    state = Checkpoint(checkpoint, {"network": header, "powers": [*powers_of(cost).items()], "pinned": _sum_of(held)})
    progress = Progress(report, f"balancing {network.size:,} neurons, {network.nnz:,} synapses on disk")
    found = solved(OnFiles(network), network, cost, held, tol, max_iter, strict, progress, state)
    if found.solution.balanced:
        state.end()
    columns = columns_of(found, held, cost, tol, solver.name)
    return BalanceOnDisk(ids=network.ids, synapses=network.nnz, network=network, **columns)


def check_possible(solver: Solver, others: Mapping[str, Any], where: str) -> None:
    """Raise an error for ``others``, options that are possible elsewhere only, if they are given, or another method."""
    for option, value in others.items():
        if value is not None and value is not False:
            raise InvalidInputError(f"{option}: {where}.")
    if not isinstance(solver, Newton):
        raise InvalidInputError(f"method: {solver.name!r} is {where}. Here there is 'newton'.")


def solved(
    passes: Telling,
    network: Named,
    cost: Cost | Mapping[str, Cost],
    pinned: Array,
    tol: float,
    max_iter: int | None,
    strict: bool,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> Solved:
    """`solve`, with progress in passes, and messages that call neurons by their ids."""
    monitor = Watch(progress, tol, checkpoint)
    passes.tell = monitor.tell

    def name(neuron: int) -> str:
        return f"neuron {network.ids[neuron].item()!r}"

    found = solve(passes, cost, pinned, tol=tol, max_iter=max_iter, monitor=monitor, strict=strict, name=name)
    progress.done(f"imbalance {found.solution.imbalance.total:.1e}, {found.passes} passes")
    return found


def _sum_of(mask: Array) -> int:
    return zlib.crc32(np.packbits(mask).data)


def pinned_mask(network: Named, pinned: Any) -> Array:
    """A mask (n,) of the neurons that are pinned: of their ids, or a mask already."""
    mask = np.zeros(network.size, dtype=bool)
    if pinned is None or pinned is False:
        return mask
    if pinned is True:
        return ~mask
    given = np.asarray(pinned)
    if given.dtype == bool:
        if given.shape != mask.shape:
            raise InvalidInputError(
                f"pinned: a mask needs one entry a neuron, {mask.shape}, and has shape {given.shape}. Or give ids."
            )
        return given.copy()
    if given.size:
        try:
            mask[network.numbers(given)] = True
        except NeurobalError as error:
            raise InvalidInputError(f"pinned: {error}") from error
    return mask
