"""OAuth libraries that know nothing of ArtStore (I1, I8)."""

from __future__ import annotations

import ssl

import httpx
import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session
from world import World

pytestmark = pytest.mark.e2e


def metadata(world: World) -> dict[str, str]:
    issuer = world.credentials["gateway_tls"]
    answer = httpx.get(
        f"{issuer}/.well-known/oauth-authorization-server", verify=ssl.create_default_context(cafile=world.ca)
    )
    document: dict[str, str] = answer.json()
    assert document["issuer"] == issuer
    return document


def verify(world: World, token: str) -> dict[str, object]:
    """PyJWT's own JWKS client, against the document that the metadata names."""
    document = metadata(world)
    keys = jwt.PyJWKClient(document["jwks_uri"], ssl_context=ssl.create_default_context(cafile=world.ca))
    claims: dict[str, object] = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=["RS256"],
        audience="artstore",
        issuer=document["issuer"],
    )
    return claims


def test_authlib_gets_a_token(world: World) -> None:
    client_id, secret = world.account("client")
    session = AuthlibSession(client_id, secret, scope="files:read")
    token = session.fetch_token(metadata(world)["token_endpoint"], grant_type="client_credentials", verify=world.ca)
    assert verify(world, token["access_token"])["scope"] == "files:read"


@pytest.mark.parametrize("in_body", [False, True])
def test_requests_oauthlib_gets_a_token(world: World, in_body: bool) -> None:
    client_id, secret = world.account("client")
    session = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
    token = session.fetch_token(
        metadata(world)["token_endpoint"],
        client_id=client_id,
        client_secret=secret,
        include_client_id=in_body,
        verify=world.ca,  # type: ignore[arg-type]  # the stubs know only bool; requests takes a path too
    )
    assert verify(world, token["access_token"])["sub"] == f"sa:{client_id}"
