"""`{command-line}` documents the commands of `fieldcrypt` by their own help, so that it cannot become stale."""

from __future__ import annotations

from typing import Any

import typer
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.cli import get_docs_for_click

from fieldcrypt.cli.commands import commands


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}


class CommandLine(SphinxDirective):
    """Writes the Markdown that typer makes of an application."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command."""
        command = typer.main.get_command(commands)
        _summarise(command)
        context = typer.Context(command, info_name="fieldcrypt")
        text = get_docs_for_click(obj=command, ctx=context, name="fieldcrypt", indent=1)
        text = text.replace("* `--help`: Show this message and exit.\n", "").replace("**Options**:\n\n\n", "")
        text = text.replace("```console\n$ ", "```text\n")
        return self.parse_text_to_nodes(StringList(text.splitlines(), source="fieldcrypt"), allow_section_headings=True)


def _summarise(command: Any) -> None:
    """Show the whole first sentence of a command in the list of its group, which would else be cut."""
    for each in getattr(command, "commands", {}).values():
        each.short_help = (each.help or "").partition("\n\n")[0]
        _summarise(each)
