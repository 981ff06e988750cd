"""Registry rows for the search benchmark: what people call files in two languages, skewed as real registries are.

Everything follows from the seed. Words are drawn by Zipf's law (the commonest is in a tenth of all names, most names of people
and firms are in a few thousand at the most), dates lean towards today, sizes are log-normal, one file in fourteen is
temporary, and one in a hundred each is deleted, damaged or expired. A row takes about 12 µs to make.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import exp
from typing import Any, Final

import asyncpg

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
ELEMENT: Final = "se-rw-1"
COLUMNS: Final = (
    "file_id", "storage_element_id", "original_filename", "content_type", "size", "checksum", "uploaded_by",
    "uploaded_at", "description", "tags", "metadata", "status", "retention_policy", "ttl_days", "expires_at", "revision",
)  # fmt: skip

_KINDS_RU: Final = [
    "Договор",
    "Счёт",
    "Отчёт",
    "Акт",
    "Приказ",
    "Протокол",
    "Смета",
    "Накладная",
    "Заявление",
    "Письмо",
    "Справка",
    "План",
    "График",
    "Чертёж",
    "Инструкция",
    "Паспорт",
    "Презентация",
    "Доверенность",
    "Расчёт",
    "Заявка",
    "Спецификация",
    "Регламент",
    "Положение",
    "Анкета",
    "Выписка",
    "Решение",
    "Соглашение",
    "Лицензия",
    "Сертификат",
    "Резюме",
]
_KINDS_EN: Final = [
    "Invoice",
    "Report",
    "Contract",
    "Letter",
    "Minutes",
    "Budget",
    "Drawing",
    "Manual",
    "Presentation",
    "Schedule",
    "Agreement",
    "Order",
    "Receipt",
    "Statement",
    "Certificate",
    "Proposal",
    "Specification",
    "Analysis",
    "Plan",
    "Form",
    "Resume",
    "Licence",
    "Notes",
    "Checklist",
    "Brochure",
]
_ABOUT_RU: Final = """поставки аренды ремонта сверки|о командировке|об отпуске|по проекту|на оплату|за воду|охраны труда|склада
|продаж|выполненных работ|кровли|оборудования|насосов|электроэнергии|по химии|моста через реку|для инвесторов|бухгалтерии
|за квартал|годовой|внутреннего распорядка|рекламы|перевозки груза|страхования|обучения сотрудников|столовой"""
_ABOUT_EN: Final = """of supply|for office|annual|quarterly|of sales|bridge|for pump station|of water|travel|of employment
|for customs|backup|of warehouse|training|software|of insurance|marketing|of laboratory|project|transport"""
_SYLLABLES_RU: Final = [
    "ба",
    "бор",
    "вар",
    "вол",
    "гор",
    "дан",
    "дол",
    "ель",
    "жар",
    "зем",
    "иг",
    "кал",
    "кор",
    "лан",
    "лис",
    "мар",
    "мил",
    "нор",
    "оль",
    "пав",
    "пет",
    "род",
    "сав",
    "сер",
    "тар",
    "фед",
    "хар",
    "чер",
    "юр",
    "яс",
]
_SYLLABLES_EN: Final = [
    "al",
    "ber",
    "car",
    "dan",
    "el",
    "for",
    "gar",
    "hol",
    "jan",
    "ken",
    "lor",
    "mar",
    "nor",
    "pol",
    "quin",
    "ros",
    "sal",
    "tor",
    "ver",
    "wil",
]
_TAGS: Final = [
    "договоры",
    "счета",
    "отчёты",
    "кадры",
    "сканы",
    "фото",
    "архив",
    "бухгалтерия",
    "проекты",
    "чертежи",
    "invoices",
    "reports",
    "contracts",
    "hr",
    "photos",
    "drawings",
    "archive",
    "ремонт",
    "продажи",
    "охрана-труда",
    "склад",
    "банк",
    "таможня",
    "it",
    "legal",
    "drafts",
    "переписка",
    "лекции",
    "медицина",
    "реклама",
]
_DESCRIPTIONS: Final = (
    "Согласовано с бухгалтерией, оригинал у секретаря",
    "Подписано обеими сторонами, срок действия до конца года",
    "Копия для архива, заменяет прежнюю редакцию",
    "Черновик, не для рассылки: цифры ещё проверяет отдел продаж",
    "Скан с печатью, страницы по порядку",
    "Приложение к договору поставки, перечень и цены",
    "Signed by both parties, valid until the end of the year",
    "Draft for review, figures are to be confirmed by the sales department",
    "Scanned copy, pages in order",
    "Annex to the supply contract, prices without tax",
    "Итоги по регионам: выручка выросла, расходы снизились, прогноз на следующий квартал прилагается",
    "Notes of the meeting with the contractor about the roof, the warehouse and the new bridge",
)
_TYPES: Final = {
    "pdf": ("application/pdf", 38), "jpg": ("image/jpeg", 18), "docx": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 14), "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 11), "tif": ("image/tiff", 5),
    "png": ("image/png", 4), "txt": ("text/plain", 3), "zip": ("application/zip", 3), "dwg": ("image/vnd.dwg", 2),
    "mp4": ("video/mp4", 1), "csv": ("text/csv", 1),
}  # fmt: skip


BATCH: Final = 10_000
_FIRMS: Final = 20_000
_PEOPLE: Final = 30_000


def rows(count: int, seed: int = 6) -> Iterator[list[tuple[Any, ...]]]:
    """Batches of rows in the order of COLUMNS, oldest first, as a registry grows."""
    maker = _Maker(random.Random(seed), count)
    for start in range(0, count, BATCH):
        yield maker.batch(start, min(BATCH, count - start))


async def fill(url: str, count: int) -> None:
    """COPY as the owner of `files`. The triggers (outbox, usage) are left out: nobody follows this registry."""
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER TABLE files DISABLE TRIGGER USER")
    try:
        for batch in rows(count):
            await connection.copy_records_to_table("files", records=batch, columns=COLUMNS)
    finally:
        await connection.execute("ALTER TABLE files ENABLE TRIGGER USER")
        await connection.close()


class _Maker:
    def __init__(self, chance: random.Random, count: int) -> None:
        self._chance, self._count = chance, count
        self._kinds = _weighted([*_interleaved(_KINDS_RU, _KINDS_EN)])
        self._about_ru, self._about_en = (
            _weighted([one.strip() for one in text.split("|")]) for text in (_ABOUT_RU, _ABOUT_EN)
        )
        self._firms = _weighted([self._name(2) for _ in range(_FIRMS)], 0.9)
        self._people = _weighted([self._name(3) for _ in range(_PEOPLE)], 0.8)
        self._tags = _weighted(_TAGS)
        self._accounts = _weighted([f"user:{self._name(2).lower()}" for _ in range(400)] + ["sa:sa_scanner_x7k2"] * 3)
        self._descriptions = _weighted(list(_DESCRIPTIONS), 0.5)
        extensions = [(name, kind) for name, (kind, _) in _TYPES.items()]
        self._types = (extensions, list(accumulate(weight for _, weight in _TYPES.values())))

    def batch(self, start: int, size: int) -> list[tuple[Any, ...]]:
        pick = self._chance.choices
        drawn = [
            pick(things, cum_weights=weights, k=size)
            for things, weights in (
                self._kinds, self._about_ru, self._about_en, self._firms, self._people, self._accounts,
                self._descriptions, self._types,
            )
        ]  # fmt: skip
        return [self._row(start + place, *one) for place, one in enumerate(zip(*drawn, strict=True))]

    def _row(
        self, number: int, kind: str, about_ru: str, about_en: str, firm: str, person: str, account: str, said: str,
        of_type: tuple[str, str],
    ) -> tuple[Any, ...]:  # fmt: skip
        dice = self._chance.random
        at = NOW - timedelta(seconds=(1 - number / self._count) ** 1.5 * 10 * 365 * 86400 + dice() * 3600)
        extension, content_type = of_type
        about = about_ru if kind[0] > "z" else about_en
        name = self._called(kind, about, firm, person, number, at, extension)
        tags = sorted(
            {self._chance.choices(self._tags[0], cum_weights=self._tags[1])[0] for _ in range(int(dice() * 4))}
        )
        temporary = dice() < 0.07
        ttl = 1 + int(dice() * 365) if temporary else None
        status = ("deleted", "damaged", "expired")[int(dice() * 3)] if dice() < 0.03 else "active"
        metadata: dict[str, Any] = {}
        if dice() < 0.6:
            metadata["project"] = f"p{int(dice() ** 3 * 500)}"
        if dice() < 0.3:
            metadata |= {"counterparty": firm, "pages": int(dice() * 90)}
        return (
            uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | 0x7 << 76 | 0x8 << 60 | self._chance.getrandbits(60)),
            ELEMENT, name, content_type, int(exp(self._chance.gauss(12.5, 2))), f"{number:064x}", account, at,
            f"{said}. {firm}" if dice() < 0.55 else None, tags, json.dumps(metadata, ensure_ascii=False), status,
            "temporary" if temporary else "permanent", ttl,
            None if ttl is None else NOW + timedelta(days=ttl), 1,
        )  # fmt: skip

    def _called(self, kind: str, about: str, firm: str, person: str, number: int, at: datetime, extension: str) -> str:
        habit = self._chance.random()
        if habit < 0.08:
            return f"IMG_{at:%Y%m%d}_{at:%H%M%S}.{extension}"
        if habit < 0.14:
            return f"scan{number:07d}.{extension}"
        if habit < 0.45:
            return f"{kind} {about} {firm} №{number % 5000} от {at:%d.%m.%Y}.{extension}"
        if habit < 0.75:
            return f"{kind}_{about.replace(' ', '_')}_{person}-{at:%Y}.{'final.' * (habit < 0.5)}{extension}"
        return f"{kind} {about} {person} {at:%Y-%m-%d}.{extension}"

    def _name(self, syllables: int) -> str:
        parts = _SYLLABLES_RU if self._chance.random() < 0.6 else _SYLLABLES_EN
        return "".join(self._chance.choices(parts, k=syllables + int(self._chance.random() * 2))).capitalize()


def _interleaved(some: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    for place in range(max(len(some), len(others))):
        yield from some[place : place + 1]
        yield from others[place : place + 1]


def _weighted(things: list[str], power: float = 1.0) -> tuple[list[str], list[float]]:
    """By Zipf's law: the n-th is drawn in proportion to 1 / (n + 3) ** power."""
    return things, list(accumulate(1 / (place + 3) ** power for place in range(len(things))))


if __name__ == "__main__":
    import sys

    asyncio.run(fill(sys.argv[1], int(sys.argv[2])))
