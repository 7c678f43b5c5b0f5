"""How often what acts on a network updates it: every ``dt``, by a clock of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from brian2 import Clock, Quantity, second

from neurobal.errors import InvalidInputError


def seconds(dt: Any, owner: str) -> float:
    """The time between two updates of an ``owner`` as a number."""
    if not isinstance(dt, Quantity) or not dt.has_same_dimensions(second) or np.ndim(dt) or not float(dt) > 0:
        raise InvalidInputError(f"{owner}.dt: expected the time between two updates, such as 100*ms, got {dt!r}.")
    return float(dt)


def check_steps(clock: Clock, groups: Iterable[Any], owner: str) -> None:
    """Raise an error if a clock is faster than that of a group."""
    for group in groups:
        if clock.dt_ < group.clock.dt_ * (1 - 1e-9):  # rounding of dt
            raise InvalidInputError(
                f"{owner}: dt = {clock.dt} is smaller than the time step of group {group.name!r}, {group.clock.dt}. "
                "Update at most once a time step."
            )
