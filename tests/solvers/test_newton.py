"""Newton: few evaluations, a coarse correction where it pays, and the limits of floating point."""

from __future__ import annotations

import numpy as np
import pytest

import neurobal as nb
from benchmarks import graphs as families
from neurobal import existence
from neurobal.formulation import formulate
from neurobal.potential import Potential
from neurobal.problem import Problem
from neurobal.solvers import newton
from neurobal.solvers.aggregation import aggregates


def imbalance(matrix: object) -> tuple[float, float]:
    """Total and worst imbalance of a sparse matrix for p = 2, summed up anew."""
    squares = matrix.multiply(matrix).tocsr()
    squares.setdiag(0)
    incoming, outgoing = squares.sum(axis=1), squares.sum(axis=0)
    gap = np.abs(incoming - outgoing)
    return gap.sum() / squares.sum(), np.max(gap / (incoming + outgoing))


def problem_of(matrix: object) -> Problem:
    circuit = nb.as_circuit(matrix)
    return formulate(circuit, nb.Power(2)).problem


@pytest.fixture
def coarse_corrections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of groups of all coarse corrections that are made."""
    made: list[int] = []

    class Spy(newton.CoarseCorrection):
        def __init__(self, potential: Potential, groups: np.ndarray) -> None:
            super().__init__(potential, groups)
            made.append(int(groups.max()) + 1)

    monkeypatch.setattr(newton, "CoarseCorrection", Spy)
    return made


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("ring", lambda rng: families.ring(3000, rng)),
        ("modules", lambda rng: families.modules(3000, rng)),
    ],
)
def test_slow_graphs_get_a_coarse_correction(
    name: str, matrix: object, rng: np.random.Generator, coarse_corrections: list
) -> None:
    result = nb.balance(matrix(rng))
    assert result.success
    total, worst = imbalance(result.weights)
    assert total <= 1.1e-9 and worst <= 1e-9**0.5
    assert len(coarse_corrections) == 1 and 3000 / 100 <= coarse_corrections[0] <= 3000 / 10
    assert result.certificate.preserved


def test_fast_graphs_do_not_pay_for_one(rng: np.random.Generator, coarse_corrections: list) -> None:
    result = nb.balance(families.random(2000, 60_000, rng))
    assert result.success and not coarse_corrections
    assert result.evaluations <= 50


def test_a_coarse_correction_leaves_the_answer_as_it_is(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = families.ring(1200, rng, reach=8)
    answers = []
    for pays in (newton.COARSE_PAYS, 1e9, 0.0):
        monkeypatch.setattr(newton, "COARSE_PAYS", pays)
        answers.append(nb.balance(matrix, tol=1e-11).weights.data)
    assert np.allclose(answers[0], answers[1], rtol=1e-4) and np.allclose(answers[0], answers[2], rtol=1e-4)


def test_a_coarse_correction_with_pins_and_components(rng: np.random.Generator, coarse_corrections: list) -> None:
    """Two rings, one of them pinned at one neuron."""
    from scipy import sparse

    matrix = sparse.block_diag([families.ring(1200, rng), 1e-20 * families.ring(1200, rng)], format="csr")
    result = nb.balance(sparse.csr_array(matrix), pinned=[5])
    assert result.success and result.scale[5] == 1
    assert coarse_corrections
    assert np.mean(np.log(result.scale[1200:])) == pytest.approx(0, abs=1e-12)


def test_groups_hold_strongly_coupled_units(rng: np.random.Generator) -> None:
    """Modules with weak links: no group reaches across two of them."""
    matrix = families.modules(1200, rng, spread=0.0, size=12, weak=1e-4)
    problem = problem_of(matrix)
    potential = Potential(problem)
    groups = aggregates(potential, potential.at(np.zeros(problem.size)))
    assert 100 <= groups.max() + 1 < 1200
    modules = np.arange(1200) // 12
    assert all(np.unique(modules[groups == group]).size == 1 for group in np.unique(groups))


def test_an_answer_beyond_floating_point_is_a_result(dense: np.ndarray) -> None:
    result = nb.balance(dense, tol=1e-300)
    # Sums of 8 terms, exponentials of arguments that are rounded (below 32): some 50 ε of the cost, and a margin of 2.
    assert not result.success and result.imbalance < 100 * np.finfo(float).eps
    assert "Try a larger tol" in result.message or "max_iter" in result.message


def test_newton_counts_its_evaluations(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    assert 0 < result.iterations < result.evaluations <= 60


@pytest.mark.parametrize("weak", [0.03, 0.1, 0.3])
def test_links_that_are_neither_weak_nor_strong(weak: float, rng: np.random.Generator) -> None:
    """Conjugate gradients that start anew again and again would forget the slow modes: 135,390 evaluations at 0.1."""
    result = nb.balance(families.modules(20_000, rng, weak=weak))
    assert result.success and result.evaluations < 1000


def test_weak_units_that_run_away_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """in -> 9 -> out has a balance; 3 <-> 8 and 3 -> 10 -> 9 with b = 2 have none, and their costs soon vanish."""
    monkeypatch.setattr(existence, "LARGEST_LINEAR_PROGRAM", -1)
    descents, original = [], newton._descend

    def counted(*arguments: object) -> object:
        descents.append(None)
        assert len(descents) < 100, "it never ends"
        return original(*arguments)

    monkeypatch.setattr(newton, "_descend", counted)
    circuit = nb.Circuit()
    circuit.add("cells", 12, homogeneity=2.0, pinned=[7, 11])
    post, pre = [3, 8, 9, 9, 10, 11], [8, 3, 7, 10, 3, 9]
    circuit.connect("cells", "cells", post_index=post, pre_index=pre, weight=[0.07, 43.02, 3.36, 0.46, 24.78, 0.48])
    result = nb.balance(circuit)
    assert result.success and result.excluded[0].synapses.tolist() == [0, 1, 3, 4]
