"""Policies on simulated days: the same ones for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd

from acopt.adaptive.decisions import Demands
from acopt.adaptive.drawn import checked, forecast
from acopt.adaptive.execution import money
from acopt.adaptive.prices import ArithmeticBrownian, PriceModel
from acopt.adaptive.progress import progress_bar
from acopt.adaptive.recorded import RecordedPrices
from acopt.adaptive.results import Against, SimulationResult
from acopt.adaptive.slippage import PriceGains
from acopt.adaptive.state import Policy, State
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume
from acopt.costs.alpha import Alpha
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.errors import DataError, ModelError
from acopt.insight.words import count
from acopt.market.clock import integer
from acopt.market.labels import Array, demand, short
from acopt.market.market import Market
from acopt.market.order import Order
from acopt.model.algebra import Cost, Objective
from acopt.model.benchmarks import Benchmark
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Schedule
from acopt.model.setting import Setting

CELLS = 2**17
"""Paths x intervals x assets of one block of days: what fits a processor's cache."""
LEAST = 128
"""Paths of a block, however large the problem."""
MOST = 10**8
"""Days of a run: what their costs still fit into memory for."""
SEEDS = 2**63 - 1


@dataclass(frozen=True)
class SimulatedMarket:
    """
    A market whose days can be drawn.

    Parameters
    ----------
    market : what is expected of it, and all that a policy is told.
    prices : how the midprice moves without our impact; `ArithmeticBrownian()` with the market's covariance by default.
    volume : how volumes scatter about the expected ones; they are as expected by default.
    volatility : how the volatility does; as expected by default.
    costs : money costs, weights included; by default `TemporaryImpact() + PermanentImpact()` where the market has an
        impact model, and `SpreadCost()` where it has a spread.

    Raises
    ------
    DataError
        Something else than these was given.
    ModelError
        A cost that is no money cost, or a view on prices (`Alpha`), which belongs to `prices`.

    Notes
    -----
    Coefficients that follow the market's participation laws are charged at the volume that came: temporary impact with
    eta ~ 1/V, `PowerImpact` of exponent b with V^-b. Coefficients given outright are charged as given; permanent impact
    goes by the average daily volume, and stays.
    """

    market: Market
    prices: PriceModel = field(default_factory=ArithmeticBrownian, kw_only=True)
    volume: StochasticVolume | None = field(default=None, kw_only=True)
    volatility: StochasticVolatility | None = field(default=None, kw_only=True)
    costs: Cost | Objective | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check what was given."""
        demand(self.market, Market, "SimulatedMarket market")
        if isinstance(self.prices, type) or not isinstance(self.prices, PriceModel):
            raise DataError(
                f"SimulatedMarket prices: {short(self.prices)} was given, a price model such as ArithmeticBrownian() "
                "is expected"
            )
        for name, kind in (("volume", StochasticVolume), ("volatility", StochasticVolatility)):
            if getattr(self, name) is not None:
                demand(getattr(self, name), kind, f"SimulatedMarket {name}")
        if self.volume is not None and not self.market.has_volume:
            raise ModelError("SimulatedMarket volume: the market has no expected volume to scatter about")
        self.objective()

    @classmethod
    def of(
        cls,
        problem: ExecutionProblem,
        *,
        prices: PriceModel | None = None,
        volume: StochasticVolume | None = None,
        volatility: StochasticVolatility | None = None,
    ) -> Self:
        """
        Return the market of a problem, charging what the problem does: its money costs, weights included.

        Its risks and the penalties of its soft rules are no money, and its views on prices (`Alpha`) none that a day
        charges: they stay out.

        Parameters
        ----------
        problem : whose market and money costs are taken.
        prices, volume, volatility : as in `SimulatedMarket`.
        """
        demand(problem, ExecutionProblem, "SimulatedMarket.of problem")
        terms = (t for t in problem.objective.terms if t.cost.kind == "money" and not isinstance(t.cost, Alpha))
        prices = ArithmeticBrownian() if prices is None else prices
        return cls(problem.market, prices=prices, volume=volume, volatility=volatility, costs=Objective(tuple(terms)))

    def objective(self) -> Objective:
        """Return the money costs."""
        if self.costs is not None:
            return _of_money(self.costs)
        costs = Objective(())
        if self.market.impact is not None:
            costs = costs + TemporaryImpact() + PermanentImpact()
        return costs + SpreadCost() if self.market.has_spread else costs

    def setting(self, order: Order) -> Setting:
        """Return an order in this market as it is expected to be, and where nothing can trade."""
        demand(order, Order, "simulate order")
        setting = Setting(order, self.market.select(order.assets))
        forbidden = np.broadcast_to(setting.grid.closed[:, None], setting.shape)
        if setting.market.has_volume:
            forbidden = forbidden | (setting.market.volumes == 0)
        return setting.but(forbidden=np.array(forbidden))


@dataclass(frozen=True)
class Days:
    """
    Days drawn before any policy acts.

    Attributes
    ----------
    changes, signal : (paths, N, n), see `Drawn`.
    volumes : (paths, N, n), shares that came; None where they are as expected, or unknown.
    """

    changes: Array
    signal: Array
    volumes: Array | None


def draw_days(market: SimulatedMarket, setting: Setting, n_paths: int, seed: int) -> Iterator[Days]:
    """
    Draw days in blocks, each from its own child of the seed.

    The days depend on the market, the order's assets and the seed alone: those of a shorter run are the first of a
    longer one. Volatility, volumes and prices have streams of their own, so that one does not move another.
    """
    limit = getattr(market.prices, "days", None)
    if limit is not None and n_paths > limit:
        more = (
            "; from_bars(bars, grids) takes one grid for each day" if isinstance(market.prices, RecordedPrices) else ""
        )
        raise DataError(f"simulate n_paths={n_paths}: {short(market.prices)} has {count(limit, 'day')}{more}")
    size = max(LEAST, CELLS // (setting.shape[0] * setting.shape[1])) if limit is None else limit
    for block, start in enumerate(range(0, n_paths, size)):
        streams = np.random.SeedSequence(seed, spawn_key=(block,)).spawn(3)
        prices, volume, volatility = (np.random.default_rng(stream) for stream in streams)
        # A whole block each time: what is left of the last one is the same as in a longer run, to the bit.
        shocks = None if market.volatility is None else market.volatility.shocks(setting, size, volatility)
        scale = None if market.volatility is None or shocks is None else market.volatility.scale(setting, shocks)
        drawn = checked(market.prices.draw(setting, size, prices, scale), market.prices, (size, *setting.shape))
        volumes = drawn.volumes
        if volumes is not None and market.volume is not None:
            raise ModelError(
                f"SimulatedMarket volume: {short(market.prices)} says already which volumes came; leave one of them out"
            )
        if market.volume is not None:
            volumes = setting.market.volumes * market.volume.factors(setting, size, volume, shocks)
        keep = min(size, n_paths - start)
        yield Days(drawn.changes[:keep], drawn.signal[:keep], None if volumes is None else volumes[:keep])


def simulate(
    policy: Policy,
    order: Order,
    market: SimulatedMarket | Market,
    n_paths: int,
    seed: int,
    *,
    progress: bool = False,
) -> SimulationResult:
    """
    Execute an order by a policy on many simulated days.

    cost of a day = money costs of its trades - sum_k dS_k' x_k,  x_k held after trade k

    Every policy meets the same days: they are drawn from the seed in blocks, before it acts, and the first days
    of a longer run are those of a shorter one.

    Parameters
    ----------
    policy : decides interval by interval, for a block of days at once; each block starts at interval 0.
    order, market : a plain `Market` is a `SimulatedMarket` of it: Brownian prices, volumes as expected.
    n_paths : number of days, from 1 to 100 million.
    seed : a whole number >= 0; the same seed gives the same result to the bit.
    progress : show a bar (extra "cli").

    Raises
    ------
    DataError
        Something else than these was given, or data that do not fit the order.
    ModelError
        A decision of the wrong shape, that is not finite, that trades where nothing can, that passes the target (unless
        the policy says `overshoots = True`), or that leaves something after the last interval; names the policy, the
        interval, the asset, the value and the path.
    """
    market = market if isinstance(market, SimulatedMarket) else SimulatedMarket(market)
    setting = market.setting(order)
    n_paths, seed = _whole(n_paths, "n_paths", 1, MOST), _whole(seed, "seed", 0, SEEDS)
    _check_policy(policy)
    name, costs, prices = name_of(policy), market.objective(), PriceGains(setting)
    impact, moves, traded = np.empty(n_paths), np.empty(n_paths), np.zeros(n_paths)
    total = np.zeros(setting.shape)
    start = 0
    with progress_bar(f"simulating {name}", n_paths * setting.shape[0], progress) as advance:
        for days in draw_days(market, setting, n_paths, seed):
            rows = slice(start, start + len(days.changes))
            demands = Demands(name, policy, setting, start)
            trades, held = _Run(policy, market.prices, setting, days, demands).trade(advance)
            impact[rows] = demands.priced(money(costs, setting, trades, days.volumes), trades, days.volumes)
            moves[rows] = np.einsum("pki,i->p", days.changes, setting.remaining)
            if days.volumes is not None:
                traded[rows] = days.volumes.sum(axis=(1, 2))
            prices.add(days.changes, held, days.volumes)
            total += trades.sum(axis=0)
            start = rows.stop
    average = pd.DataFrame(total / n_paths, index=setting.grid.labels, columns=setting.assets)
    return SimulationResult(
        name,
        n_paths,
        seed,
        setting.gross,
        impact,
        prices.all(),
        moves,
        traded,
        average,
        prices.unavailable,
        charged=repr(costs) if costs.terms else "nothing",
        recorded=getattr(market.prices, "days", None) is not None,
    )


def compare_policies(
    policies: Mapping[str, Policy],
    order: Order,
    market: SimulatedMarket | Market,
    n_paths: int,
    seed: int,
    *,
    against: Against = "arrival",
    progress: bool = False,
) -> pd.DataFrame:
    """
    Run policies on the same days and lay them side by side, one row each, in bps.

    Returns
    -------
    DataFrame
        Indexed by policy: `mean_bps` of slippage and its `std_error`; `std_bps`; `q95_bps`, below which 95% of days
        stay; `tail95_bps`, mean of the worst 5%; `difference_bps`, mean difference from the first policy day by day,
        its `difference_error`, and `better`, share of the days that cost less than with the first.

    Raises
    ------
    DataError, ModelError
        As `simulate`; `policies` is no mapping of names, or empty.
    """
    if not isinstance(policies, Mapping) or not policies:
        raise DataError(f"compare_policies: {short(policies)} was given, a mapping of names to policies is expected")
    results = {key: simulate(p, order, market, n_paths, seed, progress=progress) for key, p in policies.items()}
    first = next(iter(results.values()))
    rows = {}
    for key, result in results.items():
        paired = result.against(first, against)
        rows[key] = {
            "mean_bps": result.mean(against),
            "std_error": result.std_error(against),
            "std_bps": result.std(against),
            "q95_bps": result.quantile(0.95, against),
            "tail95_bps": result.tail(0.95, against),
            "difference_bps": paired.difference,
            "difference_error": paired.std_error,
            "better": paired.better,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "policy"
    table.columns.name = f"against {against}"
    table.attrs = {"against": against, "n_paths": first.n_paths, "seed": first.seed, "charged": first.charged}
    return table


def name_of(policy: Policy) -> str:
    """Return a policy's name: its `name`, or that of its class."""
    return str(getattr(policy, "name", type(policy).__name__))


