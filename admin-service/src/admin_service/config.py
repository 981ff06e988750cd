"""Settings of admin-service: `AM_*`."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated, Any

from artstore_kit.settings import ServiceSettings
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from admin_service.registry.addresses import PUBLIC, Networks

KEY_BYTES = 32


def _listed(given: Any) -> Any:
    if isinstance(given, str):
        return tuple(name.strip() for name in given.split(",") if name.strip())
    return given


def _are_networks(names: tuple[str, ...]) -> tuple[str, ...]:
    Networks(names)
    return names


NetworkNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_are_networks)]


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AM_", extra="ignore", frozen=True)

    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_admin")
    issuer: Annotated[str, Field(pattern=r"^https://")] = Field(
        description="`iss` of every token: the gateway's public https URL"
    )
    key_encryption_key: SecretStr = Field(description="32 bytes in base64; private signing keys are encrypted under it")
    previous_key_encryption_key: SecretStr | None = Field(
        default=None, description="The key encryption key before this one: what it sealed is sealed anew at the start"
    )
    key_publish_seconds: float = Field(
        default=360.0,
        ge=1,
        le=86400,
        description="How long a key is published before it signs: longer than any verifier keeps keys (300 s),"
        " with 15 s for other replicas to publish it and 45 s for clocks that differ and slow fetches",
    )
    key_rotation_days: int = Field(default=30, ge=0, le=3650, description="Age at which a key is followed; 0: never")
    ca_file: Path | None = Field(default=None, description="CA bundle for calls to storage elements")
    access_token_seconds: int = Field(default=900, ge=60, le=3600, description="How long an access token lives")
    refresh_token_seconds: int = Field(
        default=86400, ge=60, le=30 * 86400, description="How long a person's session lives, from its sign-in on"
    )
    console_idle_seconds: int = Field(
        default=1800,
        ge=60,
        le=86400,
        description="How long the console may be left alone before one has to sign in again",
    )
    ingester_url: str = Field(
        default="http://127.0.0.1:8020", description="Where the console finds the ingester-service"
    )
    query_url: str = Field(default="http://127.0.0.1:8030", description="Where the console finds the query-service")
    render_url: str = Field(default="http://127.0.0.1:8040", description="Where the console finds the render-service")
    lockout_failures: int = Field(default=5, ge=1, le=100, description="Failed sign-ins that lock a user name")
    lockout_seconds: int = Field(default=900, ge=1, le=86400, description="How long a user name stays locked")
    element_networks: NetworkNames = Field(
        default=(PUBLIC,),
        description="Where storage elements may be: networks (CIDR), and `public` for all public addresses; comma-separated",
    )
    element_poll_seconds: float = Field(default=5.0, gt=0, description="How often each element's health is asked")
    outbox_days: int = Field(
        default=7, ge=1, le=3650, description="How long events of the registry are kept for readers"
    )
    idempotency_seconds: float = Field(
        default=86400, ge=120, le=30 * 86400, description="How long it is known which file an Idempotency-Key made"
    )
    sync_seconds: float = Field(
        default=3600, ge=1, le=30 * 86400, description="How often the registry follows each element, at least"
    )
    full_sync_seconds: float = Field(
        default=7 * 86400,
        ge=60,
        le=366 * 86400,
        description="How often all files of an element are walked all the same",
    )

    @field_validator("key_encryption_key", "previous_key_encryption_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error:
            raise ValueError("must be base64") from None
        if len(key) != KEY_BYTES:
            raise ValueError(f"must be {KEY_BYTES} bytes in base64")
        return value

    @property
    def key_encryption_bytes(self) -> bytes:
        return base64.b64decode(self.key_encryption_key.get_secret_value())

    @property
    def previous_key_encryption_bytes(self) -> bytes | None:
        given = self.previous_key_encryption_key
        return None if given is None else base64.b64decode(given.get_secret_value())


class MigrationSettings(ServiceSettings):
    """What `migrate` needs, and nothing more: it runs as the owner of the tables."""

    model_config = SettingsConfigDict(env_prefix="AM_", extra="ignore", frozen=True)

    port: int = 0
    migration_database_url: SecretStr = Field(description="PostgreSQL, as the owner of the tables")


class SchemaSettings(ServiceSettings):
    """What `wait-for-schema` needs, and nothing more."""

    model_config = SettingsConfigDict(env_prefix="AM_", extra="ignore", frozen=True)

    port: int = 0
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_admin, or the owner of the tables")


class BootstrapSettings(Settings):
    bootstrap_file: Path = Field(description="JSON: the first admin, the services' accounts, the storage elements")
