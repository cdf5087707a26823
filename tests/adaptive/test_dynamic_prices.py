"""Prices with a memory: the table against the linear-quadratic truth, a naive recursion, and simulated days."""

from functools import cache

import builders as b
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.adaptive.dynamic import dynamic_program
from acopt.adaptive.price_states import price_states
from acopt.adaptive.prices import ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift, SerialCorrelation
from acopt.adaptive.simulation import SimulatedMarket, simulate
from acopt.adaptive.state import State

ETA, SIGMA, AVERSION, X = 2e-6, 0.9, 8e-7, 96_000.0
MODELS = {
    "drift": RevertingDrift(1.3, volatility=0.12, start=0.05),
    "price": OrnsteinUhlenbeck(2.0, mean=50.02, covariance=0.02),
    "trend": SerialCorrelation(0.3, covariance=0.02),
    "bounce": SerialCorrelation(-0.4, covariance=0.02),
}


def market(at=b.EVEN, price=50.0):
    return ac.Market(b.grid(at), price, covariance=SIGMA**2)


def problem(at=b.EVEN, side=1.0, rules=(), aversion=AVERSION):
    costs = ac.TemporaryImpact(ETA) + aversion * ac.TimingRisk()
    order = ac.Order(X) if side > 0 else ac.Order(0.0, X)
    return ac.ExecutionProblem(order, market(at), costs, list(rules))


def chain(model, tau):
    """Return by interval phi and variance of the signal's step, and the price change per signal; and its start."""
    if isinstance(model, RevertingDrift):
        phi = np.exp(-model.rate * tau)
        noise = model.volatility**2 * (1 - phi**2) / (2 * model.rate)
        return phi, noise, (1 - phi) / model.rate, model.start
    if isinstance(model, OrnsteinUhlenbeck):
        phi = np.exp(-model.rate * tau)
        return phi, 0.02 * (1 - phi**2) / (2 * model.rate), 1 - phi, model.mean - 50.0
    rho, v = model.coefficient, np.sqrt(0.02 * tau)
    before = np.concatenate([[np.inf], v[:-1]])
    phi = rho * v / before  # the change of this interval, given the last one
    fresh = np.where(np.arange(len(tau)) == 0, 1.0, 1 - rho**2)
    return phi, fresh * v**2, phi, 0.0


def riccati(model, tau, aversion=AVERSION):
    """
    V_k = a x^2 + b x I + g I^2 + d before trade k, and the best position after it, (h x + B I / 2) / A.

    Backwards from x_N = 0: A = h + r + a', B = c - b' phi.
    """
    phi, noise, c, _ = chain(model, tau)
    h, r = ETA / tau, aversion * SIGMA**2 * tau
    a, b_, g, d = h[-1], 0.0, 0.0, 0.0
    rules = [(0.0, 0.0)]
    for k in reversed(range(len(tau) - 1)):
        A, B = h[k] + r[k] + a, c[k] - b_ * phi[k]
        rules.append((h[k] / A, B / (2 * A)))
        d = d + g * noise[k]
        a, b_, g = h[k] - h[k] ** 2 / A, -h[k] * B / A, g * phi[k] ** 2 - B**2 / (4 * A)
    return (a, b_, g, d), rules[::-1]


