"""`as_circuit`: any kind of network as a `Circuit`. A new kind is one adapter, and touches nothing else.

An adapter is a module that registers a reader for its types (``@read.register``), takes options of its own, and sets
the circuit's ``binding`` if it can write back. It must pass `neurobal.testing.AdapterConformance`.
"""

from __future__ import annotations

from typing import Any

from neurobal.adapters import circuit, matrix  # noqa: F401  (they register their readers)
from neurobal.adapters.dispatch import read, read_network, refuse_options
from neurobal.circuit import Circuit

__all__ = ["as_circuit", "as_writable_circuit", "read", "refuse_options"]


def as_circuit(
    network: Any = None,
    *,
    pinned: Any = None,
    tied: Any = None,
    homogeneity: Any = None,
    scaling: Any = None,
    namespace: dict[str, Any] | None = None,
    level: int = 0,
) -> Circuit:
    """A snapshot of ``network`` as arrays, independent of the original. The arguments are those of `balance`.

    Examples
    --------
    >>> circuit = nb.as_circuit(np.array([[0.0, 2.0], [3.0, 0.0]]), pinned=[0])
    >>> circuit
    Circuit(1 populations, 2 neurons, 1 projections, 2 synapses)
    """
    options = {"scaling": scaling, "namespace": namespace}
    given = {name: value for name, value in options.items() if value is not None}
    return read_network(network, pinned=pinned, tied=tied, homogeneity=homogeneity, level=level + 1, **given)


def as_writable_circuit(network: Any, **arguments: Any) -> Circuit:
    """`as_circuit`, for results that are to be written back: an error where that is impossible by now."""
    snapshot = as_circuit(network, **{**arguments, "level": arguments.get("level", 0) + 1})
    if snapshot.binding is not None:
        snapshot.binding.check()
    return snapshot
