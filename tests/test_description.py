"""Two descriptions of models: what makes them different, and in which words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neurobal as nb
from neurobal.changes import log_ratio
from neurobal.description import Description, Key, Line, Seen, Stored, check_same_model, exchanged
from neurobal.errors import DifferentModelError

THETA, V, U, B, N = (Key("E", name) for name in ("theta", "v", "u", "b", "n"))
CROSSING = Line("v > theta", "condition E.v > ?", (Seen(THETA, "own"),))
RESET = Line("v = 0.5", "E.v = ?", (0.5,))
JUMP = Line("v -= 0.1", "E.v -= ?", (0.1,))


def model(**changed: object) -> Description:
    """A threshold, a reset of two lines, facts of several kinds, and stored values."""
    description = Description(
        lines={"threshold of E": (CROSSING,), "reset of E": (RESET, JUMP)},
        facts={
            "method of E": "euler",
            "time step of E": 1e-4,
            "delay of S": np.array([1.0, 2.0, np.nan]),
            "rate of P": float("nan"),
            "size of P": 3,
        },
        stored={
            THETA: Stored(np.array([1.0, 1.0, 1.0])),
            V: Stored(np.array([0.25, 0.5, np.nan]), (("E", None, 1.0),), dynamic=True),
            B: Stored(np.array([np.inf, -np.inf, np.nan]), (("E", None, 1.0),)),
            U: Stored(np.array([3.0, 4.0]), (("E", np.array([0, 2]), 1.0), ("E", np.array([1, 1]), -1.0))),
            N: Stored(np.array([1, 2, 3])),
        },
    )
    return replace(description, **changed)  # type: ignore[arg-type]


def circuit(description: Description | None) -> nb.Circuit:
    network = nb.Circuit()
    network.add("E", 3)
    network.connect("E", "E", np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [1.0, -2.0, 0.0]]), name="S")
    network.description = description
    return network


def with_stored(**values: np.ndarray | float | Stored) -> Description:
    stored = dict(model().stored)
    for name, value in values.items():
        key = Key("E", name)
        stored[key] = value if isinstance(value, Stored) else replace(stored[key], values=np.asarray(value))
    return model(stored=stored)


# ------------------------------------------------------------------------------------------------------------ models


def test_a_model_is_the_same_as_itself() -> None:
    check_same_model(model(), model())
    check_same_model(None, model())
    check_same_model(model(), None)


LINES = {"threshold of E": (CROSSING,), "reset of E": (RESET, JUMP)}
FACTS = model().facts


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"lines": LINES | {"reset of E": (RESET, replace(JUMP, text="v += 0.1", form="E.v += ?"))}},
            "`v -= 0.1` in the reset of E became `v += 0.1`",
        ),
        (
            {"lines": LINES | {"reset of E": (RESET, replace(JUMP, text="v -= 2", operands=(2.0,)))}},
            "`v -= 2` in the reset of E computes with 2, and did with 0.1",
        ),
        (
            {"lines": LINES | {"threshold of E": (replace(CROSSING, operands=(Seen(U, "own"),)),)}},
            "`v > theta` in the threshold of E computes with E.u, and did with E.theta",
        ),
        (
            {"lines": LINES | {"threshold of E": (replace(CROSSING, operands=(Seen(THETA, "post"),)),)}},
            "`v > theta` in the threshold of E computes with E.theta, and did with E.theta",
        ),
        (
            {"lines": LINES | {"reset of E": (RESET,)}},
            "`v -= 0.1` in the reset of E exists in one of the two networks only",
        ),
        (
            {"lines": LINES | {"reset of E": (RESET, JUMP, CROSSING)}},
            "`v > theta` in the reset of E exists in one of the two networks only",
        ),
        (
            {"lines": {"reset of E": (RESET, JUMP)}},
            "`v > theta` in the threshold of E exists in one of the two networks only",
        ),
        (
            {"lines": LINES | {"burst of E": (JUMP,)}},
            "`v -= 0.1` in the burst of E exists in one of the two networks only",
        ),
        ({"facts": {**FACTS, "method of E": "exact"}}, "the method of E was euler and is exact"),
        ({"facts": {**FACTS, "time step of E": 2e-4}}, "the time step of E was 0.0001 and is 0.0002"),
        ({"facts": {**FACTS, "rate of P": 1.0}}, "the rate of P was nan and is 1"),
        ({"facts": {**FACTS, "size of P": 4}}, "the size of P was 3 and is 4"),
        (
            {"facts": {**FACTS, "delay of S": np.array([1.0, 3.0, np.nan])}},
            "the delay of S differs: value 1 was 2 and is 3",
        ),
        (
            {"facts": {**FACTS, "delay of S": np.array([0.5, 3.0, np.nan])}},
            "the delay of S differs: value 0 was 1 and is 0.5",
        ),
        ({"facts": {**FACTS, "delay of S": np.ones(4)}}, "the delay of S had 3 values and has 4"),
        ({"facts": {**FACTS, "order": "early"}}, "the order exists in one of the two networks only"),
        (
            {"facts": {k: v for k, v in FACTS.items() if k != "method of E"}},
            "the method of E exists in one of the two networks only",
        ),
    ],
)
def test_another_model_in_words(changed: dict, said: str) -> None:
    with pytest.raises(DifferentModelError) as error:
        check_same_model(model(), model(**changed))
    assert str(error.value) == f"the two networks compute with different models: {said}"
    certificate = nb.verify(circuit(model()), circuit(model(**changed)))
    assert certificate.preserved is False and said in certificate.message


def test_a_parameter_that_is_a_constant_in_the_other_model() -> None:
    constant = model(lines=LINES | {"threshold of E": (replace(CROSSING, operands=(1.0,)),)})
    assert exchanged(model(), constant) == [(THETA, 1.0, True)]
    assert exchanged(constant, model()) == [(THETA, 1.0, False)]
    for before, after in ((model(), constant), (constant, model())):
        check_same_model(before, after)
        assert nb.verify(circuit(before), circuit(after)).preserved
    other = model(lines=LINES | {"threshold of E": (replace(CROSSING, operands=(2.0,)),)})
    for before, after, said in ((model(), other, "from 1 to 2"), (other, model(), "from 2 to 1")):
        certificate = nb.verify(circuit(before), circuit(after))
        assert certificate.preserved is False
        assert f"E.theta[0] went {said}" in certificate.message


@pytest.mark.parametrize(
    "stored",
    [Stored(np.ones(3), dynamic=True), Stored(np.ones(3), (("E", None, 1.0),)), None],
    ids=["dynamic", "moving", "unknown"],
)
def test_what_moves_is_no_constant(stored: Stored | None) -> None:
    constant = model(lines=LINES | {"threshold of E": (replace(CROSSING, operands=(1.0,)),)})
    moving = {k: v for k, v in model().stored.items() if k != THETA} | ({} if stored is None else {THETA: stored})
    for before, after in ((model(stored=moving), constant), (constant, model(stored=moving))):
        with pytest.raises(DifferentModelError, match=r"E\.theta moves or changes in one of the two networks"):
            check_same_model(before, after)


# ----------------------------------------------------------------------------------------------------- stored values


def test_values_move_by_their_powers() -> None:
    h = np.array([1.0, -2.0, 1.0])  # of mean 0: a common factor would move no weight
    before = circuit(model())
    assert np.array_equal(model().stored[U].log_factor({"E": h}), [h[0] - h[1], h[2] - h[1]])
    after = before.rescaled({"E": h})
    moved = with_stored(u=np.array([3.0, 4.0]) * np.exp([3.0, 3.0]), v=np.array([0.25 * np.e, 0.5 / np.e**2, np.nan]))
    after.description = moved
    assert nb.verify(before, after, states=True).preserved
    after.description = model()
    assert nb.verify(before, after).preserved is False
    certificate = nb.verify(before, circuit(moved))
    assert certificate.preserved is False and "E.u[" in certificate.message and "which was 3" in certificate.message


def test_what_scales_were_written_before_a_reading() -> None:
    """A rescaled circuit's description keeps the values that were read, and knows what has happened since."""
    before = circuit(model())
    h = {"E": np.log([2.0, 4.0, 0.125])}
    once = before.rescaled(h)
    assert once.description is not None and np.array_equal(once.description.log_scale["E"], h["E"])
    twice = once.rescaled(h)
    assert twice.description is not None and np.array_equal(twice.description.log_scale["E"], 2 * h["E"])
    for one, other in ((before, once), (once, twice), (twice, before)):
        certificate = nb.verify(one, other, states=True)
        assert certificate.preserved and certificate.residual < 1e-12


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"theta": np.array([1.0, 2.0, 1.0])}, "E.theta[1] went from 1 to 2"),
        ({"theta": np.array([1.0, -1.0, 1.0])}, "E.theta[1] went from 1 to -1"),
        ({"theta": np.array([1.0, 1.0, 0.0])}, "E.theta[2] went from 1 to 0"),
        ({"theta": np.array([1.0, 1.0, np.nan])}, "E.theta[2] went from 1 to nan"),
        ({"theta": np.ones(4)}, "E.theta had 3 values and has 4"),
        ({"theta": np.ones(3, np.float32)}, "E.theta was stored as float64 and is stored as float32"),
        ({"n": np.array([1, 2, 4])}, "E.n[2] went from 3 to 4"),
        ({"n": np.array([1, 2, 3], np.int32)}, "E.n was stored as int64 and is stored as int32"),
        ({"u": np.array([3.0, 4.5])}, "E.u[1], which was 4 and is 4.5"),
    ],
)
def test_another_value_is_named(changed: dict, said: str) -> None:
    certificate = nb.verify(circuit(model()), circuit(with_stored(**changed)))
    assert certificate.preserved is False
    assert said in certificate.message


