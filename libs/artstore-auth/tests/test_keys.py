"""Keys while admin comes and goes (I9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from artstore_auth.keys import FRESH_SECONDS, REFETCH_SECONDS, RENEW_SECONDS, NoKeys, RemoteKeys, parse_jwks
from artstore_testing.tokens import TokenIssuer

URL = "http://admin.test/.well-known/jwks.json"


class Admin:
    """A JWKS endpoint that can be taken away, and a clock that the test turns."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self.document: object = issuer.jwks()
        self.up = True
        self.asked = 0
        self.now = 1000.0

    def publish(self, *issuers: TokenIssuer) -> None:
        self.document = {"keys": [key for issuer in issuers for key in issuer.jwks()["keys"]]}

    def answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self.up:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=self.document)

    def clock(self) -> float:
        return self.now


@pytest.fixture
def admin(issuer: TokenIssuer) -> Admin:
    return Admin(issuer)


@pytest.fixture
async def client(admin: Admin) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(admin.answer)) as client:
        yield client


async def test_keys_are_fetched_once_and_kept(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    for _ in range(10):
        assert await keys.find("test-key")
    assert admin.asked == 1


async def test_stale_keys_serve_on_while_admin_is_down(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.find("test-key")
    admin.up = False
    admin.now += FRESH_SECONDS * 100
    assert await keys.find("test-key")


async def test_restart_without_admin_reads_the_disk(admin: Admin, client: httpx.AsyncClient, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "jwks.json"
    await RemoteKeys(URL, client, cache_file=cache, clock=admin.clock).find("test-key")
    admin.up = False
    assert await RemoteKeys(URL, client, cache_file=cache, clock=admin.clock).find("test-key")


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"keys": [{"kty": "RSA", "kid": "x"}]}', b"\xff"])
async def test_torn_cache_is_no_cache(admin: Admin, client: httpx.AsyncClient, tmp_path: Path, torn: bytes) -> None:
    cache = tmp_path / "jwks.json"
    cache.write_bytes(torn)
    assert await RemoteKeys(URL, client, cache_file=cache, clock=admin.clock).find("test-key")


async def test_never_seen_and_unreachable_is_no_keys(admin: Admin, client: httpx.AsyncClient) -> None:
    admin.up = False
    with pytest.raises(NoKeys):
        await RemoteKeys(URL, client, clock=admin.clock).find("test-key")


async def test_unknown_key_ids_do_not_flood_admin(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    for number in range(100):
        assert await keys.find(f"forged-{number}") is None
    assert admin.asked == 1


async def test_new_key_is_found_after_a_moment(admin: Admin, client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.find("test-key")
    admin.publish(issuer, TokenIssuer(kid="next"))
    admin.now += REFETCH_SECONDS
    assert await keys.find("next")


async def test_key_published_for_longer_than_keys_are_fresh_is_known_whenever_asked(
    admin: Admin, client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    """Admin's promise (I8) and ours meet: whatever was asked in between, its first token is good at the first try."""
    new = TokenIssuer(kid="next")
    for asked_at in range(0, int(FRESH_SECONDS) + 20, 7):
        admin.publish(issuer)
        keys = RemoteKeys(URL, client, clock=admin.clock)
        await keys.find("test-key")
        admin.publish(issuer, new)
        published_at = admin.now
        admin.now += asked_at
        await keys.find("test-key")
        await settled()
        admin.now = max(admin.now, published_at + FRESH_SECONDS)
        assert await keys.find("next")


async def test_steady_use_renews_keys_and_nobody_waits(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.find("test-key")
    admin.now += RENEW_SECONDS
    assert await keys.find("test-key")
    assert admin.asked == 1
    await settled()
    assert admin.asked == 2


async def test_withdrawn_key_is_not_believed_after_a_long_silence(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.find("test-key")
    admin.publish(TokenIssuer(kid="next"))
    admin.now += FRESH_SECONDS
    assert set(await asyncio.gather(keys.find("test-key"), keys.find("test-key"))) == {None}


async def test_restart_does_not_believe_the_disk_while_admin_answers(
    admin: Admin, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    cache = tmp_path / "jwks.json"
    await RemoteKeys(URL, client, cache_file=cache, clock=admin.clock).find("test-key")
    admin.publish(TokenIssuer(kid="next"))
    assert await RemoteKeys(URL, client, cache_file=cache, clock=admin.clock).find("test-key") is None


async def test_unknown_key_while_admin_is_down_is_no_refusal(admin: Admin, client: httpx.AsyncClient) -> None:
    """Fresh keys say that there is none; old ones cannot say."""
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.find("test-key")
    admin.up = False
    admin.now += REFETCH_SECONDS
    assert await keys.find("next") is None
    admin.now += FRESH_SECONDS
    with pytest.raises(NoKeys):
        await keys.find("next")
    assert await keys.find("test-key")


async def test_cache_that_cannot_be_written_stops_nobody(
    admin: Admin, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    keys = RemoteKeys(URL, client, cache_file=tmp_path / "file" / "jwks.json", clock=admin.clock)
    assert await keys.find("test-key")


async def test_probe_tells_the_truth_whatever_is_cached(admin: Admin, client: httpx.AsyncClient) -> None:
    keys = RemoteKeys(URL, client, clock=admin.clock)
    await keys.probe()
    admin.up = False
    with pytest.raises(httpx.ConnectError):
        await keys.probe()


def test_keys_of_other_kinds_are_passed_over(issuer: TokenIssuer) -> None:
    others = [{"kty": "EC", "kid": "a"}, {"kty": "RSA", "use": "enc", "kid": "b"}]
    assert parse_jwks({"keys": [*others, *issuer.jwks()["keys"]]}).keys() == {"test-key"}


async def settled() -> None:
    """Lets what was begun in the background end: nothing in it waits for the outside."""
    for _ in range(50):
        await asyncio.sleep(0)
