"""Every error this package raises on purpose, in one small tree.

A message says what is wrong, the value, what is allowed and what to do, in lower case and without
a period. The values stay on the error as attributes, so a program need not parse the message.
"""

from __future__ import annotations


class FeedError(Exception):
    """The root: `except FeedError` catches whatever this package raises on purpose."""

    code = "error"


class SettingError(FeedError):
    """A setting has a value that is not allowed."""

    code = "bad_setting"

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting} {message}")
        self.setting = setting


class MissingExtraError(FeedError):
    """A feature needs packages that are installed by an extra."""

    code = "missing_extra"

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'feed[{extra}]'")
        self.extra = extra


class TapeError(FeedError):
    """A recorded file cannot be read, or holds a row that is not a tick.

    Attributes:
        path: the file, as the user named it.
        row: the 1-based data row (the header is not counted), or None for the file as a whole.
        reason: what is wrong, without path and row.
    """

    code = "bad_tape"

    def __init__(self, path: object, reason: str, *, row: int | None = None) -> None:
        where = f"{path}" if row is None else f"{path}, row {row}"
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.row = row
        self.reason = reason


class ListenError(FeedError):
    """The address to serve on cannot be had."""

    code = "cannot_listen"


class BackgroundError(FeedError):
    """A feed could not be started in a process of its own."""

    code = "cannot_serve"


class StateError(FeedError):
    """The folder that keeps state over a restart cannot be used.

    Attributes:
        folder: as the user named it.
    """

    code = "bad_state"

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(f"--state-dir {folder} {reason}")
        self.folder = folder


class KeysError(FeedError):
    """A file of keys cannot be used.

    Attributes:
        path: as the user named it.
        reason: what is wrong, without the path.
    """

    code = "bad_keys"

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


class AuthenticationError(FeedError):
    """A key or token is not valid; the message never holds any of it."""

    code = "bad_token"


class RecordError(FeedError):
    """The folder to record into cannot be used.

    Attributes:
        folder: as the user named it.
    """

    code = "bad_recording"

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(f"the folder to record into, {folder}, {reason}")
        self.folder = folder


class SourceError(FeedError):
    """A source of ticks cannot start or go on."""

    code = "source_failed"


class MessageError(FeedError):
    """A peer sent a message that the protocol does not allow.

    Attributes:
        code: the wire's error code.
        id: the message's own `id`, when one could be read.
    """

    def __init__(self, code: str, message: str, *, id: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id


class TickError(MessageError):
    """One of the ticks that a publisher sent is no good.

    Attributes:
        symbol: as far as it was given, printable.
    """

    def __init__(self, code: str, message: str, symbol: object = None) -> None:
        super().__init__(code, message)
        self.symbol = (
            symbol[:64].encode("ascii", "replace").decode() if isinstance(symbol, str) else None
        )


class ConnectionFailed(FeedError):
    """The client could not connect, or was told to stay away.

    Attributes:
        close_code: the WebSocket close code, or None when no connection was made.
    """

    code = "connection_failed"

    def __init__(self, message: str, *, close_code: int | None = None) -> None:
        super().__init__(message)
        self.close_code = close_code
