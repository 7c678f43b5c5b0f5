"""Balancing without declarations: what moves comes from the equations; a certificate says how far that is proven."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, mV, network_operation, volt
from brian2.core.base import BrianObjectException

import neurobal as nb

TAU = {"tau": 10 * ms, "Vt": -50 * mV, "Vr": -65 * mV, "El": -70 * mV}


def fixed_spikes() -> Network:
    """The usual LIF: constants in the script, spikes of a fixed size."""
    group = NeuronGroup(
        10, "dv/dt = (El - v + I)/tau : volt\nI : volt", threshold="v > Vt", reset="v = Vr", method="exact",
        namespace=TAU, name="G",
    )  # fmt: skip
    group.I, group.v = np.linspace(18, 25, 10) * mV, -65 * mV
    return Network(group, recurrent(group, "v_post += w"))


def graded(constant: str = "E0", **namespace: object) -> Network:
    """Thresholds, amplitudes and drive per neuron; the resting potential is a constant, here zero."""
    group = NeuronGroup(
        10, f"dv/dt = ({constant} - v + I)/tau : volt\nI : volt\nvt : volt\na : 1", threshold="v > vt",
        reset=f"v = {constant}", method="exact", namespace=TAU | namespace, name="G",
    )  # fmt: skip
    group.I, group.vt, group.a = np.linspace(15, 25, 10) * mV, 10 * mV, 1
    return Network(group, recurrent(group, "v_post += w*a_pre"))


def recurrent(group: NeuronGroup, on_pre: str) -> Synapses:
    synapses = Synapses(group, group, "w : volt", on_pre=on_pre, name="S")
    synapses.connect(condition="i != j")
    synapses.w = np.random.default_rng(0).lognormal(0, 1, len(synapses)) * 0.3 * mV
    return synapses


def test_nothing_has_to_be_declared() -> None:
    net = graded("0*mV")
    result = nb.balance(net)
    assert result.certificate.basis == "equations"
    assert result.certificate.preserved is True
    result.apply()
    assert np.allclose(net["G"].vt / mV, 10 * result.scale["G"])
    assert nb.verify(result.before, net).preserved


def test_constants_of_the_script_are_found_where_balance_is_called() -> None:
    group = NeuronGroup(3, "dr/dt = (-r + x)/tau_local : 1\nx : 1", method="euler", name="rates")
    synapses = Synapses(group, group, "w : 1\nx_post = w*clip(r_pre, 0, inf)**power_local : 1 (summed)", name="R")
    synapses.connect()
    synapses.w = np.arange(1, 10)
    tau_local, power_local = 10 * ms, 1  # noqa: F841  (looked up by name)
    result = nb.balance(pinned={"rates": [0]})
    assert result.certificate.preserved


def test_a_model_that_does_not_allow_it_says_what_to_change() -> None:
    with pytest.raises(nb.NotHomogeneousError, match=r"Vt : volt \(constant\)[\s\S]*v_post\+?\s*\+?=\s*w ?\* ?a_pre"):
        nb.balance(fixed_spikes())


def test_an_assumed_homogeneity_is_no_proof_and_compare_measures_it() -> None:
    net = fixed_spikes()
    result = nb.balance(net, homogeneity={"G": 1})
    assert result.success
    assert result.certificate.basis == "assumed"
    assert result.certificate.preserved is None
    assert not nb.compare(net, result, 200 * ms).identical


def test_a_declaration_that_the_equations_contradict_is_assumed() -> None:
    certificate = nb.balance(graded("0*mV"), scaling={"G": {"v": 1}, "S": ("w", 1, 1)}).certificate
    assert (certificate.basis, certificate.preserved) == ("assumed", None)


def test_a_declaration_that_they_confirm_is_declared() -> None:
    scaling = {"G": {"v": 1, "I": 1, "vt": 1, "a": 1}, "S": ("w", 1, 1)}
    certificate = nb.balance(graded("0*mV"), scaling=scaling).certificate
    assert (certificate.basis, certificate.preserved) == ("declared", True)


def test_what_cannot_be_read_is_no_proof() -> None:
    net = graded("0*mV")

    @network_operation
    def unknown() -> None:
        pass

    net.add(unknown)
    assert nb.balance(net).certificate.basis == "assumed"


def test_a_zero_that_is_no_longer_zero_is_an_error_when_the_network_runs() -> None:
    net = graded("E0", E0=0 * mV)
    result = nb.balance(net)
    result.apply()
    net.run(1 * ms)
    net["G"].namespace["E0"] = 1 * mV
    with pytest.raises(BrianObjectException) as error:  # Brian2 wraps what happens before a run
        net.run(1 * ms)
    assert isinstance(error.value.__cause__, nb.NeurobalError)
    assert "E0" in str(error.value.__cause__)
    result.revert()
    net.run(1 * ms)


def test_more_than_one_way_to_tie_is_a_question() -> None:
    """Three inputs whose product counts: their weights cannot all move by λ, and nothing says how they should."""
    group = NeuronGroup(
        3, "dx/dt = (-x + A*B*C)/tau : 1\nA : 1\nB : 1\nC : 1\ny = clip(x, 0, 1) : 1", method="euler", namespace=TAU,
        name="E",
    )  # fmt: skip
    objects = [group]
    for name in "ABC":
        objects.append(Synapses(group, group, f"w : 1\n{name}_post = w*y_pre : 1 (summed)", name=f"to_{name}"))
        objects[-1].connect()
        objects[-1].w = 1
    with pytest.raises(nb.NotHomogeneousError, match=r"more than one way[\s\S]*\(1\)[\s\S]*\(2\)[\s\S]*scaling="):
        nb.balance(objects)


def test_a_group_that_cannot_move_is_held_and_named() -> None:
    net = graded("0*mV")
    reader = NeuronGroup(2, "dx/dt = (tanh(x) - x)/tau : 1", method="euler", namespace=TAU, name="reader")
    out = Synapses(net["G"], reader, "u : 1", on_pre="x_post += u*a_pre", name="out")
    out.connect()
    out.u = 1
    net.add(reader, out)
    result = nb.balance(net, cost={"S": nb.Power(2)})
    assert "held at λ = 1: reader" in repr(result)
    assert np.all(result.scale["reader"] == 1)
    assert result.certificate.preserved


def test_potentials_measured_from_a_constant_move_about_it() -> None:
    """Affine: v, its threshold and its reset are measured from El, which stays."""
    group = NeuronGroup(
        4, "dv/dt = (El - v + I)/tau : volt\nI : volt\nvt : volt\nvr : volt\na : 1", threshold="v > vt", reset="v = vr",
        method="exact", namespace=TAU, name="G",
    )  # fmt: skip
    group.v, group.vt, group.vr, group.a = -70 * mV, -50 * mV, -65 * mV, 1
    net = Network(group, recurrent(group, "v_post += w*a_pre"))
    result = nb.balance(net)
    result.apply()
    assert np.allclose((group.vt_ + 0.070) / 0.020, result.scale["G"])
    assert np.allclose(group.v_, -0.070)
    assert nb.verify(result.before, net).preserved
    assert group.vt.dim is volt.dim
