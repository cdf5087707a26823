"""Declare what an execution should cost and obey; get the optimal schedule, with its proof."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from acopt.adaptive.dynamic import LotPolicy, dynamic_program
from acopt.adaptive.execution_task import ExecutionTask
from acopt.adaptive.feedback import Clipped, RiccatiPolicy
from acopt.adaptive.policies import StaticPolicy
from acopt.adaptive.prices import (
    ArithmeticBrownian,
    Drawn,
    OrnsteinUhlenbeck,
    PriceModel,
    RevertingDrift,
    SerialCorrelation,
)
from acopt.adaptive.q_learning import Exploration, LearningRate, QLearning
from acopt.adaptive.receding_horizon import RecedingHorizon
from acopt.adaptive.recorded import RecordedPrices, volume_from_bars
from acopt.adaptive.results import Paired, SimulationResult
from acopt.adaptive.simulation import SimulatedMarket, compare_policies, simulate
from acopt.adaptive.stages import StageCost, Staged, Stages, stages
from acopt.adaptive.state import Policy, State
from acopt.adaptive.tactic_task import TacticTask
from acopt.adaptive.volume_policies import AdaptiveVWAP, ExpectedVWAP, VolumeForecast, expected_volume_curve
from acopt.adaptive.volumes import StochasticVolatility, StochasticVolume
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

if TYPE_CHECKING:
    from acopt.adaptive.environments import ExecutionEnv, ExecutionVectorEnv, TacticEnv, TacticVectorEnv

__all__ = [
    "TWAP",
    "VWAP",
    "AcoptError",
    "AdaptiveVWAP",
    "AllowUnfilled",
    "AlmgrenEtAl2005",
    "Alpha",
    "ArithmeticBrownian",
    "Bars",
    "Benchmark",
    "Budget",
    "CashBalance",
    "Certificate",
    "Clipped",
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
    "Drawn",
    "ExecutionEnv",
    "ExecutionProblem",
    "ExecutionTask",
    "ExecutionVectorEnv",
    "ExpectedVWAP",
    "Exploration",
    "ExponentialDecay",
    "FactorModel",
    "FactorNeutral",
    "Frontier",
    "GroupNeutral",
    "HoldingBounds",
    "ImpactCoefficients",
    "InfeasibleError",
    "Jerk",
    "LearningRate",
    "LinearDecay",
    "LinearImpact",
    "LotPolicy",
    "Market",
    "MissingExtraError",
    "ModelError",
    "Monotone",
    "NoTrade",
    "Objective",
    "Order",
    "OrnsteinUhlenbeck",
    "Paired",
    "Participation",
    "PermanentImpact",
    "Policy",
    "PositionBounds",
    "PowerImpact",
    "PowerLawDecay",
    "PriceModel",
    "QLearning",
    "RecedingHorizon",
    "RecordedPrices",
    "Regret",
    "Relaxation",
    "Repair",
    "Replan",
    "Replay",
    "ReplayStudy",
    "RevertingDrift",
    "RiccatiPolicy",
    "RobustPlan",
    "RoundedSchedule",
    "Rounding",
    "Schedule",
    "SerialCorrelation",
    "SimulatedMarket",
    "SimulationResult",
    "Smoothness",
    "SolverError",
    "SpreadCost",
    "SquareRootImpact",
    "StageCost",
    "Staged",
    "Stages",
    "State",
    "StaticPolicy",
    "StochasticVolatility",
    "StochasticVolume",
    "TacticEnv",
    "TacticTask",
    "TacticVectorEnv",
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
    "VolumeForecast",
    "WorstCase",
    "almgren_chriss",
    "bps",
    "compare",
    "compare_policies",
    "dot",
    "dynamic_program",
    "expected_volume_curve",
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
    "simulate",
    "stages",
    "twap",
    "volume_from_bars",
    "vwap",
    "what_if",
]


_ENVIRONMENTS = ("ExecutionEnv", "ExecutionVectorEnv", "TacticEnv", "TacticVectorEnv")

if find_spec("gymnasium") is None:  # `from acopt import *` takes what there is
    __all__ = [name for name in __all__ if name not in _ENVIRONMENTS]


def __dir__() -> list[str]:
    """Names, with those of the environments, which are looked up only when they are asked for."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Return what needs an optional library, which is looked for only then."""
    if name in _ENVIRONMENTS:
        from acopt.adaptive import environments

        return getattr(environments, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
