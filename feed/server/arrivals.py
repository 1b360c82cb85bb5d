"""From accept to a session, or to Tornado: who has come, and has not been heard yet.

A plain handshake is taken here. Everything else is Tornado's, with every byte unread, so that there
is one place that answers what is wrong, and it does not know that somebody has looked before.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from tornado.httputil import HTTPServerRequest

from feed.server.entrance import Entrance, answer
from feed.server.plain import read_head
from feed.server.turn import Turn

LOOK_BYTES: Final = 4_096
"""The most that a plain handshake may have, with the commands that come along."""

GRACE_S: Final = 0.5
"""How long a request is waited for here; a browser may open a connection long before it uses it."""

MORE: Final = getattr(socket, "MSG_MORE", 0)
"""Has the kernel send the answer together with the welcome, which follows at once."""

TakeOver = Callable[[socket.socket, Any], None]


class Arrival:
    """A connection of which nothing was read; a request finds here what Tornado has for it."""

    __slots__ = ("address", "socket", "timer")

    def __init__(self, sock: socket.socket, address: Any) -> None:
        self.socket = sock
        self.address = address
        self.timer: asyncio.TimerHandle | None = None

    @property
    def remote_ip(self) -> str:
        """The peer's address."""
        return str(self.address[0])

    @property
    def context(self) -> Arrival:
        """What has the `remote_ip`."""
        return self

    stream = context
    """What has the `socket`."""


class Arrivals:
    """Looks at what each connection begins with, in its turn.

    Args:
        turn: their own, so that a crowd of them leaves the sessions their share of time.
        http: takes over what is no plain handshake.
    """

    def __init__(self, entrance: Entrance, turn: Turn, http: TakeOver) -> None:
        self._entrance = entrance
        self._turn = turn
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._here: dict[Arrival, None] = {}

    def take(self, sock: socket.socket, address: Any) -> None:
        """Take a connection that was accepted."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrival = Arrival(sock, address)
        self._here[arrival] = None
        self._queue(arrival)

    def stop(self) -> None:
        """Leave everybody who is here to Tornado."""
        for arrival in list(self._here):
            self._hand_over(arrival)

    def _queue(self, arrival: Arrival) -> None:
        self._turn.add(partial(self._step, arrival))

    def _step(self, arrival: Arrival) -> bool:
        if arrival in self._here:
            self._look(arrival)
        return False

    def _look(self, arrival: Arrival) -> None:
        try:
            data = arrival.socket.recv(LOOK_BYTES, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            self._await(arrival)
        except OSError:
            self._hand_over(arrival)
        else:
            if not self._open(arrival, data):
                self._hand_over(arrival)

    def _await(self, arrival: Arrival) -> None:
        self._loop.add_reader(arrival.socket, self._on_readable, arrival)
        if arrival.timer is None:
            arrival.timer = self._loop.call_later(GRACE_S, self._hand_over, arrival)

    def _on_readable(self, arrival: Arrival) -> None:
        self._loop.remove_reader(arrival.socket)
        self._queue(arrival)

    def _hand_over(self, arrival: Arrival) -> None:
        self._leave(arrival)
        self._http(arrival.socket, arrival.address)

    def _leave(self, arrival: Arrival) -> None:
        del self._here[arrival]
        if arrival.timer is not None:
            arrival.timer.cancel()
            self._loop.remove_reader(arrival.socket)

    def _open(self, arrival: Arrival, data: bytes) -> bool:
        """Open the session of a plain handshake; tells whether it was one."""
        head = read_head(data)
        if head is None:
            return False
        entrance = self._entrance
        try:
            request = HTTPServerRequest(
                start_line=head.start_line,
                headers=head.headers,
                connection=cast(Any, arrival),
            )
            if entrance.gate.policy.refusal(request) is not None:
                return False
            principal = entrance.admit(request)
        except Exception:  # it is refused, or a mistake of ours: Tornado meets it too, and answers
            return False
        self._leave(arrival)
        sock, reply = arrival.socket, answer(request)
        try:
            sock.recv(len(data))
            sock.send(reply, MORE)
        except OSError:  # it has gone already
            sock.close()
            return True
        batched = request.query_arguments.get("batch", [b"0"])[-1] == b"1"
        early = data[head.size :]
        entrance.open(request, sock, early, principal=principal, batched=batched)
        return True
