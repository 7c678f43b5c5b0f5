"""Statements about a result that many tests make: constraints, not iterates."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Case
from oracle import Oracle
from scipy import sparse

import neurobal as nb


def kept(result: nb.Balance, projection: str, size: int) -> np.ndarray:
    """The synapses of a projection that were not left out, as a mask."""
    mask = np.ones(size, dtype=bool)
    for excluded in result.excluded:
        if excluded.projection == projection:
            mask[excluded.synapses] = False
    return mask


def assert_balanced(result: nb.Balance, oracle: Oracle, tol: float = 1e-9) -> None:
    """The oracle finds every unit of a Case's result balanced, and the reported numbers right."""
    oracle = oracle.only_synapses(kept(result, "synapses", result.before.projections["synapses"].weight.size))
    h = oracle.gathered(result.log_scale["cells"])
    nothing = np.zeros(oracle.size)
    assert result.success, result.message
    assert oracle.imbalance(h) <= 1.01 * tol + 1e-12
    assert oracle.worst_unit(h) <= 1.01 * tol**0.5
    assert result.imbalance == pytest.approx(oracle.imbalance(h), rel=0.01, abs=1e-12)
    assert result.worst_unit == pytest.approx(oracle.worst_unit(h), rel=0.01, abs=1e-9)
    assert result.imbalance_before == pytest.approx(oracle.imbalance(nothing), rel=1e-9, abs=1e-12)
    assert result.cost_before == pytest.approx(oracle.cost(nothing), rel=1e-12)
    assert result.cost == pytest.approx(oracle.cost(h), rel=1e-11)
    assert result.cost <= result.cost_before * (1 + 1e-12)


def assert_rescaled(
    before: nb.Circuit, after: nb.Circuit, log_scale: dict[str, np.ndarray], rtol: float = 1e-13
) -> None:
    """``after`` is ``before`` rescaled, written out synapse by synapse."""
    for name, one in before.projections.items():
        h_pre = np.zeros(one.shape[1]) if one.pre is None else log_scale[one.pre]
        a = np.broadcast_to(one.post_exponent, one.shape[0])
        b = np.broadcast_to(one.pre_exponent, one.shape[1])
        factor = a[one.post_index] * log_scale[one.post][one.post_index] - b[one.pre_index] * h_pre[one.pre_index]
        assert np.allclose(after.projections[name].weight, one.weight * np.exp(factor), rtol=rtol, atol=0), name


def free(case: Case) -> bool:
    """Whether any neuron can move."""
    return case.oracle().size > 0


def content(matrix: object) -> bytes:
    """Everything that a dense or sparse matrix holds."""
    if not sparse.issparse(matrix):
        return np.asarray(matrix).tobytes()
    if matrix.format in ("csr", "csc", "bsr"):
        return b"".join(x.tobytes() for x in (matrix.data, matrix.indices, matrix.indptr))
    if matrix.format == "coo":
        return b"".join(x.tobytes() for x in (matrix.data, matrix.row, matrix.col))
    return repr((matrix.dtype, sorted(matrix.todok().items()))).encode()
