"""Brian2 objects become a `Circuit`; what cannot be read is refused with a reason."""

from __future__ import annotations

import gc
import runpy
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    Synapses,
    TimedArray,
    linked_var,
    ms,
    mV,
    nS,
    siemens,
    start_scope,
    volt,
)
from networks import SPIKING_SCALING, Spiking, changed, connected, everything, spiking_arguments

import neurobal as nb

MATRIX = np.array([[0.0, 4, 1], [1, 0, 2], [3, 1, 0]])


def group(n: int = 3, model: str = "v : 1", **options: Any) -> NeuronGroup:
    """A group that sends spikes (in principle)."""
    return NeuronGroup(n, model, threshold="i < 0", name=options.pop("name", "E"), **options)


def synapses(
    source: Any, target: Any, model: str = "w : 1", *, matrix: np.ndarray = MATRIX, name: str = "S"
) -> Synapses:
    return connected(source, target, matrix, model, name, on_pre="v_post += w*v_pre")


SCALING = {"E": {"v": 1}, "S": ("w", 1, 1)}


# --------------------------------------------------------------------------------------------------- what is read


def test_groups_become_populations_and_synapses_projections() -> None:
    model = Spiking()
    circuit = nb.as_circuit(model.network, scaling=SPIKING_SCALING, pinned=["readout"])
    assert {name: p.size for name, p in circuit.populations.items()} == {"cells": 20, "given": 5, "readout": 2}
    assert {p.name: (p.pre, p.post) for p in circuit} == {
        "input_synapses": ("given", "cells"), "exc": ("cells", "cells"), "inh": ("cells", "cells"),
        "output_synapses": ("cells", "readout"),
    }  # fmt: skip
    for one in circuit:
        assert one.weight.size == len(model[one.name]) and np.array_equal(one.weight, np.asarray(model[one.name].w))


def test_exponents_are_those_declared() -> None:
    circuit = nb.as_circuit(Spiking().network, scaling=SPIKING_SCALING, pinned=["readout"])
    exponents = {p.name: p.exponents for p in circuit}
    assert exponents["exc"] == exponents["inh"] == (1, 1)
    assert exponents["input_synapses"] == (1, 0)


def test_subgroups_are_parts_of_their_group() -> None:
    model = Spiking()
    circuit = nb.as_circuit(model.network, **{k: v for k, v in spiking_arguments().items() if k != "cost"})
    assert circuit.projections["exc"].pre_index.max() < 10 <= circuit.projections["inh"].pre_index.min()
    assert np.array_equal(circuit.projections["inh"].pre_index, np.asarray(model["inh"].i) + 10)


def test_subgroups_as_targets() -> None:
    E = group(5)
    S = Synapses(E[1:3], E[2:5], "w : 1", on_pre="v_post += w*v_pre", name="S")
    S.connect(i=[0, 1], j=[2, 0])
    S.w = [1, 2]
    one = nb.as_circuit([E, S], scaling=SCALING).projections["S"]
    assert one.shape == (5, 5) and one.pre_index.tolist() == [1, 2] and one.post_index.tolist() == [4, 2]


def test_multi_synapses_are_read_one_by_one() -> None:
    E = group()
    S = Synapses(E, E, "w : 1", on_pre="v_post += w*v_pre", name="S", multisynaptic_index="k")
    S.connect(i=[0, 1], j=[1, 0], n=3)
    S.w = [1, 2, 3, 4, 5, 6]
    result = nb.balance([E, S], scaling=SCALING, cost=nb.Power(1))
    squeezed = np.zeros((3, 3))
    squeezed[1, 0], squeezed[0, 1] = 6, 15
    assert np.allclose(result.scale["E"], nb.balance(squeezed, cost=nb.Power(1)).scale)
    assert result.weights["S"].shape == (6,)


