from __future__ import annotations

from feed.hub.cohort import Cohort
from feed.hub.interval import Interval
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions


class Taken:
    """A cohort that takes two streams at one interval."""

    def __init__(self) -> None:
        self.woken: list[Interval] = []
        self.cohort = Cohort(Subscriptions(), batched=False)
        self.interval = Interval(self.cohort, 250, self.woken.append)
        self.streams = [Stream("quotes", name) for name in "AB"]
        for stream in self.streams:
            self.cohort.latest[stream] = self.interval
        self.interval.ask(self.streams)


def test_a_stream_tells_once_and_is_asked_again_when_it_was_taken() -> None:
    taken = Taken()
    interval, (one, two) = taken.interval, taken.streams
    assert all(own.takers is None for own in taken.streams)  # their next tick is looked at
    assert [one.find_takers(), two.find_takers()] == [(), ()]
    assert all(own.takers == () for own in taken.streams)  # nobody hears those that follow
    assert taken.woken == [interval]
    assert interval.take() == [one, two]
    assert interval.take() == []
    interval.ask([one])
    one.find_takers()
    two.find_takers()
    assert taken.woken == [interval, interval]
    assert interval.take() == [one]


def test_a_stream_that_is_not_taken_any_more_is_neither_asked_nor_given() -> None:
    taken = Taken()
    interval, (one, two) = taken.interval, taken.streams
    one.find_takers()
    for stream in (one, two):
        del taken.cohort.latest[stream]
        interval.forget(stream)
    assert interval.take() == []
    assert not two.asked
    interval.ask([one])
    assert not one.asked
