"""What differs between one gateway and another: addresses, keys' source, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, field_validator

PREFIX = "GW_"
OTLP_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def _listed(given: Any) -> Any:
    if isinstance(given, str):
        return tuple(one.strip() for one in given.split(",") if one.strip())
    return given


Replicas = Annotated[tuple[HttpUrl, ...], Field(min_length=1), BeforeValidator(_listed)]
"""The addresses of one service's replicas, comma-separated; of one scheme, and one name where it is https."""


class GatewaySettings(BaseModel):
    """Everything the renderer needs to know; times in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address that both listeners bind")
    port: int = Field(8080, description="plain HTTP port")
    tls_port: int = Field(8081, description="HTTPS port; used when a certificate is given")
    tls_cert_file: Path | None = Field(None, description="certificate chain of the HTTPS port, PEM")
    tls_key_file: Path | None = Field(None, description="its private key, PEM")
    control_host: str = Field("127.0.0.1", description="address of Envoy's own admin interface")
    control_port: int = Field(8091, description="port of Envoy's own admin interface (loopback only)")

    admin_url: Replicas = Field((HttpUrl("http://127.0.0.1:8000"),), description="admin service")
    ingester_url: Replicas = Field((HttpUrl("http://127.0.0.1:8020"),), description="ingester service")
    query_url: Replicas = Field((HttpUrl("http://127.0.0.1:8030"),), description="query service")
    render_url: Replicas = Field((HttpUrl("http://127.0.0.1:8040"),), description="render service")

    elements_dir: Path | None = Field(
        None, description="directory of the files that hold the routes to storage elements; no such routes without it"
    )
    elements_ca_file: Path | None = Field(
        None, description="CA bundle from which elements' certificates must come, PEM; the system's by default"
    )

    issuer: str = Field("https://127.0.0.1:8081", description="`iss` that a token must carry")
    audience: str = Field("artstore", description="`aud` that a token must carry")
    jwks_cache_seconds: int = Field(
        60,
        ge=1,
        le=300,
        description="how often keys are fetched, old ones stay while admin is down; admin counts on 300 at most",
    )

    cors_origins: tuple[str, ...] = Field(
        (), description="origins that browsers may call from, comma-separated; none by default"
    )
    otlp_endpoint: HttpUrl | None = Field(None, description="OTLP/HTTP collector; no tracing without it")
    trace_percent: float = Field(
        100, ge=0, le=100, description="of the requests that bring no trace of their own, so many begin one"
    )

    body_limit_bytes: int = Field(1 << 20, ge=1024, description="largest body where no file is sent")
    request_timeout_seconds: int = Field(30, ge=1, description="total time of a request that sends no file")
    bytes_idle_seconds: int = Field(
        600, ge=1, description="how long a byte route may stand still; it has no total limit"
    )
    max_connections: int = Field(4096, ge=1, description="client connections at once; more are refused")
    max_heap_bytes: int = Field(1 << 30, ge=1 << 27, description="heap at which new requests get 503")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **given: Any) -> Self:
        """Settings from `GW_…` variables; `given` ones count more. Tracing also listens to OTLP's own variable.

        Raises pydantic.ValidationError.
        """
        found = {name: environ[key] for name in cls.model_fields if (key := f"{PREFIX}{name.upper()}") in environ}
        if endpoint := environ.get(OTLP_VARIABLE):
            found.setdefault("otlp_endpoint", endpoint)
        return cls.model_validate({**found, **given})

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return _listed(value)
