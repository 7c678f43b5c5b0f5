"""What `symmetries` prints, word for word, and its remedies, put to the test: models that say what may go wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from written import group, model, synapses

from neurobal.symmetry.model import Constant, GroupModel, Model, SynapsesModel
from neurobal.symmetry.symmetries import Symmetries

TAU = {"tau": 0.01}


def summed(name: str, source: str | None, target: str, what: str, into: str = "I") -> SynapsesModel:
    """Synapses with a weight w that send something all the time."""
    return synapses(name, source, target, f"{into}_post (summed) = w*{what}_pre", variables="w")


def several_groups() -> Model:
    """Two groups with more than one symmetry, an input, targets outside; roots and powers that are not exact."""
    a = group("A", "dx/dt = (I - x)/tau", "r := sqrt(k*x)", "q := x**3", variables="I k")
    b = group("B", "y := J + H", variables="J H")
    return model(
        a,
        b,
        group("P", fixed="its spikes are given"),
        synapses("PA", "P", "A", "I_post += w", variables="w"),
        summed("AB", "A", "B", "r", "J"),
        summed("AH", "A", "B", "x", "H"),
        synapses("AC", "A", None, "w += q_pre", variables="w"),
        synapses("XA", None, "A", "I_post += w", variables="w"),
        constants=TAU,
    )


def outputs_of_two_kinds() -> Model:
    """x is sent as it is to one group and squared to another; y reaches nobody, and z receives nothing."""
    a = group("A", "dx/dt = (I - x)/tau", "r := x**2", variables="I")
    b = group("B", "y := I + J", variables="I J")
    return model(
        a,
        b,
        group("C", "dz/dt = (k*z0**n - z)/tau", variables="k"),
        summed("AA", "A", "A", "x"),
        summed("AB", "A", "B", "r"),
        summed("CB", "C", "B", "z", "J"),
        constants={**TAU, "n": 3.0, "z0": 2.0},
    )


def inputs_of_two_kinds() -> Model:
    """Two inputs of unlike powers: x of the first is worth the square root of the second."""
    cells = group("E", "dx/dt = (I - x)/tau", "dy/dt = (J - x**2 - y)/tau", variables="I J")
    return model(cells, summed("S", "E", "E", "x"), summed("T", "E", "E", "y", "J"), constants=TAU)


def more_than_one_way() -> Model:
    """Three inputs whose product is bounded: their weights cannot all move by λ, and nothing says how they should."""
    cells = group("E", "dx/dt = (A*B*C - x)/tau", "y := clip(x, 0, 1)", variables="A B C")
    return model(cells, *(summed(f"to_{name}", "E", "E", "y", name) for name in "ABC"), constants=TAU)


def one_resting_potential() -> Model:
    """Potentials are measured from El, which all neurons share; spikes have a fixed size."""
    cells = group("E", "dv/dt = (El - v + g)/tau", "dg/dt = -g/tau", "if v > Vt", "v = Vr", variables="Vt Vr")
    return model(cells, synapses("S", "E", "E", "g_post += w", variables="w"), constants={**TAU, "El": -0.07})


def saturating_units() -> Model:
    """Calls of functions without homogeneity get scales of their own."""
    cells = group("E", "dx/dt = (I - x)/tau", "r := tanh(x) - tanh(x/2)", variables="I")
    return model(cells, summed("S", "E", "E", "r"), constants=TAU)


def numbers_everywhere() -> Model:
    """Constants and numbers with and without units, in equations, conditions, resets and synapses."""
    lines = "dv/dt = (El - v + g + 3*mV)/tau", "dg/dt = -g/(5*ms)", "if v > -50*mV", "v = -65*mV", "g += -1*mV"
    sending = synapses("S", "E", "E", "g_post += w_e", "g_post -= 2*mV", "p += dA*g_post", variables="p")
    return model(group("E", *lines), sending, constants={**TAU, "El": -0.07, "w_e": 0.001, "dA": 1.0})


def names_in_use() -> Model:
    """Conductances in units of their own; `a` is taken already."""
    current = "g*(E0 - v) + gl*(El - v)"
    cells = group("E", f"dv/dt = ({current})/(2*nS*ms)", "if v > Vt", "v = a", variables="a g")
    constants = {"gl": 1e-8, "El": -0.07, "E0": 0.01, "Vt": -0.05}
    return model(cells, synapses("S", "E", "E", "g_post += w", variables="w"), constants=constants)


def many_obstacles() -> Model:
    """More lines in the way than a reader wants to see."""
    lines = "dx/dt = (I - x)/tau + 0.04*x**2/ms/mV", *(f"if x > c{i}" for i in range(9))
    return model(
        group("E", *lines, variables="I"), summed("S", "E", "E", "x"), constants=TAU | {f"c{i}": 1.0 for i in range(9)}
    )


PRINTED: dict[Callable[[], Model], str] = {
    several_groups: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

A: every neuron has a scale; what it sends has homogeneity 1.
    moves along: x, I, k
    from P (PA): w moves by λ
    to B (AB): w moves by λ^-1
    to B (AH): w moves by λ^-1
    from outside (XA): w moves by λ
    tied from 2 independent symmetries:
        x, I, PA.w[post], k^-1, AH.w[pre]^-1, AC.w[pre]^3, XA.w[post]
        AB.w[pre]^-1, k^2

B: every neuron has a scale; it sends nothing.
    moves along: J, H
    from A (AB): w moves by λ
    from A (AH): w moves by λ
    tied from 2 independent symmetries:
        AB.w[post], J
        AH.w[post], H

P: fixed, its spikes are given.

Up to rounding only, even for powers of two:
    `x ** 3` in q := x**3

Bit-exact only where the root moves by a power of two, too (dyadic=True sees to it):
    `sqrt(k * x)` in r := sqrt(k*x)
""",
    outputs_of_two_kinds: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

