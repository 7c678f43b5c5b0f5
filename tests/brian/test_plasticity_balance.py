"""Where rules lead, and how fast: the balance that `nb.balance` solves for, at the rate that linear theory predicts."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, ms, second
from plastic_rate import RATE, absolute, attached, matrix, rate_network
from plastic_spiking import PINNED, RECURRENT, STEP, plastic, spiking_network

import neurobal as nb

pytestmark = pytest.mark.usefixtures("coarse")

Array: TypeAlias = np.ndarray

FAST = nb.NormalizedFlow(rate=1000 / second)


def driven_network(exponent: int) -> list[Any]:
    """Units with r = [x]_+^exponent, costed synapses from pinned inputs, and costed ones among themselves."""
    rng = np.random.default_rng(3)
    equations = RATE.replace("clip(x, 0, inf)", f"0.5*clip(x, 0, inf)**{exponent}").replace("+ I)", "+ I + feed)")
    cells = NeuronGroup(6, equations + "feed : 1\n", method="euler", name="E")
    cells.drive = 0.5
    inputs = NeuronGroup(3, "r : 1", name="U")
    inputs.r = 0.3
    parts = [cells, inputs]
    for pre, variable, name in ((cells, "I", "S"), (inputs, "feed", "F")):
        one = Synapses(pre, cells, f"w : 1\n{variable}_post = w*r_pre : 1 (summed)", name=name)
        one.connect(condition="i != j" if pre is cells else None)
        one.w = rng.lognormal(-2.5, 1, len(one))
        parts.append(one)
    return parts


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("pinned", [None, {"E": [2, 5]}])
def test_rate_network(power: float, pinned: Any) -> None:
    target = nb.balance(Network(rate_network()), cost=nb.Power(power), pinned=pinned)
    network, plasticity = attached(rate_network(), FAST, dt=1 * ms, cost=nb.Power(power), pinned=pinned)
    network.run(300 * ms)
    np.testing.assert_allclose(network["S"].w[:], target.weights["S"], rtol=1e-6)
    assert nb.verify(plasticity.before, network).preserved
    if pinned:
        np.testing.assert_allclose(plasticity["E"].scale[:], target.scale["E"], rtol=1e-6)
    else:  # the flow keeps the mean of log λ only where steps do; weights do not depend on it
        ratio = plasticity["E"].scale[:] / target.scale["E"]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("rule", [FAST, nb.StochasticBalancing(rate=3000 / second)],
                         ids=lambda rule: type(rule).__name__)  # fmt: skip
def test_supralinear_units_driven_by_costed_inputs(power: float, rule: nb.Rule) -> None:
    """The homogeneity b is that of the units: b = 2 balances incoming costs against twice the outgoing ones."""
    target = nb.balance(Network(driven_network(2)), cost=nb.Power(power), pinned="U")
    assert target.success
    network, plasticity = attached(driven_network(2), rule, dt=1 * ms, cost=nb.Power(power), pinned="U")
    network.run(300 * ms)
    for name in "SF":
        np.testing.assert_allclose(network[name].w[:], target.weights[name], rtol=1e-6)
    np.testing.assert_allclose(plasticity["E"].scale[:], target.scale["E"], rtol=1e-6)
    np.testing.assert_allclose(plasticity["E"].cost_in[:], plasticity["E"].cost_out[:], rtol=1e-6)
    costs = {name: np.array(network[name].w) ** power for name in "SF"}
    incoming = sum(np.bincount(absolute(network[name])[0], costs[name], 6) for name in "SF")
    outgoing = np.bincount(absolute(network["S"])[1], costs["S"], 6)
    np.testing.assert_allclose(incoming, 2 * outgoing, rtol=1e-6)


def test_what_has_no_balance_is_left_out() -> None:
    """Costed synapses from a pinned input without a way back, with b = 1: nothing that they cost can be balanced."""
    target = nb.balance(Network(driven_network(1)), pinned="U")
    assert [one.projection for one in target.excluded] == ["F"]
    network, plasticity = attached(driven_network(1), FAST, dt=1 * ms, pinned="U")
    network.run(300 * ms)
    np.testing.assert_allclose(network["S"].w[:], target.weights["S"], rtol=1e-6)
    assert np.abs(plasticity["E"].imbalance[:]).max() < 1e-6


@pytest.mark.parametrize("power", [1, 2, 3])
def test_spiking_network(power: float) -> None:
    cost = {name: nb.Power(power) for name in RECURRENT}
    target = nb.balance(spiking_network(), cost=cost, pinned=PINNED)
    network = spiking_network()
    plasticity = plastic(network, FAST, dt=STEP, cost=cost)
    network.run(40 * ms)
    for name in RECURRENT:
        np.testing.assert_allclose(network[name].w[:], target.weights[name], rtol=1e-6)
    assert nb.verify(plasticity.before, network).preserved


def test_a_sum_of_costs() -> None:
    cost = nb.Power(2) + 0.3 * nb.Power(1)
    target = nb.balance(Network(rate_network()), cost=cost)
    for rule in (FAST, nb.StochasticBalancing(rate=1000 / second)):
        network, _ = attached(rate_network(), rule, dt=1 * ms, cost=cost)
        network.run(500 * ms)
        np.testing.assert_allclose(network["S"].w[:], target.weights["S"], rtol=1e-5)


def test_full_balancing_steps_of_few_neurons() -> None:
    """theta = 1, the exact step of one neuron at a time."""
    target = nb.balance(Network(rate_network()))
    network, _ = attached(rate_network(), nb.StochasticBalancing(rate=100 / second, theta=1.0), dt=1 * ms)
    network.run(600 * ms)
    np.testing.assert_allclose(network["S"].w[:], target.weights["S"], rtol=1e-4)


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("pinned", [[], [1, 4]])
def test_the_imbalance_decays_at_the_predicted_rate(power: float, pinned: list[int]) -> None:
    """rate · p · λ_min of the Laplacian of the symmetrised costs over their mean, grounded at pins."""
    objects = rate_network(matrix(spread=0.3))
    nb.balance(Network(*objects), cost=nb.Power(power), tol=1e-13, pinned={"E": pinned}).apply()
    post, pre = absolute(objects[1])
    costs = np.zeros((8, 8))
    costs[post, pre] = np.abs(np.array(objects[1].w)) ** power
    costs /= costs[post, pre].mean()
    symmetric = costs + costs.T
    free = np.setdiff1d(np.arange(8), pinned)
    laplacian = (np.diag(symmetric.sum(axis=0)) - symmetric)[np.ix_(free, free)]
    values, modes = np.linalg.eigh(laplacian)
    slowest = 0 if pinned else 1
    h = np.random.default_rng(5).normal(0, 1e-6, 8)  # what is slowest, and a little of all else
    h[free] += 1e-4 * modes[:, slowest]
    h[pinned] = 0
    objects[1].w = np.array(objects[1].w) * np.exp(h[post] - h[pre])
    rate = 0.03 / (power * values[-1]) / ms
    network, plasticity = attached(
        objects, nb.GradientFlow(rate=rate), dt=1 * ms, cost=nb.Power(power), pinned={"E": pinned}
    )
    monitor = StateMonitor(plasticity["E"], ["cost_in", "cost_out"], record=True)
    network.add(monitor)
    decay = float(rate * power * values[slowest] * ms)  # in one update
    window = int(0.7 / decay)
    network.run((2 * window + 2) * ms)
    gap = np.linalg.norm((np.array(monitor.cost_in) - np.array(monitor.cost_out))[free], axis=0)
    assert gap[-1] > 1e-6
    assert np.log(gap[-1 - window] / gap[-1]) / window == pytest.approx(decay, rel=0.02)


def test_the_flow_keeps_the_mean_of_the_log_scales() -> None:
    network, plasticity = attached(rate_network(), nb.GradientFlow(rate=0.5 / second), dt=1 * ms)
    network.run(500 * ms)
    assert np.abs(plasticity["E"].log_scale[:]).max() > 0.3
    assert abs(plasticity["E"].log_scale[:].mean()) < 1e-12


def cost_path(rule: nb.Rule, objects: list[Any], duration: Any = 300 * ms, **options: Any) -> Array:
    """The cost after every update, from the recorded sums."""
    network, plasticity = attached(objects, rule, dt=1 * ms, **options)
    monitor = StateMonitor(plasticity["E"], "cost_in", record=True)
    network.add(monitor)
    network.run(duration)
    assert nb.verify(plasticity.before, network).preserved
    return np.array(monitor.cost_in)[:, 1:].sum(axis=0)


@pytest.mark.parametrize("rate", [20, 300, 1e6])
@pytest.mark.parametrize("power", [1, 2])
def test_half_steps_never_raise_the_cost(rate: float, power: float) -> None:
    """Whoever fires together: rarely one, often several, always all."""
    cost = cost_path(nb.StochasticBalancing(rate=rate / second), rate_network(), cost=nb.Power(power))
    assert np.all(np.diff(cost) <= 1e-12 * cost[0])
    assert cost[-1] < 0.8 * cost[0]


def test_full_steps_of_all_at_once_can_undo_each_other() -> None:
    """Two neurons that excite one another swap their imbalance for ever: what half steps are for."""
    weights = np.array([[0, 0.1], [0.4, 0]])
    stuck = cost_path(nb.StochasticBalancing(rate=1e6 / second, theta=1.0), rate_network(weights))
    assert stuck[-1] == pytest.approx(stuck[0])
    solved = cost_path(nb.StochasticBalancing(rate=1e6 / second), rate_network(weights))
    assert solved[-1] < 0.6 * solved[0]


def test_poisson_times() -> None:
    """In one update a neuron makes its step with probability 1 - exp(-rate dt)."""
    network, plasticity = attached(rate_network(), nb.StochasticBalancing(rate=40 / second, theta=1e-6), dt=5 * ms)
    monitor = StateMonitor(plasticity["E"], "step", record=True)
    network.add(monitor)
    network.run(2 * second)
    moved = np.array(monitor.step)[:, 1:] != 0
    expected = 1 - np.exp(-0.2)
    assert abs(moved.mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / moved.size)


def test_the_flows_lower_the_cost_and_the_control_raises_it() -> None:
    for rule in (nb.NormalizedFlow(rate=1e6 / second), nb.GradientFlow(rate=1 / second)):
        cost = cost_path(rule, rate_network())
        assert np.all(np.diff(cost) <= 1e-12 * cost[0])
    cost = cost_path(nb.AntiBalancing(rate=10 / second), rate_network())
    assert np.all(np.diff(cost) > 0)
    assert cost[-1] > 2 * cost[0]


def test_the_normalised_flow_is_stable_at_any_rate() -> None:
    network, plasticity = attached(rate_network(), nb.NormalizedFlow(rate=1e6 / second), dt=1 * ms)
    network.run(300 * ms)
    assert np.abs(plasticity["E"].imbalance[:]).max() < 1e-6


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_one_step_balances_power_law_units(exponent: int) -> None:
    """Between pinned ends, with theta = 1: r = [x]_+^b is balanced where what comes in costs b times what goes out."""
    unit = NeuronGroup(
        1, f"dx/dt = (I - x)/(20*ms) : 1\nI : 1\nr = clip(x, 0, inf)**{exponent} : 1", method="euler", name="unit"
    )
    inputs = NeuronGroup(3, "r : 1", name="inputs")
    readout = NeuronGroup(2, "dx/dt = (I - x)/(20*ms) : 1\nI : 1", method="euler", name="readout")
    parts: list[Any] = [unit, inputs, readout]
    for pre, post, weights, name in ((inputs, unit, [0.2, 0.5, 1.0], "into"), (unit, readout, [3.0, 4.0], "out")):
        one = Synapses(pre, post, "w : 1\nI_post = w*r_pre : 1 (summed)", name=name)
        one.connect()
        one.w = weights
        parts.append(one)
    rule = nb.StochasticBalancing(rate=1e9 / second, theta=1.0)
    network, _ = attached(parts, rule, dt=1 * ms, pinned=["inputs", "readout"])
    network.run(1 * ms)
    incoming, outgoing = (np.sum(network[name].w[:] ** 2) for name in ("into", "out"))
    assert incoming == pytest.approx(exponent * outgoing, rel=1e-12)


def test_one_step_balances_declared_exponents() -> None:
    """Weights that move by λ² at either end, as √w is what is received."""
    units = NeuronGroup(4, "dx/dt = (I - x)/(20*ms) : 1\nI : 1\nr = clip(x, 0, inf) : 1", method="euler", name="E")
    synapses = Synapses(units, units, "w : 1\nI_post = sqrt(w)*r_pre : 1 (summed)", name="S")
    synapses.connect(condition="i != j")
    synapses.w = np.random.default_rng(0).lognormal(0, 2, 12)
    scaling = {"E": {"x": 1, "I": 1}, "S": ("w", 2, 2)}
    rule = nb.StochasticBalancing(rate=1e9 / second, theta=1.0)
    network, _ = attached([units, synapses], rule, dt=1 * ms, pinned={"E": [0, 2, 3]}, scaling=scaling)
    network.run(1 * ms)
    costs = np.array(synapses.w) ** 2
    incoming, outgoing = (costs[np.array(ends) == 1].sum() for ends in (synapses.j, synapses.i))
    assert incoming == pytest.approx(outgoing, rel=1e-12)
