"""Every setting of every service, read off the classes that the services themselves read them with."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from admin_service import config as admin
from annotated_types import Ge, Gt, Le, Lt
from artstore_gateway.following import FollowingSettings
from artstore_gateway.settings import PREFIX, GatewaySettings
from ingester_service import config as ingester
from pydantic import BaseModel, HttpUrl, SecretStr
from pydantic.fields import FieldInfo
from query_service import config as query
from render_service import config as render
from storage_element import config as element


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable. `default` is None where there is none; `command`: the only one that reads it, or empty."""

    variable: str
    description: str
    default: Any
    required: bool
    kind: Literal["number", "flag", "path", "secret", "url", "list", "text"]
    choices: tuple[str, ...]
    least: float | None
    above: float | None
    most: float | None
    command: str


@dataclass(frozen=True, slots=True)
class Part:
    """A directory of the repository that has settings, and where they are said: (class, only these fields, command)."""

    name: str
    prefix: str
    sources: tuple[tuple[type[BaseModel], tuple[str, ...], str], ...]


PARTS = (
    Part(
        "admin-service",
        "AM_",
        (
            (admin.Settings, (), ""),
            (admin.MigrationSettings, ("migration_database_url",), "migrate"),
            (admin.BootstrapSettings, ("bootstrap_file",), "bootstrap"),
        ),
    ),
    Part("storage-element", "SE_", ((element.Settings, (), ""),)),
    Part("ingester-service", "IG_", ((ingester.Settings, (), ""),)),
    Part(
        "query-service",
        "QM_",
        ((query.Settings, (), ""), (query.MigrationSettings, ("migration_database_url",), "migrate")),
    ),
    Part(
        "render-service",
        "RS_",
        ((render.Settings, (), ""), (render.MigrationSettings, ("migration_database_url",), "migrate")),
    ),
    Part(
        "gateway",
        PREFIX,
        (
            (GatewaySettings, (), ""),
            (
                FollowingSettings,
                ("client_id", "client_secret", "route_key", "elements_seconds", "log_format", "log_level"),
                "elements",
            ),
        ),
    ),
)


def settings(part: Part) -> Iterator[Setting]:
    """A part's settings, the required ones first, else as the code has them."""
    found = [
        _setting(part.prefix, name, field, command)
        for source, only, command in part.sources
        for name, field in source.model_fields.items()
        if not only or name in only
    ]
    yield from sorted(found, key=lambda setting: (bool(setting.command), not setting.required))


def _setting(prefix: str, name: str, field: FieldInfo, command: str) -> Setting:
    kind, choices, limits = _kind(field.annotation)
    limits = [*field.metadata, *limits]
    return Setting(
        variable=f"{prefix}{name}".upper(),
        description=(field.description or "").strip(),
        default=None if field.is_required() else _plain(field.get_default(call_default_factory=True)),
        required=field.is_required(),
        kind="list" if field.annotation is not None and _is_list(field.annotation) else kind,
        choices=choices,
        least=next((float(limit.ge) for limit in limits if isinstance(limit, Ge)), None),  # type: ignore[arg-type]
        above=next((float(limit.gt) for limit in limits if isinstance(limit, Gt)), None),  # type: ignore[arg-type]
        most=next(
            (float(limit.le if isinstance(limit, Le) else limit.lt) for limit in limits if isinstance(limit, Le | Lt)),  # type: ignore[arg-type]
            None,
        ),
        command=command,
    )


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_list(get_args(annotation)[0])
    return get_origin(annotation) in (tuple, frozenset)


def _kind(annotation: Any) -> tuple[Any, tuple[str, ...], list[Any]]:
    """What stands behind `Annotated` and `| None`: kind, choices, limits."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        kind, choices, limits = _kind(inner)
        return kind, choices, [*limits, *_unfolded(notes)]
    if get_origin(annotation) in (Union, types.UnionType):
        return _kind(next(one for one in get_args(annotation) if one is not type(None)))
    if get_origin(annotation) is Literal:
        return "text", tuple(str(one) for one in get_args(annotation)), []
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return "text", tuple(str(one.value) for one in annotation), []
        for known, kind in _KINDS.items():
            if issubclass(annotation, known):
                return kind, (), []
    return "text", (), []


_KINDS: dict[type, str] = {
    bool: "flag",  # before int, whose subclass it is
    int: "number",
    float: "number",
    Path: "path",
    SecretStr: "secret",
    HttpUrl: "url",
}


def _unfolded(notes: list[Any]) -> Iterator[Any]:
    """Limits lie in a `Field(...)` of the annotation itself."""
    for note in notes:
        yield from note.metadata if isinstance(note, FieldInfo) else [note]


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value() or None
    if isinstance(value, frozenset):
        return tuple(sorted(str(one) for one in value))
    if isinstance(value, tuple):
        return tuple(str(one).rstrip("/") if isinstance(one, HttpUrl) else str(one) for one in value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value
