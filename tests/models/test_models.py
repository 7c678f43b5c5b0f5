"""The models: what they are made of, that rescaling by hand changes nothing, and (slow) the whole scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import Network, mV, prefs, volt

MODELS = Path(__file__).parents[2] / "models"
sys.path.insert(0, str(MODELS))

import figures  # noqa: E402
import flyvis  # noqa: E402
import mushroom_body  # noqa: E402
import spiking_ei  # noqa: E402


@pytest.fixture(autouse=True)
def numpy_target():
    """Brian2's preferences are global: leave them as they were."""
    target = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = target


def random_scales(rng: np.random.Generator, pinned: np.ndarray, dyadic: bool) -> np.ndarray:
    h = rng.normal(0, 1.5, pinned.size)
    scale = np.exp2(np.rint(h / np.log(2))) if dyadic else np.exp(h)
    return np.where(pinned, 1.0, scale)


# ----------------------------------------------------------------------------------------------------- flyvis


@pytest.fixture(scope="module")
def ensemble() -> flyvis.Ensemble:
    return flyvis.load()


@pytest.mark.parametrize(("radius", "neurons", "synapses"), [(2, 1_235, 29_290), (5, 5_915, 174_709)])
def test_flyvis_lattice_has_the_published_size(ensemble, radius, neurons, synapses):
    wiring = flyvis.wire(ensemble, radius)
    assert len(wiring.cell_type) == neurons
    assert len(wiring.weight) == synapses
    assert len(np.unique(wiring.pre * neurons + wiring.post)) == synapses


def test_flyvis_ensemble(ensemble):
    assert len(ensemble.types) == 65
    assert ensemble.strength.shape == (50, 604)
    assert set(np.unique(ensemble.pair_sign)) == {-1.0, 1.0}
    # Forward Euler is stable only if no neuron is faster than the step.
    assert ensemble.time_const_s.min() > 2 * float(flyvis.DT)


def test_flyvis_column_repeats(ensemble):
    """Offsets reach over seven columns: beyond that, a larger eye changes nothing in the middle."""
    small, large = (flyvis.wire(ensemble, radius) for radius in (7, 8))
    for name in ("T4a", "Mi9"):
        first, second = (np.sort(w.weight[w.post == w.central(name)]) for w in (small, large))
        assert np.array_equal(first, second)


def test_flyvis_pins_photoreceptors_and_motion_detectors(ensemble):
    wiring = flyvis.wire(ensemble, 1)
    names = np.array(wiring.types)[wiring.cell_type[wiring.pinned]]
    assert set(names) == {*flyvis.INPUTS, *flyvis.READOUTS}
    assert wiring.pinned.sum() == 16 * 7


def test_flyvis_bar_moves_in_its_direction(ensemble):
    columns = flyvis.hexagon(4)
    stimulus = flyvis.moving_bar(columns)
    x, y = flyvis.position(columns)
    for name, along in (("right", x), ("left", -x), ("up", y), ("down", -y)):
        passage = stimulus.luminance[stimulus.onsets[name] :][: stimulus.steps]
        onset = np.argmax(passage > 0.75, axis=0)
        assert np.corrcoef(onset, along)[0, 1] > 0.99
    assert stimulus.luminance[0] == pytest.approx(flyvis.GREY)
    assert stimulus.luminance.max() <= flyvis.BRIGHT


@pytest.mark.parametrize("dyadic", [False, True])
def test_flyvis_rescaled_by_hand_sees_the_same(ensemble, dyadic):
    wiring = flyvis.wire(ensemble, 1)
    eye, twin = flyvis.build(wiring), flyvis.build(wiring)
    scale = random_scales(np.random.default_rng(2), wiring.pinned, dyadic)
    twin.fly.V = twin.fly.V * scale
    twin.fly.bias = twin.fly.bias * scale
    twin.connectome.w = twin.connectome.w * scale[wiring.post] / scale[wiring.pre]
    readouts = len(wiring.neurons(*flyvis.READOUTS))
    before, after = eye.run(report=None), twin.run(report=None)
    change = flyvis.largest_change(before[:readouts], after[:readouts])
    assert change == 0 if dyadic else 0 < change <= 1e-12
    assert flyvis.largest_change(before[readouts:], after[readouts:]) > 0.01  # hidden voltages do move


