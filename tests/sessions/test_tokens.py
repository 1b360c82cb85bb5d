from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from feed.errors import AuthenticationError, KeysError
from feed.sessions.tokens import Tokens, load_verifiers, sign

jwt = pytest.importorskip("jwt", reason="needs the extra auth")
from cryptography.hazmat.primitives import serialization as pem  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

SECRET = b"0123456789abcdef0123456789abcdef"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def private_pem(algorithm: str) -> bytes:
    plain = pem.PrivateFormat.PKCS8, pem.NoEncryption()
    return bytes(PRIVATE[algorithm].private_bytes(pem.Encoding.PEM, *plain))


def public_pem(algorithm: str) -> bytes:
    return spki(PRIVATE[algorithm].public_key())


def spki(key: Any) -> bytes:
    return bytes(key.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo))


UNKNOWN_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MA0wBQYDKgMEAwQAAQID
-----END PUBLIC KEY-----"""
UNKNOWN_PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MA8CAQAwBQYDKgMEBAMBAgM=
-----END PRIVATE KEY-----"""
"""Keys of the algorithm 1.2.3.4, which no library knows."""


def claims(**other: Any) -> dict[str, Any]:
    entitled = {"subscribe": ["A"], "delay_s": 5}
    now = int(time.time())
    return {"sub": "desk-2", "aud": "feed", "exp": now + 60, "feed": entitled} | other


def reader(tmp_path: Path, data: bytes = SECRET, **other: Any) -> Tokens:
    path = tmp_path / "key"
    path.write_bytes(data)
    return Tokens(load_verifiers(path), audience="feed", **other)


def refused(tokens: Tokens, token: str) -> str:
    with pytest.raises(AuthenticationError) as caught:
        tokens.identify(token)
    return str(caught.value)


def test_claims_become_entitlements(tmp_path: Path) -> None:
    made = claims()
    principal = reader(tmp_path).identify(sign(made, SECRET))
    assert (principal.name, principal.expires_at, principal.delay_s) == ("desk-2", made["exp"], 5)
    assert principal.rights.allow("quotes", "A")
    assert not principal.rights.allow("quotes", "B")


def test_without_the_claim_nothing_is_allowed(tmp_path: Path) -> None:
    made = claims()
    del made["feed"]
    assert not reader(tmp_path).identify(sign(made, SECRET)).subscribe


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_public_key_verifies_what_its_private_one_signed(tmp_path: Path, algorithm: str) -> None:
    tokens = reader(tmp_path, public_pem(algorithm))
    assert tokens.identify(sign(claims(), private_pem(algorithm))).name == "desk-2"
    other = next(name for name in PRIVATE if name != algorithm)
    assert "signed by no key" in refused(tokens, sign(claims(), private_pem(other)))


def test_a_jwks_has_several_keys_by_name(tmp_path: Path) -> None:
    keys = []
    kinds = {"rsa": jwt.algorithms.RSAAlgorithm, "ed": jwt.algorithms.OKPAlgorithm}
    for name, kind in kinds.items():
        key = PRIVATE["RS256" if name == "rsa" else "EdDSA"].public_key()
        keys.append(kind.to_jwk(key, as_dict=True) | {"kid": name})
    tokens = reader(tmp_path, json.dumps({"keys": keys}).encode())
    assert tokens.identify(sign(claims(), private_pem("RS256"), "rsa")).name == "desk-2"
    assert tokens.identify(sign(claims(), private_pem("EdDSA"), "ed")).name == "desk-2"
    assert tokens.identify(sign(claims(), private_pem("EdDSA"))).name == "desk-2"
    assert "signed by no key" in refused(tokens, sign(claims(), private_pem("EdDSA"), "rsa"))
    assert len(tokens.labels) == 2


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"exp": None}, "the token lacks the claim exp"),
        ({"exp": "soon"}, "the token is not valid"),
        ({"nbf": 4_000_000_000}, "the token is not valid yet"),
        ({"aud": "other"}, "the token is for another audience"),
        ({"aud": None}, "the token lacks the claim aud"),
        ({"iss": "other"}, "the token is from another issuer"),
        ({"sub": None}, "the token lacks the claim sub"),
        ({"sub": "anonymous"}, "claims are not valid: a principal must be"),
        ({"sub": "a\nb"}, "claims are not valid: a principal must be"),
        ({"feed": []}, "claims are not valid: the claim feed must be an object"),
        ({"feed": {"subscribe": ["a b"]}}, "claims are not valid: subscribe must be"),
        ({"feed": {"admin": 1}}, "claims are not valid: admin must be true or false"),
    ],
)
def test_claims_that_do_not_hold_are_refused_with_the_reason(
    tmp_path: Path, other: dict[str, Any], told: str
) -> None:
    made = {"iss": "us"} | claims(**other)
    made = {name: value for name, value in made.items() if value is not None}
    token = sign(made, SECRET)
    said = refused(reader(tmp_path, issuer="us"), token)
    assert told in said
    assert token not in said


