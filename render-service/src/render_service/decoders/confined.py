"""`python -m render_service.decoders.confined LIMITS PROGRAM …`: becomes the program, under limits (JSON of Limits)."""

from __future__ import annotations

import os
import sys

from pydantic import TypeAdapter

from render_service.decoders.confine import confine
from render_service.decoders.contract import Limits


def main(limits: str, *command: str) -> None:
    confine(TypeAdapter(Limits).validate_json(limits))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
