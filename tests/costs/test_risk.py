"""Timing and tracking risk, from their formulas, one interval and asset at a time."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.errors import DataError, ModelError

TIGHT = 1e-11
HELD = 1e-9  # solved trades, of the order

NAMES = [*builders.NAMES]
TAU = np.diff(builders.EDGES["uneven"])
GRID = builders.grid("uneven")
SIGMA = pd.DataFrame(builders.correlated([0.4, 8.0, 1.1]), index=NAMES, columns=NAMES)
SCALE = pd.DataFrame(np.linspace(0.0, 2.0, 15).reshape(5, 3), index=GRID.labels, columns=NAMES)
LOADINGS = pd.DataFrame([[0.4, 0.1], [6.0, -2.0], [1.0, 0.0]], index=NAMES, columns=["market", "size"])
FACTOR = np.array([[1.0, 0.2], [0.2, 0.5]])
SPECIFIC = pd.Series({"A": 0.02, "B": 30.0, "C": 0.4})
STACK = np.array([builders.correlated([0.4 + k, 8.0, 1.1 * k]) for k in range(5)])


def factor_matrix(k):
    b = LOADINGS.to_numpy()
    return b @ (FACTOR * (1 + k)) @ b.T + np.diag(SPECIFIC)


# covariance object -> Sigma_k by hand
MODELS = {
    "matrix": (SIGMA, lambda k: SIGMA.to_numpy()),
    "plain array": (SIGMA.to_numpy(), lambda k: SIGMA.to_numpy()),
    "scaled": (
        ac.Covariance(SIGMA, scale=SCALE),
        lambda k: np.diag(SCALE.iloc[k]) @ SIGMA.to_numpy() @ np.diag(SCALE.iloc[k]),
    ),
    "per interval": (ac.Covariance(STACK), lambda k: STACK[k]),
    "factors": (ac.FactorModel(LOADINGS, FACTOR, SPECIFIC), lambda k: factor_matrix(0)),
    "factors per interval": (
        ac.FactorModel(LOADINGS, np.array([FACTOR * (1 + k) for k in range(5)]), SPECIFIC, scale=SCALE),
        lambda k: np.diag(SCALE.iloc[k]) @ factor_matrix(k) @ np.diag(SCALE.iloc[k]),
    ),
}


def schedule(order, seed):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(5, len(order.assets))) * 2_000.0
    u[-1] = -order.remaining.to_numpy() - u[:-1].sum(axis=0)
    return u


def variance_by_hand(u, x0, sigma, off=0.0):
    """sum_k tau_k (x_k - b_k)' Sigma_k (x_k - b_k), x_k after trade k."""
    x = builders.loops(u, x0)
    total = 0.0
    for k in range(5):
        y = x[k + 1] - (off[k + 1] if np.ndim(off) else off)
        total += TAU[k] * sum(y[i] * sigma(k)[i, j] * y[j] for i in range(len(y)) for j in range(len(y)))
    return total


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["both sides", "sell many", "buy many"])
class TestByFormula:
    def test_timing(self, model, kind):
        order, (covariance, sigma) = builders.order(kind), MODELS[model]
        problem = ac.ExecutionProblem(order, builders.market("uneven"), 1e-5 * ac.TimingRisk(covariance))
        for seed in range(2):
            u = schedule(order, seed)
            expected = variance_by_hand(u, order.remaining.to_numpy(), sigma)
            assert problem.evaluate(u).term_values["TimingRisk"] == pytest.approx(expected, rel=TIGHT)

    def test_timing_by_the_markets_own(self, model, kind):
        order, (covariance, sigma) = builders.order(kind), MODELS[model]
        market = builders.market("uneven", covariance=covariance)
        plan = ac.ExecutionProblem(order, market, 1e-5 * ac.TimingRisk()).evaluate(schedule(order, 1))
        expected = variance_by_hand(plan.path.trades, order.remaining.to_numpy(), sigma)
        assert plan.variance == plan.term_values["TimingRisk"] == pytest.approx(expected, rel=TIGHT)
        assert plan.risk == pytest.approx(np.sqrt(expected), rel=TIGHT)

    def test_tracking(self, model, kind):
        order, (covariance, sigma) = builders.order(kind), MODELS[model]
        path = np.outer(np.linspace(1.0, 0.0, 6) ** 3, order.remaining)
        problem = ac.ExecutionProblem(order, builders.market("uneven"), 1e-5 * ac.TrackingRisk(path, covariance))
        u = schedule(order, 4)
        expected = variance_by_hand(u, order.remaining.to_numpy(), sigma, off=path)
        assert problem.evaluate(u).term_values["TrackingRisk"] == pytest.approx(expected, rel=TIGHT)

    def test_shares_of_assets_add_up_to_the_whole(self, model, kind):
        """Each asset's part is x_i (Sigma x)_i tau: Euler's split of the variance."""
        order, (covariance, sigma) = builders.order(kind), MODELS[model]
        plan = ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TimingRisk(covariance)).evaluate(
            schedule(order, 2)
        )
        x = builders.loops(plan.path.trades, order.remaining.to_numpy())
        found = plan.breakdown()["value"].to_numpy().reshape(5, 3)
        for k in range(5):
            np.testing.assert_allclose(found[k], TAU[k] * x[k + 1] * (sigma(k) @ x[k + 1]), rtol=1e-9, atol=1e-9)


