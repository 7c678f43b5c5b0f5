"""`verify` for two networks on disk: one pass finds the log-scales along a spanning forest, one more the residual."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np

from neurobal.certificate import TOLERANCE, Certificate
from neurobal.disk import SynapsesOnDisk
from neurobal.errors import InvalidInputError
from neurobal.large.checks import Check, Deviating, Gradient, Neighbours, ends
from neurobal.large.door import LOAD, pinned_mask
from neurobal.large.files import OnFiles
from neurobal.large.forest import Span, scales_along, shared_edge
from neurobal.large.passes import Passes
from neurobal.large.result import certificate
from neurobal.large.writing import network_of
from neurobal.solvers.conjugate_gradients import ConjugateGradients

Array: TypeAlias = np.ndarray

SMOOTHING = 40  # passes of least squares, at most
SUSPECTS = 1000  # deviating synapses among which one looks for one culprit


def is_on_disk(network: Any) -> bool:
    return isinstance(network, (SynapsesOnDisk, str, os.PathLike))


def verify_on_disk(before: Any, after: Any, *, pinned: Any = None, homogeneity: Any = None) -> Certificate:
    """`neurobal.verify` of two networks on disk, or of their folders."""
    if homogeneity is not None:
        raise InvalidInputError(f"homogeneity: {LOAD}.")
    for network in (before, after):
        if not is_on_disk(network):
            raise InvalidInputError(
                "verify: one network is on disk, the other is "
                f"{'missing' if network is None else type(network).__name__}. Give two networks on disk (nb.to_disk), "
                "or two in memory (nb.on_disk(folder).matrix())."
            )
    first, second = network_of(before), network_of(after)
    return verified(first, second, pinned_mask(first, pinned), OnFiles(first))


def verified(before: SynapsesOnDisk, after: SynapsesOnDisk, pinned: Array, passes: Passes) -> Certificate:
    """The certificate of two networks, by ``passes`` over the first."""
    if before.size != after.size or not np.array_equal(before.ids, after.ids):
        raise InvalidInputError(
            f"verify: the two networks have different neurons: {before.size:,} with the ids {_some(before)} and "
            f"{after.size:,} with {_some(after)}."
        )
    n = before.size
    number = np.where(pinned, n, np.arange(n)).astype(np.int32)
    tolerance = max(TOLERANCE[before.weight.dtype], TOLERANCE[after.weight.dtype])
    if not n or not before.nnz:
        kind = (2.0, 0) if after.nnz else (0.0, None)
        return certificate((0.0, None), kind, True, np.ones(n), before.stored_ids, tolerance)
    (forest,) = passes.run(Span(number, after))
    h = scales_along(forest, number)
    deviation, wrong, exact = passes.run(Check(h, after))
    if not wrong[0] and tolerance < deviation[0] <= tolerance * n**0.5:
        smooth = smoothed(passes, after, h, pinned)
        better = passes.run(Check(smooth, after))
        if better[0][0] < deviation[0]:
            h, (deviation, wrong, exact) = smooth, better
    culprit = None
    if not wrong[0] and tolerance < deviation[0] < np.inf:
        culprit = _culprit(passes, after, h, forest, number, tolerance)
    answer = certificate(deviation, wrong, exact, np.exp(h), before.stored_ids, tolerance)
    if culprit is None:
        return answer
    text = f"{answer.message.partition('. ')[0]}. All but one value fit a rescaling: without "
    message = f"{text}{ends(culprit, before.stored_ids)} nothing deviates."
    return Certificate(
        False, answer.basis, answer.residual, answer.scale, answer.signs_preserved, False, message, answer.not_compared
    )


def _some(network: SynapsesOnDisk) -> str:
    return ", ".join(repr(name) for name in network.ids[:3].tolist()) + (", ..." if network.size > 3 else "")


def smoothed(passes: Passes, after: SynapsesOnDisk, h: Array, pinned: Array) -> Array:
    """Least squares by conjugate gradients from ``h``: along a deep forest the rounding of many weights adds up."""

    def laplacian(v: Array) -> Array:
        received, sent = passes.run(Neighbours(v))
        image = degree * v - received - sent
        image[pinned] = 0.0
        return image

    degree = sum(passes.run(Neighbours(np.ones(h.size))))
    rows, columns = passes.run(Gradient(h, after))
    search = ConjugateGradients(np.where(pinned, 0.0, rows - columns))
    scale = np.where(degree > 0, degree, 1.0)
    goal = 1e-4 * float(np.abs(search.residual).max(initial=0.0))
    for _ in range(SMOOTHING):
        if float(np.abs(search.residual).max(initial=0.0)) <= goal:
            break
        search.run(laplacian, 0.0, 1, lambda residual: residual / scale)
        if not search.steps:
            break
    return h + search.solution


def _culprit(
    passes: Passes,
    after: SynapsesOnDisk,
    h: Array,
    forest: tuple[Array, Array, Array],
    number: Array,
    tolerance: float,
) -> tuple[int, int, int] | None:
    """The only synapse without which all others fit, if there is one."""
    found = passes.run(Deviating(h, after, tolerance))
    if found[0] == 1:
        return _only(found)
    post, pre, _, gap = found[1:]
    if not 0 < post.size <= SUSPECTS or not np.isfinite(gap).all():
        return None
    side = shared_edge(forest, number[post], number[pre], number.size + 1)
    if side is None:
        return None
    # One side of the forest is shifted by what the wrong weight has told.
    up, down = side[number[post]], side[number[pre]]
    shift = float(np.median(np.where(up, gap, -gap)[up != down])) if np.any(up != down) else 0.0
    if side[number.size]:  # the ground stays
        side, shift = ~side, -shift
    found = passes.run(Deviating(np.where(side[number], h + shift, h), after, tolerance))
    return _only(found) if found[0] == 1 else None


def _only(found: tuple[Any, ...]) -> tuple[int, int, int]:
    return int(found[1][0]), int(found[2][0]), int(found[3][0])
