"""Models of the literature in the spellings that users have, each with its symmetries, derived by hand.

A model is a function that returns Brian2 objects. Its expectation lists a basis of all symmetries, one dictionary for
each: ``{"v": 1, "S.w[post]": 1}`` says that v moves by λ and the weights w of the synapses S by λ of the postsynaptic
neuron. Where a network has several groups the names are those of one group, given as key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from brian2 import (
    Hz,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    SpikeGeneratorGroup,
    Synapses,
    TimedArray,
    amp,
    linked_var,
    ms,
    mV,
    nA,
    nS,
    pA,
    pF,
    volt,
)
from brian2.core.base import BrianObject

Basis = list[dict[str, object]]
N = 6
# Connections as arrays, which a compiled simulation knows before it runs.
OTHERS = dict(zip("ij", np.nonzero(~np.eye(N, dtype=bool)), strict=True))
PAIRS = len(OTHERS["i"])
OWN = {"i": np.arange(N), "j": np.arange(N)}


@dataclass(frozen=True)
class Case:
    """A model and what is true of it."""

    build: Callable[[], list[BrianObject]]
    expected: dict[str, Basis]
    homogeneity: dict[str, object]  # of every group with a scale
    inexact: bool = False  # pow() other than 2 and 1/2

    def __repr__(self) -> str:
        return self.build.__name__


CORPUS: list[Case] = []


def model(
    expected: dict[str, Basis], homogeneity: dict[str, object] | None = None, inexact: bool = False
) -> Callable[[Callable[[], list[BrianObject]]], Callable[[], list[BrianObject]]]:
    """Register a model with its symmetries and the homogeneity of each group's output."""

    def register(build: Callable[[], list[BrianObject]]) -> Callable[[], list[BrianObject]]:
        CORPUS.append(Case(build, expected, homogeneity or {}, inexact))
        return build

    return register


def values(seed: int, size: int = N, low: float = 0.5, high: float = 1.5) -> np.ndarray:
    """Heterogeneous positive values."""
    return np.random.default_rng(seed).uniform(low, high, size)


def declares(equations: str, name: str) -> bool:
    """Is this name a parameter of these equations?"""
    return re.search(rf"^\s*{name} :", equations, re.MULTILINE) is not None


def rates(equations: str, **parameters: object) -> list[BrianObject]:
    """A recurrent network of units E with state x, drive inp, recurrent input I and output r."""
    namespace = {"tau": 10 * ms, **{k: v for k, v in parameters.items() if not isinstance(v, np.ndarray)}}
    cells = NeuronGroup(N, equations, namespace=namespace, name="E", method="euler")
    cells.x, cells.inp = values(1), values(2)
    for name, value in parameters.items():
        if isinstance(value, np.ndarray):
            setattr(cells, name, value)
    recurrent = Synapses(cells, cells, "w : 1\nI_post = w*r_pre : 1 (summed)", name="S", namespace=namespace)
    recurrent.connect(**OTHERS)
    recurrent.w = values(3, PAIRS, -0.3, 0.5)
    return [cells, recurrent]


INPUT = "dx/dt = (-x + I + inp)/tau : 1\ninp : 1 (constant)\nI : 1\n"
RATE: dict[str, object] = {"x": 1, "I": 1, "inp": 1, "S.w[post]": 1}


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def linear() -> list[BrianObject]:
    return rates(INPUT + "r = x : 1")


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def relu() -> list[BrianObject]:
    return rates(INPUT + "r = clip(x, 0, inf) : 1")


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def leaky_relu() -> list[BrianObject]:
    return rates(INPUT + "r = x*int(x > 0) + slope*x*int(x <= 0) : 1", slope=0.1)


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def relu_by_absolute_value() -> list[BrianObject]:
    return rates(INPUT + "r = (x + abs(x))/2 : 1")


