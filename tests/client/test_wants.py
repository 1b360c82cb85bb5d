from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.client.wants import SYMBOLS_PER_COMMAND, Terms, Wants, subscribes, unsubscribes
from feed.ticks import CHANNELS

NAMES = st.lists(st.sampled_from(["A", "B", "C*"]), max_size=3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "drop"]),
        st.lists(st.sampled_from(CHANNELS), max_size=4),
        NAMES,
        st.sampled_from([Terms(), Terms("latest", 100), Terms(snapshot=False)]),
    ),
    max_size=12,
)


@given(STEPS)
def test_the_commands_ask_for_exactly_what_is_wanted(
    steps: list[tuple[str, list[str], list[str], Terms]],
) -> None:
    wants = Wants()
    model: dict[tuple[str, str], Terms] = {}
    for step, channels, symbols, terms in steps:
        if step == "add":
            wants.add(channels, symbols, terms)
        else:
            wants.drop(channels, symbols)
        for key in [(channel, symbol) for channel in channels for symbol in symbols]:
            model.pop(key, None)
            if step == "add":
                model[key] = terms
    asked = [
        ((channel, symbol), Terms(own.delivery, own.interval_ms, own.snapshot))
        for own in wants.commands()
        for channel in own.channels
        for symbol in own.symbols
    ]
    assert dict(asked) == model
    assert len(asked) == len(model)


def test_equal_terms_and_channels_share_one_command() -> None:
    wants = Wants()
    wants.add(["quotes", "trades"], ["A", "B"], Terms())
    (command,) = wants.commands()
    assert command.symbols == ["A", "B"]
    assert command.channels == ["quotes", "trades"]


def test_many_symbols_are_asked_for_in_several_commands() -> None:
    names = [f"S{each}" for each in range(2 * SYMBOLS_PER_COMMAND + 1)]
    for commands in (list(subscribes(names, ["quotes"], Terms())), list(unsubscribes(names, None))):
        assert [symbol for own in commands for symbol in own.symbols] == names
        assert len(commands) == 3
