"""What `--help` says, of every command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from fieldcrypt import __version__, backend
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


def help_of(path: tuple[str, ...]) -> str:
    """What a terminal that is wide enough shows."""
    return CliRunner().invoke(commands, [*path, "--help"], env={"COLUMNS": "400"}).stdout


def squeezed(text: str) -> str:
    """A text without what may be laid out in another way."""
    return "".join(character for character in text if not character.isspace() and character not in "`│")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_every_word(path: tuple[str, ...]) -> None:
    """Nothing is taken for markup: square brackets vanished so once, and with them where things are configured."""
    command = COMMANDS[path]
    shown = squeezed(help_of(path))
    for text in (command.help, *(getattr(parameter, "help", None) for parameter in command.params)):
        assert squeezed(text or "") in shown


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_where_things_are_configured(path: tuple[str, ...]) -> None:
    """Wherever the Encryptor or a migration can come from pyproject.toml, and nowhere else."""
    optional = {parameter.name for parameter in COMMANDS[path].params if not parameter.required}
    configured = not optional.isdisjoint({"encryptor", "migration"})
    configured &= path != ("inspect",)  # which imports only what it is told to
    assert ("under [tool.fieldcrypt] in pyproject.toml" in help_of(path)) == configured


def test_python_m_fieldcrypt() -> None:
    """The command line, where no script is installed."""
    command = [sys.executable, "-m", "fieldcrypt", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{__version__}\n{backend()}\n"
