"""Figures that a test puts into the output of its run, whether it passes or not."""

from __future__ import annotations

import pytest


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - whoever runs it wants to know how much was tried
