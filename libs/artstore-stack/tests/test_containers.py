"""What the containers get before their first start: each its own secrets and nobody else's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from artstore_gateway import GatewaySettings
from artstore_stack.containers import ELEMENT_URLS, MOUNTED_AT, SERVICE_URLS, Containers

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OWN = "${ARTSTORE_IMAGES:-artstore}/"


def default(value: object) -> str:
    """What compose puts in where the caller has set nothing."""
    text = str(value)
    while (found := re.search(r"\$\{\w+:-([^{}]*)\}", text)) is not None:
        text = text.replace(found[0], found[1])
    return text


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
    of_another = {"GW_ELEMENTS_CA_FILE"}
    for name in {*SERVICE_URLS, *ELEMENT_URLS, "routes"}:
        for key, value in COMPOSE["services"][name]["environment"].items():
            if not str(value).startswith(f"{MOUNTED_AT}/") or Path(value).name in made_by_the_service:
                continue
            if key in of_another:
                continue
            assert (prepared / name / Path(value).name).is_file(), f"{name}: {key}"


def test_compose_has_no_secret_and_no_root() -> None:
    for name, service in COMPOSE["services"].items():
        for key, value in (service.get("environment") or {}).items():
            secret = any(word in key for word in ("SECRET", "PASSWORD", "_KEY", "DATABASE_URL"))
            assert not secret or key.endswith("_FILE"), f"{name}: {key}={value}"
        assert service.get("user") != "root"
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_credentials_hold_the_accounts(prepared: Path) -> None:
    content = json.loads((prepared / "operator" / "credentials.json").read_text())

    assert content["gateway_tls"] == "https://127.0.0.1:8081"
    assert set(content["service_accounts"]) == {"operator", "client", "service"}


def test_the_writer_of_routes_has_the_gateways_own_settings(tmp_path: Path) -> None:
    told = {key: default(value) for key, value in COMPOSE["services"]["routes"]["environment"].items()}
    listening = {"host", "tls_cert_file", "tls_key_file"}  # of which no route says anything

    writer = GatewaySettings.from_environment(told).model_dump(exclude=listening)

    assert writer == Containers(tmp_path, {}).gateway_settings().model_dump(exclude=listening)


def test_the_gateway_finds_routes_when_it_starts(prepared: Path) -> None:
    assert {path.name for path in (prepared / "elements").iterdir()} == {"clusters.json", "routes.json"}
    assert (prepared / "gateway" / "ca.crt").is_file()


def test_previews_have_the_keys_of_the_s3_server(prepared: Path) -> None:
    for key in ("s3_access_key", "s3_secret_key"):
        assert (prepared / "s3" / key).read_text() == (prepared / "render" / key).read_text()


def test_every_volume_that_init_fills_belongs_to_our_user(prepared: Path) -> None:
    """A volume takes the owner of the directory that it is mounted on first: that of `init`'s image."""
    mounted = {volume.rpartition("/init/")[2] for volume in COMPOSE["services"]["init"]["volumes"]}
    (listed,) = re.findall(r"for name in ([^;]+); do install", DOCKERFILE)
    filled = {path.name for path in prepared.iterdir()}

    assert set(listed.replace("\\", "").split()) == mounted == filled | {"s3-data"}


def test_images_are_of_this_version_and_no_tag_moves_unseen() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "admin-service/pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    for name, service in COMPOSE["services"].items():
        tag = default(service["image"]).rpartition(":")[2]
        assert tag == version[1] if service["image"].startswith(OWN) else tag not in ("latest", ""), name
    assert re.search(r"^ARG PYTHON_IMAGE=python:[\d.]+-slim-\w+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)


def test_every_image_of_compose_is_a_target_that_make_builds() -> None:
    targets = set(re.findall(r"^FROM runtime AS ([\w-]+)$", DOCKERFILE, re.MULTILINE))
    (built,) = re.findall(r"^IMAGE_TARGETS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    images = {default(service["image"]) for service in COMPOSE["services"].values()}

    assert targets == set(built.split())
    assert targets == {image.partition("/")[2].partition(":")[0] for image in images if image.startswith("artstore/")}
