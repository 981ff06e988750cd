"""The configuration reference, both languages, from the settings classes: `python -m docs.tools.configuration`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from docs.tools.pages import ROOT
from docs.tools.settings import PARTS, Part, Setting, settings

RUSSIAN_WORDS = Path(__file__).with_name("settings.ru.yaml")
TARGET = ROOT / "docs/reference/configuration.md"


@dataclass(frozen=True, slots=True)
class Words:
    """What a page says in one language."""

    intro: str
    head: str
    required: str
    none: str
    only: str
    kinds: dict[str, str]
    spans: dict[str, str]
    units: dict[str, str]
    gateway_files: str
    tracing: str
    elsewhere: str


ENGLISH = Words(
    intro="""# Configuration

Every setting of every service is an environment variable. This page is made from the code (`make docs-reference`); a service
that is given a wrong value, or not given a required one, ends with code 2 and names it.

Any setting `X` of a service may come from a file instead: `X_FILE` names it. That is how secrets should be given. The
variable itself counts more than the file.""",
    head="| variable | default | values | meaning |",
    required="**required**",
    none="none",
    only="`{command}` alone",
    kinds={
        "flag": "`true`, `false`",
        "path": "path",
        "secret": "secret",
        "url": "URL",
        "list": "list",
        "text": "text",
        "number": "number",
    },
    spans={"d": "d", "h": "h", "min": "min"},
    units={"T": "TiB", "G": "GiB", "M": "MiB", "K": "KiB"},
    gateway_files="""Read by `python -m artstore_gateway`, which writes Envoy's configuration. `…_FILE` works for `GW_CLIENT_SECRET` and
`GW_ROUTE_KEY` only.""",
    tracing="""## Tracing

By the standard variables of OpenTelemetry, which every service reads; `OTEL_EXPORTER_OTLP_ENDPOINT` turns it on. Which ones, and what
a span holds: [observability](../observability.md#traces).""",
    elsewhere="""## Elsewhere

The client's variables (`ARTSTORE_URL`, …): [artstore-client](../../libs/artstore-client/README.md#settings). Those of `make up`
(`ARTSTORE_DATA_DIR`, `ARTSTORE_PORT_BASE`): [artstore-stack](../../libs/artstore-stack/README.md#settings). The values of the
charts: [charts](../../charts/README.md).""",
)

RUSSIAN = Words(
    intro="""# Настройки

Каждая настройка каждого сервиса — переменная окружения. Эта страница сделана из кода (`make docs-reference`). Если значение
неверно или обязательное не задано, сервис завершается с кодом 2 и называет переменную.

Любую настройку `X` сервиса можно взять из файла: его имя задаёт `X_FILE`. Так следует передавать секреты. Сама переменная
важнее файла.""",
    head="| переменная | по умолчанию | значения | смысл |",
    required="**обязательна**",
    none="нет",
    only="только `{command}`",
    kinds={
        "flag": "`true`, `false`",
        "path": "путь",
        "secret": "секрет",
        "url": "URL",
        "list": "список",
        "text": "строка",
        "number": "число",
    },
    spans={"d": "сут", "h": "ч", "min": "мин"},
    units={"T": "ТиБ", "G": "ГиБ", "M": "МиБ", "K": "КиБ"},
    gateway_files="""Их читает `python -m artstore_gateway`, который пишет конфигурацию Envoy. `…_FILE` действует только для
`GW_CLIENT_SECRET` и `GW_ROUTE_KEY`.""",
    tracing="""## Трассировка

Стандартными переменными OpenTelemetry, которые читает каждый сервис; включает её `OTEL_EXPORTER_OTLP_ENDPOINT`. Какие ещё и что есть в
спане: [наблюдение](../observability.ru.md).""",
    elsewhere="""## Другое

Переменные клиента (`ARTSTORE_URL`, …): [artstore-client](../../libs/artstore-client/README.ru.md#настройки). Переменные `make up`
(`ARTSTORE_DATA_DIR`, `ARTSTORE_PORT_BASE`): [artstore-stack](../../libs/artstore-stack/README.ru.md#настройки). Значения
чартов: [charts](../../charts/README.md).""",
)

_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))
_SPANS = (("d", 86400), ("h", 3600), ("min", 60))


def russian_words() -> dict[str, str]:
    """Variable, or `*_NAME`, → what it is for, in Russian."""
    words: dict[str, str] = yaml.safe_load(RUSSIAN_WORDS.read_text(encoding="utf-8"))
    return words


def in_russian(variable: str, words: dict[str, str]) -> str | None:
    """None for what nobody has said in Russian yet."""
    return words.get(variable, words.get(f"*_{variable.partition('_')[2]}"))


def page(words: Words, described: dict[str, str] | None) -> str:
    """The whole page. `described`: Russian words by variable; None: the code's own, English ones."""
    return "\n\n".join(
        [words.intro, *(_part(part, words, described) for part in PARTS), words.tracing, words.elsewhere + "\n"]
    )


def _part(part: Part, words: Words, described: dict[str, str] | None) -> str:
    rows = [words.head, "|---|---|---|---|"]
    for setting in settings(part):
        meaning = (in_russian(setting.variable, described) if described else None) or setting.description
        if meaning.split(maxsplit=1)[0].rstrip(":") not in setting.choices:
            meaning = meaning[:1].upper() + meaning[1:]
        if setting.command:
            meaning += f" ({words.only.format(command=setting.command)})"
        cells = [f"`{setting.variable}`", _default(setting, words), _values(setting, words), meaning]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    note = [words.gateway_files] if part.name == "gateway" else []
    return "\n\n".join([f"## {part.name}", *note, "\n".join(rows)])


def _default(setting: Setting, words: Words) -> str:
    value = setting.default
    if setting.required:
        return words.required
    if value is None or value in ("", ()):
        return words.none
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"{value:.15g}" + _human(setting.variable, value, words)
    return f"`{', '.join(value) if isinstance(value, tuple) else value}`"


def _human(variable: str, value: float, words: Words) -> str:
    if "BYTES" in variable:
        for unit, size in _UNITS:
            if value >= size and value % size == 0:
                return f" ({value / size:g} {words.units[unit]})"
    if variable.endswith("_SECONDS"):
        for span, size in _SPANS:
            if value >= size and value % size == 0:
                return f" ({value / size:g} {words.spans[span]})"
    return ""


def _values(setting: Setting, words: Words) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" if choice else '`""`' for choice in setting.choices)
    limits = list(_limits(setting))
    return ", ".join(limits) if limits else words.kinds[setting.kind]


def _limits(setting: Setting) -> Iterator[str]:
    if setting.least is not None:
        yield f"≥ {setting.least:.15g}"
    if setting.above is not None:
        yield f"> {setting.above:.15g}"
    if setting.most is not None:
        yield f"≤ {setting.most:.15g}"


def pages() -> dict[Path, str]:
    """File → what has to stand in it."""
    return {
        TARGET: page(ENGLISH, None),
        TARGET.with_name("configuration.ru.md"): page(RUSSIAN, russian_words()),
    }


def main() -> None:
    for target, text in pages().items():
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
