from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feed.client.transport import Disconnected
from feed.protocol.messages import (
    Epoch,
    Heartbeat,
    Rejection,
    Snapshot,
    SourcePosition,
    Subscribed,
)
from feed.ticks import Quote, Trade

Fakes = Callable[..., Any]


def trade(seq: int) -> Trade:
    return Trade("A", seq, 1, 1.0, 1, 2)


def test_it_tells_what_was_read_and_what_was_said(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport("e1")
    quote = Quote("A", 9, 1, 1.0, 1, 2.0, 1, 2)

    async def main() -> None:
        async with lines(transport).connect(symbols=["A", "NOPE"]) as ticks:
            transport.tell(Snapshot("A", {"quotes": 9}, quote=quote))
            transport.tell(
                Heartbeat(1, 0, 0.0, {"tape": "live"}, {"tape": SourcePosition(7, 0.5, 3)})
            )
            transport.tell([trade(1), trade(3)])
            await anext(ticks)
            assert ticks.connected
            assert ticks.subscriptions == {"quotes": ["A"], "trades": ["A"]}
            assert [own.symbol for own in ticks.rejected] == ["NOPE"]
            assert ticks.last("A") == ticks.snapshots["A"].quote == quote
            assert ticks.positions() == {"quotes": {"A": 9}, "trades": {"A": 3}}
            assert (ticks.stats.ticks, ticks.gaps, ticks.skipped) == (2, 1, 0)
            assert ticks.sources == {"tape": "live"}
            assert ticks.source_positions["tape"].ticks == 3
            assert not ticks.expects_none

    run(main())


def test_what_may_have_been_taken_away_is_in_doubt_until_more_is_heard_of_it(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect(symbols=["*"]) as ticks:
            transport.tell([trade(1)])
            transport.tell(
                Subscribed({"trades": ["*"]}, rejected=[Rejection("A", "not_entitled", "no")])
            )
            await anext(ticks)
            await ticks.subscribe("B")
            assert ticks.doubtful == {("trades", "A")}
            transport.tell([trade(2)])
            await anext(ticks)
            assert ticks.doubtful == set()

    run(main())


def test_each_epoch_is_told_with_the_ticks_before_it(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    one, other = fake_transport("e1"), fake_transport("e3")

    async def main() -> None:
        async with lines(one, other).connect(symbols=["A"]) as ticks:
            one.tell([trade(1), trade(2)])
            one.tell(Epoch("e2", "seek"))
            one.tell([trade(1)])
            for _ in range(3):
                await anext(ticks)
            assert ticks.epoch == "e2"
            one.tell(Disconnected(1006, "lost"))
            other.tell([trade(1)])
            await anext(ticks)
            assert ticks.epochs == [(0, "e1"), (2, "e2"), (3, "e3")]

    run(main())


def test_nothing_is_expected_of_sources_that_have_ended_or_without_a_subscription(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            assert ticks.expects_none
            await ticks.subscribe("A")
            assert not ticks.expects_none
            transport.tell(Heartbeat(1, 0, 0.0, {"tape": "ended"}))
            await ticks.subscribe("B")
            assert ticks.expects_none

    run(main())
