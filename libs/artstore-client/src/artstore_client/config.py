"""Where ArtStore is and who we are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from artstore_client.errors import ConfigurationError
from artstore_client.policy import UploadPolicy
from artstore_client.retry import RetryPolicy

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def clean_url(url: str) -> str:
    """An http(s) URL without a slash at its end. Raises ConfigurationError.

    User, query and fragment are refused: a secret in a URL ends up in logs, and the rest would be lost silently.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # parsed only when asked for; raises ValueError
    except ValueError as error:
        raise ConfigurationError(f"not a URL: {url!r}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"ArtStore's URL begins with http:// or https:// and names a host, not {url!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("ArtStore's URL has no user, query or fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one client.

    `ca`: a PEM bundle to trust instead of the system's. `idle_seconds`: how long a connection may stay silent; there is
    no limit on a whole transfer. Raises ConfigurationError for a URL or an id that cannot be right.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    ca: Path | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    uploads: UploadPolicy = field(default_factory=UploadPolicy)
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", clean_url(self.url))
        if not self.client_id or not self.client_secret:
            raise ConfigurationError("a client id and a client secret are needed")

    @property
    def in_the_clear(self) -> bool:
        """Whether the secret would cross a network unencrypted."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in _LOOPBACK
