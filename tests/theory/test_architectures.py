"""Beyond layers: convolutions, local connections, skips, recurrence, mixed activations, dead units (Baldi et al. 2024).

Every network is computed here in numpy, with weights before and after `balance`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import neurobal as nb

Array: TypeAlias = np.ndarray


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def differ(after: Array, before: Array) -> float:
    return float(np.abs(after - before).max() / np.abs(before).max())


def spread(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Weights whose rows have scales of their own."""
    return rng.normal(size=shape) * rng.lognormal(0, 1, (shape[0], *[1] * (len(shape) - 1)))


# ----------------------------------------------------------------------------------------------------- convolutions


def convolved(image: Array, kernel: Array, bias: Array) -> Array:
    """(channel, row, column) with a kernel (post, pre, 3, 3), no padding."""
    windows = sliding_window_view(image, (3, 3), axis=(1, 2))
    return np.einsum("crkxy,ocxy->ork", windows, kernel) + bias[:, None, None]


def pooled(image: Array, how: str) -> Array:
    windows = sliding_window_view(image, (2, 2), axis=(1, 2))[:, ::2, ::2]
    return windows.max(axis=(3, 4)) if how == "max" else windows.mean(axis=(3, 4))


def convolutional(kernels: list[Array], readout: Array) -> nb.Circuit:
    """One unit a channel; a kernel is nine synapses between two channels, whatever the number of places."""
    channels = [kernels[0].shape[1], *(len(kernel) for kernel in kernels)]
    circuit = nb.Circuit()
    for k, size in enumerate(channels):
        circuit.add(f"C{k}", size, pinned=k == 0, bias=np.full(size, 0.1) if k else None)
    for k, kernel in enumerate(kernels):
        post, pre = np.indices(kernel.shape)[:2].reshape(2, -1)
        circuit.connect(f"C{k}", f"C{k + 1}", post_index=post, pre_index=pre, weight=kernel.ravel())
    circuit.add("out", readout.shape[0], pinned=True)
    post, pre = np.indices(readout.shape)[:2].reshape(2, -1)
    last = f"C{len(kernels)}"
    circuit.connect(last, "out", post_index=post, pre_index=pre, weight=readout.ravel(), name="readout")
    return circuit


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_channels_of_a_convolution_are_units(pooling: str, rng: np.random.Generator) -> None:
    """Baldi et al. 2024, tied weights: one λ a channel is exact with ReLU and pooling, a shared weight is counted once
    (check 38)."""
    kernels, readout = [spread((6, 3, 3, 3), rng), spread((4, 6, 3, 3), rng)], rng.normal(size=(5, 4, 9))
    result = nb.balance(convolutional(kernels, readout), tol=1e-12)

    def computed(circuit: nb.Circuit, image: Array) -> Array:
        for k, kernel in enumerate(kernels):
            weight = circuit.projections[f"C{k}->C{k + 1}"].weight.reshape(kernel.shape)
            image = pooled(relu(convolved(image, weight, circuit.projections[f"C{k + 1}.bias"].weight)), pooling)
        return np.einsum("ocx,cx->o", circuit.projections["readout"].weight.reshape(readout.shape),
                         image.reshape(len(image), -1))  # fmt: skip

    image = rng.normal(size=(3, 18, 18))
    before, after = computed(result.before, image), computed(result.circuit, image)
    assert np.abs(before).max() > 0.1 and differ(after, before) <= 1e-13
    first, second, last = (result.weights[name] ** 2 for name in ("C0->C1", "C1->C2", "readout"))
    into = first.reshape(6, -1).sum(axis=1)
    assert np.allclose(into, second.reshape(4, 6, 9).sum(axis=(0, 2)), rtol=1e-6)
    assert np.allclose(second.reshape(4, -1).sum(axis=1), last.reshape(5, 4, 9).sum(axis=(0, 2)), rtol=1e-6)
    assert result.cost_before == pytest.approx(sum(np.sum(w**2) for w in (*kernels, readout)))
    assert result.cost < 0.9 * result.cost_before


def test_units_of_one_channel_cannot_have_scales_of_their_own(rng: np.random.Generator) -> None:
    """Why the channel is the unit: scaled place by place, a shared kernel would no longer be shared (check 38)."""
    places = 8
    circuit = nb.Circuit()
    circuit.add("in", places + 2, pinned=True)
    circuit.add("map", places)
    circuit.add("out", 2, pinned=True)
    pre = (np.arange(places)[:, None] + np.arange(3)).ravel()
    kernel = rng.normal(size=3)
    post = np.repeat(np.arange(places), 3)
    circuit.connect("in", "map", post_index=post, pre_index=pre, weight=np.tile(kernel, places))
    circuit.connect("map", "out", rng.normal(size=(2, places)))
    free = nb.balance(circuit).weights["in->map"].reshape(places, 3)
    tied = nb.balance(circuit, tied="map").weights["in->map"].reshape(places, 3)
    assert np.abs(np.log(free / free[0])).max() > 0.1
    assert np.allclose(tied, tied[0], rtol=1e-14)


