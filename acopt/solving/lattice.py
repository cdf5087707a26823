"""A quadratic program on a lattice: its columns as integer steps, its squares and rows as forms of those steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from acopt.errors import ModelError
from acopt.solving.canonical import Array, Arrays, CanonicalProgram, Indices

EXACT = 1e-9
"""Relative distance below which coefficients are said to be multiples of one step."""
NOISE, ROUNDING = 1e-13, 1e-12


@dataclass(frozen=True)
class Lattice:
    """
    Columns of a program that move in steps: z[columns] = base + step y.

    y (r,) are integers; where `binary`, 0 or 1, and at least as large as the binary that `before` names
    (-1 for none), so that their differences are 0 or 1 too.
    """

    columns: Indices
    base: Array
    step: sp.csr_array
    binary: npt.NDArray[np.bool_]
    before: Indices


@dataclass(frozen=True)
class Forms:
    """
    Affine forms c + g (h + theta e) of y and of free columns.

    Where `exact`, h = `whole` @ v is an integer and e = `switch` @ v is 0 or 1 at every lattice point;
    elsewhere h = `whole` @ v is any number, and theta is 0.
    """

    constant: Array
    unit: Array
    whole: sp.csr_array
    switch: sp.csr_array
    theta: Array
    exact: npt.NDArray[np.bool_]

    def at(self, v: Array) -> tuple[Array, Array]:
        """Values of h and e."""
        return self.whole @ v, self.switch @ v

    def take(self, chosen: Indices | npt.NDArray[np.bool_]) -> Forms:
        """Select forms."""
        return Forms(
            self.constant[chosen],
            self.unit[chosen],
            sp.csr_array(self.whole[chosen]),
            sp.csr_array(self.switch[chosen]),
            self.theta[chosen],
            self.exact[chosen],
        )


class Cuts:
    """
    Linear lower bounds of the squares 1/2 (h + theta e)^2 at lattice points.

    On an exact form the square is only needed at integer h and e in {0, 1}. For a slope a the bound
    a h + c_0 (1 - e) + c_1 e with c_e = min_h 1/2 (h + theta e)^2 - a h is the best linear one; all slopes
    together make the convex hull, and those between neighbouring integers suffice. Elsewhere: tangents.

    References
    ----------
    Duran & Grossmann (1986); Quesada & Grossmann (1992).
    """

    def __init__(self, forms: Forms) -> None:
        self.forms = forms

    def value(self, h: Array, e: Array) -> Array:
        """1/2 (h + theta e)^2."""
        return np.asarray(0.5 * (h + self.forms.theta * e) ** 2)

    def steepest(self, h: Array, e: Array) -> Array:
        """Slopes of the bounds that are highest at (h, e)."""
        theta, exact = self.forms.theta, self.forms.exact
        near = np.floor(h + theta * e + 1e-9), np.floor(h - theta * (1.0 - e) + 1e-9)
        best, height = h.copy(), np.full(len(h), -np.inf)
        for base, shift in ((near[0], np.zeros_like(theta)), (near[1], theta)):
            slope = base + 0.5 + shift
            low, high = self.intercepts(slope)
            found = slope * h + low * (1.0 - e) + high * e
            better = found > height
            best, height = np.where(better, slope, best), np.where(better, found, height)
        return np.where(exact, best, h)

    def intercepts(self, slope: Array) -> tuple[Array, Array]:
        """c_0 and c_1 of a slope."""
        theta, exact = self.forms.theta, self.forms.exact
        low = np.where(exact, np.round(slope), slope)
        high = np.where(exact, np.round(slope - theta), slope)
        return 0.5 * low**2 - slope * low, 0.5 * (high + theta) ** 2 - slope * high


@dataclass(frozen=True)
class LatticeProgram:
    """
    The program in v = (y, free columns): minimise 1/2 sum_j f_j(v)^2 + q'v + d over l <= rows(v) <= u.

    `row` is the program's row of every row that is left.
    """

    squares: Forms
    q: Array
    d: float
    rows: Forms
    l: Array  # noqa: E741
    u: Array
    row: Indices


def reduce(program: CanonicalProgram, x: Arrays, lattice: Lattice) -> LatticeProgram:
    """
    Write a program in the steps of its lattice; what is defined by equalities is substituted.

    Raises
    ------
    ModelError
        The quadratic is not convex.
    """
    a = sp.csr_array(program.a_pattern.matrix(x.a))
    columns, constant, used = _substitute(a, x, lattice)
    root = _root(program.p_pattern.matrix(x.p))
    squares = _forms(sp.csr_array(root @ columns), root @ constant, lattice)
    kept = np.flatnonzero(~used)
    rows = _forms(sp.csr_array(a[kept] @ columns), a[kept] @ constant, lattice)
    there = np.diff(rows.whole.indptr) + np.diff(rows.switch.indptr) > 0
    left = kept[there]
    return LatticeProgram(
        squares=squares,
        q=columns.T @ x.q,
        d=float(x.q @ constant) + x.d,
        rows=rows.take(np.flatnonzero(there)),
        l=x.l[left],
        u=x.u[left],
        row=left,
    )


def _substitute(a: sp.csr_array, x: Arrays, lattice: Lattice) -> tuple[sp.csr_array, Array, npt.NDArray[np.bool_]]:
    """Every column as (matrix, constant) of v, and the rows that were used up as definitions."""
    m, n = a.shape
    steps = lattice.step.shape[1]
    place = sp.csr_array(
        (np.ones(len(lattice.columns)), (lattice.columns, np.arange(len(lattice.columns)))), (n, len(lattice.columns))
    )
    matrix, constant = sp.csr_array(place @ lattice.step), np.zeros(n)
    constant[lattice.columns] = lattice.base
    known, used = np.zeros(n, dtype=bool), np.zeros(m, dtype=bool)
    known[lattice.columns] = True
    equal = np.flatnonzero(x.l == x.u)
    nonzero = sp.csr_array((np.ones(a.nnz), a.indices, a.indptr), a.shape)[equal]
    while True:
        ready = np.flatnonzero(nonzero @ (~known).astype(float) == 1)
        if not len(ready):
            break
        entries = a[equal[ready]].tocoo()
        fresh = ~known[entries.col]
        target, first = np.unique(entries.col[fresh], return_index=True)
        source, pivot = entries.row[fresh][first], entries.data[fresh][first]
        rows = equal[ready[source]]
        by = sp.diags_array(-1.0 / pivot)
        put = sp.csr_array((np.ones(len(target)), (target, np.arange(len(target)))), (n, len(target)))
        constant[target] = (x.l[rows] - a[rows] @ constant) / pivot
        matrix = sp.csr_array(matrix + put @ (by @ (a[rows] @ matrix)))
        known[target], used[rows] = True, True
    free = np.flatnonzero(~known)
    own = sp.csr_array((np.ones(len(free)), (free, np.arange(len(free)))), (n, len(free)))
    return sp.csr_array(sp.hstack([matrix, own])) if steps + len(free) else matrix, constant, used


def _root(upper: sp.csc_array) -> sp.csr_array:
    """R with R'R = P, sparse where P is diagonal, by eigenvectors of each connected block elsewhere."""
    full = sp.csr_array(upper + sp.triu(upper, 1).T)
    count, block = sp.csgraph.connected_components(full, directed=False)
    diagonal = full.diagonal()
    sizes = np.bincount(block, minlength=count)
    parts = [sp.csr_array(sp.diags_array(np.sqrt(np.maximum(diagonal, 0.0))))[(sizes[block] == 1) & (diagonal > 0)]]
    for b in np.flatnonzero(sizes > 1):
        inside = np.flatnonzero(block == b)
        values, vectors = np.linalg.eigh(full[inside][:, inside].toarray())
        if values[0] < -EXACT * abs(values[-1]):
            raise ModelError(f"a quadratic of a custom term has the negative eigenvalue {values[0]:.6g}: not convex")
        keep = values > NOISE * values[-1]
        r = np.sqrt(values[keep])[:, None] * vectors[:, keep].T
        cells = (np.repeat(np.arange(len(r)), len(inside)), np.tile(inside, len(r)))
        parts.append(sp.csr_array((r.ravel(), cells), (len(r), full.shape[0])))
    return sp.csr_array(sp.vstack(parts))


