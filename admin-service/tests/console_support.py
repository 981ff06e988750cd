"""A visitor of the console, as a browser would be one: cookies, forms with their token, no scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Browser:
    http: httpx.AsyncClient

    async def get(self, path: str = "", **params: str) -> httpx.Response:
        return await self.http.get(f"/admin/{path}", params=params)

    async def page(self, path: str = "", **params: str) -> str:
        """The text of a page that must be there."""
        answer = await self.get(path, **params)
        assert answer.status_code == 200, (answer.status_code, answer.headers, answer.text[:2000])
        return unescape(answer.text)

    async def csrf(self, path: str) -> str:
        found = _CSRF.search((await self.get(path)).text)
        assert found is not None
        return found[1]

    async def send(self, path: str, fields: dict[str, str] | None = None, *, form: str | None = None) -> httpx.Response:
        """The form on the page `form`, or on the one with the same address, filled in and sent."""
        token = await self.csrf(path if form is None else form)
        return await self.http.post(f"/admin/{path}", data={"csrf": token, **(fields or {})})

    async def sign_in(self, username: str, password: str, **fields: str) -> httpx.Response:
        return await self.send("sign-in", {"username": username, "password": password, **fields})


@asynccontextmanager
async def browser(http: httpx.AsyncClient) -> AsyncIterator[Browser]:
    """Another one on the same app: with cookies of its own."""
    async with httpx.AsyncClient(transport=http._transport, base_url=http.base_url) as own:
        yield Browser(own)
