"""Impact as a power of the rate: its formula, the law it stands for, the optimum against what is known of it."""

import tomllib
from pathlib import Path

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import acopt as ac
from acopt.costs.power import PowerImpact
from acopt.errors import DataError, ModelError

EXACT = 1e-12  # of the sum of |terms|
SAME = 1e-9  # a quadratic law against `TemporaryImpact`, of the order
HELD = 1e-6  # trades of a conic program against an oracle, of the order
OPTIMAL = 1e-9  # objectives, relative

NAMES = [*builders.NAMES]
C = pd.Series({"A": 1e-3, "B": 0.5, "C": 1e-3})
B = pd.Series({"A": 0.5, "B": 0.6, "C": 1.2})
LAWS = {"square root": ac.SquareRootImpact(0.8), "3/5": ac.AlmgrenEtAl2005()}
CROSSES = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "195min", overnight=0.5, auctions=True)  # 4, night, 4


def by_interval(grid, base=C):
    """Return base by asset, growing and falling over the intervals."""
    wave = 1.0 + 0.5 * np.sin(np.arange(grid.periods))
    return pd.DataFrame(np.outer(wave, base), index=grid.labels, columns=base.index)


def problem_of(cost=None, kind="both sides", at="uneven", rules=(), extra=None, *, impact=LAWS["square root"], **facts):
    objective = (PowerImpact() if cost is None else cost) + 1e-5 * ac.TimingRisk()
    objective = objective if extra is None else objective + extra
    return ac.ExecutionProblem(
        builders.order(kind), builders.market(at, impact=impact, **facts), objective, list(rules)
    )


def one_asset(shares, edges, coefficient, exponent, *, variance=0.0, weight=1.0, rules=()):
    """Return one asset of price 50, for closed forms."""
    market = ac.Market(ac.TimeGrid(edges), {"A": 50.0}, covariance=variance or 1.0)
    cost = PowerImpact(coefficient, exponent) + (weight if variance else 0.0) * ac.TimingRisk()
    return ac.ExecutionProblem(ac.Order({"A": shares}), market, cost, rules)


def marginal(problem, plan, coefficient, exponent, weight):
    """Return d objective / d u (N, n) from the formulas: marginal impact, and the risk of all later positions."""
    setting, u = problem.setting, plan.path.trades
    impact = coefficient * (1 + exponent) * np.sign(u) * np.abs(u / setting.durations) ** exponent
    sigma = builders.correlated(0.02 * setting.market.prices)
    carried = 2.0 * weight * setting.durations * (plan.path.remaining[1:] @ sigma)
    return impact + np.cumsum(carried[::-1], axis=0)[::-1]


# name -> (cost of grid, impact of the market)
COSTS = {
    "square-root law": (lambda g: 2.0 * PowerImpact(), LAWS["square root"]),
    "3/5 law": (lambda g: PowerImpact(), LAWS["3/5"]),
    "linear law": (lambda g: 0.5 * PowerImpact(), ac.LinearImpact(8.0)),
    "one exponent": (lambda g: PowerImpact(C, 0.5), None),
    "by interval": (lambda g: PowerImpact(by_interval(g), 0.3), None),
    "exponents by asset": (lambda g: 3.0 * PowerImpact(by_interval(g), B), None),
    "one of them linear": (lambda g: PowerImpact(C, {"A": 1.0, "B": 0.5, "C": 0.5}), None),
    "two of them": (lambda g: PowerImpact() + PowerImpact(C, 2.0, name="steep"), LAWS["3/5"]),
}


