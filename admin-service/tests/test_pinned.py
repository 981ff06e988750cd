"""Calling out to strangers: to no address that only admin can reach, and nothing of theirs comes back (R1)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from admin_elements import Authority, Pair
from admin_service.clients.errors import (
    AN_ERROR,
    NO_CONNECTION,
    NO_ELEMENT,
    NO_NAME,
    NO_TIME,
    NO_TLS,
    NOT_ALLOWED,
    NOT_NOW,
    NOT_TRUSTED,
    REDIRECT,
    TOO_LONG,
)
from admin_service.clients.info import InfoClient
from admin_service.clients.pinned import Resolve, SystemResolver, pinned_client
from admin_service.registry.addresses import Address, Networks, element_url
from admin_service.registry.calls import ElementUnreachable
from strangers import (
    INFO,
    Answer,
    Stranger,
    endless,
    endless_headers,
    resolves_to,
    says,
    server_side,
    trickling,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Pair:
    return authority.certificate("127.0.0.1", "element.test")


@pytest.fixture
def resolver() -> Iterator[SystemResolver]:
    made = SystemResolver()
    yield made
    made.close()


async def ask(
    url: str,
    authority: Authority,
    resolve: Resolve,
    *,
    networks: Sequence[str] = ("127.0.0.0/8",),
    seconds: float = 5.0,
    times: int = 1,
) -> Any:
    """What was learnt, or the words of the refusal."""
    client = pinned_client(Networks(networks), authority.context, resolve, max_connections=8, keep_seconds=0)
    try:
        async with client:
            info = InfoClient(client, at_once=4, seconds=seconds)
            for _ in range(times):
                found = await info(url)
            return found
    except ElementUnreachable as error:
        return error.message


async def test_an_element_is_asked_and_nothing_is_sent_that_is_worth_anything(
    authority: Authority, certificate: Pair, resolver: SystemResolver
) -> None:
    cookie = "Set-Cookie: session=1; Path=/"
    stranger = Stranger(says("200 OK", None, cookie), server_side(certificate))
    async with stranger.running() as port:
        found = await ask(f"https://127.0.0.1:{port}", authority, resolver, times=2)
    assert found.storage_id == "se-1"
    for request in stranger.requests:
        head = request.decode().lower()
        assert head.startswith("get /api/v1/info http/1.1\r\n")
        assert not any(word in head for word in ("authorization", "cookie", "traceparent", "x-request-id", "proxy"))


IN_A_PROCESS = """
import asyncio, ssl, sys
from admin_service.clients.info import InfoClient
from admin_service.clients.pinned import SystemResolver, pinned_client
from admin_service.registry.addresses import Networks

async def main():
    tls = ssl.create_default_context(cafile=sys.argv[2])
    client = pinned_client(Networks(["127.0.0.0/8"]), tls, SystemResolver(), max_connections=1, keep_seconds=0)
    async with client:
        print((await InfoClient(client, at_once=1)(sys.argv[1])).storage_id)

asyncio.run(main())
"""


async def test_no_proxy_of_the_environment_is_used(authority: Authority, certificate: Pair, tmp_path: Path) -> None:
    stranger, proxy = Stranger(says(), server_side(certificate)), Stranger(says(), None)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login admin password secret")
    async with stranger.running() as port, proxy.running() as proxy_port:
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), f"http://127.0.0.1:{proxy_port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", IN_A_PROCESS, f"https://127.0.0.1:{port}", str(authority.file),
            env={**os.environ, **proxies, "NETRC": str(tmp_path / ".netrc"), "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, _ = await process.communicate()
    assert told.decode().strip() == "se-1"
    assert proxy.connections == 0
    assert b"authorization" not in stranger.requests[0].lower()


async def test_the_name_is_resolved_once_and_kept_for_tls_and_host(authority: Authority, certificate: Pair) -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[Address]:
        """An allowed address the first time, and the cloud's metadata from then on."""
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    stranger = Stranger(says(), server_side(certificate))
    async with stranger.running() as port:
        url = f"https://element.test:{port}"
        assert (await ask(url, authority, rebinding)).storage_id == "se-1"
        assert asked == ["element.test"]
        assert await ask(url, authority, rebinding) == NOT_ALLOWED
    assert stranger.names == ["element.test"]
    assert f"Host: element.test:{port}".lower() in stranger.requests[0].decode().lower()
    assert stranger.connections == 1


async def test_only_what_is_allowed_of_a_names_addresses_is_tried(authority: Authority, certificate: Pair) -> None:
    stranger = Stranger(says(), server_side(certificate))
    async with stranger.running() as port:
        resolve = resolves_to("169.254.169.254", "::ffff:10.0.0.1", "127.0.0.1")
        assert (await ask(f"https://element.test:{port}", authority, resolve)).storage_id == "se-1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says("302 Found", b"", "Location: https://127.0.0.1:1/secret"), REDIRECT),
        (says("404 Not Found", b"what is this"), AN_ERROR),
        (says("503 Service Unavailable", b"{}"), NOT_NOW),
        (says("200 OK", b"<html>secret</html>"), NO_ELEMENT),
        (says("200 OK", json.dumps(INFO | {"storage_id": "../x"}).encode()), NO_ELEMENT),
        (says("200 OK", b"\x1f\x8b\x08", "Content-Encoding: gzip"), NO_ELEMENT),
        (endless, TOO_LONG),
        (trickling, NO_TIME),
    ],
)
async def test_what_a_stranger_answers_is_bounded_and_never_repeated(
    authority: Authority, certificate: Pair, resolver: SystemResolver, answer: Answer, words: str
) -> None:
    stranger = Stranger(answer, server_side(certificate))
    async with stranger.running() as port:
        assert await ask(f"https://127.0.0.1:{port}", authority, resolver, seconds=0.5) == words
    assert stranger.connections == 1


