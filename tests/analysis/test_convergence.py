"""The local rate of the gradient flow: measured decays, dense eigenvalues of an oracle, and large graphs."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from graphs import Case, constrained, from_matrix, hidden, plain, power_law
from hypothesis import given, settings
from oracle import Oracle
from scipy import sparse

import neurobal as nb
from benchmarks import graphs as families
from neurobal.analysis import convergence_rate, cost_bounds


def laplacian(cost: np.ndarray) -> np.ndarray:
    """Of the symmetrised costs."""
    both = cost + cost.T
    np.fill_diagonal(both, 0)
    return np.diag(both.sum(axis=1)) - both


def measured(velocity, start: np.ndarray, fastest: float, slowest: float) -> float:
    """The decay rate of |velocity| along ``dx/dt = velocity(x)``, by the classical Runge-Kutta method."""
    step = 1.0 / fastest
    total = int(np.ceil(12 / (slowest * step)))
    assert total < 60_000, "too stiff for this test"
    x, sizes = start, []
    for _ in range(total):
        k1 = velocity(x)
        k2 = velocity(x + step / 2 * k1)
        k3 = velocity(x + step / 2 * k2)
        k4 = velocity(x + step * k3)
        x = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        sizes.append(np.linalg.norm(k1))
    late = slice(int(0.6 * total), int(0.9 * total))
    return -np.polyfit(step * np.arange(total)[late], np.log(sizes[late]), 1)[0]


def measured_in_scales(oracle: Oracle, p: float, rng: np.random.Generator, rate: float) -> float:
    h = oracle.minimum()
    fastest = np.linalg.eigvalsh(oracle.hessian(h))[-1] / p
    return measured(lambda x: -oracle.gradient(x) / p, h + 1e-3 * rng.normal(size=h.size), fastest, rate)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_papers_flow_of_all_weights_decays_at_this_rate(rng, p):
    """dJ_ij/dt = J_ij (g_j - g_i), g = incoming - outgoing cost, in N² weights from far away (Stock et al. 2022)."""
    weights = hidden(rng.normal(size=(7, 7)), rng, 0.3)
    rate = convergence_rate(weights, cost=nb.Power(p)).rate
    balanced = np.abs(nb.balance(weights, cost=nb.Power(p), tol=1e-12).weights) ** p
    spectrum = np.linalg.eigvalsh(laplacian(balanced))
    assert rate == pytest.approx(p * spectrum[1], rel=1e-6)

    def velocity(flat: np.ndarray) -> np.ndarray:
        matrix = flat.reshape(weights.shape)
        cost = np.abs(matrix) ** p
        g = cost.sum(axis=1) - cost.sum(axis=0)
        return (matrix * (g - g[:, None])).ravel()

    fastest = 2 * p * np.linalg.eigvalsh(laplacian(np.abs(weights) ** p))[-1]
    assert measured(velocity, weights.ravel(), fastest, rate) == pytest.approx(rate, rel=1e-3)


def test_grounded_at_pins(rng):
    weights = rng.normal(size=(9, 9))
    pinned = np.arange(9) < 3
    result = convergence_rate(weights, pinned=pinned)
    balanced = nb.balance(weights, pinned=pinned, tol=1e-12).weights ** 2
    grounded = laplacian(balanced)[~pinned][:, ~pinned]
    assert result.rate == pytest.approx(2 * np.linalg.eigvalsh(grounded)[0], rel=1e-6)
    assert np.array_equal(result.slowest, ~pinned) and np.all(result.mode[pinned] == 0)
    oracle = Oracle.of_matrix(weights, pinned=pinned)
    assert measured_in_scales(oracle, 2, rng, result.rate) == pytest.approx(result.rate, rel=5e-3)


@given(power_law())
@settings(max_examples=10)
def test_power_law_units(case: Case):
    result, oracle = convergence_rate(case.circuit(), cost=nb.Power(2)), case.oracle(2.0)
    curvature = np.linalg.eigvalsh(oracle.hessian(oracle.minimum()))
    assert result.rates.min() == result.rate
    assert result.rate == pytest.approx(curvature[0] / 2, rel=1e-5)
    if curvature[-1] < 1000 * curvature[0]:
        decay = measured_in_scales(oracle, 2, np.random.default_rng(0), result.rate)
        assert decay == pytest.approx(result.rate, rel=0.03)


def test_power_law_units_with_a_direction_that_changes_nothing(rng):
    """λ of homogeneity 2 and ½ in a loop: (h, 2h) changes no weight, and is no mode of decay."""
    circuit = nb.Circuit()
    circuit.add("square", 3, homogeneity=2)
    circuit.add("root", 4, homogeneity=0.5)
    circuit.connect("square", "root", rng.normal(size=(4, 3)))
    circuit.connect("root", "square", rng.normal(size=(3, 4)))
    result = convergence_rate(circuit)
    post, pre = np.indices((4, 3)).reshape(2, -1)
    forth, back = (circuit.projections[name].weight for name in ("square->root", "root->square"))
    forth, back = forth.reshape(4, 3).ravel(), back.reshape(3, 4).T.ravel()
    oracle = Oracle.of(
        7, np.append(post + 3, pre), np.append(pre, post + 3), np.append(forth, back),
        b=np.append(np.full(12, 2.0), np.full(12, 0.5)),
    )  # fmt: skip
    spectrum = np.linalg.eigvalsh(oracle.hessian(oracle.minimum()))
    assert abs(spectrum[0]) < 1e-9 * spectrum[-1]
    assert result.rate == pytest.approx(spectrum[1] / 2, rel=1e-6)
    shift = np.append(np.full(3, 1.0), np.full(4, 2.0))
    assert abs(np.append(result.mode["square"], result.mode["root"]) @ shift) < 1e-9


def test_exponents_that_leave_no_direction_free(rng):
    """Homogeneity 2 and ½, each connected to all: nothing is pinned, and still every direction costs something."""
    case = from_matrix("mixed", rng.normal(size=(6, 6)) * (1 - np.eye(6)))
    case = case.but(b=np.array([2, 2, 2, 0.5, 0.5, 0.5]))
    result, oracle = convergence_rate(case.circuit()), case.oracle()
    spectrum = np.linalg.eigvalsh(oracle.hessian(oracle.minimum()))
    assert spectrum[0] > 1e-3 * spectrum[-1]
    assert result.rate == pytest.approx(spectrum[0] / 2, rel=1e-6)


@given(constrained(families=("random", "layered", "dense", "ring")))
def test_pins_ties_and_multiple_synapses(case: Case):
    """All components' rates, from the oracle's dense Hessian; its zeros are the shifts of components without pins."""
    oracle = case.oracle(1.5)
    if not oracle.changeable.any():
        return
    result = convergence_rate(case.circuit(), cost=nb.Power(1.5))
    hessian, label = oracle.hessian(oracle.minimum()), oracle.components()
    expected = []
    for component in np.unique(label):
        inside = np.flatnonzero(label == component)
        part = hessian[np.ix_(inside, inside)]
        grounded = part.sum() > 1e-9 * np.trace(part)
        if part.any():
            expected.extend(np.linalg.eigvalsh(part)[int(not grounded) :][:1] / 1.5)
    assert result.rates == pytest.approx(np.sort(expected), rel=1e-5)


def test_sums_of_powers_go_at_the_pace_of_the_largest(rng):
    weights = rng.normal(size=(6, 6))
    cost = nb.Power(2) + 0.5 * nb.Power(1)
    rate = convergence_rate(weights, cost=cost).rate
    oracle = Oracle.of_matrix(weights, p=[2, 1], alpha=[1, 0.5])
    assert rate == pytest.approx(np.linalg.eigvalsh(oracle.hessian(oracle.minimum()))[1] / 2, rel=1e-6)
    assert measured_in_scales(oracle, 2, rng, rate) == pytest.approx(rate, rel=5e-3)


def test_two_components_and_which_is_slow(rng):
    fast, slow = rng.normal(size=(5, 5)), 0.1 * rng.normal(size=(4, 4))
    weights = np.block([[fast, np.zeros((5, 4))], [np.zeros((4, 5)), slow]])
    result = convergence_rate(weights)
    alone = [convergence_rate(part).rate for part in (slow, fast)]
    assert result.rates == pytest.approx(alone) and result.rate == pytest.approx(alone[0])
    assert np.flatnonzero(result.slowest).tolist() == [5, 6, 7, 8]
    assert result.time_constant == pytest.approx(1 / alone[0])
    assert "the slowest of 2 components: 4 of 9 neurons" in repr(result)
    # The mode is the one that is left over: h decays towards it.
    cost = nb.balance(weights, tol=1e-12).weights ** 2
    assert np.allclose(2 * laplacian(cost) @ result.mode, result.rate * result.mode, atol=1e-6 * result.rate)


def test_units_that_only_pinned_neurons_talk_to(rng):
    circuit = nb.Circuit()
    circuit.add("ends", 2, pinned=True)
    circuit.add("hidden", 6)
    circuit.connect("ends", "hidden", forth := rng.normal(size=(6, 2)))
    circuit.connect("hidden", "ends", back := rng.normal(size=(2, 6)))
    result = convergence_rate(circuit)
    expected = 2 * 2 * np.sqrt(np.sum(forth**2, axis=1) * np.sum(back**2, axis=0))  # p (in + out)
    assert result.rates == pytest.approx(np.sort(expected))
    assert (
        np.flatnonzero(result.slowest["hidden"]).tolist()
        == [np.argmin(expected)]
        == np.flatnonzero(result.mode["hidden"]).tolist()
    )


@given(plain(families=("random", "dense", "layered")))
@settings(max_examples=10)
def test_the_rate_belongs_to_the_function(case: Case):
    """Every rescaling of a network ends in the same balance, at the same rate; so does its Balance."""
    rate = convergence_rate(case.circuit()).rate
    h = np.random.default_rng(0).normal(0, 0.5, case.size)
    rescaled = case.but(weight=case.weight * np.exp(h[case.post] - h[case.pre]))
    assert convergence_rate(rescaled.circuit()).rate == pytest.approx(rate, rel=1e-4)
    assert convergence_rate(nb.balance(case.circuit())).rate == pytest.approx(rate, rel=1e-4)
    assert convergence_rate(nb.balance(case.circuit(), dyadic=True)).rate == pytest.approx(rate, rel=1e-4)


def test_what_was_left_out_stays_out(rng):
    weights = np.zeros((7, 7))
    weights[:4, :4], weights[4:, :4] = rng.normal(size=(4, 4)), 100.0
    expected = convergence_rate(weights[:4, :4]).rate
    assert convergence_rate(weights).rate == pytest.approx(expected, rel=1e-6)
    assert convergence_rate(nb.balance(weights)).rate == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: families.random(900, 9000, rng),
        lambda rng: families.sheet(28, rng),
        lambda rng: families.ring(900, rng),
        lambda rng: families.modules(900, rng),
        lambda rng: families.layered_ring(20, 45, rng),
    ],
    ids=["random", "sheet", "ring", "modules", "layered"],
)
def test_large_graphs_against_dense_eigenvalues(rng, make):
    matrix = make(rng)
    result = convergence_rate(matrix, tol=1e-11)
    balance = nb.balance(matrix, tol=1e-11)
    part = np.flatnonzero(result.slowest)
    assert part.size > 300  # beyond what is done densely
    cost = balance.weights.toarray()[np.ix_(part, part)] ** 2
    slow, after = 2 * np.linalg.eigvalsh(laplacian(cost))[1:3]
    assert result.rate == pytest.approx(slow, rel=1e-5)
    if after > 1.01 * slow:
        mode = result.mode[part]
        assert np.linalg.norm(2 * laplacian(cost) @ mode - slow * mode) <= 1e-3 * slow


def test_a_large_ring_has_the_rate_of_a_diffusion():
    """20,000 neurons in a ring of equal reciprocal weights: λ_min of its Laplacian is 2·2·(1 - cos(2π/n))."""
    n = 20_000
    i = np.arange(n)
    ring = sparse.csr_array((np.ones(2 * n), (np.tile(i, 2), np.append((i + 1) % n, (i - 1) % n))), shape=(n, n))
    assert convergence_rate(ring).rate == pytest.approx(2 * 2 * 2 * (1 - np.cos(2 * np.pi / n)), rel=1e-4)


def test_a_large_network_of_power_law_units(rng):
    """Exponents (1, 2) and pinned inputs: beyond the dense limit, where constants are no slow modes."""
    n = 400
    matrix = np.zeros((n + 20, n + 20))
    matrix[:n, :n] = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.03)
    matrix[:n, n:] = rng.normal(size=(n, 20))
    case = from_matrix("power law", matrix)
    case = case.but(b=np.full(n + 20, 2.0), pinned=np.arange(n + 20) >= n)
    result = convergence_rate(case.circuit())
    after = nb.balance(case.circuit(), tol=1e-12).circuit.projections["synapses"].weight ** 2
    exponents = np.zeros((case.weight.size, n + 20))
    exponents[np.arange(case.weight.size), case.post] += 2
    exponents[np.arange(case.weight.size), case.pre] -= 4
    exponents = exponents[:, :n]
    spectrum = np.linalg.eigvalsh(exponents.T @ (after[:, None] * exponents))
    assert result.rate == pytest.approx(spectrum[0] / 2, rel=1e-5)


def in_high_precision(weights: np.ndarray, p: float) -> float:
    """The rate from Newton's method and eigenvalues with 60 digits."""
    with mpmath.workdps(60):
        n = len(weights)
        logs = {(i, j): p * mpmath.log(abs(weights[i, j])) for i, j in np.argwhere(weights * (1 - np.eye(n))).tolist()}
        h = [mpmath.log(scale) for scale in nb.balance(weights, cost=nb.Power(p)).scale]
        for _ in range(100):
            hessian, gradient = mpmath.zeros(n), mpmath.zeros(n, 1)
            for (i, j), log in logs.items():
                cost = mpmath.exp(log + p * (h[i] - h[j]))
                for k, sign in ((i, 1), (j, -1)):
                    gradient[k] += sign * cost
                    hessian[k, k] += p * cost
                hessian[i, j] -= p * cost
                hessian[j, i] -= p * cost
            step = [*mpmath.lu_solve(hessian[: n - 1, : n - 1], -gradient[: n - 1, 0]), mpmath.mpf(0)]
            longest = max(map(abs, step))
            if longest < 1e-40:
                return float(sorted(mpmath.eigsy(hessian, eigvals_only=True))[1])
            h = [a + min(1, 1 / (p * longest)) * b for a, b in zip(h, step, strict=True)]
    raise AssertionError("Newton's method did not end")


