"""Convexity is judged on the sum of all costs, and the advice about the grid is exact."""

import re

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import ModelError

TIGHT = 1e-12


def stock(periods, eta, gamma, horizon=1.0, **kinds):
    market = ac.Market(ac.TimeGrid.uniform(horizon, periods), 50.0)
    return ac.ExecutionProblem(ac.Order.sell(1e4), market, ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma, **kinds))


def advised(error):
    return int(re.search(r"at least (\d+) intervals would do", str(error.value)).group(1))


class TestOneAsset:
    @given(
        periods=st.integers(1, 40),
        eta=st.floats(1e-9, 1e-5),
        ratio=st.floats(1.0, 30.0),
        horizon=st.sampled_from([0.3, 1.0, 5.0]),
    )
    @settings(max_examples=40, deadline=None)
    def test_the_advice_is_exact(self, periods, eta, ratio, horizon):
        """eta / tau > gamma / 2: with that many intervals it works, with one less it does not."""
        gamma = 2.0 * eta * periods / horizon * ratio
        # at an integer ratio the last interval count that fails is decided by rounding
        assume(abs(periods * ratio - round(periods * ratio)) > 1e-6 or ratio == 1.0)
        with pytest.raises(ModelError) as caught:
            stock(periods, eta, gamma, horizon)
        enough = advised(caught)
        assert stock(enough, eta, gamma, horizon).solve().certificate is not None
        with pytest.raises(ModelError, match="not convex"):
            stock(enough - 1, eta, gamma, horizon)

    def test_exactly_zero_is_not_enough(self):
        """eta = gamma tau / 2 leaves a direction that costs nothing: N + 1 intervals would do."""
        with pytest.raises(ModelError, match=r"found 0.*at least 5 intervals would do"):
            stock(4, 1.0, 8.0)
        assert stock(5, 1.0, 8.0).solve().certificate is not None

    @pytest.mark.parametrize(("eta", "horizon"), [(0.3, 0.7), (0.7, 1.0), (0.7, 0.3)])
    def test_the_advice_at_the_boundary_itself(self, eta, horizon):
        """eta = gamma tau / 2 at exactly three intervals, up to rounding: four would do, three would not."""
        with pytest.raises(ModelError) as caught:
            stock(1, eta, 6.0 * eta / horizon, horizon)
        assert stock(advised(caught), eta, 6.0 * eta / horizon, horizon).solve().certificate is not None

    def test_names_interval_asset_and_ways_out(self):
        with pytest.raises(ModelError) as caught:
            stock(4, 1e-6, 1e-4)
        for word in (
            "asset at 0.0",
            "eta / tau - gamma / 2",
            "larger eta",
            "smaller gamma",
            "PermanentImpact(own='half')",
        ):
            assert word in str(caught.value)

    def test_first_offending_interval_on_an_uneven_grid(self):
        """Only the long interval (0.4 to 0.85) is too long."""
        objective = ac.TemporaryImpact(1e-6) + ac.PermanentImpact(2e-6 / 0.3)
        with pytest.raises(ModelError, match=r"not convex for A at 0.4"):
            ac.ExecutionProblem(builders.order("sell one"), builders.market("uneven"), objective)

    def test_half_is_always_convex(self):
        assert stock(1, 1e-9, 1.0, own="half").solve().certificate is not None

    def test_nothing_to_make_up_for_it(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0, spread=0.01)
        with pytest.raises(ModelError, match="there is no temporary impact to make up for it"):
            ac.ExecutionProblem(ac.Order.sell(1.0), market, ac.SpreadCost() + ac.PermanentImpact(1e-7))

    def test_convexity_of_other_terms_does_not_count(self):
        """Risk is convex in what remains, but cannot be promised to make up for a concave trade."""
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0, covariance=1.0)
        with pytest.raises(ModelError, match="not convex"):
            ac.ExecutionProblem(ac.Order.sell(1.0), market, 1e3 * ac.TimingRisk() + ac.PermanentImpact(1e-7))


