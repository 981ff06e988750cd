"""Gathers what the site is made of into one directory: `python -m docs.tools.assemble DIRECTORY`.

The pages of `docs/`, every module's README, the pages at the root of the repository, and the contracts. Links are written anew
for where each page then lies; one that leads nowhere ends it with code 1 and says where it stands.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path, PurePosixPath

from docs.tools.pages import ROOT, Link, anchors, english, is_russian, links, relinked, russian

AT_ROOT = {
    "README": "start",
    "ARCHITECTURE": "architecture",
    "CHANGELOG": "changelog",
    "CONTRIBUTING": "contributing",
    "SECURITY": "security-policy",
}
"""Pages at the root of the repository, and what they are called on the site."""

_LEFT_OUT = ("tools",)
# "[По-русски](README.ru.md)." beside a page: the site has a switch of languages of its own.
_SWITCH = re.compile(r"\*?\[(?:По-русски|Русский|English|In English)\]\([^)]*\)\*?\.?[ \t]*")


@dataclass
class Site:
    """Where each file of the repository lies on the site; `wrong` says what could not be followed."""

    target: Path
    places: dict[Path, PurePosixPath] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def place(self, source: Path) -> PurePosixPath | None:
        """A file's place, a directory's README's place; None for what the site does not have."""
        return self.places.get(source / "README.md" if source.is_dir() else source)


def pages_of(root: Path = ROOT) -> Iterator[tuple[Path, PurePosixPath]]:
    """Every page of the site: where it is kept, where it goes."""
    docs = root / "docs"
    for page in sorted(docs.rglob("*.md")):
        inside = page.relative_to(docs)
        if inside.parts[0] not in _LEFT_OUT:
            yield page, PurePosixPath(inside)
    for name, place in AT_ROOT.items():
        for language in ("", ".ru"):
            yield root / f"{name}{language}.md", PurePosixPath(f"{place}{language}.md")
    modules = [*root.glob("*-service"), root / "storage-element", root / "gateway", root / "bench", root / "charts"]
    for directory, below in [(one, "modules") for one in modules] + [
        *((one, "modules/libs") for one in (root / "libs").iterdir()),
        *((one, "modules/charts") for one in (root / "charts").iterdir()),
    ]:
        for language in ("", ".ru"):
            yield directory / f"README{language}.md", PurePosixPath(f"{below}/{directory.name}{language}.md")


def assemble(target: Path, root: Path = ROOT) -> list[str]:
    """Makes `target` anew. The links that lead nowhere, as `file:line: link`."""
    shutil.rmtree(target, ignore_errors=True)
    site = Site(target, {page: place for page, place in pages_of(root) if page.is_file()})
    for contract in sorted((root / "openapi").glob("*.yaml")):
        site.places[contract] = PurePosixPath("openapi") / contract.name
    for page in [page for page in site.places if page.suffix == ".md"]:
        text = relinked(_SWITCH.sub("", page.read_text(encoding="utf-8")), _Rewriter(site, page).link)
        _write(target / site.places[page], text)
    for source, place in site.places.items():
        if source.suffix != ".md":
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / place)
    return site.wrong


@dataclass
class _Rewriter:
    site: Site
    page: Path

    def link(self, link: Link) -> str:
        if not link.path:
            return f"{link.label}({link.target})"
        source = (self.page.parent / link.path).resolve()
        if not source.exists():
            self.site.wrong.append(f"{self.page}:{link.line}: {link.target}")
            return link.label
        place = self.site.place(source)
        if place is None and source.is_file():
            place = self._taken_along(source)
        if place is None:  # a directory without a page: the words stay
            return link.label[1:-1]
        here = self.site.places[self.page].parent
        path = relpath(english_place(place), here)
        return f"{link.label}({path}{'#' + link.anchor if link.anchor else ''})"

    def _taken_along(self, source: Path) -> PurePosixPath:
        """Pictures keep their place, other files of the repository go below `files/`."""
        docs = ROOT / "docs"
        inside = source.relative_to(docs) if source.is_relative_to(docs) else Path("files") / source.relative_to(ROOT)
        if not inside.suffix or inside.suffix == ".md":
            inside = inside.with_name(inside.name + ".txt")
        self.site.places[source] = PurePosixPath(inside.as_posix())
        return self.site.places[source]


def english_place(place: PurePosixPath) -> PurePosixPath:
    """The site finds the page of the reader's language by the English one's place."""
    return PurePosixPath(english(Path(place)).as_posix()) if is_russian(Path(place)) else place


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def broken(root: Path = ROOT) -> list[str]:
    """Links between the pages, as they are in the repository, whose file or heading is not there: `file:line: link`."""
    known: dict[Path, set[str]] = {}
    found = []
    for page, _ in pages_of(root):
        if not page.is_file():
            continue
        for link in links(page.read_text(encoding="utf-8")):
            target = (page.parent / link.path).resolve() if link.path else page
            target = target / "README.md" if target.is_dir() and link.anchor else target
            if target.suffix == ".md" and target.is_file() and target not in known:
                known[target] = anchors(target.read_text(encoding="utf-8"))
            if not target.exists() or (link.anchor and target.suffix == ".md" and link.anchor not in known[target]):
                found.append(f"{page.relative_to(root)}:{link.line}: {link.target}")
    return found


def untranslated(root: Path = ROOT) -> list[Path]:
    """Pages that have no Russian one beside them, less those that are for whoever works on ArtStore itself."""
    return [
        page.relative_to(root)
        for page, place in pages_of(root)
        if page.is_file() and not is_russian(page) and not russian(page).is_file() and not _for_developers(place)
    ]


def _for_developers(place: PurePosixPath) -> bool:
    return (
        place.parts[0] == "adr"
        or place.name.startswith("figures")
        or place.stem in ("architecture", "changelog", "bench")
    )


def main() -> int:
    wrong = assemble(Path(sys.argv[1]))
    for one in wrong:
        sys.stderr.write(f"leads nowhere: {one}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
