"""Prices that are drawn, against exact moments: formulas, and linear systems solved by matrix exponentials."""

import builders
import numpy as np
import pandas as pd
import pytest
import simulated
from scipy.integrate import quad
from scipy.linalg import expm

import acopt as ac
from acopt.adaptive.noise import drift_noise
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation

EXACT = 1e-12
PATHS = 40_000
RATES = pd.Series({"A": 3.0, "B": 0.7, "C": 12.0})
RENEWAL = pd.Series({"A": 2.0, "B": 60.0, "C": 4.0})
START = pd.Series({"A": 1.5, "B": -20.0, "C": 0.0})
DIFFERENT = {"A": 3.0, "B": 0.7, "C": 12.0}


def rng(seed=1):
    return np.random.default_rng(seed)


def sigma_of(setting, x=None):
    """Sigma_k (N, n, n), column by column from what the market's covariance makes of unit vectors."""
    n, m = setting.shape
    return np.stack([setting.market.risk.apply(np.tile(np.eye(m)[i], (n, 1))) for i in range(m)], axis=2)


def by_time():
    """A covariance matrix for each of 5 intervals."""
    return np.stack([builders.correlated([0.4 + 0.1 * k, 8.0, 1.1], 0.15 * k) for k in range(5)])


def factor_model():
    loadings = pd.DataFrame({"m": [0.3, 6.0, 0.9], "s": [0.1, -2.0, 0.4]}, index=list("ABC"))
    return ac.FactorModel(loadings, [[1.0, 0.2], [0.2, 0.5]], pd.Series({"A": 0.02, "B": 5.0, "C": 0.3}))


def scaled(grid):
    wave = 1.0 + 0.5 * np.cos(np.arange(grid.periods))
    return ac.Covariance(builders.correlated([0.4, 8.0, 1.1]), scale=pd.Series(wave, index=grid.labels))


COVARIANCES = {
    "constant": lambda grid: None,
    "volatility by interval": scaled,
    "factors": lambda grid: factor_model(),
}


def step(drift, noise, tau):
    """exp(A tau) and the integral of exp(A s) Q exp(A' s) ds: Van Loan (1978)."""
    m = len(drift)
    block = expm(np.block([[-drift, noise], [np.zeros((m, m)), drift.T]]) * tau)
    forward = block[m:, m:].T
    return forward, forward @ block[:m, m:]


def linear_moments(drift, noises, taus, start):
    """Means (N+1, d) and the joint covariance (N, d, N, d) of y at t_1..t_N, dy = drift y dt + N(0, noise dt)."""
    steps = [step(drift, q, tau) for q, tau in zip(noises, taus, strict=True)]
    means, n, d = [start], len(taus), len(start)
    joint = np.zeros((n, d, n, d))
    own = np.zeros((d, d))
    for k, (forward, added) in enumerate(steps):
        means.append(forward @ means[-1])
        own = forward @ own @ forward.T + added
        across = own
        joint[k, :, k] = own
        for j in range(k + 1, n):
            across = steps[j][0] @ across
            joint[j, :, k], joint[k, :, j] = across, across.T
    return np.array(means), joint