def _forms(matrix: sp.csr_array, constant: Array, lattice: Lattice) -> Forms:
    """Split every row of a matrix into unit, integer part and switch."""
    count, width = matrix.shape
    r = len(lattice.binary)
    kind = np.zeros(width, dtype=int)  # 0 free, 1 integer, 2 binary
    kind[:r] = np.where(lattice.binary, 2, 1)
    unit, theta, exact = np.ones(count), np.zeros(count), np.zeros(count, dtype=bool)
    cells: list[tuple[list[int], list[int], list[float]]] = [([], [], []), ([], [], [])]
    for j in range(count):
        at = slice(matrix.indptr[j], matrix.indptr[j + 1])
        col, value = matrix.indices[at], matrix.data[at]
        large = np.abs(value) > NOISE * np.abs(value).max(initial=0.0)
        col, value = col[large], value[large]
        split = _split(col, value, kind, lattice)
        if split is None:
            unit[j] = np.linalg.norm(value) or 1.0
            _put(cells[0], j, col, value / unit[j])
            continue
        unit[j], theta[j], whole, switch = split
        exact[j] = True
        for into, (own, numbers) in zip(cells, (whole, switch), strict=True):
            _put(into, j, own, numbers)
    matrices = [sp.csr_array((c[2], (c[0], c[1])), (count, width)) for c in cells]
    return Forms(constant, unit, matrices[0], matrices[1], theta, exact)


def floor_steps(value: Array) -> Array:
    """Return the largest integers that are not above, up to rounding."""
    return np.floor(value + EXACT + ROUNDING * np.where(np.isfinite(value), np.abs(value), 0.0))


_Part = tuple[Indices, Array]


def _split(
    col: Indices, value: Array, kind: npt.NDArray[np.int64], lattice: Lattice
) -> tuple[float, float, _Part, _Part] | None:
    """(g, theta, whole, switch) of a form that is g (integer + theta * (0 or 1)), or None."""
    own = kind[col]
    integer, binary = own == 1, own == 2
    if (own == 0).any() or not integer.any():
        return None
    unit = float(np.abs(value[integer]).min())
    multiple = value[integer] / unit
    if (np.abs(multiple - np.round(multiple)) > EXACT).any() or np.abs(multiple).max() > 1e3:
        return None
    whole = col[integer], np.round(multiple)
    switches, strength = col[binary], value[binary]
    if not len(switches):
        return unit, 0.0, whole, (switches, strength)
    if len(switches) == 1:
        return unit, float(strength[0]) / unit, whole, (switches, np.ones(1))
    if len(switches) > 2 or abs(strength.sum()) > EXACT * abs(strength[0]):
        return None
    later = 0 if lattice.before[switches[0]] == switches[1] else 1
    if lattice.before[switches[later]] != switches[1 - later]:
        return None
    sign = np.where(np.arange(2) == later, 1.0, -1.0)
    return unit, float(strength[later]) / unit, whole, (switches, sign)


def _put(cells: tuple[list[int], list[int], list[float]], j: int, col: Indices, value: Array) -> None:
    cells[0].extend([j] * len(col))
    cells[1].extend(col.tolist())
    cells[2].extend(value.tolist())
