"""Days that happened: what policies are given of them, and what they say about volumes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import acopt as ac
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.recorded import RecordedPrices, volume_from_bars
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume
from acopt.interface.sample import sample

BARS = sample().bars
DAY = BARS.sessions[-1]
NAMES = BARS.symbols[:3]


def free(grid, assets=NAMES, volume=1e5):
    """A market in which trading costs nothing."""
    return ac.Market(grid, pd.Series(50.0, list(assets)), volume=volume, covariance=np.eye(len(assets)))


def plan(grid, assets=NAMES, seed=0):
    """Trades of both signs that complete the order below."""
    rng = np.random.default_rng(seed)
    signs = np.array([-1.0, 1.0, -1.0])[: len(assets)]
    return signs * 1e3 * rng.dirichlet(np.ones(grid.periods), len(assets)).T


def order(assets=NAMES):
    sells = np.array([1e3, 0.0, 1e3])[: len(assets)]
    return ac.Order(pd.Series(sells, list(assets)), pd.Series(1e3 - sells, list(assets)))


def bars_of(volumes, names=("A", "B"), first="2024-01-01"):
    """Bars of half an hour with the given volumes (days, 13, n), prices wandering."""
    rng = np.random.default_rng(1)
    days = pd.bdate_range(first, periods=len(volumes))
    stamps = np.concatenate([pd.date_range(day + pd.Timedelta("9:30:00"), periods=13, freq="30min") for day in days])
    tables = []
    for i, name in enumerate(names):
        close = 50.0 * np.exp(0.002 * rng.standard_normal(len(stamps)).cumsum())
        table = {"datetime": stamps, "symbol": name, "open": close, "high": close, "low": close, "close": close}
        tables.append(pd.DataFrame({**table, "volume": volumes[:, :, i].reshape(-1)}))
    return ac.read_bars(pd.concat(tables), stamp="start")


def scattered(days, interval, day, half_life, seed=3):
    """Volumes (days, 13, n) of a day's factor and an autoregressive one; half-life in intervals."""
    rng, t = np.random.default_rng(seed), np.arange(13)
    correlation = 2.0 ** (-np.abs(t[:, None] - t) / half_life) if half_life else np.eye(13)
    root = np.linalg.cholesky(correlation)
    base = 1e5 * (1.0 + 0.5 * np.cos(t / 2.0))
    columns = []
    for s, d in zip(interval, day, strict=True):
        logs = d * rng.standard_normal((days, 1)) + s * rng.standard_normal((days, 13)) @ root.T
        columns.append(base * np.exp(logs))
    return np.stack(columns, axis=-1)


# ------------------------------------------------------------------------------------------------ recorded days


def test_the_cost_of_a_day_by_hand():
    grid = ac.TimeGrid.uniform(1, 3)
    prices = np.array([[10.0], [11.0], [9.0], [12.0]])
    market = ac.Market(grid, 10.0, volume=np.array([100.0, 200.0, 300.0]), covariance=1.0)
    recorded = SimulatedMarket(market, prices=RecordedPrices(prices, np.array([[50.0], [100.0], [50.0]])))
    result = simulate(StaticPolicy(np.array([-20.0, -30.0, -50.0])), ac.Order(100.0), recorded, 1, 0)
    received = 20 * 10.0 + 30 * 11.0 + 50 * 9.0
    assert result.slippage("arrival", "currency")[0] == pytest.approx(100 * 10.0 - received)
    vwap = (50 * 10.0 + 100 * 11.0 + 50 * 9.0) / 200.0
    assert result.slippage("vwap", "currency")[0] == pytest.approx(100 * vwap - received)
    assert result.slippage("close", "currency")[0] == pytest.approx(100 * 9.0 - received)


def test_several_days_are_a_path_each():
    grids = [ac.TimeGrid.session(day, "30min") for day in BARS.sessions[-4:]]
    together = RecordedPrices.from_bars(BARS, grids)
    assert together.days == 4
    assert repr(together) == "RecordedPrices(4 days, 13 intervals, 6 assets; prices and volumes)"
    policy = StaticPolicy(plan(grids[0]))
    market = SimulatedMarket(free(grids[0]), prices=together)
    joint = simulate(policy, order(), market, 4, 0)
    for d, grid in enumerate(grids):
        alone = SimulatedMarket(free(grids[0]), prices=RecordedPrices.from_bars(BARS, grid))
        single = simulate(policy, order(), alone, 1, 7)
        for benchmark in ("arrival", "twap", "vwap", "close"):
            assert single.slippage(benchmark)[0] == pytest.approx(joint.slippage(benchmark)[d], abs=1e-9)
    assert len(simulate(policy, order(), market, 2, 0).slippage()) == 2


