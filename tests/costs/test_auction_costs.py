"""Costs on grids with auctions: each formula by hand, in CVXPY and in NumPy, for buys and sells."""

import builders
import numpy as np
import pandas as pd
import pytest

import acopt as ac

AGREEMENT = 1e-12
ONE = ac.TimeGrid.session("2019-02-15", "195min", auctions=True)  # cross, two intervals, cross
MANY = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "195min", overnight=0.5, auctions=True)  # 4, night, 4
GRIDS = {"one day": ONE, "two days": MANY}
ETA = pd.Series({"A": 2e-6, "B": 4e-4, "C": 3e-5})
CROSS = pd.Series({"A": 1e-5, "B": 5e-3, "C": 2e-4})


def by_cross(grid):
    """A that differs from cross to cross, labelled by the crosses only."""
    wave = 1.0 + np.arange(grid.auctions.sum())
    return pd.DataFrame(np.outer(wave, CROSS), index=grid.labels[grid.auctions], columns=CROSS.index)


def priced(objective, kind="both sides", grid=ONE, **changes):
    problem = ac.ExecutionProblem(builders.order(kind), builders.market(grid, **changes), objective)
    trades = builders.random_trades(problem, seed=2)
    trades[grid.closed] = 0.0
    trades[-1] = -problem.setting.remaining - trades[:-1].sum(axis=0)
    return problem, problem.evaluate(trades), trades


