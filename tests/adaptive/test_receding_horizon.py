"""The problem planned again in every interval: against Riccati, fresh problems, and policies that do not look ahead."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from watched_days import LAMBDA, UNEVEN, Watched, basket, expected_objective, sell_or_buy, simulated, stock

import acopt as ac
from acopt.adaptive.feedback import Clipped, RiccatiPolicy
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation
from acopt.adaptive.receding_horizon import RecedingHorizon
from acopt.adaptive.recorded import RecordedPrices
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.volumes import StochasticVolume
from acopt.errors import DataError, InfeasibleError, ModelError
from acopt.model.declaration import BOUNDS

EQUAL = 1e-7  # of the largest order, as the issue asks
SAME = 1e-9  # of the largest order: the same plan, otherwise declared
STANDARD_ERRORS = 3.0
LAWS = {
    "price": OrnsteinUhlenbeck(3.0),
    "signal": RevertingDrift(2.0, 1.5, start=0.4),
    "serial": SerialCorrelation(0.4),
    "none": ArithmeticBrownian(),
}


def u_shaped(side=1, *, cap=0.12, rules=()):
    """Return an order that a cap binds at noon, when the market is thin."""
    grid = ac.TimeGrid.uniform(1.0, 8)
    shape = np.array([1.6, 1.2, 0.8, 0.5, 0.5, 0.8, 1.2, 1.4])
    market = ac.Market(
        grid,
        40.0,
        volume=pd.Series(1e6 * shape / shape.sum(), grid.labels),
        covariance=0.8**2,
        impact=ac.ImpactCoefficients(eta=2e-6, gamma=1e-7),
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk()
    return ac.ExecutionProblem(sell_or_buy({"asset": side * 1e5}), market, costs, [ac.Participation(cap), *rules])


# ----------------------------------------------------------------------------------------------------- Riccati


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("side", [1, -1])
def test_where_nothing_binds_it_is_riccati(side, law):
    problem, compared = stock(side), []
    riccati = RiccatiPolicy(problem)

    def check(state, decided):
        np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * 1e5, rtol=0)
        compared.append(np.ptp(decided))

    simulated(Watched(RecedingHorizon(problem), check), problem, LAWS[law], 25)
    assert len(compared) == 6
    assert max(compared) > 1e3 or law == "none"


@pytest.mark.parametrize("law", [OrnsteinUhlenbeck(3.0), RevertingDrift(2.0, pd.Series([1.5, 0.5, 2.0], list("ABC")))])
@pytest.mark.parametrize("sides", [(1, -1, 0), (-1, -1, 0), (1, 1, 0)])
def test_where_nothing_binds_a_basket_is_riccati(sides, law):
    problem = basket(sides)
    riccati = RiccatiPolicy(problem)

    def check(state, decided):
        np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * 1e5, rtol=0)

    watched = Watched(RecedingHorizon(problem), check)
    simulated(watched, problem, law, 20)
    np.testing.assert_allclose(watched.trades.sum(axis=1), -np.tile(problem.setting.remaining, (20, 1)), atol=1e-6)


@pytest.mark.parametrize("size", [1e2, 1e6, 1e9])
def test_sizes(size):
    """Impact falls as the order grows, so that days look alike in its units."""
    grid = ac.TimeGrid.uniform(1.0, 4)
    market = ac.Market(grid, 40.0, covariance=0.8**2)
    costs = ac.TemporaryImpact(0.2 / size) + (0.3 / size) * ac.TimingRisk()
    problem = ac.ExecutionProblem(ac.Order(size), market, costs, [ac.TradeSize(-10 * size, 10 * size)])
    riccati = RiccatiPolicy(problem)

    def check(state, decided):
        np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * size, rtol=0)

    simulated(Watched(RecedingHorizon(problem), check), problem, OrnsteinUhlenbeck(3.0), 10)


def test_one_interval_and_a_zero_order():
    problem = stock(1, edges=np.array([0.0, 1.0]))
    assert simulated(RecedingHorizon(problem), problem, LAWS["price"], 3).average_trades.to_numpy() == -1e5
    nothing = ac.ExecutionProblem(sell_or_buy({"asset": 0.0}), stock().market, stock().objective)
    riccati = RiccatiPolicy(nothing)

    def check(state, decided):
        np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * 1e5, rtol=0)

    watched = Watched(RecedingHorizon(nothing), check)
    simulated(watched, nothing, LAWS["price"], 10)
    assert np.ptp(watched.trades) > 1e3  # a view is worth a round trip


# --------------------------------------------------------------------------------------------- rules that bind


@pytest.mark.parametrize("side", [1, -1])
def test_each_step_is_that_of_a_fresh_problem(side):
    """An order for what is left, on a grid that begins now, with the forecast as its Alpha."""
    problem = u_shaped(side, rules=[ac.Monotone()])
    grid, compared = problem.market.grid, []

    def check(state, decided):
        k = state.interval
        rest = ac.TimeGrid(grid.edges[k:])
        volume = pd.Series(problem.market.volumes[k:, 0], rest.labels)
        market = ac.Market(rest, 40.0, volume=volume, covariance=0.8**2, impact=problem.market.impact)
        moves = state.expected_changes()
        for path in (0, 7):
            left = {"asset": float(state.remaining[path, 0])}
            drift = pd.Series(moves[path, :, 0] / rest.durations, rest.labels)
            costs = ac.TemporaryImpact() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk() + ac.Alpha(drift)
            fresh = ac.ExecutionProblem(sell_or_buy(left), market, costs, problem.constraints)
            plan = fresh.solve(solver="CLARABEL")
            np.testing.assert_allclose(decided[path], plan.path.trades[0], atol=SAME * 1e5, rtol=0)
            compared.append(plan.participation.abs().to_numpy().max())

    simulated(Watched(RecedingHorizon(problem), check), problem, OrnsteinUhlenbeck(4.0), 8)
    assert len(compared) == 16
    assert sum(most > 0.12 - 1e-9 for most in compared) > 8


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("law", ["price", "signal"])
def test_with_caps_it_is_feasible_and_beats_clipped_riccati(side, law):
    """Cost and running risk, as expected before each trade, day by day: beyond three standard errors."""
    problem = u_shaped(side)
    prices = {"price": OrnsteinUhlenbeck(4.0), "signal": RevertingDrift(3.0, 4.0)}[law]
    days = {}
    for policy in (RecedingHorizon(problem), Clipped(RiccatiPolicy(problem), problem)):
        watched = Watched(policy)
        result = simulated(watched, problem, prices, 150)
        taken = np.abs(watched.trades) / problem.market.volumes
        assert taken.max() <= 0.12 * (1 + 1e-9)
        assert (taken > 0.12 * (1 - 1e-9)).mean() > 0.2
        np.testing.assert_allclose(watched.trades.sum(axis=1), -side * 1e5)
        days[policy.name] = expected_objective(problem, result, watched)
    ours, other = days.values()
    better = other - ours
    assert better.mean() > STANDARD_ERRORS * better.std(ddof=1) / np.sqrt(len(better))


def test_any_cost_and_rule_will_do():
    """Spread, a power law, neutrality, soft caps: all rules hold on every day."""
    problem = basket((1, -1, 0))
    order = sell_or_buy(pd.Series([1e5, -1.6e5, 0.0], list("ABC")))
    costs = problem.objective + ac.SpreadCost(pd.Series(0.01, list("ABC")))
    rules = [ac.Monotone(assets=["A", "B"]), ac.DollarNeutral(0.05), ac.TradeSize(-4e4, 4e4, assets=["A"])]
    whole = ac.ExecutionProblem(order, problem.market, costs, rules)
    watched = Watched(RecedingHorizon(whole))
    simulate(watched, order, SimulatedMarket(problem.market, prices=OrnsteinUhlenbeck(3.0)), 6, 1)
    for trades in watched.trades:
        assert not whole.evaluate(trades).rules_broken
    assert np.ptp(watched.trades[:, 1:-1], axis=0).max() > 100


def test_a_conic_cost_will_do():
    base = stock()
    costs = ac.PowerImpact(3e-4, 0.5) + LAMBDA * ac.TimingRisk()
    problem = ac.ExecutionProblem(base.order, base.market, costs, [ac.Monotone()])
    seen = []

    def check(state, decided):
        if state.interval == 2:
            drift = np.zeros((6, 1))
            drift[2:] = state.expected_changes()[0] / np.diff(UNEVEN)[2:, None]
            fresh = ac.ExecutionProblem(
                problem.order, problem.market, costs + ac.Alpha(drift), [ac.Monotone()], executed=state.trades[0]
            )
            np.testing.assert_allclose(decided[0], fresh.solve().path.trades[2], atol=1e-5 * 1e5, rtol=0)
            seen.append(np.ptp(decided))

    simulated(Watched(RecedingHorizon(problem), check), problem, OrnsteinUhlenbeck(3.0), 2)
    assert seen[0] > 1


# -------------------------------------------------------------------------------------------------- the forecast


def test_an_alpha_is_the_place_of_the_forecast():
    """Its drift is replaced, its weight counts; without one the forecast is added."""
    base = stock()
    trades = {}
    for name, extra in {"none": None, "view": ac.Alpha(0.7), "half": 0.5 * ac.Alpha(0.0, name="view")}.items():
        costs = base.objective if extra is None else base.objective + extra
        problem = ac.ExecutionProblem(base.order, base.market, costs)
        riccati = RiccatiPolicy(problem)

        def check(state, decided, riccati=riccati):
            np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * 1e5, rtol=0)

        watched = Watched(RecedingHorizon(problem), check)
        simulated(watched, base, LAWS["price"], 5)
        trades[name] = watched.trades
    np.testing.assert_allclose(trades["none"], trades["view"], atol=SAME * 1e5, rtol=0)
    assert np.abs(trades["none"] - trades["half"]).max() > 1e3
    two = ac.ExecutionProblem(base.order, base.market, base.objective + ac.Alpha(0.1) + ac.Alpha(0.2, name="other"))
    with pytest.raises(ModelError, match="Alpha and other are views on prices; one at most"):
        RecedingHorizon(two)


def test_the_problem_stays_as_it_is():
    problem = u_shaped()
    before = problem.solve()
    simulated(RecedingHorizon(problem), problem, LAWS["price"], 4)
    after = problem.solve()
    np.testing.assert_allclose(after.path.trades, before.path.trades, atol=SAME * 1e5, rtol=0)
    assert [t.cost.name for t in problem.objective.terms] == ["TemporaryImpact", "PermanentImpact", "TimingRisk"]


def test_days_do_not_depend_on_their_company():
    """The first days of a longer run, and the same days once more: the same decisions, within the contract."""
    problem = u_shaped()
    runs = []
    for n_paths in (5, 20):
        watched = Watched(RecedingHorizon(problem))
        simulated(watched, problem, LAWS["price"], n_paths)
        runs.append(watched.trades[:5])
    policy = RecedingHorizon(problem)
    for _ in range(2):
        watched = Watched(policy)
        simulated(watched, problem, LAWS["price"], 5)
        runs.append(watched.trades)
    for other in runs[1:]:
        np.testing.assert_allclose(other, runs[0], atol=SAME * 1e5, rtol=0)


class Counted(ac.TemporaryImpact):
    """Temporary impact that counts how often a schedule was priced."""

    priced = 0

    def values(self, path):
        Counted.priced += 1
        return super().values(path)


def test_paths_in_the_same_state_are_solved_once():
    """Without a forecast all days are one: a thousand are priced as often as one."""
    base, counts = u_shaped(), []
    costs = Counted() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk()
    problem = ac.ExecutionProblem(base.order, base.market, costs, base.constraints)
    for n_paths in (1, 1_000):
        watched = Watched(RecedingHorizon(problem))
        Counted.priced = 0
        market = SimulatedMarket(base.market, costs=ac.TemporaryImpact())
        simulate(watched, base.order, market, n_paths, 1)
        counts.append(Counted.priced)
        assert not np.ptp(watched.trades, axis=0).any()
        np.testing.assert_allclose(watched.trades[0], base.solve().path.trades, atol=SAME * 1e5, rtol=0)
    assert counts[0] == counts[1] > 0


def test_paths_with_one_forecast_and_many_histories():
    """The first trades are drawn; nothing is expected of prices, and each path is planned from where it is."""
    problem = stock()
    riccati, again = RiccatiPolicy(problem), RecedingHorizon(problem)
    compiled = set()

    class Drawn:
        overshoots = True

        def decide(self, state):
            if state.interval < 2:
                return -np.random.default_rng(state.interval).uniform(1e3, 2e4, state.remaining.shape)
            decided = again.decide(state)
            compiled.add(id(again._problem.declaration))
            np.testing.assert_allclose(decided, riccati.decide(state), atol=EQUAL * 1e5, rtol=0)
            return decided

    simulated(Drawn(), problem, ArithmeticBrownian(), 12)
    assert len(compiled) == 1
    assert BOUNDS in again._problem.declaration.groups  # no trade had bounds; a history states some, compiled once


# --------------------------------------------------------------------------------------------------- the volumes


def volumes_of(factor):
    """Return the market's volumes, times a factor from the third interval on."""

    def volumes(state):
        ahead = state.setting.market.volumes[state.interval :] * (factor if state.interval >= 2 else 1.0)
        return np.tile(ahead, (len(state.remaining), 1, 1))

    return volumes


