"""Order: what is to be traded, however it is written down."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acopt.errors import DataError
from acopt.market.order import Order

EXACT = {"rel": 0.0, "abs": 0.0}
ROUNDING = {"rel": 1e-15, "abs": 0.0}
shares = st.dictionaries(st.sampled_from("ABCDE"), st.floats(-1e9, 1e9), min_size=1)


def read(text, tmp_path, **columns):
    path = tmp_path / "orders.csv"
    path.write_text(text)
    return Order.from_frame(path, **columns)


class TestPositions:
    def test_sell_and_buy(self):
        basket = Order.sell({"A": 100, "B": 5.5}) + Order.buy({"C": 7})
        assert list(basket.assets) == ["A", "B", "C"]
        assert basket.initial.to_dict() == {"A": 100.0, "B": 5.5, "C": 0.0}
        assert basket.target.to_dict() == {"A": 0.0, "B": 0.0, "C": 7.0}
        assert basket.remaining.to_dict() == {"A": 100.0, "B": 5.5, "C": -7.0}
        assert not basket.hedges

    def test_one_asset_with_plain_scalars(self):
        assert Order(1_000).remaining.to_dict() == {"asset": 1000.0}
        assert Order(1_000, 250).remaining.to_dict() == {"asset": 750.0}
        assert Order.sell(10).remaining.to_dict() == {"asset": 10.0}
        assert Order.buy(10).remaining.to_dict() == {"asset": -10.0}

    def test_a_side_that_is_not_mentioned_is_zero(self):
        order = Order({"A": 100.0}, {"B": 40.0, "A": 30.0})
        assert order.initial.to_dict() == {"A": 100.0, "B": 0.0}
        assert order.remaining.to_dict() == {"A": 70.0, "B": -40.0}

    def test_target_in_another_order_and_as_a_series(self):
        order = Order(pd.Series({"A": 1.0, "B": 2.0}), pd.Series({"B": 20.0, "A": 10.0}))
        assert order.remaining.to_dict() == {"A": -9.0, "B": -18.0}

    def test_scalar_target_for_all(self):
        assert Order({"A": 1.0, "B": 2.0}, 0.5).remaining.to_dict() == {"A": 0.5, "B": 1.5}

    def test_short_positions_and_zero_orders_are_fine(self):
        assert Order({"A": -5.0}, {"A": -2.0}).remaining["A"] == -3.0
        assert Order.sell({"A": 0.0}).remaining["A"] == 0.0

    def test_what_it_gives_away_cannot_change_it(self):
        order = Order.sell({"A": 1.0})
        mine = order.initial
        mine["A"] = 7.0
        assert mine["A"] == 7.0
        assert order.initial["A"] == order.remaining["A"] == 1.0

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: Order({"A": np.nan}), "order initial is nan for A"),
            (lambda: Order({"A": 1.0}, {"A": np.inf}), "order target is inf for A"),
            (lambda: Order({"A": "lots"}), "order initial: 'lots' for A is not a number"),
            (lambda: Order([1.0, 2.0]), "several assets need labels"),
            (lambda: Order({"A": 1.0}, [1.0, 2.0, 3.0]), r"order target: an array of shape \(3,\)"),
            (lambda: Order({"A": 1.0, "B": 1.0}, [1.0, 2.0, 3.0]), r"order target: an array of shape \(3,\)"),
            (lambda: Order({}), "no asset was named"),
            (lambda: Order(pd.Series([1.0, 2.0], index=["A", "A"])), "'A' appears more than once"),
            (lambda: Order.sell({"A": -1.0}), "Order.sell quantity is -1 for A; a number >= 0"),
            (lambda: Order.buy({"A": -1.0}), "Order.buy quantity is -1 for A; a number >= 0"),
            (lambda: Order.buy({"A": np.nan}), "Order.buy quantity is nan for A"),
            (lambda: Order.hedge([]), "no asset was named"),
            (lambda: Order.hedge(["A", "A"]), "'A' appears more than once"),
        ],
    )
    def test_refusals(self, make, words):
        with pytest.raises(DataError, match=words):
            make()


class TestSums:
    @given(shares, shares)
    @settings(max_examples=40, deadline=None)
    def test_positions_add_up(self, left, right):
        total = Order(left) + Order(right, dict.fromkeys(right, 1.0))
        for label in {*left, *right}:
            assert total.initial[label] == left.get(label, 0.0) + right.get(label, 0.0)
            assert total.target[label] == (1.0 if label in right else 0.0)
        assert list(total.assets) == list(dict.fromkeys([*left, *right]))

    def test_builtin_sum(self):
        assert sum([Order.sell({"A": 1.0}), Order.buy({"B": 2.0})]) == Order.sell({"A": 1.0}) + Order.buy({"B": 2.0})

    def test_hedge_legs(self):
        order = Order.sell({"A": 10.0}) + Order.hedge(["SPY", "QQQ"])
        assert order.hedges == {"SPY", "QQQ"}
        assert order.remaining.to_dict() == {"A": 10.0, "SPY": 0.0, "QQQ": 0.0}
        assert Order.hedge("SPY").hedges == {"SPY"}

    def test_a_hedge_with_an_order_of_its_own_is_none(self):
        both = Order.hedge(["SPY"]) + Order.sell({"SPY": 5.0})
        assert both.hedges == frozenset()
        assert both.remaining["SPY"] == 5.0
        assert (Order.sell({"SPY": 5.0}) + Order.hedge("SPY")).hedges == frozenset()

    def test_only_orders_add_up(self):
        with pytest.raises(TypeError):
            Order.sell({"A": 1.0}) + 5
        with pytest.raises(TypeError):
            5 + Order.sell({"A": 1.0})


class TestValue:
    def test_equality(self):
        assert Order.sell({"A": 1.0}) == Order({"A": 1.0})
        assert Order.sell({"A": 1.0}) != Order.buy({"A": 1.0})
        assert Order.sell({"A": 0.0}) != Order.hedge(["A"])
        assert Order.sell({"A": 1.0}) != "sell 1 A"

    def test_repr_reads_like_an_order(self):
        order = Order.sell({"JPM": 250_000.0}) + Order.buy({"BAC": 10.0}) + Order.hedge("SPY")
        assert repr(order) == "Order(sell 250,000 JPM, buy 10 BAC, hedge SPY)"
        assert "... 4 more" in repr(Order.sell({str(i): 1.0 for i in range(9)}))


class TestFromFrame:
    def test_frame(self):
        frame = pd.DataFrame({"symbol": ["A", "B"], "side": ["SELL", "buy"], "quantity": [100, 2.5]})
        assert Order.from_frame(frame) == Order.sell({"A": 100.0}) + Order.buy({"B": 2.5})

    def test_csv_as_people_write_it(self, tmp_path):
        text = 'symbol, side, quantity, desk\nA, Sell, "1,000", x\n B ,b, 2_500, y\nC, S, 3e2, z\n'
        assert read(text, tmp_path).remaining.to_dict() == {"A": 1000.0, "B": -2500.0, "C": 300.0}

    def test_symbols_that_look_like_something_else(self, tmp_path):
        assert list(read("symbol,side,quantity\nNA,sell,1\nnull,buy,2\n007,sell,3\n", tmp_path).assets) == [
            "NA",
            "null",
            "007",
        ]

    def test_a_byte_order_mark_is_not_part_of_the_header(self, tmp_path):
        path = tmp_path / "excel.csv"
        path.write_bytes("symbol,side,quantity\nA,sell,1\n".encode("utf-8-sig"))
        assert Order.from_frame(path).remaining.to_dict() == {"A": 1.0}

    def test_several_rows_of_one_symbol_add_up(self, tmp_path):
        order = read("symbol,side,quantity\nA,sell,100\nB,buy,1\nA,sell,50\n", tmp_path)
        assert order.remaining.to_dict() == {"A": 150.0, "B": -1.0}

    def test_other_column_names(self, tmp_path):
        order = read("ticker,bs,shares\nA,b,1\n", tmp_path, symbol="ticker", side="bs", quantity="shares")
        assert order.remaining.to_dict() == {"A": -1.0}

    def test_notional(self, tmp_path):
        text = "symbol,side,usd\nA,sell,1000\nB,buy,1000\n"
        order = read(text, tmp_path, notional="usd", price=pd.Series({"B": 250.0, "A": 8.0}))
        assert order.remaining.to_dict() == pytest.approx({"A": 125.0, "B": -4.0}, **ROUNDING)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", r"orders.csv: the file is empty"),
            ("symbol,side,quantity\n", r"orders.csv: no orders, the table is empty"),
            ("symbol,quantity\nA,1\n", "orders.csv: no column 'side'; found: symbol, quantity"),
            ("symbol,side,quantity\nA,sell,1\nB,sell,many\n", "orders.csv, line 3, quantity: 'many' is not a number"),
            ("symbol,side,quantity\nA,hold,1\n", "orders.csv, line 2, side: 'hold' is not a side; 'buy' or 'sell'"),
            ("symbol,side,quantity\nA,sell,-5\n", "line 2, quantity: '-5' is not a quantity; a number > 0"),
            ("symbol,side,quantity\nA,sell,0\n", "line 2, quantity: '0' is not a quantity"),
            ("symbol,side,quantity\nA,sell,\n", "line 2, quantity: '' is not a number"),
            ("symbol,side,quantity\nA,sell,nan\n", "line 2, quantity: 'nan' is not a quantity"),
            ("symbol,side,quantity\n ,sell,1\n", "line 2, symbol: empty"),
            ("symbol,side,quantity\nA,sell,1\n\n\nB,sell,x\n", "line 5, quantity: 'x'"),
            (
                "symbol,side,quantity\nA,sell,1\nB,sell,1,000\n",
                "orders.csv, line 3: 4 fields, the header has 3.*quotes",
            ),
            ("symbol,side,quantity,side\nA,sell,1,buy\n", "orders.csv: the column 'side' appears more than once"),
            ("symbol,side,quantity\nA,sell\n", "orders.csv, line 2: 2 fields, the header has 3"),
        ],
    )
    def test_refusals_name_file_line_and_field(self, text, words, tmp_path):
        with pytest.raises(DataError, match=words):
            read(text, tmp_path)

    def test_blank_lines_are_skipped(self, tmp_path):
        assert read("symbol,side,quantity\n\nA,sell,1\n\n", tmp_path).remaining.to_dict() == {"A": 1.0}

    def test_refusals_on_frames_name_the_row(self):
        frame = pd.DataFrame({"symbol": ["A", None], "side": ["sell", "sell"], "quantity": [1.0, 1.0]})
        with pytest.raises(DataError, match="orders, row 1, symbol: empty"):
            Order.from_frame(frame)
        with pytest.raises(DataError, match=r"orders, row 1, quantity: nan"):
            Order.from_frame(frame.assign(symbol="A", quantity=[1.0, np.nan]))

    def test_no_such_file(self, tmp_path):
        with pytest.raises(DataError, match=r"missing.csv: no such file"):
            Order.from_frame(tmp_path / "missing.csv")
        with pytest.raises(DataError, match="cannot be read as CSV"):
            Order.from_frame(tmp_path)

    def test_not_a_text_file(self, tmp_path):
        path = tmp_path / "orders.bin"
        path.write_bytes(b"\xff\xfe\x00\x81\x82" * 9)
        with pytest.raises(DataError, match=r"orders.bin"):
            Order.from_frame(path)

    def test_notional_needs_prices(self, tmp_path):
        text = "symbol,side,usd\nA,sell,1000\n"
        with pytest.raises(DataError, match="notional= needs price="):
            read(text, tmp_path, notional="usd")
        with pytest.raises(DataError, match="price: no value for asset A"):
            read(text, tmp_path, notional="usd", price={"B": 1.0})
        with pytest.raises(DataError, match="price is 0 for A"):
            read(text, tmp_path, notional="usd", price={"A": 0.0})
        with pytest.raises(DataError, match="name the column"):
            read(text, tmp_path, quantity=None)


def test_rows_of_one_symbol_add_up_and_are_of_one_side():
    rows = pd.DataFrame({"symbol": ["A", "B", "A"], "side": ["sell", "buy", "sell"], "quantity": [100, 5, 20]})
    assert Order.from_frame(rows) == Order.sell({"A": 120.0}) + Order.buy({"B": 5.0})
    with pytest.raises(DataError, match="row 2, side: A is bought and sold in one list"):
        Order.from_frame(rows.assign(side=["sell", "buy", "buy"]))


@pytest.mark.parametrize("notional", [pd.NA, "", "value"])
def test_a_column_that_is_not_there_is_named(notional):
    frame = pd.DataFrame({"symbol": ["A"], "side": ["sell"], "quantity": [5.0]})
    with pytest.raises(DataError, match="orders: no column"):
        Order.from_frame(frame, notional=notional)


def test_labels_that_are_tuples_meet_labels_that_are_not():
    pair = pd.Series({("X", "Y"): 2.0})
    assert list((Order.sell({"A": 1.0}) + Order(pair)).assets) == ["A", ("X", "Y")]