class TestTemporaryImpact:
    @pytest.mark.parametrize("kind", ["sell one", "buy one", "both sides", "buy many"])
    @pytest.mark.parametrize("name", GRIDS)
    def test_by_hand(self, kind, name):
        grid = GRIDS[name]
        problem, plan, trades = priced(ac.TemporaryImpact(ETA, auction=by_cross(grid)), kind, grid)
        names, seen, total = problem.setting.assets, 0, 0.0
        for k in range(grid.periods):
            for i, asset in enumerate(names):
                if grid.auctions[k]:
                    total += (1 + seen) * CROSS[asset] * trades[k, i] ** 2
                elif not grid.closed[k]:
                    total += ETA[asset] * trades[k, i] ** 2 / grid.durations[k]
            seen += grid.auctions[k]
        assert plan.expected_cost == pytest.approx(total, rel=AGREEMENT)

    @pytest.mark.parametrize(
        "auction",
        [CROSS, dict(CROSS), by_cross(ONE), by_cross(ONE).iloc[::-1, ::-1], by_cross(ONE).to_numpy()],
        ids=["series", "mapping", "frame", "frame in another sequence", "array"],
    )
    def test_the_data_rule(self, auction):
        _, plan, trades = priced(ac.TemporaryImpact(ETA, auction=auction))
        factor = 1.0 if isinstance(auction, pd.Series | dict) else 2.0
        paid = plan.pricing.terms[0].cost.values(plan.path)
        np.testing.assert_allclose(paid[0], CROSS * trades[0] ** 2, rtol=AGREEMENT)
        np.testing.assert_allclose(paid[-1], factor * CROSS * trades[-1] ** 2, rtol=AGREEMENT)

    def test_a_scalar_and_a_series_by_cross_for_one_asset(self):
        for auction, last in ((3e-6, 3e-6), (pd.Series([1e-6, 2e-6], index=ONE.labels[[0, 3]]), 2e-6)):
            _, plan, trades = priced(ac.TemporaryImpact(2e-6, auction=auction), "sell one", assets=["A"])
            paid = plan.pricing.terms[0].cost.values(plan.path)
            assert paid[-1, 0] == pytest.approx(last * trades[-1, 0] ** 2, rel=AGREEMENT)

    def test_a_table_by_interval_is_selected_from(self):
        wide = pd.DataFrame(7.0, index=ONE.labels, columns=CROSS.index)
        wide.iloc[[0, 3]] = by_cross(ONE).to_numpy()
        one, two = (priced(ac.TemporaryImpact(ETA, auction=a))[1] for a in (wide, by_cross(ONE)))
        assert one.expected_cost == two.expected_cost

    def test_what_eta_says_of_auctions_is_not_read(self):
        eta = pd.DataFrame(np.outer([9.0, 1.0, 1.0, 9.0], ETA), index=ONE.labels, columns=ETA.index)
        one, two = (priced(ac.TemporaryImpact(e, auction=CROSS))[1] for e in (eta, ETA))
        assert one.expected_cost == pytest.approx(two.expected_cost, rel=AGREEMENT)

    @pytest.mark.parametrize(
        ("eta", "auction"),
        [
            (builders.cross_impact(), 3.0 * builders.cross_impact()),
            (ETA, 3.0 * builders.cross_impact()),
            (builders.cross_impact(), CROSS),
            (ETA, np.array([builders.cross_impact(), 2.0 * builders.cross_impact()])),
        ],
        ids=["both", "auction only", "continuous only", "an array of matrices"],
    )
    def test_cross_impact(self, eta, auction):
        problem, plan, trades = priced(ac.TemporaryImpact(eta, auction=auction))

        def matrix(value, at):
            if isinstance(value, np.ndarray):
                return value[at]
            return np.diag(value) if isinstance(value, pd.Series) else value.to_numpy()

        total = sum(
            u @ (matrix(auction, k // 3) if ONE.auctions[k] else matrix(eta, k) / ONE.durations[k]) @ u
            for k, u in enumerate(trades)
        )
        assert plan.expected_cost == pytest.approx(total, rel=AGREEMENT)
        assert builders.cvxpy_objective(problem, trades) == pytest.approx(total, rel=1e-9)

    def test_eta_alone_is_refused(self):
        with pytest.raises(ac.ModelError, match=r"TemporaryImpact: the grid has auctions, .* give auction="):
            priced(ac.TemporaryImpact(ETA))
        with pytest.raises(ac.ModelError, match="ImpactCoefficients: the grid has auctions"):
            priced(ac.TemporaryImpact(), impact=ac.ImpactCoefficients(ETA))

    @pytest.mark.parametrize(
        ("auction", "message"),
        [
            (-CROSS, "auction is -1e-05 for A at 2019-02-15 09:29:59"),
            (CROSS.drop("B"), "no value for asset B"),
            (by_cross(ONE).iloc[:1], "no value for interval 2019-02-15 16:00:00"),
            (1e-6, "scalar 1e-06 is in price units"),
            (np.ones((4, 3)), r"shape \(4, 3\) was given"),
            (CROSS * np.nan, "auction is nan"),
        ],
    )
    def test_bad_coefficients(self, auction, message):
        with pytest.raises(ac.DataError, match=message):
            priced(ac.TemporaryImpact(ETA, auction=auction))

    def test_without_auctions_it_changes_nothing(self):
        one, two = (
            priced(ac.TemporaryImpact(ETA, auction=a), grid=builders.grid(builders.UNEVEN))[1] for a in (CROSS, None)
        )
        assert one.expected_cost == two.expected_cost


class TestLaws:
    @pytest.mark.parametrize("trade", [+500.0, -500.0])
    def test_linear_costs_its_bps_at_its_participation(self, trade):
        facts = {"assets": ["A"], "volume": {"A": 1e4}, "impact": ac.LinearImpact(8.0, at=0.05)}
        problem = ac.ExecutionProblem(
            ac.Order.sell({"A": -trade}) if trade < 0 else ac.Order.buy({"A": trade}),
            builders.market(ONE, **facts),
            ac.TemporaryImpact(),
        )
        for k in range(ONE.periods):
            trades = np.zeros((4, 1))
            trades[k] = trade
            assert problem.evaluate(trades).expected_cost == pytest.approx(8e-4 * 20.0 * 500.0, rel=AGREEMENT)

    @pytest.mark.parametrize(
        ("law", "factor", "power"),
        [(ac.SquareRootImpact(0.9, at=0.2), 0.9, 0.5), (ac.AlmgrenEtAl2005(at=0.2), 0.142, 0.6)],
        ids=["square root", "three fifths"],
    )
    def test_a_line_through_the_law_at_its_participation(self, law, factor, power):
        on = builders.market(ONE, impact=law)
        line, sigma = law.in_auction(on), 0.02 * on.prices
        trades = 0.2 * on.volumes
        own = factor * sigma * 0.2**power * trades
        np.testing.assert_allclose((line * trades**2)[[0, -1]], own[[0, -1]], rtol=1e-12)
        np.testing.assert_allclose(law.law(on, trades), own, rtol=1e-12)
        np.testing.assert_array_equal(law.temporary(on)[[0, -1]], 0.0)

    def test_the_cost_takes_the_models_coefficient(self):
        law = ac.ImpactCoefficients(ETA, auction=CROSS)
        one = priced(ac.TemporaryImpact(), impact=law)[1]
        two = priced(ac.TemporaryImpact(ETA, auction=CROSS))[1]
        assert one.expected_cost == two.expected_cost

    def test_an_auction_stated_beside_a_law(self):
        _, plan, trades = priced(ac.TemporaryImpact(auction=CROSS), impact=ac.LinearImpact(8.0))
        paid = plan.pricing.terms[0].cost.values(plan.path)
        np.testing.assert_allclose(paid[0], CROSS * trades[0] ** 2, rtol=AGREEMENT)

    def test_a_law_reprices_crosses_too(self):
        on = builders.market(ONE, impact=ac.SquareRootImpact(1.0))
        problem = ac.ExecutionProblem(builders.order("sell one"), on, ac.TemporaryImpact())
        plan = problem.evaluate(np.array([[-1000.0], [-3000.0], [-3000.0], [-2000.0]]))
        volume = on.volume["A"].to_numpy()
        own = sum(0.4 * np.sqrt(u / v) * u for u, v in zip([1000.0, 3000.0, 3000.0, 2000.0], volume, strict=True))
        np.testing.assert_allclose(problem.market.impact.law(problem.market, plan.path.trades).sum(), own, rtol=1e-12)


class TestPermanentImpact:
    def test_judged_with_the_auctions_own(self):
        gamma = 0.2 * CROSS
        _, plan, trades = priced(ac.TemporaryImpact(ETA, auction=CROSS) + ac.PermanentImpact(gamma))
        before = np.cumsum(trades, axis=0) - trades
        own = float((trades * before * gamma.to_numpy()).sum())
        assert plan.term_values["PermanentImpact"] == pytest.approx(own, rel=1e-9)

    @pytest.mark.parametrize("full", [False, True])
    def test_too_small_an_auction_coefficient(self, full):
        gamma = pd.DataFrame(np.diag(2.5 * CROSS), index=CROSS.index, columns=CROSS.index)
        if full:
            gamma.loc["A", "B"] = gamma.loc["B", "A"] = 1e-5
        eta = 1e3 * CROSS  # continuous trading is convex by far
        with pytest.raises(
            ac.ModelError, match=r"at 2019-02-15 09:29:59.*in this auction A - gamma / 2 must be positive"
        ):
            priced(ac.TemporaryImpact(eta, auction=CROSS) + ac.PermanentImpact(gamma))
        half = ac.TemporaryImpact(eta, auction=CROSS) + ac.PermanentImpact(gamma, own="half")
        assert priced(half)[1].expected_cost > 0

    def test_the_boundary(self):
        def build(factor):
            gamma = pd.Series({"A": factor * 2.0 * CROSS["A"]})
            return priced(
                ac.TemporaryImpact(1.0, auction=CROSS["A"]) + ac.PermanentImpact(gamma), "sell one", assets=["A"]
            )

        assert np.isfinite(build(1 - 1e-9)[1].expected_cost)
        with pytest.raises(ac.ModelError, match="auction"):
            build(1 + 1e-9)

    def test_advice_on_intervals_counts_continuous_ones(self):
        gamma = pd.Series({"A": 3.0 * 2.0 * ETA["A"] / 0.5})  # eta / tau is three times too small
        with pytest.raises(ac.ModelError, match="at least 7 intervals would do"):
            priced(ac.TemporaryImpact(ETA["A"], auction=1.0) + ac.PermanentImpact(gamma), "sell one", assets=["A"])

    def test_advice_is_not_about_the_crosses(self):
        grid = ac.TimeGrid.session("2019-02-15", "195min", auctions="close")
        gamma = pd.Series({"A": 3.0 * 2.0 * ETA["A"] / 0.5})
        terms = ac.TemporaryImpact(ETA["A"], auction=1e-9) + ac.PermanentImpact(gamma)
        with pytest.raises(ac.ModelError, match="at least 7 intervals would do"):
            priced(terms, "sell one", grid, assets=["A"])


class TestSpreadCost:
    def test_a_cross_has_none(self):
        _, plan, trades = priced(ac.SpreadCost())
        own = np.abs(trades[1:3]) @ (2e-4 * np.array([20.0, 400.0, 55.0]))
        assert plan.expected_cost == pytest.approx(float(own.sum()), rel=AGREEMENT)

    @pytest.mark.parametrize("kind", ["sell one", "buy one"])
    def test_a_number_by_asset_is_a_spread_and_by_interval_a_fee(self, kind):
        facts = {"assets": ["A"]}
        by_interval = pd.Series([0.5, 0.1, 0.1, 0.7], index=ONE.labels)
        for half_spread, at_ends in (
            (0.1, (0.0, 0.0)),
            (pd.Series({"A": 0.1}), (0.0, 0.0)),
            ({"A": 0.1}, (0.0, 0.0)),
            (np.array([0.1]), (0.0, 0.0)),
            (by_interval, (0.5, 0.7)),
            (dict(by_interval), (0.5, 0.7)),
            (by_interval.to_frame("A"), (0.5, 0.7)),
            (by_interval.to_numpy(), (0.5, 0.7)),
            (by_interval.to_numpy()[:, None], (0.5, 0.7)),
        ):
            _, plan, trades = priced(ac.SpreadCost(half_spread), kind, **facts)
            expected = np.array([at_ends[0], 0.1, 0.1, at_ends[1]]) @ np.abs(trades[:, 0])
            assert plan.expected_cost == pytest.approx(expected, rel=AGREEMENT)


class TestSmoothness:
    @pytest.mark.parametrize("derivative", [1, 2, 3])
    def test_each_stretch_of_trading_by_itself(self, derivative):
        grid = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "65min", overnight=0.5, auctions=True)
        weight = pd.Series({"A": 1e-6, "B": 1e-4, "C": 1e-5})
        problem, plan, trades = priced(ac.Smoothness(derivative, weight=weight), grid=grid)
        remaining = builders.loops(trades, problem.setting.remaining)
        total = 0.0
        for first in (1, 10):  # the first continuous edge of each day; six intervals of 65 minutes
            own = ac.TimeGrid(np.arange(7) / 6.0)
            x = remaining[first : first + 7]
            alone = ac.ExecutionProblem(
                ac.Order(pd.Series(x[0], index=list("ABC"))),
                builders.market(own),
                ac.Smoothness(derivative, weight=weight),
                [ac.AllowUnfilled(1.0)],
            )
            total += alone.evaluate(np.diff(x, axis=0)).term_values["Smoothness"]
        assert plan.term_values["Smoothness"] == pytest.approx(total, rel=1e-9)
        assert builders.cvxpy_objective(problem, trades) == pytest.approx(total, rel=1e-9)

    def test_a_jump_in_the_cross_is_not_rough(self):
        trades = np.array([[-4000.0], [-500.0], [-500.0], [-4000.0]])
        grid = ac.TimeGrid.session("2019-02-15", "195min", auctions=True)
        problem = ac.ExecutionProblem(
            builders.order("sell one"), builders.market(grid), ac.Smoothness(weight={"A": 1.0})
        )
        assert problem.evaluate(trades).objective == pytest.approx(0.0, abs=1e-9)


OBJECTIVES = {
    "temporary": lambda: ac.TemporaryImpact(ETA, auction=CROSS),
    "temporary, law": lambda: 2.0 * ac.TemporaryImpact(),
    "temporary, cross-impact": lambda: ac.TemporaryImpact(builders.cross_impact(), auction=2 * builders.cross_impact()),
    "permanent": lambda: ac.TemporaryImpact(ETA, auction=CROSS) + 0.5 * ac.PermanentImpact(0.1 * CROSS),
    "spread": lambda: 3.0 * ac.SpreadCost(),
    "risk": lambda: 1e-6 * ac.TimingRisk(),
    "smoothness": lambda: ac.TemporaryImpact() + ac.Smoothness(scale="1h"),
    "jerk": lambda: ac.TemporaryImpact() + ac.Jerk("1h"),
}


@pytest.mark.parametrize("kind", ["buy many", "both sides"])
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("day", GRIDS)
def test_cvxpy_and_numpy_agree(kind, name, day):
    problem, plan, trades = priced(OBJECTIVES[name](), kind, GRIDS[day])
    declared = builders.cvxpy_objective(problem, trades)
    size = sum(abs(v) for v in plan.term_values.values())
    value = sum((1.0 if t.weight is None else t.weight) * plan.term_values[t.cost.name] for t in plan.pricing.terms)
    assert declared == pytest.approx(value, abs=1e-9 * size)


def test_the_eta_that_scales_smoothness_is_that_of_continuous_trading():
    grid = ac.TimeGrid.session("2019-02-15", "195min", auctions=True)
    market = ac.Market(grid, 20.0, volume=pd.Series(1e5, grid.labels))
    objective = ac.TemporaryImpact(2e-6, auction=1e-6) + ac.Jerk("30min")
    assert ac.ExecutionProblem(ac.Order(9_000.0), market, objective).setting.eta == pytest.approx([2e-6], rel=1e-14)


def test_an_alpha_in_bps_passes_in_time_and_not_in_an_auction():
    """2 bps with a half-life of an hour, everything sold in the closing cross: the drift of 6.5 hours is earned."""
    grid = ac.TimeGrid.session("2019-02-15", "195min", auctions=True)
    market = ac.Market(grid, 20.0, volume=pd.Series(1e5, grid.labels))
    objective = ac.TemporaryImpact(2e-6, auction=1e-6) + ac.Alpha.from_bps(2.0, "1h")
    problem = ac.ExecutionProblem(ac.Order(9_000.0), market, objective)
    plan = problem.evaluate(np.array([[0.0], [0.0], [0.0], [-9_000.0]]))
    assert plan.term_values["Alpha"] == pytest.approx(-9_000 * 20 * 2e-4 * (1 - 2**-6.5), rel=1e-12)
