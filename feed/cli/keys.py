"""`feed keys`: make, list and revoke API keys."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from feed.cli import grants

DEFAULT_FILE = "feed-keys.toml"

EXAMPLES = """\
examples:
  feed keys create desk-2 --symbols 'AAPL,BTC*'   the key is shown once, on standard output
  feed keys create quant --delay 15m --session-limit 2
  feed keys create loader --symbols '' --publish '*' --file /etc/feed/keys.toml
  feed keys list
  feed keys revoke desk-2                         or the id of one key; its sessions end within 5 s
  feed serve --authentication required --api-keys feed-keys.toml

The file holds hashes only. A running feed reads it again when it changes.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke API keys",
        description="Make, list and revoke the API keys of a feed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _verb(verbs, "create", _create, "make a key for a principal").add_argument(
        "principal", metavar="PRINCIPAL", help="a name; it may have several keys"
    )
    grants.add(verbs.choices["create"])
    _verb(verbs, "list", _list, "show who has keys, and for what")
    _verb(verbs, "revoke", _revoke, "end a key").add_argument(
        "wanted", metavar="ID|PRINCIPAL", help="one key by its id, or all of a principal"
    )


def _verb(verbs: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    default = f"FEED_API_KEYS, or {DEFAULT_FILE}"
    parser.add_argument("--file", metavar="FILE", help=f"the keys (default {default})")
    return parser


def _path(args: argparse.Namespace) -> Path:
    return Path(args.file or os.environ.get("FEED_API_KEYS") or DEFAULT_FILE)


def _create(args: argparse.Namespace) -> int:
    from feed.sessions.keys import Keys, load, save

    path = _path(args)
    keys = load(path) if path.exists() else Keys()
    key = keys.create(args.principal, grants.entitlements(args), _now())
    save(path, keys)
    print(f"{args.principal} is in {path}; this key is shown only now:", file=sys.stderr)
    print(key)
    return 0


def _list(args: argparse.Namespace) -> int:
    from feed.sessions.keys import load

    for own in load(_path(args)):
        granted = " ".join(f"{name}={_shown(held)}" for name, held in own.entitlements.items())
        state = f"revoked {own.revoked}" if own.revoked else f"created {own.created}"
        print(f"{own.id}  {own.principal.name}  {state}  {granted}".rstrip())
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from feed.sessions.keys import load, save

    path = _path(args)
    keys = load(path)
    revoked = keys.revoke(args.wanted, _now())
    if not revoked:
        print(f"feed: {path} has no key of {args.wanted!r} to revoke", file=sys.stderr)
        return 1
    save(path, keys)
    for own in revoked:
        print(f"revoked {own.id} of {own.principal.name}")
    return 0


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value).lower()


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
