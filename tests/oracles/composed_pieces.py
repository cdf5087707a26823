"""Convex pieces of a program for Clarabel: rows and auxiliary variables, and the minorant that multipliers give."""

from __future__ import annotations

from collections.abc import Callable

import clarabel
import numpy as np
from composed import Array, Wide, wide
from composed_forms import Distances, Form, Group, Powers, as_float
from scipy import sparse

Minorant = tuple[Wide, np.longdouble]
"""Slope l and constant k of l'v + k."""


Section = tuple[Array, list[tuple[int, int, float]], Array]
"""A over the trades, (row, auxiliary, coefficient) beside it, b."""


class Rows:
    """Collected rows b - A z in K over z = (v, auxiliaries), by cone; and how to read their multipliers."""

    def __init__(self, free: int) -> None:
        self.free, self.costs = free, list[float]()
        self.sections: dict[str, list[Section]] = {"zero": [], "nonneg": []}
        self.cones: list[tuple[object, Section]] = []

    def auxiliary(self, cost: float) -> int:
        """Add a variable; return its number."""
        self.costs.append(cost)
        return len(self.costs) - 1

    def add(self, kind: object, matrix: Array, extra: list[tuple[int, int, float]], right: Array) -> tuple[str, int]:
        """Add rows; return where to find their multipliers."""
        section = (np.asarray(matrix, float), extra, np.asarray(right, float))
        if isinstance(kind, str):
            self.sections[kind].append(section)
            return kind, len(self.sections[kind]) - 1
        self.cones.append((kind, section))
        return "cone", len(self.cones) - 1

    def assemble(self) -> tuple[sparse.csc_matrix, Array, list[object], dict[tuple[str, int], slice]]:
        """A, b, cones, and the slice of every section."""
        ordered = [
            *((("zero", j), s) for j, s in enumerate(self.sections["zero"])),
            *((("nonneg", j), s) for j, s in enumerate(self.sections["nonneg"])),
            *((("cone", j), s) for j, (_, s) in enumerate(self.cones)),
        ]
        at, where, blocks, entries, right = 0, {}, [], [], []
        for key, (block, extra, b) in ordered:
            where[key] = slice(at, at + len(b))
            blocks.append(sparse.coo_matrix(block))
            entries += [(at + row, self.free + column, value) for row, column, value in extra]
            right.append(b)
            at += len(b)
        width = self.free + len(self.costs)
        main = sparse.vstack(blocks) if blocks else sparse.coo_matrix((0, self.free))
        row, col, val = (np.array(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
        whole = sparse.coo_matrix(
            (
                np.concatenate([main.data, val]),
                (np.concatenate([main.row, row]), np.concatenate([main.col, col])),
            ),
            shape=(at, width),
        )
        sizes = [sum(len(s[2]) for s in self.sections[kind]) for kind in ("zero", "nonneg")]
        cones: list[object] = [
            make(size)
            for make, size in zip((clarabel.ZeroConeT, clarabel.NonnegativeConeT), sizes, strict=True)
            if size
        ]
        return sparse.csc_matrix(whole), np.concatenate(right), cones + [kind for kind, _ in self.cones], where


Reader = Callable[[Callable[[tuple[str, int]], Wide], np.longdouble], Minorant]
"""From the multipliers (and the weight of what a part belongs to) to the minorant of that part."""


def declare_distances(rows: Rows, part: Distances, cost: float) -> tuple[list[tuple[int, float]], Reader]:
    """w dist(a'v, [low, high]) <= w t; returns (variable, coefficient) pairs and the reader."""
    weight = as_float(part.weight)
    kept = weight > 0
    a, low, high, weight = part.matrix[kept], part.low[kept], part.high[kept], weight[kept]
    size = np.max(np.abs(as_float(a)), axis=1, initial=0)
    a, low, high, coefficient = a / size[:, None], low / size, high / size, weight * size
    variables = [rows.auxiliary(cost * c) for c in coefficient]
    keys = {}
    for side, sign, limit in (("up", 1.0, high), ("down", -1.0, -low)):
        some = np.flatnonzero(np.isfinite(as_float(limit)))
        extra = [(row, variables[j], -1.0) for row, j in enumerate(some)]
        keys[side] = (some, rows.add("nonneg", sign * as_float(a[some]), extra, as_float(limit[some])))
    ranged = np.flatnonzero(~(as_float(low) == as_float(high)))
    extra = [(row, variables[j], -1.0) for row, j in enumerate(ranged)]
    rows.add("nonneg", np.zeros((len(ranged), rows.free)), extra, np.zeros(len(ranged)))

    def read(dual: Callable[[tuple[str, int]], Wide], times: np.longdouble) -> Minorant:
        slope = np.zeros(len(a), np.longdouble)
        slope[keys["up"][0]] += dual(keys["up"][1])
        slope[keys["down"][0]] -= dual(keys["down"][1])
        most = times * wide(coefficient)
        slope = np.clip(slope, np.where(np.isfinite(low), -most, 0), np.where(np.isfinite(high), most, 0))
        side = np.where(slope > 0, high, np.where(slope < 0, low, 0))
        return a.T @ slope, -np.longdouble(slope @ side)

    return list(zip(variables, map(float, coefficient), strict=True)), read


def declare_powers(rows: Rows, part: Powers, periods: int, cost: float) -> list[tuple[int, float]]:
    """c |v|^p <= c t, a power cone for each trade; the bound takes the powers as they are, see `least`."""
    cells = np.flatnonzero(as_float(part.weight) > 0)
    power, stretch = part.power, float(periods)
    pairs = []
    for j in cells:
        coefficient = float(part.weight[j]) / stretch**power
        variable = rows.auxiliary(cost * coefficient)
        matrix = np.zeros((3, rows.free))
        matrix[2, j] = -stretch
        rows.add(clarabel.PowerConeT(1 / power), matrix, [(0, variable, -1.0)], np.array([0.0, 1.0, 0.0]))
        pairs.append((variable, coefficient))

    return pairs


def declare_group(rows: Rows, part: Group, cost: float) -> tuple[list[tuple[int, float]], Reader]:
    """w |R v - d| <= t."""
    matrix, shift = part.weight * part.matrix, part.weight * part.shift
    variable = rows.auxiliary(cost)
    if part.kind == "norm":
        body = np.vstack([np.zeros(rows.free), -as_float(matrix)])
        key = rows.add(clarabel.SecondOrderConeT(len(body)), body, [(0, variable, -1.0)], np.r_[0.0, -as_float(shift)])
    else:
        both = np.vstack([as_float(matrix), -as_float(matrix)])
        extra = [(row, variable, -1.0) for row in range(len(both))]
        key = rows.add("nonneg", both, extra, np.r_[as_float(shift), -as_float(shift)])

    def read(dual: Callable[[tuple[str, int]], Wide], times: np.longdouble) -> Minorant:
        if part.kind == "norm":
            slope = -dual(key)[1:]
            size = np.sqrt(slope @ slope)
        else:
            slope = dual(key)[: len(matrix)] - dual(key)[len(matrix) :]
            size = np.sum(np.abs(slope))
        slope = slope * min(np.longdouble(1), times / size) if size > 0 else slope
        return matrix.T @ slope, -np.longdouble(slope @ shift)

    return [(variable, 1.0)], read


def declare_form(rows: Rows, form: Form, periods: int, cost: float) -> tuple[list[tuple[int, float]], list[Reader]]:
    """Declare every piece of a form that is not quadratic."""
    pairs: list[tuple[int, float]] = []
    readers: list[Reader] = []
    made = [declare_distances(rows, d, cost) for d in form.distances if np.any(d.weight)]
    for part in form.powers:
        pairs += declare_powers(rows, part, periods, cost)
    made += [declare_group(rows, g, cost) for g in form.groups]
    for more, reader in made:
        pairs += more
        readers.append(reader)
    return pairs, readers