@pytest.mark.parametrize("p", [2, 20, 60, 80])
def test_units_of_very_different_pace(p):
    """Large powers: the rate is down to 1e-18 of the largest."""
    weights = np.random.default_rng(0).normal(size=(5, 5))
    assert convergence_rate(weights, cost=nb.Power(p)).rate == pytest.approx(in_high_precision(weights, p), rel=1e-5)


def weakly_joined(link: float) -> np.ndarray:
    weights = np.zeros((6, 6))
    weights[:3, :3], weights[3:, 3:] = np.random.default_rng(0).normal(size=(2, 3, 3))
    weights[0, 3], weights[4, 1] = link, 2 * link
    return weights


@pytest.mark.parametrize("link", [1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12])
@pytest.mark.parametrize("tol", [1e-9, 1e-12])
def test_weakly_joined_modules_have_the_right_rate_or_none(link, tol):
    try:
        rate = convergence_rate(weakly_joined(link), tol=tol).rate
    except nb.NeurobalError as error:
        assert link < (1e-4 if tol == 1e-9 else 1e-5)
        assert any(text in str(error) for text in ("Give a smaller tol", "Leave out synapses with very small costs"))
    else:
        assert rate == pytest.approx(in_high_precision(weakly_joined(link), 2), rel=1e-3)