class TestTiming:
    def test_one_asset_by_hand(self):
        """V = sigma^2 tau (x_1^2 + x_2^2): what is left after the last trade is nothing."""
        market = ac.Market(ac.TimeGrid.uniform(1.0, 2), 10.0, covariance=4.0)
        plan = ac.ExecutionProblem(ac.Order.buy(100.0), market, 1.0 * ac.TimingRisk()).evaluate([[60.0], [40.0]])
        assert plan.variance == pytest.approx(4.0 * 0.5 * 40.0**2, rel=TIGHT)

    def test_a_night_is_carried_by_what_is_held(self):
        grid = ac.TimeGrid([0.0, 1.0, 1.5, 2.5], closed=[False, True, False])
        market = ac.Market(grid, 10.0, covariance=4.0)
        plan = ac.ExecutionProblem(ac.Order.sell(100.0), market, 1.0 * ac.TimingRisk()).evaluate(
            [[-70.0], [0.0], [-30.0]]
        )
        assert plan.variance == pytest.approx(4.0 * 30.0**2 * 1.5, rel=TIGHT)

    def test_only_risk_is_an_immediate_block(self):
        market = builders.market("uneven", ["A"])
        plan = ac.ExecutionProblem(
            builders.order("sell one"), market, ac.TemporaryImpact() + 1e6 * ac.TimingRisk()
        ).solve()
        assert plan.remaining["A"].iloc[1] == pytest.approx(0.0, abs=1e-3 * 9_000.0)

    def test_without_a_weight_it_says_what_to_do(self):
        problem = ac.ExecutionProblem(
            builders.order("sell one"), builders.market(), ac.TemporaryImpact() + ac.TimingRisk()
        )
        with pytest.raises(ModelError, match=r"TimingRisk has no weight: multiply it by a risk aversion.*solve_for"):
            problem.solve()

    def test_no_covariance_anywhere(self):
        with pytest.raises(ModelError, match="the market has no covariance"):
            ac.ExecutionProblem(builders.order("sell one"), builders.market(covariance=None), 1.0 * ac.TimingRisk())

    @pytest.mark.parametrize(
        ("covariance", "words"),
        [
            (-SIGMA, "not positive semidefinite"),
            (SIGMA.iloc[:2, :2], "covariance: no value for asset C"),
            (1.0, r"covariance: an array of shape \(\) was given, \(3, 3\)"),
            (np.ones((4, 3, 3)), "covariance: 4 matrices were given for 5 intervals"),
        ],
    )
    def test_refusals(self, covariance, words):
        with pytest.raises(DataError, match=words):
            ac.ExecutionProblem(
                builders.order("both sides"), builders.market("uneven"), 1.0 * ac.TimingRisk(covariance)
            )


