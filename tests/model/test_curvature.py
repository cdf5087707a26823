"""Convexity is judged on the sum of all costs, and the advice about the grid is exact."""

import re

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.costs.transient import TransientImpact
from acopt.errors import ModelError
from acopt.market.kernels import ExponentialDecay, PowerLawDecay

TIGHT = 1e-12
KERNELS = {"exponential": ExponentialDecay(half_life=0.3), "power law": PowerLawDecay(0.5, 0.05)}


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


class TestCarriedByTransientImpact:
    """A concave part counts against the whole Hessian of trades, so that exactly the convex problems are accepted."""

    def hessian(self, kernel, edges, strength, eta, gamma, free=None):
        """H of 1/2 u'Hu: S G + diag(2 eta / tau - gamma)."""
        moments = 0.5 * (edges[1:] + edges[:-1])
        matrix = strength * kernel(np.abs(moments[:, None] - moments[None, :]))
        matrix += np.diag(2.0 * eta / np.diff(edges) - gamma)
        return matrix if free is None else matrix[np.ix_(free, free)]

    def make(self, kernel, edges, strength, eta, gamma, *, closed=None, shares=1e4):
        market = ac.Market(ac.TimeGrid(edges, closed=closed), 50.0)
        cost = TransientImpact(kernel, strength) + ac.TemporaryImpact(eta) + ac.PermanentImpact(gamma)
        return ac.ExecutionProblem(ac.Order.sell(shares), market, cost)

    @pytest.mark.parametrize("kernel", KERNELS)
    @given(seed=st.integers(0, 100_000), periods=st.integers(1, 12), part=st.floats(0.3, 1.7))
    @settings(max_examples=40, deadline=None)
    def test_exactly_the_convex_ones(self, kernel, seed, periods, part):
        """gamma at a fraction of what makes the smallest eigenvalue zero: accepted below one, refused above."""
        assume(abs(part - 1.0) > 1e-6)
        rng = np.random.default_rng(seed)
        edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.02, 0.3, periods))])
        strength, eta = 10.0 ** rng.uniform(-6, -4), 10.0 ** rng.uniform(-9, -5)
        most = float(np.linalg.eigvalsh(self.hessian(KERNELS[kernel], edges, strength, eta, 0.0))[0])
        gamma = part * most
        arguments = KERNELS[kernel], edges, strength, eta, gamma
        if part > 1.0:
            with pytest.raises(ModelError, match="with what comes from TransientImpact") as caught:
                self.make(*arguments)
            # the advice: so much of gamma, and no more
            told = float(re.search(r"\(([\d.e+-]+)% of gamma would do\)", str(caught.value)).group(1))
            assert told == pytest.approx(100.0 / part, rel=2e-3)
            return
        problem = self.make(*arguments)
        plan = problem.solve()
        weights = np.linalg.solve(self.hessian(*arguments), np.ones(periods))
        expected = -1e4 * weights / weights.sum()
        size = max(1e4, np.abs(expected).max())
        np.testing.assert_allclose(plan.path.trades[:, 0], expected, atol=1e-6 * size)
        assert plan.certificate.objective_difference <= 1e-9

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_temporary_impact_alone_may_do(self, kernel):
        """Then nothing is lent, and the state stays as it is."""
        edges = np.linspace(0.0, 1.0, 6)
        problem = self.make(KERNELS[kernel], edges, 1e-5, 1e-5, 1e-6)
        assert not problem.setting.lent["TransientImpact"].any()
        assert (problem._state.curvature.matrix > 0).all()

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_what_is_lent_is_not_declared_twice(self, kernel):
        edges = np.linspace(0.0, 1.0, 6)
        problem = self.make(KERNELS[kernel], edges, 1e-5, 1e-9, 1e-6)
        np.testing.assert_array_equal(problem._state.curvature.matrix, 0.0)
        np.testing.assert_allclose(problem.setting.lent["TransientImpact"], 5e-9 - 0.5e-6, rtol=1e-12)

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_more_than_was_judged(self, kernel):
        """What is lent is judged before; numbers that were not are refused all the same."""
        problem = self.make(KERNELS[kernel], np.linspace(0.0, 1.0, 6), 1e-5, 1e-9, 1e-6)
        (cost,) = (t.cost for t in problem.objective.terms if t.cost.name == "TransientImpact")
        setting = problem.setting.but(lent={"TransientImpact": np.full((5, 1), -1.0)})
        with pytest.raises(
            ModelError, match="TransientImpact, with what other costs leave to it, is not convex for asset"
        ):
            cost.parameters(setting, 1.0)

    def test_half_lends_nothing(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0)
        cost = TransientImpact(KERNELS["exponential"], 1e-6) + ac.PermanentImpact(1.0, own="half")
        assert ac.ExecutionProblem(ac.Order.sell(1e4), market, cost).setting.lent is None

    @pytest.mark.parametrize("kernel", KERNELS)
    def test_only_the_assets_that_need_it(self, kernel):
        names = ["A", "C"]
        cost = TransientImpact(KERNELS[kernel], pd.Series({"A": 1e-5, "C": 1e-5}))
        eta = pd.Series({"A": 1e-9, "C": 1e-3})
        costs = cost + ac.TemporaryImpact(eta) + ac.PermanentImpact(pd.Series({"A": 1e-6, "C": 1e-6}))
        problem = ac.ExecutionProblem(ac.Order.sell({"A": 10.0, "C": 20.0}), builders.market("even", names), costs)
        lent, matrix = problem.setting.lent["TransientImpact"], problem._state.curvature.matrix
        assert lent[:, 0].all()
        assert not lent[:, 1].any()
        assert not matrix[:, 0].any()
        assert matrix[:, 1].all()

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("part", [0.99, 1.01])
    def test_a_strength_between_assets_needs_what_the_others_have(self, kernel, part):
        """Only A is concave on its own; what B has counts too: gamma of A up to the generalised limit."""
        names, edges, eta = ["A", "B"], np.linspace(0.0, 1.0, 5), np.array([1e-8, 1e-7])
        strength = np.array([[1.0, 0.9], [0.9, 1.0]]) * 1e-6
        moments = 0.5 * (edges[1:] + edges[:-1])
        decay = KERNELS[kernel](np.abs(moments[:, None] - moments[None, :]))
        convex = np.kron(decay, strength) + np.kron(np.eye(4), np.diag(2.0 * eta / 0.25))
        own = np.kron(np.eye(4), np.diag([1.0, 0.0]))  # gamma enters through A alone
        limit = 1.0 / np.max(np.linalg.eigvals(np.linalg.solve(convex, own)).real)
        gamma = pd.DataFrame(np.diag([part * limit, 0.0]), names, names)
        costs = TransientImpact(KERNELS[kernel], pd.DataFrame(strength, names, names))
        costs = costs + ac.TemporaryImpact(pd.Series(eta, names)) + ac.PermanentImpact(gamma)
        market = ac.Market(ac.TimeGrid(edges), pd.Series(10.0, names))
        order = ac.Order.sell(pd.Series([1e4, 2e4], names))
        if part > 1.0:
            with pytest.raises(ModelError, match="not convex for A"):
                ac.ExecutionProblem(order, market, costs)
            return
        hessian = convex - part * limit * own
        # minimise 1/2 u'Hu with both orders complete
        total = np.kron(np.ones((1, 4)), np.eye(2))
        inverse = np.linalg.solve(hessian, total.T)
        trades = inverse @ np.linalg.solve(total @ inverse, -np.array([1e4, 2e4]))
        found = ac.ExecutionProblem(order, market, costs).solve().path.trades
        np.testing.assert_allclose(found, trades.reshape(4, 2), atol=1e-6 * np.abs(trades).max())

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("part", [0.9, 1.1])
    def test_closed_intervals_do_not_count(self, kernel, part):
        """The smallest eigenvalue among the trades that can be; the closed one stands near another, and would count."""
        edges = np.array([0.0, 0.2, 0.201, 0.202, 0.9, 1.3])
        closed = np.array([False, False, True, False, False])
        most = np.linalg.eigvalsh(self.hessian(KERNELS[kernel], edges, 1e-5, 1e-9, 0.0, ~closed))[0]
        if part > 1.0:
            with pytest.raises(ModelError, match="not convex"):
                self.make(KERNELS[kernel], edges, 1e-5, 1e-9, part * most, closed=closed)
            return
        problem = self.make(KERNELS[kernel], edges, 1e-5, 1e-9, part * most, closed=closed)
        hessian = self.hessian(KERNELS[kernel], edges, 1e-5, 1e-9, part * most, ~closed)
        weights = np.linalg.solve(hessian, np.ones(4))
        trades = problem.solve().path.trades[:, 0]
        np.testing.assert_allclose(trades[~closed], -1e4 * weights / weights.sum(), atol=1e-5)
        assert trades[2] == 0.0
        assert problem.setting.lent["TransientImpact"][2, 0] == 0.0

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("between", [False, True])
    @pytest.mark.parametrize("part", [0.5, 0.99, 1.01, 3.0])
    def test_between_assets(self, kernel, between, part):
        """Largest generalised eigenvalue of (gamma, everything convex) decides."""
        names, edges = ["A", "C"], builders.EDGES["uneven"]
        strength = np.array([[2e-6, 0.5e-6], [0.5e-6, 1e-6]]) if between else np.diag([2e-6, 1e-6])
        gamma = np.array([[1.0, 0.6], [0.6, 2.0]]) * 1e-7
        eta = np.array([[3e-8, 1e-8], [1e-8, 2e-8]])
        moments = 0.5 * (edges[1:] + edges[:-1])
        g = KERNELS[kernel](np.abs(moments[:, None] - moments[None, :]))
        convex = np.kron(g, strength) + 2.0 * np.kron(np.diag(1.0 / np.diff(edges)), eta)
        concave = np.kron(np.eye(5), gamma)
        most = 1.0 / np.max(np.linalg.eigvals(np.linalg.solve(convex, concave)).real)
        labelled = [pd.DataFrame(m, names, names) for m in (strength, eta, part * most * gamma)]
        given_strength = labelled[0] if between else pd.Series(np.diag(strength), names)
        cost = (
            TransientImpact(KERNELS[kernel], given_strength)
            + ac.TemporaryImpact(labelled[1])
            + ac.PermanentImpact(labelled[2])
        )
        order = ac.Order.sell({"A": 9_000.0}) + ac.Order.buy({"C": 4_000.0})
        market = builders.market("uneven", names)
        if part > 1.0:
            with pytest.raises(
                ModelError, match=r"not convex for [AC] at .*with what comes from TransientImpact"
            ) as caught:
                ac.ExecutionProblem(order, market, cost)
            told = float(re.search(r"\(([\d.e+-]+)% of gamma would do\)", str(caught.value)).group(1))
            assert told == pytest.approx(100.0 / part, rel=2e-3)
            return
        plan = ac.ExecutionProblem(order, market, cost).solve()
        hessian = convex - part * most * concave
        total = np.kron(np.ones((1, 5)), np.eye(2))
        kkt = np.block([[hessian, total.T], [total, np.zeros((2, 2))]])
        answer = np.linalg.solve(kkt, np.concatenate([np.zeros(10), -plan.setting.remaining]))[:10]
        np.testing.assert_allclose(plan.path.trades.ravel(), answer, atol=1e-6 * np.abs(answer).max())

    def test_two_carriers_are_each_asked(self):
        """The fast one cannot, the strong one can; neither alone for more, and the message says so."""
        edges = np.linspace(0.0, 1.0, 6)
        market = ac.Market(ac.TimeGrid(edges), 50.0)

        def make(gamma):
            cost = TransientImpact(ExponentialDecay(rate=1.0), 1e-9, name="weak") + TransientImpact(
                ExponentialDecay(rate=8.0), 1e-5, name="strong"
            )
            return ac.ExecutionProblem(ac.Order.sell(1e4), market, cost + ac.PermanentImpact(gamma))

        problem = make(1e-7)
        assert not problem.setting.lent["weak"].any()
        assert problem.setting.lent["strong"].all()
        assert problem.solve().certificate is not None
        with pytest.raises(ModelError, match=r"with what comes from weak and strong \(each on its own"):
            make(1.0)

    def test_nothing_to_make_up_for_it_at_all(self):
        market = ac.Market(ac.TimeGrid.uniform(1.0, 4), 50.0)
        cost = TransientImpact(ExponentialDecay(rate=0.0), 1e-6) + ac.PermanentImpact(1e-7)
        with pytest.raises(ModelError, match="nothing is there to make up for it"):
            ac.ExecutionProblem(ac.Order.sell(1e4), market, cost)

    def test_a_concave_part_that_comes_with_an_update_needs_a_new_problem(self):
        """No gamma at first: nothing can be lent, and the program has no place for it."""
        grid = ac.TimeGrid.uniform(1.0, 4)
        flat, curved = (ac.Market(grid, 50.0, impact=ac.ImpactCoefficients(1e-9, gamma)) for gamma in (0.0, 1e-7))
        cost = TransientImpact(ExponentialDecay(rate=5.0), 1e-6) + ac.TemporaryImpact() + ac.PermanentImpact()
        problem = ac.ExecutionProblem(ac.Order.sell(1e4), flat, cost)
        before = problem.solve().objective
        with pytest.raises(ModelError, match="the structure of its data changed; that needs a new ExecutionProblem"):
            problem.update(market=curved)
        assert problem.solve().objective == before
