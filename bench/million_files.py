"""An element with a million small files: how fast is its index rebuilt, how soon is it ready, what does a page cost?

The files are written straight into the layout, without the element. `python -m bench.million_files [--files N]
[--dir DIR] [--json FILE]`; what was made in DIR is used again by the next run, which is much quicker then.
About 9 GB of disk for a million. As root the page cache is dropped before each "cold" figure, else it is only said.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import ssl
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.million_made import make_files
from bench.storage_machine import describe
from bench.storage_servers import Elements, Server, make_certificate, running
from bench.storage_watch import Watch

MIB = 1024**2
PAGE, REPEAT, STARTS = 100, 30, 3
REBUILD_SECONDS = 1800.0


@dataclass
class Figures:
    """Name → text, printed as they come."""

    told: dict[str, str] = field(default_factory=dict)

    def tell(self, name: str, value: str) -> None:
        self.told[name] = value
        print(f"{name:<44}{value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, help="keep the files here, and use those that are here")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with contextlib.ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="artstore-bench-")))
        home = given.dir or work
        home.mkdir(parents=True, exist_ok=True)
        figures = Figures()
        for name, value in describe(home).items():
            figures.tell(name, value)
        elements = Elements(make_certificate(work))
        held.callback(elements.close)
        # A name with its number: a directory that holds another number of files is not taken for this one.
        server = elements.make(home / f"root-{given.files}", work / "element.log")
        _measure(server, home / f"root-{given.files}", given.files, figures)
        if given.json:
            given.json.write_text(json.dumps(figures.told, indent=1))


def _measure(server: Server, root: Path, count: int, figures: Figures) -> None:
    started = time.perf_counter()
    if make_files(root, count):
        seconds = time.perf_counter() - started
        figures.tell("files made, without the element", f"{count} in {seconds:.0f} s")
    figures.tell("the page cache is dropped for cold figures", "yes" if _drop_caches() else "no (not root)")
    _rebuild(server, root, count, figures)
    for number in range(STARTS):
        cold = number == 0 and _drop_caches()
        started = time.perf_counter()
        with running(server, REBUILD_SECONDS) as pid:
            seconds = time.perf_counter() - started
            figures.tell(f"start {number + 1}{' (cold)' if cold else ''} to ready", f"{seconds:.2f} s")
            if number == STARTS - 1:
                _while_running(server, pid, count, figures)


def _rebuild(server: Server, root: Path, count: int, figures: Figures) -> None:
    """Without an index: by the command, or where there is none yet by a start."""
    for path in root.glob("index.sqlite*"):
        path.unlink()
    _drop_caches()
    command = [*server.command[:-1], "rebuild-index"]
    environment = {**os.environ, **server.environment}
    known = subprocess.run([*command, "--help"], env=environment, capture_output=True, check=False).returncode == 0
    started = time.perf_counter()
    if known:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"rebuild-index failed: {os.waitstatus_to_exitcode(status)}")
        peak = used.ru_maxrss * 1024
        seconds = time.perf_counter() - started
    else:
        with running(server, REBUILD_SECONDS) as pid:
            seconds = time.perf_counter() - started
            watch = Watch(pid)
            peak = watch.begin()
    how = "rebuild-index" if known else "start without an index"
    figures.tell(f"{how}, cold", f"{seconds:.1f} s, {count / seconds:.0f} files a second, {peak / MIB:.0f} MiB")


def _while_running(server: Server, pid: int, count: int, figures: Figures) -> None:
    watch = Watch(pid)
    figures.tell("resident when ready", f"{watch.begin() / MIB:.0f} MiB")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
    far = count * 9 // 10
    last = _page(connection, server, f"offset={far - 1}&limit=1")[-1]
    for query in (
        "offset=0",
        f"offset={far}",
        f"after={last}",
        "status=active&offset=0",
        f"status=active&offset={far}",
    ):
        times = []
        for _ in range(REPEAT):
            started = time.perf_counter()
            _page(connection, server, f"{query}&limit={PAGE}")
            times.append((time.perf_counter() - started) * 1e3)
        name = "after=<id at 9/10>" if query.startswith("after") else query
        figures.tell(f"page of {PAGE}, {name}", f"{statistics.median(times):.1f} ms, most {max(times):.1f} ms")
    connection.close()
    figures.tell("resident after the pages, most", f"{watch.peak_bytes() / MIB:.0f} MiB")


def _page(connection: http.client.HTTPSConnection, server: Server, query: str) -> list[str]:
    connection.request("GET", f"/api/v1/files?{query}", headers=dict(server.headers))
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise SystemExit(f"{query}: {response.status} {content[:500]!r}")
    return [item["file_id"] for item in json.loads(content)["items"]]


def _drop_caches() -> bool:
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
