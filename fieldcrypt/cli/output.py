"""What commands print: tables and JSON on stdout; questions, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from fieldcrypt.progress import Progress as JobProgress

__all__ = [
    "Bar",
    "ask",
    "fail",
    "missing_packages",
    "print_json",
    "print_table",
    "printable",
    "progress",
    "say",
    "status",
    "utc",
]

_WIDTH = 400  # columns of a table where no terminal sets them, so that an ARN stays in one piece
_ENDLESS = 100_000  # columns, to find out how many a table would take


def fail(message: object, code: int) -> NoReturn:
    """End the command with a line on stderr: code 1 if something is wrong, 2 if it was called wrongly."""
    typer.echo(printable(message), err=True)
    raise typer.Exit(code)


def printable(text: object) -> str:
    """Return a text without control characters, which a terminal would obey: a key store may hold anything."""
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in str(text)
    )


def say(text: object) -> None:
    """Print a line."""
    typer.echo(printable(text))


def ask(announced: Sequence[str], otherwise: str) -> None:
    """Announce on stderr what will happen, and ask; end the command with code 1 unless the answer is yes."""
    for line in announced:
        typer.echo(printable(line), err=True)
    typer.echo("Go on? [y/N] ", nl=False, err=True)  # typer.confirm would write to stdout, which may be for JSON
    answer = sys.stdin.readline()
    if not answer:  # a job, whose stdin is closed
        fail(f"{otherwise} There was nobody to answer: --yes does not ask.", 1)
    if answer.strip().lower() not in ("y", "yes"):
        fail(otherwise, 1)


def print_json(value: Any) -> None:
    """Print JSON for a script, in ASCII: other characters could control a terminal, or hide text."""
    typer.echo(json.dumps(value, indent=2))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]], *, whole: bool = False) -> None:
    """Print a table. Cells are texts, or renderables of rich; square brackets in texts mean nothing.

    Args:
        titles: of the columns.
        rows: a cell for each column.
        whole: on a terminal that is too narrow, print paragraphs, so that every cell can be copied in one piece.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    table = Table(border_style="blue")
    names = max((len(printable(row[0])) for row in rows if isinstance(row[0], str)), default=0)
    for at, title in enumerate(titles):  # names are not broken while there is room for them
        table.add_column(title, overflow="fold", no_wrap=at == 0 and names <= console.width // 3)
    for row in rows:
        table.add_row(*(escape(printable(cell)) if isinstance(cell, str) else cell for cell in row))  # type: ignore[arg-type]
    wanted = console.measure(table, options=console.options.update(width=_ENDLESS)).maximum
    if not whole or wanted <= console.width:
        console.print(table)
        return
    for first, *others in rows:
        say(first)
        cells = zip(titles[1:], others, strict=True)
        _say_parts([f"{title} {cell}".strip() for title, cell in cells if cell], console.width)


def _say_parts(parts: Sequence[str], width: int) -> None:
    """Print texts, indented, as many on a line as there is room for."""
    line = ""
    for part in map(printable, parts):
        if line and len(f"{line}; {part}") > width:
            say(line)
            line = ""
        line = f"{line}; {part}" if line else f"  {part}"
    say(line)


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Return a function that shows on a terminal what is being done."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as spinner:
        yield spinner.update


class Bar:
    """Shows on a terminal what is being done, and how much of it is done."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)

    def say(self, what: str) -> None:
        """Show what is being done."""
        self._bar.update(self._task, description=what)

    def __call__(self, done: int, total: int) -> None:
        """Show how much is done."""
        self._bar.update(self._task, completed=done, total=total)

    def follow(self, job: JobProgress) -> None:
        """Show how far a job is."""
        self(job.done, job.total)


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """Return a bar, which only shows on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield Bar(bar, what)


@contextmanager
def missing_packages() -> Iterator[None]:
    """Exit with the name of the missing extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        fail("This command needs more packages: pip install 'fieldcrypt[aws]'", 2)


def utc(seconds: int) -> str:
    """Return a time in seconds since 1970 as text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
