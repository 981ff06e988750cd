"""One random bit of each of 100 files: scrub, downloads and `verify` say the same of it (requirements S7, S14)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from element_shell import Shell
from element_upkeep import (
    FAST,
    content,
    data_of,
    listed_as_damaged,
    metrics,
    quarantined,
    record_of,
    refused,
    run,
    stored,
    tree,
)

ROTTEN = 100


def rot(path: Path, random: Random) -> None:
    """One bit, anywhere in the file."""
    text = bytearray(path.read_bytes())
    text[random.randrange(len(text))] ^= 1 << random.randrange(8)
    path.write_bytes(text)


def verified(shell: Shell) -> dict[str, set[str]]:
    """The files that `verify` names, by what it says of them."""
    assert shell("verify", "--json") == 1
    found: dict[str, set[str]] = {}
    for problem in shell.json["problems"]:
        found.setdefault(problem["kind"], set()).add(problem["file_id"])
    assert sum(map(len, found.values())) == len(shell.json["problems"])
    return found


@pytest.mark.parametrize(
    ("what", "before_scrub"),
    [
        pytest.param(data_of, "checksum mismatch", id="data"),
        pytest.param(record_of, "record unreadable", id="record"),
    ],
)
@pytest.mark.parametrize("size", [1000, 70_000])
async def test_rot_is_found_wherever_it_is_and_nothing_else_is_touched(
    make: Any,
    capsys: pytest.CaptureFixture[str],
    what: Callable[[Any, UUID], Path],
    before_scrub: str,
    size: int,
) -> None:
    api = await make.start()
    ids = await stored(api, ROTTEN + 50, size)
    await make.stop()
    rotten, healthy = ids[:ROTTEN], ids[ROTTEN:]
    names = {str(file_id) for file_id in rotten}
    whole, random = tree(api.root), Random(size)
    for file_id in rotten:
        rot(what(api, file_id), random)

    shell = Shell(api.root, capsys, "se-test-1")
    assert verified(shell) == {before_scrub: names}

    api = await make.start(scrub_bytes_per_second=FAST)
    found = await run(api, "scrub")
    assert sum(found["counts"].values()) == ROTTEN
    assert len(found["counts"]) == 1
    assert {finding["file_id"] for finding in found["findings"]} == names
    await api.checkpoint()
    assert len(quarantined(api)) == ROTTEN
    assert await listed_as_damaged(api) == names
    for file_id in rotten:
        await refused(api, file_id)
    after = tree(api.root)
    for number, file_id in enumerate(healthy, ROTTEN):
        for path in (data_of(api, file_id), record_of(api, file_id)):
            assert after[str(path.relative_to(api.root))] == whole[str(path.relative_to(api.root))]
        assert (await api.download(file_id)).content == content(number, size)
    figures = await metrics(api)
    kind = next(iter(found["counts"]))
    assert figures[f'artstore_element_findings_total{{found_by="scrub",kind="{kind}"}}'] == ROTTEN
    assert figures["artstore_element_quarantine_bytes"] == sum(len(path.read_bytes()) for path in quarantined(api))
    await make.stop()

    assert verified(shell) == {"recorded as damaged": names}

    api = await make.start(scrub_bytes_per_second=FAST)
    assert (await run(api, "scrub"))["counts"] == {}
    for number, file_id in enumerate(rotten):
        await refused(api, file_id)
        assert (await api.put(file_id, content(number, size))).status_code == 201
        assert (await api.download(file_id)).content == content(number, size)
    await make.stop()
    assert shell("verify", "--json") == 0
