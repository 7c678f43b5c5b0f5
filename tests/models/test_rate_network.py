"""Small rate networks: their equation, their noise, and that balancing keeps their function."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurobal as nb

MODELS = Path(__file__).parents[2] / "models"
sys.path.insert(0, str(MODELS))

import rate_network  # noqa: E402
import tasks  # noqa: E402
import training  # noqa: E402
from rate_network import RateNetwork  # noqa: E402
from tasks import TASKS  # noqa: E402

Array = np.ndarray
ROUNDING = np.finfo(float).eps / 2


def some_network(rng: np.random.Generator, inputs: int = 3, readouts: int = 2, units: int = 7) -> RateNetwork:
    shapes = ((units, units), (units, inputs), (readouts, units), (units,))
    J, W_in, W_out, b = (rng.normal(size=shape) / np.sqrt(shape[-1]) for shape in shapes)
    return RateNetwork(J, W_in, W_out, b)


def test_a_run_is_the_equation_unit_by_unit(rng: np.random.Generator) -> None:
    net = some_network(rng)
    inputs = rng.normal(size=(9, 4, 3))
    run = net.run(inputs)
    for trial in range(4):
        x = [0.0] * 7
        for t in range(9):
            r = [max(v, 0.0) for v in x]
            x = [
                x[i]
                + net.step
                * (-x[i] + net.J[i] @ r + sum(net.W_in[i, k] * inputs[t, trial, k] for k in range(3)) + net.b[i])
                for i in range(7)
            ]
            assert run.states[t, trial] == pytest.approx(x, rel=1e-12, abs=1e-14)
            sent = np.maximum(x, 0)
            assert run.rates[t, trial] == pytest.approx(sent, rel=1e-12, abs=1e-14)
            assert run.outputs[t, trial] == pytest.approx(net.W_out @ sent, rel=1e-12, abs=1e-14)


def test_noise_on_states_and_on_what_is_sent_have_their_sizes() -> None:
    """Without weights a state is noise of variance σ² Σ (1-s)^2k, and what a silent unit sends is noise only."""
    size = np.array([0.0, 0.5, 2.0])
    net = RateNetwork(np.zeros((3, 3)), np.zeros((3, 1)), np.zeros((1, 3)), np.zeros(3))
    run = net.run(np.zeros((5, 4000, 1)), noise=size, rng=np.random.default_rng(0))
    for t in (0, 1, 4):
        expected = size**2 * sum((1 - net.step) ** (2 * k) for k in range(t + 1))
        assert run.states[t].var(axis=0) == pytest.approx(expected, rel=5 * np.sqrt(2 / 4000))
    silent = replace(net, b=np.full(3, -1.0)).run(np.zeros((5, 4000, 1)), sent_noise=size, rng=np.random.default_rng(0))
    assert silent.rates[4].var(axis=0) == pytest.approx(size**2, rel=5 * np.sqrt(2 / 4000))
    assert np.abs(np.corrcoef(silent.rates[4].T[1:])[0, 1]) < 5 / np.sqrt(4000)


def test_noise_needs_a_generator(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="rng="):
        some_network(rng).run(np.zeros((2, 1, 3)), noise=0.1)


# ----------------------------------------------------------------------------------------------------------- balancing


def bound_on_rounding(net: RateNetwork, inputs: Array, log_scale: float) -> Array:
    """How far outputs of two networks can be apart (time, trials, readouts) that differ by a rescaling, to first order.

    Each rounds the terms of a sum of n at most n + 8 times, and its weights by the last digits of a_e h_i - b_e h_j,
    four times. What a state is off at one time reaches the outputs by the adjoint.
    """
    run = net.run(inputs)
    J, W_in, W_out, b = (np.abs(w) for w in net.weights)
    each = 2 * (sum(W_in.shape) + 8 + 8 * log_scale) * ROUNDING
    off = net.step * (np.abs(inputs) @ W_in.T + b)
    off[1:] += (1 - net.step) * np.abs(run.states[:-1]) + net.step * run.rates[:-1] @ J.T
    found = run.rates @ W_out.T
    for t, one in enumerate(found):
        for k, weights in enumerate(net.W_out):
            sent = np.zeros_like(run.rates[: t + 1])
            sent[t] = weights
            reach = training.adjoint(net, run.states[: t + 1], sent)
            one[:, k] += np.sum(np.abs(reach) * off[: t + 1], axis=(0, 2))
    return each * found


@pytest.fixture(scope="module")
def flip_flop() -> RateNetwork:
    return training.train(training.Training("flip_flop", units=24, iterations=300, rate=8e-3)).network


@pytest.fixture
def out_of_balance(flip_flop: RateNetwork, rng: np.random.Generator) -> nb.Circuit:
    """The trained network, rescaled by chance."""
    circuit = flip_flop.circuit()
    return circuit.rescaled({"in": np.zeros(2), "cells": rng.normal(0, 1, 24), "out": np.zeros(2)})


def balanced(circuit: nb.Circuit, **options: Any) -> tuple[nb.Balance, Array]:
    result = nb.balance(circuit, **options)
    scale = np.asarray(result.scale["cells"])
    assert result.success and np.ptp(np.log(scale)) > 2
    return result, scale


def some_trials() -> tasks.Trials:
    return TASKS["flip_flop"].trials(20, np.random.default_rng(2))


def test_the_circuit_is_the_network(flip_flop: RateNetwork) -> None:
    circuit, inputs = flip_flop.circuit(), some_trials().inputs
    for noise in ({}, {"noise": 0.1}, {"sent_noise": 0.1}, {"noise": np.linspace(0, 1, 24), "sent_noise": 0.1}):
        run = rate_network.simulate(circuit, inputs, **noise, seed=4)
        same = flip_flop.run(inputs, **noise, rng=np.random.default_rng(4))
        assert np.array_equal(run.outputs, same.outputs)
    assert {name: p.pinned.tolist() for name, p in circuit.populations.items()} == {
        "in": [True] * 2, "cells": [False] * 24, "out": [True] * 2,
    }  # fmt: skip


def test_balancing_preserves_the_function_to_rounding(out_of_balance: nb.Circuit) -> None:
    trials = some_trials()
    result, scale = balanced(out_of_balance)
    before, after = (rate_network.simulate(one, trials.inputs) for one in (out_of_balance, result.circuit))
    net = rate_network.of_circuit(result.circuit)
    bound = bound_on_rounding(net, trials.inputs, float(np.abs(np.log(scale)).max()))
    assert np.all(np.abs(after.outputs - before.outputs) <= bound)
    assert np.max(bound) < 1e-9  # or it would not say much
    assert np.abs(before.outputs).max() > 0.5


def test_by_powers_of_two_outputs_stay_bit_by_bit(out_of_balance: nb.Circuit) -> None:
    trials = some_trials()
    result, scale = balanced(out_of_balance, dyadic=True)
    before, after = (rate_network.simulate(one, trials.inputs) for one in (out_of_balance, result.circuit))
    assert np.array_equal(after.outputs, before.outputs)
    assert np.array_equal(after.states, before.states * scale)


@pytest.mark.parametrize("kind", ["noise", "sent_noise"])
def test_noise_of_fixed_size_does_not_move_along(out_of_balance: nb.Circuit, kind: str) -> None:
    """Noise σ in the balanced network is noise σ/λ in the one before."""
    inputs = some_trials().inputs
    result, scale = balanced(out_of_balance, dyadic=True)
    before, same, after = (
        rate_network.simulate(circuit, inputs, **{kind: size}, seed=7).outputs
        for circuit, size in ((out_of_balance, 0.125), (out_of_balance, 0.125 / scale), (result.circuit, 0.125))
    )
    assert np.array_equal(after, same)
    assert np.abs(after - before).max() > 0.01
