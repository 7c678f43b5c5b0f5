"""`balance` for Dask dataframes: checks what users give, finds a client, and wraps what is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from neurobal.cluster.installed import needed, present, some_client
from neurobal.cluster.result import ClusterBalance
from neurobal.cluster.synapses import opened
from neurobal.cluster.workers import Living, OnWorkers
from neurobal.cost import Cost
from neurobal.errors import InvalidInputError
from neurobal.large.balancing import Watch, solve
from neurobal.large.door import pinned_mask
from neurobal.large.result import columns_of
from neurobal.progress import Progress, Report
from neurobal.solvers import Newton, Solver

Array: TypeAlias = np.ndarray

MEMORY = "possible for networks in memory only so far: give a matrix or a Circuit"


def balance_on_cluster(
    table: Any,
    *,
    cost: Cost | Mapping[str, Cost],
    pinned: Any,
    solver: Solver,
    tol: float,
    max_iter: int | None,
    strict: bool,
    report: Report,
    others: Mapping[str, Any],
) -> ClusterBalance:
    """`neurobal.balance` of a Dask dataframe. ``others``: options that only networks in memory know, if given."""
    for option, value in others.items():
        if value is not None and value is not False:
            raise InvalidInputError(f"{option}: {MEMORY}.")
    if not isinstance(solver, Newton):
        raise InvalidInputError(f"method: {solver.name!r} is {MEMORY}. For a Dask dataframe there is 'newton'.")
    needed("distributed")
    where = "" if present() else " on a local Dask cluster, started for this and closed afterwards"
    progress = Progress(report, f"balancing the synapses in {table.npartitions:,} partitions{where}")
    monitor = Watch(progress, tol)
    with some_client() as client:
        living = Living(client)
        network = opened(table, living)
        held = pinned_mask(network, pinned)
        passes = OnWorkers(network, living)
        passes.tell = monitor.tell

        def name(neuron: int) -> str:
            return f"neuron {network.ids[neuron].item()!r}"

        found = solve(passes, cost, held, tol=tol, max_iter=max_iter, monitor=monitor, strict=strict, name=name)
    progress.done(f"imbalance {found.solution.imbalance.total:.1e}, {found.passes} passes")
    return ClusterBalance(
        ids=network.ids,
        synapses=network.nnz,
        network=network.detached(),
        bytes_per_pass=passes.bytes_moved / passes.count,
        **columns_of(found, held, cost, tol, solver.name),
    )
