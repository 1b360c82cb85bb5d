"""Headers of the vendors' own files, and of users' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from feed.errors import TapeError
from feed.tape.layout import recognise, recognise_mixed
from feed.ticks import Bar, Quote, Status, Trade

PATH = Path("ticks.csv")

DATABENTO_MBP_1 = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,"
    "ts_in_delta,sequence,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,bid_ct_00,ask_ct_00,symbol"
)


@pytest.mark.parametrize(
    ("header", "kind", "time", "symbol", "values"),
    [
        (
            "ts_event,symbol,bid,bid_size,ask,ask_size",
            Quote, "ts_event", "symbol",
            "bid bid_size ask ask_size",
        ),
        ("timestamp,bid,ask", Quote, "timestamp", None, "bid ask"),
        (
            "Time,Sym,BidPrice,BidQty,AskPrice,AskQty",
            Quote, "Time", "Sym",
            "BidPrice BidQty AskPrice AskQty",
        ),
        (DATABENTO_MBP_1, Quote, "ts_event", "symbol", "bid_px_00 bid_sz_00 ask_px_00 ask_sz_00"),
        (
            "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,"
            "bids[0].amount,asks[1].price,asks[1].amount",
            Quote, "timestamp", "symbol",
            "bids[0].price bids[0].amount asks[0].price asks[0].amount",
        ),
        (
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            Trade, "timestamp", "symbol", "price amount",
        ),
        (
            "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time",
            Quote, "transaction_time", None,
            "best_bid_price best_bid_qty best_ask_price best_ask_qty",
        ),
        ("id,price,qty,quote_qty,time,is_buyer_maker", Trade, "time", None, "price qty"),
        (
            "open_time,open,high,low,close,volume,close_time,quote_volume,count",
            Bar, "open_time", None, "open high low close volume count",
        ),
        (
            "ticker,volume,open,close,high,low,window_start,transactions",
            Bar, "window_start", "ticker", "open high low close volume transactions",
        ),
        ("t,bp,bs,ap,as", Quote, "t", None, "bp bs ap as"),
        (
            "Gmt time,Ask,Bid,AskVolume,BidVolume",
            Quote, "Gmt time", None,
            "Bid BidVolume Ask AskVolume",
        ),
        (
            "Ticker,Date,Open,High,Low,Close,Volume,Adj Close",
            Bar, "Date", "Ticker", "Open High Low Close Volume",
        ),
        ("ts,symbol,status,reason", Status, "ts", "symbol", "status reason"),
    ],
)  # fmt: skip
def test_a_vendors_header_is_recognised(
    header: str, kind: type, time: str, symbol: str | None, values: str
) -> None:
    layout = recognise(PATH, header.split(","), {})
    assert (layout.kind, layout.time, layout.symbol) == (kind, (time,), symbol)
    assert list(layout.values.values()) == values.split()


def test_date_and_time_of_day_apart_are_read_together() -> None:
    assert recognise(PATH, ["Date", "Time", "Price"], {}).time == ("Date", "Time")


def test_the_mapping_comes_before_recognition() -> None:
    columns = ["timestamp", "bid", "ask", "my_bid", "stamp"]
    layout = recognise(PATH, columns, {"bid": "my_bid", "ts_event": "stamp"})
    assert (layout.values["bid"], layout.time) == ("my_bid", ("stamp",))


def test_a_mapped_column_is_not_taken_for_another_too() -> None:
    layout = recognise(PATH, ["ts", "price", "volume", "size"], {"price": "size"})
    assert layout.values == {"price": "size", "size": "volume"}


def test_a_type_column_may_make_a_file_mixed() -> None:
    layout = recognise_mixed(PATH, ["type", "ts_event", "symbol", "bid", "ask", "price"], {})
    assert layout is not None
    assert (layout.kind, layout.type) == (None, "type")
    assert recognise_mixed(PATH, ["ts_event", "bid", "ask"], {}) is None


def test_databentos_raw_files_have_fixed_point_prices() -> None:
    assert recognise(PATH, DATABENTO_MBP_1.split(","), {}).fixed_point
    assert not recognise(PATH, ["ts", "price"], {}).fixed_point


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("bid,ask", r"cannot tell the time \(its columns are bid, ask\); name it with --map ts_ev"),
        ("ts,bid,x", r"cannot tell the column ask \(its columns are ts, bid, x\).* --map ask=COL"),
        ("ts,open,high,low", r"cannot tell the column close .*--map close=COLUMN"),
        ("ts,x,y", r"has no columns bid and ask, price, open to close, or status \(.*ts, x, y\)"),
    ],
)
def test_a_header_that_is_not_understood_is_told_with_its_columns(
    header: str, message: str
) -> None:
    with pytest.raises(TapeError, match=rf"ticks\.csv: {message}"):
        recognise(PATH, header.split(","), {})
