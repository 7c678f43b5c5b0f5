"""``python -m benchmarks.large``: a network that is larger than memory, made on disk and balanced there.

The folder is made band by band, in the format of ``docs/synapses_on_disk.md``. What was stopped, the making or the
balancing, goes on where it was.
Most synapses are local on a ring of neurons, weights are log-normal, and hidden scales ``exp(N(0, 2²))`` of the neurons
have unbalanced them. It takes 8 bytes a synapse, and is deleted at the end unless ``--keep``.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import neurobal as nb
from neurobal.disk.header import HEADER, PRE, START, WEIGHTS, Header, write_header

BAND = 10_000_000  # synapses that are made at a time
LOCAL = 0.8  # share of synapses that come from nearby
REACH = 50_000  # how far away these are, at most
SPREAD = 2.0  # of the hidden log-scales
SEED = 1


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--neurons", type=int, default=2_000_000)
    parser.add_argument("--synapses-per-neuron", type=int, default=100)
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--folder", type=Path, help="where the network is made; default: a temporary place")
    parser.add_argument("--keep", action="store_true", help="do not delete it at the end")
    parser.add_argument("--write", action="store_true", help="make the certificate, write the result, and verify it")
    arguments = parser.parse_args(argv)
    name = f"neurobal-large-{arguments.neurons}-{arguments.synapses_per_neuron}"
    folder = arguments.folder or Path(tempfile.gettempdir()) / name
    make(folder, arguments.neurons, arguments.synapses_per_neuron)
    measure(folder, arguments.tol, arguments.write)
    if not arguments.keep:
        shutil.rmtree(folder)


def make(folder: Path, neurons: int, per_neuron: int) -> None:
    """Make the network, or go on with it."""
    if (folder / HEADER).exists():
        print(f"{folder} is there already", flush=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    hidden = np.random.default_rng(SEED).normal(0.0, SPREAD, neurons)
    rows = max(BAND // per_neuron, 1)
    files = folder / PRE, folder / WEIGHTS["float32"]
    done = min(path.stat().st_size // (4 * per_neuron * rows) for path in files) if files[1].exists() else 0
    with open(files[0], "r+b" if done else "wb") as pres, open(files[1], "r+b" if done else "wb") as weights:
        for stream in (pres, weights):
            stream.truncate(done * 4 * per_neuron * rows)
            stream.seek(0, 2)
        for band, first in enumerate(range(0, neurons, rows)):
            if band >= done:
                pre, weight = synapses(first, min(first + rows, neurons), hidden, per_neuron, band)
                pres.write(pre.data)
                weights.write(weight.data)
    (np.arange(neurons + 1, dtype=np.int64) * per_neuron).tofile(folder / START)
    write_header(folder, Header(neurons, neurons * per_neuron, "float32", "none", source="benchmark"))
    print(f"made {neurons * per_neuron:.1e} synapses in {time.perf_counter() - begin:.0f} s", flush=True)


def synapses(first: int, last: int, hidden: np.ndarray, per_neuron: int, band: int) -> tuple[np.ndarray, np.ndarray]:
    """Presynaptic neurons and weights of the rows ``first`` ... ``last - 1``."""
    rng, neurons, shape = np.random.default_rng([SEED, band]), hidden.size, (last - first, per_neuron)
    post = np.arange(first, last)[:, None]
    local = (post + rng.integers(-REACH, REACH + 1, shape)) % neurons
    pre = np.where(rng.random(shape, dtype=np.float32) < LOCAL, local, rng.integers(0, neurons, shape))
    pre[pre == post] += 1
    pre %= neurons
    pre.sort(axis=1)
    weight = np.exp(rng.standard_normal(shape, dtype=np.float32) + (hidden[post] - hidden[pre]).astype(np.float32))
    return pre.astype(np.int32), weight


def measure(folder: Path, tol: float, write: bool) -> None:
    """Open and balance the network, and print what it took."""
    with Memory() as memory:
        begin = time.perf_counter()
        network = nb.on_disk(folder)
        opened = time.perf_counter()
        print(f"opened and checked in {opened - begin:.0f} s; {memory}", flush=True)
        checkpoint = folder.with_name(f"{folder.name}-checkpoint.npz")
        result = nb.balance(network, cost=nb.Power(2), tol=tol, report="text", checkpoint=checkpoint)
        took = time.perf_counter() - opened
        cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        print(result)
        print(
            f"{network.nnz:.1e} synapses to {result.imbalance:.1e}: {result.evaluations} passes in {took:.0f} s, "
            f"{took / result.evaluations:.1f} s a pass, {cpu:.0f} s of processors in all; {memory}",
            flush=True,
        )
        if write:
            written = folder.with_name(f"{folder.name}-balanced")
            for step in (
                lambda: result.certificate,
                lambda: result.write(written),
                lambda: nb.verify(network, written),
            ):
                begin = time.perf_counter()
                print(step(), f"in {time.perf_counter() - begin:.0f} s; {memory}", flush=True)
            shutil.rmtree(written)


class Memory:
    """The most anonymous memory and file pages that the process had while it was watched (Linux)."""

    def __enter__(self) -> Memory:
        self._anonymous = self._pages = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self._look()

    def _look(self) -> None:
        status = Path("/proc/self/status")
        if status.exists():
            table = dict(line.split(":", 1) for line in status.read_text().splitlines())
            self._anonymous = max(self._anonymous, int(table["RssAnon"].split()[0]))
            self._pages = max(self._pages, int(table["RssFile"].split()[0]))

    def __str__(self) -> str:
        self._look()
        return f"at most {self._anonymous * 1024 / 1e9:.2f} GB anonymous, {self._pages * 1024 / 1e9:.2f} GB of files"


if __name__ == "__main__":
    main()
