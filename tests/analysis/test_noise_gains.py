"""Gains of private noise: against the covariance, between both ways to find them, and under a rescaling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import neurobal as nb
from benchmarks import graphs
from neurobal.analysis import noise_covariance, noise_gains
from neurobal.errors import NeurobalError


@pytest.fixture
def integrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large networks begin at one unit."""
    monkeypatch.setitem(noise_gains.__globals__, "LARGEST_DENSE", 0)


def stable(rng: np.random.Generator, n: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    core = rng.normal(size=(n, n))
    core *= 0.8 / np.abs(np.linalg.eigvals(core)).max()
    scale = np.exp(rng.normal(0, spread, n))
    return core * scale[:, None] / scale, rng.normal(size=(2, n)) / scale


def test_they_add_up_to_the_output_variance(rng: np.random.Generator) -> None:
    """Σ_k var(y_k) = Σ_i σ_i² G_i for any σ: the Gramian is the adjoint of the covariance."""
    weights, readout = stable(rng, 8)
    slopes, noise = rng.uniform(0.2, 1.0, 8), rng.uniform(0.0, 2.0, 8)
    gains = noise_gains(weights, readout, slopes=slopes)
    output = noise_covariance(weights, slopes=slopes, noise=noise, readout=readout).output
    assert noise**2 @ gains == pytest.approx(np.trace(output), rel=1e-9)


def test_the_adjoint_network_gives_the_same(rng: np.random.Generator, integrated: None) -> None:
    weights, readout = stable(rng, 30)
    slopes = rng.uniform(0.2, 1.0, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(noise_gains.__globals__, "LARGEST_DENSE", 1000)
        exact = noise_gains(weights, readout, slopes=slopes)
    assert noise_gains(sparse.csr_array(weights), readout, slopes=slopes) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("way", ["equation", "integration"])
def test_scales_divide_gains_by_their_squares(
    way: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(noise_gains.__globals__, "LARGEST_DENSE", 1000 if way == "equation" else 0)
    weights, readout = stable(rng, 12)
    result = nb.balance(weights)
    before, after = noise_gains(weights, readout), noise_gains(result.weights, readout / result.scale)
    assert after == pytest.approx(before / result.scale**2, rel=1e-9 if way == "equation" else 1e-5)


def test_large_sparse_networks(rng: np.random.Generator) -> None:
    """A unit of a ring of 3,000 is read out: in linear response, its own noise weighs most."""
    weights = graphs.ring(3000, rng, spread=0.0)
    weights = weights * (0.5 / abs(weights).sum(axis=1).max())
    readout = np.zeros(3000)
    readout[7] = 1.0
    gains = noise_gains(weights, readout)
    assert np.argmax(gains) == 7 and 0.45 < gains[7] < 0.7 and np.all(gains >= 0)


@pytest.mark.parametrize("limit", [0, 1000])
def test_unstable_networks_have_none(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(noise_gains.__globals__, "LARGEST_DENSE", limit)
    with pytest.raises(NeurobalError, match=r"noise_gains: .*unstable"):
        noise_gains(np.array([[0.0, 2.0], [2.0, 0.0]]), [1.0, 0.0])


def test_nothing_is_read_out(integrated: None) -> None:
    assert np.array_equal(noise_gains(np.zeros((3, 3)), np.zeros(3)), np.zeros(3))


def test_what_the_cost_of_output_noise_predicts_is_what_the_rescaled_network_does(rng: np.random.Generator) -> None:
    """Least output noise at the same activity: the new gains add up to the attainable (Σ s√G)² / (Σ s² Σ G)."""
    weights, readout = stable(rng, 10)
    gains, activity = noise_gains(weights, readout), rng.uniform(0.5, 2.0, 10)
    result = nb.balance(weights, cost={"neurons": nb.OutputNoise(gains) + nb.Activity(activity)})
    common = np.sqrt(np.sum((activity * result.scale) ** 2) / np.sum(activity**2))  # back to the activity before
    scale = result.scale / common
    after = noise_gains(weights * scale[:, None] / scale, readout / scale)
    assert after == pytest.approx(gains / scale**2, rel=1e-9)
    attainable = np.sum(activity * np.sqrt(gains)) ** 2 / (np.sum(activity**2) * np.sum(gains))
    assert after.sum() / gains.sum() == pytest.approx(attainable, rel=1e-8) and attainable < 1
