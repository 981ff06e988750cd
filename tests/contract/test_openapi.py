"""The contracts in `openapi/` are what the code does (A2). `make openapi` writes them anew."""

from __future__ import annotations

from pathlib import Path

import generate
import pytest
import yaml

DOCUMENTS = generate.contracts()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_contract_equals_the_code(name: str) -> None:
    written = yaml.safe_load((Path(generate.__file__).parent / name).read_text(encoding="utf-8"))
    assert written == DOCUMENTS[name], "the code has moved on: run `make openapi` and read the difference"


def test_every_contract_is_openapi_3_1() -> None:
    assert {document["openapi"] for document in DOCUMENTS.values()} == {"3.1.0"}


def test_merged_contract_shows_nothing_internal() -> None:
    paths = DOCUMENTS["artstore.yaml"]["paths"]
    assert not [path for path in paths if path.startswith(("/health", "/metrics"))]
    assert "post" not in paths.get("/api/v1/registry/files", {})


def test_operation_ids_are_unique_within_a_contract() -> None:
    for name, document in DOCUMENTS.items():
        ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
        assert len(ids) == len(set(ids)), name
