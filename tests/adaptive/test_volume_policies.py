"""The day's VWAP when its volume is not known: E[m/V], what beats it, and what nobody can beat."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.recorded import RecordedPrices
from acopt.adaptive.simulation import SimulatedMarket, draw_days, simulate
from acopt.adaptive.volume_policies import AdaptiveVWAP, ExpectedVWAP, VolumeForecast, expected_volume_curve, nodes
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume

SMILE = np.array([3.0, 1.6, 1.0, 0.9, 1.2, 2.8]) * 1e5
MEASURED = StochasticVolume(0.35, day=0.25, half_life=0.04)
HEAVY = StochasticVolume(0.6, day=0.4, half_life=0.3)
LATE = StochasticVolume(np.array([[0.2], [0.2], [0.2], [0.2], [0.2], [1.2]]))
UNEVEN = np.array([0.0, 0.1, 0.35, 0.4, 0.6, 0.85, 1.0])


def market(volumes=SMILE, edges=None, assets=("A",), **changes):
    rows = len(volumes)
    grid = ac.TimeGrid(np.linspace(0.0, 1.0, rows + 1) if edges is None else edges)
    price = pd.Series(np.linspace(40.0, 90.0, len(assets)), list(assets))
    volume = pd.DataFrame(np.outer(volumes, np.linspace(1.0, 3.0, len(assets))), grid.labels, list(assets))
    facts = {"covariance": ac.Covariance.diagonal(0.02 * price), "impact": ac.LinearImpact(5.0), "spread": 1e-4 * price}
    return ac.Market(grid, price, volume=volume, **{**facts, **changes})


def order(assets=("A",), size=1e4):
    return ac.Order.sell(dict.fromkeys(assets, size))


class Kept:
    """A policy, and what it decided."""

    overshoots = True

    def __init__(self, policy):
        self.policy, self.decisions = policy, []

    def decide(self, state):
        self.decisions.append(self.policy.decide(state))
        return self.decisions[-1]


def trades(policy, order, market, n_paths=50, seed=1):
    """Trades (paths, N, n) on all days."""
    kept = Kept(policy)
    result = simulate(kept, order, market, n_paths, seed)
    n = len(result.average_trades)
    blocks = [np.stack(kept.decisions[i : i + n], axis=1) for i in range(0, len(kept.decisions), n)]
    return np.concatenate(blocks)


def volumes_of(simulated, order, n_paths, seed=1):
    days = draw_days(simulated, simulated.setting(order), n_paths, seed)
    return np.concatenate([block.volumes for block in days])


def tracking(held, simulated, order, volumes):
    """Variance of slippage given a day's volumes (paths,), currency^2: sum_k tau_k sigma_k^2 (x_k - b_k)^2."""
    setting = simulated.setting(order)
    over = np.cumsum(volumes, axis=1)
    beside = held - setting.remaining * (1.0 - over / over[:, -1:])
    risk = np.einsum("pki,kij,pkj->pk", beside, covariances(setting), beside)
    return risk @ setting.durations[:, 0]


def covariances(setting):
    unit = np.eye(setting.shape[1])
    columns = [setting.market.risk.apply(np.tile(e, (setting.shape[0], 1))) for e in unit]
    return np.stack(columns, axis=-1)


def paired(first, second):
    """Mean difference, in standard errors."""
    difference = first - second
    return difference.mean() / (difference.std(ddof=1) / np.sqrt(len(difference)))


# ------------------------------------------------------------------------------------------------ E[m / V]


