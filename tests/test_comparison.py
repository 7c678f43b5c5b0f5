"""What differs between two runs, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurobal.comparison import Comparison, Difference, Spikes, compare_spikes, compare_traces, van_rossum

TAU = 0.01


def integral(first: np.ndarray, second: np.ndarray, tau: float) -> float:
    """D² of van Rossum (2001) as it is defined: filter both trains on a fine grid, sum their squared difference."""
    end = max([*first, *second, 0.0]) + 20 * tau
    step = tau / 2000
    grid = (np.arange(int(end / step)) + 0.5) * step

    def filtered(spikes: np.ndarray) -> np.ndarray:
        return sum(((grid > s) * np.exp(-np.maximum(grid - s, 0) / tau) for s in spikes), np.zeros_like(grid))

    return float(np.sum((filtered(first) - filtered(second)) ** 2) * step / tau)


def trains(*of_neurons: list[float]) -> Spikes:
    index = np.repeat(np.arange(len(of_neurons)), [len(train) for train in of_neurons])
    return index, np.array([t for train in of_neurons for t in train], dtype=float)


times = st.lists(st.integers(0, 400).map(lambda k: k * 1e-4), max_size=6, unique=True)


@given(times, times, st.sampled_from([0.002, 0.01]))
def test_distance_is_the_integral(first: list[float], second: list[float], tau: float) -> None:
    """Up to the error of the midpoint rule where a spike jumps."""
    distance = van_rossum(trains(first), trains(second), 1, tau)[0]
    assert distance**2 == pytest.approx(integral(np.array(first), np.array(second), tau), rel=3e-3, abs=3e-3)


def test_distances_of_single_spikes() -> None:
    """van Rossum (2001): an added spike is at ½, a spike shifted by δt at 1 - exp(-|δt|/τ)."""
    before = trains([0.1], [], [0.2], [0.05, 0.3])
    after = trains([0.1], [0.1], [0.203], [0.3, 0.05])
    squared = van_rossum(before, after, 4, TAU) ** 2
    np.testing.assert_allclose(squared, [0, 0.5, 1 - np.exp(-0.3), 0], rtol=1e-12, atol=0)


def test_unrelated_trains_have_relative_distance_one(rng: np.random.Generator) -> None:
    size, duration, rate = 400, 10.0, 20.0

    def poisson() -> Spikes:
        count = rng.poisson(rate * duration * size)
        return rng.integers(size, size=count), rng.uniform(0, duration, count)

    compared = compare_spikes(poisson(), poisson(), size, duration, TAU)
    assert compared.relative_distance == pytest.approx(1, abs=0.03)
    assert compared.rates == pytest.approx((rate, rate), rel=0.02)


def test_first_difference_and_rates() -> None:
    before = trains([0.1, 0.2], [0.15], [])
    after = trains([0.1, 0.2], [0.12, 0.15], [0.3, 0.31])
    compared = compare_spikes(before, after, 3, 0.5, TAU)
    assert not compared.identical
    assert compared.first_difference == Difference(0.12, 1)
    assert compare_spikes(after, before, 3, 0.5, TAU).first_difference == Difference(0.12, 1)
    np.testing.assert_array_equal(compared.before, [2, 1, 0])
    np.testing.assert_array_equal(compared.after, [2, 2, 2])
    assert compared.rates == pytest.approx((2, 4))
    assert compared.largest_rate_change == pytest.approx(4)
    assert compared.distance == pytest.approx(np.sqrt(0.5 + 1 + np.exp(-1)))


def test_order_within_a_time_step_does_not_matter() -> None:
    before = np.array([0, 1, 2]), np.array([0.1, 0.1, 0.2])
    after = np.array([1, 0, 2]), np.array([0.1, 0.1, 0.2])
    assert compare_spikes(before, after, 3, 1.0, TAU).identical


def test_no_spikes() -> None:
    compared = compare_spikes(trains([], []), trains([], []), 2, 1.0, TAU)
    assert compared.identical and compared.relative_distance == 0
    assert "no spike in either run" in repr(Comparison(1.0, TAU, {"cells": compared}, {}))


def test_traces() -> None:
    time = np.array([0.0, 0.1, 0.2])
    before = np.array([[1.0, 2.0], [-4.0, 3.0], [1.0, 1.0]])
    assert compare_traces(time, np.array([3, 7]), before, before.copy()).identical
    after = before.copy()
    after[0, 0] += 1e-12  # rounding
    after[1, 1] -= 1e-3
    compared = compare_traces(time, np.array([3, 7]), before, after)
    assert not compared.identical
    assert compared.first_difference == Difference(0.1, 7)
    assert compared.magnitude == 4
    assert compared.relative_change == pytest.approx(1e-3 / 4)
    after[1, 1] = before[1, 1]
    compared = compare_traces(time, np.array([3, 7]), before, after)
    assert compared.first_difference is None and not compared.identical


def test_traces_of_flags_and_counts() -> None:
    time, index = np.array([0.0, 0.1]), np.array([0])
    for dtype in (bool, np.int32, np.float32):
        before = np.array([[0], [1]], dtype=dtype)
        assert compare_traces(time, index, before, before.copy()).identical
        assert compare_traces(time, index, before, 1 - before.astype(float)).first_difference == Difference(0.0, 0)


def test_traces_that_are_not_finite() -> None:
    time, index = np.array([0.0, 0.1]), np.array([0])
    broken = np.array([[1.0], [np.nan]])
    assert compare_traces(time, index, broken, broken.copy()).identical
    for fine in (np.array([[1.0], [2.0]]), np.array([[1.0], [np.inf]])):
        compared = compare_traces(time, index, fine, broken)
        assert compared.largest_change == np.inf
        assert compared.first_difference == Difference(0.1, 0)
    from_zero = compare_traces(time, index, np.zeros((2, 1)), np.ones((2, 1)))
    assert from_zero.relative_change == np.inf


def test_printout() -> None:
    spikes = compare_spikes(trains([0.1, 0.2], [0.15]), trains([0.1, 0.2], [0.12, 0.15]), 2, 0.5, TAU)
    trace = compare_traces(np.array([0.0]), np.array([0]), np.ones((1, 1)), np.ones((1, 1)), unit="V", rescaled=True)
    comparison = Comparison(0.5, TAU, {"cells": spikes}, {"cells.v": trace})
    text = repr(comparison)
    assert "two runs of 0.5 s DIFFER in cells\n" in text
    assert "3 → 4" in text and "120 ms, 1" in text and "0.707 (14.3%)" in text
    assert "van Rossum" in text and "divided by their scale: cells.v" in text
    assert comparison._repr_html_().count("<table>") == comparison._repr_html_().count("</table>") == 2
    assert not comparison.identical
    assert Comparison(0.5, TAU, {}, {"cells.v": trace}).identical
