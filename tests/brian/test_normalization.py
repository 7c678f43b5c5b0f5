"""Classical synaptic scaling: sums of incoming weights reach their target, also where connectivity is sparse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import BrianObjectException, Network, NeuronGroup, Synapses, device, ms, mV, prefs, second

import neurobal as nb


def network() -> tuple[Network, Synapses, Synapses]:
    group = NeuronGroup(4, "v : volt", threshold="False", name="E")
    one = Synapses(group, group, "w : volt", on_pre="v_post += w", name="one")
    one.connect(i=[0, 1, 2], j=[1, 1, 2])  # nothing comes into neurons 0 and 3
    one.w = [1, -3, 2] * mV
    two = Synapses(group, group, "w : volt", on_pre="v_post += w", name="two")
    two.connect(i=[3], j=[2])
    two.w = [2] * mV
    return Network(group, one, two), one, two


def test_sums_reach_the_target_at_once_and_nothing_else_changes() -> None:
    net, one, two = network()
    net.add(nb.IncomingNormalization([one, two], 1 * ms, target=2 * mV))
    net.run(1.1 * ms)
    assert np.allclose(one.w / mV, [0.5, -1.5, 1.0])
    assert np.allclose(two.w / mV, [1.0])


def test_without_a_target_the_sums_are_kept() -> None:
    net, one, two = network()
    net.add(nb.IncomingNormalization([one, two], 1 * ms))
    net.run(0.5 * ms)
    one.w = "w*3"
    net.run(1 * ms)
    assert np.allclose(np.bincount(one.j, np.abs(one.w / mV), 4) + np.bincount(two.j, two.w / mV, 4), [0, 4, 4, 0])


def test_targets_that_were_found_are_restored(tmp_path: Path) -> None:
    for restored in (False, True):
        net, one, _ = network()
        net.add(nb.IncomingNormalization(one, 1 * ms, name="norm"))
        if restored:
            net.restore(filename=str(tmp_path / "state"))
        else:
            net.run(1 * ms)
            net.store(filename=str(tmp_path / "state"))
        one.w = "w*3"
        net.run(1 * ms)
        assert np.allclose(one.w / mV, [1, -3, 2])
        del net, one


def test_a_rate_relaxes_logarithms_of_sums() -> None:
    net, one, _ = network()
    net.add(nb.IncomingNormalization(one, 1 * ms, target=np.array([1, 8, 1, 1]) * mV, rate=100 / second))
    net.run(5.05 * ms)  # updates at 0, 1, ..., 5 ms
    assert np.log(np.abs(one.w[:2]).sum() / (8 * mV)) == pytest.approx(np.log(0.5) * np.exp(-0.6))


def test_units_and_targets_are_checked() -> None:
    _, one, _ = network()
    with pytest.raises(nb.InvalidInputError, match="same units"):
        nb.IncomingNormalization(one, 1 * ms, target=2)
    other = NeuronGroup(2, "v : volt", threshold="False", name="other")
    away = Synapses(one.source, other, "w : volt", on_pre="v_post += w", name="away")
    with pytest.raises(nb.InvalidInputError, match="one group"):
        nb.IncomingNormalization([one, away], 1 * ms)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"synapses": "one"}, r"synapses: expected a Synapses .*got 'one'. Give the object itself"),
        ({"synapses": [3]}, r"synapses: expected a Synapses .*got 3"),
        ({"synapses": None}, r"synapses: expected a Synapses .*got None"),
        ({"synapses": []}, r"end on one group, got targets none"),
        ({"weight": "ww"}, r"weight 'ww' of 'one' is no variable of it.*Did you mean 'w'"),
        ({"dt": 1}, r"dt: expected the time between two updates"),
        ({"rate": 5}, r"rate: expected a rate > 0 such as 1/second, or None for at once, got 5"),
        ({"rate": 5 * ms}, r"rate: expected .*got 5. \* msecond"),
        ({"rate": -5 / second}, r"rate: expected .*got -5"),
        ({"rate": [1, 2] / second}, r"rate: expected"),
        ({"target": "x"}, r"target: expected numbers, got 'x'"),
        (
            {"target": [1, 2] * mV},
            r"target: expected one number, or one for each of the 4 neurons of 'E', got shape \(2,\)",
        ),
        ({"target": -1 * mV}, r"target: a sum of absolute weights is a finite number >= 0, got -0.001"),
        ({"target": [1, 1, np.nan, 1] * mV}, r"target: .*got nan"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], reason: str) -> None:
    _, one, _ = network()
    with pytest.raises(nb.InvalidInputError, match=rf"IncomingNormalization.*{reason}"):
        nb.IncomingNormalization(**{"synapses": one, "dt": 1 * ms, **options})


def test_updates_come_at_most_once_a_time_step() -> None:
    net, one, _ = network()
    net.add(nb.IncomingNormalization(one, 0.01 * ms))
    with pytest.raises(BrianObjectException) as error:
        net.run(1 * ms)
    assert "dt = 10. us is smaller than the time step of group 'E'" in str(error.value.__cause__)


@pytest.mark.parametrize("target", ["numpy", pytest.param("cython", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["nb_factor", "nb_total", "total", "goal", "factor"])
def test_names_of_the_user_do_not_matter(target: str, name: str) -> None:
    prefs.codegen.target = target
    group = NeuronGroup(3, "v : 1", threshold="False", name="E")
    one = Synapses(group, group, f"{name} : 1", on_pre=f"v_post += {name}", name="one")
    one.connect()
    setattr(one, name, np.arange(1.0, 10.0))
    Network(group, one, nb.IncomingNormalization(one, 1 * ms, target=2, weight=name)).run(1 * ms)
    np.testing.assert_allclose(np.bincount(one.j, getattr(one, name)), 2)


@pytest.mark.slow
def test_threads_do_not_lose_what_they_add(standalone: Path) -> None:
    """Many synapses on few neurons: threads that add to one sum at the same time would meet all the time."""
    prefs.devices.cpp_standalone.openmp_threads = 2
    try:
        rng = np.random.default_rng(0)
        many = NeuronGroup(100_000, "v : 1", threshold="False", name="many")
        few = NeuronGroup(3, "v : 1", threshold="False", name="few")
        one = Synapses(many, few, "w : 1", on_pre="v_post += w", name="one")
        post, weights = rng.integers(0, 3, 300_000), rng.normal(size=300_000)
        one.connect(i=np.repeat(np.arange(100_000), 3), j=post)
        one.w = weights
        Network(many, few, one, nb.IncomingNormalization(one, 1 * ms, target=[1, 2, 3])).run(3 * ms)
        device.build(directory=str(standalone), compile=True, run=True, debug=False)
        factors = np.array([1, 2, 3]) / np.bincount(post, np.abs(weights))
        np.testing.assert_allclose(one.w[:], weights * factors[post], rtol=1e-9)
    finally:
        prefs.devices.cpp_standalone.openmp_threads = 0
