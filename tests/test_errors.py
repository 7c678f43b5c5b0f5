"""Bad input: a clear error that names the culprit and the remedy, and nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest
from checks import content
from scipy import sparse

import neurobal as nb
from neurobal.errors import did_you_mean
from neurobal.solvers import Newton, Stochastic


def refused(network: object, *fragments: str, kind: type = nb.InvalidInputError, **arguments: object) -> None:
    """`balance` raises one of neurobal's errors, its message holds all fragments, and the network stays as it was."""
    before = content(network) if not isinstance(network, nb.Circuit) else repr(network)
    with pytest.raises(kind) as caught:
        nb.balance(network, **arguments)
    assert isinstance(caught.value, nb.NeurobalError) and isinstance(caught.value, ValueError)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert before == (content(network) if not isinstance(network, nb.Circuit) else repr(network))


# --------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.array, sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_weights_that_are_not_finite(dense: np.ndarray, value: float, container: type) -> None:
    dense[2, 5] = value
    refused(
        container(dense), "1 of 64 weights are not finite", str(value), "neurons[5] to neurons[2]", "Repair or remove"
    )


def test_all_weights_that_are_not_finite_are_counted(dense: np.ndarray) -> None:
    dense[2, 5] = dense[3, 3] = np.nan
    refused(dense, "2 of 64 weights", "neurons[5] to neurons[2]")


@pytest.mark.parametrize("dtype", [complex, "U1", "datetime64[s]"])
def test_weights_that_are_not_real(dense: np.ndarray, dtype: object) -> None:
    refused(dense.astype(dtype), "real numbers", "weights")


def test_a_sparse_matrix_of_complex_weights(dense: np.ndarray) -> None:
    refused(sparse.csr_array(dense * 1j), "real numbers", "complex128")


# ---------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2), ()])
def test_matrices_that_are_not_square(shape: tuple) -> None:
    refused(np.ones(shape), str(shape), "(post, pre)")


def test_a_sparse_matrix_that_is_not_square() -> None:
    refused(sparse.csr_array(np.ones((2, 3))), "(2, 3)", "Circuit")


@pytest.mark.parametrize("network", ["J", 3, 2.5, {}, object, iter([])], ids=lambda x: type(x).__name__)
def test_what_is_no_network(network: object) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"Cannot read a network from .*Give a"):
        nb.balance(network)


@pytest.mark.parametrize("network", [np.zeros((0, 0)), sparse.csr_array((0, 0)), nb.Circuit(), [], ()], ids=repr)
def test_an_empty_network(network: object) -> None:
    refused(network, "empty")


def test_neurons_without_synapses() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 5)
    refused(circuit, "empty", "no synapses")


# ------------------------------------------------------------------------------------------- nothing to be balanced


@pytest.mark.parametrize("network", [np.zeros((3, 3)), np.diag([1.0, 2.0, 3.0]), sparse.csr_array((3, 3))], ids=repr)
def test_nothing_that_a_rescaling_changes(network: object) -> None:
    refused(network, "Nothing can be balanced", kind=nb.UnbalanceableError)


@pytest.mark.parametrize("network", [np.ones((1, 1)), np.diag([1.0, 2.0, 3.0])], ids=["one neuron", "diagonal"])
def test_self_connections_alone(network: np.ndarray) -> None:
    """Fewer pins would not help where there are none."""
    with pytest.raises(nb.UnbalanceableError, match=r"self-connections.*never change.*synapses between") as caught:
        nb.balance(network)
    assert "pin" not in str(caught.value).lower()


def test_self_connections_beside_pinned_neurons(dense: np.ndarray) -> None:
    network = dense.copy()
    network[0, 1:] = network[1:, 0] = 0
    refused(network, "self-connections", "synapses between", "pin less", pinned=range(1, 8),
            kind=nb.UnbalanceableError)  # fmt: skip


def test_nothing_on_a_cycle() -> None:
    refused(
        np.tri(4, k=-1), "Nothing can be balanced", "neurons[0]", "no directed cycle", "Pin", kind=nb.UnbalanceableError
    )


def test_only_free_riders(dense: np.ndarray) -> None:
    refused(dense, "cost", cost={}, kind=nb.UnbalanceableError)


@pytest.mark.parametrize("pinned", [True, np.ones(8, dtype=bool), range(8), slice(None)], ids=repr)
def test_no_free_neuron(dense: np.ndarray, pinned: object) -> None:
    refused(dense, "No neuron is free", "8", "Pin less", pinned=pinned)


