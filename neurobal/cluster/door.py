"""`balance` for Dask dataframes: checks what users give, finds a client, and wraps what is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurobal.cluster.installed import needed, present, some_client
from neurobal.cluster.result import ClusterBalance
from neurobal.cluster.synapses import opened
from neurobal.cluster.workers import Living, OnWorkers
from neurobal.cost import Cost
from neurobal.large.door import check_possible, pinned_mask, solved
from neurobal.large.result import columns_of
from neurobal.progress import Progress, Report
from neurobal.solvers import Solver

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
    check_possible(solver, others, MEMORY)
    needed("distributed")
    where = "" if present() else " on a local Dask cluster, started for this and closed afterwards"
    progress = Progress(report, f"balancing the synapses in {table.npartitions:,} partitions{where}")
    with some_client() as client:
        living = Living(client)
        network = opened(table, living)
        held = pinned_mask(network, pinned)
        passes = OnWorkers(network, living)
        found = solved(passes, network, cost, held, tol, max_iter, strict, progress)
    return ClusterBalance(
        ids=network.ids,
        synapses=network.nnz,
        network=network.detached(),
        bytes_per_pass=passes.bytes_moved / passes.count,
        **columns_of(found, held, cost, tol, solver.name),
    )
