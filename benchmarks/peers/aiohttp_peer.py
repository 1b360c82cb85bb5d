"""aiohttp on uvloop: `send_str` per client and tick, awaited in turn. PORT SYMBOLS RATE."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import uvloop
from aiohttp import WSMsgType, web
from ticker import ACK, BURST, from_arguments

port, quotes = from_arguments()
takers: dict[str, set[web.WebSocketResponse]] = defaultdict(set)


async def converse(request: web.Request) -> web.WebSocketResponse:
    client = web.WebSocketResponse(compress=False)
    await client.prepare(request)
    async for message in client:
        if message.type == WSMsgType.TEXT:
            for symbol in quotes.wanted(message.data):
                takers[symbol].add(client)
            await client.send_str(ACK)
    for clients in takers.values():
        clients.discard(client)
    return client


async def publish(symbol: str, text: str) -> None:
    for client in list(takers[symbol]):
        if not client.closed:
            await client.send_str(text)


async def main() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", converse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    while True:
        burst = quotes.burst()
        for symbol, text in burst:
            await publish(symbol, text)
        await asyncio.sleep(0 if len(burst) == BURST else 0.001)


uvloop.run(main())
