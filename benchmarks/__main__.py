"""``python -m benchmarks``: how long balancing takes, as ratios measured in one run, and what other methods reach.

The unit is a *pair*: the time of one product with the cost matrix and one with its transpose (CSR, float64) in the same
run. Every figure is the median of three calls. ``--quick`` runs problems a tenth of the size.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

import neurobal as nb
from benchmarks import graphs, peers
from neurobal.stores import memory

TOL = 1e-9

Clock = Callable[[], float]


def main(argv: list[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="problems a tenth of the size")
    parser.add_argument("--only", choices=["size", "small", "peers"], help="one of the three tables")
    arguments = parser.parse_args(argv)
    shrink = 10 if arguments.quick else 1
    tables = {"size": size_table, "small": small_table, "peers": peer_table}
    for name, table in tables.items():
        if arguments.only in (None, name):
            table(shrink)


def size_table(shrink: int) -> None:
    """Time and memory on large graphs of each kind."""
    rng = np.random.default_rng(0)
    n = 100_000 // shrink
    problems: list[tuple[str, Callable[[], sparse.csr_array], str]] = [
        ("random", lambda: graphs.random(n, 100 * n, rng), "<= 35, <= 40 B"),
        ("scale-free", lambda: graphs.scale_free(n, 50 * n, rng), "<= 45, <= 40 B"),
        ("connectome-like", lambda: graphs.connectome(140_000 // shrink, 15_500_000 // shrink, rng), "<= 75, <= 40 B"),
        ("2-D sheet", lambda: graphs.sheet(round(n**0.5), rng), "<= 300, <= 64 B"),
        ("layered ring", lambda: graphs.layered_ring(n // 200, 200, rng), "<= 300, <= 64 B"),
        ("1-D ring", lambda: graphs.ring(n, rng), "<= 300, <= 64 B"),
        ("modules, weak links", lambda: graphs.modules(10_000 // shrink, rng), "<= 300, <= 64 B"),
        ("modules, weak links", lambda: graphs.modules(n, rng), "<= 300, <= 64 B"),
    ]
    print(
        "the whole call nb.balance(matrix), p = 2, hidden scales h ~ N(0, 2²), tolerance 1e-9: processor time of one "
        "thread and wall time of all\nthreads, in pairs of sparse mat-vecs by one thread; memory beyond the input"
    )
    print(
        f"{'graph':20}{'neurons':>9}{'synapses':>11}{'pair':>9}{'evaluations':>13}{'processor':>11}{'wall':>6}"
        f"{'memory':>10}  goal"
    )
    for name, make, goal in problems:
        matrix = make()
        pair = pair_time(matrix)
        with one_thread():
            calls = [timed(lambda: nb.balance(matrix, tol=TOL), time.process_time) for _ in range(3)]  # noqa: B023
        walls = [timed(lambda: nb.balance(matrix, tol=TOL))[0] for _ in range(3)]  # noqa: B023
        result = calls[0][1]
        assert result.success and result.imbalance <= TOL
        print(
            f"{name:20}{matrix.shape[0]:>9,}{matrix.nnz:>11,}{1e3 * pair:>6.2f} ms{result.evaluations:>13}"
            f"{statistics.median(seconds for seconds, _ in calls) / pair:>11.0f}{statistics.median(walls) / pair:>6.0f}"
            f"{peak_memory(matrix) / matrix.nnz:>6.0f} B/s  {goal}",
            flush=True,
        )


def small_table(_: int) -> None:
    """What one of many calls in a loop costs."""
    rng = np.random.default_rng(1)
    print("\ndense networks, p = 2, hidden scales h ~ N(0, 2²), tolerance 1e-9: processor time of one call")
    for n in (10, 100, 1000):
        matrix = graphs.random(n, 4 * n * n, rng).toarray()
        with one_thread():
            calls = [timed(lambda: nb.balance(matrix, tol=TOL), time.process_time) for _ in range(15)]  # noqa: B023
        seconds = statistics.median(seconds for seconds, _ in calls)
        print(f"N = {n:<6}{1e3 * seconds:>8.2f} ms{calls[0][1].evaluations:>5} evaluations", flush=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Passes over synapses by one thread only."""
    threads, memory.THREADS = memory.THREADS, 1
    try:
        yield
    finally:
        memory.THREADS = threads


def pair_time(matrix: sparse.csr_array) -> float:
    """The median time of ``A @ x`` and ``A.T @ x``."""
    costs = abs(matrix) ** 2
    transposed = costs.T
    x = np.ones(matrix.shape[0])
    return statistics.median(timed(lambda: (costs @ x, transposed @ x), time.process_time)[0] for _ in range(21))


def peak_memory(matrix: Any) -> int:
    """The most that a call of `balance` has allocated at any moment, in bytes."""
    tracemalloc.start()
    nb.balance(matrix, tol=TOL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def peer_table(shrink: int) -> None:
    """What other methods reach on the same problems."""
    rng = np.random.default_rng(1)
    print("\nside by side on dense and sparse random networks, p = 2, hidden scales h ~ N(0, 2²)")
    print(f"{'problem':22}{'method':34}{'seconds':>9}{'imbalance':>11}{'cost / optimum':>16}")
    for label, matrix, slow in (
        ("dense, N = 100", graphs.random(100, 40_000, rng).toarray(), True),
        ("dense, N = 1,000", graphs.random(1000, 4_000_000 // shrink, rng).toarray(), False),
        ("sparse, N = 10,000", graphs.random(10_000 // shrink, 1_000_000 // shrink, rng), False),
    ):
        np_costs = abs(matrix) ** 2
        methods: list[tuple[str, Callable[[], Any]]] = [
            (f"neurobal {m}", lambda m=m: nb.balance(matrix, method=m, tol=TOL).scale)  # type: ignore[misc]  # noqa: B023
            for m in ("newton", "osborne", "stochastic", "flow")
        ]
        methods.append(("L-BFGS (scipy.optimize)", lambda: peers.lbfgs(np_costs)))  # noqa: B023
        if not sparse.issparse(matrix):
            methods.append(("scipy.linalg.matrix_balance", lambda: peers.matrix_balance(matrix)))  # noqa: B023
        if slow:
            methods.append(("gradient flow on N² weights", lambda: peers.weight_flow(matrix)))  # noqa: B023
        optimum = None
        for name, method in methods:
            if name.endswith("flow") and matrix.shape[0] > 1000:
                continue  # its implicit steps factorise a dense Hessian here
            seconds, scale = timed(method)
            imbalance, cost = peers.reached(np_costs, scale)
            optimum = cost if optimum is None else optimum
            print(f"{label:22}{name:34}{seconds:>9.3g}{imbalance:>11.1e}{cost / optimum:>16.6f}", flush=True)


def timed(function: Callable[[], Any], clock: Clock = time.perf_counter) -> tuple[float, Any]:
    """Seconds that a call took by a clock, and what it returned."""
    start = clock()
    value = function()
    return clock() - start, value


if __name__ == "__main__":
    main()
