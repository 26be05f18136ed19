"""Exchanges about migrations that one version begins and the other one goes on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fieldcrypt.migration import Progress
from fieldcrypt_dynamodb.migration import CheckpointTable
from tests.fleet.exchanges.items import create_table
from tests.fleet.exchanges.site import Site
from tests.frozen import migrated, tables

__all__ = ["STEPS"]

_SQL = {"customers": migrated.copied, "letters": migrated.in_place}
_A_SECOND = 1.1


def _prepare_sql(site: Site) -> None:
    site.create()
    migrated.plain_rows(site.engine)
    site.encryptor.field("a.b", str).encrypt("")
    site.encryptor.blind_index("a.b").tag("")
    for tenant in ("clinic 0", "clinic 1"):
        site.encryptor.field("a.b", str).encrypt("", tenant=tenant)


def _prepare_dynamodb(site: Site) -> None:
    site.create()
    CheckpointTable(client_factory=site.dynamodb.client).create_table()
    create_table(site, "clients", ("clinic", "S"), ("number", "N"))
    plain = site.dynamodb.resource().Table("clients")
    for number in range(tables.ITEMS):
        plain.put_item(
            Item={**tables.key(number), "email": tables.email(number), "notes": tables.notes(number)},
        )


def _stop_after(job: Any, pages: int) -> Callable[[Progress], object]:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == pages:
            job.pause()

    return stop


class _Steps:
    """Steps of one kind of migration."""

    def __init__(self, prepare: Callable[[Site], None], job: Callable[[Site], Any], batch: int, pages: int) -> None:
        self.prepare = prepare
        self.job = job
        self.batch = batch
        self.pages = pages

    def begin(self, site: Site, _: Any) -> None:
        """Backfill about half of it."""
        self.prepare(site)
        job = self.job(site)
        report = job.backfill(batch=self.batch, on_progress=_stop_after(job, self.pages))
        assert (report.complete, report.rows > 0) == (False, True)

    def go_on(self, site: Site, _: Any) -> None:
        """Backfill the rest."""
        report = self.job(site).backfill()
        assert (report.complete, report.failed) == (True, 0), report

    def restart(self, site: Site, _: Any) -> None:
        """Backfill all of it from the beginning."""
        report = self.job(site).backfill(restart=True)
        assert (report.complete, report.failed) == (True, 0), report

    def verify(self, site: Site, _: Any) -> None:
        """Verify what the other version has encrypted."""
        time.sleep(_A_SECOND)
        report = self.job(site).verify()
        assert report.wrong == 0, report

    def backfill(self, site: Site, _: Any) -> None:
        """Backfill and verify all of it."""
        self.prepare(site)
        assert self.job(site).backfill(batch=self.batch).complete
        self.verify(site, None)

    def finish(self, site: Site, _: Any) -> None:
        """Finish what the other version has verified."""
        report = self.job(site).finish()
        assert (report.complete, report.failed) == (True, 0), report

    def undo_half(self, site: Site, _: Any) -> None:
        """Encrypt all, and undo about half of it."""
        self.backfill(site, None)
        job = self.job(site)
        report = job.undo(batch=self.batch, on_progress=_stop_after(job, self.pages))
        assert (report.complete, report.changed > 0) == (False, True)

    def undo(self, site: Site, _: Any) -> None:
        """Undo the rest."""
        report = self.job(site).undo()
        assert (report.complete, report.failed) == (True, 0), report

    def status(self, site: Site, _: Any) -> None:
        """Read how far it is."""
        steps = {step.step: step.state for step in self.job(site).status().steps}
        assert steps["backfill"] in ("paused", "stopped"), steps


_KINDS = {
    "in SQL, into another column": _Steps(_prepare_sql, lambda site: _sql("customers", site), migrated.BATCH, 12),
    "in SQL, in place": _Steps(_prepare_sql, lambda site: _sql("letters", site), migrated.BATCH, 12),
    "of a DynamoDB table": _Steps(
        _prepare_dynamodb, lambda site: tables.of_table(site.dynamodb, site.encryptor), tables.BATCH, 4
    ),
    "of a PynamoDB model": _Steps(
        _prepare_dynamodb, lambda site: tables.of_model(site.dynamodb, site.encryptor), tables.BATCH, 4
    ),
}


def _sql(name: str, site: Site) -> Any:
    assert site.encryptor
    return _SQL[name](site.engine)


STEPS: Mapping[str, Sequence[Any]] = {
    f"{what} {kind}": steps
    for kind, own in _KINDS.items()
    for what, steps in {
        "the status of a migration": [own.begin, own.status],
        "a paused backfill": [own.begin, own.go_on],
        "a restarted backfill": [own.begin, own.restart, own.verify],
        "a backfill that the other one verifies": [own.backfill, own.verify],
        "a verified backfill that the other one finishes": [own.backfill, own.finish],
        "an undo": [own.undo_half, own.undo],
    }.items()
}
