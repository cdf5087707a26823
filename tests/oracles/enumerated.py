"""Every schedule in whole lots, one by one, priced by the problem itself: slow, and hard to get wrong."""

from itertools import combinations, pairwise, product

import numpy as np


def compositions(total, parts):
    """Yield every way to write a total as a sum of `parts` whole numbers >= 0, their order counting."""
    for bars in combinations(range(total + parts - 1), parts - 1):
        ends = (-1, *bars, total + parts - 1)
        yield tuple(b - a - 1 for a, b in pairwise(ends))


def one_way(lots, intervals, unfilled=False):
    """Return lots worked off by interval (schedules, intervals), never against the order."""
    if not unfilled:
        return np.array(list(compositions(lots, intervals)))
    return np.array([split[:-1] for split in compositions(lots, intervals + 1)])


def both_ways(lots, intervals, most):
    """Return those that also go back, no trade being larger than `most` lots."""
    rest = product(range(-most, most + 1), repeat=intervals - 1)
    splits = ((*split, lots - sum(split)) for split in rest)
    return np.array([split for split in splits if abs(split[-1]) <= most])


def best(problem, lot, splits):
    """
    Return the lowest objective over the product of each asset's schedules that breaks no rule, and how many there are.

    `splits` holds, by asset, lots worked off by interval (schedules, intervals).
    """
    setting = problem.setting
    side = np.where(setting.left < 0, 1.0, -1.0)
    lot = np.broadcast_to(lot, side.shape)
    lowest, allowed = np.inf, 0
    for chosen in product(*splits):
        trades = np.column_stack([s * size * np.asarray(c) for s, size, c in zip(side, lot, chosen, strict=True)])
        if setting.past is not None:
            trades = np.concatenate([setting.past, trades])
        schedule = problem.evaluate(trades)
        if schedule.rules_broken:
            continue
        allowed += 1
        lowest = min(lowest, schedule.objective)
    return lowest, allowed
