"""What "When balancing helps against noise" prints, recomputed without neurobal: balance, covariance, simulation."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "when_balancing_helps_against_noise.ipynb"
N, SIGMA = 40, 0.1

Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def printed() -> str:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text", "") for output in outputs)


def draw(rng: np.random.Generator) -> Weights:
    J = rng.normal(size=(N, N)) * (rng.random((N, N)) < 0.3)
    np.fill_diagonal(J, 0)
    J *= 0.7 / np.abs(np.linalg.eigvals(J)).max()
    return J, 0.3 * rng.normal(size=(N, 2)), 0.3 * rng.normal(size=(2, N))


def seen(weights: Weights, scale: np.ndarray) -> Weights:
    J, B, D = weights
    return J * scale[:, None] / scale, B * scale[:, None], D / scale


def networks() -> dict[str, Weights]:
    rng = np.random.default_rng(0)
    even = draw(rng)
    found = {"even": even, "uneven": seen(even, np.exp(rng.normal(size=N))), "loud": seen(even, np.full(N, 4.0))}
    return {**found, "balanced": seen(even, osborne(*even))}


def osborne(J: np.ndarray, B: np.ndarray, D: np.ndarray) -> np.ndarray:
    """The scales that balance the squares of all weights, one unit at a time; node N is everything that is pinned."""
    cost = np.block([[J**2, np.sum(B**2, axis=1)[:, None]], [np.sum(D**2, axis=0), np.zeros((1, 1))]])
    scale = np.ones(N)
    for _ in range(2000):
        for i in range(N):
            factor = np.sqrt(cost[:, i].sum() / cost[i].sum())
            cost[i] *= factor
            cost[:, i] /= factor
            scale[i] *= np.sqrt(factor)
        if np.abs(cost.sum(axis=0) - cost.sum(axis=1)).sum() <= 1e-12 * cost.sum():
            return scale
    raise AssertionError("not balanced")


def output_noise(weights: Weights) -> float:
    """The Lyapunov equation AΣ + ΣAᵀ = -2σ² as one system of N² linear equations."""
    J, _, D = weights
    one, A = np.eye(N), J - np.eye(N)
    state = np.linalg.solve(np.kron(A, one) + np.kron(one, A), -2 * SIGMA**2 * one.ravel()).reshape(N, N)
    return float(np.trace(D @ state @ D.T))


def simulated(weights: Weights, phi, trials: int = 60, seconds: float = 2.2) -> tuple[float, float]:
    """Signal and noise of the output in Euler-Maruyama steps of 1 ms."""
    J, B, D = weights
    rng, dt = np.random.default_rng(0), 1 / 20
    x, y = np.zeros((trials, N)), []
    for step in range(int(1000 * seconds)):
        u = np.sin(2 * np.pi * np.array([1, 1.5]) * step / 1000)
        x = x + dt * (phi(x) @ J.T + B @ u - x) + SIGMA * np.sqrt(2 * dt) * rng.normal(size=x.shape)
        if step >= 200 and step % 5 == 0:
            y.append(x @ D.T)
    y = np.array(y)  # (time, trials, outputs)
    noise = y.var(axis=1, ddof=1).mean(axis=0).sum()
    return y.mean(axis=1).var(axis=0).sum() - noise / trials, noise


def rectified(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def test_costs_and_theory(printed):
    table = re.findall(r"^(\w+) +([\d.]+) +([\d.]+) +\(([\d.]+)\) +([\d.]+)$", printed, flags=re.M)
    assert [row[0] for row in table] == ["even", "uneven", "loud", "balanced"]
    for name, cost, noise, theory, _ in table:
        weights = networks()[name]
        assert float(cost) == pytest.approx(sum(np.sum(w**2) for w in weights), abs=0.06)
        assert float(theory) == pytest.approx(output_noise(weights), abs=6e-5)
        assert float(noise) == pytest.approx(float(theory), rel=0.07)  # the notebook's simulation against theory


@pytest.mark.parametrize("name", ["even", "uneven", "loud", "balanced"])
def test_signal_to_noise_ratios(printed, name):
    """An independent simulation of linear and of rectified units."""
    weights = networks()[name]
    linear = re.search(rf"^{name} .*\) +([\d.]+)$", printed, flags=re.M)
    nonlinear = re.search(rf"^{name} +output SNR +([\d.]+)$", printed, flags=re.M)
    for found, phi in ((linear, lambda x: x), (nonlinear, rectified)):
        signal, noise = simulated(weights, phi)
        assert float(found[1]) == pytest.approx(signal / noise, rel=0.12, abs=0.06)


def test_the_verdict(printed):
    """Balancing helps the uneven network, and harms the loud one; as in the printed table."""
    noise = {name: output_noise(weights) for name, weights in networks().items()}
    assert noise["uneven"] > 5 * noise["balanced"] and noise["loud"] < 0.1 * noise["balanced"]
    assert noise["loud"] == pytest.approx(noise["even"] / 16)  # activities × 4: signal-to-noise ratio × 16


def test_sensitivities(printed):
    found = re.findall(
        r"^(\w+) +sensitivity +([\d.]+) -> +([\d.]+); fell by +([\d.]+), cost by +([\d.]+)$", printed, re.M
    )
    assert [row[0] for row in found] == ["even", "uneven", "loud"]
    for name, before, after, fell, saved in found:
        J = networks()[name][0]
        alone = seen((J, np.zeros((N, 2)), np.zeros((2, N))), osborne(J, np.zeros((N, 2)), np.zeros((2, N))))[0]
        assert float(before) == pytest.approx(N + np.sum(J**2), abs=0.006)
        assert float(after) == pytest.approx(N + np.sum(alone**2), abs=0.006)
        assert fell == saved and float(fell) == pytest.approx(float(before) - float(after), abs=0.02)


def test_some_of_the_random_networks(printed):
    """Five of the forty of each kind, with the cost of all synapses: their median is not far from the printed one."""
    rows = re.findall(r"^([a-z ]+?) +cost of all synapses +: SNR x +([\d.]+) \[ *([\d.]+), *([\d.]+)\]", printed, re.M)
    kinds = {"even": (0, 1), "a little uneven": (0.5, 1), "uneven": (1, 1), "loud": (0, 4)}
    assert [row[0] for row in rows] == list(kinds)
    for name, *quantiles in rows:
        middle, low, high = map(float, quantiles)
        spread, loudness = kinds[name]
        gains = []
        for number in range(5):
            rng = np.random.default_rng(number)
            weights = draw(rng)
            weights = seen(weights, loudness * np.exp(rng.normal(0, 1, N) * spread))
            gains.append(output_noise(weights) / output_noise(seen(weights, osborne(*weights))))
        assert low < np.median(gains) < high
        assert np.median(gains) == pytest.approx(middle, rel=0.4)


def test_the_balanced_network_is_the_cheapest_of_all_with_its_function(printed):
    balanced, others = map(
        float, re.search(r"balanced network costs ([\d.]+); the cheapest .* ([\d.]+)$", printed, re.M).groups()
    )
    assert balanced < others
    better = float(re.search(r"others with a better SNR: (\d+)%", printed)[1])
    assert 10 < better < 60  # the output is not best there
    assert float(re.search(r"than the line at the same cost: ([\d.]+)%", printed)[1]) < 5
