"""Whole problems on grids with auctions: closed forms, limits, an independent formulation, tables and files."""

import io

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac

DAY = "2019-02-15"
SAME = 1e-7  # of the order


def day(bar="65min", **changes):
    return ac.TimeGrid.session(DAY, bar, **{"auctions": True, **changes})


def one_asset(side, shares=9000.0):
    return ac.Order.sell({"A": shares}) if side == "sell" else ac.Order.buy({"A": shares})


class TestClosedForms:
    @pytest.mark.parametrize("side", ["sell", "buy"])
    @pytest.mark.parametrize("shares", [1e2, 9e3, 1e9])
    @pytest.mark.parametrize("auctions", [True, "open", "close"])
    def test_without_risk_trades_go_as_the_inverse_of_their_curvature(self, side, shares, auctions):
        grid = day(auctions=auctions)
        eta = pd.Series(2e-6 * (1 + 0.3 * np.arange(grid.periods)), index=grid.labels)
        a = pd.Series(3e-6 * (1 + np.arange(grid.auctions.sum())), index=grid.labels[grid.auctions])
        problem = ac.ExecutionProblem(
            one_asset(side, shares), builders.market(grid, ["A"]), ac.TemporaryImpact(eta, auction=a)
        )
        plan = problem.solve()
        c = np.array(
            [a[t] if t in a.index else eta[t] / tau for t, tau in zip(grid.labels, grid.durations, strict=True)]
        )
        expected = (1 / c) / (1 / c).sum() * shares * (-1 if side == "sell" else 1)
        np.testing.assert_allclose(plan.trades["A"], expected, rtol=0, atol=SAME * shares)
        assert plan.certificate.gap <= 1e-9 * max(plan.objective, 1.0)

    @pytest.mark.parametrize("side", ["sell", "buy"])
    def test_with_risk_alone_everything_is_done_before_the_close(self, side):
        grid = day(auctions="close")
        problem = ac.ExecutionProblem(one_asset(side), builders.market(grid, ["A"]), 1.0 * ac.TimingRisk())
        plan = problem.solve()
        sign = -1 if side == "sell" else 1
        np.testing.assert_allclose(plan.trades["A"], [sign * 9000.0, *[0.0] * 6], rtol=0, atol=SAME * 9000)
        assert plan.variance == pytest.approx(0.0, abs=1e-9 * 9000**2)

    def test_no_risk_passes_in_a_cross(self):
        grid = day()
        problem = ac.ExecutionProblem(one_asset("sell"), builders.market(grid, ["A"]), 1e-6 * ac.TimingRisk())
        late, held = np.zeros((8, 1)), np.zeros((8, 1))
        late[-1], held[-2] = -9000.0, -9000.0
        unit = (0.02 * 20.0) ** 2
        assert problem.evaluate(late).variance == pytest.approx(unit * 9000.0**2, rel=1e-12)  # the whole day
        assert problem.evaluate(held).variance == pytest.approx(unit * 9000.0**2 * 5 / 6, rel=1e-12)
        at_once = np.zeros((8, 1))
        at_once[0] = -9000.0
        assert problem.evaluate(at_once).variance == 0.0

    def test_two_trades_by_hand(self):
        # one interval of a day and a closing cross: min H u1^2 + A u2^2 + lambda sigma^2 u2^2, u1 + u2 = -X
        grid = day("390min", auctions="close")
        h, a, risk = 2e-6, 5e-6, 1e-5 * 0.16
        problem = ac.ExecutionProblem(
            one_asset("sell"),
            builders.market(grid, ["A"]),
            ac.TemporaryImpact(h, auction=a) + 1e-5 * ac.TimingRisk(0.16),
        )
        last = -9000.0 * h / (h + a + risk)
        np.testing.assert_allclose(problem.solve().trades["A"], [-9000.0 - last, last], rtol=1e-9)