class TestFormula:
    @pytest.mark.parametrize("at", builders.EDGES)
    @pytest.mark.parametrize("kind", builders.ORDERS)
    @pytest.mark.parametrize("cost", COSTS)
    def test_expression_and_values_are_one_number(self, cost, kind, at):
        make, impact = COSTS[cost]
        problem = problem_of(make(builders.grid(at)), kind, at, impact=impact)
        assert problem.cvxpy_problem.is_dcp(dpp=True)
        for seed in range(2):
            trades = builders.random_trades(problem, seed)
            plan = problem.evaluate(trades)
            told = builders.cvxpy_objective(problem, trades)
            assert abs(told - plan.objective) <= EXACT * plan.objective, (told, plan.objective)

    @pytest.mark.parametrize("exponent", [0.5, 3, B])
    @pytest.mark.parametrize("kind", ["sell one", "both sides", "buy many"])
    def test_by_hand(self, kind, exponent):
        problem = problem_of(PowerImpact(by_interval(builders.grid("uneven")), exponent), kind)
        trades, tau = builders.random_trades(problem, 4), np.diff(builders.EDGES["uneven"])
        found = PowerImpact(by_interval(builders.grid("uneven")), exponent).values(problem.evaluate(trades).path)
        for k in range(5):
            for i, asset in enumerate(problem.setting.assets):
                b = B[asset] if exponent is B else exponent
                c = C[asset] * (1.0 + 0.5 * np.sin(k))
                rate = abs(trades[k, i]) / tau[k]
                assert found[k, i] == pytest.approx(tau[k] * c * rate ** (1 + b), rel=EXACT)

    def test_a_coefficient_that_is_next_to_nothing_is_nothing(self):
        beside = C.replace(C.iloc[0], 1e-306)
        plan, free = (problem_of(PowerImpact(c, B)).solve() for c in (beside, beside * (C.iloc[0] != C)))
        assert plan.objective == pytest.approx(free.objective, rel=1e-6)

    def test_what_is_said_of_crosses_is_not_read_without_them(self):
        with_it, without = (problem_of(PowerImpact(C, B, auction=a)).solve() for a in (C * 3, None))
        np.testing.assert_array_equal(with_it.path.trades, without.path.trades)
        assert with_it.expected_cost == without.expected_cost

    @pytest.mark.parametrize("auction", [C * 3, dict(C * 3), "by cross"])
    @pytest.mark.parametrize("kind", ["sell one", "both sides", "buy many"])
    def test_crosses_and_nights_by_hand(self, kind, auction):
        crosses = CROSSES.labels[CROSSES.auctions]
        wave = np.arange(1.0, 1.0 + len(crosses)) if isinstance(auction, str) else np.full(len(crosses), 3.0)
        table = pd.DataFrame(np.outer(wave, C), crosses, C.index).iloc[::-1] if isinstance(auction, str) else auction
        problem = problem_of(PowerImpact(C, B, auction=table), kind, CROSSES)
        trades = builders.random_trades(problem, 6)
        trades[CROSSES.closed] = 0.0
        trades[-1] = -problem.setting.remaining - trades[:-1].sum(axis=0)
        plan, seen, total = problem.evaluate(trades), 0, 0.0
        for k in range(CROSSES.periods):
            for i, asset in enumerate(problem.setting.assets):
                u, p = abs(trades[k, i]), 1.0 + B[asset]
                if CROSSES.auctions[k]:
                    total += wave[seen] * C[asset] * u**p
                elif not CROSSES.closed[k]:
                    total += CROSSES.durations[k] * C[asset] * (u / CROSSES.durations[k]) ** p
            seen += CROSSES.auctions[k]
        assert plan.term_values["PowerImpact"] == pytest.approx(total, rel=EXACT)
        assert builders.cvxpy_objective(problem, trades) == pytest.approx(plan.objective, rel=EXACT)

    @pytest.mark.parametrize("law", LAWS)
    @pytest.mark.parametrize("at", ["uneven", "single", CROSSES], ids=["uneven", "single", "crosses"])
    def test_without_coefficient_it_is_the_markets_law(self, at, law):
        problem = problem_of(at=at, impact=LAWS[law])
        trades = builders.random_trades(problem, 1)
        trades[problem.market.grid.closed] = 0.0
        plan = problem.evaluate(trades)
        expected = LAWS[law].law(problem.market, plan.path.trades)
        assert plan.term_values["PowerImpact"] == pytest.approx(np.sum(expected), rel=EXACT)
        assert builders.cvxpy_objective(problem, plan.path.trades) == pytest.approx(plan.objective, rel=EXACT)

    def test_the_law_in_trading_and_a_coefficient_of_ones_own_in_the_crosses(self):
        problem = problem_of(PowerImpact(auction=C), at=CROSSES)
        trades = builders.random_trades(problem, 1)
        trades[CROSSES.closed] = 0.0
        plan = problem.evaluate(trades)
        paid = PowerImpact(auction=C).values(plan.path)
        law = LAWS["square root"].law(problem.market, trades)
        own = C.to_numpy() * np.abs(trades) ** 1.5
        np.testing.assert_allclose(paid, np.where(CROSSES.auctions[:, None], own, law), rtol=EXACT)
        assert builders.cvxpy_objective(problem, trades) == pytest.approx(plan.objective, rel=EXACT)

    @given(factor=st.floats(1e-4, 1e4), b=st.floats(0.01, 4.0), side=st.sampled_from([-1.0, 1.0]))
    @settings(max_examples=30, deadline=None)
    def test_it_is_homogeneous_of_degree_one_plus_b_and_even(self, factor, b, side):
        problem = problem_of(PowerImpact(C, b))
        trades = builders.random_trades(problem, 2)
        whole = PowerImpact(C, b).values(problem.evaluate(trades).path)
        part = PowerImpact(C, b).values(problem.evaluate(side * factor * trades).path)
        np.testing.assert_allclose(part, factor ** (1 + b) * whole, rtol=1e-11)

    def test_the_smallest_exponent_is_nearly_a_spread(self):
        problem = problem_of(PowerImpact(C, 0.01))
        trades = builders.random_trades(problem, 2)
        paid = PowerImpact(C, 0.01).values(problem.evaluate(trades).path)
        spread = ac.SpreadCost(C).values(problem.evaluate(trades).path)
        np.testing.assert_allclose(paid, spread, rtol=0.15)

    def test_the_breakdown_sums_to_the_objective(self):
        plan = problem_of(PowerImpact(C, B), extra=ac.SpreadCost()).solve()
        table = plan.breakdown()
        assert table["weighted"].sum() == pytest.approx(plan.objective, rel=EXACT)
        own = table.query("cost == 'PowerImpact'")
        assert own["value"].sum() == pytest.approx(plan.term_values["PowerImpact"], rel=EXACT)
        assert len(own) == 15
        assert set(own["kind"]) == {"money"}