A: every neuron has a scale; what it sends has more than one homogeneity.
    moves along: x, I
    from A (AA): w moves by λ
    to A (AA): w moves by λ^-1
    to B (AB): w moves by λ^-2

B: every neuron has a scale; it sends nothing.
    moves along: I, J
    from A (AB): w moves by λ
    from C (CB): w moves by λ
    tied from 2 independent symmetries:
        AB.w[post], I
        CB.w[post], J

C: no synapses come into it: nothing to balance.
    moves along: z, k
    to B (CB): w moves by λ^-1

This holds as long as these constants keep their values: n = 3 (C).
""",
    inputs_of_two_kinds: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: every neuron has a scale; what it sends has more than one homogeneity.
    moves along: x, I, J^2, y^2
    from E (S): w moves by λ
    to E (S): w moves by λ^-1
    from E (T): w moves by λ^2
    to E (T): w moves by λ^-2
""",
    more_than_one_way: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: every neuron has a scale, but what it sends does not scale (homogeneity 0).
    moves along: A, C^-1
    from E (to_A): w moves by λ
    to E (to_A): w does not move
    from E (to_B): w does not move
    to E (to_B): w does not move
    from E (to_C): w moves by λ^-1
    to E (to_C): w does not move
    tied from 2 independent symmetries:
        A, C^-1, to_A.w[post], to_C.w[post]^-1
        B, C^-1, to_B.w[post], to_C.w[post]^-1
    There is more than one way to tie them; say which with `scaling`.
    in the way:
        `A_post (summed) = w*y_pre` (equations of to_A): what a neuron sends has a fixed size
        `y := clip(x, 0, 1)` (equations of E): 1 is the same for all neurons
        `B_post (summed) = w*y_pre` (equations of to_B): what a neuron sends has a fixed size
        `C_post (summed) = w*y_pre` (equations of to_C): what a neuron sends has a fixed size
    what would lift it:
        add to the model of E:
            a : 1 (constant)
            c : 1 (constant)
        equations of E becomes:
            y := clip(x, 0, c)
        set before the run:
            E.a = 1
            E.c = 1
        equations of to_A becomes:
            A_post (summed) = w * y_pre * a_pre
        equations of to_B becomes:
            B_post (summed) = w * y_pre * a_pre
        equations of to_C becomes:
            C_post (summed) = w * y_pre * a_pre
