"""The first paper's flow: how fast its cost falls, its Lax form, and everything it conserves (Stock et al. 2022).

Throughout ``g_i`` is the incoming minus the outgoing cost of neuron i and ``dJ_ij/dt = J_ij (g_j - g_i)``.
"""

from __future__ import annotations

from typing import TypeAlias

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from oracle import derivative
from scipy.integrate import solve_ivp
from scipy.sparse import csgraph, csr_array

import neurobal as nb

Array: TypeAlias = np.ndarray


def moved(matrix: Array, h: Array) -> Array:
    return matrix * np.exp(h[:, None] - h)


def gradient(matrix: Array, p: float) -> Array:
    cost = np.abs(matrix) ** p
    return cost.sum(axis=1) - cost.sum(axis=0)


def flow(matrix: Array, p: float, times: Array, tolerance: float = 1e-11) -> Array:
    """h at each time, dh/dt = -g: one row a time."""
    solution = solve_ivp(
        lambda _, h: -gradient(moved(matrix, h), p), (0, times[-1]), np.zeros(len(matrix)), method="LSODA",
        t_eval=times, rtol=tolerance, atol=tolerance,
    )  # fmt: skip
    assert solution.success
    return solution.y.T


@pytest.fixture
def matrix(rng: np.random.Generator) -> Array:
    return graphs.hidden(rng.normal(size=(7, 7)), rng, 0.5)


# --------------------------------------------------------------------------------------------------------- descent


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0])
def test_the_cost_falls_by_p_times_the_squared_gradient(matrix: Array, p: float) -> None:
    """Stock et al. 2022: dC/dt = -p |g|² (check 3), as a central difference along the flow."""

    def cost(time: Array) -> float:
        return float(np.sum(np.abs(moved(matrix, -time[0] * gradient(matrix, p))) ** p))

    slope = derivative(cost, np.zeros(1), 1e-5 / np.abs(gradient(matrix, p)).max())[0]
    assert slope == pytest.approx(-p * np.sum(gradient(matrix, p) ** 2), rel=1e-7)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0])
def test_the_cost_falls_all_the_way_and_the_mean_log_scale_stays(matrix: Array, p: float) -> None:
    """Stock et al. 2022: C falls until balance, |g| never rises, Σ g = 0, the mean of h is constant (check 3)."""
    scale = np.sum(np.abs(matrix) ** p)
    path = flow(matrix, p, np.linspace(0, 30 / scale, 60))
    steps = [moved(matrix, h) for h in path]
    cost = np.array([np.sum(np.abs(step) ** p) for step in steps])
    size = np.array([np.linalg.norm(gradient(step, p)) for step in steps])
    assert np.all(np.diff(cost) < 1e-9 * scale) and cost[-1] < cost[0]
    assert np.all(np.diff(size) < 1e-9 * scale)
    assert np.abs(path.mean(axis=1)).max() <= 1e-12
    assert max(abs(gradient(step, p).sum()) for step in steps) <= 1e-12 * scale


# --------------------------------------------------------------------------------------------------------- Lax form


def test_the_flow_is_a_lax_pair(matrix: Array) -> None:
    """Stock et al. 2022: dJ/dt = J G - G J, G = diag(g) (check 5), against a difference along the path of h."""
    g, dt = np.diag(gradient(matrix, 2.0)), 1e-7
    path = flow(matrix, 2.0, np.array([0.0, dt]))
    velocity = (moved(matrix, path[-1]) - matrix) / dt
    assert np.allclose(velocity, matrix @ g - g @ matrix, rtol=1e-4, atol=1e-4 * np.abs(velocity).max())


def test_euler_steps_keep_the_spectrum_to_second_order(matrix: Array) -> None:
    """Stock et al. 2022: isospectral; Euler steps in J break that by O(dt²) each, those in h not at all (check 5)."""
    eigenvalues = np.linalg.eigvals(matrix)
    g = np.diag(gradient(matrix, 2.0))

    def error(after: Array) -> float:
        """Largest distance of an eigenvalue from its nearest partner."""
        return float(np.abs(np.linalg.eigvals(after)[:, None] - eigenvalues).min(axis=1).max())

    steps = [1e-4 / np.abs(g).max() / 2**k for k in range(4)]
    errors = np.array([error(matrix + dt * (matrix @ g - g @ matrix)) for dt in steps])
    assert np.allclose(errors[:-1] / errors[1:], 4, rtol=0.05)
    assert error(moved(matrix, flow(matrix, 2.0, np.array([0.0, 1.0]))[-1])) <= 1e-11 * np.abs(matrix).max()


# -------------------------------------------------------------------------------------------- conserved quantities


