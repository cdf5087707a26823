"""Factor, group and cash rules: formulas, violations on random paths, another solver's optimum, hedges, advice."""

from dataclasses import replace

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.constraints.portfolio import CashBalance, DollarNeutral, FactorNeutral, GroupNeutral, HoldingBounds
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.model.paths import Trajectory

TIGHT = 1e-12
OBEYED = 1e-9  # of the gross notional
SOLVED = 1e-7  # Clarabel's word on the same program, relative to the objective

NAMES = [*builders.NAMES]
PRICE = np.array([20.0, 400.0, 55.0])
BETA = pd.DataFrame({"market": [1.1, 0.8, 1.3], "size": [-0.5, 0.2, 0.9]}, index=NAMES)
SECTOR = {"A": "tech", "B": "tech", "C": "banks"}
COST = ac.TemporaryImpact() + 1e-5 * ac.TimingRisk()
LATE = (0.1, None)  # after the first trade, where the order itself is outside


def problem(*rules, order="both sides", at="uneven", cost=COST, **changes):
    order = builders.order(order) if isinstance(order, str) else order
    return ac.ExecutionProblem(order, builders.market(at, list(order.assets), **changes), cost, rules)


def exposures_by_hand(rule):
    """Currency per share, one column a functional."""
    if isinstance(rule, FactorNeutral):
        return BETA.to_numpy() * PRICE[:, None]
    if isinstance(rule, GroupNeutral):
        return np.array([[20.0, 0.0], [400.0, 0.0], [0.0, 55.0]])
    return PRICE[:, None]


RULES = {
    "dollar": DollarNeutral(30_000.0, during=LATE),
    "dollar, held": DollarNeutral(0.9, of="holdings"),
    "factor": FactorNeutral(BETA, 40_000.0, during=LATE),
    "factor, by label": FactorNeutral(BETA, {"size": 20_000.0, "market": 0.2}, during=LATE),
    "factor, held": FactorNeutral(BETA, pd.Series({"market": 3e5, "size": 2e5}), of="holdings"),
    "group": GroupNeutral(SECTOR, 25_000.0, during=LATE),
    "group, by label": GroupNeutral(pd.Series(SECTOR), {"banks": 0.1, "tech": 9_000.0}, during=LATE),
    "cash": CashBalance(-20_000.0, 150_000.0, during=(None, 0.85)),
    "cash, one side": CashBalance(lower=0.0),
}


