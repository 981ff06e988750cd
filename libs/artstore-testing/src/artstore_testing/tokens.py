"""An issuer of access tokens for tests: good ones, and every kind of bad one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

from artstore_auth.keys import StaticKeys
from artstore_core.scopes import PUBLIC_AUDIENCE, Scope
from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "https://artstore.test"


class TokenIssuer:
    """Signs with a key of its own. `claims` and `header` replace what a good token would carry; None takes it out."""

    def __init__(self, issuer: str = ISSUER, kid: str = "test-key") -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, auto_kid=False)
        self.keys = StaticKeys({kid: self.key})

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def token(
        self,
        scopes: Iterable[str] = (Scope.FILES_READ, Scope.FILES_WRITE),
        *,
        audience: str = PUBLIC_AUDIENCE,
        subject: str = "sa:sa_test_0001",
        lifetime: int = 300,
        claims: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
    ) -> str:
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": subject,
            "client_id": subject.removeprefix("sa:"),
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid.uuid4()),
        } | (claims or {})
        head = {"alg": "RS256", "typ": "at+jwt", "kid": self.key.kid} | (header or {})
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in payload.items() if value is not None},
            self.key,
            algorithms=["RS256"],
        )

    def bearer(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        """An `Authorization` header with `token(…)`."""
        return {"Authorization": f"Bearer {self.token(*args, **kwargs)}"}
