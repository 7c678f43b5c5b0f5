"""Small networks of threshold-linear rate units: what they compute, with noise or without, and as a `nb.Circuit`.

    x(t) = x(t-1) + s (-x(t-1) + J r(t-1) + W_in u(t) + b) + σ ξ(t),    r = [x]_+ + σ' ξ',    y = W_out r

from x = 0, with s = dt/τ. Inputs and readouts are given, so they are pinned. For any λ > 0 a unit's state may become
λ x: its row of J and of W_in and its bias grow by λ, its column of J and of W_out shrinks by λ, and y stays. Noise of a
fixed size does not move along: networks that compute the same differ in how noisy they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

import neurobal as nb

Array: TypeAlias = NDArray[Any]  # of float32 or float64

STEP = 0.3


@dataclass(frozen=True)
class Run:
    """What a network did, (time, trials, ...)."""

    states: Array  # x of all units
    rates: Array  # r of all units: what they send
    outputs: Array  # y of all readouts


@dataclass(frozen=True)
class RateNetwork:
    """The weights of a network, (post, pre)."""

    J: Array  # (units, units)
    W_in: Array  # (units, inputs)
    W_out: Array  # (readouts, units)
    b: Array  # (units,)
    step: float = field(default=STEP, kw_only=True)  # dt/τ

    @property
    def weights(self) -> tuple[Array, ...]:
        return self.J, self.W_in, self.W_out, self.b

    def astype(self, dtype: DTypeLike) -> RateNetwork:
        J, W_in, W_out, b = (w.astype(dtype) for w in self.weights)
        return RateNetwork(J, W_in, W_out, b, step=self.step)

    def run(
        self,
        inputs: Array,
        *,
        noise: float | Array = 0.0,
        sent_noise: float | Array = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Run:
        """Answer ``inputs`` (time, trials, inputs).

        ``noise`` (σ) and ``sent_noise`` (σ') are the standard deviations of what is added to a state and to what is
        sent, at every step and for every unit independently: one number, or one a unit. It is the same noise in all
        networks of one size whose ``rng`` are in the same state.
        """
        kind = self.J.dtype
        s = kind.type(self.step)
        states = inputs.astype(kind, copy=False) @ self.W_in.T
        states += self.b
        states *= s
        states += _private(noise, states, rng)
        rates = np.zeros_like(states)
        rates += _private(sent_noise, states, rng)
        received = np.ascontiguousarray(s * self.J.T)
        for t, (x, r) in enumerate(zip(states, rates, strict=True)):
            if t:
                x += (1 - s) * states[t - 1]
                x += rates[t - 1] @ received
            r += np.maximum(x, 0)
        return Run(states, rates, rates @ self.W_out.T)

    def circuit(self) -> nb.Circuit:
        """Populations ``in`` and ``out``, pinned, and ``cells``. All weights cost; biases move along for free."""
        circuit = nb.Circuit()
        circuit.add("in", self.W_in.shape[1], pinned=True)
        circuit.add("cells", len(self.J), bias=self.b)
        circuit.add("out", len(self.W_out), pinned=True)
        circuit.connect("in", "cells", self.W_in)
        circuit.connect("cells", "cells", self.J)
        circuit.connect("cells", "out", self.W_out)
        return circuit


def of_circuit(circuit: nb.Circuit, step: float = STEP) -> RateNetwork:
    """The network that `RateNetwork.circuit` made a circuit of, with the weights that the circuit has now."""
    names = ("cells->cells", "in->cells", "cells->out")
    J, W_in, W_out = (np.asarray(circuit.projections[name].container) for name in names)
    return RateNetwork(J, W_in, W_out, circuit.projections["cells.bias"].weight, step=step)


def simulate(
    circuit: nb.Circuit,
    inputs: Array,
    *,
    noise: float | Array = 0.0,
    sent_noise: float | Array = 0.0,
    seed: int = 0,
    step: float = STEP,
) -> Run:
    """`RateNetwork.run` for a circuit. Equal seeds bring equal noise: two circuits are compared trial by trial."""
    rng = np.random.default_rng(seed)
    return of_circuit(circuit, step).run(inputs, noise=noise, sent_noise=sent_noise, rng=rng)


def _private(size: float | Array, like: Array, rng: np.random.Generator | None) -> Array:
    """Gaussian noise for every step, trial and unit; a zero where there is none, which draws nothing."""
    if not np.any(size):
        return np.zeros((), like.dtype)
    if rng is None:
        raise ValueError("noise needs rng=, a numpy Generator")
    return np.asarray(size, like.dtype) * rng.standard_normal(like.shape, like.dtype)