@pytest.mark.parametrize(("unit", "size"), [(volt, 1.0), (mV, 1e-3), (nS, 1e-9)])
def test_weights_carry_units(unit: Any, size: float) -> None:
    E = group(model=f"v : {'volt' if unit is not nS else 'siemens'}")
    S = connected(E, E, MATRIX, f"w : {'volt' if unit is not nS else 'siemens'}", "S", unit, on_pre="v_post += w")
    circuit = nb.as_circuit([E, S], scaling=SCALING)
    assert circuit.projections["S"].dimension == unit.dim
    assert nb.balance([E, S], scaling=SCALING).cost_before == pytest.approx(np.sum(MATRIX**2) * size**2)


def test_constants_of_the_model_are_parameters_and_states_are_not() -> None:
    circuit = nb.as_circuit(Spiking().network, scaling=SPIKING_SCALING, pinned=["readout"])
    assert set(circuit.populations["cells"].parameters) == {"drive", "theta", "v_reset", "a"}


def test_synapses_that_are_declared_not_to_move_are_left_alone() -> None:
    E, other = group(), group(name="I", model="v : 1")
    S, fixed = synapses(E, E), synapses(E, other, name="fixed")
    circuit = nb.as_circuit([E, other, S, fixed], scaling={**SCALING, "fixed": None}, pinned=["I"])
    assert set(circuit.projections) == {"S"}


def test_several_synapses_on_one_group_add_up() -> None:
    E = group()
    parts = [
        synapses(E, E, matrix=np.where(MATRIX > 1, MATRIX, 0)),
        synapses(E, E, matrix=np.where(MATRIX <= 1, MATRIX, 0), name="T"),
    ]
    result = nb.balance([E, *parts], scaling={**SCALING, "T": ("w", 1, 1)})
    assert np.allclose(result.scale["E"], nb.balance(MATRIX).scale)


def test_homogeneity_overrides_what_a_group_sends() -> None:
    E, other = group(), SpikeGeneratorGroup(1, [], [] * ms, name="I")
    S, given = synapses(E, E), connected(other, E, np.ones((3, 1)), "w : 1", "given", on_pre="v_post += w")
    scaling = {**SCALING, "given": ("w", 1, 0)}
    result = nb.balance([E, other, S, given], scaling=scaling, homogeneity={"E": 2})
    one = result.before.projections["S"]
    assert np.all(one.exponents[1] == 2)
    before = np.array(S.w)
    result.apply()
    λ = result.scale["E"]
    assert np.allclose(S.w, before * λ[one.post_index] / λ[one.pre_index] ** 2)
    assert np.array_equal(S.w, result.weights["S"])


# -------------------------------------------------------------------------------------------- which objects are read


def both(**more: Any) -> tuple[NeuronGroup, Synapses]:
    E = group(**more)
    return E, synapses(E, E)


def test_a_network_a_list_and_their_parts_are_the_same() -> None:
    E, S = both()
    networks = (Network(E, S), [E, S], (S, E), {E, S}, [S], S, Network(S), [E[:2], S])
    scales = [nb.balance(network, scaling=SCALING).scale["E"] for network in networks]
    assert all(np.array_equal(scales[0], other) for other in scales)


def test_a_group_of_which_only_parts_are_listed() -> None:
    E = group()
    S = connected(E[:2], E, MATRIX[:, :2], "w : 1", "S", on_pre="v_post += w*v_pre")
    T = connected(E[2:], E, MATRIX[:, 2:], "w : 1", "T", on_pre="v_post += w*v_pre")
    scaling = {**SCALING, "T": ("w", 1, 1)}
    result = nb.balance([S, T], scaling=scaling)
    assert np.array_equal(result.scale["E"], nb.balance([E, S, T], scaling=scaling).scale["E"])
    assert result.certificate.basis == "declared"


def test_monitors_are_ignored() -> None:
    model = Spiking()
    assert "spikes" in {obj.name for obj in model.network.objects}
    assert set(nb.as_circuit(model.network, scaling=SPIKING_SCALING, pinned=["readout"]).populations) == {
        "cells",
        "given",
        "readout",
    }


