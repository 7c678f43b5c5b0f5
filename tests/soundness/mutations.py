"""One change of a certified twin: verify must notice it, or the network must compute the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from brian2.core.base import BrianObject

import neurobal as nb
from neurobal.brian.network.binding import BrianBinding
from neurobal.brian.network.objects import neuron_groups, synapses_objects
from neurobal.brian.network.writing import Writing

from .building import InvalidModelError, build, prepare
from .model import DT, Model, Neurons, Synapses
from .shrinking import drop_pair
from .trial import Trial, analyse, compare, draw_scales, run_alone

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
#: A text of a model: what it is, the text, and how to put another one in its place.
Site = tuple[str, str, Callable[[str], object]]


def mutate(model: Model, rng: np.random.Generator) -> tuple[str, Model] | None:
    """A copy of the model with one thing changed, and what that was; None if this draw changes nothing."""
    mutant = deepcopy(model)
    kinds = [_change_text, _change_text, _change_text, _change_structure, _change_structure]
    what = kinds[rng.integers(len(kinds))](mutant, rng)
    return None if what is None else (what, mutant)


def try_mutant(trial: Trial, suffix: str, rng: np.random.Generator) -> None:
    """Mutate the rescaled twin of a certified model once, and see whether verify notices."""
    what, mutant = mutate(trial.model, rng) or ("nothing", trial.model)
    original = analyse(trial.model, suffix)
    assert original.circuit is not None and original.circuit.binding is not None
    original.log_scale = draw_scales(original, rng)
    try:
        objects = build(mutant, suffix)
        _rescale_alike(original, objects)
    except (InvalidModelError, nb.NeurobalError, KeyError):
        trial.notes.append("mutants that cannot be built")
        return
    try:
        certificate = nb.verify(original.circuit, objects)
    except Exception as error:
        if _is_valid(mutant, suffix):
            trial.fail("crashed", f"verify, after a change of {what}: {type(error).__name__}: {error}")
        return
    if what == "nothing":
        trial.notes.append("twins without a change")
        if not certificate.preserved:
            trial.fail("doubted", f"verify does not confirm a twin: {certificate}")
        return
    if not certificate.preserved:
        trial.notes.append("mutants noticed")
        return
    _follow(original, objects, certificate.scale)
    if not nb.verify(original.circuit, objects, states=True).preserved:
        trial.notes.append("mutants of states noticed")
        return
    seed = int(rng.integers(2**31))
    try:
        before, after = (run_alone(part, seed) for part in (original.objects, objects))
    except InvalidModelError:
        trial.notes.append("mutants that cannot be built")
        return
    original.exact = False
    compare(original, before, after)
    if original.status == "certified":
        trial.notes.append("mutants without effect")
    else:
        trial.fail("kept quiet", f"verify says {certificate}, after a change of {what}; {original.detail}")


def _rescale_alike(original: Trial, objects: list[BrianObject]) -> None:
    """Rescale other objects of the same names as the original would be, without guards of its constants."""
    assert original.circuit is not None
    binding = _bound_to(objects, original.circuit.binding)
    factors, origins = binding.log_factors(original.log_scale)
    Writing(factors, origins, {}, dyadic=True)


def _bound_to(objects: list[BrianObject], binding: Any) -> BrianBinding:
    """A binding that knows as much as this one, and writes to other objects."""
    groups, synapses = neuron_groups(objects), synapses_objects(objects)
    return BrianBinding(groups, synapses, binding._reading, objects, binding._read_again)


def _follow(original: Trial, objects: list[BrianObject], scale: dict[str, np.ndarray]) -> None:
    """Verify may have found other scales, under which a changed weight is a rescaling: states must follow them."""
    assert original.circuit is not None
    now = {name: np.log(scale[name]) for name in original.log_scale}
    further = {name: now[name] - h for name, h in original.log_scale.items()}
    binding = _bound_to(objects, original.circuit.binding)
    factors, origins = binding.log_factors(further)
    states = {v: f for v, f in factors.items() if (v.owner.name, v.name) in binding.motion.changed}
    Writing(states, origins, {}, dyadic=False)
    original.log_scale = now


def _is_valid(model: Model, suffix: str) -> bool:
    try:
        prepare(build(model, suffix))
    except InvalidModelError:
        return False
    return True


def _change_text(model: Model, rng: np.random.Generator) -> str | None:
    """Change a number, a sign or a comparison somewhere."""
    sites = list(_sites(model))
    label, text, put = sites[rng.integers(len(sites))]
    changed = changed_text(text, rng)
    if changed is None:
        return None
    put(changed)
    return f"{label}: {text} -> {changed}"


def changed_text(text: str, rng: np.random.Generator) -> str | None:
    """The text with one number, sign or comparison changed, or with a new factor."""
    body, colon, flags = text.partition(" : ")
    options = [
        _replaced(body, m.span(), repr(float(m.group()) * 1.5)) for m in NUMBER.finditer(body) if float(m.group())
    ]
    for old, new in ((" + ", " - "), (" - ", " + "), (" > ", " < "), (" <= ", " > ")):
        options += [_replaced(body, m.span(), new) for m in re.finditer(re.escape(old), body)]
    left, assign, right = body.partition("= ")
    if assign and left[-1:] not in "<>=":
        options.append(f"{left}= 0.75*({right})")
    return options[rng.integers(len(options))] + colon + flags if options else None


def _replaced(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


def _sites(model: Model) -> Iterator[Site]:
    for owner in model.owners():
        where = f" of {owner.name}"
        parameters = {line.partition(" : ")[0] for line in owner.equations if " = " not in line}
        for field in ("equations", "reset", "on_post"):
            yield from _lines(f"{field}{where}", getattr(owner, field, []))
        for field in ("threshold", "refractory", "source"):
            if getattr(owner, field, ""):
                yield field + where, getattr(owner, field), lambda t, o=owner, f=field: setattr(o, f, t)
        for code, _ in owner.regularly:
            yield from _lines(f"run_regularly{where}", code)
        for code in getattr(owner, "on_pre", {}).values():
            yield from _lines(f"on_pre{where}", code)
        for name, (condition, code) in getattr(owner, "events", {}).items():
            yield from _lines(f"event code{where}", code)
            yield f"event{where}", condition, lambda t, o=owner, n=name, c=code: o.events.__setitem__(n, (t, c))
        for field in ("values", "constants"):
            for key, text in getattr(owner, field).items():
                if field == "constants" or key in parameters or key.endswith("delay"):
                    yield f"{key}{where}", text, lambda t, o=owner, f=field, k=key: getattr(o, f).__setitem__(k, t)
    for drive in model.inputs:
        yield "PoissonInput", drive.rate, lambda t, d=drive: setattr(d, "rate", t)


def _lines(label: str, lines: list[str]) -> Iterator[Site]:
    for k, line in enumerate(lines):
        yield label, line, lambda text, k=k: lines.__setitem__(k, text)


def _change_structure(model: Model, rng: np.random.Generator) -> str | None:
    """Drop or add a part, or change how it is simulated."""
    owners = [owner for owner in model.owners() if not getattr(owner, "source", "") or isinstance(owner, Synapses)]
    owner = owners[rng.integers(len(owners))]
    options = [_other_method, _no_block, *((_no_synapse, _other_delay) if isinstance(owner, Synapses) else ())]
    if rng.random() < 0.15:
        model.dt = "0.2*ms" if model.dt == DT else DT
        return "the time step"
    what = options[rng.integers(len(options))](owner, rng)
    return None if what is None else f"{what} of {owner.name}"


def _other_method(owner: Neurons | Synapses, rng: np.random.Generator) -> str | None:
    if not any("/dt = " in line and "event-driven" not in line for line in owner.equations):
        return None
    owner.method = "rk2" if owner.method != "rk2" else "euler"
    return "the method"


def _no_block(owner: Neurons | Synapses, rng: np.random.Generator) -> str | None:
    """Drop a whole block of code."""
    if owner.regularly:
        owner.regularly.pop()
        return "run_regularly"
    if getattr(owner, "events", {}):
        owner.events.popitem()  # type: ignore[union-attr]
        return "the event"
    if isinstance(owner, Synapses) and owner.on_post:
        owner.on_post = []
        return "on_post"
    return None


def _no_synapse(owner: Neurons | Synapses, rng: np.random.Generator) -> str | None:
    assert isinstance(owner, Synapses)
    drop_pair(owner, int(rng.integers(len(owner.pairs[0]))))
    return "the connections"


def _other_delay(owner: Neurons | Synapses, rng: np.random.Generator) -> str | None:
    assert isinstance(owner, Synapses)
    if "pre" not in owner.on_pre:
        return None
    owner.values["delay"] = "1.1*ms"
    return "the delay"
