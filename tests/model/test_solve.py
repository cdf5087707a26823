"""Solving: closed forms, certificates, exact zeros, valid extremes, claims, named solvers, honest failure."""

import itertools

import builders
import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import reference
from builders import correlated
from case_problem import problem_of
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.analytic.almgren_chriss import AlmgrenChriss
from acopt.analytic.almgren_chriss_basket import AlmgrenChrissBasket
from acopt.solving import engine, solvers
from acopt.solving.quadratic import Solution
from acopt.solving.refinement import Refiner

ETA, GAMMA, SIGMA = 2.5e-6, 2.5e-7, 0.95


def stock(initial=1e6, aversion=1e-6, periods=5, rules=(), extra=(), gamma=GAMMA, spread=0.0625, **market):
    """Return Almgren and Chriss' stock over five days."""
    costs = [ac.TemporaryImpact(ETA), aversion * ac.TimingRisk(SIGMA**2), *extra]
    if gamma:
        costs.append(ac.PermanentImpact(gamma))
    if spread:
        costs.append(ac.SpreadCost(spread))
    on = ac.Market(ac.TimeGrid.uniform(5.0, periods), 50.0, **market)
    return ac.ExecutionProblem(ac.Order(initial), on, sum(costs), list(rules))


def pair(rules=(), costs=None, order=(4000.0, -2000.0), volume=1e4, aversion=1e-6, hedge=False):
    """Return two assets, one sold and one bought, over four intervals."""
    grid = ac.TimeGrid.uniform(1.0, 4)
    names = ["A", "B"]
    market = ac.Market(
        grid,
        pd.Series([20.0, 40.0], names),
        volume=pd.DataFrame(volume, grid.labels, names),
        covariance=correlated([0.4, 0.7]),
    )
    impact = ac.TemporaryImpact(pd.Series([1e-5, 2e-5], names))
    book = ac.Order(pd.Series(order, names))
    if hedge:
        book = ac.Order.sell({"A": 4000.0}) + ac.Order.hedge(["B"])
    return ac.ExecutionProblem(book, market, costs or impact + aversion * ac.TimingRisk(), list(rules))


# ------------------------------------------------------------------ closed forms


