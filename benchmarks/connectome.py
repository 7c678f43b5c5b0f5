"""``python -m benchmarks.connectome``: from a table of edges to a balanced one, through files, and what it takes.

A synthetic table of the size of a fly's brain (139,000 neurons with 64-bit ids, 15 million edges) is written as
Parquet, converted to synapses on disk, balanced, and written as Parquet again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import neurobal as nb
from benchmarks import graphs
from benchmarks.large import Memory

FIRST_ID = 720575940600000000  # ids of neurons have 18 digits


def main(argv: list[str] | None = None) -> None:
    """Go all the way in one folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connectome", description=__doc__)
    parser.add_argument("--neurons", type=int, default=139_000)
    parser.add_argument("--edges", type=int, default=15_000_000)
    parser.add_argument("--tol", type=float, default=1e-9)
    parser.add_argument("--folder", type=Path, default=Path("connectome"), help="must not exist")
    arguments = parser.parse_args(argv)
    folder: Path = arguments.folder
    folder.mkdir()
    with measured("a synthetic table"):
        write_table(folder / "edges.parquet", arguments.neurons, arguments.edges)
    with measured("nb.to_disk: table to synapses on disk"):
        net = nb.to_disk(folder / "edges.parquet", folder / "net", report="text")
    print(net)
    with measured("nb.balance"):
        result = nb.balance(net, tol=arguments.tol, report="text")
    print(result)
    with measured("result.write: balanced synapses on disk"):
        balanced = result.write(folder / "balanced", report="text")
    with measured("to_parquet: balanced table"):
        balanced.to_parquet(folder / "balanced.parquet", report="text")
    with measured("nb.verify: two networks on disk"):
        print(nb.verify(net, balanced))


def write_table(path: Path, neurons: int, edges: int) -> None:
    """A table with columns pre, post (64-bit ids in no order) and weight, its rows shuffled."""
    rng = np.random.default_rng(0)
    post, pre, count = graphs.connectome_edges(neurons, edges, rng)
    ids = FIRST_ID + rng.choice(10**8, neurons, replace=False)
    order = rng.permutation(post.size)
    h = rng.normal(0.0, 2.0, neurons)
    weight = count * rng.choice([-1.0, 1.0], count.size) * np.exp(h[post] - h[pre])
    columns = {"pre": ids[pre[order]], "post": ids[post[order]], "weight": weight[order].astype(np.float32)}
    parquet.write_table(pa.table(columns), path)


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print the wall time of a block, and the most memory that the process had meanwhile."""
    start = time.perf_counter()
    with Memory() as memory:
        yield
        print(f"--- {what}: {time.perf_counter() - start:.1f} s, {memory}\n", flush=True)


if __name__ == "__main__":
    main()