class TestLinearQuadratic:
    @pytest.mark.parametrize("at", [b.EVEN, b.UNEVEN])
    @pytest.mark.parametrize("side", [1.0, -1.0], ids=["sell", "buy"])
    @pytest.mark.parametrize("name", MODELS)
    def test_the_table_converges_to_riccati(self, name, side, at):
        model, tau = MODELS[name], np.diff(b.EDGES[at])
        (a, b_, g, d), rules = riccati(model, tau)
        start = chain(model, tau)[3]
        exact = a * X**2 + b_ * side * X * start + g * start**2 + d
        gaps = []
        for lot in (4_000, 1_000, 250):
            found = dynamic_program(problem(at, side), lot, prices=model, beyond=5 * X)
            gaps.append(found.value - exact)
            best = rules[0][0] * side * X + rules[0][1] * start
            assert abs(found.schedule.path.remaining[1, 0] - best) <= 0.51 * lot + 1e-6 * X
        assert min(gaps) >= -1e-9 * exact
        assert gaps[2] < gaps[0] / 30
        assert gaps[2] < 2e-4 * exact

    @pytest.mark.parametrize("name", MODELS)
    def test_the_number_of_price_states_does_not_matter_to_a_quadratic(self, name):
        """A chain with the right mean and variance is exact, whatever its number of states."""
        model = MODELS[name]
        (a, b_, g, d), _ = riccati(model, np.diff(b.EDGES[b.UNEVEN]))
        start = chain(model, np.diff(b.EDGES[b.UNEVEN]))[3]
        exact = a * X**2 + b_ * X * start + g * start**2 + d
        for nodes in (3, 5, 21):
            value = dynamic_program(problem(b.UNEVEN), 200, prices=model, nodes=nodes, beyond=5 * X).value
            assert 0 <= value - exact <= 2e-4 * exact

    def test_the_feedback_at_every_state(self):
        model, tau = MODELS["drift"], np.diff(b.EDGES[b.EVEN])
        _, rules = riccati(model, tau)
        question = problem()
        found = dynamic_program(question, 100, prices=model, beyond=6 * X)
        rng = np.random.default_rng(4)
        for k in range(5):
            spread = max(found.table.states.spread[k], 1e-12)
            signal = found.table.states.centre[k] + spread * rng.uniform(-2, 2, (200, 1)) * (k > 0)
            x = 100.0 * rng.integers(0, 960, (200, 1))
            trades = found.decide(state_of(question, k, x, signal))
            best = rules[k][0] * x + rules[k][1] * signal
            assert np.abs(x + trades - best).max() <= 160.0
            assert np.abs(trades / 100 - np.round(trades / 100)).max() < 1e-9

    def test_a_drift_that_is_known_is_a_static_plan(self):
        """Section 9's stock: theta = 0.5, I_0 = 0.10."""
        grid = ac.TimeGrid.uniform(5.0, 5)
        stock = ac.Market(grid, 50.0, covariance=0.95**2)
        costs = ac.TemporaryImpact(2.5e-6) + ac.PermanentImpact(2.5e-7) + ac.SpreadCost(0.0625) + 1e-6 * ac.TimingRisk()
        found = dynamic_program(
            ac.ExecutionProblem(ac.Order(1e6), stock, costs), 500, prices=RevertingDrift(0.5, start=0.10), nodes=3
        )
        x = np.array([554977.901488, 304280.275424, 159160.681661, 68427.440360])
        assert np.abs(found.schedule.path.remaining[1:5, 0] - x).max() <= 500
        exact = 1024924.521944 + 0.5 * 2.5e-7 * 1e12 + 0.0625 * 1e6  # what is path-dependent, and what is not
        assert 0 <= found.value - exact <= 2e-6 * exact


def state_of(question, k, x, signal=None):
    """Return a state of simulated days."""
    signal = np.zeros(x.shape) if signal is None else signal
    n = len(x)
    nothing = np.zeros((n, k, 1))
    return State(question.setting, k, x, nothing, np.full((n, k + 1, 1), 50.0), nothing, signal, lambda: None)


class TestBindingCaps:
    @pytest.mark.parametrize("name", ["drift", "bounce"])
    def test_a_naive_recursion(self, name):
        """Caps bind, nothing is quadratic any more: a recursion over states, in plain Python."""
        model, tau, lot, most, nodes = MODELS[name], np.diff(b.EDGES[b.UNEVEN]), 8_000.0, 3, 5
        rules = [ac.Monotone(), ac.TradeSize(lower=-most * lot)]
        found = dynamic_program(problem(b.UNEVEN, rules=rules), lot, prices=model, nodes=nodes)
        states = found.table.states
        _, _, c, _ = chain(model, tau)

        @cache
        def value(k, lots, node):
            if k == 5:
                return 0.0 if lots == 0 else np.inf
            best = np.inf
            for sold in range(min(most, lots) + 1):
                x = (lots - sold) * lot
                here = ETA * (sold * lot) ** 2 / tau[k] + AVERSION * SIGMA**2 * tau[k] * x**2
                here -= c[k] * states.nodes(k)[node] * x
                chances = states.chances[k][node] if k < 4 else [1.0]
                rest = sum(p * value(k + 1, lots - sold, j) for j, p in enumerate(chances) if p > 0)
                best = min(best, here + rest)
            return best

        assert found.value == pytest.approx(value(0, 12, 2), rel=1e-12)
        assert value(0, 12, 2) > riccati(model, tau)[0][0] * X**2

    def test_the_policy_beats_the_best_plan_made_in_the_morning(self):
        model = RevertingDrift(1.3, volatility=1.0, start=0.05)
        rules = [ac.Monotone(), ac.TradeSize(lower=-30_000)]
        adaptive = dynamic_program(problem(rules=rules), 1_000, prices=model).value
        known = ac.Alpha(0.05 * np.exp(-1.3 * np.linspace(0, 0.8, 5)) * (1 - np.exp(-0.26)) / 0.26)
        costs = problem().objective + known
        static = dynamic_program(ac.ExecutionProblem(ac.Order(X), market(), costs, rules), 1_000).value
        assert adaptive < 0.98 * static


