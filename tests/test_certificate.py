"""`verify`: true rescalings pass, everything else fails, and the culprit is named where it can be told."""

from __future__ import annotations

import re

import graphs
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

import neurobal as nb

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-6}


def rescaled(
    case: graphs.Case, rng: np.random.Generator, dtype: type, spread: float = 3.0
) -> tuple[nb.Circuit, nb.Circuit]:
    """A circuit and a true rescaling of it."""
    circuit = case.but(weight=case.weight.astype(dtype)).circuit()
    h = np.where(case.pinned, 0.0, rng.normal(0, spread, case.size))
    return circuit, circuit.rescaled({"cells": h})


def changed(circuit: nb.Circuit, projection: str, synapse: int, factor: float) -> nb.Circuit:
    """A copy with one synapse multiplied."""
    copy = circuit.copy()
    copy.projections[projection].weight[synapse] *= factor
    return copy


# ----------------------------------------------------------------------------------------------- what is preserved


@settings(max_examples=60)
@given(graphs.anything(), graphs.generators(), st.sampled_from([np.float64, np.float32]))
def test_a_true_rescaling_is_one(case: graphs.Case, rng: np.random.Generator, dtype: type) -> None:
    certificate = nb.verify(*rescaled(case, rng, dtype))
    assert certificate.preserved and certificate.signs_preserved
    assert certificate.residual <= TOLERANCE[dtype]
    assert certificate.basis == "declared"


@given(graphs.plain(), graphs.generators())
def test_the_fitted_scale_is_the_true_one(case: graphs.Case, rng: np.random.Generator) -> None:
    """Up to the convention: geometric mean 1 in every component."""
    assume(case.family != "components")
    h = rng.normal(0, 3, case.size)
    before = case.circuit()
    certificate = nb.verify(before, before.rescaled({"cells": h}))
    assert np.allclose(np.log(certificate.scale["cells"]), h - h.mean(), atol=1e-9)


@given(graphs.power_law(), graphs.generators())
def test_the_fitted_scale_of_power_law_units_is_the_true_one(case: graphs.Case, rng: np.random.Generator) -> None:
    h = np.where(case.pinned, 0.0, rng.normal(0, 1, case.size))
    before = case.circuit()
    certificate = nb.verify(before, before.rescaled({"cells": h}))
    assert np.allclose(np.log(certificate.scale["cells"]), h, atol=1e-9)


@settings(max_examples=40)
@given(graphs.anything())
def test_the_certificate_of_a_result_agrees_with_verify(case: graphs.Case) -> None:
    try:
        result = nb.balance(case.circuit())
    except nb.NeurobalError:
        assume(False)
    fitted = nb.verify(result.before, result.circuit)
    for certificate in (result.certificate, fitted):
        assert certificate.preserved and certificate.residual <= 1e-12 and "function preserved" in repr(certificate)
    assert result.certificate.exact == fitted.exact


def test_nothing_changed_is_exact(dense: np.ndarray) -> None:
    certificate = nb.verify(dense, dense.copy())
    assert certificate.preserved and certificate.exact and certificate.residual == 0


def test_powers_of_two_are_exact(dense: np.ndarray, rng: np.random.Generator) -> None:
    h = rng.integers(-5, 6, 8)
    assert nb.verify(dense, dense * 2.0 ** (h[:, None] - h)).exact
    assert not nb.verify(dense, dense * 3.0 ** (h[:, None] - h)).exact


def test_powers_of_two_that_are_no_rescaling_are_not_exact(dense: np.ndarray) -> None:
    after = dense.copy()
    after[2, 3] *= 2
    certificate = nb.verify(dense, after)
    assert certificate.preserved is False and "neurons[3] to neurons[2]" in certificate.message


@pytest.mark.parametrize("exponent", [-300, -100, 100, 300])
def test_any_range_of_weights(dense: np.ndarray, exponent: int) -> None:
    h = np.linspace(0, 1, 8)
    tiny = dense * 10.0**exponent
    assert nb.verify(tiny, tiny * np.exp(h[:, None] - h)).preserved


