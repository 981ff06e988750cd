"""Settings as they are given in an environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingester_service.clients.clamd import ClamdAddress
from ingester_service.config import Settings
from ingester_service.upload.types import BLOCKED_EXTENSIONS, BLOCKED_TYPES
from pydantic import ValidationError

REQUIRED = {
    "IG_ISSUER": "https://artstore.test",
    "IG_JWKS_URL": "http://admin/jwks.json",
    "IG_ADMIN_URL": "http://admin",
    "IG_CLIENT_ID": "sa_ingester_1",
    "IG_CLIENT_SECRET": "s",
    "IG_TICKET_MASTER_KEY": "A" * 43 + "=",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults(environment: pytest.MonkeyPatch) -> None:
    del environment
    settings = Settings()
    assert (settings.port, settings.max_upload_bytes) == (8020, 2**30)
    assert (settings.blocked_types, settings.blocked_extensions) == (BLOCKED_TYPES, BLOCKED_EXTENSIONS)


def test_lists_are_written_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("IG_BLOCKED_EXTENSIONS", " .EXE, dll,")
    environment.setenv("IG_BLOCKED_TYPES", "")
    settings = Settings()
    assert (settings.blocked_extensions, settings.blocked_types) == (frozenset({"exe", "dll"}), frozenset())


def test_lists_and_secrets_may_come_from_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("IG_CLIENT_SECRET", "from a file\n"), ("IG_BLOCKED_TYPES", "application/zip\n")):
        environment.delenv(name, raising=False)
        path = tmp_path / name
        path.write_text(value)
        environment.setenv(f"{name}_FILE", str(path))
    settings = Settings()
    assert settings.client_secret.get_secret_value() == "from a file"
    assert settings.blocked_types == frozenset({"application/zip"})


def test_clamd_is_off_by_default_and_has_an_address(environment: pytest.MonkeyPatch) -> None:
    assert Settings().clamd_address is None
    environment.setenv("IG_CLAMD_ADDRESS", "tcp://clamav:3310")
    environment.setenv("IG_CLAMD_TOO_LARGE", "admit")
    settings = Settings()
    assert (settings.clamd_address, settings.clamd_too_large) == (ClamdAddress(host="clamav", port=3310), "admit")
    environment.setenv("IG_CLAMD_ADDRESS", "clamav")
    with pytest.raises(ValidationError, match="unix:///path or tcp://host:port"):
        Settings()
