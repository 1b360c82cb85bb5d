"""Keys and tokens at a real process: who comes in, what ends them, and that none is written."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from itertools import repeat
from pathlib import Path

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from feed.client.aio import Connection
from feed.client.handshake import read_url
from feed.client.stats import Stats
from feed.client.transport import dial
from feed.sessions.tokens import sign
from feed.ticks import Quote, Tick
from tests.chaos import chaos
from tests.integration.running import TICK_TYPES, Message, environment, run, serving, wait_for

SECRET = b"0123456789abcdef" * 2
MARKET = ("--simulate", "A,B", "--rate", "500", "--authentication", "required")


def key(folder: Path, name: str, *options: str) -> str:
    file = str(folder / "keys.toml")
    return run("keys", "create", name, "--file", file, *options).stdout.strip()


def token(expires_s: int, symbols: list[str]) -> str:
    pytest.importorskip("jwt", reason="needs the extra auth")
    claims = {"sub": "desk-2", "aud": "feed", "exp": int(time.time()) + expires_s}
    return sign(claims | {"feed": {"subscribe": symbols}}, SECRET)


def hear(client: ClientConnection, kind: str) -> Message:
    """Read up to a message of a kind."""
    while True:
        message: Message = orjson.loads(client.recv(timeout=10))
        if message["type"] == kind:
            return message


def until_closed(client: ClientConnection) -> tuple[list[Message], ConnectionClosed]:
    heard: list[Message] = []
    while True:
        try:
            heard.append(orjson.loads(client.recv(timeout=20)))
        except ConnectionClosed as end:
            return heard, end


def logged_s(log: str, text: str) -> float:
    """Give when a line was written, in seconds since the Unix epoch, by the feed's own clock."""
    [line] = [own for own in log.splitlines() if own.endswith(text)]
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()


def test_a_key_revoked_while_it_is_used_ends_its_session_and_no_other(tmp_path: Path) -> None:
    canary, stays = key(tmp_path, "desk-2", "--symbols", "A"), key(tmp_path, "desk-3")
    with serving(tmp_path, *MARKET, "--api-keys", str(tmp_path / "keys.toml")) as feed:
        bearer = [Subprotocol("feed.v1"), Subprotocol(f"bearer.{canary}")]
        headers = {"Authorization": f"Bearer {stays}"}
        with (
            connect(feed.url, subprotocols=bearer) as ends,
            connect(feed.url, additional_headers=headers) as other,
        ):
            for client in (ends, other):
                hear(client, "authenticated")
                client.send('{"type":"subscribe","symbols":["*"]}')
                hear(client, "quote")
            run("keys", "revoke", "desk-2", "--file", str(tmp_path / "keys.toml"))
            revoked_s = time.monotonic()
            heard, end = until_closed(ends)
            assert time.monotonic() - revoked_s < 5
            assert end.rcvd is not None
            assert (end.rcvd.code, end.rcvd.reason) == (4501, "the key was revoked")
            assert {own["symbol"] for own in heard if own["type"] in TICK_TYPES} == {"A"}
            assert hear(other, "quote")
        assert canary not in feed.log
        assert stays not in feed.log


def test_a_token_that_expires_ends_its_session_with_4004_and_no_tick_after(tmp_path: Path) -> None:
    (tmp_path / "jwt.key").write_bytes(SECRET)
    with serving(tmp_path, *MARKET, "--jwt-key", str(tmp_path / "jwt.key")) as feed:
        canary = token(3, ["A"])
        with connect(feed.url) as client:
            client.send(orjson.dumps({"type": "authenticate", "token": canary}).decode())
            expires_at = hear(client, "authenticated")["expires_at"]
            assert "send authenticate with a new one" in hear(client, "notice")["message"]
            client.send('{"type":"subscribe","symbols":["A","B"]}')
            assert hear(client, "subscribed")["rejected"][0]["code"] == "not_entitled"
            heard, end = until_closed(client)
            assert end.rcvd is not None
            assert end.rcvd.code == 4004
            assert heard[-1]["type"] == "closing"
            ticks = [own["ts_out"] for own in heard if own["type"] in TICK_TYPES]
            assert max(ticks) < expires_at * 1_000_000_000
            wait_for(lambda: "closed with 4004" in feed.log, "the end is logged")
            assert 0 <= logged_s(feed.log, "closed with 4004") - expires_at < 1
        with connect(feed.url, subprotocols=[Subprotocol(f"bearer.{canary}")]) as client:
            _, end = until_closed(client)
            assert end.rcvd is not None
            assert (end.rcvd.code, end.rcvd.reason) == (4501, "the token has expired")
        assert canary not in feed.log


