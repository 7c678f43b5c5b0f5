"""Excitation and inhibition: signs never change, and each neuron balances both together (Stock et al. 2022)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurobal as nb

Array: TypeAlias = np.ndarray
SIZES, SIGNS = {"E": 16, "I": 4}, {"E": 1.0, "I": -1.0}


@pytest.fixture
def circuit(rng: np.random.Generator) -> nb.Circuit:
    """Every neuron of E excites, every neuron of I inhibits; inhibitory synapses are stronger."""
    one = nb.Circuit()
    for name, size in SIZES.items():
        one.add(name, size)
    for pre in SIZES:
        for post in SIZES:
            size = rng.lognormal(0, 1, (SIZES[post], SIZES[pre])) * (4 if pre == "I" else 1)
            one.connect(pre, post, SIGNS[pre] * size)
    return one


def matrix(weights: dict[str, Array]) -> Array:
    return np.block([[weights[f"{pre}->{post}"] for pre in "EI"] for post in "EI"])


def test_signs_stay_also_along_the_flow(circuit: nb.Circuit) -> None:
    """Stock et al. 2022: factors are positive, so that Dale's law is kept at all times (check 20)."""
    before = matrix({p.name: p.container for p in circuit})
    scale = np.sum(before**2)

    def velocity(_: float, flat: Array) -> Array:
        weights = flat.reshape(before.shape)
        g = np.sum(weights**2, axis=1) - np.sum(weights**2, axis=0)
        return (weights * (g - g[:, None])).ravel()

    path = solve_ivp(velocity, (0, 30 / scale), before.ravel(), rtol=1e-8, atol=1e-10).y.T
    assert len(path) > 10 and np.all(np.sign(path) == np.sign(before.ravel()))
    balanced = matrix(nb.balance(circuit).weights)
    assert np.all(balanced[:, : SIZES["E"]] > 0) and np.all(balanced[:, SIZES["E"] :] < 0)


def test_excitatory_and_inhibitory_costs_are_balanced_as_one(circuit: nb.Circuit) -> None:
    """Each neuron's incoming E + I cost equals its outgoing cost; neither half does on its own (check 20)."""
    result = nb.balance(circuit, tol=1e-12)
    square = matrix(result.weights) ** 2
    incoming, outgoing = square.sum(axis=1), square.sum(axis=0)
    assert np.allclose(incoming, outgoing, rtol=1e-6)
    excitatory = square[:, : SIZES["E"]].sum(axis=1)
    assert np.abs(np.log(excitatory / outgoing)).max() > 0.1
    sizes = np.abs(matrix({p.name: p.container for p in circuit}))
    assert np.allclose(np.concatenate(list(result.scale.values())), nb.balance(sizes, tol=1e-12).scale, rtol=1e-9)
