"""Impact that fades: published schedules, dense algebra, limits, and the state form against the plain double sum."""

from itertools import pairwise

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.analytic.obizhaeva_wang import ObizhaevaWang, RiskAverseObizhaevaWang
from acopt.analytic.transient_kernels import kernel_optimum
from acopt.costs.transient import TransientImpact
from acopt.market.kernels import ExponentialDecay, LinearDecay, PowerLawDecay

DIGITS = 1e-6  # what a published number is printed to, shares
EXACT = 1e-9  # of the order: the accuracy contract for equality-only problems
AGREEMENT = 1e-12  # of the sum of |terms|
SOLVER = 1e-7  # CLARABEL's word, relative

KERNELS = {
    "exponential": ExponentialDecay(half_life=0.2),
    "power law": PowerLawDecay(0.5, 0.05),
    "linear": LinearDecay(1.7),
    "linear, over soon": LinearDecay(4.0),
    "function": lambda t: 0.7 * np.exp(-3.0 * t) + 0.3 * np.exp(-30.0 * t),
    "not convex": lambda t: np.exp(-((8.0 * t) ** 2)),
}
EDGES = {**builders.EDGES, "many": np.array([0.0, 0.02, 0.1, 0.11, 0.3, 0.31, 0.5, 0.75, 0.9, 1.0, 1.4])}


STRENGTH = pd.Series({"A": 1e-6, "B": 1e-4, "C": 1e-5})
BETWEEN = pd.DataFrame(
    np.sqrt(np.outer(STRENGTH, STRENGTH)) * builders.correlated([1.0, 1.0, 1.0], 0.3),
    index=STRENGTH.index,
    columns=STRENGTH.index,
)
GAMMA = pd.Series({"A": 3e-7, "B": 2e-5, "C": 2e-6})


def single(edges, cost, shares=1e5, **facts):
    """Return a problem of one asset at 50 on any edges."""
    return ac.ExecutionProblem(ac.Order.sell(shares), ac.Market(ac.TimeGrid(edges), 50.0, **facts), cost)


def kernel_of(kernel, moments):
    """G between moments, one pair at a time."""
    return np.array([[float(kernel(np.array(abs(s - t)))) for t in moments] for s in moments])


def closed_form(matrix, shares):
    """Trades that sell `shares` at least cost under a matrix: -X G^{-1} 1 / (1' G^{-1} 1)."""
    weights = np.linalg.solve(matrix, np.ones(len(matrix)))
    return -shares * weights / weights.sum()


def double_sum(kernel, strength, moments, u):
    """1/2 sum_i sum_j u_i' S u_j G, in two loops."""
    total = 0.0
    for i, s in enumerate(moments):
        for j, t in enumerate(moments):
            total += 0.5 * float(kernel(np.array(abs(s - t)))) * float(u[i] @ strength @ u[j])
    return total


def told(problem, trades):
    """Return the declared CVXPY objective at these trades; a state that a definition holds implicitly is solved for."""
    program, paths = problem.cvxpy_problem, problem.declaration.paths
    start = problem.setting.remaining
    paths.variable.value = np.vstack([start, start + np.cumsum(trades, axis=0)])
    pending = list(paths.definitions)
    for variable in program.variables():
        if variable.id != paths.variable.id:
            variable.value = None
    while pending:
        left = [d for d in pending if not builders._define(d) and not _solved(d)]
        assert len(left) < len(pending)
        pending = left
    return float(program.objective.value)


def _solved(definition):
    unknown = [v for v in definition.variables() if v.value is None]
    if len(unknown) != 1 or not isinstance(definition, cp.constraints.Zero | cp.constraints.Equality):
        return False
    (variable,) = unknown
    off = definition.args[0] - definition.args[1]

    def residual(value):
        variable.value = value.reshape(variable.shape, order="F")
        return np.asarray(off.value).ravel(order="F")

    base = residual(np.zeros(variable.size))
    columns = np.stack([residual(e) - base for e in np.eye(variable.size)], axis=1)
    variable.value = np.linalg.solve(columns, -base).reshape(variable.shape, order="F")
    return True


def term_size(plan):
    """Sum of |terms| by interval and asset: between assets they cancel."""
    return float(plan.breakdown()["weighted"].abs().sum()) + 1e-300


class TestPublished:
    """Obizhaeva & Wang (2013), Alfonsi, Fruth & Schied (2010), Gatheral, Schied & Slynko (2012)."""

    X, Q, LAMBDA, RHO = 1e5, 5000.0, 1e-4, 2.231

    def plan(self, n, **permanent):
        strength = 1.0 / self.Q - self.LAMBDA
        cost = TransientImpact(ExponentialDecay(rate=self.RHO), strength, trade_at="start")
        return single(np.arange(n + 2) / n, cost + ac.PermanentImpact(self.LAMBDA, own="half")).solve()

    @pytest.mark.parametrize(("n", "ends", "inner"), [(10, 26317.961234, 5262.675281), (100, 23899.235452, 527.288173)])
    def test_obizhaeva_wang(self, n, ends, inner):
        sold = -self.plan(n).path.trades[:, 0]
        np.testing.assert_allclose(sold[[0, -1]], ends, atol=DIGITS)
        np.testing.assert_allclose(sold[1:-1], inner, atol=DIGITS)

    def test_obizhaeva_wang_cost(self):
        plan = self.plan(10)
        assert plan.expected_cost == pytest.approx(736866.235932, abs=DIGITS)
        assert plan.term_values["PermanentImpact"] == pytest.approx(0.5 * self.LAMBDA * self.X**2, rel=1e-12)
        a = np.exp(-self.RHO / 10)
        kappa = 1.0 / self.Q - self.LAMBDA
        own = kappa * self.X**2 * (1 + a) / (2 * (2 + 9 * (1 - a)))
        assert plan.term_values["TransientImpact"] == pytest.approx(own, rel=1e-12)

    def test_uneven_grid(self):
        """w_0 = 1/(1+a_1), w_i = 1/(1+a_i) - a_{i+1}/(1+a_{i+1}), w_N = 1/(1+a_N)."""
        edges = EDGES["many"]
        a = np.exp(-3.0 * np.diff(edges[:-1]))
        first = 1 / (1 + a)
        weights = np.concatenate([[first[0]], first[:-1] - a[1:] / (1 + a[1:]), [first[-1]]])
        plan = single(edges, TransientImpact(ExponentialDecay(rate=3.0), 2e-4, trade_at="start")).solve()
        np.testing.assert_allclose(plan.path.trades[:, 0], -1e5 * weights / weights.sum(), atol=EXACT * 1e5)

    def test_linear_decay(self):
        """rho T = 3.5: .2 .05 .15 .1 .1 .15 .05 .2 at i / rho and T - i / rho, at a cost of .1125."""
        times = np.sort(np.concatenate([np.arange(4.0), 3.5 - np.arange(4.0)]))
        edges = np.append(times, 4.0)
        plan = single(edges, TransientImpact(LinearDecay(1.0), 1.0, trade_at="start"), 1.0).solve()
        np.testing.assert_allclose(-plan.path.trades[:, 0], [0.2, 0.05, 0.15, 0.1, 0.1, 0.15, 0.05, 0.2], atol=1e-10)
        assert plan.objective == pytest.approx(0.1125, abs=1e-12)


