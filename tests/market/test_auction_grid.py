"""Opening and closing crosses: intervals of no duration, their labels, and the times that name them."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acopt.errors import DataError
from acopt.market.grid import TimeGrid

NEW_YORK = "America/New_York"
STAMPS = pd.DatetimeIndex(
    ["2019-02-15 09:29:59", "2019-02-15 09:30", "2019-02-15 12:45", "2019-02-15 16:00", "2019-02-15 16:00:01"]
)


def day(**changes):
    return TimeGrid.session("2019-02-15", "30min", **{"auctions": True, **changes})


def two_days(**changes):
    return TimeGrid.sessions("2019-02-14", "2019-02-15", "30min", **{"overnight": 0.5, "auctions": True, **changes})


def stamp(text):
    return pd.Timestamp(f"2019-02-{text}", tz=NEW_YORK)


class TestConstruction:
    def test_both_crosses(self):
        grid, plain = day(), day(auctions=False)
        assert grid.periods == plain.periods + 2 == 15
        np.testing.assert_array_equal(np.flatnonzero(grid.auctions), [0, 14])
        np.testing.assert_array_equal(grid.durations[[0, 14]], [0.0, 0.0])
        np.testing.assert_array_equal(grid.durations[1:-1], plain.durations)
        np.testing.assert_array_equal(grid.edges[1:-1], plain.edges)
        assert grid.horizon == plain.horizon == 1.0
        assert not grid.closed.any()

    def test_labels_stay_unique_and_increase(self):
        grid = day()
        assert list(grid.labels[[0, 1, -1]]) == [stamp("15 09:29:59"), stamp("15 09:30"), stamp("15 16:00")]
        assert grid.edge_labels[-1] == stamp("15 16:00:01")
        assert grid.edge_labels.is_unique
        assert grid.edge_labels.is_monotonic_increasing

    @pytest.mark.parametrize(
        ("changes", "opening", "closing"),
        [
            ({"auctions": "open"}, 1, 0),
            ({"auctions": "close"}, 0, 1),
            ({"start": "10:00"}, 0, 1),
            ({"end": "15:30"}, 1, 0),
            ({"start": "10:00", "auctions": "close"}, 0, 1),
            ({"end": "15:30", "auctions": "open"}, 1, 0),
            ({"start": "09:30", "end": "16:00"}, 1, 1),
        ],
    )
    def test_the_crosses_that_the_window_reaches(self, changes, opening, closing):
        grid = day(**changes)
        assert grid.crosses("open").sum() == opening == grid.auctions[0]
        assert grid.crosses("close").sum() == closing == grid.auctions[-1]
        assert grid.auctions.sum() == opening + closing

    def test_every_day_has_its_own(self):
        grid, plain = two_days(), two_days(auctions=False)
        np.testing.assert_array_equal(np.flatnonzero(grid.auctions), [0, 14, 16, 30])
        np.testing.assert_array_equal(np.flatnonzero(grid.closed), [15])
        np.testing.assert_array_equal(np.flatnonzero(grid.crosses("open")), [0, 16])
        np.testing.assert_array_equal(np.flatnonzero(grid.crosses("close")), [14, 30])
        assert not (grid.closed & grid.auctions).any()
        assert grid.durations[15] == pytest.approx(0.5, rel=1e-12)
        np.testing.assert_array_equal(grid.durations[~grid.auctions], plain.durations)

    def test_the_night_is_the_same_with_and_without(self):
        grid = two_days(auctions="open", end="15:30")
        night = grid.durations[grid.closed]
        np.testing.assert_allclose(night, 0.5 + 0.5 / 6.5, rtol=1e-12)

    def test_by_hand(self):
        auctions = [True, False, False, True]
        grid = TimeGrid([0.0, 0.0, 0.5, 1.0, 1.0], auctions=auctions, timestamps=STAMPS)
        np.testing.assert_array_equal(grid.auctions, auctions)
        assert TimeGrid.session("2019-02-15", "195min", auctions=True, tz=None) == grid

    def test_none_by_default(self):
        grid = TimeGrid([0, 1, 3])
        np.testing.assert_array_equal(grid.auctions, [False, False])

    def test_the_masks_are_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            day().auctions[1] = True
        mask = np.array([True, False, False, True])
        grid = TimeGrid([0.0, 0.0, 0.5, 1.0, 1.0], auctions=mask, timestamps=STAMPS)
        mask[:] = False
        assert grid.auctions.sum() == 2


class TestRefused:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: day(start="10:00", end="15:30"), "auctions=True.*10:00 to 15:30 does not reach"),
            (lambda: day(start="10:00", auctions="open"), "auctions='open'.*runs from 09:30 to 16:00"),
            (lambda: day(end="15:30", auctions="close"), "auctions='close'"),
            (lambda: day(auctions="both"), "True, False, 'open' or 'close' is accepted"),
            (lambda: day(auctions=1), "auctions=1"),
            (lambda: day(auctions=pd.Series([True, False])), "True, False, 'open' or 'close' is accepted"),
            (lambda: TimeGrid([0, 1, 1], auctions=[False, True]), "interval 1 is an auction.*timestamps="),
            (
                lambda: TimeGrid([0, 1, 1], auctions=[True, False], timestamps=STAMPS[:3]),
                "interval 0 is an auction and lasts 1; an auction lasts 0",
            ),
            (lambda: TimeGrid([0, 1, 1]), "edge 1 is 1, edge 2 is 1"),
            (
                lambda: TimeGrid([0, 1, 1], auctions=[False, True], closed=[False, True], timestamps=STAMPS[:3]),
                "interval 1 is closed and an auction",
            ),
            (
                lambda: TimeGrid([0, 0, 1], auctions=[True, False], closed=[False, True], timestamps=STAMPS[:3]),
                "closed or an auction",
            ),
            (lambda: TimeGrid([0, 1], auctions=[1]), "auctions of type int64"),
            (lambda: TimeGrid([0, 1], auctions=[False, False]), r"bool of shape \(1,\)"),
            (lambda: day().crosses("noon"), "'open' or 'close'"),
        ],
    )
    def test_says_what_would_do(self, make, message):
        with pytest.raises(DataError, match=message):
            make()


class TestTimes:
    @pytest.mark.parametrize(
        ("time", "edge"),
        [
            ("open", 0),
            ("close", 14),
            ("09:29:59", 0),
            ("09:30", 1),
            ("16:00", 14),
            ("16:00:01", 15),
            (stamp("15 09:30"), 1),
            (0.0, 1),  # a number that meets both edges of a cross is the edge after it
            (1.0, 15),
            ("0min", 1),
            ("6.5h", 15),
            ("1 day", 15),
            (0.5 / 6.5, 2),
            ("30min", 2),
        ],
    )
    def test_positions(self, time, edge):
        assert day().position(time) == edge

    @pytest.mark.parametrize(("time", "interval"), [("open", 0), ("close", 14), ("16:00", 14), ("09:30", 1), (0.0, 1)])
    def test_intervals(self, time, interval):
        assert day().interval(time) == interval

    @pytest.mark.parametrize(
        ("during", "intervals"),
        [
            (("close", None), [14]),
            ((None, "09:30"), [0]),
            (("open", "09:30"), [0]),
            (("16:00", None), [14]),
            (("close", "16:00:01"), [14]),
            (("09:30", "close"), range(1, 14)),
            (("09:30", "16:00"), range(1, 14)),
            (("open", "close"), range(14)),
            ((None, "close"), range(14)),
            (("open", None), range(15)),
            ((0.0, 1.0), range(1, 14)),  # numbers leave the crosses out, at both ends
            (("0min", "6.5h"), range(1, 14)),
            ((None, 0.0), None),
            ((None, "30min"), [0, 1]),
            (("6h", None), [13, 14]),
            ((None, None), range(15)),
            (None, range(15)),
        ],
    )
    def test_windows(self, during, intervals):
        if intervals is None:
            with pytest.raises(DataError, match="empty or reversed"):
                day().window(during)
        else:
            np.testing.assert_array_equal(np.flatnonzero(day().window(during)), list(intervals))

    def test_words_need_a_cross(self):
        for word, other in (("open", "close"), ("close", "open")):
            with pytest.raises(DataError, match=f"{word!r} names the .* cross, but this grid has none"):
                day(auctions=other).position(word)
            with pytest.raises(DataError, match="this grid has none"):
                day(auctions=False).window((word, None))
        with pytest.raises(DataError, match="has none"):
            TimeGrid([0, 1]).interval("open")

    @pytest.mark.parametrize("during", [("open", None), ("09:30", "close"), (None, "close"), ("close", "open")])
    def test_words_are_ambiguous_on_several_days(self, during):
        grid = two_days()
        with pytest.raises(DataError, match="ambiguous on a grid of 2 sessions; give a full timestamp"):
            grid.window(during)
        with pytest.raises(DataError, match="ambiguous"):
            grid.position("close")

    def test_several_days_by_time_of_day_and_stamp(self):
        grid = two_days()
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("16:00", None))), [14, 30])
        np.testing.assert_array_equal(np.flatnonzero(grid.window((None, "09:30"))), [0, 16])
        np.testing.assert_array_equal(np.flatnonzero(grid.window((stamp("15 16:00"), None))), [30])
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("09:30", "16:00"))), [*range(1, 14), *range(17, 30)])

    def test_trading_time_over_a_night_and_its_crosses(self):
        grid = two_days()
        assert grid.position("6.5h") == 17  # the start of continuous trading the day after
        np.testing.assert_array_equal(np.flatnonzero(grid.window((None, "6.5h"))), range(14))
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("6.5h", "13h"))), range(17, 30))
        assert grid.position(1.0) == 15  # on the scale of edges: both ends of the closing cross, not the night's end
        assert grid.position(1.5) == 17
        np.testing.assert_array_equal(np.flatnonzero(grid.window((0.0, 1.0))), range(1, 14))

    def test_between_two_edges_is_refused(self):
        with pytest.raises(DataError, match="outside the grid, which runs from 2019-02-15 09:29:59"):
            day().position("09:29")
        with pytest.raises(DataError, match="lies between 2019-02-15 09:30 and 2019-02-15 10:00"):
            day().position("09:45")


class TestValue:
    @pytest.mark.parametrize("grid", [day(), day(auctions="open"), two_days(), two_days(tz=None)])
    def test_copies_are_equal(self, grid):
        for twin in (pickle.loads(pickle.dumps(grid)), copy.deepcopy(grid), copy.copy(grid)):  # noqa: S301
            assert twin == grid
            assert hash(twin) == hash(grid)
            np.testing.assert_array_equal(twin.auctions, grid.auctions)
            with pytest.raises(ValueError, match="read-only"):
                twin.auctions[0] = False

    def test_what_differs(self):
        assert len({day(), day(auctions="open"), day(auctions="close"), day(auctions=False), day()}) == 4
        # the same numbers and labels, once as a night that lasts and once as a short interval, are not equal
        assert TimeGrid([0, 1, 2], closed=[False, True]) != TimeGrid([0, 1, 2])

    def test_repr(self):
        text = "TimeGrid(2019-02-15 09:29:59 to 2019-02-15 16:00:01, 13 intervals of 30min, 2 auctions"
        assert repr(day()).startswith(text)
        assert "1 auction," in repr(day(auctions="close"))
        assert "26 intervals of 30min, 1 closed, 4 auctions" in repr(two_days())
        assert "auction" not in repr(day(auctions=False))


@given(st.sampled_from(["15min", "30min", "65min", "195min", "390min"]), st.sampled_from([True, "open", "close"]))
def test_every_edge_finds_itself(bar, auctions):
    grid = TimeGrid.session("2019-02-15", bar, auctions=auctions)
    for k, label in enumerate(grid.edge_labels):
        assert grid.position(label) == k
    assert grid.durations[grid.auctions].sum() == 0.0
    np.testing.assert_allclose(grid.durations.sum(), 1.0, rtol=1e-12)
