"""TLS: its settings, its certificate read anew while it runs, and its sockets without waiting."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Final

from feed.errors import SettingError
from feed.watched import Watched

log = logging.getLogger(__name__)

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy and authenticated encryption. TLS 1.3 has no others."""

RECORD_BYTES: Final = 16_384
"""The most plaintext that one TLS record holds (RFC 8446 section 5.1)."""


class Certificate:
    """The certificate and key of a server, and the context that serves them.

    Attributes:
        context: new handshakes take its newest certificate, connections that stand are untouched.
        reload_failures: how often a new certificate could not be used.

    Raises:
        SettingError: the files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._watched = Watched(self._files)
        self.reload_failures = 0
        try:
            self.context = self._loaded()
        except (OSError, ValueError) as error:
            raise SettingError("--tls-cert", f"cannot be used: {_told(error)}") from None

    def reload(self, *, asked: bool = False) -> bool:
        """Take new files if they have changed, or if asked to; bad ones leave the old in force."""
        if not self._watched.changed() and not asked:
            return False
        try:
            self._loaded()
            self.context.load_cert_chain(*self._files, password=_no_password)
        except (OSError, ValueError) as error:
            self.reload_failures += 1
            log.error("the TLS certificate in force stays, as the new one is bad: %s", _told(error))
            return False
        log.info("the TLS certificate was read anew")
        return True

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(*self._files, password=_no_password)
        return context


def _no_password() -> str:
    raise ValueError("the key has a password, which cannot be asked for: store it without")


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not a certificate and its key").lower().replace("_", " ")
    return str(getattr(error, "strerror", None) or error).lower()
