"""What the running processes say they do is what the contracts say (A2)."""

from __future__ import annotations

import pytest
import yaml
from world import ROOT, World

pytestmark = pytest.mark.e2e
CONTRACTS = {
    "admin": "admin-service",
    "ingester": "ingester-service",
    "query": "query-service",
    "render": "render-service",
    "se-rw-1": "storage-element",
}


@pytest.mark.parametrize("part", CONTRACTS)
def test_running_service_publishes_its_contract(world: World, part: str) -> None:
    urls = {**world.credentials["services"], **world.credentials["storage_elements"]}
    published = world.http.get(f"{urls[part]}/openapi.json").json()
    written = (ROOT / "openapi" / f"{CONTRACTS[part]}.yaml").read_text(encoding="utf-8")
    assert published == yaml.safe_load(written)
