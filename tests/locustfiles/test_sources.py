from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from feed.errors import FeedError
from locustfiles.sources import Sources
from tests.integration.running import serving

MARKET = ("--simulate", "2", "--rate", "10")


def test_sources_play_at_a_share_of_what_they_were_found_at(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET, "--anonymous-admin") as feed:
        url = f"http://127.0.0.1:{feed.port}/v1/sources"
        sources, speeds = Sources(url, None), []
        for share in (0.05, 1.0):
            sources.play_at(share)
            with urlopen(url) as answer:
                speeds += [own["speed"] for own in json.load(answer)["sources"]]
    assert speeds == [0.05, 1.0]


def test_who_may_not_control_them_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET) as feed:
        url = f"http://127.0.0.1:{feed.port}/v1/sources"
        with pytest.raises(
            FeedError, match=r"^none of the 1 sources of .* may be controlled by us"
        ):
            Sources(url, None)


def test_a_server_without_sources_is_told() -> None:
    with pytest.raises(FeedError, match=r"^http://127.0.0.1:9/v1/sources does not control sources"):
        Sources("http://127.0.0.1:9/v1/sources", None)
