"""The request under way: its id, for logs, errors and calls to other services, and where it came from."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

from opentelemetry import trace

REQUEST_ID_HEADER = "x-request-id"
_request_id: ContextVar[str | None] = ContextVar("artstore_request_id", default=None)
_address: ContextVar[str | None] = ContextVar("artstore_client_address", default=None)
_ACCEPTABLE = re.compile(r"^[A-Za-z0-9._-]{1,128}$")


def current_request_id() -> str | None:
    return _request_id.get()


def current_address() -> str | None:
    """The client's, as `request.client` has it."""
    return _address.get()


def begin_request(offered: str | None, address: str | None = None) -> str:
    """Keeps the caller's id when it is harmless in a log line and a header, otherwise makes one."""
    _address.set(address)
    request_id = offered if offered and _ACCEPTABLE.match(offered) else str(uuid.uuid4())
    _request_id.set(request_id)
    return request_id


def current_trace_id() -> str | None:
    """32 hex digits (W3C Trace Context §3.2.2.3), or None outside a trace."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None