def test_huge_factors(rng: np.random.Generator) -> None:
    """Factors beyond the range of floats, on weights within it."""
    before = np.zeros((3, 3))
    before[[1, 2, 0], [0, 1, 2]] = 1e-200, 1e200, 1.0
    after = np.zeros((3, 3))
    after[[1, 2, 0], [0, 1, 2]] = 1e200, 1e-200, 1.0
    assert nb.verify(before, after).preserved


def test_counts_are_compared_as_numbers() -> None:
    counts = np.array([[0, 4], [1, 0]])
    assert nb.verify(counts, nb.balance(counts).weights).preserved


def test_zeros_stay_zero(dense: np.ndarray) -> None:
    before = sparse.csr_array(dense)
    before.data[:3] = 0
    after = before.copy()
    assert nb.verify(before, after).preserved
    after.data[1] = 1e-9
    assert nb.verify(before, after).preserved is False


def test_synapses_of_weight_zero_say_nothing_of_their_neurons(dense: np.ndarray, rng: np.random.Generator) -> None:
    """They are 0 before and after, whatever λ is."""
    before = sparse.csr_array(dense)
    before.data[rng.choice(before.data.size, 20, replace=False)] = 0
    circuit = nb.as_circuit(before)
    certificate = nb.verify(circuit, circuit.rescaled({"neurons": rng.normal(size=8)}))
    assert certificate.preserved and certificate.residual <= 1e-12
    assert nb.verify(before, nb.balance(before).weights).preserved


def test_biases_belong_to_the_function() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 2, bias=[1.0, 2.0])
    circuit.connect("E", "E", np.array([[0.0, 4], [1, 0]]))
    after = circuit.rescaled({"E": np.array([1.0, -1.0])})
    assert nb.verify(circuit, after).preserved
    after.projections["E.bias"].weight[:] = circuit.projections["E.bias"].weight
    certificate = nb.verify(circuit, after)
    assert certificate.preserved is False


def test_parameters_belong_to_the_function() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3, parameters={"theta": ([1.0, 2.0, 3.0], 1), "tau": (5.0, 0), "g": ([1.0, 0.0, -2.0], -1)})
    circuit.connect("E", "E", np.ones((3, 3)))
    after = circuit.rescaled({"E": np.array([1.0, -1.0, 0.5])})
    assert nb.verify(circuit, after).preserved
    for key in ("theta", "tau", "g"):
        wrong = after.copy()
        wrong.populations["E"].parameters[key].values[2] *= 1.001
        certificate = nb.verify(circuit, wrong)
        assert certificate.preserved is False and certificate.residual > 1e-6
        assert key in certificate.message and "E[2]" in certificate.message


def with_threshold(**values: float) -> nb.Circuit:
    """Three neurons with a threshold and a reset, in a ring, and one more projection."""
    circuit = nb.Circuit()
    circuit.add("E", 3, parameters={"theta": ([1.0, 2.0, 3.0], 1), "reset": ([0.5, 0.0, -1.0], 1)})
    circuit.connect("E", "E", np.roll(np.eye(3), 1, axis=0), name="ring")
    circuit.connect("E", "E", np.ones((3, 3)), name="all")
    for key, value in values.items():
        circuit.populations["E"].parameters[key].values[2] = value
    return circuit


@pytest.mark.parametrize(("key", "value"), [("theta", -3.0), ("theta", 0.0), ("reset", 1.0), ("reset", 0.0)])
def test_a_parameter_that_changed_its_sign_is_named(key: str, value: float) -> None:
    certificate = nb.verify(with_threshold(), with_threshold(**{key: value}))
    assert certificate.preserved is False and certificate.signs_preserved is False
    old = {"theta": 3, "reset": -1}[key]
    assert f"parameter {key!r} of E[2] went from {old} to {value:g}" in certificate.message


def test_what_something_else_changes_is_not_compared_and_named(rng: np.random.Generator) -> None:
    before = with_threshold()
    before.uncertified = frozenset(["all"])
    after = before.rescaled({"E": rng.normal(size=3)})
    after.projections["all"].weight[:] = rng.normal(size=9)
    certificate = nb.verify(before, after)
    assert certificate.preserved and certificate.message.endswith(
        "not compared: weights of all, which something else changes too"
    )


