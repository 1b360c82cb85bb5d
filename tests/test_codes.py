from __future__ import annotations

from feed import codes
from feed.codes import STAY_AWAY, CloseCode
from feed.protocol.frames import read_close


def test_the_number_says_whether_to_come_back() -> None:
    assert not STAY_AWAY & set(range(4000, 4100))
    assert set(range(4500, 4600)) <= STAY_AWAY
    back = {code.name for code in CloseCode if code >= 4000 and code not in STAY_AWAY}
    assert back == {
        "DRAINING", "SLOW_CONSUMER", "NO_HEARTBEAT", "EPOCH_CHANGED", "TOKEN_EXPIRED",
    }  # fmt: skip


def test_a_server_that_goes_away_is_come_back_to() -> None:
    assert CloseCode.GOING_AWAY not in STAY_AWAY
    assert CloseCode.INTERNAL_ERROR not in STAY_AWAY


def test_every_close_code_may_be_sent() -> None:
    assert all(read_close(code.to_bytes(2, "big")) == (code, "") for code in CloseCode)


def test_error_codes_are_their_own_names_in_lower_case() -> None:
    words = {name: own for name, own in vars(codes).items() if isinstance(own, str)}
    public = {name: own for name, own in words.items() if name.isupper()}
    assert public
    assert all(own == name.lower() for name, own in public.items())
