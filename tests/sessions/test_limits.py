from __future__ import annotations

from feed.sessions.limits import Limits
from feed.settings import Settings


def test_the_defaults_are_those_of_the_settings() -> None:
    settings, limits = Settings(), Limits()
    assert limits.outbox_bytes == settings.outbox_limit_bytes
    assert limits.subscriptions == settings.session_subscriptions
    assert limits.wildcards == settings.session_wildcards
    assert limits.message_bytes == settings.message_limit_bytes
    assert limits.silence_s == settings.silence_limit_s


def test_conflation_leaves_room_for_events() -> None:
    assert Limits(outbox_bytes=1000).watermark_bytes == 500
