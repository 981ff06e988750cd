"""`python -m artstore_gateway elements`: keeps the gateway's routes to storage elements as admin's list of them is.

Whatever fails, the last files stay in effect: admin may be away for as long as it likes.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

import httpx
from artstore_auth.service_token import ServiceAuth, TokenSource
from artstore_core.pages import MAX_LIMIT
from artstore_core.scopes import INTERNAL_AUDIENCE
from artstore_kit.logs import configure_logs, get_logger
from artstore_kit.settings import ServiceSettings
from artstore_tickets import parse_key, route_of
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from artstore_gateway.discovery import ElementFiles
from artstore_gateway.elements import Element
from artstore_gateway.settings import GatewaySettings

_log = get_logger(__name__)

_TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)
_SOON_SECONDS: Final = 1.0
_ADDRESS: Final = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_MAX_PAGES: Final = 100
_TROUBLE: Final = (httpx.HTTPError, ValueError, KeyError, OSError)


class FollowingSettings(ServiceSettings):
    """`GW_…` of the command alone; the rest is GatewaySettings."""

    model_config = SettingsConfigDict(env_prefix="GW_", extra="ignore", frozen=True)

    port: int = 0  # it listens nowhere
    client_id: str = Field(min_length=1, description="this command's own account at admin, with the scope storage:read")
    client_secret: SecretStr = Field(description="the account's secret")
    route_key: SecretStr = Field(description="32 bytes in base64, from which routes' names are derived")
    elements_seconds: Annotated[float, Field(gt=0, le=300)] = Field(5.0, description="how often the list is asked for")

    @field_validator("route_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        parse_key(value.get_secret_value())
        return value

    @property
    def route_key_bytes(self) -> bytes:
        return parse_key(self.route_key.get_secret_value())


class ElementList(Protocol):
    async def all(self) -> Sequence[Element]:
        """Every element of admin's. Raises httpx.HTTPError, ValueError or KeyError when they cannot be had."""
        ...


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    storage_id: str
    url: str


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Listed]
    total: int


class AdminList:
    """An ElementList. `client` has admin's address and authenticates itself."""

    def __init__(self, client: httpx.AsyncClient, route_key: bytes) -> None:
        self._client, self._route_key = client, route_key

    async def all(self) -> Sequence[Element]:
        found: dict[str, str] = {}
        for page in range(_MAX_PAGES):
            wanted = {"limit": MAX_LIMIT, "offset": page * MAX_LIMIT}
            answer = await self._client.get("/api/v1/storage-elements", params=wanted, timeout=_TIMEOUT)
            answer.raise_for_status()
            listed = _Page.model_validate_json(answer.content)
            found |= {one.storage_id: one.url.rstrip("/") for one in listed.items}
            if not listed.items or (page + 1) * MAX_LIMIT >= listed.total:
                break
        # Envoy would refuse the whole table for one address that is none.
        good = {name: url for name, url in found.items() if _ADDRESS.fullmatch(url)}
        if len(good) < len(found):
            _log.error("storage elements with an address that is none have no route", number=len(found) - len(good))
        return sorted(Element(route_of(self._route_key, name), url) for name, url in good.items())


@dataclass
class Following:
    """A route comes one round after its cluster, and goes one round before it: Envoy reads the two files apart."""

    files: ElementFiles
    elements: ElementList
    seconds: float

    def __post_init__(self) -> None:
        self._clusters = self._routes = self.files.remembered()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            pause = self.seconds if await self.round() else min(_SOON_SECONDS, self.seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def round(self) -> bool:
        """Asks once. False when the next time shall be soon: something is left to be done, or nothing is known yet."""
        try:
            wanted = tuple(await self.elements.all())
            return await asyncio.to_thread(self._take, wanted)
        except _TROUBLE as error:
            _log.warning("the routes to storage elements stay as they are", reason=type(error).__name__)
            return bool(self._clusters)

    def _take(self, wanted: tuple[Element, ...]) -> bool:
        there = {element.route for element in self._clusters}
        listed = {element.route for element in wanted}
        going = tuple(element for element in self._routes if element.route not in listed)
        clusters = tuple(sorted((*wanted, *going)))
        routes = tuple(element for element in wanted if element.route in there)
        self.files.publish(clusters, routes)
        if (clusters, routes) != (self._clusters, self._routes):
            _log.info("routes to storage elements changed", routes=len(routes), clusters=len(clusters))
        self._clusters, self._routes = clusters, routes
        if not clusters == routes == wanted:
            return False
        self.files.remember(wanted)
        return True


def follow(gateway: GatewaySettings, settings: FollowingSettings) -> None:
    """Runs until SIGTERM."""
    configure_logs("gateway-routes", level=settings.log_level, form=settings.log_format)
    asyncio.run(_follow(gateway, settings))


async def _follow(gateway: GatewaySettings, settings: FollowingSettings) -> None:
    admin = str(gateway.admin_url[0]).rstrip("/")
    async with (
        httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT) as plain,
        httpx.AsyncClient(
            base_url=admin,
            trust_env=False,
            auth=ServiceAuth(
                TokenSource(plain, f"{admin}/api/v1/auth/token", settings.client_id, settings.client_secret),
                INTERNAL_AUDIENCE,
            ),
        ) as client,
    ):
        elements = AdminList(client, settings.route_key_bytes)
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await Following(ElementFiles(gateway), elements, settings.elements_seconds).run(stop)
