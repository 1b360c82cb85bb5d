"""Where peers come from: the address that counts, and how much of the feed each one uses."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from feed.sessions.rates import Rate, Rates

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SUBNET: Final = 64
"""An IPv6 peer has at least a /64 to itself, so that is what counts as one address."""


class Addresses:
    """Counts sessions and handshakes by address.

    Args:
        sessions: how many one address may have at a time; None takes any number from loopback,
            where a proxy or a load test stands for many, and `SESSIONS` from elsewhere.
        handshakes_per_s: likewise how often it may begin one.
        trusted: proxies whose X-Forwarded-For is believed.
    """

    SESSIONS: Final = 1_000
    HANDSHAKES_PER_S: Final = 50.0
    BURST: Final = 200

    def __init__(
        self,
        sessions: int | None = None,
        handshakes_per_s: float | None = None,
        trusted: Iterable[Network] = (),
    ) -> None:
        self.sessions: Counter[str] = Counter()
        self._most = sessions
        self._limits_loopback = handshakes_per_s is not None
        rate = handshakes_per_s or self.HANDSHAKES_PER_S
        self._handshakes = Rates(Rate(rate, max(1, min(self.BURST, round(rate * 4)))))
        self._trusted = list(trusted)

    def of(self, peer: str, forwarded: str = "") -> str:
        """Give the address that counts for a peer, X-Forwarded-For read only from trusted ones."""
        hops = [own.strip() for own in forwarded.split(",")] if forwarded else []
        while hops and self._trusts(_address(peer)):
            hop = hops.pop()
            if _address(hop) is None:
                break
            peer = hop
        return _key(peer)

    def has_room(self, key: str) -> bool:
        """Tell whether an address may have another session."""
        most = self._most or (None if _is_loopback(key) else self.SESSIONS)
        return most is None or self.sessions[key] < most

    def may_shake(self, key: str, now_s: float) -> bool:
        """Count a handshake, and tell whether it is not too soon."""
        if not self._limits_loopback and _is_loopback(key):
            return True
        return self._handshakes.allow(key, now_s)

    def left(self, key: str) -> None:
        """Take note that a session of an address has ended."""
        self.sessions[key] -= 1
        if self.sessions[key] <= 0:
            del self.sessions[key]

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=1_000)
def _key(peer: str) -> str:
    address = _address(peer)
    if address is None:
        return peer[:64]
    if address.version == 4 or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((int(address), SUBNET), strict=False))


@lru_cache(maxsize=1_000)
def _is_loopback(key: str) -> bool:
    address = _address(key)
    return address is not None and address.is_loopback
