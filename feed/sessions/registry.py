"""All sessions of a process: how they are opened, kept alive and sent home."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal

from feed.clock import Clock
from feed.codes import CloseCode
from feed.hub.hub import Hub
from feed.logs import Failures
from feed.protocol.codec import encode
from feed.protocol.frames import Opcode, control_frame, text_frame
from feed.protocol.messages import (
    PROTOCOL_VERSION,
    Epoch,
    Heartbeat,
    Notice,
    SourcePosition,
    Welcome,
)
from feed.sessions.addresses import Addresses
from feed.sessions.admission import Admission
from feed.sessions.auth import Authority
from feed.sessions.delivery import Transport
from feed.sessions.entitlements import Principal
from feed.sessions.limits import Limits
from feed.sessions.requests import Universe
from feed.sessions.session import Receipt, Session
from feed.sessions.tiers import Tier, Tiers

log = logging.getLogger(__name__)

PING: Final = control_frame(Opcode.PING)
"""Every WebSocket library answers it by itself, so that a peer that is there can be told from one
that is not, whatever its program does."""

BEATS: Final = 50
"""Into how many parts a heartbeat interval is cut, so that never all sessions beat at once."""

ANNOUNCE_S: Final = 0.5
"""Over how long a notice reaches everybody: all at once would be felt."""

DRAIN_STEPS: Final = 20
"""Over how many steps the sessions of a draining process are sent home, so that they do not come
back to the next one all at once."""


class Registry:
    """Opens sessions and knows every one that is open.

    Attributes:
        admission: who the sessions are.
        tiers: the hubs that are late.
        connections: sockets in use, also of sessions that have ended and wait for the peer's close.
        draining: whether sessions are being sent home, and none is to be opened.

    Args:
        sources: tells each source's state, for heartbeats.
        later: calls a function once, after a delay in seconds.
        authority: says who somebody is.
        publish: takes the ticks that a principal sends.
        addresses: counts what each address uses.
        positions: tells how far each source has come, for heartbeats.
    """

    def __init__(
        self,
        hub: Hub,
        epoch: str,
        universe: Universe,
        *,
        clock: Clock,
        limits: Limits,
        heartbeat_interval_s: float,
        sources: Callable[[], Mapping[str, str]],
        later: Callable[[float, Callable[[], None]], object],
        authority: Authority | None = None,
        publish: Callable[[Principal, list[Any]], Receipt],
        addresses: Addresses | None = None,
        positions: Callable[[], dict[str, SourcePosition]] = dict,
    ) -> None:
        self.hub = hub
        self.clock = clock
        self.limits = limits
        self.universe = universe
        self.later = later
        self.tiers = Tiers(Tier(hub, clock, limits, later))
        self.admission = Admission(
            authority or Authority(),
            clock=clock,
            limits=limits,
            later=later,
            metrics=hub.metrics,
            addresses=addresses,
        )
        self.publish = publish
        self._positions = positions
        self.epoch = epoch
        self.connections = 0
        self.draining = False
        self._heartbeat_interval_s = heartbeat_interval_s
        # Counted in beats, not in seconds: a process that was stopped itself blames nobody.
        self._patience_beats = max(2, math.ceil(limits.silence_s / heartbeat_interval_s))
        self._patrol_beats = max(1, round(1 / self.beat_interval_s))
        self._sources = sources
        self._slots: list[dict[str, Session]] = [{} for _ in range(BEATS)]
        self._beats = 0
        self._failures = Failures(log, "heartbeats")

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def __iter__(self) -> Iterator[Session]:
        for slot in self._slots:
            yield from slot.values()

    @property
    def beat_interval_s(self) -> float:
        """How often `beat` is to be called."""
        return self._heartbeat_interval_s / BEATS

    @property
    def authority(self) -> Authority:
        """Says who somebody is."""
        return self.admission.authority

    def open(
        self, transport: Transport, *, batched: bool, peer: str, principal: Principal | None = None
    ) -> Session:
        """Begin a conversation: the client is told welcome.

        Args:
            principal: who it is, where that is known already.
        """
        name = self._new_name()
        principal = principal or self.authority.newcomer
        session = Session(name, transport, self, principal, batched=batched)
        session.address = peer
        self.admission.addresses.sessions[peer] += 1
        self._slot(session)[session.name] = session
        self.connections += 1
        self.hub.metrics.sessions_opened += 1
        log.info("session %s opened from %s", name, peer)
        mode, interval_s = self.authority.mode, self._heartbeat_interval_s
        session.send(Welcome(PROTOCOL_VERSION, name, self.epoch, interval_s, mode))
        self.admission.open(session)
        return session

    def closed(self, session: Session, code: int) -> None:
        """Forget a session that has ended."""
        self._slot(session).pop(session.name, None)
        self.admission.closed(session)
        closed = self.hub.metrics.sessions_closed
        closed[code] = closed.get(code, 0) + 1
        log.info("session %s closed with %d", session.name, code)

    def gone(self, session: Session) -> None:
        """Take note that the socket of a session is closed."""
        self.connections -= 1
        self.admission.addresses.left(session.address)

    def beat(self, lag_ms: float) -> None:
        """Send the heartbeat of one part of the sessions, and give up those that are silent.

        What fails here is told, and keeps nothing else of a beat from being done.

        Args:
            lag_ms: how late the event loop is at the moment.
        """
        self._beats += 1
        told = self._failures.told
        if self._beats % self._patrol_beats == 0:
            with told():
                self.admission.patrol(self)
        with told():
            self.admission.expire(self.clock.now_ns())
        with told():
            self.tiers.catch_up()
        with told():
            self._beat_slot(lag_ms)

    def _beat_slot(self, lag_ms: float) -> None:
        slot = self._slots[self._beats % BEATS]
        if not slot:
            return
        beats = self._heartbeats(lag_ms)
        shared = {sees: text_frame(encode(own)) for sees, own in beats.items()}
        for session in list(slot.values()):
            sees = session.principal.sees_positions
            try:
                self._beat_one(session, beats[sees], shared[sees])
            except Exception as error:
                self._failures.tell(error)

    def _beat_one(self, session: Session, beat: Heartbeat, shared: bytes) -> None:
        """Send a heartbeat to one session; `shared` is that of those to which nothing is owed."""
        session.quiet_beats += 1
        if session.quiet_beats > self._patience_beats:
            session.give_up()
            return
        if session.delivery.outbox is None:
            session.delivery.send(shared)
        else:
            beat.queued_bytes = session.delivery.queued_bytes
            session.send(beat)
        if session.quiet_beats > self._patience_beats // 2:
            session.delivery.send(PING)

    def _heartbeats(self, lag_ms: float) -> dict[bool, Heartbeat]:
        """Give the heartbeat of those who see positions (True), and that of all others."""
        now_ns, states = self.clock.now_ns(), dict(self._sources())
        return {
            True: Heartbeat(now_ns, 0, lag_ms, states, self._positions()),
            False: Heartbeat(now_ns, 0, lag_ms, states),
        }

    def announce(self, message: str) -> None:
        """Tell everybody, one part of the sessions after the other."""
        log.info("notice to all: %s", message)
        frame = text_frame(encode(Notice(message)))
        for number, slot in enumerate(self._slots):
            self.later(number * ANNOUNCE_S / BEATS, partial(_send_all, slot, frame))

    def restart(self, epoch: str, reason: Literal["seek"]) -> None:
        """Tell everybody that a new numbering begins; their snapshots follow as they read."""
        self.epoch = epoch
        self.tiers.restart()
        told = Epoch(epoch, reason)
        for session in list(self):
            session.restart(told)

    def drain(self) -> int:
        """Send home some of the sessions to which nothing is owed; gives how many are left.

        Once this was called no session is to be opened any more.
        """
        self.draining = True
        ready = [
            own for slot in self._slots for own in slot.values() if own.delivery.outbox is None
        ]
        for session in ready[: max(DRAIN_STEPS, len(self) // DRAIN_STEPS)]:
            session.close(CloseCode.DRAINING, "draining")
        return len(self)

    def close_all(self) -> None:
        """Send everybody home at once, whatever they are owed."""
        for slot in self._slots:
            for session in list(slot.values()):
                session.close(CloseCode.DRAINING, "draining")

    def _new_name(self) -> str:
        while True:
            name = secrets.token_hex(4)
            if name not in self._slots[int(name, 16) % BEATS]:
                return name

    def _slot(self, session: Session) -> dict[str, Session]:
        return self._slots[int(session.name, 16) % BEATS]


def _send_all(slot: dict[str, Session], frame: bytes) -> None:
    for session in list(slot.values()):
        session.delivery.send(frame)