def test_flyvis_in_brian2_is_flyvis(ensemble):
    """The same numbers as a plain loop over the published equations."""
    wiring = flyvis.wire(ensemble, 1)
    eye = flyvis.build(wiring)
    eye.run(report=None)
    matrix = np.zeros((len(wiring.bias),) * 2)
    matrix[wiring.post, wiring.pre] = wiring.weight
    V = wiring.bias.copy()
    light = np.isin(wiring.cell_type, [wiring.types.index(name) for name in flyvis.INPUTS])
    for luminance in eye.stimulus.luminance:
        current = light * luminance[wiring.column]
        V = V + float(flyvis.DT) / wiring.tau * (-V + wiring.bias + matrix @ np.maximum(V, 0) + current)
    assert np.asarray(eye.fly.V) == pytest.approx(V, rel=1e-10, abs=1e-12)


@pytest.mark.slow
def test_flyvis_prefers_the_directions_of_the_real_cells(ensemble):
    eye = flyvis.build(flyvis.wire(ensemble, 5))
    traces = eye.run(report=None)
    right = 0
    for k, name in enumerate(flyvis.READOUTS):
        peaks, selectivity = flyvis.tuning(eye.stimulus, traces[k * 91 + 45])
        right += max(peaks, key=peaks.__getitem__) == flyvis.PREFERRED[name[-1]] and selectivity > 0.2
    assert right >= 7  # T4d of model 0 stays silent


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--dyadic"]])
def test_flyvis_script(tmp_path, capsys, flags):
    runs = flyvis.main(["--radius", "2", "--output", str(tmp_path), *flags])
    assert (tmp_path / "flyvis.png").stat().st_size > 10_000
    for run in runs.values():
        assert run.result.success
        assert run.result.cost < 0.9 * run.result.cost_before
    assert "largest change of a readout" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------- mushroom body


def test_mushroom_body_data():
    connectome = mushroom_body.load()
    assert connectome.J.shape == (213, 213)
    assert np.count_nonzero(connectome.J) == 7_536
    assert mushroom_body.largest_component(connectome.J).sum() == 139
    onto = {a: connectome.J[np.ix_(connectome.label == "K", connectome.label == a)].sum() for a in "PO"}
    assert onto["P"] > 0 == onto["O"]  # odours reach Kenyon cells through projection neurons, not from output neurons


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_mushroom_body_scipy_reference(p):
    connectome = mushroom_body.load()
    core = mushroom_body.largest_component(connectome.J)
    J = connectome.J[np.ix_(core, core)]
    balanced = mushroom_body.scipy_balance(J, p)
    ratio = (balanced**p).sum() / (J**p).sum()
    assert ratio == pytest.approx({1.0: 0.687, 2.0: 0.442}[p], abs=1e-3)
    # cycles keep their products, so the eigenvalues stay
    first, last = (np.sort(np.abs(np.linalg.eigvals(matrix)))[-5:] for matrix in (J, balanced))
    assert last == pytest.approx(first)


@pytest.mark.parametrize("dyadic", [False, True])
def test_mushroom_body_rescaled_by_hand_answers_the_same(dyadic):
    connectome = mushroom_body.load()
    drive = mushroom_body.make_drive(connectome)
    scale = random_scales(np.random.default_rng(3), np.zeros(213, dtype=bool), dyadic)
    before = mushroom_body.simulate(connectome.J, drive, np.ones(213))
    after = mushroom_body.simulate(connectome.J * scale[:, None] / scale[None, :], drive, scale)
    change = mushroom_body.largest_change(before, after, scale)
    assert change == 0 if dyadic else change < 1e-12
    active = (before.max(axis=0) > 0)[connectome.label == "K"].mean()
    assert 0.1 < active < 0.9


def test_mushroom_body_script(tmp_path, capsys):
    runs = mushroom_body.main(["--output", str(tmp_path)])
    assert (tmp_path / "mushroom_body.png").exists()
    connectome = mushroom_body.load()
    core = np.ix_(*2 * [mushroom_body.largest_component(connectome.J)])
    for run, ratio in zip(runs, (0.645, 0.345), strict=True):
        assert mushroom_body.imbalance(run.weights[core], run.p) < 1e-8
        kept = (run.weights[core] ** run.p).sum() / (connectome.J[core] ** run.p).sum()
        assert kept == pytest.approx(ratio, abs=1e-3)
        assert run.change < 1e-12
    assert "left out" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ spiking E/I


