"""Self-consistent scalings form a linear manifold that only the architecture decides (Baldi et al. 2024).

A scaling multiplies the synapse from j to i by e^L, L = h_i - h_j, with h = 0 on visible units. Self-consistent are
those L (one number a synapse) that come from such h.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurobal as nb

Array: TypeAlias = np.ndarray
Synapses: TypeAlias = list[tuple[int, int]]  # (pre, post)


def network(rng: np.random.Generator, recurrent: bool) -> tuple[Synapses, int, int, int]:
    """Synapses among inputs, hidden units and outputs (numbered in that order), and how many there are of each.

    Every hidden unit lies on a path from an input to an output.
    """
    inputs, hidden, outputs = 2, int(rng.integers(2, 6)), 2
    n = inputs + hidden + outputs
    synapses = {
        (j, i)
        for j in range(inputs + hidden)
        for i in range(inputs, n)
        if i != j and (i > j or (recurrent and i < inputs + hidden)) and rng.random() < 0.4
    }
    for i in range(inputs, inputs + hidden):
        synapses |= {(int(rng.integers(inputs)), i), (i, inputs + hidden + int(rng.integers(outputs)))}
    return sorted(synapses), inputs, hidden, outputs


def paths_and_cycles(synapses: Synapses, visible: set[int]) -> Array:
    """One row for each directed path between visible units through hidden ones, and for each directed cycle."""
    number = {synapse: e for e, synapse in enumerate(synapses)}
    targets: dict[int, list[int]] = {}
    for j, i in synapses:
        targets.setdefault(j, []).append(i)
    rows: list[Array] = []

    def follow(way: list[int]) -> None:
        start = way[0]
        for there in targets.get(way[-1], []):
            if there in visible if start in visible else there == start:
                row = np.zeros(len(synapses))
                row[[number[step] for step in pairwise([*way, there])]] = 1
                rows.append(row)
            # A cycle is followed from its unit of lowest number only, to be found once.
            elif there not in way and there not in visible and (start in visible or there > start):
                follow([*way, there])

    for start in targets:
        follow([start])
    return np.array(rows)


def manifold(synapses: Synapses, hidden: range) -> Array:
    """Columns span all L = h_i - h_j."""
    columns = np.zeros((len(synapses), len(hidden)))
    for e, (j, i) in enumerate(synapses):
        if i in hidden:
            columns[e, i - hidden[0]] += 1
        if j in hidden:
            columns[e, j - hidden[0]] -= 1
    return columns


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1).map(np.random.default_rng), st.booleans())
def test_scalings_are_those_whose_paths_and_cycles_sum_to_zero(rng: np.random.Generator, recurrent: bool) -> None:
    """Baldi et al. 2024, self-consistency: Σ L = 0 over each directed path from input to output and each directed
    cycle, and no further condition (check 35). The manifold has one dimension a hidden unit."""
    synapses, inputs, hidden, outputs = network(rng, recurrent)
    n = inputs + hidden + outputs
    units = range(inputs, inputs + hidden)
    conditions = paths_and_cycles(synapses, set(range(n)) - set(units))
    scalings = manifold(synapses, units)
    assert not np.any(conditions @ scalings)
    assert np.linalg.matrix_rank(scalings) == hidden
    assert np.linalg.matrix_rank(conditions) == len(synapses) - hidden


def test_balancing_stays_on_the_manifold_and_other_changes_leave_it(rng: np.random.Generator) -> None:
    """Baldi et al. 2024 (check 35): the certificate is this condition; random L are no scaling."""
    synapses, inputs, hidden, outputs = network(rng, True)
    n = inputs + hidden + outputs
    visible = np.setdiff1d(np.arange(n), np.arange(inputs, inputs + hidden))
    matrix = np.zeros((n, n))
    for j, i in synapses:
        matrix[i, j] = rng.normal()
    conditions = paths_and_cycles(synapses, set(visible.tolist()))
    pre, post = np.array(synapses).T
    balanced = nb.balance(matrix, pinned=visible)
    change = np.log(balanced.weights[post, pre] / matrix[post, pre])
    assert np.abs(conditions @ change).max() <= 1e-12 and np.abs(change).max() > 0.1
    elsewhere = rng.normal(size=len(synapses))
    other = matrix.copy()
    other[post, pre] *= np.exp(elsewhere)
    assert np.abs(conditions @ elsewhere).max() > 0.1
    assert not nb.verify(balanced.before, _with(balanced.before, other)).preserved


def _with(circuit: nb.Circuit, matrix: Array) -> nb.Circuit:
    """The same circuit with other weights."""
    after = circuit.copy()
    (projection,) = after.projections.values()
    projection.weight[:] = matrix[projection.post_index, projection.pre_index]
    return after


@pytest.mark.parametrize("dead_end", ["sends nothing", "receives nothing"])
def test_units_on_no_path_from_input_to_output_are_not_covered(dead_end: str) -> None:
    """The proposition's condition: a unit that only listens (or only speaks) is on no path and on no cycle, so that
    path sums allow anything of its synapses. Here two inputs (or outputs) share it, and L = (0, 1) is no scaling."""
    if dead_end == "sends nothing":
        synapses = [(0, 2), (1, 2), (0, 3), (3, 4)]  # inputs 0, 1; units 2, 3; output 4
        units, visible = range(2, 4), {0, 1, 4}
    else:
        synapses = [(1, 3), (1, 4), (0, 2), (2, 3)]  # input 0; units 1, 2; outputs 3, 4
        units, visible = range(1, 3), {0, 3, 4}
    conditions, scalings = paths_and_cycles(synapses, visible), manifold(synapses, units)
    assert np.linalg.matrix_rank(conditions) < len(synapses) - len(units)
    change = np.array([0.0, 1.0, 0.0, 0.0])
    assert not np.any(conditions @ change)
    assert np.linalg.matrix_rank(np.column_stack([scalings, change])) == len(units) + 1
