"""What can be set: one class for each group of settings, and one of all together.

To add a setting is to add a line here. It then is a flag of `feed serve`, a variable, a key of the
TOML file, and a row of docs/SETTINGS.md. The first line of a group's docstring is its heading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from feed.settings.parse import (
    Parse,
    choice,
    flag,
    moment,
    networks,
    number,
    pairs,
    patterns,
    several,
    text,
    texts,
    whole,
)

JWT_ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")


def setting(default: Any, parse: Parse, help: str, metavar: str = "") -> Any:
    """Declare one setting: its default, how it is read, and a sentence on what it does."""
    return field(default=default, metadata={"parse": parse, "help": help, "metavar": metavar})


@dataclass(frozen=True)
class Listening:
    """Address and connections."""

    host: str = setting("127.0.0.1", text, "address to listen on", "ADDRESS")
    port: int = setting(8080, whole(0, 65_535), "port to listen on; 0 picks a free one", "PORT")
    connection_limit: int | None = setting(
        None, whole(1, 1_000_000), "most sessions at a time; else what RLIMIT_NOFILE allows", "N"
    )
    send_buffer_bytes: int = setting(
        262_144, whole(4096, 2**24), "the kernel's send buffer of each connection", "BYTES"
    )
    drain_timeout_s: float = setting(
        30.0, number(0, 600), "how long a stopping feed waits for its sessions", "S"
    )


@dataclass(frozen=True)
class Admitting:
    """Who may come in, and what they may do."""

    authentication: str = setting(
        "none",
        choice("none", "optional", "required"),
        "whether one must say who one is; none is for loopback addresses, or --insecure",
        "none|optional|required",
    )
    authentication_timeout_s: float = setting(
        10.0, number(0.1, 300), "how long a session may take to authenticate, then 4501", "S"
    )
    insecure: bool = setting(False, flag, "listen beyond loopback without authentication")
    api_keys: str | None = setting(
        None, text, "file of API keys, made by feed keys; read again when it changes", "FILE"
    )
    jwt_key: str | None = setting(
        None,
        text,
        "what verifies JSON Web Tokens: a JWKS, a PEM public key, or an HMAC secret; likewise",
        "FILE",
    )
    jwt_algorithms: tuple[str, ...] = setting(
        JWT_ALGORITHMS, several(*JWT_ALGORITHMS), "algorithms of tokens that are taken", "NAME"
    )
    jwt_audience: str = setting("feed", text, "the aud that a token must have", "TEXT")
    jwt_issuer: str | None = setting(None, text, "the iss that a token must have; else any", "TEXT")
    token_in_url: bool = setting(False, flag, "take ?token=, though proxies and browsers keep URLs")
    anonymous_subscribe: tuple[str, ...] = setting(
        ("*",), patterns, "symbols whose ticks everybody may have, such as AAPL or BTC*", "PATTERN"
    )
    anonymous_delay_s: int = setting(
        0, whole(0, 1_000_000), "how late everybody gets ticks who does not say who they are", "S"
    )
    anonymous_publish: tuple[str, ...] = setting(
        (), patterns, "symbols that everybody may publish", "PATTERN"
    )
    anonymous_admin: bool = setting(
        False, flag, "let everybody see and end sessions, and control sources"
    )


@dataclass(frozen=True)
class Guarding:
    """TLS, Host and Origin, and limits of addresses and principals."""

    tls_cert: str | None = setting(
        None, text, "certificate chain (PEM), for wss:// and https://; read again on change", "FILE"
    )
    tls_key: str | None = setting(None, text, "its private key (PEM), without a password", "FILE")
    allowed_hosts: tuple[str, ...] = setting(
        (),
        texts,
        "names of this feed, beside loopback and the address connected to; * is any",
        "NAME",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        texts,
        "pages that may ask, such as https://app.example, beside those of the same host and of "
        "loopback; * is any",
        "ORIGIN",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), networks, "addresses or networks whose X-Forwarded-For is believed", "NETWORK"
    )
    address_sessions: int | None = setting(
        None,
        whole(1, 1_000_000),
        "most sessions of an address (IPv6: of a /64), then 429; else 1,000, and any from loopback",
        "N",
    )
    address_handshakes_per_s: float | None = setting(
        None,
        number(0.01, 1e6),
        "most handshakes of an address, four times that at once, then 429; else 50, and any from "
        "loopback",
        "N",
    )
    principal_sessions: int = setting(
        1_000, whole(1, 1_000_000), "most sessions of a principal, then 4503", "N"
    )
    unauthenticated_sessions: int = setting(
        1_000, whole(1, 1_000_000), "most sessions that have yet to authenticate, then 503", "N"
    )
    handshake_timeout_s: float = setting(
        5.0, number(0.1, 300), "how long the TLS handshake and the headers may take", "S"
    )
    commands_per_s: float = setting(
        50.0, number(0.01, 1e6), "most commands of a session, beside publish; 20 at once", "N"
    )


@dataclass(frozen=True)
class Replaying:
    """Replay of tapes."""

    replay: tuple[str, ...] = setting(
        (), texts, "tape to replay: a CSV or Parquet file, or a folder of them", "PATH"
    )
    speed: float = setting(
        1.0,
        number(0, 1e9, " (0 means as fast as possible)"),
        "how many times as fast as recorded; 0 is as fast as possible",
        "FACTOR",
    )
    loop: bool = setting(False, flag, "start over when the tape ends")
    start: int | None = setting(None, moment, "first ts_event to replay", "TIME")
    end: int | None = setting(None, moment, "ts_event to stop before", "TIME")
    symbol: str | None = setting(None, text, "symbol of tapes that have no symbol column", "SYMBOL")
    map: tuple[tuple[str, str], ...] = setting(
        (), pairs, "the tape's name of a column, such as bid=BidPrice", "NAME=COLUMN"
    )
    time_format: str | None = setting(
        None, text, "how the tape writes times: strptime codes, or s, ms, us, ns", "FORMAT"
    )
    time_zone: str = setting("UTC", text, "zone of tape times that name none", "ZONE")
    bad_rows: str = setting(
        "error", choice("error", "skip"), "what to do with a row that is not a tick", "error|skip"
    )


@dataclass(frozen=True)
class Simulating:
    """Simulated markets."""

    simulate: str | None = setting(
        None, text, "simulate a market: names parted by commas, or how many", "SYMBOLS|COUNT"
    )
    rate: float | None = setting(
        None, number(0.001, 1e7), "simulated ticks per second, all symbols together", "TICKS_PER_S"
    )
    seed: int | None = setting(
        None, whole(0, 2**63 - 1), "seed of the simulation: the same seed, the same ticks", "N"
    )


@dataclass(frozen=True)
class Publishing:
    """Ticks of publishers."""

    allow_crossed: bool = setting(False, flag, "take published quotes whose bid is above the ask")
    published_symbols: int = setting(
        10_000, whole(1, 1_000_000), "most symbols that publishers may name, all together", "N"
    )


@dataclass(frozen=True)
class Serving:
    """Delivery and the limits of a session."""

    flush_interval_ms: float = setting(
        0.0, number(0, 1000), "collect ticks this long before sending; 0 is one loop turn", "MS"
    )
    heartbeat_interval_s: float = setting(
        5.0, number(0.1, 60), "how often each session gets a heartbeat", "S"
    )
    silence_limit_s: float = setting(
        25.0,
        number(1, 3600),
        "how long a peer may send nothing, not even a pong, before it is closed with 4002",
        "S",
    )
    outbox_limit_bytes: int = setting(
        1_048_576, whole(65_536, 2**31), "unsent bytes that end a session with 4001", "BYTES"
    )
    message_limit_bytes: int = setting(
        65_536, whole(1024, 2**24), "largest message a client may send", "BYTES"
    )
    session_subscriptions: int = setting(
        10_000, whole(1, 1_000_000), "most subscriptions (channel and symbol) of a session", "N"
    )
    session_wildcards: int = setting(
        100, whole(1, 10_000), "most wildcard subscriptions of a session", "N"
    )


@dataclass(frozen=True)
class Keeping:
    """Memory of ticks, and restarts."""

    journal_ticks_per_stream: int = setting(
        4096, whole(0, 1_000_000), "recent ticks that each stream keeps for resumes", "N"
    )
    journal_limit_bytes: int = setting(
        67_108_864, whole(0, 2**40), "memory for all recent ticks together", "BYTES"
    )
    state_dir: str | None = setting(
        None, text, "folder that keeps numbering, last values and journal over a restart", "DIR"
    )
    state_flush_interval_s: float = setting(
        1.0, number(0.05, 3600), "how often ticks are written to the state folder", "S"
    )
    record: str | None = setting(
        None, text, "folder to record into, and to answer HTTP reads of older ticks from", "DIR"
    )
    record_flush_interval_s: float = setting(
        2.0, number(0.05, 3600), "how often ticks are written to the recording", "S"
    )
    record_rotate_s: float = setting(
        3600.0, number(1, 86_400), "how long one file of the recording grows", "S"
    )
    record_queue_ticks: int = setting(
        262_144, whole(1_000, 10**8), "most ticks that wait to be recorded; beyond, a hole", "N"
    )


@dataclass(frozen=True)
class Logging:
    """Logs."""

    log_level: str = setting(
        "info", choice("debug", "info", "warning", "error"), "least level to log", "LEVEL"
    )
    log_format: str = setting(
        "text", choice("text", "json"), "lines for people, or one JSON object each", "text|json"
    )
    access_log: bool = setting(False, flag, "log each HTTP request, at level info")


@dataclass(frozen=True)
class Settings(
    Logging,
    Keeping,
    Serving,
    Publishing,
    Simulating,
    Replaying,
    Guarding,
    Admitting,
    Listening,
):
    """One process's settings; frozen, so that whoever holds them sees the same.

    The fields of the last group come first.
    """


def groups() -> Iterator[tuple[str, list[Field[Any]]]]:
    """Give the heading and the settings of each group, in the order of the fields."""
    every = fields(Settings)
    for group in reversed(Settings.__bases__):
        heading = (group.__doc__ or "").splitlines()[0].rstrip(".")
        yield heading, [own for own in every if own.name in group.__annotations__]
