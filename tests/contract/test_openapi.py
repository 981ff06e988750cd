"""The contracts in `openapi/` are what the code does (A2). `make openapi` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import generate
import pytest
import yaml
from artstore_gateway.routes import ROUTES

DOCUMENTS = generate.contracts()
MERGED = DOCUMENTS["artstore.yaml"]
NOT_TOLD = {("POST", "/api/v1/uploads/{}")}
"""tus' X-HTTP-Method-Override: PATCH, DELETE or HEAD under another name."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_contract_equals_the_code(name: str) -> None:
    written = yaml.safe_load((Path(generate.__file__).parent / name).read_text(encoding="utf-8"))
    assert written == DOCUMENTS[name], "the code has moved on: run `make openapi` and read the difference"


def test_every_contract_is_openapi_3_1() -> None:
    assert {document["openapi"] for document in DOCUMENTS.values()} == {"3.1.0"}


def test_merged_contract_shows_all_that_the_gateway_lets_in() -> None:
    told = [(method.upper(), bare(path)) for path, methods in MERGED["paths"].items() for method in methods]
    let_in = {
        (method, bare(resource.path))
        for resource in ROUTES
        if not resource.path.startswith("/admin")  # the console: pages for people
        for method in resource.methods
    }
    assert {one for one in let_in - NOT_TOLD if not any(fits(*one, *other) for other in told)} == set()
    assert len(set(told)) == len(told), "one path by two names of its parameters"


def test_merged_contract_says_what_each_service_says() -> None:
    for service, method, path in generate.public_operations():
        document = DOCUMENTS[f"{service}.yaml"]
        operation = document["paths"].get(path, {}).get(method)
        if operation is not None:
            assert spelt_out(MERGED["paths"][path][method], MERGED) == spelt_out(operation, document), (method, path)


def test_one_name_for_two_things_is_refused() -> None:
    services = {name: DOCUMENTS[f"{name}.yaml"] for name in generate.apps()}
    schemas = services["query-service"]["components"]["schemas"]
    other = {**schemas, "File": {"type": "string"}}
    changed = {**services["query-service"], "components": {**services["query-service"]["components"], "schemas": other}}
    with pytest.raises(ValueError, match="different things by File:"):
        generate.merged({**services, "query-service": changed})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_contract_names_is_there(name: str) -> None:
    components = DOCUMENTS[name]["components"]
    references = {node["$ref"] for node in nodes(DOCUMENTS[name]) if isinstance(node.get("$ref"), str)}
    assert references <= {f"#/components/schemas/{schema}" for schema in components["schemas"]}
    wanted = {scheme for _, operation in operations(name) for one in operation.get("security", ()) for scheme in one}
    assert wanted <= components["securitySchemes"].keys()
    for where, operation in operations(name):
        told = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert told == set(re.findall(r"\{(\w+)\}", where)), where


@pytest.mark.parametrize("name", DOCUMENTS)
def test_bytes_are_not_said_to_be_json(name: str) -> None:
    """Where nothing is said, FastAPI says `application/json` of any form; a generated client would try to read it so."""
    empty = [
        (where, status)
        for where, operation in operations(name)
        for status, answer in operation["responses"].items()
        if answer.get("content", {}).get("application/json") == {"schema": {}}
    ]
    assert empty == []


@pytest.mark.parametrize("path", ["/api/v1/files/{file_id}/download", "/api/v1/links/download"])
def test_ranges_and_conditions_of_downloads_are_told(path: str) -> None:
    reading = MERGED["paths"][path]["get"]
    asked = {one["name"] for one in reading["parameters"] if one["in"] == "header"}
    assert asked == {"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
    whole, part = (reading["responses"][status]["headers"].keys() for status in ("200", "206"))
    assert whole == {"ETag", "Last-Modified", "Content-Disposition", "Repr-Digest"}
    assert part == whole | {"Content-Range"}
    assert MERGED["paths"][path]["head"]["responses"].keys() == {"200", "304", "default"}


def test_merged_contract_shows_nothing_internal() -> None:
    paths = MERGED["paths"]
    assert not [path for path in paths if path.startswith(("/health", "/metrics"))]
    assert "post" not in paths.get("/api/v1/registry/files", {})


def test_operation_ids_are_unique_within_a_contract() -> None:
    for name, document in DOCUMENTS.items():
        ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
        assert len(ids) == len(set(ids)), name


def bare(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def fits(method: str, public: str, told_method: str, told_path: str) -> bool:
    """Whether the contract's operation is that of the gateway's table, where a last `/**` is everything below."""
    below = public.removesuffix("**")
    return method == told_method and (told_path == public or (below != public and told_path.startswith(below)))


def operations(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENTS[name]["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(inner)


def spelt_out(node: Any, document: dict[str, Any]) -> Any:
    """With each schema in the place of its name. None of ours refers to itself."""
    if isinstance(node, list):
        return [spelt_out(one, document) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return spelt_out(document["components"]["schemas"][node["$ref"].rpartition("/")[2]], document)
    return {key: spelt_out(value, document) for key, value in node.items()}