class TestLinear:
    """An exponent of 1 is `TemporaryImpact`, and stays a quadratic program."""

    @pytest.mark.parametrize("kind", ["sell one", "both sides", "buy many"])
    @pytest.mark.parametrize("at", builders.EDGES)
    def test_of_coefficients(self, at, kind):
        grid = builders.grid(at)
        costs = PowerImpact(by_interval(grid), 1), ac.TemporaryImpact(by_interval(grid))
        plans = [problem_of(cost, kind, at).solve() for cost in costs]
        self.agree(*plans)

    @pytest.mark.parametrize("at", ["uneven", CROSSES], ids=["uneven", "crosses"])
    @pytest.mark.parametrize("impact", [ac.LinearImpact(8.0), ac.ImpactCoefficients(C, auction=0.1 * C)])
    def test_of_a_law(self, impact, at):
        self.agree(*(problem_of(cost, at=at, impact=impact).solve() for cost in (PowerImpact(), ac.TemporaryImpact())))

    def test_with_a_permanent_part_that_recovers_some_of_it(self):
        gamma = ac.PermanentImpact({"A": 2e-5, "B": 1e-2, "C": 4e-4})
        self.agree(*(problem_of(cost, extra=gamma).solve() for cost in (PowerImpact(C, 1), ac.TemporaryImpact(C))))

    def test_among_assets_with_another_law(self):
        mixed = problem_of(PowerImpact(C, {"A": 1.0, "B": 0.5, "C": 1.0}))
        apart = problem_of(
            ac.TemporaryImpact({"A": C["A"], "B": 0.0, "C": C["C"]})
            + PowerImpact({"A": 0.0, "B": C["B"], "C": 0.0}, 0.5)
        )
        one, other = mixed.solve(), apart.solve()
        assert one.certificate.conic
        assert one.objective == pytest.approx(other.objective, rel=OPTIMAL)
        assert np.abs(one.path.trades - other.path.trades).max() <= HELD * one.setting.size

    def test_smoothness_by_scale_reads_its_eta(self):
        plans = [
            problem_of(cost, extra=ac.Smoothness(1, scale=0.1)).solve()
            for cost in (PowerImpact(C, 1), ac.TemporaryImpact(C))
        ]
        self.agree(*plans)

    @staticmethod
    def agree(power, quadratic):
        assert not power.certificate.conic
        assert power.certificate.solver == quadratic.certificate.solver
        assert np.abs(power.path.trades - quadratic.path.trades).max() <= SAME * quadratic.setting.size
        assert power.objective == pytest.approx(quadratic.objective, rel=SAME)


