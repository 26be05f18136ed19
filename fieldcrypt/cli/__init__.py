"""The command line, `fieldcrypt`. Needs the extra `cli`."""

from __future__ import annotations

import sys

__all__ = ["app"]


def app() -> None:
    """Run the command line, or say which extra is missing."""
    try:
        from fieldcrypt.cli.commands import commands
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("The command line needs more packages: pip install 'fieldcrypt[cli]'")
    commands()
