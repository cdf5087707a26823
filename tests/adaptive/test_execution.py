"""Pricing of many days at once against each cost's own values, day by day."""

from dataclasses import replace

import builders
import numpy as np
import pandas as pd
import pytest
import simulated

import acopt as ac
from acopt.adaptive.execution import money, volume_power
from acopt.adaptive.volumes import StochasticVolume
from acopt.model.algebra import Objective
from acopt.model.paths import Trajectory

AGREEMENT = 1e-12
PATHS = 7
ETA = pd.Series({"A": 2e-6, "B": 4e-4, "C": 3e-5})
CROSS = pd.Series({"A": 1e-5, "B": 5e-3, "C": 2e-4})
GAMMA = pd.Series({"A": 3e-7, "B": 2e-5, "C": 2e-6})
BETWEEN = pd.DataFrame(
    np.sqrt(np.outer(GAMMA, GAMMA)) * builders.correlated([1.0, 1.0, 1.0], 0.3), index=GAMMA.index, columns=GAMMA.index
)


class OwnImpact(ac.TemporaryImpact):
    """A user's own cost: not priced by the formulas of its base."""

    def values(self, path):
        return 3.0 * super().values(path)


COSTS = {
    "temporary, the law": lambda crosses: ac.TemporaryImpact(),
    "temporary, given": lambda crosses: ac.TemporaryImpact(ETA, auction=crosses),
    "temporary, between assets": lambda crosses: ac.TemporaryImpact(builders.cross_impact(), auction=crosses),
    "temporary, the law, auctions between assets": lambda crosses: ac.TemporaryImpact(
        auction=None if crosses is None else builders.cross_impact()
    ),
    "permanent, the law": lambda crosses: ac.PermanentImpact(),
    "permanent, between assets": lambda crosses: ac.PermanentImpact(BETWEEN),
    "permanent, half": lambda crosses: ac.PermanentImpact(GAMMA, own="half"),
    "spread": lambda crosses: ac.SpreadCost(),
    "spread, given": lambda crosses: ac.SpreadCost(pd.Series({"A": 0.01, "B": 0.2, "C": 0.0})),
    "power, the law": lambda crosses: ac.PowerImpact(),
    "power, given": lambda crosses: ac.PowerImpact(ETA, pd.Series({"A": 0.5, "B": 1.0, "C": 0.6}), auction=crosses),
    "transient": lambda crosses: ac.TransientImpact(ac.ExponentialDecay(half_life=0.2), GAMMA),
    "transient, power law, between assets": lambda crosses: ac.TransientImpact(ac.PowerLawDecay(0.5, 0.05), BETWEEN),
    "transient, a kernel each": lambda crosses: ac.TransientImpact(
        {"A": ac.ExponentialDecay(half_life=0.2), "B": ac.LinearDecay(1.7), "C": ac.PowerLawDecay(0.4, 0.1)}, GAMMA
    ),
    "custom": lambda crosses: ac.CustomCost(lambda p: (p.notional**2).sum(), kind="money"),
    "a user's own": lambda crosses: OwnImpact(),
}
LAWS = {"linear": ac.LinearImpact(8.0, permanent_bps=0.5), "square root": ac.SquareRootImpact(0.9)}
LAWS["three fifths"] = ac.AlmgrenEtAl2005()


def one_by_one(objective, setting, trades):
    """Sum of weighted values, day by day, by the costs themselves."""
    return np.array(
        [sum(t.factor * np.sum(t.cost.values(Trajectory(setting, u))) for t in objective.terms) for u in trades]
    )


def several(setting, paths=PATHS):
    return np.stack([simulated.completing(setting, seed) for seed in range(paths)])


