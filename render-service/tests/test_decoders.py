"""Every sample of the corpus: its pictures, or the reason why there are none (requirements N1 to N4, N7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from artstore_corpus import SAMPLES, Sample, hostile
from decoders_support import Told, opened
from render_service.decoders.contract import DecodeFailed, Limits, MediaKind, RenditionKind, Wanted
from render_service.decoders.office import Office, found_program
from render_service.decoders.run import Decoders


@pytest.fixture(scope="module")
async def decoders(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Decoders]:
    office = Office(tmp_path_factory.mktemp("office"), found_program())
    yield Decoders(office)
    await office.aclose()


@pytest.mark.parametrize("sample", [pytest.param(one, id=one.name) for one in SAMPLES])
async def test_sample_has_its_pictures_or_a_reason(sample: Sample, decoders: Decoders, tmp_path: Path) -> None:
    if sample.kind is MediaKind.OFFICE and sample.refused is None and found_program() is None:
        pytest.skip("LibreOffice is not installed")
    source, into, told = tmp_path / sample.name, tmp_path / "into", Told()
    into.mkdir()
    sample.make(source)
    wanted = Wanted(widths=(512, 256)) if sample.pages == 100 else Wanted()
    decoding = decoders.decode(source, sample.kind, wanted, into, Limits(), told.step, told.ready.append)
    if sample.refused is not None:
        with pytest.raises(DecodeFailed) as failed:
            await decoding
        assert sample.refused in failed.value.reason
        assert failed.value.permanent
        return
    found = await decoding
    if sample.pages is not None:
        assert found.technical["pages"] == sample.pages
    assert told.ready == list(found.outputs)
    assert told.steps[-1][0] == told.steps[-1][1] == (sample.pages or told.steps[-1][1])
    assert {path.name for path in into.iterdir()} >= {output.path.name for output in found.outputs}
    assert [output for output in found.outputs if output.kind is RenditionKind.THUMB]
    for output in found.outputs:
        assert output.path.stat().st_size > 0
        if output.kind is not RenditionKind.TILE:
            picture = opened(output)
            assert (picture.width, picture.height) == (output.width, output.height)
            assert picture.width <= max(wanted.widths) or output.kind is RenditionKind.WEBP


async def test_document_shows_no_file_of_the_machine(decoders: Decoders, tmp_path: Path) -> None:
    if found_program() is None:
        pytest.skip("LibreOffice is not installed")
    source, into, told = tmp_path / "a.docx", tmp_path / "into", Told()
    into.mkdir()
    hostile.docx_that_links(source)
    found = await decoders.decode(source, MediaKind.OFFICE, Wanted(widths=(512,)), into, Limits(), told.step)
    page = opened(found.outputs[0])
    assert (page[2] - page[0]).max() < 60, "something blue is in it"


async def test_office_without_libreoffice_says_so(tmp_path: Path) -> None:
    source = tmp_path / "a.docx"
    next(one for one in SAMPLES if one.name == "text.odt").make(source)
    office = Office(tmp_path / "office", program=None)
    with pytest.raises(DecodeFailed, match="LibreOffice, which is not installed"):
        await office.to_pdf(source, tmp_path / "a.pdf", Limits())
