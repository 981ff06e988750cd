"""Options that several commands share, and what they parse to."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from artstore_client.cli.output import Output

OutputOption = Annotated[Output | None, typer.Option("--output", help="What to print on stdout.", show_default="text")]
Retention = Literal["temporary", "permanent"]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def chosen(context: typer.Context, here: Output | None) -> Output:
    """The command's own --output, or the one before the command's name."""
    everywhere = context.find_root().params.get("output")
    return here or (Output(everywhere) if everywhere else Output.TEXT)


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `2h`, `1d`."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise typer.BadParameter(f"{text!r} is no time such as 90s, 15m, 2h, 1d")
    return float(number) * _UNITS[unit]


def parse_metadata(values: list[str]) -> dict[str, Any] | None:
    """`key=value` (a string) or a JSON object, any number of them; later ones win. None when there are none."""
    metadata: dict[str, Any] = {}
    for value in values:
        if value.lstrip().startswith("{"):
            metadata.update(_object(value))
            continue
        key, equals, text = value.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{value!r} is neither KEY=VALUE nor a JSON object", param_hint="--metadata")
        metadata[key] = text
    return metadata or None


def _object(value: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(value)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--metadata") from error
    return parsed
