"""Where the costs of synapses live: one protocol, one file a kind of store."""

from neurobal.stores.memory import InMemory
from neurobal.stores.protocol import Shift, ShiftedCosts, SynapseStore, TooLarge

__all__ = ["InMemory", "Shift", "ShiftedCosts", "SynapseStore", "TooLarge"]