class TestOptimum:
    @pytest.mark.parametrize("b", [0.01, 0.3, 0.5, 0.6, 1.4, 4.0])
    @pytest.mark.parametrize("shares", [-3e5, 3e5])
    @pytest.mark.parametrize("at", builders.EDGES)
    def test_without_risk_trades_go_as_tau_c_to_the_minus_one_over_b(self, at, shares, b):
        """A Lagrange multiplier's work: c_k (1+b) |v_k|^b is one number."""
        edges = builders.EDGES[at]
        c = 1e-4 * (1.0 + 0.2 * np.cos(np.arange(len(edges) - 1)))
        share = np.diff(edges) * (c / c.max()) ** (-1.0 / b)
        plan = one_asset(shares, edges, c, b).solve()
        assert plan.certificate.relative_gap <= OPTIMAL
        np.testing.assert_allclose(plan.path.trades[:, 0], -shares * share / share.sum(), atol=HELD * abs(shares))

    @pytest.mark.parametrize("urgency", [1e-3, 1.0, 30.0])
    @pytest.mark.parametrize("b", [0.05, 0.5, 0.6, 1.3, 3.0])
    @pytest.mark.parametrize("shares", [1e2, -1e5, 1e9])
    def test_with_risk_it_is_the_recursion_of_its_marginal_costs(self, shares, b, urgency):
        """c (1+b) (v_k^b - v_{k+1}^b) = 2 lambda sigma^2 tau x_k, from the last trade backwards."""
        edges = np.array([0.0, 0.05, 0.1, 0.15, 0.3, 0.35, 0.6, 0.65, 0.9, 1.0])
        size = abs(shares)
        c = 5e-3 * size**-b
        weight = urgency * c * size ** (b - 1) / 4.0
        plan = one_asset(shares, edges, c, b, variance=4.0, weight=weight).solve()
        x = self.recursion(size, np.diff(edges), c, b, weight * 4.0)
        assert np.abs(plan.path.remaining[:, 0] * np.sign(shares) - x).max() <= HELD * size

    @staticmethod
    def recursion(size, tau, c, b, risk):
        def backwards(log_rate):
            left = [-np.inf]  # all in logarithms, in which nothing underflows
            for k in range(len(tau) - 1, -1, -1):
                left.append(np.logaddexp(left[-1], np.log(tau[k]) + log_rate))
                if k > 0:
                    rise = np.log(2.0 * risk * tau[k - 1] / (c * (1 + b))) + left[-1]
                    log_rate = np.logaddexp(b * log_rate, rise) / b
            return np.array(left[::-1])

        top = np.log(size / tau[-1])
        root = brentq(lambda v: backwards(v)[0] - np.log(size), top - 1e5, top, xtol=1e-12, rtol=1e-14)
        return np.exp(backwards(root))

    @pytest.mark.parametrize(("b", "time", "cost"), [(0.5, 0.62996052, 37797.631497), (1.0, 1.0, 25000.0)])
    def test_almgren_2003_as_time_grows_long_and_intervals_short(self, b, time, cost):
        """REFERENCE_CASES 7: X = 1e5, h = 0.5 at v = 1e5, sigma = 1, lambda = 5e-6, no end in time."""
        eta, far = 0.5 / 1e5**b, (60.0 if b < 1 else 14.0)
        errors = []
        for periods in (60, 120, 240):
            steps = np.linspace(0.0, 1.0, periods + 1)
            edges = far * time * (np.exp(4.0 * steps) - 1.0) / (np.exp(4.0) - 1.0)
            plan = one_asset(1e5, edges, eta, b, variance=1.0, weight=5e-6).solve()
            errors.append(plan.expected_cost / cost - 1.0)
        first, second = 2 * errors[1] - errors[0], 2 * errors[2] - errors[1]
        limit = second + (second - first) / 3.0  # errors of first and of second order taken out
        assert abs(errors[2]) < 0.6 * abs(errors[1]) < 0.4 * abs(errors[0])
        assert abs(limit) < 2e-5

    @pytest.mark.parametrize("case", ["urgent", "patient", "without risk"])
    def test_the_digits_of_the_packaged_problem(self, case):
        """Found again without acopt: the recursion, or an even rate."""
        data = tomllib.loads((Path(__file__).parents[2] / "problems" / "power_law.toml").read_text())
        promised = next(each for each in data["case"] if each["name"] == case)
        tau, size = np.diff(data["grid"]["edges"]), data["asset"][0]["initial"]
        c, risk = data["cost"][0]["coefficient"], promised["weights"]["TimingRisk"]
        even = size * (1.0 - np.array(data["grid"]["edges"]) / 6.0)
        x = self.recursion(size, tau, c, 0.5, risk) if risk else even
        paid, variance = np.sum(tau * c * (-np.diff(x) / tau) ** 1.5), np.sum(tau * x[1:] ** 2)
        np.testing.assert_allclose(promised["expected"]["remaining"]["value"], x, atol=1e-4)
        assert promised["expected"]["objective"]["value"] == pytest.approx(paid + risk * variance, rel=1e-12)
        if risk:
            assert promised["expected"]["expected_cost"]["value"] == pytest.approx(paid, rel=1e-10)
            assert promised["expected"]["variance"]["value"] == pytest.approx(variance, rel=1e-10)

    @pytest.mark.parametrize(("days", "printed"), [(0.1, 32.223851), (0.2, 24.638406), (0.5, 18.417863)])
    @pytest.mark.parametrize("side", [ac.Order.sell, ac.Order.buy])
    def test_almgren_et_al_2005_solved_under_their_law(self, side, days, printed):
        """IBM, 10% of its daily volume: J = I/2 + K in bps (REFERENCE_CASES 7), at an even rate."""
        volume, price = 6.561e6, 100.0
        world = ac.Market(
            ac.TimeGrid(np.linspace(0.0, days, 5)),
            {"IBM": price},
            volume=volume * days / 4,
            covariance=(157e-4 * price) ** 2,
            impact=ac.AlmgrenEtAl2005(),
        )
        gamma = 0.314 * 1.57 * (1728e6 / volume) ** 0.25 / volume
        costs = PowerImpact() + ac.PermanentImpact(gamma, own="half")
        plan = ac.ExecutionProblem(side({"IBM": 0.1 * volume}), world, costs).solve()
        assert plan.bps(plan.objective) == pytest.approx(printed, rel=5e-8)

    @pytest.mark.parametrize("kind", ["sell many", "buy many", "both sides"])
    @pytest.mark.parametrize("at", builders.EDGES)
    @pytest.mark.parametrize("b", [0.5, B])
    def test_many_assets_under_caps_meet_the_kkt_conditions(self, b, at, kind):
        """Marginal cost is one number per asset, except where a cap holds a trade back from more."""
        grid = builders.grid(at)
        exponent = np.broadcast_to(B.to_numpy() if b is B else b, 3)
        weight = 1e-5
        free = problem_of(PowerImpact(by_interval(grid), b), kind, at)
        cap = 0.9 * np.abs(free.solve().path.trades).max(axis=0) + (0.0 if grid.periods > 1 else 1e3)
        rule = ac.TradeSize(pd.Series(-cap, NAMES), pd.Series(cap, NAMES))
        problem = problem_of(PowerImpact(by_interval(grid), b), kind, at, [rule])
        plan = problem.solve()
        cost = marginal(problem, plan, by_interval(grid).to_numpy(), exponent, weight)
        u = plan.path.trades
        inner = np.abs(u) < cap * (1 - 1e-7)
        assert inner.any(axis=0).all()
        assert grid.periods == 1 or (~inner).any(axis=0).all()
        for i in range(3):
            level = cost[inner[:, i], i]
            size = np.abs(cost[:, i]).max()
            assert np.ptp(level) <= 1e-5 * size
            held = ~inner[:, i]
            assert (np.sign(u[held, i]) * (cost[held, i] - level.mean()) <= 1e-5 * size).all()

    @pytest.mark.parametrize("b", [0.5, 2.0])
    def test_shares_are_a_unit_like_any_other(self, b):
        plans = []
        for size in (1e2, 1e5, 1e9):
            plan = one_asset(
                size, builders.EDGES["uneven"], 1e-2 * size**-b, b, variance=1.0, weight=1e-2 / size
            ).solve()
            plans.append(plan.path.trades / size)
        assert np.abs(plans[0] - plans[1]).max() <= HELD
        assert np.abs(plans[0] - plans[2]).max() <= HELD

    @pytest.mark.parametrize("size", [1e-2, 1.0, 1e5])
    def test_inside_the_cones_the_costliest_order_is_one(self, size):
        """That is what makes the cones of order one whatever a share is; hedge legs are measured by cost as well."""
        order = ac.Order.sell({"A": 9e3 * size, "C": 2e3 * size}) + ac.Order.hedge(["B"])
        market = builders.market("uneven", impact=ac.SquareRootImpact(0.8), volume=5e4 * size)
        cost = PowerImpact()
        setting = ac.ExecutionProblem(order, market, cost).setting
        key = next(key for key in cost.parameters(setting, 2.0) if key != "size")
        inside = cost.parameters(setting, 2.0)[key] * np.abs(setting.remaining)
        paid = cost.single(setting) * np.abs(setting.remaining) ** 1.5
        assert inside.max() == pytest.approx(1.0, rel=EXACT)
        np.testing.assert_allclose(inside**1.5 * cost.parameters(setting, 2.0)["size"], 2.0 * paid, rtol=EXACT)
        leg = list(setting.assets).index("B")
        bought = cost.parameters(setting, 1.0)[key][:, leg] ** -1.0
        np.testing.assert_allclose(cost.single(setting)[:, leg] * bought**1.5, paid.max(), rtol=EXACT)

    @pytest.mark.parametrize("b", [0.3, 0.6, 1.7])
    def test_a_larger_order_costs_as_its_power(self, b):
        """Without risk nothing else sets a scale: cost(a X) = a^(1+b) cost(X)."""
        small, large = (one_asset(size, builders.EDGES["uneven"], 1e-4, b).solve() for size in (2e3, 7e4))
        assert large.objective / small.objective == pytest.approx(35.0 ** (1 + b), rel=OPTIMAL)

    def test_buying_mirrors_selling(self):
        sell, buy = (problem_of(PowerImpact(C, B), kind).solve() for kind in ("sell many", "buy many"))
        shares = pd.Series(builders.ORDERS["sell many"])
        mirrored = ac.ExecutionProblem(
            ac.Order(0.0 * shares, shares), sell.problem.market, PowerImpact(C, B) + 1e-5 * ac.TimingRisk()
        ).solve()
        assert np.abs(sell.path.trades + mirrored.path.trades).max() <= HELD * sell.setting.size
        assert (buy.path.trades.sum(axis=0) > 0).all()

    def test_the_law_beats_its_line_under_the_law(self):
        """The line is fitted at 10% of volume; what it plans costs more under the law than the law's own plan."""
        grid = builders.grid("uneven")
        for law in LAWS.values():
            risk = 1e-3 * ac.TimingRisk()
            facts = builders.order("both sides"), builders.market(grid, impact=law)
            exact = ac.ExecutionProblem(*facts, PowerImpact() + risk)
            line = ac.ExecutionProblem(*facts, ac.TemporaryImpact() + risk)
            assert exact.solve().objective < exact.evaluate(line.solve()).objective * (1 - 1e-4)
            assert line.solve().objective < line.evaluate(exact.solve()).objective * (1 - 1e-4)


