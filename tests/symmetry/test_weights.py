"""Which variable of synapses is their weight: names, factors, states, names within a block."""

from __future__ import annotations

import pytest
from written import group, model, synapses

from neurobal.symmetry.symmetries import Symmetries

Found = list[tuple[str, tuple[str, ...]]]

# Lines of synapses, and the weights that they have, each with its rivals. I and g are inputs of the neurons.
LINES: dict[tuple[str, ...], Found] = {
    # what is sent
    ("I_post (summed) = w*x_pre",): [("w", ())],
    ("g_post += w*x_pre",): [("w", ())],
    ("g_post += x_pre*w",): [("w", ())],
    ("I_post (summed) = x_pre",): [],
    ("g_post += c*x_pre",): [],
    ("g_post += w*x_pre", "I_post (summed) = w*x_pre"): [("w", ())],
    ("g_post += w*x_pre", "I_post (summed) = u*x_pre"): [("w", ()), ("u", ())],
    ("u *= k*x_post",): [],
    # which of several factors
    ("g_post += u*w*x_pre",): [("w", ())],
    ("g_post += u*weight*x_pre",): [("weight", ())],
    ("g_post += u*W*x_pre",): [("W", ())],
    ("g_post += u*k*x_pre",): [("k", ())],
    ("g_post += k*w2*x_pre",): [("w2", ())],
    ("g_post += w2*w*x_pre",): [("w", ())],
    ("g_post += u*u2*x_pre",): [("u", ("u2",))],
    ("g_post += w*weight*u*x_pre",): [("w", ("weight",))],
    ("g_post += u*x_pre", "I_post (summed) = u*k*x_pre"): [("u", ())],  # the sum of both lets k stand still
    # those that cannot move are none
    ("u *= exp(u)", "g_post += u*u2*x_pre"): [("u2", ())],
    ("w *= exp(w)", "g_post += w*u*x_pre"): [("u", ())],
    ("w *= exp(w)", "g_post += w*x_pre"): [("w", ())],
    # resources between 0 and 1 are none where a constant is a factor, too
    ("u += k*(1 - u)", "g_post += c*u*x_pre"): [],
    ("u += k*(1 - u)", "g_post += u*c*x_pre"): [],
    ("u += k*(1 - u)", "g_post += u*x_pre*c/2"): [],
    ("u += k*(1 - u)", "g_post += u*c**2*x_pre"): [],
    ("u += k*(1 - u)", "g_post += u*x_pre/c"): [("u", ())],
    ("u += k*(1 - u)", "g_post += u*c*x_pre/c"): [("u", ())],
    ("u += k*(1 - u)", "g_post += u*(x_pre + c)"): [("u", ())],
    ("u += k*(1 - u)", "tmp = u*c", "g_post += tmp*x_pre"): [],
    # behind states, definitions and names within the block
    ("ds/dt = (w*x_pre - s)/tau", "I_post (summed) = s"): [("w", ())],
    ("ds/dt = (h - s)/tau", "dh/dt = -h/tau", "h += w*x_pre", "I_post (summed) = s"): [("w", ())],
    ("ds/dt = -s/tau", "g_post += s*x_pre"): [("s", ())],
    ("ds/dt = -s/tau", "dh/dt = (s - h)/tau", "g_post += h*x_pre"): [("h", ())],
    ("y := w*x_pre", "I_post (summed) = y"): [("w", ())],
    ("y := w*z", "z := u*x_pre", "I_post (summed) = y"): [("w", ())],
    ("tmp = w", "tmp *= 2", "g_post += tmp*x_pre"): [("w", ())],
    ("tmp = u", "tmp *= w", "g_post += tmp*x_pre"): [("w", ())],
    # a parameter is nearer than what stands behind a state beside it
    ("ds/dt = (w*x_pre - s)/tau", "I_post (summed) = u*s"): [("u", ())],
}


def found(*lines: str) -> Symmetries:
    cells = group("E", "dx/dt = (I + g - x)/tau", "dg/dt = -g/tau", variables="I")
    sending = synapses("S", "E", "E", *lines, variables="w weight w2 W u u2 k")
    return Symmetries(model(cells, sending, constants={"tau": 0.01, "c": 2.0}))


@pytest.mark.parametrize("lines", LINES, ids="; ".join)
def test_weights_and_rivals(lines: tuple[str, ...]) -> None:
    weights = found(*lines).projections["S"].weights
    assert [(weight.variable, weight.rivals) for weight in weights] == LINES[lines]


def test_powers_of_all_variables_that_move_along() -> None:
    symmetries = found("ds/dt = (w*x_pre - s)/tau", "I_post (summed) = s")
    assert symmetries.projections["S"].powers == {"w": (1, -1), "s": (1, 0)}