@pytest.mark.parametrize("kind", ["both sides", "sell many", "buy many"])
@pytest.mark.parametrize("name", RULES)
class TestByFormula:
    def limits(self, rule, setting):
        """Lower and upper limit (f,), by hand."""
        if isinstance(rule, CashBalance):
            return (np.array([v if v is not None else s * np.inf]) for v, s in ((rule.lower, -1), (rule.upper, 1)))
        labels = {FactorNeutral: ["market", "size"], GroupNeutral: ["tech", "banks"]}.get(type(rule), ["net"])
        given = rule.tolerance
        each = [float(given) if isinstance(given, float) else float(given[label]) for label in labels]
        gross = PRICE @ np.abs(setting.remaining)
        limit = np.array([gross * t if t < 1 else t for t in each])
        return -limit, limit

    def values(self, rule, setting, trades):
        """Functionals after every trade (N, f), one addition at a time."""
        x = builders.loops(trades, setting.remaining)[1:]
        if isinstance(rule, CashBalance):
            return np.array([[-sum(PRICE @ u for u in trades[: k + 1])] for k in range(len(trades))])
        held = x + setting.target if rule.of == "holdings" else x
        return held @ exposures_by_hand(rule)

    def test_violation_and_expression_on_random_paths(self, name, kind):
        rule = RULES[name]
        # A market's setting only: the order itself may be outside, which is another test.
        asked = problem(order=kind)
        low, high = self.limits(rule, asked.setting)
        rows = asked.setting.grid.window(rule.during)
        broken = 0.0
        for seed in range(6):
            trades = builders.random_trades(asked, seed)
            value = self.values(rule, asked.setting, trades)
            expected = np.where(rows[:, None], np.maximum(np.maximum(low - value, value - high), 0.0), 0.0)
            path = Trajectory(asked.setting, trades)
            found = np.asarray(rule.violation(path)).reshape(5, -1)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=TIGHT * 1e6)
            broken = max(broken, expected.max())
            left = cp.Variable((6, 3), value=path.remaining)
            data = {key: cp.Parameter(np.shape(v), value=v) for key, v in rule.parameters(asked.setting).items()}
            sides = rule.expressions(type("P", (), {"after": left[1:]})(), data)
            assert len(sides) == 2
            lower, upper = (np.asarray(side.violation()).reshape(5, -1) for side in sides)
            np.testing.assert_allclose(np.maximum(lower, upper), expected, rtol=1e-9, atol=TIGHT * 1e6)
            np.testing.assert_allclose(
                lower, np.where(rows[:, None], np.maximum(low - value, 0.0), 0.0), rtol=1e-9, atol=TIGHT * 1e6
            )
        assert broken > 0

    def test_optimum_of_a_program_written_by_hand(self, name, kind):
        rule = RULES[name]
        setting = problem(order=kind).setting
        low, high = self.limits(rule, setting)
        rows = np.flatnonzero(setting.grid.window(rule.during))
        at_the_end = self.values(rule, setting, -setting.remaining[None, :])[-1]
        if rows[-1] == 4 and ((at_the_end < low) | (at_the_end > high)).any():
            with pytest.raises(InfeasibleError, match=r"the target is net|the whole order ends with cash"):
                problem(rule, order=kind)
            return
        asked = problem(rule, order=kind)
        plan = asked.solve()
        x, size = cp.Variable((6, 3)), np.abs(setting.remaining)
        shares = x @ np.diag(size)
        trades = shares[1:] - shares[:-1]
        eta = np.asarray(setting.market.impact.temporary(setting.market))
        tau = setting.durations[:, 0]
        unit = plan.objective
        root = np.linalg.cholesky(builders.correlated(0.02 * PRICE))
        money = cp.sum_squares(cp.multiply(np.sqrt(eta / tau[:, None] / unit), trades))
        risk = cp.sum_squares(cp.multiply(np.sqrt(1e-5 * tau / unit)[:, None], shares[1:] @ root))
        position = shares[1:]
        if isinstance(rule, CashBalance):
            value = (setting.remaining @ PRICE - position @ PRICE)[:, None]
        else:
            held = position + (setting.target if rule.of == "holdings" else 0.0 * setting.target)[None, :]
            value = held @ exposures_by_hand(rule)
        gross = setting.gross
        rules = [x[0] == np.sign(setting.remaining), x[5] == 0]
        for f in range(value.shape[1]):
            for k in rows:
                rules += [value[k, f] / gross >= low[f] / gross] if np.isfinite(low[f]) else []
                rules += [value[k, f] / gross <= high[f] / gross] if np.isfinite(high[f]) else []
        told = cp.Problem(cp.Minimize(money + risk), rules).solve(solver="CLARABEL")
        assert told * unit == pytest.approx(plan.objective, rel=SOLVED)
        np.testing.assert_allclose(shares.value, plan.path.remaining, rtol=0, atol=1e-4 * size.max())
        assert not plan.rules_broken
        assert max(np.max(rule.violation(plan.path)), 0.0) <= OBEYED * gross