@pytest.mark.parametrize(
    ("volume", "first", "good_to"),
    [
        (StochasticVolume(0.35, day=0.25), 0.7, 1e-5),
        (StochasticVolume(0.35, day=0.25, half_life=0.5), 0.3, 1e-5),
        (StochasticVolume(np.array([1.2, 0.1])), 0.3, 5e-4),
        (StochasticVolume(0.9, day=0.5, half_life=0.4), 0.7, 5e-4),
    ],
)
def test_two_intervals_are_an_integral(volume, first, good_to):
    """m_1 / V = 1 / (1 + e^z) with z normal: one number of one variable; as good as the docstring says."""
    on = market(np.array([first, 1.0 - first]) * 1e6)
    s = np.broadcast_to(volume.interval, 2)
    rho = 0.0 if volume.half_life is None else 2.0 ** (-0.5 / volume.half_life)
    mean = np.log((1.0 - first) / first) - 0.5 * (s[1] ** 2 - s[0] ** 2)
    spread = np.sqrt(s @ s - 2.0 * rho * s[0] * s[1])
    exact = quad(lambda z: norm.pdf(z) / (1.0 + np.exp(mean + spread * z)), -12.0, 12.0, epsabs=1e-12)[0]
    curve = expected_volume_curve(volume, order(), on)["A"].to_numpy()
    assert curve[0] == pytest.approx(exact, abs=good_to)
    assert curve[1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("volume", [MEASURED, HEAVY, LATE], ids=["measured", "heavy", "late"])
def test_the_curve_is_that_of_drawn_days(volume):
    on = SimulatedMarket(market(edges=UNEVEN), volume=volume)
    over = np.cumsum(volumes_of(on, order(), 400_000)[:, :, 0], axis=1)
    share = over / over[:, -1:]
    error = share.std(axis=0) / np.sqrt(len(share))
    curve = expected_volume_curve(volume, order(), on.market)["A"].to_numpy()
    assert (np.abs(curve - share.mean(axis=0))[:-1] < 4.0 * error[:-1] + 1e-5).all()
    naive = np.cumsum(SMILE) / SMILE.sum()
    assert (np.abs(naive - share.mean(axis=0)) > 8.0 * error)[:-1].any()


def test_equal_intervals_have_equal_shares():
    curve = expected_volume_curve(StochasticVolume(0.8), order(), market(np.full(8, 1e5)))["A"]
    assert curve.to_numpy() == pytest.approx(np.arange(1, 9) / 8, abs=2e-4)


def test_a_factor_of_the_whole_day_cancels():
    calm = expected_volume_curve(StochasticVolume(0.5), order(), market())
    wild = expected_volume_curve(StochasticVolume(0.5, day=1.5), order(), market())
    assert wild.equals(calm)
    alone = expected_volume_curve(StochasticVolume(0.0, day=1.5), order(), market())
    assert alone["A"].to_numpy() == pytest.approx(np.cumsum(SMILE) / SMILE.sum(), abs=1e-12)


def test_an_interval_without_volume_has_no_share():
    volumes = SMILE.copy()
    volumes[[0, 3]] = 0.0
    curve = expected_volume_curve(HEAVY, order(), market(volumes))["A"]
    assert curve.iloc[0] == 0.0
    assert curve.iloc[3] == curve.iloc[2]
    assert curve.iloc[-1] == pytest.approx(1.0, abs=1e-12)


def test_every_asset_has_its_own_curve():
    scattered = StochasticVolume(pd.Series({"A": 0.9, "B": 0.0}))
    curve = expected_volume_curve(scattered, order("AB"), market(assets=("A", "B")))
    assert curve["B"].to_numpy() == pytest.approx(np.cumsum(SMILE) / SMILE.sum(), abs=1e-12)
    assert np.abs(curve["A"] - curve["B"]).max() > 1e-3


def test_the_benchmark_follows_an_updated_market():
    problem = ac.ExecutionProblem(order(), market(), ac.TemporaryImpact() + 1e-3 * ac.TrackingRisk(ExpectedVWAP(LATE)))
    problem.solve()
    other = market(SMILE[::-1])
    again = problem.update(market=other).solve()
    fresh = ac.ExecutionProblem(order(), other, ac.TemporaryImpact() + 1e-3 * ac.TrackingRisk(ExpectedVWAP(LATE)))
    assert again.path.trades == pytest.approx(fresh.solve().path.trades, abs=1e-3)
    sold = 0.0 - again.path.trades[:, 0].cumsum() / 1e4
    assert sold == pytest.approx(expected_volume_curve(LATE, order(), other)["A"].to_numpy(), abs=5e-3)


def test_nodes_are_exact_for_polynomials_of_the_third_degree():
    at = nodes(5, 64, seed=3)
    assert at.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-14)
    assert at.T @ at / len(at) == pytest.approx(np.eye(5), abs=1e-13)
    assert np.einsum("qi,qj,qk->ijk", at, at, at) == pytest.approx(np.zeros((5, 5, 5)), abs=1e-10)


# ------------------------------------------------------------------------------------------------ static


