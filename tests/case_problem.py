"""From a random case of the oracle (tests/oracles/reference.py) to the same problem declared in acopt."""

import numpy as np
import pandas as pd

import acopt as ac


def problem_of(case):
    """Declare the case: its rules in acopt's words, its numbers with labels."""
    rules, n = case.features, len(case.initial)
    assets = [f"A{i}" for i in range(n)]
    grid = ac.TimeGrid(rules.edges)

    def table(values):
        return pd.DataFrame(np.broadcast_to(values, (len(case.durations), n)), index=grid.labels, columns=assets)

    market = ac.Market(
        grid,
        pd.Series(case.price, assets),
        volume=table(rules.volume * _unit(rules)),
        covariance=ac.Covariance(case.covariance),
    )
    return ac.ExecutionProblem(
        ac.Order(pd.Series(case.initial, assets)),
        market,
        sum(costs_of(case, table, grid, assets)),
        rules_of(case, table),
    )


def costs_of(case, table, grid, assets):
    """List the costs that are not identically zero (impact always)."""
    costs = [ac.TemporaryImpact(case.eta if case.eta.ndim == 3 else table(case.eta))]
    if np.any(case.gamma):
        costs.append(ac.PermanentImpact(pd.DataFrame(case.gamma, assets, assets)))
    if np.any(case.half_spread):
        costs.append(ac.SpreadCost(table(case.half_spread)))
    if case.risk_aversion > 0:
        costs.append(case.risk_aversion * ac.TimingRisk())
    if np.any(case.drift):
        costs.append(ac.Alpha(table(case.drift)))
    for derivative, weight in case.smooth:
        costs.append(ac.Smoothness(derivative, weight=pd.Series(weight, assets)))
    if case.tracking is not None:
        benchmark, aversion = case.tracking
        path = pd.DataFrame(np.vstack([case.initial, benchmark]), index=grid.edge_labels, columns=assets)
        costs.append(aversion * ac.TrackingRisk(path))
    return costs


def rules_of(case, table):
    """List the constraints."""
    rules = case.features
    out = []
    if rules.participation is not None:
        out.append(ac.Participation(rules.participation / _unit(rules)))
    if rules.monotone:
        out.append(ac.Monotone())
    out += [ac.NoTrade(during=window, name=f"closed {j}") for j, window in enumerate(rules.no_trade)]
    if rules.holding_bounds is not None:
        out.append(ac.HoldingBounds(table(case.holding_lower), table(case.holding_upper)))
    if rules.trade_size is not None:
        out.append(ac.TradeSize(table(rules.trade_size[0]), table(rules.trade_size[1])))
    if rules.dollar_neutral is not None:
        out.append(ac.DollarNeutral(case.dollar_tolerance))
    return out


def _unit(rules):
    """Bring a cap that the oracle draws above the whole volume to one, by a larger volume; the cap in shares stays."""
    return max(1.0, rules.participation or 0.0)
