"""`fieldcrypt index`: dropping blind indexes."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.migrate.progress import print_step, showing
from fieldcrypt.cli.migrations import find_migration
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, print_json, say
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format._text import counted
from fieldcrypt.migration import DropsIndexes

__all__ = ["index"]

index = typer.Typer(name="index", help="Drop blind indexes.", no_args_is_help=True)


@index.callback()
def _() -> None:
    """Keep `drop` a command of its own, although it is the only one."""


@index.command()
def drop(
    migration: Annotated[str, typer.Argument(metavar="MODULE:NAME", help="The Migration of the model or table.")],
    companions: Annotated[
        list[str],
        typer.Argument(metavar="COMPANION", help="The index, or one of the columns or attributes with its tags."),
    ],
    erase: Annotated[bool, typer.Option("--erase", help="Erase the tags. Without it, only count them.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads.")] = 1,
    batch: Annotated[int, typer.Option(min=1, metavar="ROWS", help="Rows per transaction.")] = 1000,
    rate: Annotated[float | None, typer.Option(min=0.01, metavar="ROWS", help="Rows per second at most.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again, whatever was begun.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Erase the tags of a blind index from all rows. Searches by it find nothing any more. Backups keep the tags.

    Interrupt it, kill it, run several at once: it resumes where it was. Exit code 1 unless it is complete: if rows
    could not be changed, or others still write tags.
    """
    found = find_migration(migration)
    if not isinstance(found, DropsIndexes):
        raise ConfigurationError(f"{migration} migrates nothing that has indexes")
    tagged = found.tagged(*companions)
    names = " and ".join(companions)
    lines = [f"{name}: {counted(count, 'row')} with tags of {names}" for name, count in tagged.items()]
    if not erase:
        if as_json:
            print_json({"tagged": dict(tagged)})
            return
        for line in lines:
            say(line)
        say("Nothing was changed: --erase erases the tags")
        return
    if not yes:
        ask(
            [*lines, "Nothing finds these rows by them any more. Only a backfill makes them again."],
            "Nothing was erased.",
        )
    with showing("drop", as_json) as tell:
        report = found.drop_index(
            *companions, workers=workers, batch=batch, rate=rate, restart=restart, on_progress=tell
        )
    print_step(report, as_json, "drop")
