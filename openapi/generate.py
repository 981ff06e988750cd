"""Writes the contracts: one OpenAPI file a service, and `artstore.yaml`, what the gateway shows of all of them.

`python openapi/generate.py` writes them; the contract tests compare them with the running code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from admin_service.config import Settings as AdminSettings
from admin_service.main import build as build_admin
from artstore_gateway.routes import ROUTES, Service
from fastapi import FastAPI
from ingester_service.config import Settings as IngesterSettings
from ingester_service.main import build as build_ingester
from pydantic import SecretStr
from query_service.config import Settings as QuerySettings
from query_service.main import build as build_query
from render_service.config import Settings as RenderSettings
from render_service.main import build as build_render
from storage_element.config import Settings as ElementSettings
from storage_element.main import build as build_element

HERE = Path(__file__).parent
_KEY = SecretStr("A" * 43 + "=")
_DATABASE = SecretStr("postgresql://nobody@127.0.0.1/none")
_TOKENS: dict[str, Any] = {"issuer": "https://artstore.invalid", "jwks_url": "https://artstore.invalid/jwks.json"}


def apps() -> dict[str, FastAPI]:
    """Every service's app, wired but not started: nothing is connected."""
    return {
        "admin-service": build_admin(
            AdminSettings(database_url=_DATABASE, issuer="https://artstore.invalid", key_encryption_key=_KEY)
        ),
        "storage-element": build_element(
            ElementSettings(
                storage_id="se-1",
                data_dir=Path("/nonexistent"),
                ticket_key=_KEY,
                tls_cert_file=Path("/nonexistent"),
                tls_key_file=Path("/nonexistent"),
                **_TOKENS,
            )
        ),
        "ingester-service": build_ingester(
            IngesterSettings(
                admin_url="http://artstore.invalid",
                client_id="sa_x_1",
                client_secret=SecretStr("x"),
                ticket_master_key=_KEY,
                **_TOKENS,
            )
        ),
        "query-service": build_query(
            QuerySettings(
                admin_url="http://artstore.invalid",
                client_id="sa_x_1",
                client_secret=SecretStr("x"),
                database_url=_DATABASE,
                ticket_master_key=_KEY,
                **_TOKENS,
            )
        ),
        "render-service": build_render(RenderSettings(database_url=_DATABASE, ticket_master_key=_KEY, **_TOKENS)),
    }


def contracts() -> dict[str, dict[str, Any]]:
    """File name → document."""
    services = {name: app.openapi() for name, app in apps().items()}
    return {f"{name}.yaml": document for name, document in services.items()} | {"artstore.yaml": merged(services)}


def merged(services: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is reachable through the gateway and built, each method from the service that answers it.

    Raises ValueError for a schema's name by which two services mean different things.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    security: dict[str, Any] = {}
    for name, method, path in public_operations():
        document = services[name]
        operation = document["paths"].get(path, {}).get(method)
        if operation is None:
            continue
        paths.setdefault(path, {})[method] = operation
        _add(schemas, used(operation, document["components"]["schemas"]))
        security |= document["components"].get("securitySchemes", {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ArtStore",
            "version": services["admin-service"]["info"]["version"],
            "description": "One API, as clients see it through the gateway.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": security},
    }


def public_operations() -> list[tuple[str, str, str]]:
    """(service, method, path) of everything that a contract may show; paths in the services' own words."""
    built = {name: app.openapi()["paths"] for name, app in apps().items()}
    found = []
    for resource in ROUTES:
        for route in resource.routes:
            name = f"{Service(route.service).value}-service"
            for path in built[name]:
                if _fits(path, resource.path):
                    found += [(name, method.lower(), path) for method in route.methods]
    return found


def _add(schemas: dict[str, Any], more: dict[str, Any]) -> None:
    if twofold := sorted(name for name, schema in more.items() if schemas.setdefault(name, schema) != schema):
        raise ValueError(f"two services mean different things by {', '.join(twofold)}: one of them needs another name")


def used(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas that an operation refers to, directly or through others."""
    wanted: set[str] = set()
    waiting: list[Any] = [operation]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in wanted:
                wanted.add(name)
                waiting.append(schemas[name])
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return {name: schemas[name] for name in wanted}


def _fits(path: str, public: str) -> bool:
    """Whether a service's path is one that the gateway's table has; a last `/**` is everything below."""
    shape = _shape(public)
    return _shape(path).startswith(shape.removesuffix("**")) if shape.endswith("/**") else _shape(path) == shape


def _shape(path: str) -> str:
    """A path with its parameters' names taken out: services and gateway name them as suits each."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def render(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


def main() -> None:
    for name, document in contracts().items():
        (HERE / name).write_text(render(document), encoding="utf-8")
        sys.stdout.write(f"openapi/{name}\n")


if __name__ == "__main__":
    main()
