"""The loop that users write today: websockets and json. PORT TICKS; prints ticks per second."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect


async def main() -> None:
    port, ticks = int(sys.argv[1]), int(sys.argv[2])
    count, began_s = 0, 0.0
    async with connect(f"ws://127.0.0.1:{port}/v1/stream", compression=None, proxy=None) as stream:
        await stream.send('{"type":"subscribe","id":1,"symbols":["*"],"channels":["quotes"]}')
        async for message in stream:
            tick = json.loads(message)
            if "seq" in tick:
                began_s = began_s or time.perf_counter()
                count += 1
                if count == ticks:
                    break
        took_s = time.perf_counter() - began_s
    print(ticks / took_s)


asyncio.run(main())
