"""``python -m benchmarks``: how long balancing takes, as ratios measured in one run, and what other methods reach.

The unit is a *pair*: the time of one product with the cost matrix and one with its transpose (CSR, float64) in the same
run. Every figure is the median of three solves. ``--quick`` runs problems a tenth of the size.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

import neurobal as nb
from benchmarks import graphs, peers
from neurobal.adapters import as_circuit
from neurobal.formulation import formulate
from neurobal.progress import Progress
from neurobal.solvers import Monitor, Newton

TOL = 1e-9


def main(argv: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="problems a tenth of the size")
    parser.add_argument("--only", choices=["size", "peers"], help="one of the two tables")
    arguments = parser.parse_args(argv)
    shrink = 10 if arguments.quick else 1
    if arguments.only != "peers":
        size_table(shrink)
    if arguments.only != "size":
        peer_table(shrink)


def size_table(shrink: int) -> None:
    """Time and memory on large graphs of each kind."""
    rng = np.random.default_rng(0)
    n = 100_000 // shrink
    problems: list[tuple[str, Callable[[], sparse.csr_array], str]] = [
        ("random", lambda: graphs.random(n, 100 * n, rng), "<= 50 evaluations, call <= 100, <= 64 B"),
        ("2-D sheet", lambda: graphs.sheet(round(n**0.5), rng), "solve <= 700"),
        ("layered ring", lambda: graphs.layered_ring(n // 200, 200, rng), "solve <= 700"),
        ("1-D ring", lambda: graphs.ring(n, rng), "solve <= 900"),
        ("modules, weak links", lambda: graphs.modules(10_000 // shrink, rng), "solve <= 900"),
    ]
    print(
        "p = 2, hidden scales h ~ N(0, 2²), tolerance 1e-9; times in pairs of sparse mat-vecs, memory beyond the input"
    )
    print(
        f"{'graph':20}{'neurons':>9}{'synapses':>11}{'pair':>9}{'evaluations':>13}{'solve':>7}{'call':>7}{'memory':>10}"
        "  goal"
    )
    for name, make, goal in problems:
        matrix = make()
        pair = pair_time(matrix)
        results = [timed(lambda: nb.balance(matrix, tol=TOL)) for _ in range(3)]  # noqa: B023
        result = results[0][1]
        solve = statistics.median(timed(lambda: solve_only(matrix))[0] for _ in range(3))  # noqa: B023
        call = statistics.median(seconds for seconds, _ in results)
        assert result.success and result.imbalance <= TOL
        print(
            f"{name:20}{matrix.shape[0]:>9,}{matrix.nnz:>11,}{1e3 * pair:>6.2f} ms{result.evaluations:>13}"
            f"{solve / pair:>7.0f}{call / pair:>7.0f}{peak_memory(matrix) / matrix.nnz:>6.0f} B/s  {goal}",
            flush=True,
        )


def solve_only(matrix: Any) -> None:
    """The solve with its set-up, without reading the matrix and writing the result."""
    problem = formulate(as_circuit(matrix), nb.Power(2)).balanceable().problem
    Newton().solve(problem, TOL, None, Monitor(Progress(None, ""), TOL))


def pair_time(matrix: sparse.csr_array) -> float:
    """The median time of ``A @ x`` and ``A.T @ x``."""
    costs = abs(matrix) ** 2
    transposed = costs.T
    x = np.ones(matrix.shape[0])
    return statistics.median(timed(lambda: (costs @ x, transposed @ x))[0] for _ in range(21))


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


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, and what it returned."""
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


if __name__ == "__main__":
    main()
