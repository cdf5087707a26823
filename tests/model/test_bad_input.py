"""Bad input is refused by class and by name: object, label, value, what would do. And what is not bad works."""

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import AcoptError, DataError, InfeasibleError, ModelError, SolverError, UnboundedError

OBEYED = 1e-9  # of the order

NAMES = [*builders.NAMES]
GRID = builders.grid("uneven")
PRICE = pd.Series({"A": 20.0, "B": 400.0, "C": 55.0})
VOLUME = pd.DataFrame(1e5, index=GRID.labels, columns=NAMES)
SIGMA = pd.DataFrame(builders.correlated([0.4, 8.0, 1.1]), index=NAMES, columns=NAMES)
COST = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()


def market(**changes):
    price = changes.pop("price", PRICE)
    return ac.Market(
        GRID,
        price,
        **{"volume": VOLUME, "covariance": SIGMA, "spread": ac.bps(2), "impact": ac.LinearImpact(5), **changes},
    )


def solve(objective=COST, rules=(), order=None, **changes):
    return ac.ExecutionProblem(order or builders.order("both sides"), market(**changes), objective, rules).solve()


def with_cell(table, row, column, value):
    table = table.astype(object) if isinstance(value, str) else table.copy()
    table.loc[row, column] = value
    return table


def indefinite():
    bent = SIGMA.copy()
    bent.loc["A", "B"] = bent.loc["B", "A"] = 1.5 * 0.4 * 8.0
    return bent


def lopsided():
    bent = SIGMA.copy()
    bent.loc["A", "B"] += 0.5
    return bent


