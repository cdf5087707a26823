"""The data rule: one function from whatever a user writes to an interval x asset array."""

from collections import UserDict
from types import MappingProxyType

import builders
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import AcoptError, DataError
from acopt.market.labels import by_asset, by_asset_pair, by_interval_and_asset, symmetric

EXACT = 0.0
ASSETS = pd.Index(["JPM", "BAC", "XOM"])
TIMES = ac.TimeGrid.session("2019-02-15", "30min", start="10:00", end="12:00").labels  # four intervals
TABLE = np.arange(1.0, 13.0).reshape(4, 3)


def align(value, **rules):
    return by_interval_and_asset(value, TIMES, ASSETS, what="eta", **rules)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT)


class TestShapes:
    def test_scalar(self):
        same(align(2.5), np.full((4, 3), 2.5))

    @pytest.mark.parametrize("kind", [dict, UserDict, MappingProxyType, pd.Series])
    def test_by_asset_in_any_order(self, kind):
        value = kind({"XOM": 3.0, "JPM": 1.0, "BAC": 2.0})
        same(align(value), np.tile([1.0, 2.0, 3.0], (4, 1)))

    def test_by_interval_in_any_order(self):
        value = pd.Series([1.0, 2.0, 3.0, 4.0], index=TIMES).iloc[[2, 0, 3, 1]]
        same(align(value), np.tile([[1.0], [2.0], [3.0], [4.0]], (1, 3)))

    def test_table_in_any_order(self):
        value = pd.DataFrame(TABLE, index=TIMES, columns=ASSETS).iloc[[3, 1, 0, 2], [1, 2, 0]]
        same(align(value), TABLE)

    def test_supersets_are_selected_from(self):
        wider = pd.DataFrame(TABLE, index=TIMES, columns=ASSETS)
        wider["GE"] = -1.0
        wider.loc[TIMES[-1] + pd.Timedelta("30min")] = -2.0
        same(align(wider), TABLE)
        same(align(wider.iloc[0].drop("GE")), np.tile(TABLE[0], (4, 1)))
        same(align(wider["BAC"]), np.tile(TABLE[:, [1]], (1, 3)))

    @pytest.mark.parametrize("make", [np.asarray, lambda a: a.tolist(), lambda a: tuple(map(tuple, a.tolist()))])
    def test_array(self, make):
        same(align(make(TABLE)), TABLE)

    def test_array_by_asset_and_by_interval(self):
        same(align(np.array([1.0, 2.0, 3.0])), np.tile([1.0, 2.0, 3.0], (4, 1)))
        same(align(np.arange(4.0)[:, None]), np.tile(np.arange(4.0)[:, None], (1, 3)))

    def test_one_asset_takes_plain_arrays(self):
        same(by_interval_and_asset(np.arange(4.0), TIMES, ASSETS[:1], what="eta"), np.arange(4.0)[:, None])
        same(by_interval_and_asset([7.0], TIMES, ASSETS[:1], what="eta"), np.full((4, 1), 7.0))

    def test_integers_and_whole_number_objects(self):
        same(align(pd.Series({"JPM": 1, "BAC": 2, "XOM": 3}, dtype="Int64")), np.tile([1.0, 2.0, 3.0], (4, 1)))

    def test_the_answer_is_a_copy(self):
        source = TABLE.copy()
        align(source)[0, 0] = -1.0
        same(source, TABLE)

    def test_same_instants_in_another_time_zone(self):
        value = pd.Series([1.0, 2.0, 3.0, 4.0], index=TIMES.tz_convert("UTC"))
        same(align(value)[:, 0], [1.0, 2.0, 3.0, 4.0])

    @given(
        rows=st.permutations(range(4)),
        columns=st.permutations(range(3)),
        values=st.lists(st.floats(-1e12, 1e12), min_size=12, max_size=12),
    )
    @settings(max_examples=40, deadline=None)
    def test_any_permutation(self, rows, columns, values):
        array = np.reshape(values, (4, 3))
        shuffled = pd.DataFrame(array, index=TIMES, columns=ASSETS).iloc[list(rows), list(columns)]
        same(align(shuffled), array)


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (pd.Series({"JPM": 1.0, "BAC": 2.0}), ["eta", "asset XOM", "given: JPM, BAC"]),
            (pd.Series({"JPM": 1.0}), ["asset BAC", "and 1 more"]),
            (pd.Series([1.0, 2.0, 3.0], index=TIMES[:3]), ["eta", "interval 2019-02-15 11:30"]),
            (pd.DataFrame(TABLE[:, :2], index=TIMES, columns=ASSETS[:2]), ["asset XOM"]),
            (pd.DataFrame(TABLE[:3], index=TIMES[:3], columns=ASSETS), ["interval 2019-02-15 11:30"]),
            (pd.Series([1.0, 2.0, 3.0]), ["asset JPM", "given: 0, 1, 2"]),
        ],
        ids=["asset", "two assets", "interval", "column", "row", "no labels"],
    )
    def test_missing_label(self, value, words):
        with pytest.raises(DataError) as caught:
            align(value)
        assert all(word in str(caught.value) for word in words), caught.value

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite_with_its_place(self, bad):
        table = pd.DataFrame(TABLE, index=TIMES, columns=ASSETS)
        table.loc[TIMES[2], "BAC"] = bad
        with pytest.raises(DataError, match=rf"eta is {bad:g} for BAC at 2019-02-15 11:00.*finite number"):
            align(table)

    def test_not_finite_outside_the_selection_is_nobodys_business(self):
        table = pd.DataFrame(TABLE, index=TIMES, columns=ASSETS)
        table["GE"] = np.nan
        same(align(table), TABLE)

    def test_infinite_bounds_are_accepted_when_asked_for(self):
        same(align(np.inf, infinite=True), np.full((4, 3), np.inf))
        with pytest.raises(DataError, match=r"eta is nan for JPM at .*a number is expected"):
            align(np.nan, infinite=True)

    @pytest.mark.parametrize(
        ("sign", "bad", "demand"),
        [("positive", 0.0, "> 0"), ("nonnegative", -1e-300, ">= 0"), ("positive", -3.0, "> 0")],
    )
    def test_sign(self, sign, bad, demand):
        with pytest.raises(DataError, match=rf"eta is {bad:g} for XOM at 2019-02-15 10:00.*{demand}"):
            align(pd.Series({"JPM": 1.0, "BAC": 1.0, "XOM": bad}), sign=sign)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (pd.Series({"JPM": 1.0, "BAC": "abc", "XOM": 2.0}), "eta: 'abc' for BAC is not a number"),
            ({"JPM": 1.0, "BAC": None, "XOM": "?"}, r"eta: '\?' for XOM is not a number|None for BAC"),
            (pd.Series([1.0, None, 2.0], index=ASSETS, dtype="Float64"), "BAC"),
            (
                pd.DataFrame(TABLE, index=TIMES, columns=ASSETS).astype(object).replace(5.0, "n/a"),
                "'n/a' for BAC at 2019",
            ),
            ("fast", "eta: 'fast' is not a number"),
            ([[1.0, 2.0], [3.0]], "eta: .* is not a number"),
        ],
        ids=["series", "mapping", "nullable", "table", "text", "ragged"],
    )
    def test_text_and_gaps_are_named(self, value, words):
        with pytest.raises(DataError, match=words):
            align(value)

    @pytest.mark.parametrize("shape", [(2,), (4,), (3, 4), (1, 3), (4, 2), (4, 3, 1), (0,)])
    def test_shape_that_fits_nothing(self, shape):
        with pytest.raises(
            DataError, match=r"eta: an array of shape .* was given; accepted are .*\(4, 3\) interval x asset"
        ):
            align(np.ones(shape))

    def test_array_that_fits_twice(self):
        with pytest.raises(DataError, match="length 3 fits the 3 intervals and the 3 assets alike; give a Series"):
            by_interval_and_asset(np.ones(3), TIMES[:3], ASSETS, what="eta")

    def test_series_that_fits_twice(self):
        numbered = pd.Index([0.0, 1.0])
        with pytest.raises(DataError, match="fit the assets and the intervals alike; give a DataFrame"):
            by_interval_and_asset(pd.Series([1.0, 2.0], index=numbered), numbered, pd.Index([0, 1]), what="eta")

    @pytest.mark.parametrize(
        "value",
        [
            pd.Series([1.0, 2.0, 3.0, 4.0], index=["JPM", "BAC", "XOM", "BAC"]),
            pd.DataFrame(np.ones((4, 4)), index=TIMES, columns=["JPM", "BAC", "XOM", "BAC"]),
        ],
        ids=["series", "table"],
    )
    def test_duplicate_label(self, value):
        with pytest.raises(DataError, match="eta: the label 'BAC' appears more than once"):
            align(value)

    def test_duplicate_interval(self):
        with pytest.raises(DataError, match="appears more than once"):
            align(pd.DataFrame(np.ones((5, 3)), index=TIMES.append(TIMES[:1]), columns=ASSETS))

    def test_scalar_in_price_units(self):
        with pytest.raises(
            DataError, match=r"the scalar 0.25 is in price units .* all 3 assets; give a Series by asset"
        ):
            align(0.25, price_units=True)
        same(by_interval_and_asset(0.25, TIMES, ASSETS[:1], what="eta", price_units=True), np.full((4, 1), 0.25))
        same(align(pd.Series(0.25, index=ASSETS), price_units=True), np.full((4, 3), 0.25))

    @given(st.one_of(st.text(max_size=3), st.none(), st.lists(st.floats(), max_size=5), st.binary(max_size=2)))
    @settings(max_examples=60, deadline=None)
    def test_nonsense_is_a_number_or_our_error(self, value):
        found = builders.outcome(lambda: align(value))
        if isinstance(found, AcoptError):
            assert "eta" in str(found)
        else:
            assert found.shape == (4, 3)
            assert np.isfinite(found).all()