class TestLimits:
    @pytest.mark.parametrize("kind", ["sell many", "both sides"])
    def test_a_cross_without_volume_is_no_cross(self, kind):
        crossed, plain = day(), day(auctions=False)
        volume = pd.DataFrame(np.full((8, 3), 3e4) * [1.0, 0.5, 2.0], index=crossed.labels, columns=[*builders.NAMES])
        volume.iloc[[0, -1]] = 0.0
        terms = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
        terms += ac.Jerk(weight={"A": 1e-10, "B": 1e-8, "C": 1e-9})
        rules = [ac.Participation(0.3), ac.Monotone()]
        plans = [
            ac.ExecutionProblem(
                builders.order(kind),
                builders.market(g, volume=v),
                terms,
                rules,
            ).solve()
            for g, v in ((crossed, volume), (plain, volume.iloc[1:-1]))
        ]
        np.testing.assert_array_equal(plans[0].trades.iloc[[0, -1]], 0.0)
        size = builders.order(kind).remaining.abs().max()
        np.testing.assert_allclose(plans[0].trades.iloc[1:-1], plans[1].trades, rtol=0, atol=SAME * size)

    def test_a_dear_cross_is_left_alone_and_a_cheap_one_takes_all(self):
        for a, low, high in ((1e3, 0.0, 1e-6), (1e-15, 1 - 1e-6, 1.0)):
            problem = ac.ExecutionProblem(
                one_asset("buy"), builders.market(day(), ["A"]), ac.TemporaryImpact(2e-6, auction=a)
            )
            crossed = problem.solve().trades["A"].iloc[[0, -1]].sum() / 9000.0
            assert low <= crossed <= high

    def test_buys_mirror_sells(self):
        on = builders.market(day())
        terms = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk() + ac.Smoothness(scale="1h")
        sell, buy = (
            ac.ExecutionProblem(order, on, terms, [ac.Participation(0.1)]).solve()
            for order in (ac.Order.sell({"A": 9e3, "B": 200.0}), ac.Order.buy({"A": 9e3, "B": 200.0}))
        )
        np.testing.assert_allclose(sell.trades, -buy.trades, rtol=0, atol=SAME * 9e3)


def random_problem(seed):
    """A random market on a random grid with crosses, nights, a break or a half day; and its numbers."""
    rng = np.random.default_rng(seed)
    grid = (
        day("65min"),
        day("195min", auctions="close"),
        ac.TimeGrid.sessions("2019-02-14", DAY, "130min", overnight=0.5, auctions=True),
        ac.TimeGrid.sessions("2019-07-02", "2019-07-05", "30min", calendar="XNYS", overnight=0.4, auctions=True),
        ac.TimeGrid.session("2019-07-03", "50min", calendar="XTKS", lunch=0.07, auctions=True),
    )[seed % 5]
    n, m = grid.periods, 2
    root = rng.normal(size=(m, m))
    numbers = {
        "x": rng.choice([-1.0, 1.0], m) * rng.uniform(2e3, 9e3, m),
        "eta": rng.uniform(1e-6, 4e-6, (n, m)),
        "auction": rng.uniform(1e-5, 4e-5, (n, m)),
        "gamma": rng.uniform(1e-8, 1e-6, m),
        "spread": rng.uniform(0.0, 0.02, (n, m)),
        "sigma": 0.05 * (root @ root.T + np.eye(m)),
        "aversion": 10.0 ** rng.uniform(-7, -4),
        "volume": rng.uniform(1e4, 9e4, (n, m)),
        "cap": 0.15,
    }
    return grid, numbers


def declared(grid, k):
    names, labels = ["A", "B"], grid.labels

    def table(values):
        return pd.DataFrame(values, index=labels, columns=names)

    on = ac.Market(grid, {"A": 20.0, "B": 50.0}, volume=table(k["volume"]), covariance=ac.Covariance(k["sigma"]))
    terms = (
        ac.TemporaryImpact(table(k["eta"]), auction=table(k["auction"]))
        + ac.PermanentImpact(pd.Series(k["gamma"], index=names))
        + ac.SpreadCost(table(k["spread"]))
        + k["aversion"] * ac.TimingRisk()
    )
    order = ac.Order(pd.Series(np.maximum(k["x"], 0), index=names), pd.Series(np.maximum(-k["x"], 0), index=names))
    return ac.ExecutionProblem(order, on, terms, [ac.Participation(k["cap"]), ac.Monotone()])