# name: (what is done, class, every word the message must hold)
CASES = {
    "NaN volume": (
        lambda: market(volume=with_cell(VOLUME, 0.35, "B", np.nan)),
        DataError,
        ["volume", "nan", "B at 0.35", ">= 0"],
    ),
    "negative volume": (
        lambda: market(volume=with_cell(VOLUME, 0.1, "C", -5.0)),
        DataError,
        ["volume is -5", "C at 0.1", ">= 0"],
    ),
    "text in volume": (
        lambda: market(volume=with_cell(VOLUME, 0.1, "C", "n/a")),
        DataError,
        ["volume", "'n/a'", "C at 0.1"],
    ),
    "NaN price": (lambda: market(price={"A": 1.0, "B": np.nan, "C": 1.0}), DataError, ["price is nan for B", "> 0"]),
    "negative price": (lambda: market(price={"A": 1.0, "B": -3.0, "C": 1.0}), DataError, ["price is -3 for B", "> 0"]),
    "zero price": (lambda: market(price={"A": 1.0, "B": 0.0, "C": 1.0}), DataError, ["price is 0 for B", "> 0"]),
    "NaN volatility": (
        lambda: ac.Covariance.diagonal({"A": 1.0, "B": np.nan}),
        DataError,
        ["volatility is nan for B", ">= 0"],
    ),
    "negative volatility": (
        lambda: ac.Covariance.diagonal({"A": 1.0, "B": -1.0}),
        DataError,
        ["volatility is -1 for B", ">= 0"],
    ),
    "NaN covariance": (
        lambda: market(covariance=SIGMA.where(SIGMA.loc["B", "B"] != SIGMA)),
        DataError,
        ["covariance is nan", "B at B"],
    ),
    "covariance not PSD": (
        lambda: market(covariance=indefinite()),
        DataError,
        ["covariance is not positive semidefinite", "eigenvalue is -", ">= 0"],
    ),
    "covariance not symmetric": (
        lambda: market(covariance=lopsided()),
        DataError,
        ["covariance is not symmetric", "[A, B] is", "[B, A] is"],
    ),
    "TimingRisk not PSD": (
        lambda: solve(1e-6 * ac.TimingRisk(indefinite())),
        DataError,
        ["not positive semidefinite", "eigenvalue"],
    ),
    "covariance lacks an asset": (
        lambda: market(covariance=SIGMA.iloc[:2, :2]),
        DataError,
        ["covariance", "asset C", "given: A, B"],
    ),
    "volume lacks an asset": (
        lambda: market(volume=VOLUME[["A", "B"]]),
        DataError,
        ["volume", "asset C", "given: A, B"],
    ),
    "volume lacks an interval": (
        lambda: market(volume=VOLUME.iloc[:3]),
        DataError,
        ["volume", "interval 0.4", "and 1 more"],
    ),
    "eta lacks an asset": (
        lambda: solve(ac.TemporaryImpact({"A": 1.0, "B": 1.0})),
        DataError,
        ["TemporaryImpact eta", "asset C"],
    ),
    "duplicate label": (
        lambda: market(volume=pd.concat([VOLUME, VOLUME["A"]], axis=1)),
        DataError,
        ["volume", "'A'", "more than once"],
    ),
    "scalar eta for several": (
        lambda: solve(ac.TemporaryImpact(1e-6)),
        DataError,
        ["TemporaryImpact eta", "1e-06", "price units", "Series"],
    ),
    "scalar gamma for several": (lambda: solve(ac.PermanentImpact(1e-8)), DataError, ["gamma", "1e-08", "price units"]),
    "scalar covariance for several": (lambda: market(covariance=1.0), DataError, ["covariance", "(3, 3) is expected"]),
    "scalar spread for several": (lambda: market(spread=0.01), DataError, ["spread", "0.01", "price units"]),
    "eta - gamma tau / 2 <= 0": (
        lambda: solve(ac.TemporaryImpact(dict.fromkeys("ABC", 1e-6)) + ac.PermanentImpact(dict.fromkeys("ABC", 1e-4))),
        ModelError,
        ["not convex for A at 0.0", "eta / tau - gamma / 2", "intervals would do", "own='half'"],
    ),
    "asymmetric gamma": (
        lambda: solve(ac.TemporaryImpact() + ac.PermanentImpact(lopsided() * 1e-9)),
        DataError,
        ["gamma is not symmetric", "[A, B]", "round trip"],
    ),
    "order for an unknown asset": (
        lambda: solve(order=ac.Order.sell({"A": 1.0, "GME": 5.0})),
        DataError,
        ["no asset GME", "it has: A, B, C"],
    ),
    "order that is NaN": (lambda: ac.Order.sell({"A": np.nan}), DataError, ["Order.sell quantity is nan for A"]),
    "negative quantity": (lambda: ac.Order.buy({"A": -5.0}), DataError, ["Order.buy quantity is -5 for A", ">= 0"]),
    "window outside the grid": (
        lambda: solve(rules=[ac.NoTrade(during=(0.35, 3.0))]),
        DataError,
        ["3.0 is outside the grid", "0 to 1"],
    ),
    "window off its edges": (
        lambda: solve(rules=[ac.NoTrade(during=(0.35, 0.5))]),
        DataError,
        ["0.5 is not an edge", "0.4 and 0.85"],
    ),
    "window reversed": (
        lambda: solve(rules=[ac.Participation(0.1, during=(0.85, 0.1))]),
        DataError,
        ["empty or reversed"],
    ),
    "window of one time": (lambda: solve(rules=[ac.NoTrade(during=0.35)]), DataError, ["during=0.35 is not a window"]),
    "time of day without a clock": (
        lambda: solve(rules=[ac.NoTrade(during=("12:00", "13:00"))]),
        DataError,
        ["no clock"],
    ),
    "rule for an unknown asset": (
        lambda: solve(rules=[ac.Monotone(assets=["A", "GME"])]),
        ModelError,
        ["Monotone", "'GME'", "A, B, C"],
    ),
    "lower above upper, sizes": (
        lambda: solve(rules=[ac.TradeSize(5.0, 3.0)]),
        DataError,
        ["TradeSize", "lower bound 5", "upper bound 3", "A at 0.0"],
    ),
    "lower above upper, rates": (
        lambda: solve(rules=[ac.TradeRate(5.0, 3.0)]),
        DataError,
        ["TradeRate", "lower bound", "A at 0.0"],
    ),
    "lower above upper, holdings": (
        lambda: solve(rules=[ac.HoldingBounds({"A": 0, "B": 7, "C": 0}, {"A": 9, "B": 3, "C": 9})]),
        DataError,
        ["lower bound 7", "upper bound 3", "B at 0.0"],
    ),
    "minimum above maximum": (
        lambda: solve(rules=[ac.Participation(0.1, 0.2)]),
        DataError,
        ["Participation", "lower bound", "A at 0.0"],
    ),
    "negative participation": (
        lambda: solve(rules=[ac.Participation(-0.1)]),
        DataError,
        ["Participation maximum is -0.1 for A"],
    ),
    "negative tolerance": (lambda: ac.DollarNeutral(-1.0), DataError, ["DollarNeutral tolerance=-1.0", ">= 0"]),
    "not DCP": (
        lambda: solve(COST + ac.CustomCost(lambda p: cp.sum(cp.multiply(p.trades, p.trades)))),
        ModelError,
        ["CustomCost", "CVXPY's rules", "convex"],
    ),
    "concave": (
        lambda: solve(COST + ac.CustomCost(lambda p: -cp.sum_squares(p.trades), name="odd")),
        ModelError,
        ["odd is concave"],
    ),
    "another problem's variables": (
        lambda: solve(COST + ac.CustomCost(lambda p: cp.sum_squares(cp.Variable(2, name="mine")))),
        ModelError,
        ["CustomCost", "variable mine"],
    ),
    "no variables at all": (
        lambda: solve(COST + ac.CustomCost(lambda p: cp.Constant(1.0))),
        ModelError,
        ["does not depend on the schedule"],
    ),
    "a number": (
        lambda: solve(COST + ac.CustomCost(lambda p: 3.0)),
        ModelError,
        ["CustomCost", "float 3.0", "CVXPY expression"],
    ),
    "a vector": (
        lambda: solve(COST + ac.CustomCost(lambda p: p.trades[0])),
        ModelError,
        ["CustomCost", "shape (3,)", "scalar"],
    ),
    "a rule that is a number": (
        lambda: solve(rules=[ac.CustomConstraint(lambda p: 3.0)]),
        ModelError,
        ["CustomConstraint", "float 3.0"],
    ),
    "a rule that is not convex": (
        lambda: solve(rules=[ac.CustomConstraint(lambda p: cp.sum_squares(p.trades) >= 1.0)]),
        ModelError,
        ["CustomConstraint", "not convex"],
    ),
    "a rule about other variables": (
        lambda: solve(rules=[ac.CustomConstraint(lambda p: cp.Variable(name="mine") >= 1.0)]),
        ModelError,
        ["CustomConstraint", "variable mine"],
    ),
    "integers": (
        lambda: solve(
            rules=[ac.CustomConstraint(lambda p: p.trades[0, 0] == 100 * cp.Variable(integer=True, name="lots"))]
        ),
        ModelError,
        ["lots"],
    ),
    "risk without a weight": (
        lambda: solve(ac.TemporaryImpact() + ac.TimingRisk()),
        ModelError,
        ["TimingRisk has no weight", "multiply", "solve_for"],
    ),
    "tracking without a weight": (
        lambda: solve(ac.TemporaryImpact() + ac.TrackingRisk(np.zeros((6, 3)))),
        ModelError,
        ["TrackingRisk has no weight"],
    ),
    "negative weight": (lambda: -1.0 * ac.TimingRisk(), ModelError, ["weight -1 of TimingRisk()", ">= 0"]),
    "no impact": (lambda: solve(impact=None), ModelError, ["TemporaryImpact has no coefficient", "LinearImpact"]),
    "no covariance": (lambda: solve(covariance=None), ModelError, ["the market has no covariance"]),
    "no volume": (
        lambda: solve(rules=[ac.Participation(0.1)], volume=None, impact=None, objective=1e-6 * ac.TimingRisk()),
        ModelError,
        ["the market has no volume"],
    ),
    "no spread": (lambda: solve(ac.SpreadCost(), spread=None), ModelError, ["the market has no spread"]),
    "caps too small": (
        lambda: solve(rules=[ac.Participation(1e-3)]),
        InfeasibleError,
        ["A (and 1 more): caps sum to 500 of 9,000 shares", "Participation"],
    ),
    "net order outside": (
        lambda: solve(rules=[ac.DollarNeutral(0.05)]),
        InfeasibleError,
        ["the order is net 145k", "tolerance 27.25k"],
    ),
    "earning without end": (
        lambda: solve(ac.Alpha(dict.fromkeys("ABC", 1.0))),
        UnboundedError,
        ["falls without end", "buy"],
    ),
    "unknown solver": (
        lambda: ac.ExecutionProblem(builders.order("sell one"), market(), COST).solve(solver="GUROBI"),
        DataError,
        ["'GUROBI'", "OSQP"],
    ),
    "unknown fallback": (
        lambda: ac.ExecutionProblem(builders.order("sell one"), market(), COST).solve(fallback=("ECOS",)),
        DataError,
        ["'ECOS'", "CLARABEL"],
    ),
    "tolerance": (
        lambda: ac.ExecutionProblem(builders.order("sell one"), market(), COST).solve(tolerance=0.0),
        DataError,
        ["tolerance=0.0"],
    ),
}


