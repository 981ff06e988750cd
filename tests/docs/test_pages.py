"""The pages hold together: links lead somewhere, both languages say the same, references are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from artstore_core.errors import BY_CODE

from docs.tools.assemble import assemble, broken, untranslated
from docs.tools.configuration import in_russian, pages, russian_words
from docs.tools.drills import blocks
from docs.tools.pages import ROOT, anchors, links, relinked, slug
from docs.tools.settings import PARTS, settings

DOCS = ROOT / "docs"


def test_links_and_the_headings_that_they_name_are_there() -> None:
    assert broken() == []


def test_every_page_for_users_is_in_russian_too() -> None:
    assert untranslated() == []


def test_the_site_can_be_gathered(tmp_path: Path) -> None:
    assert assemble(tmp_path / "site") == []
    assert (tmp_path / "site/openapi/artstore.yaml").is_file()
    gathered = (tmp_path / "site/modules/storage-element.ru.md").read_text(encoding="utf-8")
    assert "README" not in "".join(link.target for link in links(gathered))


def test_configuration_reference_is_that_of_the_code() -> None:
    for target, text in pages().items():
        assert target.read_text(encoding="utf-8") == text, "make docs-reference"


def test_every_setting_is_told_in_russian_and_no_other() -> None:
    words = russian_words()
    used = {setting.variable for part in PARTS for setting in settings(part)}
    assert [variable for variable in sorted(used) if not in_russian(variable, words)] == []
    common = {f"*_{variable.partition('_')[2]}" for variable in used}
    assert set(words) <= used | common


@pytest.mark.parametrize("page", ["clients.md", "clients.ru.md"])
def test_every_error_code_is_told(page: str) -> None:
    rows = re.findall(r"^\| [0-9, ]+ \| (.*?) \|", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row)} == set(BY_CODE)


def bare(commands: str) -> str:
    return re.sub(r"\s+# .*", "", commands)


@pytest.mark.parametrize("page", ["drills", "backup", "hardening"])
def test_the_same_commands_in_both_languages(page: str) -> None:
    english = [bare(block.commands) for block in blocks(DOCS / f"{page}.md")]
    assert english
    assert english == [bare(block.commands) for block in blocks(DOCS / f"{page}.ru.md")]


def test_navigation_names_pages_that_there_are(tmp_path: Path) -> None:
    assemble(tmp_path)
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = yaml.safe_load(text[text.index("\nnav:") :])["nav"]
    named = set(re.findall(r"[\w./-]+\.md", yaml.safe_dump(nav)))
    for directory in re.findall(r"([\w/-]+)/\*", yaml.safe_dump(nav)):
        named |= {page.relative_to(tmp_path).as_posix() for page in (tmp_path / directory).glob("*.md")}
    there = {page.relative_to(tmp_path).as_posix() for page in tmp_path.rglob("*.md")}
    english = {page for page in there if not page.endswith(".ru.md")}
    assert {page for page in named if not page.endswith(".ru.md")} == english


def test_links_are_found_where_they_are() -> None:
    text = "# A `b` c!\n\n[x](y.md#z) `[no](no.md)` [out](https://a.example)\n```\n[code](code.md)\n```\n[![p](p.png)](q.md)\n"
    assert [link.target for link in links(text)] == ["y.md#z", "q.md", "p.png"]
    assert anchors(text) == {"a-b-c"}
    assert slug("Что делать, когда…") == "что-делать-когда"
    assert relinked("a [x](y.md) b\n", lambda link: f"{link.label}(z.md)") == "a [x](z.md) b\n"
