"""Balance synaptic cost at every neuron without changing what the network computes, and prove it.

Two papers as one system: Stock, Harvey, Ocko, Ganguli, "Synaptic balancing" (PLoS Comput Biol 2022), and Baldi,
Alexos, Domingo, Rahmansetayesh, "A theory of synaptic neural balance" (2024). Brian2 is imported only when a Brian2
network is used.
"""

from neurobal.adapters import as_circuit
from neurobal.balancing import balance
from neurobal.certificate import Certificate, verify
from neurobal.circuit import Circuit, Population, Projection
from neurobal.cost import Cost, Power, Robustness
from neurobal.errors import InvalidInputError, NeurobalError, NotHomogeneousError, UnbalanceableError
from neurobal.result import Balance, Excluded

__version__ = "0.1.0"

__all__ = [
    "Balance",
    "Certificate",
    "Circuit",
    "Cost",
    "Excluded",
    "InvalidInputError",
    "NeurobalError",
    "NotHomogeneousError",
    "Population",
    "Power",
    "Projection",
    "Robustness",
    "UnbalanceableError",
    "as_circuit",
    "balance",
    "verify",
]
