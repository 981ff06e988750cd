"""Settings of admin-service: `AM_*`."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

from artstore_kit.settings import ServiceSettings
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

KEY_BYTES = 32


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AM_", extra="ignore", frozen=True)

    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_admin")
    issuer: Annotated[str, Field(pattern=r"^https://")] = Field(
        description="`iss` of every token: the gateway's public https URL"
    )
    key_encryption_key: SecretStr = Field(description="32 bytes in base64; private signing keys are encrypted under it")
    ca_file: Path | None = Field(default=None, description="CA bundle for calls to storage elements")
    access_token_seconds: int = Field(default=900, ge=60, le=3600, description="How long an access token lives")
    element_poll_seconds: float = Field(default=5.0, gt=0, description="How often each element's health is asked")

    @field_validator("key_encryption_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
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


class MigrationSettings(ServiceSettings):
    """What `migrate` needs, and nothing more: it runs as the owner of the tables."""

    model_config = SettingsConfigDict(env_prefix="AM_", extra="ignore", frozen=True)

    port: int = 0
    migration_database_url: SecretStr = Field(description="PostgreSQL, as the owner of the tables")


class BootstrapSettings(Settings):
    bootstrap_file: Path = Field(description="JSON: the first admin, the services' accounts, the storage elements")
