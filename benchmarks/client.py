"""The load client where there is no C compiler: the same options and report as client.c, leaner.

It takes a hundredth of the ticks that client.c takes, and says so when it was the limit. It checks
every tick of the checked connections, and only counts those of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import socket
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TICKS = {"quote", "trade", "bar", "status"}
BUSY_SHARE = 0.9


@dataclass(slots=True)
class Connection:
    """One WebSocket; `last` has the newest seq of each stream where it is checked."""

    sock: socket.socket
    wish: list[str]
    checked: bool
    data: bytearray = field(default_factory=bytearray)
    shaken: bool = False
    live: bool = False
    ticks: int = 0
    last: dict[tuple[str, str], int] = field(default_factory=dict)


class Client:
    """All connections and what was counted."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.connections: list[Connection] = []
        self.newest: dict[tuple[str, str], int] = defaultdict(int)
        self.start()

    def start(self) -> None:
        """Begin to count anew."""
        self.counts = dict.fromkeys(("holes", "duplicates", "skipped", "errors", "checked"), 0)
        self.latencies_us: list[float] = []
        self.at_start = dict(self.newest)
        for own in self.connections:
            own.ticks = 0

    def connect(self) -> None:
        """Open every connection, one handshake after the other, and await the acks."""
        options, draw = self.options, random.Random(self.options.seed)
        names = [f"S{i:0{max(3, len(str(options.symbols - 1)))}}" for i in range(options.symbols)]
        wishes = [
            ["*"] if options.wildcard else sorted(draw.sample(names, options.per))
            for _ in range(options.distinct or options.clients)
        ]
        for number in range(options.clients):
            sock = socket.create_connection(("127.0.0.1", options.port), 30)
            checked = number % options.check_every == 0
            own = Connection(sock, wishes[number % len(wishes)], checked)
            self.connections.append(own)
            self.selector.register(sock, selectors.EVENT_READ, own)
            sock.sendall(
                f"GET {options.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}"
                "\r\n\r\n".encode()
            )
        limit_s = time.monotonic() + 60
        while not all(own.live for own in self.connections) and time.monotonic() < limit_s:
            self.turn()

    def turn(self) -> None:
        """Read what has come."""
        for key, _ in self.selector.select(0.01):
            own: Connection = key.data
            data = own.sock.recv(1 << 18)
            if not data:
                self.selector.unregister(own.sock)
                own.live = False
                continue
            own.data += data
            if own.shaken or self.shake(own):
                self.take_frames(own, time.time_ns())

    def shake(self, own: Connection) -> bool:
        """Take the handshake's answer, once it is whole, and subscribe."""
        head, found, rest = own.data.partition(b"\r\n\r\n")
        if not found or not head.startswith(b"HTTP/1.1 101"):
            return False
        own.data, own.shaken = rest, True
        command = {"type": "subscribe", "symbols": own.wish, "snapshot": self.options.snapshot == 1}
        command["channels"] = self.options.channels.split(",")
        text = json.dumps(command).encode()
        size = len(text).to_bytes(2 if len(text) < 65_536 else 8, "big")
        own.sock.sendall(bytes((0x81, 0xFE if len(size) == 2 else 0xFF)) + size + bytes(4) + text)
        return True

    def take_frames(self, own: Connection, read_ns: int) -> None:
        """Take every whole frame; server frames are not masked."""
        data, at = own.data, 0
        while len(data) >= at + 2:
            size, head = data[at + 1], 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head], "big")
            if len(data) < at + head or len(data) < at + head + size:
                break
            if data[at] & 15 == 1:
                self.take_message(own, bytes(data[at + head : at + head + size]), read_ns)
            at += head + size
        del data[:at]

    def take_message(self, own: Connection, text: bytes, read_ns: int) -> None:
        """Count the ticks of a message, and look at them where the connection is checked."""
        if own.live and not own.checked and text[:9] == b'{"type":"' and text[9:10] in b"qtb":
            own.ticks += 1
            return
        value: Any = json.loads(text)
        for message in value if isinstance(value, list) else (value,):
            self.examine(own, message, read_ns)

    def examine(self, own: Connection, message: dict[str, Any], read_ns: int) -> None:
        """Check one message."""
        kind = message["type"]
        if kind in TICKS:
            own.ticks += 1
            stream, seq = (kind[0], message["symbol"]), message["seq"]
            self.newest[stream] = max(self.newest[stream], seq)
            self.at_start.setdefault(stream, seq - 1)
            if own.checked:
                self.counts["checked"] += 1
                self.latencies_us.append((read_ns - message["ts_out"]) / 1_000)
                self.follow(own, stream, seq, seq)
        elif kind == "skipped" and own.checked:
            stream = message["channel"][0], message["symbol"]
            self.counts["skipped"] += message["count"]
            self.follow(own, stream, message["first_seq"], message["last_seq"])
        elif kind == "subscribed":
            own.live = True
        elif kind in ("error", "closing"):
            self.counts["errors"] += 1

    def follow(self, own: Connection, stream: tuple[str, str], first: int, last: int) -> None:
        """Count what is missing before `first`, or came before."""
        known = own.last.get(stream, first - 1)
        self.counts["holes"] += max(0, first - known - 1)
        self.counts["duplicates"] += first <= known
        own.last[stream] = max(known, last)

    def expected(self) -> int:
        """Give how many ticks should have come, from how far each stream's seq has come."""
        moved: dict[str, int] = defaultdict(int)
        for stream, seq in self.newest.items():
            moved[stream[1]] += seq - self.at_start.get(stream, 0)
        everything = sum(moved.values())
        return sum(
            everything if own.wish == ["*"] else sum(moved[name] for name in own.wish)
            for own in self.connections
        )


