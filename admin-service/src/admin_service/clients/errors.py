"""What went wrong between admin and an element, in words of our own: nothing that the other side said is repeated."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from admin_service.clients.pinned import AddressRefused, NotResolved
from admin_service.registry.calls import ElementAnswersWrongly, ElementNotAllowed, ElementUnreachable

NOT_ALLOWED = "its address is not one that may be called"
NO_NAME = "its name cannot be resolved"
NO_CONNECTION = "it cannot be reached"
NOT_TRUSTED = "its certificate is not one that is trusted"
NO_TLS = "it does not speak TLS as it should"
NO_TIME = "it did not answer in time"
BROKEN_OFF = "its answer broke off"
REDIRECT = "it answered with a redirect"
AN_ERROR = "it answered with an error"
NOT_NOW = "it says that it cannot work now"
TOO_LONG = "its answer is too long"
NO_ELEMENT = "what answers there is not a storage element"
REFUSES_US = "it refuses admin's token"


@contextmanager
def told() -> Iterator[None]:
    """Turns what a call may fail with into ElementUnreachable."""
    try:
        yield
    except AddressRefused as error:
        raise ElementNotAllowed(NOT_ALLOWED) from error
    except NotResolved as error:
        raise ElementUnreachable(NO_NAME) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise ElementUnreachable(NO_TIME) from error
    except httpx.ConnectError as error:
        raise _no_connection(error) from error
    except httpx.HTTPError as error:
        raise ElementUnreachable(BROKEN_OFF) from error


def _no_connection(error: BaseException) -> ElementUnreachable:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ElementAnswersWrongly(NOT_TRUSTED)
        if isinstance(cause, ssl.SSLError):
            return ElementAnswersWrongly(NO_TLS)
        cause = cause.__cause__ or cause.__context__  # httpcore's pool raises `from None`
    return ElementUnreachable(NO_CONNECTION)
