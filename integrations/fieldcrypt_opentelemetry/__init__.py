"""fieldcrypt for OpenTelemetry: metrics, and spans of key services. See docs/operations/watching.md."""

from fieldcrypt_opentelemetry.observer import OpenTelemetryObserver

__all__ = ["OpenTelemetryObserver"]
