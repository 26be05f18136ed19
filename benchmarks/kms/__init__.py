"""What fleets ask of KMS: calls, dollars, throttling and waiting, simulated with the genuine keyring."""

from __future__ import annotations

from benchmarks.kms.findings import find
from benchmarks.kms.report import TITLE, section
from benchmarks.kms.service import Latency, Tariff
from benchmarks.section import Benchmark, Options, Section

__all__ = ["BENCHMARK"]


def _run(options: Options) -> Section:
    return section(find(options, Tariff(), Latency()))


BENCHMARK = Benchmark("kms", f"{TITLE}, of fleets of up to 10,000 processes", _run, (50, 12))
