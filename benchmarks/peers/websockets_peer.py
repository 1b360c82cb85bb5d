"""The package websockets: `broadcast` to the takers of each tick. PORT SYMBOLS RATE."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from ticker import ACK, from_arguments
from websockets.asyncio.server import ServerConnection, broadcast, serve

port, quotes = from_arguments()
takers: dict[str, set[ServerConnection]] = defaultdict(set)


async def converse(client: ServerConnection) -> None:
    try:
        async for message in client:
            for symbol in quotes.wanted(message):
                takers[symbol].add(client)
            await client.send(ACK)
    finally:
        for clients in takers.values():
            clients.discard(client)


async def main() -> None:
    # no compression, as the others; no pings, as the benchmark is short
    async with serve(
        converse, "127.0.0.1", port, compression=None, ping_interval=None, backlog=1024
    ):
        await quotes.run(lambda symbol, text: broadcast(takers[symbol], text))


asyncio.run(main())
