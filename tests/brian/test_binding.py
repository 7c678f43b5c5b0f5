"""`apply` and `revert`: all or nothing, current values, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from brian2 import Hz, Network, NeuronGroup, PoissonInput, Synapses, ms, mV
from brian2.core.variables import ArrayVariable
from networks import RATE_SCALING, SPIKING_SCALING, Spiking, changed, everything, rate_network, spiking_arguments

import neurobal as nb

MOVING = {
    ("cells", "v"), ("cells", "g"), ("cells", "drive"), ("cells", "theta"), ("cells", "v_reset"), ("cells", "a"),
    ("input_synapses", "w"), ("exc", "w"), ("inh", "w"), ("output_synapses", "w"),
}  # fmt: skip


@pytest.fixture
def model() -> Spiking:
    return Spiking()


def state(model: Spiking) -> dict[tuple[str, str], np.ndarray]:
    return everything(model[name] for name in ("cells", "readout", *SPIKING_SCALING) if name in model.objects)


def balance(model: Spiking, **more: object) -> nb.Balance:
    return nb.balance(model.network, **spiking_arguments(**more))


@contextmanager
def failing_write(number: int, error: type[BaseException], after: bool) -> Iterator[list[str]]:
    """Let the n-th write of a variable fail, before or after it has happened; later ones work again."""
    original, calls = ArrayVariable.set_value, []

    def set_value(self: ArrayVariable, values: object) -> None:
        calls.append(self.name)
        fails = len(calls) == number
        if fails and not after:
            raise error("interrupted")
        original(self, values)
        if fails:
            raise error("interrupted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArrayVariable, "set_value", set_value)
        yield calls


# ----------------------------------------------------------------------------------------------------------- apply


def test_balancing_changes_nothing(model: Spiking) -> None:
    before = state(model)
    result = balance(model)
    assert result.certificate.preserved and repr(result) and not changed(before, state(model))


def test_all_that_was_declared_moves_and_nothing_else(model: Spiking) -> None:
    before = state(model)
    balance(model).apply()
    assert changed(before, state(model)) <= MOVING
    assert {("exc", "w"), ("inh", "w"), ("cells", "theta"), ("cells", "v")} <= changed(before, state(model))


def test_everything_moves_by_its_power(model: Spiking) -> None:
    before = state(model)
    result = balance(model)
    result.apply()
    after, λ = state(model), result.scale["cells"]
    for name in ("v", "g", "drive", "theta", "v_reset", "a"):
        assert np.allclose(after["cells", name], before["cells", name] * λ, rtol=1e-14)
    for name, b in (("input_synapses", 0), ("exc", 1), ("inh", 1)):
        synapses = model[name]
        post, pre = (np.array(synapses.variables[key].get_value()) for key in ("_synaptic_post", "_synaptic_pre"))
        factor = λ[post] / (λ[pre] if b else 1)
        assert np.allclose(after[name, "w"], before[name, "w"] * factor, rtol=1e-13)
        assert np.array_equal(after[name, "w"], result.weights[name])


def test_delays_are_not_touched(model: Spiking) -> None:
    before = [np.array(model[name].delay) for name in ("exc", "inh", "input_synapses")]
    balance(model).apply()
    assert all(np.array_equal(x, model[n].delay) for x, n in zip(before, ("exc", "inh", "input_synapses"), strict=True))


def test_the_current_values_are_multiplied(model: Spiking) -> None:
    """Between balance() and apply() the simulation may go on."""
    result = balance(model)
    model.network.run(5 * ms)
    model["exc"].w *= 3
    before = state(model)
    result.apply()
    assert np.allclose(np.asarray(model["cells"].v), before["cells", "v"] * result.scale["cells"], rtol=1e-14)
    assert np.allclose(np.asarray(model["exc"].w), 3 * result.weights["exc"], rtol=1e-13)


def test_twice_is_an_error(model: Spiking) -> None:
    result = balance(model)
    result.apply()
    once = state(model)
    with pytest.raises(nb.NeurobalError, match=r"already applied.*revert"):
        result.apply()
    assert not changed(once, state(model))


def test_balancing_again_changes_little(model: Spiking) -> None:
    balance(model).apply()
    again = balance(model)
    assert again.iterations == 0 and np.allclose(again.scale["cells"], 1, rtol=1e-6)


def test_the_network_is_certified_after_apply(model: Spiking) -> None:
    result = balance(model)
    result.apply()
    certificate = nb.verify(result.before, model.network)
    assert certificate.preserved and certificate.basis == "declared" and certificate.residual <= 1e-12
    model["cells"].theta[3] *= 1.001
    certificate = nb.verify(result.before, model.network)
    assert certificate.preserved is False and "theta" in certificate.message


def test_a_state_is_no_part_of_the_certificate(model: Spiking) -> None:
    result = balance(model)
    result.apply()
    model.network.run(10 * ms)
    assert nb.verify(result.before, model.network).preserved


def test_values_that_would_leave_the_range_of_floats_are_refused() -> None:
    objects = rate_network(np.array([[0, 1e150], [1e-150, 0]]), 1)
    result = nb.balance(objects, scaling=RATE_SCALING)
    objects[0].x = np.where(result.scale["cells"] > 1, 1e300, 1e-300)
    before = everything(objects)
    with pytest.raises(nb.NeurobalError, match=r"Nothing was written: cells\.x\[\d\]"):
        result.apply()
    assert not changed(before, everything(objects))
    objects[0].x = 1
    result.apply()


# ---------------------------------------------------------------------------------------------------------- revert


def test_reverting_restores_every_bit(model: Spiking) -> None:
    before = state(model)
    result = balance(model)
    result.apply()
    result.revert()
    assert not changed(before, state(model))


def test_reverting_twice_is_an_error(model: Spiking) -> None:
    result = balance(model)
    result.apply()
    result.revert()
    with pytest.raises(nb.NeurobalError, match="nothing has been applied"):
        result.revert()


def test_apply_works_again_after_revert(model: Spiking) -> None:
    result = balance(model)
    result.apply()
    once = state(model)
    result.revert()
    result.apply()
    assert not changed(once, state(model))


def test_reverting_divides_what_has_changed_since(model: Spiking) -> None:
    before = state(model)
    result = balance(model)
    result.apply()
    model["exc"].w[:5] = 2 * model["exc"].w[:5]
    result.revert()
    after = np.asarray(model["exc"].w)
    assert np.allclose(after[:5], 2 * before["exc", "w"][:5], rtol=1e-13)
    assert np.array_equal(after[5:], before["exc", "w"][5:])
    assert changed(before, state(model)) == {("exc", "w")}


def test_dyadic_scales_are_reverted_exactly_whatever_has_changed() -> None:
    """The run in between is that of the unscaled network."""
    twins = Spiking(), Spiking()
    result = balance(twins[1], dyadic=True)
    result.apply()
    for twin in twins:
        twin.run(20 * ms)
    result.revert()
    assert not changed(state(twins[0]), state(twins[1]))


# --------------------------------------------------------------------------------------------------- store, restore


@pytest.fixture(params=[False, True], ids=["any scales", "dyadic"])
def dyadic(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_what_was_restored_is_not_reverted_once_more(model: Spiking, dyadic: bool) -> None:
    before, result = state(model), balance(model, dyadic=dyadic)
    model.network.store()
    result.apply()
    assert result.is_applied()
    model.network.restore()
    assert not result.is_applied()
    with pytest.raises(nb.NeurobalError, match=r"nothing has been applied.*restore\(\)"):
        result.revert()
    assert not changed(before, state(model))


def test_what_was_restored_and_has_run_on_is_not_reverted(model: Spiking, dyadic: bool) -> None:
    result = balance(model, dyadic=dyadic)
    model.network.store()
    result.apply()
    model.network.restore()
    model.network.run(5 * ms)
    later = state(model)
    with pytest.raises(nb.NeurobalError, match="nothing has been applied"):
        result.revert()
    assert not changed(later, state(model))


def test_apply_works_again_after_restore(model: Spiking, dyadic: bool) -> None:
    before, result = state(model), balance(model, dyadic=dyadic)
    model.network.store()
    result.apply()
    once = state(model)
    model.network.restore()
    result.apply()
    assert not changed(once, state(model))
    with pytest.raises(nb.NeurobalError, match="already applied"):
        result.apply()
    result.revert()
    assert not changed(before, state(model))


def test_a_run_in_between_is_no_reason_not_to_revert(model: Spiking) -> None:
    before, result = state(model), balance(model)
    result.apply()
    model.network.run(5 * ms)
    potentials = np.array(model["cells"].v)
    result.revert()
    assert not {("exc", "w"), ("cells", "theta")} & changed(before, state(model))
    assert np.allclose(np.asarray(model["cells"].v) * result.scale["cells"], potentials, rtol=1e-13)


def test_a_restored_state_in_which_it_was_applied_can_be_reverted(model: Spiking, dyadic: bool) -> None:
    before, result = state(model), balance(model, dyadic=dyadic)
    result.apply()
    model.network.store("applied")
    result.revert()
    model.network.restore("applied")
    with pytest.raises(nb.NeurobalError, match="already applied"):
        result.apply()
    result.revert()
    assert not changed(before, state(model))


def test_a_network_of_which_a_part_was_restored_is_left_alone(model: Spiking) -> None:
    result, weights = balance(model), np.array(model["exc"].w)
    result.apply()
    model["exc"].variables["w"].set_value(weights)
    mixed = state(model)
    for method in (result.apply, result.revert):
        with pytest.raises(nb.NeurobalError, match=r"before stand in exc\.w, applied ones in .*cells\.theta"):
            method()
    assert not changed(mixed, state(model))


def plastic_pair() -> list[Any]:
    """Two cells, and weights that decay while they run; all that a rescaling moves changes in a run."""
    cells = NeuronGroup(2, "dx/dt = (input - x)/(10*ms) : 1\ninput : 1", method="exact", name="cells")
    model = "dw/dt = -w/(20*ms) : 1 (clock-driven)\ninput_post = w*x_pre : 1 (summed)"
    recurrent = Synapses(cells, cells, model, method="exact", name="recurrent")
    recurrent.connect(i=[0, 1], j=[1, 0])
    recurrent.w, cells.x = [8.0, 1.0], [1.0, 2.0]
    return [cells, recurrent]


@pytest.mark.parametrize("run", [False, True])
def test_where_all_changes_in_a_run_the_states_decide_or_else_the_last_call(run: bool) -> None:
    cells, recurrent = plastic_pair()
    network = Network(cells, recurrent)
    before = np.array(recurrent.w)
    result = nb.balance(network)
    network.store()
    result.apply()
    if run:
        network.run(2 * ms)
        result.revert()
        assert np.allclose(recurrent.w, before * np.exp(-2 / 20), rtol=1e-12)
    network.restore()
    with pytest.raises(nb.NeurobalError, match="nothing has been applied"):
        result.revert()
    assert np.array_equal(recurrent.w, before)


def test_synapses_that_have_come_since_cannot_be_reverted() -> None:
    cells, recurrent = plastic_pair()
    result = nb.balance(Network(cells, recurrent))
    result.apply()
    recurrent.connect(i=[0], j=[0])
    before = np.array(recurrent.w)
    with pytest.raises(nb.NeurobalError, match=r"recurrent\.w had 2 values .* has 3 now"):
        result.revert()
    assert np.array_equal(recurrent.w, before)


# ------------------------------------------------------------------------------------------------ half-way failures


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 6, len(MOVING)])
def test_a_write_that_fails_half_way_is_undone(model: Spiking, number: int, error: type, after: bool) -> None:
    before = state(model)
    result = balance(model)
    with failing_write(number, error, after) as calls, pytest.raises(error, match="interrupted"):
        result.apply()
    assert len(calls) >= number
    assert not changed(before, state(model))
    result.apply()  # nothing stands in the way of a second try
    assert np.array_equal(model["exc"].w, result.weights["exc"])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("number", [1, 5, len(MOVING)])
def test_a_revert_that_fails_half_way_is_undone(model: Spiking, number: int, error: type) -> None:
    before = state(model)
    result = balance(model)
    result.apply()
    applied = state(model)
    with failing_write(number, error, after=False), pytest.raises(error):
        result.revert()
    assert not changed(applied, state(model))
    result.revert()
    assert not changed(before, state(model))


def test_an_interrupted_solve_changes_nothing(model: Spiking) -> None:
    def interrupt(*_: float) -> None:
        raise KeyboardInterrupt

    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        balance(model, report=interrupt)
    assert not changed(before, state(model))


def test_the_results_of_balance_do_not_hang_on_the_network(model: Spiking) -> None:
    result = balance(model)
    weights = result.weights["exc"].copy()
    model["exc"].w = 0 * mV
    assert np.array_equal(result.weights["exc"], weights)


def test_synapses_that_have_come_since_are_refused() -> None:
    """The scales are known, but the result is about another network."""
    E = NeuronGroup(3, "v : 1", threshold="i < 0", name="E")
    S = Synapses(E, E, "w : 1", on_pre="v_post += w*v_pre", name="S")
    S.connect(i=[0, 1, 2], j=[1, 2, 0])
    S.w = [8, 1, 1]
    result = nb.balance(Network(E, S), scaling={"E": {"v": 1}, "S": ("w", 1, 1)})
    S.connect(i=[0], j=[2])
    S.w[3] = 1
    result.apply()
    post, pre = np.array(S.j), np.array(S.i)
    λ = result.scale["E"]
    assert np.allclose(S.w, np.array([8, 1, 1, 1]) * λ[post] / λ[pre])


def rectified_pair(weights: list[float]) -> list[Any]:
    """Two rectified-linear cells that excite each other."""
    cells = NeuronGroup(2, "dx/dt = (input - x)/(10*ms) : 1\ninput : 1", method="euler", name="cells")
    recurrent = Synapses(cells, cells, "w : 1\ninput_post = w*clip(x_pre, 0, inf) : 1 (summed)", name="recurrent")
    recurrent.connect(i=[0, 1], j=[1, 0])
    recurrent.w, cells.x = weights, [1.0, 3.0]
    return [cells, recurrent]


def test_a_value_that_is_as_before_by_chance_decides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    cells, recurrent = rectified_pair([1.0, 4.0])
    result = nb.balance(Network(cells, recurrent), dyadic=True)
    result.apply()
    assert list(recurrent.w) == [2, 2]
    recurrent.w = [4.0, 4.0]  # another gain; the second weight was 4 before, too
    cells.x = [0.7, 2.0]
    assert result.is_applied()
    assert "taken as still applied" in caplog.text
    with pytest.raises(nb.NeurobalError, match="already applied"):
        result.apply()
    result.revert()
    assert list(recurrent.w) == [2, 8]


def test_a_synapse_that_was_put_back_by_hand_leaves_the_others_to_be_reverted() -> None:
    cells, recurrent = rectified_pair([1.0, 4.0])
    result = nb.balance(Network(cells, recurrent), dyadic=True)
    result.apply()
    recurrent.w[0] = 1.0
    assert result.is_applied()
    result.revert()
    assert list(recurrent.w) == [0.5, 4]


def test_weights_put_back_below_states_that_are_not_are_a_mixture() -> None:
    cells, recurrent = rectified_pair([1.0, 4.0])
    result = nb.balance(Network(cells, recurrent))
    weights = np.array(recurrent.w)
    result.apply()
    recurrent.w = weights
    with pytest.raises(nb.NeurobalError, match=r"before stand in recurrent\.w, applied ones in cells\.x"):
        result.apply()


def test_a_state_that_is_as_written_by_chance_makes_no_mixture() -> None:
    cells, recurrent = rectified_pair([1.0, 4.0])
    result = nb.balance(Network(cells, recurrent))
    weights = np.array(recurrent.w)
    result.apply()
    recurrent.w = weights
    cells.x[1] = 2.0  # the first one is still as apply() left it
    assert not result.is_applied()


def test_without_its_arguments_verify_knows_all_that_was_read() -> None:
    cells, recurrent = rectified_pair([1.0, 4.0])
    driven = NeuronGroup(1, "dx/dt = (input - x)/(10*ms) : 1\ninput : 1", method="euler", name="driven")
    feedback = Synapses(cells, driven, "w : 1\ninput_post = w*clip(x_pre, 0, inf) : 1 (summed)", name="feedback")
    feedback.connect()
    feedback.w = 1
    network = Network(cells, recurrent, driven, feedback, PoissonInput(driven, "x", 10, 1 * Hz, weight=0.1))
    result = nb.balance(network)
    result.apply()
    assert nb.verify(result.before).preserved and nb.verify(result.before, network).preserved
