"""Declare what an execution should cost and obey; get the optimal schedule, with its proof."""

from acopt.constraints.custom import CustomConstraint
from acopt.constraints.portfolio import DollarNeutral, HoldingBounds
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
from acopt.market.covariance import Covariance, FactorModel
from acopt.market.grid import TimeGrid
from acopt.market.impact_models import AlmgrenEtAl2005, ImpactCoefficients, LinearImpact, SquareRootImpact
from acopt.market.market import Market, bps
from acopt.market.order import Order
from acopt.model.algebra import Constraint, Cost, Objective
from acopt.model.problem import ExecutionProblem
from acopt.model.schedule import Certificate, Schedule, Urgency