@model({"E": [{**RATE, "theta": 1, "S.w[pre]": -1}]}, {"E": 1})
def threshold_linear() -> list[BrianObject]:
    return rates(INPUT + "theta : 1 (constant)\nr = clip(x - theta, 0, inf) : 1", theta=values(4))


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def threshold_linear_shared() -> list[BrianObject]:
    """State and drive may be measured from the threshold that all units share."""
    return rates(INPUT + "r = clip(x - theta, 0, inf) : 1", theta=0.2)


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def threshold_linear_zero() -> list[BrianObject]:
    return rates(INPUT + "r = clip(x - theta, 0, inf) : 1", theta=0.0)


@model({"E": []})
def capped() -> list[BrianObject]:
    return rates(INPUT + "r = clip(x, 0, 1.2) : 1")


@model({"E": [{**RATE, "cap": 1, "S.w[pre]": -1}]}, {"E": 1})
def capped_by_neuron() -> list[BrianObject]:
    return rates(INPUT + "cap : 1\nr = clip(x, 0, cap) : 1", cap=values(5))


@model({"E": []})
def tanh_rate() -> list[BrianObject]:
    return rates(INPUT + "r = tanh(x) : 1")


@model({"E": [{**RATE, "k": 1}, {"g": 1, "S.w[pre]": -1}]}, {"E": 1})
def tanh_with_gain() -> list[BrianObject]:
    return rates(INPUT + "k : 1\ng : 1\nr = g*tanh(x/k) : 1", k=values(6), g=values(7))


@model({"E": [{**RATE, "S.w[pre]": -2}]}, {"E": 2})
def supralinear() -> list[BrianObject]:
    return rates(INPUT + "r = k*clip(x, 0, inf)**2 : 1", k=0.3)


@model({"E": [{**RATE, "S.w[pre]": "-11/5"}]}, {"E": "11/5"}, inexact=True)
def supralinear_fraction() -> list[BrianObject]:
    return rates(INPUT + "r = k*clip(x, 0, inf)**n : 1", k=0.3, n=2.2)


@model({"E": [{**RATE, "S.w[pre]": -2}, {"k": 1, "S.w[pre]": -1}]}, {"E": 1})
def supralinear_with_gain() -> list[BrianObject]:
    return rates(INPUT + "k : 1\nr = k*clip(x, 0, inf)**2 : 1", k=values(8) / 3)


@model({"E": [{**RATE, "S.w[pre]": "-1/2"}]}, {"E": "1/2"})
def square_root() -> list[BrianObject]:
    return rates(INPUT + "r = sqrt(abs(x)) : 1")


@model({"E": [{**RATE, "s": 1}]}, {"E": 0})
def divisive_normalisation() -> list[BrianObject]:
    return rates(INPUT + "s : 1\nr = x**2/(s**2 + x**2) : 1", s=values(9))


@model({"E": [{**RATE, "theta": 1, "slope": -1}]}, {"E": 0})
def wilson_cowan() -> list[BrianObject]:
    return rates(
        INPUT + "theta : 1\nslope : 1\nr = 1/(1 + exp(-slope*(x - theta))) : 1", theta=values(10), slope=values(11)
    )


@model({"E": []})
def wilson_cowan_shared() -> list[BrianObject]:
    return rates(INPUT + "r = 1/(1 + exp(-slope*(x - theta))) : 1", theta=0.5, slope=2.0)


@model({"E": [{**RATE, "S.w[pre]": -1, "m": 1}]}, {"E": 1})
def rate_on_a_slow_clock() -> list[BrianObject]:
    objects = rates(INPUT + "m : 1\nr = x : 1", m=values(12))
    objects[0].run_regularly("trace = 0.9*m + 0.1*x\nm = clip(trace, -abs(x), inf)", dt=1 * ms)
    return objects


@model({"E": [{**RATE, "sigma": 1, "S.w[pre]": -1}]}, {"E": 1})
def noise_by_neuron() -> list[BrianObject]:
    return rates(
        "dx/dt = (-x + I + inp)/tau + sigma*xi*tau**-0.5 : 1\ninp : 1\nI : 1\nsigma : 1\nr = x : 1", sigma=values(13)
    )


@model({"E": []})
def noise_of_fixed_size() -> list[BrianObject]:
    return rates("dx/dt = (-x + I + inp)/tau + sigma*xi*tau**-0.5 : 1\ninp : 1\nI : 1\nr = x : 1", sigma=0.1)