CASES |= {
    "no text as name": (lambda: ac.SpreadCost(name=[1]), DataError, ["SpreadCost name", "[1]", "text"]),
    "table as name": (lambda: ac.Monotone(name=VOLUME), DataError, ["Monotone name", "text"]),
    "assets by number": (lambda: solve(rules=[ac.Monotone(assets=5)]), DataError, ["Monotone assets", "5", "list of"]),
    "assets once": (lambda: ac.Monotone(assets=iter("AB")), DataError, ["Monotone assets", "list of labels"]),
    "list of lists": (lambda: solve(rules=[ac.NoTrade(assets=[["A"]])]), DataError, ["['A']", "no label"]),
    "complex price": (lambda: market(price={"A": 1j, "B": 1.0, "C": 1.0}), DataError, ["price", "1j", "for A"]),
    "times as prices": (lambda: ac.Order.sell(np.array([5], "m8[h]")), DataError, ["timedelta64", "not a number"]),
    "endless integer": (lambda: market(spread=10**400), DataError, ["spread", "too large"]),
    "price beyond all": (lambda: market(price={"A": 1e300, "B": 1.0, "C": 1.0}), DataError, ["1e+300 for A", "1e+60"]),
    "price near nothing": (
        lambda: market(price={"A": 1e-300, "B": 1.0, "C": 1.0}),
        DataError,
        ["1e-300 for A", "1e-60"],
    ),
    "word in an array": (lambda: ac.PermanentImpact(own=np.ones(3)), DataError, ["own=", "'full' or 'half'"]),
    "no impact model": (lambda: market(impact=ac.TWAP()), DataError, ["Market impact", "TWAP", "LinearImpact"]),
    "class as impact": (lambda: market(impact=ac.LinearImpact), DataError, ["Market impact", "LinearImpact"]),
    "no problem": (lambda: ac.twap(PRICE), DataError, ["twap problem", "Series", "ExecutionProblem"]),
    "no market": (lambda: ac.what_if(PRICE), DataError, ["what_if market", "Series", "a Market"]),
    "a billion intervals": (lambda: ac.TimeGrid.uniform(1.0, 10**9), DataError, ["periods=1000000000", "1,000,000"]),
    "endless horizon": (lambda: ac.TimeGrid.uniform(1e300, 4), DataError, ["horizon=1e+300"]),
    "edges as text": (lambda: ac.TimeGrid.from_timestamps(3), DataError, ["edges=3", "list of timestamps"]),
    "timestamps as number": (
        lambda: ac.TimeGrid([0, 1], timestamps=3.0),
        DataError,
        ["timestamps=3.0", "DatetimeIndex"],
    ),
    "per a list": (lambda: ac.Covariance.from_returns(SIGMA, PRICE, per=[1]), DataError, ["per=[1]", "days"]),
    "symbol of a list": (
        lambda: ac.Order.from_frame(VOLUME, symbol=["A"]),
        DataError,
        ["symbol=['A']", "name of a column"],
    ),
    "orders of a number": (lambda: ac.Order.from_frame(7), DataError, ["7", "table or the path"]),
    "session of a number": (lambda: ac.read_bars(VOLUME, session=3), DataError, ["session=3", "pair of times"]),
    "columns of a list": (lambda: ac.read_bars(VOLUME, columns=["a"]), DataError, ["columns=['a']", "mapping"]),
    "frontier of millions": (lambda: problem().frontier(10**9), DataError, ["points=1000000000", "10,000"]),
    "cross-check of a table": (
        lambda: problem().solve(cross_check=VOLUME),
        DataError,
        ["cross_check=", "True or False"],
    ),
    "fallback of a cost": (lambda: problem().solve(fallback=COST), DataError, ["fallback", "list of labels"]),
    "history of bytes": (lambda: problem().with_history(b"x"), DataError, ["executed", "b'x'"]),
    "complex history": (lambda: problem().with_history([[1j, 0, 0]]), DataError, ["executed", "not a number"]),
    "less of a number": (lambda: ac.WorstCase(COST, {"a": market()}, less=3), DataError, ["less", "3", "mapping"]),
    "less of text": (lambda: ac.WorstCase(COST, {"a": market()}, less={"a": "x"}), DataError, ["less", "'x'", "'a'"]),
    "limit of an endless integer": (lambda: ac.SpreadCost() <= 10**400, DataError, ["limit", "not accepted"]),
    "group of a list": (lambda: solve(rules=[ac.GroupNeutral({n: [n] for n in NAMES}, 0.9)]), DataError, ["no label"]),
    "no path": (lambda: solve().to_csv([]), DataError, ["[]", "path of a file"]),
    "regret of a table": (lambda: ac.robust(problem(), {"a": market()}, regret=VOLUME), DataError, ["regret=", "True"]),
    "replay without a function": (
        lambda: ac.replay_days(None, ["2019-02-15"], 3),
        DataError,
        ["replay_days make", "3"],
    ),
}