def test_no_network_means_what_brian_would_run() -> None:
    """Local variables of this function."""
    E, S = both()  # noqa: RUF059
    assert np.allclose(nb.balance(scaling=SCALING).scale["E"], nb.balance(MATRIX).scale)
    assert set(nb.as_circuit(scaling=SCALING).populations) == {"E"}


def test_no_network_from_a_function_further_down() -> None:
    E, S = both()  # noqa: RUF059

    def helper() -> nb.Balance:
        return nb.balance(scaling=SCALING, level=1)

    assert np.allclose(helper().scale["E"], nb.balance(MATRIX).scale)


SCRIPT = """
import numpy as np
from brian2 import *
import neurobal as nb
E = NeuronGroup(3, "v : 1", threshold="i < 0", name="E")
S = Synapses(E, E, "w : 1", on_pre="v_post += w*v_pre", name="S")
S.connect(i=[0, 1, 2], j=[1, 2, 0])
S.w = [8, 1, 1]
scaling = {"E": {"v": 1}, "S": ("w", 1, 1)}
"""


def test_no_network_in_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "result = nb.balance(scaling=scaling)\nresult.apply()\n")
    names = runpy.run_path(str(script))
    assert np.allclose(names["S"].w, 2)


def test_no_network_in_a_function_of_a_script(tmp_path: Path) -> None:
    """What Brian2 would run there: its local and the global objects."""
    script = tmp_path / "script.py"
    body = "F = NeuronGroup(2, 'u : 1', name='F')\n    return nb.as_circuit(scaling=scaling, pinned=['F'])"
    function = f"def main():\n    {body}\n"
    script.write_text(SCRIPT + function + "circuit = main()\n")
    assert set(runpy.run_path(str(script))["circuit"].populations) == {"E", "F"}


def test_objects_of_other_functions_are_not_read() -> None:
    E, S = both()  # noqa: RUF059

    def elsewhere() -> nb.Balance:
        return nb.balance()

    with pytest.raises(nb.NeurobalError, match="empty"):
        elsewhere()


# ------------------------------------------------------------------------------------------------------------ pins


@pytest.mark.parametrize(
    "pinned",
    [
        lambda E: [1], lambda E: np.array([False, True, False]), lambda E: slice(1, 2),
    ],
    ids=["indices", "mask", "slice"],
)  # fmt: skip
def test_neurons_of_a_group_are_pinned_by_a_dict(pinned: Any) -> None:
    E, S = both()
    for key in ("E", E):
        scale = nb.balance([E, S], scaling=SCALING, pinned={key: pinned(E)}).scale["E"]
        assert np.array_equal(scale == 1, [False, True, False])


def test_groups_and_subgroups_are_pinned() -> None:
    E, S = both()
    other = group(name="I")
    T = synapses(E, other, name="T")
    scaling = {**SCALING, "T": ("w", 1, 1)}
    for pinned in ("I", ["I"], other, [other], {"I": True}, {other: True}):
        assert nb.as_circuit([E, other, S, T], scaling=scaling, pinned=pinned).populations["I"].pinned.all()
    for pinned in (E[1:], [E[1:]], {E[1:]: True}, {E[0:]: [1, 2]}):
        assert nb.as_circuit([E, S], scaling=SCALING, pinned=pinned).populations["E"].pinned.tolist() == [
            False,
            True,
            True,
        ]


