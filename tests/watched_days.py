"""Problems whose prices revert, and policies whose every decision on simulated days is seen."""

import numpy as np
import pandas as pd
from builders import correlated

import acopt as ac
from acopt.adaptive.simulation import SimulatedMarket, simulate

UNEVEN = np.array([0.0, 0.1, 0.3, 0.35, 0.8, 1.0, 1.25])
LAMBDA = 2e-6


class Watched:
    """A policy whose trades are kept, and on whose decisions a check may be made."""

    overshoots = True

    def __init__(self, policy, check=None):
        self.policy, self.check, self.blocks, self.moves = policy, check, [], []

    def decide(self, state):
        decided = self.policy.decide(state)
        self.moves.append(state.expected_changes()[:, 0])
        if self.check is not None:
            self.check(state, decided)
        if state.interval == state.setting.shape[0] - 1:
            self.blocks.append(np.concatenate([state.trades, decided[:, None]], axis=1))
        return decided

    @property
    def trades(self):
        return np.concatenate(self.blocks)


def sell_or_buy(shares):
    shares = pd.Series(shares, dtype=float)
    return ac.Order(shares.clip(lower=0.0), (-shares).clip(lower=0.0))


def stock(side=1, *, edges=UNEVEN, rules=(), cap_volume=None):
    """Return one stock whose coefficients differ in every interval."""
    grid = ac.TimeGrid(edges)
    rng = np.random.default_rng(len(edges))
    volume = rng.uniform(0.5, 1.5, grid.periods) * 1e6 * grid.durations if cap_volume is None else cap_volume
    market = ac.Market(
        grid,
        40.0,
        volume=pd.Series(volume, grid.labels),
        covariance=ac.Covariance(0.8**2, scale=pd.Series(rng.uniform(0.6, 1.4, grid.periods), grid.labels)),
        impact=ac.ImpactCoefficients(eta=pd.Series(rng.uniform(1e-6, 3e-6, grid.periods), grid.labels), gamma=2e-7),
    )
    costs = ac.TemporaryImpact() + ac.PermanentImpact() + LAMBDA * ac.TimingRisk()
    return ac.ExecutionProblem(sell_or_buy({"asset": side * 1e5}), market, costs, list(rules))


def basket(sides=(1, -1, 0)):
    """Return three stocks with cross-impact, correlation and permanent impact; the third has no order."""
    grid, names = ac.TimeGrid(UNEVEN), ["A", "B", "C"]
    eta = 1e-6 * (np.eye(3) + 0.2)
    market = ac.Market(
        grid, pd.Series([40.0, 25.0, 80.0], names), covariance=pd.DataFrame(correlated([0.8, 0.5, 1.1]), names, names)
    )
    costs = ac.TemporaryImpact(pd.DataFrame(eta, names, names)) + ac.PermanentImpact(pd.Series(1e-7, names))
    shares = pd.Series(np.array(sides) * [1e5, 6e4, 0.0], names)
    return ac.ExecutionProblem(sell_or_buy(shares), market, costs + LAMBDA * ac.TimingRisk())


def objective(problem, result, trades):
    """Cost of each day and the risk that its positions ran, currency (paths,)."""
    setting = problem.setting
    held = setting.remaining + np.cumsum(trades, axis=1)
    risk = next(t.cost for t in problem.objective.terms if t.cost.kind == "risk").model(setting)
    ran = np.array([np.sum(setting.durations * x * risk.apply(x)) for x in held])
    return result.slippage(unit="currency") + LAMBDA * ran


def expected_objective(problem, result, watched):
    """Return the same with the changes that were expected before each trade: the same mean, and less noise."""
    held = problem.setting.remaining + np.cumsum(watched.trades, axis=1)
    gained = np.einsum("pki,kpi->p", held, np.array(watched.moves))
    ran = objective(problem, result, watched.trades) - result.slippage(unit="currency")
    return result.impact + ran - gained


def simulated(policy, problem, prices, n_paths=200, seed=1):
    return simulate(policy, problem.order, SimulatedMarket(problem.market, prices=prices), n_paths, seed)