def problem():
    return ac.ExecutionProblem(builders.order("both sides"), market(), COST)


@pytest.mark.parametrize("case", CASES)
def test_refused_by_class_and_by_name(case):
    action, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        action()
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message
    assert isinstance(caught.value, AcoptError)


def test_one_tree():
    for kind in (DataError, ModelError, InfeasibleError, UnboundedError, SolverError, ac.MissingExtraError):
        assert issubclass(kind, AcoptError)
        assert getattr(ac, kind.__name__) is kind
    assert issubclass(DataError, ValueError)


# Objectives that reward no trading, so that doing nothing is best
IDLE = {
    "impact": ac.TemporaryImpact(),
    "impact and spread": ac.TemporaryImpact() + ac.SpreadCost(),
    "impact and risk": COST,
    "all": COST + ac.SpreadCost() + ac.PermanentImpact() + ac.Jerk(0.05),
}


class TestWhatIsNotAnError:
    """DESIGN, section 2: fewer shares than intervals, a zero order, a zero volume, one interval."""

    def test_fewer_shares_than_intervals(self):
        plan = solve(order=ac.Order.sell({"A": 3.0}))
        assert plan.trades["A"].sum() == pytest.approx(-3.0, rel=OBEYED)
        assert (plan.trades["A"] < 0).all()

    @pytest.mark.parametrize("objective", IDLE)
    @pytest.mark.parametrize("rules", [(), (ac.Monotone(), ac.Participation(0.2))], ids=["free", "ruled"])
    def test_a_zero_order_trades_nothing(self, objective, rules):
        plan = solve(IDLE[objective], rules, order=ac.Order(pd.Series(0.0, index=NAMES)))
        assert plan.trades.shape == (5, 3)
        assert np.abs(plan.path.trades).max() <= 1e-9
        assert plan.objective == pytest.approx(0.0, abs=1e-9)

    def test_a_zero_order_among_others(self):
        plan = solve(COST + ac.SpreadCost(), [ac.Monotone()], order=ac.Order.sell({"A": 9_000.0, "B": 0.0}))
        np.testing.assert_array_equal(plan.trades["B"], 0.0)

    def test_a_zero_order_that_a_cost_rewards(self):
        order = ac.Order(pd.Series({"A": 0.0}))
        plan = solve(ac.TemporaryImpact() + ac.Alpha({"A": 1.0}), order=order)
        assert plan.trades["A"].iloc[0] > 1.0
        assert plan.remaining["A"].iloc[-1] == 0.0

    @pytest.mark.parametrize("rules", [(), (ac.Participation(0.5),)])
    def test_a_zero_volume(self, rules):
        plan = solve(rules=rules, volume=with_cell(VOLUME, 0.35, "B", 0.0))
        assert plan.trades.loc[0.35, "B"] == 0.0
        assert plan.participation.loc[0.35, "B"] == 0.0
        assert (plan.trades["B"].drop(0.35) != 0.0).all()

    @pytest.mark.parametrize("kind", ["sell one", "buy many", "both sides"])
    def test_one_interval(self, kind):
        order = builders.order(kind)
        problem = ac.ExecutionProblem(
            order, builders.market("single"), COST + ac.SpreadCost() + ac.Jerk(0.1), [ac.Monotone()]
        )
        plan = problem.solve()
        np.testing.assert_allclose(plan.trades.iloc[0], -order.remaining, rtol=OBEYED)

    def test_a_plain_single_asset(self):
        problem = ac.ExecutionProblem(
            ac.Order.sell(100), ac.Market(ac.TimeGrid.uniform(1, 4), 50), ac.TemporaryImpact(1e-6)
        )
        np.testing.assert_allclose(problem.solve().trades["asset"], -25.0, rtol=OBEYED)

    def test_a_market_with_more_assets_than_the_order(self):
        plan = solve(order=ac.Order.buy({"C": 5.0}))
        assert list(plan.trades.columns) == ["C"]


