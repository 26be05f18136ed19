"""What OpenTelemetry receives: metrics and spans, from its own SDK, and nothing that is secret."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Event,
    EventKind,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from fieldcrypt_opentelemetry import OpenTelemetryObserver
from tests.support.encryptors import new_encryptor
from tests.support.processes import in_child

SSN = "078-05-1120"


@pytest.fixture
def telemetry() -> Iterator[Any]:
    """Providers that keep what they get, and an observer that uses them."""
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    meters, tracers = MeterProvider([reader]), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    yield SimpleNamespace(
        reader=reader, meters=meters, tracers=tracers, spans=exporter, observer=OpenTelemetryObserver(meters, tracers)
    )
    meters.shutdown()
    tracers.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    """The attributes and the number of each data point, by metric."""
    data = reader.get_metrics_data()
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            assert scope.scope.name == "fieldcrypt"
            for metric in scope.metrics:
                values = [(dict(each.attributes or {}), _number(each)) for each in metric.data.data_points]
                found[metric.name] = values
    return found


def _number(point: Any) -> Any:
    return point.value if hasattr(point, "value") else point.count


def test_requests_to_kms_are_measured_and_traced(telemetry: Any) -> None:
    """By region, operation and outcome; each has a span under the caller's, which says what failed."""
    with LocalAws() as aws:
        provider = AwsKmsKeyProvider(aws.create_key(), regions=["us-east-1", "eu-west-1"], client_factory=aws.kms)
        encryptor = Encryptor(provider, MemoryKeyStore(), observer=telemetry.observer)
        field = encryptor.field("patients.ssn", str)
        data = field.encrypt(SSN)
        encryptor.forget()
        aws.cut("us-east-1")
        with telemetry.tracers.get_tracer("app").start_as_current_span("request") as request:
            assert field.decrypt(data) == SSN
    spans = {span.attributes["fieldcrypt.place"]: span for span in telemetry.spans.get_finished_spans()[-3:-1]}
    lost, served = spans["us-east-1"], spans["eu-west-1"]
    assert [span.name for span in spans.values()] == ["fieldcrypt Decrypt"] * 2
    assert {span.parent.span_id for span in spans.values()} == {request.get_span_context().span_id}
    assert {span.kind for span in spans.values()} == {SpanKind.CLIENT}
    assert (lost.status.status_code, served.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert lost.attributes["error.type"] == lost.status.description == "EndpointConnectionError"
    assert lost.start_time < lost.end_time <= served.end_time
    calls = {
        (point["fieldcrypt.place"], point["fieldcrypt.operation"], point["fieldcrypt.outcome"]): count
        for point, count in points(telemetry.reader)["fieldcrypt.key_service.duration"]
    }
    assert calls["us-east-1", "Decrypt", "failure"] == 1
    assert calls["eu-west-1", "Decrypt", "success"] == 1


def test_events_are_counted_by_kind_and_values_by_field(telemetry: Any) -> None:
    """Without tenant and data key, whatever the event says."""
    for kind in EventKind:
        telemetry.observer(Event(kind, "0" * 32, "clinic-7", "patients.ssn", "unwrap", 0.1, "a long text, of nobody"))
    found = points(telemetry.reader)
    kinds = {point["fieldcrypt.event"]: count for point, count in found["fieldcrypt.events"]}
    assert kinds == dict.fromkeys({kind.value for kind in EventKind} - {"kms_call"}, 1)
    field = {"fieldcrypt.field": "patients.ssn"}
    assert found["fieldcrypt.values.refused"] == [(field, 1)]
    outdated = [{**field, "fieldcrypt.form": form} for form in ("plaintext", "old")]
    assert [point for point, _ in found["fieldcrypt.values.outdated"]] == outdated
    told = repr(found) + repr([(span.name, span.attributes) for span in telemetry.spans.get_finished_spans()])
    assert not [word for word in ("0" * 32, "clinic-7", "long text") if word in told]


def test_counts_of_events_begin_at_zero(telemetry: Any) -> None:
    """So that the first denial, or canary, is an increase."""
    counts = {point["fieldcrypt.event"]: count for point, count in points(telemetry.reader)["fieldcrypt.events"]}
    assert counts["denied"] == counts["canary_read"] == counts["value_refused"] == 0


def test_tenants_are_told_apart_if_asked_for() -> None:
    """In counts of values; those beyond the limit of an Encryptor are OpenTelemetry's _OTHER."""
    reader = InMemoryMetricReader()
    observer = OpenTelemetryObserver(MeterProvider([reader]), tenants=True)
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), observer=observer, count_values=True)
    observer.observe(encryptor)
    assert encryptor._value_counts is not None
    encryptor._value_counts._left = 1
    field = encryptor.field("patients.ssn", str)
    for tenant in ("clinic-7", "clinic-8", None):
        data = field.encrypt(SSN, tenant=tenant)
        with pytest.raises(DecryptionError):
            field.decrypt(data[:-1], tenant=tenant)
    found = points(reader)
    values = {point.get("fieldcrypt.tenant") for point, _ in found["fieldcrypt.values.encrypted"]}
    assert values == {None, "_OTHER", "clinic-7"}
    assert {point.get("fieldcrypt.tenant") for point, _ in found["fieldcrypt.values.refused"]} == {
        None,
        "clinic-7",
        "clinic-8",
    }


