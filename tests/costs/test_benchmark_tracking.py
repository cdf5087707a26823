"""Tracking a benchmark: the VWAP hedge on simulated prices, the ends of the trade-off, the close as a mirror image."""

import builders
import numpy as np
import pandas as pd
import pytest
from reference import Case, solve_reference

import acopt as ac
from acopt.model.benchmarks import TWAP, VWAP, Close

HEDGED = 1e-12  # of the notional
SOLVED = 1e-7  # trades of a strictly convex problem, of the order
NAMES = [*builders.NAMES]
KINDS = ["both sides", "sell many", "buy many"]


def scaled_risk(at):
    """Correlated, its size different in every interval and asset."""
    grid = builders.grid(at)
    wave = 0.6 + np.abs(np.sin(np.arange(3 * grid.periods))).reshape(grid.periods, 3)
    matrix = pd.DataFrame(builders.correlated([0.4, 8.0, 1.1]), index=NAMES, columns=NAMES)
    return ac.Covariance(matrix, scale=pd.DataFrame(wave, index=grid.labels, columns=NAMES)), wave


def simulated_slippage(problem, trades, wave, paths=10_000):
    """
    Money lost against the benchmark price on simulated paths, from the prices of all trades and nothing else.

    Interval k's trades are at the price of its start, in which the market trades V_k too; the price then moves by
    sqrt(tau_k) S_k xi. A price is its arrival value plus what the path has moved, which is all that is random.
    """
    rng, setting = np.random.default_rng(11), problem.setting
    n, m = setting.shape
    root = np.linalg.cholesky(builders.correlated([0.4, 8.0, 1.1]))
    moves = rng.normal(size=(paths, n, m)) @ root.T * (wave * np.sqrt(setting.durations))
    moved = np.concatenate([np.zeros((paths, 1, m)), np.cumsum(moves, axis=1)[:, :-1]], axis=1)
    volume = setting.market.volume.to_numpy()
    average = (volume * moved).sum(axis=1) / volume.sum(axis=0)
    received = -(trades * moved).sum(axis=1)
    return (average * setting.remaining - received).sum(axis=1)


@pytest.mark.parametrize("at", ["even", "uneven"])
@pytest.mark.parametrize("kind", KINDS)
class TestTheHedge:
    def problem(self, at, kind, weight=1e-5):
        covariance, wave = scaled_risk(at)
        market = builders.market(at, covariance=covariance)
        terms = ac.TemporaryImpact() + ac.PermanentImpact() + weight * ac.TrackingRisk(VWAP())
        return ac.ExecutionProblem(builders.order(kind), market, terms), wave

    def test_in_proportion_to_volume_slippage_is_not_random(self, at, kind):
        problem, wave = self.problem(at, kind)
        volume, x = problem.market.volume.to_numpy(), problem.setting.remaining
        trades = -x * volume / volume.sum(axis=0)
        slippage = simulated_slippage(problem, trades, wave)
        assert np.abs(slippage).max() <= HEDGED * problem.setting.gross
        plan = problem.evaluate(trades)
        assert plan.tracking_variance <= (HEDGED * problem.setting.gross) ** 2
        eta = np.asarray(problem.market.impact.temporary(problem.market))
        gamma = np.asarray(problem.market.impact.permanent(problem.market))
        gamma = gamma if gamma.ndim == 2 else np.diag(gamma)
        impact = (eta * trades**2 / problem.setting.durations).sum()
        impact += x @ gamma @ x / 2 - sum(u @ gamma @ u / 2 for u in trades)
        assert plan.expected_cost == pytest.approx(impact, rel=1e-10)
        assert plan.expected_cost > 0

    def test_any_other_schedule_slips_by_its_tracking_variance(self, at, kind):
        problem, wave = self.problem(at, kind)
        plan = problem.evaluate(builders.random_trades(problem, 2, wild=0.3))
        slippage = simulated_slippage(problem, plan.path.trades, wave)
        assert np.var(slippage) == pytest.approx(plan.tracking_variance, rel=5 * np.sqrt(2 / 10_000))
        assert abs(np.mean(slippage)) <= 5 * np.sqrt(plan.tracking_variance / 10_000)

    def test_a_large_weight_is_vwap_and_none_is_least_impact(self, at, kind):
        problem, _ = self.problem(at, kind)
        benchmark, size = VWAP().path(problem.setting), np.abs(problem.setting.remaining)
        distance = []
        for weight in (1e-3, 1e0, 1e3):
            plan = problem.update(weights={"TrackingRisk": weight}).solve()
            distance.append(float((np.abs(plan.path.remaining - benchmark) / size).max()))
        assert distance[0] > distance[1] > distance[2]
        assert distance[2] <= 1e-4
        free = ac.ExecutionProblem(problem.order, problem.market, ac.TemporaryImpact() + ac.PermanentImpact()).solve()
        without = problem.update(weights={"TrackingRisk": 0.0}).solve()
        np.testing.assert_allclose(without.path.trades / size, free.path.trades / size, rtol=0, atol=SOLVED)
        nearly = problem.update(weights={"TrackingRisk": 1e-16}).solve()
        np.testing.assert_allclose(nearly.path.trades / size, free.path.trades / size, rtol=0, atol=1e-6)


