"""What clients and operators do before the database burns: uploads, changes, deletions, and a sync that follows them."""

from __future__ import annotations

import base64
import json
import ssl
import time
from typing import Any
from uuid import UUID

import httpx
import uuid_utils
from artstore_core.scopes import Scope, element_audience

from bench.registry_stage import Admin
from bench.storage_servers import Server

CHANGES = 500
"""Of each kind, on each element."""
CALL_SECONDS, FOLLOW_SECONDS, LOOK_SECONDS = 60.0, 600.0, 0.05
SERVICE, OPERATOR = ("sa_ingester_ab12", "the ingester's secret"), ("sa_operator_cd34", "the operator's secret")
ACCOUNTS: dict[str, Any] = {
    "admin": {"username": "admin", "password": "correct horse battery"},
    "service_accounts": [
        {"client_id": client_id, "client_secret": secret, "name": kind, "kind": kind, "scopes": [*Scope]}
        for kind, (client_id, secret) in (("service", SERVICE), ("client", OPERATOR))
    ],
}
"""Of the bootstrap file."""
_UPLOAD = {
    "original_filename": "после.pdf",
    "content_type": "application/pdf",
    "uploaded_by": "user:ольга",
    "metadata": {"came": "late"},
}


def token(admin: Admin, storage_id: str | None) -> str:
    """For one element, or for what the gateway shows. Ends the program when the account cannot have it."""
    account, resource = OPERATOR, {}
    if storage_id is not None:
        account, resource = SERVICE, {"resource": element_audience(storage_id)}
    form = {"grant_type": "client_credentials", **resource}
    answer = httpx.post(f"{admin.server.url}/api/v1/auth/token", data=form, auth=account, timeout=CALL_SECONDS)
    return str(_good(answer)["access_token"])


def change(admin: Admin, storage_id: str, server: Server, *, most: int) -> str:
    """Uploads, changes and (on an element of mode edit) deletes up to `most` files each; in words, how many."""
    number, deletes = min(CHANGES, most), 0
    with _client(admin, storage_id, server) as client:
        listed = _good(client.get("/api/v1/files", params={"status": "active", "limit": 2 * number}))["items"]
        for item in listed[:number]:
            changes = {"description": "changed", "tags": ["changed", "ё"], "metadata": {"changed": True}}
            _good(client.patch(f"/api/v1/files/{item['file_id']}", json=changes))
        if _good(client.get("/api/v1/info"))["mode"] == "edit":
            for item in listed[number:]:
                client.delete(f"/api/v1/files/{item['file_id']}").raise_for_status()
                deletes += 1
        for one in range(number):
            _upload(client, UUID(int=uuid_utils.uuid7().int), f"upload {one}".encode())
    return f"{number} uploaded, {number} changed, {deletes} deleted"


def follow(admin: Admin, storage_id: str) -> str:
    """A sync that an operator asks for, to its end; in words, what it did."""
    headers = {"Authorization": f"Bearer {token(admin, None)}"}
    deadline = time.monotonic() + FOLLOW_SECONDS
    with httpx.Client(base_url=admin.server.url, headers=headers, timeout=CALL_SECONDS) as client:
        path = f"/api/v1/storage-elements/{storage_id}/sync"
        sync = _good(client.post(path, json={"full": False}))
        while sync["status"] == "running":
            if time.monotonic() > deadline:
                raise SystemExit(f"{storage_id}: the sync does not end")
            time.sleep(LOOK_SECONDS)
            history = _good(client.get(f"{path}s"))["items"]
            sync = next(one for one in history if one["id"] == sync["id"])
    if sync["status"] != "succeeded":
        raise SystemExit(f"{storage_id}: {sync}")
    counts = ", ".join(f"{sync[f'files_{what}']} {what}" for what in ("added", "updated", "deleted"))
    return f"{sync['kind']}, {sync['requests']} requests, {counts}"


def checkpoint(admin: Admin, storage_id: str, server: Server) -> None:
    """The data directory alone is the whole element then."""
    with _client(admin, storage_id, server) as client:
        _good(client.post("/api/v1/maintenance/checkpoint"))


def _client(admin: Admin, storage_id: str, server: Server) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token(admin, storage_id)}"}
    return httpx.Client(
        base_url=server.url, headers=headers, verify=ssl.create_default_context(cafile=admin.ca), timeout=CALL_SECONDS
    )


def _upload(client: httpx.Client, file_id: UUID, data: bytes) -> None:
    said = base64.urlsafe_b64encode(json.dumps(_UPLOAD).encode()).rstrip(b"=").decode()
    headers = {"Artstore-Metadata": said, "Content-Type": "application/octet-stream"}
    _good(client.put(f"/api/v1/files/{file_id}", content=data, headers=headers))


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise SystemExit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}")
    content: dict[str, Any] = answer.json()
    return content
