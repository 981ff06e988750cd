"""`python -m artstore_tickets`."""

from __future__ import annotations

import base64

import pytest
from artstore_tickets import element_key, encode_key, route_name
from artstore_tickets.__main__ import main

MASTER = bytes(range(32))
TEXT = base64.b64encode(MASTER).decode()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["se-1"], encode_key(element_key(MASTER, "se-1"))),
        (["se-1", "--route"], route_name(MASTER, "se-1")),
    ],
)
def test_it_prints_what_the_services_derive(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, TEXT + "\n") == 0
    assert capsys.readouterr() == (expected + "\n", "")


def test_what_is_no_key_is_refused_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["se-1"], "c2hvcnQ=") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "32 bytes" in shown.err
    assert "c2hvcnQ" not in shown.err