class TestEdges:
    @pytest.mark.parametrize("impact", LAWS.values(), ids=LAWS)
    def test_a_zero_order(self, impact):
        plan = problem_of(kind="nothing", impact=impact).solve()
        assert plan.trades.shape == (5, 2)
        assert not plan.path.trades.any()
        assert plan.objective == 0.0

    def test_one_interval(self):
        problem = problem_of(at="single")
        plan = problem.solve()
        assert np.abs(plan.path.trades[0] + problem.setting.remaining).max() <= 1e-9 * plan.setting.size

    @pytest.mark.parametrize("impact", [*LAWS.values(), ac.LinearImpact(8.0)], ids=[*LAWS, "linear"])
    def test_nothing_trades_where_there_is_no_volume(self, impact):
        volume = pd.DataFrame(5e4, builders.grid("uneven").labels, NAMES)
        volume.iloc[1, 0] = volume.iloc[3, 2] = 0.0
        problem = problem_of(impact=impact, volume=volume)
        plan = problem.solve()
        assert plan.path.trades[1, 0] == plan.path.trades[3, 2] == 0.0
        assert np.count_nonzero(plan.path.trades) == 13
        assert problem.evaluate(np.ones((5, 3))).term_values["PowerImpact"] == np.inf

    def test_an_asset_that_costs_nothing_beside_one_that_does(self):
        plan = problem_of(PowerImpact(C * [1.0, 0.0, 1.0], B)).solve()
        covariance = builders.correlated(0.02 * plan.setting.market.prices) @ plan.path.remaining[1:-1].T
        assert plan.certificate.relative_gap <= OPTIMAL
        assert np.abs(covariance[1]).max() <= 1e-5 * np.abs(covariance).max()  # it hedges the others to the full

    @pytest.mark.parametrize("cost", [0.0 * PowerImpact(), PowerImpact(0.0 * C, B)])
    def test_without_weight_or_coefficient_only_the_rest_counts(self, cost):
        temporary = ac.TemporaryImpact(C)
        plan = problem_of(cost, extra=temporary).solve()
        alone = problem_of(temporary).solve()
        assert plan.objective == pytest.approx(alone.objective, rel=1e-6)
        assert np.abs(plan.path.trades - alone.path.trades).max() <= 1e-4 * plan.setting.size

    def test_a_hedge_leg_has_no_order_to_be_measured_by(self):
        order = builders.order("sell one") + ac.Order.hedge(["B"])
        market = builders.market("uneven", impact=ac.SquareRootImpact(0.01))
        plan = ac.ExecutionProblem(order, market, PowerImpact() + 1e-3 * ac.TimingRisk()).solve()
        assert plan.certificate.relative_gap <= OPTIMAL
        assert plan.path.trades[0, 1] < 0  # sells short against what is still to be sold
        assert abs(plan.path.trades[:, 1].sum()) <= 1e-9 * plan.setting.size