def test_the_static_optimum_follows_it_and_beats_the_expected_volume():
    """Paired over 40,000 days, given their volumes; the gain is the squared distance of the two plans."""
    on, sell = SimulatedMarket(market(), volume=LATE), order()
    volumes = volumes_of(on, sell, 40_000)
    held = {
        name: sell.remaining.to_numpy() + np.cumsum(StaticPolicy(plan).trades(on.setting(sell)), axis=0)
        for name, plan in {"naive": "vwap", "best": ExpectedVWAP(LATE)}.items()
    }
    variance = {name: tracking(x[None], on, sell, volumes) for name, x in held.items()}
    assert paired(variance["best"], variance["naive"]) < -8.0
    setting = on.setting(sell)
    apart = (held["naive"] - held["best"])[:, 0]
    gain = (setting.durations[:, 0] * covariances(setting)[:, 0, 0]) @ apart**2
    difference = variance["naive"] - variance["best"]
    assert abs(difference.mean() - gain) < 4.0 * difference.std() / np.sqrt(len(difference))


def test_any_plan_is_worse_by_its_tracking_risk():
    """E (slippage variance) = TrackingRisk(ExpectedVWAP) + what no plan can help."""
    on, sell = SimulatedMarket(market(), volume=HEAVY), order()
    best = ExpectedVWAP(HEAVY)
    costs = ac.TemporaryImpact() + 1e-8 * ac.TrackingRisk(best) + 1e-6 * ac.TimingRisk()
    problem = ac.ExecutionProblem(sell, on.market, costs)
    volumes = volumes_of(on, sell, 40_000)
    floor = tracking(best.path(problem.setting)[1:][None], on, sell, volumes)
    for plan in (ac.twap(problem), problem.solve()):
        extra = tracking(plan.path.remaining[1:][None], on, sell, volumes) - floor
        error = extra.std() / np.sqrt(len(extra))
        assert abs(extra.mean() - plan.tracking_variance) < 4.0 * error
        assert plan.tracking_variance > 4.0 * error


def test_simulated_slippage_of_the_static_optimum_is_what_was_said():
    """Prices drawn too: the variance of what they gave against the VWAP is the mean of the variance given volumes."""
    on, sell = SimulatedMarket(market(), volume=HEAVY), order()
    result = simulate(StaticPolicy(ExpectedVWAP(HEAVY)), sell, on, 40_000, 1)
    volumes = volumes_of(on, sell, 40_000)
    given = tracking(ExpectedVWAP(HEAVY).path(on.setting(sell))[1:][None], on, sell, volumes)
    gains = result.price_gains["vwap"] ** 2
    assert abs(paired(gains, given)) < 4.0


# ------------------------------------------------------------------------------------------------ adaptive


@pytest.mark.parametrize("came", [np.array([2e5]), np.array([9e5])])
def test_what_is_expected_after_one_interval_is_bayes(came):
    """The day's factor and the intervals' are integrated out, without the normal's conditional mean."""
    volumes, s, d, half_life = np.array([3e5, 1e5, 4e5]), 0.5, 0.4, 0.5
    rho = 2.0 ** (-(1 / 3) / half_life)
    x, w = np.polynomial.hermite_e.hermegauss(40)
    w = w / w.sum()
    day = np.linspace(-6.0, 6.0, 801)
    y = np.log(came[0] / volumes[0]) + 0.5 * (s**2 + d**2)
    first = (y - d * day) / s
    posterior = norm.pdf(day) * norm.pdf(first)
    posterior /= posterior.sum()
    second = rho * first[:, None, None] + np.sqrt(1 - rho**2) * x[None, :, None]
    third = rho * second + np.sqrt(1 - rho**2) * x[None, None, :]
    base = d * day[:, None, None] - 0.5 * (s**2 + d**2)
    v2, v3 = volumes[1] * np.exp(base + s * second), volumes[2] * np.exp(base + s * third)
    exact = np.einsum("a,b,c,abc->", posterior, w, w, (came[0] + v2) / (came[0] + v2 + v3))

    days = np.concatenate([np.tile(came, (1, 1)), volumes[None, 1:]], axis=1)[:, :, None]
    on = SimulatedMarket(market(volumes), prices=RecordedPrices(np.full((1, 4, 1), 40.0), days))
    made = trades(AdaptiveVWAP(StochasticVolume(s, day=d, half_life=half_life)), order(), on, n_paths=1)
    assert -made[0, :2].sum() / 1e4 == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("volume", [MEASURED, HEAVY, StochasticVolume(0.8), LATE], ids=str)
