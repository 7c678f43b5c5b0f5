"""Random groups of neurons: rate units, integrate-and-fire neurons of several kinds, free nonlinear units, inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from .drawing import SCALES, Draw
from .expressions import Degree, Vocabulary
from .model import Neurons


@dataclass
class Cell:
    """A group of neurons, and what connections and features must know of it.

    ``channel`` is the variable to which spikes add, ``inputs`` are parameters for summed input, ``output`` what the
    neurons send continuously, with its degree, ``amplitude`` a factor of their spikes that is free to scale.
    """

    group: Neurons
    words: Vocabulary
    channel: str = ""
    inputs: list[str] = field(default_factory=list)
    output: tuple[str, Degree] | None = None
    amplitude: str = ""
    targets: dict[str, Degree] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        return self.words.unit

    @property
    def spiking(self) -> bool:
        return bool(self.group.threshold or self.group.source)


def random_cell(draw: Draw, name: str) -> Cell:
    """A group of one of the families."""
    size = int(draw.rng.integers(2, 5))
    return draw.pick((rate_cell, rate_cell, integrator, integrator, conductance_cell, free_cell))(draw, name, size)


def parameter(draw: Draw, cell: Cell, name: str, unit: str, degree: Degree | None, flags: str = "") -> str:
    """Declare a parameter with a value for each neuron; returns its name."""
    group = cell.group
    if name in group.values:
        return name
    group.equations.append(f"{name} : {unit}{flags}")
    group.values[name] = draw.values(group.size, SCALES.get(unit, unit))
    if degree is not None:
        cell.words.names[name] = degree
    return name


def rate_cell(draw: Draw, name: str, size: int) -> Cell:
    """A unit with state x, driven by summed inputs, that sends r."""
    unit = draw.pick(("1", "1", "volt", "amp"))
    words = Vocabulary(unit, {"x": 1}, spoiler=f"0.7*{SCALES[unit]}")
    cell = Cell(Neurons(name, size, values={"x": draw.values(size, SCALES[unit], -1)}), words, targets={"x": 1})
    for key in ("I", "J"):
        cell.group.equations.append(f"{key} : {unit}")
        words.names[key] = 1
        cell.inputs.append(key)
    parameter(draw, cell, "inp", unit, 1, draw.pick(("", " (constant)")))
    if draw.chance(0.5):
        parameter(draw, cell, "theta", unit, 1)
    drive = draw.expression(words, 1)
    cell.group.equations.insert(0, f"dx/dt = ({drive} + I + J + inp - x)/tau : {unit}")
    cell.channel = "x" if draw.chance(0.3) else ""
    degree: Degree = 1
    if draw.chance(0.3, "power law"):
        degree = draw.pick((2, 2, 3))
        gain = draw.number(0.1, 0.4)
        cell.group.constants[f"k{name}"] = f"{gain}" if unit == "1" else f"{gain}/{SCALES[unit]}**{degree - 1}"
        exponent = "n" if degree == 2 and draw.chance(0.5) else str(degree)
        sent = f"k{name}*clip(x, 0*{unit}, inf*{unit})**{exponent}"
        text = f"r = {sent} : {unit}"
    else:
        text = f"r = {draw.expression(words, 1)} : {unit}"
    cell.group.equations.append(text)
    cell.output = ("r", degree)
    draw.features.add("rate units")
    return cell


def integrator(draw: Draw, name: str, size: int) -> Cell:
    """An integrate-and-fire neuron whose levels are parameters, 0, shared, or measured from a shared one."""
    levels = draw.pick(("parameters", "parameters", "zero", "zero", "origin", "origin", "shared"))
    words = Vocabulary("volt", {"g": 1}, spoiler="2*mV")
    group = Neurons(name, size, threshold="v > Vt", reset=["v = Vr"])
    cell = Cell(group, words, channel="g", targets={"g": 1})
    draw.features.add(f"levels: {levels}")
    rest = "El - v" if levels != "zero" else "-v"
    extra = ""
    draw_levels(draw, cell, levels)
    if draw.chance(0.4, "random drift"):
        extra = f" + {draw.expression(words, 1)}"
    flag = draw.pick(("", " (unless refractory)"))
    linear = not extra and draw.chance(0.5)
    group.method = draw.pick(("exact", "exponential_euler", "euler")) if linear else draw.pick(("euler", "rk2", "rk4"))
    group.equations[:0] = [f"dv/dt = ({rest} + g{extra})/tau : volt{flag}", "dg/dt = -g/taus : volt"]
    if draw.chance(0.3) and levels in ("parameters", "zero"):
        group.equations[0] = group.equations[0].replace(" + g", " + g + I", 1)
        group.equations.append("I : volt")
        words.names["I"] = 1
        cell.inputs.append("I")
        if group.method == "exact":
            group.method = "euler"
    if group.equations[0].endswith("refractory)"):
        draw.features.add("(unless refractory)")
        group.refractory = "1*ms"
    group.values["g"] = draw.values(size, "mV", 0, 10)
    if draw.chance(0.6, "amplitude"):
        group.equations.append("a : 1")
        group.values["a"] = draw.values(size)
        cell.amplitude = "a"
    elif draw.chance(0.4) and levels in ("parameters", "zero"):
        cell.output = ("v", 1)
    return cell


def draw_levels(draw: Draw, cell: Cell, levels: str) -> None:
    """Resting potential, threshold and reset of an integrate-and-fire neuron, and where it starts."""
    group, size = cell.group, cell.group.size
    ranges = {"El": (-72.0, -68.0), "Vt": (-56.0, -50.0), "Vr": (-66.0, -60.0)}
    match levels:
        case "parameters":
            names: tuple[str, ...] = ("El", "Vt", "Vr")
            cell.words.names |= dict.fromkeys((*names, "v"), 1)
            cell.targets["v"] = 1
        case "origin":
            names = ("Vt", "Vr")
            group.constants["El"] = "-70*mV"
            if draw.chance(0.3):
                names, group.constants["Vr"] = ("Vt",), "-70*mV"
            if draw.chance(0.3):
                group.reset = ["v = El"]
        case "zero":
            names = ("Vt",)
            ranges = {"Vt": (5.0, 15.0)}
            group.reset = [draw.pick(("v = 0*mV", "v = zmV", "v -= Vt"))]
            cell.words.names |= {"Vt": 1, "v": 1}
            cell.targets["v"] = 1
        case _:
            names = ()
            group.constants |= {"El": "-70*mV", "Vt": "-54*mV", "Vr": "-65*mV"}
    for name in names:
        group.equations.append(f"{name} : volt (constant)")
        group.values[name] = draw.values(size, "mV", *ranges[name])
    low, high = ranges["Vt"]
    group.values["v"] = draw.values(size, "mV", low - 8, high + 2)


def conductance_cell(draw: Draw, name: str, size: int) -> Cell:
    """A conductance-based neuron: its area scales, potentials stay."""
    words = Vocabulary("siemens", {"gl": 1, "ge": 1}, spoiler="3*nS")
    group = Neurons(name, size, threshold="v > -54*mV", reset=["v = -62*mV"])
    group.method = draw.pick(("euler", "exponential_euler"))
    group.equations = [
        "dv/dt = (gl*(-70*mV - v) + ge*(-v))/C : volt (unless refractory)",
        "dge/dt = -ge/taus : siemens",
        "gl : siemens",
        "C : farad",
    ]
    group.refractory = draw.pick(("False", "2*ms"))
    group.values = {
        "v": draw.values(size, "mV", -60, -52),
        "ge": draw.values(size, "nS", 0, 20),
        "gl": draw.values(size, "nS", 8, 12),
        "C": draw.values(size, "pF", 80, 120),
    }
    cell = Cell(group, words, channel="ge", targets={"ge": 1})
    if draw.chance(0.4, "random drift"):
        group.method = "euler"
        group.equations[1] = f"dge/dt = ({draw.expression(words, 1)} - ge)/taus : siemens"
    if draw.chance(0.6, "amplitude"):
        group.equations.append("a : 1")
        group.values["a"] = draw.values(size)
        cell.amplitude = "a"
    draw.features.add("conductances")
    return cell


def free_cell(draw: Draw, name: str, size: int) -> Cell:
    """Two coupled nonlinear states with random right-hand sides, threshold and reset."""
    unit = draw.pick(("1", "1", "volt", "amp"))
    words = Vocabulary(unit, {"x": 1, "y": 1}, spoiler=f"0.7*{SCALES[unit]}")
    group = Neurons(name, size, values={v: draw.values(size, SCALES[unit], -1) for v in "xy"})
    cell = Cell(group, words, channel="x", targets={"x": 1, "y": 1})
    for key in draw.pick(((), ("b1",), ("b1", "b2"))):
        parameter(draw, cell, key, unit, 1)
    group.equations[:0] = [
        f"dx/dt = ({draw.expression(words, 1)} - x)/tau : {unit}",
        f"dy/dt = ({draw.expression(words, 1)} - y)/taus : {unit}",
    ]
    group.method = draw.pick(("euler", "euler", "rk2", "heun"))
    if draw.chance(0.7):
        group.threshold = f"{draw.expression(words, 1)} > {draw.expression(words, 1)}"
        group.reset = draw.block(words, cell.targets)
        draw.features.add("random threshold and reset")
    if draw.chance(0.5, "amplitude"):
        group.equations.append("a : 1")
        group.values["a"] = draw.values(size)
        cell.amplitude = "a"
    cell.output = ("y", 1)
    draw.features.add("free units")
    return cell


def random_input(draw: Draw, name: str) -> Cell:
    """A group that sends spikes from outside."""
    size = int(draw.rng.integers(2, 4))
    if draw.chance(0.4, "PoissonGroup"):
        source = f"PoissonGroup({size}, {draw.pick(('800*Hz', '2000*Hz'))})"
    else:
        draw.features.add("SpikeGeneratorGroup")
        source = f"SpikeGeneratorGroup({size}, {[k % size for k in range(6)]}, {[0.15 + 0.3 * k for k in range(6)]}*ms)"
    return Cell(Neurons(name, size, source=source), Vocabulary("1", {}))
