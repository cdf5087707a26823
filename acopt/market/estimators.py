"""Published estimators on bars, as plain array functions: covariance, intraday volatility, bid-ask spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["abdi_ranaldo", "corwin_schultz", "ledoit_wolf", "roll", "volatility_curve"]

Array = NDArray[np.float64]


def ledoit_wolf(samples: Array, *, assume_centered: bool = False) -> tuple[Array, float]:
    """Shrink a sample covariance towards a multiple of the identity, as much as its noise asks for.

    Sigma = (1 - rho) S + rho m I, with m = <S, I>, d^2 = |S - m I|^2,
    b^2 = min(d^2, T^-2 sum_t |x_t x_t' - S|^2) and rho = b^2 / d^2, in the norm |A|^2 = tr(A A') / n.

    Parameters
    ----------
    samples : ndarray, shape (T, n)
        x_t, one observation a row.
    assume_centered : bool
        Take the mean to be zero; otherwise the sample mean is removed.

    Returns
    -------
    covariance : ndarray, shape (n, n)
    shrinkage : float
        rho, between 0 (the sample covariance) and 1 (the identity's multiple).

    References
    ----------
    Ledoit, O. and Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
    Multivariate Analysis 88, 365-411, section 3.
    """
    x = samples if assume_centered else samples - samples.mean(axis=0)
    count, size = x.shape
    sample = x.T @ x / count
    mean = float(np.trace(sample)) / size
    distance = float(np.sum(sample**2)) / size - mean**2
    # sum_t |x_t x_t' - S|^2 = sum_t |x_t|^4 - T |S|^2, in the unscaled norm
    noise = (float(np.sum(np.sum(x**2, axis=1) ** 2)) / count - float(np.sum(sample**2))) / (size * count)
    shrinkage = 0.0 if distance <= 0 else min(max(noise, 0.0), distance) / distance
    shrunk = (1.0 - shrinkage) * sample
    shrunk[np.diag_indices(size)] += shrinkage * mean
    return shrunk, shrinkage


def volatility_curve(returns: Array) -> tuple[Array, float]:
    """Estimate the intraday volatility curve, pooled across assets and shrunk towards flat.

    ln s_b^2 = mean(l) + w_b (l_b - mean(l)) + constant, l_b = ln c_b, c_b = mean_d q_db,
    q_db = mean_i r_dbi^2 / mean_db(r_dbi^2), w_b = v / (v + e_b^2), v = max(0, var(l) - mean(e_b^2)),
    e_b = std_d(q_db - c_b mean_b(q_db)) / (c_b sqrt(D))

    Each asset counts alike. The noise e_b of a bar (a ratio to its session) is measured from one session to the next,
    where it holds what the assets move together, and not how wild the session was: a bar that owes its variance to one
    day's news is shrunk most, and a curve that is not more uneven than its noise is flat. A bar in which nothing ever
    moved says nothing (w_b = 0). The constant makes the mean of s^2 over the session 1.

    Parameters
    ----------
    returns : ndarray, shape (D, B, n)
        r, by session, bar and asset; every asset moves at least once.

    Returns
    -------
    curve : ndarray, shape (B,)
        s_b > 0, volatility multipliers.
    weight : float
        The mean of w_b: 0 is flat, 1 is as observed.

    References
    ----------
    Taylor, S. J. and Xu, X. (1997). The incremental volatility information in one million foreign exchange quotations.
    Journal of Empirical Finance 4, 317-340 (ratios of average squared returns). Morris, C. N. (1983). Parametric
    empirical Bayes inference: theory and applications. Journal of the American Statistical Association 78, 47-55
    (shrinkage with unequal variances).
    """
    squares = returns**2
    relative = (squares / squares.mean(axis=(0, 1))).mean(axis=2)
    days, bars = relative.shape
    curve = relative.mean(axis=0)
    moved = curve > 0
    if days < 2 or moved.sum() < 2:
        return np.ones(bars), 0.0
    logs = np.log(curve[moved])
    residual = relative - curve * relative.mean(axis=1, keepdims=True)
    noise = residual.var(axis=0, ddof=1)[moved] / (days * curve[moved] ** 2)
    between = float(np.var(logs, ddof=1)) - float(noise.mean())
    if between <= 0:
        return np.ones(bars), 0.0
    weights = np.zeros(bars)
    weights[moved] = between / (between + noise)
    shrunk = np.ones(bars)
    shrunk[moved] = np.exp(weights[moved] * (logs - logs.mean()))
    return np.sqrt(shrunk / shrunk.mean()), float(weights.mean())


def corwin_schultz(high: Array, low: Array, close: Array) -> Array:
    """Estimate the relative spread from the highs and lows of consecutive bars.

    S = 2 (e^a - 1) / (1 + e^a), a = (sqrt(2 b) - sqrt(b)) / (3 - 2 sqrt(2)) - sqrt(g / (3 - 2 sqrt(2))),
    b = ln(H_t / L_t)^2 + ln(H_t+1 / L_t+1)^2, g = ln(H_t,t+1 / L_t,t+1)^2

    A spread does not grow with the span, a range does. The second bar is moved by the gap between the first one's close
    and its own range; negative two-bar values count as 0. Both as in the paper, whose bars are days; the rule for
    negative values biases the mean upwards where volatility hides the spread.

    Parameters
    ----------
    high, low, close : ndarray, shape (D, B, n), currency/share
        By session, bar and asset; NaN in a bar without a trade. No pair crosses a night.

    Returns
    -------
    ndarray, shape (n,)
        Full spread relative to price: the mean over pairs of bars; NaN without a pair.

    References
    ----------
    Corwin, S. A. and Schultz, P. (2012). A simple way to estimate bid-ask spreads from daily high and low prices.
    Journal of Finance 67, 719-760.
    """
    log_high, log_low, log_close = np.log(high), np.log(low), np.log(close)
    first_high, first_low, last = log_high[:, :-1], log_low[:, :-1], log_close[:, :-1]
    gap = np.maximum(log_low[:, 1:] - last, 0.0) + np.minimum(log_high[:, 1:] - last, 0.0)
    next_high, next_low = log_high[:, 1:] - gap, log_low[:, 1:] - gap
    beta = (first_high - first_low) ** 2 + (next_high - next_low) ** 2
    gamma = (np.maximum(first_high, next_high) - np.minimum(first_low, next_low)) ** 2
    width = 3.0 - 2.0 * np.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / width - np.sqrt(gamma / width)
    return _pooled_mean(np.maximum(2.0 * np.tanh(alpha / 2.0), 0.0))


def abdi_ranaldo(high: Array, low: Array, close: Array) -> Array:
    """Estimate the relative spread from closes and mid-ranges of consecutive bars.

    S = 2 sqrt(max(0, mean_t (c_t - m_t)(c_t - m_t+1))), c = ln C, m = (ln H + ln L) / 2

    In the paper, bars are days, and this is its monthly-corrected form: the maximum is taken once, after the mean.

    Parameters
    ----------
    high, low, close : ndarray, shape (D, B, n), currency/share
        By session, bar and asset; NaN in a bar without a trade. No pair crosses a night.

    Returns
    -------
    ndarray, shape (n,)
        Full spread relative to price; NaN without a pair of bars.

    References
    ----------
    Abdi, F. and Ranaldo, A. (2017). A simple estimation of bid-ask spreads from daily close, high, and low prices.
    Review of Financial Studies 30, 4437-4480.
    """
    middle = 0.5 * (np.log(high) + np.log(low))
    last = np.log(close)[:, :-1]
    moment = _pooled_mean((last - middle[:, :-1]) * (last - middle[:, 1:]))
    return np.asarray(2.0 * np.sqrt(np.maximum(moment, 0.0)))


def roll(close: Array) -> Array:
    """Estimate the relative spread from the serial covariance of price changes.

    S = 2 sqrt(max(0, -cov(r_b, r_b+1))), r_b = ln C_b - ln C_b-1; the covariance is pooled over the sessions.

    Parameters
    ----------
    close : ndarray, shape (D, B, n), currency/share
        By session, bar and asset; NaN in a bar without a trade. No change crosses a night.

    Returns
    -------
    ndarray, shape (n,)
        Full spread relative to price; NaN without three bars in a row.

    References
    ----------
    Roll, R. (1984). A simple implicit measure of the effective bid-ask spread in an efficient market. Journal of
    Finance 39, 1127-1139.
    """
    changes = np.diff(np.log(close), axis=1)
    changes = changes - _pooled_mean(changes)
    serial = _pooled_mean(changes[:, 1:] * changes[:, :-1])
    return np.asarray(2.0 * np.sqrt(np.maximum(-serial, 0.0)))


def _pooled_mean(values: Array) -> Array:
    """Mean over sessions and bars of what is not NaN, by asset; NaN where there is nothing."""
    count = (~np.isnan(values)).sum(axis=(0, 1))
    return np.asarray(np.nansum(values, axis=(0, 1)) / np.where(count > 0, count, np.nan))
