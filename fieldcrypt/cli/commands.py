"""The commands and their options; each imports what it needs when it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import fieldcrypt

__all__ = ["commands"]

commands = typer.Typer(
    name="fieldcrypt",
    help="Client-side field encryption for data stores that replicate across regions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals would show plaintext and keys
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(fieldcrypt.__version__)
        raise typer.Exit


@commands.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Client-side field encryption for data stores that replicate across regions."""


@commands.command()
def demo(
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE.csv",
            help="Customers to use: a CSV file with columns like name, address, phone, email.",
        ),
    ] = None,
) -> None:
    """Encrypt customers in one region, lose that region, read them in another.

    Runs on this machine alone: KMS and DynamoDB are local servers, the SQL database is a file. Exit code 1 if any row
    differs, or if any plaintext is found at rest.
    """
    try:
        from fieldcrypt.cli.demo import run
    except ModuleNotFoundError as error:
        typer.echo(f"The demo needs more packages ({error.name} is missing): pip install 'fieldcrypt[demo]'", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(run(input))
