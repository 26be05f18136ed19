"""Metrics that are read from Encryptors when they are collected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Lock

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from fieldcrypt import OTHER_TENANTS, ConfigurationError, Encryptor, Stats, call_after_fork
from fieldcrypt_opentelemetry.attributes import FIELD, OTHER, TENANT

__all__ = ["ValueMetrics"]

_NOTHING = Stats({}, {}, 0)


class ValueMetrics:
    """Reads the counts of Encryptors, added up over all of them. It keeps them, so that no sum ever becomes less.

    Args:
        meter: makes the instruments.
        by_tenant: tell tenants apart.
    """

    def __init__(self, meter: Meter, *, by_tenant: bool) -> None:
        self._by_tenant = by_tenant
        self._latest: dict[Encryptor, Stats] = {}
        self._reset()
        call_after_fork(self._reset)
        meter.create_observable_gauge(
            "fieldcrypt.key.live", [self._live_keys], unit="{key}", description="Data keys that are unwrapped now."
        )
        meter.create_observable_counter(
            "fieldcrypt.values.decrypted",
            [self._decrypted],
            unit="{value}",
            description="Values that were decrypted, by field.",
        )
        meter.create_observable_counter(
            "fieldcrypt.values.encrypted",
            [self._encrypted],
            unit="{value}",
            description="Values that were encrypted, by field.",
        )

    def _reset(self) -> None:
        """Begin with nothing, as the counts of an Encryptor do in a child, also if it was closed in the parent."""
        self._lock = Lock()
        self._latest = dict.fromkeys(self._latest, _NOTHING)

    def add(self, encryptor: Encryptor) -> None:
        """Read this one too."""
        with self._lock:
            self._latest.setdefault(encryptor, _NOTHING)

    def _stats(self) -> Iterator[Stats]:
        with self._lock:
            latest = dict(self._latest)
        for encryptor, stats in latest.items():
            try:
                stats = encryptor.stats()
            except ConfigurationError:  # not configured yet, or closed: what was counted remains
                stats = stats._replace(live_keys=0)
            self._latest[encryptor] = stats
            yield stats

    def _live_keys(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sum(stats.live_keys for stats in self._stats()))]

    def _decrypted(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._values("decrypted")

    def _encrypted(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._values("encrypted")

    def _values(self, which: str) -> list[Observation]:
        totals: Counter[tuple[str, str | None]] = Counter()
        for stats in self._stats():
            for (field, tenant), count in stats.values.items():
                totals[field, tenant if self._by_tenant else None] += getattr(count, which)
        return [Observation(total, _attributes(field, tenant)) for (field, tenant), total in totals.items()]


def _attributes(field: str, tenant: str | None) -> dict[str, str]:
    if tenant is None:
        return {FIELD: field}
    return {FIELD: field, TENANT: OTHER if tenant == OTHER_TENANTS else tenant}
