"""A table of plaintext is encrypted in place while others write to it and the job is killed again and again.

    python -m benchmarks.migration [--rows N] [--kills N] [--workers N] [--batch N] [--key bigint|text]
                                   [--storage binary|text] [--json FILE]

Two processes change random rows of a PostgreSQL table throughout, and the backfill's process is killed with SIGKILL at
random moments and started again. Then every row is read and compared with what was last committed to it, and the
table's files are searched for plaintext. One bit is flipped, two values are exchanged, and one is made plaintext again,
which `verify` has to find. Before all that, the speed of the backfill is compared with that of plain UPDATEs of as many
rows in the same batches. Ends with exit code 1 if what is promised does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, LargeBinary, Text, bindparam, column, select, table, text, update
from sqlalchemy.orm import Session

from benchmarks.migration_journal import read_journals
from benchmarks.migration_workload import CLINICS, COLUMNS, MARK, Shape, connect, encryptor, original
from fieldcrypt_sqlalchemy import SqlKeyStore
from fieldcrypt_sqlalchemy.migration import Migration
from tests.support.postgres import Postgres

ROOT = Path(__file__).parent.parent
MEMORY = 300  # MB that a backfill may take
_MEASURED = 100_000  # rows for the comparison with plain UPDATEs
_ROUNDS = 3
_VALUE = 82  # bytes of an encrypted value, about


@dataclass
class Outcome:
    """What was measured."""

    rows: int
    kills: int
    shape: Shape = field(default_factory=Shape)
    seconds: float = 0.0
    changes: int = 0  # that were committed by others meanwhile
    changed_rows: int = 0
    again: int = 0  # times that a row was sent once more
    megabytes: float = 0.0  # the most that a backfill took
    ratio: float = 0.0
    rows_a_second: float = 0.0
    verify_rows_a_second: float = 0.0
    wrong: list[str] = field(default_factory=list)


def run(server: Postgres, outcome: Outcome, workers: int, batch: int, directory: Path, seed: int) -> None:
    """Fill a table, have it encrypted under these conditions, and look at what has become of it."""
    key = os.urandom(32).hex()
    engine, shape = connect(server.url, key), outcome.shape
    _fill(engine, shape, outcome.rows)
    _make_keys()
    attempts = directory / "attempts"
    journals = [directory / f"writer-{number}" for number in range(2)]
    chance = random.Random(seed)
    began = time.monotonic()
    with ExitStack() as stack:
        for number, journal in enumerate(journals):
            stack.enter_context(_process("write", shape, server.url, key, str(number), str(outcome.rows), str(journal)))
        common = (server.url, key, str(workers), str(batch), str(attempts))
        share = 1 / (outcome.kills + 1)
        for number in range(outcome.kills):
            with _process("backfill", shape, *common) as process:
                target = share * (number + chance.uniform(0.2, 0.9)) * outcome.rows
                _until_written(attempts, target, process, outcome)
        with _process("backfill", shape, *common) as process:
            while process.poll() is None:
                _watch(process, outcome)
                time.sleep(0.05)
            if process.returncode:
                outcome.wrong.append(f"the last backfill ended with {process.returncode}")
        outcome.seconds = time.monotonic() - began
    _check_attempts(attempts, outcome, workers * batch)
    _check_rows(engine, journals, outcome)
    _check_files(server, outcome)
    _check_that_damage_is_found(engine, outcome)
    engine.dispose()


def _fill(engine: Engine, shape: Shape, rows: int) -> None:
    shape.model.metadata.create_all(engine)
    SqlKeyStore(engine).create_table()
    values = ", ".join(shape.plaintext_sql(f"'{MARK}{name} of ' || {shape.id_sql}") for name in COLUMNS)
    read = f"SELECT {shape.id_sql}, 'clinic-' || n % {CLINICS}, {values}"
    query = f"INSERT INTO patients (id, clinic, {', '.join(COLUMNS)}) {read}"
    with engine.begin() as connection:
        connection.execute(text(f"{query} FROM generate_series(0, {rows - 1}) n"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE patients")


def _make_keys() -> None:
    """Make the first keys: processes that did so at one moment would make several each, which `verify` would tell."""
    field = encryptor.field("patients.name", str)
    encryptor.blind_index("patients.email", str).tag(MARK)
    for number in range(CLINICS):
        field.encrypt(MARK, tenant=f"clinic-{number}")


@contextmanager
def _process(what: str, shape: Shape, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the workload, killed on leaving."""
    command = [sys.executable, "-m", "benchmarks.migration_workload", what, shape.key, shape.storage, *arguments]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 (our own)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _until_written(attempts: Path, target: float, process: subprocess.Popen[bytes], outcome: Outcome) -> None:
    """Wait until a backfill has sent so many rows; it is killed then, wherever it is."""
    while process.poll() is None and _lines(attempts, outcome) < target:
        _watch(process, outcome)
        time.sleep(0.02)
    if process.poll() is not None:
        outcome.wrong.append("a backfill ended before it was killed")


