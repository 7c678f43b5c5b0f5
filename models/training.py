"""Train small recurrent networks of threshold-linear units by back-propagation through time, in plain numpy.

Squared error, Adam with a rate that falls to 0 like a cosine, and gradients of norm 1 at most. With ``--noise`` every
unit has private noise on its state while it learns; then ``--activity`` is needed, too, a price of rates: or else the
network drowns its noise in large states. One seed is one network, weight by weight (on one machine).

    python models/training.py --task flip_flop --seed 0 --units 64
    python models/training.py --task digits --noise 0.1 --activity 0.02

prints the loss (relative to the variance of the targets) and the share of right answers on new trials, and writes the
network to models/output/.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from figures import OUTPUT, percent
from rate_network import Array, RateNetwork, Run
from tasks import TASKS, Task, Trials


@dataclass(frozen=True)
class Training:
    """How a network learns. ``activity`` multiplies the mean squared rate in what is made small."""

    task: str = "flip_flop"
    seed: int = 0
    units: int = 64
    noise: float = 0.0
    activity: float = 0.0
    iterations: int = 2000
    batch: int = 32
    rate: float = 4e-3

    @property
    def name(self) -> str:
        return f"{self.task}_{self.units}_{'noise_' if self.noise else ''}seed_{self.seed}"


@dataclass(frozen=True)
class Trained:
    """A network, how it came about, and how good it is on trials that it has not seen."""

    network: RateNetwork
    training: Training
    loss: float  # mean squared error / variance of the targets
    accuracy: float

    def save(self, path: Path) -> Path:
        """Write an npz file without pickled objects."""
        path.parent.mkdir(parents=True, exist_ok=True)
        one = self.network
        about = json.dumps({"training": asdict(self.training), "loss": self.loss, "accuracy": self.accuracy})
        np.savez(path, J=one.J, W_in=one.W_in, W_out=one.W_out, b=one.b, step=one.step, about=about)
        return path


def load(path: Path) -> Trained:
    """What `Trained.save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        J, W_in, W_out, b = (file[key] for key in ("J", "W_in", "W_out", "b"))
        network = RateNetwork(J, W_in, W_out, b, step=float(file["step"]))
        about = json.loads(str(file["about"]))
    return Trained(network, Training(**about["training"]), about["loss"], about["accuracy"])


# -------------------------------------------------------------------------------------------------- gradients


def adjoint(network: RateNetwork, states: Array, sent: Array) -> Array:
    """a(t) = dL/dx(t) of all units (time, trials, units), of a function L of the rates with ``sent`` = ∂L/∂r(t).

    a(t) = (1 - s) a(t+1) + [x(t) > 0] (s Jᵀ a(t+1) + ∂L/∂r(t)), backwards from a = 0.
    """
    s = states.dtype.type(network.step)
    J = s * network.J
    found = sent * (states > 0)
    for t in range(len(states) - 2, -1, -1):
        found[t] += (1 - s) * found[t + 1] + (found[t + 1] @ J) * (states[t] > 0)
    return found


def loss(run: Run, trials: Trials, activity: float = 0.0) -> float:
    """Mean squared error where it is scored, plus ``activity`` times the mean squared rate."""
    error = (run.outputs - trials.targets)[trials.scored]
    return float(np.mean(error**2) + activity * np.mean(run.rates**2))


def gradient(network: RateNetwork, run: Run, trials: Trials, activity: float = 0.0) -> tuple[Array, ...]:
    """Derivatives of `loss` by J, W_in, W_out and b."""
    kind = network.J.dtype
    wrong = np.where(trials.scored[:, None, None], run.outputs - trials.targets, 0).astype(kind)
    wrong *= 2 / (np.count_nonzero(trials.scored) * wrong[0].size)
    sent = wrong @ network.W_out
    if activity:
        sent += 2 * activity / run.rates.size * run.rates
    drive = kind.type(network.step) * adjoint(network, run.states, sent)  # ∂L/∂(J r + W_in u + b)
    inputs = trials.inputs.astype(kind, copy=False)
    return _outer(drive[1:], run.rates[:-1]), _outer(drive, inputs), _outer(wrong, run.rates), drive.sum(axis=(0, 1))


def _outer(post: Array, pre: Array) -> Array:
    """Σ over time and trials, (post, pre)."""
    return post.reshape(-1, post.shape[-1]).T @ pre.reshape(-1, pre.shape[-1])


# --------------------------------------------------------------------------------------------------- training


@dataclass
class Adam:
    """Kingma & Ba (2015), for a list of arrays."""

    fall: tuple[float, float] = (0.9, 0.999)
    tiny: float = 1e-8
    moments: list[tuple[Array, Array]] = field(default_factory=list)
    steps: int = 0

    def move(self, weights: Sequence[Array], slopes: Sequence[Array], rate: float) -> None:
        """Change ``weights`` in place."""
        self.moments = self.moments or [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        self.steps += 1
        first, second = (1 - fall**self.steps for fall in self.fall)
        for w, g, (m, v) in zip(weights, slopes, self.moments, strict=True):
            m += (1 - self.fall[0]) * (g - m)
            v += (1 - self.fall[1]) * (g**2 - v)
            w -= rate * (m / first) / (np.sqrt(v / second) + self.tiny)


def untrained(task: Task, units: int, rng: np.random.Generator, dtype: type = np.float32) -> RateNetwork:
    """Gaussian weights without biases; the spectral radius of J is about 1."""
    J, W_in, W_out = (
        rng.standard_normal(shape) * size
        for shape, size in (
            ((units, units), units**-0.5),
            ((units, task.inputs), 0.5),
            ((task.readouts, units), units**-0.5),
        )
    )
    return RateNetwork(J, W_in, W_out, np.zeros(units)).astype(dtype)


def train(training: Training, report: Callable[[int, float, float], None] | None = None) -> Trained:
    """Train one network. ``report(iteration, loss, accuracy)`` hears ten times how it stands with held-out trials."""
    task = TASKS[training.task]
    rng = np.random.default_rng(training.seed)
    network = untrained(task, training.units, rng)
    adam = Adam()
    for k in range(training.iterations):
        if report and k % max(training.iterations // 10, 1) == 0:
            report(k, *tested(network, task))
        trials = task.trials(training.batch, rng)
        run = network.run(trials.inputs, noise=training.noise, rng=rng)
        slopes = gradient(network, run, trials, training.activity)
        norm = math.sqrt(sum(float(np.sum(g**2)) for g in slopes))
        rate = training.rate * (1 + math.cos(math.pi * k / training.iterations)) / 2
        adam.move(network.weights, [g / max(norm, 1.0) for g in slopes], rate)
    network = network.astype(float)
    found = tested(network, task)
    if report:
        report(training.iterations, *found)
    return Trained(network, training, *found)


def tested(network: RateNetwork, task: Task, number: int = 400) -> tuple[float, float]:
    """Loss relative to the variance of the targets, and accuracy, without noise, on the same held-out trials always."""
    trials = task.trials(number, np.random.default_rng(999), held_out=True)
    run = network.run(trials.inputs)
    variance = np.var(trials.targets[trials.scored], axis=(0, 1)).mean()
    return loss(run, trials) / float(variance), task.accuracy(run.outputs, trials)


def main(argv: Sequence[str] | None = None) -> Trained:
    parser = argparse.ArgumentParser(description="Train a small recurrent network.")
    parser.add_argument("--task", choices=TASKS, default=Training.task)
    parser.add_argument("--seed", type=int, default=Training.seed)
    parser.add_argument("--units", type=int, default=Training.units)
    parser.add_argument("--noise", type=float, default=Training.noise, help="on every state, at every step")
    parser.add_argument("--activity", type=float, default=Training.activity, help="price of the mean squared rate")
    parser.add_argument("--iterations", type=int, default=Training.iterations)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the network")
    options = vars(parser.parse_args(argv))
    folder = options.pop("output")
    training = Training(**options)
    clock = time.perf_counter()

    def report(iteration: int, loss: float, accuracy: float) -> None:
        spent = time.perf_counter() - clock
        print(f"{iteration:5d}  loss {loss:.4f}  right {percent(accuracy)}  {spent:.1f} s", flush=True)

    trained = train(training, report)
    print(f"network: {trained.save(folder / f'{training.name}.npz')}")
    return trained


if __name__ == "__main__":
    main()