def test_the_simulation_agrees_with_the_replay():
    """Filled at the opens, without impact, both say the same of the same day."""
    grid = ac.TimeGrid.session(DAY, "15min")
    market = free(grid)
    problem = ac.ExecutionProblem(order(), market, 1e-6 * ac.TimingRisk())
    trades = plan(grid)
    replay = problem.evaluate(trades).replay(BARS, impact=None, fill="open", arrival="day")
    recorded = SimulatedMarket(market, prices=RecordedPrices.from_bars(BARS, grid))
    result = simulate(StaticPolicy(trades), order(), recorded, 1, 0)
    assert result.slippage("arrival", "currency")[0] == pytest.approx(replay.slippage["arrival"]["total"])


def test_prices_are_opens_and_the_last_close():
    grid = ac.TimeGrid.session(DAY, "60min", start="10:00", end="15:00")
    recorded = RecordedPrices.from_bars(BARS, grid)
    day = BARS.on([DAY])
    opens = day.open.iloc[2:22:4]
    assert np.array_equal(recorded.prices[0, :-1], opens.to_numpy())
    assert np.array_equal(recorded.prices[0, -1], day.close.iloc[21].to_numpy())
    assert np.allclose(recorded.volumes[0], day.volume.iloc[2:22].to_numpy().reshape(5, 4, -1).sum(axis=1))


def test_nights_and_crosses():
    first, last = BARS.sessions[-2:]
    grid = ac.TimeGrid.sessions(first, last, "195min", auctions="close", overnight=0.5)
    recorded = RecordedPrices.from_bars(BARS, grid)
    night = int(np.flatnonzero(grid.closed)[0])
    assert np.array_equal(recorded.prices[0, night], BARS.on([first]).close.iloc[-1].to_numpy())
    assert np.array_equal(recorded.prices[0, night + 1], BARS.on([last]).open.iloc[0].to_numpy())
    plain = ac.TimeGrid.sessions(first, last, "195min", overnight=0.5)
    prices = RecordedPrices.from_bars(BARS, plain).prices[0]
    assert np.array_equal(prices[2], BARS.on([first]).close.iloc[-1].to_numpy())
    assert np.array_equal(prices, recorded.prices[0, [0, 1, 3, 4, 5, 6]])
    assert np.isnan(recorded.volumes[0, grid.auctions]).all()
    expected = pd.Series(np.where(grid.closed, 0.0, 1e5), grid.labels)
    simulated = SimulatedMarket(free(grid, volume=expected), prices=recorded)
    drawn = recorded.draw(simulated.setting(order()), 1, np.random.default_rng(0))
    assert (drawn.volumes[0, grid.auctions] == 1e5).all()
    assert (drawn.volumes[0, grid.closed] == 0).all()
    result = simulate(StaticPolicy("vwap"), order(), simulated, 1, 0)
    assert np.isfinite(result.slippage("vwap"))


def test_assets_go_by_their_labels():
    grid = ac.TimeGrid.session(DAY, "30min")
    recorded = RecordedPrices.from_bars(BARS, grid)
    trades, assets = plan(grid), list(NAMES)
    straight = simulate(StaticPolicy(trades), order(), SimulatedMarket(free(grid), prices=recorded), 1, 0)
    swapped = ac.Order(order().initial[assets[::-1]], order().target[assets[::-1]])
    market = SimulatedMarket(free(grid, assets[::-1]), prices=recorded)
    mirrored = simulate(StaticPolicy(trades[:, ::-1]), swapped, market, 1, 0)
    for benchmark in ("arrival", "vwap"):
        assert mirrored.mean(benchmark) == pytest.approx(straight.mean(benchmark), abs=1e-9)


def test_nothing_is_expected_of_the_future():
    seen = []

    class Look:
        def decide(self, state):
            seen.append((state.expected_changes(), state.signal, state.volumes.shape, state.price))
            return -state.remaining / (3 - state.interval)

    prices = np.array([[10.0], [11.0], [9.0], [12.0]])
    market = ac.Market(ac.TimeGrid.uniform(1, 3), 20.0, volume=1e3, covariance=1.0)
    simulate(Look(), ac.Order(10.0), SimulatedMarket(market, prices=RecordedPrices(prices)), 1, 0)
    assert [(np.abs(changes).max(), changes.shape) for changes, *_ in seen] == [(0.0, (1, 3 - k, 1)) for k in range(3)]
    assert all((signal == 0).all() for _, signal, *_ in seen)
    assert [price[0, 0] for *_, price in seen] == [20.0, 21.0, 19.0]  # changes about the market's arrival price


# ------------------------------------------------------------------------------------------------ volumes of the past


