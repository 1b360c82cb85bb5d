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
from feed.logs import Failures
from feed.metrics import Metrics
from feed.protocol.messages import Authenticated, Id, Notice
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority
from feed.sessions.entitlements import NOBODY, STRANGER, Principal
from feed.sessions.expiry import NEVER_NS, NS, Expiries
from feed.sessions.limits import Limits

if TYPE_CHECKING:
    from feed.sessions.session import Session

log = logging.getLogger(__name__)

WARNING_S: Final = 30
"""How long before its token expires a session is told."""

LOOK_S: Final = 0.5
"""How long to wait for an expiry at most before the wall clock, which may step, is read again: a
session must have ended within a second."""


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
        self.ends = Expiries()
        self._warnings = Expiries()
        self._looking = False
        self._failures = Failures(log, "checks of sessions")

    def open(self, session: Session) -> None:
        """Take note of a session that begins; who has yet to authenticate gets a deadline."""
        self._count(session)
        if session.principal is NOBODY:
            self._later(self._limits.authentication_s, lambda: self._hurry(session))
        elif session.principal.name != STRANGER:
            self._welcome(session, None)

    def closed(self, session: Session) -> None:
        """Take note of a session that has ended."""
        name, ends = session.principal.name, session.principal.expires_at
        if ends is not None:
            self.ends.remove(ends, session)
            self._warnings.remove(ends - WARNING_S, session)
        self.sessions_of[name] -= 1
        if not self.sessions_of[name]:
            del self.sessions_of[name]

    def authenticate(self, session: Session, token: str, id: Id) -> None:
        """Let a session be the principal of a token from now on, or refresh its token.

        The session is to hold itself to the entitlements of that.

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
        self._become(session, principal)
        self._welcome(session, id)

    def patrol(self, sessions: Iterable[Session]) -> None:
        """Read keys anew where they have changed, and hold the sessions to them, every one."""
        reloaded = self.authority.reload()
        self._metrics.reload_failures["keys"] = self.authority.reload_failures
        if not reloaded:
            return
        for session in list(sessions):
            with self._failures.told():
                self._hold_to_keys(session)
        self._look()

    def _hold_to_keys(self, session: Session) -> None:
        """Hold a session to the keys in force; one where that fails does not go on without."""
        try:
            before, now = session.principal, self.authority.renewed(session.principal)
            if now is None:
                session.close_in_turn(CloseCode.UNAUTHENTICATED, "the key was revoked")
            elif now != before:
                self._become(session, now)
                session.reconsider(before)
        except Exception:
            session.close_in_turn(CloseCode.INTERNAL_ERROR, f"internal error {session.name}")
            raise

    def _become(self, session: Session, principal: Principal) -> None:
        """Let a session be a principal's, and count for it and end with it."""
        self.closed(session)
        session.principal = principal
        self._count(session)

    def _count(self, session: Session) -> None:
        name, ends = session.principal.name, session.principal.expires_at
        self.sessions_of[name] += 1
        if ends is not None:
            self.ends.add(ends, session)
            self._warnings.add(ends - WARNING_S, session)

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
        if principal.expires_at is not None:
            self._look()

    def expire(self, now_ns: int) -> None:
        """End the sessions whose tokens have expired; asked before every burst of ticks."""
        if now_ns >= self.ends.next_ns:
            for session in self.ends.take(now_ns):
                with self._failures.told():  # the others expire all the same
                    session.close_in_turn(CloseCode.TOKEN_EXPIRED, "the token has expired")

    def _hurry(self, session: Session) -> None:
        if session.principal is NOBODY and not session.ended:
            self._metrics.refuse("authentication_timeout")
            session.close(CloseCode.UNAUTHENTICATED, "not authenticated in time")

    def _look(self) -> None:
        """Warn and end whom it is time for, and do it again when it is time for the next one."""
        now_ns = self._clock.now_ns()
        for session in self._warnings.take(now_ns):
            left_s = (session.principal.expires_at or 0) - now_ns / NS
            text = f"the token expires in {left_s:.0f} s: send authenticate with a new one"
            with self._failures.told():
                session.send(Notice(text))
        self.expire(now_ns)
        next_ns = min(self.ends.next_ns, self._warnings.next_ns)
        if not self._looking and next_ns < NEVER_NS:
            self._looking = True
            self._later(min((next_ns - now_ns) / NS, LOOK_S), self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._look()
