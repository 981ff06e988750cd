"""A release's Secrets are made once, each holds what its service needs and no more, and the store brings them back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from artstore_stack.kubernetes import Plan, contents, make
from artstore_stack.kubernetes_api import Conflict, Found, KubernetesSecrets
from artstore_stack.secret_store import SecretStore

NAMES = ("store", "admin", "ingester", "query", "render", "migrations", "database", "elements", "operator")


def plan(**changes: Any) -> Plan:
    given: dict[str, Any] = {
        "secrets": {name: f"art-{name}" for name in NAMES},
        "labels": {"app.kubernetes.io/name": "artstore"},
        "gateway": "https://files.example.com",
        "bootstrapKey": "bootstrap-1.json",
        "elements": {"se-1": "https://se-1.example.com:8010"},
        "database": {"host": "db", "port": 5432, "name": "artstore", "options": "ssl=require"},
    }
    return Plan.model_validate(given | changes)


class Kept:
    """Secrets in memory, with Kubernetes' rule about versions. `rival` writes the store first, once."""

    def __init__(self, rival: dict[str, str] | None = None) -> None:
        self.found: dict[str, Found] = {}
        self._rival = rival

    def read(self, name: str) -> Found | None:
        return self.found.get(name)

    def write(self, name: str, data: Mapping[str, str], labels: Mapping[str, str], found: Found | None) -> None:
        assert labels
        if self._rival is not None:
            self.found[name], self._rival = Found(self._rival, "rival"), None
        if self.found.get(name) != found:
            raise Conflict(name)
        self.found[name] = Found(dict(data), f"{int(found.version) + 1 if found else 1}")


def test_everything_is_made_once_and_stays() -> None:
    secrets = Kept()
    assert sorted(make(plan(), secrets)) == sorted(f"art-{name}" for name in NAMES)
    before = dict(secrets.found)
    assert make(plan(), secrets) == []
    assert secrets.found == before


def test_a_lost_secret_comes_back_as_it_was() -> None:
    secrets = Kept()
    make(plan(), secrets)
    lost = secrets.found.pop("art-query")
    assert make(plan(), secrets) == ["art-query"]
    assert secrets.found["art-query"].data == lost.data


def test_of_two_jobs_at_once_the_first_ones_values_count() -> None:
    other = Kept()
    make(plan(), other)
    secrets = Kept(rival=other.found["art-store"].data)
    make(plan(), secrets)
    assert secrets.found["art-admin"].data == other.found["art-admin"].data


def test_what_is_somebody_elses_to_make_is_left_alone() -> None:
    secrets = Kept()
    wanted = plan(secrets={"store": "art-store", "render": "art-render"})
    assert make(wanted, secrets) == ["art-store", "art-render"]


def test_a_new_element_changes_only_what_tells_of_it() -> None:
    secrets = Kept()
    make(plan(), secrets)
    more = plan(
        elements={"se-1": "https://se-1.example.com", "se-2": "https://se-2.example.com"}, bootstrapKey="b-2.json"
    )
    assert sorted(make(more, secrets)) == ["art-admin", "art-elements"]
    told = json.loads(secrets.found["art-admin"].data["b-2.json"])
    assert [element["storage_id"] for element in told["storage_elements"]] == ["se-1", "se-2"]


def test_each_service_has_its_own_role_and_account_and_no_one_the_owners(tmp_path: Path) -> None:
    made = contents(plan(), SecretStore(tmp_path))
    assert "artstore_owner" in made["migrations"]["database_url"]
    for service, content in made.items():
        if service not in ("migrations", "database"):
            assert "artstore_owner" not in json.dumps(content), service
    assert made["query"]["database_url"].startswith("postgresql://artstore_query:")
    assert made["query"]["database_url"].endswith("@db:5432/artstore?ssl=require")
    assert set(made["ingester"]) == {"client_id", "client_secret", "ticket_master_key"}
    assert set(made["elements"]) == {"se-1"}
    assert made["elements"]["se-1"] != made["ingester"]["ticket_master_key"]


def test_the_file_for_bootstrap_is_one_that_admin_takes(tmp_path: Path) -> None:
    told = json.loads(contents(plan(), SecretStore(tmp_path))["admin"]["bootstrap-1.json"])
    names = {account["name"]: account["kind"] for account in told["service_accounts"]}
    assert names == {"operator": "client", "ingester": "service", "query": "service", "render": "service"}
    assert all(
        set(account) == {"name", "client_id", "client_secret", "kind", "scopes"} for account in told["service_accounts"]
    )


class Cluster:
    """Kubernetes' answers about Secrets, over HTTP's own types."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.version = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer t"
        assert request.url.path.startswith("/api/v1/namespaces/files/secrets")
        name = request.url.path.rpartition("/")[2]
        if request.method == "GET":
            found = self.stored.get(name)
            return httpx.Response(404) if found is None else httpx.Response(200, json=found)
        given = json.loads(request.content)
        known = self.stored.get(given["metadata"]["name"])
        if (request.method == "POST") is (known is not None):
            return httpx.Response(409)
        if known is not None and known["metadata"]["resourceVersion"] != given["metadata"]["resourceVersion"]:
            return httpx.Response(409)
        self.version += 1
        given["metadata"]["resourceVersion"] = str(self.version)
        self.stored[given["metadata"]["name"]] = given
        return httpx.Response(200, json=given)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def secrets(cluster: Cluster) -> KubernetesSecrets:
    headers = {"Authorization": "Bearer t"}
    client = httpx.Client(base_url="https://kubernetes", headers=headers, transport=httpx.MockTransport(cluster))
    return KubernetesSecrets(client, "files")


def test_secrets_go_to_kubernetes_and_come_back(cluster: Cluster, secrets: KubernetesSecrets) -> None:
    with secrets:
        assert len(make(plan(), secrets)) == len(NAMES)
        assert make(plan(), secrets) == []
    url = base64.b64decode(cluster.stored["art-query"]["data"]["database_url"]).decode()
    assert url.startswith("postgresql://artstore_query:")


def test_a_secret_that_changed_in_between_is_a_conflict(secrets: KubernetesSecrets) -> None:
    with secrets:
        secrets.write("one", {"a": "1"}, {}, None)
        found = secrets.read("one")
        secrets.write("one", {"a": "2"}, {}, found)
        with pytest.raises(Conflict):
            secrets.write("one", {"a": "3"}, {}, found)
        with pytest.raises(Conflict):
            secrets.write("one", {"a": "3"}, {}, None)