def test_no_free_neuron_because_all_are_tied_to_a_pinned_one(dense: np.ndarray) -> None:
    refused(dense, "No neuron is free", "tied", pinned=[3], tied=True)


# ------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("tol", [-1e-9, 0, 1, 2.0, np.nan, np.inf, "small", None, [1e-9], 1e-9j], ids=repr)
def test_a_tolerance_lies_between_zero_and_one(dense: np.ndarray, tol: object) -> None:
    refused(dense, "tol", repr(tol), tol=tol)


@pytest.mark.parametrize("max_iter", [-1, 2.5, np.nan, np.inf, "many", [3]], ids=repr)
def test_iterations_are_counted(dense: np.ndarray, max_iter: object) -> None:
    refused(dense, "max_iter", repr(max_iter), max_iter=max_iter)


def test_an_unknown_method(dense: np.ndarray) -> None:
    refused(dense, "'newtn'", "Did you mean 'newton'?", method="newtn")


@pytest.mark.parametrize("method", [None, 3, Newton, object()], ids=["None", "number", "class", "object"])
def test_what_is_no_method(dense: np.ndarray, method: object) -> None:
    refused(dense, "method", "solver object", method=method)


@pytest.mark.parametrize("theta", [0, -1, 2, 3, np.nan, "half", None], ids=repr)
def test_a_partial_step_lies_between_zero_and_two(theta: object) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"theta"):
        Stochastic(theta=theta)


@pytest.mark.parametrize("cost", [2, "power", None, nb.Power, {"weights": 2}, [nb.Power(2)]], ids=repr)
def test_what_is_no_cost(dense: np.ndarray, cost: object) -> None:
    refused(dense, "cost", "Power(2)", cost=cost)


def test_a_cost_of_an_unknown_projection(dense: np.ndarray) -> None:
    refused(dense, "'weight'", "Did you mean 'weights'?", cost={"weight": nb.Power(2)})


@pytest.mark.parametrize("pinned", [[8], [-9], [0.5], ["a"], np.ones(7, dtype=bool), [[0, 1]], 2.0], ids=repr)
def test_pins_that_do_not_fit(dense: np.ndarray, pinned: object) -> None:
    refused(dense, "pinned", pinned=pinned)


@pytest.mark.parametrize("tied", [[0, 1], np.zeros((8, 1), dtype=int), np.linspace(0, 1, 8), 3], ids=repr)
def test_ties_that_do_not_fit(dense: np.ndarray, tied: object) -> None:
    refused(dense, "tied", tied=tied)


@pytest.mark.parametrize("homogeneity", [np.nan, np.inf, [1, 2], "relu", 1j, [[1] * 8]], ids=repr)
def test_homogeneity_that_is_no_number(dense: np.ndarray, homogeneity: object) -> None:
    refused(dense, "homogeneity", homogeneity=homogeneity)


def test_an_unknown_policy(dense: np.ndarray) -> None:
    refused(dense, "on_unbalanceable", "'exclude' or 'raise'", on_unbalanceable="ignore")


@pytest.mark.parametrize("report", [3, "loud", object()], ids=["number", "word", "object"])
def test_an_unknown_report(dense: np.ndarray, report: object) -> None:
    refused(dense, "report", "'text'", report=report)


def test_scaling_is_for_brian_networks(dense: np.ndarray) -> None:
    refused(dense, "scaling", "Brian2", scaling={"neurons": {"v": 1}})


# ------------------------------------------------------------------------------------------------ applying matrices


def test_a_matrix_cannot_be_applied(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    with pytest.raises(nb.NeurobalError, match=r"result\.weights"):
        result.apply()
    with pytest.raises(nb.NeurobalError, match="nothing has been applied"):
        result.revert()


# ----------------------------------------------------------------------------------------------------------- errors


def test_errors_are_value_errors() -> None:
    for kind in (nb.UnbalanceableError, nb.NotHomogeneousError, nb.InvalidInputError):
        assert issubclass(kind, nb.NeurobalError) and issubclass(kind, ValueError)


def test_close_names_are_offered() -> None:
    assert did_you_mean("exc", ["exc1", "exc2", "inh"]) == " Did you mean 'exc2' or 'exc1'?"
    assert did_you_mean("xyz", ["exc", "inh"]) == " Known names: 'exc', 'inh'."
    assert did_you_mean("xyz", []) == ""