class TestDenseAlgebra:
    @pytest.mark.parametrize("at", EDGES)
    @pytest.mark.parametrize("trade_at", ["start", "middle", "end"])
    @pytest.mark.parametrize("kernel", KERNELS)
    def test_the_optimum_in_closed_form(self, kernel, trade_at, at):
        edges = EDGES[at]
        moments = edges[:-1] + {"start": 0.0, "middle": 0.5, "end": 1.0}[trade_at] * np.diff(edges)
        matrix = kernel_of(KERNELS[kernel], moments)
        plan = single(edges, TransientImpact(KERNELS[kernel], 3e-5, trade_at=trade_at)).solve()
        expected = closed_form(matrix, 1e5)
        np.testing.assert_allclose(plan.path.trades[:, 0], expected, atol=EXACT * 1e5)
        assert plan.objective == pytest.approx(0.5 * 3e-5 * expected @ matrix @ expected, rel=1e-10)

    @pytest.mark.parametrize("kernel", ["exponential", "power law", "function"])
    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    def test_values_are_the_double_sum(self, kernel, kind):
        """By asset, between assets, and by interval they add up to it."""
        order, names = builders.order(kind), builders.NAMES
        by_asset = pd.Series({"A": 2e-6, "B": 4e-4, "C": 0.0})
        between = builders.cross_impact(names)
        moments = 0.5 * (EDGES["uneven"][1:] + EDGES["uneven"][:-1])
        for strength, matrix in ((by_asset, np.diag(by_asset)), (between, between.to_numpy())):
            problem = ac.ExecutionProblem(order, builders.market("uneven"), TransientImpact(KERNELS[kernel], strength))
            trades = builders.random_trades(problem, 4)
            plan = problem.evaluate(trades)
            brute = double_sum(KERNELS[kernel], matrix, moments, trades)
            assert plan.objective == pytest.approx(brute, rel=1e-12)
            assert plan.breakdown()["value"].sum() == pytest.approx(brute, rel=1e-12)

    @pytest.mark.parametrize("kernel", [ExponentialDecay(half_life=1.0), lambda t: 0.5**t], ids=["state", "dense"])
    def test_a_trade_pays_what_is_left_of_earlier_ones_and_half_of_its_own(self, kernel):
        problem = single([0.0, 1.0, 2.0, 3.0], TransientImpact(kernel, 0.01))
        values = problem.evaluate(np.array([[-100.0], [-200.0], [-300.0]])).breakdown()["value"]
        left = [0.0, 50.0, 125.0]
        np.testing.assert_allclose(
            values, [u * 0.01 * (e + 0.5 * u) for u, e in zip((100.0, 200.0, 300.0), left, strict=True)], rtol=1e-14
        )

    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    def test_kernels_by_asset(self, kind):
        """Each asset on its own: the closed form of its own kernel."""
        kernels = {"A": KERNELS["exponential"], "B": KERNELS["power law"], "C": KERNELS["linear"], "unused": None}
        order = builders.order(kind)
        kernels.pop("unused")
        strength = pd.Series({"C": 1e-5, "B": 3e-4, "A": 2e-6})
        plan = ac.ExecutionProblem(order, builders.market("uneven"), TransientImpact(kernels, strength)).solve()
        edges = EDGES["uneven"]
        for i, name in enumerate(order.assets):
            matrix = kernel_of(kernels[name], 0.5 * (edges[1:] + edges[:-1]))
            expected = closed_form(matrix, plan.setting.remaining[i])
            np.testing.assert_allclose(plan.path.trades[:, i], expected, atol=EXACT * plan.setting.size)

    def test_half_lives_by_asset_keep_the_state_form(self):
        kernels = {
            "A": ExponentialDecay(half_life=0.1),
            "B": ExponentialDecay(rate=1.0),
            "C": ExponentialDecay(rate=9.0),
        }
        cost = TransientImpact(kernels, pd.Series({"A": 1e-6, "B": 1e-4, "C": 1e-5}), trade_at="end")
        problem = ac.ExecutionProblem(builders.order("sell many"), builders.market("uneven"), cost)
        plan = problem.solve()
        assert "decay" in cost.parameters(problem.setting, 1.0)
        for i, name in enumerate("ABC"):
            expected = closed_form(kernel_of(kernels[name], EDGES["uneven"][1:]), plan.setting.remaining[i])
            np.testing.assert_allclose(plan.path.trades[:, i], expected, atol=EXACT * plan.setting.size)

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_between_assets_with_temporary_impact(self, kernel):
        """KKT of the dense quadratic: 1/2 u'(G x S) u + sum eta u^2 / tau, every asset's trades adding up."""
        names, edges = ["A", "C"], EDGES["uneven"]
        strength, eta = builders.cross_impact(names, coupling=-0.6), np.array([3e-6, 5e-6])
        market = builders.market("uneven", names)
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"C": 4_000.0})
        cost = TransientImpact(KERNELS[kernel], strength) + ac.TemporaryImpact(pd.Series(eta, names))
        plan = ac.ExecutionProblem(order, market, cost).solve()
        g = kernel_of(KERNELS[kernel], 0.5 * (edges[1:] + edges[:-1]))
        hessian = np.kron(g, strength) + 2.0 * np.kron(np.diag(1.0 / np.diff(edges)), np.diag(eta))
        total = np.kron(np.ones((1, len(g))), np.eye(2))
        kkt = np.block([[hessian, total.T], [total, np.zeros((2, 2))]])
        answer = np.linalg.solve(kkt, np.concatenate([np.zeros(2 * len(g)), -plan.setting.remaining]))
        np.testing.assert_allclose(plan.path.trades.ravel(), answer[: 2 * len(g)], atol=EXACT * 9_000.0)

    def test_a_singular_strength_between_assets(self):
        """Two names that move as one: what is sold of one and bought of the other moves nothing."""
        strength = pd.DataFrame([[1e-6, 1e-6], [1e-6, 1e-6]], index=["A", "C"], columns=["A", "C"])
        order = ac.Order.sell({"A": 1_000.0}) + ac.Order.buy({"C": 1_000.0})
        cost = TransientImpact(KERNELS["exponential"], strength) + ac.TemporaryImpact(pd.Series({"A": 1e-9, "C": 1e-9}))
        plan = ac.ExecutionProblem(order, builders.market("even", ["A", "C"]), cost).solve()
        np.testing.assert_allclose(plan.path.trades, np.tile([-200.0, 200.0], (5, 1)), atol=1e-5)
        assert plan.term_values["TransientImpact"] == pytest.approx(0.0, abs=1e-12)


