"""Files in the console: the search, downloads, previews, and the token for uploads (requirements C3, C5, C6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html import escape

import jwt
import pytest
from admin_service.config import Settings
from admin_service.console.file_look import marked
from artstore_core.ids import new_id
from artstore_testing.servers import running_app
from console_files import FILE_ID, HOSTILE, StandIn, found_file, raw, refusal, rendition, search_answer
from console_support import Browser


@pytest.fixture
def upstream() -> StandIn:
    return StandIn()


@pytest.fixture
def settings(settings: Settings, upstream: StandIn) -> Iterator[Settings]:
    with running_app(upstream.app) as url:
        yield settings.model_copy(update={"query_url": url, "render_url": url})


async def test_all_files_newest_first(visitor: Browser, upstream: StandIn) -> None:
    upstream.answer = search_answer(found_file(tags=["сканы"]), total=123_456, total_exact=False)
    page = await visitor.page("files")
    assert "отчёт.pdf" in page
    assert "About 123,456 files" in page
    assert f'href="/admin/files/{FILE_ID}"' in page
    assert 'href="/admin/files?tags=%D1%81%D0%BA%D0%B0%D0%BD%D1%8B"' in page
    (asked,) = upstream.searches
    assert asked == {"facets": ["file_extension", "tags", "uploaded_by", "status"], "limit": 50, "offset": 0}


async def test_what_the_address_says_is_asked_for(visitor: Browser, upstream: StandIn) -> None:
    address = "query=годовой отчёт&mode=partial&file_extension=pdf&tags=a&tags=b,c&uploaded_by=user:x&min_size=1,5 КиБ"
    address += (
        "&max_size=2g&uploaded_after=2026-11-01&uploaded_before=2026-11-30&metadata=project=north&sort=-size&offset=50"
    )
    assert (await visitor.http.get(f"/admin/files?{address}")).status_code == 200
    (asked,) = upstream.searches
    assert {name: asked[name] for name in asked if name not in ("facets", "limit")} == {
        "query": "годовой отчёт",
        "mode": "partial",
        "file_extension": "pdf",
        "tags": ["a", "b,c"],
        "uploaded_by": "user:x",
        "min_size": 1536,
        "max_size": 2 * 1024**3,
        "uploaded_after": "2026-11-01T00:00:00+00:00",
        "uploaded_before": "2026-12-01T00:00:00+00:00",
        "metadata": {"project": "north"},
        "sort_by": "size",
        "sort_order": "desc",
        "offset": 50,
    }


NOT_VALID = [
    ("min_size", "plenty", "must be a size, such as 10 MiB"),
    ("uploaded_after", "yesterday", "must be a day, such as 2026-11-30"),
    ("uploaded_before", "9999-12-31", "must be a day, such as 2026-11-30"),
    ("metadata", "north", "must be name=value, or a JSON object"),
    ("metadata", "{[", "must be name=value, or a JSON object"),
]


async def test_what_cannot_be_asked_for_stands_at_its_field(visitor: Browser, upstream: StandIn) -> None:
    for name, text, reason in NOT_VALID:
        answer = await visitor.get("files", **{name: text})
        assert answer.status_code == 400
        assert f'<p id="{name}-hint" class="reason">{reason}</p>' in answer.text
        assert f'value="{escape(text)}"' in answer.text
    assert upstream.searches == []
    # The search has its own word on the rest.
    upstream.answer = refusal(400, "VALIDATION_ERROR", "Nothing to look for", query="has neither a letter nor a digit")
    answer = await visitor.get("files", query="!?", mode="partial")
    assert answer.status_code == 400
    assert '<p id="query-hint" class="reason">has neither a letter nor a digit</p>' in answer.text


async def test_a_search_that_is_away_leaves_a_page(visitor: Browser, upstream: StandIn) -> None:
    upstream.answer = refusal(503, "STORAGE_UNAVAILABLE", "The registry is away")
    answer = await visitor.get("files", query="x")
    assert answer.status_code == 503
    assert "The registry is away" in answer.text
    assert 'value="x"' in answer.text


async def test_as_one_types_only_the_results_come(visitor: Browser, upstream: StandIn) -> None:
    upstream.answer = search_answer(found_file())
    address = "/admin/files?query=a%26b&mode=fulltext&tags=&tags=x&min_size="
    answer = await visitor.http.get(address, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert '<p id="count" hx-swap-oob="innerHTML">1 file</p>' in answer.text
    assert answer.headers["hx-replace-url"] == "/admin/files?query=a%26b&tags=x"


async def test_found_words_are_marked_and_nothing_else_is_html(visitor: Browser, upstream: StandIn) -> None:
    pieces = {
        "original_filename": [f"<mark>отчёт</mark> {escape(HOSTILE)}"],
        "description": ["a <mark>&lt;b&gt;</mark>"],
    }
    upstream.answer = search_answer(found_file(original_filename=HOSTILE, highlights=pieces, tags=[HOSTILE]))
    page = await raw(visitor, "files", query=HOSTILE)
    assert "<mark>отчёт</mark> &lt;script&gt;alert(1)" in page
    assert "a <mark>&lt;b&gt;</mark>" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_marks_that_are_written_in_a_name_are_text() -> None:
    assert marked("a &lt;mark&gt;<mark>b</mark>") == [("a <mark>", False), ("b", True)]
    assert marked("<mark><img></mark>") == [("<img>", True)]  # a page escapes it


async def test_facets_narrow_and_widen_again(visitor: Browser, upstream: StandIn) -> None:
    facets = {"tags": [{"value": "a&b", "count": 1200}], "status": [{"value": "damaged", "count": 2}]}
    upstream.answer = search_answer(found_file(), facets=facets, facets_exact=False)
    page = await raw(visitor, "files", query="x")
    assert 'href="/admin/files?query=x&amp;tags=a%26b"' in page
    assert "≈1,200" in page
    page = await raw(visitor, "files", query="x", tags="a&b", status="damaged")
    assert page.count('href="/admin/files?query=x&amp;status=damaged"') == 2  # by the chip, and by the facet
    assert 'name="tags" value="a&amp;b" checked' in page


async def test_pages_keep_the_search_and_end_where_it_ends(visitor: Browser, upstream: StandIn) -> None:
    upstream.answer = search_answer(found_file(), total=1_000_000, total_exact=False)
    page = await raw(visitor, "files", query="x", sort="size", offset="50")
    assert 'rel="next" href="/admin/files?query=x&amp;sort=size&amp;offset=100"' in page
    assert 'aria-sort="ascending"' in page
    assert "Pages end here" in await visitor.page("files", offset="100000")
    await visitor.page("files", offset="-1")
    await visitor.page("files", offset="9" * 30)
    assert [asked["offset"] for asked in upstream.searches] == [50, 100_000, 0, 0]


async def test_nothing_found(visitor: Browser) -> None:
    assert "There are no files yet." in await visitor.page("files")
    assert "There are no such files." in await visitor.page("files", query="x")


async def test_a_file_that_is_not_there(visitor: Browser) -> None:
    answer = await visitor.get(f"files/{new_id()}")
    assert answer.status_code == 404
    assert "There is no such file" in answer.text
    assert (await visitor.get("files/no-id")).status_code == 400


async def test_previews_that_are_being_made_are_looked_for_again(visitor: Browser, upstream: StandIn) -> None:
    upstream.renditions = [rendition("thumb", ready=False)]
    upstream.jobs = [{"state": "converting", "progress": "3 of 20 pages", "reason": None}]
    page = await raw(visitor, f"files/{FILE_ID}/previews")
    assert f'hx-get="/admin/files/{FILE_ID}/previews?looks=1"' in page
    assert "3 of 20 pages" in page
    page = await raw(visitor, f"files/{FILE_ID}/previews", looks="60")
    assert "hx-get" not in page
    assert "Look again" in page


async def test_previews_that_failed_say_why(visitor: Browser, upstream: StandIn) -> None:
    upstream.renditions = [rendition("thumb", ready=False)]
    upstream.jobs = [{"state": "failed", "progress": None, "reason": f"damaged {HOSTILE}"}]
    page = await raw(visitor, f"files/{FILE_ID}/previews")
    assert "No previews could be made." in page
    assert "damaged &lt;script&gt;" in page
    assert "hx-get" not in page


async def test_many_pages_come_by_and_by(visitor: Browser, upstream: StandIn) -> None:
    upstream.renditions = [rendition("page", page=number) for number in range(1, 31)]
    page = await raw(visitor, f"files/{FILE_ID}/previews")
    assert (page.count("<img"), page.count('rel="next"')) == (24, 1)
    page = await raw(visitor, f"files/{FILE_ID}/previews", first="24")
    assert (page.count("<img"), page.count('rel="next"'), page.count('rel="prev"')) == (6, 0, 1)


async def test_files_without_previews(visitor: Browser, upstream: StandIn) -> None:
    assert "no previews of files of this type" in await visitor.page(f"files/{FILE_ID}/previews")
    upstream.renditions = refusal(503, "STORAGE_UNAVAILABLE", "The database is away")
    assert "The database is away" in await visitor.page(f"files/{FILE_ID}/previews")


async def test_a_download_is_a_link_on_the_visitors_own_host(visitor: Browser, upstream: StandIn) -> None:
    for params, asked in (({}, {"disposition": "attachment"}), ({"inline": "1"}, {})):
        answer = await visitor.get(f"files/{FILE_ID}/download", **params)
        assert (answer.status_code, answer.headers["location"]) == (303, "/api/v1/links/download?ticket=secret")
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert upstream.links.pop() == (FILE_ID, asked)


async def test_a_link_to_anything_else_is_not_followed(visitor: Browser, upstream: StandIn) -> None:
    for elsewhere in ("https://evil.test/x", "javascript:alert(1)", "/admin/sign-out", ""):
        upstream.link = elsewhere
        assert (await visitor.get(f"files/{FILE_ID}/download")).status_code == 502


async def test_the_uploads_token_is_short_and_for_uploads_alone(visitor: Browser) -> None:
    answer = await visitor.send("files/upload-token", form="files/upload")
    assert answer.headers["cache-control"] == "no-store"
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (claims["scope"], claims["exp"] - claims["iat"], claims["sub"]) == ("files:write", 300, "user:admin")
    assert answer.json()["expires_in"] == 300
    page = await raw(visitor, "files/upload")
    assert claims["jti"] not in page
    assert answer.json()["access_token"] not in page


async def test_no_token_without_the_forms_own(visitor: Browser) -> None:
    answer = await visitor.http.post("/admin/files/upload-token")
    assert answer.status_code == 403
    assert "access_token" not in answer.text


async def test_everybody_asks_with_a_token_of_their_own(visitor: Browser, reader: Browser, upstream: StandIn) -> None:
    await asyncio.gather(visitor.page("files"), reader.page("files"))
    tokens = [one.removeprefix("Bearer ") for one in upstream.bearers]
    subjects = {jwt.decode(token, options={"verify_signature": False})["sub"] for token in tokens}
    assert subjects == {"user:admin", "user:reader"}