class TestByAsset:
    def test_all_forms(self):
        for value in (
            pd.Series({"XOM": 3.0, "BAC": 2.0, "JPM": 1.0, "GE": 9.0}),
            {"JPM": 1, "BAC": 2, "XOM": 3},
            [1, 2, 3],
        ):
            same(by_asset(value, ASSETS, what="price"), [1.0, 2.0, 3.0])
        same(by_asset(2.0, ASSETS, what="price"), [2.0, 2.0, 2.0])

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (pd.DataFrame(TABLE), "a table was given"),
            ([1.0, 2.0], r"shape \(2,\) was given, \(3,\) is expected"),
            ({"JPM": 1.0, "BAC": np.nan, "XOM": 1.0}, "price is nan for BAC;"),
            ({"JPM": 1.0, "BAC": 0.0, "XOM": 1.0}, "price is 0 for BAC; a number > 0"),
            ({"JPM": 1.0, "BAC": 1.0}, "no value for asset XOM"),
            ({"JPM": 1.0, "BAC": 1.0, "XOM": "high"}, "'high' for XOM is not a number"),
        ],
    )
    def test_refusals(self, value, words):
        with pytest.raises(DataError, match=words):
            by_asset(value, ASSETS, what="price", sign="positive")


class TestPairs:
    def test_reordered_and_selected(self):
        wide = pd.DataFrame(np.arange(16.0).reshape(4, 4), index=[*"cabd"], columns=[*"badc"])
        expected = [[wide.loc[i, j] for j in "abc"] for i in "abc"]
        same(by_asset_pair(wide, pd.Index([*"abc"]), what="gamma"), expected)

    def test_one_asset_scalar(self):
        same(by_asset_pair(4.0, ASSETS[:1], what="gamma"), [[4.0]])

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (4.0, r"shape \(\) was given, \(3, 3\) is expected"),
            (np.ones((2, 2)), r"shape \(2, 2\)"),
            (pd.DataFrame(np.ones((2, 2)), index=ASSETS[:2], columns=ASSETS[:2]), "no value for asset XOM"),
            (np.array([[1.0, 2.0, np.nan], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "gamma is nan for XOM at JPM"),
        ],
    )
    def test_refusals(self, value, words):
        with pytest.raises(DataError, match=words):
            by_asset_pair(value, ASSETS, what="gamma")

    def test_asymmetry_names_the_worst_pair(self):
        matrix = np.array([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.3, 1.0]])
        with pytest.raises(DataError, match=r"\[BAC, XOM\] is 0.2, \[XOM, BAC\] is 0.3; because"):
            symmetric(matrix, ASSETS, what="gamma", advice="; because")

    def test_rounding_is_made_symmetric(self):
        matrix = np.array([[1.0, 0.5], [0.5 + 1e-12, 1.0]])
        found = symmetric(matrix, ASSETS[:2], what="gamma")
        same(found, found.T)
