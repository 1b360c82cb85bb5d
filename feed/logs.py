"""Where log lines go and what they look like."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Final

import msgspec

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