def unsigned(header: dict[str, Any], body: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, body))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def test_none_and_a_public_key_taken_for_an_hmac_secret_are_refused(tmp_path: Path) -> None:
    import hashlib
    import hmac

    public = public_pem("RS256")
    tokens = reader(tmp_path, public)
    kinds: tuple[Any, ...] = ("none", "None", "NONE", None, ["RS256"], {})
    for none in kinds:
        assert refused(tokens, unsigned({"alg": none, "typ": "JWT"}, claims()))
    body = unsigned({"alg": "HS256", "typ": "JWT"}, claims())[:-1]
    mac = hmac.new(public, body.encode(), hashlib.sha256).digest()
    forged = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert "signed by no key" in refused(tokens, forged)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "ä.b.c", "x" * 9000, "." * 8000, "\x00", "eyJhbGciOiJIUzI1NiJ9.e30."],
)
def test_what_is_no_token_is_refused_in_a_sentence(tmp_path: Path, token: str) -> None:
    assert len(refused(reader(tmp_path), token)) < 100


def test_a_header_of_deep_json_is_refused(tmp_path: Path) -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).decode()
    assert refused(reader(tmp_path), f"{deep[:7900]}.e30.")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"short", "an HMAC secret of 5 bytes, 32 are needed"),
        (b"{}", "is not a JWKS"),
        (b'{"keys":[]}', "is not a JWKS"),
        (private_pem("EdDSA"), "holds a private key"),
        (b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "key"),
        (UNKNOWN_PUBLIC, "must be an RSA key of 2048 bits or more"),
        (b'{"keys":[{"kty":"oct"}]}', "is not a JWKS: a key lacks 'k'"),
        pytest.param(b'{"keys":' * 5_000, "is not a JWKS: it is too deep", id="deep"),
    ],
)
def test_keys_that_are_none_are_told_at_the_start(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(KeysError, match=told):
        reader(tmp_path, data)


def test_weak_and_unknown_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    for key in (weak, other):
        with pytest.raises(KeysError, match="must be an RSA key of 2048 bits or more"):
            reader(tmp_path, spki(key))


def jwk(key: Any, **more: str) -> bytes:
    kind = jwt.algorithms.RSAAlgorithm if hasattr(key, "key_size") else jwt.algorithms.OKPAlgorithm
    return json.dumps({"keys": [kind.to_jwk(key, as_dict=True) | more]}).encode()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (jwk(rsa.generate_private_key(65537, 1024).public_key()), "an RSA key of 1024 bits"),
        (jwk(PRIVATE["RS256"]), "holds a private key"),
        (jwk(PRIVATE["EdDSA"]), "holds a private key"),
        (b'{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}', "a secret of 3 bytes"),
        (jwk(PRIVATE["RS256"].public_key(), use="enc"), "has no key of an algorithm"),
    ],
)
def test_a_jwks_may_have_no_weaker_keys_than_other_files(
    tmp_path: Path, data: bytes, told: str
) -> None:
    with pytest.raises(KeysError, match=told):
        reader(tmp_path, data)


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": False}])
def test_a_header_that_must_be_understood_and_is_not_refuses_the_token(
    tmp_path: Path, header: dict[str, Any]
) -> None:
    token = jwt.api_jws.encode(json.dumps(claims()).encode(), SECRET, "HS256", headers=header)
    assert refused(reader(tmp_path), token)


@pytest.mark.parametrize(
    "data",
    [
        UNKNOWN_PRIVATE,
        PRIVATE["ES256"].private_bytes(
            pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"secret")
        ),
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()
        ),
    ],
    ids=["of an unknown kind", "with a password", "of a kind that is not taken"],
)
def test_nothing_is_signed_with_a_key_that_cannot_be_used(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be an RSA key|has a password"):
        sign(claims(), data)


def test_only_algorithms_that_are_allowed_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(SECRET)
    with pytest.raises(KeysError, match="no key of an algorithm that is allowed: RS256"):
        load_verifiers(path, ["RS256"])
