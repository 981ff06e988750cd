"""The little of Kubernetes' API that making Secrets needs (core/v1, `secrets`)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import httpx

_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT: Final = httpx.Timeout(15.0)


class Conflict(Exception):
    """Somebody else has written that Secret in the meantime."""


@dataclass(frozen=True, slots=True)
class Found:
    """A Secret as it is: text by key, and the version that a change must name."""

    data: dict[str, str]
    version: str


class Secrets(Protocol):
    def read(self, name: str) -> Found | None:
        """None where there is none of this name."""
        ...

    def write(self, name: str, data: Mapping[str, str], labels: Mapping[str, str], found: Found | None) -> None:
        """In place of what was found. Raises Conflict when that is not what is there."""
        ...


class KubernetesSecrets:
    """Secrets of one namespace. `client` has the API's address and authenticates itself."""

    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/secrets"

    @classmethod
    def of_this_pod(cls, environ: Mapping[str, str], directory: Path = _POD) -> Self:
        """As the pod's own account: Kubernetes puts a token, its CA and the namespace's name there."""
        host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
        client = httpx.Client(
            base_url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            headers={"Authorization": f"Bearer {(directory / 'token').read_text().strip()}"},
            verify=ssl.create_default_context(cafile=str(directory / "ca.crt")),
            timeout=_TIMEOUT,
            trust_env=False,
        )
        return cls(client, (directory / "namespace").read_text().strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def read(self, name: str) -> Found | None:
        answer = self._client.get(f"{self._path}/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        secret = answer.raise_for_status().json()
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        return Found(data, secret["metadata"]["resourceVersion"])

    def write(self, name: str, data: Mapping[str, str], labels: Mapping[str, str], found: Found | None) -> None:
        metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded}
        if found is None:
            answer = self._client.post(self._path, json=secret)
        else:
            metadata["resourceVersion"] = found.version
            answer = self._client.put(f"{self._path}/{name}", json=secret)
        if answer.status_code == httpx.codes.CONFLICT:
            raise Conflict(name)
        answer.raise_for_status()
