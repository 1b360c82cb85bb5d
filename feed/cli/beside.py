"""Work that goes on beside what a command does, such as repainting the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(works: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do some work while the block runs; the block ends with the error of work that fails."""
    block = asyncio.current_task()
    assert block is not None
    failed: list[BaseException] = []

    def end(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not failed:
            failed.append(error)
            block.cancel()

    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(end)
    try:
        try:
            yield
        finally:
            for task in tasks:
                task.remove_done_callback(end)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        if failed and not block.uncancel():
            raise failed[0] from None
        raise
