"""How sessions come to ask for more or less, in steps; a short list of symbols takes one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

from feed import codes
from feed.errors import MessageError
from feed.hub.steps import STEP, Pace, Steps
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.protocol.messages import Rejection, Subscribe, Unsubscribe
from feed.sessions.limits import Limits
from feed.sessions.move import Move
from feed.sessions.requests import not_entitled, read_channels, read_subscriptions
from feed.symbols import is_wildcard

if TYPE_CHECKING:
    from feed.sessions.session import Context, Session

_T = TypeVar("_T")


def subscribe(session: Session, command: Subscribe, context: Context) -> Steps:
    """Ask for more, or for other terms.

    Raises:
        MessageError: the command is refused as a whole, and changes nothing.
    """
    pace = Pace()
    principal = session.principal  # as it was to begin with; if it changes, that is held to next
    channels = read_channels(command.channels, command.id)
    _check_length(command, context.limits)
    asked: list[Subscription] = []
    rejected: list[Rejection] = []
    for part in _parts(list(dict.fromkeys(command.symbols))):
        if asked or rejected:
            yield
        more, refused = read_subscriptions(part, channels, context.universe, principal)
        asked += more
        rejected += refused
    before = session.subscriptions
    limits = context.limits
    most = principal.subscription_limit or limits.subscriptions
    _check_number(command, before, asked, most, limits.wildcards)
    _check_intervals(command, before, limits.intervals)
    terms = Terms(command.delivery, command.interval_ms if command.delivery == "latest" else 0)
    allowed = before.under(principal.rights)
    after = yield from _changed(allowed, asked, terms)
    move = Move(before, after, asked, snapshot=command.snapshot, resume=command.resume)
    yield from move.make(session.delivery, pace)
    session.settle(move, command.id, rejected)


def unsubscribe(session: Session, command: Unsubscribe, context: Context) -> Steps:
    """Ask for less; what a wildcard still takes goes on under the terms of that."""
    pace = Pace()
    channels = read_channels(command.channels, command.id)
    _check_length(command, context.limits)
    symbols = dict.fromkeys(command.symbols)
    before = session.subscriptions
    gone: list[Subscription] = []
    for name in symbols:
        named = (Subscription(channel, name) for channel in channels)
        gone.extend(own for own in named if own in before)
        if pace():
            yield
    after = yield from _changed(before, gone, None)
    missing = symbols.keys() - {own.pattern for own in gone}
    rejected = [_not_subscribed(name) for name in sorted(missing)]
    move = Move(before, after, gone)
    yield from move.make(session.delivery, pace)
    session.settle(move, command.id, rejected)


def hold_to_rights(session: Session) -> Steps:
    """Deliver what the principal may have now, and acknowledge it, with what was lost, if anything.

    Rights that were only gained are acknowledged too, as a wildcard may take more by them.
    """
    before = session.subscriptions
    after = before.under(session.principal.rights)
    if after is before or not len(before):
        return
    move = Move(before, after)
    yield from move.make(session.delivery, Pace())
    lost = sorted({own.symbol for own in move.ended})
    session.settle(move, None, [not_entitled(symbol, session.principal) for symbol in lost])


def _changed(
    before: Subscriptions, touched: list[Subscription], terms: Terms | None
) -> Generator[None, None, Subscriptions]:
    """Give the set with these under new terms; without terms, without these."""
    after = before
    for part in _parts(touched):
        if after is not before:
            yield
        after = after.changed(dict.fromkeys(part, terms)) if terms else after.changed({}, part)
    return after


def _parts(items: list[_T]) -> Iterator[list[_T]]:
    return (items[at : at + STEP] for at in range(0, len(items), STEP))


def _check_length(command: Subscribe | Unsubscribe, limits: Limits) -> None:
    most, named = limits.subscriptions, len(command.symbols)
    if named > most:
        text = f"a command may name {most} symbols, this one names {named}: split it"
        raise MessageError(codes.LIMIT_EXCEEDED, text, id=command.id)


def _check_number(
    command: Subscribe, before: Subscriptions, asked: list[Subscription], most: int, wild: int
) -> None:
    added = [own for own in asked if own not in before]
    held = len(before) + len(added)
    wildcards = len(before.wildcards) + sum(is_wildcard(own.pattern) for own in added)
    if held > most or wildcards > wild:
        text = (
            f"a session may hold {most} subscriptions, {wild} of them wildcards, "
            f"this would make {held} and {wildcards}"
        )
        raise MessageError(codes.LIMIT_EXCEEDED, text, id=command.id)


def _check_intervals(command: Subscribe, before: Subscriptions, most: int) -> None:
    held = before.intervals_ms
    if command.delivery != "latest" or command.interval_ms in held or len(held) < most:
        return
    text = (
        f"interval_ms must be one of {', '.join(map(str, held))}, was {command.interval_ms} "
        f"(a session may have {most} different ones)"
    )
    raise MessageError(codes.LIMIT_EXCEEDED, text, id=command.id)


def _not_subscribed(name: str) -> Rejection:
    shown = name[:64]
    return Rejection(shown, codes.NOT_SUBSCRIBED, f"{shown!a} is not subscribed on these channels")
