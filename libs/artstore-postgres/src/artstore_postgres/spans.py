"""A span for each statement of a trace that is recorded: its text, and never a parameter (requirement A8).

An error is named by its class: PostgreSQL's own words quote the row that was in the way.
"""

from __future__ import annotations

import re
from typing import Any, Final

from artstore_kit.spans import Span, SpanKind, note_failure, tracer
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

_MOST_TEXT: Final = 2000
"""Characters of a statement that are kept: a long one is mostly placeholders."""
_NAMED: Final = re.compile(r"\s*/\* ?(\w+) ?\*/\s*")
_WORD: Final = re.compile(r"\s*(\w+)")
_SPAN: Final = "_artstore_span"


def trace_statements(engine: AsyncEngine) -> None:
    """Outside of recorded traces, in background work above all, statements leave no spans."""
    listened = engine.sync_engine
    event.listen(listened, "before_cursor_execute", _before)
    event.listen(listened, "after_cursor_execute", _after)
    event.listen(listened, "handle_error", _failed)


def _before(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, executemany: bool) -> None:
    making = tracer()
    if making is None or context is None:
        return
    span = making.start_span(summary(statement), kind=SpanKind.CLIENT)
    span.set_attributes({"db.system.name": "postgresql", "db.query.text": statement[:_MOST_TEXT]})
    if executemany:
        span.set_attribute("artstore.many", True)
    setattr(context, _SPAN, span)


def _after(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _executemany: bool) -> None:
    _end(context, None)


def _failed(failure: ExceptionContext) -> None:
    _end(failure.execution_context, failure.original_exception)


def _end(context: Any, error: BaseException | None) -> None:
    span: Span | None = getattr(context, _SPAN, None)
    if span is None:
        return
    delattr(context, _SPAN)
    if error is not None:
        note_failure(span, type(error.__cause__ or error).__name__)
    span.end()


def summary(statement: str) -> str:
    """`SELECT`, or with the name that a comment at its beginning gives it: `UPDATE start_run`."""
    named = _NAMED.match(statement)
    word = _WORD.match(statement, named.end() if named else 0)
    operation = word[1].upper() if word else "SQL"
    return f"{operation} {named[1]}" if named else operation
