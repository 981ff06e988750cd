"""DELETE: an upload is given up."""

from __future__ import annotations

from ingester_support import ElementProcess, Ingester
from tus_support import Tus


async def test_nothing_stays(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    await tus.patch(path, 0, b"hello")
    assert (await tus.ask("DELETE", path)).status_code == 204
    assert rw.files() == []
    assert (await tus.ask("HEAD", path)).status_code == 404
    assert (await tus.patch(path, 5, b"world")).status_code == 404
    assert (await tus.ask("DELETE", path)).status_code == 404


async def test_without_tus(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    assert (await tus.ask("DELETE", path, {"Tus-Resumable": None})).status_code == 204
    assert rw.files() == []


async def test_a_file_is_no_upload_any_more(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(0)
    assert (await tus.ask("DELETE", path)).status_code == 409
    assert rw.data() == [b""]


async def test_the_quota_is_given_back(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    ingester.admin.quota_files = 1
    path = await tus.begin(10)
    refused = await tus.ask("POST", "/api/v1/uploads", {"Upload-Length": "1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "QUOTA_EXCEEDED")
    await tus.ask("DELETE", path)
    assert ingester.admin.reserved == {}
    path = await tus.begin(1)
    assert (await tus.patch(path, 0, b"x")).status_code == 204
    assert ingester.admin.reserved == {}  # the registration settled it
    assert len(rw.data()) == 1
