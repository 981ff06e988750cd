"""`artstore search`."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from artstore_client.aio import AsyncArtStore
from artstore_client.cli.options import OutputOption, Retention, chosen, parse_metadata
from artstore_client.cli.output import Output, print_json, print_text, say
from artstore_client.cli.run import execute
from artstore_client.models import SearchHit, SearchPage
from artstore_client.names import for_terminal

_Mode = Literal["exact", "partial", "fulltext"]
_Status = Literal["active", "expired", "damaged", "deleted"]
_Sort = Literal["uploaded_at", "original_filename", "size", "relevance"]
_Order = Literal["asc", "desc"]


def search(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="Words to find.")] = None,
    mode: Annotated[_Mode | None, typer.Option(help="How to match the words.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag it has; repeated: all of them.")] = None,
    ext: Annotated[str | None, typer.Option(help="File extension, such as pdf.")] = None,
    filename: Annotated[str | None, typer.Option(help="Its name.")] = None,
    content_type: Annotated[str | None, typer.Option("--type", help="Its content type.")] = None,
    uploaded_by: Annotated[str | None, typer.Option(help="Who stored it, such as sa:sa_scanner_x7k2.")] = None,
    retention: Annotated[Retention | None, typer.Option()] = None,
    status: Annotated[_Status | None, typer.Option(help="Default: active and damaged.")] = None,
    min_size: Annotated[int | None, typer.Option(min=0, help="Bytes.")] = None,
    max_size: Annotated[int | None, typer.Option(min=0, help="Bytes.")] = None,
    after: Annotated[datetime | None, typer.Option(help="Stored at or after (local time).")] = None,
    before: Annotated[datetime | None, typer.Option(help="Stored before (local time).")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="KEY=VALUE or a JSON object it holds.")] = None,
    sort: Annotated[_Sort | None, typer.Option(help="Default: uploaded_at.")] = None,
    order: Annotated[_Order | None, typer.Option(help="Default: desc.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    output: OutputOption = None,
) -> None:
    """Find files. Prints id, size, time and name of each (text), or the page as the API gives it (json)."""
    given: dict[str, Any] = {
        "mode": mode,
        "tags": tag,
        "file_extension": ext.removeprefix(".") if ext else None,
        "filename": filename,
        "content_type": content_type,
        "uploaded_by": uploaded_by,
        "retention_policy": retention,
        "status": status,
        "min_size": min_size,
        "max_size": max_size,
        "uploaded_after": after.astimezone() if after else None,
        "uploaded_before": before.astimezone() if before else None,
        "metadata": parse_metadata(metadata or []),
        "sort_by": sort,
        "sort_order": order,
    }
    filters: Any = {name: value for name, value in given.items() if value is not None}
    form = chosen(context, output)

    async def work(store: AsyncArtStore) -> None:
        page = await store.search(query, limit=limit, offset=offset, **filters)
        if form is Output.JSON:
            print_json(page.model_dump(mode="json", exclude_unset=True))
        elif form is Output.JSONL:
            for hit in page.items:
                print_json(hit.model_dump(mode="json", exclude_unset=True), form)
        else:
            _show(page)

    execute(work)


def _show(page: SearchPage) -> None:
    if sys.stdout.isatty():
        _table(page.items)
    else:
        for hit in page.items:
            print_text(*_columns(hit))
    about = "" if page.total_exact else "about "
    first = page.offset + 1 if page.items else page.offset
    say(f"{first}-{page.offset + len(page.items)} of {about}{page.total}")


def _table(hits: list[SearchHit]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("stored", no_wrap=True)
    table.add_column("name", overflow="fold")
    for hit in hits:
        table.add_row(*(Text(for_terminal(column)) for column in _columns(hit)))
    Console(highlight=False).print(table)


def _columns(hit: SearchHit) -> tuple[str, str, str, str]:
    stored = hit.uploaded_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(hit.file_id), str(hit.size), stored, hit.original_filename
