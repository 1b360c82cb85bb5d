"""Who each session is: authenticated in time, until the token expires or its key is revoked."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from feed import codes
from feed.clock import Clock
from feed.codes import CloseCode
from feed.errors import AuthenticationError, MessageError
from feed.metrics import Metrics
from feed.protocol.messages import Authenticated, Id, Notice
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority
from feed.sessions.entitlements import NOBODY, STRANGER, Principal
from feed.sessions.limits import Limits

if TYPE_CHECKING:
    from feed.sessions.session import Session

log = logging.getLogger(__name__)

WARNING_S: Final = 30.0
"""How long before its token expires a session is told."""

LOOK_S: Final = 60.0
"""How long to wait for an expiry at most before the wall clock is read again: it may step."""

NS: Final = 1_000_000_000


class Admission:
    """Admits sessions, and ends those that may not go on.

    Args:
        later: calls a function once, after a delay in seconds.

    Attributes:
        sessions_of: how many sessions each principal has, by name.
        addresses: what each address uses.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        clock: Clock,
        limits: Limits,
        later: Callable[[float, Callable[[], None]], object],
        metrics: Metrics,
        addresses: Addresses | None = None,
    ) -> None:
        self.authority = authority
        self.sessions_of: Counter[str] = Counter()
        self.addresses = addresses or Addresses()
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._later = later

    def open(self, session: Session) -> None:
        """Take note of a session that begins; who has yet to authenticate gets a deadline."""
        self.sessions_of[session.principal.name] += 1
        if session.principal is NOBODY:
            self._later(self._limits.authentication_s, lambda: self._hurry(session))
        elif session.principal.name != STRANGER:
            self._welcome(session, None)

    def closed(self, session: Session) -> None:
        """Take note of a session that has ended."""
        name = session.principal.name
        self.sessions_of[name] -= 1
        if not self.sessions_of[name]:
            del self.sessions_of[name]

    def authenticate(self, session: Session, token: str, id: Id) -> None:
        """Let a session be the principal of a token from now on, or refresh its token.

        Raises:
            MessageError: that cannot be; a session that had no token before has ended with 4501.
        """
        if self.authority.mode == "none":
            text = "this feed asks for no authentication, subscribe without it"
            raise MessageError(codes.NOT_ENABLED, text, id=id)
        try:
            principal = self.authority.identify(token)
        except AuthenticationError as error:
            raise MessageError(codes.BAD_TOKEN, str(error), id=id) from None
        before = session.principal
        if before.name not in (NOBODY.name, STRANGER, principal.name):
            text = f"this session is {before.name}'s, open another for another principal"
            raise MessageError(codes.OTHER_PRINCIPAL, text, id=id)
        self.closed(session)
        session.principal = principal
        self.sessions_of[principal.name] += 1
        self._welcome(session, id)
        session.reconsider(before)

    def patrol(self, sessions: Iterable[Session]) -> None:
        """Read keys anew where they have changed, and hold the sessions to them."""
        reloaded = self.authority.reload()
        self._metrics.reload_failures["keys"] = self.authority.reload_failures
        if not reloaded:
            return
        for session in list(sessions):
            before, now = session.principal, self.authority.renewed(session.principal)
            if now is None:
                session.close(CloseCode.UNAUTHENTICATED, "the key was revoked")
            elif now != before:
                session.principal = now
                session.reconsider(before)

    def _welcome(self, session: Session, id: Id) -> None:
        principal = session.principal
        most = principal.session_limit or self._limits.principal_sessions
        if self.sessions_of[principal.name] > most:
            self._metrics.refuse("principal_limit")
            reason = f"{principal.name} has {most} sessions, which is the limit"
            session.close(CloseCode.LIMIT_EXCEEDED, reason)
            return
        log.info("session %s is %s's", session.name, principal.name)
        session.send(Authenticated(principal.name, principal.expires_at, id=id))
        self._watch(session, principal, warned=False)

    def _hurry(self, session: Session) -> None:
        if session.principal is NOBODY:
            self._metrics.refuse("authentication_timeout")
            session.close(CloseCode.UNAUTHENTICATED, "not authenticated in time")

    def _watch(self, session: Session, principal: Principal, *, warned: bool) -> None:
        """Tell a session shortly before its token expires, and end it when that happens."""
        if session.principal is not principal or principal.expires_at is None or session.ended:
            return
        left_s = principal.expires_at - self._clock.now_ns() / NS
        if left_s <= 0:
            session.close(CloseCode.TOKEN_EXPIRED, "the token has expired")
            return
        if left_s <= WARNING_S and not warned:
            warned = True
            text = f"the token expires in {left_s:.0f} s: send authenticate with a new one"
            session.send(Notice(text))
        wait_s = left_s if warned else left_s - WARNING_S
        self._later(min(wait_s, LOOK_S), lambda: self._watch(session, principal, warned=warned))
