"""Logs: JSON lines for machines, coloured text for people; each with request and trace ids (requirement A8)."""

from __future__ import annotations

import logging
import re
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from artstore_kit.context import current_request_id, current_trace_id

MAX_FRAMES = 20
# Never the frames' variables: they hold secrets, tokens and what users sent, and they have no bound.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=MAX_FRAMES)

_WAY_TO_TILES = re.compile(r"(?<=/tiles/)[^/]+")


def shown_path(path: str) -> str:
    """A request's path as it may be told. Of a picture's tiles a part of it is what opens them, as a ticket opens others."""
    return _WAY_TO_TILES.sub("{view}", path)


def _add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in (("request_id", current_request_id()), ("trace_id", current_trace_id())):
        if value is not None:
            event.setdefault(name, value)
    return event


class _Lines(structlog.WriteLogger):
    """Writes each event as a line. `name` is what the processor for names looks for, as `logging`'s loggers have it."""

    def __init__(self, file: TextIO, name: str) -> None:
        super().__init__(file)
        self.name = name


def configure_logs(service: str, *, level: str = "info", form: Literal["json", "text"] = "json") -> None:
    """Our own events and those of the libraries that use `logging`, in one form on standard error.

    Ours go there by themselves: by way of `logging` a line would cost four times as much, and each request has one.
    """

    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_ids,
        add_service,
    ]
    render: list[Processor] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACK), structlog.processors.JSONRenderer(ensure_ascii=False)]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*common, *render],
        logger_factory=lambda name: _Lines(sys.stderr, name),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # httpx logs each call with its whole URL, and a URL may carry a ticket.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def get_logger(name: str) -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger
