"""What synaptic balancing predicts for the neighbours of a potentiated synapse (Stock et al. 2022), and when.

One synapse j → i of a balanced network is potentiated by hand; balancing answers in the running simulation.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, ms, second

import neurobal as nb

Array: TypeAlias = np.ndarray

RATE = """
dx/dt = (drive + recurrent - x)/(10*ms) : 1
r = clip(x, 0, inf) : 1
drive : 1
recurrent : 1
"""


def random_weights(seed: int, size: int = 10, dense: float = 0.35) -> Array:
    """A balanced (post, pre) matrix, strongly connected, log-normal; each neuron excites or inhibits (Dale)."""
    rng = np.random.default_rng(seed)
    weights = rng.lognormal(0, 0.7, (size, size)) * ((rng.random((size, size)) < dense) & ~np.eye(size, dtype=bool))
    weights += np.roll(np.eye(size), 1, axis=0)  # a ring through all
    weights *= rng.choice([-1, 1], size) * 0.5 / size
    return np.asarray(nb.balance(weights, tol=1e-13).weights)


def sender_receiver(weights: Array) -> tuple[int, int]:
    """Neurons j, i of the strongest synapse j → i that has a reciprocal one."""
    i, j = np.unravel_index(np.argmax(np.abs(weights) * (weights.T != 0)), weights.shape)
    return int(j), int(i)


class Experiment:
    """A network with plasticity that runs at rest, then potentiates one synapse; matrices are (post, pre)."""

    def __init__(self, weights: Array, rule: nb.Rule, cost: nb.Cost = nb.Power(2)) -> None:  # noqa: B008
        size = len(weights)
        cells = NeuronGroup(size, RATE, method="euler", dt=1 * ms, name="cells")
        cells.drive = np.linspace(1, 2, size)
        synapses = Synapses(cells, cells, "w : 1\nrecurrent_post = w*r_pre : 1 (summed)", dt=1 * ms, name="synapses")
        post, pre = np.nonzero(weights)
        synapses.connect(i=pre, j=post)
        synapses.w = weights[post, pre]
        self.ends, self.size = (post, pre), size
        self.network = Network(cells, synapses)
        self.plasticity = nb.Plasticity(self.network, rule, dt=1 * ms, cost=cost)
        self.network.add(self.plasticity)

    def matrix(self) -> Array:
        dense = np.zeros((self.size, self.size))
        dense[self.ends] = self.network["synapses"].w
        return dense

    def rest(self) -> None:
        self.network.run(5 * ms)

    def potentiate(self, pre: int, post: int, factor: float) -> nb.Circuit:
        """Change one weight; what `verify` may compare with."""
        self.network["synapses"].w["i == pre and j == post"] = self.matrix()[post, pre] * factor
        return nb.as_circuit([self.network["cells"], self.network["synapses"]])

    def run(self, duration: Any) -> None:
        self.network.run(duration)

    def log_change(self, since: Array) -> Array:
        """Δ log |w|, nan where there is no synapse."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(np.abs(self.matrix() / since))


def others(change: Array, pre: int, post: int) -> dict[str, Array]:
    """Changes of all other synapses of the two neurons, without those between the two."""
    left = np.delete(np.arange(len(change)), (pre, post))
    kinds = {
        "inputs of i": change[post, left],
        "outputs of i": change[left, post],
        "inputs of j": change[pre, left],
        "outputs of j": change[left, pre],
    }
    return {name: values[np.isfinite(values)] for name, values in kinds.items()}


