"""Storage elements for admin's tests: certificates, the element's own app over TLS, and servers that are none."""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from artstore_auth.keys import StaticKeys, parse_jwks
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_core.scopes import Scope, element_audience
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import encode_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from storage_element.config import Settings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build

Pair = tuple[Path, Path]
"""Certificate and key."""


class Authority:
    """A certificate authority for tests."""

    def __init__(self, directory: Path, name: str = "authority of the tests") -> None:
        self._directory, self._name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = directory / f"{name.replace(' ', '-')}.crt"
        made = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(self._signed(made))

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))

    def certificate(self, *names: str) -> Pair:
        """For host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        made = self._builder(subject, key.public_key()).add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
        )
        base = self._directory / new_id().hex
        base.with_suffix(".crt").write_bytes(self._signed(made))
        private = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
        base.with_suffix(".key").write_bytes(pem)
        return base.with_suffix(".crt"), base.with_suffix(".key")

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _signed(self, made: x509.CertificateBuilder) -> bytes:
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass
class Element:
    """A running storage element. `outside` signs tokens that it accepts, to put files there past admin."""

    storage_id: str
    url: str
    root: Path
    outside: TokenIssuer
    tls: ssl.SSLContext
    _client: list[httpx.Client] = field(default_factory=list)

    def put(self, content: bytes = b"hello", **about: Any) -> dict[str, Any]:
        """A file that is there now."""
        file_id: UUID = new_id()
        given = {"original_filename": "отчёт.pdf", "content_type": "application/pdf", "uploaded_by": "sa:sa_client_1"}
        header = base64.urlsafe_b64encode(json.dumps(given | about).encode()).rstrip(b"=").decode()
        answer = self.ask("PUT", f"/api/v1/files/{file_id}", content=content, headers={"Artstore-Metadata": header})
        assert answer.status_code == 201, answer.text
        kept: dict[str, Any] = answer.json()
        return kept

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        bearer = self.outside.bearer(tuple(Scope), audience=element_audience(self.storage_id))
        headers = {**bearer, **options.pop("headers", {})}
        with httpx.Client(verify=self.tls, base_url=self.url, timeout=60) as client:
            return client.request(method, path, headers=headers, **options)


@contextmanager
def running_element(
    directory: Path,
    authority: Authority,
    jwks: dict[str, Any],
    *,
    issuer: str,
    storage_id: str = "se-new-1",
    mode: Mode = Mode.EDIT,
) -> Iterator[Element]:
    """`jwks` are the keys whose tokens it takes, beside those of `outside`."""
    outside = TokenIssuer(issuer, kid="outside")
    root = directory / f"root-{storage_id}"
    DataRoot(root, RealFileSystem(), storage_id, lambda *_: None).initialise(mode, datetime.now(UTC))
    certificate = authority.certificate("127.0.0.1", "localhost", "element.test")
    settings = Settings(
        storage_id=storage_id,
        data_dir=root,
        tls_cert_file=certificate[0],
        tls_key_file=certificate[1],
        ticket_key=SecretStr(encode_key(bytes(32))),
        issuer=issuer,
        jwks_url="https://unused.test/jwks.json",
    )
    app = build(settings, keys=StaticKeys(parse_jwks({"keys": [*jwks["keys"], *outside.jwks()["keys"]]})))
    with running_app(app, certificate=certificate) as url:
        element = Element(storage_id, url, root, outside, authority.context)
        # One connection, for all that are asked on it.
        with httpx.Client(verify=element.tls, base_url=url, timeout=60) as client:
            while client.get("/health/ready").status_code != httpx.codes.OK:
                pass
        yield element
