"""What a certificate calls bit-exact is so, bit by bit, in the simulation; what it does not, says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from brian2 import BrianObject, Function, Network, NeuronGroup, StateMonitor, Synapses, check_units, ms, prefs, second

import neurobal as nb
from neurobal.brian.network.symmetries import symmetries
from neurobal.exactness import doubts_of_exactness

N = 8
DRIVEN = "dx/dt = (k - x + I)/(10*ms) : 1\nI : 1\nk : 1\nc : 1\n"
ROOT = "sqrt(x)*sqrt(c)"


def network_of(
    output: str, rate: str = DRIVEN, *, method: str = "euler", **namespace: Any
) -> tuple[list[BrianObject], StateMonitor]:
    """A recurrent network of neurons with x > 0 that send ``output``, and its traces."""
    rng = np.random.default_rng(3)
    cells = NeuronGroup(N, f"{rate}r = {output} : 1", method=method, name="E", namespace=namespace)
    cells.x, cells.k, cells.c = rng.uniform(0.5, 2, (3, N))
    synapses = Synapses(cells, cells, "w : 1\nI_post = w*r_pre : 1 (summed)", name="S", namespace=namespace)
    synapses.connect(condition="i != j")
    synapses.w = rng.uniform(0.01, 0.1, N * (N - 1))
    return [cells, synapses], StateMonitor(cells, "x", record=True, name="traces")


def mantissas(objects: list[BrianObject], monitor: StateMonitor) -> np.ndarray:
    Network(objects, monitor).run(30 * ms, namespace={})
    return np.frexp(np.array(monitor.x))[0]


def rescaled_twin(output: str, powers: np.ndarray, **options: Any) -> tuple[Any, nb.Certificate, np.ndarray]:
    """The network rescaled by hand by 2**powers, its certificate, and where its traces differ from the original's."""
    objects, monitor = network_of(output, **options)
    circuit = nb.as_circuit(objects, namespace={})
    twin, twin_monitor = network_of(output, **options)
    log_scale = {"E": powers * np.log(2)}
    writing = nb.as_circuit(twin, namespace={}).binding.write(log_scale, dyadic=True)  # type: ignore[union-attr]
    certificate = nb.verify(circuit, twin)
    before, after = mantissas(objects, monitor), mantissas(twin, twin_monitor)
    del writing
    return circuit, certificate, before != after


ODD = np.array([1, -1, 3, 0, 1, 5, -3, 1])
EXACT = [
    "clip(x, 0, inf)",
    "x**2/c",
    "c**-1.0*x*x",
    "abs(x)*int(x > c)",
    "x % c",
    "x*exp(-x/c)",
    "(x//c)*c",
    "sqrt(x*x)",
]
INEXACT = ["x**3", "x**-2", "x**1.5", "x**-0.5", "x**n", "x**(n/4)", "c**3/(x*x)"]
ROOTS = [ROOT, "x**0.5*c**(1/2)", "sqrt(x + c)*sqrt(c)", "c*sqrt(c)/sqrt(x)"]


@pytest.mark.parametrize("output", EXACT)
def test_exact_under_all_powers_of_two(output: str) -> None:
    for powers in (ODD, 2 * ODD):
        _, certificate, differs = rescaled_twin(output, powers)
        assert certificate.preserved and certificate.exact, certificate
        assert "bit-exact" in certificate.message
        assert not differs.any()


@pytest.mark.parametrize("output", INEXACT)
def test_what_pow_computes_is_never_called_exact(output: str) -> None:
    _, certificate, _ = rescaled_twin(output, 4 * ODD, n=2)
    assert certificate.preserved and not certificate.exact
    assert "bit-exact" not in certificate.message
    assert "up to rounding: `" in certificate.message, certificate


@pytest.mark.parametrize("output", ROOTS)
def test_roots_are_exact_under_even_powers(output: str) -> None:
    _, certificate, differs = rescaled_twin(output, 2 * ODD)
    assert certificate.preserved and certificate.exact, certificate
    assert not differs.any()
    _, certificate, differs = rescaled_twin(output, ODD)
    assert certificate.preserved and not certificate.exact
    assert "whole powers of 4 only" in certificate.message, certificate
    assert differs.any()


def test_the_issue_a_product_of_roots() -> None:
    """Every stored number moves by a power of two, and √x·√c is rounded differently."""
    found = symmetries(network_of(ROOT)[0], namespace={})
    assert found.groups["E"].homogeneity == 1
    assert not found.inexact
    assert any("sqrt(x)" in text for text in found.roots)
    assert "root moves by a power of two" in repr(found)
    assert {power.denominator for _, power in found.groups["E"].roots} == {2}


@pytest.mark.parametrize("output", [ROOT, "x**0.5*sqrt(c)"])
def test_dyadic_balancing_keeps_roots_exact(output: str) -> None:
    traces = []
    for balanced in (False, True):
        objects, monitor = network_of(output)
        objects[1].w = 0.1 * np.exp(np.random.default_rng(0).normal(-3, 3, N * (N - 1)))
        if balanced:
            result = nb.balance(objects, pinned={"E": [0]}, dyadic=True, namespace={})
            assert result.certificate.preserved and result.certificate.exact, result.certificate
            exponents = np.log2(result.scale["E"])
            assert np.any(exponents != 0) and np.all(exponents % 2 == 0)
            result.apply()
            assert nb.verify(result.before, objects).exact
        traces.append(mantissas(objects, monitor))
    assert np.array_equal(*traces)


