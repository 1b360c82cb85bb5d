"""Send commands that subscribe, and wait for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from feed import codes
from feed.client.commands import Change
from feed.client.conversation import Conversation
from feed.client.line import PACE_S, Line
from feed.errors import ConnectionFailed, MessageError
from feed.protocol.messages import ErrorMessage, Rejection, Subscribed

ANSWER_TIMEOUT_S: Final = 10.0


class Subscribing:
    """The subscribing half of a connection.

    Args:
        move_on: reads from the connection until a condition may have become true.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        conversation: Conversation,
        move_on: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._line = line
        self._conversation = conversation
        self._move_on = move_on

    async def settle(self, changes: list[Change]) -> Subscribed:
        """Send commands and wait for their answers, reading on meanwhile.

        Raises:
            MessageError: the server refused one.
            ConnectionFailed: there was no answer in time, or there is no connection any more.
        """
        for change in changes:
            self._line.send(change)
        rejected: list[Rejection] = []
        ack = Subscribed(self._conversation.subscriptions)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                for change in changes:
                    ack = await self._answer(change)
                    rejected += ack.rejected
        except TimeoutError:
            raise self._unanswered() from None
        finally:
            self._conversation.forget(changes)
        return Subscribed(ack.subscriptions, id=ack.id, rejected=rejected)

    async def _answer(self, change: Change) -> Subscribed:
        conversation = self._conversation
        while (answer := conversation.answer(change)) is None:
            if self._line.ended:
                raise ConnectionFailed(f"{self._name} is closed")
            await self._move_on(lambda: conversation.answer(change) is not None)
        if isinstance(answer, ErrorMessage) and answer.code == codes.TOO_MANY_COMMANDS:
            await asyncio.sleep(PACE_S)
            conversation.again(change)
            self._line.send(change)
            return await self._answer(change)
        if isinstance(answer, ErrorMessage):
            raise MessageError(answer.code, answer.message, id=answer.id)
        return answer

    def _unanswered(self) -> ConnectionFailed:
        how = "did not answer" if self._line.connected else "could not be reached"
        return ConnectionFailed(
            f"{self._name} {how} within {ANSWER_TIMEOUT_S:g} s (the command stands all the same)"
        )