class TestLabels:
    def test_rows_and_their_labels(self):
        """Lower side first, then upper; a column for each label."""
        setting = problem().setting
        assert list(FactorNeutral(BETA, 1.0).row_labels(setting)) == ["market", "size"]
        assert list(GroupNeutral(SECTOR, 1.0).row_labels(setting)) == ["tech", "banks"]
        assert list(HoldingBounds(0.0).row_labels(setting)) == NAMES
        for rule in (DollarNeutral(1.0), CashBalance(0.0), ac.Participation(0.1)):
            assert rule.row_labels(setting) is None
        for rule, shape in ((FactorNeutral(BETA, 1.0), (5, 2)), (DollarNeutral(1.0), (5,)), (CashBalance(0.0), (5,))):
            data = rule.parameters(setting)
            assert data["lower"].shape == data["upper"].shape == shape

    def test_one_factor_is_a_series_or_a_mapping(self):
        setting = problem().setting
        for given, label in (
            (BETA["market"], "market"),
            (pd.Series(BETA["market"].to_dict()), "factor"),
            (BETA["market"].to_dict(), "factor"),
        ):
            rule = FactorNeutral(given, 5_000.0)
            assert list(rule.row_labels(setting)) == [label]
            np.testing.assert_allclose(rule.functionals(setting)[:, 0], PRICE * BETA["market"], rtol=TIGHT)

    def test_any_order_and_a_superset(self):
        setting = problem().setting
        more = pd.concat([BETA.iloc[::-1], pd.DataFrame({"market": [9.0], "size": [9.0]}, index=["X"])])
        np.testing.assert_array_equal(
            FactorNeutral(more, 1.0).functionals(setting), FactorNeutral(BETA, 1.0).functionals(setting)
        )
        shuffled = GroupNeutral({"X": "oil", "C": "banks", "B": "tech", "A": "tech"}, {"tech": 1, "banks": 2, "oil": 3})
        np.testing.assert_array_equal(shuffled.functionals(setting), GroupNeutral(SECTOR, 1.0).functionals(setting))
        np.testing.assert_array_equal(shuffled.tolerances(setting), [1.0, 2.0])

    def test_assets_left_out_need_no_data_and_do_not_count(self):
        setting = problem().setting
        some = FactorNeutral(BETA.loc[["A", "C"]], 1.0, assets=["C", "A"])
        np.testing.assert_array_equal(some.functionals(setting)[1], 0.0)
        pair = GroupNeutral({"A": "x", "B": "x"}, 1.0, assets=["A", "B"])
        np.testing.assert_array_equal(pair.functionals(setting)[:, 0], [20.0, 400.0, 0.0])
        np.testing.assert_array_equal(CashBalance(0.0, assets="B").functionals(setting), [0.0, -400.0, 0.0])

    def test_one_group_of_all_is_dollar_neutral(self):
        for order in ("both sides", "sell many"):
            group = problem(GroupNeutral(dict.fromkeys(NAMES, "all"), 0.05, during=LATE), order=order).solve()
            dollar = problem(DollarNeutral(0.05, during=LATE), order=order).solve()
            np.testing.assert_allclose(group.path.trades, dollar.path.trades, rtol=0, atol=1e-7 * 9_000)

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (FactorNeutral(BETA.iloc[:2], 1e9), "FactorNeutral exposures: no value for asset C; given: A, B"),
            (FactorNeutral(BETA.where(BETA > 0), 1e9), "FactorNeutral exposures is nan for A, factor size"),
            (FactorNeutral(BETA.replace(1.3, np.inf), 1e9), "FactorNeutral exposures is inf for C, factor market"),
            (
                FactorNeutral(BETA.astype(object).replace(1.3, "?"), 1e9),
                r"'\?' for market at C is not a number|'\?' for C at market",
            ),
            (FactorNeutral(BETA[[]], 1e9), "FactorNeutral exposures: no factor"),
            (FactorNeutral(BETA.set_axis(["f", "f"], axis=1), 1e9), "two factors are called 'f'"),
            (FactorNeutral(pd.concat([BETA, BETA]), 1e9), "the label 'A' appears more than once"),
            (FactorNeutral(BETA.to_numpy(), 1e9), "ndarray was given; a DataFrame asset x factor is expected"),
            (FactorNeutral(BETA, {"market": 1.0}), "FactorNeutral tolerance: no value for factor size; given: market"),
            (GroupNeutral({"A": 1, "B": 2}, 1e9), "GroupNeutral groups: no value for asset C; given: A, B"),
            (GroupNeutral({**SECTOR, "B": None}, 1e9), "GroupNeutral groups: B has no group"),
            (GroupNeutral(pd.Series(SECTOR).replace("banks", np.nan), 1e9), "GroupNeutral groups: C has no group"),
            (GroupNeutral("tech", 1e9), "GroupNeutral groups: str was given; a mapping or Series by asset"),
            (GroupNeutral(SECTOR, {"banks": 1.0}), "GroupNeutral tolerance: no value for group tech; given: banks"),
            (CashBalance(), "CashBalance: give a lower bound, an upper bound, or both"),
            (CashBalance(2e6, -1e6), r"CashBalance: the lower bound 2M is above the upper bound -1M at 0\.0"),
            (CashBalance(np.nan), "CashBalance lower is nan"),
            (CashBalance(pd.Series({0.0: 1.0})), "CashBalance lower: no value for interval 0.1"),
        ],
    )
    def test_refusals(self, rule, words):
        with pytest.raises(DataError, match=words):
            problem(rule)

    @pytest.mark.parametrize("tolerance", [-1.0, np.nan, np.inf, {"market": -1.0}, pd.Series({"size": np.nan}), [0.1]])
    def test_tolerances_are_numbers(self, tolerance):
        with pytest.raises(DataError, match="FactorNeutral tolerance"):
            FactorNeutral(BETA, tolerance)

    def test_by_label_is_not_for_a_single_number(self):
        with pytest.raises(DataError, match="DollarNeutral tolerance"):
            problem(DollarNeutral({"A": 1.0}))
        with pytest.raises(DataError, match="GroupNeutral of='cash'"):
            GroupNeutral(SECTOR, 0.1, of="cash")
        with pytest.raises(ModelError, match="assets= names 'Z'"):
            problem(FactorNeutral(BETA, 0.1, assets=["Z"]))


