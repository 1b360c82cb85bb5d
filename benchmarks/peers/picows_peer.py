"""picows on uvloop: one send per client and tick. PORT SYMBOLS RATE."""

from __future__ import annotations

from collections import defaultdict

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from ticker import ACK, from_arguments

port, quotes = from_arguments()
takers: dict[str, set[WSTransport]] = defaultdict(set)


class Listener(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            for symbol in quotes.wanted(frame.get_payload_as_bytes()):
                takers[symbol].add(transport)
            transport.send(WSMsgType.TEXT, ACK.encode())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        for clients in takers.values():
            clients.discard(transport)


def publish(symbol: str, text: str) -> None:
    payload = text.encode()
    for client in takers[symbol]:
        client.send(WSMsgType.TEXT, payload)


def accept(request: WSUpgradeRequest) -> WSListener:
    return Listener()


async def main() -> None:
    await ws_create_server(accept, "127.0.0.1", port, backlog=1024)
    await quotes.run(publish)


uvloop.run(main())
