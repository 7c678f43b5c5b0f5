"""What balancing brings, and how fast: bounds before solving, rates of convergence, sensitivity and noise."""

from neurobal.analysis.bounds import CostBounds, cost_bounds
from neurobal.analysis.convergence import ConvergenceRate, convergence_rate
from neurobal.analysis.noise import NoiseCovariance, noise_covariance
from neurobal.analysis.noise_gains import noise_gains
from neurobal.analysis.sensitivity import sensitivity

__all__ = [
    "ConvergenceRate",
    "CostBounds",
    "NoiseCovariance",
    "convergence_rate",
    "cost_bounds",
    "noise_covariance",
    "noise_gains",
    "sensitivity",
]
