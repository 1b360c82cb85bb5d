from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from feed.sessions.expiry import NEVER_NS, NS, Expiries
from feed.sessions.session import Session
from tests.fakes import FakeTransport, World

WORLD = World()
SESSIONS = [WORLD.registry.open(FakeTransport(), batched=False, peer="a") for _ in range(3)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "take"]), st.integers(1, 5), st.sampled_from(SESSIONS)
    )
)


def test_nothing_is_due_where_nothing_ends() -> None:
    assert Expiries().next_ns == NEVER_NS
    assert Expiries().take(NEVER_NS - 1) == []


def test_what_ends_in_a_second_is_due_at_its_beginning() -> None:
    ends = Expiries()
    ends.add(7, SESSIONS[0])
    assert ends.take(7 * NS - 1) == []
    assert ends.take(7 * NS) == [SESSIONS[0]]
    assert ends.take(7 * NS) == []


@given(STEPS)
def test_whoever_was_added_and_not_removed_is_given_once_when_it_is_due(
    steps: list[tuple[str, int, Session]],
) -> None:
    ends, held = Expiries(), set[tuple[int, Session]]()
    for action, second, session in steps:
        if action == "add":
            ends.add(second, session)
            held.add((second, session))
        elif action == "remove":
            ends.remove(second, session)
            held.discard((second, session))
        else:
            due = {own for own in held if own[0] <= second}
            assert Counter(ends.take(second * NS)) == Counter(own for _, own in due)
            held -= due
        assert ends.next_ns == min((own * NS for own, _ in held), default=NEVER_NS)
