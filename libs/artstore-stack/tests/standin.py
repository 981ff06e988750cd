"""A service's stand-in: takes its commands, answers its health checks. The tests copy it beside real names."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn

SLOW_SECONDS = 1.5

Message = MutableMapping[str, Any]


def main(package: str, prefix: str) -> None:
    command = sys.argv[1]
    note = Path(os.environ["STANDIN_NOTES"])
    with note.open("a") as file:
        file.write(f"{package} {' '.join(sys.argv[1:])}\n")
    if command in ("serve", "worker"):
        serve(package, prefix)
    elif command == "migrate" and prefix == "AM":
        asyncio.run(make_roles(Path(os.environ["AM_MIGRATION_DATABASE_URL_FILE"]).read_text().strip()))
    elif command == "init":
        (Path(os.environ["SE_DATA_DIR"]) / "marker").write_text(os.environ["SE_STORAGE_ID"])


async def make_roles(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for role in ("artstore_admin", "artstore_query", "artstore_render"):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    finally:
        await connection.close()


def serve(package: str, prefix: str) -> None:
    health = {"status": "ok", "service": package, "version": "0", "dependencies": {}}
    # What the gateway's follower of the element list asks admin for.
    answers: dict[str, dict[str, Any]] = {
        "/api/v1/auth/token": {"access_token": "x", "token_type": "Bearer", "expires_in": 900},
        "/api/v1/storage-elements": {"items": [], "total": 0, "limit": 1000, "offset": 0, "has_more": False},
    }

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        del receive
        if scope["path"].endswith("/download"):
            await asyncio.sleep(SLOW_SECONDS)
        content = json.dumps(answers.get(scope["path"], health)).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    uvicorn.run(
        app,
        host=os.environ[f"{prefix}_HOST"],
        port=int(os.environ[f"{prefix}_PORT"]),
        lifespan="off",
        ssl_certfile=os.environ.get(f"{prefix}_TLS_CERT_FILE"),
        ssl_keyfile=os.environ.get(f"{prefix}_TLS_KEY_FILE"),
    )
