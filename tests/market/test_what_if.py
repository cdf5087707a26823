"""A market with its numbers multiplied is the market that is built with the multiplied numbers."""

import numpy as np
import pandas as pd
import pytest
from builders import EVEN, NAMES, PRICES, correlated, market, order

import acopt as ac
from acopt.market.what_if import ScaledImpact, what_if

PRICE = pd.Series(PRICES)
COSTS = ac.TemporaryImpact() + ac.PermanentImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()


def solved(made):
    return ac.ExecutionProblem(order("both sides"), made, COSTS, [ac.Participation(0.2)]).solve()


def test_each_number_is_multiplied_and_the_rest_stays():
    base = market()
    known = base.daily_volatility, base.daily_volume, base.risk
    assert all(each is not None for each in known)
    made = what_if(base, volume=0.7, volatility=1.5, spread=3.0, impact=2.0)
    np.testing.assert_allclose(made.volumes, 0.7 * base.volumes, rtol=1e-15)
    np.testing.assert_allclose(made.spreads, 3.0 * base.spreads, rtol=1e-15)
    np.testing.assert_allclose(made.daily_volatility, 1.5 * base.daily_volatility, rtol=1e-14)
    np.testing.assert_allclose(made.daily_volume, 0.7 * base.daily_volume, rtol=1e-14)
    np.testing.assert_array_equal(made.prices, base.prices)
    assert made.grid is base.grid
    again = market()
    np.testing.assert_array_equal(base.volumes, again.volumes)
    np.testing.assert_array_equal(base.daily_volatility, again.daily_volatility)


def test_it_plans_as_the_market_that_is_built_so():
    exact = market(
        volume=0.7 * market().volume,
        covariance=pd.DataFrame(correlated(1.5 * 0.02 * PRICE), NAMES, NAMES),
        spread=3.0 * 4e-4 * PRICE,
        impact=ac.LinearImpact(16.0, permanent_bps=1.0),
    )
    found, told = solved(what_if(market(), volume=0.7, volatility=1.5, spread=3.0, impact=2.0)), solved(exact)
    assert np.abs(found.path.trades - told.path.trades).max() <= 1e-9 * 9000
    assert found.objective == pytest.approx(told.objective, rel=1e-12)


@pytest.mark.parametrize(
    "law",
    [
        ac.LinearImpact(8.0, permanent_bps=0.5),
        ac.SquareRootImpact(0.9),
        ac.AlmgrenEtAl2005(),
        ac.ImpactCoefficients(1e-6 * PRICE, 1e-8 * PRICE, 2e-6 * PRICE),
    ],
)
def test_an_impact_law_is_multiplied_in_all_it_says(law):
    grid = ac.TimeGrid.session("2024-03-14", "2h", start="09:30", end="15:30", auctions=True)
    made = market(grid, impact=law)
    trades = np.random.default_rng(1).normal(size=(grid.periods, 3)) * 1e3
    twice = what_if(made, impact=2.0)
    for part in ("temporary", "in_auction", "permanent"):
        np.testing.assert_allclose(
            getattr(twice.impact, part)(made), 2.0 * getattr(law, part)(made), rtol=1e-15, atol=0.0
        )
    own = law.law(made, trades)
    if own is None:
        assert twice.impact.law(made, trades) is None
    else:
        np.testing.assert_allclose(twice.impact.law(made, trades), 2.0 * own, rtol=1e-15)
    size, exponent = law.power(made)
    np.testing.assert_allclose(twice.impact.power(made)[0], 2.0 * size, rtol=1e-15)
    np.testing.assert_array_equal(twice.impact.power(made)[1], exponent)
    assert twice.impact == ScaledImpact(law, 2.0)


@pytest.mark.parametrize("scale", [None, 1.3, {"A": 1.0, "B": 2.0, "C": 0.5}, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("factored", [False, True])
def test_the_volatility_is_that_of_any_covariance(scale, factored):
    if factored:
        loadings = pd.DataFrame({"f": [0.3, 4.0, 0.9], "g": [0.1, -2.0, 0.4]}, index=NAMES)
        risk = ac.FactorModel(loadings, np.eye(2), pd.Series([0.1, 9.0, 0.4], NAMES), scale=scale)
    else:
        risk = ac.Covariance(pd.DataFrame(correlated(0.02 * PRICE), NAMES, NAMES), scale=scale)
    base = market(covariance=risk)
    x = np.random.default_rng(2).normal(size=(5, 3))
    for some in (base, base.select(["C", "A"])):
        made, y = what_if(some, volatility=2.0), x[:, : len(some.assets)]
        np.testing.assert_allclose(made.risk.apply(y), 4.0 * some.risk.apply(y), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "half", True, None, 10**400, np.complex128(1)])
@pytest.mark.parametrize("what", ["volume", "volatility", "spread", "impact"])
def test_a_factor_that_is_none(what, value):
    with pytest.raises(ac.DataError, match=f"what_if {what}=.*a number > 0 is expected"):
        what_if(market(), **{what: value})


@pytest.mark.parametrize("what", ["volume", "volatility", "spread", "impact"])
def test_what_the_market_lacks_cannot_be_multiplied(what):
    with pytest.raises(ac.DataError, match=f"what_if {what}: the market has none"):
        what_if(ac.Market(market(EVEN).grid, PRICE), **{what: 2.0})


def test_a_law_scaled_twice_is_one_law_scaled_once():
    base = market()
    twice = what_if(what_if(base, impact=4.0), impact=0.5)
    np.testing.assert_allclose(twice.impact.temporary(base), 2.0 * base.impact.temporary(base), rtol=1e-15)
    assert twice.impact.model is base.impact