class TestStateForm:
    @given(
        seed=st.integers(0, 10_000),
        periods=st.integers(1, 14),
        rate=st.sampled_from([0.0, 0.01, 1.0, 7.0, 80.0]),
        trade_at=st.sampled_from(["start", "middle", "end"]),
    )
    @settings(max_examples=40, deadline=None)
    def test_against_the_dense_form_with_coincident_stamps(self, seed, periods, rate, trade_at):
        """Auctions stand at the moments of their neighbours: a = 1, and neither form minds."""
        rng = np.random.default_rng(seed)
        edges, auctions, stamps = [0.0], [], [pd.Timestamp("2020-01-06 09:30")]
        for k in range(periods):
            auction = k > 0 and rng.random() < 0.3
            edges.append(edges[-1] + (0.0 if auction else rng.uniform(0.02, 0.5)))
            stamps.append(stamps[-1] + pd.Timedelta(minutes=1))
            auctions.append(auction)
        grid = ac.TimeGrid(edges, auctions=auctions, timestamps=pd.DatetimeIndex(stamps))
        market = ac.Market(grid, 50.0)
        state = TransientImpact(ExponentialDecay(rate=rate), 1e-5, trade_at=trade_at)
        dense = TransientImpact(lambda t: np.exp(-rate * t), 1e-5, trade_at=trade_at)
        eta = ac.TemporaryImpact(1e-7, auction=1e-6)
        plans = [ac.ExecutionProblem(ac.Order.sell(1e5), market, cost + eta).solve() for cost in (state, dense)]
        np.testing.assert_allclose(plans[0].path.trades, plans[1].path.trades, atol=EXACT * 1e5)
        trades = rng.normal(size=(periods, 1)) * 1e4
        assert np.sum(state.values(ac.ExecutionProblem(ac.Order.sell(1e5), market, state).evaluate(trades).path)) == (
            pytest.approx(np.sum(dense.values(plans[1].problem.evaluate(trades).path)), rel=1e-10, abs=1e-6)
        )

    def test_linear_in_the_number_of_intervals(self):
        """Entries of the compiled program, before and after its reductions."""
        sizes = []
        for n in (50, 100, 200):
            problem = single(np.linspace(0.0, 1.0, n + 1), TransientImpact(KERNELS["exponential"], 1e-5))
            problem.solve()
            engine = problem._solver._engine
            sizes.append((len(problem._solver._program.a_pattern.row), len(engine._presolve.a_pattern.row)))
        for before, after in pairwise(sizes):
            assert after[0] <= 2.05 * before[0]
            assert after[1] <= 2.05 * before[1]

    @pytest.mark.parametrize("shares", [1e2, 1e4, 1e6, 1e9])
    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_any_size_of_order(self, kernel, shares):
        edges = EDGES["many"]
        plan = single(edges, TransientImpact(KERNELS[kernel], 3.0 / shares), shares).solve()
        matrix = kernel_of(KERNELS[kernel], 0.5 * (edges[1:] + edges[:-1]))
        np.testing.assert_allclose(plan.path.trades[:, 0], closed_form(matrix, shares), atol=EXACT * shares)

    @pytest.mark.parametrize("rate", [1e-6, 1e-3, 1e3])
    def test_any_rate(self, rate):
        edges = np.linspace(0.0, 1.0, 27)
        cost = TransientImpact(ExponentialDecay(rate=rate), 1e-5) + ac.TemporaryImpact(1e-7)
        plan = single(edges, cost).solve()
        hessian = 1e-5 * kernel_of(ExponentialDecay(rate=rate), 0.5 * (edges[1:] + edges[:-1]))
        hessian += np.diag(2e-7 / np.diff(edges))
        np.testing.assert_allclose(plan.path.trades[:, 0], closed_form(hessian, 1e5), atol=1e-8 * 1e5)


