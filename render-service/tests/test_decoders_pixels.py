"""Where right is known, it is compared: colours, turns, tiles."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import pyvips
from artstore_corpus import pdfs, pictures, recordings
from decoders_support import decoded, made, near, opened
from render_service.decoders.contract import Decoded, MediaKind, Output, RenditionKind, Wanted
from render_service.decoders.kinds import kind_of

_CORNERS = (
    (0.25, 0.25, pictures.TOP_LEFT),
    (0.75, 0.25, pictures.TOP_RIGHT),
    (0.25, 0.75, pictures.BOTTOM_LEFT),
    (0.75, 0.75, pictures.BOTTOM_RIGHT),
)


def of_kind(found: Decoded, kind: RenditionKind) -> list[Output]:
    return [output for output in found.outputs if output.kind is kind]


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_photo_stands_upright_however_the_camera_was_held(orientation: int, tmp_path: Path) -> None:
    source = made(tmp_path, "a.jpg", partial(pictures.turned, orientation=orientation))
    found, _ = await decoded(source, MediaKind.IMAGE, tmp_path / "into", Wanted(widths=(512,)))
    assert (found.technical["width"], found.technical["height"]) == (900, 600)
    for kind in (RenditionKind.PREVIEW, RenditionKind.THUMB, RenditionKind.WEBP):
        picture = opened(of_kind(found, kind)[0])
        for x, y, colour in _CORNERS:
            near(picture, x, y, colour)
    (pyramid,) = of_kind(found, RenditionKind.TILE)
    assert (pyramid.width, pyramid.height) == (900, 600)


@pytest.mark.parametrize("make", [pictures.photo, pictures.progressive, pictures.palette, pictures.avif, pictures.heic])
async def test_colours_stay(make: partial[None], tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a", make), MediaKind.IMAGE, tmp_path / "into", Wanted(widths=(512,)))
    picture = opened(of_kind(found, RenditionKind.PREVIEW)[0])
    for x, y, colour in _CORNERS:
        near(picture, x, y, colour)


async def test_print_colours_become_those_of_a_screen(tmp_path: Path) -> None:
    found, _ = await decoded(
        made(tmp_path, "a.jpg", pictures.cmyk), MediaKind.IMAGE, tmp_path / "into", Wanted(widths=(512,))
    )
    picture = opened(of_kind(found, RenditionKind.PREVIEW)[0])
    assert picture.bands == 3
    red, green, blue = picture(100, 100)
    assert red > max(green, blue) + 60


async def test_sixteen_bits_become_eight_over_the_whole_range(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.png", pictures.sixteen_bits), MediaKind.IMAGE, tmp_path / "into")
    picture = opened(of_kind(found, RenditionKind.PREVIEW)[0])
    assert found.technical["bits"] == 16
    near(picture, 0.01, 0.5, (2, 2, 2))
    near(picture, 0.5, 0.5, (127, 127, 127))
    near(picture, 0.98, 0.5, (250, 250, 250))


async def test_page_is_drawn_as_it_is(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.pdf", pdfs.half_and_half), MediaKind.PDF, tmp_path / "into")
    assert [(one.page, one.width, one.height) for one in of_kind(found, RenditionKind.PAGE)] == [
        (1, 2048, 1024),
        (1, 1024, 512),
        (1, 512, 256),
    ]
    for output in found.outputs:
        near(opened(output), 0.25, 0.5, (255, 0, 0))
        near(opened(output), 0.75, 0.5, (0, 255, 0))


async def test_form_is_drawn_with_what_was_filled_in(tmp_path: Path) -> None:
    found, _ = await decoded(
        made(tmp_path, "a.pdf", pdfs.form), MediaKind.PDF, tmp_path / "into", Wanted(widths=(512,))
    )
    field = opened(found.outputs[0]).crop(30, 100, 300, 50)
    assert field.min() < 80


async def test_pages_that_are_asked_for_in_the_form_that_is_asked_for(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", partial(pdfs.hundred_pages, pages=9))
    wanted = Wanted(widths=(512,), pages=[7, 3, 12], media_type="image/png")
    found, told = await decoded(source, MediaKind.PDF, tmp_path / "into", wanted)
    assert [(one.page, one.media_type) for one in found.outputs] == [(3, "image/png"), (7, "image/png")]
    assert opened(found.outputs[0]).get("vips-loader") == "pngload"
    assert told.steps == [(1, 2), (2, 2)]
    assert found.technical["pages"] == 9


async def test_poster_is_not_the_black_beginning(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.mp4", recordings.mp4), MediaKind.VIDEO, tmp_path / "into")
    near(opened(found.outputs[0]), 0.5, 0.5, (220, 30, 30), tolerance=30)
    assert found.technical["codec"] == "h264"
    assert (found.technical["width"], found.technical["height"], found.technical["duration"]) == (320, 180, 4.0)


async def test_video_stands_upright_however_the_camera_was_held(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.mp4", recordings.portrait), MediaKind.VIDEO, tmp_path / "into")
    assert (found.outputs[0].width, found.outputs[0].height) == (180, 320)
    assert (found.technical["width"], found.technical["height"]) == (180, 320)


async def test_container_of_videos_with_sound_alone_has_a_waveform(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.mp4", recordings.sound_alone), MediaKind.VIDEO, tmp_path / "into")
    assert found.technical["audio_codec"] == "aac"
    assert of_kind(found, RenditionKind.PREVIEW)


async def test_heic_shows_its_primary_picture(tmp_path: Path) -> None:
    source = made(tmp_path, "a.heic", pictures.heic_of_two)
    found, _ = await decoded(source, MediaKind.IMAGE, tmp_path / "into", Wanted(widths=(512,)))
    assert (found.technical["width"], found.technical["height"]) == (900, 600)
    for output in of_kind(found, RenditionKind.PREVIEW):
        for x, y, colour in _CORNERS:
            near(opened(output), x, y, colour)


async def test_waveform_is_higher_where_it_is_louder(tmp_path: Path) -> None:
    found, _ = await decoded(made(tmp_path, "a.flac", recordings.flac), MediaKind.AUDIO, tmp_path / "into")
    picture = opened(found.outputs[-2]).colourspace(pyvips.Interpretation.B_W)
    inked = picture < 200
    quiet, loud = (inked.crop(int(picture.width * x), 0, 8, picture.height).avg() for x in (0.01, 0.14))
    assert loud > 3 * quiet > 0
    assert found.technical["sample_rate"] == 44_100


def test_what_has_no_preview_is_said_beforehand() -> None:
    assert kind_of("application/zip") is None
    assert kind_of("text/html") is None
    assert kind_of("Image/JPEG; q=1") is MediaKind.IMAGE