class TestOnTheSum:
    def test_weights_count(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0)
        order = ac.Order.sell(1e4)

        def make(a, b):
            return ac.ExecutionProblem(order, market, a * ac.TemporaryImpact(1e-6) + b * ac.PermanentImpact(1e-5))

        with pytest.raises(ModelError, match="not convex"):
            make(1.0, 1.0)  # 4e-6 - 5e-6
        assert make(2.0, 1.0).solve().certificate is not None
        assert make(1.0, 0.5).solve().certificate is not None
        with pytest.raises(ModelError, match="not convex"):
            make(1e-3, 1.0)

    def test_weights_count_with_cross_impact_too(self):
        gamma = pd.DataFrame([[4e-4, 1e-4], [1e-4, 4e-4]], index=["A", "C"], columns=["A", "C"])
        order, market = ac.Order.sell({"A": 10.0, "C": 20.0}), builders.market("even", ["A", "C"])
        eta = builders.cross_impact(["A", "C"])
        with pytest.raises(ModelError, match="not convex"):
            ac.ExecutionProblem(order, market, ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma))
        problem = ac.ExecutionProblem(order, market, ac.TemporaryImpact(eta) + 0.01 * ac.PermanentImpact(gamma))
        assert problem.solve().certificate is not None

    def test_two_terms_together(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0)
        objective = ac.TemporaryImpact(1e-6) + ac.TemporaryImpact(1e-6, name="more") + ac.PermanentImpact(1e-5)
        plan = ac.ExecutionProblem(ac.Order.sell(1e4), market, objective).solve()
        # 1/2 gamma X^2 + sum (2 eta / tau - gamma / 2) u^2
        assert plan.objective == pytest.approx(0.5e-5 * 1e8 + 4 * (8e-6 - 5e-6) * 2_500.0**2, rel=TIGHT)

    def test_an_update_is_judged_too_and_changes_nothing_when_refused(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0)
        problem = ac.ExecutionProblem(
            ac.Order.sell(1e4), market, ac.TemporaryImpact(2e-6) + 1.0 * ac.PermanentImpact(1e-5)
        )
        before = problem.solve().objective
        with pytest.raises(ModelError, match="not convex"):
            problem.update(weights={"PermanentImpact": 2.0})
        assert problem.solve().objective == before


class TestCrossImpact:
    def pair(self, periods, eta, gamma):
        labels = ["A", "C"]
        market = builders.market(ac.TimeGrid.uniform(1.0, periods), labels)
        return ac.ExecutionProblem(
            ac.Order.sell({"A": 100.0, "C": 200.0}),
            market,
            ac.TemporaryImpact(pd.DataFrame(eta, index=labels, columns=labels))
            + ac.PermanentImpact(pd.DataFrame(gamma, index=labels, columns=labels)),
        )

    @given(
        coupling=st.floats(-0.8, 0.8), cross=st.floats(-0.9, 0.9), size=st.floats(1.2, 20.0), periods=st.integers(1, 12)
    )
    @settings(max_examples=30, deadline=None)
    def test_the_advice_is_exact(self, coupling, cross, size, periods):
        """Largest generalised eigenvalue of (gamma / 2, N eta) is what N must exceed."""
        eta = 1e-6 * np.array([[1.0, coupling], [coupling, 1.0]])
        gamma = 2e-6 * periods * size * np.array([[1.0, cross], [cross, 1.0]])
        need = np.max(np.real(np.linalg.eigvals(np.linalg.solve(eta, gamma / 2))))
        assume(need > 1.01 * periods)
        assume(abs(need - round(need)) > 1e-3)
        with pytest.raises(ModelError) as caught:
            self.pair(periods, eta, gamma)
        assert advised(caught) == int(np.floor(need)) + 1
        assert self.pair(advised(caught), eta, gamma).solve().certificate is not None
        with pytest.raises(ModelError, match="not convex"):
            self.pair(advised(caught) - 1, eta, gamma)

    def test_convex_each_but_not_together(self):
        """Each asset alone would do; the pair traded against each other does not."""
        eta = 1e-6 * np.array([[1.0, 0.95], [0.95, 1.0]])
        assert self.pair(4, eta, np.diag([1e-7, 1e-7])).solve().certificate is not None
        with pytest.raises(ModelError, match=r"smallest eigenvalue -.*at least 11 intervals would do"):
            self.pair(4, eta, np.diag([1.05e-6, 1.05e-6]))  # N (1 - 0.95) 1e-6 > 5.25e-7

    def test_an_indefinite_eta_is_no_matter_of_intervals(self):
        with pytest.raises(ModelError, match=r"not convex for [AC] at 0.0") as caught:
            self.pair(4, 1e-6 * np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros((2, 2)))
        assert "intervals would do" not in str(caught.value)


def test_closed_intervals_are_not_judged():
    """A night has no trades, so its length cannot make them concave."""
    grid = ac.TimeGrid([0.0, 0.5, 1.0, 9.0, 9.5, 10.0], closed=[False, False, True, False, False])
    problem = ac.ExecutionProblem(
        ac.Order.sell(1e4), ac.Market(grid, 50.0), ac.TemporaryImpact(1e-6) + ac.PermanentImpact(3e-6)
    )
    plan = problem.solve()
    np.testing.assert_allclose(plan.path.trades[:, 0], [-2_500.0, -2_500.0, 0.0, -2_500.0, -2_500.0], rtol=1e-9)
    assert plan.path.trades[2, 0] == 0.0
