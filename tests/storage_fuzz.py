"""Random mutations of files: each must end in a clear error, or in something that can be used.

Of damage (bits, blocks, cuts) it is the same values, for every part of a file has a check sum. Of an edited file, whose
sums are right again, it is a thing that can be printed, compared and saved like any other. ``python
tests/storage_fuzz.py 100000`` runs as many, with a limit on time and memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import neurobal as nb
from neurobal import storage
from neurobal.cost import Power

NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**63, 10**18, 10**30, -(10**18), 0.5, -0.0, 1e-320, 1e308, -1e308),
    *("", "v", "é\0", "neurons", "w", "(" * 50, "x**9**9**9**9", "1/0", "-" * 3000 + "1"),
    *([], {}, [[]], {"tuple": []}, {"list": []}, {"set": []}, {"dict": []}, {"dict": [[1, 2]]}, {"sparse": []}),
    *({"float": "nan"}, {"float": "inf"}, {"fraction": [1, 0]}, {"fraction": [10**300, 3]}, {"array": "x"}),
    {"quantity": ["brian2", 1.0, [0, 0, 0, 1, 0, 0, 0]]},
    {"quantity": ["os", 1.0, []]},
    *({"Key": {}}, {"Key": {"owner": "E", "variable": "v"}}, {"Kind": {"value": "state"}}),
    *({"Power": {"p": p, "weight": weight}} for p, weight in ((2.0, 1.0), (1e308, 1e308), (1, "1"))),
    {"Activity": {"values": {"dict": [["neurons", 1.0]]}, "p": 1e308, "of": "sent"}},
    {"OutputNoise": {"noise_gains": {"float": "inf"}, "of": 3}},
    {"NeuronCost": {"weight": 1e308, "exponent": -1e308}},
    {"CostSum": {"parts": {"tuple": []}}},
    {"DenseMatrix": {"shape": {"tuple": [10**9, 10**9]}, "mask": None}},
]


KEPT: list[Any] = []  # Brian2 warns of objects that are in no network


def examples() -> dict[str, Any]:
    """Small things of every kind that a file can hold, but for those of Brian2 networks."""
    rng = np.random.default_rng(1)
    J = rng.normal(size=(4, 4))
    circuit = nb.Circuit()
    circuit.add("E", 4, homogeneity=[1, 1, 2, 1], bias=np.arange(1.0, 5), tied=[0, 0, -1, -1],
                parameters={"theta": (np.arange(2.0, 6), 1.0, 0.5)})  # fmt: skip
    circuit.add("out", 2, pinned=True)
    circuit.connect("E", "E", J)
    circuit.connect("E", "out", J[:2], costed=False)
    circuit.connect("out", "E", post_index=[0, 1], pre_index=[0, 1], weight=np.ma.masked_array([1.0, 9], [0, 1]))
    J[:, 3] = 0
    cost = Power(2, weight=np.abs(J) + 1) + 0.3 * Power(1)
    return {
        "circuit": circuit,
        "rescaling": nb.rescale(J, [1, 2, 4, 1]),
        "balance": nb.balance(J, cost=cost),
        "balance of neurons": nb.balance(
            J,
            cost=Power(1)
            + nb.Activity([1, 2, 0, 3], p=3)
            + nb.OutputNoise(np.ones(4))
            + nb.NeuronCost(0.0, np.arange(4)),
        ),
        "balanced circuit": nb.balance(
            circuit, cost=nb.Robustness({"E": np.ones(4), "out": np.ones(2)}) if 0 else Power(2)
        ),
        "certificate": nb.verify(circuit, circuit),
    }


def saved(thing: Any) -> bytes:
    stream = io.BytesIO()
    storage.write(stream, thing)
    return stream.getvalue()


# --------------------------------------------------------------------------------------------------------- damage


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The file after an accident."""
    out = bytearray(data)
    kind = rng.randrange(8)
    a, b = sorted((rng.randrange(len(out)), rng.randrange(len(out))))
    if kind == 0:
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        out[rng.randrange(len(out))] = rng.randrange(256)
    elif kind == 2:
        del out[a:]
    elif kind == 3:
        del out[a : min(b, a + rng.choice((1, 8, 1000)))]
    elif kind == 4:
        out[a:a] = rng.randbytes(rng.choice((1, 4, 100)))
    elif kind == 5:
        length = rng.choice((1, 4, 30, 200))
        out[a : a + length], out[b : b + length] = out[b : b + length], out[a : a + length]
    elif kind == 6:
        out[a : a + 4] = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**32))))
    else:
        tail = max(0, len(out) - 2000)  # where the zip lists its members
        at = rng.randrange(tail, len(out))
        out[at : at + 2] = struct.pack("<H", rng.choice((0, 1, 8, 0xFFFF, rng.randrange(2**16))))
    return bytes(out)


# ---------------------------------------------------------------------------------------------------------- edits


def places(tree: Any) -> list[tuple[Any, Any]]:
    """All (container, key) of a tree."""
    found, left = [], [tree]
    while left:
        node = left.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        for key in keys:
            found.append((node, key))
            left.append(node[key])
    return found


