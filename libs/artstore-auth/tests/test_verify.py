"""Every token that must not pass (RFC 9068 §4, I9)."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from artstore_auth.keys import NoKeys, parse_jwks
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import AdminUnavailable, Unauthorized
from artstore_testing.tokens import TokenIssuer
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey


@pytest.fixture
def verifier(issuer: TokenIssuer) -> TokenVerifier:
    return TokenVerifier(issuer.keys, issuer=issuer.issuer, audiences=["artstore"])


async def refused(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(Unauthorized) as refusal:
        await verifier.verify(token)
    challenge = refusal.value.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="artstore", error="invalid_token"')
    return refusal.value.message


async def test_good_token_gives_its_principal(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    principal = await verifier.verify(issuer.token(["files:read"]))
    assert (principal.subject, principal.scopes, principal.audience) == (
        "sa:sa_test_0001",
        frozenset({"files:read"}),
        "artstore",
    )


@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"aud": "urn:artstore:internal"}, {}, "wrong audience"),
        ({"aud": None}, {}, "wrong audience"),
        ({"aud": ["x", 5]}, {}, "wrong audience"),
        ({"iss": "https://evil.test"}, {}, "wrong issuer"),
        ({"iss": None}, {}, "wrong issuer"),
        ({"exp": 1}, {}, "expired"),
        ({"exp": None}, {}, "expired"),
        ({"exp": "tomorrow"}, {}, "expired"),
        ({"nbf": 4102444800}, {}, "not yet valid"),
        ({"sub": None}, {}, "incomplete"),
        ({"scope": 5}, {}, "incomplete"),
        ({}, {"typ": "JWT"}, "not an access token"),
        ({}, {"typ": None}, "not an access token"),
        ({}, {"kid": "other"}, "unknown signing key"),
        ({}, {"kid": None}, "no key id"),
    ],
)
async def test_wrong_claim_or_header_is_refused(
    verifier: TokenVerifier, issuer: TokenIssuer, claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    assert reason in await refused(verifier, issuer.token(claims=claims, header=header))


async def test_token_of_another_key_with_our_key_id_is_refused(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    assert "bad signature" in await refused(verifier, TokenIssuer(issuer.issuer).token())


def _compact(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, signature])


async def test_alg_none_is_refused(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    claims = jwt.decode(issuer.token(), issuer.key, algorithms=["RS256"]).claims
    header = {"alg": "none", "typ": "at+jwt", "kid": issuer.key.kid}
    assert "refused" in await refused(verifier, _compact(header, claims))


async def test_public_key_as_hmac_secret_is_refused(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    claims = jwt.decode(issuer.token(), issuer.key, algorithms=["RS256"]).claims
    public = OctKey.import_key(RSAKey.import_key(issuer.jwks()["keys"][0]).as_pem(private=False).hex())
    header = {"alg": "HS256", "typ": "at+jwt", "kid": issuer.key.kid}
    forged = jwt.encode(header, claims, public, algorithms=["HS256"])
    assert "wrong algorithm" in await refused(verifier, forged)


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "....", "ё.ё.ё", "e30.e30.e30", "A" * 9000])
async def test_garbage_is_refused(verifier: TokenVerifier, token: str) -> None:
    await refused(verifier, token)


async def test_changed_payload_is_refused(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    header, payload, signature = issuer.token(["files:read"]).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["scope"] = "admin:write"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert "bad signature" in await refused(verifier, f"{header}.{forged}.{signature}")


async def test_without_any_key_it_is_unavailable_not_unauthorized(issuer: TokenIssuer) -> None:
    class Nothing:
        async def find(self, kid: str) -> RSAKey | None:
            raise NoKeys(kid)

    verifier = TokenVerifier(Nothing(), issuer=issuer.issuer, audiences=["artstore"])
    with pytest.raises(AdminUnavailable):
        await verifier.verify(issuer.token())


class ChangingKeys:
    """A key set that can be taken away, and that counts how often it was asked."""

    def __init__(self, keys: dict[str, RSAKey]) -> None:
        self.keys = keys

    async def find(self, kid: str) -> RSAKey | None:
        return self.keys.get(kid)


async def test_token_that_was_good_once_expires_all_the_same(issuer: TokenIssuer) -> None:
    now = [time.time()]
    verifier = TokenVerifier(issuer.keys, issuer=issuer.issuer, audiences=["artstore"], clock=lambda: now[0])
    token = issuer.token(["files:read"], lifetime=60)
    assert (await verifier.verify(token)).scopes == {"files:read"}
    now[0] += 3600
    assert "expired" in await refused(verifier, token)


async def test_token_that_was_good_once_is_refused_when_its_key_is_withdrawn(issuer: TokenIssuer) -> None:
    keys = ChangingKeys(parse_jwks(issuer.jwks()))
    verifier = TokenVerifier(keys, issuer=issuer.issuer, audiences=["artstore"])
    token = issuer.token(["files:read"])
    await verifier.verify(token)
    keys.keys = {}
    assert "unknown signing key" in await refused(verifier, token)


async def test_token_that_was_good_once_is_refused_when_its_key_id_is_another_key(issuer: TokenIssuer) -> None:
    keys = ChangingKeys(parse_jwks(issuer.jwks()))
    verifier = TokenVerifier(keys, issuer=issuer.issuer, audiences=["artstore"])
    token = issuer.token(["files:read"])
    await verifier.verify(token)
    keys.keys = parse_jwks(TokenIssuer().jwks())
    assert "bad signature" in await refused(verifier, token)
