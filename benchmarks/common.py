"""What the benchmarks share: where the tests' oracle is, interleaved timing, a table in plain text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "tests" / "oracles", ROOT / "tests", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import reference  # noqa: E402, F401 - the independent oracle, for those who import this module
from case_problem import problem_of  # noqa: E402, F401 - its cases, declared in acopt


def interleaved(contenders: Mapping[str, Callable[[], Any]], repeats: int, *, warm: int = 2) -> dict[str, np.ndarray]:
    """
    Seconds of every call, (repeats,) per contender, taken in turns so that they share the machine's moods.

    The order rotates from round to round; the first `warm` rounds are not counted.
    """
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warm + repeats):
        for shift in range(len(names)):
            name = names[(turn + shift) % len(names)]
            start = time.perf_counter()
            contenders[name]()
            taken = time.perf_counter() - start
            if turn >= warm:
                seconds[name].append(taken)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(mine: np.ndarray, theirs: np.ndarray) -> float:
    """Median of the ratios of paired runs."""
    return float(np.median(mine / theirs))


def compact(matrix: Any) -> sp.csc_matrix:
    """CSC with sorted rows and the 32-bit indices that OSQP wants."""
    out = sp.csc_matrix(matrix)
    out.sort_indices()
    return sp.csc_matrix((out.data, out.indices.astype(np.int32), out.indptr.astype(np.int32)), shape=out.shape)


def show(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print rows as a table."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns] + [[_text(row.get(key, "")) for key in columns] for row in rows]
    widths = [max(len(row[j]) for row in cells) for j in range(len(columns))]
    print(f"\n{title}")
    for i, row in enumerate(cells):
        print(
            "  ".join(
                cell.ljust(width) if j == 0 else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )
        if i == 0:
            print("  ".join("-" * width for width in widths))


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)
