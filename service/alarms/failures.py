"""`DeliveryFailed`: an attempt to deliver an alarm came to nothing. It never leaves the outbox."""

from __future__ import annotations


class DeliveryFailed(Exception):
    """Args: why, in words; `final` where trying again would change nothing."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final
