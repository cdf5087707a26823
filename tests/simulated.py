"""What tests of simulations share: grids of every kind, samples held against what is exact, policies that misbehave."""

import builders
import numpy as np

import acopt as ac
from acopt.adaptive.simulation import SimulatedMarket

DAY = ac.TimeGrid.uniform(1.0, 13)
NIGHT = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "130min", overnight=0.4)
CROSSES = ac.TimeGrid.session("2019-02-15", "130min", auctions=True)
TWO_DAYS = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "195min", overnight=0.4, auctions=True)
GRIDS = {
    "even": DAY,
    "uneven": builders.grid(builders.UNEVEN),
    "a night": NIGHT,
    "auctions": CROSSES,
    "auctions and a night": TWO_DAYS,
}
ERRORS = 3.0
"""Standard errors that a simulated moment may be off."""
MANY = 4.5
"""The same for the worst of a matrix of moments."""


def setting_of(kind="sell one", grid=DAY, **changes):
    """Return the setting of an order of `builders` in its market on a grid."""
    order = builders.order(kind)
    return SimulatedMarket(builders.market(grid, list(order.assets), **changes)).setting(order)


def covariance_errors(samples, exact):
    """By how many standard errors (normal samples, paths first) second moments differ from the exact covariance."""
    flat = samples.reshape(len(samples), -1)
    found = flat.T @ flat / len(flat)
    own = np.diag(exact)
    error = np.sqrt((np.outer(own, own) + exact**2) / len(flat))
    # Where nothing moves nothing may be found.
    return np.abs(found - exact) / np.where(error > 0, error, 1e-12)


def mean_errors(samples, exact):
    """By how many standard errors means over paths differ from what they should be."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return np.abs(samples.mean(axis=0) - exact) / np.where(error > 0, error, 1e-12)


def completing(setting, seed=0, wild=0.4):
    """Return trades (N, n) of both signs that complete the order, none where nothing can trade."""
    rng = np.random.default_rng(seed)
    size = np.maximum(np.abs(setting.remaining), 100.0)
    share = np.where(setting.forbidden, 0.0, rng.dirichlet(np.ones(setting.shape[0]), setting.shape[1]).T)
    share = share / share.sum(axis=0)
    noise = np.where(setting.forbidden, 0.0, rng.normal(size=setting.shape))
    noise -= share * noise.sum(axis=0)
    return -share * setting.remaining + wild / setting.shape[0] * size * noise


class Decides:
    """A policy made of a function of the state."""

    def __init__(self, decide, *, overshoots=False, name="decides"):
        self.decide, self.overshoots, self.name = decide, overshoots, name
