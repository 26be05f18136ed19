"""The page, the JSON file and the terminal's tables: what a run of benchmarks found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from markupsafe import escape as escape_html
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable

from benchmarks.charts import picture, svg
from benchmarks.section import Chart, Section, Table

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found.

    Attributes:
        sections: what each benchmark found.
        missing: benchmarks that could not be run -> the reason.
        environment: the machine and the versions.
        command: what was typed.
        date: when.
        quick: True if the run was short and is less exact.
    """

    sections: tuple[Section, ...]
    missing: Mapping[str, str]
    environment: Mapping[str, str]
    command: str
    date: str
    quick: bool

    def html(self) -> str:
        """Return one page that needs no other file and no network."""
        return self._rendered("report.html.j2", draw=_draw)

    def markdown(self, folder: str) -> str:
        """Return a page for a repository or a wiki, with pictures in a folder beside it."""
        return self._rendered("report.md.j2", folder=folder, in_cell=_in_cell)

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield the file names of those pictures, and what is in the files."""
        for section in self.sections:
            for number, chart in enumerate(section.charts, 1):
                yield f"{section.name}-{number}.svg", picture(chart, f"{section.name}{number}")

    def _rendered(self, template: str, **more: Any) -> str:
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,  # of Markdown, too: it takes the entities of HTML
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        return templates.get_template(template).render(**mine, **more)

    def json(self) -> str:
        """Return everything that was measured."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def show(self, console: Console) -> None:
        """Print the tables, what is not as promised, and what is missing."""
        for section in self.sections:
            console.rule(f"[bold]{escape(section.title)}", align="left")
            if section.summary:
                console.print(escape(section.summary))
            for table in section.tables:
                console.print()
                console.print(_for_terminal(table))
                if table.note:
                    console.print(Padding(f"[dim]{escape(table.note)}", (0, 0, 0, 0)))
            for name, reason in section.missing.items():
                console.print(f"[yellow]not measured:[/] {escape(name)}: {escape(reason)}")
            for complaint in section.complaints:
                console.print(f"[red]not as promised:[/] {escape(complaint)}")
            console.print()
        for name, reason in self.missing.items():
            console.print(f"[yellow]not measured:[/] {escape(name)}: {escape(reason)}")
        console.print("[dim]" + escape("; ".join(f"{name} {value}" for name, value in self.environment.items())))


def _in_cell(text: str) -> Markup:
    return Markup(escape_html(text).replace("|", "\\|"))  # noqa: S704 (escaped in the same breath)


def _draw(chart: Chart, name: str) -> Markup:
    return Markup(svg(chart, name))  # noqa: S704 (matplotlib has escaped what is not ours)


def _for_terminal(table: Table) -> RichTable:
    shown = RichTable(
        title=escape(table.title), title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0)
    )
    for number, column in enumerate(table.columns):
        if number < table.labels:
            shown.add_column(escape(column))
        else:
            shown.add_column(escape(column), justify="right")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
