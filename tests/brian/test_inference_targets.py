"""The bitwise promise on the compiled targets: cython, and C++ programs of their own."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Network, Quantity, device, prefs, seed, set_device
from brian2.devices.device import reset_device
from corpus import CORPUS, Case
from test_inference import DURATION, check_simulation, differences, random_rescaling, stored_arrays

from neurobal.brian.network.symmetries import symmetries

# Together they take every path: summed and spiking, delays, refractoriness, events, plasticity, random input, noise.
NAMES = (
    "relu",
    "supralinear",
    "noise_by_neuron",
    "lif_amplitude",
    "conductance_based",
    "adex_area",
    "short_term_plasticity",
    "stdp_additive_by_synapse",
    "custom_event",
    "balanced_excitation_inhibition",
)
CASES = [case for case in CORPUS if repr(case) in NAMES]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_cython(case: Case) -> None:
    before = prefs.codegen.target
    prefs.codegen.target = "cython"
    try:
        check_simulation(case)
    finally:
        prefs.codegen.target = before


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_cpp_standalone(case: Case, tmp_path) -> None:
    objects = case.build()
    rescaling = random_rescaling(symmetries(objects, namespace={}), objects, np.random.default_rng(11))
    initial = stored_arrays(objects)
    set_device("cpp_standalone", build_on_run=False)
    try:
        objects = case.build()
        network = Network(objects)
        seed(7)
        network.run(DURATION, namespace={})
        device.build(directory=str(tmp_path), run=False)
        device.run(run_args={})
        reference = stored_arrays(objects)
        values = {
            getattr(network[owner], name): Quantity(
                rescaling((owner, name), initial[owner, name]), dim=network[owner].variables[name].dim
            )
            for owner, name in rescaling.factors
        }
        device.run(run_args=values)
        assert not differences(reference, stored_arrays(objects), rescaling)
    finally:
        device.reinit()
        reset_device()