async def test_headers_without_end_are_given_up(
    authority: Authority, certificate: Pair, resolver: SystemResolver
) -> None:
    stranger = Stranger(endless_headers, server_side(certificate))
    async with stranger.running() as port:
        assert isinstance(await ask(f"https://127.0.0.1:{port}", authority, resolver), str)


async def test_who_is_not_certified_by_our_authority_is_refused(
    tmp_path: Path, authority: Authority, certificate: Pair, resolver: SystemResolver
) -> None:
    other = Authority(tmp_path, "somebody else").certificate("127.0.0.1")
    stranger = Stranger(says(), server_side(other))
    async with stranger.running() as port:
        assert await ask(f"https://127.0.0.1:{port}", authority, resolver) == NOT_TRUSTED
    wrong_name = Stranger(says(), server_side(certificate))
    async with wrong_name.running() as port:
        assert await ask(f"https://other.test:{port}", authority, resolves_to("127.0.0.1")) == NOT_TRUSTED
    assert not stranger.requests
    assert not wrong_name.requests


async def test_who_speaks_no_tls_is_told_nothing(authority: Authority, resolver: SystemResolver) -> None:
    plain = Stranger(says(), None)
    async with plain.running() as port:
        assert await ask(f"https://127.0.0.1:{port}", authority, resolver) in (NO_TLS, NO_CONNECTION)
    assert not any(b"GET" in request for request in plain.requests)


async def test_nobody_there_and_no_such_name(
    authority: Authority, resolver: SystemResolver, unused_tcp_port: int
) -> None:
    assert await ask(f"https://127.0.0.1:{unused_tcp_port}", authority, resolver) == NO_CONNECTION

    async def unknown(_host: str, _port: int) -> Sequence[Address]:
        raise OSError("no such name")

    assert await ask("https://nowhere.test", authority, unknown) == NO_NAME


async def test_a_deadline_in_the_handshake_leaves_no_connection(authority: Authority, resolver: SystemResolver) -> None:
    client = pinned_client(Networks(["127.0.0.0/8"]), authority.context, resolver, max_connections=8, keep_seconds=0)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()  # to its end
        ended.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with asyncio.timeout(30), client:
        asking = asyncio.create_task(client.get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await ended.wait()
    server.close()


async def test_more_than_may_wait_are_refused(
    authority: Authority, certificate: Pair, resolver: SystemResolver
) -> None:
    stranger = Stranger(trickling, server_side(certificate))
    client = pinned_client(Networks(["127.0.0.0/8"]), authority.context, resolver, max_connections=8, keep_seconds=0)
    async with stranger.running() as port, client:
        info = InfoClient(client, at_once=1, seconds=0.2)
        asked = [info(f"https://127.0.0.1:{port}") for _ in range(8)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    words = [str(one) for one in found]
    assert words.count(NO_TIME) == 5
    assert words.count("too many calls to it are waiting") == 3


NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.1.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "100.100.100.200", "168.63.129.16", "::", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254",
    "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1", "::ffff:0.0.0.0", "::ffff:255.255.255.255",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1", "::1",
    "fd00::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "::127.0.0.1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called_whatever_is_configured(address: str) -> None:
    assert not Networks(["public", "0.0.0.0/0", "::/0"]).allow(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_called_only_where_they_are_configured(address: str) -> None:
    assert not Networks().allow(ip_address(address))
    assert Networks(["0.0.0.0/0", "::/0"]).allow(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called_unless_others_are_configured(address: str) -> None:
    assert Networks().allow(ip_address(address))
    assert not Networks(["10.0.0.0/8"]).allow(ip_address(address))


def test_an_embedded_address_is_judged_as_what_it_stands_for() -> None:
    assert Networks(["127.0.0.0/8"]).allow(ip_address("::ffff:127.0.0.1"))
    assert not Networks(["10.0.0.0/8"]).allow(ip_address("::ffff:127.0.0.1"))


@pytest.mark.parametrize("networks", [["10.0.0.0/33"], ["private"], ["10.0.0.1/8"], [""]])
def test_what_is_no_network_is_refused(networks: list[str]) -> None:
    with pytest.raises(ValueError):
        Networks(networks)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://SE-1.Example", "https://se-1.example"),
        ("https://se-1:443/", "https://se-1"),
        ("https://127.0.0.1:8010", "https://127.0.0.1:8010"),
        ("https://[::1]:8010", "https://[::1]:8010"),
        ("https://[0:0::1]", "https://[::1]"),
        ("https://xn--e1afmkfd.example:1", "https://xn--e1afmkfd.example:1"),
    ],
)
def test_a_url_has_one_form(given: str, kept: str) -> None:
    assert element_url(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://se-1", "ftp://se-1", "se-1", "https://", "https://user@se-1", "https://user:password@se-1",
        "https://se-1/path", "https://se-1?query", "https://se-1#fragment", "https://se-1/?", "https://se-1//",
        "https://se-1:0", "https://se-1:65536", "https://se-1:", "https://se-1:8010:1", "https://se 1", "https://se-1\n",
        "https://se-1\\@x", "https://se%2d1", "https://отчёт.рф", "https://-se", "https://se..1", "https://se-1.",
        "https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.1", "https://0x7f.1",
        "https://127.0.0.1.", "https://127.0.0.01", "https://[fe80::1%25eth0]", "https://[::1", "https://::1",
        "https://[::ffff:127.0.0.1.1]", "HTTPS://se-1", f"https://{'a' * 64}", "//se-1", "https:se-1",
    ],
)  # fmt: skip
def test_all_else_is_no_url_of_an_element(given: str) -> None:
    with pytest.raises(ValueError):
        element_url(given)
