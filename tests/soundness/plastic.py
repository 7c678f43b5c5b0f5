"""A plasticity that walks at random while a random model runs: the run must be that without it, once it is unscaled."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from brian2 import Network, Quantity, ms
from brian2.units.fundamentalunits import DIMENSIONLESS

import neurobal as nb

from .building import InvalidModelError, root_cause, script_names
from .model import DT
from .trial import Recorder, Trial, analyse, compare


class RandomWalk(nb.Rule):
    """Scales go up and down by chance; emitted are powers of two."""

    step = "stride*(uniform - 0.5)"
    parameters: ClassVar = {"stride": 5.0}


def try_plasticity(trial: Trial, suffix: str, rng: np.random.Generator) -> None:
    """Run a certified model without and with a plasticity, from the same state and seed, and compare."""
    seed = int(rng.integers(2**31))
    still, alive = (analyse(trial.model, suffix) for _ in range(2))
    try:
        plasticity = nb.Plasticity(
            alive.objects,
            RandomWalk(seed=seed),
            cost=_costs(alive),
            dt=0.4 * ms if trial.model.dt == DT else 0.8 * ms,
            dyadic=True,
            namespace=script_names(),
            name="plasticity",
        )
    except nb.NeurobalError as error:
        trial.notes.append(f"plasticity refused: {type(error).__name__}")
        return
    except Exception as error:
        trial.fail("crashed", f"Plasticity: {type(error).__name__}: {error}")
        return
    try:
        before = Recorder(still.objects).run(Network(still.objects), seed)
        after = Recorder(alive.objects).run(Network(alive.objects, plasticity), seed)
    except InvalidModelError as error:
        if isinstance(root_cause(error), nb.UnbalanceableError):
            trial.notes.append("plasticity refused: UnbalanceableError")
        else:
            trial.fail("crashed", f"Plasticity: {error}")
        return
    assert alive.circuit is not None
    alive.log_scale = {name: np.zeros(p.size) for name, p in alive.circuit.populations.items()}
    for name in alive.log_scale:
        try:
            alive.log_scale[name] = np.log(np.array(plasticity[name].scale[:]))
        except KeyError:
            continue  # none of its neurons moves
    alive.exact = not _inexact(alive)
    moved = any(np.any(h) for h in alive.log_scale.values())
    compare(alive, before, after)
    trial.notes.append("plasticity moved" if moved else "plasticity stood still")
    if alive.status != "certified":
        trial.fail("wrong", f"Plasticity: {alive.detail}")


def _costs(trial: Trial) -> dict[str, nb.Power]:
    """A cost for each projection, in the units of its weights."""
    assert trial.circuit is not None
    units = {name: p.dimension or DIMENSIONLESS for name, p in trial.circuit.projections.items()}
    return {name: nb.Power(2, weight=Quantity.with_dimensions(1.0, dim**-2)) for name, dim in units.items()}


def _inexact(trial: Trial) -> bool:
    """Whether runs agree up to rounding only."""
    assert trial.circuit is not None
    origins = any(any(moves.origins.values()) for moves in trial.circuit.binding.motion.groups.values())  # type: ignore[union-attr]
    return origins or bool(nb.symmetries(trial.objects, namespace=script_names()).inexact)