@pytest.mark.parametrize(
    ("aversion", "cost", "variance", "path"),
    [
        (2e-6, 1140715.1670, 2.019313e11, [428598.8457, 182932.8143, 76295.7216, 27643.3774]),
        (1e-6, 911226.9863, 3.641286e11, [541955.5544, 289854.2194, 147897.4878, 62141.8016]),
        (0.0, 662500.0, 1.083e12, [8e5, 6e5, 4e5, 2e5]),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_almgren_chriss_2000(aversion, cost, variance, path, side):
    plan = stock(side * 1e6, aversion, covariance=SIGMA**2).solve()
    assert side * plan.path.remaining[1:-1, 0] == pytest.approx(path, abs=5.1e-5)
    assert plan.expected_cost == pytest.approx(cost, abs=5.1e-5)
    assert plan.variance == pytest.approx(variance, rel=3e-7)


def test_almgren_chriss_2000_with_drift():
    plan = stock(extra=[ac.Alpha(0.02)], covariance=SIGMA**2).solve()
    assert plan.path.remaining[1:-1, 0] == pytest.approx([546342.2873, 296084.1174, 154127.3858, 66528.5345], abs=5e-5)
    assert plan.expected_cost == pytest.approx(880367.1052, abs=5.1e-5)
    assert plan.variance == pytest.approx(3.739391e11, rel=3e-7)


@pytest.mark.parametrize("periods", [1, 2, 5, 78, 390])
@pytest.mark.parametrize("urgency", [1e-4, 1e-2, 1.0, 30.0, 1e3])
def test_equality_only_problems_are_their_closed_form(periods, urgency):
    model = AlmgrenChriss(1.0, 5.0, periods, SIGMA, ETA, GAMMA / 3)
    step = 2 * np.sinh(min(urgency / periods / 2, 50.0))
    aversion = float(model.net_temporary * (step / model.duration) ** 2 / SIGMA**2)
    exact = model.optimum(aversion).holdings
    for size, side in itertools.product((1e2, 1e9), (1, -1)):
        plan = stock(side * size, aversion, periods, gamma=GAMMA / 3, spread=0).solve()
        assert np.abs(plan.path.remaining[:, 0] / (side * size) - exact).max() <= 1e-9


def test_the_continuous_closed_form_is_approached_at_second_order():
    misses = []
    for periods in (25, 50, 100):
        plan = stock(1e6, 1e-6, periods, gamma=0, spread=0).solve()
        limit = AlmgrenChriss(1e6, 5.0, periods, SIGMA, ETA).continuous
        misses.append(np.abs(plan.path.remaining[:, 0] - limit.holdings(1e-6, np.linspace(0, 5, periods + 1))).max())
    assert np.log2(misses[0] / misses[1]) == pytest.approx(2, abs=0.02)
    assert np.log2(misses[1] / misses[2]) == pytest.approx(2, abs=0.01)


def test_a_basket_is_its_closed_form():
    eta, sigma = np.array([1e-6, 4e-6, 2e-7]), correlated([0.5, 1.1, 0.2], 0.7)
    x = np.array([1e5, -4e4, 1e6])
    model = AlmgrenChrissBasket(x, 1.0, 20, sigma, np.diag(eta))
    market = ac.Market(ac.TimeGrid.uniform(1.0, 20), pd.Series([50.0, 90.0, 10.0], list("ABC")), covariance=sigma)
    costs = ac.TemporaryImpact(pd.Series(eta, list("ABC"))) + 1e-5 * ac.TimingRisk()
    plan = ac.ExecutionProblem(ac.Order(pd.Series(x, list("ABC"))), market, costs).solve()
    assert np.abs(plan.path.remaining - model.optimum(1e-5).holdings).max() <= 1e-9 * 1e6


def test_time_varying_cost_is_split_in_inverse_proportion():
    tau, eta = np.array([0.1, 0.3, 0.2, 0.4]), np.array([3e-6, 1e-6, 5e-6, 2e-6])
    grid = ac.TimeGrid(np.r_[0, np.cumsum(tau)])
    costs = ac.TemporaryImpact(pd.Series(eta, grid.labels))
    plan = ac.ExecutionProblem(ac.Order(-3e5), ac.Market(grid, 20.0), costs).solve()
    weight = tau / eta
    assert plan.path.trades[:, 0] == pytest.approx(3e5 * weight / weight.sum(), rel=1e-12)
    assert plan.objective == pytest.approx(9e10 / weight.sum(), rel=1e-12)


# ------------------------------------------------------------------ the certificate


@pytest.mark.parametrize("solver", ["auto", "CLARABEL", "PIQP"])
def test_the_certified_gap_bounds_the_true_one(solver):
    for number in range(0, 60, 4):
        case = reference.random_case(np.random.default_rng([77, number]))
        plan, truth = problem_of(case).solve(solver=solver, tolerance=1e-4), reference.solve_reference(case)
        cost, _ = reference.cost_and_scale(case, plan.path.trades)
        proof = plan.certificate
        assert cost - truth.objective <= proof.gap + 1e-11 * truth.scale
        assert reference.violation(case, plan.path.trades) <= max(proof.violation, 1e-12)
        assert proof.gap_scale == pytest.approx(reference.cost_and_scale(case, plan.path.trades)[1], rel=1e-9)
        assert proof.objective_difference <= 1e-9


def test_a_point_that_was_not_refined_owns_up_to_its_gap(monkeypatch):
    monkeypatch.setattr(Refiner, "refine", lambda *_, **__: None)
    problem = stock(aversion=1e-6, periods=20, rules=[ac.TradeSize(-1.2e5, 0.0)])
    rough = problem.solve(solver="OSQP", tolerance=1e-3)
    monkeypatch.undo()
    exact = stock(aversion=1e-6, periods=20, rules=[ac.TradeSize(-1.2e5, 0.0)]).solve()
    assert not rough.certificate.refined
    assert rough.certificate.relative_gap > 1e-10
    assert rough.objective - exact.objective <= rough.certificate.gap
    assert exact.certificate.refined
    assert exact.certificate.relative_gap <= 1e-12


def test_the_certificate_says_what_happened():
    proof = stock(rules=[ac.TradeSize(-3e5, 0.0, name="cap")]).solve().certificate
    assert proof.solver == "OSQP"
    assert proof.algebra == solvers.osqp_algebra()
    assert len(proof.tries) == 1
    assert proof.refined
    assert proof.refinements >= 1
    assert proof.violations["cap"] == 0.0
    assert 0 < proof.seconds < 60
    assert "certified" in str(proof)
    assert proof.relative_gap <= 1e-12


def test_the_breakdown_sums_to_the_objective():
    plan = stock(rules=[ac.TradeSize(-3e5, 0.0)], extra=[ac.Alpha(0.02), ac.Jerk(0.3)]).solve()
    assert plan.breakdown()["weighted"].sum() == pytest.approx(plan.objective, rel=1e-9)


# ------------------------------------------------------------------ exact zeros and exact ends


def test_forbidden_trades_are_zero_and_the_target_is_met_exactly():
    grid = ac.TimeGrid.uniform(1.0, 10)
    names = ["A", "B", "C"]
    volume = pd.DataFrame(7e3, grid.labels, names)
    volume.iloc[3, 0] = volume.iloc[7, 2] = 0.0
    market = ac.Market(grid, pd.Series([10.0, 33.0, 7.1], names), volume=volume, covariance=correlated([0.3, 0.5, 0.1]))
    order = ac.Order(pd.Series([1234.567, -0.1, 9876.5], names), pd.Series([0.3, 777.7, 1e-3], names))
    rules = [ac.NoTrade(during=(0.5, 0.6)), ac.NoTrade(assets=["B"], during=(0.1, 0.2), name="no B"),
             ac.Participation(0.8)]  # fmt: skip
    plan = ac.ExecutionProblem(
        order, market, ac.TemporaryImpact(pd.Series(1e-5, names)) + 1e-4 * ac.TimingRisk(), rules
    )
    plan = plan.solve()
    trades = plan.trades.to_numpy()
    assert not trades[5].any()
    assert trades[1, 1] == trades[3, 0] == trades[7, 2] == 0.0
    assert (plan.holdings.iloc[-1] == order.target).all()
    assert not plan.remaining.iloc[-1].any()
    assert np.count_nonzero(trades) == 30 - 6


@pytest.mark.parametrize("size", [1e2, 1e9])
def test_exactly_binding_caps_leave_no_choice(size):
    grid = ac.TimeGrid.uniform(1.0, 7)
    market = ac.Market(grid, 50.0, volume=np.full(7, size), covariance=1.0)
    costs = ac.TemporaryImpact(1e-6) + 1e-3 * ac.TimingRisk()
    plan = ac.ExecutionProblem(ac.Order(0.1 * 7 * size), market, costs, [ac.Participation(0.1)]).solve()
    assert plan.path.trades[:, 0] == pytest.approx(-0.1 * size, rel=1e-12)
    assert plan.certificate.violation <= 1e-12


# ------------------------------------------------------------------ valid extremes


def test_one_interval_is_one_trade():
    plan = stock(periods=1, spread=0).solve()
    assert plan.path.trades.tolist() == [[-1e6]]
    assert plan.expected_cost == pytest.approx((ETA / 5 - GAMMA / 2) * 1e12 + GAMMA / 2 * 1e12, rel=1e-12)


def test_a_zero_order_is_not_traded():
    plan = stock(0.0, rules=[ac.Participation(0.1), ac.Monotone()], volume=1e5, covariance=SIGMA**2).solve()
    assert plan.trades.shape == (5, 1)
    assert not plan.path.trades.any()
    assert plan.objective == 0.0


def test_a_zero_order_trades_when_a_cost_rewards_it():
    plan = stock(0.0, extra=[ac.Alpha(0.05)], spread=0).solve()
    assert plan.path.remaining[1:-1, 0].min() > 0
    assert plan.objective < 0
    assert plan.path.remaining[-1, 0] == 0.0


def test_without_an_order_violations_are_measured_by_what_is_traded():
    hedges, market = ac.Order.hedge(["A", "B"]), builders.market(assets=("A", "B"))
    costs = ac.TemporaryImpact() + ac.Alpha(pd.Series({"A": 4.0, "B": -90.0}))
    problem = ac.ExecutionProblem(hedges, market, costs, [ac.DollarNeutral(1e5, of="holdings")])
    plan = problem.solve()
    traded = float(market.prices @ plan.trades.abs().max())
    net = float((plan.remaining @ market.price).abs().max())
    assert net == pytest.approx(1e5)
    assert traded > 1e5
    for off, broken in ((0.5e-9, set()), (2e-9, {"DollarNeutral"})):
        assert problem.evaluate(plan.trades * (1 + off * traded / net)).rules_broken.keys() == broken


def test_fewer_shares_than_intervals_are_fractions():
    plan = stock(3.0, periods=78).solve()
    assert plan.path.trades.sum() == pytest.approx(-3.0, abs=1e-14)
    assert (plan.path.trades < 0).all()


def test_an_interval_without_volume_has_no_participation():
    volume = np.array([1e6, 0.0, 2e6, 1e6, 1e6])
    plan = stock(rules=[ac.Participation(0.5)], volume=volume).solve()
    assert plan.path.trades[1, 0] == 0.0
    assert plan.path.participation[1, 0] == 0.0
    assert np.abs(plan.path.participation).max() <= 0.5


# ------------------------------------------------------------------ infeasible and unbounded


def test_rules_that_conflict_only_together_are_named():
    tight = ac.TradeSize(pd.Series({"A": -1000.0, "B": 0.0}), pd.Series({"A": 0.0, "B": 2000.0}))
    feasible = [tight, ac.DollarNeutral(0.01)]
    assert pair(feasible).solve().certificate.violation <= 1e-12
    late = ac.NoTrade(assets=["B"], during=(0.0, 0.5), name="late B")
    with pytest.raises(ac.InfeasibleError, match=r"DollarNeutral, TradeSize, late B conflict"):
        pair([*feasible, late]).solve()


def test_custom_rules_that_conflict_are_named():
    early = ac.CustomConstraint(lambda p: p.done("A")[2] >= 0.7, name="early")
    slow = ac.CustomConstraint(lambda p: p.asset("A").remaining[1:3] >= 1600, name="slow")
    assert pair([early]).solve().path.remaining[2, 0] <= 1200 * (1 + 1e-12)
    assert pair([slow]).solve().path.remaining[2, 0] >= 1600 * (1 - 1e-12)
    with pytest.raises(ac.InfeasibleError, match="early, slow conflict"):
        pair([early, slow]).solve()


def test_bounds_that_cross_in_one_row_are_named():
    held = ac.HoldingBounds(1500.0, None, assets=["A"], during=(0.0, 0.75))
    with pytest.raises(ac.InfeasibleError, match="HoldingBounds and Participation contradict"):
        pair([held, ac.Participation(0.1)]).solve()


def test_arithmetic_shows_what_caps_leave_short():
    with pytest.raises(ac.InfeasibleError, match=r"A: caps sum to 2,000 of 4,000 shares \(Participation\)"):
        pair([ac.Participation(0.05)])


def test_a_problem_that_earns_without_end_names_the_direction():
    free = ac.Alpha(pd.Series({"A": 0.0, "B": 1.0})) + ac.TemporaryImpact(pd.Series({"A": 1e-5, "B": 0.0}))
    with pytest.raises(ac.UnboundedError, match=r"buy B at 0\.0"):
        pair(costs=free, hedge=True).solve()
    falling = ac.Alpha(pd.Series({"A": 0.0, "B": -1.0})) + ac.TemporaryImpact(pd.Series({"A": 1e-5, "B": 0.0}))
    with pytest.raises(ac.UnboundedError, match=r"sell B at 0\.0"):
        pair(costs=falling, hedge=True).solve()
    assert pair([ac.Participation(0.3)], costs=free, hedge=True).solve().objective < 0


# ------------------------------------------------------------------ solvers by name


@pytest.mark.parametrize("solver", ["OSQP", "CLARABEL", "PIQP"])
def test_a_named_solver_is_used(solver):
    best = pair([ac.Participation(0.12)], aversion=1e-4).solve()
    plan = pair([ac.Participation(0.12)], aversion=1e-4).solve(solver=solver)
    assert plan.certificate.solver == solver
    assert np.abs(plan.path.trades - best.path.trades).max() <= 1e-7 * 4000


def test_highs_refuses_a_quadratic_problem():
    with pytest.raises(ac.SolverError, match="HIGHS solves linear programs only"):
        pair().solve(solver="HIGHS")


@pytest.mark.parametrize("solver", ["auto", "HIGHS", "CLARABEL", "PIQP"])
def test_a_problem_without_impact_is_a_linear_program(solver):
    costs = ac.SpreadCost(pd.Series({"A": 0.01, "B": 0.02})) + ac.Alpha(pd.Series({"A": 0.4, "B": -0.5}))
    plan = pair([ac.Participation(0.2), ac.Monotone()], costs=costs).solve(solver=solver)
    assert plan.certificate.solver == ("HIGHS" if solver == "auto" else solver)
    # A rises: sell as late as the cap allows. B falls: buy late.
    assert plan.path.trades[:, 0] == pytest.approx([0, 0, -2000, -2000], abs=4000 * 1e-8)
    assert plan.path.trades[:, 1] == pytest.approx([0, 0, 0, 2000], abs=4000 * 1e-8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"solver": "osqp"},
        {"solver": None},
        {"fallback": ("MOSEK",)},
        {"fallback": "MOSEK"},
        {"tolerance": 0.0},
        {"tolerance": 1.0},
        {"tolerance": np.nan},
        {"tolerance": "tight"},
        {"tolerance": True},
    ],
)
def test_wrong_settings_raise(wrong):
    ((name, _),) = wrong.items()
    with pytest.raises(ac.DataError, match=name):
        pair().solve(**wrong)


