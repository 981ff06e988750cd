"""Settings of render-service: `RS_*`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from artstore_kit.settings import ServiceSettings, VerifyingSettings
from artstore_tickets import parse_key
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

Url = Annotated[str, Field(pattern=r"^https?://")]


class Settings(VerifyingSettings):
    """Of `serve` and `worker` alike: what one of them has no use for does it no harm."""

    model_config = SettingsConfigDict(env_prefix="RS_", extra="ignore", frozen=True)

    port: int = Field(default=8040, ge=0, le=65535, description="Port to listen on")
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_render")
    ticket_master_key: SecretStr = Field(description="32 bytes in base64; the tickets' keys are derived from it")
    public_url: Url | None = Field(default=None, description="Where clients reach the gateway; the issuer when absent")
    admin_url: Url | None = Field(default=None, description="Where admin-service is, for the audit log; none: not told")
    client_id: str = Field(default="", description="This service's own account at admin, for the audit log")
    client_secret: SecretStr = Field(default=SecretStr(""), description="The account's secret")

    store: Literal["directory", "s3"] = Field(default="directory", description="Where renditions lie")
    store_dir: Path = Field(default=Path("renditions"), description="The directory, for `directory`")
    s3_bucket: str = Field(default="", description="A private bucket, for `s3`")
    s3_prefix: str = Field(default="", description="Before every key in the bucket")
    s3_endpoint_url: Url | None = Field(default=None, description="The S3 server; AWS when absent")
    s3_region: str = Field(default="us-east-1", description="The bucket's region")
    s3_access_key: SecretStr | None = Field(default=None, description="AWS' own ways to find one when absent")
    s3_secret_key: SecretStr | None = Field(default=None, description="The access key's secret")
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field(default="AES256", description="SSE of what is written")
    s3_redirect: bool = Field(default=False, description="Send viewers to presigned urls instead of passing bytes on")

    events_at_once: int = Field(default=1000, ge=1, description="Viewers who follow a conversion, by process")
    jobs_at_once: int = Field(default=2, ge=1, le=64, description="Conversions at the same time, by worker")
    work_dir: Path | None = Field(default=None, description="For files being converted; the system's when absent")
    max_file_bytes: int = Field(default=4 * 1024**3, ge=1, description="A larger file gets no previews")
    max_attempts: int = Field(default=8, ge=1, description="After so many a job is dead until somebody retries it")
    heartbeat_seconds: float = Field(
        default=20.0, gt=0, le=25, description="A worker that is silent for so long has lost its jobs"
    )

    @field_validator("ticket_master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        parse_key(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _has_a_bucket(self) -> Self:
        if self.store == "s3" and not self.s3_bucket:
            raise ValueError("RS_STORE=s3 needs RS_S3_BUCKET")
        return self

    @property
    def ticket_master_bytes(self) -> bytes:
        return parse_key(self.ticket_master_key.get_secret_value())


class MigrationSettings(ServiceSettings):
    """What `migrate` needs, and nothing more: it runs as a role that may make a schema."""

    model_config = SettingsConfigDict(env_prefix="RS_", extra="ignore", frozen=True)

    port: int = 0
    migration_database_url: SecretStr = Field(description="PostgreSQL, as the owner of the database")


class SchemaSettings(ServiceSettings):
    """What `wait-for-schema` needs, and nothing more."""

    model_config = SettingsConfigDict(env_prefix="RS_", extra="ignore", frozen=True)

    port: int = 0
    database_url: SecretStr = Field(description="PostgreSQL, as the role artstore_render")
