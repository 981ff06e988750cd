"""Files of the corpus, each harmed at random: pictures or a reason, never anything else.

Forty of them here; `make fuzz-render` tries twelve hundred. A seed that fails is in the test's name.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable
from pathlib import Path

import pytest
from artstore_corpus import SAMPLES
from decoders_support import Told, decoded
from render_service.decoders.contract import Decoded, DecodeFailed, Limits, MediaKind, Wanted

_COUNT = int(os.environ.get("ARTSTORE_FUZZ_COUNT", "40"))
_HARMED = [one for one in SAMPLES if one.refused is None and one.kind is not MediaKind.OFFICE and one.pages != 100]
_LIMITS = Limits(seconds=60)


def harmed(content: bytes, dice: random.Random) -> bytes:
    """Bytes changed, a piece taken out, repeated, or the end cut off."""
    found = bytearray(content)
    for _ in range(dice.choice([1, 4, 30])):
        found[dice.randrange(len(found))] = dice.randrange(256)
    start = dice.randrange(len(found))
    piece = slice(start, start + dice.randrange(1, 400))
    match dice.randrange(4):
        case 0:
            del found[piece]
        case 1:
            found[start:start] = found[piece]
        case 2:
            del found[start:]
    return bytes(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("corpus")
    for sample in _HARMED:
        sample.make(directory / sample.name)
    return {sample.name: (directory / sample.name).read_bytes() for sample in _HARMED}


@pytest.mark.parametrize("seed", range(_COUNT))
async def test_harmed_file_has_pictures_or_a_reason(seed: int, whole: dict[str, bytes], tmp_path: Path) -> None:
    sample, dice = _HARMED[seed % len(_HARMED)], random.Random(seed)
    source = tmp_path / sample.name
    source.write_bytes(harmed(whole[sample.name], dice))
    found = await outcome(decoded(source, sample.kind, tmp_path / "into", Wanted(widths=(256,)), _LIMITS))
    if isinstance(found, str):
        assert found
        assert "broke down" not in found
    else:
        assert all(output.path.stat().st_size for output in found.outputs)


async def outcome(decoding: Awaitable[tuple[Decoded, Told]]) -> Decoded | str:
    try:
        return (await decoding)[0]
    except DecodeFailed as failed:
        return failed.reason