def _lines(attempts: Path, outcome: Outcome) -> float:
    """Say about how many rows were sent: without reading all of it each time."""
    size = len(f"{outcome.shape.id_of(outcome.rows)}\n") - 0.11  # of a line, in the middle
    return attempts.stat().st_size / size if attempts.exists() else 0


def _watch(process: subprocess.Popen[bytes], outcome: Outcome) -> None:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            outcome.megabytes = max(outcome.megabytes, int(line.split()[1]) / 1024)


def _check_attempts(attempts: Path, outcome: Outcome, at_work: int) -> None:
    """Each row is sent once, and once more for each kill that fell while it was being sent."""
    sent = Counter(attempts.read_bytes().split())
    outcome.again = sent.total() - len(sent)
    if outcome.again > outcome.kills * at_work:
        outcome.wrong.append(f"{outcome.again} times a row was sent again, more than were at work at the kills")
    if max(sent.values()) > 1 + outcome.kills:
        outcome.wrong.append(f"a row was sent {max(sent.values())} times, with {outcome.kills} kills")


def _check_rows(engine: Engine, journals: Sequence[Path], outcome: Outcome) -> None:
    """Every row can be read, and has what was last committed to it."""
    committed, begun = read_journals(journals)
    outcome.changes = sum(len(values) for values in committed.values())
    outcome.changed_rows = len({row for row, _ in committed})
    before = encryptor.stats().events.get("plaintext_read", 0)
    with Session(engine) as session:
        for patient in session.scalars(select(outcome.shape.model).execution_options(yield_per=1000)):
            for name in COLUMNS:
                value = getattr(patient, name)
                value = value.decode() if isinstance(value, bytes) else value
                place = str(patient.id), name
                may_be = [committed[place][-1]] if place in committed else [original(*place)]
                if value not in may_be + begun.get(place, []):  # a commit whose answer the writer did not live to see
                    outcome.wrong.append(f"{place} has {value!r} in place of {may_be[-1]!r}")
            session.expunge(patient)
    plaintext = encryptor.stats().events.get("plaintext_read", 0) - before
    if plaintext:
        outcome.wrong.append(f"{plaintext} values are plaintext")


def _check_files(server: Postgres, outcome: Outcome) -> None:
    """No plaintext is in the table's files, once they are written again."""
    server.sql("VACUUM FULL patients", "CHECKPOINT")
    query = (
        "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname = 'patients' UNION "
        "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'patients' AND reltoastrelid <> 0"
    )
    files = [path for (name,) in server.sql(query) for path in (server.directory / "data").glob(f"{name}*")]
    if not files:
        outcome.wrong.append("the table's files were not found")
    for path in files:
        if MARK.encode() in path.read_bytes():
            outcome.wrong.append(f"{path.name} has plaintext")