@pytest.mark.parametrize("side", [1, -1])
def test_volumes_that_are_estimated_again(side):
    """Caps and a law of impact follow them: each step is that of a re-plan with the new volumes."""
    base = u_shaped(side)
    market = ac.Market(
        base.market.grid,
        40.0,
        volume=pd.Series(base.market.volumes[:, 0], base.market.grid.labels),
        covariance=0.8**2,
        impact=ac.LinearImpact(8.0),
    )
    problem = ac.ExecutionProblem(
        base.order, market, ac.TemporaryImpact() + LAMBDA * ac.TimingRisk() + ac.Alpha(0.0), base.constraints
    )
    watched = Watched(RecedingHorizon(problem, volumes=volumes_of(1.5)))
    simulated(watched, problem, ArithmeticBrownian(), 2)
    trades, plan = watched.trades[0], problem.solve()
    np.testing.assert_allclose(trades[:2], plan.path.trades[:2], atol=SAME * 1e5, rtol=0)
    rest = plan.reoptimize(at=market.grid.edges[2], executed=plan.trades.iloc[:2], volume_scale=1.5)
    np.testing.assert_allclose(trades, rest.path.trades, atol=EQUAL * 1e5, rtol=0)
    assert np.abs(trades - plan.path.trades).max() > 100


