"""The page's chart library: TradingView Lightweight Charts 5.2, which other packages carry.

The extra `charts` installs the PyPI package lwcharts, whose file is that of the npm package
lightweight-charts 5.2.0, byte for byte. It is served only if its hash is the one given here: it
runs in the page of whoever opens it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGE: Final = "lwcharts"
FILE: Final = "vendor/lightweight-charts.standalone.production.js"
SHA256: Final = "c0992580867c4912cc9385b3c2728315bcc1a76c7f1087dca908430fccdf31d7"

STYLE: Final = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='"
"""Of the one style sheet that the library adds to a page, that of its logo; for the policy."""


class NoCharts(Exception):
    """The library is not there, or is another than the one this feed was tested with."""


@lru_cache(maxsize=1)
def library() -> bytes:
    """Give the library's script.

    Raises:
        NoCharts: the message says what to install.
    """
    file = _installed()
    body = file.read_bytes()
    found = hashlib.sha256(body).hexdigest()
    if found != SHA256:
        raise NoCharts(
            f"the chart library must have sha256 {SHA256[:12]}…, was {found[:12]}… "
            f"(install feed[charts], which pins it)"
        )
    return body


def _installed() -> Path:
    spec = find_spec(PACKAGE)  # importing it would bring pandas into the server
    folders = [Path(own) for own in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    raise NoCharts("no chart library: install the extra charts (pip install 'feed[charts]')")
