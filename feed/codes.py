"""Numbers and words that mean the same on every wire, in logs and in metrics."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """WebSocket close codes. The number says whether to come back: 40xx yes, 45xx no.

    EPOCH_CHANGED is reserved: clients know it, and nothing here sends it.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_PAYLOAD = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    DRAINING = 4000
    SLOW_CONSUMER = 4001
    NO_HEARTBEAT = 4002
    EPOCH_CHANGED = 4003
    TOKEN_EXPIRED = 4004
    BAD_MESSAGE = 4500
    UNAUTHENTICATED = 4501
    NOT_ENTITLED = 4502
    LIMIT_EXCEEDED = 4503


STAY_AWAY: Final = frozenset({1002, 1003, 1007, 1009}) | frozenset(range(4500, 4600))
"""Codes after which the same client would only fail again; on every other, come back."""

# Error codes of the native wire; docs/PROTOCOL.md explains each.
BAD_JSON: Final = "bad_json"
BAD_MESSAGE: Final = "bad_message"
UNKNOWN_TYPE: Final = "unknown_type"
UNKNOWN_SYMBOL: Final = "unknown_symbol"
BAD_SYMBOL: Final = "bad_symbol"
UNKNOWN_CHANNEL: Final = "unknown_channel"
NOT_SUBSCRIBED: Final = "not_subscribed"
NOT_ENABLED: Final = "not_enabled"
NOT_ENTITLED: Final = "not_entitled"
UNAUTHENTICATED: Final = "unauthenticated"
BAD_TOKEN: Final = "bad_token"
TOO_MANY_COMMANDS: Final = "too_many_commands"
OTHER_PRINCIPAL: Final = "other_principal"
LIMIT_EXCEEDED: Final = "limit_exceeded"
BAD_TICK: Final = "bad_tick"
