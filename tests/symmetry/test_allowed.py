"""Constants of a rule that may stay as they are: which, and what the model is with them."""

from __future__ import annotations

import pytest
from written import group, model, synapses

from neurobal.errors import InvalidInputError
from neurobal.symmetry.allowed import allowable, with_allowed
from neurobal.symmetry.model import Kind, Model, Variable
from neurobal.symmetry.symmetries import Symmetries


def learning(name: str = "S") -> Model:
    """A rule with a step and a bound that are the same for all synapses; c acts on neurons, d on both."""
    cells = group("E", "dv/dt = (g - v)/tau", "dg/dt = -g/tau", "if v > Vt", variables="Vt a")
    rule = synapses(
        name, "E", "E", "g_post += c*w*a_pre", "w = clip(w + step, 0, bound)", "p += d", "g_post += d", variables="w p"
    )
    constants = {"tau": 0.01, "step": 0.1, "bound": 2.0, "c": 1.0, "d": 3.0}
    return model(cells, rule, constants=constants)


@pytest.mark.parametrize("name", ["A", "S"])
def test_constants_of_rules_only(name: str) -> None:
    assert allowable(learning(name)) == ["step", "bound"]


@pytest.mark.parametrize("name", ["A", "S"])
def test_what_is_allowed_counts_as_one_of_each_synapse(name: str) -> None:
    network = learning(name)
    assert not Symmetries(network).groups["E"].scalable
    allowed, where = with_allowed(network, ["step", "bound", "step"])
    assert where == {name: ["step", "bound"]}
    statement = allowed.synapses[name].statements[1]
    assert statement.scope["step"] == Variable(name, "step", Kind.PARAMETER)
    assert network.synapses[name].statements[1].scope["step"] != statement.scope["step"]
    without = allowed.synapses[name].statements[-1:]
    allowed.synapses[name].statements[-2:] = []  # d is another matter
    assert without and Symmetries(allowed).projections[name].powers["bound"] == (1, -1)
    assert Symmetries(allowed).groups["E"].scalable


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["c"], r"'c' cannot stay as it is: `g_post \+= c\*w\*a_pre` \(on_pre of S\) acts on neurons"),
        (["step", "d"], "'d' cannot stay as it is: `g_post"),
        (["bounds"], "no rule that writes synaptic variables uses a constant 'bounds'.*'bound'"),
        (["bound", "tau"], "no rule that writes synaptic variables uses a constant 'tau'"),
        (["mV"], "no rule that writes synaptic variables uses a constant 'mV'"),
        (["w"], "no rule that writes synaptic variables uses a constant 'w'"),
    ],
)
def test_what_cannot_be_allowed(names: list[str], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        with_allowed(learning(), names)


def test_only_what_can_be_allowed_is_offered() -> None:
    with pytest.raises(InvalidInputError) as error:
        with_allowed(learning(), ["w_", "boundd"])
    assert "'w'" not in str(error.value)


def test_nothing_allowed_is_the_same_model() -> None:
    network = learning()
    allowed, where = with_allowed(network, [])
    assert where == {} and allowed.groups == network.groups
    assert allowed.synapses["S"].statements == network.synapses["S"].statements
