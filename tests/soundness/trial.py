"""One trial: analyse a random model, rescale it by random powers of two, and compare the runs before and after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import brian2
import numpy as np
from brian2 import Network, NetworkOperation
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable

import neurobal as nb
from neurobal.circuit import Circuit
from neurobal.logarithms import multiplied

from .building import InvalidModelError, build, root_cause, script_names
from .model import Model

Array: TypeAlias = np.ndarray
Key: TypeAlias = tuple[str, str]
#: All that was recorded, by owner and variable: one row a time step, the first from before the run.
Record: TypeAlias = dict[Key, list[Array]]

STEPS = 25
#: Beyond these, floating-point numbers may leave their range in one of two runs.
HUGE, TINY = 1e150, 1e-150


@dataclass
class Trial:
    """What became of a model.

    ``status`` is "invalid" (to Brian2), "refused", "certified", "wrong" (a certificate that does not hold), "doubted"
    (a sound scaling that verify does not confirm), "kept quiet" (a change that verify did not notice), "silent" (a
    refusal that names no line) or "crashed". ``notes`` tell what else was tried.
    """

    model: Model
    status: str = "invalid"
    detail: str = ""
    weights: bool = False
    exact: bool = False
    spikes: bool = False
    objects: list[BrianObject] = field(default_factory=list)
    circuit: Circuit | None = None
    log_scale: dict[str, Array] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def fail(self, status: str, detail: str) -> None:
        """Note what went wrong; worse than a scaling that verify doubts is one that it is right to doubt."""
        if self.status in ("certified", "doubted"):
            self.status, self.detail = status, detail


def analyse(model: Model, suffix: str = "") -> Trial:
    """Build a model and ask the package what may be rescaled."""
    trial = Trial(model)
    try:
        trial.objects = build(model, suffix)
    except InvalidModelError as error:
        trial.detail = str(error)
        return trial
    try:
        trial.circuit = nb.as_circuit(trial.objects, namespace=script_names())
    except nb.NotHomogeneousError as error:
        trial.status, trial.detail = "refused", str(error)
    except Exception as error:
        trial.status, trial.detail = "crashed", f"{type(error).__name__}: {error}"
    else:
        trial.status = "certified" if trial.circuit.basis == "equations" else "refused"
        trial.detail = "" if trial.status == "certified" else f"basis: {trial.circuit.basis}"
        trial.weights = bool(trial.circuit.projections)
    return trial


def try_models(models: Mapping[str, Model], rng: np.random.Generator) -> list[Trial]:
    """Try several models, which share a Network, as long as Brian2 accepts them all; by the suffix of their names."""
    trials = [analyse(model, suffix) for suffix, model in models.items()]
    certified = [trial for trial in trials if trial.status == "certified"]
    try:
        _run_twice(certified, rng)
    except InvalidModelError as error:
        if len(certified) == 1:
            certified[0].status, certified[0].detail = "invalid", str(error)
        else:
            valid = [(s, m) for (s, m), t in zip(models.items(), trials, strict=True) if t in certified]
            halves = valid[: len(valid) // 2], valid[len(valid) // 2 :]
            again = {s: t for half in halves for s, t in zip(dict(half), try_models(dict(half), rng), strict=True)}
            trials = [again.get(s, t) for s, t in zip(models, trials, strict=True)]
    return trials


def _run_twice(trials: list[Trial], rng: np.random.Generator) -> None:
    """Run models before and after they are rescaled, from the same state and seed, and compare."""
    if not trials:
        return
    recorder = Recorder([obj for trial in trials for obj in trial.objects])
    network = Network([obj for trial in trials for obj in trial.objects], recorder.operation)
    network.store()
    seed = int(rng.integers(2**31))
    before = recorder.run(network, seed)
    network.restore()
    for trial in trials:
        trial.log_scale = draw_scales(trial, rng)
        rescale(trial)
    after = recorder.run(network, seed)
    for trial in trials:
        if trial.status in ("certified", "doubted"):
            compare(trial, before, after)


def rescale(trial: Trial) -> None:
    """Write the scales by the package's own way, and ask it whether the function is preserved."""
    assert trial.circuit is not None and trial.circuit.binding is not None
    try:
        trial.circuit.binding.write(trial.log_scale, dyadic=True)
        certificate = nb.verify(trial.circuit, trial.objects)
        with_states = nb.verify(trial.circuit, trial.objects, states=True)
    except Exception as error:
        trial.fail("crashed", f"{type(error).__name__}: {error}")
        return
    trial.exact = certificate.exact
    for answer in (certificate, with_states):
        if not answer.preserved:
            trial.fail("doubted", f"verify does not confirm the scaling: {answer}")


