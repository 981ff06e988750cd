"""OPTIONS: what the server can do, for whoever asks."""

from __future__ import annotations

import pytest
from ingester_support import Ingester
from tus_support import UPLOADS


@pytest.mark.parametrize("path", [UPLOADS, f"{UPLOADS}/0192f3a0-0000-7000-8000-000000000000"])
async def test_tells_without_a_token_or_a_version(ingester: Ingester, path: str) -> None:
    answer = await ingester.http.options(path)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(2**40)
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"md5", "sha1", "sha256"}
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "expiration",
        "termination",
        "checksum",
        "concatenation",
    }