@pytest.mark.parametrize(
    ("value", "same"),
    [([0.25, 0.5, np.nan], True), ([0.5, 0.5, np.nan], False), ([0.25, 0.5, 1.0], False), ([0.25, 0.5, np.inf], False)],
)
def test_states_count_where_asked_for(value: list[float], same: bool) -> None:
    before, after = circuit(model()), circuit(with_stored(v=value))
    unasked, asked = nb.verify(before, after), nb.verify(before, after, states=True)
    assert unasked.preserved and asked.preserved is same
    assert unasked.not_compared == ("states (states=True compares them): E.v",)
    assert asked.not_compared == ("spikes on their way, and the time",) or not same
    assert "not compared" not in unasked.message


def test_how_states_are_stored_counts_where_asked_for() -> None:
    before, after = circuit(model()), circuit(with_stored(v=np.array([0.25, 0.5, np.nan], np.float32)))
    assert nb.verify(before, after).preserved
    certificate = nb.verify(before, after, states=True)
    assert certificate.preserved is False and "E.v was stored as float64 and is" in certificate.message
    flipped = circuit(with_stored(v=np.array([-0.25, 0.5, np.nan])))
    assert "E.v[0] went from 0.25 to -0.25" in nb.verify(before, flipped, states=True).message


def test_values_measured_from_an_origin() -> None:
    """One step of 2^-52 at the size of the origin is more at that of the distance."""
    h = np.log([2.0, 4.0, 0.125])
    levels = np.array([-0.0501, -0.0599, -0.07])
    moved = -0.07 + np.exp(h) * (levels + 0.07)
    before = circuit(with_stored(vt=Stored(levels, (("E", None, 1.0),), origin=-0.07)))
    after = before.rescaled({"E": h})
    after.description = with_stored(
        vt=Stored(moved, (("E", None, 1.0),), origin=-0.07), u=np.array([3.0, 4.0]) * [2 / 4, 0.125 / 4]
    )
    assert nb.verify(before, after).preserved
    moved[1] += 1e-9
    certificate = nb.verify(before, after)
    assert certificate.preserved is False and "E.vt[1]" in certificate.message