class TestArithmeticBrownian:
    @pytest.mark.parametrize("grid", simulated.GRIDS)
    @pytest.mark.parametrize("covariance", COVARIANCES)
    def test_changes_have_the_markets_covariance(self, covariance, grid):
        grid = simulated.GRIDS[grid]
        facts = {"covariance": found} if (found := COVARIANCES[covariance](grid)) is not None else {}
        setting = simulated.setting_of("both sides", grid, **facts)
        drawn = ArithmeticBrownian().draw(setting, PATHS, rng())
        n, m = setting.shape
        exact = np.zeros((n, m, n, m))
        for k, sigma in enumerate(sigma_of(setting)):
            exact[k, :, k] = grid.durations[k] * sigma
        errors = simulated.covariance_errors(drawn.changes, exact.reshape(n * m, n * m))
        assert errors.max() < simulated.MANY
        assert simulated.mean_errors(drawn.changes, 0.0).max() < simulated.MANY
        assert not drawn.signal.any()

    def test_matrices_by_interval(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN), covariance=by_time())
        drawn = ArithmeticBrownian().draw(setting, PATHS, rng(4))
        for k, matrix in enumerate(by_time()):
            errors = simulated.covariance_errors(drawn.changes[:, k], setting.durations[k] * matrix)
            assert errors.max() < simulated.MANY

    def test_its_own_covariance_instead_of_the_markets(self):
        setting = simulated.setting_of("both sides")
        own = ArithmeticBrownian(4.0 * builders.correlated([0.4, 8.0, 1.1])).draw(setting, 10, rng())
        market = ArithmeticBrownian().draw(setting, 10, rng())
        np.testing.assert_allclose(own.changes, 2.0 * market.changes, rtol=1e-11)

    def test_one_asset_of_a_factor_model(self):
        setting = simulated.setting_of("sell one", covariance=factor_model())
        drawn = ArithmeticBrownian().draw(setting, PATHS, rng())
        exact = np.eye(13) * sigma_of(setting)[0, 0, 0] / 13
        assert simulated.covariance_errors(drawn.changes, exact).max() < simulated.MANY

    def test_a_scale_multiplies_the_volatility(self):
        setting = simulated.setting_of("both sides", covariance=factor_model())
        scale = rng(3).uniform(0.5, 2.0, (50, 13))
        plain = ArithmeticBrownian().draw(setting, 50, rng()).changes
        np.testing.assert_allclose(
            ArithmeticBrownian().draw(setting, 50, rng(), scale).changes, scale[..., None] * plain
        )

    def test_a_drift_moves_prices_and_forecasts(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        drift = pd.DataFrame(rng(2).normal(size=(5, 3)), index=setting.grid.labels, columns=list("ABC"))
        model = ArithmeticBrownian(drift=drift)
        moved = model.draw(setting, 20, rng()).changes - ArithmeticBrownian().draw(setting, 20, rng()).changes
        exact = setting.durations * drift.to_numpy()
        np.testing.assert_allclose(moved, np.broadcast_to(exact, moved.shape), rtol=1e-9, atol=1e-12)
        expected = model.expected(setting, 2, np.ones((20, 3, 3)), np.zeros((20, 3)))
        np.testing.assert_allclose(expected, np.broadcast_to(exact[2:], (20, 3, 3)), rtol=EXACT)

    def test_without_drift_nothing_is_expected(self):
        setting = simulated.setting_of()
        expected = ArithmeticBrownian().expected(setting, 3, np.ones((4, 4, 1)), np.zeros((4, 1)))
        assert expected.shape == (4, 10, 1)
        assert not expected.any()

    def test_a_market_without_covariance_says_so(self):
        setting = simulated.setting_of("sell one", covariance=None)
        with pytest.raises(ac.ModelError, match="the market has no covariance"):
            ArithmeticBrownian().draw(setting, 2, rng())


class TestOrnsteinUhlenbeck:
    @pytest.mark.parametrize("rate", [0.5, 4.0, 60.0])
    @pytest.mark.parametrize("grid", ["uneven", "a night", "auctions"])
    def test_the_covariance_of_prices_is_the_formula(self, grid, rate):
        setting = simulated.setting_of("sell one", simulated.GRIDS[grid])
        drawn = OrnsteinUhlenbeck(rate).draw(setting, PATHS, rng(2))
        times = np.asarray(setting.grid.edges)[1:]
        variance = sigma_of(setting)[0, 0, 0]
        apart, both = np.abs(times[:, None] - times), times[:, None] + times
        exact = variance / (2 * rate) * (np.exp(-rate * apart) - np.exp(-rate * both))
        errors = simulated.covariance_errors(np.cumsum(drawn.changes, axis=1), exact)
        assert errors.max() < simulated.MANY

    @pytest.mark.parametrize("rate", [2.5, DIFFERENT, RATES], ids=["one rate", "a rate each", "a series"])
    @pytest.mark.parametrize("covariance", COVARIANCES)
    def test_paths_of_a_basket_are_those_of_the_linear_system(self, covariance, rate):
        grid = builders.grid(builders.UNEVEN)
        facts = {"covariance": found} if (found := COVARIANCES[covariance](grid)) is not None else {}
        setting = simulated.setting_of("both sides", grid, **facts)
        mean = setting.market.prices * [1.01, 0.98, 1.0]
        model = OrnsteinUhlenbeck(rate, mean=pd.Series(mean, index=list("ABC")))
        drawn = model.draw(setting, PATHS, rng(3))
        drift = -np.diag([2.5] * 3 if isinstance(rate, float) else RATES)
        start = setting.market.prices - mean
        means, joint = linear_moments(drift, sigma_of(setting), grid.durations, start)
        off = np.cumsum(drawn.changes, axis=1) + start - means[1:]
        assert simulated.covariance_errors(off, joint.reshape(15, 15)).max() < simulated.MANY
        assert simulated.mean_errors(off, 0.0).max() < simulated.MANY

    def test_the_signal_is_the_distance_to_the_mean(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        mean = pd.Series({"A": 21.0, "B": 390.0, "C": 55.0})
        drawn = OrnsteinUhlenbeck(2.0, mean=mean).draw(setting, 100, rng())
        before = np.cumsum(drawn.changes, axis=1) - drawn.changes
        np.testing.assert_allclose(drawn.signal, mean.to_numpy() - setting.market.prices - before, atol=1e-10)

    @pytest.mark.parametrize("rate", [2.5, DIFFERENT], ids=["one rate", "a rate each"])
    def test_the_forecast_is_the_mean_of_the_linear_system(self, rate):
        setting = simulated.setting_of("both sides", simulated.NIGHT)
        signal = rng().normal(size=(6, 3))
        rates = np.array(list(DIFFERENT.values()) if isinstance(rate, dict) else [rate] * 3)
        for k in (0, 2, setting.shape[0] - 1):
            found = OrnsteinUhlenbeck(rate).expected(setting, k, np.ones((6, k + 1, 3)), signal)
            off = -signal
            for j in range(k, setting.shape[0]):
                following = off @ expm(-np.diag(rates) * setting.durations[j, 0])
                np.testing.assert_allclose(found[:, j - k], following - off, rtol=1e-10, atol=1e-13)
                off = following

    def test_the_forecast_is_the_mean_of_the_drawn_days(self):
        setting = simulated.setting_of("sell one", builders.grid(builders.UNEVEN))
        model = OrnsteinUhlenbeck(3.0)
        drawn = model.draw(setting, PATHS, rng(6))
        for k in range(5):
            off = drawn.changes[:, k:] - model.expected(setting, k, np.ones((PATHS, k + 1, 1)), drawn.signal[:, k])
            assert simulated.mean_errors(off, 0.0).max() < simulated.MANY
            assert simulated.mean_errors(off * drawn.signal[:, k, None], 0.0).max() < simulated.MANY

    def test_slow_reversion_is_brownian(self):
        for kind in ("sell one", "both sides"):
            setting = simulated.setting_of(kind)
            slow = OrnsteinUhlenbeck(1e-9).draw(setting, 30, rng()).changes
            np.testing.assert_allclose(slow, ArithmeticBrownian().draw(setting, 30, rng()).changes, atol=1e-6)

    def test_no_time_no_change(self):
        setting = simulated.setting_of("both sides", simulated.CROSSES)
        for model in (OrnsteinUhlenbeck(2.0, mean=RATES), OrnsteinUhlenbeck(DIFFERENT), RevertingDrift(2.0, RENEWAL)):
            changes = model.draw(setting, 50, rng()).changes
            assert not changes[:, setting.grid.auctions].any()
            assert changes[:, ~setting.grid.auctions].all()

    @pytest.mark.parametrize("rate", [0.0, -1.0, np.inf, np.nan])
    @pytest.mark.parametrize("model", [OrnsteinUhlenbeck, RevertingDrift])
    def test_a_rate_that_is_not_positive(self, model, rate):
        with pytest.raises(ac.DataError) as error:
            model(rate)
        assert str(error.value) == f"{model.__name__} rate is {rate:g}; a number > 0 is expected"

    @pytest.mark.parametrize("model", [OrnsteinUhlenbeck, RevertingDrift])
    def test_a_half_life_instead(self, model):
        setting = simulated.setting_of("both sides", simulated.CROSSES)
        unit = setting.grid.duration("90min")
        stated, by_text, by_number = model(np.log(2.0) / unit), model(half_life="90min"), model(half_life=unit)
        for other in (by_text, by_number):
            np.testing.assert_allclose(other.rates(setting), np.log(2.0) / unit, rtol=EXACT)
            np.testing.assert_allclose(
                other.draw(setting, 4, rng()).changes, stated.draw(setting, 4, rng()).changes, rtol=1e-9, atol=EXACT
            )
        signal = np.ones((1, 3))
        ahead = by_text.expected(setting, 0, np.zeros((1, 1, 3)), signal)
        np.testing.assert_allclose(
            ahead, stated.expected(setting, 0, np.zeros((1, 1, 3)), signal), rtol=1e-9, atol=EXACT
        )

    @pytest.mark.parametrize("model", [OrnsteinUhlenbeck, RevertingDrift])
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "{}: give either rate= or half_life= (a time, such as '90min')"),
            ({"rate": 1.0, "half_life": 1.0}, "{}: give either rate= or half_life= (a time, such as '90min')"),
            ({"half_life": 0}, "{} half_life=0: a time > 0 is expected"),
            ({"half_life": -0.5}, "{} half_life=-0.5: a time > 0 is expected"),
        ],
    )
    def test_no_rate_or_two(self, model, arguments, message):
        with pytest.raises(ac.DataError) as error:
            model(**arguments)
        assert str(error.value) == message.format(model.__name__)

    @pytest.mark.parametrize("model", [OrnsteinUhlenbeck, RevertingDrift])
    def test_a_half_life_of_nothing_on_the_clock(self, model):
        with pytest.raises(ac.DataError, match=f"^{model.__name__} half_life='0min': a time > 0 is expected"):
            model(half_life="0min").rates(simulated.setting_of("both sides", simulated.CROSSES))

    @pytest.mark.parametrize("model", [OrnsteinUhlenbeck, RevertingDrift])
    def test_a_labelled_rate_that_is_not_positive(self, model):
        setting = simulated.setting_of("both sides")
        with pytest.raises(ac.DataError) as error:
            model({"A": 1.0, "B": -0.5, "C": 2.0}).draw(setting, 2, rng())
        assert str(error.value) == f"{model.__name__} rate is -0.5 for B; a number > 0 is expected"
        with pytest.raises(ac.DataError, match="rate: no value for asset C"):
            model({"A": 1.0, "B": 0.5}).draw(setting, 2, rng())

    def test_one_mean_for_assets_of_different_prices(self):
        setting = simulated.setting_of("both sides")
        with pytest.raises(ac.DataError, match="mean: the scalar 50 is in price units"):
            OrnsteinUhlenbeck(1.0, mean=50.0).draw(setting, 2, rng())


