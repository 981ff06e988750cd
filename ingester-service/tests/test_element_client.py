"""What the client of elements makes of an element that goes away."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from artstore_auth.service_token import TokenSource
from artstore_core.errors import StorageUnavailable
from artstore_core.files import NewFile
from ingester_service.clients.elements import ElementClient
from ingester_service.upload.ports import Element
from pydantic import SecretStr


async def test_an_element_that_is_restarted_before_it_completes_an_upload_is_asked_for_later() -> None:
    """No other element has the bytes, so it is a 503 and no reason to look for one."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 900})
        raise httpx.ConnectError("Connection refused")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://x") as http:
        elements = ElementClient(http, TokenSource(http, "http://x/token", "me", SecretStr("secret")))
        new = NewFile(original_filename="a.bin", content_type="application/octet-stream", uploaded_by="sa:me")
        with pytest.raises(StorageUnavailable):
            await elements.complete(Element("se-1", "http://x", None), uuid4(), new, 1, None)
