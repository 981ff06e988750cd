"""What a person's password must be (NIST SP 800-63B §3.1.1.2: length, no rules of composition)."""

from __future__ import annotations

import secrets
import unicodedata

from artstore_core.errors import ValidationFailed

MIN_CHARACTERS = 12
MAX_BYTES = 1024
ONE_TIME_BYTES = 15


def normalised(password: str) -> str:
    """NFKC: the same keys give the same password on every keyboard and system."""
    return unicodedata.normalize("NFKC", password)


def folded(name: str) -> str:
    """A name as it is compared: what people take for the same name is the same name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check_password(password: str, username: str, *, field: str = "password") -> str:
    """The password as it is hashed. Raises ValidationFailed, which names `field`."""
    reason = _reason(normalised(password), username)
    if reason is not None:
        raise ValidationFailed("The password is not fit for use", details={field: reason})
    return normalised(password)


def new_one_time_password() -> str:
    """For somebody to type once, and then to change."""
    return secrets.token_urlsafe(ONE_TIME_BYTES)


def _reason(password: str, username: str) -> str | None:
    if len(password) < MIN_CHARACTERS:
        return f"must have at least {MIN_CHARACTERS} characters"
    if len(password.encode()) > MAX_BYTES:
        return f"must have at most {MAX_BYTES} bytes"
    if "\x00" in password:
        return "must not contain NUL"
    if folded(password) == folded(username):
        return "must not be the user name"
    return None