class TestRevertingDrift:
    def system(self, setting, rates):
        """Drift and noises of (S, I) in one linear system."""
        m = setting.shape[1]
        drift = np.block([[np.zeros((m, m)), np.eye(m)], [np.zeros((m, m)), -np.diag(rates)]])
        own = np.diag(RENEWAL[setting.assets] ** 2)
        zero = np.zeros((m, m))
        return drift, [np.block([[sigma, zero], [zero, own]]) for sigma in sigma_of(setting)]

    @pytest.mark.parametrize("grid", ["uneven", "a night", "auctions"])
    def test_prices_and_drifts_are_those_of_the_linear_system(self, grid):
        setting = simulated.setting_of("both sides", simulated.GRIDS[grid])
        n, m = setting.shape
        drawn = RevertingDrift(RATES, RENEWAL, start=START).draw(setting, PATHS, rng(5))
        drift, noises = self.system(setting, RATES)
        start = np.concatenate([np.zeros(m), START[setting.assets]])
        means, joint = linear_moments(drift, noises, setting.grid.durations, start)
        prices = np.cumsum(drawn.changes, axis=1)
        both = np.concatenate([prices[:, :-1], drawn.signal[:, 1:]], axis=2) - means[1:-1]
        rows = (n - 1) * 2 * m
        exact = joint[:-1, :, :-1].reshape(rows, rows)
        assert simulated.covariance_errors(both, exact).max() < simulated.MANY
        assert simulated.mean_errors(both, 0.0).max() < simulated.MANY
        last = (prices[:, -1] - means[-1, :m])[:, None]
        assert simulated.covariance_errors(last, joint[-1, :m, -1, :m]).max() < simulated.MANY
        assert (drawn.signal[:, 0] == START[setting.assets].to_numpy()).all()

    def test_the_next_change_is_c_times_the_signal(self):
        setting = simulated.setting_of("sell one")
        theta, tau = 5.0, 1 / 13
        signal = rng().normal(size=(7, 1))
        expected = RevertingDrift(theta, 2.0).expected(setting, 4, np.ones((7, 5, 1)), signal)
        phi = np.exp(-theta * tau)
        for j in range(9):
            np.testing.assert_allclose(expected[:, j], (1 - phi) / theta * phi**j * signal, rtol=1e-11)

    def test_the_forecast_is_the_mean_of_the_drawn_days(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN))
        model = RevertingDrift(RATES, RENEWAL, start=START)
        drawn = model.draw(setting, PATHS, rng(8))
        for k in range(5):
            off = drawn.changes[:, k:] - model.expected(setting, k, np.ones((PATHS, k + 1, 3)), drawn.signal[:, k])
            assert simulated.mean_errors(off, 0.0).max() < simulated.MANY
            assert simulated.mean_errors(off * drawn.signal[:, k, None], 0.0).max() < simulated.MANY

    def test_a_drift_without_noise_fades(self):
        setting = simulated.setting_of("sell one", builders.grid(builders.UNEVEN))
        drawn = RevertingDrift(2.0, start=0.7).draw(setting, 3, rng())
        np.testing.assert_allclose(drawn.signal[1, :, 0], 0.7 * np.exp(-2.0 * setting.grid.edges[:-1]), rtol=EXACT)

    @pytest.mark.parametrize("a", [1e-9, 1e-5, 1e-3, 0.0199, 0.0201, 0.3, 2.0, 50.0])
    def test_the_noise_of_one_step_by_quadrature(self, a):
        theta = 3.0
        tau = a / theta
        renewed, along, beside = drift_noise(np.array([theta]), np.array([[tau]]))
        own = quad(lambda s: np.exp(-2 * theta * s), 0, tau, epsabs=0, epsrel=1e-12)[0]
        mixed = quad(lambda s: np.exp(-theta * s) * -np.expm1(-theta * s) / theta, 0, tau, epsabs=0, epsrel=1e-12)[0]
        price = quad(lambda s: (np.expm1(-theta * s) / theta) ** 2, 0, tau, epsabs=0, epsrel=1e-12)[0]
        assert renewed[0, 0] ** 2 == pytest.approx(own, rel=1e-10)
        assert renewed[0, 0] * along[0, 0] == pytest.approx(mixed, rel=1e-10)
        assert along[0, 0] ** 2 + beside[0, 0] ** 2 == pytest.approx(price, rel=1e-9)

    def test_one_number_in_price_units_for_several_assets(self):
        setting = simulated.setting_of("both sides")
        with pytest.raises(ac.DataError, match="RevertingDrift volatility: the scalar 2 is in price units"):
            RevertingDrift(1.0, 2.0).draw(setting, 2, rng())
        with pytest.raises(ac.DataError, match="RevertingDrift start: the scalar 2 is in price units"):
            RevertingDrift(1.0, start=2.0).draw(setting, 2, rng())
        with pytest.raises(ac.DataError) as error:
            RevertingDrift(1.0, {"A": 1.0, "B": -2.0, "C": 0.0}).draw(setting, 2, rng())
        assert str(error.value) == "RevertingDrift volatility is -2 for B; a number >= 0 is expected"


