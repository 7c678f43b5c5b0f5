"""From which constants potentials may be measured: small models, each derived by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from written import group, model, synapses

from neurobal.symmetry.model import Constant, Model
from neurobal.symmetry.symmetries import Symmetries

LEVELS = {"v", "Vt", "Vr"}
CONSTANTS = {"tau": 0.02, "taus": 0.005, "El": -0.07}


def spiking(
    *lines: str,
    leak: str = "El - v",
    reset: str = "v = Vr",
    variables: str = "Vt Vr k",
    on_pre: tuple[str, ...] = ("g_post += w",),
    synapses_name: str = "S",
    **constants: float | None,
) -> Model:
    """Integrate-and-fire neurons with one resting potential for all, and more lines."""
    equations = f"dv/dt = ({leak} + g)/tau", "dg/dt = -g/taus"
    cells = group("E", *equations, "if v > Vt", reset, *lines, variables=variables)
    return model(cells, synapses(synapses_name, "E", "E", *on_pre, variables="w"), constants={**CONSTANTS, **constants})


def measured(network: Model, constant: str = "El") -> set[str]:
    """What is measured from this constant."""
    answer = Symmetries(network).groups["E"]
    assert answer.scalable == bool(answer.origins)
    assert set(answer.origins.values()) <= {constant}
    return set(answer.origins)


# More lines of the model, in which k is a parameter of each neuron, with what is measured from El then.
LINES: dict[tuple[str, ...], set[str]] = {
    (): LEVELS,
    # assignments: what is added is a difference
    ("v += k",): LEVELS,
    ("v -= k",): LEVELS,
    ("vs := v", "if vs > Vt"): LEVELS,
    ("vs := v + Vt", "if vs > Vr"): set(),
    ("v += Vr",): set(),
    ("v *= 0.5",): set(),
    ("v /= 2",): set(),
    ("v = k",): {*LEVELS, "k"},
    ("v = El",): LEVELS,
    ("v = 0",): set(),
    ("v = v + k",): LEVELS,
    ("v = v + Vr",): set(),
    ("v = v + Vr - Vt",): LEVELS,
    ("v = -v",): set(),
    ("v = -k + v",): LEVELS,
    ("v = 2*v - Vr",): set(),
    ("v = Vr + (v - Vr)*0.5",): LEVELS,
    ("v = Vr + (v - Vr)*k",): LEVELS,
    ("v = abs(v)",): set(),
    ("v = Vr + abs(v - Vr)",): LEVELS,
    ("v = clip(v, Vr, k)",): {*LEVELS, "k"},
    ("v = clip(v, 0, k)",): set(),
    ("v = Vr + clip(v - Vr, 0, k)",): LEVELS,
    # names within the block
    ("tmp = v - Vr", "v = Vr + tmp"): LEVELS,
    ("tmp = v", "v = tmp"): LEVELS,
    ("tmp = v", "tmp += k", "v = tmp"): LEVELS,
    ("tmp = v", "tmp -= k", "v = tmp"): LEVELS,
    ("tmp = v", "tmp += Vr", "v = tmp"): set(),
    ("tmp = v", "tmp *= 0.5", "v = tmp"): set(),
    ("tmp = v - Vr", "tmp *= 0.5", "v = Vr + tmp"): LEVELS,
    ("tmp = v - Vr", "tmp *= v", "k = tmp"): set(),
    # conditions
    ("if v > k",): {*LEVELS, "k"},
    ("if v - Vr > k",): LEVELS,
    ("if v > Vt and v < k",): {*LEVELS, "k"},
    ("if v",): set(),
    ("if v > 0",): set(),
    ("g = g*int(v > k)",): {*LEVELS, "k"},
    ("g = g*exp((v - Vr)/k)",): LEVELS,
    ("g = g*exp(v/k)",): set(),
    ("fixed v",): set(),
    ("fixed k",): LEVELS,
    # a line that cannot be read
    ("g = (v",): set(),
    ("k = 1 if k else 0",): LEVELS,
}


@pytest.mark.parametrize("lines", LINES, ids="; ".join)
def test_one_constant_for_all(lines: tuple[str, ...]) -> None:
    assert measured(spiking(*lines)) == LINES[lines]


def test_constants_of_one_value_are_one_origin() -> None:
    assert measured(spiking("v = F", F=-0.07)) == LEVELS
    assert measured(spiking("v = F", F=-0.06)) == set()


def test_an_origin_may_have_a_value_that_is_not_known_yet() -> None:
    network = spiking(El=None)
    assert measured(network) == LEVELS
    assert Symmetries(network).assumed == {} and "measured from El" in repr(Symmetries(network))


def test_a_number_in_the_code_is_no_origin_and_stands_still() -> None:
    assert measured(spiking("v = -70*mV")) == set()
    assert measured(spiking("v = 0.001 + v")) == set()


def test_a_constant_potential_of_zero_is_zero_only_where_it_is_the_origin() -> None:
    """With El at 0 everything is measured from zero; another constant at 0 is not zero any more, seen from El."""
    plain = Symmetries(spiking(El=0.0)).groups["E"]
    assert plain.scalable and not plain.origins
    assert measured(spiking("if v > E0", E0=0.0)) == set()


def test_potentials_have_one_origin_in_common() -> None:
    """2 El - v would have to be measured from 2 El. In El - v + Vr - k only k has to be measured from El."""
    assert measured(spiking(leak="2*El - v")) == set()
    assert measured(spiking(leak="El + El - v")) == set()
    assert measured(spiking(leak="El - v + Vr - k")) == {"k"}


def test_resting_potentials_come_first() -> None:
    """Either of two constants with one value could be the origin: the one that is called like one is named."""
    network = spiking(reset="v = A", variables="Vt", A=-0.07)
    assert measured(network, "El") == {"v", "Vt"}
    network = spiking(reset="v = A", leak="B - v", variables="Vt", A=-0.07, B=-0.07)
    assert measured(network, "A") == {"v", "Vt"}


def test_synapses_that_know_potentials() -> None:
    """A synapse may write a reset; its own variables stay where they are."""
    assert measured(spiking(on_pre=("g_post += w", "v_post = Vr_post"))) == LEVELS
    assert measured(spiking(on_pre=("g_post += w", "v_post = El"))) == LEVELS  # a constant of that value
    assert measured(spiking(on_pre=("g_post += w", "v_post = -70*mV"))) == set()
    assert measured(spiking(on_pre=("g_post += w", "v_post = w"))) == set()
    assert measured(spiking(on_pre=("g_post += w*int(v_post > Vr_post)",))) == LEVELS
    assert measured(spiking(on_pre=("g_post += w*int(v_post > 0)",))) == set()


@pytest.mark.parametrize("name", ["A", "S"])
def test_a_constant_of_synapses_is_no_origin(name: str) -> None:
    network = spiking(on_pre=("g_post += w", "v_post = E0"), synapses_name=name, E0=-0.07)
    assert measured(network, "El") == LEVELS
    network = spiking(leak="Vr - v", on_pre=("g_post += w", "v_post = E0"), synapses_name=name, E0=-0.07)
    assert measured(network) == set()


def test_a_constant_that_the_model_writes_is_no_origin() -> None:
    network = spiking("v += k")
    shared = Constant("El", -0.07, promotable=True, stored=("E", "El"))
    statements = network.groups["E"].statements
    statements[:] = [replace(s, scope={**s.scope, "El": shared}) for s in statements]
    assert measured(network) == LEVELS
    statements.append(replace(statements[-1], text="El += 0", expression="0", target="El"))
    assert measured(network) == set()


def test_what_is_measured_and_what_it_rests_on() -> None:
    found = Symmetries(spiking("v += k"))
    answer = found.groups["E"]
    assert answer.origins == {"v": "El", "Vt": "El", "Vr": "El"}
    assert answer.powers == {"v": 1, "g": 1, "Vt": 1, "Vr": 1, "k": 1}
    assert found.assumed == {("E", "El"): -0.07}
