"""``python -m benchmarks.cluster``: passes over blocks on two workers of this machine, beside passes in this process.

Edges are made as in ``benchmarks.large`` and written as Parquet; both balance the same synapses, and the passes in this
process go over bands of rows in memory with as many threads as there are workers. What is compared is the time of a
whole solve, reading and sorting not included, and of one pass.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.large import SEED, SPREAD, synapses
from neurobal.cluster.living import Living
from neurobal.cluster.synapses import opened
from neurobal.cluster.workers import OnWorkers
from neurobal.cost import Power
from neurobal.large.balancing import Watch, solve
from neurobal.large.files import OnFiles
from neurobal.progress import Progress

PARTITION = 5_000_000  # synapses


class InMemory:
    """A network as arrays by row."""

    def __init__(self, neurons: int, per_neuron: int, partitions: list[Path]) -> None:
        import pandas

        self.start = np.arange(neurons + 1, dtype=np.int64) * per_neuron
        self.pre = np.empty(neurons * per_neuron, np.int32)
        self.weight = np.empty(self.pre.size, np.float32)
        begin = 0
        for path in partitions:
            table = pandas.read_parquet(path)
            self.pre[begin : begin + len(table)] = table.pre
            self.weight[begin : begin + len(table)] = table.weight
            begin += len(table)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--neurons", type=int, default=1_000_000)
    parser.add_argument("--synapses-per-neuron", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tol", type=float, default=1e-6)
    arguments = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="neurobal-cluster-"))
    try:
        paths = make(folder, arguments.neurons, arguments.synapses_per_neuron)
        there = on_workers(folder, arguments.workers, arguments.tol)
        network = InMemory(arguments.neurons, arguments.synapses_per_neuron, paths)
        here = timed("in this process", OnFiles(network, threads=arguments.workers), arguments.tol)
        print(f"ratio of walls: {there / here:.2f}")
    finally:
        shutil.rmtree(folder)


def make(folder: Path, neurons: int, per_neuron: int) -> list[Path]:
    import pandas

    hidden = np.random.default_rng(SEED).normal(0.0, SPREAD, neurons)
    rows = PARTITION // per_neuron
    paths = []
    for number, first in enumerate(range(0, neurons, rows)):
        last = min(first + rows, neurons)
        pre, weight = synapses(first, last, hidden, per_neuron, number)
        post = np.repeat(np.arange(first, last, dtype=np.int32), per_neuron)
        paths.append(folder / f"part.{number:05}.parquet")
        pandas.DataFrame({"pre": pre.ravel(), "post": post, "weight": weight.ravel()}).to_parquet(paths[-1])
    return paths


def on_workers(folder: Path, count: int, tol: float) -> float:
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        begin = time.perf_counter()
        living = Living(client)
        network = opened(dd.read_parquet(folder, split_row_groups=False, blocksize=None), living)
        print(f"{network.nnz:.1e} synapses: counted in {time.perf_counter() - begin:.1f} s", flush=True)
        begin = time.perf_counter()
        passes = OnWorkers(network, living)
        passes._look([*living.threads()])
        print(f"{len(passes._blocks)} blocks made in {time.perf_counter() - begin:.1f} s", flush=True)
        took = timed(f"on {count} workers", passes, tol)
        print(f"{passes.bytes_moved / passes.count / 1e6:.2f} MB sent a pass")
        return took


def timed(where: str, passes: Any, tol: float) -> float:
    begin = time.perf_counter()
    found = solve(passes, Power(2), np.zeros(passes.size, bool), tol=tol, monitor=Watch(Progress(None, ""), tol))
    took = time.perf_counter() - begin
    each, imbalance = 1e3 * took / found.passes, found.solution.imbalance.total
    print(f"{where}: {found.passes} passes in {took:.2f} s, {each:.0f} ms each, to {imbalance:.1e}", flush=True)
    return took


if __name__ == "__main__":
    main()
