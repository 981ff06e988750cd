"""`artstore info` and `artstore download`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer

from artstore_client.aio import AsyncArtStore
from artstore_client.cli.options import OutputOption, chosen
from artstore_client.cli.output import Output, Results, print_json, print_text
from artstore_client.cli.progress import Bars
from artstore_client.cli.run import Failures, execute
from artstore_client.errors import ArtStoreClientError

_STDOUT = "-"


def info(
    context: typer.Context,
    file_id: Annotated[UUID, typer.Argument(metavar="ID")],
    output: OutputOption = None,
) -> None:
    """Show what is known of a file: a field a line (text), or the file as the API gives it (json)."""
    form = chosen(context, output)

    async def work(store: AsyncArtStore) -> None:
        fields = (await store.info(file_id)).model_dump(mode="json")
        if form is not Output.TEXT:
            print_json(fields, form)
            return
        for name, value in fields.items():
            if value not in (None, [], {}):
                plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                print_text(name, plain)

    execute(work)


def download(
    context: typer.Context,
    ids: Annotated[list[UUID], typer.Argument(metavar="ID...")],
    to: Annotated[
        str,
        typer.Option("-o", "--to", metavar="PATH|DIR|-", help="A file, a folder, or - for stdout."),
    ] = ".",
    output: OutputOption = None,
) -> None:
    """Fetch files and check them. Prints an id and a path for each (text), or one array of them (json), or a line each (jsonl).

    In a folder the stored names are used and nothing is replaced; a file that you name is. With -o - stdout is the
    files' bytes and nothing else.
    """
    form = chosen(context, output)
    if to == _STDOUT and form is not Output.TEXT:
        raise typer.BadParameter("-o - leaves no room for --output json or jsonl", param_hint="-o")
    if len(ids) > 1 and to != _STDOUT and not (Path(to).is_dir() or to.endswith(os.sep)):
        raise typer.BadParameter("several files need a folder", param_hint="-o")

    async def work(store: AsyncArtStore) -> None:
        await store.whoami()
        failures = Failures()
        if to == _STDOUT:
            with Bars() as bars:
                await _fetch(store, ids, sys.stdout.buffer, None, bars, failures)
        else:
            with Results(form) as results, Bars() as bars:
                await _fetch(store, ids, to, results, bars, failures)
        failures.settle()

    execute(work)


async def _fetch(
    store: AsyncArtStore,
    ids: list[UUID],
    destination: str | BinaryIO,
    results: Results | None,
    bars: Bars,
    failures: Failures,
) -> None:
    for file_id in ids:
        task, on_progress = bars.begin(str(file_id))
        try:
            arrived = await store.download(file_id, destination, on_progress=on_progress)
        except BrokenPipeError:
            raise  # an OSError, but about stdout and not about this file
        except (ArtStoreClientError, OSError) as error:
            failures.add(file_id, error)
            continue
        finally:
            bars.end(task)
        if results:
            item = {
                "file_id": arrived.file_id,
                "path": str(arrived.path) if arrived.path else None,
                "size": arrived.size,
                "checksum": arrived.checksum,
            }
            results.add(item, arrived.file_id, arrived.path or destination)
