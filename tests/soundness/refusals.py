"""What a refusal says must help: it names lines of the model, and without them the model is accepted."""

from __future__ import annotations

from copy import deepcopy

import neurobal as nb
from neurobal.symmetry.obstacles import Obstacle

from .building import script_names
from .model import Model, Neurons, Synapses, harmless
from .trial import Trial, analyse

#: So many lines may stand in the way one after another.
ROUNDS = 12


def try_refusal(trial: Trial) -> None:
    """Break what a refusal names, as often as it takes until the model is accepted."""
    model, current = deepcopy(trial.model), trial
    for _ in range(ROUNDS):
        answer = nb.symmetries(current.objects, namespace=script_names())
        if answer.unread:
            trial.notes.append("refused: code that is not analysed")
            return
        receivers = {_suffixed(current, synapses.target) for synapses in model.synapses if _sends(synapses)}
        groups = [name for name, group in answer.groups.items() if group.fixed is None and name in receivers]
        if not groups:
            trial.notes.append("refused: nothing comes in")
            return
        obstacles = [obstacle for name in groups for obstacle in answer.obstacles(name)]
        if not obstacles and not any(answer.incoming(name) for name in groups):
            trial.notes.append("refused: no weight comes in")
            return
        if not obstacles and current is not trial:
            trial.notes.append("refusals that end with weights of which only the signs count")
            return
        if not obstacles:
            trial.status, trial.detail = "silent", f"the refusal names no line: {current.detail}"
            return
        broken = [break_line(model, obstacle) for obstacle in obstacles]
        if not any(broken):
            if any(obstacle.line for obstacle in obstacles):
                trial.status = "silent"
                trial.detail = f"no line of the model is one that the refusal names: {list(map(str, obstacles))}"
            else:
                trial.notes.append("refused: a variable that others read")
            return
        current = analyse(model)
        if current.status == "certified":
            trial.notes.append("refusals lifted by breaking the lines that they name")
            return
        if current.status != "refused":
            trial.notes.append(f"refusals that end with a model that is {current.status}")
            return
    trial.notes.append("refusals that go on")


def _sends(synapses: Synapses) -> bool:
    lines = [*synapses.equations, *(line for code in synapses.on_pre.values() for line in code), *synapses.on_post]
    return any("_post" in line.partition("=")[0] for line in lines)


def _suffixed(trial: Trial, group: str) -> str:
    """The name of a group among the objects of a trial."""
    k = next(k for k, neurons in enumerate(trial.model.neurons) if neurons.name == group)
    return str(trial.objects[k].name)


def break_line(model: Model, obstacle: Obstacle) -> bool:
    """Make the line that an obstacle names harmless, wherever it stands in the model; False if it does not."""
    before = repr(model)
    line = _bare(obstacle.line)
    if "PoissonInput" in obstacle.place:
        model.inputs = [drive for drive in model.inputs if f" of {drive.target}" not in obstacle.place]
    for owner in model.owners():
        _break_equations(owner, line)
        _break_code(owner, line)
    return repr(model) != before


def _break_equations(owner: Neurons | Synapses, line: str) -> None:
    for k, equation in enumerate(owner.equations):
        if _bare(equation.rpartition(" : ")[0]) == line.rpartition(":")[0]:
            owner.equations[k] = harmless(equation)


def _break_code(owner: Neurons | Synapses, line: str) -> None:
    blocks = [owner.on_post, *owner.on_pre.values()] if isinstance(owner, Synapses) else [owner.reset]
    blocks += [code for code, _ in owner.regularly]
    if isinstance(owner, Neurons):
        if _bare(owner.threshold) == line:
            owner.threshold, owner.refractory = "t < 0*ms", ""
        if _bare(owner.refractory.strip("'")) == line:
            owner.refractory = ""
        owner.events = {name: event for name, event in owner.events.items() if _bare(event[0]) != line}
        blocks += [code for _, code in owner.events.values()]
    for block in blocks:
        if any(_bare(text) == line for text in block):
            block[:] = ["tmp = 0"]  # later lines may need what this one computes


def _bare(text: str) -> str:
    return "".join(text.split())
