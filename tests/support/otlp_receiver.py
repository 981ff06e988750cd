"""The receiving end of OTLP/HTTP: spans as the services and Envoy send them (OpenTelemetry Protocol, "OTLP/HTTP")."""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from artstore_testing.servers import running_app
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """Ids in hex; `parent_id` is empty for a root. Times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    instance: str
    name: str
    kind: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, Any]

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.began) / 1e6


@dataclass(frozen=True, slots=True)
class SeenTrace:
    spans: list[SeenSpan]

    @property
    def roots(self) -> list[SeenSpan]:
        return [span for span in self.spans if not span.parent_id]

    @property
    def orphans(self) -> list[SeenSpan]:
        """Those whose parent nobody has sent: gaps."""
        known = {span.span_id for span in self.spans}
        return [span for span in self.spans if span.parent_id and span.parent_id not in known]

    @property
    def is_whole(self) -> bool:
        return len(self.roots) == 1 and not self.orphans

    @property
    def names(self) -> set[tuple[str, str]]:
        return {(span.service, span.name) for span in self.spans}

    def tree(self) -> list[tuple[int, SeenSpan]]:
        """Depth and span, in the order in which they began."""
        below: dict[str, list[SeenSpan]] = defaultdict(list)
        for span in sorted(self.spans, key=lambda one: one.began):
            below[span.parent_id].append(span)
        found: list[tuple[int, SeenSpan]] = []

        def walk(span: SeenSpan, depth: int) -> None:
            found.append((depth, span))
            for child in below[span.span_id]:
                walk(child, depth + 1)

        for root in self.roots:
            walk(root, 0)
        return found


@dataclass
class OtlpReceiver:
    """Whatever came so far. `raw` is the bytes, for what must not be in them."""

    url: str = ""
    raw: list[bytes] = field(default_factory=list)
    _spans: list[SeenSpan] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def traces(self) -> list[SeenTrace]:
        with self._lock:
            spans = list(self._spans)
        grouped: dict[str, list[SeenSpan]] = defaultdict(list)
        for span in spans:
            grouped[span.trace_id].append(span)
        return [SeenTrace(of_one) for of_one in grouped.values()]

    def with_attribute(self, name: str, value: str, root: str | None = None) -> SeenTrace | None:
        """The trace that has a span with this attribute, and begins with one of this name."""
        for trace in self.traces:
            if root is not None and root not in {span.name for span in trace.roots}:
                continue
            if any(span.attributes.get(name) == value for span in trace.spans):
                return trace
        return None

    def take(self, body: bytes) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        spans = [
            _seen(span, _values(resource.resource.attributes))
            for resource in asked.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self.raw.append(body)
            self._spans.extend(spans)


@contextmanager
def receiving_spans() -> Iterator[OtlpReceiver]:
    """Listens on a free port until the block ends."""
    receiver = OtlpReceiver()

    async def take(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        receiver.take(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        await Response(media_type="application/x-protobuf")(scope, receive, send)

    with running_app(take) as receiver.url:
        yield receiver


def _seen(span: Span, resource: dict[str, Any]) -> SeenSpan:
    return SeenSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=str(resource.get("service.name", "")),
        instance=str(resource.get("service.instance.id", "")),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_values(span.attributes),
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
