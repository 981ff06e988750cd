"""The few spellings that Envoy's configuration needs everywhere."""

from __future__ import annotations

from typing import Any, TypeAlias

Config: TypeAlias = dict[str, Any]
"""A piece of Envoy's configuration: JSON of the protobuf message that its docstring or `@type` names."""


def typed(message: str, **fields: Any) -> Config:
    """A message inside an `Any`, which Envoy recognises by its `@type`."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def extension(name: str, message: str, **fields: Any) -> Config:
    """A `TypedExtensionConfig` (or an HTTP filter, which looks the same)."""
    return {"name": name, "typed_config": typed(message, **fields)}


def header(name: str, value: str) -> Config:
    """A `HeaderValueOption` that replaces what was there under this name."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def seconds(value: float) -> str:
    """A protobuf `Duration` in JSON."""
    return f"{value}s"
