"""TimeGrid: edges, nights, and times read in every way they can be written."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acopt.errors import DataError
from acopt.market.grid import TimeGrid

NEW_YORK = "America/New_York"


def day(**times):
    return TimeGrid.session("2019-02-15", "15min", **times)


def three_days(**times):
    dates = ["2019-02-14", "2019-02-15", "2019-02-19"]  # the 18th was a holiday
    return TimeGrid.sessions("2019-02-14", "2019-02-19", "30min", overnight=0.5, dates=dates, **times)


class TestConstruction:
    def test_numbers(self):
        grid = TimeGrid([0, 1, 3], unit="hour")
        assert grid.periods == len(grid) == 2
        assert grid.horizon == 3.0
        np.testing.assert_array_equal(grid.durations, [1.0, 2.0])
        np.testing.assert_array_equal(grid.closed, [False, False])
        assert grid.timestamps is None
        assert list(grid.labels) == [0.0, 1.0]
        assert list(grid.edge_labels) == [0.0, 1.0, 3.0]

    def test_uniform(self):
        grid = TimeGrid.uniform(1.0, 26)
        assert (grid.edges[0], grid.edges[-1], grid.periods) == (0.0, 1.0, 26)
        np.testing.assert_allclose(grid.durations, 1 / 26, rtol=1e-12)

    def test_a_full_session_is_one_day(self):
        grid = day()
        assert grid.periods == 26
        assert grid.horizon == pytest.approx(1.0, rel=1e-15)
        assert grid.labels[0] == pd.Timestamp("2019-02-15 09:30", tz=NEW_YORK)
        assert grid.edge_labels[-1] == pd.Timestamp("2019-02-15 16:00", tz=NEW_YORK)
        assert len(grid.labels) == 26

    def test_part_of_a_session(self):
        grid = day(start="09:45", end=dt.time(15, 45))
        assert grid.periods == 24
        assert grid.horizon == pytest.approx(6 / 6.5, rel=1e-15)
        np.testing.assert_allclose(grid.durations, 0.25 / 6.5, rtol=1e-12)

    def test_other_hours(self):
        grid = TimeGrid.session("2019-02-15", "30min", open="08:00", close="16:30", tz="Europe/London")
        assert grid.horizon == pytest.approx(1.0)
        assert grid.session_length == pd.Timedelta("8.5h")
        assert grid.duration("8.5h") == pytest.approx(1.0)

    def test_without_a_zone(self):
        assert day(tz=None).timestamps.tz is None

    def test_nights_of_whole_sessions(self):
        grid = TimeGrid.sessions("2019-02-14", "2019-02-15", "15min", overnight=0.5)
        assert grid.periods == 53
        np.testing.assert_array_equal(np.flatnonzero(grid.closed), [26])
        assert grid.durations[26] == pytest.approx(0.5)
        assert grid.horizon == pytest.approx(2.5)

    def test_nights_hold_the_session_time_outside_the_window(self):
        grid = three_days(start="10:00", end="15:30")
        assert grid.periods == 3 * 11 + 2
        np.testing.assert_array_equal(np.flatnonzero(grid.closed), [11, 23])
        # 30 minutes after the window, 30 before the next, and half a session; Friday to Tuesday alike
        np.testing.assert_allclose(grid.durations[grid.closed], 0.5 + 1.0 / 6.5, rtol=1e-12)
        # total risk time: what is between the first edge and the last
        assert grid.horizon == pytest.approx(3 + 2 * 0.5 - 1.0 / 6.5)

    def test_a_night_of_zero_is_refused_unless_session_time_is_left(self):
        with pytest.raises(DataError, match="without any risk time"):
            TimeGrid.sessions("2019-02-14", "2019-02-15", "15min", overnight=0)
        grid = TimeGrid.sessions("2019-02-14", "2019-02-15", "15min", overnight=0, end="15:45")
        assert grid.durations[grid.closed] == pytest.approx([0.25 / 6.5])

    def test_from_timestamps_equals_sessions(self):
        grid = three_days(start="10:00", end="15:30")
        assert TimeGrid.from_timestamps(grid.timestamps, overnight=0.5) == grid
        naive = [stamp.isoformat() for stamp in grid.timestamps.tz_localize(None)]
        assert TimeGrid.from_timestamps(naive, overnight=0.5, tz=NEW_YORK) == grid
        assert TimeGrid.from_timestamps(naive, overnight=0.5).timestamps.tz is None
        utc = grid.timestamps.tz_convert("UTC")
        assert TimeGrid.from_timestamps(utc, overnight=0.5, tz=NEW_YORK) == grid

    def test_daylight_saving_does_not_stretch_a_night(self):
        grid = TimeGrid.sessions("2019-03-08", "2019-03-11", "30min", overnight=0.5)
        assert grid.durations[grid.closed] == pytest.approx([0.5])
        assert grid.position("2019-03-11 10:00") == 15

    def test_uneven_timestamps(self):
        grid = TimeGrid.from_timestamps(["2019-02-15 09:30", "2019-02-15 09:35", "2019-02-15 16:00"])
        np.testing.assert_allclose(grid.durations, [5 / 390, 385 / 390], rtol=1e-12)

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: TimeGrid([1.0]), "at least two"),
            (lambda: TimeGrid([[0.0, 1.0]]), r"shape \(1, 2\)"),
            (lambda: TimeGrid([0.0, np.nan]), "edge 1 is nan"),
            (lambda: TimeGrid([0.0, np.inf]), "edge 1 is inf"),
            (lambda: TimeGrid([0.0, 2.0, 2.0]), "edge 1 is 2, edge 2 is 2"),
            (lambda: TimeGrid(["09:30", "10:00"]), "from_timestamps"),
            (lambda: TimeGrid([False, True]), "type bool"),
            (lambda: TimeGrid([0, 1], unit=""), "unit=''"),
            (lambda: TimeGrid([0, 1], closed=[True]), "every interval is closed"),
            (
                lambda: TimeGrid([0, 1, 2], closed=[True, [False]]),
                r"closed of type object, shape \(2,\); bool of shape",
            ),
            (lambda: TimeGrid([0, 1, 2], closed=[True]), r"shape \(2,\) is accepted"),
            (lambda: TimeGrid([0, 1], session="soon"), "session='soon'"),
            (lambda: TimeGrid([0, 1], timestamps=pd.DatetimeIndex(["2019-02-15"])), "DatetimeIndex of 2"),
            (lambda: TimeGrid([0, 1], timestamps=pd.DatetimeIndex(["2019-02-15"] * 2)), "increase"),
            (lambda: TimeGrid.uniform(0, 3), "horizon=0"),
            (lambda: TimeGrid.uniform(np.nan, 3), "horizon=nan"),
            (lambda: TimeGrid.uniform(1, 0), "periods=0"),
            (lambda: TimeGrid.uniform(1, 2.5), "periods=2.5"),
            (lambda: TimeGrid.uniform(1, True), "periods=True"),
            (lambda: TimeGrid.session("2019-02-15", "20min"), "15min or 26min would"),
            (lambda: TimeGrid.session("2019-02-15", "7h"), "6h 30min would"),
            (lambda: TimeGrid.session("2019-02-15", "0min"), "bar='0min'"),
            (lambda: TimeGrid.session("2019-02-15", "-15min"), "bar='-15min'"),
            (lambda: TimeGrid.session("2019-02-15", 15), "bar=15"),
            (lambda: TimeGrid.session("2019-02-15", "quarter"), "bar='quarter'"),
            (lambda: TimeGrid.session("today", "15min"), "date='today'"),
            (lambda: TimeGrid.session("2019-02-30", "15min"), "date='2019-02-30'"),
            (lambda: TimeGrid.session("2019-02-15 10:00", "15min"), "carries a time of day"),
            (lambda: TimeGrid.session(None, "15min"), "date=None"),
            (lambda: day(start="15:00", end="10:00"), "start 15:00 is not before end 10:00"),
            (lambda: day(start="08:00"), "start 08:00 is outside the session"),
            (lambda: day(end="16:15"), "end 16:15 is outside the session"),
            (lambda: day(start="25:00"), "not a time of day"),
            (lambda: day(start="9.45"), "start='9.45'"),
            (lambda: day(open="17:00"), "open 17:00 is not before close 16:00"),
            (lambda: day(tz="America/Gotham"), "tz='America/Gotham'"),
            (
                lambda: TimeGrid.sessions("2019-02-14", "2019-02-15", "15min"),
                "close-to-close variance was a median 1.49",
            ),
            (lambda: TimeGrid.sessions("2019-02-14", "2019-02-15", "15min", overnight=-1), "overnight=-1"),
            (lambda: TimeGrid.sessions("2019-02-14", "2019-02-15", "15min", overnight="12h"), "overnight='12h'"),
            (lambda: TimeGrid.sessions("2019-02-15", "2019-02-14", "15min", overnight=1), "is before first"),
            (lambda: TimeGrid.sessions("2019-02-16", "2019-02-18", "15min", overnight=1), "Saturday 2019-02-16"),
            (
                lambda: TimeGrid.sessions("2019-02-15", "2019-02-18", "15min", overnight=1, dates=["2019-02-15"]),
                "last=Monday 2019-02-18 is not a session",
            ),
            (lambda: TimeGrid.from_timestamps([]), "0 edges"),
            (lambda: TimeGrid.from_timestamps(["2019-02-15 10:00", "soon"]), "edge 1 is 'soon'"),
            (lambda: TimeGrid.from_timestamps(["2019-02-15 10:00", "2019-02-15 09:45"]), "do not increase"),
            (lambda: TimeGrid.from_timestamps(["2019-02-15 09:00", "2019-02-15 09:45"]), "outside the session"),
            (lambda: TimeGrid.from_timestamps(["2019-02-15 10:00", "2019-02-15 10:00-05:00"]), "several time zones"),
            (lambda: TimeGrid.from_timestamps(["2019-02-14 10:00", "2019-02-15 10:00"]), "overnight=0.5"),
        ],
    )
    def test_bad_input_is_named(self, build, message):
        with pytest.raises(DataError, match=message):
            build()


class TestValueSemantics:
    @pytest.mark.parametrize("grid", [TimeGrid([0, 1, 3]), day(), day(tz=None), three_days()])
    def test_copies_are_equal_and_read_only(self, grid):
        for other in (pickle.loads(pickle.dumps(grid)), copy.deepcopy(grid)):  # noqa: S301 our own bytes
            assert other == grid
            assert hash(other) == hash(grid)
            for array in (other.edges, other.closed, other.durations):
                assert not array.flags.writeable

    def test_differences_count(self):
        grid = day()
        assert grid != day(start="09:45")
        assert grid != day(tz=None)
        assert grid != TimeGrid.session("2019-02-14", "15min")
        assert grid != TimeGrid(grid.edges)
        assert TimeGrid([0, 1]) != TimeGrid([0, 1], unit="hour")
        assert TimeGrid([0, 1, 2]) != TimeGrid([0, 1, 2], closed=[False, True])
        assert grid != "grid"

    def test_immutable(self):
        grid = day()
        with pytest.raises(AttributeError):
            grid.edges = np.arange(3.0)
        with pytest.raises(ValueError, match="read-only"):
            grid.edges[0] = -1.0
        with pytest.raises(ValueError, match="read-only"):
            grid.durations[0] = -1.0

    def test_the_callers_array_stays_theirs(self):
        edges = np.array([0.0, 1.0, 2.0])
        grid = TimeGrid(edges)
        edges[0] = -5.0
        assert grid.edges[0] == 0.0

    def test_repr(self):
        assert repr(day()) == "TimeGrid(2019-02-15 09:30 to 2019-02-15 16:00, 26 intervals of 15min, America/New_York)"
        assert "39 intervals of 30min, 2 closed" in repr(three_days())
        assert repr(TimeGrid([0, 1, 3], unit="hour")) == "TimeGrid(0 to 3 hour, 2 intervals of uneven length)"


class TestPosition:
    @pytest.mark.parametrize(
        "time",
        [
            "11:30",
            "11:30:00",
            dt.time(11, 30),
            "2h",
            "120min",
            "1h60min",
            "1h 60 min",
            pd.Timedelta("2h"),
            np.timedelta64(2, "h"),
            dt.timedelta(hours=2),
            2 / 6.5,
            "2019-02-15 11:30",
            "2019-02-15T11:30:00-05:00",
            pd.Timestamp("2019-02-15 16:30", tz="UTC"),
            dt.datetime(2019, 2, 15, 11, 30),
            np.datetime64("2019-02-15T11:30"),
        ],
    )
    def test_every_way_to_write_a_time(self, time):
        assert day().position(time) == 8

    def test_ends(self):
        grid = day(start="09:45")
        assert grid.position("09:45") == grid.position(0) == grid.position("0min") == 0
        assert grid.position("16:00") == grid.periods
        assert grid.position(grid.horizon * (1 + 1e-12)) == grid.periods
        assert grid.interval("15:45") == grid.periods - 1
        with pytest.raises(DataError, match="last interval starts at 2019-02-15 15:45"):
            grid.interval("16:00")

    def test_numbers_are_on_the_scale_of_the_edges(self):
        grid = TimeGrid([5.0, 6.0, 7.0], unit="hour")
        assert grid.position(6) == 1
        assert grid.position("60min") == 1
        assert grid.position("1 hour") == 1

    def test_trading_time_leaves_nights_out(self):
        grid = TimeGrid.sessions("2019-02-14", "2019-02-15", "30min", overnight=0.5)
        assert grid.position("6h") == 12
        assert grid.position("6.5h") == 14  # the next open, not the close
        assert grid.position("7h") == 15
        assert grid.position("1 day") == 14
        assert grid.position(1.0) == 13  # risk time: the close
        assert grid.position(1.5) == 14

    def test_full_timestamps_on_several_sessions(self):
        grid = three_days()
        assert grid.position("2019-02-14 16:00") == 13
        assert grid.position("2019-02-15 09:30") == 14
        assert grid.interval("2019-02-19 09:30") == 28

    @pytest.mark.parametrize(
        ("grid", "time", "message"),
        [
            (day(), "11:37", "between 2019-02-15 11:30 and 2019-02-15 11:45"),
            (day(), "20min", "between 2019-02-15 09:45 and 2019-02-15 10:00"),
            (day(), "09:00", "outside the grid, which runs from 2019-02-15 09:30 to 2019-02-15 16:00"),
            (day(), "2019-02-16 10:00", "outside the grid"),
            (day(), "1.5 days", "outside the grid"),
            (day(), 1.01, "outside the grid"),
            (day(), -1, "outside the grid"),
            (day(), np.nan, "outside the grid"),
            (day(), np.inf, "outside the grid"),
            (day(), "now", "'now' is not a time"),
            (day(), "11:75", "not a time of day"),
            (day(), "0.5", "'0.5' is not a time"),
            (day(), "20", "'20' is not a time"),
            (day(), "", "'' is not a time"),
            (day(), "10 parsecs", "not a time"),
            (day(), None, "None is not a time"),
            (day(), pd.NaT, "NaT is not a time"),
            (day(), True, "True is not a time"),
            (day(tz=None), "2019-02-15 11:30-05:00", "has a time zone"),
            (three_days(), "11:30", "ambiguous on a grid of 3 sessions"),
            (three_days(), "2019-02-15 03:00", "between 2019-02-14 16:00 and 2019-02-15 09:30"),
            (TimeGrid([0, 1, 3]), "11:30", "no clock"),
            (TimeGrid([0, 1, 3]), "2019-02-15 11:30", "this grid has none"),
            (TimeGrid([0, 1, 3]), 2, "between 1 and 3"),
            (TimeGrid([0, 1, 3], unit="week"), "20min", "no meaning on a grid in unit 'week'"),
        ],
    )
    def test_bad_times_are_named(self, grid, time, message):
        with pytest.raises(DataError, match=message):
            grid.position(time)

    @given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=30), st.floats(-1e3, 1e3))
    def test_every_edge_finds_itself(self, durations, first):
        edges = first + np.concatenate([[0.0], np.cumsum(durations)])
        grid = TimeGrid(edges)
        assert [grid.position(edge) for edge in grid.edge_labels] == list(range(grid.periods + 1))


class TestDuration:
    def test_in_sessions(self):
        for grid in (day(), TimeGrid([0, 1])):
            assert grid.duration("390min") == pytest.approx(1.0)
            assert grid.duration("2 days") == 2.0
            assert grid.duration(pd.Timedelta("30min")) == pytest.approx(0.5 / 6.5)
            assert grid.duration(0.25) == 0.25

    @pytest.mark.parametrize(("unit", "value"), [("hour", 0.5), ("minute", 30), ("second", 1800)])
    def test_in_clock_units(self, unit, value):
        assert TimeGrid([0, 1], unit=unit).duration("30min") == pytest.approx(value)

    @pytest.mark.parametrize("value", ["soon", "", "-5min", -1, np.nan, np.inf, None, True, "11:30", "30"])
    def test_what_is_no_length_is_refused(self, value):
        with pytest.raises(DataError, match="length of time"):
            day().duration(value)

    def test_unknown_units_take_numbers_only(self):
        grid = TimeGrid([0, 1], unit="week")
        assert grid.duration(2) == 2.0
        with pytest.raises(DataError, match="give a number of weeks"):
            grid.duration("30min")


class TestWindow:
    def test_none_is_all(self):
        grid = three_days()
        assert grid.window(None).all()
        assert grid.window((None, None)).all()

    @pytest.mark.parametrize(
        "during",
        [
            ("10:30", "11:30"),
            ["10:30", dt.time(11, 30)],
            ("1h", "2h"),
            (1 / 6.5, 2 / 6.5),
            ("2019-02-15 10:30", "11:30"),
        ],
    )
    def test_half_open(self, during):
        np.testing.assert_array_equal(np.flatnonzero(day().window(during)), [4, 5, 6, 7])

    def test_open_ends(self):
        grid = day()
        np.testing.assert_array_equal(np.flatnonzero(grid.window((None, "10:00"))), [0, 1])
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("15:30", None))), [24, 25])

    def test_times_of_day_apply_to_every_session(self):
        grid = three_days()
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("10:00", "11:00"))), [1, 2, 15, 16, 29, 30])
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("15:30", None))), [12, 26, 40])
        np.testing.assert_array_equal(np.flatnonzero(grid.window((None, "10:00"))), [0, 14, 28])

    def test_sessions_the_window_does_not_touch_are_left_out(self):
        stamps = [f"2019-02-14 {hour}:00" for hour in (14, 15, 16)] + ["2019-02-15 10:00", "2019-02-15 11:00"]
        grid = TimeGrid.from_timestamps(stamps, overnight=0.5)
        np.testing.assert_array_equal(grid.window(("10:00", "11:00")), [False, False, False, True])
        with pytest.raises(DataError, match="outside"):
            grid.window(("13:00", "15:00"))

    def test_full_times_span_nights(self):
        grid = three_days()
        mask = grid.window(("2019-02-14 15:30", "2019-02-15 10:00"))
        np.testing.assert_array_equal(np.flatnonzero(mask), [12, 13, 14])
        assert not grid.window((None, "6.5h"))[13]  # trading time ends at the close, before the night

    @pytest.mark.parametrize(
        ("grid", "during", "message"),
        [
            (day(), ("11:30", "10:30"), "empty or reversed"),
            (day(), ("11:30", "11:30"), "empty or reversed"),
            (day(), (0.5, 0.5), "empty or reversed"),
            (day(), ("16:00", None), "empty or reversed"),
            (day(), ("09:00", "10:00"), "outside the grid"),
            (day(), ("10:07", "11:00"), "between 2019-02-15 10:00 and 2019-02-15 10:15"),
            (day(), "11:30", "not a window"),
            (day(), ("10:00",), "not a window"),
            (three_days(), ("10:00", "2019-02-15 11:00"), "mixes"),
            (three_days(), ("17:00", "18:00"), "outside every session"),
            (three_days(), ("10:10", "11:00"), "between 2019-02-14 10:00 and 2019-02-14 10:30"),
            (TimeGrid([0, 1]), ("10:00", "11:00"), "no clock"),
        ],
    )
    def test_bad_windows_are_named(self, grid, during, message):
        with pytest.raises(DataError, match=message):
            grid.window(during)


def test_a_weekend_is_no_session():
    with pytest.raises(DataError, match="2019-02-17 is a Sunday"):
        TimeGrid.session("2019-02-17", "15min")
