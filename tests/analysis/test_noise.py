"""Noise on the units: the Lyapunov equation against simulation, its transformation, and what balancing does to it."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network
from scipy import sparse

import neurobal as nb
from neurobal.analysis import noise_covariance


def stable(rng: np.random.Generator, n: int, spread: float, radius: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """A linear network of a given spectral radius, seen through scales exp(h), h ~ N(0, spread²); and these scales."""
    core = rng.normal(size=(n, n))
    core *= radius / np.abs(np.linalg.eigvals(core)).max()
    scale = np.exp(rng.normal(0, spread, n))
    return core * scale[:, None] / scale, scale


def simulated(weights: np.ndarray, noise: np.ndarray, steps: int, rng: np.random.Generator, dt: float = 0.02):
    """Covariance over 600 independent Euler-Maruyama runs and over the second half of time."""
    x = np.zeros((600, len(weights)))
    total, count = np.zeros_like(weights), 0
    for step in range(steps):
        x = x + dt * (x @ weights.T - x) + np.sqrt(dt) * noise * rng.normal(size=x.shape)
        if step >= steps // 2 and step % 25 == 0:
            total, count = total + x.T @ x / len(x), count + 1
    return total / count


def test_against_a_simulation(rng):
    weights, _ = stable(rng, 6, 0.3)
    noise, readout = rng.uniform(0.5, 1.5, 6), rng.normal(size=(2, 6))
    theory = noise_covariance(weights, noise=noise, readout=readout)
    found = simulated(weights, noise, 2500, rng)
    scale = np.sqrt(np.outer(np.diag(theory.state), np.diag(theory.state)))
    assert np.abs(found - theory.state).max() <= 0.06 * scale.max()
    assert np.diag(readout @ found @ readout.T) == pytest.approx(np.diag(theory.output), rel=0.08)


def test_an_isolated_unit():
    """dx = -x dt + σ dW has variance σ²/2; Brian2's sigma*sqrt(2/tau)*xi therefore sigma²."""
    one = noise_covariance(np.zeros((1, 1)), noise=3.0)
    assert one.state == pytest.approx(4.5) and one.output is None
    assert noise_covariance([[0.0]], noise=np.sqrt(2) * 0.7).state == pytest.approx(0.49)


def test_the_lyapunov_equation_holds_for_linearised_networks(rng):
    weights, slopes = rng.normal(0, 0.2, (7, 7)), rng.random(7)
    state = noise_covariance(weights, slopes=slopes, noise=2.0).state
    drift = weights @ np.diag(slopes) - np.eye(7)
    assert np.allclose(drift @ state + state @ drift.T, -4 * np.eye(7), atol=1e-12)
    assert np.array_equal(state, state.T) and np.linalg.eigvalsh(state)[0] > 0
    assert np.allclose(noise_covariance(sparse.csr_array(weights), slopes=slopes, noise=2.0).state, state)


def test_noise_that_scales_along_changes_nothing(rng):
    """Σ' = ΛΣΛ, and the same output; with noise of fixed size neither."""
    weights, _ = stable(rng, 10, 1.0)
    readout, slopes = rng.normal(size=(3, 10)), rng.random(10)
    result = nb.balance(weights)
    before = noise_covariance(weights, slopes=slopes, readout=readout)
    along = noise_covariance(result.weights, slopes=slopes, noise=result.scale, readout=readout / result.scale)
    fixed = noise_covariance(result.weights, slopes=slopes, readout=readout / result.scale)
    assert np.allclose(along.state, before.state * np.outer(result.scale, result.scale), rtol=1e-9)
    assert np.allclose(along.output, before.output, rtol=1e-9)
    assert not np.allclose(fixed.output, before.output, rtol=0.1)


def test_units_of_any_scale(rng):
    """The sum over sources of noise, each in coordinates in which the weights are even; scales from e^-12 to e^12."""
    core, _ = stable(rng, 12, 0.0)
    scale = np.exp(rng.permutation(np.linspace(-12, 12, 12)))
    found = noise_covariance(core * scale[:, None] / scale).state
    sources = [noise_covariance(core, noise=np.eye(12)[k]).state / scale[k] ** 2 for k in range(12)]
    assert np.diag(found) == pytest.approx(scale**2 * np.sum([np.diag(one) for one in sources], axis=0), rel=1e-9)