@model({"E": [{**RATE, "S.w[pre]": -1}]}, {"E": 1})
def stimulus_from_table() -> list[BrianObject]:
    stimulus = TimedArray(values(14, 20), dt=1 * ms)
    return rates("dx/dt = (-x + I + inp*stimulus(t))/tau : 1\ninp : 1\nI : 1\nr = x : 1", stimulus=stimulus)


@model({"E": []})
def gap_junctions() -> list[BrianObject]:
    cells = NeuronGroup(
        N,
        "dv/dt = (-v + R*Igap)/tau : volt\nIgap : amp",
        namespace={"tau": 10 * ms, "R": 1e8 * volt / amp},
        name="E",
        method="euler",
    )
    cells.v = values(1) * mV
    gaps = Synapses(cells, cells, "w : siemens\nIgap_post = w*(v_pre - v_post) : amp (summed)", name="S")
    gaps.connect(**OTHERS)
    gaps.w = 1 * nS
    return [cells, gaps]


# Spiking neurons

CONSTANTS = {"tau": 10 * ms, "taus": 5 * ms, "El": -70 * mV, "Vt": -55 * mV, "Vr": -65 * mV}
LIF = "dv/dt = (El - v + g)/tau : volt (unless refractory)\ndg/dt = -g/taus : volt\n"
LEVELS = "El : volt (constant)\nVt : volt (constant)\nVr : volt (constant)\n"
VOLTAGES: dict[str, object] = {"v": 1, "g": 1, "El": 1, "Vt": 1, "Vr": 1, "S.w[post]": 1, "F.w[post]": 1}


def lif(
    equations: str = LIF + LEVELS,
    on_pre: str = "g_post += w",
    threshold: str = "v > Vt",
    reset: str = "v = Vr",
    model: str = "w : volt",
    refractory: object = 2 * ms,
    method: str = "exact",
    weight: object = mV,
    on_post: str | None = None,
    events: dict[str, str] | None = None,
    **parameters: object,
) -> list[BrianObject]:
    """Recurrent integrate-and-fire neurons E with synapses S, driven from outside by synapses F."""
    defaults: dict[str, object] = {"El": values(1) * -70 * mV, "Vt": values(1) * -60 * mV, "Vr": values(1) * -65 * mV}
    namespace = {k: v for k, v in CONSTANTS.items() if not declares(equations, k)}
    namespace |= {k: v for k, v in parameters.items() if not declares(equations + "\n" + model, k)}
    cells = NeuronGroup(
        N,
        equations,
        threshold=threshold,
        reset=reset,
        refractory=refractory,
        method=method,
        namespace=namespace,
        name="E",
        events=events,
    )
    for name, value in {**defaults, **parameters}.items():
        if declares(equations, name):
            setattr(cells, name, value)
    cells.v = cells.El if declares(equations, "El") else namespace["El"]
    source = SpikeGeneratorGroup(
        N, np.tile(np.arange(N), 10), (np.repeat(np.arange(10), N) * 2 + 0.5) * ms, name="source"
    )
    feed = Synapses(source, cells, model, on_pre=on_pre.replace("*a_pre", ""), name="F", namespace=namespace)
    feed.connect(**OWN)
    recurrent = Synapses(
        cells, cells, model, on_pre=on_pre, on_post=on_post, name="S", namespace=namespace, delay=1.5 * ms
    )
    recurrent.connect(**OTHERS)
    for synapses, strength in ((feed, 15.0), (recurrent, 3.0)):
        size = N if synapses is feed else PAIRS
        synapses.w = values(20, size) * strength * weight
        for name, value in parameters.items():
            if declares(model, name):
                setattr(synapses, name, value * values(21, size))
    return [cells, source, feed, recurrent]


@model({"E": [], "source": []})
def lif_constants() -> list[BrianObject]:
    return lif(LIF)


@model({"E": [VOLTAGES], "source": []}, {"E": 0})
def lif_parameters() -> list[BrianObject]:
    return lif()


@model({"E": [VOLTAGES, {"a": 1, "S.w[pre]": -1}], "source": []}, {"E": 1})
def lif_amplitude() -> list[BrianObject]:
    return lif(LIF + LEVELS + "a : 1", on_pre="g_post += w*a_pre", a=values(2))


