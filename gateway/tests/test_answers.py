"""Envoy's own answers: all in the error form, with the headers that their status asks for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from artstore_gateway import Service
from artstore_gateway.testing import Gateway, running_gateway, wait_for

pytestmark = pytest.mark.integration

ORIGIN = "https://app.example"
SEARCH = "/api/v1/search"


def error(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert "server" not in response.headers
    body = response.json()
    assert list(body) == ["error"]
    assert {"code", "message"} <= set(body["error"])
    found: dict[str, str] = body["error"]
    return found


@pytest.mark.parametrize(
    ("service", "method", "path", "code"),
    [
        (Service.ADMIN, "GET", "/api/v1/audit", "ADMIN_UNAVAILABLE"),
        (Service.INGESTER, "POST", "/api/v1/files/upload", "STORAGE_UNAVAILABLE"),
        (Service.QUERY, "POST", SEARCH, "STORAGE_UNAVAILABLE"),
        (Service.RENDER, "GET", "/api/v1/render-jobs", "STORAGE_UNAVAILABLE"),
    ],
)
async def test_a_service_that_is_down_is_503(
    tmp_path: Path, service: Service, method: str, path: str, code: str
) -> None:
    async with running_gateway(tmp_path) as gateway:
        await gateway.upstreams[service].stop()

        response = await gateway.client.request(method, gateway.url + path, headers=gateway.bearer())

        assert response.status_code == 503
        assert error(response)["code"] == code
        assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_413_where_no_file_is_sent(gateway: Gateway, chunked: bool) -> None:
    async def pieces() -> object:
        for _ in range(3):
            yield bytes(512 * 1024)

    body = {"content": pieces() if chunked else bytes(3 * 512 * 1024)}
    response = await gateway.client.post(gateway.url + SEARCH, headers=gateway.bearer(), **body)  # type: ignore[arg-type]

    assert response.status_code == 413
    assert error(response)["code"] == "FILE_TOO_LARGE"


async def test_a_slow_service_is_504(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, request_timeout_seconds=1) as gateway:
        gateway.upstreams[Service.QUERY].delay = 2

        response = await gateway.client.post(gateway.url + SEARCH, headers=gateway.bearer())

        assert response.status_code == 504
        assert error(response)["code"] == "UPSTREAM_FAILED"


async def test_underscores_in_header_names_are_400(gateway: Gateway) -> None:
    headers = {**gateway.bearer(), "x_request_id": "a"}

    response = await gateway.client.get(gateway.url + "/api/v1/files/x1", headers=headers)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_nonsense_instead_of_http_is_400_in_the_form(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readuntil(b"}}")
    writer.close()

    assert b" 400 " in head
    assert json.loads(body)["error"]["code"] == "VALIDATION_ERROR"


async def test_what_an_upload_says_of_its_file_fits_into_the_head_both_ways(gateway: Gateway) -> None:
    """60 KiB of it, as the ingester takes them; tus tells them again to who asks how far the upload is."""
    described = "description " + "a" * (60 * 1024 - 12)
    ingester = gateway.upstreams[Service.INGESTER]
    ingester.more_headers = [(b"upload-metadata", described.encode())]
    try:
        headers = {**gateway.bearer(), "Upload-Metadata": described}
        begun = await gateway.client.post(gateway.url + "/api/v1/uploads", headers=headers)
        asked = await gateway.client.head(gateway.url + "/api/v1/uploads/x1", headers=gateway.bearer())
    finally:
        ingester.more_headers = []

    assert (begun.status_code, begun.json()["headers"]["upload-metadata"]) == (200, described)
    assert (asked.status_code, asked.headers["upload-metadata"]) == (200, described)


async def test_headers_beyond_that_are_431(gateway: Gateway) -> None:
    response = await gateway.client.get(gateway.url + SEARCH, headers={"X-Long": "a" * 200 * 1024})

    assert response.status_code == 431
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"
    assert "headers" in response.json()["error"]["message"]


async def test_a_request_id_is_kept_made_and_returned(gateway: Gateway) -> None:
    url = gateway.url + "/api/v1/files/x1"
    sent = {**gateway.bearer(), "X-Request-Id": "mine-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}

    kept = await gateway.client.get(url, headers=sent)
    made = await gateway.client.get(url, headers=gateway.bearer())

    assert kept.headers["x-request-id"] == "mine-1" == kept.json()["headers"]["x-request-id"]
    assert kept.json()["headers"]["traceparent"] == sent["traceparent"]
    assert made.headers["x-request-id"] == made.json()["headers"]["x-request-id"] != "mine-1"


async def test_nothing_tells_what_answers(gateway: Gateway) -> None:
    response = await gateway.client.get(gateway.url + "/api/v1/files/x1", headers=gateway.bearer())

    assert "server" not in response.headers
    assert not [name for name in response.headers if name.startswith("x-envoy")]


async def test_clients_cannot_steer_envoy(gateway: Gateway) -> None:
    steering = {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-max-retries": "9", "x-envoy-internal": "true"}

    response = await gateway.client.get(gateway.url + "/api/v1/files/x1", headers={**gateway.bearer(), **steering})

    assert response.status_code == 200
    assert not set(steering) & set(response.json()["headers"])


async def test_the_log_has_no_query_string(gateway: Gateway) -> None:
    await gateway.client.get(gateway.url + "/api/v1/links/download?ticket=SECRET", headers={"X-Request-Id": "log-1"})
    await wait_for(lambda: "log-1" in gateway.log.read_text(), "the access log", seconds=20)

    text = gateway.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    line = next(line for line in lines if line.get("request_id") == "log-1")
    assert (line["path"], line["status"], line["upstream"]) == ("/api/v1/links/download", 200, "query")
    assert "SECRET" not in text


async def test_the_log_does_not_tell_what_opens_tiles(gateway: Gateway) -> None:
    tiles = gateway.url + "/api/v1/renditions/x1/tiles/SECRET"
    await gateway.client.get(f"{tiles}/image.dzi", headers={"X-Request-Id": "tiles-1"})
    await gateway.client.post(f"{tiles}/image.dzi", headers={"X-Request-Id": "tiles-2"})
    await gateway.client.get(tiles, headers={"X-Request-Id": "tiles-3"})
    await wait_for(lambda: "tiles-3" in gateway.log.read_text(), "the access log", seconds=20)

    text = gateway.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"tiles-' in line]
    assert [line["status"] for line in lines] == [200, 405, 404]
    assert "/tiles/{view}" in lines[0]["route"]
    assert "SECRET" not in text


async def test_cors_answers_the_preflight_of_a_known_origin_only(gateway: Gateway) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    for path in ("/api/v1/files/x1", "/api/v1/uploads/x1"):
        known = await gateway.client.options(gateway.url + path, headers=asked)
        assert known.status_code == 200
        assert known.headers["access-control-allow-origin"] == ORIGIN
        assert "PATCH" in known.headers["access-control-allow-methods"]

    other = await gateway.client.options(
        gateway.url + "/api/v1/files/x1", headers={**asked, "Origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in other.headers


async def test_cors_lets_the_page_read_a_refusal(gateway: Gateway) -> None:
    response = await gateway.client.get(gateway.url + "/api/v1/files/x1", headers={"Origin": ORIGIN})

    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "WWW-Authenticate" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", SEARCH, 405), ("GET", "/api/v1/files/a%2Fb", 400)]
)
async def test_cors_lets_the_page_read_what_no_service_answers(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    known = await gateway.client.request(method, gateway.url + path, headers={"Origin": ORIGIN})
    other = await gateway.client.request(method, gateway.url + path, headers={"Origin": "https://evil.example"})
    none = await gateway.client.request(method, gateway.url + path)

    assert {known.status_code, other.status_code, none.status_code} == {status}
    assert known.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert "Allow" in known.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in {*other.headers, *none.headers}


async def test_no_cache_shows_a_page_what_another_pages_request_was_answered(gateway: Gateway) -> None:
    """A browser keeps a preview's picture for an `<img>`, and a script that asks for it later would find no leave in it."""
    render = gateway.upstreams[Service.RENDER]
    render.more_headers = [(b"vary", b"Accept")]
    try:
        answer = await gateway.client.get(f"{gateway.url}/api/v1/renditions/x1/content/preview.webp")
    finally:
        render.more_headers = []

    assert {name.strip() for name in answer.headers["vary"].split(",")} == {"Accept", "Origin"}


async def test_without_origins_there_is_no_cors(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        response = await gateway.client.options(
            gateway.url + SEARCH, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        )

        assert response.status_code == 405
        assert not {"access-control-allow-origin", "access-control-expose-headers", "vary"} & set(response.headers)
