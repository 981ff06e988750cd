"""A storage element in a process of its own, so that it can be killed: `element_process.py id directory port`.

Reads who signs tokens from standard input, as JSON: `issuer` and `jwks`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from artstore_auth.keys import StaticKeys
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from joserfc.jwk import RSAKey
from query_support import element_settings, eventually
from storage_element.main import build


@dataclass
class ElementProcess:
    """On a port of its own, where it comes back after each `kill`."""

    storage_id: str
    directory: Path
    issuer: TokenIssuer
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, self.storage_id, self.directory, str(self.port),
            stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"issuer": self.issuer.issuer, "jwks": self.issuer.jwks()}).encode())
        self.process.stdin.close()

    async def ready(self) -> None:
        async with httpx.AsyncClient() as client:
            await eventually(lambda: self._is_ready(client), 60, every=0.05)

    async def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
            self.process = None

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/health/ready")).is_success
        except httpx.TransportError:
            return False


def main() -> None:
    storage_id, directory, port = sys.argv[1:]
    signer = json.load(sys.stdin)
    keys = StaticKeys({key["kid"]: RSAKey.import_key(key) for key in signer["jwks"]["keys"]})
    app = build(element_settings(storage_id, Path(directory), signer["issuer"]), keys=keys)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