@model(
    {"E": [{"v": 1, "g": 1, "Vt": 1, "S.w[post]": 1, "F.w[post]": 1}, {"a": 1, "S.w[pre]": -1}], "source": []},
    {"E": 1},
)
def lif_from_zero() -> list[BrianObject]:
    return lif(
        LIF + "Vt : volt\na : 1",
        on_pre="g_post += w*a_pre",
        a=values(2),
        El=0 * mV,
        Vr=0 * mV,
        Vt=values(3) * 10 * mV,
    )


AFFINE: dict[str, object] = {k: v for k, v in VOLTAGES.items() if k != "El"}


@model({"E": [AFFINE, {"a": 1, "S.w[pre]": -1}], "source": []}, {"E": 1})
def lif_affine() -> list[BrianObject]:
    """One resting potential for all: the others are measured from it."""
    levels = LEVELS.replace("El : volt (constant)", "a : 1")
    return lif(LIF + levels, on_pre="g_post += w*a_pre", El=-70 * mV, a=values(2))


@model({"E": [], "source": []})
def lif_literals() -> list[BrianObject]:
    equations = "dv/dt = (g - v - 65*mV)/tau : volt (unless refractory)\ndg/dt = -g/taus : volt"
    return lif(equations, threshold="v > -55*mV", reset="v = -65*mV", El=-65 * mV)


@model({"E": [{**VOLTAGES, "th": 1, "dth": 1}], "source": []}, {"E": 0})
def adaptive_threshold() -> list[BrianObject]:
    equations = LIF + LEVELS + "dth/dt = (Vt - th)/(50*ms) : volt\ndth : volt"
    objects = lif(equations.replace("ddth", "ddth"), threshold="v > th", reset="v = Vr\nth += dth", dth=values(4) * mV)
    objects[0].th = objects[0].Vt
    return objects


CURRENTS: dict[str, object] = {"gl": 1, "C": 1, "I": 1, "S.w[post]": 1, "F.w[post]": 1}
CUBA = "dv/dt = (gl*(El - v) + I)/C : volt (unless refractory)\ndI/dt = -I/taus : amp\n"


@model({"E": [CURRENTS], "source": []}, {"E": 0})
def current_based() -> list[BrianObject]:
    return lif(
        CUBA + "gl : siemens\nC : farad",
        "I_post += w",
        model="w : amp",
        weight=0.05 * nA,
        method="euler",
        gl=values(5) * 10 * nS,
        C=values(6) * 100 * pF,
    )


COBA = (
    "dv/dt = (gl*(El - v) + ge*(Ee - v))/C : volt (unless refractory)\ndge/dt = -ge/taus : siemens\n"
    "gl : siemens\nC : farad\n"
)
AREA: dict[str, object] = {"gl": 1, "C": 1, "ge": 1, "S.w[post]": 1, "F.w[post]": 1}


@model({"E": [AREA, {"a": 1, "S.w[pre]": -1}], "source": []}, {"E": 1})
def conductance_based() -> list[BrianObject]:
    return lif(
        COBA + "a : 1",
        "ge_post += w*a_pre",
        model="w : siemens",
        weight=nS,
        method="exponential_euler",
        Ee=0 * mV,
        gl=values(5) * 10 * nS,
        C=values(6) * 100 * pF,
        a=values(7),
    )


@model({"E": [{"a": 1, "S.w[pre]": -1}], "source": []}, {"E": 1})
def conductance_based_relative() -> list[BrianObject]:
    """Conductances in units of the leak: what comes in cannot move, whatever else does."""
    equations = "dv/dt = (El - v + ge*(Ee - v))/tau : volt (unless refractory)\ndge/dt = -ge/taus : 1\na : 1"
    return lif(
        equations, "ge_post += w*a_pre", model="w : 1", weight=0.1, method="exponential_euler", Ee=0 * mV, a=values(7)
    )


