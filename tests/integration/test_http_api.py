"""The document at /v1/openapi.json is true: schemathesis calls everything in it in every way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.running import environment, serving

EXAMPLES = 8
LIMIT_S = 150


@pytest.mark.timeout(LIMIT_S + 20)
def test_the_api_does_what_its_document_says(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="the extra 'test' is not installed")
    program = Path(sys.executable).with_name("st")
    with serving(
        tmp_path, "--anonymous-publish", "*"
    ) as feed:  # so that any symbol may be asked for
        url = f"http://127.0.0.1:{feed.port}/v1/openapi.json"
        options = ["--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"]
        result = subprocess.run(
            [str(program), "run", url, *options],
            cwd=tmp_path,
            env={**environment(), "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        assert " ERROR " not in feed.log
