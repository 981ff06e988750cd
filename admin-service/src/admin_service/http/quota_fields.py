"""The quota in bodies and answers of accounts and users (requirement I12)."""

from typing import Annotated

from pydantic import BaseModel, Field

from admin_service.identity.quota import UNCHANGED, Unchanged, Usage

Quota = Annotated[int, Field(ge=0, le=2**63 - 1)]


class QuotaIn(BaseModel):
    """Null: no bound."""

    quota_bytes: Quota | None = None
    quota_files: Quota | None = None


class QuotaPatch(QuotaIn):
    """What is absent stays; null clears."""

    def quota_changes(self) -> dict[str, int | Unchanged | None]:
        given = self.model_fields_set
        return {name: getattr(self, name) if name in given else UNCHANGED for name in QuotaIn.model_fields}


class QuotaOut(BaseModel):
    quota_bytes: int | None
    quota_files: int | None
    used_bytes: int
    used_files: int


def used(usage: Usage) -> dict[str, int]:
    return {"used_bytes": usage.bytes, "used_files": usage.files}
