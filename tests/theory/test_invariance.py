"""The whole temporal map from input to output survives a rescaling if, and here only if, units are homogeneous."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray
Function: TypeAlias = Callable[[Array], Array]

HOMOGENEOUS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky relu": lambda x: np.where(x > 0, x, 0.1 * x),
    "linear": lambda x: x,
}
N, INPUTS, OUTPUTS = 40, 3, 2


def recurrent_circuit(rng: np.random.Generator) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("in", INPUTS, pinned=True)
    circuit.add("cells", N, bias=rng.normal(size=N))
    circuit.add("out", OUTPUTS, pinned=True)
    circuit.connect("in", "cells", rng.normal(size=(N, INPUTS)))
    circuit.connect("cells", "cells", 0.8 / np.sqrt(N) * rng.normal(size=(N, N)))
    circuit.connect("cells", "out", rng.normal(size=(OUTPUTS, N)))
    return circuit


def simulated(circuit: nb.Circuit, phi: Function, drive: Array, start: Array) -> tuple[Array, Array]:
    """States and outputs of dx/dt = -x + J φ(x) + W_in u + b, y = W_out x, by Euler steps of 0.05."""
    weights = {p.name: p.container for p in circuit}
    bias = circuit.projections["cells.bias"].weight
    x, states = start.copy(), []
    for u in drive:
        x = x + 0.05 * (-x + weights["cells->cells"] @ phi(x) + weights["in->cells"] @ u + bias)
        states.append(x)
    return np.array(states), np.array(states) @ weights["cells->out"].T


def before_and_after(
    phi: Function, rng: np.random.Generator, move_start: bool = True
) -> tuple[Array, tuple[Array, Array], tuple[Array, Array]]:
    """h, and (states, outputs) of a network and of the same one rescaled by h ~ U(-3, 3)."""
    circuit, h = recurrent_circuit(rng), rng.uniform(-3, 3, N)
    rescaled = circuit.rescaled({"in": np.zeros(INPUTS), "cells": h, "out": np.zeros(OUTPUTS)})
    drive, start = rng.normal(size=(400, INPUTS)), rng.normal(size=N)  # white noise on every input
    moved = np.exp(h) * start if move_start else start
    return h, simulated(circuit, phi, drive, start), simulated(rescaled, phi, drive, moved)


def relative(error: Array, size: Array) -> float:
    return float(np.abs(error).max() / np.abs(size).max())


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_noisy_inputs_give_the_same_outputs(name: str, rng: np.random.Generator) -> None:
    """Stock et al. 2022, the task-preserving transform (check 1)."""
    _, (_, before), (_, after) = before_and_after(HOMOGENEOUS[name], rng)
    assert relative(after - before, before) <= 1e-12


def test_saturating_units_do_not(rng: np.random.Generator) -> None:
    """Stock et al. 2022: homogeneity is needed; with tanh the same transform changes the outputs (check 1)."""
    _, (_, before), (_, after) = before_and_after(np.tanh, rng)
    assert relative(after - before, before) > 0.1


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_states_are_multiplied_by_the_scale_at_all_times(name: str, rng: np.random.Generator) -> None:
    """Stock et al. 2022: x'(t) = e^h x(t), the initial state included (check 2; their h has the other sign)."""
    h, (before, _), (after, _) = before_and_after(HOMOGENEOUS[name], rng)
    assert relative(after / np.exp(h) - before, before) <= 1e-12


def test_the_initial_state_has_to_move_along(rng: np.random.Generator) -> None:
    """What the authors' code leaves out; it is right for runs that start at 0 only (check 2)."""
    _, (_, before), (_, after) = before_and_after(HOMOGENEOUS["relu"], rng, move_start=False)
    assert relative((after - before)[:20], before) > 0.1


def test_balancing_is_such_a_rescaling(rng: np.random.Generator) -> None:
    """Stock et al. 2022: balanced, the network gives the same outputs at a lower cost (check 1)."""
    circuit = recurrent_circuit(rng)
    rows = {"in": np.zeros(INPUTS), "cells": rng.normal(0, 1, N), "out": np.zeros(OUTPUTS)}
    result = nb.balance(circuit.rescaled(rows), cost={"cells->cells": nb.Power(2)})
    drive = rng.normal(size=(400, INPUTS))
    before, after = (
        simulated(one, HOMOGENEOUS["relu"], drive, np.zeros(N))[1] for one in (result.before, result.circuit)
    )
    assert result.success and result.cost < 0.2 * result.cost_before
    assert relative(after - before, before) <= 1e-12


def activity(circuit: nb.Circuit, drive: Array) -> Array:
    """The share of time at which each cell is active: its mean squared slope."""
    return np.asarray(np.mean(simulated(circuit, HOMOGENEOUS["relu"], drive, np.zeros(N))[0] > 0, axis=0))


def test_balancing_for_one_task_keeps_what_is_done_in_another(rng: np.random.Generator) -> None:
    """Stock et al. 2022: no knowledge of the task is needed to preserve it. Slopes measured under stimulus A decide
    which of the equivalent networks is found; outputs under stimulus B, never seen, are kept all the same."""
    circuit = recurrent_circuit(rng)
    one = np.outer(np.sin(np.arange(400) / 20), [1.0, 0, 0])
    other = 3 * rng.normal(size=(400, INPUTS)) - 1
    of_one, of_other = activity(circuit, one), activity(circuit, other)
    assert np.abs(of_one - of_other).max() > 0.3
    results = [
        nb.balance(circuit, cost={"cells->cells": nb.Robustness({"cells": gains})}) for gains in (of_one, of_other)
    ]
    scales = [result.scale["cells"] for result in results]
    assert np.abs(np.log(scales[0] / scales[1])).max() > 0.1  # which network it is does depend on the task
    outputs = [simulated(which, HOMOGENEOUS["relu"], other, np.zeros(N))[1] for which in (circuit, results[0].circuit)]
    assert results[0].cost < results[0].cost_before
    assert relative(outputs[1] - outputs[0], outputs[0]) <= 1e-12