""",
    one_resting_potential: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: every neuron has a scale, but what it sends does not scale (homogeneity 0).
    moves along: g, v, Vt, Vr
    measured from El, which stays (exact up to rounding): v, Vt, Vr
        El must keep its value; where it changes, make it a parameter of each neuron
    from E (S): w moves by λ
    to E (S): w does not move
    in the way:
        `dv/dt = (El - v + g)/tau` (equations of E): El is the same for all neurons
        `g_post += w` (on_pre of S): what a neuron sends has a fixed size
    what would lift it:
        add to the model of E:
            El : 1 (constant)
            a : 1 (constant)
        set before the run:
            E.El = El
            E.a = 1
        on_pre of S becomes:
            g_post += w * a_pre

This holds as long as these constants keep their values: El = -0.07 (E).
""",
    saturating_units: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: no scale per neuron, its incoming weights cannot move.
    from E (S): w does not move
    to E (S): w does not move
    in the way:
        `I_post (summed) = w*r_pre` (equations of S): what a neuron sends has a fixed size
        `r := tanh(x) - tanh(x/2)` (equations of E): tanh(x) has a scale of its own, tanh(x / 2) has a scale of its own
    what would lift it:
        add to the model of E:
            a : 1 (constant)
            x_scale : 1 (constant)
            tanh_scale : 1 (constant)
        equations of E becomes:
            r := tanh(x / x_scale) - tanh(x / 2 / tanh_scale)
        set before the run:
            E.a = 1
            E.x_scale = 1
            E.tanh_scale = 1
        equations of S becomes:
            I_post (summed) = w * r_pre * a_pre
""",
    numbers_everywhere: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: no scale per neuron, its incoming weights cannot move.
    in the way:
        `dv/dt = (El - v + g + 3*mV)/tau` (equations of E): El and 3 * mV are the same for all neurons
        `if v > -50*mV` (threshold of E): -50 * mV is the same for all neurons
        `v = -65*mV` (reset of E): -65 * mV is the same for all neurons
        `g += -1*mV` (reset of E): -1 * mV is the same for all neurons
        `g_post += w_e` (on_pre of S): w_e is the same for all synapses, what a neuron sends has a fixed size
        `g_post -= 2*mV` (on_pre of S): 2 * mV is the same for all synapses, what a neuron sends has a fixed size
    what would lift it:
        add to the model of E:
            El : 1 (constant)
            c : volt (constant)
            threshold : volt (constant)
            v_reset : volt (constant)
            g_jump : volt (constant)
            a : 1 (constant)
        equations of E becomes:
            dv/dt = (El - v + g + c) / tau
        threshold of E becomes:
            if v > threshold
        reset of E becomes:
            v = v_reset
        reset of E becomes:
            g += g_jump
        set before the run:
            E.El = El
            E.c = 3 * mV
            E.threshold = -50 * mV
            E.v_reset = -65 * mV
            E.g_jump = -1 * mV
            E.a = 1
        add to the model of S:
            w_e : 1 (constant)
            w : volt (constant)
        on_pre of S becomes:
            g_post -= w * a_pre
        on_pre of S becomes:
            g_post += w_e * a_pre
        set before the run:
            S.w_e = w_e
            S.w = 2 * mV
""",
    names_in_use: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: no scale per neuron, its incoming weights cannot move.
    from E (S): w does not move
    to E (S): w does not move
    in the way:
        `dv/dt = (g*(E0 - v) + gl*(El - v))/(2*nS*ms)` (equations of E): gl and 2 * nS * ms are the same for all neurons
        `g_post += w` (on_pre of S): what a neuron sends has a fixed size
    what would lift it:
        add to the model of E:
            gl : 1 (constant)
            c : siemens*second (constant)
            a2 : 1 (constant)
        equations of E becomes:
            dv/dt = (g * (E0 - v) + gl * (El - v)) / c
        set before the run:
            E.gl = gl
            E.c = 2 * nS * ms
            E.a2 = 1
        on_pre of S becomes:
            g_post += w * a2_pre
