"""Those modules of the page that need no browser, and what its files may hold."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feed.ticks import Trade
from tests.fakes import World, trade
from tests.web.javascript import COMPILER, WEB, Script

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Run the body of a function over a module of feed/web, on a value."""
    made: dict[tuple[str, str], Script] = {}

    def run(module: str, body: str, value: Any = None) -> Any:
        key = (module, body)
        if key not in made:
            made[key] = Script(module, body)
        return made[key].ask(value)

    yield run
    for script in made.values():
        script.end()


# rows.js

DAY_NS = 86_400_000_000_000
STEPS_NS = {
    "one session": [1_000_000, 1_000_000_000],
    "many sessions": [1_000_000, 1_000_000_000, DAY_NS // 3, -50_000_000_000, -DAY_NS],
}
"""Between two trades; a step back by more than a second is a tape that starts over."""

FOLLOW = """
const row = own.newRow("A");
if (asked.told) own.takeSnapshot(row, asked.told);
for (const trade of asked.trades) own.takeTrade(row, trade);
return { ...row, vwap: own.vwap(row) };
"""


def history(steps_ns: list[int]) -> list[Trade]:
    draw = random.Random(7)
    ts_event, found = 20 * DAY_NS, []
    for _ in range(100):
        ts_event += draw.choice(steps_ns)
        found.append(trade("A", draw.randint(100, 200) / 4, draw.randint(1, 9) * 100, ts_event))
    return found


@pytest.mark.parametrize("known", [0, 1, 50])
@pytest.mark.parametrize("steps", STEPS_NS)
def test_the_sessions_statistics_stay_those_of_the_server(ask: Ask, known: int, steps: str) -> None:
    world, trades = World(), history(STEPS_NS[steps])
    world.publish(*trades[:known])
    told = msgspec.to_builtins(world.hub.last_values.snapshot("A", ["trades"]))
    world.publish(*trades[known:])
    told_twice = [msgspec.to_builtins(own) for own in trades]
    row = ask("rows.js", FOLLOW, {"told": told, "trades": told_twice})
    session = world.hub.last_values.snapshot("A", ["trades"]).session
    assert session is not None
    reference = session.open if session.previous_close is None else session.previous_close
    for name in ("last", "open", "high", "low", "volume"):
        assert row[name] == getattr(session, name), name
    assert row["reference"] == reference
    assert row["vwap"] == pytest.approx(session.vwap)


def test_a_snapshot_for_quotes_leaves_the_trades_alone(ask: Ask) -> None:
    world = World()
    world.publish(trade("A", 1.5, 100))
    told = msgspec.to_builtins(world.hub.last_values.snapshot("A", ["quotes"]))
    assert ask("rows.js", FOLLOW, {"told": told, "trades": []})["volume"] == 0


CELLS = """
const row = own.newRow("A");
for (const [take, told] of asked) own[take](row, told);
return own.COLUMNS.map((column) => column.text(row));
"""


def test_cells_show_every_decimal_a_price_has_had_and_a_sign_for_each_change(ask: Ask) -> None:
    steps = [["takeQuote", {"bid": 1.12345, "ask": 2}]]
    steps += [
        ["takeTrade", {"seq": own, "ts_event": 5, "price": own, "size": 1500}] for own in (1, 2)
    ]
    assert ask("rows.js", CELLS, steps) == [
        "1.12345", "2.00000", "0.87655", "2.00000", "+1.00000", "+100.00", "3,000",
    ]  # fmt: skip


def test_cells_show_a_dash_for_what_is_not_known(ask: Ask) -> None:
    assert ask("rows.js", CELLS, []) == ["–"] * 7


@pytest.mark.parametrize(
    ("status", "halted"), [("halted", True), ("Trading halt", True), ("trading", False)]
)
def test_a_halt_is_told_by_the_sources_own_word(ask: Ask, status: str, halted: bool) -> None:
    body = "const row = own.newRow('A'); own.takeStatus(row, asked); return row.halted;"
    assert ask("rows.js", body, {"status": status, "reason": None}) is halted


# watchlist.js

WATCHLIST = """
const kept = new Map(Object.entries(asked.kept ?? {}));
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
};
const list = new own.Watchlist(asked.query ?? "", storage);
for (const [name, ...args] of asked.steps ?? []) list[name](...args);
return { entries: list.entries, order: list.order(asked.seen ?? []), query: list.query,
  kept: Object.fromEntries(kept) };
"""


@pytest.mark.parametrize(
    ("query", "entries"),
    [
        ("", ["*"]),
        ("?symbols=", ["*"]),
        ("?symbols=+", ["*"]),
        ("?symbols=AAPL%2CMSFT++BTC*+AAPL", ["AAPL", "MSFT", "BTC*"]),
        ("?symbols=EUR/USD,%3Cimg%3E", ["EUR/USD"]),
        ("?symbols=%E0%A4%A", ["*"]),
    ],
)
def test_the_list_is_read_from_the_address(ask: Ask, query: str, entries: list[str]) -> None:
    assert ask("watchlist.js", WATCHLIST, {"query": query})["entries"] == entries


def test_the_list_is_kept_and_the_address_wins(ask: Ask) -> None:
    kept = ask("watchlist.js", WATCHLIST, {"steps": [["add", ["A", "B"]]]})["kept"]
    assert ask("watchlist.js", WATCHLIST, {"kept": kept})["entries"] == ["A", "B", "*"]
    shared = ask("watchlist.js", WATCHLIST, {"kept": kept, "query": "?symbols=C"})
    assert shared["entries"] == ["C"]
    assert shared["query"] == "?symbols=C"


def test_names_have_their_places_and_patterns_take_the_rest(ask: Ask) -> None:
    seen = ["BTC-USD", "AAPL", "BTC-EUR", "MSFT"]
    asked = {"query": "?symbols=MSFT,BTC*,AAPL", "seen": seen}
    assert ask("watchlist.js", WATCHLIST, asked)["order"] == ["MSFT", "BTC-EUR", "BTC-USD", "AAPL"]


def test_to_remove_what_a_pattern_took_puts_names_in_its_place(ask: Ask) -> None:
    steps = [["remove", "B", ["A", "B", "C"]]]
    assert ask("watchlist.js", WATCHLIST, {"steps": steps})["entries"] == ["A", "C"]
    named = {"query": "?symbols=A,B,X*", "steps": steps}
    assert ask("watchlist.js", WATCHLIST, named)["entries"] == ["A", "X*"]


# board.js

BOARD = """
const board = new own.Board();
for (const tick of asked.ticks) board.take(tick, 1000);
board.dirty.clear();
for (const key of asked.sorts ?? []) board.sortBy(key);
board.tick(asked.nowMs ?? 1000);
const rows = board.ordered(asked.symbols ?? [...board.rows.keys()]);
return rows.map((row) => [row.symbol, row.stale]);
"""
TICKS = [
    {"type": "quote", "symbol": symbol, "seq": 1, "bid": bid, "ask": bid + 1}
    for symbol, bid in (("B", 3), ("A", 1), ("C", 2))
]


@pytest.mark.parametrize(
    ("sorts", "order"),
    [
        ([], "BACN"),
        (["bid"], "BCAN"),
        (["bid", "bid"], "ACBN"),
        (["bid", "bid", "bid"], "BACN"),
        (["symbol"], "ABCN"),
        (["symbol", "symbol"], "NCBA"),
    ],
)
def test_rows_are_sorted_and_what_is_not_known_comes_last(
    ask: Ask, sorts: list[str], order: str
) -> None:
    asked = {"ticks": TICKS, "sorts": sorts, "symbols": list("BACN")}
    assert "".join(symbol for symbol, _ in ask("board.js", BOARD, asked)) == order


def test_rows_are_arranged_anew_when_a_name_is_heard_of_for_the_first_time(ask: Ask) -> None:
    body = """
        const board = new own.Board();
        const heard = [];
        const note = () => { heard.push(board.grown); board.grown = false; };
        board.ordered(["A", "B", "C"]);
        note();
        for (const tick of [...asked, ...asked]) { board.take(tick, 1000); note(); }
        const { bid, ask } = asked[0];
        for (const quote of [undefined, { bid, ask }, { bid, ask }]) {
          board.snapshot({ symbol: "C", seqs: {}, quote }, 1000);
          note();
        }
        return heard;
    """
    told = ask("board.js", body, TICKS[:2])
    assert told == [True, True, True, False, False, False, True, False]


def test_a_symbol_that_has_fallen_silent_is_stale_and_one_that_never_spoke_is_not(
    ask: Ask,
) -> None:
    asked = {"ticks": TICKS[:1], "symbols": ["B", "N"], "nowMs": 32_000}
    assert ask("board.js", BOARD, asked) == [["B", True], ["N", False]]


# backfill.js and rows.js: the sparkline's past

PREPEND = """
const row = own.newRow("A");
row.spark = asked.live;
own.prepend(row, asked.bars.map(([second, close]) => ({ ts_event: second * 1e9, close })));
return row.spark;
"""


@pytest.mark.parametrize(
    ("bars", "live", "shown"),
    [
        ([(10, 1.0), (11, 2.0), (14, 3.0)], [4.0], [1.0, 2.0, 2.0, 2.0, 3.0, 4.0]),
        ([(90, 9.0), (91, 9.0), (10, 1.0), (11, 2.0)], [], [1.0, 2.0]),
        ([(10, 1.0), (5000, 2.0)], [3.0], [*[1.0] * 58, 2.0, 3.0]),
    ],
    ids=["a close stands until the next", "a tape that started over", "no more than are shown"],
)
def test_a_sparkline_begins_with_the_logs_bars(
    ask: Ask, bars: list[tuple[int, float]], live: list[float], shown: list[float]
) -> None:
    assert ask("rows.js", PREPEND, {"bars": bars, "live": live}) == shown


def test_rows_are_filled_one_after_the_other_and_once(ask: Ask) -> None:
    told = ask(
        "backfill.js",
        """
        let [open, most] = [0, 0];
        const requests = [];
        const backfill = new own.Backfill({ async bars(symbol) {
          requests.push(symbol);
          most = Math.max(most, ++open);
          await null;
          open--;
          if (symbol === "bad") throw new Error("busy");
          return [{ ts_event: 0, close: 1 }];
        } });
        const rows = ["A", "B", "bad", "C"].map((symbol) => ({ symbol, spark: [], samples: 0 }));
        const fill = () => backfill.fill(rows, () => {});
        await Promise.all([fill(), fill()]);
        await fill();
        return [requests, most, rows.map((row) => row.spark.length)];
        """,
    )
    assert told == [["A", "B", "bad", "C"], 1, [1, 1, 0, 1]]


# subscriptions.js

SUBSCRIPTIONS = """
const sent = [];
const lacks = (name, channel) => name === "NOPE" || name === `NO-${channel}`;
const feed = {
  async subscribe(names, { channels, delivery = "adaptive" }) {
    sent.push(["subscribe", names.join(), channels.join(), delivery]);
    const rejected = names.filter((own) => lacks(own, channels[0]));
    return { rejected: rejected.map((symbol) => ({ symbol })) };
  },
  async unsubscribe(names, { channels = ["all"] } = {}) {
    sent.push(["unsubscribe", names.join(), channels.join()]);
  },
};
const answers = [];
const subscriptions = new own.Subscriptions(feed, {
  answered: (names, rejected) => answers.push([names, rejected.map(({ symbol }) => symbol)]),
  failed: (error) => { throw error; },
});
for (const [name, argument] of asked) {
  subscriptions[name](argument);
  await new Promise((resolve) => setTimeout(resolve));
}
return { sent, answers };
"""


def test_the_server_is_asked_for_what_is_new_and_relieved_of_what_is_gone(ask: Ask) -> None:
    told = ask(
        "subscriptions.js",
        SUBSCRIPTIONS,
        [["keep", ["A", "NOPE"]], ["keep", ["A", "B"]], ["keep", ["B"]]],
    )
    assert [own for own in told["sent"] if own[2] != "status"] == [
        ["subscribe", "A,NOPE", "quotes", "latest"],
        ["subscribe", "A,NOPE", "trades", "adaptive"],
        ["subscribe", "B", "quotes", "latest"],
        ["subscribe", "B", "trades", "adaptive"],
        ["unsubscribe", "A", "all"],
    ]
    assert told["answers"] == [[["A", "NOPE"], ["NOPE"]], [["B"], []]]


def test_what_is_sent_on_one_channel_at_least_stays_listed(ask: Ask) -> None:
    names = ["NO-quotes", "NO-trades", "NOPE"]
    told = ask("subscriptions.js", SUBSCRIPTIONS, [["keep", names], ["keep", names[:2]]])
    assert told["answers"] == [[names, ["NOPE"]]]


def test_who_spares_itself_gets_the_newest_trades_until_it_wants_each_again(ask: Ask) -> None:
    steps = [["keep", ["A"]], ["spare", True], ["spare", True], ["keep", ["A", "B"]]]
    told = ask("subscriptions.js", SUBSCRIPTIONS, [*steps, ["spare", False]])
    assert [own for own in told["sent"] if own[2] == "trades"] == [
        ["subscribe", "A", "trades", "adaptive"],
        ["subscribe", "A", "trades", "latest"],
        ["subscribe", "B", "trades", "latest"],
        ["unsubscribe", "A,B", "trades"],
        ["subscribe", "A,B", "trades", "adaptive"],
    ]


# candles.js

CANDLES = """
const candles = new own.Candles(asked.seconds);
for (const [name, ...args] of asked.steps) candles[name](...args);
const names = ["time", "open", "high", "low", "close", "volume"];
return candles.all.map((candle) => names.map((name) => candle[name]));
"""


def bar(second: int, interval: str = "1s", *, volume: float = 10) -> dict[str, Any]:
    prices = {"open": 5, "high": 9, "low": 1, "close": 6}
    return {"ts_event": second * 10**9, "interval": interval, "volume": volume, **prices}


def live(second: float, price: float, size: float = 1) -> list[Any]:
    return ["take", int(second * 10**9), price, size]


@pytest.mark.parametrize(
    ("seconds", "steps", "expected"),
    [
        (1, [live(7.1, 2), live(7.9, 4), live(8, 3)], [[7, 2, 4, 2, 4, 2], [8, 3, 3, 3, 3, 1]]),
        (10, [live(7, 2), live(12, 4)], [[0, 2, 2, 2, 2, 1], [10, 4, 4, 4, 4, 1]]),
        (1, [live(8, 3), live(7, 9)], [[8, 3, 3, 3, 3, 1]]),
        (1, [live(900, 3), live(7, 9)], [[7, 9, 9, 9, 9, 1]]),
        (1, [live(7, 2), ["close", bar(7)]], [[7, 5, 9, 1, 6, 10]]),
        (1, [live(7, 2), ["close", bar(7, "1m")]], [[7, 2, 2, 2, 2, 1]]),
        (
            1,
            [live(8, 3), ["prepend", [bar(6), bar(7)]]],
            [[6, 5, 9, 1, 6, 10], [7, 5, 9, 1, 6, 10], [8, 3, 3, 3, 3, 1]],
        ),
        (10, [live(13, 3), ["prepend", [bar(9), bar(11), bar(12)]]],
            [[0, 5, 9, 1, 6, 10], [10, 5, 9, 1, 3, 21]]),
        (1, [["prepend", [bar(900), bar(6), bar(7)]]], [[6, 5, 9, 1, 6, 10], [7, 5, 9, 1, 6, 10]]),
    ],
    ids=["one second", "ten seconds", "late", "rewound", "closed", "closed, of another interval",
         "from the log", "begun in the log", "from the log, rewound"],
)  # fmt: skip
def test_candles_are_made_of_ticks_and_bars(
    ask: Ask, seconds: int, steps: list[Any], expected: list[Any]
) -> None:
    assert ask("candles.js", CANDLES, {"seconds": seconds, "steps": steps}) == expected


# The files


class Page(HTMLParser):
    """What index.html holds: tags with their attributes, and the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inline: list[str] = []
        self.feed((WEB / "index.html").read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.inline.append(data)


def test_the_page_has_nothing_inline_that_the_policy_forbids() -> None:
    page = Page()
    assert page.inline == []
    assert "style" not in {tag for tag, _ in page.tags}
    attributes = {name for _, held in page.tags for name in held}
    assert not {name for name in attributes if name.startswith("on") or name == "style"}


def test_the_page_loads_its_own_files_only() -> None:
    loaded = {
        held.get("src") or held["href"]
        for tag, held in Page().tags
        if tag in ("img", "link", "script")
    }
    assert loaded <= {own.name for own in WEB.iterdir()}
    for own in WEB.glob("*.css"):
        assert "url(" not in own.read_text("utf-8")


def test_no_module_writes_markup() -> None:
    for own in WEB.glob("*.js"):
        script = own.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_the_page_has_what_its_script_looks_for() -> None:
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', (WEB / "page.js").read_text("utf-8")))
    assert wanted
    assert wanted <= {held["id"] for _, held in Page().tags if "id" in held}


def test_the_types_of_all_modules_are_sound(npm_packages: Path) -> None:
    compiler = str(npm_packages / "node_modules" / ".bin" / "tsc")
    checked = subprocess.run(
        [compiler, *COMPILER, "--allowJs", "--checkJs", "--noEmit", "page.js", "widget.js"],
        cwd=WEB,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.stdout == ""