def test_a_risk_without_a_weight_raises():
    problem = pair(costs=ac.TemporaryImpact(pd.Series({"A": 1e-5, "B": 1e-5})) + ac.TimingRisk())
    with pytest.raises(ac.ModelError, match=r"TimingRisk has no weight.*solve_for"):
        problem.solve()


def test_nothing_is_printed(capfd):
    for solver in ("auto", "OSQP", "CLARABEL", "PIQP"):
        pair([ac.Participation(0.12)]).solve(solver=solver)
        pair().solve(solver=solver)
    pair([ac.Participation(0.2)], costs=ac.SpreadCost(pd.Series({"A": 0.01, "B": 0.02}))).solve()
    with pytest.raises(ac.InfeasibleError):
        pair([ac.CustomConstraint(lambda p: p.done("A")[1] >= 2, name="x"), ac.Monotone()]).solve()
    stock().solve()
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


@pytest.mark.parametrize(
    "problem",
    [
        stock(aversion=1e-6),
        stock(-1e4, 1e-5, 20, [ac.TradeSize(-1e2, 2e3)], [ac.Alpha(0.02), ac.Jerk(0.2)]),
        pair([ac.Participation(0.12), ac.DollarNeutral(0.4)], aversion=1e-4),
    ],
)
def test_the_cvxpy_problem_is_the_problem(problem):
    plan, under = problem.solve(), problem.cvxpy_problem
    assert under.is_dcp(dpp=True)
    under.solve(solver=cp.CLARABEL)
    assert under.value == pytest.approx(plan.objective, rel=1e-7)


