"""Between a term and its table: one list of classes, and one list of fields, read and written by the same forms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from acopt.constraints import budget, portfolio, soft, trading, under_market
from acopt.constraints import custom as custom_rules
from acopt.costs import alpha, custom, impact, power, risk, smoothness, transient, worst_case
from acopt.errors import AcoptError, ModelError
from acopt.market import impact_models, kernels, what_if
from acopt.market.market import Market
from acopt.model.algebra import Constraint, Cost, Objective, Term
from acopt.model.functions import FAILURES
from acopt.model.setting import Setting
from acopt.spec import compound, costs, rules
from acopt.spec.axes import Axes
from acopt.spec.forms import Data, Form, Risk, covariance_of, text_of
from acopt.spec.own import Arguments, Function, imported, name_of
from acopt.spec.tables import Table, form_of

CLASSES: Mapping[str, type] = {
    made.__name__: made
    for made in (
        *(impact.TemporaryImpact, impact.PermanentImpact, impact.SpreadCost, alpha.Alpha, custom.CustomCost),
        *(risk.TimingRisk, risk.TrackingRisk, smoothness.Smoothness, smoothness.Jerk),
        *(trading.Participation, trading.TradeRate, trading.TradeSize, trading.Monotone, trading.NoTrade),
        *(trading.AllowUnfilled, trading.Complete, portfolio.HoldingBounds, portfolio.CashBalance),
        *(portfolio.DollarNeutral, portfolio.FactorNeutral, portfolio.GroupNeutral, custom_rules.CustomConstraint),
        *(impact_models.LinearImpact, impact_models.SquareRootImpact),
        *(impact_models.AlmgrenEtAl2005, impact_models.ImpactCoefficients, what_if.ScaledImpact),
        *(power.PowerImpact, transient.TransientImpact, worst_case.WorstCase, budget.Budget),
        *(trading.Unfilled, soft.SoftRule, under_market.UnderMarket, under_market.Unpriced),
        *(kernels.ExponentialDecay, kernels.PowerLawDecay, kernels.LinearDecay),
    )
}
KEYWORDS = {"mu": "weight", "limit_bps": "limit", "law": "model"}
"""Keys that are called otherwise in Python: a table's weight is that of the term."""
APART = {"type", "model", "weight", "arguments"}
"""Keys that are no keywords."""
HOLDERS = (budget.Budget, under_market.UnderMarket, soft.SoftRule)
"""What is called after what it holds, and not after its class."""

DECAYS = (*get_args(costs.DecayTable), costs.OwnDecayTable)
"""Tables of kernels."""
LAWS = (*get_args(costs.ImpactTable), costs.OwnImpactTable)
"""Tables of impact models."""
RULES = (*get_args(compound.ConstraintTable), rules.OwnConstraintTable)
"""Tables of constraints."""


def _tables(union: Any, key: str) -> Iterator[tuple[str, type[Table]]]:
    """Names of classes and their tables."""
    for table in get_args(union):
        for name in get_args(table.model_fields[key].annotation):
            yield name, table


TABLES: Mapping[str, type[Table]] = dict(
    [
        *_tables(compound.CostTable, "type"),
        *_tables(compound.ConstraintTable, "type"),
        *_tables(costs.ImpactTable, "model"),
        *_tables(costs.DecayTable, "type"),
    ]
)


def made(table: Any, axes: Axes, where: str) -> Any:
    """Return the object of a table: its class by name, or by the path of one's own, its keys as keywords."""
    name = getattr(table, "model", None) or table.type
    keywords: dict[str, Any] = {}
    for key in type(table).model_fields:
        if key in table.model_fields_set and key not in APART:
            value, form, at = getattr(table, key), form_of(type(table), key), f"{where}.{key}"
            keywords[KEYWORDS.get(key, key)] = _made_within(value, form, axes, at)
    if ":" in name:
        return _own(table, name, keywords, axes, where)
    with axes.source.naming(where):
        return (alpha.Alpha.from_bps if name == "Alpha" and "half_life" in keywords else CLASSES[name])(**keywords)


