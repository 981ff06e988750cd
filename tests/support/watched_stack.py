"""A stack of its own whose traces are received here, and what is done in it to be seen."""

from __future__ import annotations

import io
import os
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from artstore_stack import Stack
from artstore_stack.parts import ELEMENTS, SERVICES, Part
from otlp_receiver import OtlpReceiver, SeenTrace, receiving_spans
from PIL import Image
from renditions_seen import await_previews
from world import World, free_port_base

Name = tuple[str, str]
"""Of a span: its service, and its own."""
SECONDS = 40.0
"""Envoy sends its spans every five."""
_SIDE = 400


@dataclass(frozen=True, slots=True)
class WatchedStack:
    world: World
    received: OtlpReceiver

    def url(self, part: Part) -> str:
        """A process's own, for what the gateway does not let in."""
        scheme = "https" if part in ELEMENTS else "http"
        return f"{scheme}://127.0.0.1:{self.world.stack.ports.of(part)}"

    @property
    def parts(self) -> list[Part]:
        """Everything that has metrics of ours."""
        return [*SERVICES, *ELEMENTS, Part.RENDER_WORKER]

    def metrics(self, part: Part, accept: str = "") -> httpx.Response:
        answer = self.world.http.get(f"{self.url(part)}/metrics", headers={"Accept": accept} if accept else {})
        assert answer.status_code == 200
        return answer

    def trace_of(self, answer: httpx.Response, *names: Name) -> SeenTrace:
        """That of the request that was answered by it, with one root, without a gap, and with all of these spans."""
        return self.trace("artstore.request_id", answer.headers["x-request-id"], *names)

    def trace(self, attribute: str, value: str, *names: Name, root: str | None = None) -> SeenTrace:
        """The same of the trace that has a span with this attribute."""
        deadline = time.monotonic() + SECONDS
        while True:
            trace = self.received.with_attribute(attribute, value, root)
            if trace is not None and trace.is_whole and trace.names >= set(names):
                return trace
            if time.monotonic() > deadline:
                seen = [] if trace is None else [*lines(trace), *(f"orphan: {one}" for one in trace.orphans)]
                raise AssertionError("\n".join([f"no whole trace with {attribute} {value} and {names}; seen:", *seen]))
            time.sleep(0.1)


@contextmanager
def watched_stack(bases: Iterable[int]) -> Iterator[WatchedStack]:
    with receiving_spans() as received, TemporaryDirectory(prefix="artstore-traces-") as directory:
        settings = {
            "AM_ELEMENT_POLL_SECONDS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        stack = Stack(Path(directory) / "data", free_port_base(bases), {**os.environ, **settings})
        stack.up()
        try:
            trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
            with httpx.Client(verify=trusted, timeout=60, trust_env=False) as http:
                yield WatchedStack(World(stack, http), received)
        finally:
            stack.down()


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked of the stack, and its answers."""

    watched: WatchedStack
    upload: httpx.Response
    search: httpx.Response
    download: httpx.Response
    proxied: httpx.Response
    by_link: httpx.Response
    renditions: httpx.Response
    tile: httpx.Response

    @property
    def file_id(self) -> str:
        return str(self.upload.json()["file_id"])


def done_in(watched: WatchedStack) -> Done:
    world, content = watched.world, noise()
    upload = world.upload(content, "шум.png", description="шум на снимке")
    assert upload.status_code == 201, upload.text
    file_id = upload.json()["file_id"]
    search = world.search(query="снимок", mode="fulltext")
    download = world.download(file_id)
    # Not by way of the gateway, which would be sent to the element: as on Kubernetes, where query hands the bytes on.
    proxied = world.http.get(f"{watched.url(Part.QUERY)}/api/v1/files/{file_id}/download", headers=world.bearer())
    assert download.content == proxied.content == content
    by_link = world.http.get(world.link(file_id))
    await_previews(world, file_id, SECONDS)
    renditions = world.http.get(f"{world.gateway}/api/v1/renditions/{file_id}", headers=world.bearer())
    tile = world.http.get(next(url for url in urls_of(renditions) if url.endswith(".dzi")))
    assert [one.status_code for one in (search, by_link, tile)] == [200, 200, 200]
    return Done(watched, upload, search, download, proxied, by_link, renditions, tile)


def urls_of(answer: httpx.Response) -> list[str]:
    found: list[str] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)
        elif isinstance(value, str) and value.startswith("http"):
            found.append(value)

    look(answer.json())
    return found


def noise() -> bytes:
    """A picture that no compression makes small, so that it takes the way of large files: about half a MiB of PNG."""
    picture = Image.frombytes("RGB", (_SIDE, _SIDE), os.urandom(_SIDE * _SIDE * 3))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def lines(trace: SeenTrace) -> list[str]:
    """The tree for people: what, where, how long."""
    shown = []
    for depth, span in trace.tree():
        what = f"{'  ' * depth}{span.name}"
        where = span.instance if span.service == "storage-element" else span.service
        shown.append(f"{what:<60} {where:<18} {span.milliseconds:8.1f} ms")
    return shown
