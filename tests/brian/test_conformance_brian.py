"""Brian2 networks pass the suite of all adapters."""

from __future__ import annotations

import pytest
from brian2 import Network
from networks import BrianAdapter

import neurobal as nb
from neurobal.testing.adapters import Adapter, AdapterConformance, Array


class TestObjects(AdapterConformance):
    @pytest.fixture
    def adapter(self) -> Adapter:
        return BrianAdapter()


class NetworkAdapter(BrianAdapter):
    """The same objects in an explicit Network."""

    def build(self, matrix: Array) -> Network:
        return Network(super().build(matrix))

    def read(self, network: Network) -> Array:
        return super().read(self._parts(network))

    def overwrite(self, network: Network, matrix: Array) -> None:
        super().overwrite(self._parts(network), matrix)

    def _parts(self, network: Network) -> list:
        return [network[name] for name in ("cells", "one", "two")]

    def balanced(self, network: Network, result: nb.Balance) -> Network:
        result.apply()
        return network


class TestNetwork(AdapterConformance):
    @pytest.fixture
    def adapter(self) -> Adapter:
        return NetworkAdapter()
