"""Costs: what a network pays for its synapses and its neurons, as a sum of terms that is convex in log λ."""

from neurobal.cost.base import Cost, CostSum, asked, costs_neurons
from neurobal.cost.choice import check_dimensions, formula, terms_by_population, terms_by_projection
from neurobal.cost.neural import Activity, NeuronCost, OutputNoise
from neurobal.cost.synaptic import Power, Robustness
from neurobal.cost.terms import NeuronTerm, Term, same_neuron_terms, same_terms

__all__ = [
    "Activity",
    "Cost",
    "CostSum",
    "NeuronCost",
    "NeuronTerm",
    "OutputNoise",
    "Power",
    "Robustness",
    "Term",
    "asked",
    "check_dimensions",
    "costs_neurons",
    "formula",
    "same_neuron_terms",
    "same_terms",
    "terms_by_population",
    "terms_by_projection",
]
