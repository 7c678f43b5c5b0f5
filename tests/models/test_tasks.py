"""The tasks of the trainer: what is asked, what is right, and that digits to be tested with are kept apart."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

MODELS = Path(__file__).parents[2] / "models"
sys.path.insert(0, str(MODELS))

import tasks  # noqa: E402
from tasks import TASKS  # noqa: E402


@pytest.mark.parametrize("name", TASKS)
def test_trials_have_the_shapes_that_the_task_says(name: str, rng: np.random.Generator) -> None:
    task = TASKS[name]
    trials = task.trials(6, rng)
    time = len(trials.scored)
    assert trials.inputs.shape == (time, 6, task.inputs)
    assert trials.targets.shape == (time, 6, task.readouts)
    assert trials.scored.any()
    assert task.accuracy(trials.targets, trials) == 1
    assert task.accuracy(-trials.targets, trials) < 0.5


def test_a_flip_flop_remembers_the_last_pulse(rng: np.random.Generator) -> None:
    trials = TASKS["flip_flop"].trials(5, rng)
    for trial in range(5):
        for channel in range(2):
            last = 0.0
            for u, y in zip(trials.inputs[:, trial, channel], trials.targets[:, trial, channel], strict=True):
                last = u or last
                assert y == last
    assert len(np.unique(trials.targets)) == 2


def test_integration_heeds_the_input_that_the_context_names(rng: np.random.Generator) -> None:
    task = TASKS["context_integration"]
    trials = task.trials(50, rng)
    context = trials.inputs[0, :, :2].argmax(axis=1)
    assert np.all(trials.inputs[:, :, :2] == np.eye(2)[context])
    assert set(context) == {0, 1}
    heeded = trials.inputs[:, np.arange(50), 2 + context]
    decay = (1 - 1 / 30) ** np.arange(60)[::-1]
    assert trials.targets[-1, :, 0] == pytest.approx(decay @ heeded / 15, rel=1e-12)


def test_digits_that_are_held_out_are_not_trained_with() -> None:
    images, labels = tasks.digits()
    assert images.shape == (1797, 8, 8)
    assert images.min() == 0 and images.max() == 1
    # UCI: what the file holds of each class.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    drawn = {}
    for held_out in (False, True):
        trials = TASKS["digits"].trials(1797, np.random.default_rng(0), held_out=held_out)
        rows = trials.inputs[:32:4]
        assert np.all(trials.inputs[:32] == np.repeat(rows, 4, axis=0)) and not trials.inputs[32:].any()
        drawn[held_out] = {row.tobytes() for row in rows.swapaxes(0, 1).copy()}
    assert len(drawn[True]) == tasks.HELD_OUT
    assert len(drawn[True] | drawn[False]) == len({image.tobytes() for image in images.copy()})
    assert not drawn[True] & drawn[False]
