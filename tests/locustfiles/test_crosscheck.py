from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from locustfiles.crosscheck import Counts, check, scrape
from locustfiles.tally import Tally

PAGE = """\
# TYPE feed_ticks_out_total counter
feed_ticks_out_total{channel="quotes"} 5.0
feed_ticks_out_total{channel="trades"} 2.0
# TYPE feed_bytes_out_total counter
feed_bytes_out_total 1000.0
# TYPE feed_ticks_conflated_total counter
feed_ticks_conflated_total 2.0
# TYPE feed_sessions_opened_total counter
feed_sessions_opened_total 3.0
# TYPE feed_sessions gauge
feed_sessions 1.0
# TYPE feed_session_closes_total counter
feed_session_closes_total{code="1000"} 1.0
feed_session_closes_total{code="4001"} 1.0
"""

BEFORE = Counts(0.0, 1.0, 1, 500, 10_000, 5, 9, 0, {1000: 9})
AFTER = Counts(10.0, 6.0, 2**20, 1_500, 110_000, 5, 19, 0, {1000: 19})
SEEN = Tally(
    ticks=1_000,
    received_bytes=100_000,
    tried=10,
    opened=10,
    codes={1000: 10},
)


@contextmanager
def answering(status: int, page: str) -> Iterator[str]:
    """Answer one request; the token must be there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        thread.join(10)


def test_the_page_is_read() -> None:
    with answering(200, PAGE) as url:
        counts = scrape(url, "secret")
    assert counts is not None
    assert counts[3:] == (7, 1_000, 2, 3, 1, {1000: 1, 4001: 1})


@pytest.mark.parametrize(("status", "page"), [(404, "not found"), (200, "feed_sessions 1\n")])
def test_a_server_without_counts_is_not_cross_checked(status: int, page: str) -> None:
    with answering(status, page) as url:
        assert scrape(url, "secret") is None
    assert check(None, None, SEEN, timed=False).told.startswith("not cross-checked: ")


def test_equal_counts_agree_and_say_what_the_server_took() -> None:
    served = check(BEFORE, AFTER, SEEN, timed=False)
    assert served == ("the server's own counts agree", [], 0.5, 2**20)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (AFTER._replace(bytes_out=155_000), "bytes: the server counted 145,000, its users 100,000"),
        (AFTER._replace(bytes_out=108_000), "bytes: the server counted 98,000, its users 100,000"),
        (AFTER._replace(ticks_out=2_000), "ticks: the server counted 1,500, its users 1,000"),
        (AFTER._replace(conflated=505), "conflated: the server counted 500, its users 0"),
        (
            AFTER._replace(closes={1000: 19, 4001: 9}),
            "closes with 4001: the server counted 9, its users 0",
        ),
    ],
)
def test_each_difference_is_named(after: Counts, text: str) -> None:
    assert check(BEFORE, after, SEEN, timed=False).disagreements == [text]


def test_what_was_under_way_on_a_connection_that_was_cut_is_no_difference() -> None:
    after = AFTER._replace(bytes_out=AFTER.bytes_out + 900_000, ticks_out=AFTER.ticks_out + 5_000)
    assert check(BEFORE, after, SEEN, timed=False).disagreements
    seen = copy(SEEN)
    seen.dropped = 1
    assert not check(BEFORE, after, seen, timed=False).disagreements


def test_ticks_at_an_interval_are_compared_in_bytes_only() -> None:
    assert not check(BEFORE, AFTER._replace(ticks_out=500), SEEN, timed=True).disagreements


@pytest.mark.parametrize("behind", [{"skipped": 1}, {"resumed": 1}, {"codes": {1000: 9, 4001: 1}}])
def test_what_is_owed_to_a_slow_session_and_never_sent_is_no_difference(
    behind: dict[str, Any],
) -> None:
    seen = copy(SEEN)
    for name, value in behind.items():
        setattr(seen, name, value)
    assert not check(BEFORE, AFTER._replace(ticks_out=9_000), seen, timed=False).disagreements


def test_other_sessions_make_a_comparison_impossible() -> None:
    served = check(BEFORE, AFTER._replace(opened=21), SEEN, timed=False)
    assert served.told == "not cross-checked: 2 other sessions were served meanwhile"
