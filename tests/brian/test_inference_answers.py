"""What the answer says: names, lines to paste, what cannot be known, and where constants come from."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from brian2 import (
    Function,
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    Soma,
    SpatialNeuron,
    Synapses,
    TimedArray,
    linked_var,
    ms,
    mV,
    network_operation,
    start_scope,
    um,
)
from corpus import lif, lif_amplitude, lif_constants, rates, relu, stdp_additive, supralinear, tanh_rate

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries
from neurobal.errors import InvalidInputError

RATE = "dx/dt = (-x + I)/(10*ms) : 1\nI : 1\n"


def recurrent(cells: NeuronGroup, model: str = "w : 1\nI_post = w*r_pre : 1 (summed)", **options: object) -> Synapses:
    synapses = Synapses(cells, cells, model, name="S", **options)
    synapses.connect()
    return synapses


def test_terms_that_cancel() -> None:
    cells = NeuronGroup(3, RATE + "r = (x + 1)**2 - 2*x - 1 : 1", name="E")
    found = symmetries([cells, recurrent(cells)])
    assert found.groups["E"].homogeneity == 2
    assert "Up to rounding" in repr(found)


# What balancing reads


def test_powers_and_weights_of_a_spiking_group() -> None:
    found = symmetries(lif_amplitude(), namespace={})
    group = found.groups["E"]
    assert group.scalable
    assert group.homogeneity == 1
    assert dict(group.powers) == dict.fromkeys(("v", "g", "El", "Vt", "Vr", "a"), Fraction(1))
    (weight,) = found.projections["S"].weights
    assert (weight.variable, weight.a, weight.b) == ("w", 1, 1)
    assert found.projections["S"].powers == {"w": (1, -1)}
    assert (found.projections["F"].source, found.projections["F"].target) == ("source", "E")
    assert found.groups["source"].fixed
    assert "tied from 2 independent symmetries" in repr(found)


def test_homogeneity_of_supralinear_units() -> None:
    found = symmetries(supralinear(), namespace={})
    assert found.groups["E"].homogeneity == 2
    assert found.projections["S"].powers == {"w": (1, -2)}


def test_the_weight_is_found_behind_states_and_among_factors() -> None:
    cells = NeuronGroup(3, RATE + "r = x : 1", name="E")
    model = "c : 1\nw : 1\ndh/dt = (effective - h)/ms : 1 (clock-driven)\n"
    model += "effective = c*w*r_pre : 1\nI_post = h : 1 (summed)"
    found = symmetries([cells, recurrent(cells, model)])
    (weight,) = found.projections["S"].weights
    assert weight.variable == "w"
    assert found.projections["S"].powers == {"w": (1, -1), "h": (1, 0)}


def test_two_kinds_of_input() -> None:
    cells = NeuronGroup(3, "dx/dt = (-x + A*B)/(10*ms) : 1\nA : 1\nB : 1", name="E")
    one = Synapses(cells, cells, "w : 1\nA_post = w*x_pre : 1 (summed)", name="one")
    two = Synapses(cells, cells, "w : 1\nB_post = w : 1 (summed)", name="two")
    found = symmetries([cells, one, two])
    assert dict(found.groups["E"].powers) == {"x": 2, "A": 1, "B": 1}
    assert found.projections["one"].powers == {"w": (1, -2)}
    assert found.projections["two"].powers == {"w": (1, 0)}
    assert found.groups["E"].homogeneity is None
    assert not found.groups["E"].choices


def test_more_than_one_way_to_tie() -> None:
    """Three inputs whose product is bounded: their weights cannot all move by λ, and nothing says how they should."""
    cells = NeuronGroup(3, "dx/dt = (-x + A*B*C)/(10*ms) : 1\nA : 1\nB : 1\nC : 1\ny = clip(x, 0, 1) : 1", name="E")
    objects = [
        Synapses(cells, cells, f"w : 1\n{name}_post = w*y_pre : 1 (summed)", name=f"to_{name}") for name in "ABC"
    ]
    found = symmetries([cells, *objects])
    assert len(found.groups["E"].choices) == 2
    assert "more than one way" in repr(found)
    declared = found.declare({"to_A": ("w", 1, 0), "to_B": ("w", 1, 0)})
    assert not declared.contradicted
    assert not declared.groups["E"].choices
    assert declared.projections["to_C"].weights[0].a == -2


# What stands in the way, and what helps


def test_constants_become_parameters() -> None:
    found = symmetries(lif_constants(), namespace={})
    text = repr(found)
    assert "`v > Vt` (threshold of E): Vt is the same for all neurons" in text
    for line in ("El : volt (constant)", "Vt : volt (constant)", "Vr : volt (constant)", "a : 1 (constant)"):
        assert line in text
    assert "g_post += w * a_pre" in text


def test_the_remedy_works() -> None:
    """A model with the printed lines in it has the symmetry that was promised."""
    remedy = symmetries(lif_constants(), namespace={}).remedy("E")
    assert remedy is not None
    changes = {change.owner: change for change in remedy.changes}
    equations = "dv/dt = (El - v + g)/tau : volt (unless refractory)\ndg/dt = -g/taus : volt\n"
    equations += "\n".join(changes["E"].new_lines)
    (changed,) = changes["S"].replaced
    place, _, line = changed
    assert place == "on_pre"
    found = symmetries(lif(equations, on_pre=line.replace(" ", ""), a=np.ones(6)), namespace={})
    assert found.groups["E"].scalable
    assert found.groups["E"].homogeneity == 1


def test_literals_become_parameters() -> None:
    cells = NeuronGroup(3, "dv/dt = (-70*mV - v)/(10*ms) : volt", threshold="v > -50*mV", reset="v = -60*mV", name="E")
    synapses = Synapses(cells, cells, on_pre="v += 2*mV", name="S")
    text = repr(symmetries([cells, synapses]))
    for line in ("v > threshold", "v = v_reset", "threshold : volt (constant)", "E.threshold = -50 * mV"):
        assert line in text
    assert "v += w * a_pre" in text
    assert "S.w = 2 * mV" in text


def test_saturation_gets_scales_of_its_own() -> None:
    found = symmetries(tanh_rate(), namespace={})
    text = repr(found)
    assert "tanh(x) has a scale of its own" in text
    for line in ("r = tanh(x / x_scale) : 1", "x_scale : 1 (constant)", "w * r_pre * a_pre", "E.x_scale = 1"):
        assert line in text


def test_differences_have_no_remedy() -> None:
    cells = NeuronGroup(3, "dv/dt = (Igap - v)/(10*ms) : 1\nIgap : 1", name="E")
    found = symmetries([cells, recurrent(cells, "w : 1\nIgap_post = w*(v_pre - v_post) : 1 (summed)")])
    assert found.remedy("E") is None
    assert "v_pre - v_post" in str(found.obstacles("E")[0])


def test_bounds_of_plasticity_are_named() -> None:
    text = repr(symmetries(stdp_additive(), namespace={}))
    assert "wmax" in text
    assert "dA" in text


def test_contradictions_of_a_declaration() -> None:
    found = symmetries(lif_amplitude(), namespace={})
    right = {"E": dict.fromkeys(("v", "g", "El", "Vt", "Vr", "a"), 1), "S": ("w", 1, 1), "F": ("w", 1, 0)}
    assert found.contradictions(right) == []
    forgotten = {**right, "E": dict.fromkeys(("v", "g", "El", "Vt", "a"), 1)}
    assert any("v = Vr" in text for text in found.contradictions(forgotten))
    assert found.contradictions({**right, "S": ("w", 1, 2)})
    assert found.contradictions({"S": ("w", 1, 2)}) == []  # the amplitude may follow
    assert found.declare({"S": ("w", 1, 2)}).groups["E"].powers["a"] == 2
    assumed = symmetries(lif_constants(), namespace={}).declare(
        {"E": {"v": 1, "g": 1}, "S": ("w", 1, 1), "F": ("w", 1, 0)}
    )
    assert assumed.contradicted
    assert assumed.projections["S"].powers == {"w": (1, -1)}


@pytest.mark.parametrize(
    "scaling", [{"e": {}}, {"E": {"V": 1}}, {"S": ("W", 1, 1)}, {"S": {"w": 1}}, {"E": ("v", 1, 1)}]
)
def test_declarations_of_what_does_not_exist(scaling: dict) -> None:
    with pytest.raises(InvalidInputError, match="scaling"):
        symmetries(lif_amplitude(), namespace={}).contradictions(scaling)


# Constants


def test_constants_are_looked_up_where_run_would() -> None:
    def inside(bias: float) -> object:
        cells = NeuronGroup(3, "dx/dt = (-x + I + bias)/(10*ms) : 1\nI : 1\nr = x : 1", name="E")
        synapses = recurrent(cells)
        assert synapses is not None
        return symmetries(), symmetries([cells, synapses]), symmetries(Network(cells, synapses))

    start_scope()
    for found in inside(0.0):  # type: ignore[attr-defined]
        assert found.groups["E"].scalable
        assert found.assumed == {("E", "bias"): 0.0}
    start_scope()
    for found in inside(1.0):  # type: ignore[attr-defined]
        assert not found.groups["E"].scalable


def test_level_and_namespace() -> None:
    start_scope()
    bias = 0.0
    cells = NeuronGroup(3, "dx/dt = (-x + I + bias)/(10*ms) : 1\nI : 1\nr = x : 1", name="E")
    synapses = recurrent(cells)

    def wrapper() -> object:
        bias = 1.0
        assert bias
        return symmetries(level=1)

    assert wrapper().groups["E"].scalable == (bias == 0)  # type: ignore[attr-defined]
    assert not symmetries([cells, synapses], namespace={"bias": 1.0}).groups["E"].scalable
    assert not symmetries([cells, synapses], namespace={}).groups["E"].scalable  # unknown: not known to be 0


def test_a_group_namespace_comes_first() -> None:
    n = 3
    cells = NeuronGroup(3, RATE + "r = clip(x, 0, inf)**n : 1", namespace={"n": 2}, name="E")
    assert n == 3
    found = symmetries([cells, recurrent(cells, namespace={"n": 2})])
    assert found.groups["E"].homogeneity == 2
    # Brian2 looks the constants of r up where it is used: with another value there, nothing is certain.
    assert not symmetries([cells, recurrent(cells, namespace={"n": 3})]).groups["E"].scalable


# Functions


def test_functions_are_invariant_unless_declared() -> None:
    def build(function: Function) -> object:
        cells = NeuronGroup(3, RATE + "r = f(x) : 1", namespace={"f": function}, name="E")
        return symmetries([cells, recurrent(cells, namespace={"f": function})]).groups["E"]

    soft = Function(lambda x: x**2 / (1 + abs(x)), arg_units=[1], return_unit=1)
    assert not build(soft).scalable  # type: ignore[attr-defined]
    rectify = Function(lambda x: np.maximum(x, 0), arg_units=[1], return_unit=1)
    rectify.homogeneity = 1
    assert build(rectify).homogeneity == 1  # type: ignore[attr-defined]


def test_numpy_maximum_is_known() -> None:
    upper = Function(np.maximum, arg_units=[None, None], return_unit=lambda a, b: a)
    cells = NeuronGroup(3, RATE + "r = upper(x, 0) : 1", namespace={"upper": upper}, name="E")
    assert symmetries([cells, recurrent(cells, namespace={"upper": upper})]).groups["E"].homogeneity == 1


def test_stimulus_with_moving_arguments() -> None:
    table = TimedArray(np.arange(5.0), dt=1 * ms)
    cells = NeuronGroup(3, RATE + "r = table(x*second) : 1", namespace={"table": table}, name="E")
    assert not symmetries([cells, recurrent(cells, namespace={"table": table})]).groups["E"].scalable


# What cannot be rescaled or read


def test_adaptive_integration_pins_its_variables() -> None:
    cells = NeuronGroup(3, RATE + "r = x : 1", method="gsl_rkf45", name="E")
    found = symmetries([cells, recurrent(cells)])
    assert not found.groups["E"].scalable
    assert "absolute tolerances" in repr(found)


def test_python_code_is_noted() -> None:
    @network_operation(dt=1 * ms)
    def peek() -> None:
        pass

    found = symmetries([*relu(), peek], namespace={})
    assert found.unread
    assert "network operation" in repr(found)


def test_linked_expression_pins_what_it_reads() -> None:
    cells = NeuronGroup(3, RATE + "r = x*2 : 1", name="E")
    reader = NeuronGroup(3, "dz/dt = (y - z)/(5*ms) : 1\ny : 1 (linked)", name="R")
    reader.y = linked_var(cells, "r")
    found = symmetries([cells, recurrent(cells), reader])
    assert not found.groups["E"].scalable
    assert "linked variable" in repr(found)


def test_a_link_within_a_group() -> None:
    cells = NeuronGroup(
        3, RATE + "y : 1 (linked)\nr = x + 0*y : 1\nk = x + y : 1", name="E", threshold="k > 0", reset=""
    )
    cells.y = linked_var(cells, "x", index=np.array([1, 2, 0]))
    assert not symmetries([cells, recurrent(cells)]).groups["E"].scalable


def test_synapses_onto_synapses() -> None:
    objects = rates(RATE.replace("I)", "I + inp)") + "inp : 1\nr = x : 1")
    modulator = Synapses(
        objects[0], objects[1], "dq/dt = -q/ms : 1 (clock-driven)\nw_post = x_pre : 1 (summed)", name="M"
    )
    found = symmetries([*objects, modulator], namespace={})
    assert set(found.projections) == {"S", "M"}
    assert not found.groups["E"].scalable


def test_compartments_and_inputs_are_fixed() -> None:
    neuron = SpatialNeuron(Soma(30 * um), "Im = 0*amp/meter**2 : amp/meter**2\nI : amp (point current)", name="tree")
    source = PoissonGroup(3, 10 * Hz, name="source")
    found = symmetries([neuron, source])
    assert found.groups["tree"].fixed
    assert found.groups["source"].fixed
    assert "fixed" in repr(found)


def test_what_is_not_used_does_not_matter() -> None:
    cells = NeuronGroup(3, RATE + "label : 1\nshown = tanh(x) + label : 1\nr = x : 1", name="E")
    group = symmetries([cells, recurrent(cells)]).groups["E"]
    assert group.scalable
    assert "label" not in group.powers


def test_whole_numbers_and_truth_values_do_not_move() -> None:
    cells = NeuronGroup(3, RATE + "count : integer\non : boolean\nr = x*int(on) : 1", name="E", threshold="x > 0")
    cells.run_regularly("count += 1\non = x > 0", dt=1 * ms)
    group = symmetries([cells, recurrent(cells)]).groups["E"]
    assert dict(group.powers) == {"x": 1, "I": 1}
    cells.run_regularly("count = int(x)", dt=1 * ms)
    assert not symmetries([cells, recurrent(cells)]).groups["E"].scalable


def test_strangers_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="int"):
        symmetries([1])  # type: ignore[list-item]


def test_nothing_at_all() -> None:
    assert symmetries([]).groups == {}
    cells = NeuronGroup(1, "v : 1", name="E")
    assert "no synapses come into it" in repr(symmetries([cells]))


def test_twenty_groups_within_a_second() -> None:
    objects: list = []
    for i in range(20):
        cells = NeuronGroup(
            5, "dv/dt = (El - v + g)/tau : volt\ndg/dt = -g/tau : volt\n"
            "El : volt\nVt : volt\nVr : volt\na : 1\ntau : second",
            threshold="v > Vt", reset="v = Vr", name=f"E{i}",
        )  # fmt: skip
        objects.append(cells)
    groups = list(objects)
    for i, cells in enumerate(groups):
        for k in (1, 2, 3):
            objects.append(Synapses(groups[i - k], cells, "w : volt", on_pre="g_post += w*a_pre", name=f"S{i}_{k}"))
    start = time.process_time()
    found = symmetries(objects)
    assert time.process_time() - start < 1
    assert all(group.homogeneity == 1 for group in found.groups.values())


def test_a_potential_is_measured_from_the_constant_that_is_shared() -> None:
    objects = lif(
        "dv/dt = (El - v + g)/tau : volt\ndg/dt = -g/taus : volt\nVt : volt\nVr : volt", El=-70 * mV, refractory=False
    )
    group = symmetries(objects, namespace={}).groups["E"]
    assert group.origins == {"v": "El", "Vt": "El", "Vr": "El"}
    assert "measured from El" in repr(symmetries(objects, namespace={}))


def test_a_link_to_the_other_end_of_the_synapses() -> None:
    """What S reads as a presynaptic variable is stored in its postsynaptic group."""
    source = NeuronGroup(3, "y : 1 (linked)\nk : 1", name="A")
    cells = NeuronGroup(3, RATE + "r = x : 1", name="E")
    source.y = linked_var(cells, "x")
    synapses = Synapses(source, cells, "w : 1\nI_post = w*y_pre : 1 (summed)", name="S")
    assert not symmetries([source, cells, synapses]).groups["E"].scalable


@pytest.mark.parametrize(
    ("rate", "exact"), [("x*x", True), ("x*x*x", False), ("x**2*x", False), ("1/x**2", False), ("1/x", True)]
)
def test_powers_that_integrators_write_with_pow(rate: str, exact: bool) -> None:
    cells = NeuronGroup(3, f"dx/dt = (-x + k*{rate} + I)/(10*ms) : 1\nI : 1\nk : 1", name="E")
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    found = symmetries([cells, synapses])
    assert found.groups["E"].scalable
    assert bool(found.inexact) != exact


def test_a_plasticity_is_no_part_of_the_network_that_it_acts_on() -> None:
    """Nor are the groups in which it can be read, when variables of the script hold them."""
    cells = NeuronGroup(2, RATE + "r = clip(x, 0, inf) : 1", method="euler", name="E")
    synapses = recurrent(cells)
    synapses.w = [1, 2, 3, 4]
    network = Network(cells, synapses)
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=1 / ms), dt=1 * ms)
    network.add(plasticity)
    readable = plasticity["E"]
    assert list(symmetries().groups) == list(symmetries(network).groups) == ["E"]
    assert list(symmetries([cells, synapses, readable]).groups) == ["E"]
    assert not symmetries().unread


def test_groups_that_are_not_listed_are_found_at_the_ends_of_synapses() -> None:
    cells = NeuronGroup(2, RATE + "r = clip(x, 0, inf) : 1", method="euler", name="E")
    assert list(symmetries([recurrent(cells)]).groups) == ["E"]


@pytest.mark.parametrize(
    "scaling", [{"e": {}}, {"E": {"V": 1}}, {"S": ("W", 1, 1)}, {"S": {"w": 1}}, {"E": ("v", 1, 1)}, {"E": {"v": "1"}}]
)
def test_a_declaration_is_refused_in_the_same_words_wherever_it_is_given(scaling: dict) -> None:
    network = Network(lif_amplitude())
    with pytest.raises(InvalidInputError) as derived:
        symmetries(network, namespace={}).declare(scaling)
    with pytest.raises(InvalidInputError) as balanced:
        nb.as_circuit(network, scaling=scaling, namespace={})
    assert str(derived.value) == str(balanced.value)
