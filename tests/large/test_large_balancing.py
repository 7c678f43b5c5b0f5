"""Balancing by passes finds what balancing in memory finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from large_networks import FAMILIES, Arrays, families, islands, listed, odd, solved, some_pinned

import neurobal as nb
from neurobal.errors import InvalidInputError, NeurobalError, UnbalanceableError
from neurobal.formulation import formulate
from neurobal.large import problem as large_problem
from neurobal.large.components import strong_components
from neurobal.large.files import OnFiles
from neurobal.potential import log_balance


def assert_same(network: Arrays, cost: nb.Cost, pinned: np.ndarray | None, found: Any, tol: float = 1e-12) -> None:
    expected = nb.balance(network.circuit(pinned), cost=cost, tol=tol)
    assert found.solution.balanced and expected.success
    np.testing.assert_allclose(found.log_scale, expected.log_scale["cells"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.cost_before, expected.cost_before, rtol=1e-12)
    # In memory the cost is that of the new weights, which are rounded.
    np.testing.assert_allclose(found.cost, expected.cost, rtol=1e-9 if network.weight.dtype == np.float64 else 1e-7)
    assert found.left_out == sum(excluded.synapses.size for excluded in expected.excluded)
    assert found.present == np.count_nonzero(network.weight)


@pytest.mark.parametrize("small", [10**9, 0], ids=["components in memory", "components by passes"])
@pytest.mark.parametrize("pins", [False, True], ids=["", "pinned"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scales_are_those_in_memory(family: str, pins: bool, small: int, rng: np.random.Generator) -> None:
    network = families(rng)[family]
    pinned = some_pinned(network.size, rng) if pins else None
    if family == "layered ring" and not small:
        small = 10**5  # its components take hundreds of passes: see below
    assert_same(network, nb.Power(2), pinned, solved(network, pinned=pinned, small=small))


@pytest.mark.parametrize("pins", [False, True], ids=["", "pinned"])
@pytest.mark.parametrize(
    "cost",
    [nb.Power(1), nb.Power(1.5), nb.Power(2, weight=3.0), nb.Power(2) + 0.1 * nb.Power(1), nb.Power(1) + nb.Power(1)],
    ids=repr,
)
def test_powers_and_their_sums(cost: nb.Cost, pins: bool, rng: np.random.Generator) -> None:
    for network in (odd(rng), islands(rng), families(rng)["single precision"]):
        pinned = some_pinned(network.size, rng) if pins else None
        assert_same(network, cost, pinned, solved(network, cost, pinned))


@pytest.mark.parametrize("entries", [1, 40, 10**6])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_bands_and_threads_make_no_difference(entries: int, threads: int, rng: np.random.Generator) -> None:
    network = islands(rng)
    found = solved(network, entries=entries, threads=threads, small=0)
    assert_same(network, nb.Power(2), None, found)


@pytest.mark.parametrize("pins", [False, True], ids=["", "pinned"])
def test_weights_of_300_decades(pins: bool, rng: np.random.Generator) -> None:
    """Sums are formed in logarithms, and weak neurons are balanced after the strong ones."""
    n, synapses = 60, 400
    weight = 10.0 ** rng.uniform(-150, 150, synapses)
    network = listed(rng.integers(0, n, synapses), rng.integers(0, n, synapses), weight, n)
    pinned = some_pinned(n, rng) if pins else None
    found = solved(network, pinned=pinned, tol=1e-9)
    assert found.solution.balanced
    formulation = formulate(network.circuit(pinned), nb.Power(2)).balanceable()
    free = np.ones(n, dtype=bool) if pinned is None else ~pinned
    assert log_balance(formulation.problem, found.log_scale[free]).imbalance.within(1e-9)
    assert not found.log_scale[~free].any()


def test_weak_neurons_that_are_too_many_are_no_success(rng: np.random.Generator, monkeypatch: Any) -> None:
    monkeypatch.setattr(large_problem, "SETTLED_IN_MEMORY", 10)
    n, synapses = 60, 400
    weight = 10.0 ** rng.uniform(-150, 150, synapses)
    network = listed(rng.integers(0, n, synapses), rng.integers(0, n, synapses), weight, n)
    found = solved(network, tol=1e-9)
    assert not found.solution.balanced and "span too many decades" in found.solution.status
    assert np.isfinite(found.log_scale).all()


def test_without_a_coarse_correction_where_it_would_be_too_large(rng: np.random.Generator, monkeypatch: Any) -> None:
    network = families(rng)["ring"]
    fast = solved(network)
    monkeypatch.setattr("neurobal.large.store.MOST_COUPLINGS", 20)
    slow = solved(network)
    assert slow.passes > fast.passes and slow.history.cost.size < 30
    assert_same(network, nb.Power(2), None, slow)


# ------------------------------------------------------------------------------------------------------ components


def components_in_memory(network: Arrays, pinned: np.ndarray) -> np.ndarray:
    """An oracle: reachability by powers of the adjacency matrix."""
    n = network.size
    node = np.where(pinned, int(np.argmax(pinned)), np.arange(n)) if pinned.any() else np.arange(n)
    reach = np.eye(n, dtype=bool)
    there = network.weight != 0
    reach[node[network.post[there]], node[network.pre[there]]] = True
    for _ in range(10):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    both = (reach & reach.T)[node][:, node]
    labels = np.argmax(both, axis=1)
    alone = (both & (node[:, None] != node)).sum(axis=1) == 0
    return np.where(alone & ~pinned, -1, labels)


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = {*zip(first.tolist(), second.tolist(), strict=True)}
    return len(pairs) == len({*first.tolist()}) == len({*second.tolist()}) and (
        bool(np.array_equal(first < 0, second < 0))
    )


@pytest.mark.parametrize("small", [10**9, 30, 0])
@pytest.mark.parametrize("pins", [False, True], ids=["", "pinned"])
@pytest.mark.parametrize("synapses", [60, 100, 140, 200, 400])
def test_components_are_those_of_the_graph(synapses: int, pins: bool, small: int) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n = 80
        weight = rng.choice([0.0, 1.0, 1.0, 1.0], synapses)
        network = listed(rng.integers(0, n, synapses), rng.integers(0, n, synapses), weight, n)
        pinned = some_pinned(n, rng) if pins else np.zeros(n, dtype=bool)
        labels = strong_components(OnFiles(network, 25), pinned, small)
        assert same_partition(labels, components_in_memory(network, pinned))


def test_long_chains_are_decided_in_memory_or_are_an_error(monkeypatch: Any) -> None:
    n = 3000
    order = np.random.default_rng(0).permutation(n)
    network = listed(order, np.roll(order, 1), np.ones(n), n)
    none = np.zeros(n, dtype=bool)
    passes = OnFiles(network, 100)
    assert not strong_components(passes, none, small=0, most_passes=5).any()
    assert passes.count == 6
    monkeypatch.setattr("neurobal.large.components.free_memory", lambda: 1000)
    with pytest.raises(NeurobalError, match=r"not decided after 5 passes.*3,000 synapses are left.*more memory"):
        strong_components(OnFiles(network, 100), none, small=0, most_passes=5)


# ---------------------------------------------------------------------------------------------------------- errors


def one_way() -> Arrays:
    return listed(np.array([1, 2]), np.array([0, 1]), np.ones(2), 3)


def test_nothing_on_a_cycle_is_an_error() -> None:
    with pytest.raises(UnbalanceableError, match=r"Nothing can be balanced: 2 of 2 synapses.*3 neurons: 0, 1, 2"):
        solved(one_way())


def test_only_self_connections_are_an_error() -> None:
    with pytest.raises(UnbalanceableError, match="of 2 synapses that are not 0 all are self-connections"):
        solved(listed(np.array([0, 1]), np.array([0, 1]), np.ones(2), 3))


def test_what_has_no_balance_can_be_an_error(rng: np.random.Generator) -> None:
    with pytest.raises(UnbalanceableError, match=r"synapses have no balance.*on_unbalanceable='exclude'"):
        solved(odd(rng), strict=True)


def test_all_pinned_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="all 3 are pinned"):
        solved(one_way(), pinned=np.ones(3, dtype=bool))


def test_an_empty_network_is_an_error() -> None:
    none = np.zeros(0)
    for size in (0, 3):
        with pytest.raises(InvalidInputError, match="The network is empty"):
            solved(Arrays(np.zeros(size + 1, np.int64), none.astype(np.int32), none))


@pytest.mark.parametrize(
    "cost", [nb.Power(2, weight=np.ones(3)), nb.Robustness(np.ones(3)), nb.Power(2) + nb.Robustness(np.ones(3))]
)
def test_other_costs_are_errors(cost: nb.Cost) -> None:
    with pytest.raises(InvalidInputError, match=r"in memory only.*sum of powers"):
        solved(one_way(), cost)


def test_a_cost_of_nothing_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="all its factors are 0"):
        solved(one_way(), 0 * nb.Power(2))