""",
    many_obstacles: """
What may be rescaled: λ is a neuron's own scale, it multiplies the weights that come in.

E: no scale per neuron, its incoming weights cannot move.
    from E (S): w does not move
    to E (S): w does not move
    in the way:
        `dx/dt = (I - x)/tau + 0.04*x**2/ms/mV` (equations of E): 0.04 is the same for all neurons
        `if x > c0` (threshold of E): c0 is the same for all neurons
        `if x > c1` (threshold of E): c1 is the same for all neurons
        `if x > c2` (threshold of E): c2 is the same for all neurons
        `if x > c3` (threshold of E): c3 is the same for all neurons
        `if x > c4` (threshold of E): c4 is the same for all neurons
        `if x > c5` (threshold of E): c5 is the same for all neurons
        `if x > c6` (threshold of E): c6 is the same for all neurons
        ... and 2 more lines
    what would lift it:
        add to the model of E:
            c : 1 (constant)
            c0 : 1 (constant)
            c1 : 1 (constant)
            c2 : 1 (constant)
            c3 : 1 (constant)
            c4 : 1 (constant)
            c5 : 1 (constant)
            c6 : 1 (constant)
            c7 : 1 (constant)
            c8 : 1 (constant)
        equations of E becomes:
            dx/dt = (I - x) / tau + c * x ** 2 / ms / mV
        set before the run:
            E.c = 0.04
            E.c0 = c0
            E.c1 = c1
            E.c2 = c2
            E.c3 = c3
            E.c4 = c4
            E.c5 = c5
            E.c6 = c6
            E.c7 = c7
            E.c8 = c8
""",
}


@pytest.mark.parametrize("build", PRINTED, ids=lambda build: build.__name__)
def test_printed(build: Callable[[], Model]) -> None:
    assert repr(Symmetries(build())).splitlines() == PRINTED[build].strip("\n").splitlines()


def changed(network: Model, found: Symmetries, name: str) -> Model:
    """The model with the changes made that a group's remedy asks for."""
    remedy = found.remedy(name)
    assert remedy is not None
    changes = {change.owner: change for change in remedy.changes}
    parts: list[GroupModel | SynapsesModel] = []
    constants = {}
    for part in (*network.groups.values(), *network.synapses.values()):
        lines, stored = [s.text for s in part.statements], " ".join(part.units)
        for reference in (r for s in part.statements for r in s.scope.values()):
            if isinstance(reference, Constant) and reference.promotable:
                constants[reference.name] = reference.value
        if part.name in changes:
            change = changes[part.name]
            for _place, old, new in change.replaced:
                lines[lines.index(old)] = new
            stored += " " + " ".join(line.split(" : ")[0] for line in change.new_lines)
            assert len(change.new_lines) == len(change.values)
        if isinstance(part, GroupModel):
            parts.append(group(part.name, *lines, variables=stored))
        else:
            parts.append(synapses(part.name, part.source, part.target, *lines, variables=stored))
    return model(*parts, constants=constants)


@pytest.mark.parametrize(
    "build", [one_resting_potential, saturating_units, numbers_everywhere, names_in_use, many_obstacles]
)
def test_a_remedy_lets_everything_move(build: Callable[[], Model]) -> None:
    network = build()
    before = Symmetries(network)
    remedy = before.remedy("E")
    assert remedy is not None and before.obstacles("E") == list(remedy.reasons)
    assert remedy.lines() == remedy.lines()
    after = Symmetries(changed(network, before, "E"))
    answer = after.groups["E"]
    assert answer.scalable and answer.homogeneity == 1 and not answer.origins
    assert after.remedy("E") is None and not after.obstacles("E")


def promoted(network: Model) -> set[str]:
    """Everything that a remedy makes a parameter."""
    remedy = Symmetries(network).remedy("E")
    return set() if remedy is None else {line.split(" : ")[0] for change in remedy.changes for line in change.new_lines}


