from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from feed.client.commands import (
    NOWHERE,
    SYMBOLS_PER_COMMAND,
    Change,
    Positions,
    Terms,
    subscribe_patterns,
    subscribes,
    unsubscribes,
)
from feed.protocol.codec import encode
from feed.protocol.messages import Resume, Subscribe, Unsubscribe
from feed.sessions.limits import Limits

SYMBOLS = st.text("ABCZ019._:/^", min_size=1, max_size=40)


def fit(commands: Iterable[Change]) -> bool:
    return all(len(encode(own)) <= Limits().message_bytes for own in commands)


def asked(resume: Resume | None) -> list[tuple[str, str, int]]:
    """Give every position a command names."""
    if resume is None:
        return []
    channels = {"quotes": resume.quotes, "trades": resume.trades, "bars": resume.bars}
    return [(channel, *held) for channel, seqs in channels.items() for held in seqs.items()]


@given(st.sets(SYMBOLS, max_size=50), st.integers(0, 2**63 - 1), st.integers(1, 40))
def test_each_symbol_is_asked_for_once_with_its_positions(
    symbols: set[str], seq: int, copies: int
) -> None:
    names = [f"{symbol}{copy}"[:40] for copy in range(copies) for symbol in sorted(symbols)]
    names = list(dict.fromkeys(names))
    seqs = {"quotes": dict.fromkeys(names, seq), "trades": dict.fromkeys(names[::2], 7)}
    commands = list(subscribes(names, ["quotes", "trades"], Terms(), Positions("e", seqs)))
    assert [symbol for own in commands for symbol in own.symbols] == names
    told = [held for own in commands for held in asked(own.resume)]
    assert len(told) == len(set(told)) == len(names) + len(names[::2])
    assert fit(commands)


def test_ten_thousand_of_the_longest_symbols_and_their_positions_fit_the_servers_limit() -> None:
    names = [f"{each:05}".rjust(40, "S") for each in range(10_000)]
    seqs = {channel: dict.fromkeys(names, 2**63 - 1) for channel in ("quotes", "trades", "bars")}
    channels = list(seqs)
    assert fit(subscribes(names, channels, Terms(), Positions("k3f9", seqs)))
    assert fit(subscribes(names, channels, Terms()))
    assert fit(unsubscribes(names, channels))


def test_a_command_that_resumes_nothing_says_nothing_of_it() -> None:
    (command,) = subscribes(["A"], ["trades"], Terms(), Positions("e", {"quotes": {"A": 3}}))
    assert command.resume is None


def test_no_command_asks_for_too_many_symbols_at_once() -> None:
    names = [f"S{each}" for each in range(2 * SYMBOLS_PER_COMMAND + 1)]
    assert len(list(subscribes(names, ["quotes"], Terms()))) == 3
    assert len(list(unsubscribes(names, None))) == 3


def test_positions_are_left_out_by_channel_and_symbol() -> None:
    positions = Positions("e", {"quotes": {"A": 3, "B": 4}, "trades": {"A": 1}})
    left = positions.without({("quotes", "A"), ("bars", "B")})
    assert left == Positions("e", {"quotes": {"B": 4}, "trades": {"A": 1}})


def test_a_pattern_takes_the_positions_of_what_it_matches_along() -> None:
    seqs = {"quotes": {"A": 3}, "trades": {"A": 1, "B": 2}}
    (command,) = subscribe_patterns(["*"], ["quotes", "trades"], Terms(), Positions("e", seqs))
    assert isinstance(command, Subscribe)
    assert command.symbols == ["*"]
    assert command.resume == Resume("e", quotes={"A": 3}, trades={"A": 1, "B": 2})
    assert list(subscribe_patterns(["*"], ["bars"], Terms(), NOWHERE)) == [
        Subscribe(["*"], ["bars"])
    ]


def test_a_pattern_of_too_many_symbols_resumes_them_by_name_and_lets_the_names_go() -> None:
    names = [f"SYMBOL{each}" for each in range(5_000)]
    positions = Positions("e", {"trades": dict.fromkeys(names, 10**12)})
    commands = list(subscribe_patterns(["SY*"], ["quotes", "trades"], Terms("all"), positions))
    assert fit(commands)
    place = commands.index(Subscribe(["SY*"], ["quotes", "trades"], "all"))
    before, after = commands[:place], commands[place + 1 :]
    assert [s for own in before for s in own.symbols] == names
    assert [s for own in after for s in own.symbols] == names
    assert all(isinstance(own, Subscribe) and own.channels == ["trades"] for own in before)
    assert all(isinstance(own, Unsubscribe) and own.channels == ["trades"] for own in after)
