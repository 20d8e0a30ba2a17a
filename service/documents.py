"""`Documents`: where small settings outlive the process; `service/store` keeps them in the database."""

from __future__ import annotations

from typing import Any, Protocol


class Documents(Protocol):
    """JSON objects by kind and key."""

    async def save(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Keeps `body` (plain JSON types) in place of what was there; on disk on return."""

    async def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """All of one kind, by key."""
        ...
