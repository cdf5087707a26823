"""A desk's own cost and rules, in a package of their own outside the tree, are the equals of the built-in ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SETUP = """
import acopt as ac
import cvxpy as cp
import desk_terms as desk
import numpy as np
import pandas as pd

grid = ac.TimeGrid.uniform(1.0, 8)
covariance = ac.Covariance.diagonal(pd.Series({"A": 0.4, "B": 1.0}))
market = ac.Market(
    grid, {"A": 20.0, "B": 50.0}, volume={"A": 1e5, "B": 5e4}, covariance=covariance, spread=ac.bps(2),
    impact=ac.LinearImpact(10),
)
order = ac.Order({"A": 0.0, "B": 0.0}, {"A": -20_000.0, "B": -8_000.0})  # sell short
fee = desk.BorrowFee({"A": 4e-4, "B": 8e-4})
costs = ac.TemporaryImpact() + ac.SpreadCost() + 1e-6 * ac.TimingRisk()


def problem(objective, *rules):
    return ac.ExecutionProblem(order, market, objective, list(rules))
"""


def outside(tmp_path, code, **environment):
    """Run code in a process that finds acopt, and the package in a folder of its own."""
    shutil.copytree(Path(__file__).parent / "outside", tmp_path / "site", dirs_exist_ok=True)
    paths = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SETUP + code],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cost_of_the_desk_has_weight_name_kind_and_breakdown(tmp_path):
    said = outside(
        tmp_path,
        """
plan = problem(costs + 2 * fee).solve()
assert plan.certificate.gap <= plan.certificate.tolerance and plan.certificate.objective_difference < 1e-12
held = -plan.holdings.to_numpy()[1:]
by_hand = (0.125 * np.array([4e-4, 8e-4]) * np.array([20.0, 50.0]) * np.maximum(held, 0)).sum()
assert by_hand > 10 and abs(plan.term_values["BorrowFee"] / by_hand - 1) < 1e-12
money = sum(v for k, v in plan.term_values.items() if k != "TimingRisk")
assert abs(plan.expected_cost / money - 1) < 1e-12  # it is money, once
table = plan.breakdown()
own = table[table["cost"] == "BorrowFee"]
assert set(own["kind"]) == {"money"} and set(own["weight"]) == {2.0} and len(own) == 16
assert abs(table["weighted"].sum() / plan.objective - 1) < 1e-9
assert "BorrowFee" in plan.summary() and repr(2 * fee) == "2 * BorrowFee()"
# A fee delays the short sale, and a larger weight delays it more.
gap = [problem(costs + w * fee).solve().holdings["A"].iloc[4] for w in (0, 1, 3)]
assert gap[0] < gap[1] < gap[2]
renamed = problem(costs + desk.BorrowFee({"A": 4e-4, "B": 8e-4}, name="locate"))
assert "locate" in renamed.solve().term_values
warm = renamed.update(weights={"locate": 3.0}).solve()
assert np.abs(warm.trades.to_numpy() - problem(costs + 3 * fee).solve().trades.to_numpy()).max() < 1e-3
print("done")
""",
    )
    assert said == "done\n"


def test_a_rule_of_the_desk_has_prices_a_doctor_and_updates(tmp_path):
    said = outside(
        tmp_path,
        """
capped = problem(costs + fee, desk.DeskCapacity(limit=1.2e5))
plan = capped.solve()
spent = np.abs(plan.trades.to_numpy()) @ [20.0, 50.0]
assert spent.max() > 1.2e5 * (1 - 1e-9) and not plan.rules_broken
prices = plan.shadow_prices()
prices = prices[prices["constraint"] == "DeskCapacity"]
assert len(prices) == 8 and set(prices["unit"]) == {"currency"}
step = 50.0

def least(limit):
    return capped.copy().update(constraints={"DeskCapacity": {"limit": limit}}).solve().objective

up, down = least(1.2e5 + step), least(1.2e5 - step)
assert abs(prices["price"].sum() - (down - up) / (2 * step)) < 1e-3 * prices["price"].sum()
assert capped.constraint_costs().loc["DeskCapacity", "saved"] > 0
windowed = problem(costs + fee, desk.DeskCapacity(limit=1.05e5, during=(0.5, 1.0), name="afternoon")).solve()
spent = np.abs(windowed.trades.to_numpy()) @ [20.0, 50.0]
assert spent[:4].max() > 1.05e5 * (1 - 1e-9) >= spent[4:].max() - 1e-3
try:
    capped.update(constraints={"DeskCapacity": {"limit": 1e4}}).solve()
