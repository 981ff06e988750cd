"""`make screenshots`: every page of the console as a picture, in both languages, filled as it is after years of work.

`PYTHONPATH=tests/support python -m console_screens docs/images/console [port base]`, in the repository. It makes a stack of its
own, with 10,000 files in its registry, long Cyrillic names, a preview that failed, an element that is away, and takes
it down afterwards.
"""

from __future__ import annotations

import asyncio
import io
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncpg
import httpx
from artstore_corpus.pdfs import hundred_pages
from artstore_stack import Stack
from chromium import running_chromium
from console_element import another_element
from console_people import LONG_NAME, UNBROKEN, People
from console_visitor import PHONE, Visitor, Visitors
from console_walk import walked
from PIL import Image
from renditions_seen import await_previews
from world import World, free_port_base, within

from bench.search_made import fill

ROWS: Final = 10_000
DESK: Final = (1280, 800)
TALLEST: Final = 1600
"""Pixels; what is below is more of the same."""
_SETTLED: Final = """async () => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    text.data = text.data.replace(/\\S*artstore-screens-[^/]*[/]data/g, "/var/lib/artstore");
  }
  document.activeElement?.blur();
  const pictures = [...document.images].map((one) => { one.loading = "eager"; return one.decode().catch(() => null); });
  await Promise.all([document.fonts.ready, ...pictures]);
}"""
PHONES: Final = ("", "elements", "files", "files/*", "accounts", "audit")


def main(directory: Path, port_base: int | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="artstore-screens-") as name, _world(Path(name), port_base) as world:
        people = People.of(world)
        # Playwright's event loop lives as long as its browser, so what needs one of its own comes in between.
        with _visitors(people) as visitors:
            _empty(visitors, people, directory)
        asyncio.run(_registered(world.credentials["database_url"]))
        _fill(world, people)
        with _visitors(people) as visitors, another_element(world, Path(name) / "element", "se-rw-7") as url:
            _pages(visitors, people, directory)
            _states(visitors, people, directory, url)


@contextmanager
def _visitors(people: People) -> Iterator[Visitors]:
    with running_chromium() as browser:
        yield Visitors(browser, people.world.gateway, people.passwords)


@contextmanager
def _world(directory: Path, port_base: int | None) -> Iterator[World]:
    base = port_base or free_port_base()
    stack = Stack(directory / "data", base, {**os.environ, "AM_ELEMENT_POLL_SECONDS": "1"}, print)
    stack.up()
    try:
        trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
        with httpx.Client(verify=trusted, timeout=60, trust_env=False) as http:
            yield World(stack, http)
    finally:
        stack.down()


async def _registered(url: str) -> None:
    """The rows, and what their accounts hold by them: `fill` leaves the triggers out, or each would get previews."""
    await fill(url, ROWS)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "INSERT INTO account_usage_changes (principal, files, bytes) SELECT uploaded_by, count(*), sum(size)::bigint "
            "FROM files WHERE status <> 'deleted' GROUP BY uploaded_by"
        )
    finally:
        await connection.close()


def _fill(world: World, people: People) -> None:
    path = world.stack.data_dir / "pages.pdf"
    hundred_pages(path, 6)
    file = world.uploaded(
        path.read_bytes(),
        LONG_NAME,
        description="Подписанный экземпляр. Оригинал хранится в архиве, шкаф 4.",
        tags='["контракты", "реконструкция", "Верхне-Среднекамский ЦБК"]',
        metadata='{"объект": "водозабор № 2", "год": 2026}',
    )
    people.made("render-jobs", {"file_id": file["file_id"]})
    await_previews(world, str(file["file_id"]), 120)
    broken = world.uploaded(b"%PDF-1.7\nnothing of a document", "повреждённый скан.pdf")
    job = people.made("render-jobs", {"file_id": broken["file_id"]})
    within(60, lambda: people.got(f"render-jobs/{job['id']}")["state"] == "failed", "the job fails")
    people.account("Сканер приёмной комиссии (Верхне-Среднекамский ЦБК, корпус 4)", expires_in_days=5)
    people.account(UNBROKEN[:90])
    people.user("дежурный.оператор", "admin")
    people.changed(
        "storage-elements/se-rw-1", {"description": "Зал 2, стойка 7: основное хранилище, диски с 2024 года"}
    )