def written(term: Any, setting: Setting) -> dict[str, Any]:
    """Return the table of a cost, a rule or an impact model, without its weight."""
    key, kind = _head(term), type(term).__name__
    if CLASSES.get(kind) is not type(term):
        return _own_written(term, setting)
    maker: Callable[..., Any] = type(term)
    if isinstance(term, alpha.Alpha) and term.drift is None:
        maker = alpha.Alpha.from_bps
    accepted = inspect.signature(maker).parameters
    found = {
        each: form_of(TABLES[kind], each)
        for each in TABLES[kind].model_fields
        if each not in APART and KEYWORDS.get(each, each) in accepted
    }
    return {key: kind, **_fields(term, found, setting)}


def weighted(term: Term, setting: Setting) -> dict[str, Any]:
    """Return the table of a cost with its weight."""
    weight = {} if term.weight is None else {"weight": float(term.weight)}
    return {**written(term.cost, setting), **weight}


def market_of(table: costs.MarketTable, spread: Any, axes: Axes, where: str) -> Market:
    """Return the market of a table, at the file's prices."""
    volume = None if table.volume is None else axes.data(table.volume, f"{where}.volume")
    risk = None if table.covariance is None else covariance_of(table.covariance, axes, f"{where}.covariance")
    law = None if table.impact is None else made(table.impact, axes, f"{where}.impact")
    with axes.source.naming(where):
        return Market(
            axes.grid, axes.price, volume=volume, covariance=risk, spread=spread, impact=law, notes=table.notes
        )


def market_written(market: Market, setting: Setting) -> dict[str, Any]:
    """Return the table of a market for the assets of a setting, without prices and spread."""
    setting, table = setting.but(market=market), dict[str, Any]()
    if market.notes:
        table["notes"] = list(market.notes)
    if market.has_volume:
        table["volume"] = Data().shortest(market.volumes, market.assets)
    if market.covariance is not None:
        table["covariance"] = Risk().write(market.covariance, setting, market)
    if market.impact is not None:
        table["impact"] = written(market.impact, setting)
    return table


def _scenario_of(table: costs.ScenarioTable, axes: Axes, where: str) -> Market:
    spread = None if table.spread is None else axes.data(table.spread, f"{where}.spread")
    return market_of(table, spread, axes, where)


def _scenario_written(market: Market, setting: Setting) -> dict[str, Any]:
    market = market.select(setting.assets)
    spread = {"spread": Data(priced=True).shortest(market.spreads[None], market.assets)} if market.has_spread else {}
    return {**spread, **market_written(market, setting)}


def objective(tables: tuple[Any, ...], axes: Axes, where: str) -> Objective:
    """Return the sum of the costs of tables."""
    return Objective(tuple(Term(each.weight, made(each, axes, f"{where}[{i}]")) for i, each in enumerate(tables)))


def _made_within(value: Any, form: Form, axes: Axes, where: str) -> Any:
    """Return the objects of tables within a table (costs, a rule, kernels, markets); else what the form reads."""
    if isinstance(value, tuple) and value and isinstance(value[0], costs.CostBase):
        return objective(value, axes, where)
    if isinstance(value, RULES) and getattr(value, "weight", None) is not None:
        axes.source.refuse(f"{where}.weight", "the rule has no cost to be weighted")
    if isinstance(value, DECAYS + LAWS + RULES):
        return made(value, axes, where)
    if isinstance(value, costs.ScenarioTable):
        return _scenario_of(value, axes, where)
    if isinstance(value, dict) and all(isinstance(each, costs.ScenarioTable) for each in value.values()):
        return {name: _scenario_of(each, axes, f"{where}.{name}") for name, each in value.items()}
    if isinstance(form, Function) and isinstance(value, dict):
        return {label: _made_within(each, form, axes, f"{where}.{label}") for label, each in value.items()}
    return form.read(value, axes, where)


def _written_within(value: Any, form: Form, setting: Setting, term: Any) -> Any:
    """Return the tables of costs, rules, kernels and markets; else what the form writes."""
    if isinstance(value, Cost | Objective):
        return [weighted(each, setting) for each in value._terms()]
    law = isinstance(term, what_if.ScaledImpact) and value is term.model
    if law or isinstance(value, kernels.Kernel | Constraint):
        return written(value, setting)
    if isinstance(value, Market):
        return _scenario_written(value, setting)
    if isinstance(value, Mapping) and all(isinstance(each, Market) for each in value.values()):
        return {text_of(name): _scenario_written(value[name], setting) for name in value}
    if isinstance(form, Function) and isinstance(value, Mapping):
        each = {text_of(label): _written_within(value[label], form, setting, term) for label in setting.assets}
        first, *rest = each.values()
        return first if all(one == first for one in rest) else each
    return form.write(value, setting, term)


