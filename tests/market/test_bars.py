"""read_bars: real and synthetic files, read correctly or refused by name."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from acopt.errors import DataError
from acopt.market.bars import read_bars

US_EQUITIES = Path(__file__).parents[2].parent / "shared" / "data" / "us_equities"
needs_real_bars = pytest.mark.skipif(not US_EQUITIES.is_dir(), reason=f"no real bars in {US_EQUITIES}")
DATES = ("2019-02-13", "2019-02-14", "2019-02-15")
NEW_YORK = "America/New_York"


def rows(dates=DATES, minutes=30, stamp="end", close="16:00", price=100.0):
    """Bars of a session, oldest first, each price and volume different from all others."""
    out = []
    for date in dates:
        for start in pd.date_range(f"{date} 09:30", f"{date} {close}", freq=f"{minutes}min")[:-1]:
            at = start + pd.Timedelta(minutes=minutes) if stamp == "end" else start
            level = price + 0.25 * len(out)
            out.append((str(at), level, level + 0.5, level - 0.5, level + 0.1, 1000 + 10 * len(out)))
    return pd.DataFrame(out, columns=["datetime", "open", "high", "low", "close", "volume"])


def write(path, frame):
    text = ",".join(frame.columns) + "\n" + "\n".join(",".join(map(str, row)) for row in frame.to_numpy().tolist())
    path.write_text(text)  # no newline at the end, as in real files
    return path


def without(frame, *stamps):
    return frame[~frame["datetime"].isin(stamps)]


class TestReading:
    def test_values_and_labels(self):
        bars = read_bars({"A": rows()})
        assert bars.symbols == ["A"]
        assert bars.length == pd.Timedelta("30min")
        assert bars.close.shape == (39, 1)
        assert bars.starts[0] == pd.Timestamp("2019-02-13 09:30", tz=NEW_YORK)
        assert bars.ends[-1] == pd.Timestamp("2019-02-15 16:00", tz=NEW_YORK)
        np.testing.assert_array_equal(bars.volume["A"], rows()["volume"])
        np.testing.assert_array_equal(bars.open["A"], rows()["open"])
        np.testing.assert_array_equal(bars.low["A"], rows()["low"])
        assert bars.sessions == [dt.date(2019, 2, day) for day in (13, 14, 15)]
        assert bars.present.all(axis=None)

    def test_newest_first_is_the_same(self, tmp_path):
        up, down = write(tmp_path / "A.csv", rows()), write(tmp_path / "B.csv", rows()[::-1])
        bars = read_bars([up, down])
        pd.testing.assert_series_equal(bars.close["A"], bars.close["B"], check_names=False)
        pd.testing.assert_series_equal(bars.volume["A"], bars.volume["B"], check_names=False)

    @pytest.mark.parametrize("stamp", ["start", "end"])
    def test_the_meaning_of_a_stamp_is_inferred_and_stated(self, stamp):
        bars = read_bars({"A": rows(stamp=stamp)})
        assert bars.stamp == stamp
        assert bars.starts[0] == pd.Timestamp("2019-02-13 09:30", tz=NEW_YORK)
        assert f"stamps were bar {stamp}s (inferred: " in repr(bars)
        assert repr(read_bars({"A": rows(stamp=stamp)}, stamp=stamp)).count("as stated") == 1

    def test_an_illiquid_symbol_follows_the_others(self):
        middle = [str(pd.Timestamp(f"{date} {time}")) for date in DATES for time in ("11:00", "12:30", "13:00")]
        rare = rows()[rows()["datetime"].isin(middle)]
        assert read_bars({"A": rows(), "B": rare}).present["B"].sum() == 9
        with pytest.raises(DataError, match="could be the start or the end of 30min bars"):
            read_bars({"B": rare})
        assert read_bars({"B": rare}, stamp="end").starts[0].hour == 9

    def test_a_seldom_traded_symbol_shows_steps_of_many_bars(self):
        """Steps of 1 hour and 2.5 hours are multiples of no bar seen, but of half an hour."""
        times = ("10:00", "11:00", "13:30", "15:30")
        rare = rows(stamp="start")
        rare = rare[rare["datetime"].str[11:16].isin(times)]
        bars = read_bars({"A": rows(stamp="start"), "B": rare})
        assert bars.length == pd.Timedelta("30min")
        assert sorted({f"{start:%H:%M}" for start in bars.starts[bars.present["B"]]}) == list(times)

    @pytest.mark.parametrize("days", [1, 3])
    def test_one_misplaced_bar_is_no_finer_raster(self, days):
        frame = rows(DATES[:days])
        frame.loc[4, "datetime"] = "2019-02-13 12:10:00"
        with pytest.raises(DataError, match="mixed bar lengths: 30min, but 40min from 2019-02-13 11:30:00"):
            read_bars({"A": frame})

    def test_sources(self, tmp_path):
        for name in ("A", "B"):
            write(tmp_path / f"{name}_30min.csv", rows())
        expected = read_bars(f"{tmp_path}/*_30min.csv", symbol="{symbol}_30min")
        assert expected.symbols == ["A", "B"]
        assert read_bars(tmp_path / "A_30min.csv").symbols == ["A_30min"]
        both = {name: tmp_path / f"{name}_30min.csv" for name in ("A", "B")}
        long = pd.concat([rows().assign(symbol=name) for name in ("B", "A")])
        by_time = long.sort_values("datetime", kind="stable")
        write(tmp_path / "long.csv", long)
        for source in (both, {"A": rows(), "B": rows()}, long, by_time, tmp_path / "long.csv"):
            other = read_bars(source)
            pd.testing.assert_frame_equal(other.volume, expected.volume)
            pd.testing.assert_frame_equal(other.close, expected.close)

    def test_column_names(self):
        frame = rows().rename(columns={"datetime": "Date Time", "open": "Open", "volume": "Shares"}).assign(ticker="A")
        names = {"datetime": "Date Time", "volume": "Shares", "symbol": "ticker"}
        bars = read_bars(frame, columns=names)
        np.testing.assert_array_equal(bars.volume["A"], rows()["volume"])

    def test_time_zones(self):
        expected = read_bars({"A": rows()}).close
        stamps = pd.to_datetime(rows()["datetime"])
        zoned = stamps.dt.tz_localize(NEW_YORK)
        for column in (
            stamps,
            zoned,
            zoned.dt.tz_convert("UTC"),
            zoned.astype(str),
            zoned.dt.tz_convert("UTC").astype(str),
        ):
            pd.testing.assert_frame_equal(read_bars({"A": rows().assign(datetime=column)}).close, expected)
        indexed = rows().assign(datetime=stamps).set_index("datetime")
        pd.testing.assert_frame_equal(read_bars({"A": indexed}).close, expected)

    def test_daylight_saving(self):
        zoned = pd.to_datetime(rows(("2019-03-08", "2019-03-11"))["datetime"]).dt.tz_localize(NEW_YORK).astype(str)
        assert zoned.iloc[0].endswith("-05:00")
        assert zoned.iloc[-1].endswith("-04:00")
        bars = read_bars({"A": rows(("2019-03-08", "2019-03-11")).assign(datetime=zoned)})
        assert {(stamp.hour, stamp.minute) for stamp in bars.starts[[0, 13]]} == {(9, 30)}

    def test_daily_files(self):
        daily = pd.DataFrame({"datetime": DATES, "open": 1.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5})
        bars = read_bars({"A": daily[::-1]})
        assert bars.daily
        assert bars.starts[0] == pd.Timestamp("2019-02-13", tz=NEW_YORK)
        assert bars.ends[0] == pd.Timestamp("2019-02-13 16:00", tz=NEW_YORK)
        utc = daily.assign(datetime=pd.to_datetime(daily["datetime"]).dt.tz_localize("UTC"))
        assert read_bars({"A": utc}).sessions == bars.sessions  # a date is a date in any zone

    def test_other_hours(self):
        frame = rows().assign(datetime=[str(pd.Timestamp(stamp) - pd.Timedelta("1h")) for stamp in rows()["datetime"]])
        bars = read_bars({"A": frame}, session=("08:30", "15:00"), tz="America/Chicago")
        assert bars.ends[-1] == pd.Timestamp("2019-02-15 16:00", tz=NEW_YORK)

    def test_an_index_has_no_volume(self):
        bars = read_bars({"A": rows(), "I": rows().assign(volume=0)})
        assert bars.report()["has_volume"].to_dict() == {"A": True, "I": False}

    def test_blank_lines_and_byte_order_mark(self, tmp_path):
        text = rows().to_csv(index=False)
        (tmp_path / "A.csv").write_text("\ufeff" + text + "\n\n")
        assert read_bars(tmp_path / "A.csv").close.shape == (39, 1)


class TestGaps:
    GONE = ("2019-02-14 10:00:00", "2019-02-14 13:00:00", "2019-02-14 16:00:00")

    def test_no_trade_bars_carry_the_price(self):
        bars = read_bars({"A": rows(), "B": without(rows(), *self.GONE)})
        whole = read_bars({"B": rows()})
        for gone, before in zip(self.GONE, ("2019-02-13 16:00", "2019-02-14 12:30", "2019-02-14 15:30"), strict=True):
            start = pd.Timestamp(gone, tz=NEW_YORK) - bars.length
            earlier = pd.Timestamp(before, tz=NEW_YORK) - bars.length
            for field in (bars.open, bars.high, bars.low, bars.close):
                assert field.loc[start, "B"] == whole.close.loc[earlier, "B"]
            assert bars.volume.loc[start, "B"] == 0.0
            assert not bars.present.loc[start, "B"]
        report = bars.report()
        assert report.loc["B", ["bars", "no_trade_bars", "missing_sessions"]].tolist() == [36, 3, 0]
        assert report.loc["A", "no_trade_bars"] == 0
        assert "3 no-trade bars" in repr(bars)
        assert bars.missing()["start"].tolist() == [pd.Timestamp(g, tz=NEW_YORK) - bars.length for g in self.GONE]

    def test_prices_are_never_carried_backwards(self):
        bars = read_bars({"A": without(rows(), "2019-02-13 10:00:00")})
        assert np.isnan(bars.close.iloc[0, 0])
        assert bars.volume.iloc[0, 0] == 0.0

    def test_a_missing_session_stays_missing(self):
        frame = rows()
        bars = read_bars({"A": frame, "B": frame[~frame["datetime"].str.startswith("2019-02-14")]})
        lost = bars.starts.date == dt.date(2019, 2, 14)
        for field in (bars.open, bars.close, bars.volume):
            assert field.loc[lost, "B"].isna().all()
            assert field.loc[~lost, "B"].notna().all()
        assert bars.report().loc["B", "missing_dates"] == "2019-02-14"
        assert bars.missing().to_numpy().tolist() == [["B", pd.Timestamp("2019-02-14", tz=NEW_YORK), "session"]]
        assert "1 missing session," in repr(bars)

    def test_a_short_session_ends_early(self):
        half = rows(("2019-11-29",), close="13:00")
        bars = read_bars({"A": pd.concat([rows(("2019-11-27",)), half])})
        assert (bars.starts.date == dt.date(2019, 11, 29)).sum() == 7
        assert bars.report().loc["A", "no_trade_bars"] == 0

    def test_coverage(self):
        daily = pd.DataFrame({"datetime": DATES[1:], "open": 1.0, "high": 3.0, "low": 1.0, "close": 2.0})
        totals = rows().groupby(rows()["datetime"].str[:10])["volume"].sum().loc[list(DATES[1:])]
        whole = read_bars({"A": daily.assign(volume=totals.to_numpy() * 2), "I": daily.assign(volume=0)})
        share = read_bars({"A": rows(), "I": rows().assign(volume=0)}).coverage(whole)
        assert share["A"] == pytest.approx(0.5)
        assert np.isnan(share["I"])
        with pytest.raises(DataError, match="compares intraday bars with daily ones"):
            whole.coverage(whole)
        with pytest.raises(DataError, match="no day with both"):
            read_bars({"A": rows(("2019-01-15",)), "I": rows(("2019-01-15",))}).coverage(whole)


class TestSelecting:
    def test_select(self):
        bars = read_bars({"A": rows(), "B": rows(price=50)})
        assert bars.select(["B", "A"]).symbols == ["B", "A"]
        with pytest.raises(DataError, match="no bars of C; there are A, B"):
            bars.select(["A", "C"])

    def test_before_looks_at_bar_ends(self):
        bars = read_bars({"A": rows()})
        assert bars.before("2019-02-14").sessions == [dt.date(2019, 2, 13)]
        assert bars.before("2019-02-14 10:00").ends[-1] == pd.Timestamp("2019-02-14 10:00", tz=NEW_YORK)
        assert bars.before("2019-02-14 09:59").ends[-1] == pd.Timestamp("2019-02-13 16:00", tz=NEW_YORK)
        with pytest.raises(DataError, match="no bar ended by"):
            bars.before("2019-02-13 09:45")
        with pytest.raises(DataError, match="a timestamp or a date"):
            bars.before("yesterday")

    def test_on(self):
        bars = read_bars({"A": rows()})
        assert bars.on([dt.date(2019, 2, 14)]).close.shape == (13, 1)
        with pytest.raises(DataError, match="no session on 2019-02-16"):
            bars.on([dt.date(2019, 2, 16)])


class TestRefused:
    @pytest.mark.parametrize(
        ("column", "value", "message"),
        [
            ("close", "abc", r"A\.csv, line 6, close: 'abc'; a positive number"),
            ("close", "", r"A\.csv, line 6, close: ''; a positive number"),
            ("open", "NaN", r"A\.csv, line 6, open: 'NaN'"),
            ("low", "-3", r"A\.csv, line 6, low: '-3'"),
            ("low", "0", r"A\.csv, line 6, low: '0'"),
            ("high", "inf", r"A\.csv, line 6, high: 'inf'"),
            ("volume", "-1", r"A\.csv, line 6, volume: '-1'; a number of at least 0"),
            ("volume", "", r"A\.csv, line 6, volume: ''"),
            ("high", "1.0", r"A\.csv, line 6: high 1 is below low"),
            ("datetime", "noon", r"A\.csv, line 6, datetime: 'noon' is not a time"),
            ("datetime", "2019-02-31 12:00:00", r"A\.csv, line 6, datetime: '2019-02-31 12:00:00' is not a time"),
            ("datetime", "02/13/2019 12:00", "is not a time"),
            ("datetime", "", r"line 6, datetime: '' is not a time"),
            ("datetime", "2019-02-13 12:00:0-0", "'2019-02-13 12:00:0-0' is not a time"),
            ("datetime", "2019-02-13 12:00:00-05:00", "line 6, datetime: .* some have not"),
            ("datetime", "2019-02-13 11:30:00", r"line 6: the stamp 2019-02-13 11:30:00 appears more than once"),
            ("datetime", "2019-02-14 11:45:00", "line 7: the stamp 2019-02-13 12:30:00 is out of order"),
            ("datetime", "2019-02-13 12:10:00", "mixed bar lengths: 30min, but 40min from 2019-02-13 11:30:00"),
        ],
    )
    def test_a_bad_field(self, tmp_path, column, value, message):
        frame = rows().astype(str)
        frame.loc[4, column] = value
        with pytest.raises(DataError, match=message):
            read_bars(write(tmp_path / "A.csv", frame))

    def test_a_bad_row_of_a_frame_is_named_by_its_label(self):
        frame = rows().astype({"close": object})
        frame.loc[4, "close"] = None
        with pytest.raises(DataError, match="the frame of A, row 4, close: 'None'"):
            read_bars({"A": frame})

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is empty"),
            ("datetime,open,high,low,close,volume\n", "a header and no rows"),
            ("datetime,open,high,low,volume\n2019-02-15,1,1,1,1\n", r"no column 'close' \(it has datetime, open, high"),
            ("datetime,open,high,low,close,volume\n2019-02-15,1,1,1,1,1,1\n", "not a CSV file"),
            ("datetime,open,high,low,close,close,volume\n2019-02-15,1,1,1,1,1,1\n", "'close' appears 2 times"),
            ("datetime,open,high,low,close,volume\n2019-02-15 10:00,1,1,1,1,1\n", "its length cannot be told"),
        ],
    )
    def test_a_bad_file(self, tmp_path, text, message):
        path = tmp_path / "A.csv"
        path.write_text(text)
        with pytest.raises(DataError, match=message) as caught:
            read_bars(path)
        assert "A.csv" in str(caught.value) or "close" in str(caught.value)

    def test_bytes_that_are_no_text(self, tmp_path):
        (tmp_path / "A.csv").write_bytes(b"\xff\xfe\x00datetime")
        with pytest.raises(DataError, match="not a CSV file"):
            read_bars(tmp_path / "A.csv")

    @pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
    def test_duplicates_in_any_order(self, tmp_path, order):
        frame = pd.concat([rows(), rows().iloc[[7]]])[order].reset_index(drop=True)
        with pytest.raises(DataError, match="2019-02-13 13:30:00 appears more than once"):
            read_bars(write(tmp_path / "A.csv", frame))

    def test_shuffled(self, tmp_path):
        with pytest.raises(DataError, match=r"A\.csv, line \d+: the stamp .* is out of order"):
            read_bars(write(tmp_path / "A.csv", rows().sample(frac=1, random_state=1)))

    def test_mixed_lengths_in_a_folder(self, tmp_path):
        daily = pd.DataFrame({"datetime": DATES, "open": 1.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5})
        for name in ("AA", "BA"):
            write(tmp_path / f"{name}_30min.csv", rows())
            write(tmp_path / f"{name}_15min.csv", rows(minutes=15))
            write(tmp_path / f"{name}_daily.csv", daily)
        with pytest.raises(DataError, match=r"15min \(AA_15min.*30min \(AA_30min.*1 day \(AA_daily.*symbol='{symbol}_"):
            read_bars(f"{tmp_path}/*.csv")
        with pytest.raises(DataError, match=r"AA_15min\.csv does not fit symbol='{symbol}_30min'.*'\*_30min\.csv'"):
            read_bars(f"{tmp_path}/*.csv", symbol="{symbol}_30min")

    def test_mixed_lengths_in_a_file(self):
        frame = pd.concat([rows(("2019-02-14",)), rows(("2019-02-15",), minutes=15)])
        with pytest.raises(DataError, match="the frame of A: mixed bar lengths: 15min, but 30min on 2019-02-14"):
            read_bars({"A": frame})

    def test_one_symbol_stamped_otherwise(self):
        with pytest.raises(DataError, match="bar starts in the frame of B, but bar ends in the frame of A"):
            read_bars({"A": rows(), "B": rows(stamp="start")})

    def test_bars_outside_the_session(self):
        early = rows().assign(datetime=[str(pd.Timestamp(stamp) - pd.Timedelta("3h")) for stamp in rows()["datetime"]])
        with pytest.raises(DataError, match="stamps from 07:00 to 13:00 fit no session 09:30 to 16:00"):
            read_bars({"A": early})
        with pytest.raises(DataError, match=r"the bar 06:30 to 07:00 .* is outside the session"):
            read_bars({"A": early}, stamp="end")

    def test_bars_off_the_raster(self):
        frame = rows().assign(
            datetime=[str(pd.Timestamp(stamp) + pd.Timedelta("7min")) for stamp in rows()["datetime"]]
        )
        with pytest.raises(DataError, match="2019-02-13 10:07:00 is off the raster of 30min bars"):
            read_bars({"A": frame[:11]}, stamp="start")

    def test_bars_that_do_not_divide_the_session(self):
        with pytest.raises(DataError, match="1h bars do not divide the session 09:30 to 16:00"):
            read_bars({"A": rows(minutes=60)}, stamp="start")

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda p: read_bars(f"{p}/*.csv"), "no file matches"),
            (lambda p: read_bars(p), "is a folder"),
            (lambda p: read_bars([]), "nothing to read"),
            (lambda p: read_bars(3), "read_bars: int was given"),
            (lambda p: read_bars({"A": 3}), "A is a int"),
            (lambda p: read_bars(rows()), "no symbol column"),
            (lambda p: read_bars(rows().assign(symbol=["A"] * 38 + [None])), "row 38, symbol: no symbol"),
            (lambda p: read_bars({"A": rows()[:0]}), "no rows"),
            (lambda p: read_bars({"A": rows()}, columns={"price": "close"}), "'price' is not one of"),
            (lambda p: read_bars({"A": rows()}, columns={"close": "last"}), "no column 'last'"),
            (lambda p: read_bars({"A": rows()}, stamp="middle"), "stamp='middle'"),
            (lambda p: read_bars({"A": rows()}, session=("16:00", "09:30")), "session="),
            (lambda p: read_bars({"A": rows()}, tz="America/Gotham"), "tz='America/Gotham'"),
        ],
    )
    def test_bad_calls(self, tmp_path, call, message):
        with pytest.raises(DataError, match=message):
            call(tmp_path)

    def test_two_files_of_one_symbol(self, tmp_path):
        (tmp_path / "old").mkdir()
        paths = [write(tmp_path / "A.csv", rows()), write(tmp_path / "old" / "A.csv", rows())]
        with pytest.raises(DataError, match="A comes from both"):
            read_bars(paths)

    def test_a_pattern_without_a_symbol(self, tmp_path):
        with pytest.raises(DataError, match="symbol='_30min'"):
            read_bars(write(tmp_path / "A.csv", rows()), symbol="_30min")


@needs_real_bars
class TestRealBars:
    def test_15_minutes(self):
        bars = read_bars(f"{US_EQUITIES}/*_15min.csv", symbol="{symbol}_15min")
        assert len(bars.symbols) == 24
        assert len(bars.sessions) == 30
        assert bars.stamp == "end"
        report = bars.report()
        assert report.loc["DFS", "missing_dates"] == "2019-01-04"
        assert report["missing_sessions"].sum() == 1
        assert report.loc[["PPLT", "UGA"], "no_trade_bars"].to_dict() == {"PPLT": 35, "UGA": 141}
        assert report.index[~report["has_volume"]].tolist() == ["VIX"]
        raw = pd.read_csv(US_EQUITIES / "AAPL_15min.csv")[::-1]
        np.testing.assert_array_equal(bars.close["AAPL"], raw["close"])
        np.testing.assert_array_equal(bars.volume["AAPL"], raw["volume"])

    def test_daily_and_coverage(self):
        bars = read_bars(f"{US_EQUITIES}/*_15min.csv", symbol="{symbol}_15min")
        daily = read_bars(f"{US_EQUITIES}/*_daily.csv", symbol="{symbol}_daily")
        assert daily.daily
        assert daily.report().loc["VXXB", "missing_sessions"] == 11
        share = bars.coverage(daily).drop("VIX")
        assert share.between(0.75, 1.0).all()
        raw = pd.read_csv(US_EQUITIES / "JPM_daily.csv").set_index("datetime")["volume"]
        inside = pd.read_csv(US_EQUITIES / "JPM_15min.csv")
        days = inside["datetime"].str[:10].unique()
        assert share["JPM"] == pytest.approx(inside["volume"].sum() / raw.loc[days].sum())

    def test_minutes_of_seldom_traded_names(self):
        bars = read_bars(f"{US_EQUITIES}/*_1min.csv", symbol="{symbol}_1min")
        assert bars.length == pd.Timedelta("1min")
        assert bars.close.shape == (5 * 390, 24)
        assert bars.report().loc["UGA", "no_trade_bars"] == 1950 - 388

    def test_the_whole_folder_is_refused_with_the_pattern_to_give(self):
        with pytest.raises(DataError, match=r"1min .*: 24\); 15min .*: 24\); 1 day .*: 24\).*symbol='{symbol}_15min'"):
            read_bars(f"{US_EQUITIES}/*.csv")
