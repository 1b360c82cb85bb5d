from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.protocol.codec import encode
from feed.tape import arrow
from feed.tape.arrow import ArrowBody, ParquetBody, fields_of, schema_of, to_batch, to_ticks
from feed.ticks import Bar, Quote, Status, Tick, Trade

TIMES = st.integers(-(2**63), 2**63 - 1)
SEQS = st.integers(0, 2**63 - 1)
PRICES = st.floats(allow_nan=False, allow_infinity=False)
SIZES = st.none() | st.integers(0, 2**53) | st.floats(0, 2**50, width=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

KINDS: dict[type, Any] = {
    Quote: st.builds(Quote, TEXTS, SEQS, TIMES, PRICES, SIZES, PRICES, SIZES, TIMES),
    Trade: st.builds(Trade, TEXTS, SEQS, TIMES, PRICES, SIZES, TIMES),
    Bar: st.builds(
        Bar,
        *(TEXTS, SEQS, TEXTS, TIMES, PRICES, PRICES, PRICES, PRICES, SIZES),
        *(st.none() | PRICES, st.none() | st.integers(0, 2**40), TIMES, st.just("quotes")),
    ),
    Status: st.builds(Status, TEXTS, SEQS, TIMES, TEXTS, st.none() | TEXTS, TIMES),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)  # the first one loads pyarrow
@given(data=st.data())
def test_ticks_come_back_field_by_field(kind: type, data: st.DataObject) -> None:
    ticks = data.draw(st.lists(KINDS[kind], max_size=5))
    assert to_ticks(kind, to_batch(kind, ticks)) == ticks


def test_a_basis_that_is_the_default_stays_off_the_wire() -> None:
    bars: list[Tick] = [
        Bar("A", 1, "1m", 5, 1.0, 1.0, 1.0, 1.0, 0, None, 0, 9, basis)
        for basis in ("trades", "quotes")
    ]
    assert [b"basis" in encode(own) for own in to_ticks(Bar, to_batch(Bar, bars))] == [False, True]


def trades(*sizes: Any) -> list[Tick]:
    return [Trade("A", seq, 5, 1.5, size, 9) for seq, size in enumerate(sizes, 1)]


@pytest.mark.parametrize("sizes", [(100, 200), (100, None), (100, 0.5), (0.25, None)])
def test_a_whole_size_comes_back_as_an_integer(sizes: tuple[Any, ...]) -> None:
    found = to_ticks(Trade, to_batch(Trade, trades(*sizes)))
    assert [type(own.size) for own in found] == [type(own) for own in sizes]  # type: ignore[union-attr]


def test_a_size_too_large_for_a_float_comes_as_near_as_can_be() -> None:
    (found,) = to_ticks(Trade, to_batch(Trade, trades(2**60 + 1)))
    assert found.size == 2**60  # type: ignore[union-attr]


def test_the_columns_are_the_fields_of_the_wire() -> None:
    for kind in KINDS:
        assert tuple(schema_of(kind).names) == fields_of(kind)
    assert schema_of(Quote).field("ts_event").type == pa.timestamp("ns", "UTC")


def read_arrow(body: bytes) -> Any:
    return pyarrow.ipc.open_stream(body).read_all()


def read_parquet(body: bytes) -> Any:
    return pyarrow.parquet.read_table(io.BytesIO(body))


@pytest.mark.parametrize("sizes", [(), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize(("make", "read"), [(ArrowBody, read_arrow), (ParquetBody, read_parquet)])
def test_a_body_is_the_sum_of_its_pieces(
    make: Any, read: Any, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow, "GROUP_TICKS", 3)
    body = make(Trade)
    pieces = [body.write([own]) for own in trades(*sizes)]
    table = read(b"".join([*pieces, body.close()]))
    assert table.column("size").to_pylist() == list(sizes)
    assert table.schema.names == schema_of(Trade).names


def test_row_groups_of_parquet_are_written_as_they_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "GROUP_TICKS", 2)
    body = ParquetBody(Trade)
    first, second, third = (body.write([own]) for own in trades(1, 2, 3))
    assert (len(second) > 100, third) == (True, b"")
    file = pyarrow.parquet.ParquetFile(io.BytesIO(first + second + third + body.close()))
    assert file.num_row_groups == 2
