from __future__ import annotations

import logging
import shutil
import ssl
from pathlib import Path

import pytest

from feed.cli.main import main
from feed.errors import SettingError
from feed.server.tls import Certificate

pytest.importorskip("trustme", reason="needs the extra dev")


def made(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    assert main(["dev-cert", "--folder", str(folder)]) == 0
    return folder / "dev-cert.pem", folder / "dev-key.pem"


def serial(certificate: Certificate, ca: Path) -> str:
    """Shake hands in memory and give the serial number of what the server shows."""
    client = ssl.create_default_context(cafile=str(ca))
    client.check_hostname, client.verify_mode = False, ssl.CERT_OPTIONAL
    client.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    serving = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (asking, serving):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert asking.version() == "TLSv1.3"
    shown = asking.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


def test_only_new_versions_and_authenticated_encryption_are_spoken(tmp_path: Path) -> None:
    context = Certificate(*made(tmp_path)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert all(own["aead"] for own in context.get_ciphers())


def test_a_new_certificate_is_shown_and_a_bad_one_leaves_the_old(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    certificate = Certificate(*made(first))
    before = serial(certificate, first / "dev-ca.pem")
    assert not certificate.reload()
    made(second)
    for name in ("dev-cert.pem", "dev-key.pem"):
        shutil.copy(second / name, first / name)
    assert [certificate.reload() for _ in range(2)] == [False, True]
    after = serial(certificate, second / "dev-ca.pem")
    assert after != before
    (first / "dev-cert.pem").write_text("no certificate")
    with caplog.at_level(logging.ERROR):
        assert [certificate.reload() for _ in range(4)] == [False] * 4
    assert certificate.reload_failures == 1
    assert [own.levelname for own in caplog.records].count("ERROR") == 1
    assert "the TLS certificate in force stays" in caplog.text
    assert serial(certificate, second / "dev-ca.pem") == after
    assert not certificate.reload(asked=True)
    assert certificate.reload_failures == 2


def test_files_that_do_not_match_or_are_not_there_stop_the_start(tmp_path: Path) -> None:
    cert, _ = made(tmp_path / "a")
    _, key = made(tmp_path / "b")
    with pytest.raises(SettingError, match="--tls-cert cannot be used: key values mismatch"):
        Certificate(cert, key)
    with pytest.raises(SettingError, match="no such file"):
        Certificate(cert, tmp_path / "none")


def test_a_key_with_a_password_is_refused_and_nothing_is_asked(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    cert, path = made(tmp_path)
    key = pem.load_pem_private_key(path.read_bytes(), None)
    locked = pem.BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked))
    with pytest.raises(SettingError, match="the key has a password"):
        Certificate(cert, path)