class TestBellman:
    """Obizhaeva and Wang's book with a temporary cost and risk: `analytic`, which shares no code, by recursion."""

    @given(
        seed=st.integers(0, 10_000),
        periods=st.integers(1, 40),
        rate=st.sampled_from([1e-3, 0.5, 3.0, 40.0]),
        urgency=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
        trade_at=st.sampled_from(["start", "middle", "end"]),
        side=st.sampled_from([-1.0, 1.0]),
    )
    @settings(max_examples=40, deadline=None)
    def test_with_risk(self, seed, periods, rate, urgency, trade_at, side):
        rng = np.random.default_rng(seed)
        edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 0.3, periods))])
        tau, strength = np.diff(edges), 1e-5
        eta, sigma = rng.uniform(1e-8, 1e-6, periods), 0.8
        aversion = urgency * strength / sigma**2
        grid = ac.TimeGrid(edges)
        market = ac.Market(grid, 50.0, covariance=sigma**2)
        cost = TransientImpact(ExponentialDecay(rate=rate), strength, trade_at=trade_at)
        costs = cost + ac.TemporaryImpact(pd.Series(eta, grid.labels)) + aversion * ac.TimingRisk()
        plan = ac.ExecutionProblem(ac.Order(side * 1e5), market, costs).solve()
        moments = edges[:-1] + {"start": 0.0, "middle": 0.5, "end": 1.0}[trade_at] * tau
        oracle = RiskAverseObizhaevaWang(side * 1e5, moments, rate, strength, tau, sigma, eta).optimum(aversion)
        np.testing.assert_allclose(plan.path.trades[:, 0], oracle.trades, atol=1e-8 * 1e5)
        assert plan.objective == pytest.approx(oracle.cost, rel=1e-9)

    @pytest.mark.parametrize("shares", [1e2, 1e5, 1e9])
    def test_a_thousand_intervals(self, shares):
        """Cold, from objects to certificate, next to the closed form."""
        n = 1_000
        edges = np.arange(n + 1) / (n - 1)
        cost = TransientImpact(ExponentialDecay(rate=2.231), 10.0 / shares, trade_at="start")
        plan = single(edges, cost, shares).solve()
        oracle = ObizhaevaWang(shares, edges[:-1], 2.231, 10.0 / shares).optimum()
        np.testing.assert_allclose(plan.path.trades[:, 0], oracle.trades, atol=EXACT * shares)
        assert plan.certificate.tries[0].startswith("OSQP: solved")
        assert len(plan.certificate.tries) == 1

    @pytest.mark.parametrize("kernel", [PowerLawDecay(0.3, 0.01), PowerLawDecay(2.0, 0.5), LinearDecay(0.9)])
    def test_any_kernel_on_a_fine_grid(self, kernel):
        edges = np.linspace(0.0, 1.0, 121)
        plan = single(edges, TransientImpact(kernel, 1e-5)).solve()
        oracle = kernel_optimum(1e5, 0.5 * (edges[1:] + edges[:-1]), kernel, 1e-5)
        np.testing.assert_allclose(plan.path.trades[:, 0], oracle.trades, atol=EXACT * 1e5)
        assert plan.objective == pytest.approx(oracle.cost, rel=1e-10)


class TestLimits:
    @pytest.mark.parametrize("kernel", [ExponentialDecay(rate=0.0), LinearDecay(0.0), ExponentialDecay(rate=1e-12)])
    def test_without_decay_it_is_permanent(self, kernel):
        """1/2 S X^2 whatever the path, and TWAP once any temporary impact decides."""
        cost = TransientImpact(kernel, 1e-5)
        problem = single(EDGES["uneven"], cost + ac.TemporaryImpact(1e-7))
        for seed in range(3):
            plan = problem.evaluate(builders.random_trades(problem, seed))
            assert plan.term_values["TransientImpact"] == pytest.approx(0.5e-5 * 1e10, rel=1e-9)
        np.testing.assert_allclose(problem.solve().path.trades[:, 0], -1e5 * np.diff(EDGES["uneven"]), atol=1e-3)

    @pytest.mark.parametrize("kernel", [ExponentialDecay(rate=1e6), LinearDecay(1e6), PowerLawDecay(40.0, 1e-6)])
    def test_with_instant_decay_it_is_temporary(self, kernel):
        """1/2 S u^2: eta = 1/2 S tau."""
        problem = single(EDGES["uneven"], TransientImpact(kernel, 1e-5) + 1e-6 * ac.TimingRisk(), covariance=2.0)
        eta = pd.Series(0.5e-5 * np.diff(EDGES["uneven"]), problem.market.grid.labels)
        same = single(EDGES["uneven"], ac.TemporaryImpact(eta) + 1e-6 * ac.TimingRisk(), covariance=2.0)
        np.testing.assert_allclose(problem.solve().path.trades, same.solve().path.trades, atol=EXACT * 1e5)

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_one_interval(self, kernel):
        plan = single([0.0, 1.0], TransientImpact(KERNELS[kernel], 1e-5)).solve()
        assert plan.path.trades[0, 0] == -1e5
        assert plan.objective == pytest.approx(0.5e-5 * 1e10, rel=1e-12)

    @pytest.mark.parametrize("kernel", ["exponential", "linear"])
    def test_nothing_to_trade(self, kernel):
        plan = single(EDGES["even"], TransientImpact(KERNELS[kernel], 1e-5), 0.0).solve()
        np.testing.assert_array_equal(plan.path.trades, 0.0)

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_a_strength_of_zero(self, kernel):
        cost = TransientImpact(KERNELS[kernel], pd.Series({"A": 0.0, "B": 0.0, "C": 0.0})) + ac.TemporaryImpact()
        plan = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), cost).solve()
        alone = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), ac.TemporaryImpact())
        np.testing.assert_allclose(plan.path.trades, alone.solve().path.trades, atol=EXACT * 9_000.0)

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_selling_mirrors_buying(self, kernel):
        def plan(kind):
            cost = TransientImpact(KERNELS[kernel], pd.Series({"A": 1e-6, "B": 1e-4, "C": 1e-5}))
            costs = cost + ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk()
            order = ac.Order(kind * pd.Series(builders.ORDERS["sell many"]))
            return ac.ExecutionProblem(order, builders.market("uneven"), costs).solve()

        np.testing.assert_allclose(plan(1.0).path.trades, -plan(-1.0).path.trades, atol=EXACT * 9_000.0)

    def test_time_runs_backwards_alike(self):
        """A kernel knows distances only: the mirrored grid has the mirrored plan."""
        edges = EDGES["many"]
        there, back = (
            single(e, TransientImpact(KERNELS["power law"], 1e-5)).solve() for e in (edges, edges[-1] - edges[::-1])
        )
        np.testing.assert_allclose(there.path.trades, back.path.trades[::-1], atol=EXACT * 1e5)