def _check_that_damage_is_found(engine: Engine, outcome: Outcome) -> None:
    """A flipped bit, a swapped pair and a row of plaintext are named, and no other row is."""
    shape = outcome.shape
    flipped, one, other, plain = (shape.id_of(outcome.rows * share // 100) for share in (7, 23, 61, 88))
    damage = {"flipped": flipped, "one": one, "other": other, "plain": plain, "planted": f"{MARK}planted"}
    flip = "set_bit(ssn, 500, 1 - get_bit(ssn, 500))"
    if shape.storage == "text":
        flip = "overlay(ssn placing CASE substr(ssn, 60, 1) WHEN 'A' THEN 'B' ELSE 'A' END from 60)"
    with engine.begin() as connection:
        for statement in (
            f"UPDATE patients SET ssn = {flip} WHERE id = :flipped",  # noqa: S608 (our own)
            "UPDATE patients p SET name = q.name FROM patients q "
            "WHERE (p.id, q.id) IN ((:one, :other), (:other, :one))",
            f"UPDATE patients SET notes = {shape.plaintext_sql('CAST(:planted AS text)')} WHERE id = :plain",  # noqa: S608
        ):
            connection.execute(text(statement), damage)
    began = time.perf_counter()
    report = Migration(engine, outcome.shape.model).verify()
    outcome.verify_rows_a_second = report.rows / (time.perf_counter() - began)
    expected = {
        (flipped,): "ssn does not decrypt",
        (one,): "name does not decrypt",
        (other,): "name does not decrypt",
        (plain,): "notes is plaintext",
    }
    if dict(report.reasons) != expected or report.rows != outcome.rows:
        outcome.wrong.append(f"verify names {dict(report.reasons)} and not {expected}")


# The speed, without writers and kills


def compare(server: Postgres, outcome: Outcome, rows: int, batch: int) -> None:
    """Measure backfills and plain UPDATEs of as many rows in the same batches, in turns."""
    engine, shape = connect(server.url, os.urandom(32).hex()), outcome.shape
    ratios = []
    for _ in range(_ROUNDS):
        _fill(engine, shape, rows)
        began = time.perf_counter()
        _plain_updates(engine, shape, rows, batch)
        plain = time.perf_counter() - began
        shape.model.metadata.drop_all(engine)
        _fill(engine, shape, rows)
        began = time.perf_counter()
        report = Migration(engine, outcome.shape.model).backfill(batch=batch, restart=True)
        seconds = time.perf_counter() - began
        if report.changed != rows:
            outcome.wrong.append(f"the measured backfill changed {report.changed} of {rows} rows")
        shape.model.metadata.drop_all(engine)
        ratios.append(plain / seconds)
        outcome.rows_a_second = max(outcome.rows_a_second, rows / seconds)
    outcome.ratio = median(ratios)
    with engine.begin() as connection:
        keys = "fieldcrypt_data_keys"
        for name in (keys, f"{keys}_claims", "fieldcrypt_migrations", "fieldcrypt_migration_ranges"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
    engine.dispose()


def _plain_updates(engine: Engine, shape: Shape, rows: int, batch: int) -> None:
    stored = Text() if shape.storage == "text" else LargeBinary()
    types = dict.fromkeys(COLUMNS, stored) | {"email_tag": LargeBinary()}
    target = table("patients", column("id"), *(column(name, kind) for name, kind in types.items()))
    statement = update(target).where(target.c.id == bindparam("row"))
    statement = statement.values({name: bindparam(f"new_{name}") for name in types})
    value: dict[str, Any] = {f"new_{name}": os.urandom(_VALUE) for name in types}
    if shape.storage == "text":
        value |= {f"new_{name}": os.urandom(_VALUE * 2 // 3).hex() for name in COLUMNS}
    for first in range(0, rows, batch):
        parameters = [value | {"row": shape.id_of(row)} for row in range(first, min(first + batch, rows))]
        with engine.begin() as connection:
            connection.execute(statement, parameters)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--key", choices=("bigint", "text"), default="bigint")
    parser.add_argument("--storage", choices=("binary", "text"), default="binary")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    outcome = Outcome(options.rows, options.kills, Shape(options.key, options.storage))
    with Postgres() as server, tempfile.TemporaryDirectory() as directory:
        compare(server, outcome, min(options.rows, _MEASURED), options.batch)
        run(server, outcome, options.workers, options.batch, Path(directory), options.seed)
    if outcome.megabytes > MEMORY:
        outcome.wrong.append(f"a backfill took {outcome.megabytes:.0f} MB")
    if not outcome.changes:
        outcome.wrong.append("nobody wrote meanwhile")
    print(
        f"{outcome.rows:,} rows ({options.key} key) of {len(COLUMNS)} protected columns ({options.storage}), "
        f"{outcome.kills} times killed: "
        f"{outcome.seconds:.0f} s\n"
        f"{outcome.changes:,} changes of {outcome.changed_rows:,} rows by two writers meanwhile, none of them lost\n"
        f"{outcome.again:,} times a row was sent once more, because of the kills\n"
        f"{outcome.megabytes:.0f} MB at the most\n"
        f"{outcome.rows_a_second:,.0f} rows a second when alone, {outcome.ratio:.2f} of the speed of plain UPDATEs\n"
        f"{outcome.verify_rows_a_second:,.0f} rows a second verified; four damaged rows found among them"
    )
    for wrong in outcome.wrong[:20]:
        print(f"WRONG: {wrong}")
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(outcome), indent=2))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
