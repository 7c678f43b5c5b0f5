"""The formulation of a network under a cost: its sums are those of the potential, and leaving out changes no other."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
from hypothesis import assume, given

import neurobal as nb
from neurobal.existence import find_runaway
from neurobal.formulation import formulate
from neurobal.potential import Potential

COST = nb.Power(2) + 0.3 * nb.Power(1)


@given(graphs.anything())
def test_sums_of_neurons_are_those_of_the_potential(case: graphs.Case) -> None:
    """Node by node, at any h: incoming minus outgoing cost is the gradient."""
    circuit = case.circuit()
    formulation = formulate(circuit, COST)
    assume(formulation.nodes.size)
    potential = Potential(formulation.problem)
    h = np.random.default_rng(0).normal(0, 0.3, formulation.nodes.size)
    scale = np.exp(potential.log_scale)[potential.problem.labels]
    incoming, outgoing = formulation.sums("synapses", formulation.nodes.spread(h))
    table = formulation.nodes.table["cells"]
    gradient = np.zeros(h.size)
    np.add.at(gradient, table[table >= 0], (incoming - outgoing)[table >= 0])
    largest = np.maximum(incoming, outgoing).max(initial=0.0)
    assert np.allclose(gradient, potential.at(h).gradient * scale, rtol=1e-9, atol=1e-12 * largest)


def test_what_is_left_out_is_left_out_of_everything() -> None:
    weights = np.array([[0.0, 2, 0], [1, 0, 0], [5, 0, 0]])  # nothing comes back from neuron 2
    whole = formulate(nb.as_circuit(weights), nb.Power(2))
    part = whole.balanceable()
    assert (whole.total(), whole.excluded) == (30, ())
    assert (part.total(), str(part.excluded[0])) == (5, "1 of 3 synapses weights: no way back")
    zero = {"neurons": np.zeros(3)}
    assert part.sums("weights", zero)[1].tolist() == [2, 8, 0]
    assert whole.sums("weights", zero)[1].tolist() == [52, 8, 0]
    assert find_runaway(part.problem) is None and part.at(part.circuit).problem.blocks[0].store.nnz == 2


def test_weights_pins_and_ties_can_change_under_a_formulation() -> None:
    weights = np.array([[0.0, 2, 0], [1, 0, 0], [5, 0, 0]])
    part = formulate(nb.as_circuit(weights), nb.Power(2)).balanceable()
    pinned = part.at(part.circuit.with_constraints(pinned=[2]))
    assert (pinned.nodes.size, pinned.total()) == (2, 5)
    with pytest.raises(nb.InvalidInputError, match="No neuron is free"):
        part.at(part.circuit.with_constraints(pinned=True)).balanceable()
    assert part.at(part.circuit.rescaled({"neurons": np.log([1.0, 2.0, 1.0])})).total() == pytest.approx(5)


def test_a_plasticity_measures_what_a_balance_counts(rng: np.random.Generator) -> None:
    """Heights say of the same synapses that they have no balance."""
    weights = np.tril(rng.normal(size=(6, 6)), 2)
    weights[3:, :3] = 0
    formulation = formulate(nb.as_circuit(weights), nb.Power(2))
    heights = formulation.heights()["neurons"]
    synapses = formulation.circuit.projections["weights"]
    falls = heights[synapses.post_index] < heights[synapses.pre_index] - 0.5
    left_out = formulation.balanceable().excluded
    expected = left_out[0].synapses if left_out else []
    assert np.flatnonzero(falls).tolist() == list(expected)
    assert len(expected)
