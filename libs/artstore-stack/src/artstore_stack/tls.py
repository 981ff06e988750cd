"""A certificate authority for this machine alone, and server certificates from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from artstore_stack.files import write_private

_CA_DAYS, _SERVER_DAYS, _RENEW_DAYS = 3650, 397, 30


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """PEM files of one server."""

    certificate: Path
    key: Path


class LocalCa:
    """The authority in `directory`: `ca.crt` to trust, `ca.key` to keep."""

    def __init__(self, directory: Path, now: datetime | None = None) -> None:
        self._directory = directory
        self._now = now or datetime.now(UTC)

    @property
    def certificate(self) -> Path:
        return self._directory / "ca.crt"

    def server(self, name: str) -> ServerCertificate:
        """A certificate for localhost and `name`; made anew when it ends within a month or is another CA's."""
        ca_certificate, ca_key = self._authority()
        files = ServerCertificate(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        if self._still_good(files, ca_certificate):
            return files
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key.public_key(), ca_certificate, ca_key)
        _write_key(files.key, key)
        write_private(files.certificate, _pem(certificate) + _pem(ca_certificate))
        return files

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key_file = self._directory / "ca.key"
        if self.certificate.exists() and key_file.exists():
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            if self._lasts(certificate) and isinstance(key, ec.EllipticCurvePrivateKey):
                return certificate, key
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._self_sign(key)
        _write_key(key_file, key)
        write_private(self.certificate, _pem(certificate))
        return certificate, key

    def _still_good(self, files: ServerCertificate, ca: x509.Certificate) -> bool:
        if not (files.certificate.exists() and files.key.exists()):
            return False
        found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        return self._lasts(found) and _authority_id(found) == _key_id(ca)

    def _lasts(self, certificate: x509.Certificate) -> bool:
        return certificate.not_valid_after_utc - self._now > timedelta(days=_RENEW_DAYS)

    def _self_sign(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        name = _name("ArtStore local CA")
        builder = self._builder(name, name, key.public_key(), _CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return builder.sign(key, hashes.SHA256())

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        ca: x509.Certificate,
        ca_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        builder = self._builder(_name(name), ca.subject, key, _SERVER_DAYS)
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_key_id_extension(ca)), False),
            (_subject_names(name), False),
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(ca_key, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(hours=1))  # clocks differ
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _subject_names(name: str) -> x509.SubjectAlternativeName:
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    return x509.SubjectAlternativeName([*addresses, x509.DNSName("localhost"), x509.DNSName(name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_id_extension(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _key_id(certificate: x509.Certificate) -> bytes:
    return _key_id_extension(certificate).digest


def _authority_id(certificate: x509.Certificate) -> bytes | None:
    return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(path, pem.decode())