@pytest.mark.parametrize("sells", [True, False])
def test_the_adaptive_policy_beats_both(volume, sells):
    """Paired over 10,000 days, given their volumes."""
    work = order() if sells else ac.Order.buy({"A": 1e4})
    on = SimulatedMarket(market(edges=UNEVEN), volume=volume)
    volumes = volumes_of(on, work, 10_000)
    made = {
        "naive": StaticPolicy("vwap").trades(on.setting(work))[None],
        "static": StaticPolicy(ExpectedVWAP(volume)).trades(on.setting(work))[None],
        "adaptive": trades(AdaptiveVWAP(volume), work, on, 10_000),
    }
    x = on.setting(work).remaining
    variance = {name: tracking(x + np.cumsum(u, axis=1), on, work, volumes) for name, u in made.items()}
    assert paired(variance["adaptive"], variance["static"]) < -8.0
    assert paired(variance["adaptive"], variance["naive"]) < -8.0


def test_what_it_saves_shows_in_what_prices_did():
    on, results = SimulatedMarket(market(), volume=HEAVY), {}
    for name, policy in (("static", StaticPolicy(ExpectedVWAP(HEAVY))), ("adaptive", AdaptiveVWAP(HEAVY))):
        results[name] = simulate(policy, order(), on, 20_000, 1)
    squares = {name: result.price_gains["vwap"] ** 2 for name, result in results.items()}
    assert paired(squares["adaptive"], squares["static"]) < -8.0
    assert results["adaptive"].std("vwap") < results["static"].std("vwap")


def test_what_is_left_of_the_error_is_news():
    """Of the least squares' error nothing can be told from what was known: zero mean, no correlation with the past."""
    volume = StochasticVolume(0.3, day=0.5, half_life=0.1)
    on, sell, n_paths = SimulatedMarket(market(), volume=volume), order(), 20_000
    volumes = volumes_of(on, sell, n_paths)[:, :, 0]
    made = trades(AdaptiveVWAP(volume), sell, on, n_paths)[:, :, 0]
    assert (made < 0).all()  # it never had to wait, so that nothing held it back from its estimate
    over = np.cumsum(volumes, axis=1) / volumes.sum(axis=1, keepdims=True)
    error = over + np.cumsum(made, axis=1) / 1e4
    for k in range(5):
        facts = [np.ones(n_paths), *np.log(volumes[:, :k].T), *(np.log(volumes[:, :k].T) ** 2)]
        for fact in facts:
            fact = fact - fact.mean() if fact.std() > 0 else fact
            product = error[:, k] * fact
            assert abs(product.mean()) < 4.0 * product.std() / np.sqrt(n_paths) + 2e-5


def test_the_forecast_is_the_mean_of_what_comes():
    """Errors have mean zero, and no correlation with what was known; a closed interval has no volume."""
    volumes = SMILE.copy()
    volumes[3] = 0.0
    on, n_paths = SimulatedMarket(market(volumes), volume=HEAVY), 20_000
    forecast, seen = VolumeForecast(HEAVY), {}

    class Look:
        def decide(self, state):
            seen.setdefault(state.interval, []).append((forecast(state), state.volumes))
            return -state.remaining / (6 - state.interval) * (state.interval != 3)

    came = volumes_of(on, order(), n_paths)[:, :, 0]
    simulate(Finish(Look()), order(), on, n_paths, 1)
    for k in range(6):
        expected, known = (np.concatenate(parts)[:, :, 0] for parts in zip(*seen[k], strict=True))
        assert (expected[:, 3 - k] == 0).all() if k <= 3 else True
        error = (came[:, k:] - expected) / 1e5
        facts = [np.ones(n_paths), *np.log(known[:, [j for j in range(k) if j != 3]].T)]
        for fact in facts:
            product = error * (fact - fact.mean() if fact.std() > 0 else fact)[:, None]
            assert (np.abs(product.mean(axis=0)) <= 4.5 * product.std(axis=0) / np.sqrt(n_paths)).all()


class Finish:
    """Another policy, whose last trade is what is left."""

    def __init__(self, policy):
        self.policy = policy

    def decide(self, state):
        wanted = self.policy.decide(state)
        return -state.remaining if state.interval == 5 else np.maximum(wanted, -state.remaining)


def test_known_volume_leaves_the_impact_alone():
    """REFERENCE: trading Q m(t) / V, the stochastic part of slippage vanishes on every path."""
    assets = ("A", "B")
    both = ac.Order(pd.Series({"A": 2e4, "B": 0.0}), pd.Series({"A": 0.0, "B": 3e4}))
    for policy in (StaticPolicy("vwap"), AdaptiveVWAP(StochasticVolume(0.0))):
        result = simulate(policy, both, market(edges=UNEVEN, assets=assets), 500, 4)
        worth = np.abs(result.moves).max()
        assert np.abs(result.price_gains["vwap"]).max() < 1e-12 * worth
        assert result.slippage("vwap", "currency") == pytest.approx(result.impact, rel=1e-9)
        assert result.mean("vwap") > 0