class TestSimulated:
    @pytest.mark.parametrize("name", MODELS)
    def test_the_mean_cost_is_the_value(self, name):
        """Without a price of risk the value is the expected cost of the day, on days that are drawn elsewhere."""
        question = problem(rules=[ac.Monotone(), ac.TradeSize(lower=-40_000)], aversion=0.0)
        found = dynamic_program(question, 2_000, prices=MODELS[name])
        days = SimulatedMarket(question.market, prices=MODELS[name], costs=ac.TemporaryImpact(ETA))
        result = simulate(found, question.order, days, 20_000, 5)
        off = result.slippage(unit="currency").mean() - found.value
        error = result.slippage(unit="currency").std() / np.sqrt(20_000)
        assert abs(off) <= 3 * error + 2e-4 * found.value  # trades are rounded to lots between two price states

    def test_it_decides_as_its_schedule_where_nothing_is_revealed(self):
        question = problem(rules=[ac.Monotone()])
        found = dynamic_program(question, 1_000)
        result = simulate(found, question.order, question.market, 300, 1)
        assert np.array_equal(result.average_trades.to_numpy(), found.schedule.trades.to_numpy())

    def test_from_any_state_on_it_pays_what_it_says(self):
        question = problem(rules=[ac.Monotone(), ac.TradeSize(lower=-40_000)])
        found = dynamic_program(question, 1_000)
        x = 1_000.0 * np.arange(0, 41)[:, None]
        for k in (2, 3, 4):
            left, paid = x, 0.0
            for j in range(k, 5):
                u = found.decide(state_of(question, j, left))
                left = left + u
                paid = paid + ETA * u**2 / 0.2 + AVERSION * SIGMA**2 * 0.2 * left**2
            assert not left.any()
            assert paid[:, 0] == pytest.approx(found.cost_to_go(k, x), rel=1e-12)

    @pytest.mark.parametrize("parts", [3, 7, 11, 13])
    def test_nothing_is_left_of_lots_that_are_no_whole_shares(self, parts):
        costs = ac.TemporaryImpact(1e-4) + 1e-5 * ac.TimingRisk()
        question = ac.ExecutionProblem(ac.Order(100.0), market(), costs)
        found = dynamic_program(question, 100.0 / parts)
        left = np.array([[100.0]])
        for k in range(5):
            left = left + found.decide(state_of(question, k, left))
        assert left.item() == 0.0


