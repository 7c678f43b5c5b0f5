"""A certificate of Brian2 networks compares the whole model, and says what it did not compare."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from brian2 import (
    BrianObject,
    Function,
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    check_units,
    linked_var,
    ms,
    mV,
    second,
    start_scope,
)

import neurobal as nb

CELLS = """
dv/dt = (g + I*drive(t) - v)/tau : volt (unless refractory)
dg/dt = -g/(5*ms) : volt
dm/dt = -m/tau_m : volt
I : volt
Vt : volt
Vr : volt
a : 1
tau_m : second
kick : volt
"""
Extra = Callable[[NeuronGroup, Synapses], BrianObject | None]


def linked_group(cells: NeuronGroup, synapses: Synapses, first: int = 0) -> NeuronGroup:
    other = NeuronGroup(6, "tau_m : second (linked)\ndx/dt = -x/tau_m : 1", method="euler", name="L")
    other.tau_m = linked_var(cells, "tau_m", index=[first, 1, 2, 3, 4, 5])
    return other


def build(
    cells: str = CELLS,
    threshold: str = "v > Vt",
    reset: str = "v = Vr",
    on_pre: str = "g_post += w*a_pre",
    on_post: str = "",
    tau: Any = 10 * ms,
    drive: Any = (1.0, 1.1),
    method: str = "euler",
    refractory: Any = 2 * ms,
    rates: Any = 30 * Hz,
    times: Any = (1, 2),
    inputs: int = 3,
    regular: str = "m = 0.5*m",
    regular_dt: Any = 1 * ms,
    order: int = 0,
    ends: slice = slice(0, 6),
    extra: Extra | None = linked_group,
) -> Network:
    """A spiking network, like every other one that is built so but for what is said."""
    start_scope()
    namespace = {"tau": tau, "drive": TimedArray(drive, dt=5 * ms)}
    group = NeuronGroup(
        6, cells, threshold=threshold, reset=reset, refractory=refractory, method=method, name="E", namespace=namespace
    )
    group.Vt, group.Vr, group.a, group.I, group.kick = 10 * mV, 1 * mV, 1, 12 * mV, 0.1 * mV
    if "tau_m : second" in cells:
        group.tau_m = 7 * ms
    synapses = Synapses(
        group, group[ends], "w : volt\nu : 1", on_pre=on_pre, on_post=on_post, delay=1 * ms, name="S", order=order
    )
    synapses.connect(condition="i != j")
    synapses.w, synapses.u = "(1 + i + 0.3*j)*mV", 1
    poisson = PoissonGroup(3, rates, name="P")
    clock = SpikeGeneratorGroup(2, [0, 1], np.array(times) * ms, name="K")
    feeds = [
        Synapses(source, group, "w : volt", on_pre="g_post += w", name=f"from{source.name}")
        for source in (poisson, clock)
    ]
    for feed in feeds:
        feed.connect()
        feed.w = 1 * mV
    background = PoissonInput(group, "g", inputs, 4 * Hz, weight="kick")
    group.run_regularly(regular, dt=regular_dt)
    objects = [group, synapses, poisson, clock, *feeds, background]
    more = None if extra is None else extra(group, synapses)
    return Network(objects + ([] if more is None else [more]))


def test_what_is_built_anew_is_the_same() -> None:
    before = nb.as_circuit(build())
    certificate = nb.verify(before, build())
    assert certificate.preserved and certificate.exact and certificate.basis == "equations"
    assert certificate.not_compared == (
        "states (states=True compares them): E.g, E.lastspike, E.m, E.not_refractory, E.v, L.x",
    )
    assert nb.verify(before, build(), states=True).not_compared == ("spikes on their way, and the time",)


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "equation": ({"cells": CELLS.replace("g + I", "2*g + I")}, "in the equations of E became"),
    "flag": ({"cells": CELLS.replace(" (unless refractory)", "")}, "in the equations of E became"),
    "threshold": ({"threshold": "v > 2*Vt"}, "`v > Vt` in the threshold of E became `v > 2*Vt`"),
    "reset": ({"reset": "v = 3*Vr"}, "in the reset of E became"),
    "order of a reset": ({"reset": "v = Vr\ng = 2*g"}, "`g = 2*g` in the reset of E exists in one"),
    "pathway": ({"on_pre": "g_post -= 7*w*a_pre"}, "in the on_pre of S became"),
    "the other neuron's": ({"on_pre": "g_post += w*a_post"}, "in the on_pre of S computes with E.a"),
    "another pathway": ({"on_post": "g_post += w*a_post"}, "on_post of S exists in one of the two networks"),
    "constant": ({"tau": 9 * ms}, "computes with 0.009, and did with 0.01"),
    "timed array": ({"drive": (1.0, 1.2)}, "values of drive in E differs: value 1 was 1.1 and is 1.2"),
    "method": ({"method": "heun"}, "integration method of E was euler and is heun"),
    "refractoriness": ({"refractory": 3 * ms}, "refractoriness of E was 0.002 and is 0.003"),
    "refractory condition": ({"refractory": "v > 2*Vt"}, "refractory of E exists in one of the two networks only"),
    "input rates": ({"rates": 40 * Hz}, "P.rates[0] went from 30 to 40"),
    "rates by an expression": ({"rates": "30*Hz*(1 + i)"}, "rates of P exists in one of the two networks only"),
    "spike times": ({"times": (1, 3)}, "K.spike_time[1] went from 0.002 to 0.003"),
    "background": ({"inputs": 4}, "size and rate of input of E, number 1 was (3, 4.0) and is (4, 4.0)"),
    "regular code": ({"regular": "m = 0.4*m"}, "computes with 0.4, and did with 0.5"),
    "time step": ({"regular_dt": 2 * ms}, "time step of regular code of E, number 1 was 0.001 and is 0.002"),
    "order": ({"order": 1}, "slot (when, order, active)"),
    "subgroup": ({"ends": slice(0, 5)}, "target of S was E[0:6] and is E[0:5]"),
    "link": ({"extra": partial(linked_group, first=1)}, "index of the link L.tau_m differs: value 0 was 0 and is 1"),
    "removed": ({"extra": None}, "L exists in one of the two networks only"),
    "code": (
        {"extra": lambda cells, _: cells.run_regularly("v += 1*mV", dt=1 * ms)},
        "in one of the two networks only",
    ),
    "another input": (
        {"extra": lambda cells, _: PoissonInput(cells, "g", 2, 1 * Hz, weight=1 * mV)},
        "in one of the two networks only",
    ),
    "synapses without any": (
        {"extra": lambda cells, _: Synapses(cells, cells, "w : volt", on_pre="g_post += w", name="late")},
        "exists in one of the two networks only",
    ),
    "network operation": (
        {"extra": lambda *_: NetworkOperation(lambda: None, name="op")},
        "L exists in one of the two networks only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGED)
def test_another_model_is_another_function(what: str) -> None:
    options, said = CHANGED[what]
    before = nb.as_circuit(build())
    certificate = nb.verify(before, build(**options))
    assert certificate.preserved is False and not certificate.exact
    assert said in certificate.message, certificate.message


def set_clock(network: Network) -> None:
    network["E"].clock.dt = 0.05 * ms


VALUES: dict[str, Callable[[Network], None]] = {
    "time constant": lambda network: setattr(network["E"], "tau_m", 3 * ms),
    "delay": lambda network: setattr(network["S"], "delay", 8 * ms),
    "synaptic parameter": lambda network: setattr(network["S"], "u", 5),
    "one synapse's": lambda network: network["S"].u.__setitem__(3, 2),
    "rates": lambda network: setattr(network["P"], "rates", 3 * Hz),
    "weights of an input": lambda network: network["fromP"].w.__setitem__(2, 2 * mV),
    "spikes": lambda network: network["K"].set_spikes([0, 1], [1, 3] * ms),
    "clock": set_clock,
    "switched off": lambda network: setattr(network["S"], "active", False),
}


@pytest.mark.parametrize("what", VALUES)
def test_another_value_is_another_function(what: str) -> None:
    network = build()
    before = nb.as_circuit(network)
    assert nb.verify(before).preserved
    VALUES[what](network)
    try:
        assert nb.verify(before, network).preserved is False
        assert nb.verify(before).preserved is False
    finally:
        network["E"].clock.dt = 0.1 * ms


def test_which_synapses_exist_counts_without_weights_too() -> None:
    """Synapses that send a constant have no weights: a circuit holds nothing of them."""

    def network(j: list[int]) -> Network:
        start_scope()
        cells = NeuronGroup(4, "dx/dt = (I - x)/(10*ms) : 1\nI : 1\nh : 1", method="euler", name="E")
        weighted = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="W")
        weighted.connect(i=[0, 1, 2, 3], j=[1, 2, 3, 0])
        weighted.w = 0.5
        constant = Synapses(cells, cells, "h_post = 1 : 1 (summed)", name="C")
        constant.connect(i=[0, 1, 2], j=j)
        return Network(cells, weighted, constant)

    before = nb.as_circuit(network([1, 2, 3]))
    assert nb.verify(before, network([1, 2, 3])).preserved
    certificate = nb.verify(before, network([1, 2, 0]))
    assert certificate.preserved is False
    assert "postsynaptic neurons of C differs: value 2 was 3 and is 0" in certificate.message


def test_bounds_at_infinity_move_along() -> None:
    """A bound of each synapse that is infinite says nothing of its neurons."""

    def network(scale: np.ndarray) -> Network:
        start_scope()
        equations = "dv/dt = (g - v)/(10*ms) : volt\ndg/dt = -g/(5*ms) : volt\nVt : volt"
        cells = NeuronGroup(4, equations, threshold="v > Vt", reset="v = 0*mV", method="exact", name="E")
        cells.Vt = scale * 10 * mV
        synapses = Synapses(cells, cells, "w : volt\nbound : volt", on_pre="g_post += clip(w, -bound, bound)", name="S")
        synapses.connect(condition="i != j")
        synapses.w, synapses.bound = scale[synapses.j[:]] * 3 * mV, np.inf * mV
        synapses.bound[:3] = scale[synapses.j[:3]] * 2 * mV
        return Network(cells, synapses)

    before = nb.as_circuit(network(np.ones(4)))
    certificate = nb.verify(before, network(np.array([2.0, 4.0, 1.0, 0.5])))
    assert certificate.preserved and certificate.exact
    wrong = network(np.array([2.0, 4.0, 1.0, 0.5]))
    wrong["S"].bound[1] = 7 * mV
    assert nb.verify(before, wrong).preserved is False


def test_methods_may_be_named_in_a_list_or_tuple() -> None:
    before = nb.as_circuit(build(method=["heun", "euler"]))
    assert nb.verify(before, build(method=("heun", "euler"))).preserved
    assert nb.verify(before, build(method=("euler", "heun"))).preserved is False


def test_a_list_of_objects_has_the_slots_of_a_network() -> None:
    network = build()
    before = nb.as_circuit(network)
    assert nb.verify(before, list(network.objects)).preserved
    after = build()
    after.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
    certificate = nb.verify(before, after)
    assert certificate.preserved is False and "the order of slots was" in certificate.message


@pytest.mark.parametrize(
    ("powers", "said"),
    [
        ((3, 1.5), "<= 1e-12), up to rounding: `x ** 3` in r = x**3 : 1 and 1 more"),
        ((1, 1.5), "<= 1e-12), up to rounding: `x ** 1.5` in q = x**1.5 : 1"),
        ((1, 2), "<= 1e-12, bit-exact)"),
        ((1, 3), "<= 1e-12)"),
    ],
)
def test_what_rounds_differently_is_named_and_counted(powers: tuple[float, float], said: str) -> None:
    """The last one is rescaled by other factors: nobody expects bits."""

    def network(scale: np.ndarray) -> Network:
        start_scope()
        equations = f"dx/dt = (I - x)/(10*ms) : 1\nI : 1\nJ : 1\nr = x**{powers[0]} : 1\nq = x**{powers[1]} : 1"
        cells = NeuronGroup(4, equations, method="euler", name="E")
        sends = "w : 1\nu : 1\nI_post = w*r_pre : 1 (summed)\nJ_post = u*q_pre : 1 (summed)"
        synapses = Synapses(cells, cells, sends, name="S")
        synapses.connect(i=[0, 1, 2, 3], j=[1, 2, 3, 0])
        incoming, outgoing = scale[synapses.j[:]], scale[synapses.i[:]]
        synapses.w, synapses.u = incoming / outgoing ** powers[0], incoming / outgoing ** powers[1]
        return Network(cells, synapses)

    scale = np.array([4.0, 16.0, 0.25, 1.0]) if powers[1] < 3 else np.array([3.0, 1.0, 0.7, 1.0])
    certificate = nb.verify(nb.as_circuit(network(np.ones(4))), network(scale))
    assert certificate.preserved and certificate.exact == ("bit-exact" in said)
    assert certificate.message.endswith(said), certificate.message


def test_states_count_if_asked_for() -> None:
    network = build()
    network["E"].v, network["E"].g = "10*mV*rand()", "3*mV*rand()"
    before = nb.as_circuit(network)
    result = nb.balance(network)
    result.apply()
    assert nb.verify(before, network, states=True).preserved and np.ptp(result.scale["E"]) > 0.1
    network["E"].v[2] *= 1.5
    assert nb.verify(before, network).preserved
    certificate = nb.verify(before, network, states=True)
    assert certificate.preserved is False and "E.v[2]" in certificate.message
    network["E"].v[2] = 0 * mV
    assert "E.v[2] went from" in nb.verify(before, network, states=True).message


def test_what_moves_in_synapses_and_is_no_weight_is_compared() -> None:
    def plastic() -> Network:
        start_scope()
        cells = NeuronGroup(3, "dx/dt = (I - x)/(10*ms) : 1\nI : 1", method="euler", name="E")
        model = "w : 1\nlargest : 1\nI_post = clip(w, 0, largest)*x_pre : 1 (summed)"
        synapses = Synapses(cells, cells, model, name="S")
        synapses.connect(condition="i != j")
        synapses.w, synapses.largest = [1, 2, 3, 4, 5, 6], 4
        return Network(cells, synapses)

    network = plastic()
    before = nb.as_circuit(network)
    result = nb.balance(network)
    result.apply()
    assert nb.verify(before, network).preserved
    largest = np.array(network["S"].largest)
    assert np.ptp(largest) > 0.1
    network["S"].largest = 4
    assert nb.verify(before, network).preserved is False


@pytest.mark.parametrize("weight", [0, 1])
def test_what_is_no_weight_tells_scales_too(weight: int) -> None:
    """Where weights are silent, parameters of synapses alone say by how much a neuron was rescaled."""
    start_scope()
    cells = NeuronGroup(3, "dx/dt = (I - x)/(10*ms) : 1\nI : 1", method="euler", name="E")
    synapses = Synapses(cells, cells, "w : 1\nu : 1\nI_post = (w + u)*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
    synapses.w, synapses.u = weight, [1, 2, 3]
    network = Network(cells, synapses)
    before = nb.as_circuit(network, pinned={"E": [0]})
    before.binding.write({"E": np.array([0.0, 1.0, -2.0])}, dyadic=False)
    certificate = nb.verify(before, network)
    assert certificate.preserved
    np.testing.assert_allclose(np.log(certificate.scale["E"]), [0, 1, -2], atol=1e-12)
    synapses.u[1] *= 1.1
    wrong = nb.verify(before, network)
    assert wrong.preserved is False
    assert "S.u[1]" in wrong.message


@pytest.mark.parametrize("promoted", ["tau", "5*ms", "both"])
@pytest.mark.parametrize("same", [True, False])
def test_a_constant_is_the_same_as_a_parameter_of_this_value_everywhere(promoted: str, same: bool) -> None:
    before = nb.as_circuit(build(extra=None))
    cells = CELLS
    if promoted != "5*ms":
        cells = cells.replace("/tau :", "/own_tau :") + "own_tau : second\n"
    if promoted != "tau":
        cells = cells.replace("/(5*ms)", "/decay") + "decay : second\n"
    network = build(cells=cells, extra=None)
    if promoted != "5*ms":
        network["E"].own_tau = 10 * ms
    if promoted != "tau":
        network["E"].decay = 5 * ms
    if not same:
        variable = network["E"].decay if promoted == "5*ms" else network["E"].own_tau
        variable[3] *= 1.25
    certificate = nb.verify(before, network)
    assert certificate.preserved is same
    assert same or "[3]" in certificate.message
    back = nb.verify(nb.as_circuit(network), build(extra=None))
    assert back.preserved is same


def test_a_parameter_that_the_simulation_changes_is_no_constant() -> None:
    before = nb.as_circuit(build(extra=None))
    cells = CELLS.replace("/tau :", "/own_tau :") + "own_tau : second\n"
    network = build(cells=cells, reset="v = Vr\nown_tau = 2*own_tau", extra=None)
    network["E"].own_tau = 10 * ms
    assert nb.verify(before, network).preserved is False
    network = build(cells=cells, extra=lambda group, _: group.run_regularly("own_tau = own_tau/2", dt=5 * ms))
    network["E"].own_tau = 10 * ms
    assert nb.verify(before, network).preserved is False


def test_how_it_is_written_does_not_matter() -> None:
    before = nb.as_circuit(build())
    cells = CELLS.replace("(g + I*drive(t) - v)/tau", "((g  +  I*drive(t)) - v) / tau")
    assert nb.verify(before, build(cells=cells, threshold="(v>Vt)")).preserved
    other_order = CELLS.replace("g + I*drive(t)", "I*drive(t) + g")  # rounds the same here, but not in general
    assert nb.verify(before, build(cells=other_order)).preserved is False


def test_values_that_are_stored_each_step_are_no_difference() -> None:
    """Brian2 counts what computes them."""
    cells = "dx/dt = (I - x)/(10*ms) : 1\nI : 1\ny = 2*x : 1 (constant over dt)"
    network = small(cells)
    assert nb.verify(nb.as_circuit(network), small(cells)).preserved


def test_functions_are_compared() -> None:
    def network(gain: Callable[[Any], Any]) -> Network:
        start_scope()
        namespace = {"gain": nb_function(gain)}
        cells = NeuronGroup(
            2, "dx/dt = (I*gain(t) - x)/(10*ms) : 1\nI : 1", method="euler", name="E", namespace=namespace
        )
        synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
        synapses.connect(i=[0, 1], j=[1, 0])
        synapses.w = [1, 2]
        return Network(cells, synapses)

    def nb_function(python: Callable[[Any], Any]) -> Any:
        from brian2 import check_units

        return check_units(t=second, result=1)(python)

    def double(t: Any) -> Any:
        return 2 + 0 * t

    def triple(t: Any) -> Any:
        return 3 + 0 * t

    before = nb.as_circuit(network(double))
    assert nb.verify(before, network(double)).preserved
    certificate = nb.verify(before, network(triple))
    assert certificate.preserved is False and "the function gain" in certificate.message


@pytest.mark.parametrize("checked", [False, True])
def test_functions_are_what_they_were_after_a_run(checked: bool) -> None:
    """Brian2 adds an implementation when it first generates code."""

    def gain(x: Any) -> Any:
        return np.where(x > 0, x, 0 * x)

    start_scope()
    function = check_units(x=1, result=1)(gain) if checked else Function(gain, arg_units=[1], return_unit=1)
    model = "dx/dt = (gain(I) - x)/(10*ms) : 1\nI : 1"
    cells = NeuronGroup(2, model, method="euler", name="E", namespace={"gain": function})
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1], j=[1, 0])
    network = Network(cells, synapses)
    before = nb.as_circuit(network, pinned=["E"])
    network.run(1 * ms)
    assert nb.verify(before, network).preserved


def test_options_of_a_method_are_compared() -> None:
    def network(options: dict[str, Any] | None) -> Network:
        start_scope()
        model = "dx/dt = (I - x)/(10*ms) : 1\nI : 1"
        cells = NeuronGroup(2, model, method="exact", method_options=options, name="E")
        synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
        synapses.connect(i=[0, 1], j=[1, 0])
        return Network(cells, synapses)

    before = nb.as_circuit(network({"simplify": False}))
    assert nb.verify(before, network({"simplify": False})).preserved
    certificate = nb.verify(before, network({"simplify": True}))
    assert "options of the integration method of E" in certificate.message


def test_what_links_lead_to_is_compared_where_it_is_no_part_of_the_network() -> None:
    start_scope()
    clocks = NeuronGroup(2, "tau : second", name="H")
    clocks.tau = 10 * ms
    cells = NeuronGroup(2, "dx/dt = (I - x)/tau : 1\nI : 1\ntau : second (linked)", method="euler", name="E")
    cells.tau = linked_var(clocks, "tau")
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1], j=[1, 0])
    before = nb.as_circuit([cells, synapses])
    assert nb.verify(before, [cells, synapses]).preserved
    clocks.tau[1] = 20 * ms
    assert nb.verify(before, [cells, synapses]).preserved is False


def test_a_magic_network_is_like_one_of_the_same_objects() -> None:
    start_scope()
    cells = NeuronGroup(2, "dx/dt = (I - x)/(10*ms) : 1\nI : 1", method="euler", name="E")
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1], j=[1, 0])
    before = nb.as_circuit()
    assert nb.verify(before, Network(cells, synapses)).preserved
    assert nb.verify(before, [cells, synapses]).preserved


def test_what_only_looks_does_not_count() -> None:
    before = nb.as_circuit(build(extra=None))
    watched = build(extra=lambda cells, _: StateMonitor(cells, "v", record=True, name="look"))
    assert nb.verify(before, watched).preserved


def test_a_network_operation_is_not_compared_and_proves_nothing() -> None:
    def nothing() -> None:
        pass

    def operated(*_: Any) -> BrianObject:
        return NetworkOperation(nothing, name="op")

    network = build(extra=operated)
    before = nb.as_circuit(network)
    certificate = nb.verify(before, network)
    assert certificate.preserved is None
    assert any("a network operation runs Python code" in line for line in certificate.not_compared)
    assert nb.verify(before, build(extra=operated)).preserved is None


def test_the_script_says_what_its_names_mean_now() -> None:
    start_scope()
    cells = NeuronGroup(2, "dx/dt = (I - x)/tau : 1\nI : 1", method="euler", name="E")
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1], j=[1, 0])
    synapses.w = [1, 2]
    network = Network(cells, synapses)
    tau = 10 * ms
    before, given = nb.as_circuit(network), nb.as_circuit(network, namespace={"tau": tau})
    assert nb.verify(before, network).preserved
    tau = 3 * ms
    assert nb.verify(before, network).preserved is False
    assert nb.verify(before).preserved is False
    assert nb.verify(given, network).preserved  # looked up where it was said, not in the script


def small(
    cells: str = "dx/dt = (I - x)/(10*ms) : 1\nI : 1",
    model: str = "w : 1\nI_post = w*x_pre : 1 (summed)",
    namespaces: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
) -> Network:
    """Two rate neurons that excite each other."""
    start_scope()
    group = NeuronGroup(2, cells, method="euler", name="E", namespace=namespaces[0])
    synapses = Synapses(group, group, model, name="S", namespace=namespaces[1])
    synapses.connect(i=[0, 1], j=[1, 0])
    synapses.w = [1, 2]
    return Network(group, synapses)


def test_a_name_may_mean_something_else_in_each_object() -> None:
    def network(first: float) -> Network:
        return small(
            "dx/dt = (I*q(t) - x)/(10*ms) : 1\nI : 1",
            "w : 1\nI_post = w*q(t)*x_pre : 1 (summed)",
            ({"q": TimedArray([first], dt=1 * ms)}, {"q": TimedArray([2], dt=1 * ms)}),
        )

    before = nb.as_circuit(network(1))
    assert nb.verify(before, network(1)).preserved
    assert nb.verify(before, network(3)).preserved is False


def test_expressions_of_other_groups_have_the_constants_of_who_reads_them() -> None:
    def network(k: float) -> Network:
        cells = "dx/dt = (I - x)/(10*ms) : 1\nI : 1\ngain = k : 1"
        return small(cells, "w : 1\nI_post = w*gain_pre*x_pre : 1 (summed)", ({"k": 2}, {"k": k}))

    before = nb.as_circuit(network(3))
    assert nb.verify(before, network(3)).preserved
    certificate = nb.verify(before, network(5))
    assert certificate.preserved is False and "constant k in S" in certificate.message


def test_code_of_subgroups_belongs_to_their_neurons() -> None:
    def network(first: str, second: str) -> Network:
        net = small("dx/dt = (I - x*y)/(10*ms) : 1\nI : 1\ny : 1")
        halves = [net["E"][:1], net["E"][1:]]
        for half, name in zip(halves, (first, second), strict=True):
            half.run_regularly("y = 1" if name == "A" else "y = 2", dt=1 * ms, name=name)
        net.add(halves)
        return net

    before = nb.as_circuit(network("A", "B"))
    assert nb.verify(before, network("A", "B")).preserved
    assert nb.verify(before, network("B", "A")).preserved is False


def test_which_code_a_line_is_part_of_counts() -> None:
    """The same lines in the same order, but z is halved as often as the other code runs."""

    def network(first: str, second: str) -> Network:
        net = small("dx/dt = (I - x*y*z)/(10*ms) : 1\nI : 1\ny : 1\nz : 1")
        for code, dt in ((first, 1 * ms), (second, 2 * ms)):
            net["E"].run_regularly(code, dt=dt)
        return net

    before = nb.as_circuit(network("y = y/2\nz = z/2", "y = 2*y"))
    assert nb.verify(before, network("y = y/2\nz = z/2", "y = 2*y")).preserved
    assert nb.verify(before, network("y = y/2", "z = z/2\ny = 2*y")).preserved is False


def test_functions_are_compared_by_what_they_compute() -> None:
    def network(source: str, **names: Any) -> Network:
        scope: dict[str, Any] = {"np": np, **names}
        exec(source, scope)
        function = Function(scope["f"], arg_units=[1], return_unit=1)
        return small("dx/dt = (I*f(t/ms) - x)/(10*ms) : 1\nI : 1", namespaces=({"f": function}, {}))

    before = nb.as_circuit(network("def f(x): return np.sin(x)"))
    assert nb.verify(before, network("\n\ndef f(x): return np.sin(x)")).preserved  # wherever it stands
    assert nb.verify(before, network("def f(x): return np.cos(x)")).preserved is False
    before = nb.as_circuit(network("def g(x): return k*x\ndef f(x): return g(x)", k=2))
    assert nb.verify(before, network("def g(x): return k*x\ndef f(x): return g(x)", k=2)).preserved
    assert nb.verify(before, network("def g(x): return k*x\ndef f(x): return g(x)", k=3)).preserved is False
    gains = np.array([2.0])
    net = network("def f(x): return gains[0]*x", gains=gains)
    before = nb.as_circuit(net)
    assert nb.verify(before, net).preserved
    gains[0] = 3
    certificate = nb.verify(before, net)
    assert certificate.preserved is False and "names objects that have changed" in certificate.message

    class Gain:
        value = 2

    certificate = nb.verify(nb.as_circuit(net := network("def f(x): return o.value*x", o=Gain())), net)
    assert any("state of an object of type Gain" in line for line in certificate.not_compared)


def test_a_variable_in_a_namespace_is_compared() -> None:
    def network(value: float, kept: list[NeuronGroup] = []) -> Network:  # noqa: B006  (outlives the network)
        other = NeuronGroup(1, "z : 1 (shared)", name="other")
        other.z = value
        kept.append(other)
        cells = "dx/dt = (I - x*z)/(10*ms) : 1\nI : 1"
        return small(cells, namespaces=({"z": other.variables["z"]}, {}))

    before = nb.as_circuit(network(1))
    assert nb.verify(before, network(1)).preserved
    assert nb.verify(before, network(2)).preserved is False


def test_constants_that_are_not_found_where_verify_is_called_are_named() -> None:
    net = small("dx/dt = (I*gain_of_the_test - x)/(10*ms) : 1\nI : 1")

    def read() -> nb.Circuit:
        gain_of_the_test = 2  # noqa: F841
        return nb.as_circuit(net)

    certificate = nb.verify(read(), net)
    assert certificate.preserved and "constant gain_of_the_test" in certificate.not_compared[-1]
    assert "gain_of_the_test" in certificate.message


def test_a_namespace_that_was_given_counts_as_it_is_now() -> None:
    names = {"gain": 1}
    net = small("dx/dt = (I*gain - x)/(10*ms) : 1\nI : 1")
    before = nb.as_circuit(net, namespace=names)
    assert nb.verify(before, net).preserved
    names["gain"] = 2
    assert nb.verify(before, net).preserved is False


def test_the_script_of_a_plasticity_may_change_its_constants() -> None:
    gain = 1
    net = small("dx/dt = (I*gain - x)/(10*ms) : 1\nI : 1")
    plasticity = nb.Plasticity(net, nb.NormalizedFlow(rate=60 / second), dt=2 * ms)
    assert nb.verify(plasticity.before, net).preserved
    gain = 2
    assert nb.verify(plasticity.before, net).preserved is False
    assert gain


def test_without_another_network_it_is_the_same_one_as_it_is_now() -> None:
    net = small()
    before = nb.as_circuit(net)
    net.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
    certificate = nb.verify(before)
    assert certificate.preserved is False and "order of slots" in certificate.message


def test_constants_that_are_written_otherwise_are_no_proof_of_bits() -> None:
    before = nb.as_circuit(small("dx/dt = (I*p*q - x)/(10*ms) : 1\nI : 1", namespaces=({"p": 0.1, "q": 0.3}, {})))
    promoted = small("dx/dt = (I*p*q - x)/(10*ms) : 1\nI : 1\np : 1\nq : 1")
    promoted["E"].p, promoted["E"].q = 0.1, 0.3
    certificate = nb.verify(before, promoted)
    assert certificate.preserved and not certificate.exact
    assert "are written otherwise than before" in certificate.message


def test_nothing_that_differs_is_exact() -> None:
    net, other = (small("dx/dt = (I - x)/tau : 1\nI : 1\ntau : second") for _ in range(2))
    net["E"].tau, other["E"].tau = 10 * ms, 20 * ms
    certificate = nb.verify(nb.as_circuit(net), other)
    assert certificate.preserved is False and not certificate.exact


def test_one_delay_for_all_is_the_same_as_equal_delays() -> None:
    def network(common: Any, delays: Any) -> Network:
        start_scope()
        group = NeuronGroup(2, "dx/dt = -x/(10*ms) : 1\na : 1", threshold="x > a", method="euler", name="E")
        synapses = Synapses(group, group, "w : 1", on_pre="x_post += w*a_pre", delay=common, name="S")
        synapses.connect(i=[0, 1], j=[1, 0])
        if common is None:
            synapses.delay = delays
        return Network(group, synapses)

    before = nb.as_circuit(network(2 * ms, None))
    assert nb.verify(before, network(None, [2, 2] * ms)).preserved
    assert nb.verify(before, network(None, [2, 3] * ms)).preserved is False


def test_networks_of_objects_without_common_names_say_so() -> None:
    def network(name: str) -> Network:
        group = NeuronGroup(2, "dx/dt = (I - x)/(10*ms) : 1\nI : 1", method="euler", name=name)
        synapses = Synapses(group, group, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
        synapses.connect()
        return Network(group, synapses)

    certificate = nb.verify(nb.as_circuit(network("first")), network("second"))
    assert certificate.preserved is False and "objects with the same name are compared" in certificate.message


# Where another rule changes all weights


def plastic_weights_only() -> tuple[Network, Any]:
    start_scope()
    rng = np.random.default_rng(2)
    cells = NeuronGroup(
        8,
        "dv/dt = (drive + g - v)/(10*ms) : volt\ndg/dt = -g/(5*ms) : volt\ndrive : volt\ntheta : volt\na : volt",
        threshold="v > theta", reset="v = 0*mV", method="exact", name="E",
    )  # fmt: skip
    cells.theta, cells.a, cells.drive = 10 * mV, 1 * mV, rng.uniform(9, 15, 8) * mV
    synapses = Synapses(
        cells, cells,
        "w : 1\ndx_pre_trace/dt = -x_pre_trace/(20*ms) : 1 (event-driven)\n"
        "dx_post_trace/dt = -x_post_trace/(20*ms) : 1 (event-driven)",
        on_pre="g_post += w*a_pre\nx_pre_trace += 0.02\nw *= 1 - x_post_trace",
        on_post="x_post_trace += 0.02\nw *= 1 + x_pre_trace", name="S",
    )  # fmt: skip
    synapses.connect(condition="i != j")
    synapses.w = rng.lognormal(0, 0.7, 56)
    network = Network(cells, synapses)
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=60 / second), dt=2 * ms)
    network.add(plasticity)
    network.run(30 * ms)
    return network, plasticity


def test_where_another_rule_changes_all_weights_it_says_what_is_proven() -> None:
    network, plasticity = plastic_weights_only()
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved is None and not certificate.exact
    assert "weights cannot be compared; proven is the rest: by the equations" in certificate.message
    assert "(3 of them covariant)" in certificate.message
    assert "weights of S, which something else changes too" in certificate.not_compared
    np.testing.assert_allclose(certificate.scale["E"], plasticity["E"].scale[:], rtol=1e-12)
    assert np.ptp(plasticity["E"].scale[:]) > 0.05


@pytest.mark.parametrize("variable", ["theta", "drive", "a"])
def test_constants_must_have_moved_by_the_emitted_scales(variable: str) -> None:
    network, plasticity = plastic_weights_only()
    getattr(network["E"], variable)[:] *= 2  # a rescaling of its own, but not the one that was emitted
    assert nb.verify(plasticity.before, network).preserved is False


def test_states_that_are_measured_from_an_origin_may_change_their_sign() -> None:
    start_scope()
    model = "dv/dt = (El - v + I)/(10*ms) : volt\nI : volt\ntheta : volt\na : 1"
    cells = NeuronGroup(
        3, model, threshold="v > theta", reset="v = El", method="exact", name="E", namespace={"El": -70 * mV}
    )
    cells.v, cells.theta, cells.a = [-65, -60, -55] * mV, -50 * mV, 1
    synapses = Synapses(cells, cells, "w : volt", on_pre="I_post += w*a_pre", name="S")
    synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
    synapses.w = 1 * mV
    network = Network(cells, synapses)
    before = nb.as_circuit(network)
    before.binding.write({"E": np.log([16.0, 1.0, 0.25])}, dyadic=True)
    assert cells.v[0] > 0 * mV
    assert nb.verify(before, network).preserved and nb.verify(before, network, states=True).preserved
    cells.v[1] += 1 * mV
    assert nb.verify(before, network).preserved and nb.verify(before, network, states=True).preserved is False


def test_what_does_not_move_may_not_change_at_all() -> None:
    """Also where weights are stored in single precision, and are compared to 1e-6."""
    start_scope()
    model = "dx/dt = (I - x)/tau : 1\nI : 1\ntau : second"
    cells = NeuronGroup(3, model, method="euler", name="E")
    cells.tau = 10 * ms
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S", dtype={"w": np.float32})
    synapses.connect(i=[0, 1, 2], j=[1, 2, 0])
    synapses.w = 1
    network = Network(cells, synapses)
    before = nb.as_circuit(network)
    assert nb.verify(before, network).preserved
    cells.tau[1] *= 1 + 1e-9
    certificate = nb.verify(before, network)
    assert certificate.preserved is False
    assert "E.tau[1] went from 0.01 to 0.01000000001" in certificate.message


def test_what_is_not_compared_is_not_bit_exact() -> None:
    def operated(*_: Any) -> BrianObject:
        return NetworkOperation(lambda: None, name="op")

    before = nb.as_circuit(build(extra=operated))
    assert not nb.verify(before, build(extra=operated)).exact
