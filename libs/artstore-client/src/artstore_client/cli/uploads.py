"""`artstore upload`: files and folders, several at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from anyio.to_thread import run_sync

from artstore_client.aio import AsyncArtStore
from artstore_client.cli.options import OutputOption, Retention, chosen, duration, parse_metadata
from artstore_client.cli.output import Output, Results, say
from artstore_client.cli.progress import Bars
from artstore_client.cli.run import Failures, execute, reason
from artstore_client.cli.walk import Found, Patterns, find
from artstore_client.errors import ArtStoreClientError
from artstore_client.policy import UploadPolicy


def named_path(text: str) -> Path:
    """An empty word is an unset variable in somebody's script, and not the folder that it would mean."""
    if not text:
        raise typer.BadParameter("a path is empty")
    return Path(text)


def upload(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", parser=named_path, help="Files, and folders with all in them."),
    ],
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="KEY=VALUE or a JSON object; may be repeated.")] = None,
    retention: Annotated[Retention | None, typer.Option(help="Default: permanent.")] = None,
    ttl_days: Annotated[int | None, typer.Option(help="Days that a temporary file lives (1-365).")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Files at a time.")] = 4,
    parts: Annotated[int, typer.Option(min=1, max=32, help="Parts of a large file at a time; 1: as one stream.")] = 6,
    offline: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long to wait for ArtStore to come back: 90s, 15m, 2h."),
    ] = "1h",
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Neither go on with an upload that was cut nor leave one.")
    ] = False,
    include: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Of folders only such files; may be repeated.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Of folders all but such files and folders.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be sent.")] = False,
    output: OutputOption = None,
) -> None:
    """Store files. Prints an id and a path for each (text), one array of files with their `path` (json), or a line each,
    failures too (jsonl).

    Large files go on where they were cut when the same command is given again, even after it was killed. Patterns are
    those of a shell, for a file's name or its path inside the folder.
    """
    options: dict[str, Any] = {
        "description": description,
        "tags": tag or [],
        "metadata": parse_metadata(metadata or []),
        "retention_policy": retention,
        "ttl_days": ttl_days,
        "resume": not no_resume,
    }
    form = chosen(context, output)
    policy = UploadPolicy(parallel=parts, offline_seconds=duration(offline))
    found = find(paths, Patterns(include or [], exclude or []))
    if dry_run:
        rehearse(found, form)
        return

    async def work(store: AsyncArtStore) -> None:
        await store.whoami()  # an account that is refused is said once, not once a file
        with Results(form) as results, Bars(lines=True) as bars:
            batch = Batch(store, found, options, results, bars)
            async with anyio.create_task_group() as group:
                for _ in range(parallel):
                    group.start_soon(batch.work)
        if not batch.seen:
            say("nothing to upload: no file was found")
        batch.failures.settle()

    execute(work, uploads=policy)


def rehearse(found: Iterator[Found], form: Output) -> None:
    """A size and a path for each file, and their sum; asks nobody."""
    failures, count, total = Failures(), 0, 0
    with Results(form) as results:
        for item in found:
            try:
                if item.problem:
                    raise item.problem
                size = item.path.stat().st_size
            except OSError as error:
                failures.add(item.path, error)
                continue
            count, total = count + 1, total + size
            results.add({"path": str(item.path), "size": size}, size, item.path)
    say(f"{count} files, {total} bytes would be sent")
    failures.settle()


@dataclass
class Batch:
    """Files taken one by one by as many workers as are wanted; no queue, so nothing waits in memory."""

    store: AsyncArtStore
    found: Iterator[Found]
    options: dict[str, Any]
    results: Results
    bars: Bars
    seen: int = 0

    def __post_init__(self) -> None:
        self.failures = Failures()
        self._next = anyio.Lock()
        self._print = anyio.Lock()

    async def work(self) -> None:
        while True:
            async with self._next:  # a generator runs for one caller at a time
                item = await run_sync(next, self.found, None)
            if item is None:
                return
            self.seen += 1
            if item.problem:
                await self._failed(item.path, item.problem)
            else:
                await self._upload(item.path)

    async def _upload(self, path: Path) -> None:
        task, on_progress = self.bars.begin(str(path))
        try:
            stored = await self.store.upload(
                path, **self.options, on_progress=on_progress, on_note=lambda note: say(f"{path}: {note}")
            )
        except (ArtStoreClientError, OSError) as error:
            await self._failed(path, error)
            return
        finally:
            self.bars.end(task)
        if not stored.registered:
            say(f"{path}: stored as {stored.file_id}; it can be found once the registry has caught up")
        item = {"path": str(path), **stored.model_dump(mode="json")}
        async with self._print:  # in a thread: a reader that pauses must not stall the other transfers
            await run_sync(self.results.add, item, stored.file_id, path)

    async def _failed(self, path: Path, error: Exception) -> None:
        self.failures.add(path, error)
        what = {"code": getattr(error, "code", type(error).__name__), "message": reason(error)}
        async with self._print:
            await run_sync(self.results.failed, {"path": str(path), "error": what})