EXTRAS = {
    "temporary": ac.TemporaryImpact(C),
    "cross-impact": ac.TemporaryImpact(builders.cross_impact()),
    "permanent": ac.TemporaryImpact(C) + ac.PermanentImpact({"A": 2e-5, "B": 1e-2, "C": 4e-4}),
    "half permanent": ac.PermanentImpact({"A": 2e-5, "B": 1e-2, "C": 4e-4}, own="half"),
    "spread": ac.SpreadCost(),
    "tracking": 1e-5 * ac.TrackingRisk(ac.TWAP()),
    "jerk": ac.TemporaryImpact(C) + ac.Jerk(0.05),
    "alpha": ac.Alpha.from_bps({"A": 5.0, "B": -3.0, "C": 0.0}, 0.2),
    "custom": ac.CustomCost(lambda p: 1e-3 * cp.sum(cp.abs(p.trades)), kind="money"),
}
RULES = {
    "caps": [ac.Participation(0.06)],
    "one way": [ac.Monotone()],
    "caps, one way": [ac.Participation(0.06), ac.Monotone()],
    "floor": [ac.Participation(0.2, 0.001)],
    "neutral": [ac.DollarNeutral(0.7)],
    "cash": [ac.CashBalance(-3e5, 3e5)],
    "no trade": [ac.NoTrade(during=(0.1, 0.4))],
    "unfilled": [ac.AllowUnfilled(20.0)],
    "positions": [ac.HoldingBounds(-1e4, 1e4)],
    "custom": [ac.CustomConstraint(lambda p: p.done("A") <= p.done("B") + 0.1, name="pair")],
}