def test_the_clients_of_this_project_show_the_token_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = key(tmp_path, "desk-2", "--symbols", "A")
    with serving(tmp_path, *MARKET, "--api-keys", str(tmp_path / "keys.toml")) as feed:
        refused = run("tail", "--url", feed.url, "--count", "3")
        assert refused.returncode == 1
        assert "authenticate first" in refused.stderr
        monkeypatch.setattr("tests.integration.running.environment", environment_with(canary))
        told = run("tail", "A", "B", "--url", feed.url, "--count", "3", "--json")
        assert told.returncode == 0
        assert len(told.stdout.splitlines()) == 3
        assert "B is not among the symbols of this token" in told.stderr
        verified = run("verify", feed.url, "--symbols", "A", "--seconds", "1")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_key_for_one_channel_is_served_on_that_one_and_resumes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for the usual channels, or for all, gets the one it may have."""
    canary = key(tmp_path, "desk-2", "--channels", "quotes")
    with serving(tmp_path, *MARKET, "--api-keys", str(tmp_path / "keys.toml")) as feed:
        ticks, stats = asyncio.run(through_cuts(feed.port, canary, 3))
        monkeypatch.setattr("tests.integration.running.environment", environment_with(canary))
        tail = run("tail", "--url", feed.url, "--count", "3", "--json")
        verify = run("verify", feed.url, "--seconds", "1", "--reconnect-every", "0.3")
        out = ("--out", str(tmp_path / "tapes"))
        record = run("record", feed.url, "--count", "3", *out)
    assert {type(own) for own in ticks} == {Quote}
    assert {own.symbol for own in ticks} == {"A", "B"}
    assert (stats.reconnects, stats.gaps, stats.disorders) == (3, 0, 0)
    assert stats.resumed > 0
    assert "feed: not subscribed: *: * was not subscribed on trades" in tail.stderr
    assert (tail.returncode, len(tail.stdout.splitlines())) == (0, 3)
    assert verify.returncode == 0, verify.stdout + verify.stderr
    assert record.returncode == 0, record.stdout + record.stderr


async def through_cuts(port: int, token: str, cuts: int) -> tuple[list[Tick], Stats]:
    """Read everything through a network that cuts the connection now and then."""
    got: list[Tick] = []
    async with chaos(port) as proxy, connection(proxy.port, token) as ticks:
        async for batch in ticks.batches():
            got += batch
            if len(got) >= 100 * (ticks.stats.reconnects + 1):
                if ticks.stats.reconnects == cuts:
                    break
                proxy.cut()
    return got, ticks.stats


def connection(port: int, token: str) -> Connection:
    """Ask for everything on the usual channels, and come back at once."""
    url = read_url(f"ws://127.0.0.1:{port}")
    return Connection(
        url.shown, lambda: dial(url), symbols=["*"], token=token, backoff=lambda: repeat(0.01)
    )


def test_what_a_delayed_key_is_sent_is_held_against_what_it_may_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = key(tmp_path, "late", "--delay", "1s", "--symbols", "A")
    with serving(tmp_path, *MARKET, "--api-keys", str(tmp_path / "keys.toml")) as feed:
        monkeypatch.setattr("tests.integration.running.environment", environment_with(canary))
        verified = run("verify", feed.url, "--seconds", "2", "--channels", "quotes,trades,bars")
    counts, verdict = verified.stdout.splitlines()
    assert "ticks 0" not in counts
    assert (verified.returncode, verdict) == (0, "good: every seq is accounted for")


def environment_with(token: str) -> Callable[[], dict[str, str]]:
    return lambda: environment() | {"FEED_TOKEN": token}


def asked(url: str, token: str | None = None) -> tuple[int, str, Message]:
    """Ask over HTTP; gives status, the way to authenticate and the body."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers.get("WWW-Authenticate"), orjson.loads(answer.read())


def test_what_is_read_over_http_is_what_the_token_may_have(tmp_path: Path) -> None:
    some, late = key(tmp_path, "desk-2", "--symbols", "A"), key(tmp_path, "late", "--delay", "1h")
    with serving(tmp_path, *MARKET, "--api-keys", str(tmp_path / "keys.toml")) as feed:
        url = f"http://127.0.0.1:{feed.port}/v1"
        wait_for(lambda: asked(f"{url}/ticks/A", some)[2]["ticks"], "the first tick of A")
        assert asked(f"{url}/ticks/A")[:2] == (401, "Bearer")
        assert asked(f"{url}/ticks/A", "wrong")[:2] == (401, "Bearer")
        forbidden, missing = asked(f"{url}/ticks/B", some), asked(f"{url}/ticks/C", some)
        assert (forbidden[0], missing[0]) == (403, 403)
        assert forbidden[2]["message"].replace("B", "C") == missing[2]["message"]
        assert asked(f"{url}/symbols", some)[2]["symbols"] == ["A"]
        assert asked(f"{url}/ticks/A", late)[2]["ticks"] == []
        (snapshot,) = asked(f"{url}/snapshot?symbols=A", late)[2]["snapshots"]
        assert "quote" not in snapshot
        assert asked(f"http://127.0.0.1:{feed.port}/healthz")[0] == 200
