"""Search on 1,000,000 rows and more, through the gateway and beside the same SQL run by hand, in one run.

A whole stack is started; its registry is filled with rows that look like real ones (bench.search_made), before query's
indexes are built, as a registry is rebuilt. Then for every mode and for twenty combinations of filters: milliseconds with
one client (median, 95th, 99th of a hundred), searches a second with 32, the same statements by hand on one connection, and
the difference. `python -m bench.search [--rows N] [--dir DIR] [--repeat N] [--seconds S] [--plans FILE] [--json FILE]`

10,000,000 rows: `python -m bench.search --rows 10000000 --dir DIR`; a stack that is full is used again. Needs about 1.6 GB
of disk for each million rows.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
from artstore_stack import Stack
from query_service.db.migrate import MIGRATIONS

from bench.search_bodies import FILTERS, MODES, Bodies
from bench.search_made import ELEMENT, fill
from bench.search_sql import Catcher, Statement, catcher, connected, plans, run

UNLIMITED = {"QM_REQUESTS_PER_SECOND": "0", "QM_DOWNLOADS_AT_ONCE": "0", "QM_SEARCHES_AT_ONCE": "0"}
CLIENTS = 32
SLOWEST = 3


@dataclass(frozen=True)
class Measured:
    """Milliseconds; `rate`: searches a second of CLIENTS clients."""

    name: str
    p50: float
    p95: float
    p99: float
    by_hand: float
    by_hand_p95: float
    rate: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, help="keep the stack's data here, and use what is here")
    parser.add_argument("--port-base", type=int, default=36000)
    parser.add_argument("--repeat", type=int, default=100, help="searches of one client for each row of the table")
    parser.add_argument("--seconds", type=float, default=5.0, help="of 32 clients for each row of the table")
    parser.add_argument("--limit", type=int, default=100, help="files on a page")
    parser.add_argument("--plans", type=Path, help="write EXPLAIN (ANALYZE, BUFFERS) of the slowest three here")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artstore-bench-") as name:
        directory = given.dir or Path(name)
        stack = Stack(directory / "data", given.port_base, {**os.environ, **UNLIMITED})
        stack.up()
        try:
            asyncio.run(filled(stack, given.rows))
            measured = asyncio.run(_measure(stack, given))
        finally:
            stack.down()
    print(_table(measured))
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in measured], indent=1))


async def filled(stack: Stack, rows: int) -> None:
    url = str(stack.credentials["database_url"])
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT count(*) FROM files") >= rows:
            return
        await connection.execute("TRUNCATE files CASCADE")
        known = await connection.fetchval("SELECT count(*) FROM storage_elements WHERE storage_id = $1", ELEMENT)
        if not known:
            raise SystemExit(f"the stack has no {ELEMENT}")
        started = time.perf_counter()
        await asyncio.to_thread(MIGRATIONS.downgrade, url, "base")
        await fill(url, rows)
        _say("rows loaded", f"{rows} in {time.perf_counter() - started:.0f} s")
        started = time.perf_counter()
        await asyncio.to_thread(MIGRATIONS.upgrade, url)
        await connection.execute("VACUUM (ANALYZE) files")
        _say("indexes built", f"in {time.perf_counter() - started:.0f} s")
        sizes = "SELECT pg_size_pretty(pg_table_size('files')), pg_size_pretty(pg_indexes_size('files'))"
        _say("table, indexes", ", ".join(await connection.fetchrow(sizes)))
    finally:
        await connection.close()


async def _measure(stack: Stack, given: argparse.Namespace) -> list[Measured]:
    url = (stack.layout.root / "secrets" / "db-url-artstore_query").read_text().strip()
    gateway, bearer = str(stack.credentials["gateway"]), token(stack)
    measured: list[tuple[Measured, list[Statement]]] = []
    connection = await connected(url)
    async with catcher(url) as caught:
        for name, bodies in {**MODES, **FILTERS}.items():
            bodies = [{**body, "limit": given.limit} for body in bodies]
            client = Client(gateway, bearer)
            measured.append(await _one(name, bodies, client, caught, connection, given))
            _say(name, json.dumps(asdict(measured[-1][0]), ensure_ascii=False))
    if given.plans:
        texts = await _plans(measured, connection)
        await asyncio.to_thread(given.plans.write_text, "\n".join(texts), encoding="utf-8")
    await connection.close()
    return [one for one, _ in measured]


async def _one(
    name: str,
    bodies: Bodies,
    client: Client,
    caught: Catcher,
    connection: asyncpg.Connection,
    given: argparse.Namespace,
) -> tuple[Measured, list[Statement]]:
    """Gateway and hand take turns, so that a machine whose speed drifts is unfair to neither."""
    statements = [await caught.statements(body) for body in bodies]
    through: list[float] = []
    by_hand: list[float] = []
    slowest: tuple[float, list[Statement]] = (0, [])
    for number in range(given.repeat + len(bodies)):
        place = number % len(bodies)
        spent = await asyncio.to_thread(client.search, bodies[place])
        started = time.perf_counter()
        await run(connection, statements[place])
        alone = time.perf_counter() - started
        if number >= len(bodies):  # the first round warms the caches
            through.append(spent * 1e3)
            by_hand.append(alone * 1e3)
            slowest = max(slowest, (alone, statements[place]), key=lambda one: one[0])
    rate = await asyncio.to_thread(_rate, client, bodies, given.seconds)
    found = Measured(name, *_percentiles(through), _percentiles(by_hand)[0], _percentiles(by_hand)[1], rate)
    return found, slowest[1]


def _percentiles(values: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


class Client:
    """One connection to the gateway, kept."""

    def __init__(self, gateway: str, token: str) -> None:
        self.gateway, self.token = gateway, token
        place = urlsplit(gateway)
        assert place.hostname is not None
        self._connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def search(self, body: Mapping[str, Any]) -> float:
        """Seconds until the whole answer is there. Ends the program when it is no answer."""
        started = time.perf_counter()
        self._connection.request("POST", "/api/v1/search", json.dumps(body).encode(), self._headers)
        response = self._connection.getresponse()
        content = response.read()
        spent = time.perf_counter() - started
        if response.status != http.client.OK:
            raise SystemExit(f"{response.status} {content[:300]!r} for {body}")
        return spent


def _rate(first: Client, bodies: Bodies, seconds: float) -> float:
    done = [0] * CLIENTS
    ends = time.perf_counter() + seconds

    def work(number: int) -> None:
        client = Client(first.gateway, first.token)
        while time.perf_counter() < ends:
            client.search(bodies[(number + done[number]) % len(bodies)])
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


async def _plans(measured: list[tuple[Measured, list[Statement]]], connection: asyncpg.Connection) -> list[str]:
    slowest = sorted(measured, key=lambda pair: pair[0].by_hand_p95, reverse=True)[:SLOWEST]
    return [
        f"### {one.name}\n\n```\n" + "\n\n".join(await plans(connection, statements)) + "\n```\n"
        for one, statements in slowest
    ]


def token(stack: Stack) -> str:
    account = stack.credentials["service_accounts"]["client"]
    answer = httpx.post(
        f"{stack.credentials['gateway']}/api/v1/auth/token",
        data={"grant_type": "client_credentials"},
        auth=(account["client_id"], account["client_secret"]),
    )
    return str(answer.raise_for_status().json()["access_token"])


def _table(measured: list[Measured]) -> str:
    lines = [
        f"| {one.name} | {one.p50:.1f} | {one.p95:.1f} | {one.p99:.1f} | {one.by_hand:.1f} | {one.by_hand_p95:.1f} "
        f"| {one.p50 - one.by_hand:.1f} | {one.rate:.0f} |"
        for one in measured
    ]
    head = "| what | p50 | p95 | p99 | SQL by hand p50 | p95 | overhead | a second, 32 clients |"
    return "\n".join([head, "|---" * 8 + "|", *lines])


def _say(what: str, value: str) -> None:
    print(f"{what}: {value}", flush=True)


if __name__ == "__main__":
    main()
