"""Code of one's own in problem files: functions and classes by the path from which they are imported, and no others."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from builders import grid, market, order

import acopt as ac
from acopt.costs.transient import TransientImpact
from acopt.market.kernels import ExponentialDecay
from acopt.spec.audit import content_hash
from acopt.spec.files import load_problem, parse_problem
from acopt.spec.writer import save_problem, to_toml

sys.path.append(str(Path(__file__).parent))
import own_code

BASE = ac.TemporaryImpact() + 1e-6 * ac.TimingRisk()


def problem(cost=None, *rules, **facts):
    return ac.ExecutionProblem(order("both sides"), market(**facts), BASE if cost is None else BASE + cost, list(rules))


def again(made):
    """Write and read."""
    text = to_toml(made)
    back = parse_problem(text).problem()
    assert to_toml(back) == text
    assert content_hash(back) == content_hash(made)
    assert repr(back) == repr(made)
    assert back.solve().trades.to_numpy().tobytes() == made.copy().solve().trades.to_numpy().tobytes()
    return back, text


def test_functions_by_their_path():
    cost = ac.CustomCost(own_code.quiet, kind="money", name="quiet")
    back, text = again(problem(2 * cost, ac.CustomConstraint(own_code.half_done, name="half"),
                               ac.CustomConstraint(own_code.Nested.rule)))  # fmt: skip
    assert 'function = "own_code:quiet"' in text
    assert 'function = "own_code:Nested.rule"' in text
    term = back.objective.terms[-1]
    assert (term.weight, term.cost.kind, term.cost.function) == (2.0, "money", own_code.quiet)
    assert back.constraints[0].function is own_code.half_done


KERNELS = [
    own_code.fading,
    dict.fromkeys("CBA", own_code.fading),
    {"A": own_code.fading, "B": own_code.fading, "C": ExponentialDecay(rate=3.0)},
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_by_their_path(kernel):
    back, _ = again(problem(TransientImpact(kernel, pd.Series(1e-6, list("ABC")))))
    found = back.objective.terms[-1].cost.kernel
    assert (found["A"] if isinstance(found, dict) else found) is own_code.fading


INDEX = grid().labels
RATES = {
    "a number": 0.01,
    "a mapping": {"B": 0.1, "A": 0.02, "C": 0.01},
    "by asset": pd.Series({"B": 0.1, "A": 0.02, "C": 0.01, "Z": 3.0}),
    "by interval": pd.Series(np.arange(1.0, 6.0) / 100, INDEX),
    "a table": pd.DataFrame(np.arange(15.0).reshape(5, 3) / 100, INDEX, list("CAB")),
    "an array": np.arange(15.0).reshape(5, 3) / 100,
}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_classes_by_their_path_with_data_of_every_shape(rate):
    fee = own_code.Fee(rate, words='say "x"', steps=(3, 4.5), flag=False, extra={"b": [1, {"c": 2}], "a": "x"})
    back, text = again(problem(0.5 * fee))
    found = back.objective.terms[-1].cost
    assert type(found) is own_code.Fee
    assert (found.words, found._steps, found.flag, found.table) == ('say "x"', [3, 4.5], False, None)
    assert found.extra == {"b": [1, {"c": 2}], "a": "x"}
    assert 'type = "own_code:Fee"' in text
    setting = back.setting
    assert (setting.coefficient(found.rate, "rate") == setting.coefficient(rate, "rate")).all()


def test_a_table_by_pair_of_assets_and_a_name():
    pairs = pd.DataFrame(np.arange(9.0).reshape(3, 3), list("CAB"), list("BCA"))
    back, _ = again(problem(own_code.Fee(0.01, table=pairs, name="desk fee")))
    found = back.objective.terms[-1].cost
    assert found.name == "desk fee"
    assert found.table.equals(pairs.loc[list("ABC"), list("ABC")])


def test_the_sequence_of_keys_does_not_matter():
    made = [problem(own_code.Fee(0.1, extra=dict(pairs))) for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])]
    assert content_hash(made[0]) == content_hash(made[1])


def test_rules_have_what_all_rules_have():
    cap = own_code.Cap(
        size=pd.Series(np.arange(5.0, 0, -1) * 1e3, INDEX), assets=["A"], during=(0.2, None), name="mine"
    )
    back, text = again(problem(None, cap, own_code.Cap(penalty_bps=3.0)))
    found = back.constraints[0]
    assert (type(found), found.name, found.assets, found.during) == (own_code.Cap, "mine", ("A",), (0.2, None))
    assert "penalty_bps = 3.0" in text


def test_an_impact_model():
    back, text = again(problem(impact=own_code.Law(2e-5)))
    assert type(back.market.impact) is own_code.Law
    assert 'model = "own_code:Law", arguments = { eta = 2e-05 }' in text


# ------------------------------------------------------------------ what cannot be written


def local():
    """Return a function and a class that are made within a function."""

    def inner(p):
        return cp.sum_squares(p.trades)

    class Inner(own_code.Plain):
        pass

    return inner, Inner()


def script():
    """A function that says it belongs to the script that runs."""
    own = own_code.quiet.__class__(own_code.quiet.__code__, {"cp": cp}, "mine")
    own.__module__, own.__qualname__ = "__main__", "mine"
    return own


def renamed(module, name):
    """A function that says it is something else."""
    own = own_code.quiet.__class__(own_code.quiet.__code__, {"cp": cp}, name)
    own.__module__, own.__qualname__ = module, name
    return own


class Callable_:  # noqa: N801
    def __call__(self, p):
        return cp.sum_squares(p.trades)


REFUSED = {
    "lambda": (lambda p: cp.sum_squares(p.trades), "noise: <lambda> is a lambda, and cannot be imported by its name"),
    "local": (local()[0], "inner is made within a function"),
    "partial": (partial(own_code.quiet), "partial is a partial without a name"),
    "object": (Callable_(), "Callable_ is a Callable_ without a name"),
    "script": (script(), "mine belongs to the script that runs"),
    "no module": (renamed("no_such_module", "quiet"), "no_such_module:quiet cannot be imported"),
    "no name": (renamed("own_code", "quieter"), "own_code:quieter cannot be imported"),
    "another": (renamed("own_code", "quiet"), "own_code:quiet, when imported, is not the object of the problem"),
}


@pytest.mark.parametrize(("function", "message"), REFUSED.values(), ids=REFUSED)
def test_a_function_without_a_path_is_refused_by_name(function, message):
    made = problem(ac.CustomCost(function, name="noise"))
    for write in (to_toml, content_hash):
        with pytest.raises(ac.ModelError, match="noise: ") as caught:
            write(made)
        assert message in str(caught.value)
        assert "top of a module" in str(caught.value)


def test_a_rule_that_is_a_lambda_is_refused_and_writes_nothing(tmp_path):
    made = problem(None, ac.CustomConstraint(lambda p: p.done("A") >= -1, name="pair"))
    with pytest.raises(ac.ModelError, match=r"pair: .*<lambda> is a lambda"):
        save_problem(made, tmp_path / "p.toml")
    assert not list(tmp_path.iterdir())


CLASSES = {
    "local": (local()[1], "Inner: .*Inner is made within a function"),
    "forgets": (own_code.Forgetful(3), "Forgetful: its keyword size cannot be written to a file, for the object does"),
    "none": (own_code.Optional(None), "Optional: its size is None, for which a file has no word"),
    "an object": (own_code.Fee(0.01, extra=object()), "Fee extra: an object of class object cannot be written"),
    "a key": (own_code.Fee(0.01, extra={1: 2}), "Fee extra: an object of class dict cannot be written"),
}


@pytest.mark.parametrize(("cost", "message"), CLASSES.values(), ids=CLASSES)
def test_a_class_that_cannot_be_written_says_why(cost, message):
    with pytest.raises(ac.ModelError, match=message):
        to_toml(problem(cost))


def test_what_cannot_be_written_is_named_with_its_class():
    wanted = r"rent \(Fee\) extra: an object of class set cannot be written to a file"
    with pytest.raises(ac.ModelError, match=wanted):
        to_toml(problem(own_code.Fee(0.01, extra={1}, name="rent")))


def test_a_name_that_a_class_does_not_take():
    cost = own_code.Plain()
    cost.name = "other"
    with pytest.raises(ac.ModelError, match="other: its class Plain takes no name="):
        to_toml(problem(cost))


# ------------------------------------------------------------------ what cannot be read

TEXT = to_toml(problem(own_code.Fee(0.25), own_code.Cap(), ac.CustomConstraint(own_code.half_done)))
FEE, CAP, FUNCTION = '"own_code:Fee"', '"own_code:Cap"', '"own_code:half_done"'
ERRORS = [
    (FEE, '"no_such_desk:Fee"', "cost[2]: no_such_desk:Fee: the module no_such_desk cannot be imported"),
    (FEE, '"own_code:Nothing"', "cost[2]: own_code:Nothing: the module own_code has no Nothing"),
    (FEE, '"own_code"', "cost[2]: 'type' = 'own_code' is not known; accepted are TemporaryImpact"),
    (FEE, '"own code:Fee"', "cost[2].type: 'own code:Fee' is not accepted"),
    (FEE, '":Fee"', "cost[2].type: ':Fee' is not accepted"),
    (FEE, '"..own_code:Fee"', "cost[2].type: '..own_code:Fee' is not accepted"),
    (
        FEE,
        '"own_code:Cap"',
        "cost[2]: own_code:Cap is <class 'own_code.Cap'>; a class that extends acopt.Cost is expec",
    ),
    (FEE, '"own_code:a_number"', "cost[2]: own_code:a_number is 3.0; a class that extends acopt.Cost is expected"),
    (FEE, '"own_code:quiet"', "cost[2]: own_code:quiet is <function quiet at"),
    (FEE, '"own_code:Plain"', "cost[2]: own_code:Plain does not take what the table says"),
    (
        CAP,
        FEE,
        "constraint[0]: own_code:Fee is <class 'own_code.Fee'>; a class that extends acopt.Constraint is expect",
    ),
    (
        FUNCTION,
        '"own_code:a_number"',
        "constraint[1].function: own_code:a_number is 3.0; a function of the paths is exp",
    ),
    (FUNCTION, '"own_code:gone"', "constraint[1].function: own_code:gone: the module own_code has no gone"),
    (FUNCTION, '"half_done"', "constraint[1].function: 'half_done' is not accepted"),
    (FUNCTION, "3", "constraint[1].function: 3 is not accepted"),
    ("rate = 0.25", "rat = 0.25", "cost[2]: own_code:Fee does not take what the table says: missing a required argume"),
    (
        "rate = 0.25",
        "rate = { by_interval = [1.0] }",
        "cost[2].arguments.rate.by_interval: a list of 1 was given for 5",
    ),
    ("rate = 0.25", "rate = { by_interval = 1.0 }", "cost[2].arguments.rate: by_interval is followed by a list of num"),
    ("rate = 0.25", "rate = { by_asset = { A = 1.0 } }", "cost[2].arguments.rate.by_asset: no value for B; given: A"),
    (
        "rate = 0.25",
        "rate = { by_asset = [1.0] }",
        "cost[2].arguments.rate: by_asset is followed by a table with a num",
    ),
    ("rate = 0.25", 'rate = { by_asset = { A = "x" } }', "cost[2].arguments.rate: by_asset is followed by a table"),
    (
        "rate = 0.25",
        "rate = { by_pair = { A = 1.0 } }",
        "cost[2].arguments.rate: by_pair is followed by a table of tab",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), ERRORS, ids=[each[1][:30] for each in ERRORS])
def test_what_a_file_names_must_be_there_and_be_what_it_should(old, new, message):
    assert old in TEXT
    with pytest.raises(ac.AcoptError) as caught:
        parse_problem(TEXT.replace(old, new), file="p.toml")
    said = str(caught.value)
    assert said.startswith(f"p.toml: {message}"), said
    assert "\n" not in said


def test_a_class_that_cannot_be_made_says_why():
    text = to_toml(problem(own_code.Fussy())).replace("size = 0", "size = 2")
    with pytest.raises(ac.AcoptError, match=r"cost\[2\]: own_code:Fussy cannot be made: 2"):
        parse_problem(text)


def test_a_file_may_be_kept_from_importing(tmp_path):
    path = save_problem(problem(own_code.Fee(0.25)), tmp_path / "p.toml")
    with pytest.raises(ac.DataError, match=r"cost\[2\]: own_code:Fee is code to import, which custom=False rules out"):
        load_problem(path, custom=False)
    assert load_problem(path).problem()
    assert load_problem("basket", custom=False).problem()


def test_nothing_is_imported_when_it_may_not_be(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ac.DataError, match="custom=False"):
        parse_problem(TEXT.replace(FEE, '"trap:Fee"'), custom=False)
    assert "trap" not in sys.modules
