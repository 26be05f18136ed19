"""The observer that gives an Encryptor's events to OpenTelemetry."""

from __future__ import annotations

from functools import partial
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

import fieldcrypt
from fieldcrypt import Encryptor, Event, EventKind
from fieldcrypt_opentelemetry.key_metrics import KeyMetrics
from fieldcrypt_opentelemetry.spans import record_span
from fieldcrypt_opentelemetry.value_metrics import ValueMetrics

__all__ = ["OpenTelemetryObserver"]

_SCOPE = "fieldcrypt"


class OpenTelemetryObserver:
    """Makes metrics of events, and a span of each request to a key service: `Encryptor(…, observer=observer)`.

    Metrics have no data key's id, and tenants only if asked for; nothing has a secret. Make one for a process, which
    serves any number of Encryptors: instruments of one name exist once in a meter provider.

    It can be pickled if it uses the global providers; in the other process it uses those that are set there.

    Args:
        meter_provider: makes the instruments. Default: the global one, also if it is set later.
        tracer_provider: makes the tracer, likewise. `NoOpTracerProvider()` for no spans.
        tenants: tell the tenants of values apart. Each makes a time series per field: for some hundreds at most. Of
            refused values 1,000 tenants are told apart, because a caller may name any; further ones are `_OTHER`.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        *,
        tenants: bool = False,
    ) -> None:
        self._is_global = meter_provider is None and tracer_provider is None
        self._tenants = tenants
        meter = metrics.get_meter(_SCOPE, fieldcrypt.__version__, meter_provider)
        self._tracer = trace.get_tracer(_SCOPE, fieldcrypt.__version__, tracer_provider)
        self._keys = KeyMetrics(meter, by_tenant=tenants)
        self._values = ValueMetrics(meter, by_tenant=tenants)

    def __call__(self, event: Event, /) -> None:
        """Record an event."""
        self._keys.record(event)
        if event.kind is EventKind.KMS_CALL:
            record_span(self._tracer, event)

    def observe(self, encryptor: Encryptor) -> None:
        """Read an Encryptor's `stats()` whenever metrics are collected: its live keys, and the values that it counts.

        Several are added up, and stay in the sums when they are closed.

        Args:
            encryptor: any, configured or not; with `count_values=True` if values are to be counted.
        """
        self._values.add(encryptor)

    def __repr__(self) -> str:
        return f"OpenTelemetryObserver(tenants={self._tenants})"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._is_global:
            raise TypeError("an OpenTelemetryObserver with providers of its own cannot be pickled")
        return partial(OpenTelemetryObserver, tenants=self._tenants), ()
