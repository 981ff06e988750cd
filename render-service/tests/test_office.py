"""LibreOffice beside us: what is left of it, and what it is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from artstore_corpus import documents
from render_service.decoders.contract import Limits
from render_service.decoders.office import Office, found_program

pytestmark = pytest.mark.skipif(found_program() is None, reason="LibreOffice is not installed")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path / "office", found_program())
    yield made
    await made.aclose()


def programs() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if one.name() == "soffice.bin"]


def left_behind() -> set[Path]:
    return {*Path("/tmp").glob("lu*.tmp"), *Path("/tmp").glob("OSL_PIPE_*")}


async def test_a_document_that_nobody_waits_for_stops_it(office: Office, tmp_path: Path) -> None:
    source = tmp_path / "a.docx"
    documents.docx(source)
    job = asyncio.create_task(office.to_pdf(source, tmp_path / "a.pdf", Limits()))
    while not programs():  # noqa: ASYNC110  a process of its own begins
        await asyncio.sleep(0.01)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not programs()
    await office.to_pdf(source, tmp_path / "a.pdf", Limits())
    assert (tmp_path / "a.pdf").stat().st_size


async def test_it_is_told_no_secrets_and_leaves_nothing(office: Office, tmp_path: Path) -> None:
    source, before = tmp_path / "a.docx", left_behind()
    documents.docx(source)
    await office.to_pdf(source, tmp_path / "a.pdf", Limits())
    (program,) = programs()
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert "PYTEST_CURRENT_TEST" not in program.environ()
    await office.aclose()
    assert left_behind() == before