# ------------------------------------------------------------------ honest failure


def fake(status, z=0.0):
    """Return a solver that says the same whatever it is given."""

    def solve(qp, *_):
        return Solution(np.full(len(qp.q), z), np.zeros(len(qp.l)), "FAKE", status, 7)

    return solve


def test_a_false_claim_of_infeasibility_is_overruled(monkeypatch):
    truth = pair([ac.Participation(0.12)]).solve()
    for status in ("primal infeasible", "dual infeasible"):
        monkeypatch.setattr(solvers.WarmOSQP, "solve", lambda self, *_, s=status: fake(s)(_size(self)))
        plan = pair([ac.Participation(0.12)]).solve()
        assert plan.certificate.solver == "CLARABEL"
        assert len(plan.certificate.tries) == 4
        assert status in plan.certificate.tries[0]
        assert np.abs(plan.path.trades - truth.path.trades).max() <= 1e-7 * 4000


def _size(_):
    class Empty:
        q, l = np.zeros(1), np.zeros(1)  # noqa: E741 - the name is the solver's

    return Empty


def test_a_solver_that_lies_is_not_believed(monkeypatch):
    monkeypatch.setattr(Refiner, "refine", lambda *_, **__: None)
    monkeypatch.setitem(engine.COLD, "CLARABEL", fake("solved", 0.5))
    with pytest.raises(ac.SolverError, match=r"accuracy contract.*Tried: CLARABEL: solved, 7 iterations.*Rejected for"):
        pair([ac.Participation(0.12)]).solve(solver="CLARABEL")