def test_large_modules_that_are_hardly_joined_are_an_error(rng):
    n = 600
    weights = np.zeros((2 * n, 2 * n))
    weights[:n, :n], weights[n:, n:] = rng.normal(size=(2, n, n))
    weights[0, n] = weights[n + 1, 1] = 1e-5
    with pytest.raises(nb.NeurobalError, match=r"1200 units was not found.*Leave out synapses with very small costs"):
        convergence_rate(weights)


def test_what_cannot_move_does_not_set_the_pace(rng):
    """Synapses between pinned neurons with a larger power."""
    circuit = nb.Circuit()
    circuit.add("ends", 2, pinned=True)
    circuit.add("hidden", 6)
    circuit.connect("ends", "hidden", rng.normal(size=(6, 2)))
    circuit.connect("hidden", "hidden", rng.normal(size=(6, 6)))
    circuit.connect("hidden", "ends", rng.normal(size=(2, 6)))
    expected = convergence_rate(circuit).rate
    circuit.connect("ends", "ends", rng.normal(size=(2, 2)))
    costs = {name: nb.Power(4 if name == "ends->ends" else 2) for name in circuit.projections}
    assert convergence_rate(circuit, cost=costs).rate == expected


def test_errors(rng):
    weights = rng.normal(size=(5, 5))
    with pytest.raises(nb.InvalidInputError, match="Give the cost that the Balance was made with"):
        convergence_rate(nb.balance(weights, cost=nb.Power(1)), cost=nb.Power(2))
    with pytest.raises(nb.UnbalanceableError, match="no directed cycle"):
        convergence_rate(np.triu(weights, 1))
    with pytest.raises(nb.InvalidInputError, match="square"):
        convergence_rate(weights[:3])
    with pytest.raises(nb.InvalidInputError, match="rates are beyond the range"):
        convergence_rate(1e-170 * weights)
    with pytest.raises(nb.NeurobalError, match=r"no balanced state.*Not balanced"):
        convergence_rate(weights, tol=1e-300)