def test_where_something_else_changes_all_weights_nothing_is_proven(rng: np.random.Generator) -> None:
    before = with_threshold()
    before.uncertified = frozenset(["all", "ring"])
    after = before.copy()
    for projection in after:
        projection.weight[:] = rng.normal(size=projection.weight.size)
    certificate = nb.verify(before, after)
    assert certificate.preserved is None and not certificate.exact
    assert "no weight could be compared" in certificate.message
    assert certificate.not_compared == tuple(
        f"weights of {n}, which something else changes too" for n in ("all", "ring")
    )
    after.populations["E"].parameters["theta"].values[0] = 7.0  # another λ than that of the reset
    assert nb.verify(before, after).preserved is False


# ------------------------------------------------------------------------------------------- what is not preserved


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(max_examples=20)
@given(graphs.generators())
def test_a_changed_synapse_of_a_dense_network_is_named(dtype: type, rng: np.random.Generator) -> None:
    case = graphs.from_matrix("dense", graphs.lognormal((8, 8), rng))
    before, after = rescaled(case, rng, dtype)
    culprit = int(rng.choice(np.flatnonzero(case.post != case.pre)))
    certificate = nb.verify(before, changed(after, "synapses", culprit, 1.001))
    assert certificate.preserved is False and certificate.residual > 1e-5
    ends = f"from cells[{case.pre[culprit]}] to cells[{case.post[culprit]}]"
    assert f"the culprit is synapse {culprit} of 'synapses', {ends}" in certificate.message


@settings(max_examples=20)
@given(graphs.plain(("random", "sheet", "modular", "ring")), graphs.generators())
def test_a_changed_synapse_on_cycles_is_among_those_named(case: graphs.Case, rng: np.random.Generator) -> None:
    """Whether it is named alone depends on the cycles it lies on; it is never exonerated."""
    before, after = rescaled(case, rng, np.float64)
    culprit = int(rng.integers(case.weight.size))
    certificate = nb.verify(before, changed(after, "synapses", culprit, 1.001))
    if is_bridge(case, culprit):
        assert certificate.preserved
    else:
        assert certificate.preserved is False
        assert f"synapse {culprit} of" in certificate.message


def test_a_changed_self_connection_is_named(dense: np.ndarray) -> None:
    after = dense.copy()
    after[3, 3] *= 1.001
    assert "neurons[3] to neurons[3]" in nb.verify(dense, after).message


def test_a_changed_synapse_on_one_cycle_accuses_the_cycle() -> None:
    """0 -> 1 -> 2 -> 0, and a bridge to 3."""
    before = np.zeros((4, 4))
    before[[1, 2, 0, 3], [0, 1, 2, 2]] = 1.0, 2.0, 3.0, 4.0
    after = before * np.exp(np.subtract.outer(np.arange(4), np.arange(4)))
    after[1, 0] *= 1.001
    message = nb.verify(before, after).message
    assert "cannot be told apart" in message
    for pre, post in ((0, 1), (1, 2), (2, 0)):
        assert f"neurons[{pre}] to neurons[{post}]" in message
    assert "to neurons[3]" not in message


@pytest.mark.parametrize("size", [6, 7])
def test_six_of_a_cycle_are_listed(size: int) -> None:
    before = np.roll(np.eye(size), 1, axis=0)
    after = before.copy()
    after[1, 0] = 1.5
    message = nb.verify(before, after).message
    listed = message.partition("told apart: ")[2]
    synapses = listed.removesuffix(".").removesuffix("; ...").split("; ")
    assert len(synapses) == 6 and all(re.fullmatch(r"synapse \d of '.*', from .*\] to .*\]", s) for s in synapses)
    assert listed.endswith("; ....") == (size == 7)


def test_synapses_of_another_number_or_order_are_no_rescaling() -> None:
    def multiple(*ends: tuple[int, int]) -> nb.Circuit:
        circuit = nb.Circuit()
        circuit.add("E", 2)
        post, pre = np.transpose(ends)
        circuit.connect("E", "E", post_index=post, pre_index=pre, weight=np.ones(len(ends)), name="S")
        return circuit

    certificate = nb.verify(multiple((0, 1), (1, 0), (1, 0)), multiple((0, 1), (0, 1), (1, 0)))
    assert certificate.preserved is False
    assert "projection 'S' lists its synapses in another order or number" in certificate.message
    certificate = nb.verify(multiple((0, 1), (1, 0)), multiple((0, 1), (1, 1)))
    assert "the synapse from E[0] to E[1] exists in one of the two networks only" in certificate.message