def _pages(visitors: Visitors, people: People, directory: Path) -> None:
    for language in ("en", "ru"):
        with visitors.window(people.admin, language=language, size=DESK) as visitor:
            walk = walked(visitor)
            walk.pages["files/*"] = _long_named(people)
            for kind, path in walk.pages.items():
                visitor.open(path)
                _keep(visitor, directory / f"{_named(kind)}-{language}.webp")
            visitor.resize(PHONE)
            for kind in PHONES:
                visitor.open(walk.pages[kind])
                _keep(visitor, directory / f"{_named(kind)}-phone-{language}.webp")
            visitor.resize(DESK)
            visitor.colours("dark")
            visitor.open("")
            _keep(visitor, directory / f"overview-dark-{language}.webp")


def _long_named(people: People) -> str:
    items = people.world.search(query="целлюлозно-бумажного", mode="fulltext", limit=1).json()["items"]
    return f"files/{items[0]['file_id']}"


def _empty(visitors: Visitors, people: People, directory: Path) -> None:
    """Before there is anything."""
    for language in ("en", "ru"):
        with visitors.window(people.admin, language=language, size=DESK) as visitor:
            for kind in ("", "files", "render-jobs"):
                visitor.open(kind)
                _keep(visitor, directory / f"{_named(kind)}-empty-{language}.webp")


def _states(visitors: Visitors, people: People, directory: Path, url: str) -> None:
    """What is seen only on the way through something, or while something is wrong."""
    for language in ("en", "ru"):

        def keep(visitor: Visitor, name: str, language: str = language) -> None:
            _keep(visitor, directory / f"{name}-{language}.webp")

        with visitors.window(language=language, size=DESK) as stranger:
            stranger.open("sign-in")
            keep(stranger, "sign-in")
            stranger.sign_in("somebody", "wrong")
            keep(stranger, "sign-in-refused")
        with visitors.window(people.admin, language=language, size=DESK) as visitor:
            _on_the_way(visitor, people, url, keep)
    stack = people.world.stack
    stack.stop("se-edit-1")
    try:
        within(30, lambda: people.got("storage-elements/se-edit-1")["status"] == "offline", "it is seen as away")
        for language in ("en", "ru"):
            with visitors.window(people.admin, language=language, size=DESK) as visitor:
                for name, path in (("overview-alert", ""), ("element-offline", "elements/se-edit-1")):
                    visitor.open(path)
                    _keep(visitor, directory / f"{name}-{language}.webp")
    finally:
        stack.start("se-edit-1")


def _on_the_way(visitor: Visitor, people: People, url: str, keep: Callable[[Visitor, str], None]) -> None:
    visitor.open("elements/_new")
    visitor.page.fill("input[name=url]", url)
    with visitor.page.expect_navigation():
        visitor.page.click("button[value=discover]")
    keep(visitor, "element-found")
    visitor.open("elements/se-rw-1/mode?to=ro")
    keep(visitor, "element-mode-asked")
    visitor.open("files?query=контракт+реконструкция")
    keep(visitor, "files-found")
    visitor.open("files?query=нетакогослова")
    keep(visitor, "files-none")
    visitor.open("nothing/here")
    keep(visitor, "no-such-page")
    account = people.account("Касса № 3")
    visitor.open(f"accounts/{account['id']}/rotate")
    visitor.send("/rotate", overlap_seconds="86400")
    visitor.page.locator("#secret").evaluate("(one) => { one.textContent = 'art_' + 'x'.repeat(43); }")
    keep(visitor, "account-secret")
    people.deleted(f"service-accounts/{account['id']}")


def _named(kind: str) -> str:
    return kind.replace("/*", "-one").replace("/", "-").replace("?", "-").replace("_", "") or "overview"


def _keep(visitor: Visitor, path: Path) -> None:
    visitor.page.wait_for_load_state("load")
    visitor.page.evaluate(_SETTLED)
    picture = Image.open(io.BytesIO(visitor.page.screenshot(full_page=True)))
    picture.crop((0, 0, picture.width, min(picture.height, TALLEST))).convert("RGB").save(path, quality=60, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
