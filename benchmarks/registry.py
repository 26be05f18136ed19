"""Which benchmarks there are. They are imported when they are asked for, and may turn out to lack a library."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from benchmarks.section import Benchmark

__all__ = ["MODULES", "load"]

# Name -> the module that has the `BENCHMARK`, in the order of the report.
MODULES = {
    "native": "benchmarks.native",
    "field": "benchmarks.field",
    "peers": "benchmarks.peers_bench",
    "sqlalchemy": "benchmarks.sqlalchemy_bench",
    "dynamodb": "benchmarks.dynamodb_bench",
    "kms": "benchmarks.kms",
    "search": "benchmarks.search",
    "scale": "benchmarks.scale",
    "chaos": "benchmarks.chaos",
}


def load(names: Iterable[str]) -> tuple[list[Benchmark], dict[str, str]]:
    """Import benchmarks.

    Returns:
        Those that can be run, and the reasons why others cannot, by name.
    """
    found: list[Benchmark] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            found.append(import_module(MODULES[name]).BENCHMARK)
        except ImportError as error:
            missing[name] = str(error)
    return found, missing
