"""How commands show a step of a migration while it works, and at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from fieldcrypt import _system
from fieldcrypt.cli.migrate.reports import print_report
from fieldcrypt.cli.output import fail
from fieldcrypt.migration import Progress, StepReport

__all__ = ["print_step", "showing"]

_TELL_EVERY = 60.0  # seconds, where there is no terminal


def print_step(report: StepReport, as_json: bool, step: str) -> None:
    """Print what a step did, and end the command with code 1 unless all is done."""
    print_report(report, as_json, step)
    if report.failed or not report.complete:
        raise typer.Exit(1)


@contextmanager
def showing(step: str, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show how far a step is: a bar on a terminal, a line per minute elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    shown = _system.monotonic()
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(step, total=None, pace="")

        def tell(progress: Progress) -> None:
            nonlocal shown
            if console.is_terminal:
                left = "" if progress.left is None else f", {progress.left} left"
                bar.update(
                    task, completed=progress.done, total=progress.total, pace=f"{progress.rate:,.0f} rows/s{left}"
                )
            elif not quiet and _system.monotonic() - shown >= _TELL_EVERY:
                shown = _system.monotonic()
                print(progress, file=sys.stderr, flush=True)

        try:
            yield tell
        except KeyboardInterrupt:
            fail("interrupted; what was done stays, run it again to go on", 130)
