"""A server for one client that sends a recorded byte stream as fast as the socket takes it.

`python -m benchmarks.blaster PORT TICKS batch|plain`: ends when everything is sent and read.
"""

from __future__ import annotations

import socket
import sys

import orjson
from tornado.websocket import WebSocketProtocol13

from benchmarks.ingest import bursts
from feed.hub.pending import batch_frame, batches
from feed.hub.stream import Stream
from feed.protocol.codec import encode, encode_ticks
from feed.protocol.frames import text_frame
from feed.protocol.messages import PROTOCOL_VERSION, Subscribed, Welcome
from feed.ticks import Tick

BURST = 2_000
EPOCH = "recorded"


def record(ticks: int, *, batched: bool) -> bytes:
    """Give the frames of that many ticks, numbered as a feed numbers them."""
    from feed.clock import SystemClock
    from feed.hub.index import Index
    from feed.hub.tickerplant import Tickerplant

    pieces: list[bytes] = []

    def take(burst: list[Tick], _: list[Stream]) -> None:
        payloads = encode_ticks(burst)
        frames = map(batch_frame, batches(payloads)) if batched else map(text_frame, payloads)
        pieces.append(b"".join(frames))

    tickerplant = Tickerplant(Index(), take, SystemClock())
    for burst in bursts(ticks // BURST):
        tickerplant.publish(burst)
    return b"".join(pieces)


def serve(port: int, recording: bytes) -> None:
    """Serve one client: handshake, ack, everything, and wait until it goes."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            with sock:
                if _answered(sock):
                    sock.sendall(recording)
                    while sock.recv(65_536):
                        pass
                    return


def _answered(sock: socket.socket) -> bool:
    request = b""
    while b"\r\n\r\n" not in request:
        got = sock.recv(4_096)
        if not got:  # somebody only looked whether the port is open
            return False
        request += got
    lines = (line.partition(b": ") for line in request.split(b"\r\n"))
    keys = [value for name, _, value in lines if name.lower() == b"sec-websocket-key"]
    accept = WebSocketProtocol13.compute_accept_value(keys[0].decode())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
    )
    sock.sendall(text_frame(encode(Welcome(PROTOCOL_VERSION, "0", EPOCH, 5.0, "none"))))
    identity = _command_id(sock)
    sock.sendall(text_frame(encode(Subscribed({"quotes": ["*"]}, id=identity, rejected=[]))))
    return True


def _command_id(sock: socket.socket) -> int | str | None:
    """Read the subscribe command, which comes in one small masked frame."""
    frame = sock.recv(65_536)
    head = 4 if frame[1] & 0x7F == 126 else 2
    mask, body = frame[head : head + 4], frame[head + 4 :]
    command = orjson.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(body)))
    found: int | str | None = command.get("id")
    return found


if __name__ == "__main__":
    serve(int(sys.argv[1]), record(int(sys.argv[2]), batched=sys.argv[3] == "batch"))