def fundamental_cycles(post: Array, pre: Array, size: int) -> Array:
    """One signed cycle for each synapse off a spanning tree (directions ignored): (m - N + 1, m)."""
    structure = csr_array((np.arange(1, post.size + 1), (post, pre)), shape=(size, size))
    order, parent = csgraph.breadth_first_order(structure, 0, directed=False)
    assert order.size == size
    number = {(int(i), int(j)): e for e, (i, j) in enumerate(zip(post, pre, strict=True))}

    def climb(node: int) -> Array:
        """Signed synapses on the way from the root: a synapse j -> i adds h_i - h_j."""
        way = np.zeros(post.size)
        while parent[node] >= 0:
            up = int(parent[node])
            if (node, up) in number:
                way[number[node, up]] += 1
            else:
                way[number[up, node]] -= 1
            node = up
        return way

    unit = np.eye(post.size)
    cycles = np.array([unit[e] + climb(int(j)) - climb(int(i)) for e, (i, j) in enumerate(zip(post, pre, strict=True))])
    return cycles[np.any(cycles != 0, axis=1)]


@settings(max_examples=15)
@given(graphs.plain(("random", "dense", "layered", "nearly reducible", "sheet")))
def test_there_are_m_minus_n_plus_one_conserved_quantities(case: graphs.Case) -> None:
    """Stock et al. 2022: the signed products around m - (N - 1) independent cycles stay, and nothing else (check 4).

    Log-weights move in the image of the incidence matrix, of rank N - 1; the cycles span its complement.
    """
    incidence = np.zeros((case.weight.size, case.size))
    np.add.at(incidence, (np.arange(case.weight.size), case.post), 1.0)
    np.add.at(incidence, (np.arange(case.weight.size), case.pre), -1.0)
    cycles = fundamental_cycles(case.post, case.pre, case.size)
    count = case.weight.size - (case.size - 1)
    assert cycles.shape[0] == count == np.linalg.matrix_rank(cycles)
    assert np.linalg.matrix_rank(incidence) == case.size - 1 and not np.any(cycles @ incidence)
    balanced = nb.balance(case.circuit()).weights["synapses"]
    change = np.log(np.abs(balanced)) - np.log(np.abs(case.weight))
    assert np.abs(cycles @ change).max() <= 1e-11
    assert np.array_equal(np.sign(balanced), np.sign(case.weight))


def test_a_dense_matrix_conserves_n_squared_minus_n_plus_one() -> None:
    """Stock et al. 2022: diagonal, reciprocal products and three-cycles through one neuron span them all (check 4)."""
    n = 6
    number = np.arange(n * n).reshape(n, n)
    cycles = [[number[i, i]] for i in range(n)]
    cycles += [[number[i, j], number[j, i]] for i in range(n) for j in range(i)]
    cycles += [[number[0, i], number[i, j], number[j, 0]] for i in range(1, n) for j in range(1, i)]
    table = np.zeros((len(cycles), n * n))
    for row, cycle in zip(table, cycles, strict=True):
        row[cycle] = 1
    assert len(cycles) == np.linalg.matrix_rank(table) == n * n - n + 1


def test_traces_two_cycles_and_three_cycles_stay_along_the_flow(matrix: Array) -> None:
    """Stock et al. 2022: tr J^k, diagonal and short cycle products, at every time of the flow (check 4)."""
    two = matrix * matrix.T
    three = np.einsum("ij,jk,ki->ijk", matrix, matrix, matrix)
    for h in flow(matrix, 2.0, np.linspace(0, 1, 5)):
        now = moved(matrix, h)
        assert np.allclose(now * now.T, two, rtol=1e-12)
        assert np.allclose(np.einsum("ij,jk,ki->ijk", now, now, now), three, rtol=1e-12)
        for k in range(1, 6):
            size = np.trace(np.linalg.matrix_power(np.abs(now), k))
            difference = np.trace(np.linalg.matrix_power(now, k)) - np.trace(np.linalg.matrix_power(matrix, k))
            assert abs(difference) <= 1e-12 * size


def test_the_factored_flow_is_the_flow_and_keeps_the_rank(rng: np.random.Generator) -> None:
    """Stock et al. 2022 (code): for J = U Vᵀ, dU/dt = -G U and dV/dt = G V (check 4)."""
    n, rank = 8, 2
    u, v = rng.normal(size=(2, n, rank)) * rng.lognormal(0, 0.5, (2, n, 1))

    def velocity(_: float, flat: Array) -> Array:
        u, v = flat.reshape(2, n, rank)
        g = gradient(u @ v.T, 2.0)[:, None]
        return np.stack([-g * u, g * v]).ravel()

    solution = solve_ivp(velocity, (0, 15), np.stack([u, v]).ravel(), rtol=1e-11, atol=1e-12, method="DOP853")
    u_end, v_end = solution.y[:, -1].reshape(2, n, rank)
    assert np.linalg.matrix_rank(u_end @ v_end.T, tol=1e-9) == rank
    unfactored = moved(u @ v.T, flow(u @ v.T, 2.0, np.array([0.0, 15.0]))[-1])
    assert np.allclose(u_end @ v_end.T, unfactored, atol=1e-7)
    assert np.allclose(u_end @ v_end.T, nb.balance(u @ v.T).weights, atol=1e-7)