@model({"E": [{**AREA, "he": 1}], "source": []}, {"E": 0})
def alpha_conductance() -> list[BrianObject]:
    equations = COBA.replace("-ge/taus", "(he - ge)/taus") + "dhe/dt = -he/taus : siemens"
    return lif(
        equations,
        "he_post += w",
        model="w : siemens",
        weight=2 * nS,
        method="exponential_euler",
        Ee=0 * mV,
        gl=values(5) * 10 * nS,
        C=values(6) * 100 * pF,
    )


ADEX = (
    "dv/dt = (gl*(El - v) + gl*DeltaT*exp((v - VT)/DeltaT) - u + I)/C : volt\n"
    "du/dt = (c*(v - El) - u)/(100*ms) : amp\ndI/dt = -I/taus : amp\n"
)
ADEX_VALUES = {
    "DeltaT": 2 * mV,
    "VT": -50 * mV,
    "Vt": -40 * mV,
    "Vr": -65 * mV,
    "method": "euler",
    "model": "w : amp",
    "on_pre": "I_post += w",
    "weight": 0.05 * nA,
    "refractory": False,
    "reset": "v = Vr\nu += b",
}


@model({"E": [], "source": []})
def adex_constants() -> list[BrianObject]:
    return lif(ADEX, **{**ADEX_VALUES, "gl": 10 * nS, "C": 100 * pF, "c": 2 * nS, "b": 20 * pA})


@model({"E": [{**CURRENTS, "u": 1, "c": 1, "b": 1}], "source": []}, {"E": 0})
def adex_area() -> list[BrianObject]:
    return lif(
        ADEX + "gl : siemens\nC : farad\nc : siemens\nb : amp",
        **{
            **ADEX_VALUES,
            "gl": values(1) * 10 * nS,
            "C": values(2) * 100 * pF,
            "c": values(3) * nS,
            "b": values(4) * 20 * pA,
        },
    )


@model({"E": [], "source": []})
def izhikevich() -> list[BrianObject]:
    equations = "dv/dt = (0.04*v**2 + 5*v + 140 - u + I)/ms : 1\ndu/dt = 0.02*(0.2*v - u)/ms : 1\ndI/dt = -I/taus : 1"
    return lif(
        equations,
        "I_post += w",
        "v > 30",
        "v = -65\nu += 8",
        "w : 1",
        False,
        "euler",
        weight=1.0,
        El=-65.0,
        Vt=0,
        Vr=0,
    )


IZHIKEVICH = (
    "dv/dt = (k*(v - El)*(v - Vi) - u + I)/C : volt\ndu/dt = (b*(v - El) - u)/(50*ms) : amp\ndI/dt = -I/taus : amp\n"
    "k : siemens/volt\nC : farad\nb : siemens\nd : amp\n"
)


@model(
    {"E": [{"k": 1, "C": 1, "u": 1, "b": 1, "d": 1, "I": 1, "S.w[post]": 1, "F.w[post]": 1}], "source": []}, {"E": 0}
)
def izhikevich_2007() -> list[BrianObject]:
    return lif(
        IZHIKEVICH,
        "I_post += w",
        "v > 35*mV",
        "v = Vr\nu += d",
        "w : amp",
        False,
        "euler",
        weight=0.2 * nA,
        Vi=-40 * mV,
        k=values(1) * 0.7 * nS / mV,
        C=values(2) * 100 * pF,
        b=values(3) * nS,
        d=values(4) * 50 * pA,
    )


HH = (
    "dv/dt = (gl*(El - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)/C : volt\n"
    "dm/dt = (1/(1 + exp(-(v + 40*mV)/(9*mV))) - m)/(0.2*ms) : 1\n"
    "dh/dt = (1/(1 + exp((v + 62*mV)/(7*mV))) - h)/(2*ms) : 1\n"
    "dn/dt = (1/(1 + exp(-(v + 53*mV)/(16*mV))) - n)/(2*ms) : 1\n"
    "dI/dt = -I/taus : amp\ngl : siemens\ngNa : siemens\ngK : siemens\nC : farad\n"
)


