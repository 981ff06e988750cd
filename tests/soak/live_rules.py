"""`make rules-live`: a real Prometheus with our configuration, rules and dashboards beside a whole stack.

Every process is scraped, every rule is evaluated, every panel's query is asked; nothing fires while all is well. An element is
taken away until ArtStoreElementOffline fires, and brought back until it ends. A file is damaged on its disk, found, and
healed as its runbook says. Takes about four minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import yaml
from alerting import DASHBOARDS, ROOT, panel_queries
from artstore_stack import Stack
from world import World, free_port_base, pdf

_TARGETS: Final = {
    "artstore-admin": [0],
    "artstore-ingester": [20],
    "artstore-query": [30],
    "artstore-render": [40],
    "artstore-render-worker": [41],
    "artstore-storage-element": [10, 11],
}
"""Ports of a stack, counted from its base."""
_AIMS: Final = '{__name__=~"artstore:(uploads_failed|downloads_failed|searches_slow):ratio_rate1h"} >= 0'
_AWAY: Final = "se-rw-1"
_HARMED: Final = "se-edit-1"


class Prometheus:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Raises AssertionError with what Prometheus says of it."""
        answer = self._http.get("/api/v1/query", params={"query": expr}).json()
        assert answer["status"] == "success", f"{expr}\n{answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def firing(self) -> set[str]:
        return {one["metric"]["alertname"] for one in self.ask('ALERTS{alertstate="firing"}')}

    def rules(self) -> list[dict[str, Any]]:
        groups = self._http.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


def main() -> int:
    program = shutil.which("prometheus")
    if program is None:
        print("prometheus is not there (package prometheus): nothing was tried")
        return 0
    with TemporaryDirectory(prefix="artstore-rules-") as directory:
        base = free_port_base()
        stack = Stack(Path(directory) / "data", base, {**os.environ, "AM_ELEMENT_POLL_SECONDS": "1"})
        stack.up()
        try:
            trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
            with (
                httpx.Client(verify=trusted, timeout=60, trust_env=False) as http,
                _prometheus(program, Path(directory), base, str(stack.credentials["ca"])) as prometheus,
            ):
                _look(stack, World(stack, http), prometheus)
        finally:
            stack.down()
    return 0


def _look(stack: Stack, world: World, prometheus: Prometheus) -> None:
    _use(world)
    wanted = sum(len(ports) for ports in _TARGETS.values())
    _until("every process is scraped", lambda: len(prometheus.ask('up{job=~"artstore-.*"} == 1')) == wanted)
    _until("every rule was evaluated", lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    _use(world)
    _until("the rates are there", lambda: bool(prometheus.ask("artstore:uploads:rate5m > 0")))
    _until("and the aims", lambda: len(prometheus.ask(_AIMS)) == 3)
    _panels(prometheus)
    assert prometheus.firing() == set(), prometheus.firing()
    print(f"rules: {len(prometheus.rules())}, all evaluated; nothing fires")
    stack.stop(_AWAY)
    taken = time.monotonic()
    _until("ArtStoreElementOffline fires", lambda: "ArtStoreElementOffline" in prometheus.firing(), seconds=240)
    print(f"ArtStoreElementOffline fires {time.monotonic() - taken:.0f} s after {_AWAY} was taken away")
    print(f"firing then: {', '.join(sorted(prometheus.firing()))}")
    stack.start(_AWAY)
    back = time.monotonic()
    _until("all is well again", lambda: not prometheus.firing(), seconds=240)
    print(f"nothing fires {time.monotonic() - back:.0f} s after it came back")
    _damage(stack, world, prometheus)


def _damage(stack: Stack, world: World, prometheus: Prometheus) -> None:
    """What docs/runbooks/ArtStoreElementFilesDamaged.md says, step by step."""
    file_id = world.uploaded(pdf("damaged"), "damaged.pdf", retention_policy="temporary")["file_id"]
    place = stack.layout.root / "elements" / _HARMED / "files" / file_id[-3:] / f"{file_id}.data"
    _until("the file is in its place", place.exists)
    whole = place.read_bytes()
    place.write_bytes(whole[::-1])
    _maintenance(world, "scrub")
    _until("ArtStoreElementDamageFound fires", lambda: "ArtStoreElementDamageFound" in prometheus.firing())
    assert world.download(file_id).status_code == 409
    print("ArtStoreElementDamageFound fires after a scrub; the file answers 409")
    place.write_bytes(whole)
    _maintenance(world, "reconcile", checksums=True)
    _until("the file is whole again", lambda: world.download(file_id).status_code == 200)
    assert world.download(file_id).content == whole
    _until("no file is damaged", lambda: not prometheus.ask('artstore_element_files{status="damaged"} > 0'))
    print("its bytes put back and a reconciliation later it is served again")


def _maintenance(world: World, what: str, **wanted: bool) -> None:
    url = f"{world.gateway}/api/v1/storage-elements/{_HARMED}/{what}"
    answer = world.http.post(url, json=wanted or None, headers=world.bearer("operator"))
    assert answer.status_code == 202, answer.text


def _use(world: World) -> None:
    """One of each, so that there is something to count."""
    file_id = world.uploaded(pdf("rules"), "rules.pdf")["file_id"]
    assert world.download(file_id).status_code == 200
    found = world.http.post(f"{world.gateway}/api/v1/search", json={"query": "rules"}, headers=world.bearer())
    assert found.status_code == 200, found.text


def _panels(prometheus: Prometheus) -> None:
    """Asks what the dashboards ask, and tells which panels would be empty here."""
    asked, empty = 0, []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for title, expr in panel_queries(path):
            plain = expr.replace("$__rate_interval", "1m").replace("$namespace", ".*").replace("$job", ".*")
            asked += 1
            if not prometheus.ask(plain):
                empty.append(f"{path.stem}: {title}")
    print(f"queries of the dashboards: {asked} asked, {len(empty)} without data here:")
    for line in empty:
        print(f"  {line}")


@contextmanager
def _prometheus(program: str, directory: Path, base: int, ca: str) -> Iterator[Prometheus]:
    """With observability/prometheus.yaml, but for addresses and pace."""
    config = yaml.safe_load((ROOT / "observability/prometheus.yaml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "5s"}
    config["rule_files"] = [str(path) for path in ROOT.glob("charts/*/rules/*.yaml")]
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in _TARGETS]
    assert {job["job_name"] for job in config["scrape_configs"]} == _TARGETS.keys()
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{base + port}" for port in _TARGETS[job["job_name"]]]}]
        if "tls_config" in job:
            job["tls_config"]["ca_file"] = ca
    written = directory / "prometheus.json"
    written.write_text(json.dumps(config), encoding="utf-8")
    address = f"127.0.0.1:{base + 99}"
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={written}",
                f"--storage.tsdb.path={directory / 'prometheus'}",
                f"--web.listen-address={address}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            prometheus = Prometheus(f"http://{address}")
            _until("Prometheus is ready", prometheus.ready)
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)


def _until(what: str, true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
