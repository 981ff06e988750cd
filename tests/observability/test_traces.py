"""One upload, one search, one download, one preview: each is one trace with one root and no gap, down to the disk (A8)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from alerting import promtool, run_promtool
from artstore_stack.parts import Part
from exported_metrics import ExportedMetric, documented_metrics, registered_metrics, scraped_metrics
from otlp_receiver import SeenTrace
from watched_stack import Done, WatchedStack, done_in, urls_of, watched_stack
from world import port_bases, within

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def watched(worker_id: str) -> Iterator[WatchedStack]:
    with watched_stack(port_bases(worker_id)) as watched:
        yield watched


@pytest.fixture(scope="module")
def done(watched: WatchedStack) -> Done:
    return done_in(watched)


def services(trace: SeenTrace) -> set[str]:
    return {span.service for span in trace.spans}


def starts_at_the_gateway(trace: SeenTrace) -> bool:
    return trace.is_whole and trace.roots[0].service == "gateway"


def test_an_upload_is_one_trace_from_the_gateway_to_the_flush(done: Done) -> None:
    trace = done.watched.trace_of(
        done.upload,
        ("ingester-service", "POST /api/v1/files/upload"),
        ("storage-element", "receive, hash, write"),
        ("storage-element", "flush file"),
        ("storage-element", "commit"),
        ("admin-service", "INSERT"),
    )
    assert starts_at_the_gateway(trace)
    assert services(trace) == {"gateway", "ingester-service", "storage-element", "admin-service"}


def test_a_search_is_one_trace_from_the_gateway_to_its_statement(done: Done) -> None:
    trace = done.watched.trace_of(
        done.search, ("query-service", "POST /api/v1/search"), ("query-service", "WITH search_ranked")
    )
    assert starts_at_the_gateway(trace)
    assert services(trace) == {"gateway", "query-service"}


def test_a_download_is_one_trace_from_the_gateway_to_the_disk_on_either_way(done: Done) -> None:
    to_the_disk = (("storage-element", "open file"), ("storage-element", "read and send"))
    by_envoy = done.watched.trace_of(done.download, *to_the_disk)
    assert starts_at_the_gateway(by_envoy)
    assert services(by_envoy) == {"gateway", "query-service", "storage-element"}
    by_query = done.watched.trace_of(done.proxied, *to_the_disk)
    assert by_query.roots[0].service == "query-service"
    assert services(by_query) == {"query-service", "storage-element"}


def test_a_preview_is_one_trace_from_the_queue_to_the_disk(done: Done) -> None:
    trace = done.watched.trace(
        "artstore.file_id",
        done.file_id,
        ("render-worker", "fetch file"),
        ("storage-element", "open file"),
        ("render-worker", "decode"),
        ("render-worker", "store rendition"),
        ("render-worker", "UPDATE end_run"),
        root="render job",
    )
    assert (trace.roots[0].service, trace.roots[0].kind) == ("render-worker", "consumer")
    assert services(trace) == {"render-worker", "storage-element"}


def test_logs_name_the_trace_and_the_request(done: Done) -> None:
    trace, request_id = done.watched.trace_of(done.upload), done.upload.headers["x-request-id"]
    for part in (Part.INGESTER, Part.ADMIN):
        log = done.watched.world.stack.layout.log(part).read_text(encoding="utf-8")
        told = [json.loads(line) for line in log.splitlines() if f'"{request_id}"' in line]
        assert told
        assert {line["trace_id"] for line in told} == {trace.spans[0].trace_id}


def test_a_slow_request_is_found_by_its_example(done: Done) -> None:
    text = done.watched.metrics(Part.INGESTER, accept="application/openmetrics-text; version=1.0.0").text
    trace = done.watched.trace_of(done.upload)
    examples = [line for line in text.splitlines() if trace.spans[0].trace_id in line]
    assert examples
    assert all(line.startswith("artstore_http_request_duration_seconds_bucket") for line in examples)
    assert text.endswith("# EOF\n")


def test_health_and_metrics_leave_no_spans(done: Done) -> None:
    done.watched.trace_of(done.tile)
    names = {span.attributes.get("http.route") for trace in done.watched.received.traces for span in trace.spans}
    assert not names & {"/health/live", "/health/ready", "/metrics"}


def test_no_span_holds_what_opens_anything(done: Done) -> None:
    for answer in (done.by_link, done.tile, done.renditions):
        done.watched.trace_of(answer)
    told = b"".join(done.watched.received.raw)
    assert [what for what, secret in secrets(done).items() if secret.encode() in told] == []


def test_no_log_holds_what_opens_anything(done: Done) -> None:
    logs = done.watched.world.stack.layout.logs
    seen = (logs / "envoy.log", logs / "render.log")
    within(60, lambda: all(done.tile.headers["x-request-id"] in log.read_text() for log in seen), "the tile is logged")
    for log in logs.iterdir():
        told = log.read_text(encoding="utf-8", errors="replace")
        assert [what for what, secret in secrets(done).items() if secret in told] == [], log.name


def secrets(done: Done) -> dict[str, str]:
    world, credentials = done.watched.world, done.watched.world.credentials
    view = next(url for url in urls_of(done.renditions) if url.endswith(".dzi")).split("/tiles/")[1].split("/")[0]
    return {
        "a token": world.bearer()["Authorization"].removeprefix("Bearer "),
        "a client's secret": world.account("client")[1],
        "the administrator's password": str(credentials["admin"]["password"]),
        "a ticket": "ticket=",
        "the way to tiles": view,
        "a word that was searched for": "снимок",
    }


def test_every_process_shows_metrics_that_are_documented_and_well_formed(done: Done) -> None:
    shown: dict[str, ExportedMetric] = {}
    for part in done.watched.parts:
        text = done.watched.metrics(part).text
        if promtool() is not None:
            checked = run_promtool("check", "metrics", given=text)
            assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), part
        shown |= scraped_metrics(text)
    documented = documented_metrics()
    assert shown.keys() | registered_metrics().keys() == documented.keys()
    # One without a sample does not show its labels.
    assert [one for one in shown.values() if one.labels and one.labels != documented[one.name].labels] == []
