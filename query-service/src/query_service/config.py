"""Settings of query-service: `QM_*`."""

from __future__ import annotations

from artstore_kit.settings import ServiceSettings, VerifyingSettings
from artstore_tickets import parse_key
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict


class Settings(VerifyingSettings):
    model_config = SettingsConfigDict(env_prefix="QM_", extra="ignore", frozen=True)

    port: int = Field(default=8030, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_query")
    ticket_master_key: SecretStr = Field(description="32 bytes in base64; each element's ticket key is derived from it")
    statement_seconds: float = Field(default=15.0, gt=0, description="How long one SQL statement may run")

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
