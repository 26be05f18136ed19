"""What `Encryptor.check` returns."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from fieldcrypt.health.finding import Finding, Verdict

__all__ = ["Health", "HealthState"]


class HealthState(enum.StrEnum):
    """How well an Encryptor can work."""

    OK = "ok"  # it encrypts and decrypts
    DEGRADED = "degraded"  # so it does, but something that it needs fails: a region, or all, and live keys go on
    FAILING = "failing"  # it does not


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a process can encrypt and decrypt now, and for how long it will. Made by `Encryptor.check`.

    It holds no secret. Details of findings name keys, tenants and causes; `as_dict` leaves them out.

    Attributes:
        state: how well it can work.
        findings: one for each thing that it depends on and that was tried out.
        live_keys: data keys for values that this process may use now.
        confirmed: seconds since key provider and key store last confirmed one of these; None if there are none.
        seconds_left: for how long the last of these goes on if neither can be asked from now on: its `cache_ttl` and
            grace. 0 if there are none.
    """

    state: HealthState
    findings: tuple[Finding, ...]
    live_keys: int = 0
    confirmed: float | None = None
    seconds_left: float = 0.0

    @property
    def ready(self) -> bool:
        """True unless it is failing: for a readiness probe."""
        return self.state is not HealthState.FAILING

    def as_dict(self) -> dict[str, Any]:
        """Return it for an answer in JSON that strangers may see: without causes, keys and tenants."""
        return {
            "ready": self.ready,
            "state": self.state.value,
            "live_keys": self.live_keys,
            "confirmed_seconds_ago": None if self.confirmed is None else round(self.confirmed, 1),
            "seconds_left": round(self.seconds_left, 1),
            "findings": [
                {"place": each.place, "check": each.check, "verdict": each.verdict.value} for each in self.findings
            ],
        }

    def __str__(self) -> str:
        """Return a line for a log: the state, and what failed, and why."""
        failed = [
            f"{each.place}, {each.check}: {each.detail}" for each in self.findings if each.verdict is Verdict.FAILED
        ]
        return "; ".join([self.state.value, *failed])
