"""Random synapses: spikes and summed input, short-term and spike-timing-dependent plasticity, delays, pathways."""

from __future__ import annotations

from .cells import Cell
from .drawing import SCALES, Draw
from .expressions import Vocabulary
from .model import Synapses


def connect(draw: Draw, name: str, pre: Cell, post: Cell) -> Synapses | None:
    """Synapses from one group to another; None if nothing fits."""
    ways = []
    if pre.output and post.inputs:
        ways += [_summed, _summed, _synaptic_state]
    if pre.spiking and post.channel:
        ways += [_spikes, _spikes, _short_term, _timing]
    if not ways:
        return None
    synapses = Synapses(name, pre.group.name, post.group.name)
    synapses.constants = {**pre.group.constants, **post.group.constants}  # those of subexpressions that it reads
    _pairs(draw, synapses, pre, post)
    draw.pick(ways)(draw, synapses, pre, post)
    if any(line.startswith("w :") for line in synapses.equations):
        synapses.values.setdefault("w", _weights(draw, synapses, pre, post))
    _decorate(draw, synapses, pre, post)
    return synapses


def _pairs(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    """Which neurons are connected; some ends are parts of groups, some pairs have two synapses."""
    sizes = []
    for end, cell in (("source", pre), ("target", post)):
        size = cell.group.size
        if size > 2 and not cell.group.source.startswith("Spike") and draw.chance(0.15, "subgroup"):
            setattr(synapses, f"{end}_part", f"[1:{size}]")
            size -= 1
        sizes.append(size)
    pairs = [(i, j) for i in range(sizes[0]) for j in range(sizes[1]) if draw.chance(0.75)] or [(0, 0)]
    if draw.chance(0.1, "several synapses for a pair"):
        pairs.append(pairs[0])
    synapses.pairs = [i for i, _ in pairs], [j for _, j in pairs]


def _average(draw: Draw, synapses: Synapses, post: Cell) -> None:
    """Sum up potentials of the postsynaptic neuron: where they are measured from a constant, that adds up, too."""
    if "vs" in post.group.values or not draw.chance(0.12, "sum of potentials"):
        return
    post.group.equations.append("vs : volt")
    post.group.values["vs"] = draw.values(post.group.size, "mV")
    synapses.equations.append("vs_post = v_post : volt (summed)")
    if draw.chance(0.5):
        post.group.equations[0] = post.group.equations[0].replace(" + g", " + g + 0.01*(vs - v)", 1)
        post.group.method = "euler"
    else:
        post.group.equations.append("followed = vs - v : volt")


def _size(synapses: Synapses) -> int:
    return len(synapses.pairs[0])


def _weights(draw: Draw, synapses: Synapses, pre: Cell, post: Cell, low: float = -0.5) -> str:
    strength = {"siemens": (1.0, 9.0), "volt": (-2.0, 6.0)}.get(post.unit, (low, 0.8))
    return draw.values(_size(synapses), SCALES[post.unit], *strength)


def _weight_unit(pre: Cell, post: Cell) -> tuple[str, str]:
    """The unit of a weight of summed input as equations state it, and its scale in values."""
    below = "" if pre.unit == "1" else f"/{pre.unit}"
    scale = "" if pre.unit == "1" else f"/{SCALES[pre.unit]}"
    return post.unit + below, SCALES[post.unit] + scale


def _summed(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    assert pre.output is not None
    sent, _ = pre.output
    target = post.inputs.pop()
    unit, scale = _weight_unit(pre, post)
    words = post.words.seen("_post")
    words.names.pop(f"{target}_post", None)  # it cannot depend on itself
    gated = draw.chance(0.3, "gated by the postsynaptic neuron")
    factor = draw.expression(words, 0, 1) if gated else ""
    source = f"clip({sent}_pre, 0*{pre.unit}, inf*{pre.unit})" if draw.chance(0.2) else f"{sent}_pre"
    synapses.equations = [
        f"w : {unit}",
        f"{target}_post = w*{source}{'*' + factor if factor else ''} : {post.unit} (summed)",
    ]
    synapses.values["w"] = f"{draw.values(_size(synapses), '', -0.4, 0.6)}*({scale})"
    if draw.chance(0.2, "subexpression of synapses"):
        synapses.equations[1:] = [
            f"sent = w*{source} : {post.unit}",
            f"{target}_post = sent{'*' + factor if factor else ''} : {post.unit} (summed)",
        ]
    draw.features.add("summed variable")


def _synaptic_state(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    assert pre.output is not None
    target = post.inputs.pop()
    unit, scale = _weight_unit(pre, post)
    synapses.equations = [
        f"w : {unit}",
        f"ds/dt = (w*{pre.output[0]}_pre - s)/taus : {post.unit} (clock-driven)",
        f"{target}_post = s : {post.unit} (summed)",
    ]
    synapses.values["w"] = f"{draw.values(_size(synapses), '', -0.4, 0.6)}*({scale})"
    synapses.method = draw.pick(("euler", "rk2"))
    draw.features.add("synaptic state")


def _amplitude(draw: Draw, pre: Cell) -> str:
    return f"*{pre.amplitude}_pre" if pre.amplitude and draw.chance(0.9) else ""


def _words(synapses: Synapses, post: Cell) -> Vocabulary:
    """What code of these synapses can use that moves with the postsynaptic neuron."""
    words = post.words.seen("_post")
    words.names["w"] = 1
    return words


def _spikes(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    amplitude = _amplitude(draw, pre)
    channel = f"{post.channel}_post"
    synapses.equations = [f"w : {post.unit}"]
    words = _words(synapses, post)
    match draw.pick(("plain", "plain", "block", "gate", "expression", "pathways", "constant")):
        case "plain":
            code = [f"{channel} {draw.pick(('+=', '-='))} w{amplitude}"]
        case "block":
            local = draw.pick(("z", "tmp", "half", "big", "u1"))
            code = [f"{local} = w*{draw.number()}", f"{local} *= {draw.number()}", f"{channel} += {local}{amplitude}"]
            draw.features.add("local names in synapses")
        case "gate":
            code = [f"{channel} += w{amplitude}*{draw.expression(post.words.seen('_post'), 0, 1)}"]
            draw.features.add("gated by the postsynaptic neuron")
        case "expression":
            words.names |= {"w": 1}
            code = [f"{channel} += w{amplitude}*{draw.expression(words, 0, 1)}"]
            if not amplitude and draw.chance(0.5):
                code = draw.block(words, {channel: 1})
            draw.features.add("random code of synapses")
        case "constant":
            synapses.equations.append("cw : 1")
            synapses.values["cw"] = draw.values(_size(synapses))
            code = [f"{channel} += w*cw{amplitude}"]
            draw.features.add("two factors")
        case _:
            synapses.on_pre["late"] = [f"{channel} -= w{amplitude}*half"]
            code = [f"{channel} += w{amplitude}"]
            synapses.values["late.delay"] = draw.pick(("0.3*ms", draw.values(_size(synapses), "ms", 0.1, 1.0)))
            draw.features.add("two pathways")
    synapses.on_pre["pre"] = code


def _short_term(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    flag = draw.pick(("(event-driven)", "(clock-driven)"))
    synapses.equations = [
        f"w : {post.unit}",
        "U : 1",
        f"dxs/dt = (1 - xs)/(50*ms) : 1 {flag}",
        f"du/dt = (U - u)/(20*ms) : 1 {flag}",
    ]
    local = draw.pick(("rs", "tmp", "z"))
    synapses.on_pre["pre"] = [
        "u += U*(1 - u)",
        f"{local} = u*xs",
        f"xs -= {local}",
        f"{post.channel}_post += w*{local}{_amplitude(draw, pre)}",
    ]
    size = _size(synapses)
    synapses.values |= {"U": draw.values(size, "", 0.2, 0.6), "xs": draw.values(size, "", 0.5, 1)}
    synapses.values["u"] = draw.values(size, "", 0.2, 0.6)
    if draw.chance(0.12, "near-miss") and draw.chance(1, "constant weight"):
        synapses.equations.pop(0)
        synapses.constants["w"] = f"3*{SCALES[post.unit]}"
    if flag == "(clock-driven)":
        synapses.method = draw.pick(("euler", "exact"))
    draw.features.add("short-term plasticity")
    draw.features.add("event-driven variable" if "event" in flag else "clock-driven variable")


def _timing(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    unit = post.unit
    relative = draw.chance(0.5)
    trace = "1" if relative else unit
    synapses.equations = [
        f"w : {unit}",
        f"dp/dt = -p/(20*ms) : {trace} (event-driven)",
        f"dq/dt = -q/(20*ms) : {trace} (event-driven)",
    ]
    size = _size(synapses)
    if relative:
        synapses.constants["dA"] = "0.05"
        learn = "w *= (1 + {})"
        draw.features.add("multiplicative STDP")
    else:
        learn = f"w = clip(w + {{}}, 0*{unit}, wmax)"
        if draw.chance(0.85):
            synapses.equations += [f"dA : {unit}", f"wmax : {unit}"]
            synapses.values["dA"] = draw.values(size, f"0.1*{SCALES[unit]}")
            synapses.values["wmax"] = draw.values(size, f"10*{SCALES[unit]}")
            draw.features.add("additive STDP by synapse")
        else:
            synapses.constants |= {"dA": f"0.1*{SCALES[unit]}", "wmax": f"9*{SCALES[unit]}"}
            draw.features.add("near-miss")
    synapses.on_pre["pre"] = [f"{post.channel}_post += w{_amplitude(draw, pre)}", "p += dA", learn.format("q")]
    if post.spiking:
        synapses.on_post = ["q -= dA", learn.format("p")]
    draw.features.add("event-driven variable")


def _decorate(draw: Draw, synapses: Synapses, pre: Cell, post: Cell) -> None:
    size = _size(synapses)
    gains = [key for key in synapses.constants if key.startswith("k")]
    if gains and draw.chance(0.15, "a constant that means something else in synapses"):
        synapses.constants[gains[0]] = f"2*{synapses.constants[gains[0]]}"
    if list(synapses.on_pre) == ["pre"] and not synapses.on_post and pre.group.events and draw.chance(0.5):
        synapses.on_event = "near"
        draw.features.add("pathway of a custom event")
    if "v" in post.words.names or post.group.constants.get("El"):
        _average(draw, synapses, post)
    if "pre" in synapses.on_pre and draw.chance(0.4, "delay"):
        same = draw.chance(0.5)
        synapses.values["delay"] = f"{draw.pick((0.2, 0.4, 0.8))}*ms" if same else draw.values(size, "ms", 0, 1.2)
        draw.features.add("one delay" if same else "delays by synapse")
    if "w" in synapses.constants:
        return
    if draw.chance(0.1, "run_regularly in synapses"):
        code = ["w *= 0.9"] if draw.chance(0.5) else ["tmp = w*half", "w = clip(w, -abs(tmp), abs(tmp)) + w*half"]
        synapses.regularly.append((code, "0.5*ms"))
    if draw.chance(0.1, "(constant over dt) in synapses"):
        unit = synapses.equations[0].partition(" : ")[2]
        synapses.equations.append(f"wheld = w*{draw.number()} : {unit} (constant over dt)")
        if "pre" in synapses.on_pre and draw.chance(0.5):
            synapses.on_pre["pre"] = [line.replace("+= w", "+= wheld") for line in synapses.on_pre["pre"]]
    if draw.chance(0.05):
        synapses.equations.append("label : integer")