def test_a_remedy_lets_alone_what_may_stay() -> None:
    """The second line sends a constant to h, which nothing reads; o is the only constant that x is compared with."""
    cells = group("E", "dx/dt = (I + o - x)/tau", "dh/dt = -h/tau", variables="I")
    sending = synapses("S", "E", "E", "I_post (summed) = w*x_pre", "h_post += c", variables="w")
    other = synapses("F", "G", "G", "I_post += c")
    network = model(cells, group("G", variables="I"), sending, other, constants={**TAU, "o": 1.0, "c": 2.0})
    assert promoted(network) == {"o"}


def test_constants_that_are_weights_become_parameters_beside_weights_that_exist() -> None:
    cells = group("E", "dx/dt = (I + J - x)/tau", variables="I J")
    other = synapses("T", "E", "E", "J_post (summed) = c*x_pre")
    for first, second in ((summed("S", "E", "E", "x"), other), (other, summed("S", "E", "E", "x"))):
        assert promoted(model(cells, first, second, constants={**TAU, "c": 2.0})) == {"c"}


def two_inputs(*sending: SynapsesModel, bound: str = "inf") -> Model:
    """Two inputs that have nothing to do with one another."""
    cells = group("E", "dx/dt = (I - x)/tau", "dy/dt = (J - y)/tau", f"if x > {bound}", variables="I J")
    return model(cells, *sending, constants={**TAU, "c": 2.0, "d": 3.0})


def test_each_synapses_without_weights_gets_some() -> None:
    first = synapses("S", "E", "E", "I_post (summed) = c*x_pre")
    second = synapses("T", "E", "E", "J_post (summed) = d*y_pre")
    assert promoted(two_inputs(first, second)) == {"c", "d"}
    assert promoted(two_inputs(summed("S", "E", "E", "x"), second, bound="c")) == {"c", "d"}


def test_each_line_that_sends_a_number_gets_a_weight() -> None:
    assert promoted(two_inputs(synapses("S", "E", "E", "I_post += 2*mV*x_pre", "J_post += 3*nS*y_pre"))) == {"w", "w2"}


@pytest.mark.parametrize("sent", ["2*mV*c", "c*(2*mV)"])
def test_a_constant_is_the_weight_and_not_the_number_beside_it(sent: str) -> None:
    assert promoted(two_inputs(synapses("S", "E", "E", f"I_post += {sent}*x_pre"))) == {"c"}


@pytest.mark.parametrize("factors", ["c*(3*mV)", "(3*mV)*c", "2*c", "c*2"])
def test_numbers_in_a_product_stay_and_its_constant_becomes_a_parameter(factors: str) -> None:
    cells = group("E", f"dx/dt = (I - x)/tau + {factors}*x**2", variables="I")
    assert promoted(model(cells, summed("S", "E", "E", "x"), constants={**TAU, "c": 2.0})) == {"c"}


def test_new_names_avoid_those_in_use() -> None:
    cells = group("E", "dv/dt = (g - v)/tau", "dg/dt = -g/tau", "if v > Vt", variables="Vt a a2")
    network = model(cells, synapses("S", "E", "E", "g_post += w", variables="w"), constants=TAU)
    assert promoted(network) == {"a3"}


def test_numbers_in_synapses_become_weights() -> None:
    cells = group("E", "dv/dt = (g - v)/tau", "dg/dt = -g/tau", "if v > Vt", variables="Vt a")
    sending = synapses("S", "E", "E", "g_post += 2*mV*a_pre", "g_post += 0.5*nS/ms*a_pre", "g_post += 2*mV*a_pre")
    network = model(cells, sending, constants=TAU)
    remedy = Symmetries(network).remedy("E")
    assert remedy is not None
    [change] = remedy.changes
    assert set(change.new_lines) == {
        "w : volt (constant)",
        "w2 : siemens/second (constant)",
        "w3 : volt (constant)",
    }
    assert set(change.values) == {"S.w = 2 * mV", "S.w2 = 0.5 * nS / ms", "S.w3 = 2 * mV"}