def rescale_by_hand(model: spiking_ei.Model, scale: np.ndarray) -> None:
    for name in ("v", "g", "drive", "theta", "v_reset", "a"):
        setattr(model.cells, name + "_", getattr(model.cells, name + "_")[:] * scale)
    firsts = {"input_synapses": None, "excitation": 0, "inhibition": model.excitatory, "output_synapses": 0}
    for name, first in firsts.items():
        group = model.synapses[name]
        post = np.ones(len(group)) if name == "output_synapses" else scale[group.j]
        pre = np.ones(len(group)) if first is None else scale[group.i + first]
        group.w_ = group.w_[:] * post / pre


@pytest.mark.parametrize("dyadic", [False, True])
def test_spiking_network_rescaled_by_hand_spikes_the_same(dyadic):
    model, twin = (spiking_ei.build(seed=5, size=100) for _ in range(2))
    scale = random_scales(np.random.default_rng(4), np.zeros(100, dtype=bool), dyadic)
    rescale_by_hand(twin, scale)
    for item in (model, twin):
        item.run(0.3, report=None)
    assert model.spikes.num_spikes > 100
    assert spiking_ei.identical_spikes(model.spikes, twin.spikes)
    assert spiking_ei.identical_spikes(model.input_spikes, twin.input_spikes)
    change = spiking_ei.relative_change(model.readout, twin.readout, "r")
    assert change == 0 if dyadic else change < 1e-12
    if dyadic:
        assert np.array_equal(twin.voltage.v, model.voltage.v * scale[:, None])


def test_spiking_network_without_amplitudes_would_spike_differently():
    """Rescaling everything but the size of the spikes is not a symmetry: the check above can fail."""
    model, twin = (spiking_ei.build(seed=5, size=100) for _ in range(2))
    amplitude = twin.cells.a[:].copy()
    rescale_by_hand(twin, random_scales(np.random.default_rng(4), np.zeros(100, dtype=bool), True))
    twin.cells.a = amplitude
    for item in (model, twin):
        item.run(0.3, report=None)
    assert not spiking_ei.identical_spikes(model.spikes, twin.spikes)


def test_spiking_network_is_made_as_described():
    model = spiking_ei.build(seed=7)
    assert isinstance(model.network, Network)
    assert len(model.cells) == 400
    assert model.excitatory == 320
    recurrent = [model.synapses[name] for name in spiking_ei.COSTED]
    assert sum(len(group) for group in recurrent) == pytest.approx(0.1 * 400 * 399, rel=0.05)
    assert all(np.all(group.w > 0 * volt) for group in recurrent)
    assert np.unique(model.synapses["excitation"].delay).size > 100
    incoming, outgoing = spiking_ei.neuron_costs(model)
    total = sum(float(np.sum((group.w / mV) ** 2)) for group in recurrent)
    assert incoming.sum() == pytest.approx(total)
    assert outgoing.sum() == pytest.approx(total)
    assert np.abs(np.log(incoming / outgoing)).mean() > 1  # visibly unbalanced


@pytest.mark.slow
def test_spiking_network_is_irregular_at_a_realistic_rate():
    model = spiking_ei.build()
    model.run(1.5, report=None)
    rates, cv = spiking_ei.rates_and_cv(model, 1.5)
    assert 5 < rates.mean() < 20
    assert cv.mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--dyadic"]])
def test_spiking_script(tmp_path, flags):
    answer = spiking_ei.main(["--size", "100", "--duration", "0.3", "--output", str(tmp_path), *flags])
    assert (tmp_path / "spiking_ei.png").exists()
    assert answer["result"].cost < 0.8 * answer["result"].cost_before
    assert spiking_ei.identical_spikes(answer["model"].spikes, answer["twin"].spikes)


# ---------------------------------------------------------------------------------------------------- figures


def test_incoming_outgoing():
    incoming, outgoing = figures.incoming_outgoing([0, 0, 1], [1, 2, 2], [1.0, -2.0, 3.0], [0, 1, 1])
    assert incoming.tolist() == [0.0, 14.0]
    assert outgoing.tolist() == [5.0, 9.0]


def test_table(capsys):
    figures.print_table(["", "before"], [["cost", "1,000"], ["imbalance", "1"]])
    assert capsys.readouterr().out.splitlines() == [
        "           before",
        "---------  ------",
        "cost        1,000",
        "imbalance       1",
    ]
