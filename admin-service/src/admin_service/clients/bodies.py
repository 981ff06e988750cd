"""Answers, read within a bound."""

from __future__ import annotations

import httpx

from admin_service.clients.errors import TOO_LONG
from admin_service.registry.calls import ElementAnswersWrongly


class AnswerTooLong(ElementAnswersWrongly):
    """It would have been longer than the bound."""


async def read_body(answer: httpx.Response, most: int) -> bytes:
    """As it came: what is packed would grow when it is unpacked. Raises AnswerTooLong."""
    pieces, size = [], 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > most:
            raise AnswerTooLong(TOO_LONG)
        pieces.append(piece)
    return b"".join(pieces)
