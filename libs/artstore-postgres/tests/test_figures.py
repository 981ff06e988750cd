"""A statement leaves a span without its parameters; who waits for a connection is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from artstore_core.errors import AdminUnavailable
from artstore_kit.tracing import Tracing
from artstore_postgres.engine import Postgres, make_engine
from artstore_postgres.figures import DatabaseFigures
from artstore_postgres.spans import summary
from artstore_testing.postgres import Database
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError


@dataclass
class Watched:
    postgres: Postgres
    registry: CollectorRegistry
    tracing: Tracing
    exporter: InMemorySpanExporter

    def connections(self, state: str) -> float | None:
        labels = {"database": "primary", "state": state}
        return self.registry.get_sample_value("artstore_database_pool_connections", labels)

    @property
    def waits(self) -> float | None:
        return self.registry.get_sample_value("artstore_database_wait_seconds_count", {"database": "primary"})

    @property
    def spans(self) -> list[ReadableSpan]:
        """Of statements."""
        return [
            one for one in self.exporter.get_finished_spans() if one.attributes and "db.query.text" in one.attributes
        ]


@pytest.fixture
async def watched(database: Database) -> AsyncIterator[Watched]:
    registry, exporter, provider = CollectorRegistry(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    engine = make_engine(database.url(), application="test", pool_size=2, traced=True)
    waited = DatabaseFigures(registry).watch(engine)
    postgres = Postgres(engine, away=lambda: AdminUnavailable("away"), waited=waited)
    yield Watched(postgres, registry, Tracing("test", "1", {}, provider), exporter)
    await postgres.close()


async def test_connections_are_told_and_waits_are_counted(watched: Watched) -> None:
    assert (watched.connections("used"), watched.connections("free"), watched.waits) == (0, 2, 0)
    async with watched.postgres.reading(), watched.postgres.transaction():
        assert (watched.connections("used"), watched.connections("free")) == (2, 0)
        with pytest.raises(AdminUnavailable):
            async with watched.postgres.reading():
                pass
    assert (watched.connections("used"), watched.connections("free"), watched.waits) == (0, 2, 3)
    waited = watched.registry.get_sample_value("artstore_database_wait_seconds_sum", {"database": "primary"})
    assert waited is not None
    assert waited > 1.5


async def test_a_statement_is_a_span_with_its_text_and_without_its_parameters(watched: Watched) -> None:
    with watched.tracing.root("work"):
        async with watched.postgres.transaction() as connection:
            await connection.execute(text("/* find_one */ SELECT :secret :: text"), {"secret": "s3cret"})
    (span,) = watched.spans
    assert (span.name, span.kind.name) == ("SELECT find_one", "CLIENT")
    assert span.attributes is not None
    assert span.attributes["db.system.name"] == "postgresql"
    assert str(span.attributes["db.query.text"]).startswith("/* find_one */ SELECT ")
    assert "s3cret" not in span.to_json()


async def test_an_error_is_named_without_the_row_that_was_in_the_way(watched: Watched) -> None:
    insert = text("INSERT INTO words (word) VALUES (:word)")
    with watched.tracing.root("work"), pytest.raises(IntegrityError):
        async with watched.postgres.transaction() as connection:
            await connection.execute(text("CREATE TABLE words (word text PRIMARY KEY)"))
            await connection.execute(insert, {"word": "s3cret"})
            await connection.execute(insert, {"word": "s3cret"})
    failed = watched.spans[-1]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "UniqueViolationError"
    assert all("s3cret" not in span.to_json() for span in watched.spans)


async def test_a_wrong_parameter_is_not_told_either(watched: Watched) -> None:
    with watched.tracing.root("work"), pytest.raises(DBAPIError):
        async with watched.postgres.transaction() as connection:
            await connection.exec_driver_sql("SELECT $1::int", ("s3cret",))
    assert all("s3cret" not in span.to_json() for span in watched.spans)


async def test_outside_of_a_trace_statements_leave_no_spans(watched: Watched) -> None:
    await watched.postgres.probe()
    assert watched.spans == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("select 1", "SELECT"),
        ("  /* take */\n UPDATE x", "UPDATE take"),
        ("/* no name here */ WITH a", "SQL"),
        ("", "SQL"),
    ],
)
def test_a_statement_is_summed_up_in_a_word_or_two(statement: str, words: str) -> None:
    assert summary(statement) == words
