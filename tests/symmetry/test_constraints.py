"""Exponents of small models, each derived by hand: one line, one rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from written import group, model, synapses

from neurobal.symmetry.constraints import Exponent, constrain
from neurobal.symmetry.model import Constant, Kind, Model, Pin, Variable
from neurobal.symmetry.nullspace import Echelon, Form
from neurobal.symmetry.symmetries import Symmetries

Powers = dict[str, object]
RATE: Powers = {"x": 1, "I": 1, "inp": 1, "S.w[post]": 1}
ALL: Powers = {**RATE, "S.w[pre]": -1}
NONE: list[Powers] = []


def span(basis: object) -> set[Form]:
    """A canonical basis of the same space: two bases are equal if and only if they span the same."""
    solved = Echelon(rank=str)
    for vector in basis:  # type: ignore[attr-defined]
        solved.add(Form({name: Fraction(str(power)) for name, power in vector.items()}))
    return {Form({pivot: 1}) - row for pivot, row in solved._rows.items()}


def rates(*lines: str, sends: str = "w*x_pre", variables: str = "", discrete: str = "", **constants: float) -> Model:
    """Rate units E with state x, drive inp and input I from synapses S with weights w, and more lines."""
    cells = group("E", "dx/dt = (I + inp - x)/tau", *lines, variables=f"I inp {variables}", discrete=discrete)
    return model(
        cells,
        synapses("S", "E", "E", f"I_post (summed) = {sends}", variables="w"),
        constants={"tau": 0.01, **constants},
    )


def expect(network: Model, *basis: Powers) -> Symmetries:
    found = Symmetries(network)
    assert span(found.groups["E"].independent) == span(basis), found.groups["E"].independent
    return found


# One more line of linear rate units, in which k and m are parameters of each neuron and c is a constant.
LINES: dict[str, list[Powers]] = {
    # conditions compare alike; a bare quantity is true or false whatever its scale
    "if x > k": [{**ALL, "k": 1}],
    "if x": [ALL],
    "if x > k and inp < m": [{**ALL, "k": 1, "m": 1}],
    "if not x > k": [{**ALL, "k": 1}],
    "if 0 < x": [ALL],
    "if x < inf": [ALL],
    "if x > c": NONE,
    "if x*k > c": [{**ALL, "k": -1}],
    "if x < k < m": [{**ALL, "k": 1, "m": 1}],
    # numbers that may not move
    "fixed x": NONE,
    "fixed k": [ALL],
    "fixed 0": [ALL],
    "fixed inf": [ALL],
    "fixed k*x": [{**ALL, "k": -1}],
    # assignments
    "x = k": [{**ALL, "k": 1}],
    "x += k": [{**ALL, "k": 1}],
    "x -= k": [{**ALL, "k": 1}],
    "x *= c": [ALL],
    "x *= k/m": [ALL, {"k": 1, "m": 1}],
    "x *= x": NONE,
    "x /= k": [ALL],
    "x %= k": NONE,
    "x **= c": NONE,
    "x = 0": [ALL],
    "x = inf": [ALL],
    "x = c": NONE,
    "x = c*k": [{**ALL, "k": 1}],
    "x = x + k - k": [{**ALL, "k": 1}],
    "x = x + k - m": [{**ALL, "k": 1, "m": 1}],
    # operators
    "x = k % m": [{**ALL, "k": 1, "m": 1}],
    "x = inp*(k // m)": [ALL, {"k": 1, "m": 1}],
    "x = inp*(k & m)": [ALL],
    "x = -k": [{**ALL, "k": 1}],
    "x = k**2": [{**ALL, "k": "1/2"}],
    "x = k**c": [{**ALL, "k": "1/3"}],
    "x = k**m": NONE,
    "x = inp*k**m": [ALL],
    "x = inp*2**k": [ALL],
    "x = inp*k**0": [ALL],
    "x = inp*k**-1": [ALL],
    "x = inp*k**(1/3)*m": [ALL, {"k": -3, "m": 1}],
    # functions
    "x = abs(k)": [{**ALL, "k": 1}],
    "x = sqrt(k)": [{**ALL, "k": 2}],
    "x = inp*sign(k)": [ALL],
    "x = clip(k, -inf, m)": [{**ALL, "k": 1, "m": 1}],
    "x = clip(k, 0, inf)": [{**ALL, "k": 1}],
    "x = clip(k, 0, 1)": NONE,
    "x = inp*exp(k)": [ALL],
    "x = inp*exp(k/m)": [ALL, {"k": 1, "m": 1}],
    "x = inp*arctan2(k, m)": [ALL],
    "x = inp*int(x > k)": [{**ALL, "k": 1}],
    "x = exp(0)*inp": [ALL],
    "x = inp*exp(inp)": NONE,
    "x = inp*2**inp": NONE,
    "x = inp*inf**0": [ALL],
    "x = inp*0**0": [ALL],
    "x = inp*(x & inp)": NONE,
    # what no simulator reads: whatever it mentions stays
    "x = inp if inp > k else k": NONE,
    "x = inp*maximum(0, b=x)": NONE,
    "x = inp*len([1 for i in x])": NONE,
}


@pytest.mark.parametrize("line", LINES)
def test_one_line(line: str) -> None:
    expect(rates(line, variables="k m", c=3.0), *LINES[line])


BLOCKS: dict[tuple[str, ...], list[Powers]] = {
    ("tmp = k", "x = tmp"): [{**ALL, "k": 1}],
    ("tmp = 0", "tmp += k", "x = tmp"): [{**ALL, "k": 1}],
    ("tmp = k", "tmp += m", "x = tmp"): [{**ALL, "k": 1, "m": 1}],
    ("tmp = k", "tmp -= m", "x = tmp"): [{**ALL, "k": 1, "m": 1}],
    ("tmp = k", "tmp *= m", "x = tmp"): [{**ALL, "k": 1}, {"k": 1, "m": -1}],
    ("tmp = k", "tmp /= m", "x = tmp"): [{**ALL, "k": 1}, {"k": 1, "m": 1}],
    ("tmp = k", "tmp *= 0", "x = tmp"): [ALL],
    ("tmp = k", "tmp %= m", "x = inp*tmp"): [ALL],
    ("tmp = x", "tmp %= m", "x = inp*tmp"): NONE,
    ("tmp = k", "tmp %= x", "x = inp*tmp"): NONE,
    ("tmp = 0", "tmp %= k", "x = inp*tmp"): [ALL],
    ("tmp = k", "tmp = m", "x = tmp"): [{**ALL, "m": 1}],
    ("tmp += k", "x = inp*tmp"): [ALL],  # a name without a value: a number
    ("tmp = k", "x = tmp", "tmp = inp*m", "k = tmp"): [{**ALL, "k": 1}],
}


@pytest.mark.parametrize("block", BLOCKS, ids="; ".join)
def test_names_within_a_block(block: tuple[str, ...]) -> None:
    expect(rates(*block, variables="k m"), *BLOCKS[block])


def test_names_of_another_block_are_others() -> None:
    network = rates("tmp = x", "x = tmp*inp")
    expect(network)
    network.groups["E"].statements[-1] = replace(network.groups["E"].statements[-1], block=1)
    expect(network, ALL)


# What is sent by rate units, with parameters k and m of each neuron, and a constant c = 3.
OUTPUTS: dict[tuple[str, ...], list[Powers]] = {
    ("r := x",): [ALL],
    ("r := c*x + x",): [ALL],
    ("r := x**2",): [{**RATE, "S.w[pre]": -2}],
    ("r := x**c",): [{**RATE, "S.w[pre]": -3}],
    ("r := sqrt(x)",): [{**RATE, "S.w[pre]": "-1/2"}],
    ("r := 1/x",): [{**RATE, "S.w[pre]": 1}],
    ("r := c",): [RATE],
    ("r := 0",): [RATE, {"S.w[pre]": 1}],
    ("r := k*tanh(x/m)",): [{**RATE, "m": 1}, {"k": 1, "S.w[pre]": -1}],
    ("r := q*k", "q := x*m"): [ALL, {"k": 1, "S.w[pre]": -1}, {"m": 1, "S.w[pre]": -1}],
    ("r := exp(x)",): NONE,
    ("r := x + x*x",): NONE,
}


@pytest.mark.parametrize("lines", OUTPUTS, ids="; ".join)
def test_what_is_sent(lines: tuple[str, ...]) -> None:
    expect(rates(*lines, sends="w*r_pre", variables="k m", c=3.0), *OUTPUTS[lines])


def test_a_definition_that_nothing_uses_requires_nothing() -> None:
    expect(rates("r := exp(x)"), ALL)


def test_integers_do_not_move() -> None:
    expect(rates("x = inp*n", discrete="n"), ALL)
    expect(rates("x = n", discrete="n"))


def test_a_line_that_cannot_be_read_lets_nothing_move_that_it_mentions() -> None:
    expect(rates("k = m if m else 0", variables="k m"), ALL)
    expect(rates("k = (m", variables="k m"), ALL)
    expect(rates("x = (c", c=1.0))
    expect(rates("k = (inf", variables="k"), ALL)


def test_a_variable_that_belongs_to_another_group_stands_still() -> None:
    """A link: E reads z of F as if it were its own."""
    cells = group("E", "dx/dt = (I + z - x)/tau", variables="I")
    other = group("F", variables="z")
    for name, powers in (("F", []), ("E", [{"x": 1, "I": 1, "z": 1, "S.w[post]": 1, "S.w[pre]": -1}])):
        sending = synapses("S", "E", "E", "I_post (summed) = w*x_pre", variables="w")
        network = model(cells, other, sending, constants={"tau": 0.01})
        first = network.groups["E"].statements[0]
        linked = Variable(name, "z", Kind.PARAMETER)
        network.groups["E"].statements[0] = replace(first, scope={**first.scope, "z": linked})
        expect(network, *powers)
        cells = group("E", "dx/dt = (I + z - x)/tau", variables="I")


def test_each_symmetry_moves_as_few_weights_as_can_be() -> None:
    network = rates("r := k*x", sends="w*r_pre", variables="k")
    for powers in Symmetries(network).groups["E"].independent:
        assert len([name for name in powers if "[" in name]) == 1


def test_exponents_have_readable_names() -> None:
    assert str(Exponent("E", "x")) == "E.x" and str(Exponent("S", "w", "post")) == "S.w[post]"


def test_a_pin_holds_one_variable() -> None:
    network = rates("r := k*x", sends="w*r_pre", variables="k")
    network.pins.append(Pin("E", "x", "a monitor needs it"))
    expect(network, {"k": 1, "S.w[pre]": -1})
    network.pins.append(Pin("S", "w", "it is read by hand"))
    expect(network)


def test_a_pin_of_synapses_holds_both_ends() -> None:
    network = rates()
    network.pins.append(Pin("S", "w", "it is read by hand"))
    expect(network)


def test_pins_of_other_groups_are_no_matter_of_a_group() -> None:
    cells = group("F", "dy/dt = (J - y)/tau", variables="J")
    network = model(cells, *rates().groups.values(), *rates().synapses.values(), constants={"tau": 0.01})
    network.pins.append(Pin("F", "y", "a monitor needs it"))
    assert {unknown.owner for unknown in constrain(network, "E").unknowns()} == {"E", "S"}


def test_a_constant_without_a_known_value_is_no_exponent() -> None:
    network = rates("r := x**c", sends="w*r_pre", c=3.0)
    for part in (*network.groups.values(), *network.synapses.values()):
        for statement in part.statements:
            if "c" in statement.scope:
                statement.scope["c"] = Constant("c", None, promotable=True)  # type: ignore[index]
    expect(network)


# --------------------------------------------------------------------------------------- what the answer rests on


def test_values_that_matter_are_assumed() -> None:
    assert Symmetries(rates("x = zero", zero=0.0)).assumed == {("E", "zero"): 0.0}
    assert Symmetries(rates("r := x**c", sends="w*r_pre", c=3.0)).assumed == {("E", "c"): 3.0}
    assert Symmetries(rates("x = inp*k**(c + 1)", variables="k", c=3.0)).assumed == {("E", "c"): 3.0}
    assert Symmetries(rates("x = clip(inp, -big, big)", big=float("inf"))).assumed == {("E", "big"): float("inf")}
    assert Symmetries(rates("r := c*x", sends="w*r_pre", c=3.0)).assumed == {}
    assert Symmetries(rates("x = inp*2**c", c=3.0)).assumed == {("E", "c"): 3.0}


def test_powers_that_are_not_exact() -> None:
    for power, exact in (
        ("2", True),
        ("1", True),
        ("0.5", True),
        ("3", False),
        ("-1", True),
        ("-2", False),
        ("1.5", False),
    ):
        found = Symmetries(rates(f"r := x**({power})", sends="w*r_pre"))
        assert (not found.inexact) == exact, power
        assert found.groups["E"].inexact == found.inexact
    assert not Symmetries(rates("x = inp*k**3", variables="k")).groups["E"].inexact  # k does not move


@pytest.mark.parametrize(
    ("rate", "exact"),
    [
        ("x*inp/k", True),
        ("x*x*x/k/k", False),
        ("k*k/x/x/x*x*x", True),
        ("k*k/x/x/x*x", False),
        ("x/k/k", True),
        ("x**3/k**2", False),
        ("zero*zero*zero*x", True),
    ],
)
def test_products_that_integrators_write_as_powers(rate: str, exact: bool) -> None:
    found = Symmetries(rates(f"dy/dt = {rate} - y", variables="k", zero=0.0))
    assert (not found.inexact) == exact


def test_what_neurons_define_is_not_put_into_the_equations_of_synapses() -> None:
    """Synapses read the value of r; they know nothing of the product that it is."""
    for lines, sends, exact in (
        (("r := x*x*x",), "r_pre", True),
        (("r := x*x*x", "dy/dt = r - y"), "r_pre", False),
        ((), "x_pre*x_pre*x_pre", False),
    ):
        cells = group("E", "dx/dt = (I - x)/tau", *lines, variables="I")
        sending = synapses("S", "E", "E", f"ds/dt = (w*{sends} - s)/tau", "I_post (summed) = s", variables="w")
        found = Symmetries(model(cells, sending, constants={"tau": 0.01}))
        assert found.groups["E"].scalable
        assert (not found.inexact) == exact, (lines, sends)


def test_roots_and_how_they_move() -> None:
    for output, root, power in (
        ("sqrt(x)", "sqrt(x)", "1/2"),
        ("x**0.5*x", "x ** 0.5", "1/2"),
        ("sqrt(x*x*x)", "sqrt(x * x * x)", "3/2"),
    ):
        found = Symmetries(rates(f"r := {output}", sends="w*r_pre"))
        assert found.groups["E"].roots == ((f"`{root}` in r := {output}", Fraction(power)),)
        assert found.roots == (f"`{root}` in r := {output}",) and not found.inexact
    assert not Symmetries(rates("r := x*sqrt(2)*sqrt(k)", sends="w*r_pre", variables="k")).roots


# ------------------------------------------------------------------------------------------- synapses and their ends


def test_the_two_ends_of_synapses_have_scales_of_their_own() -> None:
    a = group("A", "dx/dt = (inp - x)/tau", variables="inp")
    b = group("B", "y := I", variables="I")
    network = model(a, b, synapses("S", "A", "B", "I_post (summed) = w*x_pre", variables="w"), constants={"tau": 1.0})
    found = Symmetries(network)
    assert span(found.groups["A"].independent) == span([{"x": 1, "inp": 1, "S.w[pre]": -1}])
    assert span(found.groups["B"].independent) == span([{"I": 1, "S.w[post]": 1}])
    projection = found.projections["S"]
    assert projection.powers == {"w": (1, -1)}
    [weight] = projection.weights
    assert (weight.variable, weight.a, weight.b, weight.rivals) == ("w", 1, 1, ())
    assert (projection.source, projection.target) == ("A", "B")
    assert found.groups["A"].homogeneity == 1 and not found.groups["A"].scalable
    assert found.groups["B"].homogeneity == 0 and found.groups["B"].scalable


def test_weights_that_move_with_the_sender_only() -> None:
    a = group("A", "dx/dt = (inp - x)/tau", variables="inp")
    b = group("B", "dy/dt = (1 + I - y)/tau", variables="I")
    network = model(a, b, synapses("S", "A", "B", "I_post (summed) = w*x_pre", variables="w"), constants={"tau": 1.0})
    assert Symmetries(network).projections["S"].powers == {"w": (0, -1)}


@pytest.mark.parametrize("side", ["post", "pre"])
def test_a_variable_is_seen_from_the_side_that_scales(side: str) -> None:
    """k_post moves with the receiver and k_pre with the sender, even within one group."""
    cells = group("E", "dx/dt = (I - x)/tau", variables="I k")
    sending = synapses("S", "E", "E", f"I_post (summed) = w*k_{side}*x_pre", variables="w")
    network = model(cells, sending, constants={"tau": 1.0})
    expect(network, {"x": 1, "I": 1, "S.w[post]": 1, "S.w[pre]": -1}, {"k": 1, f"S.w[{side}]": -1})
