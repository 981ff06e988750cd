"""The configuration of compose's profile `observability` fits together, and the rules go by its names."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from alerting import ROOT as PROJECT
from alerting import jobs_named, promtool, run_promtool

DIRECTORY = PROJECT / "observability"


def config(name: str) -> Any:
    return yaml.safe_load((DIRECTORY / name).read_text(encoding="utf-8"))


def scraped() -> dict[str, list[str]]:
    jobs = config("prometheus.yaml")["scrape_configs"]
    return {job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]] for job in jobs}


@pytest.mark.skipif(promtool() is None, reason="promtool (package prometheus) is not there")
def test_prometheus_can_read_it() -> None:
    # Only the syntax: the files that it names are those of the containers.
    done = run_promtool("check", "config", "--syntax-only", DIRECTORY / "prometheus.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_job_that_a_rule_names_is_scraped() -> None:
    named = jobs_named()
    assert named
    assert named <= scraped().keys()


def test_every_process_of_compose_is_scraped() -> None:
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    hosts = {target.partition(":")[0] for targets in scraped().values() for target in targets}
    ours = {"admin", "ingester", "query", "render", "render-worker", "se-edit-1", "se-rw-1"}
    assert ours <= hosts
    assert ours <= services.keys()


def test_spans_find_their_way() -> None:
    collector = config("otel-collector.yaml")
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= collector[kind].keys()
        assert pipeline["processors"][0] == "memory_limiter"
    receiver = config("tempo.yaml")["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    sent_to = collector["exporters"]["otlp_grpc"]["endpoint"]
    assert sent_to.partition(":")[2] == receiver.partition(":")[2]


def test_grafana_finds_both() -> None:
    sources = {
        source["uid"]: source for source in config("grafana/provisioning/datasources/artstore.yaml")["datasources"]
    }
    assert sources["tempo"]["url"].endswith(f":{config('tempo.yaml')['server']['http_listen_port']}")
    [exemplars] = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars == {"name": "trace_id", "datasourceUid": "tempo"}
    [provider] = config("grafana/provisioning/dashboards/artstore.yaml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
