"""A folder that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def lock(folder: Path, name: str, refusal: Callable[[Path, str], Exception], taken: str) -> int:
    """Have a folder to oneself, made if it is not there, until the descriptor given is closed.

    Args:
        name: of the file in it that is locked, which may be read and written.
        refusal: makes what is raised of the folder and the reason.
        taken: the reason where another process has it.

    Raises:
        Exception: a `refusal`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise refusal(folder, f"cannot be used: {reason_of(error)}") from None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(found)
        raise refusal(folder, taken) from None
    return found


def reason_of(error: OSError) -> str:
    """Give what the system says of an error, as the end of a sentence."""
    return (error.strerror or str(error)).lower()