# One update: what happens first


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("factor", [1.5, 0.6])
def test_the_first_update_is_the_papers_rule(power: float, factor: float) -> None:
    """All other inputs of i and outputs of j by one factor, outputs of i and inputs of j by its inverse, no others."""
    start = np.asarray(nb.balance(random_weights(3, dense=0.6), cost=nb.Power(power), tol=1e-13).weights)
    j, i = sender_receiver(start)
    rate = 0.1 / second
    experiment = Experiment(start, nb.GradientFlow(rate=rate), nb.Power(power))
    experiment.rest()
    at_rest = experiment.matrix()
    np.testing.assert_allclose(at_rest, start, rtol=1e-12)  # a balanced network stays what it is
    experiment.potentiate(j, i, factor)
    learned = experiment.matrix()
    experiment.run(1 * ms)

    cost = np.abs(start[i, j]) ** power
    g = (factor**power - 1) * cost / np.mean(np.abs(start[start != 0]) ** power)
    step = float(rate) * 1e-3 * g  # |d log w| of a synapse of one of the two neurons
    change = experiment.log_change(learned)
    kinds = others(change, j, i)
    assert min(map(len, kinds.values())) >= 2
    for name, sign in (("inputs of i", -1), ("outputs of i", 1), ("inputs of j", 1), ("outputs of j", -1)):
        np.testing.assert_allclose(kinds[name], sign * step, rtol=1e-9, atol=1e-14)
    assert change[i, j] == pytest.approx(-2 * step, rel=1e-9)
    assert change[j, i] == pytest.approx(2 * step, rel=1e-9)
    elsewhere = np.delete(np.delete(change, (i, j), axis=0), (i, j), axis=1)
    np.testing.assert_allclose(elsewhere[np.isfinite(elsewhere)], 0, atol=1e-14)


def test_changes_are_proportional_to_weights() -> None:
    """Multiplicative: strong inputs lose more, in proportion."""
    start = random_weights(5, size=16, dense=0.8)
    j, i = sender_receiver(start)
    experiment = Experiment(start, nb.GradientFlow(rate=0.5 / second))
    experiment.rest()
    experiment.potentiate(j, i, 2.0)
    learned = experiment.matrix()
    experiment.run(1 * ms)
    inputs = np.flatnonzero((start[i] != 0) & (np.arange(len(start)) != j))
    lost = (learned - experiment.matrix())[i, inputs]
    assert np.ptp(np.log(np.abs(lost))) > np.log(5)
    share = lost / learned[i, inputs]
    np.testing.assert_allclose(share, share.mean(), rtol=1e-9)
    assert np.all(share > 0)


@pytest.mark.parametrize(
    "rule",
    [nb.NormalizedFlow(rate=2 / second), nb.StochasticBalancing(rate=1e6 / second, theta=0.1)],
    ids=lambda rule: type(rule).__name__,
)
def test_other_rules_agree_on_the_signs(rule: nb.Rule) -> None:
    """Whatever the pace, a neuron with more in than out weakens its inputs and strengthens its outputs."""
    start = random_weights(4)
    j, i = sender_receiver(start)
    experiment = Experiment(start, rule)
    experiment.rest()
    experiment.potentiate(j, i, 1.5)
    learned = experiment.matrix()
    experiment.run(1 * ms)
    kinds = others(experiment.log_change(learned), j, i)
    for name, sign in (("inputs of i", -1), ("outputs of i", 1), ("inputs of j", 1), ("outputs of j", -1)):
        assert np.all(sign * kinds[name] > 1e-6), name


# In the end


@pytest.fixture(scope="module")
def settled() -> tuple[Experiment, Array, Array, nb.Circuit, int, int]:
    start = random_weights(7)
    j, i = sender_receiver(start)
    experiment = Experiment(start, nb.GradientFlow(rate=5 / second))
    experiment.rest()
    learned = experiment.potentiate(j, i, 2.0)
    potentiated = experiment.matrix()
    experiment.run(4 * second)
    return experiment, start, potentiated, learned, j, i


def test_signs_hold_in_the_end(settled: Any) -> None:
    experiment, _, potentiated, _, j, i = settled
    change = experiment.log_change(potentiated)
    kinds = others(change, j, i)
    for name, sign in (("inputs of i", -1), ("outputs of i", 1), ("inputs of j", 1), ("outputs of j", -1)):
        assert np.all(sign * kinds[name] > 1e-3), name
    both = np.isfinite(change) & np.isfinite(change.T)
    np.testing.assert_allclose((change + change.T)[both], 0, atol=1e-12)  # pairs: opposite, and equal in size
    best = nb.balance(potentiated, tol=1e-12).weights
    np.testing.assert_allclose(experiment.matrix(), best, rtol=1e-6)  # where the flow leads


