"""Metrics that are made of events, as they happen."""

from __future__ import annotations

from typing import Final

from opentelemetry.metrics import Meter

from fieldcrypt import Event, EventKind
from fieldcrypt_opentelemetry.attributes import EVENT, FIELD, FORM, OTHER, TENANT, of_call

__all__ = ["KeyMetrics"]

# Seconds, as OpenTelemetry advises for durations.
_BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

# What a value was that is not as it should be; the place of these events is its field.
_FORMS: Final = {EventKind.PLAINTEXT_READ: "plaintext", EventKind.OLD_VALUE_READ: "old"}

_MOST_TENANTS: Final = 1000  # of refused values: who asks for a value may name any tenant, or misspell one


class KeyMetrics:
    """Records what happens to keys, and to values that are not as they should be.

    Args:
        meter: makes the instruments.
        by_tenant: tell the first 1,000 tenants of refused values apart, and count those of others together.
    """

    __slots__ = ("_begun", "_by_tenant", "_duration", "_events", "_outdated", "_refused", "_tenants")

    def __init__(self, meter: Meter, *, by_tenant: bool) -> None:
        self._by_tenant = by_tenant
        self._tenants: set[str] = set()
        self._duration = meter.create_histogram(
            "fieldcrypt.key_service.duration",
            unit="s",
            description="Duration of requests to the key service.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES,
        )
        self._events = meter.create_counter(
            "fieldcrypt.events", unit="{event}", description="Events of keys and values, by kind."
        )
        self._refused = meter.create_counter(
            "fieldcrypt.values.refused", unit="{value}", description="Values that did not decrypt, by field."
        )
        self._outdated = meter.create_counter(
            "fieldcrypt.values.outdated",
            unit="{value}",
            description="Plaintext and old values that were read during a migration, by field and form.",
        )
        self._begun = False
        self._begin()

    def _begin(self) -> None:
        """Begin all counts of events at 0: else an increase does not show the first one."""
        for kind in EventKind:
            if kind is not EventKind.KMS_CALL:
                self._events.add(0, {EVENT: kind.value})

    def record(self, event: Event) -> None:
        """Record an event."""
        if not self._begun:  # once more, because the provider may have been set since
            self._begun = True
            self._begin()
        if event.kind is EventKind.KMS_CALL:
            self._duration.record(event.seconds or 0.0, of_call(event))
            return
        self._events.add(1, {EVENT: event.kind.value})
        if event.kind in _FORMS:
            self._outdated.add(1, {FIELD: event.place or "", FORM: _FORMS[event.kind]})
        elif event.kind is EventKind.VALUE_REFUSED:
            self._refused.add(1, {FIELD: event.place or "", **self._of_tenant(event.tenant)})

    def _of_tenant(self, tenant: str | None) -> dict[str, str]:
        if not self._by_tenant or tenant is None:
            return {}
        if len(self._tenants) < _MOST_TENANTS:
            self._tenants.add(tenant)
        return {TENANT: tenant if tenant in self._tenants else OTHER}
