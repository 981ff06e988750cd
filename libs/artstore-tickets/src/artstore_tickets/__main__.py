"""`python -m artstore_tickets STORAGE_ID < master_key`: the ticket key of one storage element, for its settings.

The master key is read from stdin and never from the command line, which others on the machine can see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from artstore_tickets.keys import element_key, encode_key, parse_key, route_name


def main(arguments: Sequence[str] | None = None, master: str | None = None) -> int:
    """0, or 1 when what came is no master key. `master` stands for stdin."""
    parser = argparse.ArgumentParser(prog="python -m artstore_tickets", description=__doc__)
    parser.add_argument("storage_id", help="the element's id")
    parser.add_argument("--route", action="store_true", help="the opaque name of its gateway route instead")
    given = parser.parse_args(arguments)
    try:
        key = parse_key(sys.stdin.read() if master is None else master)
    except ValueError as error:
        sys.stderr.write(f"the master key: {error}\n")
        return 1
    found = route_name(key, given.storage_id) if given.route else encode_key(element_key(key, given.storage_id))
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
