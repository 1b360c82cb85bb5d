"""API keys: a file of principals, in which each key stands as a hash only.

A key is `feed_ID_SECRET`. The secret is 256 random bits, so that one SHA-256 of it is enough; the
id finds its record, and only then are hashes compared, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from feed.errors import AuthenticationError, KeysError
from feed.sessions.entitlements import Principal, read_entitlements, read_name

PREFIX: Final = "feed_"
_KEY: Final = re.compile(r"feed_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_ID: Final = re.compile(r"[0-9a-f]{12}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NO_SHA256: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Key:
    """One key without its secret.

    Attributes:
        entitlements: as the file has them.
        created: ISO 8601, UTC.
        revoked: likewise, or empty.
    """

    id: str
    principal: Principal
    sha256: str
    entitlements: Mapping[str, Any]
    created: str
    revoked: str = ""


class Keys:
    """The keys of a file, by id."""

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        self._keys = dict(keys or {})

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def identify(self, token: str) -> Principal:
        """Give the principal of a key.

        Raises:
            AuthenticationError: there is no such key, or it was revoked.
        """
        parts = _KEY.fullmatch(token)
        key = self._keys.get(parts[1]) if parts else None
        expected = key.sha256 if key else _NO_SHA256
        matches = hmac.compare_digest(_hash(parts[2] if parts else ""), expected)
        if key is None or not matches or key.revoked:
            raise AuthenticationError("the key is unknown or was revoked")
        return key.principal

    def find(self, id: str) -> Principal | None:
        """Give the principal that a key stands for now, or None when it was revoked."""
        key = self._keys.get(id)
        return None if key is None or key.revoked else key.principal

    def create(self, name: str, entitlements: Mapping[str, Any], now: str) -> str:
        """Add a key and give it: the only time that it can be seen.

        Raises:
            KeysError: the name or an entitlement is not allowed.
        """
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        record = {"principal": name, "sha256": _hash(secret), "created": now, **entitlements}
        self._keys[id] = _key(id, record)
        return f"{PREFIX}{id}_{secret}"

    def revoke(self, wanted: str, now: str) -> list[Key]:
        """Revoke the key of an id, or all keys of a principal, and give those that were revoked."""
        found = [
            own
            for own in self
            if not own.revoked and wanted in (own.id, f"{PREFIX}{own.id}", own.principal.name)
        ]
        for own in found:
            self._keys[own.id] = replace(own, revoked=now)
        return found


def load(path: Path) -> Keys:
    """Read a file of keys.

    Raises:
        KeysError: it cannot be read, or is not such a file; the message says where.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeysError(path, f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeysError(path, f"must be TOML: {error}") from None
    except RecursionError:
        raise KeysError(path, "must be TOML: it is too deep") from None
    try:
        return Keys({id: _key(id, table) for id, table in tables.items()})
    except KeysError as error:
        raise KeysError(path, error.reason) from None


def save(path: Path, keys: Keys) -> None:
    """Write a file of keys, whole or not at all, readable by its owner only.

    Raises:
        KeysError: it cannot be written.
    """
    import tomli_w

    tables = {own.id: _table(own) for own in keys}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(tomli_w.dumps(tables))
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise KeysError(path, f"cannot be written: {error.strerror}") from None


def _table(key: Key) -> dict[str, Any]:
    table = {"principal": key.principal.name, "sha256": key.sha256, "created": key.created}
    return table | ({"revoked": key.revoked} if key.revoked else {}) | dict(key.entitlements)


def _key(id: str, table: Any) -> Key:
    if not _ID.fullmatch(id) or not isinstance(table, dict):
        raise KeysError(None, f"has {id[:64]!a}, where a table [ID] of 12 hex digits must be")
    fields = dict(table)
    name, sha256 = fields.pop("principal", None), fields.pop("sha256", None)
    created, revoked = str(fields.pop("created", "")), str(fields.pop("revoked", ""))
    try:
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise ValueError("sha256 must be 64 hex digits")
        principal = Principal(read_name(name), credential=id, **read_entitlements(fields))
    except ValueError as error:
        raise KeysError(None, f"[{id}]: {error}") from None
    return Key(id, principal, sha256, fields, created, revoked)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
