"""Settings from the environment, one prefix a service. Any of them may come from a file instead: `X_FILE` names it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from artstore_kit.client_address import LOOPBACK, Network


def _listed(value: object) -> object:
    """A list as one writes it in a shell: `10.0.0.0/8, ::1/128`. An empty value is an empty list."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)]


class _FileSource(PydanticBaseSettingsSource):
    """Reads `<PREFIX><NAME>_FILE`: how Kubernetes and Docker hand over secrets without showing them in `env`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        prefix = self.config.get("env_prefix", "")
        variable = f"{prefix}{field_name}_file".upper()
        path = os.environ.get(variable)
        try:
            return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False
        except OSError as error:
            raise SettingsError(f"{variable}: {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise SettingsError(
                f"{variable}: {path} is not text in UTF-8"
            ) from None  # the error would show a piece of it

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            if f"{name}_file" in self.settings_cls.model_fields:
                continue  # the setting is itself a path and keeps its own name
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


class ServiceSettings(BaseSettings):
    """What every service can be told. Subclasses set `env_prefix` and add their own."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(ge=0, le=65535, description="Port to listen on")
    log_format: Literal["json", "text"] = Field(default="json", description="json for machines, text for people")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged")
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="How long requests are still taken once it shall stop, while readiness says no; for several replicas",
    )
    shutdown_grace_seconds: int = Field(default=30, ge=0, description="How long requests in flight may take to finish")
    trusted_proxies: Networks = Field(
        default=LOOPBACK, description="Networks whose X-Forwarded-For is believed, comma separated"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)


class VerifyingSettings(ServiceSettings):
    """Settings of a service that checks other people's tokens."""

    issuer: str = Field(description="`iss` that access tokens must carry: the gateway's public URL")
    jwks_url: str = Field(description="Where admin publishes its signing keys")
    jwks_cache_file: Path | None = Field(default=None, description="Keys kept here survive a restart without admin")
    ca_file: Path | None = Field(default=None, description="CA bundle for outgoing TLS; the system's when absent")


S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """Settings from the environment; exits with code 2 and names each variable that is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        for finding in error.errors():
            name = f"{prefix}{'_'.join(str(part) for part in finding['loc'])}".upper()
            sys.stderr.write(f"{name}: {finding['msg']}\n")
        raise SystemExit(2) from None
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
