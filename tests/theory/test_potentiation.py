"""What one potentiated synapse does to its neighbours: the heterosynaptic predictions of Stock et al. 2022."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

import neurobal as nb

Array: TypeAlias = np.ndarray
N, POST, PRE = 9, 2, 5


@pytest.fixture
def balanced(rng: np.random.Generator) -> Array:
    """A dense balanced network without self-connections."""
    matrix = rng.normal(size=(N, N))
    np.fill_diagonal(matrix, 0)
    return nb.balance(matrix, tol=1e-14).weights


@pytest.fixture(params=[1.3, 0.7], ids=["potentiated", "depressed"])
def changed(request: pytest.FixtureRequest, balanced: Array) -> tuple[Array, float]:
    """The network with another synapse PRE -> POST, and the sign of the change."""
    balanced[POST, PRE] *= request.param
    return balanced, float(np.sign(request.param - 1))


def velocity(matrix: Array) -> Array:
    """d log|J_ij| / dt = g_j - g_i."""
    g = np.sum(matrix**2, axis=1) - np.sum(matrix**2, axis=0)
    return g - g[:, None]


OTHERS = [k for k in range(N) if k not in (POST, PRE)]


def test_at_first_all_neighbours_change_by_the_same_logarithm(changed: tuple[Array, float]) -> None:
    """LTP of j -> i: other synapses onto i depress, those from i potentiate, all by one log-factor; for j the mirror
    image; j -> i itself falls back twice as fast; elsewhere nothing happens (check 19)."""
    matrix, sign = changed
    rate = velocity(matrix)
    size = rate[OTHERS[0], POST]
    assert sign * size > 0
    assert np.allclose(rate[POST, OTHERS], -size, rtol=1e-10)  # onto i
    assert np.allclose(rate[OTHERS, POST], size, rtol=1e-10)  # from i
    assert np.allclose(rate[OTHERS, PRE], -size, rtol=1e-10)  # from j
    assert np.allclose(rate[PRE, OTHERS], size, rtol=1e-10)  # onto j
    assert rate[POST, PRE] == pytest.approx(-2 * size) and rate[PRE, POST] == pytest.approx(2 * size)
    assert np.abs(rate[np.ix_(OTHERS, OTHERS)]).max() <= 1e-10 * abs(size)


def test_in_the_end_the_signs_remain_and_the_sizes_differ(changed: tuple[Array, float]) -> None:
    """At the new balance the signs are as predicted; "the same log-factor" holds at first only (check 19)."""
    matrix, sign = changed
    change = np.log(np.abs(nb.balance(matrix, tol=1e-14).weights + np.eye(N))) - np.log(np.abs(matrix + np.eye(N)))
    assert np.all(sign * change[POST, OTHERS] < 0) and np.all(sign * change[OTHERS, POST] > 0)
    assert np.all(sign * change[OTHERS, PRE] < 0) and np.all(sign * change[PRE, OTHERS] > 0)
    onto = np.abs(change[POST, OTHERS])
    assert onto.max() / onto.min() > 1.05
    # What happens elsewhere is second to it.
    assert np.abs(change[np.ix_(OTHERS, OTHERS)]).max() < onto.max()


def test_reciprocal_and_loop_products_stay(changed: tuple[Array, float]) -> None:
    """No rule of this kind can undo the change: J_ij J_ji and products around loops keep it (check 19)."""
    matrix, _ = changed
    after = nb.balance(matrix).weights
    assert np.allclose(after * after.T, matrix * matrix.T, rtol=1e-12)
    assert after[0, 1] * after[1, 2] * after[2, 0] == pytest.approx(matrix[0, 1] * matrix[1, 2] * matrix[2, 0])
