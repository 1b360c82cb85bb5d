"""JSON Web Tokens (RFC 7519), through PyJWT: who signed one, and what its claims entitle to.

Each key has exactly one algorithm, which follows from what kind of key it is. So a token cannot
choose how it is verified: `none`, or an HMAC made with a public key, find no key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from feed.errors import AuthenticationError, KeysError, MissingExtraError
from feed.sessions.entitlements import Principal, read_entitlements, read_name

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
CLAIM: Final = "feed"
"""The claim that holds the entitlements."""

SECRET_BYTES: Final = 32
"""The least length of an HMAC secret: that of its hash (RFC 7518 section 3.2)."""

RSA_BITS: Final = 2048
KINDS: Final = f"must be an RSA key of {RSA_BITS} bits or more, of the curve P-256, or Ed25519"

TOKEN_BYTES: Final = 8192
LAST_SECOND: Final = 2**53

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


@dataclass(frozen=True, slots=True)
class Verifier:
    """One key that may have signed a token.

    Attributes:
        label: tells keys apart, and gives nothing away.
        kid: the key's own name, where it has one.
        material: as PyJWT takes it.
    """

    label: str
    kid: str | None
    algorithm: str
    material: Any


class Tokens:
    """Reads tokens.

    Args:
        issuer: of the tokens that are taken; None takes any.
    """

    def __init__(
        self, verifiers: Iterable[Verifier], *, audience: str, issuer: str | None = None
    ) -> None:
        self._verifiers = list(verifiers)
        self._audience = audience
        self._issuer = issuer
        self.labels = {own.label for own in self._verifiers}

    def identify(self, token: str) -> Principal:
        """Give the principal of a token.

        Raises:
            AuthenticationError: it is not valid; the message says why, and holds nothing of it.
        """
        if len(token) > TOKEN_BYTES:
            raise AuthenticationError(f"a token may have {TOKEN_BYTES} bytes")
        verifier, claims = self._verified(token)
        try:
            held = claims.get(CLAIM, {})
            if not isinstance(held, dict):
                raise ValueError(f"the claim {CLAIM} must be an object")
            name, entitlements = read_name(claims["sub"]), read_entitlements(held)
        except ValueError as error:
            raise AuthenticationError(f"the token's claims are not valid: {error}") from None
        ends = min(int(claims["exp"]), LAST_SECOND)
        return Principal(name, expires_at=ends, credential=verifier.label, **entitlements)

    def _verified(self, token: str) -> tuple[Verifier, dict[str, Any]]:
        import jwt

        failure = "the token is signed by no key that is trusted here"
        for verifier in self._candidates(token):
            try:
                return verifier, jwt.decode(
                    token,
                    verifier.material,
                    algorithms=[verifier.algorithm],
                    audience=self._audience,
                    issuer=self._issuer,
                    options={"require": ["exp", "sub", "aud"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
                failure = _told(error)
                break
        raise AuthenticationError(failure)

    def _candidates(self, token: str) -> list[Verifier]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise AuthenticationError("the token is neither an API key nor a JWT") from None
        kid = header.get("kid")
        return [
            own
            for own in self._verifiers
            if own.algorithm == header.get("alg") and kid in (None, own.kid)
        ]


def _told(error: Exception) -> str:
    import jwt

    if isinstance(error, jwt.ExpiredSignatureError):
        return "the token has expired"
    if isinstance(error, jwt.ImmatureSignatureError):
        return "the token is not valid yet"
    if isinstance(error, jwt.InvalidAudienceError):
        return "the token is for another audience"
    if isinstance(error, jwt.InvalidIssuerError):
        return "the token is from another issuer"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks the claim {error.claim}"
    return "the token is not valid"


def load_verifiers(path: Path, allowed: Collection[str] = ALGORITHMS) -> list[Verifier]:
    """Read a file of keys: a JWKS, PEM public keys, or else an HMAC secret.

    Raises:
        KeysError: it cannot be read, or has no key of an algorithm that is allowed.
        MissingExtraError: PyJWT or cryptography is not installed.
    """
    try:
        import cryptography  # noqa: F401 - PyJWT would miss it only at the first token
        import jwt  # noqa: F401
    except ImportError:
        raise MissingExtraError("auth", "reading JSON Web Tokens") from None
    try:
        data = path.read_bytes().strip()
    except OSError as error:
        raise KeysError(path, f"cannot be read: {error.strerror}") from None
    try:
        found = _read(data)
    except ValueError as error:
        raise KeysError(path, str(error)) from None
    usable = [own for own in found if own.algorithm in allowed]
    if not usable:
        raise KeysError(path, f"has no key of an algorithm that is allowed: {', '.join(allowed)}")
    return usable


def _read(data: bytes) -> list[Verifier]:
    if data.startswith(b"{"):
        return _read_jwks(data.decode())
    if _PEM.search(data):
        return [_read_pem(data)]
    if len(data) < SECRET_BYTES:
        raise ValueError(f"is an HMAC secret of {len(data)} bytes, {SECRET_BYTES} are needed")
    return [Verifier(_label(data), None, "HS256", data)]


def _read_jwks(text: str) -> list[Verifier]:
    import jwt

    try:
        keys = jwt.PyJWKSet.from_json(text).keys
    except KeyError as error:
        raise ValueError(f"is not a JWKS: a key lacks {error}") from None
    except RecursionError:
        raise ValueError("is not a JWKS: it is too deep") from None
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"is not a JWKS: {error}") from None
    return [
        Verifier(_label(repr(sorted(own._jwk_data.items())).encode()), own.key_id, name, own.key)
        for own in keys
        if (name := str(own.algorithm_name)) in ALGORITHMS and _may_verify(own)
    ]


def _may_verify(key: Any) -> bool:
    """Tell whether a key of a JWKS is one for signatures; what a PEM file may not have, it may not.

    Raises:
        ValueError: it is too weak, or private.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    if key.public_key_use not in (None, "sig"):
        return False
    material = key.key
    if isinstance(material, bytes) and len(material) < SECRET_BYTES:
        raise ValueError(f"has a secret of {len(material)} bytes, {SECRET_BYTES} are needed")
    if isinstance(material, rsa.RSAPublicKey) and material.key_size < RSA_BITS:
        raise ValueError(f"has an RSA key of {material.key_size} bits, {RSA_BITS} are needed")
    if hasattr(material, "private_numbers") or hasattr(material, "private_bytes"):
        raise ValueError("holds a private key: a feed only needs the public one")
    return True


