"""A connection in a thread of its own, with its own event loop: it reads while the caller computes.

In a notebook a task in the kernel's loop stands still while a cell runs. This thread does not, and
outlives an interrupt of the cell.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from feed.client.aio import Connection
from feed.errors import ConnectionFailed, FeedError
from feed.logs import tell_failure
from feed.ticks import Tick

STOP_TIMEOUT_S: Final = 3.0
CLOSED: Final = "the connection is closed"

_T = TypeVar("_T")


class Worker:
    """Runs one connection until it ends or is stopped, and hands over what it reads.

    Args:
        connection: entered and read by the thread alone, from `start` on.
        take: called in the thread with each list of ticks.
        ended: called in the thread once no more will come.

    Attributes:
        failure: why the connection ended, where it was not meant to.
    """

    def __init__(
        self,
        connection: Connection,
        take: Callable[[list[Tick]], None],
        ended: Callable[[], None],
    ) -> None:
        self.failure: BaseException | None = None
        self._connection = connection
        self._take = take
        self._ended = ended
        self._loop = asyncio.new_event_loop()
        self._opened: Future[None] = Future()
        self._stopping = False
        self._over = False
        self._reading: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="feed-live", daemon=True)

    @property
    def running(self) -> bool:
        """Whether more ticks may come."""
        return self._thread.is_alive() and not self._over

    def start(self) -> None:
        """Start the thread, and wait until the connection is made and subscribed.

        Raises:
            FeedError: it could not be.
        """
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the connection and end the thread; from any thread, any number of times."""
        self._stopping = True
        self.post(self._cancel)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(STOP_TIMEOUT_S)

    def call(self, command: Callable[[], Awaitable[_T]]) -> _T:
        """Await something in the thread's loop, and give its result.

        Raises:
            FeedError: what it raised, or why the connection has ended.
        """
        if self.running:
            with suppress(CancelledError):  # it has just ended
                return asyncio.run_coroutine_threadsafe(_awaited(command), self._loop).result()
        raise self.failure or ConnectionFailed(CLOSED)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Run something in the thread's loop beside the reading; gives what stops it.

        It is cancelled when the connection ends, and what else ends it is logged.
        """
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(main(), name="work beside a connection"))
            tasks[0].add_done_callback(tell_failure)

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        self.post(begin)
        return lambda: self.post(cancel)

    def post(self, call: Callable[[], None]) -> None:
        """Let the thread's loop call something soon, if it still runs."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._reading = asyncio.current_task()
        try:
            if self._stopping:
                raise ConnectionFailed(CLOSED)
            async with self._connection as connection:
                self._opened.set_result(None)
                async for ticks in connection.batches():
                    self._take(ticks)
        except asyncio.CancelledError:
            self._fail(ConnectionFailed(CLOSED))
        except BaseException as error:
            self._fail(error)
        finally:
            self._over = True
            self._ended()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, FeedError):  # it says all by itself; where the thread was is noise
            error.__traceback__, error.__suppress_context__ = None, True
        if not self._opened.done():
            self._opened.set_exception(error)
        elif not self._stopping:
            self.failure = error

    def _cancel(self) -> None:
        if self._reading is not None:
            self._reading.cancel()


async def _awaited(command: Callable[[], Awaitable[_T]]) -> _T:
    return await command()
