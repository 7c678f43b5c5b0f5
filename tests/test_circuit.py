"""Circuits: building them, their constraints, and that they are snapshots."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from checks import assert_rescaled
from scipy import sparse

import neurobal as nb


@pytest.fixture
def circuit(rng: np.random.Generator) -> nb.Circuit:
    """in -> E <-> I, E -> out: pins, ties, biases, parameters, a list of synapses, a sparse and two dense matrices."""
    circuit = nb.Circuit()
    circuit.add("in", 2, pinned=True)
    circuit.add("E", 4, tied=[0, 0, -1, 1], bias=rng.normal(size=4), parameters={"theta": (rng.uniform(1, 2, 4), 1.0)})
    circuit.add("I", 3, homogeneity=[1.0, 2.0, 1.0])
    circuit.add("out", 1, pinned=True)
    circuit.connect("in", "E", rng.normal(size=(4, 2)))
    circuit.connect("E", "I", post_index=[0, 1, 2, 2], pre_index=[0, 2, 3, 3], weight=[1.0, -2.0, 3.0, 4.0])
    circuit.connect("I", "E", sparse.csr_array(rng.normal(size=(4, 3))))
    circuit.connect("E", "out", rng.normal(size=(1, 4)), costed=False)
    return circuit


def arrays(circuit: nb.Circuit) -> list[np.ndarray]:
    """Everything that a circuit holds in memory."""
    found: list[object] = []
    for population in circuit.populations.values():
        found += [population.pinned, population.tied, population.homogeneity]
        found += [parameter.values for parameter in population.parameters.values()]
    for one in circuit:
        found += [one.weight, one.post_index, one.pre_index, one.post_exponent, one.pre_exponent]
    return [array for array in found if isinstance(array, np.ndarray)]


# -------------------------------------------------------------------------------------------------------- building


def test_what_a_circuit_shows(circuit: nb.Circuit) -> None:
    assert repr(circuit) == "Circuit(4 populations, 10 neurons, 5 projections, 32 synapses)"
    assert [p.name for p in circuit] == ["E.bias", "in->E", "E->I", "I->E", "E->out"]


def test_the_pre_exponent_is_the_homogeneity_of_the_sender(circuit: nb.Circuit) -> None:
    assert np.array_equal(circuit.projections["I->E"].pre_exponent, [1, 2, 1])
    a, b = circuit.projections["I->E"].exponents
    assert a == 1 and np.array_equal(b, np.tile([1, 2, 1], 4))


def test_exponents_belong_to_the_projection() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 3, homogeneity=2.0)
    circuit.connect("E", "E", np.ones((3, 3)), post_exponent=0.5, pre_exponent=[1.0, 0.0, 3.0])
    assert circuit.projections["E->E"].post_exponent == 0.5
    assert np.array_equal(circuit.projections["E->E"].pre_exponent, [1, 0, 3])


def test_a_second_projection_gets_a_name_of_its_own(circuit: nb.Circuit) -> None:
    circuit.connect("E", "I", np.ones((3, 4)))
    circuit.connect("E", "I", np.ones((3, 4)))
    assert [name for name in circuit.projections if "E->I" in name] == ["E->I", "E->I (2)", "E->I (3)"]


def test_multi_synapses_are_kept_one_by_one(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit)
    weights = result.weights["E->I"]
    assert weights.shape == (4,) and weights[3] / weights[2] == pytest.approx(4 / 3, rel=1e-14)


def test_multi_synapses_cost_one_by_one() -> None:
    """Two synapses of 3 and 4 count as one of 5 for p = 2, and as one of 7 for p = 1."""
    for p, size in ((2, 5.0), (1, 7.0)):
        circuit = nb.Circuit()
        circuit.add("E", 2)
        circuit.connect("E", "E", post_index=[0, 0, 1], pre_index=[1, 1, 0], weight=[3.0, -4.0, 2.0])
        one = nb.balance(np.array([[0, size], [2, 0]]), cost=nb.Power(p))
        assert np.allclose(nb.balance(circuit, cost=nb.Power(p)).scale["E"], one.scale)


@pytest.mark.parametrize("pinned", [True, [0, 1, 2, 3], slice(None), np.ones(4, dtype=bool)])
def test_pins_of_a_population(pinned: object) -> None:
    circuit = nb.Circuit()
    circuit.add("E", 4, pinned=pinned)
    assert circuit.populations["E"].pinned.all()


def test_biases_scale_along_and_are_not_costed(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit)
    bias = circuit.projections["E.bias"]
    assert not bias.costed
    assert np.allclose(result.weights["E.bias"], bias.weight * result.scale["E"])


def test_parameters_scale_along(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit)
    before, after = (c.populations["E"].parameters["theta"].values for c in (circuit, result.circuit))
    assert np.allclose(after, before * result.scale["E"], rtol=1e-14)


def test_parameters_move_by_their_power() -> None:
    circuit = nb.Circuit()
    circuit.add("E", 2, parameters={"tau": (3.0, 0), "g": ([1.0, 2.0], -1), "n": ([2, 4], 0.5)})
    circuit.connect("E", "E", np.array([[0.0, 4], [1, 0]]))
    result = nb.balance(circuit)
    values = {key: p.values for key, p in result.circuit.populations["E"].parameters.items()}
    assert np.allclose(values["tau"], 3)
    assert np.allclose(values["g"], [1, 2] / result.scale["E"])
    assert np.allclose(values["n"], [2, 4] * result.scale["E"] ** 0.5)


def test_a_population_without_neurons_does_no_harm(circuit: nb.Circuit) -> None:
    circuit.add("nobody", 0)
    circuit.connect("nobody", "E", np.zeros((4, 0)))
    result = nb.balance(circuit)
    assert result.success and result.scale["nobody"].shape == (0,)
    assert "nobody" in repr(result) and nb.verify(circuit, result.circuit).preserved


def test_rescaling_moves_everything_by_its_power(circuit: nb.Circuit, rng: np.random.Generator) -> None:
    log_scale = {name: rng.normal(size=p.size) for name, p in circuit.populations.items()}
    assert_rescaled(circuit, circuit.rescaled(log_scale), log_scale)


# ------------------------------------------------------------------------------------------------------- snapshots


def test_a_snapshot_shares_no_memory(circuit: nb.Circuit) -> None:
    snapshot = nb.as_circuit(circuit)
    shared = [(x, y) for x in arrays(circuit) for y in arrays(snapshot) if np.shares_memory(x, y)]
    assert not shared


def test_building_copies_what_it_is_given(rng: np.random.Generator) -> None:
    given = {
        "pinned": np.zeros(3, dtype=bool),
        "tied": np.arange(3),
        "bias": rng.normal(size=3),
        "homogeneity": np.array([1.0, 2, 1]),
    }
    theta, synapses = np.ones(3), {"post_index": np.arange(3), "pre_index": np.arange(3), "weight": np.ones(3)}
    exponent = np.array([1.0, 2.0, 3.0])
    matrix, csr = rng.normal(size=(3, 3)), sparse.csr_array(rng.normal(size=(3, 3)))
    circuit = nb.Circuit()
    circuit.add("E", 3, **given, parameters={"theta": (theta, 1.0)})
    circuit.connect("E", "E", **synapses, post_exponent=exponent)
    circuit.connect("E", "E", matrix)
    circuit.connect("E", "E", csr)
    mine = [*given.values(), *synapses.values(), theta, exponent, matrix, csr.data, csr.indices]
    assert not [x for x in mine for y in arrays(circuit) if np.shares_memory(x, y)]


def test_balancing_changes_nothing_of_a_circuit(circuit: nb.Circuit) -> None:
    before = [array.copy() for array in arrays(circuit)]
    nb.balance(circuit, pinned={"I": [0]}, tied={"I": True}, homogeneity={"E": 1})
    assert all(np.array_equal(x, y) for x, y in zip(before, arrays(circuit), strict=True))
    assert not circuit.populations["I"].pinned.any() and circuit.populations["I"].tied is None


def test_the_result_holds_the_circuit_as_it_was(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit)
    old = circuit.projections["in->E"].weight.copy()
    circuit.projections["in->E"].weight[:] = 0
    assert np.array_equal(result.before.projections["in->E"].weight, old)


# ----------------------------------------------------------------------------------------------------- constraints


@pytest.mark.parametrize(
    "pinned", ["I", ["I"], {"I"}, {"I": True}, {"I": [0, 1, 2]}, {"I": np.ones(3, dtype=bool)}, {"I": slice(None)}]
)
def test_pins_by_population(circuit: nb.Circuit, pinned: object) -> None:
    result = nb.balance(circuit, pinned=pinned)
    assert np.all(result.scale["I"] == 1) and not np.all(result.scale["E"] == 1)


def test_pins_add_to_those_of_the_circuit(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit, pinned={"I": [1]})
    assert result.scale["I"][1] == 1 and np.all(result.scale["in"] == 1) and np.all(result.scale["out"] == 1)
    assert result.before.populations["I"].pinned.tolist() == [False, True, False]


@pytest.mark.parametrize("tied", [{"I": True}, {"I": [4, 4, 4]}, {"I": ["x", "x", "x"]}, "I", ["I"]])
def test_ties_by_population(circuit: nb.Circuit, tied: object) -> None:
    scale = nb.balance(circuit, tied=tied).scale
    assert np.ptp(scale["I"]) == 0 and scale["E"][0] == scale["E"][1] != scale["E"][3]


def test_labels_tie_within_a_population_only() -> None:
    circuit = nb.Circuit()
    for name in "AB":
        circuit.add(name, 2, tied=[0, 1])
    circuit.connect("A", "B", np.array([[4.0, 1], [1, 2]]))
    circuit.connect("B", "A", np.array([[1.0, 2], [3, 1]]))
    scale = nb.balance(circuit).scale
    assert not np.any(np.isclose(scale["A"], scale["B"]))


@pytest.mark.parametrize("homogeneity", [{"E": 2.0}, {"E": [2.0, 2, 2, 2]}])
def test_homogeneity_by_population(circuit: nb.Circuit, homogeneity: dict) -> None:
    result = nb.balance(circuit, homogeneity=homogeneity)
    assert result.before.projections["E->I"].pre_exponent == 2
    assert_rescaled(result.before, result.circuit, result.log_scale)


# ---------------------------------------------------------------------------------------------------------- errors


def test_unknown_populations_are_named(circuit: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"no population 'inn'.*Did you mean 'in'"):
        circuit.connect("inn", "E", np.ones((4, 2)))


def test_populations_have_different_names(circuit: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match="already a population 'E'"):
        circuit.add("E", 3)


def test_projections_have_different_names(circuit: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match="already a projection 'in->E'"):
        circuit.connect("E", "I", np.ones((3, 4)), name="in->E")


@pytest.mark.parametrize("size", [-1, 2.5, True, np.nan, "3", None])
def test_a_size_is_a_whole_number(size: object) -> None:
    with pytest.raises(nb.InvalidInputError, match="size of population 'X'"):
        nb.Circuit().add("X", size)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((2, 4)), r"shape \(post, pre\) = \(4, 2\)"),
        (np.ones(8), "matrix"),
        (np.full((4, 2), np.nan), r"in\[0\] to E\[0\]"),
        (np.array([[1, 1], [1, 1], [1, np.inf], [1, 1]]), r"in\[1\] to E\[2\]"),
        (1j * np.ones((4, 2)), "real numbers"),
        (np.full((4, 2), "w"), "real numbers"),
        (np.full((4, 2), None), "real numbers"),
    ],
)
def test_bad_weights_are_named(circuit: nb.Circuit, weights: np.ndarray, message: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=message) as caught:
        circuit.connect("in", "E", weights, name="bad")
    assert "'bad'" in str(caught.value) and "bad" not in circuit.projections


@pytest.mark.parametrize(
    ("synapses", "message"),
    [
        ({"post_index": [0, 4], "pre_index": [0, 1], "weight": [1.0, 1]}, "post_index.*4 is out of range for 4"),
        ({"post_index": [0, 3], "pre_index": [0, -1], "weight": [1.0, 1]}, "pre_index.*-1 is out of range for 2"),
        ({"post_index": [0, 3], "pre_index": [0, 1], "weight": [1.0]}, "equal lengths"),
        ({"post_index": [0.5, 3], "pre_index": [0, 1], "weight": [1.0, 1]}, "integers"),
        ({"post_index": [0, 3], "pre_index": [0, 1]}, "all of post_index, pre_index and weight"),
        ({"post_index": [0, 3], "pre_index": [0, 1], "weight": [1.0, np.nan]}, r"in\[1\] to E\[3\]"),
        ({"weights": np.ones((4, 2)), "weight": [1.0]}, "either a matrix"),
    ],
)
def test_bad_lists_of_synapses_are_named(circuit: nb.Circuit, synapses: dict, message: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=message):
        circuit.connect("in", "E", **synapses, name="bad")
    assert "bad" not in circuit.projections


@pytest.mark.parametrize(
    "options",
    [
        {"homogeneity": np.nan},
        {"homogeneity": [1.0, 2.0]},
        {"homogeneity": "two"},
        {"pinned": [3]},
        {"pinned": [True]},
        {"pinned": [0.5]},
        {"tied": [1, 2]},
        {"tied": [0.5, 1, 1]},
        {"bias": [1.0, 2.0]},
        {"bias": [1.0, np.nan, 2]},
        {"parameters": {"theta": ([1.0, 2.0], 1.0)}},
        {"parameters": {"theta": ([1.0, np.inf, 1], 1.0)}},
    ],
    ids=repr,
)
def test_bad_properties_of_a_population_are_named(options: dict) -> None:
    circuit = nb.Circuit()
    with pytest.raises(nb.InvalidInputError, match="population 'X'"):
        circuit.add("X", 3, **options)
    assert not circuit.populations and not circuit.projections


@pytest.mark.parametrize("argument", ["pinned", "tied", "homogeneity"])
def test_constraints_of_unknown_populations_are_named(circuit: nb.Circuit, argument: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=rf"{argument}.*'outt'.*Did you mean 'out'"):
        nb.balance(circuit, **{argument: {"outt": True}})


@pytest.mark.parametrize("argument", ["pinned", "tied"])
def test_constraints_of_many_populations_need_names(circuit: nb.Circuit, argument: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=rf"{argument}.*4 populations.*'in', 'E', 'I', 'out'"):
        nb.balance(circuit, **{argument: [0, 1]})


def test_a_circuit_takes_no_scaling(circuit: nb.Circuit) -> None:
    with pytest.raises(nb.InvalidInputError, match="scaling"):
        nb.balance(circuit, scaling={"E": {"v": 1}})


def test_a_cases_list_and_matrix_are_the_same_network() -> None:
    """The tests' own helper."""
    case = graphs.from_matrix("plain", np.array([[0.0, 3], [2, 0]]))
    assert np.array_equal(case.matrix(), [[0, 3], [2, 0]])
    assert np.allclose(nb.balance(case.circuit()).scale["cells"], nb.balance(case.matrix()).scale)