@pytest.mark.parametrize("output", ["arctan2(x, 1)", "exp(x)*exp(-x)*k"])
def test_functions_without_a_scale_have_no_remedy(output: str) -> None:
    cells = group("E", "dx/dt = (I - x)/tau", f"r := {output}", variables="I k")
    network = model(cells, summed("S", "E", "E", "r"), constants=TAU)
    remedy = Symmetries(network).remedy("E")
    assert remedy is None or Symmetries(changed(network, Symmetries(network), "E")).groups["E"].scalable


def test_a_name_within_the_code_of_a_spike_sends_nothing_by_itself() -> None:
    cells = group("E", "dv/dt = (g - v)/tau", "dg/dt = -g/tau", "if v > Vt", variables="Vt")
    sending = synapses("S", "E", "E", "tmp = w*2", "g_post += tmp", variables="w")
    assert promoted(model(cells, sending, constants=TAU)) == {"a"}


@pytest.mark.parametrize(
    ("output", "parameters"),
    [("k*tanh(x/(3*mV))", {"c"}), ("x + tanh(x)", {"tanh_gain", "x_scale"}), ("x + 2*exp(x)", {"exp_gain", "x_scale"})],
)
def test_functions_get_the_scales_that_they_need(output: str, parameters: set[str]) -> None:
    cells = group("E", "dx/dt = (I - x)/tau", f"r := {output}", variables="I k")
    network = model(cells, summed("S", "E", "E", "r"), constants=TAU)
    assert promoted(network) == parameters
    assert Symmetries(changed(network, Symmetries(network), "E")).groups["E"].homogeneity == 1


def test_questions_may_be_asked_twice() -> None:
    """x - c has no remedy: the differences are sent, too."""
    cells = group("E", "dx/dt = (I - x)/tau", "r := int(x) + exp(x)*k", variables="I k")
    found = Symmetries(model(cells, summed("S", "E", "E", "r"), constants=TAU))
    first = found.obstacles("E")
    assert first and found.obstacles("E") == first
    assert found.contradicting == () and found.unread == ()


def test_what_is_sent_may_have_obstacles_without_a_remedy() -> None:
    """A weight that multiplies what the receiver has: it cannot move, nor is there anything to put in its place."""
    inputs, cells = group("P", fixed="its spikes are given"), group("E", "dx/dt = (I - x)/tau", variables="I")
    sending = synapses("T", "E", "F", "h_post *= w", variables="w")
    coming = synapses("S", "P", "E", "I_post += w", variables="w")
    found = Symmetries(model(inputs, cells, group("F", "dh/dt = -h/tau"), coming, sending, constants=TAU))
    assert found.groups["E"].scalable and found.groups["E"].homogeneity == 0
    for _ in range(2):
        assert found.remedy("E") is None
        [obstacle] = found.obstacles("E")
        assert str(obstacle) == "`h_post *= w` (on_pre of T): w by λ^-1 would move, the rest does not follow"


def test_inputs_have_neither_obstacles_nor_remedies() -> None:
    inputs = group("P", "dx/dt = (I + c - x)/tau", variables="I", fixed="its spikes are given")
    found = Symmetries(model(inputs, summed("S", "P", "P", "x"), constants={**TAU, "c": 1.0}))
    assert found.obstacles("P") == [] and found.remedy("P") is None
    assert found.groups["P"].fixed == "its spikes are given" and not found.groups["P"].scalable


def test_a_contradiction_names_the_part_of_a_line_that_is_meant() -> None:
    """The whole line is quoted anyway: a part is named where it is not all of what the line computes."""
    cells = group("E", "dx/dt = (tanh(x) + I - x)/tau", "dy/dt = tanh(y)", variables="I")
    network = model(cells, synapses("S", "E", "E", "I_post += w*x_pre", variables="w"), constants={"tau": 0.01})
    first, second = Symmetries(network, {"E": {"x": 1, "I": 1, "y": 1}}).contradicted
    assert first.endswith("(equations of E): in `tanh(x)` x by λ would move, the rest does not follow")
    assert second.endswith("(equations of E): y by λ would move, the rest does not follow")
