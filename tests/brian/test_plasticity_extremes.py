"""Plasticity at the edges: costs of any size, rules that go wrong, names that could be its own, runs that break off."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, defaultclock, ms, network_operation, second
from plastic_rate import QUICK, attached, matrix, rate_network

import neurobal as nb

pytestmark = pytest.mark.usefixtures("coarse")

Array: TypeAlias = np.ndarray

SPIKING = """
dv/dt = (drive + g - v)/(10*ms) : 1
dg/dt = -g/(5*ms) : 1
drive : 1
theta : 1
a : 1
"""


def spiking(weight: str = "w", threshold: str = "theta") -> Network:
    """Twelve neurons with graded spikes; names of the weight and of the threshold are free."""
    rng = np.random.default_rng(3)
    scale = np.exp(rng.normal(0, 1, 12))
    cells = NeuronGroup(
        12, SPIKING.replace("theta", threshold), threshold=f"v > {threshold}", reset="v = 0", method="exact", name="E"
    )
    cells.drive, cells.a = 1.3 * scale, scale
    setattr(cells, threshold, scale)
    synapses = Synapses(cells, cells, f"{weight} : 1", on_pre=f"g_post += {weight}*a_pre", name="S")
    synapses.connect(condition="i != j")
    post, pre = np.array(synapses.j), np.array(synapses.i)
    setattr(synapses, weight, 0.2 * rng.lognormal(-1, 1, post.size) * scale[post] / scale[pre])
    return Network(cells, synapses, SpikeMonitor(cells, name="spikes"))


def spikes_with_and_without(rule: nb.Rule, duration: Any = 300 * ms, **options: Any) -> tuple[Network, nb.Plasticity]:
    """Run with plasticity and without; both must spike alike, and the certificate say so."""
    names = {key: options.pop(key) for key in ("weight", "threshold") if key in options}
    trains = []
    for active in (False, True):
        network = spiking(**names)
        plasticity = nb.Plasticity(network, rule, dt=1 * ms, **options)
        network.add(plasticity)
        plasticity.active = active
        network.run(duration)
        trains.append((np.array(network["spikes"].i), np.array(network["spikes"].t)))
    assert trains[0][0].size > 50
    for one, other in zip(*trains, strict=True):
        np.testing.assert_array_equal(one, other)
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved, certificate.message
    return network, plasticity


# Costs of any size


@pytest.mark.parametrize(
    "rule", [nb.NormalizedFlow(rate=100 / second), nb.StochasticBalancing(rate=100 / second, theta=0.5)],
    ids=lambda rule: type(rule).__name__,
)  # fmt: skip
def test_costs_over_sixty_decades(rule: nb.Rule) -> None:
    """A network scrambled by scales of e^±20: nothing is lost beside the largest cost."""
    weights = matrix(10) / 20
    h = np.linspace(-20, 20, 10)
    network, plasticity = attached(rate_network(weights * np.exp(h[:, None] - h)), rule)
    costs = np.array(network["S"].w) ** 2
    assert costs.max() / costs.min() > 1e60
    network.run(6 * second)
    assert nb.verify(plasticity.before, network).preserved
    np.testing.assert_allclose(
        np.array(network["S"].w), nb.balance(weights, tol=1e-12).weights[weights != 0], rtol=1e-5
    )


def test_two_weights_of_which_one_has_no_balance() -> None:
    """``u`` adds spikes of fixed size, which cannot be balanced: only ``w`` is counted, in whatever order they come."""
    for lines in (["g_post += w*a_pre", "v_post += u"], ["v_post += u", "g_post += w*a_pre"]):
        network = spiking()
        old, cells = network["S"], network["E"]
        both = Synapses(cells, cells, "w : 1\nu : 1", on_pre="\n".join(lines), name="S")
        both.connect(i=np.array(old.i), j=np.array(old.j))
        both.w, both.u = np.array(old.w), np.linspace(0.001, 0.1, len(old.w))
        network.remove(old)
        network.add(both)
        plasticity = nb.Plasticity(network, nb.NormalizedFlow(rate=200 / second), dt=1 * ms)
        network.add(plasticity)
        expected = nb.balance(network)
        assert expected.excluded
        network.run(400 * ms)
        np.testing.assert_allclose(np.array(both.w), expected.weights["S.w"], rtol=1e-6)


# Rules that go wrong


class Wrong(nb.Rule):
    """Half of the time it is no number."""

    step = "0.05*(uniform - 0.5)/(uniform - 0.5)*sqrt(uniform - 0.5)"


class Away(nb.Rule):
    """Never stops."""

    step = "speed"
    parameters = {"speed": 1.0}  # noqa: RUF012


class Leaps(nb.Rule):
    """As far as a step may be, to and fro."""

    step = "size*(2*int(uniform > 0.5) - 1)"
    parameters = {"size": 19.0}  # noqa: RUF012


def warnings_about_steps(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "steps that" in record.message]


@pytest.mark.parametrize("dyadic", [False, True])
@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_scales_do_not_leave_the_range_of_numbers(speed: float, dyadic: bool, caplog: Any) -> None:
    """All neurons by one factor in every update: weights stay, thresholds grow without end."""
    network, plasticity = spikes_with_and_without(Away(speed=speed), dyadic=dyadic)
    assert np.all(np.isfinite(network["E"].theta[:]))
    assert np.abs(plasticity["E"].log_scale[:]).min() > 150
    (said,) = warnings_about_steps(caplog)
    assert "Away gave neurons 0, 1, 2, 3, 4 and 7 more of 'E'" in said


def test_steps_that_are_no_numbers_are_none(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    # Such a rule is refused when the plasticity is made, if trying it out shows it.
    monkeypatch.setattr("neurobal.brian.plasticity.engine.check_rule", lambda *_: None)
    _, plasticity = spikes_with_and_without(Wrong())
    assert np.abs(plasticity["E"].log_scale[:]).max() > 0.5  # the other half of its steps
    assert warnings_about_steps(caplog)


def test_raising_costs_for_long() -> None:
    network, _ = spikes_with_and_without(nb.AntiBalancing(rate=500 / second), duration=500 * ms)
    assert np.all(np.isfinite(network["S"].w[:]))


@pytest.mark.parametrize("size", [0.4, 6.0, 19.0])
def test_large_steps_are_exact(size: float) -> None:
    network, plasticity = spikes_with_and_without(Leaps(size=size))
    # 300 updates by two neurons, each exp() wrong by at most 4 ε and a product by ε/2.
    assert nb.verify(plasticity.before, network).residual <= 300 * 2 * 4.5 * np.finfo(float).eps


def test_many_updates_in_single_precision(single_precision: None) -> None:
    """Steps below √ε wait: without that the residual after as many updates is 5e-5."""
    network, plasticity = attached(rate_network(), nb.NormalizedFlow(rate=1 / second), dt=1 * ms)
    network.run(3 * second)
    assert network["S"].w[:].dtype == np.float32
    assert np.abs(plasticity["E"].log_scale[:]).max() > 0.1
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved and certificate.residual < 1e-5


# Numbers that become none within a run


def spoiled(
    value: float, rule: nb.Rule | None = None, repaired: bool = False, **options: Any
) -> tuple[Network, nb.Plasticity]:
    """A run in which the weight from E[4] to E[0] is overwritten half-way, and put back if it is ``repaired``."""
    objects = rate_network()
    kept = float(objects[1].w[3])

    @network_operation(dt=10 * ms, when="start")
    def spoil() -> None:
        step = round(float(defaultclock.t / (10 * ms)))
        if step == 5:
            objects[1].w[3] = value
        if step == 7 and repaired:
            objects[1].w[3] = kept

    network, plasticity = attached([*objects, spoil], rule, **options)
    network.run(100 * ms)
    return network, plasticity


def warnings_about_costs(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "no finite numbers" in record.message]


RULES = [nb.NormalizedFlow(rate=QUICK), nb.GradientFlow(rate=1 / second), nb.StochasticBalancing(rate=QUICK, theta=0.5)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("dyadic", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_become_no_numbers(value: float, dyadic: bool, rule: nb.Rule, caplog: Any) -> None:
    """Both of its neurons stop, and the run says why; the others go on, and no scale is spoiled."""
    network, plasticity = spoiled(value, rule, dyadic=dyadic)
    (said,) = warnings_about_costs(caplog)
    assert "neurons 0, 4 of 'E'" in said
    assert f"the first is {value} at the synapse from E[4] to E[0]" in said
    assert not warnings_about_steps(caplog)  # the rule is not to blame
    soma = plasticity["E"]
    assert np.all(np.isfinite(soma.scale[:])) and np.all(np.isfinite(soma.log_scale[:]))
    weights = np.array(network["S"].w)
    assert np.flatnonzero(~np.isfinite(weights)).tolist() == [3]
    certificate = nb.verify(plasticity.before, network)
    assert certificate.preserved is False and "the first is" in certificate.message
    with pytest.raises(Exception) as error:  # nor does the next run start
        network.run(10 * ms)
    assert "are not finite" in str(error.value.__cause__)


def test_weights_that_are_no_numbers_for_a_while(caplog: Any) -> None:
    spoiled(np.nan, repaired=True)
    (said,) = warnings_about_costs(caplog)
    assert "They" not in said.partition("meanwhile.")[0] and "finite now" in said


def test_finite_weights_of_infinite_costs(caplog: Any) -> None:
    spoiled(1e200)
    (said,) = warnings_about_costs(caplog)
    assert "too large for their costs" in said


def test_a_warning_in_the_run_that_it_belongs_to(caplog: Any) -> None:
    network, _ = spoiled(np.nan, repaired=True)
    caplog.clear()
    network.run(10 * ms)
    assert not warnings_about_costs(caplog)


def test_all_is_said_of_pinned_neurons_too(caplog: Any) -> None:
    """Where no neuron can stop, the weight is only checked by the certificate and by the next run."""
    network, plasticity = spoiled(np.nan, pinned={"E": [0, 4]})
    assert not warnings_about_costs(caplog)
    assert nb.verify(plasticity.before, network).preserved is False


# Names


@pytest.mark.parametrize("name", ["nb_w0", "nb_c0", "nb_factor", "nb_to", "nb_from", "nb_out", "factor", "raw_in"])
def test_variables_of_the_model_may_have_any_name(name: str) -> None:
    spikes_with_and_without(nb.NormalizedFlow(rate=20 / second), weight=name)
    spikes_with_and_without(nb.NormalizedFlow(rate=20 / second), threshold=name)


# Before, between and after runs


def test_before_is_the_network_as_the_run_finds_it() -> None:
    network, plasticity = attached(rate_network())
    early = plasticity.before
    network["S"].w = network["S"].w[:] * np.linspace(1, 2, len(network["S"]))
    network.run(200 * ms)
    assert nb.verify(plasticity.before, network).preserved
    assert not nb.verify(early, network).preserved


def test_a_run_that_breaks_off_does_not_keep_its_neurons() -> None:
    @network_operation(dt=5 * ms)
    def interrupt() -> None:
        if defaultclock.t > 10 * ms:
            raise KeyboardInterrupt

    network, first = attached([*rate_network(), interrupt])
    with pytest.raises(KeyboardInterrupt):
        network.run(100 * ms)
    network.remove(interrupt, first)
    second_one = nb.Plasticity(network, nb.NormalizedFlow(rate=QUICK), dt=10 * ms)
    network.add(second_one)
    network.run(100 * ms)
    assert np.abs(second_one["E"].log_scale[:]).max() > 0.1


def test_runs_leave_nothing_behind() -> None:
    """Costs that differ from synapse to synapse are arrays: one for all runs, with what the last one found."""
    weights = matrix()
    cost = nb.Power(2, weight=np.linspace(1, 2, np.count_nonzero(weights)))
    network, plasticity = attached(rate_network(weights), cost=cost)
    counts = []
    for _ in range(3):
        network.run(50 * ms)
        counts.append([len(one.follow.variables) for one in plasticity._passes.values()])
    assert counts[0] == counts[1] == counts[2]


def test_silence_has_a_message_of_its_own() -> None:
    network, _ = attached(rate_network())
    network["S"].w = 0
    with pytest.raises(Exception) as error:
        network.run(10 * ms)
    assert "all weights are 0" in str(error.value.__cause__ or error.value)
