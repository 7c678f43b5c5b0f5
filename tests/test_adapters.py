"""`as_circuit` on matrices and circuits: both pass the suite of all adapters. (Brian2: tests/brian.)"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse

import neurobal as nb
from neurobal.testing.adapters import SIZE, Adapter, AdapterConformance, Array

FORMATS = [
    f"{name}_{kind}" for name in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil") for kind in ("array", "matrix")
]


class MatrixAdapter(Adapter):
    """A dense or sparse matrix: never changed, so that balancing makes a new one."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def build(self, matrix: Array) -> Any:
        return self.container(matrix)

    def read(self, network: Any) -> Array:
        return network.toarray() if sparse.issparse(network) else network

    def overwrite(self, network: Any, matrix: Array) -> None:
        if network.__class__.__name__.startswith(("csr", "csc", "bsr", "coo", "dia")):
            network.data[...] = self.container(matrix).data
        else:
            for post, pre in zip(*np.nonzero(matrix), strict=True):
                network[post, pre] = matrix[post, pre]

    def balanced(self, network: Any, result: nb.Balance) -> Any:
        return result.weights


class CircuitAdapter(Adapter):
    """Two populations, and four projections in different containers."""

    parts: ClassVar = {"first": slice(0, 5), "second": slice(5, SIZE)}

    def build(self, matrix: Array) -> nb.Circuit:
        circuit = nb.Circuit()
        for name, part in self.parts.items():
            circuit.add(name, part.stop - part.start)
        for k, (pre, columns) in enumerate(self.parts.items()):
            for post, rows in self.parts.items():
                block = matrix[rows, columns]
                if k == 0:
                    circuit.connect(pre, post, sparse.coo_array(block))
                else:
                    post_index, pre_index = np.nonzero(block)
                    synapses = {
                        "post_index": post_index,
                        "pre_index": pre_index,
                        "weight": block[post_index, pre_index],
                    }
                    circuit.connect(pre, post, **synapses)
        return circuit

    def read(self, network: nb.Circuit) -> Array:
        return self.weights(network)

    def overwrite(self, network: nb.Circuit, matrix: Array) -> None:
        for one in network:
            one.weight[:] = matrix[one.post_index + self.offset(one.post), one.pre_index + self.offset(one.pre)]

    def arguments(self, pinned: Array | None = None, tied: Array | None = None) -> dict[str, Any]:
        return {
            key: None if values is None else {name: values[part] for name, part in self.parts.items()}
            for key, values in (("pinned", pinned), ("tied", tied))
        }

    def scale(self, result: nb.Balance) -> Array:
        return np.concatenate([result.scale[name] for name in self.parts])

    def offset(self, population: str) -> int:
        return self.parts[population].start

    def balanced(self, network: nb.Circuit, result: nb.Balance) -> nb.Circuit:
        return result.circuit


class TestDense(AdapterConformance):
    @pytest.fixture
    def adapter(self) -> Adapter:
        return MatrixAdapter(np.array)


@pytest.mark.parametrize("container", FORMATS)
class TestSparse(AdapterConformance):
    @pytest.fixture
    def adapter(self, container: str) -> Adapter:
        return MatrixAdapter(getattr(sparse, container))


class TestCircuit(AdapterConformance):
    @pytest.fixture
    def adapter(self) -> Adapter:
        return CircuitAdapter()


def test_an_adapter_is_found_by_the_package_of_the_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new kind of network: its module registers a reader when it is imported, on first use."""
    import sys
    from types import ModuleType

    from neurobal import adapters
    from neurobal.adapters import dispatch

    class Foreign:
        pass

    Foreign.__module__ = "foreign.models"
    imported = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> Any:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, Finder()) if name == "foreign_adapter" else None

        @staticmethod
        def create_module(spec: object) -> None:
            return None

        @staticmethod
        def exec_module(module: ModuleType) -> None:
            imported.append(module.__name__)
            adapters.read.register(Foreign, lambda network, **_: nb.Circuit())

    monkeypatch.setitem(dispatch.ADAPTERS, "foreign", "foreign_adapter")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert repr(nb.as_circuit(Foreign())) == repr(nb.Circuit())
    assert imported == ["foreign_adapter"]


def test_matrices_do_not_need_brian() -> None:
    """`import neurobal` and a matrix leave brian2 alone: it takes seconds to import."""
    import subprocess
    import sys

    code = "import sys, numpy, neurobal as nb; nb.balance(numpy.ones((2, 2))); assert 'brian2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("option", ["scaling", "namespace"])
@pytest.mark.parametrize("kind", ["matrix", "Circuit"])
def test_options_of_another_adapter_are_refused(option: str, kind: str) -> None:
    network = np.array([[0.0, 2.0], [3.0, 0.0]]) if kind == "matrix" else CircuitAdapter().build(np.ones((SIZE, SIZE)))
    for function in (nb.as_circuit, nb.balance, nb.analysis.cost_bounds, nb.analysis.convergence_rate):
        with pytest.raises(
            nb.InvalidInputError, match=f"^{option}: only Brian2 networks take it, and this is a {kind}"
        ):
            function(network, **{option: {}})
