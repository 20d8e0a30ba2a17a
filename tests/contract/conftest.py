"""The small server of the HTTP tests, here too."""

from __future__ import annotations

from tests.service.conftest import server

__all__ = ["server"]
