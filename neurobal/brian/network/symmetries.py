"""`symmetries`: what may be rescaled in a Brian2 network. Its statements are collected here; the rest is algebra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from brian2 import Network
from brian2.core.base import BrianObject
from brian2.core.namespace import get_local_namespace

from neurobal.brian.network.objects import brian_objects
from neurobal.brian.network.statements import collect_statements
from neurobal.symmetry.symmetries import Symmetries


def symmetries(
    network: Network | Iterable[BrianObject] | None = None,
    *,
    namespace: Mapping[str, Any] | None = None,
    level: int = 0,
) -> Symmetries:
    """What may be rescaled in a Brian2 network without changing what it computes, and what stands in the way.

    Every neuron i of a group gets a scale λ_i > 0 of its own; a quantity x of it moves as x → λ_i^p x. The powers p are
    derived from the equations, exactly; with λ a power of two a simulation stays the same bit by bit.

    Parameters
    ----------
    network
        A Network, a list of Brian2 objects, or None for all objects that ``run()`` would run here.
    namespace
        Values of the constants in the equations; by default the names visible where this function is called.
    level
        How many calls further up objects and constants are to be looked up.

    Examples
    --------
    >>> import neurobal as nb
    >>> from brian2 import Network, NeuronGroup, Synapses, ms
    >>> E = NeuronGroup(3, "dx/dt = (clip(input, 0, inf) - x)/(10*ms) : 1\\ninput : 1", name="E")
    >>> S = Synapses(E, E, "w : 1\\ninput_post = w*x_pre : 1 (summed)", name="S")
    >>> S.connect()
    >>> answer = nb.symmetries(Network(E, S))
    >>> answer
    What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.
    <BLANKLINE>
    E: every neuron has a scale; what it sends has homogeneity 1.
        moves along: x, input
        from E (S): w moves by λ
        to E (S): w moves by λ^-1
    >>> answer.groups["E"].scalable
    True
    """
    objects = brian_objects(network, level=level + 1)
    names = get_local_namespace(level=level + 1) if namespace is None else namespace
    return Symmetries(collect_statements(objects, names))