class TestChain:
    @pytest.mark.parametrize("at", [b.EVEN, b.UNEVEN, b.SINGLE])
    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("nodes", [3, 9, 41])
    def test_mean_and_variance_from_every_node(self, name, at, nodes):
        tau = np.diff(b.EDGES[at])
        setting = problem(at).setting
        states = price_states(MODELS[name], nodes, setting)
        phi, noise, c, start = chain(MODELS[name], tau)
        assert states.nodes(0) == pytest.approx(np.full(nodes, start))
        for k in range(len(tau) - 1):
            p, here, there = states.chances[k], states.nodes(k), states.nodes(k + 1)
            assert (p >= 0).all()
            assert p.sum(axis=1) == pytest.approx(np.ones(nodes), rel=1e-12)
            mean = p @ there
            assert mean == pytest.approx(phi[k] * here, rel=1e-9, abs=1e-12)
            assert p @ there**2 - mean**2 == pytest.approx(np.full(nodes, noise[k]), rel=1e-8)
        for k in range(len(tau)):
            assert states.moves[k, :, 0] == pytest.approx(c[k] * states.nodes(k), rel=1e-9, abs=1e-15)

    def test_no_time_passes_in_an_auction(self):
        grid = ac.TimeGrid.session("2019-02-15", "130min", auctions=True)
        question = ac.ExecutionProblem(
            ac.Order(900.0), ac.Market(grid, 50.0, covariance=0.5), ac.TemporaryImpact(1e-4, auction=1e-4)
        )
        for model in (RevertingDrift(2.0, volatility=0.3, start=0.2), SerialCorrelation(0.3)):
            states = price_states(model, 5, question.setting)
            assert states.moves[0] == pytest.approx(np.zeros((5, 1)))
            if isinstance(model, RevertingDrift):
                assert states.chances[0] @ states.nodes(1) == pytest.approx(states.nodes(0))
            days = model.draw(question.setting, 100_000, np.random.default_rng(0))
            assert np.std(days.signal[:, :, 0], axis=0) == pytest.approx(states.spread, rel=0.02, abs=1e-12)
            assert dynamic_program(question, 50.0, prices=model, beyond=500.0).value < question.solve().objective + 1.0

    @pytest.mark.parametrize("model", [RevertingDrift(2.0, volatility=0.3, start=0.2), SerialCorrelation(0.3)])
    def test_an_auction_in_the_middle_keeps_the_signal(self, model):
        stamps = pd.date_range("2025-03-31 10:00", periods=5, freq="1h")
        auctions = [False, True, False, False]
        grid = ac.TimeGrid([0.0, 0.4, 0.4, 0.7, 1.0], auctions=auctions, timestamps=stamps)
        question = ac.ExecutionProblem(
            ac.Order(900.0), ac.Market(grid, 50.0, covariance=0.5), ac.TemporaryImpact(1e-4, auction=1e-4)
        )
        states = price_states(model, 5, question.setting)
        assert states.nodes(1) == pytest.approx(states.nodes(2))
        assert states.chances[1] == pytest.approx(np.eye(5), abs=1e-9)
        days = model.draw(question.setting, 100_000, np.random.default_rng(0))
        assert np.std(days.signal[:, :, 0], axis=0) == pytest.approx(states.spread, rel=0.02, abs=1e-12)
        now, following = days.signal[:, 2, 0], days.signal[:, 3, 0]
        kept = np.polyfit(states.nodes(2), states.chances[2] @ states.nodes(3), 1)[0]
        error = np.std(following) / np.std(now) / np.sqrt(100_000)
        assert np.cov(now, following)[0, 1] / np.var(now) == pytest.approx(kept, abs=5 * error)
        for k in (2, 3):  # what is expected, given the signal, is what comes
            signal, change = days.signal[:, k, 0], days.changes[:, k, 0]
            slope = np.cov(signal, change)[0, 1] / np.var(signal)
            wanted = np.polyfit(states.nodes(k), states.moves[k, :, 0], 1)[0]
            assert slope == pytest.approx(wanted, abs=5 * np.std(change) / np.std(signal) / np.sqrt(100_000))

    def test_the_spread_is_that_of_simulated_days(self):
        for model in MODELS.values():
            setting = problem(b.UNEVEN).setting
            states = price_states(model, 5, setting)
            days = model.draw(setting, 200_000, np.random.default_rng(1))
            assert np.std(days.signal[:, :, 0], axis=0) == pytest.approx(states.spread, rel=0.02, abs=1e-12)
            assert np.abs(days.signal.mean(axis=0)[:, 0] - states.centre).max() <= 5e-3 * (states.spread.max() or 1)