class _Run:
    """One policy on one block of days; what has not happened yet is nowhere in what the policy is given."""

    def __init__(self, policy: Policy, model: PriceModel, setting: Setting, days: Days, demands: Demands) -> None:
        self.policy, self.model, self.setting, self.days, self.demands = policy, model, setting, days, demands

    def trade(self, advance: Callable[[int], None]) -> tuple[Array, Array]:
        """Return trades (paths, N, n) and what is held after each (paths, N, n), shares still to trade."""
        paths, n, m = self.days.changes.shape
        trades, shown, held = (np.zeros((paths, n, m)) for _ in range(3))
        prices, volumes = np.full((paths, n + 1, m), np.nan), np.full((paths, n, m), np.nan)
        prices[:, 0], x = self.setting.market.prices, np.tile(self.setting.remaining, (paths, 1))
        for k in range(n):
            # What is paid for is not in what the policy is given, whatever it does to that.
            decision = self.policy.decide(self._state(k, x.copy(), shown, prices, volumes))
            trades[:, k] = self.demands.checked(decision, k, x)
            shown[:, k] = trades[:, k]
            x = x + trades[:, k]
            held[:, k] = x
            prices[:, k + 1] = prices[:, k] + self.days.changes[:, k]
            if self.days.volumes is not None:
                volumes[:, k] = self.days.volumes[:, k]
            elif self.setting.market.has_volume:
                volumes[:, k] = self.setting.market.volumes[k]
            advance(paths)
        held[:, -1] = self.demands.finished(x)
        return trades, held

    def _state(self, k: int, x: Array, trades: Array, prices: Array, volumes: Array) -> State:
        signal = self.days.signal[:, k].copy()
        seen = _read_only(prices[:, : k + 1])
        # Recorded prices hold the days to come, and expect nothing of them, as these do.
        model = ArithmeticBrownian() if isinstance(self.model, RecordedPrices) else self.model
        return State(
            self.setting,
            k,
            _read_only(x),
            _read_only(trades[:, :k]),
            seen,
            _read_only(volumes[:, :k]),
            _read_only(signal),
            partial(forecast, model, self.setting, k, seen, _read_only(signal)),
            prices_model=type(self.model).__name__,
        )


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _of_money(costs: Any) -> Objective:
    if isinstance(costs, type) or not isinstance(costs, Cost | Objective):
        raise DataError(f"SimulatedMarket costs: {short(costs)} was given, a cost or a sum of costs is expected")
    objective = Objective(costs._terms())
    for term in objective.terms:
        if term.cost.kind != "money":
            raise ModelError(
                f"SimulatedMarket costs: {term.cost.name} is a {term.cost.kind} and no money; what days cost is summed "
                "from money costs alone"
            )
        if isinstance(term.cost, Alpha):
            raise ModelError(
                f"SimulatedMarket costs: {term.cost.name} is a view on prices, which benchmarks have to follow too: "
                "give it to the prices, ArithmeticBrownian(drift=...) or RevertingDrift(rate, start=...)"
            )
    return objective


def _check_policy(policy: Any) -> None:
    """Demand an object with decide(state)."""
    if isinstance(policy, Policy) and not isinstance(policy, type):
        return
    hint = ""
    if isinstance(policy, type):
        hint = f"; write {policy.__name__}(...)"
    elif isinstance(policy, str | Schedule | Benchmark | pd.DataFrame):
        hint = "; ac.StaticPolicy(...) makes one of a schedule, a benchmark, 'twap' or 'vwap'"
    raise DataError(f"simulate policy: {short(policy)} was given, an object with decide(state) is expected{hint}")


def _whole(value: Any, what: str, least: int, most: int) -> int:
    found = integer(value)
    if found is None or not least <= found <= most:
        raise DataError(f"simulate {what}={short(value)}: a whole number from {least} to {most:,} is expected")
    return found
