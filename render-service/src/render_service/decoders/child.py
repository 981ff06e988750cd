"""`python -m render_service.decoders.child`: decodes one file under limits, and ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from render_service.decoders.confine import confine
from render_service.decoders.contract import (
    Decoded,
    DecodeFailed,
    Limits,
    MediaKind,
    Output,
    Progress,
    Ready,
    Wanted,
    too_large,
)
from render_service.decoders.wire import Failed, Finished, Made, Step, Task


def main() -> int:
    task = Task.model_validate_json(sys.stdin.buffer.read())
    confine(task.limits)
    wire = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what native libraries print is no message of ours
    _Telling(wire).all_of(task)
    return 0


Decoder = Callable[[Path, Wanted, Path, Limits, Progress, Ready], Decoded]


class _Telling:
    """What goes on, to whoever started this."""

    def __init__(self, wire: IO[str]) -> None:
        self._wire = wire

    def all_of(self, task: Task) -> None:
        try:
            decode = _decoder(task.kind)
            decoded = decode(task.source, task.wanted, task.into, task.limits, self._step, self._made)
        except DecodeFailed as failure:
            self._say(Failed(reason=failure.reason, permanent=failure.permanent))
        except MemoryError:
            self._say(Failed(reason=f"takes more than {task.limits.memory_bytes // 2**20} MiB of memory"))
        except OSError as error:
            # The disk that it writes to, not the file: another try may find it in order.
            why = f"could not be written: {error.strerror}"
            known = too_large(task.limits) if error.errno == errno.EFBIG else DecodeFailed(why, permanent=False)
            self._say(Failed(reason=known.reason, permanent=known.permanent))
        else:
            self._say(Finished(decoded=decoded))

    def _step(self, done: int, total: int) -> None:
        self._say(Step(done=done, total=total))

    def _made(self, output: Output) -> None:
        self._say(Made(output=output))

    def _say(self, message: Any) -> None:
        self._wire.write(message.model_dump_json() + "\n")
        self._wire.flush()


def _decoder(kind: MediaKind) -> Decoder:
    # Each library is loaded only where it is needed, and behind the limits: most of a short job's time is loading.
    match kind:
        case MediaKind.PDF:
            from render_service.decoders.pdf import decode_pdf

            return decode_pdf
        case MediaKind.IMAGE:
            from render_service.decoders.image import decode_image

            return decode_image
        case MediaKind.VIDEO:
            from render_service.decoders.video import decode_video

            return decode_video
        case MediaKind.AUDIO:
            from render_service.decoders.audio import decode_audio

            return decode_audio
        case MediaKind.OFFICE:
            raise DecodeFailed("office documents are made into PDF first", permanent=True)


if __name__ == "__main__":
    sys.exit(main())
