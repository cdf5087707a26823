"""Declare what an execution should cost and obey; get the optimal schedule, with its proof."""

from acopt.constraints.budget import Budget
from acopt.constraints.custom import CustomConstraint
from acopt.constraints.portfolio import CashBalance, DollarNeutral, FactorNeutral, GroupNeutral, HoldingBounds
from acopt.constraints.position_bounds import PositionBounds
from acopt.constraints.trading import (
    AllowUnfilled,
    Complete,
    Monotone,
    NoTrade,
    Participation,
    TradeBounds,
    TradeRate,
    TradeSize,
)
from acopt.constraints.under_market import UnderMarket
from acopt.costs.alpha import Alpha
from acopt.costs.custom import CustomCost
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.power import PowerImpact
from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.costs.smoothness import Jerk, Smoothness
from acopt.costs.transient import TransientImpact
from acopt.costs.worst_case import WorstCase
from acopt.errors import (
    AcoptError,
    DataError,
    InfeasibleError,
    MissingExtraError,
    ModelError,
    SolverError,
    UnboundedError,
)
from acopt.insight.conflicts import Conflict, Repair
from acopt.insight.diagnosis import Diagnosis
from acopt.insight.lots import RoundedSchedule, Rounding
from acopt.insight.relaxation import Relaxation
from acopt.insight.replanning import Replan
from acopt.insight.replay import Replay
from acopt.insight.replay_days import ReplayStudy, replay_days
from acopt.insight.strategies import almgren_chriss, compare, immediate, pov, twap, vwap
from acopt.market.bars import Bars, read_bars
from acopt.market.covariance import Covariance, FactorModel
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import AlmgrenEtAl2005, ImpactCoefficients, LinearImpact, SquareRootImpact
from acopt.market.kernels import ExponentialDecay, LinearDecay, PowerLawDecay
from acopt.market.market import Market, bps
from acopt.market.order import Order
from acopt.market.what_if import what_if
from acopt.model.algebra import Constraint, Cost, Objective
from acopt.model.benchmarks import TWAP, VWAP, Benchmark, Close
from acopt.model.cross_check import CrossCheck
from acopt.model.paths import dot, scaled
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Certificate, Schedule, Urgency
from acopt.spec.files import list_problems, load_problem
from acopt.spec.writer import save_problem
from acopt.sweeps.frontier import Frontier
from acopt.sweeps.regret import Regret, regret
from acopt.sweeps.robust import RobustPlan, robust

__all__ = [
    "TWAP",
    "VWAP",
    "AcoptError",
    "AllowUnfilled",
    "AlmgrenEtAl2005",
    "Alpha",
    "Bars",
    "Benchmark",
    "Budget",
    "CashBalance",
    "Certificate",
    "Close",
    "Complete",
    "Conflict",
    "Constraint",
    "Cost",
    "Covariance",
    "CrossCheck",
    "CustomConstraint",
    "CustomCost",
    "DataError",
    "Diagnosis",
    "DollarNeutral",
    "ExecutionProblem",
    "ExponentialDecay",
    "FactorModel",
    "FactorNeutral",
    "Frontier",
    "GroupNeutral",
    "HoldingBounds",
    "ImpactCoefficients",
    "InfeasibleError",
    "Jerk",
    "LinearDecay",
    "LinearImpact",
    "Market",
    "MissingExtraError",
    "ModelError",
    "Monotone",
    "NoTrade",
    "Objective",
    "Order",
    "Participation",
    "PermanentImpact",
    "PositionBounds",
    "PowerImpact",
    "PowerLawDecay",
    "Regret",
    "Relaxation",
    "Repair",
    "Replan",
    "Replay",
    "ReplayStudy",
    "RobustPlan",
    "RoundedSchedule",
    "Rounding",
    "Schedule",
    "Smoothness",
    "SolverError",
    "SpreadCost",
    "SquareRootImpact",
    "TemporaryImpact",
    "TimeGrid",
    "TimingRisk",
    "TrackingRisk",
    "TradeBounds",
    "TradeRate",
    "TradeSize",
    "TransientImpact",
    "UnboundedError",
    "UnderMarket",
    "Urgency",
    "WorstCase",
    "almgren_chriss",
    "bps",
    "compare",
    "dot",
    "immediate",
    "list_problems",
    "load_problem",
    "pov",
    "read_bars",
    "regret",
    "replay_days",
    "robust",
    "save_problem",
    "scaled",
    "twap",
    "vwap",
    "what_if",
]
