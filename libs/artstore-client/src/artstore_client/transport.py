"""Requests to ArtStore: token, errors as exceptions, bounded retries. Knows HTTP and nothing of files."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx

from artstore_client.config import Config
from artstore_client.errors import (
    ArtStoreClientError,
    ConfigurationError,
    ConnectionFailed,
    NotConnected,
    ProtocolError,
    error_of,
)
from artstore_client.retry import nothing_done
from artstore_client.tokens import Grant, Tokens, basic
from artstore_client.version import USER_AGENT

_MAX_ERROR_BYTES = 64 * 1024
_MAX_JSON_BYTES = 64 * 1024 * 1024
"""A page of 1000 files with 16 KiB of metadata each stays far below; an answer without end must not fill memory."""
_ANSWER_SECONDS = 600.0
"""After the last byte of an upload the element makes it durable, which takes long for a large file on a slow disk."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Content = bytes | AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `body` makes the content anew for each attempt.

    `idempotent`: repeated after connection failures, 429 and 502–504; otherwise only where nothing was done
    (`nothing_done`). `replayable`: may be sent again at all; not so a stream that cannot be rewound. `once`: the caller
    repeats it; only a token that ran out is renewed here. `key`: what makes a call idempotent that would not be
    (Idempotency-Key).
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], Content] | None = None
    idempotent: bool = True
    replayable: bool = True
    authorised: bool = True
    patient: bool = False
    once: bool = False
    key: str | None = None


def json_body(value: Any) -> Callable[[], Content]:
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return lambda: content


class Transport:
    """Owns the connections. Close it with `aclose`."""

    def __init__(self, config: Config) -> None:
        self.retry = config.retry
        self._config = config
        self._timeout = httpx.Timeout(config.idle_seconds, connect=config.connect_seconds, pool=None)
        self._patient = httpx.Timeout(
            config.idle_seconds,
            connect=config.connect_seconds,
            read=max(_ANSWER_SECONDS, config.idle_seconds),
            pool=None,
        )
        # Redirects are not followed: the API has none (Envoy follows its own), and the token must not travel.
        self._http = httpx.AsyncClient(
            verify=_trust(config),
            timeout=self._timeout,
            follow_redirects=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )
        self.tokens = Tokens(self._fetch_token)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def json(self, call: Call) -> Any:
        """The answer's JSON. Raises ApiError, ConnectionFailed, ProtocolError."""
        response = await self.answer(call)
        try:
            return response.json()
        except ValueError as error:
            raise ProtocolError(f"{call.method} {call.path} did not answer with JSON") from error

    async def answer(self, call: Call) -> httpx.Response:
        """The whole answer. Raises as `json` does."""
        return await self._send(call, whole=True)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        """The answer with its body still to be read. Raises as `json` does, until the body begins."""
        response = await self._send(call, whole=False)
        try:
            yield response
        finally:
            await response.aclose()

    async def _send(self, call: Call, *, whole: bool) -> httpx.Response:
        grant = await self.tokens.current() if call.authorised else None
        failures, waits, renewed = 0, 0, False
        while True:
            try:
                return await self._attempt(call, grant, whole=whole)
            except ArtStoreClientError as error:
                if grant and not renewed and call.replayable and getattr(error, "status", None) == 401:
                    grant, renewed = await self.tokens.after_refusal(grant), True
                    continue
                if call.key and call.replayable and (wait := self.retry.pause_in_flight(error, waits)) is not None:
                    waits += 1
                    await anyio.sleep(wait)
                    continue
                failures += 1
                if call.once:
                    raise
                again = call.idempotent or (call.replayable and nothing_done(error))
                pause = self.retry.pause_after(error, failures) if again else None
                if pause is None:
                    raise
            await anyio.sleep(pause)

    async def _attempt(self, call: Call, grant: Grant | None, *, whole: bool) -> httpx.Response:
        headers = dict(call.headers)
        if call.key:  # a string of RFC 8941 §3.3.3
            headers["Idempotency-Key"] = f'"{call.key}"'
        if grant:
            headers["Authorization"] = f"Bearer {grant.access_token}"
        request = self._http.build_request(
            call.method,
            self._config.url + call.path,
            headers=headers,
            content=call.body() if call.body else None,
            timeout=self._patient if call.patient else self._timeout,
        )
        try:
            response = await self._http.send(request, stream=True)
            return await _accepted(response, whole=whole)
        except httpx.TransportError as error:
            raise failed(error, self._config.url) from error

    async def _fetch_token(self) -> Grant:
        form = urlencode({"grant_type": "client_credentials"}).encode()
        call = Call(
            "POST",
            "/api/v1/auth/token",
            headers={
                "Authorization": basic(self._config.client_id, self._config.client_secret),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=lambda: form,
            authorised=False,
        )
        return Grant.from_json(await self.json(call))


def failed(error: httpx.TransportError, url: str) -> ArtStoreClientError:
    """httpx's many reasons as one of ours, in words: some of its own have an empty message."""
    if reason := _distrust(error):
        # Not the weather: however long one waits, it is the same certificate.
        advice = "if it is of a CA of your own, name that by ARTSTORE_CA, or by --ca of artstore login"
        return ConfigurationError(f"{url}: the certificate is not trusted: {reason}; {advice}")
    kind = NotConnected if isinstance(error, _NOT_SENT) else ConnectionFailed
    return kind(f"{url}: {str(error) or type(error).__name__}")


def _distrust(error: BaseException | None) -> str | None:
    """Why the certificate was refused, where that is what is behind the error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return None if error is None else error.verify_message


async def _accepted(response: httpx.Response, *, whole: bool) -> httpx.Response:
    """The response when it is a success; otherwise it is read, closed and raised."""
    try:
        if response.is_success and not whole:
            return response
        body = await _read(response, _MAX_JSON_BYTES if response.is_success else _MAX_ERROR_BYTES)
    except BaseException:
        await response.aclose()
        raise
    await response.aclose()
    if response.is_success:
        return httpx.Response(response.status_code, headers=response.headers, content=body)
    if response.status_code < 400:
        raise ProtocolError(f"the server answered {response.status_code}, which ArtStore does not: is the URL right?")
    raise error_of(response.status_code, response.headers, body)


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > limit:
            raise ProtocolError(f"the server's answer is larger than {limit} bytes")
    return bytes(body)


def _trust(config: Config) -> ssl.SSLContext:
    """The system's authorities, or those of `ca` alone when it is given."""
    try:
        return ssl.create_default_context(cafile=config.ca)
    except OSError as error:  # SSLError too: an unreadable file, or one that holds no certificate
        raise ConfigurationError(f"cannot read the CA bundle {config.ca}: {error}") from error
