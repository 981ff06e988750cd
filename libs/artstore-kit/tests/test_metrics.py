"""What every service's metrics say: of its dependencies, of its certificate, and which trace a slow request was."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.certificates import Certificates
from artstore_kit.health import Check, Unhealthy
from artstore_kit.metrics import HttpMetrics, new_registry
from artstore_kit.tracing import Tracing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import APIRouter
from opentelemetry.sdk.trace import TracerProvider

TRACE = "0af7651916cd43dd8448eb211c80319c"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Dependency:
    def __init__(self) -> None:
        self.well, self.probed = True, 0

    async def probe(self) -> None:
        self.probed += 1
        if not self.well:
            raise Unhealthy("away")


async def test_dependencies_are_as_the_last_probe_found_them_and_a_scrape_asks_nobody() -> None:
    good, bad, registry = Dependency(), Dependency(), new_registry()
    bad.well = False
    checks = [Check("good", good.probe), Check("bad", bad.probe)]
    app = create_app(ServiceInfo("kit", "1", "Kit"), routers=[], checks=checks, registry=registry)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        assert "artstore_dependency_up{" not in (await http.get("/metrics")).text
        assert (good.probed, bad.probed) == (0, 0)
        await http.get("/health/ready")
        text = (await http.get("/metrics")).text
    assert 'artstore_dependency_up{dependency="good"} 1.0' in text
    assert 'artstore_dependency_up{dependency="bad"} 0.0' in text
    assert 'artstore_dependency_probe_seconds{dependency="good"} ' in text
    assert (good.probed, bad.probed) == (1, 1)


async def test_a_slow_request_is_an_example_of_its_trace_for_a_scraper_that_asks_for_such() -> None:
    routes = APIRouter()

    @routes.get("/slow")
    async def slow() -> int:
        return 1

    tracing = Tracing("kit", "1", {}, TracerProvider())
    app = create_app(ServiceInfo("kit", "1", "Kit"), routers=[routes], tracing=tracing)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        await http.get("/slow", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
        opened = await http.get("/metrics", headers={"Accept": OPEN_METRICS})
        plain = await http.get("/metrics")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert f'# {{trace_id="{TRACE}"}}' in opened.text
    assert opened.text.endswith("# EOF\n")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert TRACE not in plain.text


async def test_a_trace_that_nobody_records_is_no_example() -> None:
    app = create_app(ServiceInfo("kit", "1", "Kit"), routers=[], tracing=Tracing("kit", "1", {}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        await http.get("/absent", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
        assert TRACE not in (await http.get("/metrics", headers={"Accept": OPEN_METRICS})).text


def test_no_series_says_when_it_began() -> None:
    registry = new_registry()
    metrics = HttpMetrics(registry)
    metrics.begin()
    metrics.end("GET", "/x", 200, 0.1)
    names = {sample.name for family in registry.collect() for sample in family.samples}
    assert not [name for name in names if name.startswith("artstore_") and name.endswith("_created")]


def test_the_end_of_the_certificate_in_use_is_told(tmp_path: Path) -> None:
    registry, files = new_registry(), (tmp_path / "tls.crt", tmp_path / "tls.key")

    def told() -> float | None:
        name = "artstore_certificate_not_after_timestamp_seconds"
        return registry.get_sample_value(name, {"certificate": "server"})

    def load() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        return context

    first = write_pair(*files, days=10)
    certificates = Certificates(*files)
    certificates.watch_end(registry)
    certificates.listen_with(load)
    assert told() == first.timestamp()
    second = write_pair(*files, days=90)
    certificates.refresh()
    assert told() == second.timestamp()
    files[0].write_text("no certificate")
    certificates.refresh()
    assert told() == second.timestamp()


def write_pair(certificate: Path, key: Path, days: int) -> datetime:
    """Gives its end."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kit under test")])
    now = datetime.now(UTC).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made.not_valid_after_utc
