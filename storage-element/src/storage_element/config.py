"""Settings, from the environment with the prefix SE_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from artstore_core.modes import Mode
from artstore_kit.settings import VerifyingSettings
from artstore_tickets import parse_key
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage_element.disk.ballast import BALLAST_BYTES

MIB = 1024**2
GIB = 1024**3
DAY = 24 * 3600

BallastBytes = Annotated[int, Field(ge=0, le=GIB)]
StorageId = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class DataRootSettings(BaseSettings):
    """All that `init` and the other commands need to know."""

    model_config = SettingsConfigDict(env_prefix="SE_", extra="ignore", frozen=True)

    storage_id: StorageId
    data_dir: Path
    ballast_bytes: BallastBytes = BALLAST_BYTES


class Settings(VerifyingSettings):
    """What `serve` can be told. Sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="SE_")

    port: int = Field(default=8010, ge=0, le=65535, description="Port to listen on")
    storage_id: StorageId = Field(description="This element's id, as its marker and its tokens' audience name it")
    data_dir: Path = Field(description="The data root that `init` made")
    tls_cert_file: Path = Field(description="The certificate chain, PEM")
    tls_key_file: Path = Field(description="Its private key, PEM")
    ticket_key: SecretStr = Field(description="This element's ticket key: 32 bytes in base64")
    capacity_bytes: int | None = Field(default=None, ge=0, description="The most to fill; all of the disk when absent")
    ballast_bytes: BallastBytes = Field(
        default=BALLAST_BYTES, description="Kept free for a start on a full disk; 0 for none"
    )
    max_upload_bytes: int = Field(default=GIB, ge=1, description="The most that one request may bring")
    max_file_bytes: int = Field(default=1024 * GIB, ge=1, description="The most that a file may grow to in staging")
    idle_seconds: float = Field(default=60, gt=0, description="How long a body that is being sent may pause")
    part_seconds: float = Field(
        default=3600, gt=0, description="How long one signed part may take, however steadily it comes"
    )
    staging_seconds: float = Field(
        default=24 * 3600, gt=0, le=366 * 24 * 3600, description="How long an unfinished upload may receive nothing"
    )
    checkpoint_bytes: int = Field(default=64 * MIB, ge=MIB, description="The log's length that calls for a checkpoint")
    checkpoint_seconds: float = Field(
        default=60, gt=0, le=3600, description="The most between changes and a checkpoint"
    )
    gc_seconds: float = Field(default=3600, gt=0, description="How often what is deleted or expired is removed")
    gc_settle_seconds: float = Field(
        default=DAY, ge=0, description="How long a clock that jumped must run steadily before anything is removed by it"
    )
    tombstone_seconds: float = Field(
        default=30 * DAY, gt=0, description="How long the change feed tells of files that are gone for good"
    )
    reconcile_seconds: float = Field(
        default=6 * 3600, gt=0, description="How often records, sizes and index are compared"
    )
    scrub_seconds: float = Field(default=7 * DAY, gt=0, description="How often every byte is read and compared")
    scrub_bytes_per_second: float = Field(default=10 * MIB, gt=0, description="The most that scrubbing reads")
    reopen_seconds: float = Field(
        default=5, ge=0, le=3600, description="How long after it was opened a disk that failed is opened anew, at least"
    )
    marker_check_seconds: float = Field(default=1, gt=0, description="How often to look whether the disk is there")

    @field_validator("ticket_key")
    @classmethod
    def _is_a_key(cls, text: SecretStr) -> SecretStr:
        parse_key(text.get_secret_value())
        return text


DEFAULT_MODE = Mode.RW
