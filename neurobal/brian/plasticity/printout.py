"""What a plasticity says of itself when it is printed, or shown in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neurobal import notebook_html
from neurobal.brian.network.values import values_of
from neurobal.cost import formula
from neurobal.errors import UnknownValuesError
from neurobal.rescaling import span

HEADER = ("population", "neurons", "free", "λ from ... to")


def title(plasticity: Any) -> str:
    """Its rule, pace and cost in a line."""
    state = "" if plasticity.active else ", not active"
    return f"{plasticity.name}: {plasticity.rule!r} every {plasticity.clock.dt}, cost {formula(plasticity.cost)}{state}"


def describe(plasticity: Any) -> str:
    """The title, then a line for each population that it moves."""
    lines = [title(plasticity), f"{HEADER[0]:16}{HEADER[1]:>9}{HEADER[2]:>9}   {HEADER[3]}"]
    lines += [f"{name:16}{neurons:>9}{free:>9}   {scales}" for name, neurons, free, scales in _rows(plasticity)]
    return "\n".join(lines)


def describe_html(plasticity: Any) -> str:
    """The same as HTML."""
    return notebook_html.heading(title(plasticity)) + notebook_html.table(HEADER, _rows(plasticity))


def _rows(plasticity: Any) -> Iterator[tuple[str, str, str, str]]:
    for name, free in plasticity.claim.free.items():
        try:
            scales = span(values_of(plasticity[name].variables["scale"]))
        except UnknownValuesError:
            scales = "not known before the standalone simulation runs"
        yield name, f"{free.size:,}", f"{np.count_nonzero(free):,}", scales
