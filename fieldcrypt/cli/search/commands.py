"""`fieldcrypt search`: what the indexes of a model tell somebody who reads the database."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import progress
from fieldcrypt.cli.search.model import find_model
from fieldcrypt.cli.search.report import print_leakage
from fieldcrypt.migration.leakage import leakage_by_part

__all__ = ["search"]

search = typer.Typer(name="search", help="See what the indexes of a model tell, and cost.", no_args_is_help=True)


@search.callback()
def main() -> None:
    """See what the indexes of a model tell, and cost."""


@search.command()
def plan(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="The model or Table of SQLAlchemy, the model of PynamoDB, the ProtectedTable, or a migration of one.",
        ),
    ],
    engine: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="The Engine of SQLAlchemy. Default: the only one in the module."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="ROWS", help="How many random rows to read, about; 0 reads all.")
    ] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Attack the declared indexes with a sample of your data, and show what that finds and what they cost.

    Reads and decrypts rows, and writes nothing. The tags are made under a temporary key, so an index may be
    declared and not filled yet. No plaintext is shown. There may be better attacks: what is found is the least that an
    index tells. Exit code 1 if an index is over so few values that their frequencies tell which is which.
    """
    found = find_model(model, engine)
    with progress("reading") as bar:
        leakages = leakage_by_part(found, sample or None, bar.follow)
    print_leakage(leakages, as_json)
    if any(leakage.is_refused for leakage, _ in leakages.values()):
        raise typer.Exit(1)
