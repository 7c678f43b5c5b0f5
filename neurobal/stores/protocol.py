"""What the problem, its existence theory and the solvers ask of the place where the costs of synapses live.

A store holds the costs c_e of synapses between free nodes; all of its synapses have the same power and exponents.
Matrices and index pointers are its own business; who has to see single synapses asks for `SynapseStore.entries`, which
only a store in memory has. `ShiftedCosts` are the costs as numbers; one pass over them gives both the sums over
incoming and those over outgoing synapses, and that is all that an iteration of a solver needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from scipy import sparse

Array: TypeAlias = np.ndarray
# ``(left, right)``, arrays over nodes: every log-cost is taken as ``log c + left[post] + right[pre]``. None: log c.
Shift: TypeAlias = "tuple[Array, Array] | None"
# From postsynaptic and presynaptic nodes of synapses to a mask of them.
Choice: TypeAlias = Callable[[Array, Array], Array]


class TooLarge(Exception):
    """What was asked for does not fit in memory."""


class ShiftedCosts(Protocol):
    """The costs c of a store as ordinary numbers, around one point h."""

    def sums(self, t: Array, s: Array) -> tuple[Array, Array]:
        """``Σ_pre c t[pre]`` per postsynaptic and ``Σ_post c s[post]`` per presynaptic node, in one pass."""

    def strong(self, left: Array, right: Array, degree: Array, share: float) -> sparse.csr_array:
        """Of the couplings ``x = left[post] c right[pre]``, a (post, pre) matrix, those that are strong for their row.

        These are the ones whose ``x / √degree[pre]`` is at least ``share`` of the largest in the row; all of them, if
        that is 0.
        """

    def grouped(self, left: Array, right: Array, groups: Array, count: int) -> sparse.csr_array:
        """The couplings ``left[post] c right[pre]`` added up between ``count`` groups of nodes; `TooLarge` if these are
        too many.
        """


class SynapseStore(Protocol):
    """The costs of synapses between ``size`` nodes; ``nnz`` is their number, where possible with those between the
    same two nodes counted once.
    """

    @property
    def size(self) -> int:
        """The number of nodes."""

    @property
    def nnz(self) -> int:
        """The number of synapses that have a cost."""

    def log_range(self) -> tuple[float, float]:
        """The smallest and the largest log-cost."""

    def ends(self) -> tuple[Array, Array]:
        """Masks of the nodes that receive, and of those that send."""

    def largest(self, shift: Shift) -> Array:
        """The largest shifted log-cost that each node receives; -inf where it receives nothing."""

    def log_sums(self, shift: Shift) -> tuple[Array, Array]:
        """``log Σ c`` of the shifted costs per postsynaptic and per presynaptic node."""

    def costs(self, shift: Shift, log_unit: Array | float) -> ShiftedCosts:
        """The shifted costs as numbers, in units of ``exp(log_unit)``: one number, or one a postsynaptic node."""

    def extremes(self, left: Array, right: Array) -> tuple[float, float]:
        """The smallest and the largest ``left[post] + right[pre]`` of all synapses."""

    def any(self, choice: Choice) -> bool:
        """Whether ``choice`` is true of any synapse."""

    def filtered(self, choice: Choice) -> SynapseStore:
        """The synapses of which ``choice`` is true."""

    def structure(self) -> sparse.csr_array:
        """Who receives from whom, as a (post, pre) matrix whose values mean nothing. In memory only."""

    def entries(self) -> tuple[Array, Array, Array]:
        """Postsynaptic nodes, presynaptic nodes and log-costs, one entry a synapse. In memory only.

        For what has to see single synapses: existence and invariant shifts where a != b or there is a ground,
        balancing one node at a time, problems of a part of the nodes, bounds from pairs, and names in messages.
        """
