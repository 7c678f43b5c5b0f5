"""`Balance`: frozen, and readable."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import neurobal as nb


@pytest.fixture
def circuit(dense: np.ndarray) -> nb.Circuit:
    circuit = nb.Circuit()
    circuit.add("cells <E>", 8)
    circuit.add("readout", 2)
    circuit.connect("cells <E>", "cells <E>", dense, name="E->E")
    circuit.connect("cells <E>", "readout", np.ones((2, 8)), name="E->out")
    return circuit


def test_a_result_is_frozen(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    for name in ("success", "cost", "scale", "weights", "history"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, name, None)


def test_a_result_has_what_the_contract_names(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    numbers = "iterations evaluations cost_before cost imbalance_before imbalance worst_unit"
    names = f"success status message method {numbers} excluded scale weights before circuit certificate history"
    assert all(hasattr(result, name) for name in names.split(" "))
    assert result.success is True and isinstance(result.message, str) and result.evaluations >= result.iterations
    assert isinstance(result.cost, float) and isinstance(result.imbalance, float)


def test_a_matrix_has_one_scale_and_a_circuit_one_a_population(dense: np.ndarray, circuit: nb.Circuit) -> None:
    assert nb.balance(dense).scale.shape == (8,)
    result = nb.balance(circuit)
    assert {name: λ.shape for name, λ in result.scale.items()} == {"cells <E>": (8,), "readout": (2,)}
    assert {name: w.shape for name, w in result.weights.items()} == {"E->E": (8, 8), "E->out": (2, 8)}


def test_the_scale_multiplies_what_comes_in(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    assert np.allclose(result.weights, result.scale[:, None] * dense / result.scale, rtol=1e-13)


def test_the_balance_is_that_of_the_weights(dense: np.ndarray) -> None:
    result = nb.balance(dense)
    squares = result.weights**2 * (1 - np.eye(8))
    incoming, outgoing = squares.sum(axis=1), squares.sum(axis=0)
    assert np.allclose(incoming, outgoing, rtol=1e-6)
    assert np.abs(incoming - outgoing).sum() / squares.sum() <= 1e-9
    assert result.cost == pytest.approx(np.sum(result.weights**2), rel=1e-13)


def test_a_result_can_be_read(circuit: nb.Circuit) -> None:
    result = nb.balance(circuit)
    text = repr(result)
    for fragment in (
        "balanced", "newton", "cost", "imbalance", "before", "after", "cells <E>", "readout", "%",
        "left out: 16 of 16 synapses E->out: no way back", "function preserved",
    ):  # fmt: skip
        assert fragment in text
    assert max(map(len, text.splitlines())) <= 110


def test_a_result_can_be_read_in_a_notebook(circuit: nb.Circuit) -> None:
    html = nb.balance(circuit)._repr_html_()
    for fragment in ("<table>", "cost", "imbalance", "left out: 16 of 16", "function preserved", "cells &lt;E&gt;"):
        assert fragment in html
    assert "<E>" not in html


def test_left_out_synapses_are_numbered(circuit: nb.Circuit) -> None:
    (excluded,) = nb.balance(circuit).excluded
    assert (excluded.projection, excluded.of) == ("E->out", 16)
    assert np.array_equal(excluded.synapses, np.arange(16))
    assert str(excluded) == "16 of 16 synapses E->out: no way back"


def test_costs_beyond_the_range_of_floats_can_be_read(dense: np.ndarray) -> None:
    result = nb.balance(dense * 1e150, cost=nb.Power(3))
    assert result.success and "balanced" in repr(result) and result._repr_html_()


def test_excluded_synapses_do_not_say_synapses_twice() -> None:
    """A projection may be called that, as Brian2 calls its Synapses."""
    assert str(nb.Excluded("synapses", np.arange(600), 600, "no way back")) == "600 of 600 synapses: no way back"
    assert str(nb.Excluded("exc", np.arange(3), 5, "no way back")) == "3 of 5 synapses exc: no way back"
