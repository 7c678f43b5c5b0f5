"""Random models: a seed and a number make one network, always the same."""

from __future__ import annotations

import numpy as np

from .cells import random_cell, random_input
from .connections import connect
from .drawing import Draw
from .features import decorate
from .model import Model


def random_model(seed: int, index: int) -> Model:
    """The model of this number in the series that starts with ``seed``; every third one has near misses."""
    rng = np.random.default_rng([seed, index])
    while True:
        model = _model(Draw(rng, miss=0.04 if index % 3 == 0 else 0.0))
        if model.synapses:
            return model


def _model(draw: Draw) -> Model:
    model = Model(features=draw.features)
    cells = [random_cell(draw, name) for name in ("E", "F", "G")[: draw.pick((1, 1, 2, 2, 3))]]
    for cell in cells:
        decorate(draw, model, cells, cell)
    inputs = [random_input(draw, "P")] if any(cell.channel for cell in cells) and draw.chance(0.5) else []
    model.neurons = [cell.group for cell in [*cells, *inputs]]
    ends = [(pre, post) for post in cells for pre in [*cells, *inputs]]
    draw.rng.shuffle(ends)
    for pre, post in ends:
        if len(model.synapses) >= 3:
            break
        synapses = connect(draw, f"S{len(model.synapses)}", pre, post)
        if synapses is not None:
            model.synapses.append(synapses)
    if len(cells) > 1:
        draw.features.add("several groups")
    if draw.chance(0.1, "another time step"):
        model.dt = "0.2*ms"
    return model