def test_the_fit_finds_what_was_drawn():
    """Within four standard errors: sd / sqrt(2 n) with n degrees of freedom, 400 days."""
    bars = bars_of(scattered(400, (0.4, 0.25), (0.3, 0.5), 2.0))
    grid = ac.TimeGrid.session(pd.Timestamp(bars.sessions[-1]) + pd.offsets.BDay(), "30min")
    fitted = volume_from_bars(bars, grid, history=400)
    assert fitted.half_life * 13 == pytest.approx(2.0, rel=0.1)
    for name, s, d in (("A", 0.4, 0.3), ("B", 0.25, 0.5)):
        assert fitted.interval[name] == pytest.approx(s, rel=4.0 / np.sqrt(2 * 400 * 4))
        assert fitted.day[name] == pytest.approx(d, rel=4.0 / np.sqrt(2 * 400) * 1.2)


def test_the_fit_is_the_best_likelihood():
    """Nelder-Mead on the likelihood of the days' contrasts, which know nothing of the means, and SciPy's density."""
    volumes = scattered(12, (0.4,), (0.3,), 1.5, seed=9)
    bars = bars_of(volumes, names=("A",))
    grid = ac.TimeGrid.session(pd.Timestamp(bars.sessions[-1]) + pd.offsets.BDay(), "30min")
    fitted = volume_from_bars(bars, grid, history=12)
    days = 12
    helmert = np.linalg.qr(np.column_stack([np.ones(days), np.eye(days)[:, 1:]]))[0][:, 1:].T
    contrasts = helmert @ np.log(volumes[:, :, 0])
    t = np.arange(13)

    def misfit(logs):
        s, d, h = np.exp(logs)
        covariance = d**2 + s**2 * 2.0 ** (-np.abs(t[:, None] - t) / h)
        return -multivariate_normal.logpdf(contrasts, cov=covariance).sum()

    best = minimize(misfit, np.log([0.3, 0.3, 1.0]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    mine = np.array([fitted.interval["A"], fitted.day["A"], fitted.half_life * 13])
    assert mine == pytest.approx(np.exp(best.x), rel=2e-3)
    assert misfit(np.log(mine)) <= best.fun + 1e-6


def test_volumes_without_memory_or_without_a_common_day():
    fitted = volume_from_bars(*after(bars_of(scattered(60, (0.4, 0.4), (0.0, 0.0), None))), history=60)
    assert fitted.half_life is None or fitted.half_life * 13 < 0.5
    assert (fitted.day < 0.1).all()
    assert fitted.interval.to_numpy() == pytest.approx(0.4, rel=0.1)


def test_one_interval_has_a_deviation_and_no_day():
    volumes = scattered(40, (0.4,), (0.3,), 2.0)
    bars, grid = after(bars_of(volumes, names=("A",)), bar="390min")
    fitted = volume_from_bars(bars, grid, history=40)
    assert fitted.half_life is None
    assert fitted.day["A"] == 0.0
    assert fitted.interval["A"] == pytest.approx(np.log(volumes.sum(axis=1)).std(ddof=1))


def after(bars, bar="30min", **rest):
    return bars, ac.TimeGrid.session(pd.Timestamp(bars.sessions[-1]) + pd.offsets.BDay(), bar, **rest)


def test_crosses_are_left_out_of_the_fit():
    plain, crosses = (volume_from_bars(*after(BARS, auctions=auctions)) for auctions in (False, True))
    assert plain.interval.equals(crosses.interval)
    assert plain.day.equals(crosses.day)
    assert plain.half_life == pytest.approx(crosses.half_life, rel=1e-6)


def test_the_fit_looks_at_nothing_later():
    volumes = scattered(30, (0.4, 0.25), (0.3, 0.5), 2.0)
    other = volumes.copy()
    other[20:] = np.random.default_rng(2).uniform(1.0, 1e6, other[20:].shape)
    past, future = bars_of(volumes), bars_of(other)
    grid = ac.TimeGrid.session(past.sessions[20], "30min")
    first, second = (volume_from_bars(bars, grid, history=20) for bars in (past, future))
    assert first.interval.equals(second.interval)
    assert first.day.equals(second.day)
    assert first.half_life == second.half_life
    earlier = volume_from_bars(past, grid, history=15, asof=past.sessions[15])
    assert earlier.half_life == volume_from_bars(past.before(past.sessions[15]), grid, history=15).half_life
    assert earlier.half_life != first.half_life
    last = volume_from_bars(past, grid, history=12)
    assert last.interval.equals(volume_from_bars(past.on(past.sessions[8:20]), grid, history=12).interval)
    assert not last.interval.equals(volume_from_bars(past.on(past.sessions[:12]), grid, history=12).interval)


def test_the_fit_feeds_a_market():
    bars, grid = after(BARS, "30min")
    fitted = volume_from_bars(bars, grid, assets=NAMES, history=20)
    assert list(fitted.interval.index) == list(NAMES)
    market = ac.Market.from_bars(bars, grid, assets=NAMES)
    factors = fitted.factors(SimulatedMarket(market).setting(order()), 5, np.random.default_rng(0))
    assert factors.shape == (5, 13, 3)


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("prices", "volumes", "said"),
    [
        (np.array([[10.0], [np.nan]]), None, "without NaN"),
        (np.array([[10.0], [-1.0]]), None, "positive numbers"),
        (np.array([[10.0]]), None, "at least two rows"),
        ("prices", None, "is not a number"),
        (None, None, "a table of one day"),
        (pd.DataFrame({"A": ["x", "y"]}), None, "is not a number"),
        (np.ones((3, 1)), "volumes", "is not a number"),
        (np.ones(4), None, "a table of one day"),
        (np.ones((3, 1)), np.ones((3, 1)), r"\(1, 2, 1\) are expected"),
        (np.ones((3, 1)), -np.ones((2, 1)), "numbers >= 0"),
        ([pd.DataFrame({"A": [1.0, 2.0]}), pd.DataFrame({"B": [1.0, 2.0]})], None, "differ in shape or in their"),
        (pd.DataFrame([[1.0, 2.0], [1.0, 2.0]], columns=["A", "A"]), None, "'A' appears more than once"),
        (pd.DataFrame({"A": [1.0, 2.0]}), pd.DataFrame({"B": [1.0]}), "of the assets of prices"),
    ],
)
def test_days_that_make_no_sense(prices, volumes, said):
    with pytest.raises(ac.DataError, match=said):
        RecordedPrices(prices, volumes)


def test_days_that_do_not_fit_the_market():
    grid = ac.TimeGrid.session(DAY, "30min")
    recorded = RecordedPrices.from_bars(BARS, grid)
    policy = StaticPolicy("twap")
    with pytest.raises(ac.DataError, match=r"has 1 day; from_bars\(bars, grids\) takes one grid for each day$"):
        simulate(policy, order(), SimulatedMarket(free(grid), prices=recorded), 2, 0)
    coarse = ac.TimeGrid.session(DAY, "130min")
    with pytest.raises(ac.DataError, match=r"\(14, 6\) prices a day were given, \(4, 3\) are expected"):
        simulate(policy, order(), SimulatedMarket(free(coarse), prices=recorded), 1, 0)
    other = ac.Order.sell({"ZZZ": 1e3})
    with pytest.raises(ac.DataError, match="ZZZ was not recorded"):
        simulate(policy, other, SimulatedMarket(free(grid, ["ZZZ"]), prices=recorded), 1, 0)
    rough = SimulatedMarket(free(grid), prices=recorded, volatility=StochasticVolatility(0.3))
    with pytest.raises(ac.DataError, match="volatility of their own"):
        simulate(policy, order(), rough, 1, 0)
    twice = SimulatedMarket(free(grid), prices=recorded, volume=StochasticVolume(0.3))
    with pytest.raises(ac.ModelError, match=r"RecordedPrices\(.* says already which volumes came"):
        simulate(policy, order(), twice, 1, 0)
    for nothing in ([], 5):
        with pytest.raises(ac.DataError, match="was given; one grid a day is expected"):
            RecordedPrices.from_bars(BARS, nothing)
    with pytest.raises(ac.DataError, match="from_bars grid: str"):
        RecordedPrices.from_bars(BARS, ["2025-01-01"])
    with pytest.raises(ac.DataError, match="has no bars of"):
        RecordedPrices.from_bars(BARS, ac.TimeGrid.session("2030-01-02", "30min"))


def test_a_past_that_says_too_little():
    bars, grid = after(BARS, "30min")
    with pytest.raises(ac.DataError, match="history=1: at least two sessions"):
        volume_from_bars(bars, grid, history=1)
    with pytest.raises(ac.DataError, match="history=500 sessions are needed, the bars have"):
        volume_from_bars(bars, grid, history=500)
    with pytest.raises(ac.DataError, match="no bars of ZZZ"):
        volume_from_bars(bars, grid, assets=["ZZZ"])
    with pytest.raises(ac.DataError, match="after the grid's start"):
        volume_from_bars(bars, grid, asof="2031-01-01")
    nights = ac.TimeGrid.sessions(*BARS.sessions[-2:], "30min", overnight=0.5)
    with pytest.raises(ac.DataError, match="runs over a night"):
        volume_from_bars(BARS, nights, history=10)
    volumes = scattered(5, (0.4, 0.25), (0.3, 0.5), 2.0)
    volumes[2, 4, 1] = 0.0
    with pytest.raises(ac.DataError, match=r"B has no volume on 2024-01-03 in the interval of 11:30"):
        volume_from_bars(*after(bars_of(volumes)), history=5)