def test_without_impact_that_varies_twap_is_both_ends():
    """Constant eta: least impact is TWAP, so against TWAP there is nothing to trade off, at any weight."""
    grid = builders.grid("uneven")
    market = builders.market(grid, impact=ac.ImpactCoefficients({"A": 2e-6, "B": 4e-4, "C": 3e-5}))
    for weight in (1e-6, 1e-2):
        plan = ac.ExecutionProblem(
            builders.order("both sides"), market, ac.TemporaryImpact() + weight * ac.TrackingRisk(TWAP())
        ).solve()
        np.testing.assert_allclose(plan.path.trades, TWAP().trades(plan.setting), rtol=0, atol=SOLVED * 9_000)
        assert plan.tracking_variance <= (1e-7 * plan.setting.gross) ** 2


@pytest.mark.parametrize("kind", ["both sides", "buy many"])
@pytest.mark.parametrize("benchmark", [TWAP(0.1, 0.85), VWAP(end=0.4), VWAP(0.35), Close()])
def test_optimum_of_the_independent_solver(kind, benchmark):
    """The benchmark is handed to the other solver as plain numbers, made by hand from window and weights."""
    aversion, market, order = 3e-5, builders.market("uneven"), builders.order(kind)
    problem = ac.ExecutionProblem(
        order, market, ac.TemporaryImpact() + aversion * ac.TrackingRisk(benchmark), [ac.Participation(0.3)]
    )
    tau, x = np.diff(builders.EDGES["uneven"]), problem.setting.remaining
    rows = {"TWAP(0.1, 0.85)": (1, 4), "VWAP(end=0.4)": (0, 3), "VWAP(start=0.35)": (2, 5), "Close()": (4, 5)}
    first, last = rows[repr(benchmark)]
    weights = np.tile(tau[:, None], (1, 3)) if isinstance(benchmark, TWAP) else market.volume.to_numpy()
    weights = np.where((np.arange(5) >= first) & (np.arange(5) < last), weights.T, 0.0).T
    left = x - x * np.cumsum(weights, axis=0) / weights.sum(axis=0)
    left[-1] = 0.0
    cap, shape = 0.3 * market.volume.to_numpy(), (5, 3)
    sigma = builders.correlated(0.02 * market.prices)
    eta, none = np.asarray(market.impact.temporary(market)), np.zeros(shape)
    free, covariance = np.full(shape, np.inf), np.tile(sigma, (5, 1, 1))
    flat, track = np.zeros((3, 3)), (left, aversion)
    case = Case(
        tau, x, eta, flat, none, covariance, 0.0, none, (), -cap, cap, -free, free, market.prices, tracking=track
    )
    answer = solve_reference(case)
    plan = problem.solve()
    assert plan.objective == pytest.approx(answer.objective, rel=1e-9)
    np.testing.assert_allclose(plan.path.trades, answer.trades, rtol=0, atol=SOLVED * np.abs(x).max())


