"""The client's address, told by those who may tell it and by nobody else."""

from __future__ import annotations

from ipaddress import ip_network

import httpx
import pytest
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.settings import ServiceSettings
from fastapi import APIRouter, Request
from pydantic_settings import SettingsConfigDict

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
SPOOFED = "198.51.100.9"


async def seen(peer: str, *forwarded: str) -> str:
    routes = APIRouter()

    @routes.get("/whence")
    async def whence(request: Request) -> str:
        assert request.client is not None
        return request.client.host

    app = create_app(ServiceInfo("test", "1", "Test"), routers=[routes], trusted_proxies=TRUSTED)
    transport = httpx.ASGITransport(app, client=(peer, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.get("/whence", headers=[("X-Forwarded-For", value) for value in forwarded])
    return str(answer.json())


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("::1", ["2001:DB8::1"], "2001:db8::1"),
        ("::ffff:10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", [f"{SPOOFED}, 203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", [SPOOFED, "203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", [f"{SPOOFED}, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["nonsense"], "10.1.2.3"),
        ("10.1.2.3", [f"{SPOOFED},"], "10.1.2.3"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("203.0.113.8", [SPOOFED], "203.0.113.8"),
        ("127.0.0.1", [SPOOFED], "127.0.0.1"),
    ],
)
async def test_only_the_last_entry_of_a_trusted_proxy_is_believed(
    peer: str, forwarded: list[str], address: str
) -> None:
    assert await seen(peer, *forwarded) == address


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="XY_", frozen=True)

    port: int = 1


def test_loopback_is_trusted_unless_one_says_otherwise() -> None:
    assert [str(network) for network in Settings().trusted_proxies] == ["127.0.0.0/8", "::1/128"]
    given = Settings.model_validate({"trusted_proxies": "10.0.0.0/8, fd00::/8"})
    assert [str(network) for network in given.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert Settings.model_validate({"trusted_proxies": ""}).trusted_proxies == ()
