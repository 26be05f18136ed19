"""The tutorial, word by word: its files in an empty directory, its commands in fresh processes, what they print.

README.md and the first guide begin with a program too, which a newcomer saves and runs more than once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorial.md"
# What sets up an environment is done by `make wheel-check`, and the demo has its own tests.
SET_UP = ("python3 -m venv", ". .venv", "pip install")
BLOCK = re.compile(r"^```(python|console|diff)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(command: list[str], directory: Path) -> str:
    """Run a command as in a shell in that directory, in which nothing of AWS is configured."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FIELDCRYPT_E"))}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def transcript(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def follow(page: Path, directory: Path) -> None:
    """Save the files of a page and run its commands, in their order; an ellipsis stands for whatever they print."""
    for language, block in BLOCK.findall(page.read_text()):
        if language == "python":
            (name,) = re.findall(r"\A# (\w+\.py)$", block, re.MULTILINE)
            (directory / name).write_text(block)
        elif language == "diff":
            saved = "".join(path.read_text() for path in directory.glob("*.py"))
            assert [line for line in re.findall(r"^-(.*)$", block, re.MULTILINE) if line not in saved] == []
        else:
            for command, printed in transcript(block):
                if not command.startswith(SET_UP):
                    expected = ".*".join(re.escape(part) for part in printed.split("…"))
                    seen = run(command.split(), directory)
                    assert re.fullmatch(expected, seen, re.DOTALL), f"{command} printed {seen!r}"


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """A newcomer who saves each file and types each command sees what the page shows."""
    follow(TUTORIAL, tmp_path)


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", DOCS / "guides/sqlalchemy.md"], ids=lambda page: page.name)
def test_the_first_example_runs_twice(page: Path, tmp_path: Path) -> None:
    """As a program of its own, without AWS: the second run reads what the first one wrote."""
    (program,) = [block for language, block in BLOCK.findall(page.read_text()) if language == "python"][:1]
    (tmp_path / "program.py").write_text(program)
    for _ in ("first", "second"):
        run(["python", "program.py"], tmp_path)
