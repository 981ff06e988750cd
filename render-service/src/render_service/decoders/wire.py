"""What a decoder's process is told and tells: JSON, one message a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from render_service.decoders.contract import Decoded, Limits, MediaKind, Output, Wanted


class Task(BaseModel):
    """On its standard input, whole."""

    source: Path
    kind: MediaKind
    wanted: Wanted
    into: Path
    limits: Limits


class Step(BaseModel):
    say: Literal["step"] = "step"
    done: int
    total: int


class Made(BaseModel):
    say: Literal["made"] = "made"
    output: Output


class Finished(BaseModel):
    say: Literal["finished"] = "finished"
    decoded: Decoded


class Failed(BaseModel):
    say: Literal["failed"] = "failed"
    reason: str
    permanent: bool = True


Message = Annotated[Step | Made | Finished | Failed, Field(discriminator="say")]
MESSAGE: TypeAdapter[Any] = TypeAdapter(Message)
