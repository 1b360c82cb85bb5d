"""Those parts of feed.js that need no server: they do as the Python client does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.client.commands import Positions, Terms
from feed.client.events import Disorder, Gap
from feed.client.ledger import Ledger
from feed.client.wants import Wants
from feed.codes import STAY_AWAY
from feed.protocol.codec import decode, encode, read_command
from feed.protocol.messages import Subscribe, Unsubscribe
from feed.ticks import CHANNELS
from tests.web.javascript import COMPILER, WEB, Script

LEDGER = """
const told = [];
const ledger = new own.Ledger((kind, loss) => told.push([kind, loss]));
for (const [name, ...rest] of asked) ledger[name](...rest);
return { told, positions: ledger.positions() };
"""
WANTS = """
const wants = new own.Wants();
for (const [name, ...args] of asked.steps)
  name === "add" ? wants.add(...args) : wants.drop(args[0]);
return wants.commands(asked.epoch, asked.positions);
"""


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """Make scripts over feed.js."""
    made: list[Script] = []

    def make(body: str) -> Script:
        made.append(Script("feed.js", body))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="module")
def ledger(script: Any) -> Script:
    return script(LEDGER)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def wants(script: Any) -> Script:
    return script(WANTS)  # type: ignore[no-any-return]


SYMBOLS = st.sampled_from(["A", "B", "A.X"])
SEQS = st.integers(1, 12)


def tick(symbol: str, seq: int, kind: str = "quote") -> dict[str, Any]:
    own: dict[str, Any] = {"symbol": symbol, "seq": seq, "ts_event": 1, "ts_out": 2}
    price = {"bid": 1.0, "bid_size": 1, "ask": 1.1, "ask_size": 1}
    return {"type": kind, **own, **(price if kind == "quote" else {"price": 1.0, "size": 1})}


def span(kind: str, symbol: str, ends: tuple[int, int], **rest: Any) -> dict[str, Any]:
    names = ("first_seq", "last_seq") if kind == "skipped" else ("from_seq", "to_seq")
    fields = dict(zip(names, sorted(ends), strict=True))
    return {"type": kind, "channel": "quotes", "symbol": symbol, **fields, **rest}


HELD = st.fixed_dictionaries({"quotes": st.lists(st.sampled_from(["A", "B", "A*", "*"]))})
STEPS = st.lists(
    st.tuples(
        st.just("take"),
        st.lists(
            st.builds(tick, SYMBOLS, SEQS, st.sampled_from(["quote", "trade"])),
            min_size=1,
            max_size=8,
        ),
    )
    | st.tuples(
        st.just("skipped"),
        st.builds(
            lambda symbol, ends: span("skipped", symbol, ends, count=1, reason="conflated"),
            SYMBOLS,
            st.tuples(SEQS, SEQS),
        ),
    )
    | st.tuples(
        st.just("resumed"),
        st.builds(
            lambda symbol, ends, whole: span("resumed", symbol, ends, complete=whole),
            SYMBOLS,
            st.tuples(SEQS, SEQS),
            st.booleans(),
        ),
    )
    | st.tuples(
        st.just("snapshot"),
        st.builds(
            lambda symbol, seq: {"type": "snapshot", "symbol": symbol, "seqs": {"quotes": seq}},
            SYMBOLS,
            SEQS,
        ),
    )
    | st.tuples(st.just("welcome"), st.sampled_from(["e1", "e1", "e2"]))
    | st.tuples(st.just("keep"), HELD)
    | st.tuples(st.just("doubt"), HELD, st.none() | st.lists(SYMBOLS)),
    max_size=25,
)


def python_account(steps: list[Any]) -> dict[str, Any]:
    told: list[Gap | Disorder] = []
    ledger = Ledger(told.append)
    for name, argument, *rest in steps:
        if name == "doubt":
            ledger.doubt(argument, None if rest[0] is None else set(rest[0]))
        elif name == "take":
            ledger.take(decode(msgspec.json.encode(argument)))  # type: ignore[arg-type]
        elif name in ("welcome", "keep"):
            getattr(ledger, name)(argument)
        else:
            getattr(ledger, name)(decode(msgspec.json.encode(argument)))
    losses = [
        ["gap", {**msgspec.to_builtins(own), "count": own.count, "told": own.told}]
        if isinstance(own, Gap)
        else ["disorder", msgspec.to_builtins(own)]
        for own in told
    ]
    return {"told": losses, "positions": ledger.positions()}


@settings(deadline=None)
@given(STEPS)
def test_its_ledger_tells_what_the_python_ledger_tells(ledger: Script, steps: list[Any]) -> None:
    assert ledger.ask(steps) == python_account(steps)


NAMES = st.lists(st.sampled_from(["A", "B", "AB", "C", "A*", "*"]), min_size=1, unique=True)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "drop"]),
        NAMES,
        st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True),
        st.sampled_from(["adaptive", "all", "latest"]),
    ),
    max_size=6,
)
POSITIONS = st.dictionaries(
    st.sampled_from(["quotes", "trades"]),
    st.dictionaries(st.sampled_from(["A", "AB", "B", "C", "D"]), SEQS, min_size=1),
)


@settings(deadline=None)
@given(CHANGES, POSITIONS)
def test_it_asks_anew_for_what_the_python_client_asks_for(
    wants: Script, changes: list[Any], positions: dict[str, dict[str, int]]
) -> None:
    expected, steps = Wants(), []
    for name, symbols, channels, delivery in changes:
        terms = {"delivery": delivery, "interval_ms": 250, "snapshot": True}
        held = dict.fromkeys(channels, symbols)
        steps.append([name, {"symbols": symbols, "channels": channels, **terms}, held])
        if name == "add":
            expected.add(channels, symbols, Terms(delivery))
        else:
            expected.drop(channels, symbols)
    asked = {"steps": steps, "epoch": "e1", "positions": positions}
    commands = [read_command(encode(own)) for own in wants.ask(asked)]
    assert commands == list(expected.commands(Positions("e1", positions)))


def test_ten_thousand_symbols_are_asked_for_in_commands_that_the_server_takes(
    wants: Script,
) -> None:
    symbols = [f"SYMBOL-{number:033d}" for number in range(10_000)]
    terms = {"delivery": "all", "interval_ms": 250, "snapshot": True}
    positions = {"quotes": dict.fromkeys(symbols, 2**53)}
    for names in (symbols, ["*"]):
        held = {"quotes": names}
        steps = [["add", {"symbols": names, "channels": ["quotes"], **terms}, held]]
        told = wants.ask({"steps": steps, "epoch": "e1", "positions": positions})
        assert max(len(encode(own)) for own in told) < 65_536
        commands = [read_command(encode(own)) for own in told]
        resumed = [
            name
            for own in commands
            if isinstance(own, Subscribe) and own.resume
            for name in own.resume.quotes
        ]
        assert resumed == symbols
        assert any(isinstance(own, Unsubscribe) for own in commands) == (names == ["*"])


def test_it_stays_away_after_the_same_codes_as_every_client(script: Any) -> None:
    found = script("return asked.filter(own.stayAway);").ask(list(range(1000, 5000)))
    assert set(found) == STAY_AWAY


def test_waits_grow_up_to_half_a_minute_and_are_drawn_from_zero_on(script: Any) -> None:
    draw = script("return own.delayMs(asked[0], asked[1]);")
    assert [draw.ask([n, 1]) for n in (0, 1, 2, 7, 2000)] == [250, 500, 1000, 30000, 30000]
    assert draw.ask([5, 0]) == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1/", "url must begin with ws:// or wss://, was 'http://127.0.0.1/'"),
        ("ws://127.0.0.1/", "this JavaScript has no WebSocket: give one"),
    ],
)
def test_what_cannot_connect_says_so_at_once(script: Any, url: str, message: str) -> None:
    bare = script(
        "globalThis.WebSocket = undefined;"
        "try { own.connect(asked); } catch (error) { return error.message; }"
    )
    assert bare.ask(url).startswith(message)


FAKE = """
const told = [], sockets = [];
class WebSocket {
  readyState = 1;
  constructor(url, protocols) {
    Object.assign(this, { url, protocols, sent: [] });
    sockets.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.closed = code; }
  hear(...all) { for (const message of all) this.onmessage({ data: JSON.stringify(message) }); }
  welcome(epoch = "e1") {
    this.hear({ type: "welcome", protocol: 1, session: "s", epoch, heartbeat_interval_s: 5 });
  }
}
const quote = (seq) =>
  ({ type: "quote", symbol: "A", seq, ts_event: 1, bid: 1, ask: 2, ts_out: 2 });