def test_a_day_that_is_more_of_the_same_is_tracked_on_every_path():
    volume = StochasticVolume(0.0, day=0.7)
    result = simulate(AdaptiveVWAP(volume), order(), SimulatedMarket(market(), volume=volume), 500, 4)
    assert np.abs(result.price_gains["vwap"]).max() < 1e-9 * np.abs(result.moves).max()


def test_whoever_knew_the_volume_would_pay_the_impact_alone():
    on, sell = SimulatedMarket(market(), volume=HEAVY), order()
    volumes = volumes_of(on, sell, 20)
    rng = np.random.default_rng(2)
    for day in volumes:
        prices = 40.0 + np.cumsum(rng.normal(size=(7, 1)), axis=0)
        recorded = SimulatedMarket(market(), prices=RecordedPrices(prices, day))
        result = simulate(StaticPolicy(-1e4 * day / day.sum()), sell, recorded, 1, 0)
        assert abs(result.price_gains["vwap"][0]) < 1e-11 * np.abs(result.moves[0])
        assert result.slippage("vwap", "currency") == pytest.approx(result.impact)


# ------------------------------------------------------------------------------------------------ symmetries


def test_buys_mirror_sells_and_size_does_not_matter():
    on = SimulatedMarket(market(), volume=HEAVY)
    sold = trades(AdaptiveVWAP(HEAVY), order(), on)
    bought = trades(AdaptiveVWAP(HEAVY), ac.Order.buy({"A": 1e4}), on)
    assert bought == pytest.approx(-sold, abs=1e-9)
    for size in (1e2, 1e9):
        assert trades(AdaptiveVWAP(HEAVY), order(size=size), on) / size == pytest.approx(sold / 1e4, abs=1e-12)


def test_assets_do_not_disturb_each_other():
    assets = ("A", "B", "C")
    volume = StochasticVolume(pd.Series({"A": 0.6, "B": 0.6, "C": 0.3}), day=0.2, half_life=0.2)
    mixed = ac.Order(pd.Series({"A": 1e4, "B": 0.0, "C": 0.0}), pd.Series({"A": 0.0, "B": 2e4, "C": 0.0}))
    on = market(assets=assets)
    days = np.random.default_rng(5).uniform(1e4, 9e5, (30, 6, 3))
    prices = np.full((30, 7, 3), 40.0)
    made = trades(AdaptiveVWAP(volume), mixed, SimulatedMarket(on, prices=RecordedPrices(prices, days)), 30)
    assert (made[:, :, 2] == 0).all()
    for i, (name, alone) in enumerate([("A", ac.Order.sell({"A": 1e4})), ("B", ac.Order.buy({"B": 2e4}))]):
        one = SimulatedMarket(on.select([name]), prices=RecordedPrices(prices[:, :, [i]], days[:, :, [i]]))
        own = StochasticVolume(0.6, day=0.2, half_life=0.2)
        assert made[:, :, [i]] == pytest.approx(trades(AdaptiveVWAP(own), alone, one, 30), abs=1e-9)


def test_it_finishes_without_a_step_back():
    jumpy = StochasticVolume(1.0, day=0.5, half_life=3.0)
    on = SimulatedMarket(market(edges=UNEVEN), volume=jumpy, volatility=StochasticVolatility(0.3, correlation=0.5))
    made = trades(AdaptiveVWAP(jumpy), order(), on, n_paths=2_000)
    assert (made <= 0).all()
    assert (made[:, :-1] == 0).any()  # some day it waits for the volume to catch up
    assert made.sum(axis=1) == pytest.approx(np.full((2_000, 1), -1e4), rel=1e-12)


def test_the_future_is_not_looked_at():
    rng = np.random.default_rng(8)
    prices, days = np.full((40, 7, 1), 40.0), rng.uniform(1e4, 9e5, (40, 6, 1))
    before = trades(AdaptiveVWAP(HEAVY), order(), SimulatedMarket(market(), prices=RecordedPrices(prices, days)), 40)
    for k in range(6):
        other = days.copy()
        other[:, k:] = rng.uniform(1e3, 9e6, (40, 6 - k, 1))
        recorded = SimulatedMarket(market(), prices=RecordedPrices(prices + 1.0, other))
        after = trades(AdaptiveVWAP(HEAVY), order(), recorded, 40)
        assert np.array_equal(before[:, : k + 1], after[:, : k + 1])
        assert k >= 4 or not np.array_equal(before[:, k + 1], after[:, k + 1])


