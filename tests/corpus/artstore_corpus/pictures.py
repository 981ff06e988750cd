"""Pictures."""

from __future__ import annotations

from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image, ImageDraw

TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = (220, 40, 40), (40, 180, 60), (40, 70, 210), (240, 220, 60)


def quarters(width: int = 900, height: int = 600) -> Image.Image:
    """Four colours, so that it can be told how it was turned."""
    image = Image.new("RGB", (width, height), TOP_LEFT)
    draw = ImageDraw.Draw(image)
    draw.rectangle([width // 2, 0, width, height // 2], fill=TOP_RIGHT)
    draw.rectangle([0, height // 2, width // 2, height], fill=BOTTOM_LEFT)
    draw.rectangle([width // 2, height // 2, width, height], fill=BOTTOM_RIGHT)
    return image


_UNDOING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(path: Path, orientation: int) -> None:
    """Stored as a camera does that is held so: upright it is `quarters` (EXIF 2.32 §4.6.4 A)."""
    image = quarters()
    if orientation in _UNDOING:
        image = image.transpose(_UNDOING[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, "JPEG", quality=92, exif=exif)


def photo(path: Path) -> None:
    quarters(2600, 1700).save(path, "JPEG", quality=85)


def progressive(path: Path) -> None:
    quarters().save(path, "JPEG", progressive=True)


def cmyk(path: Path) -> None:
    quarters().convert("CMYK").save(path, "JPEG", quality=92)


def sixteen_bits(path: Path) -> None:
    ramp = pyvips.Image.identity(ushort=True, size=65_536).resize(1 / 64, vscale=400)
    ramp.bandjoin([ramp, ramp]).copy(interpretation="rgb16").cast("ushort").pngsave(str(path))


def palette(path: Path) -> None:
    quarters().quantize(8).save(path, "PNG")


def transparent(path: Path) -> None:
    image = quarters().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path, "WEBP")


def animated(path: Path) -> None:
    frames = [quarters(300, 200).rotate(10 * turn) for turn in range(6)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)


def avif(path: Path) -> None:
    _vips(quarters()).heifsave(str(path), compression="av1", effort=0)


def heic(path: Path) -> None:
    pillow_heif.from_pillow(quarters()).save(path)


def heic_of_two(path: Path) -> None:
    """The second one is what it shows."""
    found = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "blue"))
    found.add_from_pillow(quarters())
    found.save(path, primary_index=1)


def pages(path: Path) -> None:
    quarters().save(path, "TIFF", save_all=True, append_images=[quarters(400, 300), quarters(200, 900)])


def one_pixel(path: Path) -> None:
    quarters(1, 1).save(path, "PNG")


def very_wide(path: Path) -> None:
    quarters(40_000, 3).save(path, "PNG")


def svg(path: Path) -> None:
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="20" height="20" fill="red"/></svg>'
    )


def _vips(image: Image.Image) -> pyvips.Image:
    return pyvips.Image.new_from_memory(image.tobytes(), image.width, image.height, 3, "uchar").copy(
        interpretation="srgb"
    )