def _read_pem(data: bytes) -> Verifier:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in data:
        raise ValueError("holds a private key: a feed only needs the public one")
    key, algorithm = _loaded(load_pem_public_key, data)
    return Verifier(_label(data), None, algorithm, key)


def _loaded(load: Callable[[bytes], Any], data: bytes) -> tuple[Any, str]:
    """Give the key of a PEM file, and its algorithm.

    Raises:
        ValueError: it cannot be read, or is of no kind that is taken.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        key = load(data)
    except UnsupportedAlgorithm:  # OpenSSL does not know it
        raise ValueError(KINDS) from None
    except TypeError:
        raise ValueError("has a password, which cannot be asked for: store it without") from None
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey) and key.key_size >= RSA_BITS:
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP256R1):
            return key, "ES256"
    elif isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return key, "EdDSA"
    raise ValueError(KINDS)


def _label(material: bytes) -> str:
    return f"jwt:{hashlib.sha256(material).hexdigest()[:16]}"


def sign(claims: dict[str, Any], data: bytes, kid: str | None = None) -> str:
    """Make a token with an HMAC secret or a PEM private key.

    Raises:
        ValueError: the key is not one of those.
        MissingExtraError: PyJWT is not installed.
    """
    try:
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise MissingExtraError("auth", "making JSON Web Tokens") from None
    data = data.strip()
    if not _PEM.search(data):
        [verifier] = _read(data)
        key, algorithm = verifier.material, verifier.algorithm
    else:
        key, algorithm = _loaded(partial(load_pem_private_key, password=None), data)
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
