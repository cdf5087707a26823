"""
Thousands of damaged inputs: an error of acopt, or an answer within the contract; nothing else.

CSV files of orders, bars and fills; every public constructor and function with one to three arguments replaced by junk;
sequences of updates on a live problem, where what was refused must have changed nothing. Warnings are errors, and
20 seconds are a hang. Anything else is printed with the number that replays it, and the exit code is 1.

    python benchmarks/fuzz_inputs.py [count=5000] [seed=0] [--workers 2] [--family NAME] [--only N]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "oracles")]

from fuzzed import FAMILIES, Outcome, attempt, drawn  # noqa: E402

MEMORY = 8 * 2**30
CHUNK = 50


def chunk(seed: int, family: str | None, numbers: range) -> list[Outcome]:
    """Try some inputs, with bounded memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        return [attempt(seed, number, Path(folder), family) for number in numbers]


def run(count: int, seed: int, workers: int, family: str | None) -> Iterator[Outcome]:
    """Try all inputs."""
    parts = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    with ProcessPoolExecutor(workers) as pool:
        for outcomes in pool.map(partial(chunk, seed, family), parts):
            yield from outcomes


def replay(seed: int, number: int, only: str | None) -> int:
    """Try one input in the open."""
    with tempfile.TemporaryDirectory() as folder:
        family, said, act = drawn(seed, number, Path(folder), only)
        print(f"{family}: {said}")
        outcome = attempt(seed, number, Path(folder), only)
        print(f"{outcome.kind}: {outcome.finding or 'allowed'}")
        if outcome.finding:
            try:
                act()
            except Exception:
                traceback.print_exc()
    return 1 if outcome.finding else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("count", nargs="?", type=int, default=5000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--family", choices=FAMILIES, help="inputs of one family alone")
    parser.add_argument("--only", type=int, help="replay one number")
    asked = parser.parse_args()
    if asked.only is not None:
        return replay(asked.seed, asked.only, asked.family)
    tally: Counter[tuple[str, str]] = Counter()
    for outcome in run(asked.count, asked.seed, asked.workers, asked.family):
        tally[outcome.family, outcome.kind] += 1
        if outcome.finding:
            family = f" --family {asked.family}" if asked.family else ""
            print(
                f"{asked.seed}{family} --only {outcome.number}: {outcome.said}\n    {outcome.finding}", file=sys.stderr
            )
    kinds = sorted({kind for _, kind in tally})
    print(f"{'family':12}" + "".join(f"{kind:>18}" for kind in [*kinds, "all"]))
    for family in FAMILIES:
        row = [tally[family, kind] for kind in kinds]
        print(f"{family:12}" + "".join(f"{number:18,}" for number in [*row, sum(row)]))
    return 1 if "ELSE" in kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
