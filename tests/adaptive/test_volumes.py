"""Volumes and volatilities that are drawn, against the moments of log-normal autoregressions."""

import builders
import numpy as np
import pandas as pd
import pytest
import simulated

import acopt as ac
from acopt.adaptive.simulation import SimulatedMarket, draw_days
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume

PATHS = 60_000
HALF_LIVES = {"none": None, "short": 0.05, "long": 1.5}


def rng(seed=1):
    return np.random.default_rng(seed)


def correlation(grid, half_life):
    """2^{-distance / half_life} between the middles of intervals."""
    edges = np.asarray(grid.edges)
    middles = 0.5 * (edges[1:] + edges[:-1])
    apart = np.abs(middles[:, None] - middles)
    return np.where(apart == 0, 1.0, 0.0) if half_life is None else 0.5 ** (apart / half_life)


class TestVolume:
    @pytest.mark.parametrize("half_life", HALF_LIVES)
    @pytest.mark.parametrize("grid", ["uneven", "a night", "auctions"])
    def test_mean_one_and_the_covariance_of_logs(self, grid, half_life):
        setting = simulated.setting_of("both sides", simulated.GRIDS[grid])
        model = StochasticVolume(0.3, day=0.2, half_life=HALF_LIVES[half_life])
        factors = model.factors(setting, PATHS, rng())
        assert (factors > 0).all()
        assert simulated.mean_errors(factors, 1.0).max() < simulated.MANY
        n, m = setting.shape
        logs = np.log(factors) + 0.5 * (0.3**2 + 0.2**2)
        one = 0.3**2 * correlation(setting.grid, HALF_LIVES[half_life]) + 0.2**2
        exact = np.einsum("kj,il->kijl", one, np.eye(m)).reshape(n * m, n * m)
        assert simulated.covariance_errors(logs, exact).max() < simulated.MANY

    def test_deviations_by_asset_and_interval(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        own = pd.DataFrame(rng(3).uniform(0.0, 0.6, (5, 3)), index=setting.grid.labels, columns=list("CBA"))
        day = pd.Series({"A": 0.1, "B": 0.0, "C": 0.4})
        logs = np.log(StochasticVolume(own, day=day, half_life=0.5).factors(setting, PATHS, rng()))
        exact = own[list("ABC")].to_numpy() ** 2 + day[list("ABC")].to_numpy() ** 2
        assert (np.abs(logs.var(axis=0) / exact - 1.0) < simulated.MANY * np.sqrt(2 / PATHS)).all()
        assert simulated.mean_errors(np.exp(logs), 1.0).max() < simulated.MANY

    def test_half_lives_are_times(self):
        setting = simulated.setting_of("sell one", simulated.NIGHT)
        by_text = StochasticVolume(half_life="130min").factors(setting, 5, rng())
        np.testing.assert_array_equal(by_text, StochasticVolume(half_life=1 / 3).factors(setting, 5, rng()))

    def test_no_scatter_is_what_was_expected(self):
        setting = simulated.setting_of("both sides")
        assert (StochasticVolume(0.0).factors(setting, 5, rng()) == 1.0).all()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"interval": -0.1}, "StochasticVolume interval is -0.1 for A at 0.0; a number >= 0 is expected"),
            ({"interval": np.nan}, "StochasticVolume interval is nan for A at 0.0; a number >= 0 is expected"),
            ({"day": {"A": 0.1, "B": -2, "C": 0}}, "StochasticVolume day is -2 for B; a number >= 0 is expected"),
            ({"half_life": 0.0}, "StochasticVolume half_life=0.0: a time > 0 is expected"),
            ({"half_life": "0min"}, "StochasticVolume half_life='0min': a time > 0 is expected"),
        ],
    )
    def test_bad_numbers(self, arguments, message):
        setting = simulated.setting_of("both sides")
        with pytest.raises(ac.DataError) as error:
            StochasticVolume(**arguments).factors(setting, 2, rng())
        assert str(error.value) == message

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"interval": "0.5"}, "StochasticVolume interval='0.5': a number is expected, and no text"),
            ({"day": "0.5"}, "StochasticVolume day='0.5': a number is expected, and no text"),
            ({"day": {"A": "x"}}, "StochasticVolume day: "),
            ({"day": ["a", "b"]}, "StochasticVolume day: ['a', 'b'] is not a number"),
            ({"half_life": 0.0}, "StochasticVolume half_life=0.0: a time > 0 is expected"),
            ({"half_life": -1.0}, "StochasticVolume half_life=-1.0: a time > 0 is expected"),
            ({"half_life": float("nan")}, "StochasticVolume half_life=nan: a time > 0 is expected"),
        ],
    )
    def test_bad_at_once(self, arguments, message):
        with pytest.raises(ac.DataError) as error:
            StochasticVolume(**arguments)
        assert str(error.value).startswith(message)

    def test_in_words(self):
        assert repr(StochasticVolume()) == "StochasticVolume(interval=0.3, day=0.0, half_life=None)"
        by_asset = pd.Series([0.2149, 0.21, 0.22], ["A", "B", "C"])
        fitted = StochasticVolume(by_asset, day={"A": 0.19, "B": 0.22, "C": 0.2}, half_life=0.123456)
        assert repr(fitted) == "StochasticVolume(interval 0.21..0.22, day 0.19..0.22, half_life 0.1235)"
        assert repr(StochasticVolume(by_asset[:1], day={"A": 0.1})) == (
            "StochasticVolume(interval 0.2149, day 0.1, half_life None)"
        )
        assert repr(StochasticVolume(by_asset, half_life="30min")) == (
            "StochasticVolume(interval 0.21..0.22, day 0.0, half_life 30min)"
        )


