"""`ClusterBalance`: what `balance` found of a dataframe on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeAlias

import numpy as np

from neurobal.certificate import TOLERANCE, Certificate
from neurobal.cluster.installed import needed
from neurobal.cluster.synapses import SynapsesOnCluster
from neurobal.cluster.tables import Numbering, band_of, weights_of
from neurobal.large.checks import Check
from neurobal.large.passes import Parts, merged
from neurobal.large.result import LargeBalance, certificate

Array: TypeAlias = np.ndarray


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClusterBalance(LargeBalance):
    """The answer of `balance` for a Dask dataframe: a `LargeBalance` whose new weights are a dataframe again.

    Attributes
    ----------
    weights : dask.dataframe.DataFrame
        The dataframe that was given, with new weights: the same columns, partitions and order. It is lazy: read anew
        when it is computed or written, ``result.weights.to_parquet(folder)``.
    bytes_per_pass : float
        How much was sent between processes in one pass over the synapses, on average.
    network : SynapsesOnCluster
        The network that was balanced, as it was.
    """

    network: SynapsesOnCluster
    bytes_per_pass: float

    @cached_property
    def weights(self) -> Any:
        """The dataframe with new weights, lazily."""
        return self.network.rescaled(self.log_scale)

    @cached_property
    def certificate(self) -> Certificate:
        """Compares new weights with those before, in one pass over the dataframe; made when first asked for.

        It is computed where Dask computes: on the present client, or in this process.
        """
        dask = needed("dask")
        check, merge = dask.delayed(checked, pure=False), dask.delayed(merged, pure=False)
        names, h = dask.delayed(self.network.names), dask.delayed(self.log_scale)
        (parts,) = dask.compute(reduce(merge, [check(part, names, h) for part in self.network.table.to_delayed()]))
        deviation, wrong, exact = (part.value for part in parts)
        meta = self.network.table._meta
        tolerance = TOLERANCE[weights_of(meta).dtype]
        return certificate(deviation, wrong, exact, self.scale, self.network.stored_ids, tolerance)

    def _where(self) -> str:
        return f" in {self.network.table.npartitions:,} partitions ({self.bytes_per_pass / 1e6:.3g} MB sent a pass)"


def checked(partition: Any, names: Numbering, log_scale: Array) -> Parts:
    return Check(log_scale).on(band_of(partition, names))
