"""`fieldcrypt demo`, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fieldcrypt", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "120"})


def csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_the_sample_survives_the_loss_of_a_region() -> None:
    """Every row is read back equal, nothing is found at rest, and KMS calls are counted in single digits."""
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every row is equal" in done.stdout
    assert done.stdout.count("none found") == 2
    assert "connections are refused" in done.stdout
    calls = re.findall(r"KMS calls in \S+ +│ (\d+) Encrypt, (\d+) Decrypt", done.stdout)
    assert len(calls) == 2
    assert 0 < sum(int(number) for pair in calls for number in pair) < 10


def test_a_file_of_ones_own_can_be_used(tmp_path: Path) -> None:
    """Columns are found by their usual names; nulls, accents, quotes and markup stay as they are."""
    rows = 'FirstName,LastName,Address,Phone,Email,Country\n"Luís","Gonçalves","Av. 1, 2º",,l@example.org,Brazil\n'
    rows += '"[red]","",,"+55 (12) 3923-5555",,\n'
    done = demo("--input", csv(tmp_path / "people.csv", rows))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Luís Gonçalves" in done.stdout
    assert "2 in each database" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "none of the columns"),
        ("name\n", "no rows"),
        ("", "no rows"),
        ("name,email\n,\n", "no values"),
        ("name\n\udcff\n", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    """With exit code 2, and no traceback."""
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    done = demo("--input", path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_file_that_is_missing_is_explained(tmp_path: Path) -> None:
    """By its name."""
    done = demo("--input", tmp_path / "missing.csv")
    assert done.returncode == 2
    assert "missing.csv" in "".join(done.stderr.split())