def test_several_subgroups_are_pinned_together() -> None:
    E, S = both()
    circuit = nb.as_circuit([E, S], scaling=SCALING, pinned=[E[:1], E[2:]])
    assert circuit.populations["E"].pinned.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "source",
    [lambda: PoissonGroup(3, 10 * Hz, name="I"), lambda: SpikeGeneratorGroup(3, [0], [1] * ms, name="I")],
    ids=["PoissonGroup", "SpikeGeneratorGroup"],
)
def test_sources_of_spikes_are_pinned_by_nature(source: Any) -> None:
    other, (E, S) = source(), both()
    T = connected(other, E, np.ones((3, 3)), "w : 1", "T", on_pre="v_post += w")
    circuit = nb.as_circuit([other, E, S, T], scaling={**SCALING, "T": ("w", 1, 0)})
    assert circuit.populations["I"].pinned.all() and not circuit.populations["E"].pinned.any()


def test_ties_by_group() -> None:
    E, S = both()
    scale = nb.balance([E, S], scaling=SCALING, tied={"E": [0, 1, 1]}).scale["E"]
    assert scale[1] == scale[2] != scale[0]
    assert np.allclose(scale, nb.balance(MATRIX, tied=[0, 1, 1]).scale)


# ------------------------------------------------------------------------------------------------------- bad input


def refused(objects: list, *fragments: str, kind: type = nb.InvalidInputError, **arguments: Any) -> None:
    """An error with these fragments, and nothing in the objects changed."""
    before = everything(objects)
    with pytest.raises(kind) as caught:
        nb.balance(objects, **{"scaling": SCALING, **arguments})
    assert isinstance(caught.value, nb.NeurobalError)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert not changed(before, everything(objects))


def test_a_weight_that_is_a_constant_of_the_namespace() -> None:
    E = group()
    S = Synapses(E, E, "u : 1", on_pre="v_post += w*v_pre", name="S", namespace={"w": 0.3})
    S.connect()
    refused([E, S], "'w' of 'S'", "constant", "w : 1 in the model", "S.w =")


@pytest.mark.parametrize(
    ("model", "fragments"),
    [
        ("w : 1 (shared)", ("shared", "Remove the flag")),
        ("w : integer", ("int32", "float")),
        ("w : boolean", ("bool", "float")),
        ("dw/dt = -w/(10*ms) : 1 (event-driven)", ("event-driven", "clock-driven")),
        ("w = 2*u : 1\nu : 1", ("subexpression", "declare the variables")),
        ("w = 2*u : 1 (constant over dt)\nu : 1", ("subexpression",)),
    ],
    ids=["shared", "integer", "boolean", "event-driven", "subexpression", "constant over dt"],
)
def test_weights_that_cannot_be_scaled(model: str, fragments: tuple[str, ...]) -> None:
    E = group()
    S = Synapses(E, E, model, on_pre="v_post += w*v_pre", name="S")
    S.connect()
    refused([E, S], "'w' of 'S'", *fragments)


@pytest.mark.parametrize(
    ("model", "fragments"),
    [
        ("v : 1\nu : 1 (shared)", ("shared",)),
        ("v : 1\nu : integer", ("int32",)),
        ("v : 1\nu = 2*v : 1", ("subexpression",)),
        ("v : 1", ("'u' of 'E'", "u : 1 in the model")),
    ],
    ids=["shared", "integer", "subexpression", "constant"],
)
def test_variables_of_a_group_that_cannot_be_scaled(model: str, fragments: tuple[str, ...]) -> None:
    E = group(model=model)
    refused([E, synapses(E, E)], "'u' of 'E'", *fragments, scaling={"E": {"v": 1, "u": 1}, "S": ("w", 1, 1)})


def test_a_linked_variable_is_declared_where_it_belongs() -> None:
    other = group(name="other", model="theta : 1")
    E = group(model="v : 1\ntheta : 1 (linked)")
    E.theta = linked_var(other, "theta")
    refused(
        [E, other, synapses(E, E)],
        "'theta'",
        "'other'",
        scaling={"E": {"v": 1, "theta": 1}, "S": ("w", 1, 1)},
        pinned=["other"],
    )


def test_synapses_that_are_not_connected() -> None:
    E = group()
    S = Synapses(E, E, "w : 1", on_pre="v_post += w*v_pre", name="S")
    refused([E, S], "'S'", "not connected", "S.connect")


