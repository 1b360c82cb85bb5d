"""How sessions come to publish; what one publishes is not sent back to it, unless it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed import codes
from feed.errors import MessageError
from feed.hub.steps import Pace, Steps
from feed.protocol.messages import Publish, Published
from feed.sessions.delivery import Delivery
from feed.sessions.move import Move
from feed.sessions.own import OwnTicks

if TYPE_CHECKING:
    from feed.sessions.session import Context, Receipt, Session


def publish(session: Session, command: Publish, context: Context) -> Steps:
    """Publish ticks, and tell what became of each.

    Raises:
        MessageError: the session may not publish at all.
    """
    if not session.principal.publish:
        text = f"{session.principal.name} may not publish on this feed"
        raise MessageError(codes.NOT_ENTITLED, text, id=command.id)
    # Who is served late gets its own ticks late too: nothing of them is on its way now.
    kept_from = not command.echo and not session.principal.delay_s
    if kept_from:
        yield from _hold_back(session.delivery)
    if session.ended:  # what was owed already was too much
        return
    receipt = context.publish(session.principal, command.ticks)
    if kept_from:
        _take_back(session.delivery, receipt)
    session.send(Published(len(receipt.ticks), receipt.seqs, receipt.rejected, id=command.id))


def _hold_back(delivery: Delivery) -> Steps:
    """Send what is pending, so that what comes next is only what this session publishes.

    From the first time on its cohort is its own: what it does not get must not be kept from
    others, and they pay nothing for it, neither per tick nor per flush.
    """
    subscriber = delivery.subscriber
    cohort = subscriber.cohort
    if subscriber.own is None:
        subscriber.own = OwnTicks()
        if cohort is not None:
            held = cohort.subscriptions
            yield from Move(held, held).make(delivery, Pace())
    elif cohort is not None:
        subscriber.hub.flush_cohort(cohort)


def _take_back(delivery: Delivery, receipt: Receipt) -> None:
    """Keep the session's own ticks from it, with a notice for each hole that this makes."""
    cohort, own = delivery.subscriber.cohort, delivery.subscriber.own
    if cohort is None or own is None:
        return
    cohort.clear()
    stream_of = delivery.subscriber.hub.index.stream_of
    for entry in own.sift(receipt.burst, receipt.ticks, cohort, stream_of):
        delivery.put(entry)
