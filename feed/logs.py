"""Where log lines go and what they look like."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

ACCESS: Final = "feed.server.access"
"""The logger of HTTP requests, one line for each."""

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard error is now, as a progress bar may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look the stream up anew for each line."""
        self.stream = sys.stderr
        super().emit(record)


class JsonFormatter(logging.Formatter):
    """One object a line: what a program sorts lines by is not buried in a sentence.

    `event` is the sentence before its values were put in, the same for all lines of a kind, and
    `values` are those; what was given as `extra` is a field of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "ts": f"{at:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg),
            "message": record.getMessage(),
        }
        if isinstance(record.args, tuple):
            line["values"] = record.args
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line).decode()


class Failures:
    """Tells what fails in work that is done again and again: once of each kind.

    Args:
        work: named in the line, in the plural.
    """

    def __init__(self, log: logging.Logger, work: str) -> None:
        self._log = log
        self._work = work
        self._told: set[tuple[type, str, int]] = set()

    def tell(self, error: Exception) -> None:
        """Log a failure, unless one of its type and from its line of code was logged before."""
        kind = error.__class__, *_place(error)
        if kind not in self._told:
            self._told.add(kind)
            text = "%s failed, and go on: %s: %s"
            self._log.error(text, self._work, kind[0].__name__, error, exc_info=error)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what fails in the block, and go on after it."""
        try:
            yield
        except Exception as error:
            self.tell(error)


def _place(error: BaseException) -> tuple[str, int]:
    at = error.__traceback__
    if at is None:
        return "", 0
    while at.tb_next is not None:
        at = at.tb_next
    return at.tb_frame.f_code.co_filename, at.tb_lineno


def tell_failure(task: asyncio.Task[Any]) -> None:
    """Log what ended a task that nobody waits for; for `add_done_callback`."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        text = "%s ended: %s: %s"
        log.error(text, task.get_name(), error.__class__.__name__, error, exc_info=error)


def set_up(level: str, format: str = "text", *, access: bool = False) -> None:
    """Send every log line of this level or above to standard error.

    Args:
        format: `text` for people, `json` for programs.
        access: whether each HTTP request is a line.
    """
    handler = StderrHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonFormatter() if format == "json" else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger(ACCESS).setLevel(logging.INFO if access else logging.WARNING)
    # It warns of every peer that does not speak TLS, which is the peer's mistake.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
