"""Columns of Arrow: fields a second on one core, of several types, with rows and tenants, by both backends.

    python -m benchmarks.columns [--rows N] [--rounds N]

By the seconds of the processor, of all threads; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date, datetime
from time import process_time
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.native.backends import encryptors
from fieldcrypt import Field
from fieldcrypt.columns import arrow

TENANTS = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.columns", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rows, rounds = arguments.rows, arguments.rounds
    table = Table("values", "where", "backend", "encrypt, M/s", "decrypt, M/s", title=f"{rows:,} cells, one core")
    for name, (kind, column) in _columns(rows).items():
        for where, how in _places(rows).items():
            for backend, encryptor in encryptors().items():
                field = encryptor.field("benchmark.column", kind)
                figures = _figures(field, column, how, rounds)
                table.add_row(name, where, backend, *(f"{rows / seconds / 1e6:.2f}" for seconds in figures))
    Console().print(table)


def _columns(rows: int) -> dict[str, tuple[Any, pa.Array]]:
    numbers = pa.array(range(rows), pa.int64())
    return {
        "texts of 20 B": (str, pa.array([f"{number:020}" for number in range(rows)])),
        "texts of 64 B": (str, pa.array([f"{number:064}" for number in range(rows)])),
        "integers": (int, numbers),
        "dates": (date, pa.array([number % 20_000 for number in range(rows)], pa.int32()).cast(pa.date32())),
        "timestamps": (datetime, numbers.cast(pa.timestamp("us"))),
    }


def _places(rows: int) -> dict[str, dict[str, Any]]:
    return {
        "": {},
        "rows": {"row": pa.array(range(rows), pa.int64())},
        f"{TENANTS} tenants": {"tenant": pa.array([f"clinic-{number * TENANTS // rows}" for number in range(rows)])},
    }


def _figures(field: Field[Any], column: pa.Array, how: dict[str, Any], rounds: int) -> tuple[float, float]:
    stored = arrow.encrypt_column(field, column, **how)
    if arrow.decrypt_column(field, stored, **how) != column:
        raise AssertionError("a column did not come back")
    return (
        _best(lambda: arrow.encrypt_column(field, column, **how), rounds),
        _best(lambda: arrow.decrypt_column(field, stored, **how), rounds),
    )


def _best(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = process_time()
        work()
        best = min(best, process_time() - start)
    return best


if __name__ == "__main__":
    main()
