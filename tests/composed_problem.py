"""From a case of the second oracle (tests/oracles/composed.py) to the same problem declared in acopt."""

import re

import cvxpy as cp
import numpy as np
import pandas as pd

import acopt as ac


def problem_of(case):
    """Declare the case: its rules in acopt's words, its numbers with labels."""
    desk = Desk(case)
    tape = case.tape
    market = ac.Market(
        desk.grid,
        pd.Series(tape.price, desk.assets),
        volume=desk.table(tape.volume),
        covariance=ac.Covariance(tape.covariance),
    )
    rules = [desk.rule(rule) for rule in case.rules] + [desk.budget(budget) for budget in case.budgets]
    return ac.ExecutionProblem(desk.order(), market, sum(desk.cost(cost) for cost in case.costs), rules)


class Desk:
    """Labels of a case, and its terms in acopt's words."""

    def __init__(self, case):
        self.case, self.tape = case, case.tape
        self.assets = [f"A{i}" for i in range(len(case.tape.order))]
        stamps = None
        if case.tape.auctions.any():
            stamps = pd.date_range("2024-03-05 09:30", periods=len(case.tape.durations) + 1, freq="7min")
        self.grid = ac.TimeGrid(
            case.tape.edges, closed=case.tape.closed, auctions=case.tape.auctions, timestamps=stamps
        )

    def table(self, values):
        """Interval x asset."""
        shape = (len(self.tape.durations), len(self.assets))
        return pd.DataFrame(np.broadcast_to(values, shape), index=self.grid.labels, columns=self.assets)

    def series(self, values):
        """By asset."""
        return pd.Series(values, self.assets)

    def order(self):
        """Orders and hedge legs."""
        tape = self.tape
        legs = [a for a, hedge in zip(self.assets, tape.hedges, strict=True) if hedge]
        own = ~tape.hedges
        parts = []
        if own.any():
            initial = self.series(tape.order + tape.target)[own]
            parts.append(ac.Order(initial, self.series(tape.target)[own]))
        if legs:
            parts.append(ac.Order.hedge(legs))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def term(self, kind):
        """Return the method that declares costs or rules of a kind."""
        return getattr(self, re.sub(r"(?=[A-Z])", "_", kind).lower())

    def cost(self, cost):
        """One cost with its weight."""
        made = self.term(cost.kind)(cost.data)
        plain = cost.weight == 1.0 and cost.kind not in ("TimingRisk", "TrackingRisk")
        return made if plain else cost.weight * made

    def rule(self, rule):
        """One rule."""
        where = {}
        if rule.window is not None:
            edges = self.grid.edge_labels
            where["during"] = (edges[rule.window[0]], edges[rule.window[1]])
        if rule.assets is not None:
            where["assets"] = [a for a, chosen in zip(self.assets, rule.assets, strict=True) if chosen]
        if rule.penalty is not None:
            where["penalty_bps"] = rule.penalty
        return self.term(rule.kind)(rule.data, **where)

    def budget(self, budget):
        """Costs <= value."""
        value = budget.value
        if budget.bps:
            value = ac.bps(1e4 * budget.value / self.tape.gross)
        if budget.deviation:
            cost = budget.costs[0]
            return self.term(cost.kind)(cost.data) <= value
        total = [self.cost(cost) for cost in budget.costs]
        return (total[0] if len(total) == 1 else sum(total)) <= value

    # ---------------------------------------------------------------- costs

    def _temporary_impact(self, data):
        auctions = self.tape.auctions
        cross = data["eta"].ndim == 3
        at = None
        if auctions.any():
            at = data["auction"][auctions]
            at = at if cross else pd.DataFrame(at, self.grid.labels[auctions], self.assets)
        return ac.TemporaryImpact(data["eta"] if cross else self.table(data["eta"]), auction=at)

    def _permanent_impact(self, data):
        return ac.PermanentImpact(pd.DataFrame(data["gamma"], self.assets, self.assets), own=data["own"])

    def _spread_cost(self, data):
        by_asset = data["by asset"]
        return ac.SpreadCost(self.table(data["half"]) if by_asset is None else self.series(by_asset))

    def _covariance(self, data):
        if "factors" not in data:
            return None
        loads, middle, specific, scale = data["factors"]
        return ac.FactorModel(
            pd.DataFrame(loads, self.assets), middle, specific, scale=pd.Series(scale, self.grid.labels)
        )

    def _timing_risk(self, data):
        return ac.TimingRisk(self._covariance(data))

    def _tracking_risk(self, data):
        named = {"TWAP": ac.TWAP, "VWAP": ac.VWAP, "Close": ac.Close}
        if data["named"] in named:
            return ac.TrackingRisk(named[data["named"]](), self._covariance(data))
        path = np.vstack([self.tape.order, data["benchmark"]])
        return ac.TrackingRisk(pd.DataFrame(path, self.grid.edge_labels, self.assets), self._covariance(data))

    def _smoothness(self, data):
        return ac.Smoothness(data["derivative"], weight=self.series(data["mu"]))

    def _alpha(self, data):
        if "bps" in data:
            return ac.Alpha.from_bps(self.series(data["bps"]), data["half_life"])
        return ac.Alpha(self.table(data["drift"]))

    def _transient_impact(self, data):
        made = [kernel_of(kernel) for kernel in data["kernels"]]
        kernel = made[0] if len(made) == 1 else dict(zip(self.assets, made, strict=True))
        strength = data["strength"]
        diagonal = np.array_equal(strength, np.diag(np.diag(strength)))
        by_asset = self.series(np.diag(strength)) if diagonal else pd.DataFrame(strength, self.assets, self.assets)
        return ac.TransientImpact(kernel, by_asset, trade_at=data["trade_at"])

    def _power_impact(self, data):
        auctions = self.tape.auctions
        at = pd.DataFrame(data["auction"][auctions], self.grid.labels[auctions], self.assets)
        auction = at if auctions.any() else None
        return ac.PowerImpact(self.table(data["coefficient"]), data["exponent"], auction=auction)

    def _square(self, data):
        label, centre, size, money = self.assets[data["asset"]], data["centre"], data["size"], float(data["money"])
        return ac.CustomCost(
            lambda p: money * cp.sum_squares((p.asset(label).remaining - centre) / size), kind="money", name="Square"
        )

    def _peak(self, data):
        return ac.CustomCost(lambda p: data["factor"] * cp.max(cp.abs(p.notional)), name="Peak")

    def _norm(self, data):
        rows = data["rows"]
        return ac.CustomCost(lambda p: data["factor"] * cp.norm(p.notional[rows], "fro"), name="Norm")

    # ---------------------------------------------------------------- rules

    def _participation(self, data, **where):
        maximum = data["maximum"]
        maximum = self.table(maximum) if np.ndim(maximum) else maximum
        return ac.Participation(maximum, data["minimum"], **where)

    def _sides(self, data):
        return {side: self.table(data[side]) for side in ("lower", "upper") if np.isfinite(data[side]).any()}

    def _trade_rate(self, data, **where):
        return ac.TradeRate(**self._sides(data), **where)

    def _trade_size(self, data, **where):
        return ac.TradeSize(**self._sides(data), **where)

    def _monotone(self, data, **where):
        return ac.Monotone(**where)

    def _no_trade(self, data, **where):
        return ac.NoTrade(**where)

    def _holding_bounds(self, data, **where):
        sides = {side: self.series(data[side]) for side in ("lower", "upper") if np.isfinite(data[side]).any()}
        return ac.HoldingBounds(**sides, **where)

    def _dollar_neutral(self, data, **where):
        return ac.DollarNeutral(float(data["tolerance"][0]), of=data["of"], **where)

    def _cash_balance(self, data, **where):
        sides = {side: float(data[side]) for side in ("lower", "upper") if np.isfinite(data[side])}
        return ac.CashBalance(**sides, **where)

    def _factor_neutral(self, data, **where):
        exposures = pd.DataFrame(data["exposures"], self.assets).add_prefix("f")
        tolerance = pd.Series(data["tolerance"], exposures.columns)
        return ac.FactorNeutral(exposures, tolerance, of=data["of"], **where)

    def _group_neutral(self, data, **where):
        tolerance = dict(zip(sorted(set(data["groups"])), data["tolerance"], strict=True))
        return ac.GroupNeutral(self.series(data["groups"]), tolerance, of=data["of"], **where)

    def _allow_unfilled(self, data, **where):
        return ac.AllowUnfilled(**where)

    def _pair(self, data, **where):
        a, b = (self.assets[j] for j in data["pair"])
        return ac.CustomConstraint(lambda p: p.done(a) <= p.done(b) + data["room"], name="Pair")


def kernel_of(kernel):
    """One decay in acopt's words."""
    kind, *numbers = kernel
    if kind == "exponential":
        return ac.ExponentialDecay(rate=numbers[0])
    if kind == "power":
        return ac.PowerLawDecay(*numbers)
    if kind == "linear":
        return ac.LinearDecay(numbers[0])
    return lambda times: sum(share * np.exp(-rate * np.asarray(times)) for share, rate in numbers)
