"""Settings of ingester-service: `IG_*`."""

from __future__ import annotations

from typing import Annotated

from artstore_kit.settings import VerifyingSettings
from artstore_tickets import parse_key
from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ingester_service.clients.clamd import ClamdAddress
from ingester_service.upload.scanning import TooLarge
from ingester_service.upload.types import BLOCKED_EXTENSIONS, BLOCKED_TYPES

GIB = 1024**3


def _names(value: object) -> object:
    """A list as one writes it in a shell: `exe, dll`. An empty value is an empty list."""
    if isinstance(value, str):
        return frozenset(name.strip().lower().lstrip(".") for name in value.split(",") if name.strip())
    return value


def _clamd_address(value: object) -> object:
    return ClamdAddress.parse(value) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_names)]


class Settings(VerifyingSettings):
    model_config = SettingsConfigDict(env_prefix="IG_", extra="ignore", frozen=True)

    port: int = Field(default=8020, ge=0, le=65535, description="Port to listen on")
    admin_url: Annotated[str, Field(pattern=r"^https?://")] = Field(description="Where admin-service is")
    client_id: str = Field(min_length=1, description="This service's own account at admin")
    client_secret: SecretStr = Field(description="The account's secret")
    max_upload_bytes: int = Field(default=GIB, gt=0, description="The largest file that one request may bring")
    max_resumable_bytes: int = Field(default=1024 * GIB, gt=0, description="The largest resumable upload")
    ticket_master_key: SecretStr = Field(description="32 bytes in base64; each element's ticket key is derived from it")
    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        default=None, description="Where clients reach the gateway, for signed parts; the issuer when absent"
    )
    max_uploads_per_principal: int = Field(
        default=100,
        ge=0,
        description="Request bodies that one principal may be sending to a replica at once; 0: no limit",
    )
    max_bytes_in_flight_per_principal: int = Field(
        default=0, ge=0, description="Bytes of such bodies together; 0: no limit"
    )
    idle_seconds: float = Field(default=60.0, gt=0, description="How long a client may send nothing")
    hold_seconds: float = Field(default=5.0, gt=0, description="How long a slow client's bytes wait to be sent on")
    elements_cache_seconds: float = Field(default=3.0, ge=0, description="How long admin's list of elements is kept")
    blocked_types: Names = Field(default=BLOCKED_TYPES, description="Content types refused, comma separated")
    blocked_extensions: Names = Field(default=BLOCKED_EXTENSIONS, description="Extensions refused, comma separated")
    clamd_address: Annotated[ClamdAddress | None, NoDecode, BeforeValidator(_clamd_address)] = Field(
        default=None, description="ClamAV's daemon: unix:///path or tcp://host:port; without it nothing is scanned"
    )
    clamd_seconds: float = Field(
        default=130.0, gt=0, description="How long clamd may take for a chunk, and for its verdict after the last one"
    )
    clamd_scans_at_once: int = Field(default=8, gt=0, description="Fewer than clamd has threads (MaxThreads)")
    clamd_too_large: TooLarge = Field(
        default=TooLarge.REFUSE, description="Files too large for clamd: refuse, or admit with a note in the audit log"
    )

    @field_validator("ticket_master_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        parse_key(value.get_secret_value())
        return value

    @property
    def ticket_master_bytes(self) -> bytes:
        return parse_key(self.ticket_master_key.get_secret_value())
