"""What every plasticity rule passes: subclass `RuleConformance` in a test file, with a fixture that returns the rule.

    class TestSaturating(RuleConformance):
        @pytest.fixture
        def rule(self):
            return Saturating(rate=20/second)

The parameters should let the rule move log-scales by something like 0.01 to 1 in an update of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, defaultclock, ms, prefs, start_scope, volt

import neurobal as nb
from neurobal.brian.plasticity.rule_check import check_rule
from neurobal.rules import VOCABULARY, Rule, find_rule

SIZE = 6
MODEL = """
dx/dt = (-x + drive + received)/(10*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
received : 1
"""


def small_network() -> Network:
    """Rate units E of both signs, far from balance, with a monitor of their rates."""
    rng = np.random.default_rng(1)
    cells = NeuronGroup(SIZE, MODEL, method="euler", name="E")
    cells.drive, cells.x = np.linspace(1, 2, SIZE), np.linspace(0, 1, SIZE)
    synapses = Synapses(cells, cells, "w : 1\nreceived_post = w*r_pre : 1 (summed)", name="S")
    post, pre = np.nonzero(~np.eye(SIZE, dtype=bool))
    synapses.connect(i=pre, j=post)
    h = rng.normal(0, 1, SIZE)
    weights = 0.3 / SIZE * rng.lognormal(0, 1, post.size) * rng.choice([-1, 1], post.size)
    synapses.w = weights * np.exp(h[post] - h[pre])
    return Network(cells, synapses, StateMonitor(cells, "x", record=True, name="rates"))


class RuleConformance:
    """A test class for rules; subclasses provide the fixture ``rule``."""

    @pytest.fixture
    def rule(self) -> Rule:
        """A rule object, with all parameters."""
        raise NotImplementedError("give the class a fixture 'rule' that returns a neurobal.Rule")

    @pytest.fixture(autouse=True)
    def quick_simulation(self) -> Iterator[None]:
        """Brian2's preferences, clock and magic objects are global: numpy target and large steps, for each test."""
        target, dt = prefs.codegen.target, defaultclock.dt
        prefs.codegen.target, defaultclock.dt = "numpy", 1 * ms
        start_scope()
        yield
        prefs.codegen.target, defaultclock.dt = target, dt
        start_scope()

    def run(self, rule: Rule, **options: Any) -> tuple[Network, nb.Plasticity]:
        """The small network after twenty updates."""
        network = small_network()
        plasticity = nb.Plasticity(network, rule, dt=10 * ms, **options)
        network.add(plasticity)
        network.run(200 * ms)
        return network, plasticity

    @pytest.mark.parametrize("power", [1, 2, 1.5])
    @pytest.mark.parametrize("dt", [1e-4, 1e-2, 10.0])
    def test_the_step_is_a_number_on_a_grid_of_costs(self, rule: Rule, power: float, dt: float) -> None:
        check_rule(rule, power, dt)

    def test_it_is_found_by_itself(self, rule: Rule) -> None:
        assert find_rule(rule) is rule
        assert type(rule).__name__ in repr(rule)

    def test_parameters_are_not_shared_and_do_not_hide_the_vocabulary(self, rule: Rule) -> None:
        assert set(rule.values) == set(rule.parameters)
        assert not set(rule.parameters) & set(VOCABULARY)
        assert rule.values is not type(rule).parameters

    def test_parameters_that_do_not_exist_are_refused(self, rule: Rule) -> None:
        with pytest.raises(nb.InvalidInputError, match="there is no parameter"):
            type(rule)(**rule.values, no_such_parameter=1)

    def test_parameters_of_wrong_units_are_refused(self, rule: Rule) -> None:
        """Volt² is the unit of no parameter of a step of log-scales."""
        for name in rule.parameters:
            wrong = type(rule)(**{**rule.values, name: 1 * volt**2})
            with pytest.raises(nb.InvalidInputError, match=name):
                check_rule(wrong, 2)

    def test_the_function_is_preserved(self, rule: Rule) -> None:
        plain = small_network()
        plain.run(200 * ms)
        network, plasticity = self.run(rule)
        assert nb.verify(plasticity.before, network).preserved
        scale = np.array(plasticity["E"].scale)
        assert np.all(np.isfinite(scale) & (scale > 0))
        assert not np.any(plasticity["E"].refused[:]), "steps were no numbers, or led out of the range of numbers"
        np.testing.assert_allclose(network["E"].x[:] / scale, plain["E"].x[:], rtol=1e-9)

    def test_pinned_neurons_stay(self, rule: Rule) -> None:
        network, plasticity = self.run(rule, pinned={"E": [0, 3]})
        assert np.all(plasticity["E"].scale[[0, 3]] == 1)
        assert nb.verify(plasticity.before, network).preserved

    def test_dyadic_it_is_the_same_simulation_bit_by_bit(self, rule: Rule) -> None:
        plain = small_network()
        plain.run(200 * ms)
        network, plasticity = self.run(rule, dyadic=True)
        scale = np.array(plasticity["E"].scale)
        assert np.all(np.frexp(scale)[0] == 0.5)
        assert np.array_equal(network["E"].x[:] / scale, plain["E"].x[:])
        assert np.array_equal(np.frexp(network["rates"].x)[0], np.frexp(plain["rates"].x)[0])

    def test_it_does_the_same_again(self, rule: Rule) -> None:
        """What is random in it has a seed of its own, and leaves the network's random numbers alone."""
        first, again = (np.array(self.run(rule)[1]["E"].scale) for _ in range(2))
        assert np.array_equal(first, again)