def test_cycle_products_remember_the_potentiation_only(settled: Any) -> None:
    experiment, start, potentiated, _, j, i = settled
    now = experiment.matrix()

    def products(weights: Array) -> dict[str, Array]:
        return {"pairs": weights * weights.T, "triples": np.einsum("ab,bc,ca->abc", weights, weights, weights)}

    for name, product in products(now).items():
        np.testing.assert_allclose(product, products(potentiated)[name], rtol=1e-11, err_msg=name)
        passes = products(np.where((np.arange(len(start))[:, None] == i) & (np.arange(len(start)) == j), 2.0, 1.0))
        np.testing.assert_allclose(product, products(start)[name] * passes[name], rtol=1e-11, err_msg=name)
    eigenvalues = [np.sort_complex(np.linalg.eigvals(one)) for one in (now, potentiated, start)]
    np.testing.assert_allclose(eigenvalues[0], eigenvalues[1], atol=1e-12)
    assert np.abs(eigenvalues[0] - eigenvalues[2]).max() > 1e-3


def test_function_and_signs_are_kept_after_the_potentiation(settled: Any) -> None:
    """Learning changes the function, balancing does not; the certificate tells which synapse has learned."""
    experiment, start, _, learned, j, i = settled
    assert np.array_equal(np.sign(experiment.matrix()), np.sign(start))
    assert nb.verify(learned, experiment.network).preserved
    learning = nb.verify(experiment.plasticity.before, experiment.network)
    assert not learning.preserved
    assert f"from cells[{j}] to cells[{i}]" in learning.message


def test_activity_is_that_of_a_twin_that_only_learned() -> None:
    start = random_weights(8)
    j, i = sender_receiver(start)
    balancing, twin = (Experiment(start, nb.NormalizedFlow(rate=4 / second)) for _ in range(2))
    twin.plasticity.active = False
    activities = []
    scales = StateMonitor(balancing.plasticity["cells"], "scale", record=True, dt=1 * ms, when="start")
    balancing.network.add(scales)
    for one in (balancing, twin):
        monitor = StateMonitor(one.network["cells"], "x", record=True, dt=1 * ms, when="start")
        one.network.add(monitor)
        one.rest()
        one.potentiate(j, i, 3.0)
        one.run(200 * ms)
        activities.append(np.asarray(monitor.x))
    scale = np.asarray(scales.scale)
    assert np.ptp(np.log(scale[:, -1])) > 0.1
    np.testing.assert_allclose(activities[0], activities[1] * scale, rtol=1e-10, atol=1e-12)


# How general it is


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("factor", [1.05, 10.0])
def test_in_any_balanced_network_the_two_neurons_move_most(seed: int, factor: float) -> None:
    """In the end h_i is the lowest and h_j the highest of all: the sign of every other synapse of i and j follows.

    By the maximum principle for the Laplacian: all other neurons have neither source nor sink. Holds for potentiations
    of any size, as the Hessian is a Laplacian all along the way.
    """
    start = random_weights(100 + seed, size=8)
    i, j = np.argwhere(start != 0)[seed % np.count_nonzero(start)]
    learned = start.copy()
    learned[i, j] *= factor
    h = np.log(nb.balance(learned, tol=1e-13).scale)
    assert h[i] < h[j]
    assert h[i] <= h.min() + 1e-9
    assert h[j] >= h.max() - 1e-9


