"""Market: one place for prices, volumes, risk, spread and impact, under the data rule."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.errors import DataError, ModelError

EXACT = {"rtol": 0.0, "atol": 0.0}
TIGHT = {"rtol": 1e-12, "atol": 0.0}

GRID = ac.TimeGrid([0.0, 0.25, 0.5, 1.0])
PRICE = pd.Series({"A": 10.0, "B": 500.0, "C": 40.0})
VOLUME = pd.DataFrame(np.arange(9.0).reshape(3, 3) * 1e3 + 1e3, index=GRID.labels, columns=PRICE.index)
SIGMA = pd.DataFrame(np.diag([0.04, 25.0, 0.5]), index=PRICE.index, columns=PRICE.index)


def full(**changes):
    return ac.Market(GRID, PRICE, **{"volume": VOLUME, "covariance": SIGMA, "spread": ac.bps(2.0), **changes})


class TestFields:
    def test_labels_are_those_of_the_price(self):
        market = full()
        assert list(market.assets) == ["A", "B", "C"]
        pd.testing.assert_series_equal(market.price, PRICE.rename("price"))
        pd.testing.assert_frame_equal(market.volume, VOLUME)
        assert market.has_volume
        assert not ac.Market(GRID, PRICE).has_volume

    @pytest.mark.parametrize("kind", [dict, MappingProxyType])
    def test_price_as_a_mapping(self, kind):
        market = ac.Market(GRID, kind({"B": 2.0, "A": 1.0}))
        assert market.price.to_dict() == {"B": 2.0, "A": 1.0}
        assert list(market.assets) == ["B", "A"]

    def test_one_asset_with_plain_numbers(self):
        market = ac.Market(GRID, 50.0, volume=[1.0, 2.0, 3.0], covariance=0.9, spread=0.01)
        assert list(market.assets) == ["asset"]
        np.testing.assert_allclose(market.volumes, [[1.0], [2.0], [3.0]], **EXACT)
        np.testing.assert_allclose(market.risk.apply(np.ones((3, 1))), np.full((3, 1), 0.9), **TIGHT)

    def test_spread_in_bps_of_price(self):
        expected = PRICE.to_numpy() * 2e-4
        np.testing.assert_allclose(full().spreads, expected, **TIGHT)
        np.testing.assert_allclose(full(spread=ac.bps({"C": 2.0, "B": 2.0, "A": 2.0})).spreads, expected, **TIGHT)
        np.testing.assert_allclose(full(spread=pd.Series(expected, index=PRICE.index)).spreads, expected, **EXACT)

    def test_volume_in_every_form(self):
        by_time = pd.Series([3.0, 2.0, 1.0], index=GRID.labels[::-1])
        np.testing.assert_allclose(full(volume=by_time).volumes, np.tile([[1.0], [2.0], [3.0]], (1, 3)), **EXACT)
        np.testing.assert_allclose(full(volume=7.0).volumes, np.full((3, 3), 7.0), **EXACT)
        np.testing.assert_allclose(full(volume=0.0).volumes, np.zeros((3, 3)), **EXACT)

    def test_what_was_not_given_says_how_to_give_it(self):
        bare = ac.Market(GRID, PRICE)
        for read, words in (
            (lambda: bare.volumes, r"Market\(volume=...\)"),
            (lambda: bare.volume, r"Market\(volume=...\)"),
            (lambda: bare.spreads, r"Market\(spread=...\)"),
            (lambda: bare.spread, r"SpreadCost\(half_spread=...\)"),
            (lambda: bare.risk, r"Market\(covariance=...\)"),
            (lambda: bare.daily_volume, r"Market\(volume=...\)"),
        ):
            with pytest.raises(ModelError, match=words):
                read()

    def test_repr(self):
        assert repr(ac.Market(GRID, PRICE)) == "Market(3 assets, 3 intervals; prices only)"
        assert (
            repr(full(impact=ac.LinearImpact(5.0)))
            == "Market(3 assets, 3 intervals; volume, covariance, spread, LinearImpact)"
        )


class TestDailyFigures:
    def test_volume_of_a_day(self):
        """Half a day that trades 3,000 shares is a day of 6,000."""
        market = ac.Market(ac.TimeGrid([0.0, 0.2, 0.5]), 10.0, volume=[1_000.0, 2_000.0])
        np.testing.assert_allclose(market.daily_volume, [6_000.0], **TIGHT)

    def test_volume_of_a_day_in_hours(self):
        market = ac.Market(ac.TimeGrid.uniform(3.25, 13, unit="hour"), 10.0, volume=100.0)
        np.testing.assert_allclose(market.daily_volume, [2_600.0], **TIGHT)

    def test_nights_do_not_count(self):
        grid = ac.TimeGrid([0.0, 1.0, 1.5, 2.5], closed=[False, True, False])
        market = ac.Market(
            grid, 10.0, volume=[1_000.0, 7.0, 3_000.0], covariance=ac.Covariance(4.0, scale=[[1.0], [9.0], [1.0]])
        )
        np.testing.assert_allclose(market.daily_volume, [2_000.0], **TIGHT)
        np.testing.assert_allclose(market.daily_volatility, [2.0], **TIGHT)

    def test_volatility_is_weighted_by_duration(self):
        market = full(covariance=ac.Covariance(SIGMA, scale=pd.Series([2.0, 1.0, 1.0], index=GRID.labels)))
        expected = np.sqrt(np.diag(SIGMA) * (0.25 * 4.0 + 0.75))
        np.testing.assert_allclose(market.daily_volatility, expected, **TIGHT)

    def test_an_asset_that_never_trades(self):
        with pytest.raises(DataError, match="volume is 0 in every interval for B"):
            _ = full(volume=pd.Series({"A": 1.0, "B": 0.0, "C": 1.0})).daily_volume


class TestSelect:
    def test_in_the_order_asked_for(self):
        small = full(impact=ac.LinearImpact(5.0), notes=["seen"]).select(["C", "A"])
        assert small.price.to_dict() == {"C": 40.0, "A": 10.0}
        pd.testing.assert_frame_equal(small.volume, VOLUME[["C", "A"]])
        np.testing.assert_allclose(small.spreads, [40.0 * 2e-4, 10.0 * 2e-4], **TIGHT)
        np.testing.assert_allclose(small.risk.apply(np.ones((3, 2))), np.tile([0.5, 0.04], (3, 1)), **TIGHT)
        assert small.notes == ("seen",)
        assert isinstance(small.impact, ac.LinearImpact)

    def test_all_of_them_is_the_market_itself(self):
        market = full()
        assert market.select(market.assets) is market

    def test_one_by_name(self):
        assert list(full().select("B").assets) == ["B"]

    def test_refusals(self):
        with pytest.raises(DataError, match="the market has no asset X; it has: A, B, C"):
            full().select(["A", "X"])
        with pytest.raises(DataError, match="'A' appears more than once"):
            full().select(["A", "A"])

    def test_daily_figures_follow(self):
        market = full()
        np.testing.assert_allclose(market.select(["C"]).daily_volume, market.daily_volume[2:], **TIGHT)
        np.testing.assert_allclose(market.select(["C"]).daily_volatility, market.daily_volatility[2:], **TIGHT)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"volume": VOLUME.replace(5000.0, np.nan)}, "volume is nan for B at 0.25"),
            ({"volume": -VOLUME}, "volume is -1000 for A at 0.0; a number >= 0"),
            ({"volume": VOLUME.drop(columns="C")}, "volume: no value for asset C"),
            ({"volume": VOLUME.iloc[:2]}, "volume: no value for interval 0.5"),
            ({"volume": VOLUME.astype(object).replace(5000.0, "?")}, r"volume: '\?' for B at 0.25 is not a number"),
            ({"volume": np.ones((2, 3))}, r"volume: an array of shape \(2, 3\)"),
            ({"spread": 0.01}, "spread: the scalar 0.01 is in price units"),
            ({"spread": {"A": 0.1, "B": -0.1, "C": 0.1}}, "spread is -0.1 for B"),
            ({"spread": ac.bps(-1.0)}, "is -1 for A; a number >= 0"),
            ({"spread": ac.bps({"A": 1.0})}, "no value for asset B"),
            ({"covariance": SIGMA.drop(index="C", columns="C")}, "covariance: no value for asset C"),
            ({"covariance": -SIGMA}, "covariance is not positive semidefinite"),
            ({"covariance": 1.0}, r"covariance: an array of shape \(\) was given"),
        ],
    )
    def test_names_object_label_and_value(self, changes, words):
        with pytest.raises(DataError, match=words):
            full(**changes)

    @pytest.mark.parametrize(
        ("price", "words"),
        [
            ({"A": 1.0, "B": -2.0}, "price is -2 for B; a number > 0"),
            ({"A": 1.0, "B": 0.0}, "price is 0 for B"),
            ({"A": np.nan}, "price is nan for A"),
            ({"A": "ten"}, "price: 'ten' for A is not a number"),
            (-1.0, "price is -1 for asset"),
            ([1.0, 2.0], "price: several assets need labels"),
            ({}, "price: no asset was given"),
            (pd.Series([1.0, 2.0], index=["A", "A"]), "price: the asset 'A' appears more than once"),
        ],
    )
    def test_prices(self, price, words):
        with pytest.raises(DataError, match=words):
            ac.Market(GRID, price)

    def test_grid(self):
        with pytest.raises(DataError, match="Market grid: list was given, a TimeGrid is expected"):
            ac.Market([0.0, 1.0], PRICE)


@pytest.mark.parametrize(
    ("cost", "rules"),
    [
        (ac.TransientImpact(ac.ExponentialDecay(half_life=0.1), ac.bps(5)), []),
        (ac.TransientImpact(ac.ExponentialDecay(half_life=0.1), [ac.bps(5), ac.bps(5), ac.bps(5)]), []),
        (ac.SpreadCost(), [ac.Participation(0.1, penalty_bps=ac.bps(2))]),
        (ac.SpreadCost(), [ac.Participation(ac.bps(2))]),
        (ac.SpreadCost(), [ac.AllowUnfilled(ac.bps(2))]),
        (ac.TemporaryImpact(ac.bps(2)), []),
    ],
    ids=repr,
)
def test_bps_where_a_plain_number_is_expected(cost, rules):
    order = ac.Order.sell({"A": 10.0, "B": 10.0, "C": 10.0})
    words = r"is not a number \(ac\.bps\(\.\.\.\) is accepted for a spread and a budget; a plain number is expected"
    with pytest.raises(DataError, match=words):
        ac.ExecutionProblem(order, full(), cost, rules)
