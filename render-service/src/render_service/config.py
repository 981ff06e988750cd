"""Settings of render-service: `RS_*`."""

from __future__ import annotations

from artstore_kit.settings import VerifyingSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class Settings(VerifyingSettings):
    model_config = SettingsConfigDict(env_prefix="RS_", extra="ignore", frozen=True)

    port: int = Field(default=8040, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_render")
