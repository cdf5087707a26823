"""The embedded sample: synthetic, repeatable, and shaped like a market."""

import time

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.interface.sample import STOCKS, sample


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def market(made):
    grid = ac.TimeGrid.session(made.bars.sessions[-1], "15min")
    return ac.Market.from_bars(made.bars, grid, assets=made.order.assets)


def test_the_same_seed_makes_the_same_sample(made):
    again, other = sample(), sample(8)
    pd.testing.assert_frame_equal(made.bars.close, again.bars.close)
    pd.testing.assert_frame_equal(made.bars.volume, again.bars.volume)
    assert made.order == again.order
    assert not made.bars.close.equals(other.bars.close)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "x"])
def test_bad_seeds(seed):
    with pytest.raises(ac.DataError, match="seed"):
        sample(seed)


def test_it_is_read_as_bars(made):
    assert made.bars.close.shape == (21 * 26, 6)
    assert made.bars.length == pd.Timedelta("15min")
    assert made.bars.stamp == "start"
    assert made.bars.missing().empty
    inside = made.bars
    for price in (inside.open, inside.close):
        assert ((inside.low <= price) & (price <= inside.high)).all(axis=None)
    np.testing.assert_allclose(inside.close * 100, np.round(inside.close * 100), atol=1e-6)


def test_within_a_session_a_bar_opens_where_the_last_closed(made):
    days = made.bars.starts.date
    same = days[1:] == days[:-1]
    np.testing.assert_array_equal(made.bars.open.to_numpy()[1:][same], made.bars.close.to_numpy()[:-1][same])


def test_buys_and_sells_within_a_tenth_of_the_volume(made, market):
    remaining = made.order.remaining
    assert (remaining > 0).sum() == 3
    assert (remaining < 0).sum() == 3
    assert (remaining.abs() < 0.1 * market.volume.sum()).all()


def test_volume_is_u_shaped(market):
    share = (market.volume / market.volume.sum()).mean(axis=1).to_numpy()
    assert share[0] > 2.0 * share[13]
    assert share[-1] > 2.0 * share[13]


def test_volatility_and_volume_are_as_stated(made, market):
    stated = STOCKS.set_index("symbol").loc[made.order.assets]
    relative = market.daily_volatility / market.prices
    np.testing.assert_allclose(relative, stated["volatility"], rtol=0.15)
    np.testing.assert_allclose(market.volume.sum(), stated["daily_volume"], rtol=0.15)


def test_stocks_move_together(made):
    returns = np.log(made.bars.close).diff().dropna()
    correlation = returns.corr().to_numpy()[np.triu_indices(6, 1)]
    assert 0.1 < correlation.mean() < 0.6
    assert (correlation > 0).all()


def test_it_is_fast():
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        sample()
        best = min(best, time.perf_counter() - start)
    assert best < 0.5
