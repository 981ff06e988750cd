"""The main job, by curl alone, as README shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from world import World, curl, pdf, sha256

pytestmark = pytest.mark.e2e
NAME = "Годовой отчёт 2025.pdf"


def test_token_upload_search_download_by_curl_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(pdf("Annual report", pages=20))
    client_id, secret = world.account("client")
    answer = curl(
        "-u", f"{client_id}:{secret}", "-d", "grant_type=client_credentials", f"{world.gateway}/api/v1/auth/token"
    )
    bearer = f"Authorization: Bearer {json.loads(answer)['access_token']}"

    form = ["-F", "description=Сканы договоров", "-F", "tags=invoice", "-F", f"file=@{NAME}"]
    file = json.loads(curl("-H", bearer, *form, f"{world.gateway}/api/v1/files/upload", cwd=tmp_path))
    assert (file["original_filename"], file["content_type"]) == (NAME, "application/pdf")
    assert file["checksum"] == sha256((tmp_path / NAME).read_bytes())

    query = json.dumps({"query": "договор", "mode": "fulltext"})
    found = json.loads(
        curl("-H", bearer, "-H", "Content-Type: application/json", "-d", query, f"{world.gateway}/api/v1/search")
    )
    assert file["file_id"] in [item["file_id"] for item in found["items"]]

    url = f"{world.gateway}/api/v1/files/{file['file_id']}/download"
    curl("-H", bearer, "-OJ", url, cwd=tmp_path)
    curl("-H", bearer, "-o", "back.pdf", url, cwd=tmp_path)
    assert (tmp_path / "back.pdf").read_bytes() == (tmp_path / NAME).read_bytes()


def test_token_over_tls(world: World) -> None:
    client_id, secret = world.account("client")
    token_url = f"{world.credentials['gateway_tls']}/api/v1/auth/token"
    answer = curl("--cacert", world.ca, "-u", f"{client_id}:{secret}", "-d", "grant_type=client_credentials", token_url)
    assert json.loads(answer)["token_type"] == "Bearer"


def test_credentials_are_for_their_owner_only(world: World) -> None:
    credentials = Path(world.stack.data_dir) / "credentials.json"
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(credentials.read_text())) == {
        "gateway", "gateway_tls", "console", "admin", "service_accounts", "services", "storage_elements", "ca",
        "database_url", "data_dir",
    }  # fmt: skip


def test_files_survive_down_and_up(world: World) -> None:
    content = pdf("Survivor")
    file = world.uploaded(content, "переживший.pdf", description="выживший документ")
    world.stack.down()
    world.stack.up()
    assert world.download(file["file_id"]).content == content
    found = world.search(query="выживший", mode="fulltext").json()
    assert [item["file_id"] for item in found["items"]] == [file["file_id"]]
