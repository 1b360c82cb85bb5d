"""Stock Tornado: `write_message` per client and tick. PORT SYMBOLS RATE."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from ticker import ACK, from_arguments
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

port, quotes = from_arguments()
takers: dict[str, set[Handler]] = defaultdict(set)


class Handler(WebSocketHandler):
    def open(self, *_: Any) -> None:
        self.set_nodelay(True)

    def on_message(self, message: str | bytes) -> None:
        for symbol in quotes.wanted(message):
            takers[symbol].add(self)
        self.write_message(ACK)

    def on_close(self) -> None:
        for clients in takers.values():
            clients.discard(self)


def publish(symbol: str, text: str) -> None:
    for client in takers[symbol]:
        try:
            client.write_message(text)
        except WebSocketClosedError:
            continue


async def main() -> None:
    Application([(r"/.*", Handler)]).listen(port, "127.0.0.1", backlog=1024)
    await quotes.run(publish)


asyncio.run(main())
