"""What has a balance: the decision agrees with an independent linear program and with path finding."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from checks import free, kept
from hypothesis import assume, given, settings
from oracle import reaches

import neurobal as nb
from neurobal import existence


def balanceable(case: graphs.Case) -> np.ndarray:
    """By the oracle's linear program: the synapses that can be part of a balanced flow."""
    oracle = case.oracle()
    mask = np.ones(case.weight.size, dtype=bool)
    mask[oracle.synapse] = oracle.has_balance()
    return mask


def solvable(case: graphs.Case, mask: np.ndarray) -> bool:
    """Whether anything is left that a rescaling changes."""
    return bool(case.oracle().only_synapses(mask).changeable.any())


def check_against_oracle(case: graphs.Case) -> None:
    expected = balanceable(case)
    if not solvable(case, expected):
        with pytest.raises(nb.UnbalanceableError):
            nb.balance(case.circuit())
        return
    result = nb.balance(case.circuit())
    assert np.array_equal(kept(result, "synapses", expected.size), expected)
    if expected.all():
        assert nb.balance(case.circuit(), on_unbalanceable="raise").success
    else:
        with pytest.raises(nb.UnbalanceableError, match=r"cells\[\d+\]"):
            nb.balance(case.circuit(), on_unbalanceable="raise")


@settings(max_examples=150)
@given(graphs.anything())
def test_the_decision_agrees_with_a_linear_program(case: graphs.Case) -> None:
    assume(free(case))
    check_against_oracle(case)


@settings(max_examples=40)
@given(graphs.anything())
def test_a_solver_that_runs_away_shows_what_has_no_balance(case: graphs.Case) -> None:
    """Large problems are decided by that. What it does not notice must have become free of cost."""
    expected = balanceable(case)
    assume(free(case))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(existence, "LARGEST_LINEAR_PROGRAM", -1)
        if not solvable(case, expected):
            with pytest.raises(nb.UnbalanceableError):
                nb.balance(case.circuit())
            return
        result = nb.balance(case.circuit())
    stayed = kept(result, "synapses", expected.size)
    assert result.success
    assert np.all(stayed[expected])
    assert np.sum(result.weights["synapses"][stayed & ~expected] ** 2) <= 1e-8 * result.cost


@given(graphs.anything())
def test_without_exponents_a_synapse_needs_a_way_back(case: graphs.Case) -> None:
    """a = b = 1: there is a path from the postsynaptic unit to the presynaptic one, all pinned being one node."""
    case = case.but(a=np.ones(case.size), b=np.ones(case.size))
    assume(free(case))
    post, pre = case.oracle().unit[case.post], case.oracle().unit[case.pre]
    path = reaches(post, pre, case.size + 1)  # the ground, -1, is the last node
    expected = path[pre, post]
    assert np.array_equal(balanceable(case), expected)
    if solvable(case, expected):
        assert np.array_equal(kept(nb.balance(case.circuit()), "synapses", expected.size), expected)


@given(graphs.anything())
def test_units_without_a_balance_do_not_move(case: graphs.Case) -> None:
    expected = balanceable(case)
    assume(free(case) and solvable(case, expected))
    oracle = case.oracle().only_synapses(expected)
    idle = ~np.any(oracle.exponents != 0, axis=0)
    h = oracle.gathered(nb.balance(case.circuit()).log_scale["cells"])
    assert np.all(h[idle] == 0)


# ---------------------------------------------------------------------------------- the cases that design.md names


def power_law(*, inputs: bool, outputs: bool, b: float = 2.0) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("cells", 3, homogeneity=b)
    circuit.connect("cells", "cells", np.ones((3, 3)) - np.eye(3))
    if inputs:
        circuit.add("input", 1, pinned=True)
        circuit.connect("input", "cells", np.ones((3, 1)))
    if outputs:
        circuit.add("output", 1, pinned=True)
        circuit.connect("cells", "output", np.ones((1, 3)))
    return circuit


def test_power_law_units_without_pins_have_infimum_zero() -> None:
    with pytest.raises(nb.UnbalanceableError, match="Nothing can be balanced"):
        nb.balance(power_law(inputs=False, outputs=False))


def test_power_law_units_with_pinned_inputs_have_a_balance() -> None:
    assert nb.balance(power_law(inputs=True, outputs=False), on_unbalanceable="raise").success


def test_power_law_units_with_pinned_outputs_have_no_balance() -> None:
    with pytest.raises(nb.UnbalanceableError, match=r"cells\[0\]"):
        nb.balance(power_law(inputs=False, outputs=True))


def test_a_unit_whose_output_never_scales_has_no_balance() -> None:
    with pytest.raises(nb.UnbalanceableError):
        nb.balance(np.ones((3, 3)), homogeneity=0.0)


