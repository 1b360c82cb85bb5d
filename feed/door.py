"""What stands at the door of a process, from its settings: who may come in, and how many."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path
from typing import cast

from feed.errors import KeysError, SettingError
from feed.hub.journal import TICK_BYTES
from feed.server import descriptors
from feed.server.gate import Gate
from feed.server.policy import Policy
from feed.server.tls import Certificate
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority, Mode, Trusted
from feed.sessions.entitlements import STRANGER, Principal
from feed.sessions.keys import load
from feed.sessions.limits import Limits
from feed.sessions.rates import Rate
from feed.sessions.tokens import Tokens, load_verifiers
from feed.settings import Settings
from feed.symbols import SymbolSet
from feed.watched import Watched

log = logging.getLogger(__name__)


def authority_of(settings: Settings) -> Authority:
    """Read the keys that the settings name.

    Raises:
        SettingError: they do not go together, or a file of keys cannot be used.
        MissingExtraError: a package for tokens is not installed.
    """
    _check(settings)
    files = [Path(own) for own in (settings.api_keys, settings.jwt_key) if own]
    watched = Watched(files)
    anonymous = Principal(
        STRANGER,
        subscribe=SymbolSet(settings.anonymous_subscribe),
        publish=SymbolSet(settings.anonymous_publish),
        delay_s=settings.anonymous_delay_s,
        admin=settings.anonymous_admin,
    )
    try:
        return Authority(
            cast(Mode, settings.authentication),
            anonymous,
            load=lambda: _trusted(settings),
            changed=watched.changed,
        )
    except KeysError as error:
        named = "--api-keys" if str(error.path) == settings.api_keys else "--jwt-key"
        raise SettingError(named, str(error)) from None


def _trusted(settings: Settings) -> Trusted:
    keys = load(Path(settings.api_keys)) if settings.api_keys else None
    if not settings.jwt_key:
        return Trusted(keys)
    verifiers = load_verifiers(Path(settings.jwt_key), settings.jwt_algorithms)
    tokens = Tokens(verifiers, audience=settings.jwt_audience, issuer=settings.jwt_issuer)
    return Trusted(keys, tokens)


def _check(settings: Settings) -> None:
    mode, known = settings.authentication, settings.api_keys or settings.jwt_key
    if mode == "none" and not settings.insecure and not is_loopback(settings.host):
        raise SettingError(
            "--host",
            f"{settings.host} can be reached from other machines, and --authentication is none: "
            "set --authentication required with --api-keys or --jwt-key, or --insecure",
        )
    if mode != "none" and not known:
        text = f"is {mode}, so --api-keys or --jwt-key must name those who are known"
        raise SettingError("--authentication", text)
    if mode == "none" and known:
        text = "is none, so nobody is asked for a key or token: set optional or required"
        raise SettingError("--authentication", text)


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def tell_delays(authority: Authority, settings: Settings) -> set[int]:
    """Give the delays of those who are known, and say what the journal suffices for."""
    delays_s = authority.delays_s
    ticks = settings.journal_limit_bytes // TICK_BYTES
    for delay_s in sorted(delays_s):
        log.info(
            "delayed by %d s is served from the journal, which suffices up to %.4g ticks/s of one "
            "stream, and %.4g of all: of a stream that goes on faster nobody delayed gets any "
            "tick, only word that all are skipped (see --journal-ticks-per-stream and "
            "--journal-limit-bytes)",
            delay_s,
            settings.journal_ticks_per_stream / delay_s,
            ticks / delay_s,
        )
    return delays_s


def limits_of(settings: Settings) -> Limits:
    """Give the bounds of sessions."""
    return Limits(
        settings.outbox_limit_bytes,
        settings.session_subscriptions,
        settings.session_wildcards,
        settings.message_limit_bytes,
        settings.silence_limit_s,
        _sessions(settings.connection_limit),
        principal_sessions=settings.principal_sessions,
        unauthenticated_sessions=settings.unauthenticated_sessions,
        commands=Rate(settings.commands_per_s),
        authentication_s=settings.authentication_timeout_s,
    )


def addresses_of(settings: Settings) -> Addresses:
    """Give the bounds of addresses."""
    return Addresses(
        settings.address_sessions,
        settings.address_handshakes_per_s,
        map(ipaddress.ip_network, settings.trusted_proxies),
    )


def gate_of(settings: Settings) -> Gate:
    """Give what is asked of a connection.

    Raises:
        SettingError: the certificate cannot be used.
    """
    return Gate(
        Policy(settings.allowed_hosts, settings.allowed_origins),
        _certificate(settings),
        settings.token_in_url,
        settings.handshake_timeout_s,
    )


def _certificate(settings: Settings) -> Certificate | None:
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        named = "--tls-cert" if certificate else "--tls-key"
        raise SettingError(named, "needs the other of --tls-cert and --tls-key")
    return Certificate(Path(certificate), Path(key))


def _sessions(wanted: int | None) -> int:
    """Give how many sessions there may be: no more than there are descriptors for."""
    allowed = descriptors.raise_limit()
    possible = descriptors.for_sessions(allowed)
    if wanted is not None and wanted > possible:
        text = "connection_limit is %d, as RLIMIT_NOFILE is %d (%d was asked for)"
        log.warning(text, possible, allowed, wanted)
    return min(wanted or possible, possible)
