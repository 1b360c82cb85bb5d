"""`feed dev-cert`: make a certificate for local work."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from feed.errors import KeysError, MissingExtraError

EXAMPLES = """\
examples:
  feed dev-cert                          dev-cert.pem, dev-key.pem and dev-ca.pem in this folder
  feed serve --tls-cert dev-cert.pem --tls-key dev-key.pem
  SSL_CERT_FILE=dev-ca.pem feed tail --url wss://localhost:8080

Whoever has dev-key.pem can pose as these names to those who trust dev-ca.pem: only for local work.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "dev-cert",
        help="make a TLS certificate for local work",
        description="Make a TLS certificate for local work, and the CA that clients may trust.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    names = "localhost, 127.0.0.1 and ::1"
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"names (default {names})")
    parser.add_argument("--folder", default=".", metavar="DIR", help="where to (default here)")


def run(args: argparse.Namespace) -> int:
    """Write the three files."""
    try:
        import trustme
    except ImportError:
        raise MissingExtraError("dev", "feed dev-cert") from None
    folder, authority = Path(args.folder), trustme.CA()
    issued = authority.issue_cert(*(args.names or ["localhost", "127.0.0.1", "::1"]))
    chain = b"".join(own.bytes() for own in issued.cert_chain_pems)
    _write(folder / "dev-cert.pem", chain)
    _write(folder / "dev-key.pem", issued.private_key_pem.bytes())
    _write(folder / "dev-ca.pem", authority.cert_pem.bytes())
    print("made dev-cert.pem, dev-key.pem, and dev-ca.pem for clients to trust")
    return 0


def _write(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise KeysError(path, f"cannot be written: {error.strerror}") from None
