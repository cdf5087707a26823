"""
Thousands of damaged problem files: an error of acopt in one line that names the file, or a problem; nothing else.

Every problem file of acopt, and two written by it with all kinds of terms, damaged in up to three places and ways
(tests/spec/damage.py), are loaded and built. Anything but an `AcoptError` is printed with its seed, and the exit code
is 1.

    python benchmarks/fuzz_files.py [count=5000] [seed=0]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "oracles"), str(TESTS / "spec")]

from damage import damaged  # noqa: E402
from test_spec_damage import TEXTS, attempt  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("count", nargs="?", type=int, default=5000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    asked = parser.parse_args()
    outcomes: Counter[str] = Counter()
    slowest = (0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.count):
            rng = random.Random(f"{asked.seed}/{number}")  # noqa: S311
            raw, start = damaged(rng.choice(TEXTS), rng), time.perf_counter()
            try:
                outcomes[attempt(Path(folder) / "p.toml", raw)] += 1
            except Exception as error:
                outcomes["ELSE"] += 1
                print(f"{asked.seed}/{number}: {type(error).__name__}: {error!s:.200}", file=sys.stderr)
            slowest = max(slowest, (time.perf_counter() - start, number))
    seconds, at = slowest
    print(f"{asked.count} damaged files: {dict(sorted(outcomes.items()))}; slowest {seconds:.2f} s (number {at})")
    return 1 if outcomes["ELSE"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