def test_a_running_simulation_balances_at_this_rate(rng, monkeypatch):
    """Brian2: `GradientFlow` measures costs in units of the mean cost of a synapse at the start."""
    from brian2 import Network, NeuronGroup, StateMonitor, Synapses, ms, prefs, second

    monkeypatch.setitem(prefs, "codegen.target", "numpy")
    units = NeuronGroup(5, "dx/dt = (I - x)/(20*ms) : 1\nI : 1\nr = clip(x, 0, inf) : 1", method="euler", dt=5 * ms)
    synapses = Synapses(units, units, "w : 1\nI_post = w*r_pre : 1 (summed)", dt=5 * ms)
    synapses.connect(condition="i != j")
    synapses.w = rng.normal(size=20)
    network = Network(units, synapses)
    rate = convergence_rate(network).rate / np.mean(synapses.w[:] ** 2)
    assert cost_bounds(network).lower <= nb.balance(network).cost <= cost_bounds(network).upper
    plasticity = nb.Plasticity(network, nb.GradientFlow(rate=1 / second), dt=5 * ms)
    soma = plasticity[units.name]
    record = StateMonitor(soma, ["cost_in", "cost_out"], record=True, dt=10 * ms, when="end", order=10)
    network.add(plasticity, record)
    network.run(12 / rate * second)
    gap = np.linalg.norm(record.cost_in - record.cost_out, axis=0)
    late = (gap < 1e-3 * gap[1]) & (gap > 1e-9 * gap[1])
    assert late.sum() > 20
    decay = -np.polyfit(np.asarray(record.t)[late], np.log(gap[late]), 1)[0]
    assert decay == pytest.approx(-np.log(1 - rate * 0.005) / 0.005, rel=5e-3)  # Euler steps of 5 ms


