"""Costs on neurons in analyses, files, copies, and where they are not known yet."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import graphs
import numpy as np
import pytest
from brian2 import mV, volt

import neurobal as nb
from neurobal import storage


class Mine(nb.Cost):
    """A cost of a user's own, on neurons: at module level, so that it can be pickled."""

    def neuron_terms(self, circuit: nb.Circuit, populations: Any) -> dict[str, list[nb.NeuronTerm]]:
        return {name: [nb.NeuronTerm(q, 2.0) for q in (3.0, -1.0)] for name in populations}


def numbers(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.lognormal(0, 1, size), rng.lognormal(0, 1, size)


@pytest.fixture
def two(rng: np.random.Generator) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("E", 4)
    circuit.add("I", 3, homogeneity=2)
    for pre, post in ("EE", "EI", "IE", "II"):
        circuit.connect(pre, post, rng.normal(size=(3 if post == "I" else 4, 3 if pre == "I" else 4)), name=pre + post)
    return circuit


# ----------------------------------------------------------------------------------------- analysis, files, copies


def test_bounds_hold_and_are_exact_for_neurons_alone(rng: np.random.Generator) -> None:
    weights, (s, gains) = rng.normal(size=(8, 8)), numbers(8, rng)
    own = nb.Activity(s) + nb.OutputNoise(gains)
    bounds, result = nb.analysis.cost_bounds(weights, cost=own), nb.balance(weights, cost=own)
    assert bounds.lower == pytest.approx(result.cost) == pytest.approx(bounds.upper)
    assert result.cost == pytest.approx(2 * np.sum(s * np.sqrt(gains)))
    bounds, result = (f(weights, cost=nb.Power(2) + own) for f in (nb.analysis.cost_bounds, nb.balance))
    assert bounds.lower <= result.cost <= bounds.upper < bounds.cost_before == pytest.approx(result.cost_before)
    again = nb.analysis.cost_bounds(result, cost=nb.Power(2) + own)
    assert (again.lower, again.upper) == pytest.approx((bounds.lower, bounds.upper))


def test_convergence_is_the_smallest_eigenvalue(rng: np.random.Generator) -> None:
    weights, (s, gains) = rng.normal(size=(5, 5)), numbers(5, rng)
    cost = nb.Power(2) + nb.Activity(s, p=3) + nb.OutputNoise(gains)
    case = graphs.from_matrix("dense", weights)
    oracle = case.oracle().with_neurons((s**3, 3.0), (gains, -2.0))
    result = nb.balance(weights, cost=cost, tol=1e-12)
    expected = np.linalg.eigvalsh(oracle.hessian(result.log_scale["neurons"]))[0] / 3
    assert nb.analysis.convergence_rate(weights, cost=cost).rate == pytest.approx(expected, rel=1e-6)
    assert nb.analysis.convergence_rate(result).rate == pytest.approx(expected, rel=1e-6)
    more = nb.analysis.convergence_rate(result, pinned=[0])  # more constraints, from where the result stands
    again = nb.balance(result.circuit, cost=nb.Power(2) + nb.Activity(s * result.scale, p=3)
                       + nb.OutputNoise(gains / result.scale**2), pinned=[0])  # fmt: skip
    assert more.rate == pytest.approx(nb.analysis.convergence_rate(again).rate, rel=1e-6)


def test_a_balance_knows_its_cost(rng: np.random.Generator) -> None:
    weights, (s, gains) = rng.normal(size=(5, 5)), numbers(5, rng)
    result = nb.balance(weights, cost=nb.Power(2) + nb.Activity(s) + nb.OutputNoise(gains))
    nb.analysis.convergence_rate(result, cost=nb.OutputNoise(gains) + nb.Activity(s.copy()) + nb.Power(2))
    for other in (nb.Power(2), nb.Power(2) + nb.Activity(2 * s) + nb.OutputNoise(gains)):
        with pytest.raises(nb.InvalidInputError, match="another cost"):
            nb.analysis.convergence_rate(result, cost=other)


def stored(thing: Any) -> Any:
    stream = io.BytesIO()
    storage.write(stream, thing)
    return storage.read(stream)


@pytest.mark.parametrize("again", [stored, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_results_are_kept(two: nb.Circuit, again: Any) -> None:
    s, gains = np.array([1.0, 2.0, 0.0, 0.5]), np.array([1.0, 1.0, 1.0, 0.0])
    cost = {
        "E": nb.Activity(s * mV, p=3, of="sent") * (1 / volt**3) + nb.OutputNoise(gains),
        "I": nb.NeuronCost(1.0, [1.0, 2.0, 1.5]) + nb.NeuronCost(np.ones(3), -1),
    }
    result = nb.balance(two, cost=cost)
    other = again(result)
    assert repr(other) == repr(result) and "WITHOUT the costs on 2 neurons" in repr(other)
    assert other.excluded[0].neurons.tolist() == [2, 3]
    for name, column in result.table().items():
        np.testing.assert_array_equal(other.table()[name], column)
    assert other.formulation.total() == pytest.approx(result.cost, rel=1e-14)
    assert repr(nb.analysis.convergence_rate(other)) == repr(nb.analysis.convergence_rate(result))


def test_costs_of_ones_own_are_pickled(rng: np.random.Generator) -> None:
    result = nb.balance(rng.normal(size=(3, 3)), cost=Mine() + nb.Power(2))
    assert repr(pickle.loads(pickle.dumps(result))) == repr(result)


def test_files_from_before_costs_on_neurons(rng: np.random.Generator) -> None:
    result = nb.balance(rng.normal(size=(3, 3)))
    tree, arrays = storage._tree(result)
    del tree["thing"]["Balance"]["counted_neurons"]
    stream = io.BytesIO()
    storage.container.write(stream, tree, arrays)
    stream.seek(0)
    assert repr(storage.read(stream)) == repr(result)


def test_a_network_on_disk_does_not_know_them_yet(tmp_path: Any) -> None:
    network = nb.to_disk(np.array([[0.0, 1.0], [2.0, 0.0]]), tmp_path / "net")
    with pytest.raises(
        nb.InvalidInputError, match=r"^cost: Activity\(values\) is possible for networks in memory only"
    ):
        nb.balance(network, cost=nb.Power(2) + nb.Activity(1.0))
