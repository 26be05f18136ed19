"""Spark in two threads: a table encrypted, written to Parquet, read and decrypted, beside the same with identity UDFs.

    python -m benchmarks.spark [--rows N] [--fields N] [--json FILE]

What encryption costs is what a job takes longer than the one whose pandas UDF returns what it is given. Gross is the
whole job: reading Parquet, two crossings between Java and Python, and writing Parquet, which a job has without us.
Everything is counted in seconds of the clock, and in seconds of CPU that Java and the Python workers used, which other
work on the machine does not change as much. Exits with 1 if what was read is not what was written, or if encryption or
decryption, gross and by the clock, is slower than 250,000 fields per second and core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from rich.console import Console
from rich.table import Table

from benchmarks import measure
from fieldcrypt import Encryptor, Field, FileKeyStore, LocalKeyProvider
from fieldcrypt_spark import decrypt_column, encrypt_column

CORES = 2
CLOCKS = {"clock": CORES, "CPU": 1}  # and on how many cores its seconds pass at once
LIMIT = 250_000  # fields per second and core
_ROUNDS = 3
_PARTITIONS = 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--fields", type=int, default=1, help="encrypted columns a row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as directory:
        spark = _session()
        try:
            figures = _measure(spark, Path(directory), arguments.rows, arguments.fields)
        finally:
            spark.stop()
    console.print(f"{arguments.rows:,} rows of {arguments.fields} texts of 11 characters, local[{CORES}]")
    for clock in CLOCKS:
        table = Table(title=f"by the {clock}", title_justify="left")
        for column in ("job", "seconds", "gross fields/s/core", "us a field beyond identity", "net fields/s/core"):
            table.add_column(column, justify="left" if column == "job" else "right")
        for job, row in figures[clock].items():
            beyond = [f"{row['net us']:.2f}", f"{row['net']:,.0f}"] if "net" in row else ["", ""]
            table.add_row(job, f"{row['seconds']:.2f}", f"{row['gross']:,.0f}", *beyond)
        console.print(table)
    for name, value in measure.environment().items():
        console.print(f"[dim]{name}: {value}[/]")
    if arguments.json:
        measure.write_json(arguments.json, figures)
    slow = [job for job, row in figures["clock"].items() if "net" in row and row["gross"] < LIMIT]
    if slow:
        sys.exit(f"slower than {LIMIT:,} fields per second and core, all included: {', '.join(slow)}")


def _session() -> SparkSession:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
    for setting in ("spark.driver.bindAddress", "spark.driver.host"):
        builder = builder.config(setting, "127.0.0.1")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _measure(spark: SparkSession, directory: Path, rows: int, count: int) -> dict[str, dict[str, dict[str, float]]]:
    """Time the jobs in turn, several times each, and compare what came back with what went in."""
    names = [f"ssn_{number}" for number in range(count)]
    fields = {name: _field(directory, name) for name in names}
    texts = [
        F.concat(F.lit(f"{n:03}-"), F.lpad(F.col("id").cast("string"), 7, "0")).alias(name)
        for n, name in enumerate(names)
    ]
    spark.range(rows, numPartitions=_PARTITIONS).select("id", *texts).write.parquet(str(directory / "plain"))

    def job(source: str, target: str, column: Callable[[str], Column]) -> Callable[[], DataFrame]:
        def run() -> DataFrame:
            frame = spark.read.parquet(str(directory / source)).withColumns({name: column(name) for name in names})
            frame.write.mode("overwrite").parquet(str(directory / target))
            return frame

        return run

    jobs = {
        "identity, texts": job("plain", "copy", F.pandas_udf(_identity, "string")),
        "encrypt": job("plain", "encrypted", lambda name: encrypt_column(fields[name], name)),
        "identity, binary": job("encrypted", "encrypted copy", F.pandas_udf(_identity, "binary")),
        "decrypt": job("encrypted", "decrypted", lambda name: decrypt_column(fields[name], name)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for turn in range(_ROUNDS + 1):
        for name, run in jobs.items():
            start, used = time.perf_counter(), _cpu_seconds()
            run()
            if turn:  # the first one starts workers and compiles
                times[name].append((time.perf_counter() - start, _cpu_seconds() - used))
    plain, decrypted = (spark.read.parquet(str(directory / name)) for name in ("plain", "decrypted"))
    if plain.count() != rows or plain.exceptAll(decrypted).count() or decrypted.exceptAll(plain).count():
        sys.exit("what was decrypted is not what was encrypted")
    return {
        clock: _figures({job: [both[at] for both in seconds] for job, seconds in times.items()}, rows * count, cores)
        for at, (clock, cores) in enumerate(CLOCKS.items())
    }


def _figures(times: dict[str, list[float]], cells: int, cores: int) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    for job, seconds in times.items():
        taken = statistics.median(seconds)
        figures[job] = {"seconds": taken, "gross": cells / taken / cores}
    for job, identity in (("encrypt", "identity, texts"), ("decrypt", "identity, binary")):
        extra = figures[job]["seconds"] - figures[identity]["seconds"]
        figures[job]["net us"] = extra * cores / cells * 1e6
        figures[job]["net"] = cells / extra / cores
    return figures


def _cpu_seconds() -> float:
    """Return what Java and the Python workers, this process's children, have used of the cores."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system
    return total


def _field(directory: Path, name: str) -> Field[str]:
    key = directory / "key"
    if not key.exists():
        key.write_bytes(b64encode(os.urandom(32)))
    encryptor = Encryptor(LocalKeyProvider.from_file(key), FileKeyStore.create(directory / "keys.sqlite"))
    field = encryptor.field(f"benchmark.{name}", str)
    field.encrypt("")  # so that there is a data key before many ask for one
    return field


def _identity(values: pd.Series) -> pd.Series:
    return values


if __name__ == "__main__":
    main()