def test_a_sink_of_fixed_spikes_is_left_out_beside_others(dense: np.ndarray) -> None:
    homogeneity = np.ones(8)
    homogeneity[3] = 0
    result = nb.balance(dense, homogeneity=homogeneity)
    post = np.nonzero(dense)[0]
    assert result.scale[3] == 1
    assert np.all(~kept(result, "weights", post.size)[(post == 3) & (np.nonzero(dense)[1] != 3)])


@pytest.mark.parametrize("limit", [30_000, -1])
def test_a_chain_of_power_law_units_is_left_out_to_its_last_unit(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """in -> 0 <-> 1 has a balance; 1 -> 2 -> 3 leads nowhere."""
    monkeypatch.setattr(existence, "LARGEST_LINEAR_PROGRAM", limit)
    circuit = nb.Circuit()
    circuit.add("in", 1, pinned=True)
    circuit.add("cells", 4, homogeneity=2.0)
    circuit.connect("in", "cells", np.array([[3.0], [0], [0], [0]]))
    circuit.connect("cells", "cells", np.array([[0.0, 2, 0, 0], [5, 0, 0, 0], [0, 7, 0, 0], [0, 0, 1, 0]]))
    result = nb.balance(circuit)
    assert [(x.projection, x.synapses.tolist()) for x in result.excluded] == [("cells->cells", [2, 3])]
    assert "nothing holds their cost" in repr(result)
    assert np.all(result.scale["cells"][2:] == 1) and result.success


def test_dead_ends_with_small_exponents_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a linear program: in <-> 0 has a balance, the self-connection of 1 falls with λ^(1/2)."""
    monkeypatch.setattr(existence, "LARGEST_LINEAR_PROGRAM", -1)
    matrix = np.array([[0.0, 0, 3], [0, 2, 0], [5, 0, 0]])
    result = nb.balance(matrix, homogeneity=0.5, pinned=[2])
    assert result.success and result.excluded[0].synapses.tolist() == [1] and result.scale[1] == 1


def test_nothing_on_a_cycle_is_an_error_that_names_neurons_and_why() -> None:
    with pytest.raises(nb.UnbalanceableError, match="no directed cycle") as caught:
        nb.balance(np.tril(np.ones((4, 4)), -1))
    assert "neurons[0]" in str(caught.value) and "Pin" in str(caught.value)


def test_strictness_names_the_neurons(dense: np.ndarray) -> None:
    dense[6] = 0
    with pytest.raises(nb.UnbalanceableError, match=r"neurons\[6\]") as caught:
        nb.balance(dense, on_unbalanceable="raise")
    assert "on_unbalanceable='exclude'" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_pinned_neurons_count_as_one_node() -> None:
    """A chain from one pinned neuron to another lies on a cycle through both."""
    chain = np.diag([3.0, 1.0, 2.0], -1)
    result = nb.balance(chain, pinned=[0, 3], on_unbalanceable="raise")
    assert result.success
    assert np.allclose(np.diag(result.weights, -1), 6 ** (1 / 3))


def test_tied_neurons_count_as_one_node() -> None:
    """0 -> 1 -> 2 with 0 and 2 tied is a cycle of two units."""
    result = nb.balance(np.diag([4.0, 1.0], -1), tied=[0, 1, 0], on_unbalanceable="raise")
    assert np.allclose(np.diag(result.weights, -1), 2.0)


def test_free_riders_hold_nothing(dense: np.ndarray) -> None:
    """Two dense populations; the only way back from B to A costs nothing."""
    circuit = nb.Circuit()
    for name in "AB":
        circuit.add(name, 4)
        circuit.connect(name, name, dense[:4, :4])
    circuit.connect("A", "B", dense[4:, :4])
    circuit.connect("B", "A", dense[:4, 4:], costed=False)
    result = nb.balance(circuit)
    assert [x.projection for x in result.excluded] == ["A->B"] and result.excluded[0].synapses.size == 16
    circuit.connect("B", "A", dense[:4, 4:])
    assert not nb.balance(circuit).excluded


def test_opposite_exponents_can_hold_each_other() -> None:
    """A cost that falls with h_0 - h_1 and one that rises with it have a minimum together."""
    circuit = nb.Circuit()
    circuit.add("cells", 2)
    ends = {"post_index": [1], "pre_index": [0]}
    circuit.connect("cells", "cells", **ends, weight=[4.0], name="one")
    circuit.connect("cells", "cells", **ends, weight=[1.0], name="other", post_exponent=-1, pre_exponent=-1)
    result = nb.balance(circuit)
    assert not result.excluded
    assert result.weights["one"] == pytest.approx(2.0) and result.weights["other"] == pytest.approx(2.0)
