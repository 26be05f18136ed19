"""Metrics for Prometheus, by OpenTelemetry's exporter."""

from __future__ import annotations

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from fieldcrypt_opentelemetry import OpenTelemetryObserver

__all__ = ["observing"]


def observing(registry: CollectorRegistry) -> OpenTelemetryObserver:
    """Return an observer whose metrics are in a registry. Clinics are few, so they are told apart."""
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    return OpenTelemetryObserver(provider, tenants=True)