numbers = st.one_of(st.floats(-1e100, 1e100), st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=4),
    numbers,
    st.integers(-5, 5),
    st.lists(st.one_of(numbers, st.text(max_size=2)), max_size=5),
    st.dictionaries(st.sampled_from("ABCX"), st.one_of(numbers, st.none(), st.text(max_size=2)), max_size=4),
)


class TestNothingElseEscapes:
    """Whatever is given where data belong, the answer is a schedule or an error of ours, and no warning."""

    @given(anything, st.sampled_from(range(12)))
    @settings(max_examples=120, deadline=None)
    def test_only_our_errors(self, value, where):
        objective = [
            lambda: ac.TemporaryImpact(value),
            lambda: ac.TemporaryImpact() + ac.PermanentImpact(value),
            lambda: ac.TemporaryImpact() + ac.SpreadCost(value),
            lambda: ac.TemporaryImpact() + ac.Alpha(value),
            lambda: ac.TemporaryImpact() + ac.Alpha.from_bps(value, 1.0),
            lambda: ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(value),
            lambda: ac.TemporaryImpact() + 1e-6 * ac.TrackingRisk(value),
            lambda: ac.TemporaryImpact() + ac.Smoothness(weight=value),
        ]
        rule = [
            lambda: ac.Participation(value),
            lambda: ac.TradeSize(value),
            lambda: ac.HoldingBounds(upper=value),
            lambda: ac.AllowUnfilled(value),
        ]

        def build():
            terms = objective[where]() if where < 8 else COST
            rules = [] if where < 8 else [rule[where - 8]()]
            return ac.ExecutionProblem(builders.order("both sides"), market(), terms, rules)

        found = builders.outcome(build)
        assert len(str(found)) > 10 if isinstance(found, AcoptError) else found.setting.shape == (5, 3)

    @given(anything, st.sampled_from(["price", "volume", "covariance", "spread"]))
    @settings(max_examples=80, deadline=None)
    def test_only_our_errors_from_a_market(self, value, field):
        found = builders.outcome(lambda: market(**{field: value}))
        assert len(str(found)) > 10 if isinstance(found, AcoptError) else found.grid is GRID

    @given(anything, anything)
    @settings(max_examples=80, deadline=None)
    def test_only_our_errors_from_an_order(self, initial, target):
        found = builders.outcome(lambda: ac.Order(initial, target))
        assert len(str(found)) > 10 if isinstance(found, AcoptError) else np.isfinite(found.remaining).all()


