"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["JsonOption", "YesOption"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
