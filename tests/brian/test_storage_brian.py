"""Results of Brian2 networks in files: read in another process, compared with a network built anew, applied to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    PoissonGroup,
    Synapses,
    TimedArray,
    check_units,
    implementation,
    ms,
    mV,
    nS,
    prefs,
    start_scope,
)
from corpus import CORPUS, Case

import neurobal as nb

ROOT = Path(__file__).parents[2]


def build(drive: Any = None, weight: float = 1.0) -> Network:
    """Conductances with units, inputs, delays, a constant of the script, thresholds that move."""
    start_scope()
    cells = NeuronGroup(
        4,
        "dv/dt = (gain*drive + g - v)/tau : volt\ndg/dt = -g/(5*ms) : volt\n"
        "drive : volt\ntheta : volt\na : volt/siemens",
        threshold="v > theta", reset="v = 0*mV", method="exact", name="E", refractory=2 * ms,
        namespace={"tau": 10 * ms, "gain": 2.0},
    )  # fmt: skip
    cells.drive, cells.theta, cells.a = 12 * mV, 10 * mV, 1 * mV / nS
    synapses = Synapses(cells, cells, "w : siemens", on_pre="g_post += w*a_pre", name="S", delay=1 * ms)
    synapses.connect(condition="i != j")
    synapses.w = np.linspace(0.1, 1, 12) * weight * nS
    poisson = PoissonGroup(2, 50 / (1000 * ms), name="P")
    feed = Synapses(poisson, cells, "w : volt", on_pre="g_post += w", name="PE")
    feed.connect()
    feed.w = 1 * mV
    return Network(cells, synapses, poisson, feed)


def unitless() -> Network:
    start_scope()
    units = NeuronGroup(3, "dx/dt = (I - x)/tau : 1\nI : 1\nr = clip(x, 0, inf) : 1", method="euler", name="cells",
                        namespace={"tau": 0.01})  # fmt: skip
    synapses = Synapses(units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", name="synapses")
    synapses.connect()
    synapses.w = 1
    return Network(units, synapses)


COST = {"S": nb.Power(2, weight=1 / nS**2)}
OTHER_PROCESS = """
import sys
import numpy as np
import neurobal as nb
nb.load("plain.npz"), nb.load("symmetries.npz")
assert "brian2" not in sys.modules  # before anything needs it: units, or a network
from brian2 import prefs
prefs.codegen.target = "numpy"
result, symmetries = nb.load("balance.npz"), nb.load("symmetries.npz")
print(result); print(symmetries); print(result.formulation.cost["S"])
from test_storage_brian import build
network = build()
print(nb.verify(result.before, network))
applied = result.apply_to(network)
print(nb.verify(result.before, network), applied.is_applied())
np.save("weights.npy", np.array(network["S"].w))
applied.revert()
print(nb.verify(result.before, network, states=True).exact)
"""


def test_a_result_in_another_process(tmp_path: Path) -> None:
    network = build()
    result = nb.balance(network, cost=COST)
    nb.save(tmp_path / "balance.npz", result)
    nb.save(tmp_path / "symmetries.npz", nb.symmetries(network))
    nb.save(tmp_path / "plain.npz", nb.as_circuit(unitless()))
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
    run = subprocess.run(
        [sys.executable, "-c", paths + OTHER_PROCESS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    said = run.stdout
    assert said.startswith(f"{result}\n{nb.symmetries(network)}\n{COST['S']}\n")
    assert said.endswith("True\nTrue\n") and said.count("function preserved") == 3
    result.apply()
    np.testing.assert_array_equal(np.load(tmp_path / "weights.npy"), np.array(network["S"].w))


def stored(thing: Any, tmp_path: Path) -> Any:
    nb.save(tmp_path / "file", thing)
    return nb.load(tmp_path / "file")


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    loaded = stored(nb.balance(build(), cost=COST), tmp_path)
    with pytest.raises(nb.NeurobalError, match="apply_to"):
        loaded.apply()
    with pytest.raises(nb.NeurobalError, match="Say which network"):
        nb.verify(loaded.before)
    other = build()
    other["E"].namespace["tau"] = 11 * ms
    with pytest.raises(nb.NeurobalError, match="different models"):
        loaded.apply_to(other)
    assert nb.verify(loaded.before, other).preserved is False
    assert nb.verify(loaded.before, build(weight=1.5)).preserved is False


def test_a_loaded_circuit_is_balanced_and_applied(tmp_path: Path) -> None:
    loaded = stored(nb.as_circuit(build()), tmp_path)
    network = build()
    nb.balance(loaded, cost=COST).apply_to(network)
    result = nb.balance(build(), cost=COST)
    np.testing.assert_allclose(np.array(network["S"].w), result.circuit.projections["S"].weight, rtol=1e-14)
    assert loaded.projections["S"].dimension is network["S"].w.dim


def test_functions_are_named_and_not_kept(tmp_path: Path) -> None:
    def network(times: Any, slope: float) -> Network:
        stimulus = TimedArray(times * mV, dt=1 * ms)

        @implementation("numpy", discard_units=True)
        @check_units(x=1, result=1)
        def bent(x: Any) -> Any:
            return slope * x

        units = NeuronGroup(
            3, "dx/dt = (I + stimulus(t)/mV*b + c - x)/(10*ms) : 1\nI : 1\nb : 1\nr = clip(x, 0, inf) : 1\n"
            "c = bent(0) : 1",
            method="euler", name="cells", namespace={"stimulus": stimulus, "bent": bent},
        )  # fmt: skip
        synapses = Synapses(units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", name="synapses")
        synapses.connect()
        synapses.w = 1
        return Network(units, synapses)

    scaling = {"cells": {"x": 1, "I": 1, "b": 1}, "synapses": ("w", 1, 1)}
    loaded = stored(nb.as_circuit(network([1, 2], 1.0), scaling=scaling), tmp_path)
    certificate = nb.verify(loaded, network([1, 2], 2.0))
    assert any("function bent" in line and "not kept" in line for line in certificate.not_compared)
    assert "values of stimulus" in nb.verify(loaded, network([1, 3], 1.0)).message


@pytest.mark.parametrize("dyadic", [False, True])
def test_after_a_plasticity(dyadic: bool, tmp_path: Path) -> None:
    from brian2 import second

    network = build()
    plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=1 / second), dt=5 * ms, cost=COST, dyadic=dyadic)
    network.add(plasticity)
    network.run(20 * ms)
    loaded = stored(plasticity.before, tmp_path)
    assert nb.verify(loaded, network).preserved and loaded.roundings == plasticity.before.roundings


@pytest.mark.parametrize("case", CORPUS, ids=repr)
def test_models_of_the_literature(case: Case, tmp_path: Path) -> None:
    start_scope()
    objects = case.build()
    answer = nb.symmetries(objects, namespace={})
    assert repr(stored(answer, tmp_path)) == repr(answer)
    try:
        circuit = nb.as_circuit(objects, namespace={})
    except nb.NotHomogeneousError:
        return
    certificate, expected = nb.verify(stored(circuit, tmp_path), objects), nb.verify(circuit, objects)
    assert (certificate.preserved, certificate.exact) == (expected.preserved, expected.exact)
    assert certificate.residual == expected.residual == 0


@pytest.fixture(autouse=True)
def numpy_target() -> Any:
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = target
