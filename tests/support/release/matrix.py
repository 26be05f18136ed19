"""Runs the quick tests with every Python and every dependency that a release promises, and prints a table.

python -m tests.support.release.matrix [ROW…]

Rows are Pythons (3.12), SQLAlchemys (sqlalchemy-2.0, sqlalchemy-next) and `lowest`, which has the lowest version of
each direct dependency that pyproject.toml allows. Each has a virtual environment of its own in .venv/matrix, made by
uv, which finds Pythons on the PATH and those of pyenv. A Python that is not here is a row that says so. The tests start
moto, but neither PostgreSQL, MariaDB nor ministack: what needs those runs in `make test`, with one Python.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / ".venv" / "matrix"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
UV = Path(sys.executable).parent / "uv"  # of the environment that this runs in
LOWEST = "3.11"

# Those that have no wheel for every Python, or no version that fits the others: they have tests of their own.
APART = {"native", "spark", "aioboto3"}

TESTS = (
    *("core", "format", "keys", "kms", "declaration", "search", "schemes", "columns", "leakage", "cli"),
    *("sqlalchemy", "alembic", "pynamodb", "dynamodb", "pydantic", "sqlmodel", "tenants"),
    *("counting", "health", "opentelemetry", "scrubbing", "settings", "testing"),
)
# What takes long, needs servers, or is about files and not about what runs.
LEFT_OUT = {
    *("benchmarks", "examples", "fleet", "frozen", "migration", "regions"),
    *("infrastructure", "native", "project", "support", "typing"),
}

COUNTS = re.compile(r"(\d+) (failed|passed|skipped|errors?)\b")


@dataclass(frozen=True, slots=True)
class Row:
    """One combination: a Python, and what pip would not choose by itself."""

    name: str
    python: str
    constraints: tuple[str, ...] = ()
    lowest: bool = False


ROWS = (
    *(Row(python, python) for python in ("3.11", "3.12", "3.13", "3.14")),
    Row("lowest", LOWEST, lowest=True),
    Row("sqlalchemy-2.0", LOWEST, ("sqlalchemy>=2.0,<2.1",)),
    Row("sqlalchemy-2.1", LOWEST, ("sqlalchemy>=2.1,<2.2",)),
    Row("sqlalchemy-next", LOWEST, ("sqlalchemy>=2.1.0a0",)),  # naming a pre-release allows all
)


def main(arguments: Sequence[str]) -> None:
    unknown = set(arguments) - {row.name for row in ROWS}
    if unknown:
        sys.exit(f"there is no row {', '.join(sorted(unknown))}: there are {', '.join(row.name for row in ROWS)}")
    chosen = [row for row in ROWS if not arguments or row.name in arguments]
    results = {row.name: _result(row) for row in chosen}
    width = max(map(len, results))
    print(*(f"{name:{width}}  {result}" for name, (_, result) in results.items()), sep="\n")
    sys.exit(any(failed for failed, _ in results.values()))


def _result(row: Row) -> tuple[bool, str]:
    """Run the tests of a row; return whether they failed, and what the table says."""
    print(f"=== {row.name}", flush=True)
    python = _python(row)
    if python is None:
        return False, f"there is no Python {row.python} here"
    tests = [f"tests/{name}" for name in TESTS]
    command: list[str | Path] = [python, "-m", "pytest", "--without-servers", "-p", "no:cacheprovider", *tests]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode != 0, f"{_versions(python)}: {_counts(lines)}"


def _python(row: Row) -> Path | None:
    """Make the environment of a row; None if its Python is not here."""
    if subprocess.run([UV, "python", "find", row.python], capture_output=True, env=_with_pyenv()).returncode:
        return None
    environment = ENVIRONMENTS / row.name
    _uv("venv", "--quiet", "--clear", "--python", row.python, environment)
    with tempfile.TemporaryDirectory() as directory:
        constraints = Path(directory) / "constraints.txt"
        constraints.write_text("\n".join([*row.constraints, *(_floors(row) if row.lowest else ())]))
        install = ("pip", "install", "--quiet", "--python", environment, "--constraint", constraints)
        _uv(*install, "--group", "tests", "--editable", ".[all,demo]")
    return environment / "bin" / "python"


def _floors(row: Row) -> Iterator[str]:
    """The lowest versions of direct dependencies; what those need themselves is as recent as it can be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    direct = {_name(each) for group in (project["dependencies"], *extras.values()) for each in group}
    chosen = [f"--extra={extra}" for extra in extras if extra not in APART]
    command = ("pip", "compile", "--quiet", "--resolution", "lowest-direct", "--python", row.python)
    compiled = _uv(*command, "--no-annotate", "--no-header", *chosen, "pyproject.toml")
    return (line for line in compiled.splitlines() if _name(line) in direct)


def _name(requirement: str) -> str:
    """The name of what is required, as the index spells it."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def _versions(python: Path) -> str:
    code = (
        "import platform, sqlalchemy; print('Python', platform.python_version(), 'SQLAlchemy', sqlalchemy.__version__)"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _counts(lines: Sequence[str]) -> str:
    """What pytest counted, in the last line that counts."""
    counted = [COUNTS.findall(line) for line in lines if re.search(r"\b(passed|failed|errors?)\b.* in ", line)]
    return ", ".join(f"{number} {what}" for number, what in counted[-1]) if counted else "pytest did not run"


def _uv(*arguments: str | Path) -> str:
    return subprocess.run(
        [UV, *arguments], cwd=ROOT, env=_with_pyenv(), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _with_pyenv() -> dict[str, str]:
    """All Pythons of pyenv on the PATH, of which it shows but one by itself."""
    pythons = map(str, sorted(PYENV.glob("versions/*/bin")))
    return os.environ | {"PATH": os.pathsep.join([*pythons, os.environ["PATH"]])}


if __name__ == "__main__":
    main(sys.argv[1:])
