"""`feed token`: make a JSON Web Token, for development."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Final

from feed.cli import grants
from feed.errors import KeysError

DEFAULT_KEY: Final = "feed-dev.key"

EXAMPLES = """\
examples:
  feed token --principal desk-2 --symbols 'AAPL,BTC*' --expires 1h
  feed serve --authentication required --jwt-key feed-dev.key
  FEED_TOKEN=$(feed token --principal me --symbols '*' --expires 8h) feed tail
  feed token --principal ci --key ed25519.pem     signed with a private key; serve its public one

The token goes to standard output. A key file that is missing is made: an HMAC secret.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "token",
        help="make a token for development",
        description="Make a JSON Web Token. In production, let your own issuer make them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("--principal", required=True, metavar="NAME", help="whose token it is")
    option("--expires", type=grants.seconds, default=3600, metavar="TIME", help="default 1h")
    option("--audience", default="feed", metavar="TEXT", help="aud (default feed)")
    option("--issuer", metavar="TEXT", help="iss (default none)")
    option("--kid", metavar="TEXT", help="name of the key, where a JWKS has several")
    option(
        "--key",
        metavar="FILE",
        help=f"HMAC secret or PEM private key (default FEED_JWT_KEY, or {DEFAULT_KEY})",
    )
    grants.add(parser)


def run(args: argparse.Namespace) -> int:
    """Print a token."""
    from feed.sessions.entitlements import read_entitlements, read_name
    from feed.sessions.tokens import CLAIM, sign

    path = Path(args.key or os.environ.get("FEED_JWT_KEY") or DEFAULT_KEY)
    entitlements = grants.entitlements(args)
    now = int(time.time())
    try:
        read_entitlements(entitlements)
        claims = {
            "sub": read_name(args.principal),
            "aud": args.audience,
            "iat": now,
            "exp": now + args.expires,
            CLAIM: entitlements,
        }
        if args.issuer:
            claims["iss"] = args.issuer
        token = sign(claims, _key(path), args.kid)
    except ValueError as error:
        raise KeysError(path, str(error)) from None
    print(token)
    return 0


def _key(path: Path) -> bytes:
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(48) + "\n")
            told = f"made {path}; serve with --authentication required --jwt-key {path}"
            print(f"feed: {told}", file=sys.stderr)
        return path.read_bytes()
    except OSError as error:
        raise KeysError(path, f"cannot be used: {error.strerror}") from None
