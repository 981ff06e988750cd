"""Every module's README says, in both languages, what A2 asks of it; its tables are those of the contract and the settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.tools.pages import ROOT, anchors, russian, tables
from docs.tools.settings import PARTS, Part, settings

SERVICES = ("admin-service", "storage-element", "ingester-service", "query-service", "render-service")
MODULES = (*SERVICES, "gateway", "charts", *(f"libs/{path.name}" for path in sorted((ROOT / "libs").iterdir())))
LANGUAGES = ("README.md", "README.ru.md")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "КиБ": 1 << 10, "МиБ": 1 << 20, "ГиБ": 1 << 30}

SECTIONS = {
    "README.md": ("Depends on", "Environment", "Endpoints", "Build and run"),
    "README.ru.md": ("Зависимости", "Переменные окружения", "Адреса", "Сборка и запуск"),
}


def read(module: str, language: str) -> str:
    return (ROOT / module / language).read_text(encoding="utf-8")


def bare(path: str) -> str:
    """A path without its query and without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


def promised(text: str) -> Iterator[tuple[str, str]]:
    """Method and path of every row of the tables of endpoints."""
    for head, *rows in tables(text):
        if len(head) > 1 and head[0] in ("path", "путь") and head[1] in ("methods", "методы"):
            for paths, methods, *_ in rows:
                for path in re.findall(r"`(/[^`]*)`", paths):
                    yield from (
                        (method, bare(path)) for method in re.findall(r"\b[A-Z]{3,7}\b", methods) if method in METHODS
                    )


def contract(service: str) -> set[tuple[str, str]]:
    document: dict[str, Any] = yaml.load(
        (ROOT / "openapi" / f"{service}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    return {
        (method.upper(), bare(path))
        for path, methods in document["paths"].items()
        for method in methods
        if method.upper() in METHODS
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("service", SERVICES)
def test_endpoints_are_those_of_the_contract(service: str, language: str) -> None:
    said, meant = set(promised(read(service, language))), contract(service)
    assert said == meant, f"{service}/{language}: not there {sorted(said - meant)}, not said {sorted(meant - said)}"


def defaults(text: str) -> dict[str, str]:
    """Variable → what the README says of its default, of every table of variables."""
    found: dict[str, str] = {}
    for head, *rows in tables(text):
        if head[0] in ("variable", "переменная"):
            for variables, said, *_ in rows:
                names = re.findall(r"`([A-Z0-9_]+)`", variables)
                each = [part.strip() for part in said.split(",")]
                found |= dict(zip(names, each if len(each) == len(names) else [said] * len(names), strict=True))
    return found


def number(said: str) -> float | None:
    found = re.fullmatch(r"`?([0-9.]+)`?(?: (\S+))?", said)
    return float(found[1]) * UNITS.get(found[2] or "", 1) if found else None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_variables_are_those_of_the_settings(part: Part, language: str) -> None:
    said = defaults(read(part.name, language))
    ours = {name for name in said if name.startswith(part.prefix)}
    known = {setting.variable: setting for setting in settings(part)}
    assert ours == set(known), f"{part.name}/{language}: unknown {ours - set(known)}, not said {set(known) - ours}"
    for name, setting in known.items():
        if isinstance(setting.default, int | float) and not isinstance(setting.default, bool):
            assert number(said[name]) == setting.default, f"{part.name}/{language}: {name} is {setting.default}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("service", SERVICES)
def test_purpose_dependencies_variables_endpoints_and_commands_are_told(service: str, language: str) -> None:
    text = read(service, language)
    headings = set(re.findall(r"^## (.*)$", text, re.MULTILINE))
    assert headings >= set(SECTIONS[language])
    assert f"docker build --target {service}" in text
    assert f"pytest {service}" in text
    assert "serve" in text


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_readme_in_both_languages(module: str) -> None:
    page = ROOT / module / "README.md"
    assert page.is_file(), module
    assert russian(page).is_file(), module


def test_sections_are_as_many_in_both_languages() -> None:
    """A section that one language lacks was forgotten in it."""
    for module in MODULES:
        counts = [len(anchors(read(module, language))) for language in LANGUAGES if (ROOT / module / language).exists()]
        assert len(set(counts)) <= 1, f"{module}: {counts} headings"


def test_paths() -> None:
    assert bare("/api/v1/files/{file_id}/download?ticket=") == "/api/v1/files/{}/download"
    assert number("64 MiB") == 64 * 1024**2
    assert Path(ROOT / "Makefile").is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_every_command_is_told(service: str) -> None:
    """Read off the source: to import every service costs seconds."""
    package = service.replace("-", "_")
    source = (ROOT / service / "src" / package / "__main__.py").read_text(encoding="utf-8")
    commands = {"serve", *re.findall(r"^ {4}\"([a-z-]+)\": ", source[source.index("\nCOMMANDS") :], re.MULTILINE)}
    for language in LANGUAGES:
        text = read(service, language)
        assert [name for name in sorted(commands) if f"{package} {name}" not in text] == [], language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("service", SERVICES)
def test_libraries_are_those_of_the_package(service: str, language: str) -> None:
    project = tomllib.loads((ROOT / service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = {name for name in project["dependencies"] if name.startswith("artstore-")}
    said = re.search(
        r"(?:Libraries of this repository|Библиотеки этого репозитория): ([^.]*)\.", read(service, language)
    )
    assert said
    assert set(re.findall(r"`(artstore-[a-z]+)`", said[1])) == ours
