"""Where log lines go and what they look like."""

from __future__ import annotations

import logging
import sys


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard error is now, as a progress bar may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look the stream up anew for each line."""
        self.stream = sys.stderr
        super().emit(record)


def set_up(level: str) -> None:
    """Send every log line of this level or above to standard error."""
    handler = StderrHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
