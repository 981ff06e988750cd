"""`python -m artstore_stack.probe URL [CA]`: a container's health check. Exit 0 when the service answers 200."""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request


def main(url: str, ca: str | None = None) -> int:
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        with urllib.request.urlopen(url, timeout=3, context=context) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, urllib.error.URLError):
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