class TestVolatility:
    @pytest.mark.parametrize("half_life", HALF_LIVES)
    def test_mean_square_one_and_the_covariance_of_logs(self, half_life):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        model = StochasticVolatility(0.25, day=0.15, half_life=HALF_LIVES[half_life])
        scale = model.scale(setting, model.shocks(setting, PATHS, rng()))
        assert scale.shape == (PATHS, 5)
        assert simulated.mean_errors(scale**2, 1.0).max() < simulated.MANY
        logs = np.log(scale) + 0.25**2 + 0.15**2
        exact = 0.25**2 * correlation(setting.grid, HALF_LIVES[half_life]) + 0.15**2
        assert simulated.covariance_errors(logs, exact).max() < simulated.MANY

    @pytest.mark.parametrize("rho", [-0.4, 0.7, 1.0])
    def test_correlated_with_volumes(self, rho):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        volatility = StochasticVolatility(0.25, day=0.15, half_life=0.3, correlation=rho)
        shocks = volatility.shocks(setting, PATHS, rng(1))
        scale = np.log(volatility.scale(setting, shocks)) + 0.25**2 + 0.15**2
        volume = StochasticVolume(0.5, day=0.3, half_life=0.3)
        factors = np.log(volume.factors(setting, PATHS, rng(2), shocks)) + 0.5 * (0.5**2 + 0.3**2)
        steady, n = correlation(setting.grid, 0.3), 5
        both = np.concatenate([scale[:, :, None], factors], axis=2)
        sizes = np.array([[0.25, 0.15]] + 3 * [[0.5, 0.3]])
        shared = np.full((4, 4), rho**2)
        shared[0], shared[:, 0] = rho, rho
        np.fill_diagonal(shared, 1.0)
        within = np.outer(sizes[:, 0], sizes[:, 0]) * shared
        daily = np.outer(sizes[:, 1], sizes[:, 1]) * shared
        exact = np.einsum("kj,il->kijl", steady, within) + daily[None, :, None, :]
        errors = simulated.covariance_errors(both, exact.reshape(4 * n, 4 * n))
        assert errors.max() < simulated.MANY

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"interval": -0.1}, "StochasticVolatility interval=-0.1: a number from 0 to 10 is expected"),
            ({"interval": 1e300}, "StochasticVolatility interval=1e+300: a number from 0 to 10 is expected"),
            ({"day": np.nan}, "StochasticVolatility day=nan: a number from 0 to 10 is expected"),
            ({"correlation": 1.2}, "StochasticVolatility correlation=1.2: a number from -1 to 1 is expected"),
            (
                {"correlation": [0.1, 0.2]},
                "StochasticVolatility correlation=[0.1, 0.2]: a number from -1 to 1 is expected",
            ),
        ],
    )
    def test_bad_numbers(self, arguments, message):
        with pytest.raises(ac.DataError) as error:
            StochasticVolatility(**arguments)
        assert str(error.value) == message

    def test_a_half_life_that_is_not_positive(self):
        with pytest.raises(ac.DataError) as error:
            StochasticVolatility(half_life=0)
        assert str(error.value) == "StochasticVolatility half_life=0: a time > 0 is expected"


class TestDays:
    def test_volumes_are_the_expected_ones_times_their_factors(self):
        market = SimulatedMarket(builders.market(simulated.DAY), volume=StochasticVolume(0.4, day=0.3))
        setting = market.setting(builders.order("both sides"))
        volumes = np.concatenate([days.volumes for days in draw_days(market, setting, 30_000, 3)])
        assert volumes.shape == (30_000, 13, 3)
        assert simulated.mean_errors(volumes, setting.market.volumes).max() < simulated.MANY

    def test_a_rougher_day_has_larger_changes(self):
        rough = StochasticVolatility(0.0, day=0.5)
        market = SimulatedMarket(builders.market(simulated.DAY, ["A"]), volatility=rough)
        setting = market.setting(builders.order("sell one"))
        changes = np.concatenate([days.changes for days in draw_days(market, setting, 30_000, 3)])[..., 0]
        variance = setting.market.risk.apply(np.ones((13, 1)))[0, 0] / 13
        assert simulated.mean_errors(changes**2, variance).max() < simulated.MANY
        kurtosis = (changes**4).mean() / (changes**2).mean() ** 2
        assert kurtosis == pytest.approx(3 * np.exp(4 * 0.25), rel=0.15)

    def test_one_source_does_not_move_another(self):
        facts = builders.market(simulated.DAY)
        plain = SimulatedMarket(facts, volume=StochasticVolume())
        rough = SimulatedMarket(facts, volume=StochasticVolume(), volatility=StochasticVolatility())
        setting = plain.setting(builders.order("both sides"))
        first, second, bare = (next(iter(draw_days(m, setting, 50, 3))) for m in (plain, rough, SimulatedMarket(facts)))
        np.testing.assert_array_equal(first.volumes, second.volumes)
        np.testing.assert_array_equal(np.sign(first.changes), np.sign(second.changes))
        np.testing.assert_array_equal(first.changes, bare.changes)
        assert bare.volumes is None
