"""Rules as data: parameters, names, what is refused. What they do to networks is tested in tests/brian."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, Synapses, ms, prefs, second, start_scope

import neurobal as nb
from neurobal.brian.plasticity.rule_check import check_rule
from neurobal.rules import VOCABULARY, Rule, find_rule

SHIPPED = [nb.GradientFlow, nb.NormalizedFlow, nb.StochasticBalancing, nb.AntiBalancing]


class Saturating(nb.Rule):
    step = "-rate*dt*tanh((cost_in - cost_out)/(cost_in + cost_out))"
    parameters = {"rate": 1 / second, "gain": 2.0}  # noqa: RUF012


def rule(step: Any, parameters: Mapping[str, Any] | None = None) -> Rule:
    """An object of a new kind of rule with this line of code."""
    return type("Own", (nb.Rule,), {"step": step, "parameters": parameters or {}})()


@pytest.fixture(autouse=True)
def numpy_target() -> Iterator[None]:
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = target
    start_scope()


def attach(one: Any) -> nb.Plasticity:
    """A plasticity with this rule on two neurons that excite one another."""
    cells = NeuronGroup(2, "dx/dt = (-x + I)/(10*ms) : 1\nI : 1", method="euler", name="E")
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*x_pre : 1 (summed)", name="S")
    synapses.connect(i=[0, 1], j=[1, 0])
    synapses.w = [0.1, 0.4]
    network = Network(cells, synapses)
    plasticity = nb.Plasticity(network, one, dt=10 * ms)
    network.add(plasticity)
    return plasticity


def message(one: Any) -> str:
    with pytest.raises(nb.InvalidInputError) as error:
        attach(one)
    return str(error.value)


def test_parameters_have_defaults_and_are_given_by_name() -> None:
    assert Saturating().values == {"rate": 1 / second, "gain": 2.0}
    assert Saturating(gain=3.0).values == {"rate": 1 / second, "gain": 3.0}
    assert Saturating.parameters["gain"] == 2.0  # its own copy


def test_repr_is_what_one_would_type() -> None:
    assert repr(Saturating(rate=20 / second, gain=3.0)) == "Saturating(rate=20. * hertz, gain=3.0)"


@pytest.mark.parametrize("kind", SHIPPED)
def test_shipped_rules_need_a_rate(kind: type[Rule]) -> None:
    with pytest.raises(nb.InvalidInputError, match=rf"{kind.__name__}.*'rate'.*{kind.__name__}\(rate=\.\.\.\)"):
        kind()
    assert kind(rate=2 / second).values["rate"] == 2 / second


def test_unknown_parameters_are_refused_with_a_suggestion() -> None:
    with pytest.raises(nb.InvalidInputError, match=r"GradientFlow.*'rat'.*Did you mean 'rate'"):
        nb.GradientFlow(rat=1 / second)


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_words_that_mean_something_are_no_parameters(name: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=f"{name!r} already means something"):
        rule("0.1", {name: 1.0})


NO_NAMES = ["step", "exp", "pi", "lambda", "two words", "N", "t", "i", "xi", "ms", "_idx", "_numpy", "double", "_"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_cannot_be_parameters(name: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=rf"Own\.parameters:.*'{name}'"):
        attach(rule("0.1*cost_in", {name: 1.0}))


@pytest.mark.parametrize("step", ["", "   ", None, 3])
def test_a_rule_has_a_line_of_code(step: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match=r"Own\.step: expected one line"):
        rule(step)


def test_objects_classes_and_names_are_rules() -> None:
    one = nb.GradientFlow(rate=1 / second)
    assert find_rule(one) is one
    assert isinstance(find_rule(Saturating), Saturating)
    with pytest.raises(nb.InvalidInputError, match="'rate' must be given"):
        find_rule("GradientFlow")  # the name is known


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("GradientFlo", "Did you mean 'GradientFlow'"),
        ("xyz", "there is no rule 'xyz'"),
        (None, "expected a Rule, or the name of one, got None"),
        (3, "got 3"),
        (dict, "got <class 'dict'>"),
    ],
)
def test_what_is_no_rule(what: Any, reason: str) -> None:
    with pytest.raises(nb.InvalidInputError, match=reason):
        find_rule(what)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("cost_in >", "this is no expression"),
        ("x = 3", "this is no expression"),
        ("cost_in; 3", "this is no expression"),
        ("cost_in*(1", "never closed"),
        ("cost_inn*2", "there is no 'cost_inn' here. Did you mean 'cost_in'"),
        ("w*cost_in", "there is no 'w' here"),
        ("rate*cost_in", "without units"),
        ("dt*cost_in", "without units"),
        ("cost_in + dt", "unit"),
        ("exp(rate)", "correct units"),
        ("exp(1, 2)", "needs 1"),
        ("f(cost_in)", "there is no 'f' here"),
        ("[1, 2]", "List"),
        ("cost_in if cost_out else 0", "IfExp|if"),
        ("(cost_in > 3) and cost_out", "and|boolean"),
        ("cost_in > 3 and cost_out > 3", "int(...) makes it 1 or 0"),
        ("0.01*(cost_in > cost_out)", "int(condition) is 1 or 0"),
        ("0.1*abs(cost_in == 2)", "int(condition) is 1 or 0"),
        ("0 < cost_in < 1", "single comparisons"),
        ("cost_in & 1", "&"),
        ("0.1*cost_in*1j", "1j"),
        ("'a'", "a"),
        ("cost_in.x", "."),
        ("clip(cost_in, a_min=0, a_max=1)", "eyword"),
        ("lambda: 0", "Lambda"),
        ("1/0*cost_in", "inf for all costs|zero"),
        ("exp(1000)*cost_in", "inf for all costs"),
    ],
)
def test_wrong_code_is_shown(step: str, reason: str) -> None:
    said = message(rule(step, {"rate": 1 / second}))
    assert f"Own.step = {step!r}" in said
    assert any(word in said for word in reason.split("|"))


@pytest.mark.parametrize("function", ["rand()", "randn()", "poisson(3)"])
def test_rules_do_not_draw_from_the_random_numbers_of_the_network(function: str) -> None:
    said = message(rule(f"0.1*{function}*cost_in"))
    assert f"0.1*{function}" in said
    assert "uniform" in said


@pytest.mark.parametrize("value", [np.array([1, 2]) / second, "1/second", np.nan / second, np.inf / second, 1j, {}])
def test_values_of_parameters_are_finite_numbers(value: Any) -> None:
    said = (
        message(nb.GradientFlow(rate=value))
        if not isinstance(value, (complex, dict))
        else message(Saturating(gain=value))
    )
    assert "rate" in said or "gain" in said


NO_NUMBERS = [
    ("sqrt(cost_in - cost_out)", "cost_in = 0.316, cost_out = 1"),
    ("0.01*sqrt(cost_in + cost_out - 2)", "cost_in = 0.316, cost_out = 1"),
    ("(cost_in - cost_out)/sqrt(30 - cost_in*cost_out)", "cost_in = 1, cost_out = 31.6"),
    ("(cost_in - cost_out)/log(cost_in/cost_out)", "cost_in = 1, cost_out = 1"),
    ("log(uniform - 0.3)", "uniform = 0.25"),
]


@pytest.mark.parametrize(("step", "reason"), NO_NUMBERS)
def test_steps_that_are_no_numbers_for_some_costs(step: str, reason: str) -> None:
    said = message(rule(step))
    assert f"Own.step = {step!r}: this is not a number at " in said and reason in said


NUMBERS = [
    "0.1*int(cost_in > 1 and cost_out > 1)",
    "0.1*int(cost_in > 1 or cost_out > 1)",
    "0.1*int(not (cost_in > cost_out))",
    "0.1*int(True and not cost_in > 2)",
    "-0.1*log(1 - uniform)*int(cost_out > cost_in)",
    "0.1*log(uniform)",
    "log(1 - gain*dt)*(cost_in - cost_out)/(cost_in + cost_out)",
    "-0.1*clip(cost_in//2 - cost_out % 3, -1, 1)",
    "0.1*exprel(-cost_in)*sign(cost_in - cost_out)*pi",
    "0.1*tanh(exp(cost_in))",
    "homogeneity*p*gain*dt/10",
    "0.1*cost_in # as it comes in",
    " -0.1*(cost_in\n   - cost_out)  # the difference\n/(cost_in + cost_out)\n",
]


@pytest.mark.parametrize("step", NUMBERS)
def test_what_is_accepted_runs(step: str) -> None:
    plasticity = attach(rule(step, {"gain": 20 / second}) if "dt" in step else rule(step))
    network = Network(*plasticity._examined.groups.values(), *plasticity._examined.synapses.values(), plasticity)
    network.run(20 * ms)
    assert np.all(np.isfinite(plasticity["E"].log_scale[:]))


def test_the_time_between_updates_decides_what_is_a_number() -> None:
    one = rule("log(1 - rate*dt)*cost_in", {"rate": 20 / second})
    check_rule(one, 2.0, 0.049)
    with pytest.raises(nb.InvalidInputError, match=r"not a number at .* dt = 0\.051 s"):
        check_rule(one, 2.0, 0.051)


def test_parameters_keep_the_units_of_their_defaults() -> None:
    assert "'rate' must have the units of" in message(Saturating(rate=5.0))
    assert "'gain' must be a number without units, got 2. * second" in message(Saturating(gain=2 * second))


@pytest.mark.parametrize("kind", SHIPPED)
@pytest.mark.parametrize("rate", [5.0, 5 * second])
def test_parameters_without_a_default_are_accused_where_they_are_wrong(kind: type[Rule], rate: Any) -> None:
    said = message(kind(rate=rate))
    assert said == f"{kind.__name__}: parameter 'rate' must have the units of 1/second, got {rate!r}."


def test_the_line_is_to_blame_where_no_unit_fits() -> None:
    said = message(type("Own", (nb.Rule,), {"step": "-rate*cost_in + dt", "parameters": {"rate": None}})(rate=1.0))
    assert "Own.step = '-rate*cost_in + dt'" in said


@pytest.mark.parametrize("seed", [-1, 1.5, "x", None])
def test_seeds_are_whole_numbers(seed: Any) -> None:
    with pytest.raises(nb.InvalidInputError, match="GradientFlow: seed must be an integer"):
        nb.GradientFlow(rate=1 / second, seed=seed)


def test_a_forgotten_network_is_told() -> None:
    with pytest.raises(nb.InvalidInputError, match=r"got None. Write Plasticity\(network, rule, dt=\.\.\.\)"):
        nb.Plasticity(nb.GradientFlow(rate=1 / second), dt=10 * ms)


def test_all_of_the_vocabulary_is_there() -> None:
    """Every word that rules may use has a value when it runs; the step is what is written."""
    plasticity = attach(
        rule("0.1*homogeneity + 0.01*p + dt*rate + 0*uniform + 0*cost_in*cost_out", {"rate": 1 / second})
    )
    network = Network(*plasticity._examined.groups.values(), *plasticity._examined.synapses.values(), plasticity)
    network.run(10 * ms)
    assert plasticity["E"].log_scale[:] == pytest.approx([0.1 + 0.02 + 0.01] * 2)