def test_a_balance_knows_its_cost(rng):
    """It need not be given again, with more than one cost or power; another one is an error."""
    weights = rng.normal(size=(6, 6))
    cost = nb.Power(1, weight=rng.uniform(1, 2, size=(6, 6))) + 0.3 * nb.Power(3)
    balance = nb.balance(weights, cost=cost)
    assert convergence_rate(balance).rate == convergence_rate(balance, cost=cost).rate
    assert convergence_rate(balance).rate == pytest.approx(convergence_rate(weights, cost=cost).rate, rel=1e-6)


def test_another_cost_of_the_same_total_is_another_cost():
    balance = nb.balance(np.array([[0, 1.0], [1.0, 0]]))  # every power of these weights costs 2
    for analysis in (convergence_rate, nb.analysis.cost_bounds):
        with pytest.raises(nb.InvalidInputError, match=f"{analysis.__name__}: the Balance was made with another cost"):
            analysis(balance, cost=nb.Power(1))
    assert convergence_rate(balance, cost=nb.Power(2)).rate == pytest.approx(8)
    assert convergence_rate(balance.circuit, cost=nb.Power(1)).rate == pytest.approx(4)


@pytest.mark.parametrize("more", [{"tied": [0, 0, 0, 1]}, {"pinned": [0, 2]}], ids=["tied", "pinned"])
def test_more_constraints_bring_back_what_was_left_out(more):
    """A tie or a pin can be the way back that a synapse had not."""
    weights = np.array([[0, 2.0, 0, 0], [3.0, 0, 0, 0], [1.0, 0, 0, 5.0], [0, 0, 2.0, 0]])
    balance = nb.balance(weights)
    assert balance.excluded
    bounds, direct = nb.analysis.cost_bounds(balance, **more), nb.analysis.cost_bounds(weights, **more)
    assert not bounds.excluded and (bounds.lower, bounds.upper) == pytest.approx((direct.lower, direct.upper))
