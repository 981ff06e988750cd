"""What the containers get before their first start: each its own secrets and nobody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from artstore_stack.containers import ELEMENT_URLS, MOUNTED_AT, SERVICE_URLS, Containers

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    Containers(tmp_path, {}).prepare()
    return tmp_path


def test_nothing_changes_the_second_time(prepared: Path) -> None:
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}

    Containers(prepared, {}).prepare()

    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == before


def test_an_element_holds_its_own_ticket_key_only(prepared: Path) -> None:
    master = (prepared / "query" / "ticket_master_key").read_text()
    keys = {name: (prepared / name / "ticket_key").read_text() for name in ELEMENT_URLS}

    assert len(set(keys.values())) == len(keys)
    for name in ELEMENT_URLS:
        held = "".join(path.read_text() for path in (prepared / name).iterdir())
        assert master not in held
        assert "postgresql://" not in held


def test_every_file_that_compose_names_is_there(prepared: Path) -> None:
    made_by_the_service = {"jwks.json", "renditions"}
    volumes = {*SERVICE_URLS, *ELEMENT_URLS}
    for name in volumes:
        for key, value in COMPOSE["services"][name]["environment"].items():
            if not str(value).startswith(str(MOUNTED_AT)) or Path(value).name in made_by_the_service:
                continue
            assert (prepared / name / Path(value).name).is_file(), f"{name}: {key}"


def test_compose_has_no_secret_and_no_root() -> None:
    for name, service in COMPOSE["services"].items():
        for key, value in (service.get("environment") or {}).items():
            secret = any(word in key for word in ("SECRET", "PASSWORD", "_KEY", "DATABASE_URL"))
            assert not secret or key.endswith("_FILE"), f"{name}: {key}={value}"
        assert service.get("user") != "root"
        assert service["cap_drop"] == ["ALL"]


def test_credentials_hold_the_accounts(prepared: Path) -> None:
    content = json.loads((prepared / "operator" / "credentials.json").read_text())

    assert content["gateway_tls"] == "https://127.0.0.1:8081"
    assert set(content["service_accounts"]) == {"operator", "client", "service"}