class TestAgreement:
    """What CVXPY is told and what NumPy computes are one number."""

    MATRIX = pd.DataFrame(
        [[3e-7, 4e-7, 0.0], [4e-7, 2e-5, 1e-6], [0.0, 1e-6, 2e-6]], index=[*builders.NAMES], columns=[*builders.NAMES]
    )

    def costs(self, kernel):
        kernel = KERNELS[kernel]
        ground = ac.TemporaryImpact(STRENGTH * 1e-3)
        return {
            "by asset": 2.0 * TransientImpact(kernel, STRENGTH, trade_at="start"),
            "between assets": 3.0 * TransientImpact(kernel, BETWEEN, trade_at="end"),
            "lent": TransientImpact(kernel, STRENGTH) + 0.2 * ac.PermanentImpact(GAMMA) + ground,
            "lent, between assets": 4.0 * TransientImpact(kernel, BETWEEN) + 0.2 * ac.PermanentImpact(GAMMA) + ground,
            "lent, matrices": TransientImpact(kernel, STRENGTH) + 0.2 * ac.PermanentImpact(self.MATRIX) + ground,
            "lent, all matrices": TransientImpact(kernel, BETWEEN) + 0.2 * ac.PermanentImpact(self.MATRIX) + ground,
            "two of them": TransientImpact(kernel, STRENGTH)
            + TransientImpact(KERNELS["linear"], STRENGTH, name="slow")
            + 0.2 * ac.PermanentImpact(GAMMA)
            + ground,
        }

    @pytest.mark.parametrize("at", builders.EDGES)
    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_expression_and_values(self, kernel, kind, at):
        for name, cost in self.costs(kernel).items():
            problem = ac.ExecutionProblem(builders.order(kind), builders.market(at), cost)
            assert problem.cvxpy_problem.is_dcp(dpp=True)
            if name.startswith("lent"):
                assert any(v.any() for v in problem.setting.lent.values()), name
            for seed in range(2):
                trades = builders.random_trades(problem, seed)
                plan = problem.evaluate(trades)
                assert abs(told(problem, trades) - plan.objective) <= AGREEMENT * term_size(plan), name

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_the_optimum_is_one(self, kernel):
        for name, cost in self.costs(kernel).items():
            problem = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), cost)
            plan = problem.solve()
            rng = np.random.default_rng(1)
            for size in (1e-3, 1e-1):
                nudge = rng.normal(size=plan.path.trades.shape) * size * np.abs(problem.setting.remaining)
                nudge -= nudge.mean(axis=0)
                better = problem.evaluate(plan.path.trades + nudge).objective
                assert better >= plan.objective - 1e-10 * term_size(plan), name


class TestComposition:
    """Every other cost and rule beside it, against dense CVXPY with Clarabel."""

    NAMES = ("A", "C")

    def market(self):
        grid = ac.TimeGrid.session("2019-02-15", "45min", start="09:30", end="15:30", auctions="open")
        return builders.market(grid, self.NAMES, impact=ac.LinearImpact(4.0, permanent_bps=0.2))

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    @pytest.mark.parametrize("between", [False, True])
    def test_everything_at_once(self, kernel, between):
        market = self.market()
        strength = builders.cross_impact(self.NAMES, 1e-6)
        strength = strength if between else pd.Series(np.diag(strength), self.NAMES)
        transient = TransientImpact(KERNELS[kernel], strength)
        drift = pd.Series({"A": 0.02, "C": -0.05})
        eta = pd.Series({"A": 2e-7, "C": 4e-7})
        gamma = pd.Series({"A": 4e-8, "C": 8e-8})
        costs = (
            transient
            + ac.TemporaryImpact(eta, auction=eta * 3)
            + ac.PermanentImpact(gamma, name="full")
            + ac.PermanentImpact(gamma / 2, own="half", name="half")
            + ac.SpreadCost()
            + ac.Alpha(drift)
            + 1e-5 * ac.TimingRisk()
            + ac.Jerk(0.05)
        )
        order = ac.Order.sell({"A": 30_000.0}) + ac.Order.buy({"C": 12_000.0})
        problem = ac.ExecutionProblem(order, market, costs, [ac.Participation(0.12), ac.DollarNeutral(0.25)])
        plan = problem.solve()
        assert plan.certificate.relative_gap <= 1e-6
        value, trades = self.by_hand(problem, transient, eta, gamma, drift)
        assert plan.objective == pytest.approx(value, rel=SOLVER)
        np.testing.assert_allclose(plan.path.trades, trades, atol=1e-4 * 30_000.0)

    def by_hand(self, problem, transient, eta, gamma, drift):
        setting = problem.setting
        grid, (n, m) = setting.grid, setting.shape
        tau, moments = grid.durations, 0.5 * (grid.edges[1:] + grid.edges[:-1])
        u, x0 = cp.Variable((n, m)), setting.remaining
        x = np.tril(np.ones((n, n))) @ u + np.ones((n, 1)) @ x0[None, :]
        strength = transient.strength.to_numpy()
        strength = strength if strength.ndim == 2 else np.diag(strength)
        g = kernel_of(transient.kernel, moments)
        value = 0.5 * cp.quad_form(cp.vec(u, order="C"), cp.psd_wrap(np.kron(g, strength)))
        own = np.where(tau[:, None] > 0, eta.to_numpy() / np.where(tau > 0, tau, 1.0)[:, None], 3 * eta.to_numpy())
        value += cp.sum(cp.multiply(own - 0.5 * gamma.to_numpy(), cp.square(u)))
        value += 0.75 * float(gamma @ x0**2)
        half = 0.5 * setting.market.spreads * np.where(tau > 0, 1.0, 0.0)[:, None]
        value += cp.sum(cp.multiply(half, cp.abs(u)))
        value -= cp.sum(cp.multiply(tau[:, None] * drift.to_numpy(), x))
        covariance = builders.correlated(0.02 * setting.market.prices)
        value += 1e-5 * sum(tau[k] * cp.quad_form(x[k], covariance) for k in range(n))
        value += self.jerk(x, x0, grid, setting.eta * 0.05**4)
        volume = 0.12 * setting.market.volumes
        prices = setting.market.prices
        rules = [cp.sum(u, axis=0) == -x0, cp.abs(u) <= volume, cp.abs(x @ prices) <= 0.25 * (prices @ np.abs(x0))]
        found = cp.Problem(cp.Minimize(value), rules).solve(solver="CLARABEL")
        return found, u.value

    def jerk(self, x, x0, grid, weight):
        """On the even part, after the opening cross: third differences over tau^3, each weighted by tau."""
        tau = grid.durations[1]
        path = [x0 + 0 * x[0], *(x[k] for k in range(x.shape[0]))][1:]
        windows = [path[k + 3] - 3 * path[k + 2] + 3 * path[k + 1] - path[k] for k in range(len(path) - 3)]
        return sum(tau * cp.sum(cp.multiply(weight, cp.square(w / tau**3))) for w in windows)

    def test_a_night_counts_by_its_stated_time(self):
        grid = ac.TimeGrid([0.0, 0.5, 1.0, 1.6, 2.0], closed=[False, False, True, False])
        problem = ac.ExecutionProblem(
            ac.Order.sell(1e4), ac.Market(grid, 50.0), TransientImpact(ExponentialDecay(rate=2.0), 1e-4)
        )
        plan = problem.solve()
        expected = closed_form(kernel_of(ExponentialDecay(rate=2.0), [0.25, 0.75, 1.8]), 1e4)
        np.testing.assert_allclose(plan.path.trades[[0, 1, 3], 0], expected, atol=EXACT * 1e4)
        assert plan.path.trades[2, 0] == 0.0

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    def test_history_is_remembered(self, kernel):
        """The rest is planned on the impact that the past has left: KKT with the past fixed."""
        edges, shares = EDGES["many"], 1e5
        problem = single(edges, TransientImpact(KERNELS[kernel], 1e-5), shares, volume=1e6)
        past = np.array([[-30_000.0], [0.0], [5_000.0]])
        plan = problem.with_history(past).solve()
        g = kernel_of(KERNELS[kernel], 0.5 * (edges[1:] + edges[:-1]))
        rest = g[3:, 3:]
        kkt = np.block([[rest, np.ones((len(rest), 1))], [np.ones((1, len(rest))), np.zeros((1, 1))]])
        answer = np.linalg.solve(kkt, np.append(-g[3:, :3] @ past[:, 0], -shares - past.sum()))
        np.testing.assert_allclose(plan.path.trades[:3], past, atol=0.0)
        np.testing.assert_allclose(plan.path.trades[3:, 0], answer[:-1], atol=EXACT * shares)

    def test_a_cap_that_binds(self):
        """Ends of Obizhaeva and Wang that are capped: the excess goes to the neighbours."""
        edges = np.arange(12) / 10
        cost = TransientImpact(ExponentialDecay(rate=2.231), 1e-4, trade_at="start")
        market = ac.Market(ac.TimeGrid(edges), 50.0)
        plan = ac.ExecutionProblem(ac.Order.sell(1e5), market, cost, [ac.TradeSize(-2e4, 0.0)]).solve()
        sold = -plan.path.trades[:, 0]
        assert sold[0] == sold[-1] == 2e4
        # Not at a bound: the marginal cost of selling is the same in all of them.
        marginal = kernel_of(ExponentialDecay(rate=2.231), edges[:-1]) @ sold
        np.testing.assert_allclose(marginal[1:-1], marginal[1], rtol=1e-9)
        assert marginal[0] < marginal[1]
        np.testing.assert_allclose(sold, sold[::-1], atol=EXACT * 1e5)


