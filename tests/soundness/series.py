"""A series of random models, in batches that share a Network: what one process of the machine does."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import brian2
import numpy as np
from brian2 import BrianLogger
from brian2.codegen import translation

from .grammar import random_model
from .independent import try_independent
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


def speed_up() -> Callable[[], None]:
    """Let Brian2 neither remember statements nor look for garbage in modules; returns what undoes that.

    It remembers statements by all variables of a group: to compare these takes longer than to make statements anew. It
    collects garbage before every run.
    """
    remembering = translation.make_statements
    modules = [m for m in list(sys.modules.values()) if getattr(m, "make_statements", None) is remembering]
    for module in modules:
        module.make_statements = remembering.__wrapped__  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()

    def undo() -> None:
        for module in modules:
            module.make_statements = remembering  # type: ignore[attr-defined]
        gc.unfreeze()

    return undo


def start_process() -> None:
    """What a process that only tries models does first."""
    set_up()
    speed_up()


#: Shrinking takes a while: of each batch this many models that fail.
SHRUNK = 2


#: Of certified models, each has one mutant; one in so many has a plasticity, another is tried with all symmetries.
SAMPLE = 10


def try_batch(seed: int, indices: Sequence[int], shrinking: bool = True) -> list[dict[str, Any]]:
    """Try the models of these numbers; their lines of the report."""
    models = {f"_{index}": random_model(seed, index) for index in indices}
    trials = try_models(models, np.random.default_rng([seed, indices[0], 1]))
    lines: list[dict[str, Any]] = []
    failures = 0
    for index, trial in zip(indices, trials, strict=True):
        turn = index % SAMPLE
        try_further(trial, f"_{index}", (seed, index), plastic=turn == 0, symmetries=turn == SAMPLE // 2)
        text = ""
        if trial.status in BAD:
            failures += 1
            if shrinking and failures <= SHRUNK:
                small = shrink(trial, partial(try_again, entropy=(seed, index)))
                text = f"# {small.status}: {small.detail}\n{whole_script(small.model)}"
        lines.append(line_of(trial, seed, index, text))
    return lines


def try_further(trial: Trial, suffix: str, entropy: Sequence[int], *, plastic: bool, symmetries: bool) -> None:
    """What is tried with one model after its rescaling: a mutant and more, or what its refusal says."""
    rng = np.random.default_rng([*entropy, 2])
    if trial.status == "refused":
        try_refusal(trial)
    if trial.status == "certified":
        try_mutant(trial, suffix, rng)
    if trial.status == "certified" and symmetries:
        try_independent(trial, suffix, rng)
    if trial.status == "certified" and plastic:
        try_plasticity(trial, suffix, rng)


def try_again(model: Model, entropy: Sequence[int]) -> Trial:
    """Try a model alone."""
    if not model.neurons:
        return Trial(model)
    trial = try_models({"": model}, np.random.default_rng([*entropy, 1]))[0]
    try_further(trial, "", entropy, plastic=True, symmetries=True)
    return trial
