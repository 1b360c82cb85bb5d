"""Every message of the native wire protocol, version 1, beside the ticks themselves.

docs/PROTOCOL.md describes each for people. A field that a message lacks has the default given here;
a field that is unknown is ignored, so that either side may be the older one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from feed.ticks import Bar, Quote, Status, Tick, Trade

PROTOCOL_VERSION = 1

Id = int | Annotated[str, msgspec.Meta(max_length=64)] | None
"""A command's own label, echoed in its answer."""

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A seq that a client names; bounded, so that the answer can be encoded."""

Delivery = Literal["adaptive", "all", "latest"]
Authentication = Literal["none", "optional", "required"]
SkipReason = Literal["conflated", "own", "journal"]


class Command(msgspec.Struct, tag_field="type"):
    """What a client sends."""


class Authenticate(Command, tag="authenticate"):
    token: str
    id: Id = None


class Resume(msgspec.Struct):
    """The last seq received of each stream, by channel and symbol."""

    epoch: str
    quotes: dict[str, Seq] = {}
    trades: dict[str, Seq] = {}
    bars: dict[str, Seq] = {}
    status: dict[str, Seq] = {}


class Subscribe(Command, tag="subscribe"):
    symbols: list[str]
    channels: list[str] = msgspec.field(default_factory=lambda: ["quotes", "trades"])
    delivery: Delivery = "adaptive"
    interval_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 250
    snapshot: bool = True
    resume: Resume | None = None
    id: Id = None


class Unsubscribe(Command, tag="unsubscribe"):
    symbols: list[str]
    channels: list[str] | None = None
    id: Id = None


class Publish(Command, tag="publish"):
    """New ticks; `ticks` holds, in their places, NewTicks and TickErrors.

    With `echo` the publisher gets its own ticks too, where it subscribes to them.
    """

    ticks: list[Any]
    echo: bool = False
    id: Id = None


class Announce(Command, tag="notice"):
    """A sentence for everybody who is connected; only an admin may say one."""

    message: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    id: Id = None


class Ping(Command, tag="ping"):
    id: Id = None


AnyCommand = Authenticate | Subscribe | Unsubscribe | Publish | Announce | Ping


class Answer(msgspec.Struct, tag_field="type", omit_defaults=True):
    """What the server sends that is not a tick."""


class Welcome(Answer, tag="welcome"):
    """The first message of a session."""

    protocol: int
    session: str
    epoch: str
    heartbeat_interval_s: float
    authentication: Authentication


class Authenticated(Answer, tag="authenticated"):
    """The session is this principal's, until `expires_at` in seconds since the Unix epoch."""

    principal: str
    expires_at: int | None = None
    id: Id = None


class Rejection(msgspec.Struct):
    """One symbol of a command that was not taken; the others were."""

    symbol: str
    code: str
    message: str


class Subscribed(Answer, tag="subscribed"):
    """The answer to subscribe and unsubscribe: always the whole current set, by channel.

    Attributes:
        rejected_total: how many were rejected, where not all are told.
    """

    subscriptions: dict[str, list[str]]
    id: Id = None
    rejected: list[Rejection] = []
    rejected_total: int | None = None


class BadTick(msgspec.Struct):
    """One tick of a `publish` that was not taken; the others were."""

    index: int
    symbol: str | None
    code: str
    message: str


class Published(Answer, tag="published"):
    """The answer to `publish`: a place in `seqs` for each tick sent, null where rejected."""

    accepted: int
    seqs: list[int | None]
    rejected: list[BadTick]
    id: Id = None


class Statistics(msgspec.Struct, gc=False):
    """The trading session so far, a UTC day, from the trades this feed has seen."""

    open: float | None = None
    high: float | None = None
    low: float | None = None
    last: float | None = None
    previous_close: float | None = None
    volume: int | float = 0
    vwap: float | None = None


class Snapshot(Answer, tag="snapshot"):
    """The latest state of a symbol; the next tick of each stream has the seq given here + 1."""

    symbol: str
    seqs: dict[str, int]
    quote: Quote | None = None
    trade: Trade | None = None
    bar: Bar | None = None
    status: Status | None = None
    session: Statistics | None = None


class Skipped(Answer, tag="skipped"):
    """Ticks of one stream that were deliberately not sent, both ends included."""

    channel: str
    symbol: str
    first_seq: int
    last_seq: int
    count: int
    reason: SkipReason


class Resumed(Answer, tag="resumed"):
    channel: str
    symbol: str
    from_seq: int
    to_seq: int
    complete: bool


class SourcePosition(msgspec.Struct):
    """How far a source has come; a speed of 0 is as fast as possible."""

    ts_event: int | None
    speed: float
    ticks: int


class Heartbeat(Answer, tag="heartbeat"):
    """Sent at a fixed interval: a quiet symbol can be told from a dead feed.

    `sources` gives each source's state: live, paused, ended or stalled.
    """

    ts_out: int
    queued_bytes: int
    lag_ms: float
    sources: dict[str, str]
    positions: dict[str, SourcePosition] = {}

    def __post_init__(self) -> None:
        self.lag_ms = round(self.lag_ms, 3)


class Epoch(Answer, tag="epoch"):
    """A new numbering begins with the next message: seqs up to here mean nothing any more."""

    epoch: str
    reason: Literal["seek"]


class Pong(Answer, tag="pong"):
    ts_out: int
    id: Id = None


class Notice(Answer, tag="notice"):
    """A sentence for people."""

    message: str


class ErrorMessage(Answer, tag="error"):
    code: str
    message: str
    id: Id = None


class Closing(Answer, tag="closing"):
    """The last message before the server closes; `reconnect` repeats what the code says."""

    code: int
    reason: str
    reconnect: bool


Message = (
    Tick
    | Welcome
    | Authenticated
    | Subscribed
    | Published
    | Snapshot
    | Skipped
    | Resumed
    | Heartbeat
    | Epoch
    | Pong
    | Notice
    | ErrorMessage
    | Closing
)