class TestRefused:
    def found(self):
        question = problem(rules=[ac.Monotone(), ac.TradeSize(lower=-40_000)])
        return question, dynamic_program(question, 1_000, prices=MODELS["drift"], nodes=9)

    def test_a_signal_beyond_the_price_states(self):
        question, found = self.found()
        far = found.table.states.nodes(2)[-1] * 1.01
        signal = np.array([[0.0], [far]])
        with pytest.raises(ac.ModelError, match=r"interval 0\.4: the signal .* of path 1 is beyond the 9 price states"):
            found.decide(state_of(question, 2, np.full((2, 1), 5_000.0), signal))
        with pytest.raises(
            ac.ModelError, match=r"interval 0\.0: the signal 0\.2 of path 0 is beyond .* 0\.05 to 0\.05"
        ):
            found.decide(state_of(question, 0, np.array([[X]]), np.array([[0.2]])))
        with pytest.raises(ac.ModelError, match="the signal nan"):
            found.decide(state_of(question, 2, np.array([[X]]), np.array([[np.nan]])))

    @pytest.mark.parametrize("x", [500.0, -1_000.0, 97_000.0, np.nan])
    def test_a_position_that_is_not_in_the_table(self, x):
        question, found = self.found()
        with pytest.raises(ac.ModelError, match="of asset are left; the table has 0 to 96,000 in lots of 1,000"):
            found.decide(state_of(question, 1, np.array([[x]])))

    def test_a_position_from_which_the_rules_cannot_be_kept(self):
        question, found = self.found()
        with pytest.raises(
            ac.ModelError, match=r"interval 0\.8: with 41,000 of asset left \(path 1\) the rules cannot"
        ):
            found.decide(state_of(question, 4, np.array([[40_000.0], [41_000.0]])))

    def test_another_grid_and_history(self):
        _, found = self.found()
        with pytest.raises(ac.ModelError, match="it is for 5 intervals of asset; the state is of 1 intervals of asset"):
            found.decide(state_of(problem(b.SINGLE), 0, np.array([[X]])))
        question = problem().with_history(np.array([[-16_000.0]]))
        with pytest.raises(
            ac.ModelError, match="after 1 intervals of history the signal of RevertingDrift is not known"
        ):
            dynamic_program(question, 1_000, prices=MODELS["drift"])
        later = dynamic_program(question, 1_000)
        with pytest.raises(ac.ModelError, match="its first 1 intervals are history"):
            later.decide(state_of(question, 0, np.array([[X]])))

    @pytest.mark.parametrize("days", [RevertingDrift(1.3, volatility=0.12, start=0.05), SerialCorrelation(0.3)])
    def test_days_of_another_kind(self, days):
        question = problem()
        found = dynamic_program(question, 1_000, prices=OrnsteinUhlenbeck(2.0, covariance=0.02), nodes=9)
        said = (
            rf"policy dynamic program: made for OrnsteinUhlenbeck; the signal of these days is that of "
            rf"{type(days).__name__}; make the table with the price model of these days \(prices=\)"
        )
        with pytest.raises(ac.ModelError, match=said):
            simulate(found, question.order, SimulatedMarket.of(question, prices=days), 5, 1)

    def test_days_of_its_kind_or_without_signal(self):
        question = problem()
        found = dynamic_program(question, 1_000, prices=RevertingDrift(1.3, volatility=0.12))
        for days in (RevertingDrift(1.3, volatility=0.05), ArithmeticBrownian()):
            ran = simulate(found, question.order, SimulatedMarket.of(question, prices=days), 5, 1)
            assert np.isfinite(ran.slippage()).all()
        asked = state_of(question, 0, np.array([[X]]))
        assert asked.prices_model == ""
        assert np.isfinite(found.decide(asked)).all()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((6, np.zeros((1, 1)), np.zeros((1, 1))), "interval=6: a whole number from 0 to 5"),
            ((1.0, np.zeros((1, 1)), np.zeros((1, 1))), r"interval=1\.0"),
            ((1, np.zeros((3, 2)), np.zeros(3)), r"remaining: shape \(3, 2\) was given, \(paths, 1\)"),
            ((1, 0.0, np.zeros(2)), r"signal: shape \(2, 1\) was given, \(1, 1\)"),
            ((1, np.zeros((3, 1))), "signal: it is missing"),
            ((1, np.zeros((3, 1)), np.zeros((2, 1))), r"signal: shape \(2, 1\) was given, \(3, 1\)"),
        ],
    )
    def test_what_is_still_to_pay_of_something_else(self, arguments, said):
        _, found = self.found()
        with pytest.raises(ac.DataError, match=said):
            found.cost_to_go(*arguments)

    def test_too_many_price_states(self):
        with pytest.raises(
            ac.DataError, match=r"97 positions x 20001 price states x 5 intervals need 48.*fewer price sta"
        ):
            dynamic_program(problem(rules=[ac.Monotone()]), 1_000, prices=MODELS["drift"], nodes=20_001)

    def test_a_price_model_of_another_kind(self):
        class Mine:
            def draw(self, setting, n_paths, rng, scale=None):
                raise NotImplementedError

            def expected(self, setting, interval, prices, signal):
                raise NotImplementedError

        with pytest.raises(
            ac.ModelError, match="Mine was given; ArithmeticBrownian, OrnsteinUhlenbeck, RevertingDrift"
        ):
            dynamic_program(problem(), 1_000, prices=Mine())


def test_the_table_is_labelled_by_the_signal():
    found = dynamic_program(problem(rules=[ac.Monotone()]), 1_000, prices=MODELS["drift"], nodes=9)
    table = found.trades_at(2)
    assert table.columns.name == "signal"
    assert table.columns.to_numpy() == pytest.approx(found.table.states.nodes(2))
    for signal in table.columns[[0, 4, 8]]:
        x = np.array([[48_000.0]])
        assert found.decide(state_of(problem(), 2, x, np.array([[signal]]))).item() == table.loc[48_000.0, signal]
    assert (np.diff(table.loc[48_000.0]) >= 0).all()  # the more it is to rise, the less is sold


def test_brownian_prices_are_no_state():
    question = problem(rules=[ac.Monotone()])
    found, plain = (dynamic_program(question, 1_000, prices=prices) for prices in (ArithmeticBrownian(), None))
    assert found.table.states.size == 1
    assert found.value == plain.value
    assert "97 positions x 5 intervals" in repr(found)
    assert "97 positions x 9 price states x 5" in repr(
        dynamic_program(question, 1_000, prices=MODELS["drift"], nodes=9)
    )
