"""The statements of queries.sql by name, with the type of every parameter."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Integer, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

_BEGINS: Final = re.compile(r"^-- (\w+) --\n(?:--[^\n]*\n)*", re.MULTILINE)
_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")

_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "after": Uuid(),
    "details": JSONB(),
    "done": Integer(),
    "due": DateTime(timezone=True),
    "expires_at": DateTime(timezone=True),
    "file_id": Uuid(),
    "file_ids": ARRAY(Uuid()),
    "generation": Integer(),
    "given_back": Boolean(),
    "height": Integer(),
    "id": Uuid(),
    "limit": Integer(),
    "max_attempts": Integer(),
    "number": BigInteger(),
    "offset": BigInteger(),
    "page": Integer(),
    "permanent": Boolean(),
    "prefixes": ARRAY(Text()),
    "priority": Integer(),
    "queue_id": BigInteger(),
    "queue_ids": ARRAY(BigInteger()),
    "run": Uuid(),
    "runs": ARRAY(Uuid()),
    "size": BigInteger(),
    "technical": JSONB(none_as_null=True),
    "total": Integer(),
    "transaction_id": BigInteger(),
    "width": Integer(),
}
"""What is not here is text."""


def _read() -> dict[str, str]:
    source = files("render_service.db").joinpath("queries.sql").read_text(encoding="utf-8")
    names = list(_BEGINS.finditer(source))
    ends = [match.start() for match in names[1:]] + [len(source)]
    return {match[1]: source[match.end() : end].strip() for match, end in zip(names, ends, strict=True)}


_SOURCES: Final = _read()


def query(name: str) -> TextClause:
    """The statement of this name; its name goes along as a comment, for pg_stat_activity and logs."""
    sql = _SOURCES[name]
    wanted = dict.fromkeys(_PARAMETER.findall(sql))
    return text(f"/* {name} */ {sql}").bindparams(*(bindparam(key, type_=_TYPES.get(key, Text())) for key in wanted))