class TestAgainstTheCosts:
    @pytest.mark.parametrize("grid", simulated.GRIDS)
    @pytest.mark.parametrize("name", COSTS)
    def test_path_by_path(self, name, grid):
        for kind in ("sell many", "buy many", "both sides"):
            setting = simulated.setting_of(kind, simulated.GRIDS[grid])
            crosses = CROSS if "auctions" in grid else None
            trades, objective = several(setting), 1.0 * COSTS[name](crosses)
            exact = one_by_one(objective, setting, trades)
            np.testing.assert_allclose(money(objective, setting, trades), exact, rtol=AGREEMENT, atol=1e-9)
            assert np.abs(exact).max() > 0

    def test_a_weighted_sum_of_one_asset_in_one_interval(self):
        setting = simulated.setting_of("buy one", builders.grid(builders.SINGLE))
        trades = np.array([[[7_000.0]], [[-3.0]], [[0.0]]])
        objective = 2.0 * ac.TemporaryImpact() + 0.5 * ac.SpreadCost() + ac.PermanentImpact() + 3 * ac.PowerImpact()
        np.testing.assert_allclose(
            money(objective, setting, trades), one_by_one(objective, setting, trades), rtol=AGREEMENT
        )

    @pytest.mark.parametrize("law", LAWS)
    def test_where_no_volume_is_expected_nothing_is_traded_and_nothing_paid(self, law):
        volume = np.random.default_rng(1).uniform(2e4, 9e4, (13, 3))
        volume[[2, 7], [0, 1]] = 0.0
        setting = simulated.setting_of("both sides", volume=volume, impact=LAWS[law])
        trades = several(setting)
        assert not trades[:, [2, 7], [0, 1]].any()
        for objective in (1.0 * ac.TemporaryImpact(), 1.0 * ac.PowerImpact()):
            exact = one_by_one(objective, setting, trades)
            np.testing.assert_allclose(money(objective, setting, trades), exact, rtol=AGREEMENT)
            came = np.broadcast_to(volume, trades.shape)
            np.testing.assert_allclose(money(objective, setting, trades, came), exact, rtol=AGREEMENT)

    def test_no_cost_at_all(self):
        setting = simulated.setting_of()
        assert money(Objective(()), setting, several(setting)).tolist() == [0.0] * PATHS

    @pytest.mark.parametrize("size", [1e-2, 1e5])
    def test_any_size(self, size):
        order = ac.Order.sell({"A": 9_000.0 * size, "B": 500.0 * size})
        facts = builders.market(simulated.DAY, ["A", "B"])
        setting = ac.ExecutionProblem(order, facts, 1e-9 * ac.TimingRisk()).setting
        trades = several(setting)
        objective = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + ac.PowerImpact()
        np.testing.assert_allclose(
            money(objective, setting, trades), one_by_one(objective, setting, trades), rtol=AGREEMENT
        )

    def test_a_path_costs_the_same_to_the_bit_whatever_is_beside_it(self):
        setting = simulated.setting_of("both sides", simulated.NIGHT)
        trades = several(setting, 33)
        objective = sum((COSTS[name](None) for name in ("permanent, between assets", "spread", "power, the law")), 0)
        objective = objective + COSTS["temporary, between assets"](None) + COSTS["transient, a kernel each"](None)
        alone = np.concatenate([money(objective, setting, trades[p : p + 1]) for p in range(len(trades))])
        assert np.array_equal(money(objective, setting, trades), alone)