def test_a_changed_synapse_on_a_bridge_is_a_rescaling() -> None:
    before = np.zeros((4, 4))
    before[[1, 0, 2, 3], [0, 1, 1, 2]] = 1.0, 2.0, 3.0, 4.0
    after = before.copy()
    after[2, 1] *= 5
    certificate = nb.verify(before, after)
    assert certificate.preserved
    assert certificate.scale[2] == pytest.approx(5 * certificate.scale[1])


def test_pins_close_cycles() -> None:
    """On a chain every change is a rescaling, unless its ends are pinned."""
    before = np.diag([1.0, 2.0, 3.0], -1)
    after = before * 1.001
    assert nb.verify(before, after).preserved
    assert nb.verify(before, after, pinned=[0]).preserved
    assert nb.verify(before, after, pinned=[0, 3]).preserved is False


def test_moving_a_pinned_neuron_is_found(dense: np.ndarray) -> None:
    h = np.zeros(8)
    h[4] = 1e-3
    after = dense * np.exp(h[:, None] - h)
    assert nb.verify(dense, after).preserved
    assert nb.verify(dense, after, pinned=[0, 4]).preserved is False


def test_homogeneity_decides_what_a_rescaling_is(dense: np.ndarray, rng: np.random.Generator) -> None:
    h = rng.normal(size=8)
    after = dense * np.exp(h[:, None] - 2 * h)
    assert nb.verify(dense, after, homogeneity=2).preserved
    assert nb.verify(dense, after).preserved is False


def test_a_flipped_sign_is_named(dense: np.ndarray) -> None:
    after = dense.copy()
    after[5, 2] *= -1
    certificate = nb.verify(dense, after)
    assert certificate.preserved is False and certificate.signs_preserved is False and not certificate.exact
    assert "neurons[2] to neurons[5]" in certificate.message


@pytest.mark.parametrize("container", [np.array, sparse.csr_array, sparse.coo_matrix])
def test_a_removed_synapse_is_named(dense: np.ndarray, container: type) -> None:
    after = dense.copy()
    after[5, 2] = 0
    for one, other in ((dense, after), (after, dense)):
        certificate = nb.verify(container(one), container(other))
        assert certificate.preserved is False and certificate.signs_preserved is False
        assert "neurons[2] to neurons[5]" in certificate.message


def test_a_silenced_synapse_is_named(dense: np.ndarray) -> None:
    """Zero in the list of synapses is not the same as a small weight."""
    before = graphs.from_matrix("dense", dense).circuit()
    after = changed(before, "synapses", 17, 0.0)
    certificate = nb.verify(before, after)
    assert certificate.preserved is False and "synapse 17 of 'synapses'" in certificate.message


def test_swapped_multi_synapses_are_found() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 2)
    circuit.connect("E", "E", post_index=[0, 0, 1], pre_index=[1, 1, 0], weight=[3.0, 4.0, 2.0])
    after = circuit.copy()
    after.projections["E->E"].weight[:2] = 4.0, 3.0
    assert nb.verify(circuit, after).preserved is False


def test_two_changed_synapses_are_found(dense: np.ndarray) -> None:
    after = dense.copy()
    after[5, 2] *= 1.01
    after[3, 6] *= 0.99
    certificate = nb.verify(dense, after)
    assert certificate.preserved is False and "largest deviation" in certificate.message