def test_on_the_way_the_sign_can_change() -> None:
    """Not at all times: an input of i that is depressed first and in the end can be above its weight in between.

    i and k exchange a lot, and the rest of the network is slow: i turns round first, k lags behind.
    """
    i, j, k, slow = range(4)
    weights = np.zeros((4, 4))
    for (one, other), conductance in {(i, j): 20, (i, k): 10, (i, slow): 2, (k, j): 0.01}.items():
        weights[one, other] = weights[other, one] = 0.1 * np.sqrt(conductance)
    experiment = Experiment(weights, nb.GradientFlow(rate=10 / second))
    monitor = StateMonitor(experiment.network["synapses"], "w", record=True, dt=1 * ms, when="start")
    experiment.network.add(monitor)
    experiment.rest()
    experiment.potentiate(j, i, 1.05)
    started = len(monitor.t)
    experiment.run(2 * second)
    synapse = np.flatnonzero((experiment.ends[0] == i) & (experiment.ends[1] == k))[0]
    change = np.log(monitor.w[synapse, started:] / weights[i, k]) / np.log(1.05)
    turns = np.flatnonzero(np.diff(np.sign(change[1:]))) + 1
    assert turns.size == 2
    assert change.min() < -0.05
    assert change.max() > 0.002
    assert change[-1] < -1e-4
    assert np.argmin(change) < np.argmax(change)


def ring(size: int, weak: int | None = None) -> Array:
    """Each neuron both ways with the next; the pair (weak, weak + 1) has a third of the weight."""
    weights = np.roll(np.eye(size), 1, axis=0) + np.roll(np.eye(size), -1, axis=0)
    if weak is not None:
        for post, pre in ((weak, weak + 1), (weak + 1, weak)):
            weights[post, pre] /= 3
    return 0.2 * weights


def test_on_a_ring_nothing_decays_with_distance() -> None:
    """In the end what spreads from j to i has one way only: all synapses on it change by the same, weak ones more."""
    size, factor = 12, 1.01
    learned = ring(size)
    learned[1, 0] *= factor
    h = np.log(nb.balance(learned, tol=1e-13).scale)
    drops = (h[2:] - h[1:-1]) / np.log(factor)  # of k+1 → k
    np.testing.assert_allclose(drops, drops[0], rtol=1e-6)
    # Two resistors in parallel, c_ij + c_ji = 2 and (N - 1) of them in a row; half the cost is that of the synapse.
    np.testing.assert_allclose(drops[0], 1 / (2 * size), rtol=0.02)

    learned = ring(size, weak=6)
    learned[1, 0] *= factor
    h = np.log(nb.balance(learned, tol=1e-13).scale)
    drops = np.abs(np.diff(h[1:]))
    assert drops.argmax() == 5  # half-way round
    assert drops.max() == pytest.approx(9 * drops[0], rel=0.01)  # costs are squares


def test_on_a_ring_it_takes_time_to_get_there() -> None:
    """While it spreads, the response does decay with distance, here on the ring on which it does not in the end."""
    experiment = Experiment(ring(12), nb.GradientFlow(rate=1 / second))
    experiment.rest()
    experiment.potentiate(0, 1, 1.1)
    experiment.run(100 * ms)
    h = np.asarray(experiment.plasticity["cells"].log_scale)[[1, 2, 3, 4, 5, 6]]
    assert np.all(h < 0)
    assert np.all(h[1:] > 0.8 * h[:-1])


@pytest.mark.parametrize("seed", range(3))
def test_the_shares_that_synapses_give_back_add_up(seed: int) -> None:
    """A small change of a synapse is undone by a share of its own; all shares add up to N - 1 (Foster's theorem).

    The share is c_ij × the effective resistance between i and j with conductances c + cᵀ. Over all synapses it is one
    in (synapses per neuron) on average: in a sparse network more of what was learned moves to other synapses.
    """
    start = random_weights(seed, size=8)
    cost = start**2
    laplacian = np.diag((cost + cost.T).sum(axis=0)) - (cost + cost.T)
    inverse = np.linalg.pinv(laplacian)
    change, shares = 1e-4, []
    for i, j in np.argwhere(start != 0):
        learned = start.copy()
        learned[i, j] *= np.exp(change)
        h = np.log(nb.balance(learned, tol=1e-13).scale)
        shares.append((h[j] - h[i]) / change)
        resistance = inverse[i, i] + inverse[j, j] - 2 * inverse[i, j]
        assert shares[-1] == pytest.approx(cost[i, j] * resistance, rel=2e-3)
    assert sum(shares) == pytest.approx(len(start) - 1, rel=1e-3)
