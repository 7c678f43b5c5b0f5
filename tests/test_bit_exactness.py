"""What speaks against the same bits, from circuits alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

import neurobal as nb
from neurobal.certificate import certify
from neurobal.exactness import doubts_of_exactness

LOG2 = np.log(2)


@dataclass
class Simulated:
    """Stands for a simulator: what moves by which powers beside the weights."""

    powers: Mapping[str, list[float]]

    def exponents(self) -> Mapping[str, list[float]]:
        return self.powers


def ring(powers: list[float], weights: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> nb.Circuit:
    """Three neurons on a cycle, and what else of them moves."""
    circuit = nb.Circuit()
    circuit.add("E", 3)
    circuit.connect("E", "E", post_index=[1, 2, 0], pre_index=[0, 1, 2], weight=weights, name="S")
    circuit.binding = Simulated({"E": powers})  # type: ignore[assignment]
    return circuit


def scales(*powers: float) -> dict[str, np.ndarray]:
    return {"E": np.array(powers) * LOG2}


def test_without_a_simulation_there_is_nothing_to_doubt() -> None:
    circuit = ring([np.sqrt(2)])
    circuit.binding = None
    assert doubts_of_exactness(circuit, scales(0, 0.3, 1)) == []


@pytest.mark.parametrize(
    ("powers", "log_scale", "said"),
    [
        ([1.0], (0, 1, -2), None),
        ([1.0], (0, 0.5, 0), r"λ of E\[1\] is 1.414, of which whole powers of 2 only are bit-exact"),
        ([0.5], (0, 2, -4), None),
        ([0.5], (0, 1, 0), r"λ of E\[1\] is 2, of which whole powers of 4 only are bit-exact"),
        ([np.sqrt(2)], (0, 0, 0), None),
        ([np.sqrt(2)], (0, 1, 0), r"λ of E\[1\] is 2, of which no values but 1 are bit-exact"),
        ([1.0], (0.3, 0.3, 0.3), None),  # a common factor, which no weight sees
        ([1.0], (0.3, 1.3, -0.7), None),
    ],
)
def test_powers_that_scales_must_be_of(powers: list[float], log_scale: tuple[float, ...], said: str | None) -> None:
    doubts = doubts_of_exactness(ring(powers), scales(*log_scale))
    if said is None:
        assert doubts == []
    else:
        (doubt,) = doubts
        assert re.fullmatch(said, doubt)


def test_what_ties_a_common_factor() -> None:
    """Silent synapses, and those that something else changes, say nothing of it; pins and parameters do."""
    assert doubts_of_exactness(ring([1.0], (1.0, 0.0, 3.0)), scales(0.3, 0.3, 0.3)) == []
    assert doubts_of_exactness(ring([1.0], (1.0, 0.0, 0.0)), scales(0.3, 0.3, 1)) == []
    assert doubts_of_exactness(ring([1.0], (1.0, 1.0, 1.0)), scales(0.3, 0.3, 1)) != []
    uncertified = ring([1.0])
    uncertified.uncertified = frozenset(["S"])
    assert doubts_of_exactness(uncertified, scales(0.3, 0.6, 1)) == []
    pinned = ring([1.0]).with_constraints(pinned={"E": [0]})
    assert doubts_of_exactness(pinned, scales(0.3, 0.3, 0.3)) != []


def test_a_reason_counts_where_its_group_moves() -> None:
    circuit = ring([1.0])
    circuit.inexact = {"E": ("`x**3`",)}
    assert doubts_of_exactness(circuit, scales(0, 1, 0)) == ["`x**3`"]
    assert doubts_of_exactness(circuit, scales(0, 0, 0)) == []


def test_a_certificate_of_known_scales_sees_signs() -> None:
    circuit = ring([1.0])
    after = circuit.copy()
    after.projections["S"].weight[1] = -2.0
    certificate = certify(circuit, after, scales(0, 0, 0))
    assert certificate.preserved is False and not certificate.signs_preserved and not certificate.exact
    assert "went from 2 to -2" in certificate.message
