"""Balance synaptic cost at every neuron without changing what the network computes, and prove it.

Two papers as one system: Stock, Harvey, Ocko, Ganguli, "Synaptic balancing" (PLoS Comput Biol 2022), and Baldi,
Alexos, Domingo, Rahmansetayesh, "A theory of synaptic neural balance" (2024). Brian2 is imported only when a Brian2
network is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neurobal import analysis, solvers
from neurobal.adapters import as_circuit
from neurobal.balancing import balance
from neurobal.certificate import Certificate
from neurobal.circuit import Circuit, Population, Projection
from neurobal.cost import Activity, Cost, NeuronCost, NeuronTerm, OutputNoise, Power, Robustness, Term
from neurobal.disk import SynapsesOnDisk, on_disk, to_disk
from neurobal.errors import InvalidInputError, NeurobalError, NotHomogeneousError, UnbalanceableError
from neurobal.large.result import LargeBalance
from neurobal.limits import Budget
from neurobal.neuron_costs import ExcludedNeurons
from neurobal.rescaling import Rescaling, rescale
from neurobal.result import Balance, Excluded
from neurobal.rules import AntiBalancing, GradientFlow, NormalizedFlow, Rule, StochasticBalancing
from neurobal.storage import load, save
from neurobal.tradeoff import Tradeoff, tradeoff
from neurobal.verification import verify
from neurobal.version import __version__ as __version__

if TYPE_CHECKING:
    from neurobal.brian.comparing.paired_runs import compare
    from neurobal.brian.network.symmetries import symmetries
    from neurobal.brian.plasticity.engine import Plasticity
    from neurobal.brian.plasticity.normalization import IncomingNormalization

__all__ = [
    "Activity",
    "AntiBalancing",
    "Balance",
    "Budget",
    "Certificate",
    "Circuit",
    "Cost",
    "Excluded",
    "ExcludedNeurons",
    "GradientFlow",
    "IncomingNormalization",
    "InvalidInputError",
    "LargeBalance",
    "NeurobalError",
    "NeuronCost",
    "NeuronTerm",
    "NormalizedFlow",
    "NotHomogeneousError",
    "OutputNoise",
    "Plasticity",
    "Population",
    "Power",
    "Projection",
    "Rescaling",
    "Robustness",
    "Rule",
    "StochasticBalancing",
    "SynapsesOnDisk",
    "Term",
    "Tradeoff",
    "UnbalanceableError",
    "analysis",
    "as_circuit",
    "balance",
    "compare",
    "load",
    "on_disk",
    "rescale",
    "save",
    "solvers",
    "symmetries",
    "to_disk",
    "tradeoff",
    "verify",
]

# What needs Brian2 is loaded when it is first used (PEP 562): matrices do without it.
_LAZY = {
    "IncomingNormalization": "neurobal.brian.plasticity.normalization",
    "Plasticity": "neurobal.brian.plasticity.engine",
    "compare": "neurobal.brian.comparing.paired_runs",
    "symmetries": "neurobal.brian.network.symmetries",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
