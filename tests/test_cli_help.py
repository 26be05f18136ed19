"""What `--help` says, of every command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from fieldcrypt import __version__
from fieldcrypt.cli.commands import commands


def every(command: typer.core.TyperGroup, *path: str) -> Iterator[tuple[tuple[str, ...], typer.core.TyperCommand]]:
    """Every command under a group, with the words that call it."""
    for name, below in command.commands.items():
        if isinstance(below, typer.core.TyperGroup):
            yield from every(below, *path, name)
        elif isinstance(below, typer.core.TyperCommand):
            yield (*path, name), below


ROOT = typer.main.get_command(commands)
assert isinstance(ROOT, typer.core.TyperGroup)
COMMANDS = dict(every(ROOT))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_help_text_is_taken_for_markup(path: tuple[str, ...]) -> None:
    """Rich takes [square brackets] for orders about colour, and leaves them out, unless they are escaped."""
    command = COMMANDS[path]
    texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
    for text in filter(None, texts):
        assert Text.from_markup(text).plain == text.replace("\\[", "[")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_where_things_are_configured(path: tuple[str, ...]) -> None:
    """Wherever the Encryptor or a migration can come from pyproject.toml, and nowhere else."""
    shown = CliRunner().invoke(commands, [*path, "--help"], env={"COLUMNS": "200"}).stdout
    configured = any(parameter.name in ("encryptor", "migration") for parameter in COMMANDS[path].params)
    configured &= path != ("inspect",)  # which imports only what it is told to
    assert ("under [tool.fieldcrypt] in pyproject.toml" in shown) == configured


def test_python_m_fieldcrypt() -> None:
    """The command line, where no script is installed."""
    command = [sys.executable, "-m", "fieldcrypt", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{__version__}\n"