@model({"E": [{**CURRENTS, "gNa": 1, "gK": 1}], "source": []}, {"E": 0})
def hodgkin_huxley() -> list[BrianObject]:
    return lif(
        HH,
        "I_post += w",
        "v > -20*mV",
        "",
        "w : amp",
        "v > -20*mV",
        "exponential_euler",
        weight=0.05 * nA,
        gl=values(1) * 10 * nS,
        gNa=values(2) * 3000 * nS,
        gK=values(3) * 900 * nS,
        C=values(4) * 100 * pF,
    )


# Plasticity

FACILITATION = (
    "w : volt\nU : 1\n"
    "dx_syn/dt = (1 - x_syn)/(200*ms) : 1 (event-driven)\ndu_syn/dt = (U - u_syn)/(50*ms) : 1 (event-driven)"
)


@model({"E": [VOLTAGES], "source": []}, {"E": 0})
def short_term_plasticity() -> list[BrianObject]:
    on_pre = "u_syn += U*(1 - u_syn)\nr_syn = u_syn*x_syn\nx_syn -= r_syn\ng_post += w*r_syn"
    objects = lif(on_pre=on_pre, model=FACILITATION, weight=3 * mV, U=0.4)
    for synapses in objects[2:]:
        synapses.x_syn, synapses.u_syn = 1, 0.4
    return objects


STDP = "w : volt\ndp/dt = -p/(20*ms) : volt (event-driven)\ndq/dt = -q/(20*ms) : volt (event-driven)\n"


@model({"E": [], "source": []})
def stdp_additive() -> list[BrianObject]:
    return lif(
        model=STDP,
        on_pre="g_post += w\np += dA\nw = clip(w + q, 0*mV, wmax)",
        on_post="q -= dA\nw = clip(w + p, 0*mV, wmax)",
        dA=0.5 * mV,
        wmax=30 * mV,
    )


# F has no on_post, so nothing reads its trace p.
TRACES: dict[str, object] = {f"{x}[post]": 1 for x in ("S.p", "S.q", "S.dA", "S.wmax", "F.q", "F.wmax")}


@model({"E": [{**VOLTAGES, **TRACES}, {"F.p[post]": 1, "F.dA[post]": 1}], "source": []}, {"E": 0})
def stdp_additive_by_synapse() -> list[BrianObject]:
    return lif(
        model=STDP + "dA : volt\nwmax : volt",
        on_pre="g_post += w\np += dA\nw = clip(w + q, 0*mV, wmax)",
        on_post="q -= dA\nw = clip(w + p, 0*mV, wmax)",
        dA=0.5 * mV,
        wmax=30 * mV,
    )


@model({"E": [VOLTAGES, {"a": 1, "S.w[pre]": -1}], "source": []}, {"E": 1})
def stdp_multiplicative() -> list[BrianObject]:
    model = STDP.replace("volt (event", "1 (event")
    return lif(
        LIF + LEVELS + "a : 1",
        model=model,
        a=values(2),
        dA=0.05,
        on_pre="g_post += w*a_pre\np += dA\nw *= (1 + q)",
        on_post="q -= dA\nw *= (1 + p)",
    )


# Inputs, several groups, structure


@model({"E": [{**VOLTAGES, "J": 1}], "source": []}, {"E": 0})
def poisson_input() -> list[BrianObject]:
    objects = lif(LIF + LEVELS + "J : volt", J=values(9) * mV)
    return [*objects, PoissonInput(objects[0], "g", 20, 200 * Hz, weight="J")]


@model({"E": [], "source": []})
def poisson_input_of_fixed_size() -> list[BrianObject]:
    objects = lif()
    return [*objects, PoissonInput(objects[0], "g", 20, 200 * Hz, weight=0.5 * mV)]


