"""Is a simulation the same bit by bit after a rescaling? What speaks against it although all moved by powers of two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from neurobal.circuit import Circuit
from neurobal.description import rewritten
from neurobal.errors import InvalidInputError
from neurobal.rounding import common_step

Array: TypeAlias = np.ndarray

LEAST_SHIFT = 1e-6  # of log-scales that were fitted: smaller ones are rounding


def doubts_of_exactness(circuit: Circuit, log_scale: Mapping[str, Array], after: Circuit | None = None) -> list[str]:
    """Why a simulation is not bit-exact after these scales, although all weights changed by powers of two.

    Empty if it is: every power of λ by which anything moves is a power of two, and nothing that moves is rounded
    differently then. A common factor of λ that moves no weight and no parameter counts as 1.
    """
    if circuit.binding is None:  # weights alone: there is no simulation
        return []
    doubts = [
        reason
        for name, reasons in circuit.inexact.items()
        if np.abs(log_scale[name]).max(initial=0.0) > LEAST_SHIFT
        for reason in reasons
    ]
    if circuit.description is not None and after is not None and after.description is not None:
        line = rewritten(circuit.description, after.description)
        doubts += [] if line is None else [f"constants of {line} are written otherwise than before"]
    steps = {name: _step(powers) for name, powers in circuit.binding.exponents().items()}
    if not all(_whole(log_scale[name], step).all() for name, step in steps.items()):
        based = _without_common_factors(circuit, log_scale, steps)
        for name, step in steps.items():
            wrong = np.flatnonzero(~_whole(based[name], step))
            if wrong.size:
                k = int(wrong[0])
                doubts.append(
                    f"λ of {name}[{k}] is {np.exp(based[name][k]):.4g}, of which {_needed(step)} are bit-exact"
                )
    return doubts


def _step(powers: Iterable[float]) -> float:
    """`common_step`, infinite if there is none."""
    try:
        return common_step(powers)
    except InvalidInputError:
        return math.inf


def _needed(step: float) -> str:
    return f"whole powers of {2 ** int(step)} only" if step < math.inf else "no values but 1"


def _whole(h: Array, step: float) -> Array:
    """Where h is a multiple of ``step`` log 2, up to the rounding of a fit. Shape (neurons,)."""
    distance = h if step == math.inf else h - np.rint(h / (step * math.log(2))) * (step * math.log(2))
    return np.abs(distance) <= LEAST_SHIFT


def _without_common_factors(
    circuit: Circuit, log_scale: Mapping[str, Array], steps: Mapping[str, float]
) -> dict[str, Array]:
    """Log-scales, in each part of a network in which a common factor is free relative to those of one neuron."""
    start = dict(
        zip(circuit.populations, np.cumsum([0, *(p.size for p in circuit.populations.values())]), strict=False)
    )
    size = sum(p.size for p in circuit.populations.values())
    here, there = [], []
    bound = np.zeros(size, dtype=bool)
    for name, population in circuit.populations.items():
        numbers = start[name] + np.arange(population.size)
        bound[numbers] |= population.pinned
        for parameter in population.parameters.values():
            bound[numbers] |= (parameter.values != 0) & (parameter.power != 0)
    for projection in circuit:
        if projection.name in circuit.uncertified or projection.pre is None:
            continue
        sent = projection.weight != 0
        post, pre = start[projection.post] + projection.post_index, start[projection.pre] + projection.pre_index
        a, b = (np.broadcast_to(exponent, post.shape) for exponent in projection.exponents)
        bound[post[sent & (a != b)]] = True
        here.append(post[sent])
        there.append(pre[sent])
    ends = (np.concatenate([*here, []]).astype(int), np.concatenate([*there, []]).astype(int))
    graph = sparse.csr_array((np.ones(ends[0].size, dtype=np.int8), ends), shape=(size, size))
    count, part = csgraph.connected_components(graph, directed=False)
    step = np.concatenate([np.full(p.size, steps.get(name, 1.0)) for name, p in circuit.populations.items()])
    h = np.concatenate([log_scale[name] for name in circuit.populations])
    base = np.zeros(count)
    order = np.argsort(step, kind="stable")  # the last one counts: of those with the largest step
    base[part[order]] = h[order]
    base[np.unique(part[bound])] = 0.0
    h = h - base[part]
    return {name: h[start[name] : start[name] + p.size] for name, p in circuit.populations.items()}