class TestAdvice:
    """Both sides: sells 180k of A and 165k of C, buys 200k of B."""

    def test_the_order_itself_names_factor_value_and_tolerance(self):
        words = r"FactorNeutral: the order is net 252.5k in market, tolerance 100k; raise the tolerance above that, bal"
        with pytest.raises(InfeasibleError, match=words):
            problem(FactorNeutral(BETA, 100_000.0))
        with pytest.raises(InfeasibleError, match=r"mine: the order is net 165k in banks, tolerance 54.5k"):
            problem(GroupNeutral(SECTOR, {"tech": 0.5, "banks": 0.1}, name="mine"))
        assert problem(GroupNeutral(SECTOR, {"tech": 0.5, "banks": 165_000.0})).solve()

    def test_a_target_names_the_group(self):
        with pytest.raises(
            InfeasibleError, match=r"the target is net 200k in tech, tolerance 50k; raise .* or balance"
        ):
            problem(GroupNeutral(SECTOR, 50_000.0, of="holdings"))
        assert problem(GroupNeutral(SECTOR, 50_000.0, of="holdings"), ac.AllowUnfilled(50.0)).solve()
        assert problem(GroupNeutral(SECTOR, 50_000.0, of="holdings", during=(0.35, 0.4))).solve()

    def test_cash_of_the_whole_order(self):
        words = r"CashBalance: the whole order ends with cash 145k, outside the bounds -inf to 100k; widen them"
        with pytest.raises(InfeasibleError, match=words):
            problem(CashBalance(upper=100_000.0))
        with pytest.raises(InfeasibleError, match=r"ends with cash -477.5k, outside the bounds 0 to inf"):
            problem(CashBalance(0.0), order="buy many")
        assert problem(CashBalance(upper=100_000.0, during=(None, 0.85))).solve()
        assert problem(CashBalance(upper=100_000.0), ac.AllowUnfilled(30.0)).solve()

    def test_a_window_counts_from_its_first_interval(self):
        with pytest.raises(InfeasibleError, match="the order is net"):
            problem(DollarNeutral(0.1, during=(0.0, 0.35)))
        assert problem(DollarNeutral(0.1, during=(0.1, 0.35))).solve()

    def test_rounding_is_not_judged(self):
        """Orders that are neutral but for the rounding of a sum are inside a tolerance of zero."""
        rounded = 0
        for shares in np.random.default_rng(0).uniform(1e3, 1e6, 20):
            legs = {"A": shares / 3, "B": -shares / 7, "C": (400 * (shares / 7) - 20 * (shares / 3)) / 55}
            rounded += PRICE @ list(legs.values()) != 0
            assert problem(DollarNeutral(0.0), order=ac.Order(legs)).setting.gross > 0
        assert rounded > 0
        plan = problem(DollarNeutral(0.0), order=ac.Order(legs)).solve()
        assert np.abs(plan.path.remaining @ PRICE).max() <= OBEYED * plan.setting.gross

    def test_history_is_not_judged(self):
        """Re-planning: what was executed may have left the tolerance; rules apply from now on."""
        setting = problem().setting
        later = replace(setting, past=np.array([[-1_000.0, 0.0, 0.0], [-2_000.0, 100.0, 0.0]]))
        for rule in (DollarNeutral(0.01), FactorNeutral(BETA, 0.01), GroupNeutral(SECTOR, 0.01)):
            with pytest.raises(InfeasibleError):
                rule.check(setting)
            rule.check(later)
        for rule in (*RULES.values(), HoldingBounds(0.0, 1e4)):
            low, high = rule.bounds(later)
            assert np.isneginf(low[:2]).all()
            assert np.isposinf(high[:2]).all()
            path = Trajectory(later, np.vstack([later.past, [[0.0] * 3] * 2, [-later.left]]))
            assert (np.asarray(rule.violation(path))[:2] == 0).all()
        with pytest.raises(InfeasibleError, match="the whole order ends with cash"):
            CashBalance(upper=1.0).check(later)

    def test_a_replan_keeps_the_rules_from_now_on(self):
        """Cash counts what was executed; the tolerance is met again by the first trade that is free."""
        rules = [GroupNeutral(SECTOR, {"tech": 5e4, "banks": 9e4}, during=LATE), CashBalance(-9e4, 2e5)]
        asked = problem(*rules)
        past = np.array([[0.0, 400.0, 0.0], [-100.0, 50.0, 0.0]])
        broken = asked.evaluate(np.vstack([past, [[0.0] * 3] * 2, [-9_000.0 + 100.0, 50.0, -3_000.0]]))
        assert set(broken.rules_broken) == {"GroupNeutral", "CashBalance"}
        later = asked.with_history(past).solve()
        x, cash = later.path.remaining[1:], -np.cumsum(later.path.trades @ PRICE)
        np.testing.assert_array_equal(later.path.trades[:2], past)
        assert cash[0] == -160_000.0
        assert cash[2:].min() >= -9e4 - OBEYED * later.setting.gross
        assert np.abs(x[2:] @ [20.0, 400.0, 0.0]).max() <= 5e4 + OBEYED * later.setting.gross
        assert np.abs(x[2:] @ [0.0, 0.0, 55.0]).max() <= 9e4 + OBEYED * later.setting.gross
        assert later.rules_broken == {}


