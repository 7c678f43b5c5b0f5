"""Synapses whose strength is a constant of the script: what could be their weight, and what it would take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, mV

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries
from neurobal.symmetry.symmetries import Symmetries

EVENT_DRIVEN = "du/dt = (U - u)/tau_f : 1 (event-driven)\ndx/dt = (1 - x)/tau_d : 1 (event-driven)"
OWN_RELEASE = "du/dt = (U0 - u)/tau_f : 1 (event-driven)\ndx/dt = (1 - x)/tau_d : 1 (event-driven)\nU0 : 1"
PARAMETERS = "u : 1\nx : 1\nlastupdate : second"
RELEASE = "u += U*(1 - u)\nr = u*x\nx -= r\n"
SENT = "g_post += w_e*r*a_pre"
SINCE = "u = U + (u - U)*exp(-(t - lastupdate)/tau_f)\nx = 1 + (x - 1)*exp(-(t - lastupdate)/tau_d)\nlastupdate = t\n"

SHORT_TERM_PLASTICITY = pytest.mark.parametrize(
    ("model", "on_pre"),
    [
        (EVENT_DRIVEN, RELEASE + SENT),
        (OWN_RELEASE, RELEASE.replace("U*", "U0*") + SENT),
        (PARAMETERS, SINCE + RELEASE + SENT),
        (EVENT_DRIVEN, "u += U*(1 - u)\nx -= u*x\ng_post += w_e*u*x*a_pre"),
        (EVENT_DRIVEN, RELEASE + "sent = r*w_e\ng_post += sent*a_pre"),
    ],
    ids=["event-driven", "own release", "parameters", "in one line", "local name"],
)


def network(model: str, on_pre: str, cells: str = "theta : volt", **more: Any) -> Network:
    names = {"w_e": 3 * mV, "U": 0.4, "tau_d": 200 * ms, "tau_f": 50 * ms, "theta": 5 * mV} | more
    equations = f"dv/dt = (g - v)/(10*ms) : volt\ndg/dt = -g/(5*ms) : volt\n{cells}\na : 1"
    group = NeuronGroup(5, equations, threshold="v > theta", reset="v = 0*mV", name="E", namespace=names)
    synapses = Synapses(group, group, model, on_pre=on_pre, name="S", namespace=names)
    synapses.connect()
    group.v, group.g, group.a = np.linspace(1, 9, 5) * mV, 12 * mV, 1
    if "theta" in group.variables:
        group.theta = 5 * mV
    for name, value in (("x", 1), ("u", 0.4), ("U0", 0.4)):
        if name in synapses.variables:
            setattr(synapses, name, value)
    if "w_e" in synapses.variables:
        synapses.w_e = np.linspace(1, 6, 25) * mV
    return Network(group, synapses)


def lines(found: Symmetries) -> list[str]:
    remedy = found.remedy("E")
    assert remedy is not None
    return [line for change in remedy.changes for line in change.new_lines]


@SHORT_TERM_PLASTICITY
def test_resources_are_no_weights(model: str, on_pre: str) -> None:
    found = symmetries(network(model, on_pre), namespace={})
    assert found.projections["S"].weights == () and not found.groups["E"].scalable
    assert lines(found) == ["w_e : volt (constant)"]
    assert any("w_e is the same for all synapses" in str(obstacle) for obstacle in found.obstacles("E"))


@SHORT_TERM_PLASTICITY
def test_with_what_is_printed_it_can_be_balanced(model: str, on_pre: str) -> None:
    plain, balanced = (network(f"{model}\nw_e : volt (constant)", on_pre) for _ in range(2))
    result = nb.balance(balanced, dyadic=True)
    assert balanced["S"].name in result.weights and np.ptp(result.scale["E"]) > 0
    result.apply()
    for net in (plain, balanced):
        net.run(30 * ms)
    assert np.array_equal(balanced["E"].v_, result.scale["E"] * plain["E"].v_)
    assert plain["S"].x[:].min() < 0.9  # synapses were used


def test_all_constants_at_once() -> None:
    found = symmetries(network(EVENT_DRIVEN, RELEASE + SENT.replace("*a_pre", ""), cells=""), namespace={})
    assert found.projections["S"].weights == ()
    assert set(lines(found)) >= {"w_e : volt (constant)", "theta : volt (constant)"}
    assert "S.w_e = w_e" in repr(found)


@pytest.mark.parametrize("factor", ["", "u*", "gain*"])
def test_a_weight_that_could_move_is_one_before_constants_are(factor: str) -> None:
    """Thresholds for all are in its way here, and it is they that have to become parameters."""
    model, on_pre = f"{EVENT_DRIVEN}\nw : volt", f"{RELEASE}g_post += {factor}w*x"
    found = symmetries(network(model, on_pre, cells="", gain=0.7), namespace={})
    assert [weight.variable for weight in found.projections["S"].weights] == ["w"]
    assert "theta : volt (constant)" in lines(found) and not any("gain" in line for line in lines(found))


def test_a_weight_that_a_rule_learns() -> None:
    """Between bounds with a name it could move; between 0 and 1 it cannot, and a constant factor is the strength."""
    for bound, weights, changed in (("wmax", ["w"], "wmax"), ("1", [], "w_e")):
        model, rule = "w : 1\ndp/dt = -p/(20*ms) : 1 (event-driven)", f"p += dA\nw = clip(w + p, 0, {bound})"
        found = symmetries(network(model, f"g_post += w_e*w*a_pre\n{rule}", wmax=1.0, dA=0.1), namespace={})
        assert [weight.variable for weight in found.projections["S"].weights] == weights
        assert any(line.startswith(changed) for line in lines(found))


def test_a_state_that_cannot_move_is_no_error_of_other_synapses() -> None:
    """Event-driven variables cannot be costed, which is of no concern where they do not move."""
    model = "dv/dt = (g - v)/(10*ms) : 1\ng : 1\ndc/dt = -c/ms : 1\ntheta : 1\na : 1"
    cells = NeuronGroup(5, model, threshold="v > theta", reset="v = 0", name="E")
    weighted = Synapses(cells, cells, "w : 1", on_pre="g_post += w*a_pre", name="weighted")
    counting = Synapses(cells, cells, "dq/dt = (1 - q)/ms : 1 (event-driven)", on_pre="c_post += q", name="counting")
    for synapses in (weighted, counting):
        synapses.connect()
    weighted.w, cells.theta, cells.a = np.linspace(1, 2, 25), 1, 1
    result = nb.balance([cells, weighted, counting])
    assert list(result.weights) == ["weighted"]


def test_constants_beside_synapses_that_have_weights_are_found() -> None:
    """Whichever comes first: synapses with a weight of their own end no search."""
    for name in ("A", "Z"):
        net = network("", "g_post += w_e*a_pre", cells="theta : volt")
        cells = net["E"]
        weighted = Synapses(cells, cells, "w : volt", on_pre="g_post += w*a_pre", name=name)
        weighted.connect()
        found = symmetries(Network(net.objects, weighted), namespace={})
        assert "w_e : volt (constant)" in lines(found), name
