"""A series of random models, in batches that share a Network: what one process of the machine does."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import brian2
import numpy as np
from brian2 import BrianLogger
from brian2.codegen import translation

from .grammar import random_model
from .model import Model, whole_script
from .mutations import try_mutant
from .plastic import try_plasticity
from .refusals import try_refusal
from .report import BAD, line_of
from .shrinking import shrink
from .trial import Trial, try_models


def set_up() -> None:
    """Brian2's numpy target, without its warnings: random models divide by zero, and names collide on purpose."""
    brian2.prefs.codegen.target = "numpy"
    for hierarchy in ("brian2", "neurobal"):
        BrianLogger.suppress_hierarchy(hierarchy)
    np.seterr(all="ignore")
    # Brian2 remembers statements by all variables of a group. To compare these takes longer than to make statements.
    remembering = translation.make_statements
    for module in list(sys.modules.values()):
        if getattr(module, "make_statements", None) is remembering:
            module.make_statements = remembering.__wrapped__
    gc.collect()
    gc.freeze()  # Brian2 collects garbage before every run: it need not look at what modules hold


#: Shrinking takes a while: of each batch this many models that fail.
SHRUNK = 2


#: Of certified models, each has one mutant; every so many have a plasticity.
PLASTIC = 10


def try_batch(seed: int, indices: Sequence[int], shrinking: bool = True) -> list[dict[str, Any]]:
    """Try the models of these numbers; their lines of the report."""
    models = {f"_{index}": random_model(seed, index) for index in indices}
    trials = try_models(models, np.random.default_rng([seed, indices[0], 1]))
    lines: list[dict[str, Any]] = []
    failures = 0
    for index, trial in zip(indices, trials, strict=True):
        try_further(trial, f"_{index}", (seed, index), plastic=index % PLASTIC == 0)
        text = ""
        if trial.status in BAD:
            failures += 1
            if shrinking and failures <= SHRUNK:
                small = shrink(trial, partial(try_again, entropy=(seed, index)))
                text = f"# {small.status}: {small.detail}\n{whole_script(small.model)}"
        lines.append(line_of(trial, seed, index, text))
    return lines


def try_further(trial: Trial, suffix: str, entropy: Sequence[int], plastic: bool) -> None:
    """What is tried with one model after its rescaling: a mutant, a plasticity, or what its refusal says."""
    rng = np.random.default_rng([*entropy, 2])
    if trial.status == "refused":
        try_refusal(trial)
    if trial.status == "certified":
        try_mutant(trial, suffix, rng)
    if trial.status == "certified" and plastic:
        try_plasticity(trial, suffix, rng)


def try_again(model: Model, entropy: Sequence[int]) -> Trial:
    """Try a model alone."""
    if not model.neurons:
        return Trial(model)
    trial = try_models({"": model}, np.random.default_rng([*entropy, 1]))[0]
    try_further(trial, "", entropy, plastic=True)
    return trial
