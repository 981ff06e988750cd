"""`python -m artstore_gateway render|elements`: Envoy's configuration as YAML, from `GW_…` variables or options."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from artstore_gateway.bootstrap import render
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.settings import GatewaySettings


def main(arguments: list[str] | None = None) -> int:
    """Write the configuration, or keep its moving part up to date. Exit 0, or 2 when a setting is wrong."""
    options = vars(_parser().parse_args(arguments))
    output: Path | None = options.pop("output", None)
    command = options.pop("command")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = GatewaySettings.from_environment(os.environ, **given)
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    if command == "elements":
        return _follow(settings)
    if settings.elements_dir is not None:
        ElementFiles(settings).restore()
    text = render(settings)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)
    return 0


def _follow(settings: GatewaySettings) -> int:
    if settings.elements_dir is None:
        print("GW_ELEMENTS_DIR: it must name the directory that `render` was told", file=sys.stderr)
        return 2
    # Imported only here: `render` needs neither.
    from artstore_kit.settings import load

    from artstore_gateway.following import FollowingSettings, follow

    follow(settings, load(FollowingSettings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artstore_gateway", description="ArtStore's Envoy gateway.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render", help="write Envoy's configuration as YAML")
    command.add_argument("--output", type=Path, help="file to write (default: standard output)")
    commands.add_parser("elements", help="keep the routes to storage elements as admin's list of them is")
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
