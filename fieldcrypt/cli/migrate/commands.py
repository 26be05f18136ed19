"""`fieldcrypt migrate`: from plaintext, or another scheme, to protected values, and through rotations."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.migrate.progress import print_step, showing
from fieldcrypt.cli.migrate.reports import print_plan, print_status, print_verified
from fieldcrypt.cli.migrations import MigrationArgument, find_migration
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, say
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration import MendsRows, Sample, ValueStatus

__all__ = ["migrate"]

migrate = typer.Typer(name="migrate", help="Encrypt existing data, re-encrypt it, and verify it.", no_args_is_help=True)

ConfidenceOption = Annotated[
    float | None,
    typer.Option(metavar="0…1", help="Check only as many random rows as reach this confidence."),
]
ShareOption = Annotated[
    float, typer.Option(metavar="0…1", help="With --confidence: that fewer than this share of all rows are wrong.")
]
BatchOption = Annotated[int, typer.Option(min=1, metavar="ROWS", help="Rows per transaction.")]


@migrate.command()
def plan(
    migration: MigrationArgument = None,
    confidence: ConfidenceOption = None,
    share: ShareOption = 0.001,
    as_json: JsonOption = False,
) -> None:
    """Show what the values of each column are, and which schema change is needed. Changes nothing.

    Exit code 1 if a schema change is needed, or values cannot be read.
    """
    found = find_migration(migration)
    with showing("plan", as_json) as tell:
        planned = found.plan(sample=_sample(confidence, share), on_progress=tell)
    print_plan(planned, as_json)
    unread = any(
        counts[status] for counts in planned.fields.values() for status in (ValueStatus.UNREADABLE, ValueStatus.MARKED)
    )
    if planned.needed or planned.left or unread:
        raise typer.Exit(1)


@migrate.command()
def backfill(
    migration: MigrationArgument = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads.")] = 1,
    batch: BatchOption = 1000,
    rate: Annotated[float | None, typer.Option(min=0.01, metavar="ROWS", help="Rows per second at most.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again, whatever was begun.")] = False,
    mend: Annotated[bool, typer.Option("--mend", help="Encrypt plaintext next to values that do not open.")] = False,
    newer_plaintext: Annotated[
        bool, typer.Option("--newer-plaintext", help="Plaintext that differs is newer: encrypt it.")
    ] = False,
    newer_plaintext_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="The same for one row, by its key; several parts are a JSON array. May be repeated."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encrypt values that are not protected as declared, while others read and write.

    Interrupt it, kill it, run several at once: it resumes where it was. Exit code 1 unless it is complete: if it was
    paused, some rows could not be changed, or the database counts rows that are left.
    """
    if newer_plaintext and newer_plaintext_of:
        raise typer.BadParameter("--newer-plaintext is for all rows, --newer-plaintext-of for some: use one of them")
    found = find_migration(migration)
    with showing("backfill", as_json) as tell:
        report = found.backfill(
            workers=workers,
            batch=batch,
            rate=rate,
            restart=restart,
            mend=mend,
            newer_plaintext=newer_plaintext or newer_plaintext_of or False,
            on_progress=tell,
        )
    print_step(report, as_json, "backfill")


@migrate.command()
def mend(
    as_plaintext: Annotated[
        list[str],
        typer.Option(
            "--as-plaintext",
            metavar="KEY",
            help="The primary key of a row whose text begins with fc1. and is your old plaintext; several parts are a "
            "JSON array. May be repeated.",
        ),
    ],
    migration: MigrationArgument = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column, if several columns of the row begin with fc1.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encrypt old plaintext that begins with fc1., as encrypted text does, in the rows that you name.

    Anyone who can write to the database can plant such text, to make it become authentic: check each row first. Values
    that open are never encrypted again. Exit code 1 if a row could not be mended.
    """
    found = find_migration(migration)
    if not isinstance(found, MendsRows):
        raise ConfigurationError(f"{found.name} has no columns of text, in which plaintext could begin with fc1.")
    report = found.mend(as_plaintext=as_plaintext, column=column)
    if not as_json:
        for remark in report.remarks:
            say(remark)
        report = report._replace(remarks=())
    print_step(report, as_json, "mend")


@migrate.command()
def verify(
    migration: MigrationArgument = None,
    confidence: ConfidenceOption = None,
    share: ShareOption = 0.001,
    as_json: JsonOption = False,
) -> None:
    """Decrypt all rows, or a sample, and compare. Exit code 1 if any have defects; their keys are shown."""
    found = find_migration(migration)
    with showing("verify", as_json) as tell:
        report = found.verify(sample=_sample(confidence, share), on_progress=tell)
    print_verified(report, as_json)
    if report.wrong or report.left:
        raise typer.Exit(1)


@migrate.command()
def finish(
    migration: MigrationArgument = None,
    batch: BatchOption = 1000,
    stale_plaintext: Annotated[
        bool, typer.Option("--stale-plaintext", help="Plaintext that differs is out of date: remove it too.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the plaintext, once no process reads or writes it any more. This cannot be undone.

    Plaintext that differs from the encrypted value may be newer, and stays. Exit code 1 unless nothing is left.
    """
    found = find_migration(migration)
    if not yes:
        where = "also where the two differ" if stale_plaintext else "wherever the two are the same"
        ask(
            [
                f"{found.name}: plaintext next to an encrypted value is removed permanently, {where}. "
                "There is no undo.",
                "No process may read or write that plaintext any more.",
            ],
            "Nothing was removed.",
        )
    with showing("finish", as_json) as tell:
        report = found.finish(batch=batch, stale_plaintext=stale_plaintext, on_progress=tell)
    print_step(report, as_json, "finish")


@migrate.command()
def undo(
    migration: MigrationArgument = None, batch: BatchOption = 1000, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Undo a backfill, as long as it is not finished. Rows that would lose data stay as they are.

    Exit code 1 unless it is complete.
    """
    found = find_migration(migration)
    if not yes:
        ask([f"The encrypted values of {found.name} will be plaintext again."], "Nothing was changed.")
    with showing("undo", as_json) as tell:
        report = found.undo(batch=batch, on_progress=tell)
    print_step(report, as_json, "undo")


@migrate.command()
def pause(migration: MigrationArgument = None) -> None:
    """Stop all its processes at their next checkpoint. Run the step again to resume it."""
    found = find_migration(migration)
    found.pause()
    say(f"{found.name}: all workers stop at their next checkpoint")


@migrate.command()
def status(migration: MigrationArgument = None, as_json: JsonOption = False) -> None:
    """Show how far each step is, and which processes are at work."""
    print_status(find_migration(migration).status(), as_json)


def _sample(confidence: float | None, share: float) -> Sample | None:
    try:
        return None if confidence is None else Sample(confidence, share)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
