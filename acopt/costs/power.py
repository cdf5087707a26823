"""What trading fast costs when impact is a power of the rate: a cone, solved as such."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from acopt.errors import DataError, ModelError
from acopt.market.impact_models import by_auction
from acopt.market.labels import Array, Data, called
from acopt.model.algebra import Cost, Parameters
from acopt.model.paths import Paths, Trajectory, scaled
from acopt.model.setting import Setting

STEEPEST = 4.0
"""Largest exponent that is accepted: beyond it the cone is too sharp to be solved within the contract."""
FLATTEST = 0.01
"""Smallest exponent that is accepted: below it impact hardly grows with the rate and is a spread."""


class PowerImpact(Cost):
    """
    Cost of trading fast, each share paying in proportion to a power of the rate at which it is traded.

    sum_k tau_k c_k |u_k / tau_k|^(1+b); in an auction, which has no rate, A_k |u_k|^(1+b)

    An exponent of 1 is quadratic, `TemporaryImpact` with eta = c; any other brings a power cone for every trade, and
    the problem is then no quadratic program. Without coefficient it is the law of the market's impact model as it
    stands, not the line through it: b = 1/2 for `SquareRootImpact`, 3/5 for `AlmgrenEtAl2005`.

    Parameters
    ----------
    coefficient : c, currency*time^b/share^(1+b): scalar (one asset), by asset, by interval, or both; the market's
        impact model by default.
    exponent : b, from 0.01 to 4, scalar or by asset; given with `coefficient`, and only then.
    auction : A, currency/share^(1+b): scalar (one asset), by asset, by auction, or both; the market's impact model by
        default, if `coefficient` is not given.

    Raises
    ------
    DataError
        A coefficient is negative, infinite or NaN, a label is missing, an exponent is out of range.
    ModelError
        Neither a coefficient nor an impact model in the market; only one of coefficient and exponent; a
        coefficient, but no `auction`, on a grid with auctions; an update that changes an exponent.

    References
    ----------
    Almgren (2003), section 2; Almgren, Thum, Hauptmann & Li (2005); Toth et al. (2011).
    """

    kind = "money"

    def __init__(
        self,
        coefficient: Data | None = None,
        exponent: Data | None = None,
        *,
        auction: Data | None = None,
        name: str | None = None,
    ) -> None:
        self.coefficient, self.exponent, self.auction = coefficient, exponent, auction
        self.name = called(name, type(self).__name__)
        if (coefficient is None) != (exponent is None):
            missing = "exponent" if exponent is None else "coefficient"
            raise ModelError(
                f"{self.name}: {missing}= is missing; give both (PowerImpact(1e-4, 0.5)), or neither, for the law of "
                "the market's impact model"
            )

    def powers(self, setting: Setting) -> Array:
        """1 + b (n,)."""
        return setting.once(self, "powers", lambda: self._powers(setting))

    def single(self, setting: Setting) -> Array:
        """K (N, n) with cost K |u|^(1+b) of a single trade: c / tau^b, A in auctions; infinite where no volume is."""
        return setting.once(self, "K", lambda: self._single(setting))

    def _powers(self, setting: Setting) -> Array:
        exponent = self._law(setting)[1] if self.exponent is None else self.exponent
        what = f"{self.name} exponent"
        b = setting.per_asset(exponent, what, sign="positive")
        wrong = np.flatnonzero((b < FLATTEST) | (b > STEEPEST))
        if len(wrong):
            raise DataError(
                f"{what} is {b[wrong[0]]:g} for {setting.assets[wrong[0]]}; a number from {FLATTEST:g} to {STEEPEST:g} "
                "is expected (1/2 is the square-root law, 1 is linear impact; SpreadCost has exponent 0)"
            )
        return 1.0 + b

    def _single(self, setting: Setting) -> Array:
        grid = setting.grid
        auctions = grid.auctions[:, None]
        if self.coefficient is None:
            out = self._law(setting)[0]
            what = f"{self.name}: the coefficient of {type(setting.market.impact).__name__}"
            out = setting.coefficient(out, what, sign="nonnegative", infinite=True)
        else:
            tau = np.where(auctions, 1.0, setting.durations)
            out = self._rated(setting) / tau ** (self.powers(setting) - 1.0)
        if self.auction is None and (self.coefficient is None or not grid.auctions.any()):
            return out
        return np.where(auctions, self._in_auction(setting), out)

    def _rated(self, setting: Setting) -> Array:
        """Align c (N, n), where it is given."""
        what = f"{self.name} coefficient"
        return setting.coefficient(self.coefficient, what, sign="nonnegative", price_units=True)  # type: ignore[arg-type]

    def _in_auction(self, setting: Setting) -> Array:
        """Align A (N, n), where it is given; 0 outside auctions."""
        if self.auction is None:
            raise ModelError(
                f"{self.name}: the grid has auctions, in which a trade has no rate and the coefficient does not apply; "
                "give auction=, currency/share^(1+b)"
            )
        return by_auction(self.auction, setting.grid, setting.assets, f"{self.name} auction")

    def _law(self, setting: Setting) -> tuple[Array, Array]:
        """Return the law of the market's impact model, as `ImpactModel.power` states it."""
        model = setting.market.impact
        if model is None:
            raise ModelError(
                f"{self.name} has no coefficient: give it coefficient= and exponent=, or give the market an impact "
                "model (Market(impact=SquareRootImpact(...)), AlmgrenEtAl2005)"
            )
        if not hasattr(model, "power"):
            raise ModelError(
                f"{self.name}: {type(model).__name__} does not say which power law it is (a method power(market)); "
                "give coefficient= and exponent="
            )
        return model.power(setting.market)

    def curvature(self, setting: Setting) -> Array | None:
        """K of the assets with b = 1, which are quadratic."""
        quadratic = self.powers(setting) == 2.0
        return np.where(quadratic, self.single(setting), 0.0) if quadratic.any() else None

    def typical_curvature(self, setting: Setting) -> Array | None:
        """Parabola that meets the cost at its natural trade."""
        size, unit = self._natural(setting)
        curved = np.isfinite(unit) & (unit > 0) & (self.powers(setting) != 2.0)
        return np.divide(size, unit**2, out=np.zeros(setting.shape), where=curved) if curved.any() else None

    def _natural(self, setting: Setting) -> tuple[float, Array]:
        """
        Return the cost of the costliest order traded at once, and the trades (N, n) that cost as much.

        Infinite where a trade costs nothing, 0 where none is possible.
        """
        return setting.once(self, "natural", lambda: self._sized(setting))

    def _sized(self, setting: Setting) -> tuple[float, Array]:
        single, powers = self.single(setting), self.powers(setting)
        reach = np.abs(setting.remaining)
        costs = np.where(np.isfinite(single), single, 0.0) * reach**powers
        size = float(costs.max(initial=0.0)) or 1.0
        with np.errstate(divide="ignore", over="ignore"):
            return size, (size / single) ** (1.0 / powers)

    def parameters(self, setting: Setting, weight: float) -> dict[str, Array]:
        """
        Return what one unit inside the cones costs, and how many of them a share is, by exponent.

        Exponents belong to the structure of the program: they and their columns are in the names of its data, so that
        an update cannot change them. Without weight no trade reaches the cones, which then cost nothing.
        """
        size, unit = self._natural(setting)
        per_unit = np.divide(1.0, unit, out=np.zeros(setting.shape), where=(unit > 0) & (weight > 0))
        powers = self.powers(setting)
        conic = np.unique(powers[powers != 2.0])
        groups = {f"{power!r} {' '.join(map(str, np.flatnonzero(powers == power)))}": power for power in conic.tolist()}
        out = {f"per_unit {key}": per_unit[:, powers == power] for key, power in groups.items()}
        return {**out, "size": np.asarray(weight * size if weight > 0 else size)} if out else {}

    def expression(self, path: Paths, data: Parameters) -> cp.Expression | None:
        """Sum of t, t >= |u / unit|^(1+b); a unit makes them of order one, from 1e2 to 1e9 shares."""
        total: cp.Expression = cp.Constant(0.0)
        for key in data:
            if key == "size":
                continue
            power, *columns = key.split()[1:]
            trades = path.trades[:, list(map(int, columns))]
            inside = cp.Variable(trades.shape, name=f"{self.name} inside")
            paid = cp.Variable(trades.shape, name=f"{self.name} paid")
            path.definitions += [
                inside == scaled(data[key], trades),
                cp.power(cp.abs(inside), float(power), approx=False) <= paid,
            ]
            total = total + cp.sum(paid)
        return data["size"] * total if "size" in data else None

    def values(self, path: Trajectory) -> Array:
        """tau c |u / tau|^(1+b), or what the market's law charges; A |u|^(1+b) in an auction."""
        setting, u = path.setting, path.trades
        auctions = np.broadcast_to(setting.grid.auctions[:, None], u.shape)
        if self.coefficient is None:
            model = setting.market.impact
            paid = None if model is None else model.law(setting.market, u)
            paid = _paid(self.single(setting), u, self.powers(setting)) if paid is None else paid
        else:
            rates = np.where(auctions, 0.0, path.rates)
            paid = setting.durations * self._rated(setting) * np.abs(rates) ** self.powers(setting)
        if self.auction is None:
            return paid
        return np.where(auctions, _paid(self._in_auction(setting), u, self.powers(setting)), paid)


def _paid(single: Array, trades: Array, powers: Array) -> Array:
    """K |u|^(1+b), nothing where nothing trades."""
    return np.multiply(single, np.abs(trades) ** powers, out=np.zeros_like(trades), where=trades != 0)
