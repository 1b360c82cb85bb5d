from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.client.commands import Positions, Terms
from feed.client.wants import Wants
from feed.protocol.messages import Resume, Subscribe
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
        if isinstance(own, Subscribe)
        for channel in own.channels
        for symbol in own.symbols
    ]
    assert dict(asked) == model
    assert len(asked) == len(model)


def test_equal_terms_and_channels_share_one_command() -> None:
    wants = Wants()
    wants.add(["quotes", "trades"], ["A", "B"], Terms())
    (command,) = wants.commands()
    assert isinstance(command, Subscribe)
    assert command.symbols == ["A", "B"]
    assert command.channels == ["quotes", "trades"]


def test_a_position_is_named_only_where_its_stream_is_wanted_and_first_taken() -> None:
    wants = Wants()
    wants.add(["quotes", "trades"], ["*"], Terms())
    wants.add(["quotes"], ["B*"], Terms("latest"))
    wants.add(["quotes"], ["A"], Terms("all"))
    seqs = {"quotes": {"A": 1, "B1": 2, "C": 3}, "trades": {"A": 4}, "bars": {"A": 5}}
    commands = list(wants.commands(Positions("e", seqs)))
    assert [own.symbols for own in commands] == [["A"], ["*"], ["B*"]]
    assert [own.resume for own in commands if isinstance(own, Subscribe)] == [
        Resume("e", quotes={"A": 1}),
        Resume("e", quotes={"B1": 2, "C": 3}, trades={"A": 4}),
        None,
    ]
    assert seqs["quotes"] == {"A": 1, "B1": 2, "C": 3}
