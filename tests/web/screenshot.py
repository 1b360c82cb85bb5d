"""Take the picture of the README from the real page: `python -m tests.web.screenshot [FILE]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.integration.running import run, serving
from tests.web.javascript import ROOT
from tests.web.pages import Desk, chromium

PICTURE: Final = ROOT / "docs" / "dashboard.png"
NAMES: Final = (
    "AAPL,MSFT,NVDA,AMZN,GOOG,TSLA,IBM,BTC-USD,AMD,INTC,META,NFLX,ORCL,JPM,KO,XOM,ETH-USD,EUR/USD"
)
MINUTES: Final = 40
"""Of the tape, played fast up to the last seconds before the picture."""

SPEEDS: Final = {"60": MINUTES - 5, "1": 80}
"""For how many seconds each: the last so long that all the latencies shown are of it."""


def main(picture: Path, scheme: str = "dark") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = folder / "synthetic.csv.gz"
        ticks = str(MINUTES * 60 * 80)
        market = ("--symbols", NAMES, "--ticks", ticks, "--rate", "80", "--seed", "7")
        assert run("simulate", "--out", str(tape), *market).returncode == 0
        replay = ("--replay", str(tape), "--anonymous-admin", "--heartbeat-interval-s", "1")
        with serving(folder, *replay) as feed, chromium() as browser:
            url = f"http://127.0.0.1:{feed.port}/?symbols={NAMES.replace('/', '%2F')}"
            page = Desk(browser, url, color_scheme=scheme)
            page.page.keyboard.press("3")
            for speed, seconds in SPEEDS.items():
                page.page.select_option("#playback .speed", speed)
                page.wait_for_text("#sources", f"×{speed}")
                page.page.wait_for_timeout(1000 * seconds)
            page.page.keyboard.press("w")
            page.page.evaluate("() => document.activeElement.blur()")
            page.page.screenshot(path=picture)
            page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE, *sys.argv[2:3])