class TestHedges:
    """A basket with beta, and an index leg that starts and ends flat and keeps it neutral on the way."""

    @pytest.mark.parametrize("side", [1.0, -1.0])
    @pytest.mark.parametrize("tolerance", [0.0, 0.01, 2_000.0])
    @pytest.mark.parametrize("make", ["dollar", "factor", "group"])
    def test_a_hedge_leg_keeps_the_basket_neutral_and_ends_flat(self, make, tolerance, side):
        order = ac.Order(side * pd.Series({"A": 9_000.0, "B": 300.0})) + ac.Order.hedge(["C"])
        beta = BETA["market"]
        rule, per_share = {
            "dollar": (DollarNeutral(tolerance), PRICE),
            "factor": (FactorNeutral(beta, tolerance), PRICE * beta.to_numpy()),
            "group": (GroupNeutral(dict.fromkeys(NAMES, "g"), tolerance), PRICE),
        }[make]
        plan = problem(rule, ac.Monotone(), order=order).solve()
        limit = tolerance * plan.setting.gross if tolerance < 1 else tolerance
        net = plan.path.remaining[1:] @ per_share
        assert np.abs(net).max() <= limit + OBEYED * plan.setting.gross
        assert plan.holdings["C"].iloc[0] == plan.holdings["C"].iloc[-1] == 0.0
        assert (side * plan.path.remaining[1:-1, 2] < 0).all()  # short the index while the basket is long
        unhedged = np.abs(plan.path.remaining[1:-1, :2] @ per_share[:2])
        assert (unhedged > limit).any()
        assert not plan.rules_broken

    def test_a_hedge_without_exposure_repairs_nothing(self):
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.hedge(["C"])
        flat = pd.DataFrame({"m": [1.0, 0.0], "s": [1.0, 1.0]}, index=["A", "C"])
        with pytest.raises(InfeasibleError, match=r"the order is net 180k in m, tolerance 1\.8k"):
            problem(FactorNeutral(flat, 0.01), order=order)
        with pytest.raises(InfeasibleError, match="the order is net 180k in m"):
            problem(FactorNeutral(flat.assign(m=1.0), 0.01, assets=["A"], name="FactorNeutral"), order=order)
        assert problem(FactorNeutral(flat[["s"]], 0.01), order=order).solve()