except ac.InfeasibleError as error:
    assert "DeskCapacity" in str(error)
    assert any("DeskCapacity" in str(each) and "90k" in str(each) for each in [error.diagnosis])  # 800k / 8 - 10k
else:
    raise SystemExit("a desk without capacity planned all the same")
print("done")
""",
    )
    assert said == "done\n"


def test_a_rule_on_trades_of_the_desk_gets_everything_from_its_base(tmp_path):
    said = outside(
        tmp_path,
        """
rule = desk.MaximumNotional(limit=9e4, assets=["A"])
plan = problem(costs + fee, rule).solve()
assert np.abs(plan.trades["A"]).max() * 20 <= 9e4 * (1 + 1e-9)
assert "MaximumNotional" in plan.summary() or plan.shadow_prices("constraint")["constraint"].eq("MaximumNotional").any()
lots = plan.round_lots(100)
assert np.abs(lots.trades["A"]).max() * 20 <= 9e4 * (1 + 1e-9) and not (lots.trades.to_numpy() % 100).any()
soft = desk.MaximumNotional(limit=4e4, assets=["A"], penalty_bps=5.0)  # 8 x 4e4 is less than the order
given = problem(costs + fee, soft).solve()
assert given.trades["A"].sum() == -20_000 and not given.rules_broken
beyond = np.maximum(np.abs(given.trades["A"].to_numpy()) * 20 - 4e4, 0).sum()
assert abs(given.objective - sum(v * w for v, w in zip(
    [given.term_values[k] for k in ("TemporaryImpact", "SpreadCost", "TimingRisk", "BorrowFee")], (1, 1, 1e-6, 1))
) - 5e-4 * beyond) < 1e-6 * given.objective
print("done")
""",
    )
    assert said == "done\n"


FILED = """
from pathlib import Path
made = problem(
    costs + 2 * fee + ac.CustomCost(desk.squared_participation, name="calm"),
    desk.DeskCapacity(limit=1.4e5), desk.MaximumNotional(limit=9e4, assets=["A"]),
    ac.CustomConstraint(desk.trades_nothing_at_noon, name="noon"),
)
"""


def test_terms_of_the_desk_are_written_to_a_file_and_read_back(tmp_path):
    said = outside(
        tmp_path,
        FILED
        + """
path = ac.save_problem(made, "desk.toml", name="desk", title="a desk's day")
text = Path("desk.toml").read_text()
assert "desk_terms:BorrowFee" in text and "desk_terms:trades_nothing_at_noon" in text
again = ac.load_problem("desk.toml").problem()
assert again.content_hash() == made.content_hash()
assert (again.solve().trades.to_numpy() == made.solve().trades.to_numpy()).all()
try:
    problem(costs + ac.CustomCost(lambda p: cp.sum_squares(p.trades), name="noise")).to_toml()
except ac.ModelError as error:
    assert "noise" in str(error) and "lambda" in str(error)
else:
    raise SystemExit("a lambda was written to a file")
print(made.content_hash())
""",
    )
    seeds = ["1", "2"]
    hashes = [outside(tmp_path, FILED + "print(made.content_hash())", PYTHONHASHSEED=seed) for seed in seeds]
    assert hashes == [said, said]


@pytest.mark.parametrize("missing", ["desk_terms:Nothing", "no_such_desk:BorrowFee", "desk_terms"])
def test_a_term_that_cannot_be_found_is_named(tmp_path, missing):
    said = outside(
        tmp_path,
        FILED
        + f"""
ac.save_problem(made, "desk.toml", name="desk", title="a desk's day")
text = Path("desk.toml").read_text().replace("desk_terms:BorrowFee", "{missing}")
Path("desk.toml").write_text(text)
try:
    ac.load_problem("desk.toml")
except ac.AcoptError as error:
    print(type(error).__name__, error)
""",
    )
    assert said.startswith("DataError desk.toml: cost[") or said.startswith("ModelError desk.toml: cost[")
    assert missing in said