class TestTheClose:
    """
    Reversed, y_k = X - x_{N-k}, the close is the arrival: what waits for the end is what is traded at once.

    (X - x_k)' S_k (X - x_k) tau_k for k = 1..N-1 is y_j' S_{N-j} y_j tau_{N-j} for j = 1..N-1, and both sides' last
    terms are zero: x_N = b_N and y_N = 0. Trades are reversed, y's j-th trade is x's (N+1-j)-th. So interval j of the
    mirror has the impact and duration of interval N+1-j, but the risk tau S of interval N-j.
    """

    @pytest.mark.parametrize("kind", KINDS)
    def test_even_grid(self, kind):
        market = builders.market("even", volume=5e4)
        order, cost = builders.order(kind), ac.TemporaryImpact() + ac.SpreadCost()
        risk = 2e-5
        late = ac.ExecutionProblem(order, market, cost + risk * ac.TrackingRisk(Close())).solve()
        early = ac.ExecutionProblem(order, market, cost + risk * ac.TimingRisk()).solve()
        assert late.objective == pytest.approx(early.objective, rel=1e-10)
        np.testing.assert_allclose(late.path.trades, early.path.trades[::-1], rtol=0, atol=SOLVED * 9_000)
        done = 1 - late.path.remaining / late.setting.remaining
        assert (done[3] < 0.5).all()  # it waits

    @pytest.mark.parametrize("kind", KINDS)
    def test_uneven_grid(self, kind):
        edges = builders.EDGES["uneven"]
        grid, mirror = ac.TimeGrid(edges), ac.TimeGrid(1.0 - edges[::-1])
        tau, wave = np.diff(edges), 0.5 + np.arange(5) / 4
        sigma = pd.DataFrame(builders.correlated([0.4, 8.0, 1.1]), index=NAMES, columns=NAMES)
        eta = np.outer(1 + np.cos(np.arange(5)) / 2, [2e-6, 4e-4, 3e-5])
        reflected = np.ones(5)  # j = 1..N-1 -> risk of interval N-j; the last is of no account
        for j in range(1, 5):
            reflected[j - 1] = wave[4 - j] * np.sqrt(tau[4 - j] / tau[5 - j])
        plans = []
        for on, scale, rates, risk in (
            (grid, wave, eta, ac.TrackingRisk(Close())),
            (mirror, reflected, eta[::-1], ac.TimingRisk()),
        ):
            covariance = ac.Covariance(sigma, scale=pd.Series(scale, index=on.labels))
            market = ac.Market(on, pd.Series(builders.PRICES), covariance=covariance)
            impact = ac.TemporaryImpact(pd.DataFrame(rates, index=on.labels, columns=NAMES))
            plans.append(ac.ExecutionProblem(builders.order(kind), market, impact + 2e-5 * risk).solve())
        assert plans[0].objective == pytest.approx(plans[1].objective, rel=1e-10)
        np.testing.assert_allclose(plans[0].path.trades, plans[1].path.trades[::-1], rtol=0, atol=SOLVED * 9_000)


class TestUpdates:
    def terms(self):
        return ac.TemporaryImpact() + 1e-4 * ac.TrackingRisk(VWAP(0.1))

    def test_benchmarks_follow_the_order_and_the_market(self):
        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), self.terms())
        problem.solve()
        news = {
            "order": {"order": ac.Order({"A": -100.0, "B": 50.0, "C": 1.0})},
            "market": {"market": builders.market("uneven", seed=8)},
            "other days": {"market": builders.market(ac.TimeGrid(builders.EDGES["uneven"], closed=np.arange(5) == 3))},
        }
        for name, change in news.items():
            warm = problem.update(**change).solve()
            fresh = ac.ExecutionProblem(problem.order, problem.market, self.terms()).solve()
            size = problem.setting.size
            np.testing.assert_allclose(warm.path.trades, fresh.path.trades, rtol=0, atol=SOLVED * size, err_msg=name)
            assert warm.objective == pytest.approx(fresh.objective, rel=1e-9)

    def test_an_unlabelled_path_is_bound_to_its_grid(self):
        left = np.outer(np.linspace(1, 0, 6), [9_000.0, -500.0, 3_000.0])
        problem = ac.ExecutionProblem(
            builders.order("both sides"), builders.market("uneven"), ac.TemporaryImpact() + 1e-4 * ac.TrackingRisk(left)
        )
        with pytest.raises(ac.ModelError, match="the grid differs, and TrackingRisk was declared on the old one"):
            problem.update(market=builders.market("even"))
        assert problem.update(market=builders.market("uneven", seed=8)).solve()
        assert not ac.TrackingRisk(VWAP()).bound_to_grid

    def test_a_labelled_path_is_looked_up_again(self):
        edges = sorted({*builders.EDGES["uneven"], *builders.EDGES["even"]})
        left = pd.DataFrame(np.outer(1 - np.square(edges), [9_000.0, -500.0, 3_000.0]), edges, NAMES)
        terms = ac.TemporaryImpact() + 1e-4 * ac.TrackingRisk(left)
        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), terms)
        problem.update(market=builders.market("even"))
        found = problem.evaluate(builders.random_trades(problem)).objective
        fresh = ac.ExecutionProblem(problem.order, problem.market, terms)
        assert found == pytest.approx(fresh.evaluate(builders.random_trades(fresh)).objective, rel=1e-13)
        lost = ac.TrackingRisk(left.loc[builders.EDGES["uneven"]])
        with pytest.raises(ac.DataError, match=r"TrackingRisk benchmark: no value for edge 0\.2"):
            ac.ExecutionProblem(
                builders.order("both sides"), builders.market("uneven"), ac.TemporaryImpact() + 1.0 * lost
            ).update(market=builders.market("even"))

    def test_volume_that_vanishes_in_the_window_is_refused_and_nothing_changes(self):
        problem = ac.ExecutionProblem(builders.order("sell many"), builders.market("uneven"), self.terms())
        before = problem.solve().objective
        volume = problem.market.volume.copy()
        volume.iloc[1:, 0] = 0.0
        with pytest.raises(ac.ModelError, match=r"VWAP\(start=0\.1\): A has an order"):
            problem.update(market=builders.market("uneven", volume=volume))
        assert problem.solve().objective == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("given", ["vwap", VWAP])
