"""Settings of query-service: `QM_*`."""

from __future__ import annotations

from typing import Annotated, Literal

from artstore_kit.settings import ServiceSettings, VerifyingSettings
from artstore_tickets import parse_key
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict


class Settings(VerifyingSettings):
    model_config = SettingsConfigDict(env_prefix="QM_", extra="ignore", frozen=True)

    port: int = Field(default=8030, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_query")
    read_database_url: SecretStr | None = Field(
        default=None, description="A read replica, as the same role, for searches; they go to the other one when absent"
    )
    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        default=None, description="Where clients reach the gateway, for links; the issuer when absent"
    )
    admin_url: Annotated[str, Field(pattern=r"^https?://")] = Field(description="Where admin-service is")
    client_id: str = Field(min_length=1, description="This service's own account at admin, for the audit log")
    client_secret: SecretStr = Field(description="The account's secret")
    ticket_master_key: SecretStr = Field(description="32 bytes in base64; each element's ticket key is derived from it")
    statement_seconds: float = Field(default=15.0, gt=0, description="How long one SQL statement may run")

    loose_seconds: float = Field(
        default=1.0, gt=0, description="How long something like it may be looked for where nothing was found"
    )

    cache_seconds: float = Field(
        default=45.0, ge=0, le=60, description="How long a file is known without asking; 0: off"
    )
    cache_entries: int = Field(default=20_000, ge=1, description="How many files are kept in memory at most")
    cache_bytes: int = Field(default=64 * 1024 * 1024, ge=1, description="How much memory they may take, about")
    content_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=0,
        description="Memory for bytes of small files while they are known; 0: none are kept",
    )
    content_file_bytes: int = Field(default=64 * 1024, ge=0, description="The largest file that is kept there")
    requests_per_second: float = Field(
        default=1000.0, ge=0, description="By account and process, on average; twice as many at once; 0: no limit"
    )
    downloads_at_once: int = Field(default=250, ge=0, description="By account and process; 0: no limit")
    searches_at_once: int = Field(
        default=10, ge=0, description="By account and process; more wait a moment; 0: no limit"
    )
    redirect: Literal["off", "internal"] = Field(
        default="off", description="internal: our Envoy fetches a file's bytes from the element itself, where it can"
    )
    retry_seconds: float = Field(default=3.0, ge=0, description="How long an element is tried before the first byte")
    resume_seconds: float = Field(default=30.0, ge=0, description="The same, once bytes have gone out")

    @field_validator("ticket_master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        parse_key(value.get_secret_value())
        return value

    @property
    def ticket_master_bytes(self) -> bytes:
        return parse_key(self.ticket_master_key.get_secret_value())


class MigrationSettings(ServiceSettings):
    """What `migrate` needs, and nothing more: it runs as a role that may index admin's table."""

    model_config = SettingsConfigDict(env_prefix="QM_", extra="ignore", frozen=True)

    port: int = 0
    migration_database_url: SecretStr = Field(description="PostgreSQL, as the owner of the table `files`")


class SchemaSettings(ServiceSettings):
    """What `wait-for-schema` needs, and nothing more."""

    model_config = SettingsConfigDict(env_prefix="QM_", extra="ignore", frozen=True)

    port: int = 0
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_query")