def test_garbage_is_not_returned(monkeypatch):
    monkeypatch.setitem(engine.COLD, "CLARABEL", fake("solved", np.nan))
    with pytest.raises(ac.SolverError, match="CLARABEL: solved"):
        pair([ac.Participation(0.12)]).solve(solver="CLARABEL")


def test_a_fallback_is_tried_in_turn_and_recorded(monkeypatch):
    monkeypatch.setattr(engine, "OSQP_STAGES", {})
    monkeypatch.setitem(engine.COLD, "CLARABEL", fake("solved", np.nan))
    plan = pair([ac.Participation(0.12)]).solve(fallback=("CLARABEL", "PIQP"))
    assert plan.certificate.solver == "PIQP"
    assert [t.split(":")[0] for t in plan.certificate.tries] == ["CLARABEL", "PIQP"]


# ------------------------------------------------------------------ re-solve equals fresh solve

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("aversion"), st.floats(-8, -3)),
        st.tuples(st.just("cap"), st.floats(0.11, 0.6)),
        st.tuples(st.just("order"), st.floats(-4000, 4000)),
        st.tuples(st.just("volume"), st.floats(9e3, 5e4)),
        st.tuples(st.just("look"), st.floats(-9, -2)),
        st.tuples(st.just("solve"), st.just(0.0)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(STEPS)
def test_a_re_solve_equals_a_fresh_solve_in_any_order_of_calls(steps):
    now = {"aversion": 1e-6, "cap": 0.3, "order": (4000.0, -2000.0), "volume": 1e4}

    def fresh():
        return pair([ac.Participation(now["cap"])], order=now["order"], volume=now["volume"], aversion=now["aversion"])

    problem = fresh()
    for what, value in [*steps, ("solve", 0.0)]:
        if what == "solve":
            plan, again = problem.solve(), fresh().solve()
            assert np.abs(plan.path.trades - again.path.trades).max() <= 1e-7 * max(plan.setting.size, 1e-3)
            assert abs(plan.objective - again.objective) <= again.certificate.tolerance + plan.certificate.tolerance
        elif what == "look":
            assert problem.solve_at("TimingRisk", 10.0**value).certificate.refined
        elif what == "aversion":
            now["aversion"] = 10.0**value
            problem.update(weights={"TimingRisk": now["aversion"]})
        elif what == "cap":
            now["cap"] = value
            problem.update(constraints={"Participation": {"maximum": value}})
        else:
            now |= {"order": (value, -0.5 * value)} if what == "order" else {"volume": value}
            problem.update(order=fresh().order, market=fresh().market)


class TestNamesOfConflicts:
    """A pin of the user's own is an equality that the presolve could use up; a conflict must still name it."""

    @pytest.mark.parametrize(
        "pin",
        [
            lambda p: p.at("11:00").remaining == 0,
            lambda p: p.done("AAA")[3] == 0.9,
            lambda p: p.asset("AAA").at("11:00").remaining <= 0,
        ],
    )
    def test_an_equality_of_the_user_is_named(self, pin):
        grid, names = ac.TimeGrid.session("2019-02-15", "30min"), ["AAA", "BBB"]
        market = ac.Market(grid, pd.Series([100.0, 50.0], names), volume=pd.Series([4e5, 3e5], names))
        order = ac.Order.sell({"AAA": 200_000}) + ac.Order.buy({"BBB": 60_000})
        rules = [ac.Participation(0.1), ac.CustomConstraint(pin, name="early")]
        eta = pd.Series(1e-6, names)
        with pytest.raises(ac.InfeasibleError, match="Participation, early conflict"):
            ac.ExecutionProblem(order, market, ac.TemporaryImpact(eta), rules).solve()


def test_a_penalty_that_is_updated_reaches_the_objective():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 2), 40.0)
    problem = ac.ExecutionProblem(ac.Order.sell(1e6), market, ac.TemporaryImpact(3e-6), [ac.AllowUnfilled(10.0)])
    # One share left costs p = bps 1e-4 40; trading at rate v costs 2 eta v: u_k = p tau / (2 eta).
    for bps in (10.0, 20.0):
        plan = problem.update(constraints={"AllowUnfilled": {"penalty_bps": bps}}).solve()
        np.testing.assert_allclose(plan.path.trades[:, 0], -bps * 1e-4 * 40.0 * 0.5 / (2 * 3e-6), rtol=1e-9)