def test_a_halt_or_a_burst_is_news_within_reason():
    days = np.tile(SMILE, (3, 1))[:, :, None]
    days[0, 2], days[1, 2], days[2, 2] = 0.0, 1.0, 1e12
    recorded = RecordedPrices(np.full((3, 7, 1), 40.0), days)
    on = SimulatedMarket(market(impact=None), prices=recorded)
    made = trades(AdaptiveVWAP(HEAVY), order(), on, 3)
    assert np.isfinite(made).all()
    assert made[0] == pytest.approx(made[1], abs=1.0)
    assert made[2, 3] == pytest.approx(made[2, 3:].sum(), rel=1e-4)  # nearly all of that day is over


def test_nothing_is_traded_where_nothing_can_be():
    volumes = SMILE.copy()
    volumes[[0, 3, 5]] = 0.0
    on = SimulatedMarket(market(volumes), volume=HEAVY)
    made = trades(AdaptiveVWAP(HEAVY), order(), on)
    assert (made[:, [0, 3, 5]] == 0).all()
    assert made.sum(axis=1) == pytest.approx(np.full((50, 1), -1e4), rel=1e-12)


def test_one_interval_and_no_order():
    single = market(np.array([5e5]))
    assert (trades(AdaptiveVWAP(HEAVY), order(), SimulatedMarket(single, volume=HEAVY), 4) == -1e4).all()
    nothing = ac.Order(pd.Series({"A": 0.0}))
    assert (trades(AdaptiveVWAP(HEAVY), nothing, SimulatedMarket(market(), volume=HEAVY), 4) == 0).all()


def test_a_seed_moves_the_nodes_and_little_else():
    on = SimulatedMarket(market(), volume=HEAVY)
    first, second = (trades(AdaptiveVWAP(HEAVY, seed=seed), order(), on) for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert np.abs(first - second).max() < 2e-3 * 1e4
    assert np.array_equal(first, trades(AdaptiveVWAP(HEAVY), order(), on))


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_units_of_volume_do_not_matter(scale):
    on = SimulatedMarket(market(SMILE * scale, impact=None), volume=HEAVY)
    made = trades(AdaptiveVWAP(HEAVY), order(), on)
    like = trades(AdaptiveVWAP(HEAVY), order(), SimulatedMarket(market(impact=None), volume=HEAVY))
    assert made == pytest.approx(like, abs=1e-7)


# ------------------------------------------------------------------------------------------------ bad input


def test_bad_input_is_refused_by_name():
    for kind in (ExpectedVWAP, AdaptiveVWAP, VolumeForecast):
        with pytest.raises(ac.DataError, match=f"{kind.__name__} volume: float was given, a StochasticVolume"):
            kind(0.3)
    with pytest.raises(ac.DataError, match="expected_volume_curve order: float"):
        expected_volume_curve(HEAVY, 1e4, market())
    with pytest.raises(ac.DataError, match="expected_volume_curve market: str"):
        expected_volume_curve(HEAVY, order(), "A")
    with pytest.raises(ac.DataError, match="AdaptiveVWAP seed=-1"):
        AdaptiveVWAP(HEAVY, seed=-1)
    bare = ac.Market(ac.TimeGrid.uniform(1, 3), 50.0, covariance=1.0)
    with pytest.raises(ac.ModelError, match="no volume"):
        simulate(AdaptiveVWAP(HEAVY), ac.Order(100.0), bare, 2, 0)
    with pytest.raises(ac.ModelError, match="no volume"):
        expected_volume_curve(HEAVY, ac.Order(100.0), bare)
    with pytest.raises(ac.DataError, match="StochasticVolume day"):
        expected_volume_curve(StochasticVolume(0.3, day=-1.0), order(), market())
    with pytest.raises(ac.DataError, match="StochasticVolume half_life"):
        expected_volume_curve(StochasticVolume(0.3, half_life=0.0), order(), market())


def test_the_curve_rises():
    curve = expected_volume_curve(HEAVY, order(), market(edges=UNEVEN))["A"].to_numpy()
    assert all(a < b for a, b in pairwise([0.0, *curve]))