def test_a_sparse_readout(rng):
    weights, _ = stable(rng, 5, 0.3)
    readout = rng.normal(size=(2, 5)) * (rng.random((2, 5)) < 0.6)
    dense = noise_covariance(weights, readout=readout).output
    assert np.allclose(noise_covariance(weights, readout=sparse.csr_array(readout)).output, dense, rtol=1e-12)


def falls(radius: float, spread: float, networks: int = 60) -> np.ndarray:
    """In how many random networks of 16 units the variance falls, under noise of fixed size: of the state; of an output
    whose readout is as spread as the weights; of one whose readout does not know of the spread. Geometric mean of λ: 1.
    """
    rng, fell = np.random.default_rng(0), []
    for _ in range(networks):
        weights, scale = stable(rng, 16, spread, radius)
        result, readout = nb.balance(weights), rng.normal(size=(1, 16))
        row = []
        for out in (readout / scale, readout):
            before = noise_covariance(weights, readout=out)
            after = noise_covariance(result.weights, readout=out / result.scale)
            row.append(after.output.item() < before.output.item())
        fell.append([np.trace(after.state) < np.trace(before.state), *row])
    return np.mean(fell, axis=0)


def test_in_how_many_networks_noise_falls():
    """Weakly recurrent, unbalanced networks: the state's variance falls in all, an output's not if its readout is
    independent of the scales. The more recurrent, the more the scales count."""
    state, along, independent = falls(radius=0.5, spread=0.7)
    assert state == 1.0 and along > 0.9 and independent < 0.4
    state, along, independent = falls(radius=0.95, spread=1.5)
    assert state == 1.0 and along == 1.0 and independent > 0.9


def test_not_even_the_variance_of_the_state_must_fall():
    """Strongly recurrent networks that are nearly balanced: sensitivity falls in all of them, variance not."""
    state, along, independent = falls(radius=0.95, spread=0.0)
    assert 0.7 < state < 1.0
    assert along == independent and 0.3 < along < 0.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.diag([0.5, 1.5])}, r"unstable.*eigenvalue 0\.5.*weights smaller"),
        ({"weights": np.array([[1, -2.0], [2, 1]])}, "eigenvalue 0[+-]2j"),
        (
            {"weights": np.zeros((2, 2)), "noise": np.ones(3)},
            r"noise: expected a number or an array of shape \(2,\), got .* \(3,\)",
        ),
        ({"weights": np.zeros((2, 2)), "slopes": np.ones((2, 2))}, "slopes"),
        ({"weights": np.zeros((2, 2)), "noise": np.nan}, "noise: it is nan"),
        ({"weights": np.zeros((2, 2)), "noise": [1, -2]}, "unit 1 is -2, below zero"),
        ({"weights": np.zeros((2, 2)), "noise": "loud"}, "noise: expected real numbers, got str 'loud'"),
        ({"weights": np.zeros((2, 2)), "readout": np.ones((1, 3))}, r"shape \(any, 2\), got .* \(1, 3\)"),
        ({"weights": np.zeros((2, 2)), "readout": [[1, np.nan]]}, r"readout: entry \(0, 1\) is nan"),
        ({"weights": np.zeros((2, 2)), "readout": 1.0}, r"shape \(2,\) or an array of shape \(any, 2\), got a number"),
        ({"weights": np.zeros((2, 2)), "readout": [[1, 2], [3]]}, "readout: expected real numbers, got list"),
        ({"weights": np.zeros((2, 2)), "slopes": [1j, 1]}, "slopes: expected real numbers, got list"),
        ({"weights": np.array([[0, np.nan], [0, 0]])}, "not finite"),
        ({"weights": nb.Circuit()}, "matrix .* got Circuit"),
        ({"weights": Network()}, "matrix .* got Network"),
        ({"weights": None}, "matrix .* got None"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(nb.InvalidInputError, match=message):
        noise_covariance(**arguments)


def test_the_printout():
    assert repr(noise_covariance(np.zeros((2, 2)))) == "NoiseCovariance: 2 units, total variance 1"
    assert "total output variance 0.5" in repr(noise_covariance(np.zeros((2, 2)), readout=[1, 0]))