def independent(grid, k):
    """The same problem written out interval by interval, solved by CLARABEL."""
    n, m = k["eta"].shape
    u = cp.Variable((n, m))
    cost, held = [], k["x"]
    rules = [cp.sum(u, axis=0) == -k["x"]]
    for t in range(n):
        held = held + u[t]
        if grid.closed[t]:
            rules.append(u[t] == 0)
        else:
            single = k["auction"][t] if grid.auctions[t] else k["eta"][t] / grid.durations[t]
            cost.append(cp.sum(cp.multiply(single - 0.5 * k["gamma"], cp.square(u[t]))))
            rules += [cp.multiply(np.sign(k["x"]), u[t]) <= 0, cp.abs(u[t]) <= k["cap"] * k["volume"][t]]
        cost.append(k["spread"][t] @ cp.abs(u[t]))
        if grid.durations[t] > 0:
            cost.append(k["aversion"] * grid.durations[t] * cp.quad_form(held, cp.psd_wrap(k["sigma"])))
    constant = 0.5 * float(k["gamma"] @ k["x"] ** 2)
    program = cp.Problem(cp.Minimize(sum(cost) + constant), rules)
    program.solve(solver="CLARABEL", tol_gap_rel=1e-11, tol_gap_abs=1e-9, tol_feas=1e-11)
    return float(program.value), np.asarray(u.value)


@pytest.mark.parametrize("seed", range(15))
def test_against_an_independent_formulation(seed):
    grid, numbers = random_problem(seed)
    plan = declared(grid, numbers).solve()
    value, trades = independent(grid, numbers)
    assert plan.objective == pytest.approx(value, rel=1e-7)
    np.testing.assert_allclose(plan.path.trades, trades, rtol=0, atol=2e-4 * np.abs(numbers["x"]).max())
    assert plan.certificate.gap <= 1e-6 * plan.objective
    assert (plan.path.trades[grid.closed] == 0.0).all()
    np.testing.assert_array_equal(plan.path.remaining[-1], 0.0)


@pytest.fixture(scope="module")
def plan():
    terms = ac.TemporaryImpact() + ac.SpreadCost() + ac.TimingRisk()
    problem = ac.ExecutionProblem(builders.order("both sides"), builders.market(day()), terms, [ac.Participation(0.2)])
    return problem.solve_for(risk_price=0.3)


class TestTables:
    def test_frames(self, plan):
        assert plan.trades.index.equals(day().labels)
        assert plan.remaining.index.equals(day().edge_labels)
        assert plan.rates.iloc[[0, -1]].isna().all(axis=None)
        assert plan.rates.iloc[1:-1].notna().all(axis=None)
        np.testing.assert_allclose(plan.rates.iloc[1:-1], plan.trades.iloc[1:-1] * 6.0, rtol=1e-9)
        for frame in (plan.trades, plan.remaining, plan.holdings, plan.participation, plan.notional):
            assert frame.notna().all(axis=None)

    def test_to_csv(self, plan, tmp_path):
        plan.to_csv(tmp_path / "schedule.csv")
        read = pd.read_csv(io.StringIO((tmp_path / "schedule.csv").read_text()))
        shown = read[read["start"].str.contains("09:29:59|16:00:00")]
        assert len(shown) == 2 * len(plan.setting.assets)
        assert shown["end"].str.contains("09:30:00|16:00:01").all()
        assert read["shares"].sum() == pytest.approx(np.abs(plan.path.trades).sum(), rel=1e-9)

    def test_the_summary_and_urgency(self, plan):
        assert "certified" in plan.summary()
        assert 0 <= plan.urgency.half_life <= 1.0
        assert np.isfinite([plan.expected_cost, plan.risk, plan.objective]).all()

    def test_update_keeps_the_compiled_problem(self):
        terms = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()
        problem = ac.ExecutionProblem(builders.order("both sides"), builders.market(day()), terms)
        problem.solve()
        again = problem.update(market=builders.market(day(), seed=8)).solve()
        fresh = ac.ExecutionProblem(builders.order("both sides"), builders.market(day(), seed=8), terms).solve()
        np.testing.assert_allclose(again.trades, fresh.trades, rtol=0, atol=SAME * 9e3)

    def test_benchmarks(self):
        problem = ac.ExecutionProblem(builders.order("sell one"), builders.market(day()), ac.TemporaryImpact())
        table = ac.compare(problem, ["twap", "vwap", "immediate", problem.solve()])
        assert table["cost_bps"].notna().all()
        twap = ac.twap(problem).trades["A"]
        np.testing.assert_allclose(twap, [0.0, *[-1500.0] * 6, 0.0], rtol=1e-9)
        volume = problem.market.volume["A"]
        np.testing.assert_allclose(ac.vwap(problem).trades["A"], -9000.0 * volume / volume.sum(), rtol=1e-9)