def test_locally_connected_units(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: as a convolution, with a kernel for each place; each unit is balanced (check 43's network)."""
    side, small = 8, 6
    rows, columns = np.indices((small, small)).reshape(2, -1)
    offsets = np.indices((3, 3)).reshape(2, -1)
    pre = (rows[:, None] + offsets[0]) * side + columns[:, None] + offsets[1]
    post = np.repeat(np.arange(small**2), 9)
    weights = spread((small**2, 9), rng)
    circuit = nb.Circuit()
    circuit.add("in", side**2, pinned=True)
    circuit.add("local", small**2, bias=rng.normal(size=small**2))
    circuit.add("out", 3, pinned=True)
    circuit.connect("in", "local", post_index=post, pre_index=pre.ravel(), weight=weights.ravel())
    circuit.connect("local", "out", rng.normal(size=(3, small**2)))
    result = nb.balance(circuit, tol=1e-12)

    def computed(one: nb.Circuit, image: Array) -> Array:
        kernels = one.projections["in->local"].weight.reshape(small**2, 9)
        x = np.sum(kernels * image[pre], axis=1) + one.projections["local.bias"].weight
        return one.projections["local->out"].container @ np.where(x > 0, x, 0.1 * x)  # leaky ReLU, as in the paper

    image = rng.normal(size=side**2)
    assert differ(computed(result.circuit, image), computed(result.before, image)) <= 1e-13
    into = np.sum(result.weights["in->local"].reshape(small**2, 9) ** 2, axis=1)
    assert np.allclose(into, np.sum(result.weights["local->out"] ** 2, axis=0), rtol=1e-6)


# --------------------------------------------------------------------------------------------- skips and recurrence


def test_connections_that_skip_layers(rng: np.random.Generator) -> None:
    """Baldi et al. 2024, non-layered networks: in -> A -> B -> out with in -> B, A -> out and in -> out."""
    circuit = nb.Circuit()
    sizes = {"in": 4, "A": 7, "B": 6, "out": 3}
    for name, size in sizes.items():
        circuit.add(name, size, pinned=name in ("in", "out"))
    for pre, post in (("in", "A"), ("in", "B"), ("A", "B"), ("A", "out"), ("B", "out"), ("in", "out")):
        circuit.connect(pre, post, spread((sizes[post], sizes[pre]), rng))
    result = nb.balance(circuit, tol=1e-12)

    def computed(one: nb.Circuit, x: Array) -> Array:
        w = {p.name: p.container for p in one}
        a = relu(w["in->A"] @ x)
        b = relu(w["in->B"] @ x + w["A->B"] @ a)
        return w["A->out"] @ a + w["B->out"] @ b + w["in->out"] @ x

    x = rng.normal(size=(4, 30))
    assert differ(computed(result.circuit, x), computed(result.before, x)) <= 1e-13
    square = {name: w**2 for name, w in result.weights.items()}
    assert np.allclose(square["in->A"].sum(axis=1), (square["A->B"].sum(axis=0) + square["A->out"].sum(axis=0)))
    assert np.allclose(square["in->B"].sum(axis=1) + square["A->B"].sum(axis=1), square["B->out"].sum(axis=0))
    assert np.array_equal(result.weights["in->out"], circuit.projections["in->out"].container)


def test_a_recurrent_network_unrolled_in_time(rng: np.random.Generator) -> None:
    """Baldi et al. 2024, h(t) = [W_rec h(t-1) + W_in x(t) + b]_+, y = W_out h: all outputs stay (check 39)."""
    n = 20
    circuit = nb.Circuit()
    circuit.add("in", 4, pinned=True)
    circuit.add("hidden", n, bias=rng.normal(size=n))
    circuit.add("out", 3, pinned=True)
    circuit.connect("in", "hidden", spread((n, 4), rng))
    circuit.connect("hidden", "hidden", spread((n, n), rng) / n)
    circuit.connect("hidden", "out", rng.normal(size=(3, n)))
    result = nb.balance(circuit, tol=1e-12)

    def computed(one: nb.Circuit, x: Array) -> Array:
        w, h, y = {p.name: p.container for p in one}, np.zeros(n), []
        for now in x:
            h = relu(w["hidden->hidden"] @ h + w["in->hidden"] @ now + one.projections["hidden.bias"].weight)
            y.append(w["hidden->out"] @ h)
        return np.array(y)

    x = rng.normal(size=(50, 4))
    before = computed(result.before, x)
    assert np.all(np.isfinite(before)) and differ(computed(result.circuit, x), before) <= 1e-12
    square = {name: w**2 for name, w in result.weights.items()}
    into = square["in->hidden"].sum(axis=1) + square["hidden->hidden"].sum(axis=1)
    assert np.allclose(into, square["hidden->hidden"].sum(axis=0) + square["hidden->out"].sum(axis=0), rtol=1e-6)


def test_the_authors_version_for_lstm_changes_the_function(rng: np.random.Generator) -> None:
    """Their code balances rows of W_ih against rows of W_hh, both of which come into the same gate (check 39)."""
    n = 8

    def computed(w_ih: Array, w_hh: Array, x: Array) -> Array:
        h, c, out = np.zeros(n), np.zeros(n), []
        for now in x:
            i, f, g, o = (w_ih @ now + w_hh @ h).reshape(4, n)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            out.append(h)
        return np.array(out)

    w_ih, w_hh, x = rng.normal(size=(4 * n, 3)), rng.normal(size=(4 * n, n)) / np.sqrt(n), rng.normal(size=(20, 3))
    scale = np.sqrt(np.linalg.norm(w_hh, axis=1) / np.linalg.norm(w_ih, axis=1))[:, None]
    assert differ(computed(w_ih * scale, w_hh / scale, x), computed(w_ih, w_hh, x)) > 0.05


# ----------------------------------------------------------------------------------------- mixed and silent units


def test_of_mixed_activations_the_homogeneous_units_are_balanced(rng: np.random.Generator) -> None:
    """Baldi et al. 2024: saturating units are pinned; moved like others they change the function."""
    circuit = nb.Circuit()
    sizes = {"in": 4, "relu": 6, "tanh": 5, "out": 3}
    for name, size in sizes.items():
        circuit.add(name, size, pinned=name != "relu")
    for pre, post in (("in", "relu"), ("in", "tanh"), ("relu", "tanh"), ("relu", "out"), ("tanh", "out")):
        circuit.connect(pre, post, spread((sizes[post], sizes[pre]), rng) / 3)

    def computed(one: nb.Circuit, x: Array) -> Array:
        w = {p.name: p.container for p in one}
        r = relu(w["in->relu"] @ x)
        return w["relu->out"] @ r + w["tanh->out"] @ np.tanh(w["in->tanh"] @ x + w["relu->tanh"] @ r)

    x = rng.normal(size=(4, 30))
    result = nb.balance(circuit, tol=1e-12)
    assert differ(computed(result.circuit, x), computed(circuit, x)) <= 1e-13
    square = {name: w**2 for name, w in result.weights.items()}
    out = square["relu->tanh"].sum(axis=0) + square["relu->out"].sum(axis=0)
    assert np.allclose(square["in->relu"].sum(axis=1), out, rtol=1e-6)
    h = {name: np.full(size, 0.5 if name == "tanh" else 0.0) for name, size in sizes.items()}
    assert differ(computed(circuit.rescaled(h), x), computed(circuit, x)) > 0.01


def test_dead_and_unreachable_units_are_left_as_they_are(rng: np.random.Generator) -> None:
    """λ* would be 0 or infinite: such units keep λ = 1, all others are balanced as without them (check 37)."""
    into, out = spread((7, 4), rng), rng.normal(size=(3, 7))
    into[2] = 0  # receives nothing
    out[:, 4] = 0  # sends nothing
    into[6], out[:, 6] = 0, 0  # neither
    alive = [0, 1, 3, 5]

    def circuit(units: list[int]) -> nb.Circuit:
        one = nb.Circuit()
        for name, size in (("in", 4), ("hidden", len(units)), ("out", 3)):
            one.add(name, size, pinned=name != "hidden")
        one.connect("in", "hidden", into[units])
        one.connect("hidden", "out", out[:, units])
        return one

    with np.errstate(all="raise"):
        result = nb.balance(circuit(list(range(7))), tol=1e-12)
    assert result.success and sum(one.synapses.size for one in result.excluded) == 3 + 4
    assert np.all(result.scale["hidden"][[2, 4, 6]] == 1) and np.all(np.isfinite(result.scale["hidden"]))
    assert np.allclose(result.scale["hidden"][alive], nb.balance(circuit(alive), tol=1e-12).scale["hidden"])