def draw_scales(trial: Trial, rng: np.random.Generator) -> dict[str, Array]:
    """Random log λ of every neuron that may move, such that all powers of λ that occur are powers of two."""
    assert trial.circuit is not None
    exponents: Any = trial.circuit.binding
    powers = [Fraction(p).limit_denominator(1000) for some in exponents.exponents().values() for p in some]
    step = math.lcm(*(power.denominator for power in powers)) if powers else 1
    span = max(1, int(6 / max([1, *(abs(float(power)) for power in powers)]) / step))
    return {
        name: np.where(population.pinned, 0, step * rng.integers(-span, span + 1, population.size)) * np.log(2)
        for name, population in trial.circuit.populations.items()
    }


class Recorder:
    """Records every array variable of objects at every time step."""

    def __init__(self, objects: Iterable[BrianObject]) -> None:
        self.variables = {
            (obj.name, name): variable
            for obj in objects
            for name, variable in getattr(obj, "variables", {}).items()
            if isinstance(variable, ArrayVariable) and variable.owner is not None and variable.owner.name == obj.name
        }
        self.record: Record = {}
        self.operation = NetworkOperation(self._append, when="end", order=100)

    def _append(self) -> None:
        for key, variable in self.variables.items():
            self.record[key].append(np.array(variable.get_value()))

    def run(self, network: Network, seed: int) -> Record:
        """Run the network for some steps; without the operation only what is left at the end is recorded."""
        watched = self.operation in network.objects
        self.record = {key: [] for key in self.variables}
        if watched:
            self._append()
        brian2.seed(seed)
        try:
            network.run(STEPS * 0.1 * brian2.ms, namespace=script_names())
        except Exception as error:
            cause = root_cause(error)
            raise InvalidModelError(f"{type(cause).__name__}: {cause}") from error
        if not watched:
            self._append()
        return self.record


def run_alone(objects: list[BrianObject], seed: int) -> Record:
    """Run objects in a Network of their own."""
    recorder = Recorder(objects)
    return recorder.run(Network(objects, recorder.operation), seed)


def compare(trial: Trial, before: Record, after: Record) -> None:
    """Unscale what was recorded after the rescaling; bit by bit where the certificate says so, else to rounding."""
    assert trial.circuit is not None
    binding: Any = trial.circuit.binding
    factors, origins = binding.log_factors(trial.log_scale)
    moves = {(v.owner.name, v.name): (f, origins.get(v, 0.0)) for v, f in factors.items()}
    owners = {obj.name for obj in trial.objects}
    reference, unscaled = {}, {}
    for key in (key for key in before if key[0] in owners and key in after):
        old, new = np.array(before[key]), np.array(after[key])
        if old.shape != new.shape:
            continue  # a mutant has other connections
        if key in moves:
            factor, origin = moves[key]
            new = multiplied(new - origin if origin else new, -factor, dyadic=trial.exact) + origin
        reference[key], unscaled[key] = old, new
    trial.spikes = any(key[1] == "_spikespace" and old[:, -1].any() for key, old in reference.items())
    found = differences(reference, unscaled, exact=trial.exact)
    if found:
        trial.fail("wrong", f"{found}; certificate exact: {trial.exact}; log2 λ: {_printed(trial.log_scale)}")


def differences(before: Mapping[Key, Array], after: Mapping[Key, Array], *, exact: bool) -> str:
    """The first value that differs, in words; up to rounding, only until that has told two discrete values apart."""
    pairs = [(key, old, after[key]) for key, old in before.items()]
    steps = min((_steps_in_range(old, new) for _, old, new in pairs if old.dtype.kind == "f"), default=STEPS)
    if not exact:
        steps = min([steps, *(_steps_alike(old, new) for _, old, new in pairs if old.dtype.kind != "f")])
    for key, old, new in pairs:
        wrong = _first_difference(old[:steps], new[:steps], exact)
        if wrong is not None:
            step, k = wrong
            return f"{'.'.join(key)}[{k}] at step {step}: {old[step, k]!r} before, {new[step, k]!r} unscaled after"
    return ""


def _printed(log_scale: Mapping[str, Array]) -> str:
    return str({name: np.rint(h / np.log(2)).astype(int).tolist() for name, h in log_scale.items()})


def _steps_in_range(*values: Array) -> int:
    """How many steps at the start have no number that is close to the ends of the range of floats."""
    sizes = np.abs(np.array(values))
    with np.errstate(invalid="ignore"):
        extreme = ((sizes > HUGE) & np.isfinite(sizes)) | ((sizes < TINY) & (sizes > 0))
    return _first(extreme.any(axis=(0, 2)))


def _steps_alike(old: Array, new: Array) -> int:
    return _first((old != new).any(axis=1))


def _first(flags: Array) -> int:
    return int(np.argmax(flags)) if flags.any() else flags.size


def _first_difference(old: Array, new: Array, exact: bool) -> tuple[int, int] | None:
    """Step and index of the first value that differs."""
    if exact or old.dtype.kind != "f":
        same = (old == new) | ((old != old) & (new != new))
    else:
        size = np.abs(old).max(initial=0, where=np.isfinite(old))
        same = np.isclose(old, new, rtol=1e-7, atol=1e-9 * size, equal_nan=True)
    if same.all():
        return None
    step, k = np.argwhere(~same)[0]
    return int(step), int(k)