def test_no_gap_is_hidden_behind_the_absolute_floor():
    """A riskless schedule bounds the optimum at any lambda; a plan that only meets the floor says so."""
    names, beta, price = list("ABC"), np.array([1.0, 0.5, -2.0]), np.array([92.0, 138.0, 38.0])
    market = ac.Market(
        ac.TimeGrid.uniform(1.0, 13),
        pd.Series(price, names),
        volume=pd.Series(3e6, names),
        covariance=pd.DataFrame(np.outer(beta, beta), names, names),
        impact=ac.LinearImpact(5.0),
    )
    order = ac.Order(pd.Series([5.7e4, -6.9e4, 1.1e5], names))
    plan = ac.ExecutionProblem(order, market, ac.TemporaryImpact() + 1e8 * ac.TimingRisk()).solve()
    proof = plan.certificate
    hedged = ac.CustomConstraint(lambda p: p.remaining[1:] @ beta == 0)
    bound = ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [hedged]).solve().objective
    assert plan.objective - bound <= proof.gap + 1e-9 * bound
    assert ("certified" in str(proof)) == (proof.relative_gap <= 1e-6)


@pytest.mark.parametrize("shares", [1e2, 1e5, -1e9])
def test_what_only_rounding_costs_is_solved(shares):
    grid, volume = ac.TimeGrid.uniform(1.0, 6), np.array([5.0, 1.0, 4.0, 8.0, 2.0, 3.0]) * 1e4
    market = ac.Market(grid, 40.0, volume=pd.Series(volume, grid.labels), covariance=0.8**2)
    problem = ac.ExecutionProblem(ac.Order(shares), market, 1e-6 * ac.TrackingRisk(ac.VWAP()))
    hedge = -shares * volume[:, None] / volume.sum()
    for k in range(6):  # at last there is one schedule, TWAP's: what it costs is the rounding of the benchmark
        plan = problem.with_history(hedge[:k]).solve()
        np.testing.assert_allclose(plan.path.trades, hedge, atol=1e-7 * abs(shares), rtol=0)


