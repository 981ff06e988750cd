"""The token endpoint: what it gives, and every way it refuses (RFC 6749 §5.2, RFC 8707; I1, I2)."""

from __future__ import annotations

import asyncio

import jwt as pyjwt
import pytest
from admin_service.identity.secrets import WAITING_AT_MOST
from admin_support import ISSUER, Admin

ELEMENT = "urn:artstore:element:se-rw-1"


async def claims_of(admin: Admin, token: str) -> dict[str, object]:
    """Read by PyJWT, which knows nothing of us."""
    keys = pyjwt.PyJWKSet.from_dict((await admin.http.get("/.well-known/jwks.json")).json())
    header = pyjwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    key = next(key for key in keys.keys if key.key_id == header["kid"])
    claims: dict[str, object] = pyjwt.decode(
        token, key.key, algorithms=["RS256"], issuer=ISSUER, options={"verify_aud": False}
    )
    return claims


async def test_client_token_has_the_claims_of_rfc_9068(admin: Admin) -> None:
    claims = await claims_of(admin, await admin.token("client"))
    assert claims["aud"] == "artstore"
    assert claims["sub"] == "sa:sa_client_1"
    assert claims["client_id"] == "sa_client_1"
    assert claims["scope"] == "files:read files:write"
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}


async def test_answer_is_never_cached(admin: Admin) -> None:
    answer = await admin.ask_token("client")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 900


async def test_credentials_may_stand_in_the_form(admin: Admin) -> None:
    form = {"grant_type": "client_credentials", "client_id": "sa_client_1", "client_secret": "client-secret"}
    assert (await admin.http.post("/api/v1/auth/token", data=form)).status_code == 200


async def test_fewer_scopes_narrow_the_token(admin: Admin) -> None:
    claims = await claims_of(admin, await admin.token("client", scope="files:read"))
    assert claims["scope"] == "files:read"


@pytest.mark.parametrize("resource", ["urn:artstore:internal", ELEMENT])
async def test_service_token_is_for_one_target(admin: Admin, resource: str) -> None:
    claims = await claims_of(admin, await admin.token("ingester", resource=resource))
    assert claims["aud"] == resource


@pytest.mark.parametrize(
    ("account", "form", "status", "error"),
    [
        ("client", {"scope": "admin:write"}, 400, "invalid_scope"),
        ("client", {"scope": "nonsense"}, 400, "invalid_scope"),
        ("client", {"resource": ELEMENT}, 400, "invalid_target"),
        ("ingester", {}, 400, "invalid_target"),
        ("ingester", {"resource": "urn:artstore:element:se-none-1"}, 400, "invalid_target"),
        ("ingester", {"resource": "artstore"}, 400, "invalid_target"),
        ("client", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("client", {"grant_type": ""}, 400, "invalid_request"),
        ("client", {"client_secret": "twice"}, 400, "invalid_request"),
        ("nobody", {}, 401, "invalid_client"),
        ("ingester", {"resource": "urn:artstore:element:\x00"}, 400, "invalid_request"),
        ("nobody\x00", {}, 401, "invalid_client"),
    ],
)
async def test_refusals_are_those_of_rfc_6749(
    admin: Admin, account: str, form: dict[str, str], status: int, error: str
) -> None:
    answer = await admin.ask_token(account, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_wrong_secret_and_unknown_client_look_the_same(admin: Admin) -> None:
    form = {"grant_type": "client_credentials"}
    wrong = await admin.http.post("/api/v1/auth/token", data=form, auth=("sa_client_1", "wrong"))
    unknown = await admin.http.post("/api/v1/auth/token", data=form, auth=("sa_ghost_1", "wrong"))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.headers["www-authenticate"].startswith('Basic realm="artstore"')


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Bearer abc", "Basic OnNlY3JldA=="])
async def test_unreadable_authorization_is_invalid_client(admin: Admin, header: str) -> None:
    answer = await admin.http.post(
        "/api/v1/auth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_parameter_given_twice_is_refused(admin: Admin) -> None:
    answer = await admin.http.post(
        "/api/v1/auth/token",
        content="grant_type=client_credentials&grant_type=client_credentials",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=("sa_client_1", "client-secret"),
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_json_body_is_refused_in_oauth_form(admin: Admin) -> None:
    answer = await admin.http.post("/api/v1/auth/token", json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_metadata_leads_to_the_token_endpoint(admin: Admin) -> None:
    metadata = (await admin.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == ISSUER
    assert metadata["token_endpoint"] == f"{ISSUER}/api/v1/auth/token"
    assert metadata["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"


async def test_jwks_never_holds_a_private_part(admin: Admin) -> None:
    keys = (await admin.http.get("/.well-known/jwks.json")).json()["keys"]
    assert len(keys) == 1
    assert not keys[0].keys() & {"d", "p", "q", "dp", "dq", "qi"}


async def test_flood_of_sign_ins_is_refused_and_keeps_no_service_from_its_token(admin: Admin) -> None:
    """More than may wait at once, all wrong; each costs a hash, on purpose."""
    form = {"grant_type": "client_credentials"}

    async def wrong(number: int) -> int:
        answer = await admin.http.post("/api/v1/auth/token", data=form, auth=(f"sa_ghost_{number}", "wrong"))
        return answer.status_code

    flood = asyncio.gather(*(wrong(number) for number in range(3 * WAITING_AT_MOST)))
    await asyncio.sleep(0)
    service = await admin.ask_token("ingester", resource="urn:artstore:internal")
    assert service.status_code == 200
    assert set(await flood) == {401, 429}
