"""From a token to a principal: the one place that says who somebody is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from feed.errors import AuthenticationError, KeysError
from feed.sessions.entitlements import ANONYMOUS, NOBODY, Principal
from feed.sessions.keys import PREFIX, Keys
from feed.sessions.tokens import Tokens
from feed.symbols import NO_SYMBOLS, SymbolSet

log = logging.getLogger(__name__)

Mode = Literal["none", "optional", "required"]

LEARNED: Final = 1_000
"""From how many names and patterns it is learned that somebody publishes them; looking through more
would take longer than subscribing does."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The keys in force: API keys, and those that sign tokens."""

    keys: Keys | None = None
    tokens: Tokens | None = None


class Authority:
    """Knows who may come in.

    Args:
        mode: whether one must say who one is.
        anonymous: what everybody may do who does not.
        load: reads the keys; called again by `reload`.
        changed: tells whether that is worth it.

    Attributes:
        reload_failures: how often keys could not be read anew.
    """

    def __init__(
        self,
        mode: Mode = "none",
        anonymous: Principal = ANONYMOUS,
        *,
        load: Callable[[], Trusted] = Trusted,
        changed: Callable[[], bool] = lambda: False,
    ) -> None:
        self.mode = mode
        self.anonymous = anonymous
        self.reload_failures = 0
        self._load = load
        self._changed = changed
        self._learned: set[str] = set()
        self._publishable = NO_SYMBOLS
        self._take(load())

    @property
    def newcomer(self) -> Principal:
        """Who somebody is that showed no token."""
        return NOBODY if self.mode == "required" else self.anonymous

    def identify(self, token: str) -> Principal:
        """Give the principal of an API key or of a token.

        Raises:
            AuthenticationError: it is not valid here.
        """
        keys, tokens = self._trusted.keys, self._trusted.tokens
        if keys is not None and (tokens is None or token.startswith(PREFIX)):
            return keys.identify(token)
        if tokens is None:
            raise AuthenticationError("this feed knows no tokens")
        principal = tokens.identify(token)
        if principal.publish:
            self._learn(principal)
        return principal

    def renewed(self, principal: Principal) -> Principal | None:
        """Give a principal as it is under the keys in force, or None when its own was revoked."""
        keys, tokens = self._trusted.keys, self._trusted.tokens
        if not principal.credential or (tokens and principal.credential in tokens.labels):
            return principal
        return keys.find(principal.credential) if keys else None

    @property
    def delays_s(self) -> set[int]:
        """The delays of those who are known beforehand."""
        keys = self._trusted.keys or ()
        return {self.anonymous.delay_s, *(own.principal.delay_s for own in keys)} - {0}

    def publishable(self, symbol: str) -> bool:
        """Tell whether somebody may publish a symbol who has a key, or has shown a token."""
        return symbol in self._publishable

    def reload(self) -> bool:
        """Read the keys anew if they have changed; bad ones leave those that are in force."""
        if not self._changed():
            return False
        try:
            self._take(self._load())
        except KeysError as error:
            self.reload_failures += 1
            log.error("the keys in force stay, as %s", error)
            return False
        log.info("keys were read anew")
        return True

    def _learn(self, publisher: Principal) -> None:
        """Take note of what the bearer of a token may publish."""
        new = set(publisher.publish) - self._learned
        if new and len(self._learned) + len(new) <= LEARNED:
            self._learned |= new
            self._publishable = SymbolSet((*self._publishable, *new))

    def _take(self, trusted: Trusted) -> None:
        self._trusted = trusted
        publishers = [own.principal for own in trusted.keys or () if not own.revoked]
        known = {pattern for own in [self.anonymous, *publishers] for pattern in own.publish}
        self._publishable = SymbolSet(known | self._learned)
