"""``python -m tests.soundness --models 10000 --seed 1``: try random models, and say what was found.

The report grows as models are tried; the same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .report import BAD, Summary, append, read_report
from .series import start_process, try_batch

#: Models that share a Network, and batches after which a process makes room for a new one: Brian2 keeps its code.
BATCH, BATCHES = 10, 20


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soundness", description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--no-shrinking", action="store_true")
    options = parser.parse_args(arguments)
    path = options.report or Path(f"soundness-{options.seed}.jsonl")
    done = {line["index"] for line in read_report(path) if line["seed"] == options.seed}
    batches = list(_batches([index for index in range(options.models) if index not in done]))
    task = partial(try_batch, options.seed, shrinking=not options.no_shrinking)
    start = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes, start_process, maxtasksperchild=BATCHES) as pool:
        for count, lines in enumerate(pool.imap_unordered(task, batches), 1):
            append(path, lines)
            for line in lines:
                if line["status"] in BAD:
                    print(f"\n# model {line['index']} of seed {line['seed']}\n{line['script']}\n", flush=True)
            _progress(count, len(batches), time.monotonic() - start)
    lines = [line for line in read_report(path) if line["seed"] == options.seed and line["index"] < options.models]
    summary = Summary(lines)
    print(f"\n{summary}")
    return 1 if summary.failures else 0


def _batches(indices: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def _progress(count: int, total: int, elapsed: float) -> None:
    left = elapsed / count * (total - count)
    print(f"\r{count} of {total} batches, {elapsed:.0f} s, {left:.0f} s to go", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
