"""The statements of queries.sql by name, with the type of every parameter."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    Text,
    TextClause,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

_BEGINS: Final = re.compile(r"^-- (\w+) --\n(?:--[^\n]*\n)*", re.MULTILINE)
_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")

_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "after_id": Uuid(),
    "after_moment": DateTime(timezone=True),
    "after_score": Float(),
    "after_size": BigInteger(),
    "count_limit": BigInteger(),
    "facet_limit": Integer(),
    "file_id": Uuid(),
    "limit": Integer(),
    "max_size": BigInteger(),
    "metadata": JSONB(),
    "min_size": BigInteger(),
    "newest_limit": Integer(),
    "offset": BigInteger(),
    "ranked_limit": Integer(),
    "share": Double(),
    "since": Date(),
    "tags": ARRAY(Text()),
    "uploaded_after": DateTime(timezone=True),
    "uploaded_before": DateTime(timezone=True),
}
"""What is not here is text. Types are given, not guessed: a guess makes a large size an integer overflow."""


def _read() -> dict[str, str]:
    source = files("query_service.db").joinpath("queries.sql").read_text(encoding="utf-8")
    names = list(_BEGINS.finditer(source))
    ends = [match.start() for match in names[1:]] + [len(source)]
    return {match[1]: source[match.end() : end].strip() for match, end in zip(names, ends, strict=True)}


_SOURCES: Final = _read()


def query(name: str, **fragments: str) -> TextClause:
    """The statement of this name; its name goes along as a comment, for pg_stat_activity and logs.

    `fragments` fill the braces of a composed statement. They are this package's own SQL, never a caller's words.
    """
    sql = _SOURCES[name].format(**fragments) if fragments else _SOURCES[name]
    wanted = dict.fromkeys(_PARAMETER.findall(sql))
    return text(f"/* {name} */ {sql}").bindparams(*(bindparam(key, type_=_TYPES.get(key, Text())) for key in wanted))
