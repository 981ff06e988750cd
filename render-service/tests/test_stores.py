"""The conformance suite on a directory and on a real S3 server, and what only one of them has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import aioboto3
import httpx
import pytest
from artstore_core.errors import StorageUnavailable
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from artstore_transfer import ByteRange
from pydantic import SecretStr
from render_service.clients.s3 import Bucket, S3Store
from render_service.disk.store import DirectoryStore
from render_support import PictureDecoder, added, picture, running_render, running_worker, settings_for
from store_conformance import StoreConformance, new_key, put
from swift_server import ACCESS, SECRET, missing, running_swift


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with TemporaryDirectory(prefix="artstore-s3-") as directory, running_swift(Path(directory)) as url:
        yield url


@pytest.fixture(scope="module")
async def made_bucket(endpoint: str) -> Bucket:
    # Swift's s3api knows no server-side encryption: there it is its disks' affair.
    made = Bucket("previews", "", endpoint, "us-east-1", ACCESS, SECRET, encryption="", attempts=1)
    async with aioboto3.Session().client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    ) as client:
        await client.create_bucket(Bucket=made.name)
    return made


@pytest.fixture
def bucket(made_bucket: Bucket) -> Bucket:
    """A part of it of the test's own."""
    return replace(made_bucket, prefix=f"{uuid4()}/")


class TestDirectory(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DirectoryStore:
        return DirectoryStore(tmp_path / "renditions")

    async def test_no_key_leads_out_of_it(self, store: DirectoryStore, tmp_path: Path) -> None:
        for key in ("../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", ".hidden/x", "a/b\0c", ""):
            with pytest.raises(ValueError, match="key"):
                await put(store, key, b"x", tmp_path)

    async def test_what_is_emptied_leaves_no_directories(self, store: DirectoryStore, tmp_path: Path) -> None:
        key = new_key()
        await put(store, key, b"x", tmp_path)
        await store.remove_all(key.rpartition("/")[0] + "/")
        assert await asyncio.to_thread(lambda: list((tmp_path / "renditions").iterdir())) == []


@pytest.mark.integration
class TestS3(StoreConformance):
    @pytest.fixture
    async def store(self, bucket: Bucket) -> AsyncIterator[S3Store]:
        made = S3Store(bucket)
        yield made
        await made.close()

    async def test_a_presigned_url_opens_what_it_was_made_for(self, store: S3Store, tmp_path: Path) -> None:
        key = new_key()
        await put(store, key, b"picture", tmp_path)
        url = await store.presign(key, 60, "image/webp")
        async with httpx.AsyncClient() as http:
            opened = await http.get(url)
            assert (opened.status_code, opened.content) == (200, b"picture")
            assert (await http.get(url[:-2] + "00")).status_code == 403
            assert (await http.get(url.replace(key, new_key()))).status_code == 403
            assert (await http.get(url.partition("?")[0])).is_client_error  # the bucket is private

    async def test_a_bucket_that_is_not_there_is_no_missing_rendition(self, bucket: Bucket, tmp_path: Path) -> None:
        for wrong in (
            replace(bucket, name="nothing"),
            replace(bucket, secret_key="wrong"),
            replace(bucket, endpoint_url=f"http://127.0.0.1:{free_port()}"),
        ):
            store = S3Store(wrong)
            try:
                with pytest.raises(StorageUnavailable):
                    await put(store, new_key(), b"x", tmp_path)
                with pytest.raises(StorageUnavailable):
                    async for _ in store.read(new_key(), ByteRange(0, 1)):
                        pass
            finally:
                await store.close()

    async def test_viewers_are_sent_to_the_bucket(
        self, bucket: Bucket, migrated: Database, issuer: TokenIssuer, element: str, tmp_path: Path
    ) -> None:
        settings = settings_for(
            migrated, issuer, tmp_path, store="s3", s3_bucket=bucket.name, s3_prefix=bucket.prefix, s3_redirect=True,
            s3_endpoint_url=bucket.endpoint_url, s3_access_key=SecretStr(ACCESS), s3_secret_key=SecretStr(SECRET),
            s3_encryption="",
        )  # fmt: skip
        async with running_render(settings, migrated, issuer) as bench, running_worker(settings, PictureDecoder()):
            await bench.registry.element("se-rw-1", element)
            row = await added(bench, element, picture())
            url = (await bench.ready(row.file_id))[0]["url"]
            sent = await bench.http.get(url)
            assert (sent.status_code, sent.headers["cache-control"]) == (307, "private, no-store")
            head = await bench.http.head(url)
        async with httpx.AsyncClient() as http:
            found = await http.get(sent.headers["location"])
            assert (found.status_code, found.headers["content-type"]) == (200, "image/webp")
            # What is signed for GET opens nothing for HEAD: that is answered here.
            assert (await http.head(sent.headers["location"])).status_code == 403
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(found.content)))
