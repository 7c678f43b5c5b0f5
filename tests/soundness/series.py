"""A series of random models, in batches that share a Network: what one process of the machine does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import brian2
import numpy as np
from brian2 import BrianLogger

from .grammar import random_model
from .model import whole_script
from .mutations import try_mutant
from .plastic import try_plasticity
from .report import BAD, line_of
from .shrinking import shrink
from .trial import try_models


def set_up() -> None:
    """Brian2's numpy target, without its warnings: random models divide by zero, and names collide on purpose."""
    brian2.prefs.codegen.target = "numpy"
    for hierarchy in ("brian2", "neurobal"):
        BrianLogger.suppress_hierarchy(hierarchy)
    np.seterr(all="ignore")


#: Shrinking takes a while: of each batch this many models that fail.
SHRUNK = 2


#: Of certified models, each has one mutant; every so many have a plasticity.
PLASTIC = 5


def try_batch(seed: int, indices: Sequence[int], shrinking: bool = True) -> list[dict[str, Any]]:
    """Try the models of these numbers; their lines of the report."""
    models = {f"_{index}": random_model(seed, index) for index in indices}
    trials = try_models(models, np.random.default_rng([seed, indices[0], 1]))
    for index, trial in zip(indices, trials, strict=True):
        rng = np.random.default_rng([seed, index, 2])
        if trial.status == "certified":
            try_mutant(trial, f"_{index}", rng)
        if trial.status == "certified" and index % PLASTIC == 0:
            try_plasticity(trial, f"_{index}", rng)
    lines: list[dict[str, Any]] = []
    failures = 0
    for index, trial in zip(indices, trials, strict=True):
        text = ""
        if trial.status in BAD:
            failures += 1
        if shrinking and trial.status in BAD and failures <= SHRUNK:
            small = shrink(trial)
            text = f"# {small.status}: {small.detail}\n{whole_script(small.model)}"
        lines.append(line_of(trial, seed, index, text))
    return lines
