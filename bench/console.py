"""Every page of the console with 1,000,000 files in the registry and as many entries in the audit log, through the gateway.

The stack and its rows are those of `bench.search`; `--dir DIR` uses one that is full already. For each page: milliseconds
of one visitor (median, 95th, slowest of `--repeat`), what it weighs compressed, and how often a second eight visitors get it.
`python -m bench.console [--rows N] [--dir DIR] [--repeat N] [--seconds S]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from artstore_stack import Stack

from bench.search import UNLIMITED, filled, token

VISITORS: Final = 8
PAGES: Final = {
    "overview": "",
    "elements": "elements",
    "an element": "elements/se-edit-1",
    "its syncs": "elements/se-edit-1/syncs",
    "files": "files",
    "files, one word": "files?query=договор",
    "files, two words and a filter": "files?query=договор+поставки&file_extension=pdf",
    "a file": "files/{file}",
    "a file to change": "files/{file}/edit",
    "a file to delete": "files/{file}/delete",
    "upload": "files/upload",
    "service accounts": "accounts",
    "users": "users",
    "keys": "keys",
    "audit": "audit",
    "audit, one action": "audit?action=file.uploaded",
    "audit, page 100": "audit?offset=9900",
    "previews": "render-jobs",
    "system": "system",
}
_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_ENTRIES: Final = """
INSERT INTO audit_log (happened_at, service, actor, action, outcome, target)
SELECT now() - n * interval '31 seconds', 'bench', 'sa:bench-' || n % 40,
       (ARRAY['file.uploaded', 'file.changed', 'file.deleted'])[1 + n % 3], 'done', 'file:' || gen_random_uuid()
FROM generate_series(1, $1::int) AS n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, help="keep the stack's data here, and use what is here")
    parser.add_argument("--port-base", type=int, default=36000)
    parser.add_argument("--repeat", type=int, default=40, help="of one visitor, each page")
    parser.add_argument("--seconds", type=float, default=3.0, help="of eight visitors, each page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artstore-bench-") as name:
        stack = Stack((given.dir or Path(name)) / "data", given.port_base, {**os.environ, **UNLIMITED})
        stack.up()
        try:
            asyncio.run(filled(stack, given.rows))
            asyncio.run(_noted(str(stack.credentials["database_url"]), given.rows))
            print("\n".join(_table(stack, given)))
        finally:
            stack.down()


async def _noted(url: str, entries: int) -> None:
    """The audit log has so many entries at least."""
    connection = await asyncpg.connect(url)
    try:
        missing = entries - await connection.fetchval("SELECT count(*) FROM audit_log")
        if missing > 0:
            await connection.execute(_ENTRIES, missing)
            await connection.execute("VACUUM (ANALYZE) audit_log")
    finally:
        await connection.close()


def _table(stack: Stack, given: argparse.Namespace) -> Iterator[str]:
    gateway, admin = str(stack.credentials["gateway"]), stack.credentials["admin"]
    with httpx.Client(base_url=f"{gateway}/admin/", trust_env=False, timeout=60) as visitor:
        _sign_in(visitor, admin)
        started = time.perf_counter()
        _asked(visitor, "")
        yield f"the overview for the first time after a start: {(time.perf_counter() - started) * 1e3:.0f} ms\n"
        file = _uploaded(stack, gateway)
        yield "| page | p50 | p95 | slowest | KiB | a second, 8 visitors |"
        yield "|---" * 6 + "|"
        for name, template in PAGES.items():
            path = template.format(file=file)
            weight = _asked(visitor, path)
            spent = sorted(_spent(visitor, path) for _ in range(given.repeat))
            p95 = statistics.quantiles(spent, n=20, method="inclusive")[18]
            rate = _rate(visitor, path, given.seconds)
            yield f"| {name} | {statistics.median(spent):.0f} | {p95:.0f} | {spent[-1]:.0f} | {weight} | {rate:.0f} |"


def _sign_in(client: httpx.Client, admin: dict[str, Any]) -> None:
    csrf = _CSRF.search(client.get("sign-in").text)
    assert csrf is not None
    form = {"csrf": csrf[1], "username": admin["username"], "password": admin["password"]}
    if not client.post("sign-in", data=form).has_redirect_location:
        raise SystemExit("the console lets nobody in")


def _asked(visitor: httpx.Client, path: str) -> int:
    """KiB that went over the wire. Ends the program when there is no page."""
    with visitor.stream("GET", path) as answer:
        weight = sum(len(piece) for piece in answer.iter_raw())
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"{answer.status_code} for {path}")
    return round(weight / 1024)


def _spent(visitor: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    _asked(visitor, path)
    return (time.perf_counter() - started) * 1e3


def _rate(first: httpx.Client, path: str, seconds: float) -> float:
    done = [0] * VISITORS
    ends = time.perf_counter() + seconds

    def look(number: int) -> None:
        with httpx.Client(base_url=first.base_url, cookies=first.cookies, trust_env=False, timeout=60) as visitor:
            while time.perf_counter() < ends:
                _asked(visitor, path)
                done[number] += 1

    threads = [threading.Thread(target=look, args=(number,)) for number in range(VISITORS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def _uploaded(stack: Stack, gateway: str) -> str:
    """The id of a file that has bytes on an element, beside the rows that have none."""
    with httpx.Client(base_url=gateway, trust_env=False, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {token(stack)}"
        sent = client.post("/api/v1/files/upload", files={"file": ("Договор поставки № 7.txt", b"Text.\n" * 100)})
        return str(sent.raise_for_status().json()["file_id"])


if __name__ == "__main__":
    main()
