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
SPEED: Final = 60
MINUTES: Final = 45


def main(picture: Path, scheme: str = "dark") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = folder / "synthetic.csv.gz"
        ticks = str(MINUTES * 60 * 80)
        market = ("--symbols", NAMES, "--ticks", ticks, "--rate", "80", "--seed", "7")
        assert run("simulate", "--out", str(tape), *market).returncode == 0
        replay = ("--replay", str(tape), "--speed", str(SPEED))
        with serving(folder, *replay) as feed, chromium() as browser:
            url = f"http://127.0.0.1:{feed.port}/?symbols={NAMES.replace('/', '%2F')}"
            page = Desk(browser, url, color_scheme=scheme)
            page.page.keyboard.press("3")
            page.page.wait_for_timeout((MINUTES - 5) / SPEED * 60_000)
            page.page.mouse.move(0, 0)
            page.page.screenshot(path=picture)
            page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE, *sys.argv[2:3])