class TestAtTheVolumeThatCame:
    def draw(self, setting, paths=PATHS):
        factors = StochasticVolume(0.5, day=0.4).factors(setting, paths, np.random.default_rng(5))
        return setting.market.volumes * factors

    @pytest.mark.parametrize("grid", ["uneven", "a night", "auctions"])
    @pytest.mark.parametrize("law", LAWS)
    @pytest.mark.parametrize("cost", [ac.TemporaryImpact(), ac.PowerImpact()], ids=["temporary", "power"])
    def test_the_laws_are_those_of_a_market_with_that_volume(self, cost, law, grid):
        setting = simulated.setting_of("both sides", simulated.GRIDS[grid], impact=LAWS[law])
        trades, volumes = several(setting), self.draw(setting)
        exact = []
        for u, v in zip(trades, volumes, strict=True):
            day = replace(setting, market=setting.market.with_volumes(v))
            exact.append(np.sum(cost.values(Trajectory(day, u))))
        found = money(1.0 * cost, setting, trades, volumes)
        np.testing.assert_allclose(found, exact, rtol=1e-11)
        assert not np.allclose(found, money(1.0 * cost, setting, trades))

    @pytest.mark.parametrize(
        "name", [name for name in COSTS if "law" not in name and name not in ("custom", "a user's own")]
    )
    def test_what_was_given_outright_is_charged_as_given(self, name):
        setting = simulated.setting_of("both sides", simulated.CROSSES)
        trades, objective = several(setting), 1.0 * COSTS[name](CROSS)
        found = money(objective, setting, trades, self.draw(setting))
        np.testing.assert_allclose(found, money(objective, setting, trades), rtol=AGREEMENT)

    def test_coefficients_of_the_market_that_are_no_law_are_charged_as_given(self):
        impact = ac.ImpactCoefficients(ETA, GAMMA)
        setting = simulated.setting_of("both sides", impact=impact)
        trades, objective = several(setting), ac.TemporaryImpact() + ac.PowerImpact()
        found = money(objective, setting, trades, self.draw(setting))
        np.testing.assert_allclose(found, money(objective, setting, trades), rtol=AGREEMENT)

    def test_permanent_impact_goes_by_the_average_day(self):
        setting = simulated.setting_of("both sides")
        trades, objective = several(setting), 1.0 * ac.PermanentImpact()
        found = money(objective, setting, trades, self.draw(setting))
        assert np.array_equal(found, money(objective, setting, trades))

    def test_the_law_in_continuous_trading_and_a_given_auction_are_told_apart(self):
        setting = simulated.setting_of("both sides", simulated.CROSSES)
        cost, trades = ac.TemporaryImpact(auction=builders.cross_impact()), several(setting)
        found = money(1.0 * cost, setting, trades, 2.0 * np.broadcast_to(setting.market.volumes, trades.shape))
        auctions = setting.grid.auctions
        for u, total in zip(trades, found, strict=True):
            paid = cost.values(Trajectory(setting, u))
            assert total == pytest.approx(paid[auctions].sum() + 0.5 * paid[~auctions].sum(), rel=AGREEMENT)

    def test_a_custom_cost_speaks_of_the_volume_that_came(self):
        setting = simulated.setting_of("sell many")
        cost = ac.CustomCost(lambda p: 100.0 * (p.participation**2).sum(), kind="money")
        trades, volumes = several(setting), self.draw(setting)
        exact = 100.0 * ((trades / volumes) ** 2).sum(axis=(1, 2))
        np.testing.assert_allclose(money(1.0 * cost, setting, trades, volumes), exact, rtol=AGREEMENT)

    def test_a_cost_of_the_users_own_follows_the_law_too(self):
        setting = simulated.setting_of("sell many")
        trades, volumes = several(setting), self.draw(setting)
        own = money(1.0 * OwnImpact(), setting, trades, volumes)
        np.testing.assert_allclose(own, 3.0 * money(1.0 * ac.TemporaryImpact(), setting, trades, volumes), rtol=1e-11)

    def test_equal_days_are_priced_once(self):
        calls = []

        def counted(p):
            calls.append(1)
            return (p.trades**2).sum()

        setting = simulated.setting_of()
        cost = ac.CustomCost(counted, kind="money")
        trades = np.repeat(several(setting, 2), 50, axis=0)
        assert len(np.unique(money(1.0 * cost, setting, trades))) == 2
        assert len(calls) <= 4

    @pytest.mark.parametrize("cost", [ac.TemporaryImpact(), ac.PowerImpact()], ids=["temporary", "power"])
    def test_a_trade_without_volume_has_no_price(self, cost):
        setting = simulated.setting_of()
        trades, volumes = several(setting, 3), self.draw(setting, 3)
        volumes[1, 4] = 0.0
        trades[2, 4], volumes[2, 4] = 0.0, 0.0
        found = money(1.0 * cost, setting, trades, volumes)
        assert np.isinf(found).tolist() == [False, True, False]

    def test_a_law_that_is_no_power_of_volume_is_refused(self):
        class Saturating(ac.LinearImpact):
            def in_auction(self, market):
                return 1e-4 * market.prices / (1e5 + market.volumes)

        setting = simulated.setting_of("sell one", impact=Saturating(8.0))
        message = (
            "TemporaryImpact: the coefficients of Saturating are no power of the volume, so that they cannot be "
            "charged at volumes that differ by path; give it coefficients of its own"
        )
        with pytest.raises(ac.ModelError) as error:
            money(1.0 * ac.TemporaryImpact(), setting, several(setting), self.draw(setting))
        assert str(error.value) == message

    @pytest.mark.parametrize(("law", "power"), [("linear", 1.0), ("square root", 0.5), ("three fifths", 0.6)])
    def test_the_power_of_volume(self, law, power):
        setting = simulated.setting_of("both sides", impact=LAWS[law])
        cost = ac.PowerImpact()
        assert (volume_power(cost, cost.single, setting) == power).all()