class TestSerialCorrelation:
    @pytest.mark.parametrize("rho", [-0.5, 0.3, 0.9])
    @pytest.mark.parametrize("covariance", COVARIANCES)
    @pytest.mark.parametrize("grid", simulated.GRIDS)
    def test_marginal_and_lagged_covariance(self, grid, covariance, rho):
        grid = simulated.GRIDS[grid]
        facts = {"covariance": found} if (found := COVARIANCES[covariance](grid)) is not None else {}
        setting = simulated.setting_of("both sides", grid, **facts)
        timed = grid.durations > 0
        drawn = SerialCorrelation(rho).draw(setting, PATHS, rng(9))
        assert not drawn.changes[:, ~timed].any()
        changes = drawn.changes[:, timed]
        sigma = (sigma_of(setting) * grid.durations[:, None, None])[timed]
        own = np.sqrt(np.einsum("kii->ki", sigma))
        correlation = sigma[0] / np.outer(own[0], own[0])
        n, m = own.shape
        powers = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        exact = np.einsum("kj,ki,jl,il->kijl", powers, own, own, correlation).reshape(n * m, n * m)
        assert simulated.covariance_errors(changes, exact).max() < simulated.MANY

    def test_an_even_grid_is_the_textbooks_recursion(self):
        setting = simulated.setting_of("both sides")
        drawn = SerialCorrelation(-0.4).draw(setting, 30, rng())
        fresh = ArithmeticBrownian().draw(setting, 30, rng()).changes
        change = fresh[:, 0]
        for k in range(1, 13):
            np.testing.assert_allclose(drawn.signal[:, k], change, rtol=1e-11, atol=1e-13)
            change = -0.4 * change + np.sqrt(1 - 0.16) * fresh[:, k]
            np.testing.assert_allclose(drawn.changes[:, k], change, rtol=1e-9, atol=1e-13)
        assert not drawn.signal[:, 0].any()

    @pytest.mark.parametrize("grid", ["uneven", "auctions and a night"])
    def test_the_forecast_is_the_mean_of_the_drawn_days(self, grid):
        setting = simulated.setting_of("both sides", simulated.GRIDS[grid])
        model = SerialCorrelation(0.6)
        scale = np.exp(0.3 * rng(1).normal(size=(PATHS, setting.shape[0])))
        drawn = model.draw(setting, PATHS, rng(11), scale)
        for k in range(setting.shape[0]):
            off = drawn.changes[:, k:] - model.expected(setting, k, np.ones((PATHS, k + 1, 3)), drawn.signal[:, k])
            assert simulated.mean_errors(off, 0.0).max() < simulated.MANY
            assert simulated.mean_errors(off * drawn.signal[:, k, None], 0.0).max() < simulated.MANY

    def test_no_correlation_is_brownian(self):
        setting = simulated.setting_of("both sides", simulated.CROSSES)
        none = SerialCorrelation(0.0).draw(setting, 30, rng()).changes
        np.testing.assert_array_equal(none, ArithmeticBrownian().draw(setting, 30, rng()).changes)

    @pytest.mark.parametrize("rho", [1.0, -1.0, 1.5, np.nan, [0.1, 0.2]])
    def test_a_coefficient_out_of_range(self, rho):
        with pytest.raises(ac.DataError) as error:
            SerialCorrelation(rho)
        assert str(error.value) == f"SerialCorrelation coefficient={rho!r}: a number between -1 and 1 is expected"

    def test_correlations_that_change(self):
        setting = simulated.setting_of("both sides", builders.grid(builders.UNEVEN), covariance=by_time())
        with pytest.raises(ac.ModelError) as error:
            SerialCorrelation(0.2).draw(setting, 2, rng())
        assert str(error.value) == (
            "SerialCorrelation: correlations between assets differ between 0.0 and 0.1; a covariance whose "
            "volatilities alone change (Covariance(matrix, scale=...)) is accepted"
        )

    def test_one_asset_by_interval_is_accepted(self):
        setting = simulated.setting_of("sell one", builders.grid(builders.UNEVEN), covariance=by_time()[:, :1, :1])
        drawn = SerialCorrelation(0.5).draw(setting, PATHS, rng(2)).changes[..., 0]
        own = np.sqrt(by_time()[:, 0, 0] * setting.grid.durations)
        powers = 0.5 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
        assert simulated.covariance_errors(drawn, powers * np.outer(own, own)).max() < simulated.MANY