def test_what_is_no_benchmark_says_what_would_be(given):
    name = given if isinstance(given, str) else "VWAP"
    words = (
        rf"TrackingRisk benchmark: '{name}' is not a number, nor a path of them; TWAP\(\), VWAP\(start, end\), Close"
    )
    with pytest.raises(ac.DataError, match=words):
        ac.ExecutionProblem(builders.order("sell many"), builders.market(), 1.0 * ac.TrackingRisk(given))


def test_a_zero_order_has_nothing_to_track():
    market = builders.market("uneven", ["A", "B"])
    for benchmark in (TWAP(), VWAP(), Close()):
        plan = ac.ExecutionProblem(
            builders.order("nothing"), market, ac.TemporaryImpact() + 1e-5 * ac.TrackingRisk(benchmark)
        ).solve()
        assert plan.objective == 0.0
        assert (plan.path.trades == 0.0).all()


@pytest.mark.parametrize("benchmark", [VWAP(0.1), TWAP(), Close()])
def test_a_replan_follows_the_benchmark_of_the_whole_order(benchmark):
    """Without news the tail does not move; after half of the fills, the rest still aims at the first benchmark."""
    terms = ac.TemporaryImpact() + 1e-4 * ac.TrackingRisk(benchmark)
    asked = ac.ExecutionProblem(builders.order("both sides"), builders.market("uneven"), terms)
    plan = asked.solve()
    same = asked.with_history(plan.path.trades[:2]).solve()
    np.testing.assert_allclose(same.path.trades, plan.path.trades, rtol=0, atol=SOLVED * 9_000)
    late = asked.with_history(0.5 * plan.path.trades[:2])
    goal = benchmark.path(asked.setting)
    trades = np.vstack([0.5 * plan.path.trades[:2], np.zeros((2, 3)), 0.5 * plan.path.trades[:2].sum(axis=0)[None]])
    trades[-1] = -asked.setting.remaining - trades[:-1].sum(axis=0)
    off = builders.loops(trades, asked.setting.remaining)[1:] - goal[1:]
    tau, sigma = np.diff(builders.EDGES["uneven"]), builders.correlated(0.02 * asked.market.prices)
    expected = np.einsum("k,ki,ij,kj->", tau, off, sigma, off)
    assert late.evaluate(trades).tracking_variance == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("at", builders.EDGES)
@pytest.mark.parametrize("kind", builders.ORDERS)
def test_expression_and_values_are_one_number(at, kind):
    edges = builders.EDGES[at]
    for benchmark in (TWAP(), VWAP(edges[0], edges[-2] if len(edges) > 2 else None), Close()):
        risk = 1e-5 * ac.TrackingRisk(benchmark)
        problem = ac.ExecutionProblem(builders.order(kind), builders.market(at, [*builders.ORDERS[kind]]), risk)
        plan = problem.evaluate(builders.random_trades(problem, 4))
        assert builders.cvxpy_objective(problem, plan.path.trades) == pytest.approx(plan.objective, rel=1e-12)
