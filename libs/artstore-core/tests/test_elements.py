"""What an element says of itself, as far as anybody can keep it."""

from __future__ import annotations

import pytest
from artstore_core.elements import ElementInfo
from pydantic import ValidationError

GOOD = {
    "storage_id": "se-1",
    "mode": "rw",
    "version": "1.0",
    "capacity_bytes": 1,
    "used_bytes": 0,
    "available_bytes": 1,
    "allowed_operations": [],
}


@pytest.mark.parametrize("name", ["capacity_bytes", "used_bytes", "available_bytes", "sequence"])
def test_number_that_no_bigint_holds_is_refused(name: str) -> None:
    assert ElementInfo.model_validate({**GOOD, name: 2**63 - 1})
    with pytest.raises(ValidationError):
        ElementInfo.model_validate({**GOOD, name: 2**63})