class TestCompany:
    """Among other costs and rules: certified, and no feasible schedule nearby is better."""

    @pytest.mark.parametrize("extra", EXTRAS)
    def test_other_costs(self, extra):
        problem = problem_of(extra=EXTRAS[extra])
        plan = problem.solve()
        assert plan.certificate.relative_gap <= OPTIMAL
        rng = np.random.default_rng(1)
        for size in (1e-3, 1e-1):
            nudge = rng.normal(size=plan.path.trades.shape) * size * np.abs(problem.setting.remaining)
            nudge -= nudge.mean(axis=0)
            assert problem.evaluate(plan.path.trades + nudge).objective > plan.objective

    @pytest.mark.parametrize("rules", RULES)
    def test_rules(self, rules):
        problem = problem_of(rules=RULES[rules], impact=LAWS["3/5"])
        plan, rest = problem.solve(), problem_of(impact=LAWS["3/5"]).solve()
        assert plan.certificate.relative_gap <= OPTIMAL
        assert plan.certificate.violation <= 1e-9
        assert not plan.rules_broken
        for other in [problem.evaluate(rest), ac.twap(problem), ac.vwap(problem)]:
            towards = plan.path.trades + 1e-2 * (other.path.trades - plan.path.trades)
            nearby = problem.evaluate(towards)
            assert nearby.rules_broken or nearby.objective >= plan.objective * (1 - OPTIMAL)

    def test_trades_held_at_nothing_by_a_rule(self):
        """u = 0 is where the second derivative of a power below 2 is infinite."""
        plan = problem_of(rules=[ac.Monotone(), ac.NoTrade(during=(0.1, 0.4))]).solve()
        assert not plan.path.trades[1:3].any()
        assert plan.certificate.relative_gap <= OPTIMAL

    def test_it_says_that_it_is_no_quadratic_program(self):
        plan = problem_of().solve()
        assert plan.certificate.conic
        assert plan.certificate.solver == "CLARABEL"
        assert "a conic program and not a QP" in str(plan.certificate)
        assert "a conic program and not a QP" in plan.summary()

    def test_the_dials(self):
        problem = ac.ExecutionProblem(
            builders.order("both sides"),
            builders.market("uneven", impact=LAWS["3/5"]),
            PowerImpact() + ac.SpreadCost() + ac.TimingRisk(),
            [ac.Participation(0.3)],
        )
        assert problem.solve_for(risk_price=0.3).urgency.risk_price == pytest.approx(0.3, rel=1e-5)
        assert problem.solve_for(half_life=0.2).urgency.half_life == pytest.approx(0.2, rel=1e-5)
        table = problem.frontier(points=4).table
        assert (np.diff(table["cost_bps"]) > 0).all()
        assert (np.diff(table["risk_bps"]) < 0).all()

    def test_strategies_side_by_side(self):
        problem = problem_of()
        table = ac.compare(problem, [problem.solve(), "twap", "vwap"])
        assert table["objective"].idxmin() == "plan"

    def test_a_shadow_price_is_a_derivative(self):
        def solve(maximum):
            return problem_of(rules=[ac.Participation(maximum)], extra=1e-4 * ac.TimingRisk(name="more")).solve()

        plan, step = solve(0.05), 1e-4
        prices = plan.shadow_prices().query("constraint == 'Participation'")
        slope = (solve(0.05 - step).objective - solve(0.05 + step).objective) / (2 * step)
        assert prices["price"].sum() / 0.01 == pytest.approx(slope, rel=1e-3)

    def test_history_is_paid_for_and_stays(self):
        problem = problem_of()
        plan = problem.solve()
        later = problem.with_history(plan.path.trades[:2]).solve()
        assert np.array_equal(later.path.trades[:2], plan.path.trades[:2])
        assert np.abs(later.path.trades - plan.path.trades).max() <= HELD * plan.setting.size
        assert later.objective == pytest.approx(plan.objective, rel=OPTIMAL)

    def test_a_re_plan_without_news_changes_nothing(self):
        plan = problem_of(rules=[ac.Participation(0.2)]).solve()
        later = plan.reoptimize(at=0.35, executed=plan.trades.iloc[:2])
        assert np.abs(later.path.trades - plan.path.trades).max() <= HELD * plan.setting.size


