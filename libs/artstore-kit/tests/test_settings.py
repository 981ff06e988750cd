"""Settings: from the environment, from files, and a clear word when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from artstore_kit.settings import ServiceSettings, load
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="XX_", extra="ignore", frozen=True)

    port: int = 1
    secret: SecretStr
    ca_file: Path | None = None


def test_setting_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("XX_SECRET_FILE", str(tmp_path / "secret"))
    assert load(Settings).secret.get_secret_value() == "s3cret"


def test_setting_that_is_a_path_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XX_SECRET", "x")
    monkeypatch.setenv("XX_CA_FILE", "/ca.pem")
    assert load(Settings).ca_file == Path("/ca.pem")


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("XX_SECRET_FILE", str(file))
    with pytest.raises(SystemExit) as stop:
        load(Settings)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"XX_SECRET_FILE: {file}")


def test_wrong_settings_name_their_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XX_PORT", "many")
    with pytest.raises(SystemExit) as stop:
        load(Settings)
    assert stop.value.code == 2
    words = capsys.readouterr().err
    assert "XX_PORT:" in words
    assert "XX_SECRET:" in words
