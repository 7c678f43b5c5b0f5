"""The trainer of small rate networks: its gradients, what it learns, and its files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MODELS = Path(__file__).parents[2] / "models"
sys.path.insert(0, str(MODELS))

import tasks  # noqa: E402
import training  # noqa: E402
from rate_network import RateNetwork  # noqa: E402
from tasks import TASKS  # noqa: E402

Array = np.ndarray


def slopes_by_differences(net: RateNetwork, trials: tasks.Trials, activity: float, **noise: Any) -> list[Array]:
    """Central differences of the loss, entry by entry, with the same noise each time."""

    def value() -> float:
        return training.loss(net.run(trials.inputs, **noise, rng=np.random.default_rng(3)), trials, activity)

    found = [np.zeros_like(w) for w in net.weights]
    for w, slope in zip(net.weights, found, strict=True):
        for entry in np.ndindex(w.shape):
            kept, h = w[entry], 1e-6
            w[entry] = kept + h
            above = value()
            w[entry] = kept - h
            slope[entry] = (above - value()) / (2 * h)
            w[entry] = kept
    return found


@pytest.mark.parametrize("noise", [{}, {"noise": 0.1}, {"sent_noise": 0.1}], ids=str)
@pytest.mark.parametrize("activity", [0.0, 0.3])
@pytest.mark.parametrize("name", TASKS)
def test_gradients_are_those_of_the_loss(
    name: str, activity: float, noise: dict[str, float], rng: np.random.Generator
) -> None:
    task = TASKS[name]
    net = replace(training.untrained(task, 7, rng, float), b=rng.normal(size=7))
    trials = task.trials(3, rng)
    run = net.run(trials.inputs, **noise, rng=np.random.default_rng(3))
    found = training.gradient(net, run, trials, activity)
    for one, other in zip(found, slopes_by_differences(net, trials, activity, **noise), strict=True):
        # Differences lose ε/h of a loss of order 1, and h² by curvature.
        assert np.abs(one - other).max() <= 1e-8 + 1e-7 * np.abs(other).max()
        assert np.abs(other).max() > 1e-4


def test_the_adjoint_is_the_answer_to_a_push_of_a_state(rng: np.random.Generator) -> None:
    net, inputs = training.untrained(TASKS["flip_flop"], 7, rng, float), rng.normal(size=(12, 2, 2))
    run = net.run(inputs)
    a = training.adjoint(net, run.states, np.broadcast_to(net.W_out.sum(axis=0), run.rates.shape))  # L: Σ y
    for t, trial, unit in ((0, 0, 1), (5, 1, 3), (11, 0, 6)):
        pushes = []
        for push in (1e-6, -1e-6):
            x = run.states[t, trial].copy()
            x[unit] += push
            total = (net.W_out @ np.maximum(x, 0)).sum()
            for u in inputs[t + 1 :, trial]:
                x = x + net.step * (-x + net.J @ np.maximum(x, 0) + net.W_in @ u + net.b)
                total += (net.W_out @ np.maximum(x, 0)).sum()
            pushes.append(total)
        assert (pushes[0] - pushes[1]) / 2e-6 == pytest.approx(a[t, trial, unit], rel=1e-6, abs=1e-8)


def test_adam_is_the_published_one(rng: np.random.Generator) -> None:
    """Kingma & Ba 2015, algorithm 1."""
    weights = [rng.normal(size=(2, 3)), rng.normal(size=4)]
    expected = [w.copy() for w in weights]
    adam = training.Adam()
    history: list[list[Array]] = []
    for t in range(1, 5):
        history.append([rng.normal(size=w.shape) for w in weights])
        adam.move(weights, history[-1], 0.01)
        for k, w in enumerate(expected):
            m = sum(0.1 * 0.9 ** (t - 1 - j) * history[j][k] for j in range(t)) / (1 - 0.9**t)
            v = sum(0.001 * 0.999 ** (t - 1 - j) * history[j][k] ** 2 for j in range(t)) / (1 - 0.999**t)
            w -= 0.01 * m / (np.sqrt(v) + 1e-8)
            assert weights[k] == pytest.approx(w, rel=1e-12)


# ------------------------------------------------------------------------------------------------------------ training

SMALL = {
    "flip_flop": training.Training("flip_flop", units=24, iterations=300, rate=8e-3),
    "context_integration": training.Training("context_integration", units=16, iterations=120, rate=8e-3),
    "digits": training.Training("digits", units=32, iterations=600, rate=8e-3),
}


@pytest.fixture(scope="module")
def flip_flop() -> training.Trained:
    return training.train(SMALL["flip_flop"])


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_learn(name: str) -> None:
    heard: list[tuple[int, float, float]] = []
    trained = training.train(SMALL[name], lambda *state: heard.append(state))
    assert [iteration for iteration, *_ in heard] == list(
        range(0, SMALL[name].iterations + 1, SMALL[name].iterations // 10)
    )
    assert heard[-1][1:] == (trained.loss, trained.accuracy)
    assert trained.accuracy > 0.85 > heard[0][2]
    assert trained.loss < 0.5 * heard[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("name, right", [("flip_flop", 0.99), ("context_integration", 0.98), ("digits", 0.95)])
@pytest.mark.parametrize("noise", [{}, {"noise": 0.1, "activity": 0.02}], ids=["quiet", "noisy"])
def test_networks_of_the_usual_size_solve_their_task(name: str, right: float, noise: dict[str, float]) -> None:
    assert training.train(training.Training(name, **noise)).accuracy > right


def test_a_seed_is_a_network() -> None:
    short = replace(SMALL["flip_flop"], iterations=20, noise=0.1, activity=0.02)
    one, again, other = (training.train(replace(short, seed=seed)).network for seed in (1, 1, 2))
    quiet = training.train(replace(short, seed=1, noise=0.0)).network
    for k, weights in enumerate(one.weights):
        assert weights.dtype == float
        assert np.array_equal(weights, again.weights[k])
        assert not np.array_equal(weights, other.weights[k])
        assert not np.array_equal(weights, quiet.weights[k])


def test_noise_while_training_makes_a_network_that_bears_it(flip_flop: training.Trained) -> None:
    noisy = training.train(replace(SMALL["flip_flop"], noise=0.2, activity=0.02))
    trials = TASKS["flip_flop"].trials(200, np.random.default_rng(5))
    right = [
        TASKS["flip_flop"].accuracy(
            one.network.run(trials.inputs, noise=0.2, rng=np.random.default_rng(6)).outputs, trials
        )
        for one in (flip_flop, noisy)
    ]
    assert right[1] > right[0] + 0.02


def test_what_is_saved_is_loaded(flip_flop: training.Trained, tmp_path: Path) -> None:
    loaded = training.load(flip_flop.save(tmp_path / "nets" / "one.npz"))
    assert (loaded.training, loaded.loss, loaded.accuracy) == (
        flip_flop.training, flip_flop.loss, flip_flop.accuracy,
    )  # fmt: skip
    assert loaded.network.step == flip_flop.network.step
    for one, other in zip(loaded.network.weights, flip_flop.network.weights, strict=True):
        assert np.array_equal(one, other)


def test_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--task", "digits", "--units", "8", "--iterations", "20", "--seed", "3", "--output", str(tmp_path)]
    trained = training.main(arguments)
    printed = capsys.readouterr().out
    assert "loss" in printed and f"right {100 * trained.accuracy:.1f} %" in printed
    loaded = training.load(tmp_path / "digits_8_seed_3.npz")
    assert loaded.training == trained.training
    assert np.array_equal(loaded.network.J, trained.network.J)