@model(
    {
        "X": [
            {"v": 1, "g": 1, "Vt": 1, "EX.w[post]": 1, "XX.w[post]": 1, "YX.w[post]": 1},
            {"a": 1, "XX.w[pre]": -1, "XY.w[pre]": -1},
        ],
        "Y": [{"v": 1, "g": 1, "Vt": 1, "XY.w[post]": 1}, {"a": 1, "YX.w[pre]": -1}],
        "ext": [],
    },
    {"X": 1, "Y": 1},
)
def balanced_excitation_inhibition() -> list[BrianObject]:
    equations = "dv/dt = (g - v)/(10*ms) : volt (unless refractory)\ndg/dt = -g/(5*ms) : volt\nVt : volt\na : 1"
    spikes = {"threshold": "v > Vt", "reset": "v = 0*mV", "refractory": "2*ms", "method": "exact"}
    x, y = (NeuronGroup(N, equations, name=name, **spikes) for name in ("X", "Y"))
    ext = PoissonGroup(N, 300 * Hz, name="ext")
    for group in (x, y):
        group.Vt, group.a = values(1) * 10 * mV, values(2)
    objects: list[BrianObject] = [x, y, ext]
    for name, pre, post, code, strength in (
        ("EX", ext, x, "g_post += w", 15),
        ("XX", x, x, "g_post += w*a_pre", 2),
        ("XY", x, y, "g_post += w*a_pre", 12),
        ("YX", y, x, "g_post -= w*a_pre", 3),
    ):
        synapses = Synapses(pre, post, "w : volt", on_pre=code, name=name)
        synapses.connect(**OTHERS)
        synapses.w = values(3, PAIRS) * strength * mV
        synapses.delay = values(4, PAIRS) * 2 * ms
        objects.append(synapses)
    return objects


@model({"E": [{**RATE, "A.w[pre]": -1, "S.w[pre]": -1}], "R": [{"y": 1, "A.w[post]": 1}]}, {"E": 1, "R": 0})
def readout_of_a_subgroup() -> list[BrianObject]:
    objects = rates(INPUT + "r = clip(x, 0, inf) : 1")
    readout = NeuronGroup(2, "y : 1", name="R")
    part = objects[0][1:4]
    synapses = Synapses(part, readout, "w : 1\ny_post = w*r_pre : 1 (summed)", name="A")
    synapses.connect(i=np.tile(range(3), 2), j=np.repeat(range(2), 3))
    synapses.w = values(5, 6)
    return [*objects, readout, synapses]


@model({"E": [], "R": []})
def linked_variable() -> list[BrianObject]:
    objects = rates(INPUT + "r = x : 1")
    follower = NeuronGroup(N, "dz/dt = (y - z)/(5*ms) : 1\ny : 1 (linked)", name="R", method="euler")
    follower.y = linked_var(objects[0], "x")
    return [*objects, follower]


@model({"E": [{**VOLTAGES, "burst": 1, "jump": 1}], "source": []}, {"E": 0})
def custom_event() -> list[BrianObject]:
    equations = LIF + LEVELS + "burst : volt\njump : volt"
    objects = lif(equations, events={"near": "v > burst"}, burst=values(8) * -66 * mV, jump=values(9) * mV)
    objects[0].run_on_event("near", "g -= jump")
    return objects


@model({"E": [{**VOLTAGES, "S.w[post]": 1}], "source": []}, {"E": 0})
def two_pathways() -> list[BrianObject]:
    objects = lif()
    synapses = Synapses(
        objects[0],
        objects[0],
        "w : volt",
        name="S",
        on_pre={"fast": "g_post += w", "slow": "half = w/2\nhalf *= 0.5\ng_post -= half"},
        delay={"fast": 1 * ms, "slow": 5 * ms},
    )
    synapses.connect(**OTHERS)
    synapses.w = values(20, PAIRS) * 3 * mV
    return [*objects[:3], synapses]


@model({"E": [{"x": 1, "I": 1, "inp": 1, "S.w[post]": 1, "S.s[post]": 1, "S.w[pre]": -1}]}, {"E": 1})
def synaptic_state() -> list[BrianObject]:
    """A slow synapse: its weight stands behind a state of its own."""
    cells = NeuronGroup(N, "dx/dt = (inp + I - x)/(10*ms) : 1\ninp : 1\nI : 1", name="E", method="exact")
    cells.inp = values(1)
    equations = "w : 1\nds/dt = (w*x_pre - s)/(5*ms) : 1 (clock-driven)\nI_post = s : 1 (summed)"
    synapses = Synapses(cells, cells, equations, name="S", method="euler")
    synapses.connect(**OTHERS)
    synapses.w = values(2, PAIRS, -0.3, 0.3)
    return [cells, synapses]
