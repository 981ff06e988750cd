"""Spans of what a request waits for, where its trace is recorded; elsewhere they cost a look at one variable.

A span holds what is put into it by name, and nothing else: no query, no header, no parameter of a statement and no
error's text, for each of them may be a secret (requirement A8). Names and attributes are those of OpenTelemetry's semantic
conventions where there are any; ours begin with `artstore.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, Tracer

__all__ = ["Attributes", "Span", "SpanKind", "apart", "note_failure", "recorded_span", "recording", "span", "tracer"]

Attributes = Mapping[str, str | int | float | bool]

_tracer: ContextVar[Tracer | None] = ContextVar("artstore_tracer", default=None)


def tracer() -> Tracer | None:
    """Where a trace is being recorded: what makes its spans."""
    return _tracer.get()


def recorded_span() -> Span | None:
    """The span under way, if it is recorded."""
    return trace.get_current_span() if _tracer.get() is not None else None


def span(
    name: str, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[Span]:
    """A part of the trace under way. An error that passes through it is named by its class alone."""
    making = _tracer.get()
    return _UNRECORDED if making is None else _Recorded(making, name, attributes, kind, None)


def recording(
    making: Tracer, name: str, attributes: Attributes | None, kind: SpanKind, parent: Context
) -> AbstractContextManager[Span]:
    """A span below `parent`, and inside it `span` makes others. Where sampling leaves the trace out, nothing is made."""
    return _Recorded(making, name, attributes, kind, parent)


@contextmanager
def apart() -> Iterator[None]:
    """What is begun inside outlives the request that began it, and is no part of its trace."""
    held = _tracer.set(None)
    attached = context.attach(trace.set_span_in_context(INVALID_SPAN))
    try:
        yield
    finally:
        context.detach(attached)
        _tracer.reset(held)


class _Unrecorded(AbstractContextManager[Span]):
    """One for all: it holds nothing."""

    def __enter__(self) -> Span:
        return INVALID_SPAN

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        return


_UNRECORDED: Final = _Unrecorded()


class _Recorded(AbstractContextManager[Span]):
    def __init__(
        self, making: Tracer, name: str, attributes: Attributes | None, kind: SpanKind, parent: Context | None
    ) -> None:
        self._tracer, self._name, self._attributes, self._kind, self._parent = making, name, attributes, kind, parent

    def __enter__(self) -> Span:
        self._span = self._tracer.start_span(
            self._name, context=self._parent, kind=self._kind, attributes=self._attributes
        )
        token: Token[Tracer | None] | None = None
        if self._parent is not None:
            token = _tracer.set(self._tracer if self._span.is_recording() else None)
        self._begun = token, context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        token, attached = self._begun
        context.detach(attached)
        if token is not None:
            _tracer.reset(token)
        if kind is not None:
            note_failure(self._span, kind.__qualname__)
        self._span.end()


def note_failure(noted: Span, kind: str) -> None:
    """`kind` from a short list: a status of HTTP, an error's class."""
    noted.set_attribute("error.type", kind)
    noted.set_status(StatusCode.ERROR)