def test_synapses_that_were_connected_to_nobody() -> None:
    """Not an error by itself."""
    E, S = both()
    T = Synapses(E, E, "w : 1", on_pre="v_post += w*v_pre", name="T")
    T.connect(condition="False")
    assert nb.balance([E, S, T], scaling={**SCALING, "T": ("w", 1, 1)}).success


def test_weights_of_different_units() -> None:
    E = group(model="v : volt\ng : siemens")
    S = connected(E, E, MATRIX, "w : volt", "S", volt, on_pre="v_post += w")
    T = connected(E, E, MATRIX.T, "w : siemens", "T", siemens, on_pre="g_post += w")
    scaling = {"E": {"v": 1, "g": 1}, "S": ("w", 1, 1), "T": ("w", 1, 1)}
    refused([E, S, T], "'T'", "'S'", "cannot be added", "1/nS**2", scaling=scaling)
    cost = {"S": nb.Power(2, weight=1 / volt**2), "T": nb.Power(2, weight=1 / siemens**2)}
    assert nb.balance([E, S, T], scaling=scaling, cost=cost).success


def test_values_that_are_not_finite() -> None:
    E, S = both()
    S.w[2] = np.nan
    refused([E, S], "1 of 6 weights are not finite", "'S'", "E[")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ({"scaling": {**SCALING, "EE": {"v": 1}}}, ("'EE'", "Did you mean 'E'")),
        ({"scaling": {"E": {"vv": 1}, "S": ("w", 1, 1)}}, ("'vv' of 'E'", "Did you mean 'v'")),
        ({"scaling": {"E": {"v": 1}, "S": ("ww", 1, 1)}}, ("'ww' of 'S'", "Did you mean 'w'")),
        ({"scaling": {"E": ("v", 1), "S": ("w", 1, 1)}}, ("scaling['E']", "dict")),
        ({"scaling": {"E": {"v": 1}, "S": "w"}}, ("scaling['S']", "(weight variable, a, b)")),
        ({"scaling": {"E": {"v": 1}, "S": ("w", 1)}}, ("scaling['S']", "(weight variable, a, b)")),
        ({"scaling": {"E": {"v": np.nan}, "S": ("w", 1, 1)}}, ("scaling['E']['v']", "finite number")),
        ({"scaling": {"E": {"v": "1"}, "S": ("w", 1, 1)}}, ("scaling['E']['v']", "finite number")),
        ({"scaling": {"E": {"v": 1}, "S": ("w", 1, np.inf)}}, ("scaling['S']", "finite number")),
        ({"pinned": ["EE"]}, ("pinned", "'EE'", "Did you mean 'E'")),
        ({"pinned": {"EE": [0]}}, ("pinned", "'EE'", "Did you mean 'E'")),
        ({"pinned": {"E": [3]}}, ("pinned", "'E'", "3 is out of range")),
        ({"pinned": {"E": np.ones(2, dtype=bool)}}, ("pinned", "'E'", "3 entries")),
        ({"tied": {"EE": True}}, ("tied", "'EE'", "Did you mean 'E'")),
        ({"tied": {"E": [0, 1]}}, ("tied", "'E'", "3 labels")),
        ({"homogeneity": {"EE": 2}}, ("homogeneity", "'EE'", "Did you mean 'E'")),
        ({"homogeneity": 2}, ("homogeneity", "dict")),
        ({"cost": {"SS": nb.Power(2)}}, ("cost", "'SS'", "Did you mean 'S'")),
        ({"pinned": ["E"]}, ("No neuron is free",)),
    ],
    ids=lambda x: repr(x) if isinstance(x, dict) else "",
)
def test_bad_arguments(arguments: dict, fragments: tuple[str, ...]) -> None:
    E, S = both(name="E")
    refused([E, S], *fragments, **arguments)


