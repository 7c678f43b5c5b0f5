"""Make a failing model small: drop parts as long as it still fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

from .model import Model, Neurons, Synapses, harmless
from .trial import Trial


def shrink(trial: Trial, again: Callable[[Model], Trial], attempts: int = 100) -> Trial:
    """The smallest model found that fails as this trial did; ``again`` tries a model."""
    best, position = trial, 0
    while attempts:
        candidates = list(_smaller(best.model))
        if position >= len(candidates):
            break
        attempts -= 1
        result = again(candidates[position])
        if result.status == trial.status and _kind(result) == _kind(trial):
            best = result  # the next part has moved to this position
        else:
            position += 1
    return best


def _kind(trial: Trial) -> str:
    """What went wrong, in the first words of the error; wrong values differ from model to model."""
    return trial.detail[:25] if trial.status == "crashed" else ""


def _smaller(model: Model) -> Iterator[Model]:
    """The same model without one of its parts, large ones first."""
    for k, group in enumerate(model.neurons if len(model.neurons) > 1 else ()):
        yield _without_group(model, k, group.name)
    for field in ("synapses", "inputs"):
        for k in range(len(getattr(model, field))):
            yield _without(model, lambda m, field=field, k=k: getattr(m, field).pop(k))
    for k, owner in enumerate(model.owners()):
        for edit in _edits(owner):
            smaller = deepcopy(model)
            edit(list(smaller.owners())[k])
            yield smaller


def _without(model: Model, edit: Callable[[Model], object]) -> Model:
    smaller = deepcopy(model)
    edit(smaller)
    return smaller


def _without_group(model: Model, k: int, name: str) -> Model:
    smaller = deepcopy(model)
    smaller.neurons.pop(k)
    smaller.synapses = [s for s in smaller.synapses if name not in (s.source, s.target)]
    smaller.inputs = [drive for drive in smaller.inputs if drive.target != name]
    for group in smaller.neurons:
        group.links = {mine: link for mine, link in group.links.items() if link[0] != name}
    return smaller


Owner = Neurons | Synapses
Edit = Callable[[Owner], object]


def _edits(owner: Owner) -> Iterator[Edit]:
    for field in ("events", "links", "on_pre", "values", "constants"):
        for key in getattr(owner, field, {}):
            yield lambda o, field=field, key=key: getattr(o, field).pop(key)
    for k in range(len(owner.regularly)):
        yield lambda o, k=k: o.regularly.pop(k)
    for field in ("refractory", "source_part", "target_part"):
        if getattr(owner, field, ""):
            yield lambda o, field=field: setattr(o, field, "")
    for field in ("equations", "reset", "on_post"):
        for k in range(len(getattr(owner, field, []))):
            yield lambda o, field=field, k=k: getattr(o, field).pop(k)
    for k, equation in enumerate(owner.equations):
        shortest = harmless(equation)
        if shortest != equation:
            yield lambda o, k=k, text=shortest: o.equations.__setitem__(k, text)
    blocks = [("on_pre", key) for key in getattr(owner, "on_pre", {})]
    for field, key in blocks:
        for k in range(len(getattr(owner, field)[key])):
            yield lambda o, field=field, key=key, k=k: getattr(o, field)[key].pop(k)
    for event, (_, code) in getattr(owner, "events", {}).items():
        for k in range(len(code)):
            yield lambda o, event=event, k=k: o.events[event][1].pop(k)
    for block, (code, _) in enumerate(owner.regularly):
        for k in range(len(code)):
            yield lambda o, block=block, k=k: o.regularly[block][0].pop(k)
    if isinstance(owner, Synapses):
        for k in range(len(owner.pairs[0])):
            yield lambda o, k=k: drop_pair(o, k)


def drop_pair(synapses: Synapses, k: int) -> None:
    """Remove one synapse, and its values."""
    for side in synapses.pairs:
        side.pop(k)
    for name, text in synapses.values.items():
        before, bracket, rest = text.partition("[")
        numbers, _, after = rest.partition("]")
        if bracket:
            kept = [number for e, number in enumerate(numbers.split(", ")) if e != k]
            synapses.values[name] = f"{before}[{', '.join(kept)}]{after}"
