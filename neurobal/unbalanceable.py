"""What errors say of networks that have no balance: which neurons, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from neurobal.circuit import Circuit, Projection
from neurobal.errors import InvalidInputError
from neurobal.existence import Runaway
from neurobal.nodes import GROUND, Nodes
from neurobal.problem import Problem

NAMED = 5  # nodes without a balance that a message names


def check_free_neurons(circuit: Circuit, nodes: Nodes, neurons_cost: bool = False) -> None:
    """Raise an error if no neuron is free, or if there is nothing to balance.

    ``neurons_cost``: there are costs on neurons, so that synapses may be absent.
    """
    neurons = sum(population.size for population in circuit.populations.values())
    if neurons and nodes.size == 0:
        raise InvalidInputError(
            f"No neuron is free: all {neurons} are pinned (or tied to a pinned one), so nothing can be rescaled. "
            "Pin less."
        )
    if neurons == 0 or not (circuit.projections or neurons_cost):
        lack = "no neurons" if neurons == 0 else "no synapses that a rescaling could change"
        raise InvalidInputError(f"The network is empty: it has {lack}, so there is nothing to balance.")


def nothing_moves(circuit: Circuit, nodes: Nodes, costed: Iterable[str], populations: Iterable[str] = ()) -> str:
    """Why no cost of the ``costed`` projections, and on neurons of ``populations``, changes under any rescaling."""
    pinned = any(population.pinned.any() for population in circuit.populations.values())
    or_less = ", or pin less" if pinned else ""
    if any(_within_nodes(circuit.projections[name], nodes) for name in costed):
        return (
            "Nothing can be balanced: all costed synapses of free neurons are self-connections (or join neurons "
            "that are tied), which never change under a rescaling. Give synapses between neurons whose scales are "
            f"their own{or_less}."
        )
    own = ", ".join(map(repr, populations))
    return (
        "Nothing can be balanced: no costed synapse with a non-zero weight touches a free neuron"
        + (f", and the costs on neurons of {own} are 0, belong to pinned ones, or have the exponent 0" if own else "")
        + f". Give such synapses a cost{or_less}."
    )


def neuron_costs_not_held(lost: Mapping[str, tuple[bool, Mapping[str, int]]]) -> str:
    """Why costs on neurons have no balance at all, and what would hold them.

    ``lost``: by the name of the cost, whether it grows with λ, and the number of its neurons by population.
    """
    sentences = []
    for owner, (grows, neurons) in lost.items():
        whose = ", ".join(f"{count:,} of {name}" for name, count in neurons.items())
        whose = "" if len(neurons) == 1 and "neurons" in neurons else f" (on neurons: {whose})"
        way, other = ("shrinks", "falls") if grows else ("grows", "grows")
        holds = (
            "OutputNoise(...), or costed synapses to pinned readouts"
            if grows
            else "Activity(...), or costed synapses from pinned inputs"
        )
        sentences.append(
            f"Nothing holds the cost {owner}{whose}: it falls for ever as λ {way}. Add a cost that "
            f"{other} with λ on the same neurons: {holds}."
        )
    recurrent = (
        "Recurrent synapses alone hold no cost on neurons where the homogeneity is 1: they do not change when all "
        "neurons move alike. Or leave it out of the cost."
    )
    return " ".join([*sentences, recurrent])


def _within_nodes(projection: Projection, nodes: Nodes) -> bool:
    """Whether a projection has synapses whose two ends are one free node."""
    post, pre = nodes.ends(projection)
    return bool(np.any((post == pre) & (post != GROUND) & (projection.weight != 0)))


def no_balance(problem: Problem, remaining: Problem, runaway: Runaway, nodes: Nodes) -> str:
    """Which neurons have no balance, and why: those that keep no cost when what has none is left out."""
    culprits = np.flatnonzero(problem.connected & ~remaining.connected)
    names = ", ".join(nodes.name(int(node)) for node in culprits[:NAMED]) + (", ..." if culprits.size > NAMED else "")
    if runaway.strong is not None:
        why = (
            "they lie on no directed cycle of costed synapses (all pinned neurons count as one, and costs on neurons "
            "as synapses from it, where they grow with λ, or to it), so that nothing holds their cost: it falls for "
            "ever"
        )
        remedy = "Pin inputs and readouts, leave these synapses out of the cost"
    else:
        why = "scaling them one way lowers their cost for ever (their output does not grow as their input does)"
        remedy = "Pin some of them, check homogeneity and exponents"
    if not remaining.connected.any():
        return f"Nothing can be balanced. {names}: {why}. {remedy}."
    if culprits.size:
        count = f"{culprits.size} of {problem.size} units have no balance"
    else:
        count = "Some synapses have no balance"
        names, why = _bridge(problem, runaway, nodes), "no path leads back, so that nothing holds their cost"
    return f"{count}. {names}: {why}. {remedy}, or use on_unbalanceable='exclude'."


def _bridge(problem: Problem, runaway: Runaway, nodes: Nodes) -> str:
    """One synapse without a balance, for a message."""
    for block in problem.blocks:
        post, pre, _ = block.store.entries()
        lost = np.flatnonzero(runaway.lowers(block.a, block.b, post, pre))
        if lost.size:
            more = f" and {lost.size - 1} more" if lost.size > 1 else ""
            return f"the synapse from {nodes.name(int(pre[lost[0]]))} to {nodes.name(int(post[lost[0]]))}{more}"
    return "synapses from or to pinned neurons, or costs on neurons"
