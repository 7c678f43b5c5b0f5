"""A `Circuit` as a network of its own: a copy, with more constraints."""

from __future__ import annotations

from typing import Any

from neurobal.adapters.dispatch import read, refuse_options
from neurobal.circuit import Circuit, check_finite


@read.register
def read_circuit(
    network: Circuit, *, pinned: Any = None, tied: Any = None, homogeneity: Any = None, level: int = 0, **options: Any
) -> Circuit:
    """An independent copy of a circuit."""
    refuse_options(options, "Circuit")
    for projection in network:  # its arrays may have been written to since they were connected
        check_finite(
            projection.weight,
            projection.post_index,
            projection.pre_index,
            projection.name,
            projection.post,
            "constant" if projection.pre is None else projection.pre,
        )
    return network.copy().with_constraints(pinned=pinned, tied=tied, homogeneity=homogeneity)