const turn = () => new Promise((resolve) => setTimeout(resolve));
const start = (options) => {
  const feed = own.connect("ws://127.0.0.1/", { WebSocket, ...options });
  for (const kind of ["open", "gap", "disorder", "epoch", "error", "close"])
    feed.on(kind, (detail) => told.push([kind, detail]));
  return feed;
};
"""
"""A socket that a test speaks for, and what the client told."""


def test_after_an_epoch_message_the_numbering_begins_anew_on_the_same_connection(
    script: Any,
) -> None:
    run = script(FAKE + """
        const feed = start();
        sockets[0].welcome();
        sockets[0].hear([quote(7), quote(8)], { type: "epoch", epoch: "e2", reason: "seek" });
        const between = feed.positions;
        sockets[0].hear(
          { type: "snapshot", symbol: "A", seqs: { quotes: 1 }, quote: quote(1) }, quote(2));
        feed.close();
        return { between, positions: feed.positions, epoch: feed.epoch, told: told.slice(1, -1) };
    """)  # fmt: skip
    assert run.ask(None) == {
        "between": {},
        "positions": {"quotes": {"A": 2}},
        "epoch": "e2",
        "told": [["epoch", {"type": "epoch", "epoch": "e2", "reason": "seek"}]],
    }


@pytest.mark.parametrize(
    ("token", "protocols", "sent"),
    [
        ("abc.DEF-1", ["feed.v1", "bearer.abc.DEF-1"], []),
        ("a b/c", [], [{"type": "authenticate", "token": "a b/c"}]),
        ("", [], []),
    ],
)
def test_a_token_travels_in_the_subprotocol_or_else_in_the_first_message(
    script: Any, token: str, protocols: list[str], sent: list[Any]
) -> None:
    run = script(FAKE + """
        const feed = start({ token: async () => asked });
        await turn();
        const [socket] = sockets;
        socket.onopen?.();
        feed.close();
        return [socket.url, socket.protocols, socket.sent];
    """)  # fmt: skip
    assert run.ask(token) == ["ws://127.0.0.1/?batch=1", protocols, sent]


def test_a_subscription_made_before_the_first_connection_is_sent_once(script: Any) -> None:
    run = script(FAKE + """
        const feed = start({ symbols: "A" });
        feed.on("open", () => feed.subscribe("B"));
        await turn();
        sockets[0].welcome();
        await turn();
        feed.close();
        return sockets[0].sent.filter(({ type }) => type === "subscribe").map((own) => own.symbols);
    """)  # fmt: skip
    assert run.ask(None) == [["A"], ["B"]]


def test_more_commands_than_a_server_takes_wait_for_their_turn_and_keep_their_order(
    script: Any,
) -> None:
    """Of those that are refused as too many none is lost, and none overtakes another."""
    run = script(FAKE + """
        const later = [];
        globalThis.setTimeout = (act) => later.push(act);
        const feed = start();
        const [socket] = sockets;
        const sent = () => socket.sent.filter(({ type }) => type === "subscribe");
        const answer = (own, type) => socket.hear({ type, id: own.id, subscriptions: {},
          code: "too_many_commands", message: "slower" });
        socket.welcome();
        const acks = Array.from({ length: 20 }, (_, at) => feed.subscribe(`S${at}`));
        const atOnce = sent().length;
        const first = sent();
        first.slice(0, 14).forEach((own) => answer(own, "subscribed"));
        first.slice(14).forEach((own) => answer(own, "error"));
        const held = sent().length;
        later.splice(0).forEach((act) => act());
        for (let at = held; at < sent().length; at++) answer(sent()[at], "subscribed");
        await Promise.all(acks);
        feed.close();
        return [atOnce, held, sent().slice(held).map((own) => own.symbols[0]), told.slice(1, -1)];
    """)  # fmt: skip
    later = [f"S{number}" for number in range(14, 20)]
    assert run.ask(None) == [16, 16, later, []]


@settings(deadline=None)
@given(
    NAMES,
    st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True),
    st.dictionaries(st.sampled_from(CHANNELS), NAMES),
)
def test_it_wants_what_the_server_says_it_sends_of_what_was_asked_for(
    wants: Script, symbols: list[str], channels: list[str], held: dict[str, list[str]]
) -> None:
    terms = {"delivery": "all", "interval_ms": 250, "snapshot": True}
    steps = [["add", {"symbols": symbols, "channels": channels, **terms}, held]]
    again = {
        (channel, symbol)
        for own in wants.ask({"steps": steps, "epoch": "e1", "positions": {}})
        for channel in own["channels"]
        for symbol in own["symbols"]
    }
    sent = {(channel, symbol) for channel, names in held.items() for symbol in names}
    assert again == sent & {(channel, symbol) for channel in channels for symbol in symbols}


@pytest.mark.parametrize("total", [None, 10_001])
def test_what_was_taken_from_a_wildcard_and_is_given_back_is_no_loss(
    script: Any, total: int | None
) -> None:
    run = script(FAKE + """
        const feed = start({ symbols: "*" });
        sockets[0].welcome();
        const held = { type: "subscribed", subscriptions: { quotes: ["*"], trades: ["*"] } };
        sockets[0].hear({ ...held, id: sockets[0].sent[0].id }, quote(5), { ...held, ...asked },
          held, { type: "snapshot", symbol: "A", seqs: { quotes: 50 } }, quote(51), quote(53));
        feed.close();
        return told.filter(([kind]) => kind === "gap").map(([, { first_seq }]) => first_seq);
    """)  # fmt: skip
    lost = {"symbol": "A" if total is None else "B", "code": "not_entitled", "message": "no"}
    more = {} if total is None else {"rejected_total": total}
    assert run.ask({"rejected": [lost], **more}) == [52]


def test_a_symbol_refused_on_one_channel_is_resumed_on_the_others(script: Any) -> None:
    run = script(FAKE + """
        const feed = start({ symbols: "*" });
        const subscribes = ({ sent }) => sent.filter(({ type }) => type === "subscribe");
        sockets[0].welcome();
        sockets[0].hear({ type: "subscribed", id: subscribes(sockets[0])[0].id,
          subscriptions: { quotes: ["*"] },
          rejected: [{ symbol: "*", code: "not_entitled", message: "not on trades" }] }, quote(7));
        sockets[0].onclose({ code: 1006, reason: "" });
        feed.retry();
        await turn();
        sockets[1].welcome();
        feed.close();
        return [feed.rejections.get("*").message,
          subscribes(sockets[1]).map((own) => [own.symbols, own.channels, own.resume])];
    """)  # fmt: skip
    resume = {"epoch": "e1", "quotes": {"A": 7}}
    assert run.ask(None) == ["not on trades", [[["*"], ["quotes"], resume]]]


def test_new_terms_given_without_a_connection_hold_from_the_next_ones_beginning(
    script: Any,
) -> None:
    """Who was too slow for every trade is not sent them all over again first."""
    run = script(FAKE + """
        const feed = start({ symbols: "A" });
        sockets[0].welcome();
        const [{ id }] = sockets[0].sent.filter(({ type }) => type === "subscribe");
        const subscriptions = { quotes: ["A"], trades: ["A"] };
        sockets[0].hear({ type: "subscribed", id, subscriptions });
        sockets[0].onclose({ code: 4001, reason: "slow consumer" });
        feed.subscribe("A", { delivery: "latest", intervalMs: 500 });
        feed.retry();
        await turn();
        sockets[1].welcome();
        feed.close();
        return sockets[1].sent.filter(({ type }) => type === "subscribe")
          .map((own) => [own.delivery, own.interval_ms]);
    """)  # fmt: skip
    assert run.ask(None) == [["latest", 500], ["latest", 500]]


def test_what_was_published_is_not_published_again_and_the_publisher_is_told(script: Any) -> None:
    run = script(FAKE + """
        const feed = start();
        sockets[0].welcome();
        const answers = [feed.publish([quote(1)]), feed.publish([quote(2)])];
        const { id } = sockets[0].sent.find(({ type }) => type === "publish");
        sockets[0].hear({ type: "published", id, accepted: 1, seqs: [5], rejected: [] });
        sockets[0].onclose({ code: 1006, reason: "" });
        feed.retry();
        await turn();
        sockets[1].welcome();
        const ends = await Promise.allSettled(answers);
        feed.close();
        return [ends[0].value.seqs, ends[1].reason.code,
          sockets[1].sent.filter(({ type }) => type === "publish")];
    """)  # fmt: skip
    assert run.ask(None) == [[5], "connection_lost", []]


@pytest.mark.parametrize(("code", "reconnect"), [(4500, False), (1000, True), (4001, True)])
def test_the_close_code_says_whether_it_comes_back_and_how_an_iteration_ends(
    script: Any, code: int, reconnect: bool
) -> None:
    run = script(FAKE + """
        const feed = start();
        sockets[0].welcome();
        const reading = feed.batches().next();
        sockets[0].onclose({ code: asked, reason: "why" });
        const { state } = feed;
        feed.close();
        const end = await reading.then(({ done }) => done, (error) => error.message);
        return [state, told.at(1)[1].reconnect, end];
    """)  # fmt: skip
    if reconnect:
        assert run.ask(code) == ["waiting", True, True]
    else:
        assert run.ask(code) == ["closed", False, "closed with 4500: why"]


def test_a_reader_that_is_far_behind_is_told_so_and_holds_no_more(script: Any) -> None:
    run = script(FAKE + """
        const feed = start();
        sockets[0].welcome();
        const reading = feed.batches();
        const first = reading.next();
        const many = Array.from({ length: 1000 }, (_, at) => quote(at + 1));
        for (let count = 0; count < 102; count++) sockets[0].hear(many);
        let got = (await first).value.length, code = "";
        try {
          for await (const ticks of reading) got += ticks.length;
        } catch (error) {
          ({ code } = error);
        }
        feed.close();
        return [got, code];
    """)  # fmt: skip
    got, code = run.ask(None)
    assert code == "slow_reader"
    assert 100_000 <= got <= 101_000


def test_a_listener_that_fails_loses_nobody_a_tick(script: Any) -> None:
    run = script(FAKE + """
        const [errors, seen] = [[], []];
        process.on("uncaughtException", (error) => errors.push(error.message));
        const feed = start();
        sockets[0].welcome();
        feed.on("tick", () => { throw new Error("mine"); });
        feed.on("tick", ({ seq }) => seen.push(seq));
        sockets[0].hear([quote(1), quote(2)]);
        await turn();
        feed.close();
        return [errors, seen];
    """)  # fmt: skip
    assert run.ask(None) == [["mine", "mine"], [1, 2]]


def test_latency_allows_for_the_difference_of_the_clocks(script: Any) -> None:
    run = script(FAKE + """
        const feed = start();
        sockets[0].welcome();
        const [ping] = sockets[0].sent;
        const ahead_ns = 5000e6 + Date.now() * 1e6;
        sockets[0].hear({ type: "pong", id: ping.id, ts_out: ahead_ns });
        const idle = { queued_bytes: 0, lag_ms: 0, sources: {} };
        sockets[0].hear({ type: "heartbeat", ts_out: ahead_ns, ...idle });
        feed.close();
        return [feed.stats.clockOffsetMs, feed.stats.latency.p50Ms];
    """)  # fmt: skip
    offset_ms, latency_ms = run.ask(None)
    assert abs(offset_ms - 5000) < 500
    assert abs(latency_ms) < 500


def test_its_types_are_sound_and_declared(npm_packages: Path, tmp_path: Path) -> None:
    """A program that uses the declarations wrongly is refused, so they say something."""
    compiler = [str(npm_packages / "node_modules" / ".bin" / "tsc"), *COMPILER]
    declare = ["--allowJs", "--checkJs", "--declaration", "--emitDeclarationOnly", "--outDir", "."]
    made = subprocess.run(
        [*compiler, *declare, str(WEB / "feed.js")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.stdout == ""
    (tmp_path / "use.ts").write_text(
        'import { connect } from "./feed.js";\n'
        'const feed = connect("ws://127.0.0.1", { symbols: "A" });\n'
        'feed.on("gap", (gap) => gap.first_seq.toFixed());\n'
        'feed.on("gap", (gap) => gap.firstSeq);\n'
    )
    used = subprocess.run(
        [*compiler, "--noEmit", "use.ts"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert used.stdout.count("error") == 1
    assert "use.ts(4,29)" in used.stdout