class TestUpdates:
    def market(self, at="uneven", **changes):
        return builders.market(at, **changes)

    @pytest.mark.parametrize("kernel", ["exponential", "power law", "linear"])
    @pytest.mark.parametrize("between", [False, True])
    def test_a_sequence_equals_fresh_problems(self, kernel, between):
        """Other grids of as many intervals, other orders, other weights: all on the compiled program."""
        names = builders.NAMES
        strength = BETWEEN if between else STRENGTH
        cost = TransientImpact(KERNELS[kernel], strength) + ac.TemporaryImpact() + ac.PermanentImpact()
        problem = ac.ExecutionProblem(builders.order("sell many"), self.market(), cost)
        program = problem.declaration.problem
        other = ac.TimeGrid([0.0, 0.3, 0.31, 0.8, 1.1, 1.15])
        thin = builders.market(other, volume=pd.DataFrame(3e4, other.labels, [*names]))
        closed = thin.volume.copy()
        closed.iloc[2, 1] = 0.0
        steps = [
            {"market": builders.market(other)},
            {"order": builders.order("both sides")},
            {"weights": {"TransientImpact": 3.0}},
            {"market": builders.market(other, volume=closed)},
            {"weights": {"TransientImpact": 0.5, "TemporaryImpact": 2.0}, "order": builders.order("buy many")},
            {"market": self.market()},
        ]
        for step in steps:
            problem.update(**step)
            fresh = ac.ExecutionProblem(problem.order, problem.market, problem.objective).solve()
            plan = problem.solve()
            assert problem.declaration.problem is program
            np.testing.assert_allclose(plan.path.trades, fresh.path.trades, atol=1e-7 * plan.setting.size)
            assert plan.objective == pytest.approx(fresh.objective, rel=1e-9)

    @pytest.mark.parametrize("kernel", ["exponential", "power law"])
    @pytest.mark.parametrize("between", [False, True])
    def test_weights_may_change_what_is_lent(self, kernel, between):
        """Each alone convex, then lent, then not: on the same program, equal to fresh ones."""
        strength = BETWEEN if between else STRENGTH
        gamma = pd.Series({"A": 1e-7, "B": 1e-5, "C": 1e-6})
        cost = TransientImpact(KERNELS[kernel], strength) + ac.TemporaryImpact(gamma) + 1.0 * ac.PermanentImpact(gamma)
        problem = ac.ExecutionProblem(builders.order("both sides"), self.market(), cost)
        program, lent = problem.declaration.problem, []
        for weights in (
            {"PermanentImpact": 1.0},
            {"TemporaryImpact": 0.01},
            {"TransientImpact": 5.0},
            {"PermanentImpact": 0.0},
            {"PermanentImpact": 0.5},
            {"TemporaryImpact": 1.0},
        ):
            problem.update(weights=weights)
            lent.append(bool(problem.setting.lent["TransientImpact"].any()))
            fresh = ac.ExecutionProblem(problem.order, problem.market, problem.objective).solve()
            plan = problem.solve()
            assert problem.declaration.problem is program
            np.testing.assert_allclose(plan.path.trades, fresh.path.trades, atol=1e-7 * plan.setting.size)
        assert lent == [False, True, True, False, True, False]

    def test_a_weight_that_makes_it_concave_changes_nothing(self):
        cost = TransientImpact(KERNELS["exponential"], 1e-6) + ac.TemporaryImpact(1e-9) + 1.0 * ac.PermanentImpact(1e-7)
        problem = single(EDGES["uneven"], cost)
        before = problem.solve().objective
        for weights in ({"PermanentImpact": 100.0}, {"TransientImpact": 0.0}):
            with pytest.raises(ac.ModelError, match="with what comes from TransientImpact"):
                problem.update(weights=weights)
            assert problem.solve().objective == before


