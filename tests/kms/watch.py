"""What providers report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldcrypt.events import Event, EventKind, Events


class Watch:
    """The calls of KMS, and what else providers report, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._destination = Events(self.events.append)

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return what work returns; forget what was seen before."""
        self.events.clear()
        return self._destination.watch(lambda: work(*arguments))

    def calls(self) -> list[tuple[str | None, str | None]]:
        """Where KMS was asked, and the cause if it failed."""
        return [(event.place, event.cause) for event in self.events if event.kind is EventKind.KMS_CALL]
