from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from feed.errors import SettingError, SourceError, TapeError
from feed.loop import run as play
from feed.node import Node, _first_of, declared, sources_of
from feed.settings import Settings
from feed.sources.base import Publish
from feed.tape.block import TickBlock, block_of
from feed.ticks import Bar, Trade
from tests.server.local import eventually
from tests.tape.taking import Taking

TAPE = "ts_event,symbol,price,size\n" + "".join(
    f"{1_700_000_000_000_000_000 + at * 400_000_000},AAA,{10 + at},1\n" for at in range(5)
)


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A node freezes what is there when it starts; the tests go on after it."""
    yield
    gc.unfreeze()


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "trades.csv"
    path.write_text(TAPE)
    return path


class FakeSource:
    """A source that publishes what it is given, and then ends or fails."""

    total: int | None = None
    position: Any = None
    state: Any = "live"
    controls: Final = None
    brings_bars: Final = False

    def __init__(
        self, name: str, symbols: frozenset[str] | None, fails: Exception | None = None
    ) -> None:
        self.name = name
        self.symbols = symbols
        self.fails = fails
        self.block: TickBlock | None = None

    async def run(self, publish: Publish) -> None:
        if self.block is not None:
            publish(Taking(self.block).take(len(self.block)))
        if self.fails is not None:
            raise self.fails


def settings(**changes: Any) -> Settings:
    return Settings(port=0, drain_timeout_s=1.0, **changes)


def run(node: Node, *, stop: bool) -> str:
    """Run a node, send the signal once it serves if it shall stop, and give its address."""
    addresses: list[str] = []

    def ready(address: str) -> None:
        addresses.append(address)
        if stop:
            os.kill(os.getpid(), signal.SIGTERM)

    play(node.run(ready))
    return addresses[0]


def test_without_a_source_the_shipped_tape_is_replayed_in_a_loop() -> None:
    [source] = sources_of(Settings())
    assert source.name == "replay"
    assert source.symbols
    assert source._loop  # type: ignore[attr-defined]


def test_sources_are_those_that_the_settings_name(tape: Path) -> None:
    named = sources_of(Settings(replay=(str(tape),), simulate="X,Y", seed=1))
    assert [source.name for source in named] == ["replay", "simulate"]
    assert [source.symbols for source in named] == [
        frozenset({"AAA"}),
        frozenset({"X", "Y"}),
    ]


def test_a_tape_that_is_not_there_is_a_tape_error(tmp_path: Path) -> None:
    with pytest.raises(TapeError):
        Node(settings(replay=(str(tmp_path / "none.csv"),)))


def test_symbols_that_cannot_be_are_a_setting_error() -> None:
    with pytest.raises(SettingError):
        Node(settings(simulate="A B"))


def test_what_is_declared_is_what_all_sources_declare() -> None:
    first = FakeSource("first", frozenset({"A"}))
    second = FakeSource("second", frozenset({"B"}))
    assert declared([first, second]) == frozenset({"A", "B"})
    assert declared([first, FakeSource("open", None)]) is None


def test_a_node_tells_its_address_and_stops_at_a_signal(tape: Path) -> None:
    address = run(Node(settings(replay=(str(tape),), loop=True)), stop=True)
    host, _, port = address.partition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0


def test_a_source_that_fails_ends_the_node_with_its_error(tape: Path) -> None:
    node = Node(settings(replay=(str(tape),)))
    node.sources = [FakeSource("broken", None, SourceError("no more"))]
    with pytest.raises(SourceError, match="no more"):
        run(node, stop=False)


def test_what_ends_the_recorder_is_told(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    pytest.importorskip("pyarrow")

    async def fail(*_: object) -> None:
        raise ValueError("odd data")

    node = Node(settings(replay=(str(tape),), record=str(tmp_path / "tapes")))
    with monkeypatch.context() as patch:
        patch.setattr(node._recorder, "run", fail)
        run(node, stop=True)
    assert "recorder ended: ValueError: odd data" in caplog.messages


def test_state_that_could_not_be_written_is_told_once_and_tried_again(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    tries: list[object] = []

    async def fail(hub: object) -> None:
        tries.append(hub)
        raise ValueError("odd data")

    async def main() -> None:
        state = {"state_dir": str(tmp_path / "state"), "state_flush_interval_s": 0.001}
        node = Node(settings(replay=(str(tape),), **state))
        with monkeypatch.context() as patch:
            patch.setattr(node._state, "flush", fail)
            keeping = asyncio.create_task(node._keep_state())
            await eventually(lambda: len(tries) >= 3)
            keeping.cancel()
            await asyncio.wait([keeping])
        await node._close()

    asyncio.run(main())
    assert caplog.messages == ["flushes of the state failed, and go on: ValueError: odd data"]


def test_ticks_of_a_source_enter_the_hub_numbered_and_with_their_bars(tape: Path) -> None:
    node = Node(settings(replay=(str(tape),), speed=0.0))
    source = FakeSource("own", None)
    codes, prices = np.array([0, 0, 1]), np.array([1.0, 1.0, 2.0])
    times_ns = np.array([5, 1_000_000_000, 1_000_000_000])
    source.block = block_of(Trade, times_ns, ["A", "B"], codes, {"price": prices})
    node.sources = [source]
    run(node, stop=True)
    assert node.hub.index.find("trades", "A").seq == 2  # type: ignore[union-attr]
    assert node.hub.index.find("trades", "B").seq == 1  # type: ignore[union-attr]
    bar = node.hub.index.find("bars", "A").last  # type: ignore[union-attr]
    assert isinstance(bar, Bar)
    assert (bar.interval, bar.trades) == ("1s", 1)


def test_tidying_waits_for_no_flush_and_is_none(tape: Path) -> None:
    node, calls = Node(settings(replay=(str(tape),), flush_interval_ms=60_000)), list[str]()

    async def main() -> None:
        node.hub.soon(lambda: calls.append("tidied"))
        assert not calls
        await asyncio.sleep(0)

    asyncio.run(main())
    assert (calls, sum(node.hub.metrics.flush.counts)) == (["tidied"], 0)


async def ends() -> None:
    return


async def fails() -> None:
    raise SourceError("broken")


async def waits() -> None:
    await asyncio.Event().wait()


def test_a_source_that_ends_does_not_end_the_others() -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        feeding = [asyncio.ensure_future(own()) for own in (ends, waits)]
        waiting = asyncio.ensure_future(_first_of(stopping, feeding))
        await asyncio.wait([waiting], timeout=0.02)
        assert feeding[0].done()
        assert not waiting.done()
        stopping.set()
        await asyncio.wait_for(waiting, 5)
        assert not feeding[1].done()
        feeding[1].cancel()

    asyncio.run(main())


def test_a_source_that_fails_ends_the_wait() -> None:
    async def main() -> None:
        feeding = [asyncio.ensure_future(own()) for own in (waits, fails)]
        await asyncio.wait_for(_first_of(asyncio.Event(), feeding), 5)
        assert isinstance(feeding[1].exception(), SourceError)
        feeding[0].cancel()

    asyncio.run(main())


def test_when_all_sources_have_ended_the_node_goes_on_serving() -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        waiting = asyncio.ensure_future(_first_of(stopping, [asyncio.ensure_future(ends())]))
        await asyncio.wait([waiting], timeout=0.02)
        assert not waiting.done()
        stopping.set()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())