def test_without_volume_nothing_trades():
    """A zero volume has cap 0 and participation 0, also where eta is given outright."""
    volume = np.array([1e5, 1e5, 0.0, 1e5, 1e5])
    market = ac.Market(ac.TimeGrid.uniform(1.0, 5), 50.0, volume=volume, covariance=1.0)
    steer = ac.CustomCost(lambda p: 100 * cp.sum_squares(p.participation))
    plan = ac.ExecutionProblem(ac.Order(1e4), market, ac.TemporaryImpact(1e-5) + steer).solve()
    assert plan.path.trades[2, 0] == 0.0
    assert np.isfinite(plan.participation.to_numpy()).all()
    broken = ac.ExecutionProblem(ac.Order(1e4), market, ac.TemporaryImpact(1e-5)).evaluate(np.full((5, 1), -2e3))
    assert broken.rules_broken == {"closed intervals": 2e3}


def test_a_class_in_the_place_of_a_term_is_named():
    market = ac.Market(ac.TimeGrid.uniform(1.0, 5), 50.0)
    with pytest.raises(ac.ModelError, match=r"the class TemporaryImpact \(write TemporaryImpact"):
        ac.ExecutionProblem(ac.Order(1e4), market, ac.TemporaryImpact)
    with pytest.raises(ac.ModelError, match="the class Monotone"):
        ac.ExecutionProblem(ac.Order(1e4), market, ac.TemporaryImpact(1e-5), [ac.Monotone])


def test_costs_are_not_subtracted():
    with pytest.raises(ac.ModelError, match=r"TimingRisk\(\) cannot be subtracted"):
        ac.TemporaryImpact() - ac.TimingRisk()