class TestUpdates:
    def test_warm_equals_fresh(self):
        problem = problem_of(rules=[ac.Participation(0.25)])
        signs = pd.Series({"A": -900.0, "B": 100.0, "C": 30.0})
        dry = pd.DataFrame(5e4, builders.grid("uneven").labels, NAMES)
        dry.iloc[2] = 0.0
        for change in (
            {"weights": {"TimingRisk": 1e-3}},
            {"order": ac.Order(signs)},
            {"market": builders.market("uneven", seed=9, impact=ac.SquareRootImpact(2.0))},
            {"weights": {"PowerImpact": 3.0}},
            {"constraints": {"Participation": {"maximum": 0.02}}},
            {"order": ac.Order(20 * signs), "constraints": {"Participation": {"maximum": 0.9}}},
            {"market": builders.market("uneven", impact=ac.SquareRootImpact(2.0), volume=dry)},
            {"weights": {"PowerImpact": 0.0}},
            {"weights": {"PowerImpact": 1.0}, "order": ac.Order(0.0 * signs)},
            {"order": ac.Order(signs)},
        ):
            warm = problem.update(**change).solve()
            fresh = ac.ExecutionProblem(problem.order, problem.market, problem.objective, problem.constraints).solve()
            scale = max(abs(fresh.objective), 1e-6)
            assert abs(warm.objective - fresh.objective) <= 2e-6 * scale, change
            told = builders.cvxpy_objective(problem, warm.path.trades)
            assert abs(told - warm.objective) <= 1e-11 * scale

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (LAWS["square root"], LAWS["3/5"]),
            (LAWS["square root"], ac.LinearImpact(5.0)),
            (ac.LinearImpact(5.0), LAWS["square root"]),
        ],
    )
    def test_an_exponent_is_part_of_the_program(self, before, after):
        problem = problem_of(impact=before)
        kept = problem.solve().objective
        with pytest.raises(ModelError, match="that needs a new ExecutionProblem"):
            problem.update(market=builders.market("uneven", impact=after))
        assert problem.solve().objective == pytest.approx(kept, rel=OPTIMAL)

    def test_two_assets_that_change_exponents(self):
        class Law(ac.SquareRootImpact):
            exponents = (0.5, 0.6, 0.5)

            def power(self, market):
                return np.full((5, 3), 1e-3), np.array(self.exponents)

        class Turned(Law):
            exponents = (0.6, 0.5, 0.5)

        problem = problem_of(impact=Law(1.0))
        with pytest.raises(ModelError, match="that needs a new ExecutionProblem"):
            problem.update(market=builders.market("uneven", impact=Turned(1.0)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("cost", "words"),
        [
            (PowerImpact(1e-3, 0.5), "PowerImpact coefficient: the scalar 0.001 is in price units"),
            (PowerImpact({"A": 1.0, "B": 1.0}, 0.5), "PowerImpact coefficient: no value for asset C"),
            (PowerImpact(C * [1, -1, 1], 0.5), "PowerImpact coefficient is -0.5 for B at 0.0"),
            (PowerImpact(C * [1, np.nan, 1], 0.5), "PowerImpact coefficient is nan for B at 0.0"),
            (PowerImpact(C * [1, np.inf, 1], 0.5), "PowerImpact coefficient is inf for B at 0.0"),
            (PowerImpact(C, 0.0), "PowerImpact exponent is 0 for A"),
            (PowerImpact(C, -0.5), "PowerImpact exponent is -0.5 for A"),
            (PowerImpact(C, np.nan), "PowerImpact exponent is nan for A"),
            (PowerImpact(C, 0.001), "PowerImpact exponent is 0.001 for A; a number from 0.01 to 4 is expected"),
            (
                PowerImpact(C, {"A": 0.5, "B": 5.0, "C": 1.0}),
                "PowerImpact exponent is 5 for B; a number from 0.01 to 4",
            ),
            (PowerImpact(C, "half"), "PowerImpact exponent: 'half' is not a number"),
            (PowerImpact(C, pd.DataFrame([[0.5]])), "PowerImpact exponent: a table was given"),
            (PowerImpact(C, 0.5, name="mine") + PowerImpact(C, 9, name="other"), "other exponent is 9 for A"),
        ],
    )
    def test_data(self, cost, words):
        with pytest.raises(DataError, match=words):
            problem_of(cost)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"coefficient": C}, "PowerImpact: exponent= is missing"),
            ({"exponent": 0.5, "name": "mine"}, "mine: coefficient= is missing"),
            ({"exponent": 0.5, "auction": C}, "PowerImpact: coefficient= is missing"),
        ],
    )
    def test_half_a_law(self, arguments, words):
        with pytest.raises(ModelError, match=words):
            PowerImpact(**arguments)

    def test_no_law(self):
        with pytest.raises(ModelError, match="PowerImpact has no coefficient: give it coefficient= and exponent="):
            problem_of(impact=None)

    def test_a_law_that_does_not_say_its_power(self):
        class Old:
            def temporary(self, market):
                return np.ones(market.volumes.shape)

        with pytest.raises(ModelError, match="PowerImpact: Old does not say which power law it is"):
            problem_of(impact=Old())

    @pytest.mark.parametrize("size", [-1.0, np.nan])
    def test_a_law_that_says_nonsense(self, size):
        class Law(ac.SquareRootImpact):
            def power(self, market):
                return np.full((5, 3), size), np.full(3, 0.5)

        with pytest.raises(DataError, match="PowerImpact: the coefficient of Law is"):
            problem_of(impact=Law(1.0))

    def test_crosses_need_a_coefficient_of_their_own(self):
        with pytest.raises(ModelError, match=r"PowerImpact: the grid has auctions.*give auction="):
            problem_of(PowerImpact(C, 0.5), at=CROSSES)

    def test_permanent_impact_is_recovered_faster_than_a_power_below_two_is_paid(self):
        with pytest.raises(ModelError, match="not convex"):
            problem_of(extra=ac.PermanentImpact({"A": 1e-9, "B": 1e-9, "C": 1e-9}))

    def test_smoothness_by_scale_needs_an_eta(self):
        with pytest.raises(ModelError, match="relative to the temporary impact, and the problem has none"):
            problem_of(extra=ac.Smoothness(1, scale=0.1))

    def test_a_solver_without_cones(self):
        with pytest.raises(ac.SolverError, match="OSQP solves quadratic programs"):
            problem_of().solve(solver="OSQP")