def _head(term: Any) -> str:
    return "type" if isinstance(term, Cost | Constraint | kernels.Kernel) else "model"


def _fields(term: Any, forms: Mapping[str, Form], setting: Setting) -> dict[str, Any]:
    """Return what the fields hold; a name that is the class's own, and what was left out, are left out."""
    out = {}
    for key, form in forms.items():
        value = _attribute(term, KEYWORDS.get(key, key))
        if value is None or (key == "name" and value == type(term).__name__ and not isinstance(term, HOLDERS)):
            continue
        if (found := _written_within(value, form, setting, term)) is not None:
            out[key] = found
    return out


def _attribute(term: Any, keyword: str) -> Any:
    """Return what was given for a keyword, which objects keep under its name."""
    if isinstance(term, worst_case.WorstCase) and keyword == "objective":
        return Objective(term.terms)
    if isinstance(term, worst_case.WorstCase) and keyword == "less":
        # Nothing taken off, and a worst case that is money, is what it is without the keyword.
        relative = term.kind == "penalty" and all(each.cost.kind == "money" for each in term.terms)
        return term.less if relative or any(term.less.values()) else None
    for name in (keyword, f"_{keyword}"):
        if hasattr(term, name):
            return getattr(term, name)
    raise ModelError(
        f"{_called(term)}: its keyword {keyword} cannot be written to a file, for the object does not keep it; store "
        f"it, self.{keyword} = {keyword}"
    )


def _called(term: Any) -> str:
    return str(getattr(term, "name", "") or type(term).__name__)


# ------------------------------------------------------------------ classes of one's own


def _own(table: Any, name: str, keywords: dict[str, Any], axes: Axes, where: str) -> Any:
    source, found = axes.source, imported(name, axes.source, where)
    base = next(each for each, own in _OWN.items() if own is type(table))
    if not isinstance(found, type) or not issubclass(found, base):
        wanted = "a class" if base is object else f"a class that extends acopt.{base.__name__}"
        source.refuse(where, f"{name} is {found!r:.60}; {wanted} is expected")
    keywords |= Arguments().read(table.arguments, axes, f"{where}.arguments")
    try:
        inspect.signature(found).bind(**keywords)
    except TypeError as error:
        source.refuse(where, f"{name} does not take what the table says: {error}")
    with source.naming(where):
        try:
            return found(**keywords)
        except AcoptError:
            raise
        except FAILURES as error:
            raise ModelError(f"{name} cannot be made: {error}") from error


def _own_written(term: Any, setting: Setting) -> dict[str, Any]:
    """Its class by path, what all terms have in keys of their own, the other keywords in a table of arguments."""
    called = _called(term)
    path, table = name_of(type(term), called), next(own for base, own in _OWN.items() if isinstance(term, base))
    accepted = inspect.signature(type(term)).parameters
    common = {each: form_of(table, each) for each in table.model_fields if each not in APART and each in accepted}
    out = {_head(term): path, **_fields(term, common, setting)}
    if called != type(term).__name__ and "name" not in accepted and isinstance(term, Cost | Constraint):
        raise ModelError(
            f"{called}: its class {type(term).__name__} takes no name=, so that a file cannot tell its name; accept "
            "name= and store it"
        )
    arguments = {}
    for keyword, parameter in accepted.items():
        if keyword in common or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        value = _attribute(term, keyword)
        if value is not None:
            kind = "" if called == type(term).__name__ else f" ({type(term).__name__})"
            arguments[keyword] = Arguments().write(value, setting, f"{called}{kind} {keyword}")
        elif parameter.default is not None:
            raise ModelError(f"{called}: its {keyword} is None, for which a file has no word; let None be its default")
    return {**out, "arguments": arguments} if arguments else out


_OWN: Mapping[type, type[Table]] = {
    Cost: costs.OwnCostTable,
    Constraint: rules.OwnConstraintTable,
    kernels.Kernel: costs.OwnDecayTable,
    object: costs.OwnImpactTable,
}
"""What a class of one's own extends (an impact model: nothing), and its table."""
