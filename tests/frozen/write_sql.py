"""Wrote the frozen databases: see write.py."""

from __future__ import annotations

# isort: off
import tests.frozen.clock as clock  # first: this is a program of its own, too, for the migration that is killed

# isort: on
import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from fieldcrypt.migration import Progress
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.frozen import keys, life, migrated, models
from tests.support.postgres import SUPERUSER, Postgres
from tests.support.servers import HOST

KILLED = 9
HALF = 12  # checkpoints
Scenario = Callable[[Engine], object]


def write_sql(directory: Path, advance: Callable[[float], None]) -> dict[str, Any]:
    """Write every database, of SQLite and as a dump of PostgreSQL; return the lives of their key stores."""
    lives = {}
    with Postgres() as server:
        for kind in ("sqlite", "postgresql"):
            for name, scenario in {"rows": _rows, **SCENARIOS}.items():
                path = directory / "sqlite" / f"{name}.sqlite"
                engine = create_engine(f"sqlite:///{path}" if kind == "sqlite" else server.url)
                store = SqlKeyStore(engine)
                store.create_table()
                if name == "rows":
                    lives[kind] = life.lead(keys.encryptor(store), advance)
                models.encryptor.configure(keys.provider(), store, policy=keys.POLICY)
                scenario(engine)
                if kind == "postgresql":
                    (directory / "postgresql" / f"{name}.sql").write_text(_dump(server), encoding="utf-8")
                    server.sql("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
                engine.dispose()
                if kind == "sqlite":
                    _make_small(path)
    return lives


def _make_small(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("VACUUM")


def _dump(server: Postgres) -> str:
    program = server.installation / "bin" / "pg_dump"
    arguments = ["-h", HOST, "-p", str(server.port), "-U", SUPERUSER, "--inserts", "--no-owner", "postgres"]
    text = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True).stdout
    # Without what would set up the session that reads it, and what only psql understands.
    kept = [line for line in text.splitlines() if not re.match(r"--|SET |SELECT pg_catalog.set_config|\\|$", line)]
    return "\n".join(kept) + "\n"


def _rows(engine: Engine) -> None:
    models.Base.metadata.create_all(engine)
    model, key, values = models.SHREDDED
    for tenant in (None, "north", "south", values["clinic"]):  # SQLite has no room for a second writer, of keys
        models.encryptor.field("a.b", str).encrypt("", tenant=tenant)
        models.encryptor.blind_index("a.b").tag("", tenant=tenant)
    with Session(engine) as session:
        session.add_all(each(**its_key, **its_values) for each, its_key, its_values in models.ROWS)
        session.add(model(**key, **values))
        session.commit()
    models.encryptor.data_keys.shred(values["clinic"], by="writer@example.org")


def _stop_after(job: Any, pages: int) -> Callable[[Progress], object]:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == pages:
            job.pause()

    return stop


def _paused_backfill(engine: Engine) -> None:
    migrated.plain_rows(engine)
    for job in (migrated.copied(engine), migrated.in_place(engine)):
        report = job.backfill(batch=migrated.BATCH, on_progress=_stop_after(job, HALF))
        assert (report.complete, 0 < report.rows < migrated.ROWS) == (False, True)


def _killed_backfill(engine: Engine) -> None:
    migrated.plain_rows(engine)
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-m", "tests.frozen.write_sql", url], check=False)
    assert done.returncode == KILLED


def _verified(engine: Engine) -> None:
    migrated.plain_rows(engine)
    for job in (migrated.copied(engine), migrated.in_place(engine)):
        assert job.backfill(batch=migrated.BATCH).complete
        clock.advance(10)
        assert job.verify().wrong == 0


def _half_undone(engine: Engine) -> None:
    _verified(engine)
    for job in (migrated.copied(engine), migrated.in_place(engine)):
        report = job.undo(batch=migrated.BATCH, on_progress=_stop_after(job, HALF))
        assert (report.complete, 0 < report.changed < migrated.ROWS) == (False, True)


def _half_finished(engine: Engine) -> None:
    _verified(engine)
    for job in (migrated.copied(engine), migrated.in_place(engine)):
        report = job.finish(batch=migrated.BATCH, on_progress=_stop_after(job, HALF))
        assert report.complete is (job.name == "letters")  # in place there is nothing to remove


SCENARIOS: dict[str, Scenario] = {
    "paused-backfill": _paused_backfill,
    "killed-backfill": _killed_backfill,
    "verified": _verified,
    "half-undone": _half_undone,
    "half-finished": _half_finished,
}


def _be_killed(url: str) -> None:
    """Backfill, and end suddenly when half of it is done."""
    platform.node = lambda: "writer.example.org"
    engine = create_engine(url)
    models.encryptor.configure(keys.provider(), SqlKeyStore(engine), policy=keys.POLICY)
    for job in (migrated.in_place(engine), migrated.copied(engine)):
        seen: list[Progress] = []

        def die(progress: Progress, job: Any = job, seen: list[Progress] = seen) -> None:
            seen.append(progress)
            if len(seen) == HALF:
                if job.name == "customers":
                    os._exit(KILLED)
                raise KeyboardInterrupt

        try:
            job.backfill(batch=migrated.BATCH, on_progress=die)
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    _be_killed(sys.argv[1])
