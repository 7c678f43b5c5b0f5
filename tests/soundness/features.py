"""What random groups of neurons have beside their dynamics: one function a feature of Brian2's language."""

from __future__ import annotations

from collections.abc import Callable

from .cells import Cell, parameter
from .drawing import SCALES, Draw
from .expressions import Vocabulary
from .model import Input, Model

#: Names that Brian2 gives to variables of its own elsewhere, and that a group may use.
BRIANS = ("j", "delay", "lastupdate", "N_incoming", "N_outgoing", "lastspike")


def decorate(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    """Add some features to a group of neurons."""
    for feature, share in FEATURES.items():
        if draw.chance(share):
            feature(draw, model, cells, cell)


def subexpressions(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    for name in draw.pick((("s1",), ("s1", "s2"))):
        degree = draw.pick((0, 1, 1))
        text = f"{name} = {draw.expression(cell.words, degree)} : {cell.words.unit_of(degree)}"
        cell.group.equations.append(text)
        cell.words.names[name] = degree
    draw.features.add("subexpressions")


def constant_over_dt(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    degree = draw.pick((0, 1))
    text = f"held = {draw.expression(cell.words, degree)} : {cell.words.unit_of(degree)} (constant over dt)"
    cell.group.equations.append(text)
    cell.words.names["held"] = degree
    draw.features.add("(constant over dt)")


def fixed_parameter(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    parameter(draw, cell, "k0", "1", 0)
    draw.features.add("parameter of power 0")


def shared_parameter(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    cell.group.equations.append("sh : 1 (shared)")
    cell.group.values["sh"] = str(draw.number())
    cell.words.names["sh"] = 0
    draw.features.add("shared parameter")


def integers(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    cell.group.equations.append("count : integer")
    cell.group.values["count"] = str([int(v) for v in draw.rng.integers(0, 3, cell.group.size)])
    cell.words.names["count"] = 0
    draw.features.add("integer variable")


def noise(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    group = cell.group
    line = next(k for k, text in enumerate(group.equations) if "/dt = " in text)
    name = group.equations[line].split("/")[0][1:]
    if name == "v" and cell.unit == "siemens":
        return
    left, _, flags = group.equations[line].partition(" : ")
    group.equations[line] = f"{left} + sigma*xi*tau**-0.5 : {flags}"
    group.method = "euler"
    if draw.chance(0.85):
        parameter(draw, cell, "sigma", cell.unit, 1)
    else:
        group.constants["sigma"] = cell.words.spoiler
        draw.features.add("near-miss")
    draw.features.add("noise")


def own_function(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    if not any("rectified" in line for line in model.definitions):
        model.definitions += [
            "def rectified(x): return np.where(x > 0, x, 0*x)",
            "rectified.homogeneity = 1",
            "rectified = Function(rectified, arg_units=[None], return_unit=lambda u: u)",
        ]
    cell.group.constants["rectified"] = "rectified"
    cell.words.functions.append("rectified")
    draw.features.add("user's function in scope")


def brians_names(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    name = draw.pick(BRIANS if not cell.group.threshold else BRIANS[:-1])
    if draw.chance(0.5):
        text = f"{name} = {draw.expression(cell.words, 1)} : {cell.unit}"
        cell.group.equations.append(text)
        cell.words.names[name] = 1
    else:
        parameter(draw, cell, name, cell.unit, 1)
    draw.features.add("names that Brian2 uses")


def extra_state(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    text = f"dq1/dt = ({draw.expression(cell.words, 1)} - q1)/(7*ms) : {cell.unit}"
    cell.group.equations.append(text)
    cell.group.values["q1"] = draw.values(cell.group.size, SCALES[cell.unit])
    if cell.group.method in ("exact", "exponential_euler"):
        cell.group.method = "euler"
    cell.words.names["q1"] = cell.targets["q1"] = 1
    draw.features.add("extra state")


def event(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    condition = f"{draw.expression(cell.words, 1)} > {draw.expression(cell.words, 1)}"
    cell.group.events["near"] = condition, draw.block(cell.words, cell.targets)
    draw.features.add("custom event")


def regularly(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    code = draw.block(cell.words, cell.targets, 4)
    cell.group.regularly.append((code, draw.pick(("0.5*ms", "0.1*ms", "0.7*ms"))))
    draw.features.add("run_regularly")


def reset_block(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    if cell.group.threshold:
        cell.group.reset = [*cell.group.reset, *draw.block(cell.words, cell.targets)]
        draw.features.add("several lines in a reset")


def refractoriness(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    if not cell.group.threshold:
        return
    match draw.pick(("condition", "parameter", "quantity")):
        case "condition":
            expression = f"{draw.expression(cell.words, 1)} > {draw.expression(cell.words, 1)}"
            cell.group.refractory = repr(expression)
            draw.features.add("refractory by condition")
        case "parameter":
            cell.group.equations.append("ref : second")
            cell.group.values["ref"] = draw.values(cell.group.size, "ms")
            cell.group.refractory = "'ref'"
            draw.features.add("refractory by parameter")
        case _:
            cell.group.refractory = "1.3*ms"
            draw.features.add("refractory by quantity")


def table(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    line = cell.group.equations[0]
    name = f"stimulus{len(model.definitions)}"
    model.definitions.append(f"{name} = TimedArray({draw.values(6)}, dt=0.5*ms)")
    cell.group.constants["stimulus"] = name
    drive = draw.expression(cell.words, 1, 1)
    where = next((part for part in (" + I + J", " + g") if part in line), None)
    if where is not None and not line.startswith("dv/dt = (gl"):
        cell.group.equations[0] = line.replace(where, f"{where} + stimulus(t)*{drive}", 1)
        if cell.group.method in ("exact", "exponential_euler"):
            cell.group.method = "euler"
        draw.features.add("TimedArray")


def linked(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    others = [c for c in cells if c.group.size == cell.group.size and c is not cell and not c.group.source]
    if not others:
        return
    other = draw.pick(others)
    moving = draw.chance(0.3)
    if not moving and "k0" not in other.group.values:
        parameter(draw, other, "k0", "1", 0)
    theirs = next(iter(other.targets)) if moving else "k0"
    unit = other.words.unit_of(other.targets[theirs]) if moving else "1"
    cell.group.equations.append(f"lnk : {unit} (linked)")
    cell.group.links["lnk"] = other.group.name, theirs
    degree = 0 if unit == "1" else None
    if degree is not None:
        cell.words.names["lnk"] = degree
    cell.group.equations.append(f"seen = lnk*{draw.number()} : {unit}")
    draw.features.add("linked variable")


def brians_quantities(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    """Times, indices and sizes that Brian2 provides: they do not move."""
    names = ["i", "N", "(t/ms)", "(dt/ms)"]
    if cell.group.threshold and cell.group.refractory:
        names += ["int(not_refractory)", "((t - lastspike)/second)"]
    cell.words.names[draw.pick(names)] = 0
    draw.features.add("quantities that Brian2 provides")


def flags(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    cell.group.equations.append("on : boolean (constant)")
    cell.group.values["on"] = str([bool(v) for v in draw.rng.integers(0, 2, cell.group.size)])
    cell.words.names["int(on)"] = 0
    draw.features.add("boolean variable")


def chance(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    """Random numbers in a block of code."""
    words = Vocabulary(cell.unit, {**cell.words.names, "rand()": 0}, cell.words.functions, cell.words.spoiler)
    target = draw.pick(list(cell.targets))
    code = f"{target} += {draw.expression(words, cell.targets[target], 1)}*{draw.pick(('rand()', 'randn()'))}"
    cell.group.regularly.append(([code], "0.3*ms"))
    draw.features.add("random numbers")


def poisson_input(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    if not cell.channel:
        return
    if draw.chance(0.8):
        parameter(draw, cell, "jump", cell.unit, 1)
        weight = "'jump'"
    else:
        weight = cell.words.spoiler
        draw.features.add("near-miss")
    model.inputs.append(Input(cell.group.name, cell.channel, weight))
    draw.features.add("PoissonInput")


def feedback(draw: Draw, model: Model, cells: list[Cell], cell: Cell) -> None:
    """Let the dynamics read what earlier features declared."""
    line = cell.group.equations[0]
    where = next((part for part in (" + I + J", " + g") if part in line), None)
    if where is not None and not line.startswith("dv/dt = (gl"):
        cell.group.equations[0] = line.replace(where, f"{where} + {draw.expression(cell.words, 1)}", 1)
        if cell.group.method in ("exact", "exponential_euler"):
            cell.group.method = "euler"


FEATURES: dict[Callable[[Draw, Model, list[Cell], Cell], None], float] = {
    brians_quantities: 0.15,
    flags: 0.1,
    fixed_parameter: 0.2,
    shared_parameter: 0.15,
    integers: 0.1,
    own_function: 0.15,
    linked: 0.1,
    subexpressions: 0.25,
    constant_over_dt: 0.12,
    brians_names: 0.15,
    extra_state: 0.2,
    feedback: 0.4,
    noise: 0.15,
    event: 0.12,
    regularly: 0.2,
    chance: 0.1,
    reset_block: 0.2,
    refractoriness: 0.2,
    table: 0.12,
    poisson_input: 0.12,
}