@pytest.mark.parametrize("active", [True, False])
def test_dyadic_plasticity_keeps_roots_exact(active: bool) -> None:
    traces = []
    for plastic in (True, False):
        objects, monitor = network_of(ROOT)
        objects[1].w = 0.1 * np.exp(np.random.default_rng(0).normal(-3, 3, N * (N - 1)))
        network = Network(objects, monitor)
        if plastic:
            rule = nb.NormalizedFlow(rate=200 / second)
            plasticity = nb.Plasticity(network, rule, dt=1 * ms, pinned={"E": [0]}, dyadic=True, namespace={})
            plasticity.active = active
            network.add(plasticity)
        network.run(60 * ms, namespace={})
        if plastic and active:
            scale = plasticity["E"].scale[:]
            assert np.any(scale != 1) and np.all(np.log2(scale) % 2 == 0)
            assert nb.verify(plasticity.before, network).exact
        traces.append(np.frexp(np.array(monitor.x))[0])
    assert np.array_equal(*traces)


@pytest.mark.parametrize(
    ("rate", "exact"),
    [
        ("x*y", True),
        ("x*y/c", True),
        ("square*x/c", False),
        ("(x + c)*(c + x)*(x + c)/c", False),
        ("(x + c)*(x + k)/c", True),
        ("abs(x)*x*x/c", False),
        ("c*c*c/x/x", False),
        ("clip(x, 0, c)*clip(x, 0, c)", True),
        ("clip(x, 0, c)*clip(x, 0, c)*clip(x, 0, k)*clip(x, 0, c)/c", False),
        ("c/(x + c)/(x + c)", False),
        ("c*c/(x + c)", True),
        ("x*sqrt(x)/sqrt(c)", True),
    ],
)
def test_powers_that_integrators_collect(rate: str, exact: bool) -> None:
    """Named expressions are put in, and equal factors collected, before pow() gets to see them."""
    equations = f"dx/dt = (k - x + I + a*{rate})/(10*ms) : 1\nI : 1\nk : 1\nc : 1\na : 1\ny = x : 1\nsquare = x*x : 1\n"
    found = symmetries(network_of("x", equations)[0], namespace={})
    assert found.groups["E"].scalable
    assert bool(found.inexact) != exact, found.inexact


def test_potentials_measured_from_an_origin_are_exact_up_to_rounding() -> None:
    equations = "dx/dt = (E0 + k - x + I)/(10*ms) : 1\nI : 1\nk : 1\nc : 1\n"
    for origin in (0.0, 0.3):
        _, certificate, _ = rescaled_twin("clip(x - E0, 0, inf)", ODD, rate=equations, E0=origin)
        assert certificate.preserved and certificate.exact == (origin == 0)
        assert ("measured from E0" in certificate.message) == (origin != 0)


def test_nothing_is_known_of_how_a_users_function_rounds() -> None:
    @check_units(x=1, result=1)
    def cubic_root(x):  # type: ignore[no-untyped-def]
        return np.abs(x) ** (1 / 3)

    cubic_root.homogeneity = 1  # type: ignore[attr-defined]
    larger = Function(np.maximum, arg_units=[1, 1], return_unit=1)
    assert symmetries(network_of("f(x)", f=cubic_root)[0], namespace={}).inexact
    assert not symmetries(network_of("f(x, 0)", f=larger)[0], namespace={}).inexact


def test_a_group_that_did_not_move_casts_no_doubt() -> None:
    _, certificate, _ = rescaled_twin("x**3", np.zeros(N))
    assert certificate.exact
    _, certificate, _ = rescaled_twin(ROOT, np.zeros(N))
    assert certificate.exact


def test_a_common_factor_that_moves_nothing_casts_no_doubt() -> None:
    """In a linear network λ is known up to a factor; its geometric mean, 1, is no power of two relative to it."""
    equations = "dx/dt = (I - x)/(10*ms) : 1\nI : 1\nk : 1\nc : 1\n"
    powers = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    circuit, certificate, differs = rescaled_twin("clip(x, 0, inf)", powers, rate=equations)
    assert certificate.exact and not differs.any()
    assert not np.all(np.log2(certificate.scale["E"]) % 1 == 0)
    assert not doubts_of_exactness(circuit, {"E": powers * np.log(2)})
    assert doubts_of_exactness(circuit, {"E": 0.5 * powers * np.log(2)})


@pytest.mark.slow
@pytest.mark.parametrize("output", [*EXACT, *ROOTS])
def test_compiled_code_rounds_as_claimed(output: str) -> None:
    target, prefs.codegen.target = prefs.codegen.target, "cython"
    try:
        _, certificate, differs = rescaled_twin(output, 2 * ODD)
        assert certificate.exact and not differs.any()
    finally:
        prefs.codegen.target = target
