"""The element itself: is its disk there, what does its mode allow, how much room is left?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import TypeVar
from uuid import UUID

from artstore_core.elements import ElementInfo
from artstore_core.errors import ArtStoreError, ModeNotAllowed, StorageFull, StorageUnavailable
from artstore_core.modes import ALLOWED, Mode, Operation
from artstore_kit.spans import span

from storage_element.store.capacity import Capacity, Room
from storage_element.store.changes import ChangeKind, Logged
from storage_element.store.checkpoint import MOST_LOG_TIMES, Checkpoints
from storage_element.store.commits import Commits, Decide, Outcome
from storage_element.store.observing import NOBODY, Observer
from storage_element.store.ports import Disk, Found, Index, NeedsOperator, RebuildNeeded, Usage
from storage_element.store.records import mode_of
from storage_element.store.telling import in_full
from storage_element.store.watching import Watch, Watches
from storage_element.store.workers import Shared, Workers

T = TypeVar("T")
CHANGES = frozenset({Operation.UPLOAD, Operation.UPDATE, Operation.DELETE})
Report = Callable[[str], None]


class Element:
    """Open while the disk carries the element's marker; closed, it answers nothing but that (requirement S13)."""

    def __init__(
        self,
        storage_id: str,
        version: str,
        disk: Disk,
        capacity: Capacity,
        workers: Workers,
        report: Report,
        checkpoint_bytes: int,
        checkpoint_seconds: float,
        reopen_seconds: float,
        observer: Observer = NOBODY,
        ballast_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._storage_id, self._version = storage_id, version
        self._disk, self._capacity, self._workers = disk, capacity, workers
        self._report, self._observer, self._ask_ballast = report, observer, ballast_bytes
        self._checkpoint_bytes, self._checkpoint_seconds = checkpoint_bytes, checkpoint_seconds
        self._reopen_seconds = reopen_seconds
        self._open = False
        """Set on the event loop alone."""
        self._mode: Mode | None = None
        """Of the present opening, or the last. Set by its committing thread, and by nobody else while that runs."""
        self._why = "The storage element is starting."
        self._final = self._doubtful = False
        self._opened_at = 0.0
        self.generation = 0
        """Counts the openings: what was begun in one of them may not be acknowledged in another."""
        self._commits: Commits | None = None
        self._checkpoints: Checkpoints | None = None
        self._beside: asyncio.Task[None] | None = None
        self._look = Shared(lambda: workers.look(self._look_at_disk))
        self.opened = asyncio.Event()
        self._changes = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._on_open: list[Callable[[Found], None]] = []
        self._watches = Watches()
        self.quarantine_bytes = 0
        self.last_usage: Usage | None = None
        """As the disk was found last: for who cannot wait for it."""

    def on_open(self, take: Callable[[Found], None]) -> None:
        """Calls `take` with what the disk holds, each time the element opens."""
        self._on_open.append(take)

    @property
    def mode(self) -> Mode:
        """Raises StorageUnavailable while the element is closed."""
        if not self._open or self._mode is None:
            raise StorageUnavailable(self._why)
        return self._mode

    @property
    def commits(self) -> Commits:
        if not self._open or self._commits is None:
            raise StorageUnavailable(self._why)
        return self._commits

    async def read_index(self, read: Callable[[Index], T], *, long: bool = False) -> T:
        """What the index says, with everything that was acknowledged before this call. `long` is for what takes long,
        or writes. Raises StorageUnavailable."""
        await self.commits.caught_up()
        ask = self._workers.run if long else self._workers.look
        try:
            return await ask(lambda: read(self._disk.index))
        except RebuildNeeded:
            self._doubtful = True  # the next look at the disk sees to it
            raise

    @property
    def takes_changes(self) -> bool:
        """Whether it could take one now, if its mode allows it."""
        try:
            self._check_writable()
        except ArtStoreError:
            return False
        return True

    @property
    def ballast_bytes(self) -> int:
        """What is kept free for a start on a full disk."""
        return self._ask_ballast()

    @property
    def used_bytes(self) -> int:
        """Of files, those that are promised and not in their places among them, of the quarantine and the ballast."""
        return self.commits.applying.used_bytes + self.quarantine_bytes + self.ballast_bytes

    async def open(self) -> None:
        """Reads the disk and opens. Raises StorageUnavailable and StorageFull, and stays closed."""
        await self._quiet.wait()  # a change that is under way must not be taken for an interrupted one
        await self._let_go()
        self._doubtful = False
        try:
            found = await self._workers.run(self._disk.open_root)
        except ArtStoreError as error:
            self._cannot_open(error.message, in_full(error))
            self._final = isinstance(error, NeedsOperator)
            raise
        self._opened_at = monotonic()
        self._begin(found)
        for take in self._on_open:
            take(found)
        self.opened.set()
        self._report("open")

    async def close(self) -> None:
        """Everything that was acknowledged is put in its place and the log emptied, if the disk lets it; then nothing
        is held any more."""
        self._shut("The storage element has stopped.")
        await self._let_go(checkpoint=True)

    async def watch(self, seconds: float) -> None:
        """For ever: closes when the marker goes, opens when it comes back."""
        while True:
            with suppress(ArtStoreError):  # readiness tells why, and so does every call
                await self._look_after()
            await asyncio.sleep(seconds)

    async def _look_after(self) -> None:
        try:
            if self._open:
                await self._check_marker()
                await self._reopen_if_doubtful()
            elif not self._final:
                await self.open()
        except ArtStoreError:
            raise
        except Exception as error:  # noqa: BLE001  # nobody else would ever open the element again
            self._cannot_open("The storage element cannot open its disk.", repr(error))

    def _cannot_open(self, why: str, told: str) -> None:
        if why != self._why:  # else the log has it from the second before
            self._report(f"cannot open: {told}")
        self._why = why

    async def probe(self) -> None:
        """Raises StorageUnavailable while the element cannot do its work."""
        await self._check_marker()
        self._check_writable()

    async def admit(self, operation: Operation, *, needs_room: bool = False) -> Usage:
        """What the disk has free. Raises StorageFull for what needs room where none is left, StorageUnavailable, and
        ModeNotAllowed: before any byte is read, and before anything is looked up."""
        usage = await self._check_marker()
        self.check_mode(operation)
        if operation in CHANGES:
            self._check_writable()
            if needs_room and self.commits.applying.stalled:
                raise StorageFull("The storage element is full.")
        return Room.of(usage, self.commits.applying.inline_bytes)

    def check_generation(self, generation: int) -> None:
        """Raises StorageUnavailable when the disk was closed since then: what was written may lie on another one."""
        if generation != self.generation:
            raise StorageUnavailable("The storage element was closed meanwhile.")

    def check_mode(self, operation: Operation) -> None:
        """Raises ModeNotAllowed, and StorageUnavailable while the element is closed."""
        if operation not in ALLOWED[self.mode]:
            raise ModeNotAllowed(f"The mode {self.mode} does not allow {operation}.")

    async def submit(self, file_id: UUID, decide: Decide) -> Outcome:
        """A change, once it would survive a power cut. Raises what `decide` raises, StorageFull, StorageUnavailable."""
        with span("commit"):
            return await self.commits.submit(file_id, decide)

    @contextmanager
    def watching(self, file_id: UUID) -> Iterator[Watch]:
        """What is seen on the disk of a file inside is true of it as long as the watch has not changed; a change that
        is under way is one. Raises StorageUnavailable."""
        with self._watches.on(file_id) as watch:
            watch.changed = watch.changed or self.commits.applying.get(file_id) is not None
            yield watch

    async def between_changes(self, work: Callable[[], T]) -> T:
        """Runs `work` while no change is decided or logged."""
        found: T = await self._workers.run(self.commits.between_groups, work)
        return found

    async def checkpoint(self) -> int:
        """The last change that the directory alone holds by now. Raises StorageFull, StorageUnavailable."""
        await self.probe()
        if self._checkpoints is None:
            raise StorageUnavailable(self._why)
        return await self._workers.run(self._checkpoints.now)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Around every step in staging that recovery must not see half done."""
        if not self._open:
            raise StorageUnavailable(self._why)
        self._changes += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._changes -= 1
            if not self._changes:
                self._quiet.set()

    async def info(self) -> ElementInfo:
        """Raises StorageUnavailable: a guess at the room left would send uploads here."""
        usage = await self._check_marker()
        self._check_writable()
        mode = self.mode
        capacity, used, available = self._capacity.figures(self.used_bytes, usage)
        return ElementInfo(
            storage_id=self._storage_id,
            mode=mode,
            version=self._version,
            capacity_bytes=capacity,
            used_bytes=used,
            available_bytes=available,
            allowed_operations=[operation for operation in Operation if operation in ALLOWED[mode]],
            epoch=self._disk.index.epoch,
            sequence=self.commits.applying.applied,
        )

    def _shut(self, why: str) -> None:
        """Nothing is answered from here on but why. The threads may still be at work."""
        self._open, self._why = False, why
        self.opened.clear()

    def _begin(self, found: Found) -> None:
        loop = asyncio.get_running_loop()
        commits = Commits(
            self._disk, loop, self._logged, MOST_LOG_TIMES * self._checkpoint_bytes, on_failed=self._observer.failed
        )
        checkpoints = Checkpoints(
            self._disk, commits, loop, self._checkpoint_bytes, self._checkpoint_seconds, self._observer
        )
        self.generation += 1
        self._watches.lost_sight()
        self.quarantine_bytes = found.quarantine_bytes
        self._commits, self._checkpoints, self._mode = commits, checkpoints, found.mode
        self._open = True
        commits.start()
        self._beside = loop.create_task(checkpoints.run(self._workers, self._no_checkpoint))

    async def _let_go(self, *, checkpoint: bool = False) -> None:
        """Ends the threads and closes the disk."""
        commits, self._commits = self._commits, None
        checkpoints, self._checkpoints = self._checkpoints, None
        if self._beside is not None:
            self._beside.cancel()
            await asyncio.wait({self._beside})
            self._beside = None
        if commits is not None and checkpoints is not None:
            await self._workers.run(commits.stop)
            if checkpoint:
                try:
                    await self._workers.run(checkpoints.now, last=True)
                except ArtStoreError as error:
                    self._report(f"no checkpoint: {in_full(error)}")
        await self._workers.run(self._disk.close_root)

    def _logged(self, group: Sequence[Logged], seconds: float) -> None:
        """In the committing thread."""
        self._watches.saw(group)
        self._observer.group(len(group), seconds)
        for logged in group:
            if logged.change.kind is ChangeKind.MODE:
                self._mode = mode_of(logged.change.record)
        if self._checkpoints is not None:
            self._checkpoints.notice()

    def _check_writable(self) -> None:
        self.commits.applying.check()
        if self._disk.failed:
            raise StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

    async def _reopen_if_doubtful(self) -> None:
        """An index that failed is a copy that failed: it is made anew. And what could not be applied is in the log, from
        which another opening applies it, unless a flush has failed: then only another process may trust the disk."""
        broken = None if self._disk.failed else self.commits.applying.broken
        if not (self._doubtful or broken) or monotonic() < self._opened_at + self._reopen_seconds:
            return
        self._shut("The storage element opens its disk anew.")
        self._report("opens its disk anew" if broken is None else f"opens its disk anew: {in_full(broken)}")
        await self.open()

    def _no_checkpoint(self, error: ArtStoreError) -> None:
        self._report(f"no checkpoint: {in_full(error)}")
        self._doubtful = self._doubtful or isinstance(error, RebuildNeeded)

    def _look_at_disk(self) -> Usage:
        self._disk.check()
        return self._disk.usage()

    async def _check_marker(self) -> Usage:
        """One look serves all who ask while it has not begun."""
        if not self._open:
            raise StorageUnavailable(self._why)
        try:
            self.last_usage = await self._look()
            return self.last_usage
        except StorageUnavailable as error:
            if self._open:
                self._shut(error.message)
                self._report(f"closed: {in_full(error)}")
            raise
