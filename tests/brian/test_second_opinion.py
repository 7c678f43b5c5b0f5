"""The powers that equations give are those that numbers show: all of them, and no others."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from brian2 import Synapses, mV
from brian2.core.base import BrianObject
from corpus import CORPUS, INPUT, LEVELS, LIF, Case, N, lif, lif_parameters, linear, rates
from second_opinion import Directions, Steps

from neurobal.brian.network.symmetries import symmetries

SPIKING = ("lif_amplitude", "lif_affine", "lif_literals", "conductance_based", "izhikevich_2007", "poisson_input")
ERROR = 1e-5  # of the coefficients of equations whose largest coefficient is 1; they come from central differences


def is_fast(case: Case) -> bool:
    """Models without spikes take a quarter of a second, the others three: thresholds are found by bisection."""
    return set(case.expected) <= {"E", "R"} or repr(case) in SPIKING


@pytest.fixture(autouse=True)
def short_collections() -> None:
    gc.freeze()  # Brian2 collects garbage before every run


def directions(objects: Sequence[BrianObject]) -> dict[str, tuple[Directions, np.ndarray]]:
    """For each group, the equations of its powers, and the powers that the package gives: one row a symmetry."""
    found = symmetries(objects, namespace={})
    steps = Steps(objects)
    result = {}
    for group in steps.groups:
        answer = found.groups[group.name]
        origins = {name: float(group.namespace[constant]) for name, constant in answer.origins.items()}
        equations = Directions(steps, group, origins)
        names = [str(unknown) for unknown in equations.unknowns]
        assert {name for powers in answer.independent for name in powers} <= set(names)
        certified = [[float(powers.get(name, 0)) for name in names] for powers in answer.independent]
        result[group.name] = equations, np.array(certified).reshape(-1, len(names))
    return result


def check(objects: Sequence[BrianObject]) -> None:
    for equations, certified in directions(objects).values():
        assert np.all(np.abs(equations.matrix @ certified.T) < ERROR), "certified, but numbers change"
        assert len(equations.null_space) == len(certified), "numbers allow more than is certified"


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if is_fast(case) else pytest.mark.slow) for case in CORPUS], ids=repr
)
def test_equations_and_numbers_give_the_same_powers(case: Case) -> None:
    check(case.build())


def a_name_of_a_block_that_the_script_has_too() -> list[BrianObject]:
    objects = rates(INPUT + "r = clip(x, 0, inf) : 1", z=0.0)
    objects[0].run_regularly("z = 0.5\nx = x + z")
    return objects


def names_that_brian_uses_itself() -> list[BrianObject]:
    return rates(
        INPUT + "j = 2*x : 1\nlastspike : 1\nr = lastspike*clip(x, 0, inf)/(1 + j**2) : 1", lastspike=np.ones(N)
    )


def potentials_summed_over_synapses() -> list[BrianObject]:
    """Two synapses a neuron: in coordinates of the origin El, their sum is not what it was."""
    levels = LEVELS.replace("El : volt (constant)\n", "")
    objects = lif(LIF.replace("+ g", "+ g + (vs - v)/10") + levels + "vs : volt", El=-70 * mV)
    summing = Synapses(objects[0], objects[0], "vs_post = v_post : volt (summed)", name="P")
    summing.connect(i=[*range(N), *range(N)], j=[*range(N), *range(1, N), 0])
    return [*objects, summing]


@pytest.mark.parametrize(
    "build",
    [
        a_name_of_a_block_that_the_script_has_too,
        names_that_brian_uses_itself,
        pytest.param(potentials_summed_over_synapses, marks=pytest.mark.slow),
    ],
    ids=lambda build: build.__name__,
)
def test_models_that_were_certified_wrongly_once(build: Callable[[], list[BrianObject]]) -> None:
    check(build())


def test_numbers_contradict_a_wrong_power() -> None:
    for build in (linear, lif_parameters):
        [(equations, certified)] = directions(build()).values()
        for index in np.flatnonzero(certified[0]):
            wrong = certified[0].copy()
            wrong[index] *= 2
            assert np.any(np.abs(equations.matrix @ wrong) > 1e3 * ERROR), equations.unknowns[index]
