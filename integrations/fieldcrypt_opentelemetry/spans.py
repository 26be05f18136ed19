"""A span for each request to a key service."""

from __future__ import annotations

import time

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from fieldcrypt import Event
from fieldcrypt_opentelemetry.attributes import of_call

__all__ = ["record_span"]


def record_span(tracer: Tracer, event: Event) -> None:
    """Make the span of a request that is over, under the span that is current.

    Args:
        tracer: makes it.
        event: a `kms_call`, reported now.
    """
    end = time.time_ns()
    span = tracer.start_span(
        f"fieldcrypt {event.operation or 'request'}",
        kind=SpanKind.CLIENT,
        start_time=end - int((event.seconds or 0.0) * 1e9),
        attributes=of_call(event),
    )
    if event.cause is not None:
        span.set_status(Status(StatusCode.ERROR, event.cause))
    span.end(end)