class TestRefusals:
    def test_a_box_kernel_with_the_round_trip_that_earns(self):
        """Buy 1, sell 2, buy 1 within the box of its neighbours only: -2 + 3 = 1, half of it for each of 2 pairs."""
        grid = ac.TimeGrid.session("2019-02-15", "15min", start="10:00", end="12:00")
        order, market = ac.Order.sell({"JPM": 1e4}), ac.Market(grid, pd.Series({"JPM": 100.0}))

        def box(t):
            return np.where(t < 0.05, 1.0, 0.0)

        with pytest.raises(ac.ModelError) as caught:
            ac.ExecutionProblem(order, market, TransientImpact(box, 4e-6))
        text = str(caught.value)
        assert "TransientImpact: the kernel box of JPM is not positive definite on this grid" in text
        assert "buy 1 at 10:00, sell 2 at 10:15, buy 1 at 10:30 earns 4e-06 currency per share^2" in text
        trip = np.zeros(8)
        trip[:3] = 1.0, -2.0, 1.0
        moments = 0.5 * (grid.edges[1:] + grid.edges[:-1])
        assert 0.5 * 4e-6 * trip @ kernel_of(box, moments) @ trip == pytest.approx(-4e-6, rel=1e-12)

    @pytest.mark.parametrize(
        ("kernel", "expected"),
        [
            (lambda t: np.where(t < 0.15, 1.0, 0.0), 3),
            (lambda t: 1.0 + t, 2),  # grows: sell where it is bought, later
            (lambda t: np.cos(9.0 * t), None),
        ],
    )
    def test_what_is_named_does_earn(self, kernel, expected):
        edges = np.linspace(0.0, 1.0, 11)
        market = ac.Market(ac.TimeGrid(edges), 50.0)
        cost = TransientImpact(kernel, 1.0)
        try:
            problem = ac.ExecutionProblem(ac.Order.sell(1.0), market, cost)
        except ac.ModelError as error:
            text = str(error)
        else:
            assert expected is None
            assert np.linalg.eigvalsh(kernel_of(kernel, 0.5 * (edges[1:] + edges[:-1])))[0] > -1e-12
            assert problem.solve().certificate is not None
            return
        trades = np.zeros(10)
        steps = text.split("this grid: ")[1].split(" earns ")[0].split(", ")
        for side, shares, _, start in (step.split(" ") for step in steps):
            trades[int(np.argmin(np.abs(edges[:-1] - float(start))))] = float(shares) * (1 if side == "buy" else -1)
        assert len(steps) == expected
        assert trades.sum() == 0.0
        worth = -0.5 * trades @ kernel_of(kernel, 0.5 * (edges[1:] + edges[:-1])) @ trades
        assert worth > 0
        assert float(text.split(" earns ")[1].split(" currency")[0]) == pytest.approx(worth, rel=1e-3)

    def test_a_round_trip_of_many_trades(self):
        """No two or three trades earn, a longer chain does: 1 + 2 (g_1 cos w + g_2 cos 2w) < 0."""

        def kernel(t):
            return np.select([t < 0.05, t < 0.15, t < 0.25], [1.0, 0.5, -0.3], 0.0)

        with pytest.raises(ac.ModelError, match="more trades earns"):
            single(np.linspace(0.0, 2.0, 21), TransientImpact(kernel, 1.0))

    def test_the_grid_decides(self):
        """A box is a kernel where no two trades are within it."""

        def box(t):
            return np.where(t < 0.15, 1.0, 0.0)

        plan = single(np.linspace(0.0, 1.0, 6), TransientImpact(box, 1e-5)).solve()
        np.testing.assert_allclose(plan.path.trades, -2e4, rtol=1e-9)
        with pytest.raises(ac.ModelError, match="not positive definite on this grid"):
            single(np.linspace(0.0, 1.0, 11), TransientImpact(box, 1e-5))

    def test_only_what_can_trade_is_judged(self):
        """A box that reaches over closed intervals only."""
        grid = ac.TimeGrid(np.linspace(0.0, 1.0, 11), closed=[False, True, True] * 3 + [False])

        def box(t):
            return np.where(t < 0.25, 1.0, 0.0)

        order, market = ac.Order.sell(4e4), ac.Market(grid, 50.0)
        plan = ac.ExecutionProblem(order, market, TransientImpact(box, 1e-5)).solve()
        np.testing.assert_allclose(plan.path.trades[::3], -1e4, rtol=1e-9)

    def test_a_kernel_is_judged_again_on_another_grid(self):
        def box(t):
            return np.where(t < 0.15, 1.0, 0.0)

        problem = single(np.linspace(0.0, 10.0, 11), TransientImpact(box, 1e-5))
        before = problem.solve().objective
        with pytest.raises(ac.ModelError, match="not positive definite"):
            problem.update(market=ac.Market(ac.TimeGrid(np.linspace(0.0, 1.0, 11)), 50.0))
        assert problem.solve().objective == before

    @pytest.mark.parametrize("wrong", [-1e-6, np.nan, np.inf])
    def test_strengths(self, wrong):
        with pytest.raises(ac.DataError, match="TransientImpact strength is"):
            single(EDGES["even"], TransientImpact(KERNELS["exponential"], wrong))

    def test_a_scalar_for_several_assets(self):
        with pytest.raises(ac.DataError, match=r"TransientImpact strength: the scalar 1e-06 is in price units"):
            self.several(1e-6)

    def test_labels(self):
        with pytest.raises(ac.DataError, match="TransientImpact strength: no value for asset C"):
            self.several(pd.Series({"A": 1.0, "B": 1.0}))

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            ([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]], r"not positive semidefinite.*-1, most of it in [AB]"),
            ([[1.0, 0.5, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 1.0]], "is not symmetric"),
            ([[1.0, np.nan, 0.0], [np.nan, 1.0, 0.0], [0.0, 0.0, 1.0]], "strength is nan"),
            ([[1.0, 0.5], [0.5, 1.0]], r"shape \(2, 2\) was given, \(3, 3\) is expected"),
            ([[1.0, 0.0, 0.0], [0.0, -1e-9, 0.0], [0.0, 0.0, 1.0]], "not positive semidefinite.*in B"),
        ],
    )
    def test_matrices(self, matrix, message):
        with pytest.raises(ac.DataError, match=message):
            self.several(np.array(matrix))

    def several(self, strength, kernel=None):
        kernel = KERNELS["exponential"] if kernel is None else kernel
        cost = TransientImpact(kernel, strength)
        return ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), cost)

    def test_a_kernel_for_every_asset(self):
        kernels = {"A": KERNELS["exponential"], "C": KERNELS["linear"]}
        with pytest.raises(ac.DataError, match="TransientImpact kernel: no kernel for asset B; given: A, C"):
            self.several(pd.Series({"A": 1.0, "B": 1.0, "C": 1.0}), kernels)

    def test_between_assets_there_is_one_kernel(self):
        kernels = dict.fromkeys("ABC", KERNELS["exponential"])
        assert self.several(builders.cross_impact(), dict(kernels)).solve().certificate is not None
        with pytest.raises(ac.ModelError, match=r"needs one kernel for all; A has ExponentialDecay.*, C another"):
            self.several(builders.cross_impact(), {**kernels, "C": KERNELS["linear"]})

    @pytest.mark.parametrize(
        ("function", "error", "message"),
        [
            (lambda t: np.ones(3), ac.DataError, r"returned shape \(3,\) for times of shape \(5, 5\)"),
            (lambda t: 1.0, ac.DataError, r"returned shape \(\)"),
            (lambda t: np.where(t > 0.5, np.nan, 1.0), ac.DataError, "the function is nan at time"),
            (lambda t: t[:, :, 5], ac.ModelError, "the function failed on an array of times"),
            (lambda t: {}["G"], ac.ModelError, "the function failed on an array of times"),
        ],
    )
    def test_functions(self, function, error, message):
        with pytest.raises(error, match=message):
            single(EDGES["even"], TransientImpact(function, 1e-6))

    @pytest.mark.parametrize("wrong", [None, 0.5, "exponential", ExponentialDecay, {"A": 2.0}])
    def test_no_kernel(self, wrong):
        with pytest.raises(ac.DataError, match="a kernel such as ExponentialDecay"):
            TransientImpact(wrong, 1e-6)

    def test_trade_at(self):
        with pytest.raises(ac.DataError, match="trade_at='close': 'start', 'middle' or 'end' is expected"):
            TransientImpact(KERNELS["exponential"], 1e-6, trade_at="close")

    def test_a_half_life_that_the_grid_cannot_read(self):
        market = ac.Market(ac.TimeGrid([0.0, 1.0], unit="moon"), 1.0)
        cost = TransientImpact(ExponentialDecay(half_life="30min"), 1.0)
        with pytest.raises(ac.DataError, match="'30min'"):
            ac.ExecutionProblem(ac.Order.sell(1.0), market, cost)

    def test_two_need_names(self):
        cost = TransientImpact(KERNELS["exponential"], 1e-6)
        with pytest.raises(ac.ModelError, match="two terms of the problem are called 'TransientImpact'"):
            single(EDGES["even"], cost + TransientImpact(KERNELS["linear"], 1e-6))


