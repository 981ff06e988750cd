"""Who works with the console in the tests, and what they find there: made by the API, once for a stack."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from world import World, pdf

READER: Final = "наблюдатель"
LONG_NAME: Final = (
    "Дополнительное соглашение № 14-б к контракту генерального подряда на реконструкцию водозаборных сооружений "
    "Верхне-Среднекамского целлюлозно-бумажного комбината (подписанный экземпляр, скан, 600 точек на дюйм).pdf"
)
UNBROKEN: Final = "Сверхдлинноеимябезединогопробела" * 3


@dataclass
class People:
    """`passwords`: by user name; `admin` may do all, `reader` may look."""

    world: World
    passwords: dict[str, str]
    admin: str
    reader: str = READER
    _files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> People:
        given = world.credentials["admin"]
        people = cls(world, {given["username"]: given["password"]}, given["username"])
        people.user(READER)
        return people

    def user(self, name: str, role: str = "readonly") -> dict[str, Any]:
        """A new user, whose password is kept."""
        self.passwords[name] = secrets.token_urlsafe(16)
        return self.made("admin-users", {"username": name, "password": self.passwords[name], "role": role})

    def account(self, name: str, **given: Any) -> dict[str, Any]:
        """A new service account, with its secret."""
        return self.made("service-accounts", {"name": name, "kind": "client", "scopes": ["files:read"], **given})

    def file(self, name: str = LONG_NAME, **fields: str) -> dict[str, Any]:
        """A PDF of this name, uploaded at the first call."""
        if name not in self._files:
            self._files[name] = self.world.uploaded(pdf(name[:20], 2), name, **fields)
        return self._files[name]

    def made(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._asked("POST", path, (200, 201, 202), body)

    def changed(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._asked("PATCH", path, (200,), body)

    def got(self, path: str) -> dict[str, Any]:
        return self._asked("GET", path, (200,))

    def deleted(self, path: str) -> None:
        answer = self.world.http.delete(self._url(path), headers=self.world.bearer("operator"))
        assert answer.status_code in (204, 404), answer.text

    def everything(self) -> dict[str, Any]:
        """All that a form of the console could change, to be compared."""
        return {
            path: [{name: one[name] for name in names} for one in self.got(f"{path}?limit=100")["items"]]
            for path, names in _STAYS.items()
        }

    def _asked(
        self, method: str, path: str, good: tuple[int, ...], body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self.world.http.request(method, self._url(path), json=body, headers=self.world.bearer("operator"))
        assert answer.status_code in good, (path, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    def _url(self, path: str) -> str:
        return f"{self.world.gateway}/api/v1/{path}"


_STAYS: Final = {
    "storage-elements": ("storage_id", "url", "description", "mode"),
    "service-accounts": ("client_id", "name", "scopes", "status", "secret_expires_at", "quota_bytes", "quota_files"),
    "admin-users": ("username", "role", "status", "must_change_password", "quota_bytes", "quota_files"),
    "jwt-keys": ("kid",),
    "registry/files": ("file_id", "status", "description", "tags", "metadata", "revision"),
}