def test_invented_tenants_make_no_more_than_1000_series() -> None:
    """Of refused values, for which a caller can name any: further tenants are counted as _OTHER, known ones as ever."""
    reader = InMemoryMetricReader()
    observer = OpenTelemetryObserver(MeterProvider([reader]), tenants=True)
    for number in [*range(1003), 0]:
        observer(Event(EventKind.VALUE_REFUSED, None, f"tenant-{number}", "patients.ssn"))
    refused = {point["fieldcrypt.tenant"]: count for point, count in points(reader)["fieldcrypt.values.refused"]}
    assert (len(refused), refused["_OTHER"], refused["tenant-0"]) == (1001, 3, 2)


def test_counts_of_several_encryptors_are_added_up(telemetry: Any) -> None:
    """By field; a sum never becomes less, also if one is closed."""
    encryptors = [
        Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), count_values=True),
        Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), count_values=True),
        new_encryptor(),
        Encryptor(count_values=True),
    ]
    for encryptor in encryptors:
        telemetry.observer.observe(encryptor)
    for encryptor in encryptors[:3]:
        field = encryptor.field("patients.ssn", str)
        field.decrypt(field.encrypt(SSN, tenant="clinic-7"))
    once = [({"fieldcrypt.field": "patients.ssn"}, 2)]
    found = points(telemetry.reader)
    assert (found["fieldcrypt.values.decrypted"], found["fieldcrypt.key.live"]) == (once, [({}, 3)])
    encryptors[0].close()
    found = points(telemetry.reader)
    assert (found["fieldcrypt.values.decrypted"], found["fieldcrypt.key.live"]) == (once, [({}, 2)])


def test_a_forked_child_counts_nothing_of_its_parent(telemetry: Any) -> None:
    """Nor what an Encryptor counted that was closed before."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), count_values=True)
    telemetry.observer.observe(encryptor)
    encryptor.field("patients.ssn", str).encrypt(SSN)
    points(telemetry.reader)
    encryptor.close()
    assert points(telemetry.reader)["fieldcrypt.values.encrypted"]
    counted = in_child(lambda: repr(telemetry.observer._values._values("encrypted")).encode())
    assert counted == b"[]"


def test_a_lost_key_service_is_an_error_of_a_known_type(telemetry: Any) -> None:
    """As botocore names it."""
    with LocalAws() as aws:
        provider = AwsKmsKeyProvider(aws.create_key(multi_region=False), client_factory=aws.kms)
        aws.cut("us-east-1")
        with pytest.raises(KeyProviderError):
            Encryptor(provider, MemoryKeyStore(), observer=telemetry.observer).field("a.b", str).encrypt(SSN)
    (call,) = points(telemetry.reader)["fieldcrypt.key_service.duration"]
    assert call[0]["error.type"] == "EndpointConnectionError"


def test_it_is_pickled_with_its_encryptor_if_providers_are_global(tmp_path: Path) -> None:
    """And makes the same metrics in the other process, of the providers that are set there, before or after."""
    make = """
import pickle, sys
from fieldcrypt import Encryptor, FileKeyStore, LocalKeyProvider
from fieldcrypt_opentelemetry import OpenTelemetryObserver
keys = LocalKeyProvider.from_file("key", create=True), FileKeyStore.create("keys.sqlite")
pickle.dump(Encryptor(*keys, observer=OpenTelemetryObserver()), sys.stdout.buffer)
"""
    use = """
import pickle, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
encryptor = pickle.load(sys.stdin.buffer)
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
field = encryptor.field("patients.ssn", str)
field.decrypt(field.encrypt("a"))
data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
print(*sorted(metric.name for metric in data if metric.data.data_points))
"""
    made = subprocess.run([sys.executable, "-c", make], cwd=tmp_path, capture_output=True, check=True)
    done = subprocess.run([sys.executable, "-c", use], cwd=tmp_path, input=made.stdout, capture_output=True, check=True)
    assert b"fieldcrypt.events" in done.stdout.split()


def test_providers_of_its_own_do_not_travel(telemetry: Any) -> None:
    """They hold threads and connections."""
    with pytest.raises(TypeError, match="providers of its own"):
        pickle.dumps(telemetry.observer)
