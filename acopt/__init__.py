"""Declare what an execution should cost and obey; get the optimal schedule, with its proof."""

from acopt.constraints.custom import CustomConstraint
from acopt.constraints.portfolio import CashBalance, DollarNeutral, FactorNeutral, GroupNeutral, HoldingBounds
from acopt.constraints.trading import (
    AllowUnfilled,
    Complete,
    Monotone,
    NoTrade,
    Participation,
    TradeRate,
    TradeSize,
)
from acopt.costs.alpha import Alpha
from acopt.costs.custom import CustomCost
from acopt.costs.impact import PermanentImpact, SpreadCost, TemporaryImpact
from acopt.costs.risk import TimingRisk, TrackingRisk
from acopt.costs.smoothness import Jerk, Smoothness
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
from acopt.market.market import Market, bps
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Cost, Objective
from acopt.model.benchmarks import TWAP, VWAP, Benchmark, Close
from acopt.model.cross_check import CrossCheck
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Certificate, Schedule, Urgency
from acopt.spec.files import list_problems, load_problem
from acopt.sweeps.frontier import Frontier

__all__ = [
    "TWAP",
    "VWAP",
    "AcoptError",
    "AllowUnfilled",
    "AlmgrenEtAl2005",
    "Alpha",
    "Bars",
    "Benchmark",
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
    "FactorModel",
    "FactorNeutral",
    "Frontier",
    "GroupNeutral",
    "HoldingBounds",
    "ImpactCoefficients",
    "InfeasibleError",
    "Jerk",
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
    "Relaxation",
    "Repair",
    "Replan",
    "Replay",
    "ReplayStudy",
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
    "TradeRate",
    "TradeSize",
    "UnboundedError",
    "Urgency",
    "almgren_chriss",
    "bps",
    "compare",
    "immediate",
    "list_problems",
    "load_problem",
    "pov",
    "read_bars",
    "replay_days",
    "twap",
    "vwap",
]
