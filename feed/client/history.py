"""Ticks of the past as a DataFrame, from the feed's HTTP API (docs/HTTP.md) as Arrow."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from feed.errors import ConnectionFailed, FeedError, MessageError, SettingError
from feed.protocol import messages
from feed.protocol.codec import decode
from feed.tape.arrow import arrow, to_arrays
from feed.tape.frames import frame, moment_ns
from feed.tape.ring import Arrays, Codes, Ring
from feed.ticks import CHANNEL_OF, CHANNELS

if TYPE_CHECKING:
    import pandas as pd

PAGE_TICKS: Final = 100_000
"""The most that the API gives at a time."""

LINKED_TICKS: Final = 2_000
"""Up to this many ticks, a page that has another after it says so."""

TIMEOUT_S: Final = 60.0

_KIND_OF: Final = {channel: kind for kind, channel in CHANNEL_OF.items()}


def history(
    url: str,
    symbol: str,
    *,
    channel: str = "quotes",
    start: object = None,
    end: object = None,
    limit: int | None = None,
    interval: str | None = None,
    token: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> pd.DataFrame:
    """Read a symbol's past, oldest first: `feed.history(url, "AAPL", start="2026-01-05T14:30")`.

    The frame has the columns of `Live`.

    Args:
        url: of the feed, as for `feed.connect`, or its http:// address.
        symbol: one name.
        channel: quotes, trades, bars or status.
        start: first `ts_event`; text or datetime (UTC where it has no zone), or nanoseconds. None
            is the oldest tick that the feed has, or with `limit` the newest so many.
        end: `ts_event` to stop before.
        limit: how many at most; None is all.
        interval: of bars, such as 1s or 1m; None takes every interval.
        token: where the feed asks for one.
        ssl_context: in place of the system's certificates.

    Raises:
        MessageError: the feed refused the request; it says why.
        ConnectionFailed: there is no feed.
        MissingExtraError: pyarrow is not installed.
    """
    channel = "bars" if interval else channel
    if channel not in CHANNELS:
        raise SettingError("channel", f"must be one of {', '.join(CHANNELS)}, was {channel!r}")
    arrow("feed.history")
    ring = Ring(_KIND_OF[channel], Codes())
    reader = _Reader(ring, token, ssl_context)
    path, which = ("bars", {"interval": interval}) if interval else ("ticks", {"channel": channel})
    query = {**which, **_span(start, end, limit), "format": "arrow"}
    following: str | None = _address(url, f"{path}/{quote(symbol)}", query)
    while following is not None and (limit is None or len(ring) < limit):
        following = reader.read(following)
    return frame(ring.columns.take(slice(limit)))


def _span(start: object, end: object, limit: int | None) -> dict[str, int]:
    if limit is not None and limit < 1:
        raise SettingError("limit", f"must be 1 or more, was {limit}")
    span = {"limit": min(limit or PAGE_TICKS, PAGE_TICKS)}
    if start is not None or limit is None:
        span["from"] = 0 if start is None else moment_ns(start, "start")
    if end is not None:
        span["to"] = moment_ns(end, "end")
    return span


def _address(url: str, path: str, query: Mapping[str, object]) -> str:
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise SettingError("url", f"must be like ws://127.0.0.1:8080, was {url!r}")
    return f"{scheme}://{parts.netloc}/v1/{path}?{urlencode(query)}"


class _Reader:
    """Reads page after page into a ring."""

    def __init__(self, ring: Ring, token: str | None, context: ssl.SSLContext | None) -> None:
        self._ring = ring
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # as with feed.connect, HTTP_PROXY is not obeyed
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))

    def read(self, address: str) -> str | None:
        """Read one page; gives the address of the next, or None when there is no more for now."""
        request = Request(address, headers=self._headers)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                ring, epoch = self._ring, answer.headers["Feed-Epoch"]
                rows = to_arrays(ring.kind, answer.read(), ring.symbols, ring.epochs[epoch])
                ring.append(rows)
                return _next(address, answer.headers, rows)
        except HTTPError as error:
            with error:
                raise _refusal(error, address) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            text = f"cannot read {urlsplit(address).netloc}: {reason}"
            raise ConnectionFailed(text) from None


def _next(address: str, headers: Message, rows: Arrays) -> str | None:
    """Find the next page by its link; long pages may have none, but a position to go on from."""
    link = headers.get("Link", "")
    if link:
        return urljoin(address, link.partition("<")[2].partition(">")[0])
    if len(rows["seq"]) <= LINKED_TICKS:
        return None
    position = f"{headers['Feed-Epoch']}:{rows['seq'][-1] + 1}"
    return f"{address.partition('&next=')[0]}&next={quote(position)}"


def _refusal(error: HTTPError, address: str) -> FeedError:
    try:
        told = decode(error.read())
    except MessageError:
        told = []
    if isinstance(told, messages.ErrorMessage):
        return MessageError(told.code, told.message)
    return ConnectionFailed(f"{urlsplit(address).netloc} answered HTTP {error.code}")
