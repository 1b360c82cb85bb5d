"""When this process looked for bytes: those that it reads now were not there the time before."""

from __future__ import annotations

import time

import gevent


class Polls:
    """Takes note of each turn of gevent's loop, once `watch` was called.

    Attributes:
        before_ns: when it looked the last time but one: what came before that has been read.
    """

    def __init__(self) -> None:
        self.before_ns = 0
        self._newest_ns = 0

    def watch(self) -> None:
        """Begin, in the thread whose loop it is."""
        self._watcher = gevent.get_hub().loop.check(ref=False)
        self._watcher.start(self._looked)

    def _looked(self) -> None:
        self.before_ns, self._newest_ns = self._newest_ns, time.time_ns()


POLLS = Polls()
