"""Three tasks for small recurrent networks: memory, selection, recognition.

Each draws a batch of trials and says how large a share of a network's answers is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from figures import DATA
from numpy.typing import NDArray

Array = NDArray[np.float64]

HELD_OUT = 397  # of 1,797 digits


@dataclass(frozen=True)
class Trials:
    """What goes in, what should come out, and when that is asked."""

    inputs: Array  # (time, trials, inputs)
    targets: Array  # (time, trials, readouts)
    scored: NDArray[np.bool_]  # (time,)


class Task(Protocol):
    @property
    def inputs(self) -> int: ...

    @property
    def readouts(self) -> int: ...

    def trials(self, number: int, rng: np.random.Generator, *, held_out: bool = False) -> Trials:
        """Draw trials: of what networks are trained with, or of what they have never seen."""

    def accuracy(self, outputs: Array, trials: Trials) -> float:
        """The share of right answers."""


@dataclass(frozen=True)
class FlipFlop:
    """Each of two readouts holds the sign of the last pulse on its input (Sussillo & Barak 2013).

    Right is an output with the sign of its target, at any time.
    """

    steps: int = 60
    probability: float = 0.08  # of a pulse, at each step
    inputs: int = 2
    readouts: int = 2

    def trials(self, number: int, rng: np.random.Generator, *, held_out: bool = False) -> Trials:
        size = (self.steps, number, 2)
        pulses = (rng.random(size) < self.probability) * rng.choice([-1.0, 1.0], size)
        pulses[0] = rng.choice([-1.0, 1.0], size[1:])  # from here on there is something to hold
        last = np.maximum.accumulate(np.where(pulses != 0, np.arange(self.steps)[:, None, None], 0), axis=0)
        return Trials(pulses, np.take_along_axis(pulses, last, axis=0), np.arange(self.steps) >= 2)

    def accuracy(self, outputs: Array, trials: Trials) -> float:
        right = np.sign(outputs) == trials.targets
        return float(np.mean(right[trials.scored]))


@dataclass(frozen=True)
class ContextIntegration:
    """The readout integrates one of two noisy inputs, the one that a context names, and forgets in 30 steps (after
    Mante et al. 2013): ``z(t) = z(t-1) + (2 u(t) - z(t-1)) / 30``.

    Right is a trial that ends with the sign of its target.
    """

    steps: int = 60
    memory: float = 30.0  # steps
    noise: float = 0.3  # of the inputs; their means are up to 1
    inputs: int = 4  # context, as one of two; both inputs
    readouts: int = 1

    def trials(self, number: int, rng: np.random.Generator, *, held_out: bool = False) -> Trials:
        context = rng.integers(0, 2, number)
        evidence = rng.uniform(-1, 1, (number, 2)) + self.noise * rng.standard_normal((self.steps, number, 2))
        named = np.broadcast_to(np.eye(2)[context], evidence.shape)
        target = np.zeros((self.steps, number, 1))
        z = np.zeros((number, 1))
        for t in range(self.steps):
            z = z + (2 * evidence[t, np.arange(number), context][:, None] - z) / self.memory
            target[t] = z
        return Trials(np.concatenate([named, evidence], axis=2), target, np.arange(self.steps) >= 2)

    def accuracy(self, outputs: Array, trials: Trials) -> float:
        return float(np.mean(np.sign(outputs[-1]) == np.sign(trials.targets[-1])))


@dataclass(frozen=True)
class Digits:
    """Handwritten digits of 8 × 8 pixels, a row after the other, each for ``hold`` steps; then the network has to say
    which of ten it was.

    Right is a trial whose largest readout is the right one, on average over the time asked.
    """

    hold: int = 4
    pause: int = 4
    asked: int = 6  # steps at the end
    inputs: int = 8
    readouts: int = 10

    def trials(self, number: int, rng: np.random.Generator, *, held_out: bool = False) -> Trials:
        images, labels = digits()
        among = slice(len(labels) - HELD_OUT, None) if held_out else slice(0, len(labels) - HELD_OUT)
        images, labels = images[among], labels[among]
        chosen = rng.permutation(len(labels))[:number]
        rows = np.repeat(images[chosen].swapaxes(0, 1), self.hold, axis=0)
        inputs = np.concatenate([rows, np.zeros((self.pause, *rows.shape[1:]))])
        targets = np.broadcast_to(np.eye(10)[labels[chosen]], (len(inputs), len(chosen), 10))
        return Trials(inputs, targets, np.arange(len(inputs)) >= len(inputs) - self.asked)

    def accuracy(self, outputs: Array, trials: Trials) -> float:
        answers = outputs[trials.scored].mean(axis=0).argmax(axis=1)
        return float(np.mean(answers == trials.targets[-1].argmax(axis=1)))


TASKS: dict[str, Task] = {
    "flip_flop": FlipFlop(),
    "context_integration": ContextIntegration(),
    "digits": Digits(),
}


@cache
def digits() -> tuple[Any, Any]:
    """Images (1797, 8, 8) with pixels from 0 to 1, and labels, in an order of its own: in the file, digits of one
    writer follow each other."""
    table = np.loadtxt(DATA / "digits" / "digits.csv.gz", delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    return table[:, :64].reshape(-1, 8, 8) / 16, table[:, 64].astype(int)