class TestTracking:
    def order_and_path(self):
        order = builders.order("both sides")
        return order, pd.DataFrame(
            np.outer(np.linspace(1.0, 0.0, 6) ** 2, order.remaining), GRID.edge_labels, order.assets
        )

    def test_zero_on_the_benchmark_itself(self):
        order, path = self.order_and_path()
        problem = ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TrackingRisk(path))
        assert problem.evaluate(np.diff(path.to_numpy(), axis=0)).objective <= 1e-18 * problem.setting.gross**2

    def test_against_having_nothing_left_it_is_timing_risk(self):
        order, path = self.order_and_path()
        market = builders.market("uneven")
        u = schedule(order, 0)
        flat = ac.ExecutionProblem(order, market, 1.0 * ac.TrackingRisk(0.0 * path)).evaluate(u)
        timing = ac.ExecutionProblem(order, market, 1.0 * ac.TimingRisk()).evaluate(u)
        assert flat.objective == pytest.approx(timing.objective, rel=TIGHT)

    def test_row_zero_is_the_start_and_does_not_enter(self):
        order, path = self.order_and_path()
        other = path.copy()
        other.iloc[0] = 1e9
        u = schedule(order, 0)
        values = [
            ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TrackingRisk(p)).evaluate(u).objective
            for p in (path, other)
        ]
        assert values[0] == values[1]

    def test_the_optimum_without_impact_follows_the_benchmark(self):
        order, path = self.order_and_path()
        problem = ac.ExecutionProblem(order, builders.market("uneven"), 1e-6 * ac.TrackingRisk(path))
        np.testing.assert_allclose(problem.solve().remaining, path, atol=1e-6 * 9_000.0)

    def test_labels_in_any_order(self):
        order, path = self.order_and_path()
        u = schedule(order, 0)
        shuffled = path.iloc[::-1, [2, 0, 1]]
        values = [
            ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TrackingRisk(p)).evaluate(u).objective
            for p in (path, shuffled, path.to_numpy())
        ]
        assert values[0] == values[1] == values[2]

    def test_one_asset_takes_a_series_or_a_list(self):
        order, left = ac.Order.sell({"A": 100.0}), [100.0, 80.0, 50.0, 30.0, 10.0, 0.0]
        u = -np.array([[10.0], [20.0], [30.0], [20.0], [20.0]])
        values = [
            ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TrackingRisk(path)).evaluate(u).objective
            for path in (left, pd.Series(left, index=GRID.edge_labels), np.array(left)[:, None])
        ]
        x = builders.loops(u, [100.0])[:, 0]
        sigma = builders.market("uneven").covariance.on(GRID, pd.Index(["A"])).apply(np.ones((5, 1)))[0, 0]
        expected = sum(TAU[k] * sigma * (x[k + 1] - left[k + 1]) ** 2 for k in range(5))
        assert values == pytest.approx([expected] * 3, rel=TIGHT)

    @pytest.mark.parametrize(
        ("bend", "words"),
        [
            (lambda p: p.iloc[:5], "TrackingRisk benchmark: no value for edge 1.0"),
            (lambda p: p.drop(columns="B"), "TrackingRisk benchmark: no value for asset B"),
            (lambda p: p.to_numpy()[1:], r"TrackingRisk benchmark: shape \(5, 3\) was given, \(6, 3\)"),
            (lambda p: p.where(p > p.min().min()), "TrackingRisk benchmark is nan for B at 0.0"),
            (lambda p: np.where(p == 0.0, np.inf, p), "TrackingRisk benchmark is inf for A at 1.0"),
            (
                lambda p: p.astype(object).replace(0.0, "?"),
                r"TrackingRisk benchmark: '\?' for A at 1.0 is not a number",
            ),
            (lambda p: "twap", "TrackingRisk benchmark: 'twap' is not a number"),
        ],
    )
    def test_refusals(self, bend, words):
        order, path = self.order_and_path()
        with pytest.raises(DataError, match=words):
            ac.ExecutionProblem(order, builders.market("uneven"), 1.0 * ac.TrackingRisk(bend(path)))


def test_tracking_is_not_the_variance_against_arrival():
    """The market has no covariance, and TrackingRisk's own measures something else: NaN, or the timing risk."""
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 40.0)
    objective = ac.TemporaryImpact(3e-6) + 1e-6 * ac.TrackingRisk([90.0, 60.0, 30.0, 0.0], 1.0)
    plan = ac.ExecutionProblem(ac.Order.sell(90.0), market, objective).evaluate([[-30.0]] * 3)
    assert plan.term_values["TrackingRisk"] == 0.0
    assert plan.variance != 0.0


def test_kinds():
    assert ac.TimingRisk().kind == ac.TrackingRisk([1.0, 0.0]).kind == "risk"


def test_a_schedule_is_a_benchmark_and_its_variance_is_reported_apart():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), 40.0, covariance=2.0)
    order, impact = ac.Order.sell(90.0), ac.TemporaryImpact(3e-6)
    even = ac.ExecutionProblem(order, market, impact).solve()
    priced = ac.ExecutionProblem(order, market, impact + 1e-6 * ac.TrackingRisk(even))
    assert priced.evaluate(even).tracking_variance == pytest.approx(0.0, abs=1e-12)
    late = priced.evaluate([[0.0], [0.0], [-90.0]])
    # tau sigma^2 ((90 - 60)^2 + (90 - 30)^2) against the benchmark, tau sigma^2 (90^2 + 90^2) against arrival.
    assert late.tracking_variance == pytest.approx(2.0 / 3 * (30.0**2 + 60.0**2))
    assert late.variance == pytest.approx(2.0 / 3 * 2 * 90.0**2)
    assert np.isnan(even.tracking_variance)
