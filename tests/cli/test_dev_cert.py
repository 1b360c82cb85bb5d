"""`feed dev-cert` makes what `feed serve --tls-cert` takes; tests/server/test_tls.py uses it."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from feed.cli.main import main

pytest.importorskip("trustme", reason="needs the extra dev")


def test_the_certificate_is_of_the_names_and_its_key_is_its_owners(tmp_path: Path) -> None:
    assert main(["dev-cert", "feed.example", "--folder", str(tmp_path)]) == 0
    ssl.create_default_context(cafile=str(tmp_path / "dev-ca.pem"))
    key = tmp_path / "dev-key.pem"
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "dev-cert.pem", key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dev-cert", "--folder", str(tmp_path / "none")]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
