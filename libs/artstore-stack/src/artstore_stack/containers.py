"""`python -m artstore_stack.containers DIRECTORY`: what compose's containers need before their first start.

Every service gets a directory (a volume) of its own with its own secrets and nobody else's; `store` keeps what all
of it is made from. Nothing changes when it runs again.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from artstore_gateway import GatewaySettings, render
from artstore_gateway.discovery import ElementFiles
from artstore_tickets.keys import element_key, encode_key, route_key

from artstore_stack.accounts import Addresses, write_bootstrap, write_credentials
from artstore_stack.database import DATABASE, OWNER, extensions_script, owner_script, roles_script
from artstore_stack.files import write_private
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.postgres import SUPERUSER
from artstore_stack.secret_store import SecretStore
from artstore_stack.tls import LocalCa

MOUNTED_AT = Path("/var/lib/artstore")
"""Where each service finds its own directory."""

ELEMENTS_AT = Path("/run/artstore/elements")
"""Where the gateway and the writer of its routes find the routes to storage elements."""

ELEMENT_URLS = {part.value: f"https://{part.value}:8010" for part in ELEMENTS}
SERVICE_URLS = {
    "admin": "http://admin:8000",
    "ingester": "http://ingester:8020",
    "query": "http://query:8030",
    "render": "http://render:8040",
}
_ACCOUNTS = ("ingester", "query", "render", "routes")
"""Services that have an account of their own at admin."""
_OTHERS = ("store", "operator", "postgres", "migrations", "gateway", "elements", "routes", "s3", "grafana", "ca")


class Containers:
    """Fills `root/<service>` for every service; `environ` may set `ARTSTORE_ISSUER`, `ARTSTORE_GATEWAY`, `GW_…`."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self._root, self._environ = root, environ
        for name in (*_OTHERS, *SERVICE_URLS, *ELEMENT_URLS):
            (root / name).mkdir(exist_ok=True)
        self._secrets = SecretStore(root / "store")
        self._ca = LocalCa(root / "store")

    def prepare(self) -> None:
        """Write everything. Raises OSError when a volume cannot be written."""
        self._elements()  # first: they make the authority that the others copy
        self._postgres()
        self._give("migrations", database_url=self._database_url(OWNER))  # no service at run time has the owner's
        self._admin()
        for service in _ACCOUNTS:
            self._give(service, client_secret=self._secrets.password(f"client-{service}"))
            self._give(service, client_id=self._secrets.client_id(service))
        self._give("query", database_url=self._database_url("artstore_query"))
        for service in ("ingester", "query", "render"):
            self._give(service, ticket_master_key=self._secrets.key("ticket-master-key"))
        self._give("render", database_url=self._database_url("artstore_render"))
        for service in (*SERVICE_URLS, "gateway", "ca"):
            shutil.copyfile(self._ca.certificate, self._root / service / "ca.crt")
        self._gateway()
        self._of_profiles()
        self._operator()

    def _postgres(self) -> None:
        self._give(Part.POSTGRES, password=self._secrets.password(f"db-{SUPERUSER}"))
        self._give(Part.POSTGRES, **{"owner.sql": owner_script(self._secrets)})
        self._give(Part.POSTGRES, **{"extensions.sql": extensions_script()})
        self._give(Part.POSTGRES, **{"roles.sql": roles_script(self._secrets)})
        self._for_another_user(Part.POSTGRES)

    def _admin(self) -> None:
        self._give("admin", database_url=self._database_url("artstore_admin"))
        self._give("admin", key_encryption_key=self._secrets.key("key-encryption-key"))
        write_bootstrap(self._root / "admin" / "bootstrap.json", self._secrets, ELEMENT_URLS)

    def _elements(self) -> None:
        master = base64.b64decode(self._secrets.key("ticket-master-key"))
        for name in ELEMENT_URLS:
            self._give(name, ticket_key=encode_key(element_key(master, name)))
            self._certificate(name)

    def _gateway(self) -> None:
        self._certificate("gateway")
        settings = self.gateway_settings()
        self._give("gateway", **{"envoy.yaml": render(settings)})
        # Envoy wants them to be there when it starts. What they say does not depend on where they lie.
        ElementFiles(settings.model_copy(update={"elements_dir": self._root / "elements"})).restore()
        master = base64.b64decode(self._secrets.key("ticket-master-key"))
        self._give("routes", route_key=encode_key(route_key(master)))

    def gateway_settings(self) -> GatewaySettings:
        """The gateway's, as it and the writer of its routes must both have them."""
        return GatewaySettings.from_environment(
            self._environ,
            host="0.0.0.0",
            tls_cert_file=MOUNTED_AT / "tls.crt",
            tls_key_file=MOUNTED_AT / "tls.key",
            elements_dir=ELEMENTS_AT,
            elements_ca_file=MOUNTED_AT / "ca.crt",
            issuer=self._issuer,
            **{f"{name}_url": url for name, url in SERVICE_URLS.items()},
        )

    def _of_profiles(self) -> None:
        """What is used only where `s3` or `observability` is on: always there, so that either may be switched on later."""
        for name in ("s3", "render"):
            self._give(name, s3_access_key=self._secrets.client_id("s3"))
            self._give(name, s3_secret_key=self._secrets.password("s3"))
        self._give("grafana", password=self._secrets.password("grafana"))
        self._for_another_user("grafana")
        self._for_another_user("ca")

    def _operator(self) -> None:
        gateway = self._environ.get("ARTSTORE_GATEWAY") or "http://127.0.0.1:8080"
        known = Addresses(
            gateway=gateway,
            gateway_tls=self._issuer,
            services=SERVICE_URLS,
            elements=ELEMENT_URLS,
            ca=str(MOUNTED_AT / "ca.crt"),
            database_url=self._database_url(OWNER),
            data_dir=str(MOUNTED_AT),
        )
        write_credentials(self._root / "operator" / "credentials.json", self._secrets, known)
        shutil.copyfile(self._ca.certificate, self._root / "operator" / "ca.crt")

    @property
    def _issuer(self) -> str:
        return self._environ.get("ARTSTORE_ISSUER") or "https://127.0.0.1:8081"

    def _database_url(self, role: str) -> str:
        return f"postgresql://{role}:{self._secrets.password(f'db-{role}')}@postgres:5432/{DATABASE}"

    def _certificate(self, name: str) -> None:
        files = self._ca.server(name)
        write_private(self._root / name / "tls.crt", files.certificate.read_text())
        write_private(self._root / name / "tls.key", files.key.read_text())

    def _for_another_user(self, service: str) -> None:
        """Its image has a user of its own, and only its own containers have this volume."""
        for path in (self._root / service).iterdir():
            path.chmod(0o644)

    def _give(self, service: str, **values: str) -> None:
        for name, value in values.items():
            write_private(self._root / service / name, value)


if __name__ == "__main__":
    Containers(Path(sys.argv[1]), os.environ).prepare()
