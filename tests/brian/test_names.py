"""What a name means: local to a block of code, Brian2's own, or looked up where an expression is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import Function, Network, NeuronGroup, Synapses, check_units, device, ms
from brian2.core.base import BrianObject
from test_inference import differences, random_rescaling, run

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries

RATE = "dx/dt = (-x + I)/(10*ms) : 1\nI : 1\n"
SPIKING = "dv/dt = (g - v)/(10*ms) : 1\ndg/dt = -g/(5*ms) : 1\ntheta : 1\na : 1\n"


def rates(more: str = "r = x : 1", model: str = "w : 1\nI_post = w*r_pre : 1 (summed)", **names: Any) -> list[Any]:
    """Five units x that read r of each other."""
    cells = NeuronGroup(5, RATE + more, name="E", namespace=names, method="euler")
    synapses = Synapses(cells, cells, model, name="S", namespace=names)
    synapses.connect()
    cells.x, synapses.w = np.linspace(0.5, 2, 5), np.linspace(0.02, 0.3, 25)
    return [cells, synapses]


def spiking(reset: str = "v = 0", on_pre: str = "g_post += w*a_pre", on_post: str = "", **names: Any) -> list[Any]:
    """Five neurons that fire because of regular input, with a custom event."""
    events = {"high": "v > 2*theta"}
    cells = NeuronGroup(5, SPIKING, threshold="v > theta", reset=reset, events=events, name="E", namespace=names)
    synapses = Synapses(cells, cells, "w : 1\nu : 1", on_pre=on_pre, on_post=on_post or None, name="S", namespace=names)
    synapses.connect()
    cells.v, cells.theta, cells.a, cells.g = np.linspace(0.5, 3, 5), 1, np.linspace(0.5, 2, 5), 4
    synapses.w, synapses.u = np.linspace(0.02, 0.3, 25), 1
    return [cells, synapses]


def stays(build: Any) -> bool:
    """Whether random powers of two inside the symmetries that are found leave a run as it is."""
    reference, objects = run(build()), build()
    rescaling = random_rescaling(symmetries(objects, namespace={}), objects, np.random.default_rng(3))
    assert any(np.any(factor != 1) for factor in rescaling.factors.values())
    return not differences(reference, run(objects, rescaling), rescaling)


def regularly(code: str, **names: Any) -> list[BrianObject]:
    objects = rates(**names)
    objects[0].run_regularly(code, dt=1 * ms)
    return objects


# Names that a block of code assigns


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("z = 0.5\nx = x + z", {"z": 0.0}),
        ("z = 0.5; x = x + z", {"z": 0.0}),
        ("z = 0.5\nz += 0.1\nx = x + z", {"z": 0.0}),
        ("z = 0.5\nx = clip(x, -z, z)", {"z": np.inf}),
        ("n = 2\nx = x**n", {"n": 1}),
        ("inf = 0.5\nx = clip(x, 0, inf)", {}),
    ],
)
def test_a_local_name_has_not_the_value_that_the_script_gives_it(code: str, names: dict[str, Any]) -> None:
    found = symmetries(regularly(code, **names), namespace={})
    assert not found.groups["E"].scalable
    assert code.splitlines()[-1].split(";")[-1].strip() in repr(found)
    assert not {"z", "n"} & {name for _, name in found.assumed}


@pytest.mark.parametrize("names", [{}, {"tmp": 3}, {"tmp": 0}, {"tmp": np.inf}, {"tmp": np.ones(3)}])
def test_a_local_name_may_be_one_of_the_script(names: dict[str, Any]) -> None:
    for code in ("tmp = 2*x\nx = tmp/2 + 0.01*x", "tmp = x\ntmp *= 0.99\nx = tmp", "mV = 0.9*x\nx = mV"):
        assert symmetries(regularly(code, **names), namespace={}).projections["S"].powers == {"w": (1, -1)}
        assert stays(lambda code=code: regularly(code, **names))


def test_a_local_name_of_one_block_is_a_constant_in_another() -> None:
    objects = regularly("k = x\nx = 0.9*k", k=0.0)
    objects[0].run_regularly("x = x + k", dt=2 * ms)
    found = symmetries(objects, namespace={})
    assert found.groups["E"].scalable and found.assumed == {("E", "k"): 0.0}


@pytest.mark.parametrize(
    ("place", "bad", "good"),
    [
        ("reset", "z = 0.1\nv = z", "z = 0.1*v\nv = z"),
        ("on_pre", "z = 0.1\ng_post += w*a_pre + z", "z = w*a_pre\ng_post += z"),
        ("on_post", "z = 0.1\nw = w + z", "z = 0.1*w\nw = w + z"),
    ],
)
def test_blocks_of_spiking_networks(place: str, bad: str, good: str) -> None:
    assert not symmetries(spiking(**{place: bad}, z=0.0), namespace={}).groups["E"].scalable
    assert stays(lambda: spiking(**{place: good}, z=3.0))


def test_code_of_custom_events() -> None:
    for line, scalable in (("z = 0.1", False), ("z = 0.1*v", True)):
        objects = spiking(z=0.0)
        objects[0].run_on_event("high", f"{line}\nv = z")
        assert symmetries(objects, namespace={}).groups["E"].scalable is scalable


def test_a_local_name_is_nothing_that_a_remedy_replaces() -> None:
    text = repr(symmetries(regularly("z = 0.5\nx = x + z", z=3.0), namespace={}))
    assert "z : 1 (constant)" not in text


@pytest.mark.parametrize("code", ["x = z*x\nz = 0.5", "z += 1\nx = z*x"])
def test_a_local_name_that_is_used_too_early_proves_nothing(code: str) -> None:
    """Brian2 finds no value for it when the run starts, whatever the script says."""
    objects = regularly(code, z=1)
    found = symmetries(objects, namespace={})
    assert any("uses z, which no line before it assigns" in note for note in found.unread)
    with pytest.raises(Exception, match="preparing"):
        run(objects)


def test_code_goes_on_after_a_semicolon_within_a_comment() -> None:
    """So Brian2 reads it: the second line adds 0.5."""
    found = symmetries(regularly("x = 0.9*x # decays; x = x + 0.5"), namespace={})
    assert not found.groups["E"].scalable and "`x = x + 0.5`" in repr(found)
    assert stays(lambda: regularly("x = 0.9*x # decays\nx = 0.9*x"))


@pytest.mark.parametrize(
    ("code", "scalable"),
    [
        ("s = int(x > 0)\ns *= x\nx = 0.9*s", False),
        ("s = x > 0\ns = x\nx = 0.9*s", False),
        ("s = k*i\ns = s*x\nx = 0.9*s", False),
        ("s = int(x > 0)\nt2 = s*x\nx = 0.9*t2", True),
        ("s = 1.0*int(x > 0)\ns *= x\nx = 0.9*s", True),
        ("s = sqrt(i + 1)\ns = x/s\nx = 0.9*s", True),
    ],
)
def test_a_local_name_keeps_the_type_of_its_first_value(code: str, scalable: bool) -> None:
    """Compiled code cuts off what an integer cannot hold, and a number is true or false where a truth value was."""
    assert symmetries(regularly(code, k=2), namespace={}).groups["E"].scalable is scalable


@pytest.mark.slow
def test_an_integer_of_compiled_code_is_cut_off(standalone: Path) -> None:
    cells = NeuronGroup(3, "x : 1\ny : 1", name="E")
    cells.run_regularly("s = int(x > 0)\ns *= x\ny = s")
    cells.x = [0.5, 1.7, 2.7]
    Network(cells).run(0.1 * ms, namespace={})
    device.build(directory=str(standalone))
    assert np.array_equal(cells.y[:], [0, 1, 2])


# Expressions that are looked up elsewhere than where they are defined


def test_an_expression_reads_the_local_names_of_the_code_that_uses_it() -> None:
    def build() -> list[BrianObject]:
        objects = rates("r = x : 1\ny = x + z : 1\nyy = 1*y : 1", z=0.0)
        objects[0].run_regularly("z = 0.5\nx = 0.9*yy", dt=1 * ms)
        return objects

    found = symmetries(build(), namespace={})
    assert not found.groups["E"].scalable
    assert "reads it through 'yy', in which 'z' means something else there" in repr(found)


def test_an_expression_that_reads_a_local_name_which_moves_proves_nothing() -> None:
    """s is 2*x**2 within the code, though no variable of the cells stands in it."""
    objects = rates("r = x : 1\ns = 2*n*n : 1", n=2)
    objects[0].run_regularly("n = x\nx /= s", dt=1 * ms)
    found = symmetries(objects, namespace={})
    assert found.unread == ("E: code that assigns 'n', and reads it through 's'",)
    assert nb.as_circuit(objects, namespace={}).basis == "assumed"


def test_a_parameter_that_an_expression_meets_in_synapses_stays() -> None:
    """The k of r = k is that of the synapses, where it could move in place of the weight."""
    model = "w : 1\nk : 1\nI_post = w*(r_pre + k*x_pre) : 1 (summed)"
    objects = rates("r = k : 1", model, k=0.0)
    objects[1].k = 1
    assert symmetries(objects, namespace={}).projections["S"].powers.get("k", (0, 0)) == (0, 0)


def test_an_expression_reads_the_variables_of_the_synapses_that_use_it() -> None:
    """Brian2 takes the k of r = x + k for the one of the synapses: it is 1, not 0."""

    def build() -> list[BrianObject]:
        objects = rates("r = x + k : 1", "w : 1\nk : 1\nI_post = w*r_pre : 1 (summed)", k=0.0)
        objects[1].k = 1
        return objects

    found = symmetries(build(), namespace={})
    assert found.projections["S"].powers.get("w", (0, 0))[1] == 0
    assert "in which 'k' means something else there" in repr(found)


def test_an_expression_within_an_expression_reads_the_constants_of_the_synapses() -> None:
    objects = rates("q = x + k : 1\nr = 1*q : 1", k=0.0)
    objects[1].namespace["k"] = 0.5
    assert symmetries(rates("q = x + k : 1\nr = 1*q : 1", k=0.0), namespace={}).groups["E"].homogeneity == 1
    assert symmetries(objects, namespace={}).groups["E"].homogeneity != 1


# Names that Brian2 uses itself

BRIANS_NAMES = ["j", "delay", "lastupdate", "lastspike", "N_incoming", "N_outgoing"]


@pytest.mark.parametrize("name", BRIANS_NAMES)
def test_expressions_with_names_that_brian_uses_elsewhere(name: str) -> None:
    found = symmetries(rates(f"{name} = 2*x : 1\nr = clip({name}, 0, 1) : 1"), namespace={})
    assert found.groups["E"].homogeneity == 0
    assert symmetries(rates(f"{name} = 2*x : 1\nr = 1*{name} : 1"), namespace={}).groups["E"].homogeneity == 1
    assert stays(lambda: rates(f"{name} = 2*x : 1\nr = 1*{name} : 1"))
    assert stays(lambda: rates(f"{name} = 2*x : 1", f"w : 1\nI_post = w*{name}_pre : 1 (summed)"))


@pytest.mark.parametrize("name", BRIANS_NAMES)
def test_variables_with_names_that_brian_uses_elsewhere(name: str) -> None:
    def build() -> list[BrianObject]:
        objects = rates(f"d{name}/dt = (x - {name})/ms : 1\nr = 1*{name} : 1")
        setattr(objects[0], name, np.linspace(1, 2, 5))
        return objects

    assert symmetries(build(), namespace={}).groups["E"].powers == {"x": 1, "I": 1, name: 1}
    assert stays(build)
    objects = build()
    before = np.array(getattr(objects[0], name))
    result = nb.balance(objects)
    result.apply()
    assert np.ptp(result.scale["E"]) > 0
    assert np.allclose(getattr(objects[0], name), result.scale["E"] * before, rtol=1e-14, atol=0)


def test_a_time_that_the_synapses_keep_themselves_stays() -> None:
    """`lastupdate` is Brian2's own in event-driven synapses, and the user's where the user declares it."""
    on_pre = "g_post += w*a_pre*exp(-(t - lastupdate)/(5*ms))"
    for model, code in (
        ("w : 1\nlastupdate : second", f"{on_pre}\nlastupdate = t"),
        ("w : 1\ndp/dt = -p/(5*ms) : 1 (event-driven)", f"{on_pre}\np += 1"),
    ):

        def build(model: str = model, code: str = code) -> list[BrianObject]:
            cells = spiking()[0]
            synapses = Synapses(cells, cells, model, on_pre=code, name="S")
            synapses.connect()
            synapses.w = np.linspace(0.02, 0.3, 25)
            return [cells, synapses]

        assert symmetries(build(), namespace={}).projections["S"].powers == {"w": (1, -1)}
        assert stays(build)


def test_brians_own_variables_are_none_that_could_be_declared() -> None:
    objects = rates("delay : 1\nr = x : 1")
    with pytest.raises(nb.NeurobalError) as caught:
        nb.balance(objects, scaling={"E": {"delays": 1}, "S": ("w", 1, 1)})
    assert "'delay'" in str(caught.value)
    with pytest.raises(nb.NeurobalError) as caught:
        nb.balance(objects, scaling={"S": ("delays", 1, 1)})
    assert "'delay'" not in str(caught.value)


# Names of a namespace that are no plain constants


def test_a_variable_in_a_namespace_belongs_to_its_group() -> None:
    """Brian2 reads it at each neuron, as a linked one."""
    objects = rates()
    other = NeuronGroup(5, "z : 1", name="F", namespace={"y": objects[0].variables["x"]})
    other.run_regularly("z = y", dt=1 * ms)
    found = symmetries([*objects, other], namespace={})
    assert not found.groups["E"].scalable and "F reads it as 'y'" in repr(found)


@pytest.mark.parametrize("bound", [np.nan, -np.inf])
def test_constants_that_are_no_numbers(bound: float) -> None:
    found = symmetries(rates("r = clip(x, bound, inf) : 1", bound=bound), namespace={})
    assert found.groups["E"].scalable is bool(np.isinf(bound))
    assert symmetries(rates("r = x**bound : 1", bound=bound), namespace={}).groups["E"].homogeneity == 0


def test_a_function_of_the_script_is_not_what_its_name_says() -> None:
    """Only a true minimum of potentials is a potential, wherever these are measured from."""

    @check_units(a=1, b=1, result=1)
    def minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(np.abs(a * b))

    minimum.homogeneity = 1

    def build(function: object) -> list[BrianObject]:
        model = "dx/dt = (El - minimum(x, cap) + I)/(10*ms) : 1\nI : 1\ncap : 1\nr = clip(x - El, 0, inf) : 1"
        names = {"minimum": function, "El": -2.0}
        cells = NeuronGroup(5, model, name="E", method="euler", namespace=names)
        return [cells, Synapses(cells, cells, "w : 1\nI_post = w*r_pre : 1 (summed)", name="S", namespace=names)]

    true_one = Function(np.minimum, arg_units=[1, 1], return_unit=1)
    assert symmetries(build(true_one), namespace={}).groups["E"].origins == {"x": "El", "cap": "El"}
    assert not symmetries(build(minimum), namespace={}).groups["E"].scalable


def test_random_numbers_do_not_cancel() -> None:
    """Each call draws another one."""
    assert symmetries(rates("r = x + 5*rand() - 5*rand() : 1"), namespace={}).groups["E"].homogeneity == 0
    assert symmetries(rates("n = rand() : 1\nr = x + 5*n - 5*n : 1"), namespace={}).groups["E"].homogeneity == 1
