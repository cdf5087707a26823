"""Rules that may give way: cores, least slacks and proofs on programs small enough to solve by hand."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

from acopt.solving.elastic import Elastic, Rows

OPEN = np.inf


def rows(a, lower, upper, give=None, own=0):
    a = np.atleast_2d(np.asarray(a, dtype=float))
    r = len(a)
    give = np.ones((r, 1)) if give is None else np.asarray(give, dtype=float).reshape(r, -1)
    soft = np.asarray(give.any(axis=1)) if own else np.ones(r, dtype=bool)
    side = [np.broadcast_to(np.asarray(b, dtype=float), r).copy() for b in (lower, upper)]
    return Rows(sp.csr_array(a), *side, sp.csr_array(give), soft)


def free(n, unit=1.0):
    return np.full(n, np.nan), np.full(n, unit)


class TestCore:
    def test_a_triangle_is_minimal(self):
        """x >= 1, y >= 1, x + y <= 1: every two of them hold."""
        rules = {"x": rows([1, 0], 1, OPEN), "y": rows([0, 1], 1, OPEN), "sum": rows([1, 1], -OPEN, 1)}
        rules["idle"] = rows([1, -1], -5, 5)
        system = Elastic(*free(2), rules)
        assert set(system.core(system.names)) == {"x", "y", "sum"}
        for pair in combinations(["x", "y", "sum"], 2):
            assert system.together([*pair, "idle"])

    def test_of_two_conflicts_one_is_returned(self):
        rules = {"a": rows([1, 0], 1, OPEN), "b": rows([1, 0], -OPEN, 0)}
        rules |= {"c": rows([0, 1], 1, OPEN), "d": rows([0, 1], -OPEN, 0)}
        system = Elastic(*free(2), rules)
        assert sorted(system.core(system.names)) in (["a", "b"], ["c", "d"])

    @pytest.mark.parametrize("seed", range(12))
    def test_a_core_agrees_with_enumeration(self, seed):
        rng = np.random.default_rng(seed)
        n, names = 3, [f"r{j}" for j in range(7)]
        a = rng.normal(size=(7, 2, n)).round(1)
        u = rng.normal(size=(7, 2)) - 0.3
        system = Elastic(*free(n), {name: rows(a[j], -OPEN, u[j]) for j, name in enumerate(names)})

        def feasible(chosen):
            if not chosen:
                return True
            matrix, sides = np.concatenate([a[j] for j in chosen]), np.concatenate([u[j] for j in chosen])
            return linprog(np.zeros(n), matrix, sides, bounds=(None, None)).status == 0

        assert system.together(names) == feasible(range(7))
        if not feasible(range(7)):
            core = [names.index(name) for name in system.core(names)]
            assert not feasible(core)
            for j in core:
                assert feasible([other for other in core if other != j])


class TestLeast:
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e9])
    def test_the_least_slack_whatever_the_units(self, scale):
        """x >= 3, x <= 1 that widens by 0.5 a unit: four units; in any unit of x."""
        rules = {"low": rows([1.0], 3 * scale, OPEN, [scale]), "high": rows([1.0], -OPEN, scale, [0.5 * scale])}
        system = Elastic(*free(1, scale), rules)
        assert system.least(system.names, ["high"])["high"] == pytest.approx([4.0], rel=1e-9)
        assert system.least(system.names, ["low"])["low"] == pytest.approx([2.0], rel=1e-9)

    def test_a_rule_that_cannot_give_way_is_no_help(self):
        system = Elastic(*free(1), {"low": rows([1.0], 3, OPEN), "high": rows([1.0], -OPEN, 1, [0.0])})
        assert system.least(system.names, ["high"]) is None

    def test_slacks_of_their_own_by_price(self):
        """x + y >= 4 against x <= 1, y <= 1 with a slack each: the cheaper one gives way."""
        both = rows([[1, 0], [0, 1]], -OPEN, 1, np.eye(2))
        system = Elastic(*free(2), {"sum": rows([1, 1], 4, OPEN), "both": both})
        found = system.least(system.names, ["both"], {"both": np.array([3.0, 1.0])})["both"]
        np.testing.assert_allclose(found, [0.0, 2.0], atol=1e-9)

    def test_a_slack_has_an_end(self):
        """As before, but y may move by half only: x does the rest; with too little in both, nothing does."""
        both = rows([[1, 0], [0, 1]], -OPEN, 1, np.eye(2))
        system = Elastic(*free(2), {"sum": rows([1, 1], 4, OPEN), "both": both})
        price = {"both": np.array([3.0, 1.0])}
        found = system.least(system.names, ["both"], price, {"both": np.array([OPEN, 0.5])})["both"]
        np.testing.assert_allclose(found, [1.5, 0.5], atol=1e-9)
        assert system.least(system.names, ["both"], price, {"both": np.array([1.0, 0.5])}) is None

    def test_what_gives_way_by_the_least_holds(self):
        rules = {"low": rows([1.0], 3, OPEN), "high": rows([1.0], -OPEN, 1)}
        system = Elastic(*free(1), rules)
        assert system.replaced({"high": rules["high"].widened(np.array([2.0]))}).together(system.names)
        assert not system.replaced({"high": rules["high"].widened(np.array([1.96]))}).together(system.names)
        assert system.replaced({}, without=["low"]).names == ["high"]

    def test_given_columns_are_data(self):
        fixed = np.array([5.0, np.nan])
        system = Elastic(fixed, np.ones(2), {"near": rows([-1, 1], -1, 1), "low": rows([0, 1], -OPEN, 3)})
        assert not system.together(system.names)
        assert system.least(system.names, ["near"])["near"] == pytest.approx([1.0], abs=1e-9)


class TestAuxiliaries:
    def test_rows_that_define_never_give_way(self):
        """|x| <= 1 by t >= x, t >= -x, t <= 1 against x >= 3: only t <= 1 gives way, by 2."""
        size = rows([[1, -1], [-1, -1], [0, 1]], -OPEN, [0, 0, 1], [0, 0, 1], own=1)
        system = Elastic(*free(1), {"size": size, "low": rows([1.0], 3, OPEN)})
        assert system.least(system.names, ["size"])["size"] == pytest.approx([2.0], abs=1e-9)

    def test_auxiliaries_of_different_rules_are_different(self):
        first = rows([[1, -1], [0, 1]], [0, -OPEN], [0, 1], [0, 1], own=1)
        second = rows([[1, -1], [0, 1]], [5, -OPEN], [5, 1], [0, 1], own=1)
        assert Elastic(*free(1), {"first": first, "second": second}).together(["first", "second"])


def test_independent_proofs_are_all_shown():
    """x <= 1 and y <= 1 in one rule against x >= 3 and y >= 2 in another; z is at peace."""
    eye = np.eye(3)
    system = Elastic(*free(3), {"high": rows(eye, -OPEN, 1), "low": rows(eye, [3, 2, 0], OPEN)})
    proof = system.involved(system.names)
    assert proof["high"].tolist() == [0, 1]
    assert proof["low"].tolist() == [0, 1]