def test_the_volumes_that_came_are_those_of_the_past():
    """They say where VWAP stands: who knows what is to come is on the benchmark of the day, to the share."""
    grid = ac.TimeGrid.uniform(1.0, 6)
    came, other = np.array([5.0, 1.0, 4.0, 8.0, 2.0, 3.0]) * 1e4, np.array([1.0, 6.0, 2.0, 2.0, 7.0, 1.0]) * 1e4
    market = ac.Market(grid, 40.0, volume=pd.Series(other, grid.labels), covariance=0.8**2)
    problem = ac.ExecutionProblem(ac.Order(1e5), market, 1e-6 * ac.TrackingRisk(ac.VWAP()))
    policy = RecedingHorizon(problem, volumes=lambda state: np.tile(came[state.interval :, None], (1, 1, 1)))
    recorded = RecordedPrices(np.full((7, 1), 40.0), came[:, None])
    watched = Watched(policy)
    simulated(watched, problem, recorded, 1)
    np.testing.assert_allclose(watched.trades[0][:, 0], -1e5 * came / came.sum(), atol=SAME * 1e5, rtol=0)


def test_a_rest_that_does_not_fit_is_refused():
    problem = u_shaped()
    policy = RecedingHorizon(problem, volumes=volumes_of(0.2), name="shrinking")
    said = r"asset: done [\d,]+ and caps of [\d,]+ to come make [\d,]+ of 100,000 shares \(Participation\); allow more"
    with pytest.raises(InfeasibleError, match=said) as caught:
        simulated(policy, problem, LAWS["price"], 3)
    note = next(note for note in caught.value.__notes__ if note.startswith("policy shrinking"))
    assert re.match(r"policy shrinking, interval 0\.25, path \d of this block.*: left to trade are asset -", note)
    done, ahead, most = (
        float(n.replace(",", "")) for n in re.findall(r" ([\d,]+) (?:and|to|of)", str(caught.value))[:3]
    )
    assert done + ahead == pytest.approx(most, abs=2.0)
    assert float(note.rpartition("asset -")[2].replace(",", "")) == pytest.approx(1e5 - done, abs=2.0)
    assert "Participation" in str(caught.value.diagnosis)
    soft = ac.ExecutionProblem(
        problem.order, problem.market, problem.objective, [ac.Participation(0.12, penalty_bps=50)]
    )
    watched = Watched(RecedingHorizon(soft, volumes=volumes_of(0.2)))
    simulated(watched, problem, LAWS["price"], 3)
    np.testing.assert_allclose(watched.trades.sum(axis=1), -1e5)