def edit_tree(tree: Any, rng: random.Random) -> None:
    """Change one thing, or a few."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        known = places(tree)
        node, key = rng.choice(known)
        other, another = rng.choice(known)
        kind = rng.randrange(7)
        if kind == 0:
            node[key] = rng.choice(NASTY)
        elif kind == 1:
            del node[key]
        elif kind == 2:
            node[key] = json.loads(json.dumps(other[another]))
        elif kind == 3 and isinstance(node, list):
            node.insert(key, json.loads(json.dumps(node[key])))
        elif kind == 4 and isinstance(node, dict):
            node[rng.choice((str(another), "x", "list", "Line"))] = node.pop(key)
        elif kind == 5 and isinstance(node[key], (int, float)):
            node[key] = rng.choice((node[key] + 1, -node[key], node[key] * 1e6, bool(node[key]), str(node[key])))
        elif isinstance(node[key], str) and node[key]:
            text = node[key]
            at = rng.randrange(len(text))
            node[key] = text[:at] + rng.choice(("", "(", "0", "*", " ", "ä", text)) + text[at + 1 :]


def edited(data: bytes, rng: random.Random) -> bytes:
    """The file after somebody has edited it, with sums that are right again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()}
        text = contents.pop("neurobal.json")
        arrays = list(contents)
        kind = rng.randrange(6) if arrays else 0
        if kind <= 2:
            tree = json.loads(text)
            edit_tree(tree, rng)
            text = json.dumps(tree).encode()
        elif kind == 3:
            one, two = rng.choice(arrays), rng.choice(arrays)
            contents[one], contents[two] = contents[two], contents[one]
        elif kind == 4:
            one = rng.choice(arrays)
            content = bytearray(contents[one])
            for _ in range(rng.choice((1, 3, 8))):
                content[rng.randrange(len(content))] = rng.choice((0, 1, 0x7F, 0x80, 0xF0, 0xFF, ord("9"), ord(" ")))
            contents[one] = bytes(content)
        else:
            one = rng.choice(arrays)
            contents[one] = damaged(contents[one], rng)
        new.writestr("neurobal.json", text)
        for name, content in contents.items():
            new.writestr(name, content)
    return out.getvalue()


# ------------------------------------------------------------------------------------------------------------ judge


def judge(mutant: bytes, original: bytes, same: bool) -> str:
    """How a mutant ends: "error", "same" or "another"; any other error is raised."""
    try:
        thing = storage.read(io.BytesIO(mutant))
    except nb.NeurobalError as error:
        assert str(error)
        return "error"
    if saved(thing) == original:
        return "same"
    assert not same, "damage has led to other values"
    use(thing)
    return "another"


def use(thing: Any) -> None:
    """Do what one does with results; only errors of ours may be raised."""
    with contextlib.suppress(nb.NeurobalError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert storage.read(io.BytesIO(saved(thing))) is not None
        repr(thing)
        if isinstance(thing, nb.Rescaling):
            repr(thing.certificate)
            thing.table()
            nb.verify(thing.before, thing.circuit)
            thing.apply_to(thing.before)
        if isinstance(thing, nb.Circuit):
            nb.verify(thing, thing)
            nb.balance(thing)


def mutants(files: list[bytes], count: int, seed: int) -> Iterator[tuple[bytes, bytes, bool]]:
    """(mutant, original, whether it is damage): half of them damaged, half edited."""
    rng = random.Random(seed)
    for k in range(count):
        original = files[k // 2 % len(files)]
        mutate: Callable[[bytes, random.Random], bytes] = edited if k % 2 else damaged
        yield mutate(original, rng), original, not k % 2


def main(count: int, seed: int) -> int:
    """Try so many mutants; the number of those that did harm."""
    files = [saved(thing) for thing in {**examples(), **brian_examples()}.values()]
    resource.setrlimit(resource.RLIMIT_AS, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 3 * 2**30,) * 2)
    ends: dict[str, int] = {}
    slowest = 0.0
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("a file hangs")))
    for k, (mutant, original, is_damage) in enumerate(mutants(files, count, seed)):
        signal.alarm(30)
        start = time.perf_counter()
        try:
            end = judge(mutant, original, is_damage)
        except BaseException as error:
            name = Path(tempfile.gettempdir()) / f"mutant_{seed}_{k}.npz"
            name.write_bytes(mutant)
            print(f"mutant {k}: {type(error).__name__}: {error!s:.200}; it is {name}", flush=True)
            end = "FAILURE"
        slowest = max(slowest, time.perf_counter() - start)
        ends[end] = ends.get(end, 0) + 1
        if k % 5000 == 4999:
            print(f"{k + 1:,}: {ends}", flush=True)
    signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} mutants: {ends}; the slowest took {slowest:.2f} s; peak memory {peak:.0f} MiB")
    return ends.get("FAILURE", 0)


def brian_examples() -> dict[str, Any]:
    """Things of Brian2 networks: with units, descriptions, bindings, and a model for the algebra."""
    from brian2 import Network, NeuronGroup, PoissonGroup, Synapses, ms, mV, nS, prefs

    prefs.codegen.target = "numpy"
    model = """
    dv/dt = (drive + g - v)/(10*ms) : volt
    dg/dt = -g/(5*ms) : volt
    drive : volt
    theta : volt
    a : volt/siemens"""
    cells = NeuronGroup(3, model, threshold="v > theta", reset="v = 0*mV", method="exact", name="E")
    cells.drive, cells.theta, cells.a = 12 * mV, 10 * mV, 1 * mV / nS
    synapses = Synapses(cells, cells, "w : siemens", on_pre="g_post += w*a_pre", name="S", delay=1 * ms)
    synapses.connect(condition="i != j")
    synapses.w = np.linspace(0.1, 1, 6) * nS
    poisson = PoissonGroup(2, 50 / (1000 * ms), name="P")
    feed = Synapses(poisson, cells, "w : volt", on_pre="g_post += w", name="PE")
    feed.connect()
    feed.w = 1 * mV
    network = Network(cells, synapses, poisson, feed)
    KEPT.append(network)
    result = nb.balance(network, cost={"S": Power(2, weight=1 / nS**2)})
    return {"brian2": result, "symmetries": nb.symmetries(network)}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0) > 0)
