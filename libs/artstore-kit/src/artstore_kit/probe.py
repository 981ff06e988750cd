"""`python -m artstore_kit.probe AM`: a container's health check. Exit 0 when the service whose settings begin so is ready.

It is started anew every few seconds, so it loads as little as it can: no HTTP library, TLS only where it is spoken.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

TIMEOUT_SECONDS = 3.0
_READY = b" 200 "


def ready(prefix: str, environ: Mapping[str, str]) -> bool:
    """Asks `/health/ready` of `<prefix>_PORT` on this machine, by TLS where `<prefix>_TLS_CERT_FILE` is set."""
    port, by_tls = int(environ[f"{prefix}_PORT"]), bool(environ.get(f"{prefix}_TLS_CERT_FILE"))
    try:
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        with plain, _encrypted(plain) if by_tls else plain as connection:
            connection.sendall(b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return _READY in connection.recv(64).partition(b"\r\n")[0]
    except OSError:
        return False


def _encrypted(plain: socket.socket) -> socket.socket:
    import ssl

    # It asks its own container: there is nobody else to be told apart from, and the certificate bears another name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


if __name__ == "__main__":
    sys.exit(0 if ready(sys.argv[1], os.environ) else 1)
