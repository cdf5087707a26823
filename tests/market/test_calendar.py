"""Real calendars: half days, holidays, midday breaks, zones; each fact as the exchange published it."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from acopt.errors import DataError
from acopt.market.calendar import exchange
from acopt.market.grid import TimeGrid

NEW_YORK, TOKYO, HONG_KONG = "America/New_York", "Asia/Tokyo", "Asia/Hong_Kong"


def xnys(date, bar="30min", **changes):
    return TimeGrid.session(date, bar, calendar="XNYS", **changes)


def xtks(date, bar="30min", **changes):
    return TimeGrid.session(date, bar, calendar="XTKS", **{"lunch": 0.1, **changes})


class TestNewYork:
    def test_a_regular_day_is_the_one_without_a_calendar(self):
        assert xnys("2019-02-15") == TimeGrid.session("2019-02-15", "30min")
        assert xnys("2019-02-15", auctions=True) == TimeGrid.session("2019-02-15", "30min", auctions=True)

    @pytest.mark.parametrize("date", ["2019-07-03", "2019-11-29", "2019-12-24"])
    def test_half_days_close_at_one(self, date):
        grid = xnys(date)
        assert grid.edge_labels[-1] == pd.Timestamp(f"{date} 13:00", tz=NEW_YORK)
        assert grid.periods == 7
        assert grid.horizon == pytest.approx(3.5 / 6.5, rel=1e-12)  # a "day" stays the regular session
        np.testing.assert_allclose(grid.durations, 0.5 / 6.5, rtol=1e-12)
        assert grid.duration("6.5h") == pytest.approx(1.0)

    def test_the_closing_cross_of_a_half_day(self):
        grid = xnys("2019-07-03", auctions=True)
        assert grid.labels[grid.interval("close")] == pd.Timestamp("2019-07-03 13:00", tz=NEW_YORK)
        assert grid.edge_labels[-1] == pd.Timestamp("2019-07-03 13:00:01", tz=NEW_YORK)

    @pytest.mark.parametrize(
        ("date", "message"),
        [
            ("2019-12-25", "Wednesday 2019-12-25 is not a session of XNYS; the nearest are 2019-12-24 and 2019-12-26"),
            ("2019-07-04", "nearest are 2019-07-03 and 2019-07-05"),
            ("2019-02-16", "Saturday 2019-02-16 is not a session of XNYS; the nearest are 2019-02-15 and 2019-02-19"),
        ],
    )
    def test_holidays_and_weekends(self, date, message):
        with pytest.raises(DataError, match=message):
            xnys(date)

    def test_an_end_after_the_early_close(self):
        with pytest.raises(DataError, match="end 15:45 is outside the session 09:30 to 13:00 of 2019-07-03"):
            xnys("2019-07-03", "15min", end="15:45")
        assert xnys("2019-07-03", "15min", end="12:45").periods == 13

    def test_a_start_after_the_early_close(self):
        with pytest.raises(DataError, match="start 13:30 is outside the session 09:30 to 13:00 of 2019-07-03"):
            xnys("2019-07-03", "15min", start="13:30")
        with pytest.raises(DataError, match="start 13:00 is not before end 13:00 of 2019-07-03"):
            xnys("2019-07-03", "15min", start="13:00")

    def test_a_bar_that_divides_the_whole_day_only(self):
        with pytest.raises(DataError, match=r"1h 5min does not divide 09:30 to 13:00 .* of 2019-07-03"):
            xnys("2019-07-03", "65min")

    def test_several_days_with_a_half_day_and_a_holiday(self):
        grid = TimeGrid.sessions("2019-07-02", "2019-07-08", "30min", calendar="XNYS", overnight=0.5)
        dates = grid.timestamps.normalize().unique()
        assert list(dates.strftime("%d")) == ["02", "03", "05", "08"]
        counts = pd.Series(grid.labels[~grid.closed].normalize()).value_counts(sort=False)
        assert counts.to_list() == [13, 7, 13, 13]
        np.testing.assert_allclose(grid.durations[grid.closed], 0.5, rtol=1e-9)  # the half day's night too
        assert grid.horizon == pytest.approx(3 + 3.5 / 6.5 + 3 * 0.5, rel=1e-12)

    def test_a_night_holds_what_is_left_of_its_own_session(self):
        grid = TimeGrid.sessions("2019-07-03", "2019-07-05", "30min", calendar="XNYS", overnight=0.5, end="12:30")
        np.testing.assert_allclose(grid.durations[grid.closed], 0.5 + 0.5 / 6.5, rtol=1e-9)
        whole = TimeGrid.sessions("2019-07-08", "2019-07-09", "30min", calendar="XNYS", overnight=0.5, end="12:30")
        np.testing.assert_allclose(whole.durations[whole.closed], 0.5 + 3.5 / 6.5, rtol=1e-9)

    def test_crosses_of_every_day(self):
        grid = TimeGrid.sessions("2019-07-02", "2019-07-05", "30min", calendar="XNYS", overnight=0.5, auctions=True)
        closing = grid.labels[grid.crosses("close")]
        assert list(closing.strftime("%d %H:%M")) == ["02 16:00", "03 13:00", "05 16:00"]
        with pytest.raises(DataError, match=r"auctions='close'.*of 2019-07-03"):
            TimeGrid.sessions(
                "2019-07-03", "2019-07-05", "30min", calendar="XNYS", overnight=0.5, auctions="close", end="12:30"
            )


class TestBreaks:
    def test_tokyo(self):
        grid = xtks("2019-07-03")
        assert grid.periods == 5 + 1 + 5
        np.testing.assert_array_equal(np.flatnonzero(grid.closed), [5])
        assert grid.labels[5] == pd.Timestamp("2019-07-03 11:30", tz=TOKYO)
        assert grid.labels[6] == pd.Timestamp("2019-07-03 12:30", tz=TOKYO)
        assert grid.session_length == pd.Timedelta("5h")  # 9:00 to 11:30 and 12:30 to 15:00
        assert grid.durations[5] == pytest.approx(0.1, rel=1e-9)
        np.testing.assert_allclose(grid.durations[~grid.closed], 0.1, rtol=1e-9)
        assert grid.horizon == pytest.approx(1.1, rel=1e-12)

    def test_trading_time_passes_over_the_break(self):
        grid = xtks("2019-07-03")
        assert grid.position("2.5h") == 6
        np.testing.assert_array_equal(np.flatnonzero(grid.window((None, "2.5h"))), range(5))
        np.testing.assert_array_equal(np.flatnonzero(grid.window(("11:00", "12:30"))), [4, 5])
        assert grid.duration("1 day") == 1.0

    def test_lunch_must_be_stated(self):
        for lunch in (None, 0, -0.1, np.inf, "long", True):
            with pytest.raises(DataError, match="midday break 11:30 to 12:30; state the risk time of the break"):
                xtks("2019-07-03", lunch=lunch)

    def test_lunch_without_a_break(self):
        with pytest.raises(DataError, match=r"lunch=0\.1, but there is no midday break"):
            xnys("2019-02-15", lunch=0.1)
        with pytest.raises(DataError, match="there is no midday break"):
            TimeGrid.session("2019-02-15", "30min", lunch=0.1)

    def test_one_side_of_the_break_needs_no_lunch(self):
        morning = xtks("2019-07-03", end="11:30", lunch=None)
        afternoon = xtks("2019-07-03", start="12:30", lunch=None, auctions=True)
        assert (morning.periods, afternoon.periods) == (5, 6)
        assert not morning.closed.any()
        np.testing.assert_array_equal(np.flatnonzero(afternoon.auctions), [5])

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ({"start": "11:30"}, "start 11:30 is in the midday break 11:30 to 12:30"),
            ({"start": "12:00"}, "start 12:00 is in the midday break"),
            ({"end": "12:00"}, "end 12:00 is in the midday break"),
            ({"end": "12:30"}, "end 12:30 is in the midday break"),
        ],
    )
    def test_edges_within_the_break(self, times, message):
        with pytest.raises(DataError, match=message):
            xtks("2019-07-03", **times)

    def test_the_bar_divides_each_part(self):
        assert xtks("2019-07-03", "75min").periods == 2 + 1 + 2
        with pytest.raises(DataError, match="1h does not divide 09:00 to 11:30"):
            xtks("2019-07-03", "1h")

    def test_nights_hold_the_breaks_outside_the_window(self):
        def tau(**times):
            grid = TimeGrid.sessions(
                "2019-07-03", "2019-07-04", "30min", calendar="XTKS", overnight=0.5, lunch=0.1, **times
            )
            (night,) = grid.durations[np.flatnonzero(np.diff(grid.timestamps.normalize().asi8))]
            return night

        assert tau() == pytest.approx(0.5)
        assert tau(start="12:30") == pytest.approx(0.5 + 0.5 + 0.1)  # a morning, and the break
        assert tau(end="11:30") == pytest.approx(0.5 + 0.5 + 0.1)
        assert tau(start="10:00", end="14:00") == pytest.approx(0.5 + 2 * 0.2)

    def test_crosses_and_breaks(self):
        grid = xtks("2019-07-03", auctions=True)
        np.testing.assert_array_equal(np.flatnonzero(grid.auctions), [0, 12])
        np.testing.assert_array_equal(np.flatnonzero(grid.closed), [6])
        assert grid.labels[0] == pd.Timestamp("2019-07-03 08:59:59", tz=TOKYO)
        assert pickle.loads(pickle.dumps(grid)) == grid  # noqa: S301

    def test_a_half_day_without_a_break(self):
        grid = TimeGrid.session("2019-12-24", "30min", calendar="XHKG")
        assert (grid.periods, grid.closed.any()) == (5, False)  # 9:30 to 12:00
        assert grid.horizon == pytest.approx(2.5 / 5.5, rel=1e-12)
        assert str(grid.timestamps.tz) == HONG_KONG

    def test_hours_change_with_the_years(self):
        old, new = xtks("2024-11-01"), xtks("2024-11-05")  # Tokyo closes at 15:30 since then
        assert (old.session_length, new.session_length) == (pd.Timedelta("5h"), pd.Timedelta("5.5h"))
        assert new.edge_labels[-1] == pd.Timestamp("2024-11-05 15:30", tz=TOKYO)


class TestRefused:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: TimeGrid.session("2019-02-15", "30min", calendar="NYSE2"), "'NYSE2' is not known.*'XNYS'"),
            (lambda: TimeGrid.session("2019-02-15", "30min", calendar=5), "calendar=5 is not known"),
            (lambda: xnys("2019-02-15", open="09:30"), "open='09:30' beside calendar='XNYS'"),
            (lambda: xnys("2019-02-15", close="13:00"), "close='13:00' beside"),
            (lambda: xnys("2019-02-15", tz="Europe/London"), "tz='Europe/London', but .* in America/New_York"),
            (lambda: xnys("2019-02-15", tz=None), "tz=None"),
            (
                lambda: TimeGrid.sessions(
                    "2019-02-14", "2019-02-15", "30min", calendar="XNYS", overnight=0.5, dates=["2019-02-14"]
                ),
                "dates= and calendar='XNYS' both",
            ),
            (
                lambda: TimeGrid.sessions("2019-02-14", "2019-02-15", "30min", calendar="XNYS"),
                "night after 2019-02-14 16:00:00; state the risk time",
            ),
            (
                lambda: TimeGrid.sessions("2019-02-15", "2019-02-18", "30min", calendar="XNYS", overnight=0.5),
                "Monday 2019-02-18 is not a session of XNYS",
            ),
            (
                lambda: TimeGrid.session("2019-07-03", "30min", calendar="CMES"),
                "CMES run over midnight",
            ),
            (lambda: xtks("1950-07-03"), "no calendar 'XTKS' for these dates.*give the hours"),
        ],
    )
    def test_says_what_would_do(self, make, message):
        with pytest.raises(DataError, match=message):
            make()

    def test_the_library_is_optional(self):
        code = (
            "import sys; sys.modules['exchange_calendars'] = None\n"
            "import acopt as ac\n"
            "ac.TimeGrid.session('2019-02-15', '30min', auctions=True)\n"
            "try:\n"
            "    ac.TimeGrid.session('2019-02-15', '30min', calendar='XNYS')\n"
            "except ac.MissingExtraError as error:\n"
            "    print(error)\n"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "pip install 'acopt[data]'" in found.stdout

    def test_it_is_not_imported_before_it_is_needed(self):
        code = (
            "import sys, acopt as ac\n"
            "ac.TimeGrid.session('2019-02-15', '30min', auctions=True)\n"
            "print('exchange_calendars' in sys.modules)"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "False"


def test_zones_are_those_of_the_exchange():
    first = pd.Timestamp("2019-07-03")
    assert exchange("test", "XLON", first, first).zone == "Europe/London"
    grid = TimeGrid.session("2019-07-03", "30min", calendar="XLON")
    assert grid.edge_labels[0] == pd.Timestamp("2019-07-03 08:00", tz="Europe/London")
    assert grid.session_length == pd.Timedelta("8.5h")