def test_what_is_not_compared_is_listed_once() -> None:
    before = circuit(model(not_compared=("code of op",)))
    after = circuit(model(not_compared=("code of op", "values of U")))
    before.uncertified = frozenset(["S"])
    certificate = nb.verify(before, after)
    assert certificate.not_compared == (
        "weights of S, which something else changes too",
        "code of op",
        "states (states=True compares them): E.v",
        "values of U",
    )
    assert certificate.message.endswith(
        "; not compared: weights of S, which something else changes too; code of op; values of U"
    )
    assert nb.verify(circuit(model()), circuit(None)).not_compared == ("all but weights and parameters",)
    assert nb.verify(circuit(None), circuit(None)).not_compared == ()


def test_scales_that_were_emitted_are_taken_only_where_no_weight_can_be_compared() -> None:
    before = circuit(model())
    before.emitted = lambda: {"E": np.zeros(3)}
    after = before.rescaled({"E": np.log([2.0, 4.0, 0.125])})
    certificate = nb.verify(before, after)
    assert certificate.preserved and np.allclose(certificate.scale["E"], [2.0, 4.0, 0.125])
    before.uncertified = frozenset(["S"])
    assert nb.verify(before, after).preserved is False  # u has moved, and nothing was emitted


# ------------------------------------------------------------------------------------------------------- log-ratios


def test_ratios_of_any_size() -> None:
    before = np.array([1.0, 0.0, 1e-300, 5e-324, -2.0, 3.0])
    after = np.array([np.e, 0.0, 1e300, 1e308, -2.0 * np.e, 0.0])
    ratio = log_ratio(before, after)
    assert np.allclose(ratio[:5], [1, 0, 600 * np.log(10), np.log(1e308) - np.log(5e-324), 1], rtol=1e-12)
    assert ratio[5] == -np.inf
    single = log_ratio(np.array([3.0], np.float32), np.array([7.0], np.float32))
    assert single.dtype == np.float64 and abs(single[0] - np.log(7 / 3)) < 1e-15
    assert np.allclose(log_ratio(np.array([2]), np.array([4])), np.log(2))