class TestLimits:
    def test_one_interval(self):
        plan = problem(FactorNeutral(BETA, 0.9), GroupNeutral(SECTOR, 0.5), CashBalance(0.0, 2e5), at="single").solve()
        np.testing.assert_array_equal(plan.path.trades, [[-9_000.0, 500.0, -3_000.0]])

    def test_a_zero_order(self):
        rules = [
            FactorNeutral(BETA, 0.01), GroupNeutral(SECTOR, 0.0), CashBalance(0.0, 0.0), DollarNeutral(0.1),
        ]  # fmt: skip
        plan = problem(*rules, order="nothing").solve()
        assert (plan.path.trades == 0.0).all()

    def test_cash_by_interval(self):
        """Money may be short by 50,000 until 0.4; afterwards buys are paid for by sells."""
        grid = builders.grid("uneven")
        lower = pd.Series([-5e4, -5e4, -5e4, 0.0, 0.0], index=grid.labels)
        plan = problem(CashBalance(lower), cost=COST + ac.Alpha({"A": 60.0, "B": 900.0, "C": 100.0})).solve()
        cash = -np.cumsum(plan.path.trades @ PRICE)
        assert (cash >= lower.to_numpy() - OBEYED * plan.setting.gross).all()
        assert cash[2] < 0 <= cash[3] + OBEYED * plan.setting.gross

    @pytest.mark.parametrize("shares", [1e2, 1e9])
    def test_at_any_size(self, shares):
        order = ac.Order({"A": shares, "B": -shares / 20, "C": shares / 3})
        market = builders.market("uneven", volume=20 * shares)
        rule = FactorNeutral(BETA, 0.05, during=LATE)
        plan = ac.ExecutionProblem(order, market, COST, [rule]).solve()
        assert not plan.rules_broken
        assert plan.certificate.violation <= 1e-9

    def test_updates_equal_a_problem_written_anew(self):
        asked = problem(
            FactorNeutral(BETA, 0.3, during=LATE), GroupNeutral(SECTOR, 0.4), CashBalance(-5e4), order="both sides"
        )
        asked.solve()
        other = {"FactorNeutral": {"exposures": -2 * BETA, "tolerance": {"market": 0.2, "size": 9e4}}}
        asked.update(constraints={**other, "CashBalance": {"lower": -1e4}, "GroupNeutral": {"tolerance": 3e5}})
        asked.update(order=ac.Order({"A": 8_000.0, "B": -450.0, "C": 2_000.0}))
        fresh = problem(
            FactorNeutral(-2 * BETA, {"market": 0.2, "size": 9e4}, during=LATE),
            GroupNeutral(SECTOR, 3e5),
            CashBalance(-1e4),
            order=asked.order,
        )
        one, two = asked.solve(), fresh.solve()
        np.testing.assert_allclose(one.path.trades, two.path.trades, rtol=0, atol=1e-7 * 8_000)
        with pytest.raises(InfeasibleError, match="the order is net"):
            asked.update(constraints={"GroupNeutral": {"tolerance": 0.0}})
        assert asked.solve().objective == pytest.approx(two.objective, rel=1e-9)

    def test_buys_and_sells_mirror(self):
        shares = pd.Series({"A": 9_000.0, "B": -500.0, "C": 3_000.0})
        rules = [FactorNeutral(BETA, 0.3, during=LATE), GroupNeutral(SECTOR, 0.2, during=LATE)]
        cash = [CashBalance(lower=1e4), CashBalance(upper=-1e4)]
        one, two = (
            problem(*rules, rule, order=ac.Order(sign * shares)).solve().path.trades
            for sign, rule in zip((1, -1), cash, strict=True)
        )
        np.testing.assert_allclose(one, -two, rtol=0, atol=1e-7 * 9_000)
