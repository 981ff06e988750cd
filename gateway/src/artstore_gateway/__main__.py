"""`python -m artstore_gateway render`: Envoy's configuration as YAML, from `GW_…` variables or options."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from artstore_gateway.bootstrap import render
from artstore_gateway.settings import GatewaySettings


def main(arguments: list[str] | None = None) -> int:
    """Write the configuration. Exit 0, or 2 when a setting is wrong."""
    options = vars(_parser().parse_args(arguments))
    output: Path | None = options.pop("output")
    options.pop("command")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        text = render(GatewaySettings.from_environment(os.environ, **given))
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artstore_gateway", description="ArtStore's Envoy gateway.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render", help="write Envoy's configuration as YAML")
    command.add_argument("--output", type=Path, help="file to write (default: standard output)")
    for name, field in GatewaySettings.model_fields.items():
        command.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar="VALUE",
            help=f"{field.description} (GW_{name.upper()}; default: {_shown(field.default)})",
        )
    return parser


def _shown(default: object) -> str:
    if default is None or default == ():
        return "none"
    return str(default).replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