def server_reading(pid: int) -> tuple[float, float, int]:
    """Give a process's CPU seconds, seconds of waiting for a core, and KiB of memory."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        waited_ns = Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[1]
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    except OSError:
        return 0.0, 0.0, 0
    ticks = int(stat[11]) + int(stat[12])
    page_kib = os.sysconf("SC_PAGESIZE") // 1_024
    return ticks / os.sysconf("SC_CLK_TCK"), int(waited_ns) * 1e-9, int(pages) * page_kib


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Connect, warm up, count for the window, and give the report of client.c."""
    client = Client(options)
    empty_kib, began_s = server_reading(options.pid)[2], time.monotonic()
    client.connect()
    connect_s = time.monotonic() - began_s
    _turn_for(client, options.warm_s)
    client.start()
    before, cpu_s, at_s = server_reading(options.pid), time.process_time(), time.monotonic()
    own_before = server_reading(os.getpid())
    worst_ms = _turn_for(client, options.measure_s)
    window_s = time.monotonic() - at_s
    after, own_after = server_reading(options.pid), server_reading(os.getpid())
    cpu = (time.process_time() - cpu_s) / window_s
    ticks, expected = sum(own.ticks for own in client.connections), client.expected()
    server_s = after[0] - before[0]
    live = sum(own.live for own in client.connections)
    published = sum(client.newest[own] - client.at_start.get(own, 0) for own in client.newest)
    return {
        "clients": options.clients,
        "live": live,
        "lost": options.clients - live,
        "connect_s": connect_s,
        "window_s": window_s,
        "ticks": ticks,
        "ticks_per_s": ticks / window_s,
        "published_per_s": published / window_s,
        "delivered_share": ticks / expected if expected else 0.0,
        **_percentiles(client.latencies_us),
        **{name: client.counts[name] for name in ("holes", "duplicates", "skipped", "errors")},
        "checked_ticks": client.counts["checked"],
        "client_cpu": cpu,
        "client_waited": (own_after[1] - own_before[1]) / window_s,
        "worst_turn_ms": worst_ms,
        "saturated": cpu > BUSY_SHARE,
        "server_cpu_s": server_s,
        "server_cpu": server_s / window_s,
        "server_waited": (after[1] - before[1]) / window_s,
        "cpu_us_per_tick": server_s * 1e6 / ticks if ticks else 0.0,
        "first_error": "",
        "rss_kib_before": empty_kib,
        "rss_kib": after[2],
    }


def _turn_for(client: Client, seconds: float) -> float:
    """Read for some seconds and give how long the longest turn took, in ms."""
    end_s, worst_s = time.monotonic() + seconds, 0.0
    while (began_s := time.monotonic()) < end_s:
        client.turn()
        worst_s = max(worst_s, time.monotonic() - began_s)
    return worst_s * 1_000


def _percentiles(values: list[float]) -> dict[str, Any]:
    ordered = sorted(values) or [0.0]
    shares = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999, "max_us": 1.0}
    last = len(ordered) - 1
    found: dict[str, Any] = {name: ordered[int(last * share)] for name, share in shares.items()}
    cuts = ordered[:: max(1, len(ordered) // 200)]
    return found | {"latency_us": [[cut, max(1, len(ordered) // 200)] for cut in cuts]}


def arguments() -> argparse.Namespace:
    """Read the options of client.c."""
    parser = argparse.ArgumentParser()
    whole = {"port": 0, "clients": 200, "symbols": 500, "per": 20, "distinct": 0, "wildcard": 0}
    whole |= {"snapshot": 0, "seed": 7, "check-every": 1, "in-flight": 1, "nap-us": 0, "pid": 0}
    for name, default in whole.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--path", default="/v1/stream")
    parser.add_argument("--channels", default="quotes")
    parser.add_argument("--warm-s", type=float, default=1.0)
    parser.add_argument("--measure-s", type=float, default=3.0)
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(measure(arguments())))