class TestNotes:
    def notes(self, kernel, edges):
        cost = TransientImpact(kernel, 1e-6)
        return cost.notes(single(edges, cost + ac.TemporaryImpact(1e-7)).setting)

    @pytest.mark.parametrize("kernel", [lambda t: np.exp(-((2.0 * t) ** 2)), lambda t: 1.0 / (1.0 + t**2)])
    def test_numerically_singular_kernels_are_reported(self, kernel):
        (note,) = self.notes(kernel, np.linspace(0.0, 1.0, 41))
        assert "is numerically singular on 40 moments" in note
        assert "its trades oscillate, and mean little without temporary impact" in note

    @pytest.mark.parametrize("kernel", ["exponential", "power law", "linear", "not convex"])
    def test_others_are_not(self, kernel):
        assert self.notes(KERNELS[kernel], EDGES["even"]) == []

    def test_a_convex_kernel_is_not_however_fine_the_grid(self):
        assert self.notes(lambda t: np.exp(-1e-3 * t), np.linspace(0.0, 1e-9, 301)) == []

    @pytest.mark.parametrize(
        ("kernel", "shape"),
        [
            ("exponential", "convex"),
            ("power law", "convex"),
            ("linear, over soon", "convex"),
            ("function", "convex"),
            ("not convex", "not convex"),
        ],
    )
    def test_shapes(self, kernel, shape):
        cost = TransientImpact(KERNELS[kernel], 1e-6)
        assert cost.bends(single(EDGES["many"], cost).setting) == [shape]

    def test_a_kernel_that_comes_back(self):
        cost = TransientImpact(lambda t: np.exp(-t) * (1.5 + np.cos(12.0 * t)) / 2.5, 1e-6)
        assert cost.bends(single(EDGES["even"], cost).setting) == ["not decreasing"]


def test_a_kernel_that_is_numerically_singular_never_claims_to_be_unbounded():
    """A Gaussian is positive definite, so that no cost is below zero: no answer, and why."""
    market = ac.Market(ac.TimeGrid.uniform(1.0, 13), 104.0)
    problem = ac.ExecutionProblem(ac.Order.sell(1e5), market, TransientImpact(lambda t: np.exp(-(t**2)), 1e-6))
    with pytest.raises(ac.SolverError, match="numerically singular"):
        problem.solve()
    cured = ac.ExecutionProblem(
        ac.Order.sell(1e5), market, TransientImpact(lambda t: np.exp(-(t**2)), 1e-6) + ac.TemporaryImpact(1e-9)
    )
    plan = cured.solve()
    assert plan.certificate.gap <= plan.certificate.tolerance
    assert "numerically singular" in plan.summary()
