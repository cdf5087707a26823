"""What was executed, told in every form, against sums made by hand; and what is refused, with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.insight.fills import Past, read_executed

NY = "America/New_York"
ASSETS = pd.Index(["JPM", "BAC"])
PRICES = np.array([100.0, 30.0])
SESSION = ac.TimeGrid.session("2019-02-15", "30min", start="09:30", end="11:30", tz=NY)
CROSSES = ac.TimeGrid.session("2019-02-15", "65min", auctions=True, tz=NY)
WEEK = ac.TimeGrid.sessions("2019-02-14", "2019-02-15", "130min", overnight=0.4, tz=NY)
PLAIN = ac.TimeGrid([0.0, 0.1, 0.4, 1.0])
PLANNED = np.array([[-300.0, 50.0], [-100.0, 0.0], [-400.0, -20.0], [-50.0, 70.0]])
HEADER = ["time", "symbol", "side", "quantity", "price"]


def past(grid: ac.TimeGrid = SESSION, periods: int = 3, planned: np.ndarray | None = None) -> Past:
    shape = (grid.periods, 2)
    plan = np.resize(PLANNED, shape) if planned is None else planned
    free = np.broadcast_to(~np.asarray(grid.closed)[:, None], shape)[:periods]
    return Past(grid, periods, ASSETS, PRICES, plan, free)


def fills(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=HEADER[: len(rows[0])])


# ------------------------------------------------------------------------------------------------ shares by asset


def test_shares_are_spread_like_the_plans_own_trades_of_that_sign_else_by_time() -> None:
    done = read_executed({"JPM": -400.0, "BAC": -60.0}, past())
    np.testing.assert_allclose(done.trades, [[-150.0, 0.0], [-50.0, 0.0], [-200.0, -60.0]])
    assert done.paid is None
    done = read_executed(pd.Series({"BAC": 100.0, "JPM": 240.0}), past())
    np.testing.assert_allclose(done.trades, [[80.0, 100.0], [80.0, 0.0], [80.0, 0.0]])


def test_the_rounding_of_a_plan_is_no_trade_to_follow() -> None:
    planned = np.array([[1e-10, 0.0], [0.0, 0.0], [0.0, 0.0], [500.0, 0.0]])
    done = read_executed({"JPM": 300.0, "BAC": 0.0}, past(planned=planned))
    np.testing.assert_allclose(done.trades[:, 0], [100.0, 100.0, 100.0])


def test_shares_spread_by_time_leave_out_nights_and_crosses() -> None:
    flat = np.zeros((5, 2))
    done = read_executed({"JPM": 240.0, "BAC": 0.0}, past(WEEK, 5, np.zeros((WEEK.periods, 2))))
    np.testing.assert_allclose(done.trades[:, 0], [60.0, 60.0, 60.0, 0.0, 60.0])
    assert done.trades.shape == flat.shape
    done = read_executed({"JPM": 90.0, "BAC": 0.0}, past(CROSSES, 4, np.zeros((CROSSES.periods, 2))))
    np.testing.assert_allclose(done.trades[:, 0], [0.0, 30.0, 30.0, 30.0])


def test_shares_need_an_interval_in_which_they_could_be_traded() -> None:
    with pytest.raises(ac.DataError, match=r"50 shares of BAC, but before 2019-02-15 09:30.* there is no interval"):
        read_executed({"JPM": 0.0, "BAC": 50.0}, past(periods=0))
    assert read_executed({"JPM": 0.0, "BAC": 0.0}, past(periods=0)).trades.shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"JPM": 1.0}, "executed: no value for asset BAC"),
        ({"JPM": 1.0, "BAC": 1.0, "XYZ": 1.0}, r"executed: 'XYZ' is not in the order \(JPM, BAC\)"),
        (pd.Series({"JPM": 1.0, "BAC": np.nan}), "executed is nan for BAC"),
        (100.0, "executed: one number, 100.0, for 2 assets; give a Series by asset"),
        ([1.0, 2.0, 3.0], r"executed: an array of shape \(3,\)"),
        (None, "executed is nan for JPM"),
    ],
)
def test_shares_that_will_not_do(value: object, said: str) -> None:
    with pytest.raises(ac.DataError, match=said):
        read_executed(value, past())


# ------------------------------------------------------------------------------------------- interval x asset


def test_trades_by_interval_in_any_order() -> None:
    frame = pd.DataFrame(PLANNED[:3], SESSION.labels[:3], ASSETS)
    done = read_executed(frame.iloc[::-1, ::-1], past())
    np.testing.assert_array_equal(done.trades, PLANNED[:3])


def test_trades_by_interval_that_will_not_do() -> None:
    frame = pd.DataFrame(PLANNED, SESSION.labels, ASSETS)
    with pytest.raises(ac.DataError, match=r"2019-02-15 11:00:00-05:00 is no interval before 2019-02-15 11:00"):
        read_executed(frame, past())
    with pytest.raises(ac.DataError, match=r"executed: no value for interval 2019-02-15 10:30"):
        read_executed(frame.iloc[:2], past())
    with pytest.raises(ac.DataError, match="executed: XYZ is no asset in the order: JPM, BAC"):
        read_executed(frame.iloc[:3].assign(XYZ=0.0), past())
    with pytest.raises(ac.DataError, match="executed: no value for asset BAC"):
        read_executed(frame.iloc[:3][["JPM"]], past())
    frame.iloc[1, 0] = np.nan
    with pytest.raises(ac.DataError, match="executed is nan for JPM at 2019-02-15 10:00"):
        read_executed(frame.iloc[:3], past())


# ------------------------------------------------------------------------------------------------------- fills


def test_fills_add_up_by_interval_and_one_on_an_edge_opens_the_next() -> None:
    done = read_executed(
        fills(
            ("2019-02-15 09:30", "JPM", "sell", 100, 101.0),
            ("2019-02-15 09:59:59.999999", "JPM", "S", "1,200", 99.0),
            ("2019-02-15 10:00", " BAC ", "Buy", 50, 30.5),
            (pd.Timestamp("2019-02-15 10:59", tz=NY), "BAC", "b", 20.5, 29.5),
            (pd.Timestamp("2019-02-15 15:40", tz="UTC"), "JPM", "short", 10, 100.0),
            ("10:45", "JPM", "buy", 7, 100.0),
        ),
        past(),
    )
    np.testing.assert_allclose(done.trades, [[-1_300.0, 0.0], [0.0, 50.0], [-3.0, 20.5]])
    np.testing.assert_allclose(done.paid, [-100 * 1.0 + 1_200 * 1.0, 50 * 0.5 - 20.5 * 0.5])


def test_fills_in_plain_numbers_of_time() -> None:
    done = read_executed(
        fills(
            (0.0, "JPM", "buy", 1), (0.1, "JPM", "buy", 2), (0.1 - 1e-12, "BAC", "buy", 3), ("0.39", "BAC", "sell", 4)
        ),
        past(PLAIN, 2),
    )
    np.testing.assert_allclose(done.trades, [[1.0, 0.0], [2.0, -1.0]])


def test_fills_within_the_second_of_a_cross_are_the_crosses() -> None:
    rows = [("09:29:59", 1.0), ("2019-02-15 09:29:59.5", 2.0), ("09:30", 4.0), ("2019-02-15 15:59:59.9", 8.0)]
    done = read_executed(fills(*[(time, "JPM", "buy", size) for time, size in rows]), past(CROSSES, 7))
    assert done.trades[:, 0].tolist() == [3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 8.0]
    with pytest.raises(ac.DataError, match=r"'16:00' is not before 2019-02-15 16:00:00.*, the time of the re-plan"):
        read_executed(fills(("16:00", "JPM", "buy", 1.0)), past(CROSSES, 7))


def test_no_fills_are_not_nothing() -> None:
    """An export that failed is an empty table too, and everything would be traded again."""
    with pytest.raises(ac.DataError, match="executed: no fills, the table is empty"):
        read_executed(pd.DataFrame(columns=HEADER), past())
    assert not read_executed(0, past()).trades.any()


def test_a_schedule_written_to_a_file_comes_back(tmp_path: Path) -> None:
    market = ac.Market(SESSION, pd.Series(PRICES, ASSETS), volume=1e6)
    order = ac.Order({"JPM": 9_000.0, "BAC": 0.0}, {"JPM": 0.0, "BAC": 4_000.0})
    plan = ac.ExecutionProblem(
        order, market, ac.TemporaryImpact(pd.Series(1e-6, ASSETS)), [ac.NoTrade(during=("10:00", "10:30"))]
    ).solve()
    path = tmp_path / "fills.csv"
    frame = plan.to_frame()
    frame[frame["start"] < SESSION.timestamps[3]].to_csv(path, index=False)
    for told in (path, str(path)):
        done = read_executed(told, past())
        np.testing.assert_allclose(done.trades, plan.path.trades[:3], rtol=1e-15)
        assert done.paid.tolist() == [0.0, 0.0]
    again = plan.reoptimize(at="11:00", executed=path)
    np.testing.assert_allclose(again.path.trades, plan.path.trades, rtol=1e-9)


GOOD = ("2019-02-15 10:00", "JPM", "sell", 100, 101.0)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("time", "2019-02-15 11:00", r"is not before 2019-02-15 11:00:00-05:00, the time of the re-plan"),
        ("time", "2019-02-15 12:00", "is not before"),
        ("time", "2019-02-15 09:29:59", "is before the grid's start, 2019-02-15 09:30"),
        ("time", "soon", "is not a time; a timestamp is expected"),
        ("time", 0.1, "is not a time; a timestamp is expected"),
        ("time", None, "is not a time"),
        ("symbol", "XYZ", r"'XYZ' is not in the order \(JPM, BAC\)"),
        ("symbol", None, "is not in the order"),
        ("side", "hold", "'hold' is not a side; 'buy' or 'sell' is expected"),
        ("side", None, "is not a side"),
        ("side", "none", "'none' is not the side of a trade"),
        ("quantity", -5, "-5 is not a quantity; a number > 0 is expected"),
        ("quantity", 0, "is not a quantity"),
        ("quantity", "many", "'many' is not a number"),
        ("quantity", np.nan, "is not a number"),
        ("quantity", np.inf, "is not a number"),
        ("quantity", True, "is not a number"),
        ("price", 0.0, "is not a price"),
        ("price", np.nan, "is not a number"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_field(tmp_path: Path, column: str, cell: object, said: str) -> None:
    frame = fills(GOOD, GOOD, GOOD).astype(object)
    frame.loc[1, column] = cell
    with pytest.raises(ac.DataError, match=rf"executed, row 1, {column}: .*{said}"):
        read_executed(frame.set_index(pd.Index([7, 7, 7])), past())
    path = tmp_path / "fills.csv"
    frame.to_csv(path, index=False)
    if cell is not True:
        with pytest.raises(ac.DataError, match=rf"fills\.csv, line 3, {column}: "):
            read_executed(path, past())


def test_fills_at_night_are_refused() -> None:
    with pytest.raises(ac.DataError, match="row 0, time: '2019-02-14 17:00' is in a closed interval"):
        read_executed(fills(("2019-02-14 17:00", "JPM", "sell", 100)), past(WEEK, 5))


def test_a_time_of_day_on_several_days_is_refused() -> None:
    with pytest.raises(ac.DataError, match="row 0, time: '10:00' is not a time; a timestamp is expected"):
        read_executed(fills(("10:00", "JPM", "sell", 100)), past(WEEK, 5))


def test_a_zone_on_a_grid_without_one_is_refused() -> None:
    naive = ac.TimeGrid.session("2019-02-15", "30min", start="09:30", end="11:30", tz=None)
    with pytest.raises(ac.DataError, match="is not a time"):
        read_executed(fills(("2019-02-15 10:00-05:00", "JPM", "sell", 100)), past(naive))
    done = read_executed(fills(("2019-02-15 10:00", "JPM", "sell", 100)), past(naive))
    assert done.trades[1].tolist() == [-100.0, 0.0]


def test_columns_that_are_missing_or_double(tmp_path: Path) -> None:
    frame = fills(GOOD)
    with pytest.raises(ac.DataError, match=r"executed: no column 'time'; found: symbol, side, quantity, price"):
        read_executed(frame.drop(columns="time"), past())
    with pytest.raises(ac.DataError, match="executed: no column 'side'"):
        read_executed(frame.drop(columns="side"), past())
    with pytest.raises(ac.DataError, match="the column 'side' appears more than once"):
        read_executed(pd.concat([frame, frame[["side"]]], axis=1), past())
    with pytest.raises(ac.DataError, match="no such file"):
        read_executed(tmp_path / "none.csv", past())


class TestSlips:
    """What a desk's export may do to a re-plan."""

    @staticmethod
    def plan():
        grid = ac.TimeGrid.session("2019-02-15", "30min")
        price = pd.Series({"A": 20.0, "B": 50.0})
        market = ac.Market(grid, price, volume=pd.Series({"A": 9e4, "B": 5e4}), impact=ac.LinearImpact(10.0))
        order = ac.Order.sell({"A": 30_000}) + ac.Order.buy({"B": 20_000})
        return ac.ExecutionProblem(order, market, ac.TemporaryImpact(), [ac.Participation(0.1), ac.Monotone()]).solve()

    @staticmethod
    def fills(**changed):
        row = {"time": "2019-02-15 10:00", "symbol": "A", "side": "sell", "quantity": 1_000.0, "price": 20.1}
        return pd.DataFrame([{**row, **changed}])

    def test_an_empty_table_is_not_nothing(self):
        with pytest.raises(ac.DataError, match=r"executed: no fills, the table is empty; executed=0 says that nothing"):
            self.plan().reoptimize(at="11:30", executed=self.fills().iloc[:0])
        done = self.plan().reoptimize(at="11:30", executed=0).path.trades[:4]
        np.testing.assert_array_equal(done, 0.0)

    @pytest.mark.parametrize("price", [2_010.0, 0.201])
    def test_a_price_in_another_unit_is_refused(self, price):
        with pytest.raises(ac.DataError, match=r"row 0, price: .* is more than 5 times off its arrival price"):
            self.plan().reoptimize(at="11:30", executed=self.fills(price=price))

    def test_an_infeasible_rest_says_what_was_executed_against_the_order(self):
        with pytest.raises(ac.InfeasibleError) as caught:
            self.plan().reoptimize(at="14:30", executed={"A": 20_000, "B": 10_000})
        assert any("executed against the order (buys +, sells -): A +20,000" in note for note in caught.value.__notes__)

    @pytest.mark.parametrize("column", ["time", "symbol", "side", "quantity", "price"])
    def test_a_list_in_a_cell_is_refused_by_row_and_field(self, column):
        frame = pd.concat([self.fills(), self.fills()], ignore_index=True).astype(object)
        frame[column] = pd.Series([frame[column].iloc[0], ["A", "B"]], dtype=object)
        with pytest.raises(ac.DataError, match=rf"row 1, {column}: "):
            self.plan().reoptimize(at="11:30", executed=frame)
