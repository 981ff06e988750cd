"""Power cuts while parts come: what the table says is there is there, and what was acknowledged is in the table."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from artstore_core.errors import ArtStoreError
from artstore_testing.tokens import TokenIssuer
from element_counts import tell
from element_disks import Cut, SimulatedDisk
from element_fate import fates
from element_names import id_of
from element_session import STORAGE_ID, Session, initialise
from element_volume import Model
from storage_element.disk.root import DataRoot
from storage_element.store.agreement import Agreement

SIZE, PART = 70_000, 20_000
NUMBERS = (1, 2, 3, 4)


class Client:
    """Sends parts, and notes on the disk what it was told: `("there", n)`, and before it sends one again `("again", n)`."""

    def __init__(self, session: Session, disk: SimulatedDisk) -> None:
        self._session, self._disk = session, disk

    async def send(self, *numbers: int) -> None:
        for number in numbers:
            answer = await self._session.perform(["part", 0, SIZE, PART, number])
            assert answer.status_code == 200, answer.text
            self._disk.mark(("there", number))

    async def send_again(self, number: int) -> None:
        self._disk.mark(("again", number))
        await self.send(number)


def promised(cut: Cut) -> set[int]:
    """Parts that were acknowledged, and that nobody has begun to send again."""
    found = set[int]()
    for mark in cut.marks:
        match mark:
            case ("there", int(number)):
                found.add(number)
            case ("again", int(number)):
                found.discard(number)
    return found


def complaints(cut: Cut) -> list[str]:
    root = DataRoot(cut.disk.top, cut.disk, STORAGE_ID, lambda *_: None, index_in_memory=True)
    found = root.open_root()
    try:
        ((agreement, received),) = found.uploads
        table = root.parts.read(agreement)
        wrong = [f"{cut}: part {number} is not there" for number in promised(cut) - table.keys()]
        for number, part in table.items():
            if _checksum(root, agreement, number) != part.sha256:
                wrong.append(f"{cut}: part {number} has other bytes than its entry says")
        if received != sum(part.length for part in table.values()):
            wrong.append(f"{cut}: {received} bytes")
        return wrong
    finally:
        root.close_root()


def _checksum(root: DataRoot, agreement: Agreement, number: int) -> str:
    try:
        return root.parts.checksum(agreement.upload_id, agreement.part_offset(number), agreement.part_length(number))
    except ArtStoreError as error:
        return error.message


@pytest.mark.parametrize("model", list(Model))
async def test_entry_stands_for_bytes_that_are_there(
    tmp_path: Path, issuer: TokenIssuer, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = SimulatedDisk(tmp_path / "root", model=model)
    initialise(disk.top, disk)
    session = await Session(disk.top, disk, issuer, index_in_memory=True).start()
    assert (await session.perform(["begin_parts", 0, SIZE, PART])).status_code == 201
    disk.record()
    client = Client(session, disk)
    await asyncio.gather(client.send(4, 2), client.send(1), client.send(3))
    await asyncio.gather(client.send_again(2), client.send_again(4))
    count, wrong = 0, list[str]()
    for cut in disk.cuts(fates(20)):
        count += 1
        wrong += complaints(cut)
    await session.stop()
    tell(capsys, f"parts, {model}: {count} disks after a power cut, {len(wrong)} complaints")
    assert not wrong, "\n".join(wrong[:5])
    assert count > 15


async def test_forgotten_flush_of_a_part_is_found_out(tmp_path: Path, issuer: TokenIssuer) -> None:
    """The same, on a disk that does not flush the bytes: the test would see an entry without them."""
    disk = SimulatedDisk(
        tmp_path / "root", loses=lambda call, path: call == "fsync" and path.name == f"{id_of(0)}.part"
    )
    initialise(disk.top, disk)
    session = await Session(disk.top, disk, issuer, index_in_memory=True).start()
    assert (await session.perform(["begin_parts", 0, SIZE, PART])).status_code == 201
    disk.record()
    await Client(session, disk).send(*NUMBERS)
    assert any(complaints(cut) for cut in disk.cuts(fates(20)))
    await session.stop()
