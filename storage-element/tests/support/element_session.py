"""One life of an element in this process: started on some disk, driven through its HTTP face, ended or dropped."""

from __future__ import annotations

import asyncio
import atexit
import base64
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Final

import httpx
from artstore_core.modes import Mode
from artstore_core.scopes import Scope, element_audience
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import Tickets, UploadSubject, encode_key
from asgi_lifespan import LifespanManager
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from element_names import content_of, id_of
from pydantic import SecretStr
from storage_element.config import Settings
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build
from structlog.testing import capture_logs

STORAGE_ID: Final = "se-crash-1"
BEGINNING: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
METADATA: Final[dict[str, Any]] = {
    "original_filename": "отчёт.pdf",
    "content_type": "application/pdf",
    "uploaded_by": "sa:sa_scanner_x7k2",
    "tags": ["invoice"],
}
MODE: Final = "mode"
"""In place of a file's id where the element's mode is meant."""
_SECONDS_TO_STOP: Final = 30
_STARTING: Final = "is starting"

Step = list[Any]
"""What a client does: its kind, the file's number, and what else the kind takes (see the methods of `Session`)."""
View = Any
"""What the element says of one file, or its mode: JSON, compared as a whole."""


@cache
def _ca_file() -> Path:
    """A single certificate: to load all of the system's takes longer than all else that an element does to start."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGINNING)
        .not_valid_after(BEGINNING + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    directory = Path(mkdtemp())
    atexit.register(rmtree, directory)
    path = directory / "ca.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def metadata_header(metadata: dict[str, Any]) -> dict[str, str]:
    return {"Artstore-Metadata": base64.urlsafe_b64encode(json.dumps(metadata).encode()).rstrip(b"=").decode()}


def initialise(root: Path, filesystem: FileSystem, mode: Mode = Mode.EDIT) -> None:
    DataRoot(root, filesystem, STORAGE_ID, lambda *_: None).initialise(mode, BEGINNING)


class DidNotOpen(Exception):
    """The element stays closed; the message is its own."""


class Session:
    """Between `start` and `stop`. The clock stands still, so that the same work makes the same records."""

    def __init__(
        self,
        root: Path,
        filesystem: FileSystem,
        issuer: TokenIssuer,
        now: Callable[[], datetime] = lambda: BEGINNING,
        *,
        index_in_memory: bool = False,
    ) -> None:
        settings = Settings(
            storage_id=STORAGE_ID,
            data_dir=root,
            tls_cert_file=root / "unused.crt",
            tls_key_file=root / "unused.key",
            ticket_key=SecretStr(encode_key(bytes(32))),
            issuer=issuer.issuer,
            jwks_url="https://unused.test/jwks.json",
            ca_file=_ca_file(),
            # Nothing happens by itself: the calls of one run are those of the next.
            marker_check_seconds=3600,
            checkpoint_seconds=3600,
            ballast_bytes=0,
        )
        self._tickets = Tickets(STORAGE_ID, bytes(32), now)
        self.app = build(settings, keys=issuer.keys, filesystem=filesystem, now=now, index_in_memory=index_in_memory)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="https://element.test",
            headers=issuer.bearer(tuple(Scope), audience=element_audience(STORAGE_ID)),
        )

    async def start(self) -> Session:
        """Raises DidNotOpen."""
        self._quiet = capture_logs()  # what is started a thousand times has nothing to say that anybody could read
        self._quiet.__enter__()
        self._life = LifespanManager(self.app, shutdown_timeout=_SECONDS_TO_STOP)
        await self._life.__aenter__()
        while not await self._is_open():
            answer = await self.client.get("/health/ready")
            if _STARTING not in answer.text and not self.app.state.element.opened.is_set():
                await self.stop()
                raise DidNotOpen(answer.text)
        return self

    async def stop(self) -> None:
        """As SIGTERM would. Where its disk is gone by then, it has nothing to say about that."""
        await self.client.aclose()
        await self._life.__aexit__(None, None, None)
        self._quiet.__exit__(None, None, None)

    async def _is_open(self) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.app.state.element.opened.wait(), 0.1)
        return bool(self.app.state.element.opened.is_set())

    async def perform(self, step: Step) -> httpx.Response:
        kind, *given = step
        answer: httpx.Response = await getattr(self, f"_{kind}")(*given)
        return answer

    async def view(self, subject: str) -> View:
        """All that a client can learn of a file: its record, its bytes, whether it is listed, and as what."""
        if subject == MODE:
            return (await self.client.get("/api/v1/info")).json()["mode"]
        path = f"/api/v1/files/{subject}"
        record, download = await self.client.get(path), await self.client.get(f"{path}/download")
        return {
            "record": record.json() if record.status_code == 200 else record.status_code,
            "bytes": sha256(download.content).hexdigest() if download.status_code == 200 else download.status_code,
        }

    async def listed(self) -> dict[str, Any]:
        """Every file that is listed, whatever its status, by id."""
        answer = await self.client.get("/api/v1/files", params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        return {file["file_id"]: file for file in answer.json()["items"]}

    async def reconcile(self) -> list[Any]:
        """What a whole reconciliation finds, every byte read."""
        answer = await self.client.post("/api/v1/maintenance/reconcile", json={"checksums": True})
        while answer.json()["state"] == "running":
            await asyncio.sleep(0.001)
            answer = await self.client.get("/api/v1/maintenance/reconcile")
        assert answer.json()["finished_at"] is not None, answer.text
        findings: list[Any] = answer.json()["findings"]
        return findings

    async def _put(self, number: int, size: int, **changes: Any) -> httpx.Response:
        return await self.client.put(
            f"/api/v1/files/{id_of(number)}",
            content=content_of(number, size),
            headers=metadata_header(METADATA | changes),
        )

    async def _begin(self, number: int, size: int | None) -> httpx.Response:
        return await self.client.post(f"/api/v1/uploads/{id_of(number)}", json={"size": size})

    async def _begin_parts(self, number: int, size: int, part_size: int) -> httpx.Response:
        asked = {"size": size, "part_size": part_size}
        return await self.client.post(f"/api/v1/uploads/{id_of(number)}", json=asked)

    async def _part(self, number: int, size: int, part_size: int, part: int) -> httpx.Response:
        """Of a file of `size` bytes."""
        ticket = self._tickets.issue(UploadSubject(id_of(number), part), ["PUT"])
        return await self.client.put(
            f"/api/v1/uploads/{id_of(number)}/parts/{part}",
            params={"ticket": ticket},
            content=_parts(number, size, part_size)[part - 1],
        )

    async def _seal(self, number: int, size: int, part_size: int) -> httpx.Response:
        sha256s = [sha256(part).hexdigest() for part in _parts(number, size, part_size)]
        return await self.client.post(f"/api/v1/uploads/{id_of(number)}/seal", json={"parts": sha256s})

    async def _append(self, number: int, size: int, offset: int, end: int) -> httpx.Response:
        """Of a file of `size` bytes, those between."""
        return await self.client.patch(
            f"/api/v1/uploads/{id_of(number)}",
            content=content_of(number, size)[offset:end],
            headers={"Upload-Offset": str(offset)},
        )

    async def _complete(self, number: int, size: int) -> httpx.Response:
        checksum = sha256(content_of(number, size)).hexdigest()
        return await self.client.post(
            f"/api/v1/uploads/{id_of(number)}/complete", json={"metadata": METADATA, "size": size, "sha256": checksum}
        )

    async def _abort(self, number: int) -> httpx.Response:
        return await self.client.delete(f"/api/v1/uploads/{id_of(number)}")

    async def _patch(self, number: int, revision: int, changes: dict[str, Any]) -> httpx.Response:
        return await self.client.patch(
            f"/api/v1/files/{id_of(number)}", json=changes, headers={"If-Match": f'"{revision}"'}
        )

    async def _delete(self, number: int, revision: int) -> httpx.Response:
        return await self.client.delete(f"/api/v1/files/{id_of(number)}", headers={"If-Match": f'"{revision}"'})

    async def _mode(self, target: str) -> httpx.Response:
        return await self.client.post("/api/v1/mode/transition", json={"target_mode": target, "confirm": True})

    async def _checkpoint(self) -> httpx.Response:
        return await self.client.post("/api/v1/maintenance/checkpoint")

    async def _purge(self) -> httpx.Response:
        """What garbage collection does once an interval."""
        await self.app.state.upkeep.gc.once()
        return httpx.Response(200)


def _parts(number: int, size: int, part_size: int) -> list[bytes]:
    content = content_of(number, size)
    return [content[offset : offset + part_size] for offset in range(0, size, part_size)]


def subject_of(step: Step) -> str | None:
    """Whose state a step changes in the end, as clients see it; None for one that changes nobody's."""
    match step[0]:
        case "put" | "complete" | "patch" | "delete":
            return str(id_of(step[1]))
        case "mode":
            return MODE
        case _:
            return None