def test_a_hedge_leg_ends_flat_to_the_share():
    """What it trades may be little beside the order; its end is zero exactly all the same."""
    rng = np.random.default_rng(4)
    for _ in range(10):
        grid = ac.TimeGrid.uniform(1.0, int(rng.integers(2, 9)))
        price = pd.Series({"A": 20.0, "H": 400.0})
        sigma = correlated(0.02 * price * rng.uniform(0.5, 2, 2), 0.7)
        market = ac.Market(grid, price, volume=1e6, covariance=sigma, impact=ac.LinearImpact(10.0), spread=ac.bps(3.0))
        order = ac.Order.sell({"A": 10.0 ** rng.uniform(3, 7)}) + ac.Order.hedge(["H"])
        costs = ac.TemporaryImpact() + ac.SpreadCost() + 10.0 ** rng.uniform(-8, -4) * ac.TimingRisk()
        plan = ac.ExecutionProblem(order, market, costs).solve()
        np.testing.assert_array_equal(plan.path.remaining[-1], 0.0)
        assert abs(plan.path.trades[:, 1].sum()) <= 1e-12 * max(np.abs(plan.path.trades[:, 1]).max(), 1e-300)


def test_the_objective_of_a_problem_can_be_given_back():
    rules = [ac.Participation(0.3), ac.AllowUnfilled(20.0)]
    market = builders.market("even")
    first = ac.ExecutionProblem(
        builders.order("both sides"), market, ac.TemporaryImpact() + 1e-6 * ac.TimingRisk(), rules
    )
    first.update(weights={"Unfilled": 2.0})
    again = ac.ExecutionProblem(first.order, first.market, first.objective, first.constraints)
    assert again.solve().objective == pytest.approx(first.solve().objective, rel=1e-12)


class Fee(ac.Cost):
    """A hundredth of a dollar a share, for those who ask for values or stages."""

    def values(self, path):
        return 0.01 * np.abs(path.trades)

    def by_stage(self, setting):
        return ac.StageCost(trade=lambda k, u: 0.01 * np.abs(u).sum(axis=-1))


class ShownFee(Fee):
    """The same, for a convex program too."""

    def parameters(self, setting, weight):
        return {"rate": np.asarray(0.01 * weight)}

    def expression(self, path, data):
        return cp.norm1(data["rate"] * path.trades)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_a_cost_that_a_convex_program_cannot_see_is_refused_when_it_is_solved(weight):
    def problem(fee):
        market = builders.market("even")
        costs = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk() + weight * fee
        return ac.ExecutionProblem(builders.order("sell one"), market, costs, [ac.Monotone()])

    told = r"Fee states neither expression nor curvature, so a convex program cannot see it; ac.dynamic_program\("
    blind, seen = problem(Fee()), problem(ShownFee())
    policy = ac.RecedingHorizon(blind)
    for run in (
        blind.solve,
        lambda: blind.solve(cross_check=True),
        lambda: blind.solve_at("TimingRisk", 1e-5),
        lambda: blind.frontier(points=3),
        lambda: ac.simulate(policy, blind.order, blind.market, n_paths=2, seed=0),
        blind.with_history(np.array([[-1_000.0]])).solve,
    ):
        with pytest.raises(ac.ModelError, match=told):
            run()
    # What goes by values and stages goes on.
    assert ac.twap(blind).term_values["Fee"] == pytest.approx(90.0)
    lots = ac.dynamic_program(blind, 500.0)
    assert lots.value == pytest.approx(ac.dynamic_program(seen, 500.0).value, rel=1e-12)
    assert seen.solve().objective <= lots.value
    assert ac.QLearning(ac.ExecutionTask(blind, 500.0)).train(100).gap(lots) >= 0


def test_a_cost_of_curvature_alone_is_seen():
    class Square(ac.Cost):
        """1e-5 u^2, which is all in its curvature."""

        def curvature(self, setting):
            return np.full(setting.shape, 1e-5)

        def values(self, path):
            return 1e-5 * path.trades**2

    plan = ac.ExecutionProblem(builders.order("sell one"), builders.market("even", ["A"]), Square()).solve()
    assert plan.objective == pytest.approx(1e-5 * 9_000.0**2 / 5)
