"""What each service is told, in its own variables. Secrets go by file (`X_FILE`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from artstore_tickets.keys import element_key, encode_key, route_key

from artstore_stack.addresses import issuer, service_url
from artstore_stack.database import OWNER, Database
from artstore_stack.layout import Layout
from artstore_stack.parts import ELEMENTS, SERVICES, Part
from artstore_stack.ports import HOST, Ports
from artstore_stack.secret_store import SecretStore
from artstore_stack.tls import LocalCa

PREFIXES = {
    Part.ADMIN: "AM",
    Part.SE_EDIT: "SE",
    Part.SE_RW: "SE",
    Part.INGESTER: "IG",
    Part.QUERY: "QM",
    Part.RENDER: "RS",
    Part.RENDER_WORKER: "RS",
    Part.ROUTES: "GW",
}

Environment = dict[str, str]

DEFAULTS = {
    "AM_ELEMENT_NETWORKS": "127.0.0.0/8",  # this stack's elements are on this machine, and admin calls nobody else
    "QM_REDIRECT": "internal",
}
"""What the caller may set otherwise."""


class Environments:
    """Makes the variables of every service of one stack."""

    def __init__(self, layout: Layout, ports: Ports, secrets: SecretStore, ca: LocalCa, database: Database) -> None:
        self._layout, self._ports, self._secrets, self._ca = layout, ports, secrets, ca
        self._database = database

    def of(self, part: Part) -> Environment:
        """The variables that the stack sets for `part`; empty for what is no service of ours."""
        if part not in PREFIXES:
            return {}
        prefix = PREFIXES[part]
        if part is Part.ROUTES:
            return {f"{prefix}_{name}": value for name, value in self._routes().items()}
        values = {"HOST": HOST, "PORT": str(self._ports.of(part)), "ISSUER": issuer(self._ports)}
        if part is not Part.ADMIN:
            values["JWKS_URL"] = f"{service_url(Part.ADMIN, self._ports)}/.well-known/jwks.json"
            values["JWKS_CACHE_FILE"] = str(self._layout.jwks_cache(part))
        if part not in ELEMENTS:
            values["CA_FILE"] = str(self._ca.certificate)
        values |= self._own(part)
        return {f"{prefix}_{name}": value for name, value in values.items()}

    def _own(self, part: Part) -> Environment:
        if part in ELEMENTS:
            return self._element(part)
        if part is Part.ADMIN:
            return self._admin()
        if part is Part.INGESTER:
            self._secrets.key("ticket-master-key")
            return self._account(part) | {"TICKET_MASTER_KEY_FILE": str(self._secrets.path("ticket-master-key"))}
        if part is Part.QUERY:
            return self._query()
        return self._render()

    def _admin(self) -> Environment:
        self._secrets.key("key-encryption-key")
        return {
            "DATABASE_URL_FILE": self._database_url("artstore_admin"),
            "MIGRATION_DATABASE_URL_FILE": self._database_url(OWNER),
            "KEY_ENCRYPTION_KEY_FILE": str(self._secrets.path("key-encryption-key")),
            "BOOTSTRAP_FILE": str(self._secrets.path("bootstrap.json")),
            **{
                f"{part.value.upper()}_URL": service_url(part, self._ports)
                for part in (Part.INGESTER, Part.QUERY, Part.RENDER)
            },
        }

    def _element(self, part: Part) -> Environment:
        master = base64.b64decode(self._secrets.key("ticket-master-key"))
        own = self._secrets.store(f"ticket-key-{part}", encode_key(element_key(master, part)))
        certificate = self._ca.server(part)
        return {
            "STORAGE_ID": part.value,
            "DATA_DIR": str(self._layout.element(part)),
            "TLS_CERT_FILE": str(certificate.certificate),
            "TLS_KEY_FILE": str(certificate.key),
            "TICKET_KEY_FILE": str(own),
        }

    def _account(self, part: Part) -> Environment:
        """The service's own account at admin."""
        self._secrets.password(f"client-{part}")
        return {
            "ADMIN_URL": service_url(Part.ADMIN, self._ports),
            "CLIENT_ID": self._secrets.client_id(part.value),
            "CLIENT_SECRET_FILE": str(self._secrets.path(f"client-{part}")),
        }

    def _routes(self) -> Environment:
        """All that Envoy's configuration was made from: the routes in it are made anew."""
        master = base64.b64decode(self._secrets.key("ticket-master-key"))
        decided = gateway_settings(self._layout, self._ports, self._ca)
        account = self._account(Part.ROUTES)
        return {
            **{name.upper(): str(value) for name, value in decided.items()},
            "CLIENT_ID": account["CLIENT_ID"],
            "CLIENT_SECRET_FILE": account["CLIENT_SECRET_FILE"],
            "ROUTE_KEY_FILE": str(self._secrets.store("route-key", encode_key(route_key(master)))),
        }

    def _query(self) -> Environment:
        self._secrets.key("ticket-master-key")
        return {
            **self._account(Part.QUERY),
            "DATABASE_URL_FILE": self._database_url("artstore_query"),
            "MIGRATION_DATABASE_URL_FILE": self._database_url(OWNER),
            "TICKET_MASTER_KEY_FILE": str(self._secrets.path("ticket-master-key")),
        }

    def _render(self) -> Environment:
        """The same for both: what a worker makes, `serve` shows."""
        self._secrets.key("ticket-master-key")
        return {
            **self._account(Part.RENDER),
            "DATABASE_URL_FILE": self._database_url("artstore_render"),
            "MIGRATION_DATABASE_URL_FILE": self._database_url(OWNER),
            "TICKET_MASTER_KEY_FILE": str(self._secrets.path("ticket-master-key")),
            "STORE_DIR": str(self._layout.renditions),
        }

    def _database_url(self, role: str) -> str:
        path: Path = self._secrets.store(f"db-url-{role}", self._database.url(role))
        return str(path)


def gateway_settings(layout: Layout, ports: Ports, ca: LocalCa) -> dict[str, object]:
    """What the stack decides of `GatewaySettings`; the caller's `GW_…` count for the rest."""
    certificate = ca.server("gateway")
    return {
        "port": ports.of(Part.ENVOY),
        "tls_port": ports.gateway_tls,
        "control_port": ports.envoy_control,
        "tls_cert_file": certificate.certificate,
        "tls_key_file": certificate.key,
        "issuer": issuer(ports),
        "elements_dir": layout.gateway_routes,
        "elements_ca_file": ca.certificate,
        **{f"{part.value}_url": service_url(part, ports) for part in SERVICES},
    }


def without_ours(caller: Mapping[str, str], ours: Mapping[str, str]) -> Environment:
    """The caller's environment less what the stack sets itself, in either spelling (`X`, `X_FILE`).

    What is left reaches the services: `IG_MAX_UPLOAD_BYTES=… make up` raises a limit.
    """
    names = {name.removesuffix("_FILE") for name in ours}
    return {name: value for name, value in caller.items() if name.removesuffix("_FILE") not in names}
