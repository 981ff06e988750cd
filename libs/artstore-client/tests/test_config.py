"""Which settings win, and where a secret may go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from artstore_client import Config, load_config
from artstore_client.discover import save, saved_path
from artstore_client.errors import ConfigurationError


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing but a home."""
    return {"HOME": str(tmp_path / "home")}


def stack(folder: Path, **changes: Any) -> Path:
    """What `make up` leaves."""
    data = folder / ".artstore"
    (data / "tls").mkdir(parents=True)
    (data / "tls" / "ca.crt").write_text("a certificate")
    content = {
        "gateway": "http://127.0.0.1:8080",
        "gateway_tls": "https://127.0.0.1:8081",
        "service_accounts": {"client": {"client_id": "sa_client", "client_secret": "local", "scopes": []}},
        "ca": ".artstore/tls/ca.crt",
        "data_dir": ".artstore",
        **changes,
    }
    (data / "credentials.json").write_text(json.dumps(content))
    return data


def load(env: dict[str, str], cwd: Path, **given: Any) -> Config:
    return load_config(environ=env, cwd=cwd, **given)


def test_each_source_wins_over_the_next(home: dict[str, str], tmp_path: Path) -> None:
    stack(tmp_path)
    below = tmp_path / "a" / "b"
    assert load(home, below).client_id == "sa_client"
    save(Config("http://saved", "saved", "s"), saved_path(home))
    assert load(home, below).client_id == "saved"
    env = {**home, "ARTSTORE_URL": "http://env", "ARTSTORE_CLIENT_ID": "env", "ARTSTORE_CLIENT_SECRET": "e"}
    assert (load(env, below).url, load(env, below).client_id) == ("http://env", "env")
    assert load(env, below, url="http://given/").url == "http://given"


def test_a_file_s_secret_is_not_sent_to_another_address(home: dict[str, str], tmp_path: Path) -> None:
    stack(tmp_path)
    save(Config("http://saved", "saved", "s"), saved_path(home))
    with pytest.raises(ConfigurationError, match="no account is known for http://elsewhere"):
        load({**home, "ARTSTORE_URL": "http://elsewhere"}, tmp_path)


def test_the_stack_s_tls_address_brings_its_account_and_its_ca(home: dict[str, str], tmp_path: Path) -> None:
    data = stack(tmp_path)
    config = load({**home, "ARTSTORE_URL": "https://127.0.0.1:8081"}, tmp_path)
    assert (config.client_id, config.ca) == ("sa_client", data / "tls" / "ca.crt")


def test_a_moved_data_directory_is_found_by_name(home: dict[str, str], tmp_path: Path) -> None:
    data = stack(tmp_path / "elsewhere").rename(tmp_path / "moved")
    config = load({**home, "ARTSTORE_DATA_DIR": str(data)}, tmp_path)
    assert (config.client_id, config.ca) == ("sa_client", data / "tls" / "ca.crt")


def test_nothing_configured_says_what_to_do(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="artstore login"):
        load({**home, "ARTSTORE_DATA_DIR": "none"}, tmp_path)


def test_half_an_account_is_not_completed_from_elsewhere(home: dict[str, str], tmp_path: Path) -> None:
    stack(tmp_path)
    with pytest.raises(ConfigurationError, match="ARTSTORE_CLIENT_SECRET"):
        load({**home, "ARTSTORE_CLIENT_ID": "x"}, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"gateway": 1}', "\udcff"])
def test_a_damaged_file_is_named(home: dict[str, str], tmp_path: Path, content: str) -> None:
    path = stack(tmp_path) / "credentials.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=r"credentials\.json"):
        load(home, tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_user_s_credentials_are_not_taken_by_accident(home: dict[str, str], tmp_path: Path) -> None:
    data = stack(tmp_path)
    os.chown(data / "credentials.json", 12345, 12345)
    with pytest.raises(ConfigurationError, match="another user"):
        load(home, tmp_path)
    assert load({**home, "ARTSTORE_DATA_DIR": str(data)}, tmp_path).client_id == "sa_client"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_user_s_credentials_do_not_stop_who_said_all_that_is_needed(
    home: dict[str, str], tmp_path: Path
) -> None:
    data = stack(tmp_path)
    os.chown(data / "credentials.json", 12345, 12345)
    env = {**home, "ARTSTORE_URL": "https://127.0.0.1:8081", "ARTSTORE_CLIENT_ID": "a", "ARTSTORE_CLIENT_SECRET": "b"}
    assert (load(env, tmp_path).client_id, load(env, tmp_path).ca) == ("a", None)


def test_the_saved_secret_is_its_owner_s_alone(home: dict[str, str], tmp_path: Path) -> None:
    path = saved_path(home)
    save(Config("http://a", "id", "old", ca=Path("/ca.pem")), path)
    save(Config("http://a", "id", "new", ca=Path("/ca.pem")), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (load(home, tmp_path).client_secret, load(home, tmp_path).ca) == ("new", Path("/ca.pem"))
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]


def test_xdg_config_home_counts_when_absolute(home: dict[str, str], tmp_path: Path) -> None:
    assert saved_path({**home, "XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "artstore" / "config.json"
    assert saved_path({**home, "XDG_CONFIG_HOME": "x"}) == Path(home["HOME"]) / ".config/artstore/config.json"


@pytest.mark.parametrize(
    "url", ["", "host", "ftp://host", "http://", "http://u:p@host", "http://host?x=1", "http://host:port"]
)
def test_an_address_that_cannot_be_right(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Config(url, "id", "secret")


@pytest.mark.parametrize(
    ("url", "open_to_all"),
    [("http://store.example", True), ("https://store.example", False), ("http://127.0.0.1:8080", False)],
)
def test_a_secret_in_the_clear_is_noticed(url: str, open_to_all: bool) -> None:
    assert Config(url, "id", "secret").in_the_clear is open_to_all
