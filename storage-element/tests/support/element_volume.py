"""What a disk holds, and what a power cut may leave of it.

A *volume* has files and directories with numbers (inodes), and two states of each: the one that calls see, and the one
that is sure to survive a power cut. Everything between the two is *unsynced*, and a power cut decides on it:

    bytes     A write is sure once its file was flushed. Of unsynced writes any sector (512 bytes) may be there or not,
              in any order, but a sector is never half one write and half another. A sector of a file that grew and
              that was not written holds zeroes or, in the strict model, old bytes of something else. The length
              is any that the file had since it was last flushed, or one on the way between two of them.
    names     An entry is sure once its directory was flushed, whatever was done to the file that it names.

`Model.STRICT` is all that POSIX promises: of the unsynced changes of names any set survives, and a rename from one
directory to another is two changes, so that a file may be lost, or be there twice. A rename within one directory is one
change. `Model.JOURNALING` is what ext4 and XFS do: changes of names survive in the order in which they were made, a
rename is one change, and flushing one directory makes every change before its last one sure. In neither does flushing a
file make its name sure.

A volume changes only by *events*. A list of them is a trace: applied to a copy of the volume that it began with, it
gives the volume at every instant between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from element_fate import Fate, File

ROOT: Final = 0


class Model(StrEnum):
    STRICT = "strict"
    JOURNALING = "journaling"


@dataclass(frozen=True, slots=True)
class Made:
    """A file or a directory, which has no name yet."""

    number: int
    directory: bool
    at: float


@dataclass(frozen=True, slots=True)
class Wrote:
    number: int
    offset: int
    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Resized:
    number: int
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Change:
    """One name in one directory; `number` None takes it away."""

    directory: int
    name: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Entered:
    """Changes of names that calls see at once."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class FileFlushed:
    number: int


@dataclass(frozen=True, slots=True)
class DirectoryFlushed:
    number: int


@dataclass(frozen=True, slots=True)
class AllFlushed:
    pass


@dataclass(frozen=True, slots=True)
class Marked:
    """Something that the test did or saw, such as an acknowledgement."""

    what: object


Event: TypeAlias = Made | Wrote | Resized | Entered | FileFlushed | DirectoryFlushed | AllFlushed | Marked


@dataclass(slots=True)
class Directory:
    entries: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)


class Volume:
    """Not safe for threads: whoever owns it sees to that."""

    def __init__(self, model: Model = Model.STRICT) -> None:
        self.model = model
        self.files: dict[int, File] = {}
        self.directories: dict[int, Directory] = {ROOT: Directory()}
        self.next_number = ROOT + 1
        self._journal: list[tuple[Change, ...]] = []
        """Changes of names that are not sure yet, oldest first; each tuple survives whole or not at all."""

    def apply(self, event: Event) -> None:
        match event:
            case Wrote(number, offset, data, at):
                self.files[number].write(offset, data, at)
            case Resized(number, size, at):
                self.files[number].resize(size, at)
            case Made(number, directory, at):
                self._make(number, directory, at)
            case Entered(changes):
                self._enter(changes)
            case FileFlushed(number):
                self.files[number].flush()
            case DirectoryFlushed(number):
                self._flush_directory(number)
            case AllFlushed():
                self._flush_all()
            case Marked():
                pass

    def copy(self) -> Volume:
        """The same, unsynced changes and all: what a process that was killed leaves to the next one."""
        made = Volume(self.model)
        made.files = {number: file.copy() for number, file in self.files.items()}
        made.directories = {
            number: Directory(dict(found.entries), dict(found.durable)) for number, found in self.directories.items()
        }
        made.next_number, made._journal = self.next_number, list(self._journal)
        return made

    def after_power_cut(self, fate: Fate) -> Volume:
        """What the disk holds then. Nothing of it is unsynced, and what no name leads to is gone."""
        entries = self._entries_after(fate)
        made = Volume(self.model)
        made.next_number = self.next_number
        waiting = [ROOT]
        while waiting:
            number = waiting.pop()
            names = entries.get(number, {})
            made.directories[number] = Directory(dict(names), dict(names))
            for child in names.values():
                if child in self.directories:
                    waiting.append(child)
                elif child not in made.files:
                    made.files[child] = self.files[child].after_power_cut(fate, old_bytes=self.model is Model.STRICT)
        return made

    def walk(self) -> Iterator[tuple[str, bytes | None]]:
        """Every path with its bytes, or with None where it is a directory."""
        waiting = [("", ROOT)]
        while waiting:
            path, number = waiting.pop()
            for name, child in self.directories[number].entries.items():
                if child in self.directories:
                    yield f"{path}/{name}", None
                    waiting.append((f"{path}/{name}", child))
                else:
                    yield f"{path}/{name}", self.files[child].frozen()

    def fingerprint(self) -> int:
        """The same for two volumes that a reader cannot tell apart."""
        return hash(frozenset(self.walk()))

    def _make(self, number: int, directory: bool, at: float) -> None:
        if directory:
            self.directories[number] = Directory()
        else:
            self.files[number] = File(modified=at)
        self.next_number = max(self.next_number, number + 1)

    def _enter(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            _set(self.directories[change.directory].entries, change)
        if self.model is Model.JOURNALING:
            self._journal.append(changes)
            return
        for directory in {change.directory: None for change in changes}:
            self._journal.append(tuple(change for change in changes if change.directory == directory))

    def _flush_directory(self, number: int) -> None:
        touching = [any(change.directory == number for change in changes) for changes in self._journal]
        if self.model is Model.JOURNALING:  # all before the last one, too
            last = max((place for place, here in enumerate(touching) if here), default=-1)
            touching = [place <= last for place in range(len(touching))]
        waiting = []
        for changes, here in zip(self._journal, touching, strict=True):
            if here:
                self._make_sure(changes)
            else:
                waiting.append(changes)
        self._journal = waiting

    def _flush_all(self) -> None:
        for changes in self._journal:
            self._make_sure(changes)
        self._journal.clear()
        for file in self.files.values():
            file.flush()

    def _make_sure(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            _set(self.directories[change.directory].durable, change)

    def _entries_after(self, fate: Fate) -> dict[int, dict[str, int]]:
        if not self._journal:
            return {number: found.durable for number, found in self.directories.items()}
        entries = {number: dict(found.durable) for number, found in self.directories.items()}
        for changes in fate.kept(self._journal, in_order=self.model is Model.JOURNALING):
            for change in changes:
                _set(entries[change.directory], change)
        return entries


def _set(entries: dict[str, int], change: Change) -> None:
    if change.number is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.number