def test_what_is_not_a_brian_object() -> None:
    E, S = both()
    with pytest.raises(nb.InvalidInputError, match=r"list holds a str, 'S'"):
        nb.balance([E, S, "S"], scaling=SCALING)


@pytest.mark.parametrize("objects", [list, Network], ids=["list", "Network"])
def test_an_empty_network(objects: Any) -> None:
    with pytest.raises(nb.NeurobalError, match="empty"):
        nb.balance(objects())


def test_a_group_that_says_nothing_of_itself_is_shown_what_to_write() -> None:
    """Fixed thresholds and fixed spikes: what can be done is in the message."""
    E = NeuronGroup(3, "dv/dt = -v/(10*ms) : volt", threshold="v > 15*mV", reset="v = 0*mV", name="E", method="exact")
    S = connected(E, E, MATRIX, "w : volt", "S", mV, on_pre="v_post += w")
    with pytest.raises(nb.NeurobalError) as caught:
        nb.balance([E, S])
    assert "E" in str(caught.value) and "threshold" in str(caught.value) and "a_pre" in str(caught.value)


# -------------------------------------------------------------------------------------------------- the script's names


class Large:
    """Something of the script that is no part of its model."""


def leaky(name: str = "E", tau: str = "tau") -> list[Any]:
    """Two cells whose time constant is a name of the script."""
    cells = NeuronGroup(2, f"dx/dt = (input - x)/{tau} : 1\ninput : 1", method="exact", name=name)
    recurrent = Synapses(cells, cells, "w : 1\ninput_post = w*x_pre : 1 (summed)", name="S")
    recurrent.connect(i=[0, 1], j=[1, 0])
    recurrent.w = [4, 1]
    return [cells, recurrent]


@pytest.mark.parametrize("made", ["balance", "circuit", "plasticity", "reread"])
def test_of_the_scripts_names_those_of_the_model_are_kept(made: str) -> None:
    network = Network(leaky())
    references = []

    def script() -> Any:
        tau, large, x = 10 * ms, Large(), np.zeros(1000)  # x: a name that means something else in the model
        references.append(weakref.ref(large))
        references.append(weakref.ref(x))
        assert tau
        if made == "balance":
            return nb.balance(network)
        if made == "plasticity":
            return nb.Plasticity(network, nb.NormalizedFlow(rate=1 / ms), dt=1 * ms)
        circuit = nb.as_circuit(network)
        return circuit if made == "circuit" else circuit.binding.reread(network)

    kept = script()
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    if made != "plasticity":
        circuit = kept.before if made == "balance" else kept
        assert dict(circuit.binding.motion.external) == {"tau": 10 * ms}
        assert nb.verify(circuit, network).preserved  # from where tau is no name


def test_a_function_of_the_script_is_kept() -> None:
    cells = NeuronGroup(2, "dx/dt = (rise(t)*input - x)/(10*ms) : 1\ninput : 1", method="euler", name="E")
    recurrent = connected(cells, cells, np.array([[0, 1], [4, 0]]), "w : 1\ninput_post = w*x_pre : 1 (summed)", "S")
    rise = TimedArray([1.0, 2.0], dt=1 * ms)
    circuit = nb.as_circuit(Network(cells, recurrent))
    assert dict(circuit.binding.motion.external) == {"rise": rise}


def test_names_of_another_network_are_those_where_it_is_verified() -> None:
    def build() -> Any:
        tau = 10 * ms
        return nb.as_circuit(Network(leaky())), tau

    before, _ = build()
    start_scope()
    other = Network(leaky(tau="tau_m"))
    with pytest.raises(nb.NeurobalError, match=r"'tau_m' in the equations of E is not defined.*namespace="):
        nb.verify(before, other)
    tau_m = 10 * ms
    assert tau_m and nb.verify(before, other).preserved
    tau_m = 20 * ms
    assert "computes with 0.02, and did with 0.01" in nb.verify(before, other).message
