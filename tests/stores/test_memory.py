"""The store in memory agrees with dense sums, also where synapses are listed twice or in any order."""

from __future__ import annotations

import numpy as np
import pytest

from neurobal.stores import InMemory, SynapseStore

SIZE = 7


@pytest.fixture
def synapses(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Node 6 neither receives nor sends, node 5 only sends; several synapses join the same two nodes."""
    return rng.integers(0, 5, 40).astype(np.int32), rng.integers(0, 6, 40).astype(np.int32), rng.normal(size=40)


@pytest.fixture
def store(synapses: tuple[np.ndarray, np.ndarray, np.ndarray]) -> SynapseStore:
    return InMemory.of_synapses(*synapses, SIZE)


@pytest.fixture
def dense(synapses: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """The costs as a (post, pre) matrix."""
    post, pre, log_cost = synapses
    costs = np.zeros((SIZE, SIZE))
    np.add.at(costs, (post, pre), np.exp(log_cost))
    return costs


def test_the_lists_stay_as_they_were(synapses: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    before = [part.copy() for part in synapses]
    InMemory.of_synapses(*synapses, SIZE)
    assert all(np.array_equal(now, then) for now, then in zip(synapses, before, strict=True))


def test_what_it_holds(store: SynapseStore, dense: np.ndarray) -> None:
    assert (store.size, store.nnz) == (SIZE, np.count_nonzero(dense))
    assert store.log_range() == pytest.approx((np.log(dense[dense > 0].min()), np.log(dense.max())))
    receiving, sending = store.ends()
    assert np.array_equal(receiving, dense.any(axis=1)) and np.array_equal(sending, dense.any(axis=0))
    assert np.array_equal(store.structure().toarray() != 0, dense > 0)
    post, pre, log_cost = store.entries()
    assert np.allclose(np.exp(log_cost), dense[post, pre])


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("per_node", [False, True])
def test_sums(store: SynapseStore, dense: np.ndarray, rng: np.random.Generator, shifted: bool, per_node: bool) -> None:
    left, right, t, s = rng.normal(size=(4, SIZE))
    unit = rng.normal(size=SIZE) if per_node else 0.7
    shift = (left, right) if shifted else None
    moved = dense * np.exp(left[:, None] + right) if shifted else dense
    with np.errstate(divide="ignore"):
        assert np.allclose(store.largest(shift), np.log(moved.max(axis=1)))
        for mine, axis in zip(store.log_sums(shift), (1, 0), strict=True):
            assert np.allclose(mine, np.log(moved.sum(axis=axis)))
    costs, numbers = store.costs(shift, unit), moved / np.exp(np.broadcast_to(unit, SIZE))[:, None]
    for mine, theirs in zip(costs.sums(t, s), (numbers @ t, numbers.T @ s), strict=True):
        assert np.allclose(mine, theirs)
    assert np.allclose(costs.couplings(left, right).toarray(), left[:, None] * numbers * right)


def test_choices(store: SynapseStore, dense: np.ndarray, rng: np.random.Generator) -> None:
    left, right = rng.normal(size=(2, SIZE))
    both = (left[:, None] + right)[dense > 0]
    assert store.extremes(left, right) == (both.min(), both.max())
    assert store.any(lambda post, pre: pre == 5) and not store.any(lambda post, pre: post == 5)
    upper = store.filtered(lambda post, pre: post < pre)
    assert np.allclose(upper.costs(None, 0.0).sums(np.ones(SIZE), np.ones(SIZE))[0], np.triu(dense, 1).sum(axis=1))
