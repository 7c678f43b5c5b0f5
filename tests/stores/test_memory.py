"""The store in memory agrees with dense sums, as numbers and as logarithms, in any order and any threads."""

from __future__ import annotations

import numpy as np
import pytest

from neurobal.stores import InMemory, SynapseStore, bands, memory

SIZE = 7
DEGREE = np.array([1.0, 4.0, 9.0, 0.1, 2.0, 5.0, 1.0])
UNIT = 0.3  # logarithm of the unit of costs that are kept as numbers


@pytest.fixture
def synapses(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Node 6 neither receives nor sends, node 5 only sends; several synapses join the same two nodes."""
    return rng.integers(0, 5, 40).astype(np.int32), rng.integers(0, 6, 40).astype(np.int32), rng.normal(size=40)


@pytest.fixture(params=["logarithms", "numbers", "threads"])
def store(
    synapses: tuple[np.ndarray, np.ndarray, np.ndarray], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> SynapseStore:
    post, pre, log_cost = synapses
    if request.param == "logarithms":
        return InMemory.of_synapses(post, pre, log_cost, SIZE)
    if request.param == "threads":
        monkeypatch.setattr(memory, "THREADS", 3)
        monkeypatch.setattr(memory, "WORTH_THREADS", 10)
    # A synapse from 6 to itself that costs nothing.
    post, pre = np.append(post, np.int32(6)), np.append(pre, np.int32(6))
    return InMemory.of_synapses(post, pre, np.append(np.exp(log_cost - UNIT), 0.0), SIZE, UNIT)


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
    InMemory.of_synapses(*synapses, SIZE, UNIT)
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
    couplings = left[:, None] * numbers * np.exp(right)
    assert np.allclose(costs.strong(left, np.exp(right), np.ones(SIZE), 0.0).toarray(), couplings)
    strength = couplings / left[:, None] / np.sqrt(DEGREE)
    strong = strength >= 0.4 * strength.max(axis=1, keepdims=True)
    found = costs.strong(left, np.exp(right), DEGREE, 0.4)
    assert np.allclose(found.toarray(), np.where(strong, couplings, 0.0)) and found.nnz < np.count_nonzero(couplings)
    groups = np.array([0, 2, 2, 1, 0, 1, 2])
    between = np.zeros((3, 3))
    np.add.at(between, (groups[:, None], groups), couplings)
    assert np.allclose(costs.grouped(left, np.exp(right), groups, 3).toarray(), between)


def test_choices(store: SynapseStore, dense: np.ndarray, rng: np.random.Generator) -> None:
    left, right = rng.normal(size=(2, SIZE))
    both = (left[:, None] + right)[dense > 0]
    assert store.extremes(left, right) == (both.min(), both.max())
    assert store.any(lambda post, pre: pre == 5) and not store.any(lambda post, pre: post == 5)
    upper = store.filtered(lambda post, pre: post < pre)
    assert np.allclose(upper.costs(None, 0.0).sums(np.ones(SIZE), np.ones(SIZE))[0], np.triu(dense, 1).sum(axis=1))


@pytest.mark.parametrize("few", [0.0, 1.0])
def test_what_was_left_out_is_not_seen_again(
    store: SynapseStore, dense: np.ndarray, few: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "FEW_LOST", few)  # as zeros, or not at all
    rest, remaining = store.filtered(lambda post, pre: (post != 2) | (pre != 1)), dense.copy()
    assert remaining[2, 1] > 0
    remaining[2, 1] = 0.0
    assert not rest.any(lambda post, pre: (post == 2) & (pre == 1))
    assert rest.nnz == np.count_nonzero(remaining) and rest.structure().nnz <= rest.nnz + 1  # a self-connection
    ends = np.eye(SIZE)
    assert rest.extremes(ends[2], ends[1])[1] == 1.0 and store.extremes(ends[2], ends[1])[1] == 2.0
    post, pre, log_cost = rest.entries()
    assert np.allclose(np.exp(log_cost), remaining[post, pre]) and post.size == np.count_nonzero(remaining)
    assert np.array_equal(rest.ends()[0], remaining.any(axis=1))
    again = rest.filtered(lambda post, pre: post != 0)
    assert again.nnz == np.count_nonzero(remaining[1:])


def test_shifts_beyond_the_range_of_a_factor(synapses: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Factors e^500 and e^-500 of a node's incoming and outgoing costs make ordinary numbers together."""
    post, pre, log_cost = synapses
    store = InMemory.of_synapses(post, pre, np.exp(log_cost - UNIT), SIZE, UNIT)
    ones = np.ones(SIZE)
    far = store.costs((500 * ones, -500 * ones), 0.0).sums(ones, ones)
    near = store.costs(None, 0.0).sums(ones, ones)
    assert np.allclose(far[0], near[0]) and np.allclose(far[1], near[1])


@pytest.mark.parametrize("entries", [1, 3, 10, 1000])
def test_bands_cover_all_rows(entries: int, rng: np.random.Generator) -> None:
    counts = rng.integers(0, 5, 30)
    indptr = np.append(0, np.cumsum(counts))
    cuts = bands.cuts(indptr, entries)
    assert [row for first, last in cuts for row in range(first, last)] == list(range(30))
    # A band ends with the row in which it has enough.
    assert all(indptr[last] - indptr[first] < entries * 1.5 + 5 for first, last in cuts)
