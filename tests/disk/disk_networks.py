"""Random lists of edges for the tests of networks on disk, and what a network of them has to be, by sorting a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import neurobal as nb

Row = tuple[Any, Any, float]


def random_edges(
    rng: np.random.Generator, neurons: int = 40, edges: int = 300
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges in random order, with parallel ones, zeros and self-connections; a fifth of the neurons is isolated."""
    connected = rng.permutation(neurons)[: max(neurons - neurons // 5, 1)]
    post, pre = rng.choice(connected, (2, edges))
    post[:5], pre[:5] = post[5:10], pre[5:10]
    post[20:25] = pre[20:25]
    weight = rng.normal(size=edges)
    weight[30:35] = 0
    return post, pre, weight


def expected(post: Any, pre: Any, weight: Any) -> list[Row]:
    """The synapses in the order of a network: Python's sort keeps the order of equals."""
    rows = zip(np.asarray(post).tolist(), np.asarray(pre).tolist(), np.asarray(weight).tolist(), strict=True)
    return sorted(rows, key=lambda row: row[:2])


def rows_of(network: nb.SynapsesOnDisk) -> list[Row]:
    """The synapses of a network on disk as (post, pre, weight), with ids."""
    post = np.repeat(np.arange(network.size), np.diff(network.start))
    ends = network.ids[post].tolist(), network.ids[network.pre].tolist()
    return list(zip(*ends, network.weight.tolist(), strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def chunked(*parts: Any, size: int = 17) -> list[tuple[Any, ...]]:
    """Arrays of edges as chunks of a few edges."""
    return [tuple(part[k : k + size] for part in parts) for k in range(0, len(parts[0]), size)]