def test_weights_that_are_not_finite_are_refused(dense: np.ndarray) -> None:
    broken = dense.copy()
    broken[0, 1] = np.nan
    with pytest.raises(nb.InvalidInputError, match=r"neurons\[1\] to neurons\[0\]"):
        nb.verify(broken, dense)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_longer_finite_are_a_change(dense: np.ndarray, value: float) -> None:
    after = dense.copy()
    after[0, 1] = value
    certificate = nb.verify(dense, after)
    assert certificate.preserved is False and not certificate.exact and certificate.residual == np.inf
    assert "no longer finite: weights of 'weights'" in certificate.message
    assert "neurons[1] to neurons[0]" in certificate.message


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x", 1.0, "function preserved"),  # a state, no constant
        ("drive", -1.0, "parameter 'drive' of E[1] went from 2 to -1"),
        ("drive", np.inf, "no longer finite: parameter 'drive'"),
        ("drive", np.nan, "no longer finite: parameter 'drive'"),
        ("w", np.inf, "no longer finite: weights of 'S'"),
    ],
)
def test_values_of_a_simulated_network_that_broke_are_named(name: str, value: float, said: str) -> None:
    from brian2 import BrianLogger, Network, NeuronGroup, Synapses, ms

    BrianLogger.suppress_name("unused_brian_object")
    cells = NeuronGroup(3, "dx/dt = (drive - x + I)/(10*ms) : 1\ndrive : 1\nI : 1", method="euler", name="E", dt=1 * ms)
    cells.drive = [1, 2, 3]
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(condition="i != j")
    synapses.w = 0.1
    network = Network(cells, synapses)
    before = nb.as_circuit(network)
    (synapses if name == "w" else cells).variables[name].get_value()[1] = value
    certificate = nb.verify(before, network)
    assert certificate.preserved is (name == "x") and said in certificate.message
    assert certificate.signs_preserved is (name == "x")


def test_networks_of_different_size_are_refused(dense: np.ndarray) -> None:
    with pytest.raises(nb.InvalidInputError, match="different populations"):
        nb.verify(dense, dense[:7, :7])


def test_networks_of_different_projections_are_refused() -> None:
    one, other = nb.Circuit(), nb.Circuit()
    for circuit in (one, other):
        circuit.add("E", 2)
    one.connect("E", "E", np.ones((2, 2)))
    other.connect("E", "E", np.ones((2, 2)), name="other")
    with pytest.raises(nb.InvalidInputError, match="different projections"):
        nb.verify(one, other)


def test_an_assumed_symmetry_proves_nothing(dense: np.ndarray) -> None:
    circuit = nb.as_circuit(dense)
    circuit.basis = "assumed"
    circuit.assumptions = ["wmax of S may stay as it is"]
    certificate = nb.balance(circuit).certificate
    assert certificate.preserved is None
    assert "its symmetry is assumed, not proven; wmax of S may stay as it is (basis" in certificate.message
    wrong = changed(circuit, "weights", 1, 2.0)
    assert nb.verify(circuit, wrong).preserved is False


def test_a_large_sparse_network_is_certified(rng: np.random.Generator) -> None:
    from benchmarks import graphs as families

    matrix = families.modules(600, rng)
    result = nb.balance(matrix, tol=1e-6)
    certificate = nb.verify(matrix, result.weights)
    assert certificate.preserved and certificate.residual <= 1e-12
    wrong = result.weights.copy()
    wrong.data[1234] *= 1.001
    assert nb.verify(matrix, wrong).preserved is False


def is_bridge(case: graphs.Case, synapse: int) -> bool:
    """Whether the network falls apart without this synapse (directions do not matter)."""
    if case.post[synapse] == case.pre[synapse]:
        return False
    others = np.arange(case.weight.size) != synapse
    graph = sparse.coo_array((np.ones(others.sum()), (case.post[others], case.pre[others])), shape=(case.size,) * 2)
    labels = sparse.csgraph.connected_components(graph, directed=False)[1]
    return labels[case.post[synapse]] != labels[case.pre[synapse]]


def test_parameters_measured_from_an_origin_are_as_exact_as_they_are_stored():
    """A reset 1e-6 above a resting potential of -65: their distance has lost seven of its sixteen digits."""
    stored, origin = -65 + np.linspace(1e-6, 2e-6, 4), -65.0
    factor = np.array([1.7, 0.6, 1.1, 3.0])
    circuits = []
    for values in (stored, origin + (stored - origin) * factor):
        circuit = nb.Circuit()
        circuit.add("E", 4, parameters={"v_reset": (values - origin, 1.0, origin)})
        weights = np.ones((4, 4)) if not circuits else factor[:, None] / factor
        circuit.connect("E", "E", weights)
        circuits.append(circuit)
    assert nb.verify(*circuits).preserved
    circuits[1].populations["E"].parameters["v_reset"].values[2] *= 1 + 1e-3
    assert not nb.verify(*circuits).preserved


def test_something_to_compare_with(rng):
    with pytest.raises(nb.InvalidInputError, match=r"verify\(before, after\)"):
        nb.verify(rng.normal(size=(3, 3)))