@pytest.mark.parametrize(
    ("volumes", "said"),
    [
        (lambda state: np.ones((1, 8, 1)), r"interval 0.0: volumes= returned shape \(1, 8, 1\); finite numbers"),
        (lambda state: np.full((2, 8 - state.interval, 1), np.nan), r"returned shape \(2, 8, 1\), the least nan"),
        (lambda state: np.full((2, 8 - state.interval, 1), -1.0), r"the least -1; finite numbers >= 0 of shape"),
    ],
)
def test_volumes_are_checked(volumes, said):
    problem = u_shaped()
    with pytest.raises(ModelError, match=said):
        simulated(RecedingHorizon(problem, volumes=volumes), problem, LAWS["price"], 2)


# ------------------------------------------------------------------------------------------------------ refusals


def test_refusals():
    problem = stock()
    with pytest.raises(DataError, match="RecedingHorizon problem"):
        RecedingHorizon(problem.market)
    with pytest.raises(DataError, match=r"volumes: 0\.5 was given, a function of the state"):
        RecedingHorizon(problem, volumes=0.5)
    with pytest.raises(DataError, match=r"a function of the state is expected; ac\.VolumeForecast\(\.\.\.\) makes one"):
        RecedingHorizon(problem, volumes=StochasticVolume(0.3))
    with pytest.raises(ModelError, match="RecedingHorizon: TimingRisk has no weight"):
        RecedingHorizon(ac.ExecutionProblem(problem.order, problem.market, ac.TemporaryImpact() + ac.TimingRisk()))
    with pytest.raises(ModelError, match="first 1 intervals of the problem are history"):
        RecedingHorizon(problem.with_history(np.array([[-1e4]])))
    with pytest.raises(ModelError, match="the grid differs"):
        simulated(RecedingHorizon(problem), u_shaped(), LAWS["price"], 2)
    more = ac.ExecutionProblem(ac.Order(2e5), problem.market, problem.objective)
    with pytest.raises(ModelError, match="order for asset is 200,000 shares, asked for are 100,000"):
        simulated(RecedingHorizon(more), problem, LAWS["price"], 2)
    assert repr(RecedingHorizon(problem, name="again")).startswith("RecedingHorizon('again', ExecutionProblem(1 asset")
