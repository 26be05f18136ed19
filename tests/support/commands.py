"""The command line in this process: what it prints, and what it complains of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fieldcrypt.cli.commands import commands

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FIELDCRYPT_ENCRYPTOR", "FIELDCRYPT_MIGRATIONS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    before = list(sys.path)
    yield lambda *arguments, **more: CliRunner().invoke(commands, arguments, **more)
    sys.path[:] = before
    for name in ("application", "broken", "elsewhere", "late", "vault"):
        sys.modules.pop(name, None)


def stdout(result: Result, code: int = 0) -> str:
    """What a command printed, having ended as it should."""
    assert result.exit_code == code, result.output
    return result.stdout


def complaint(result: Result, code: int) -> str:
    """The one line that a command complained with."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr
