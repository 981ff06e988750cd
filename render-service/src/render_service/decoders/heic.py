"""HEIC by libheif with libde265 (pillow-heif): libvips' wheels have no HEVC decoder."""

from __future__ import annotations

from pathlib import Path

import pillow_heif
import pyvips

from render_service.decoders.contract import DecodeFailed


def unpacked(source: Path, target: Path) -> Path:
    """Writes its primary picture as a plain TIFF, upright, with its colour profile. Raises DecodeFailed."""
    try:
        found = pillow_heif.read_heif(source, convert_hdr_to_8bit=True)
        picture = found[found.primary_index].to_pillow()
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError) as error:
        raise DecodeFailed("damaged image", permanent=True) from error
    if picture.mode not in {"L", "RGB", "RGBA"}:
        picture = picture.convert("RGBA" if "A" in picture.mode else "RGB")
    pixels = picture.tobytes()
    image = pyvips.Image.new_from_memory(pixels, picture.width, picture.height, len(picture.getbands()), "uchar")
    image = image.copy(interpretation="b-w" if picture.mode == "L" else "srgb")
    if profile := picture.info.get("icc_profile"):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    image.tiffsave(str(target))
    return target
