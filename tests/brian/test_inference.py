"""Symmetries of Brian2 networks: as derived by hand, and as simulations show them."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import pytest
from brian2 import Network, SpikeMonitor, ms, prefs, seed
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable
from corpus import CORPUS, Case

from neurobal.brian.network.symmetries import symmetries
from neurobal.symmetry.nullspace import Echelon, Form
from neurobal.symmetry.symmetries import Symmetries

DURATION = 25 * ms


@pytest.fixture(autouse=True)
def numpy_target():
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    gc.freeze()  # Brian2 collects garbage before every run: keep that short
    yield
    prefs.codegen.target = before


def span(basis: list[dict[str, object]]) -> set[Form]:
    """A canonical basis of the same space: two bases are equal if and only if they span the same."""
    solved = Echelon(rank=str)
    for vector in basis:
        solved.add(Form({name: Fraction(str(power)) for name, power in vector.items()}))
    return {Form({pivot: 1}) - row for pivot, row in solved._rows.items()}


@pytest.mark.parametrize("case", CORPUS, ids=repr)
def test_as_derived_by_hand(case: Case) -> None:
    found = symmetries(case.build(), namespace={})
    assert not found.unread
    assert set(found.groups) == set(case.expected)
    for name, basis in case.expected.items():
        group = found.groups[name]
        assert span(group.independent) == span(basis), f"{name}: {group.independent}"
        if name in case.homogeneity:
            assert group.homogeneity == Fraction(str(case.homogeneity[name]))
        assert not group.choices
    assert bool(found.inexact) == case.inexact
    assert "What may be rescaled" in repr(found)


Key = tuple[str, str]


@dataclass
class Rescaling:
    """Factors for arrays; a variable with an origin c moves as x → c + factor (x − c)."""

    factors: dict[Key, np.ndarray]
    origins: dict[Key, float]

    def __call__(self, key: Key, array: np.ndarray) -> np.ndarray:
        origin = self.origins.get(key)
        factor = self.factors.get(key, 1)
        return array * factor if origin is None else origin + factor * (array - origin)


NOTHING = Rescaling({}, {})


def run(objects: list[BrianObject], rescaling: Rescaling = NOTHING) -> dict[Key, np.ndarray]:
    """Run a network, after rescaling its arrays, and return everything that it stores at the end, and all spikes."""
    network = Network(objects)
    monitors = [
        SpikeMonitor(obj, name=f"spikes_{obj.name}") for obj in objects if "spike" in getattr(obj, "events", ())
    ]
    network.add(monitors)
    for owner, name in rescaling.factors:
        array = network[owner].variables[name]
        array.set_value(rescaling((owner, name), array.get_value()))
    seed(7)
    network.run(DURATION, namespace={})
    return stored_arrays(objects) | {("spikes", m.name): np.stack([m.i[:], m.t_[:]]) for m in monitors}


def stored_arrays(objects: list[BrianObject]) -> dict[Key, np.ndarray]:
    """The values of every array that these objects own."""
    return {
        (obj.name, name): np.array(variable.get_value(), copy=True)
        for obj in objects
        for name, variable in getattr(obj, "variables", {}).items()
        if isinstance(variable, ArrayVariable) and variable.owner.name == obj.name and not name.startswith("_")
    }


def random_rescaling(found: Symmetries, objects: list[BrianObject], rng: np.random.Generator) -> Rescaling:
    """Powers of two for every array that moves: each independent symmetry of each group, each neuron on its own."""
    by_name = {obj.name: obj for obj in objects}
    exponents: dict[Key, np.ndarray] = {}
    origins: dict[Key, float] = {}
    for group in found.groups.values():
        for name, constant in group.origins.items():
            origins[group.name, name] = float(by_name[group.name].namespace[constant])
        for powers in group.independent:
            # Whole powers of two for every quantity: a multiple of all denominators.
            unit = lcm(*(power.denominator for power in powers.values()))
            steps = unit * rng.integers(-2, 3, len(by_name[group.name]))
            for name, power in powers.items():
                key, step = (group.name, name), steps
                if "[" in name:
                    owner, variable, side = name.replace("[", ".").rstrip("]").split(".")
                    index = by_name[owner].variables["_synaptic_pre" if side == "pre" else "_synaptic_post"]
                    key, step = (owner, variable), steps[index.get_value()]
                exponents[key] = exponents.get(key, 0) + np.array([int(power * int(s)) for s in step])
    return Rescaling({key: 2.0**exponent for key, exponent in exponents.items()}, origins)


def differences(reference: dict, other: dict, rescaling: Rescaling, exact: bool = True) -> list[Key]:
    """What is not the rescaled reference: bit by bit, or (where pow() or an origin enters) up to rounding."""
    different = []
    for key, before in reference.items():
        expected, found = rescaling(key, before), other[key]
        if exact or expected.shape != found.shape:
            same = np.array_equal(expected, found, equal_nan=True)
        else:
            same = np.allclose(expected, found, rtol=1e-12, atol=1e-15)
        if not same:
            different.append(key)
    return different


@pytest.mark.parametrize("case", CORPUS, ids=repr)
def test_simulation_stays_the_same_under_symmetries_only(case: Case) -> None:
    check_simulation(case)


def check_simulation(case: Case) -> None:
    """Random symmetries change nothing but the scales; a used value scaled on its own does change the run."""
    reference = run(case.build())
    objects = case.build()
    found = symmetries(objects, namespace={})
    rescaling = random_rescaling(found, objects, np.random.default_rng(11))
    assert any(np.any(factor != 1) for factor in rescaling.factors.values()) == any(case.expected.values())
    exact = not (case.inexact or rescaling.origins)
    assert not differences(reference, run(objects, rescaling), rescaling, exact)

    objects = case.build()
    weights = next(obj for obj in objects if obj.name in ("S", "XX"))
    alone = Rescaling({(weights.name, "w"): np.full(len(weights.w), 2.0)}, {})
    assert differences(reference, run(objects, alone), alone)


@pytest.mark.parametrize("name", ["relu", "supralinear", "lif_amplitude", "conductance_based", "short_term_plasticity"])
def test_simulation_stays_the_same_in_single_precision(name: str) -> None:
    before = prefs.core.default_float_dtype
    prefs.core.default_float_dtype = np.float32
    try:
        check_simulation(next(case for case in CORPUS if repr(case) == name))
    finally:
        prefs.core.default_float_dtype = before
