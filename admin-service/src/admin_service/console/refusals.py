"""What the console refuses by itself; all else is refused by the API that it asks."""

from __future__ import annotations

from artstore_core.errors import Forbidden, Unauthorized, UpstreamFailed


class SignInNeeded(Unauthorized):
    """Nobody is signed in, or no more."""

    def __init__(self) -> None:
        super().__init__("Sign in first")


class PasswordChangeNeeded(Forbidden):
    def __init__(self) -> None:
        super().__init__("The password has to be changed first")


class FormNotOurs(Forbidden):
    """A form that comes from another page than ours, or from one that was shown before the sign-in."""

    def __init__(self) -> None:
        super().__init__("This form is out of date: load the page again, and send it once more")


class TokenNotTaken(UpstreamFailed):
    """A service refuses the token of somebody who is signed in: it does not know the new key yet."""

    def __init__(self) -> None:
        super().__init__("A part of ArtStore does not know your sign-in yet: try again in some minutes")