def test_an_order_of_next_to_nothing_is_refused():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 3), pd.Series({"A": 10.0, "B": 20.0}))
    order = ac.Order({"A": 1.0, "B": 1e-308})
    with pytest.raises(ac.DataError, match=r"order: 1e-308 shares of B; 0, or a size from 1e-60 to 1e\+60"):
        ac.ExecutionProblem(order, market, ac.TemporaryImpact(pd.Series({"A": 1e-6, "B": 1e-6})))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (lambda: ac.Order.hedge({(): []}), r"Order.hedge assets: \(\) is no label \(it is empty\)"),
        (
            lambda: ac.ExecutionProblem(
                ac.Order(1e3), ac.Market(ac.TimeGrid.uniform(1.0, 4), 10.0), ac.TemporaryImpact(1e-6) + ac.Jerk(1e299)
            ),
            r"Jerk scale=1e\+299: a time > 0, and at most 1e\+06 times the horizon, is expected",
        ),
        (
            lambda: ac.almgren_chriss(
                ac.ExecutionProblem(
                    ac.Order(1e3),
                    ac.Market(ac.TimeGrid.uniform(1.0, 4), 10.0, covariance=1.0),
                    ac.TemporaryImpact(1e-6) + 1e-6 * ac.TimingRisk(),
                ),
                risk_aversion=np.array([1e-6, 1e-5]),
            ),
            "almgren_chriss: risk_aversion=",
        ),
    ],
)
def test_what_a_fuzz_found(action, said):
    with pytest.raises(ac.DataError, match=said):
        action()
