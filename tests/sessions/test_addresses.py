from __future__ import annotations

from ipaddress import ip_network

import pytest

from feed.sessions.addresses import Addresses

PROXY = Addresses(trusted=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
        ("x" * 99, "x" * 64),
    ],
)
def test_an_ipv6_peer_counts_by_its_64(peer: str, counts_as: str) -> None:
    assert Addresses().of(peer) == counts_as


@pytest.mark.parametrize(
    ("peer", "forwarded", "counts_as"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6,192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "junk\n", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("fd00::1", "[2001:db8::1]", "2001:db8::/64"),
        ("192.0.2.9", "10.0.0.1, 192.0.2.1", "192.0.2.9"),
    ],
)
def test_only_a_trusted_proxy_is_believed_and_only_its_own_word(
    peer: str, forwarded: str, counts_as: str
) -> None:
    assert PROXY.of(peer, forwarded) == counts_as


def test_loopback_has_no_limit_unless_one_is_set() -> None:
    plain, limited = Addresses(), Addresses(sessions=1, handshakes_per_s=0.25)
    for addresses in (plain, limited):
        addresses.sessions["127.0.0.1"] = 5000
    assert plain.has_room("127.0.0.1")
    assert not limited.has_room("127.0.0.1")
    assert all(plain.may_shake("127.0.0.1", 0) for _ in range(999))
    assert [limited.may_shake("127.0.0.1", 0) for _ in range(2)] == [True, False]


def test_another_address_has_limits_by_default() -> None:
    addresses = Addresses()
    addresses.sessions["192.0.2.1"] = Addresses.SESSIONS
    assert not addresses.has_room("192.0.2.1")
    assert sum(addresses.may_shake("192.0.2.1", 0) for _ in range(999)) == Addresses.BURST
